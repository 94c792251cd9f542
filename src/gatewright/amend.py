"""`amend`: gates that overrule a classifier where it is wrong more often than chance explains.

A classifier that is held back so as not to learn noise also misses what few rows show. Here each
round looks at all gates of two input bits, and takes the one, with the class to say where it is 1,
after which the fewest training rows are wrong. It stays if the same search seldom gains as much
when labels are shuffled among the rows of one prediction, that is, where bits tell no more than the
prediction: the permutation test of the greatest of many statistics (Westfall and Young 1993).
Corrections one after the other are Brill's (1995).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from gatewright.circuit import Bits, Builder
from gatewright.errors import InputError
from gatewright.model import Model

#: Shuffles of the labels that a gate is compared with.
SHUFFLES = 999


@dataclass(frozen=True)
class Amendment:
    """A gate of two input bits, and what is said where it is 1.

    Attributes:
        table: its truth table, bit a + 2b.
        inputs: a and b, numbers of input bits.
        label: the class.
        gain: by how many rows fewer training rows are wrong.
        chance: share of the searches, it among them, that gained as much.
    """

    table: int
    inputs: tuple[int, int]
    label: int
    gain: int
    chance: float


def amend(
    model: Model, x: npt.ArrayLike, y: npt.ArrayLike, *, level: float = 0.05, seed: int = 0
) -> tuple[Model, tuple[Amendment, ...]]:
    """The classifier with gates that overrule it, in their order; as it is where none stays.

    A round takes about num_inputs^2 * N * 1,000 * num_classes operations: it is for small tables.

    Args:
        x: training rows, as the model takes them.
        y: their classes int[N].
        level: the greatest `chance` with which a gate stays, above 0 and below 1.
        seed: of the shuffles.

    Raises:
        InputError: the model has no classes, there are not as many labels as rows, or there is no
            such level.
    """
    if model.num_classes is None:
        raise InputError("only classifiers are amended: the model's outputs are no class")
    if not 0 < level < 1:
        raise InputError(f"level is above 0 and below 1, not {level}")
    labels = np.asarray(y)
    predicted = model.predict(x)
    if labels.shape != predicted.shape:
        raise InputError(f"{len(predicted)} rows need as many labels; y is {list(labels.shape)}")
    bits = np.asarray(x, np.bool_) if model.encoder is None else model.encoder(x)
    rng = np.random.default_rng(seed)
    found: list[Amendment] = []
    while (one := _best(bits, predicted, labels, model.num_classes, rng)).chance <= level:
        a, b = one.inputs
        is_one = (one.table >> (bits[:, a] + 2 * bits[:, b]) & 1).astype(np.bool_)
        predicted = np.where(is_one, one.label, predicted)
        found.append(one)
    return _overruled(model, found) if found else model, tuple(found)


def _best(
    bits: Bits,
    predicted: npt.NDArray[np.int64],
    labels: npt.NDArray[np.int64],
    num_classes: int,
    rng: np.random.Generator,
) -> Amendment:
    """The gate that gains most; chance 1 where none gains anything."""
    every = np.repeat(labels[:, None], 1 + SHUFFLES, axis=1)  # the labels, then shuffled ones
    for said in np.unique(predicted):
        here = np.flatnonzero(predicted == said)
        every[here, 1:] = rng.permuted(every[here, 1:], axis=0)
    is_right = (every == predicted[:, None]).astype(np.float32)
    numbers = bits.astype(np.float32)
    most = np.zeros(1 + SHUFFLES, np.float32)
    best = 0, (0, 0), 0
    for label in range(num_classes):
        worth = (every == label) - is_right  # of saying this class, in rows right
        total, ones = worth.sum(axis=0), numbers.T @ worth
        for a in range(bits.shape[1]):
            both = (numbers[:, a + 1 :] * numbers[:, a, None]).T @ worth
            rest = ones[a + 1 :]
            corners = np.stack([total - ones[a] - rest + both, ones[a] - both, rest - both, both])
            gains = np.maximum(corners, 0).sum(axis=0)  # of the table that is 1 where that pays
            here = int(gains[:, 0].argmax()) if len(gains) else 0
            if len(gains) and gains[here, 0] > most[0]:
                table = sum(int(pays) << m for m, pays in enumerate(corners[:, here, 0] > 0))
                best = table, (a, a + 1 + here), label
            most = np.maximum(most, gains.max(axis=0, initial=0))
    return Amendment(*best, gain=int(most[0]), chance=float((most >= most[0]).mean()))


def _overruled(model: Model, amendments: list[Amendment]) -> Model:
    circuit = model.circuit
    builder = Builder(circuit.input_names, circuit.name)
    outputs = builder.copy(circuit, builder.inputs)
    for one in amendments:
        gate = builder.gate(one.table, *(builder.inputs[i] for i in one.inputs))
        outputs = [
            builder.lor(gate, output) if one.label >> k & 1 else builder.land(gate ^ 1, output)
            for k, output in enumerate(outputs)
        ]
    for name, output in zip(circuit.output_names, outputs, strict=True):
        builder.output(name, output)
    return replace(model, circuit=builder.build())
