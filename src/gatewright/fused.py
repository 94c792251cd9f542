"""Training on the native kernel: which networks it takes, and their way there and back.

The kernel (cpp/trainer.hpp) runs forward, loss, backward and Adam of a chain of gate layers under
group sums in one call for many steps. What it computes is what `train` compiles with
JAX, which is its specification and serves everything else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from gatewright import native
from gatewright.adam import Adam, AdamState
from gatewright.errors import InputError
from gatewright.heads import GroupSum, Sums
from gatewright.journal import partition
from gatewright.layers import Gates, Layer
from gatewright.learned import LearnedGates
from gatewright.network import Network

if TYPE_CHECKING:
    from gatewright import _native

Floats = npt.NDArray[np.float32]
Words = npt.NDArray[np.uint64]
#: How the kernel stores activations. float16 and fixed16 (fixed point) are its arithmetic too, on
#: machines that have it; else arithmetic is float32. "auto" is the quickest of sixteen bits.
Activations = Literal["auto", "float32", "bfloat16", "float16", "fixed16"]

#: Form of gate -> its number in the kernel, and whether training sees hard gates.
FORMS: dict[str, tuple[int, bool]] = {
    "softmax": (0, False),
    "straight_through": (0, True),
    "light": (1, False),
    "walsh": (2, False),
    "covjac": (3, False),
}
MOST_CANDIDATES = 128
#: Gates that read an output, beyond which gradients in fixed point would have less than 11 bits.
MOST_READERS = 32
#: Storages by their number in the kernel.
STORAGES = ("float32", "bfloat16", "float16", "fixed16")
VALUES, MEAN, SQUARE = range(3)


def why_not(network: Network, optimizer: object = None, loss: object = None) -> str | None:
    """Why the native kernel cannot train this network; None where it can.

    Without an optimiser: why it cannot evaluate it.
    """
    if native.load() is None:
        return "the native core is not built, or turned off"
    if jax.default_backend() != "cpu":
        return f"JAX runs on {jax.default_backend()}"
    if optimizer is not None and not isinstance(optimizer, Adam):
        return "the optimiser is not gatewright.Adam"
    if loss is not None:
        return "the loss is not the head's own"
    if not isinstance(network.head, Sums):
        return f"the head is {type(network.head).__name__}, not GroupSum or Affine"
    if isinstance(network.head, GroupSum) and network.head.log_tau is not None:
        return "tau is learned"
    for i, layer in enumerate(network.layers):
        if not isinstance(layer, Gates | LearnedGates):
            return f"layer {i} is {type(layer).__name__}"
        if layer.form not in FORMS:
            return f"layer {i} is of the form {layer.form!r}"
        if isinstance(layer, LearnedGates) and layer.num_candidates > MOST_CANDIDATES:
            return f"layer {i} has more than {MOST_CANDIDATES} candidates an operand"
    return None


def num_threads(threads: int | None) -> int:
    """The number of threads: as given, or one a processor that this process may use."""
    if threads is not None and threads < 1:
        raise InputError(f"threads is at least 1, or None for all, not {threads}")
    return threads or native.num_processors()


def storage_of(activations: str, network: Network | None = None) -> str:
    """How activations are stored: as asked, or, for "auto", what is quickest here.

    Fixed point has a bit less for gradients each time that a row's readers double: where a network
    has rows that very many gates read, it is not chosen.

    Raises:
        InputError: there is no such storage, or this machine does not have it.
    """
    module = native.load()
    if activations not in get_args(Activations):
        raise InputError(f"activations are {', '.join(get_args(Activations))}, not {activations!r}")
    has = {
        "float16": module is not None and module.has_float16(),
        "fixed16": module is not None and module.has_fixed16(),
    }
    if activations == "auto":
        has["fixed16"] &= network is None or _most_readers(network) <= MOST_READERS
        return next((name for name, is_there in has.items() if is_there), "bfloat16")
    if not has.get(activations, True):
        raise InputError(
            f"activations={activations!r}: this machine has no such arithmetic; use 'auto'"
        )
    return activations


def _most_readers(network: Network) -> int:
    """The most gates that read an output of a layer; of candidates as cpp/layer.cpp has it."""
    most = 0
    for layer in network.layers[1:]:
        if isinstance(layer, LearnedGates):
            most = max(most, 4 * layer.num_outputs // layer.num_inputs + 1)
        else:
            most = max(most, int(np.bincount(_wiring(layer)).max()))
    return most


def describe(activations: Activations, threads: int, network: Network | None = None) -> str:
    """The kernel in words: "native (avx512, bfloat16, 2 threads)"."""
    module = native.load()
    assert module is not None
    plural = "" if threads == 1 else "s"
    storage = storage_of(activations, network)
    return f"native ({module.training_kernel()}, {storage}, {threads} thread{plural})"


class Fused:
    """A network on the native kernel: parameters and Adam's state live there between calls.

    Only for networks of which `why_not` says nothing.

    Args:
        mode: as in `gatewright.train.train`.
        threads: of the kernel; the result does not depend on it.
    """

    def __init__(
        self,
        network: Network,
        *,
        mode: str = "training",
        activations: Activations = "auto",
        threads: int | None = None,
    ) -> None:
        module = native.load()
        assert module is not None
        layers = network.layers
        self._network = network
        self._trainer: _native.Trainer = module.Trainer(
            forms=[FORMS[_form(layer)][0] for layer in layers],
            is_hard=[_is_hard(FORMS[_form(layer)][1], mode) for layer in layers],
            is_wired_hard=[_is_hard(_selects_hard(layer), mode) for layer in layers],
            widths=[network.num_inputs, *(layer.num_outputs for layer in layers)],
            candidates=[
                layer.num_candidates if isinstance(layer, LearnedGates) else 0 for layer in layers
            ],
            wirings=[_wiring(layer) for layer in layers],
            num_groups=_head(network).num_groups,
            storage=STORAGES.index(storage_of(activations, network)),
            threads=num_threads(threads),
        )
        self._set(VALUES, network)

    def set_state(self, state: AdamState) -> None:
        """Continue from this state of Adam; at first its means are 0."""
        self._set(MEAN, state.mean)
        self._set(SQUARE, state.square)

    def run(
        self,
        words: Words,
        targets: npt.NDArray[Any],
        learning_rates: Floats,
        temperatures: Floats,
        step: int,
        adam: Adam,
    ) -> tuple[Floats, npt.NDArray[np.int32]]:
        """Train a step a learning rate: losses [steps] and rows decided right [steps].

        Args:
            words: packed rows uint64[steps * batch, W], bit i of a row input i.
            targets: classes [steps * batch], or their probabilities [steps * batch, num_classes];
                numbers [steps * batch] for an Affine head, where no row counts as decided right.
            step: steps of Adam taken before.
        """
        head = _head(self._network)
        labels, reals = head.kernel_targets(targets)
        return self._trainer.run(
            rows=words,
            labels=labels,
            targets=reals,
            learning_rates=learning_rates,
            temperatures=temperatures,
            first_step=step,
            tau=_tau(self._network),
            smoothing=head.smoothing,
            b1=adam.b1,
            b2=adam.b2,
            epsilon=adam.epsilon,
            weight_decay=adam.weight_decay,
            readout=head.readout_of(_group_size(self._network)),
        )

    def scores(self, words: Words, temperature: float, *, is_hard: bool = False) -> Floats:
        """Scores [N, s] of the soft network, or hard, on packed rows uint64[N, W]."""
        sums = self._trainer.sums(rows=words, temperature=temperature, is_hard=is_hard)
        scores = _head(self._network).scores_of(jnp.asarray(sums), _group_size(self._network))
        return np.asarray(scores)

    def network(self) -> Network:
        """The network as it is now."""
        trainable, fixed = partition(self._network)
        return cast(Network, eqx.combine(self._get(VALUES, trainable), fixed))

    def state(self, step: int) -> AdamState:
        """Adam's state after `step` steps."""
        trainable = partition(self._network)[0]
        return AdamState(
            jnp.asarray(step, dtype=jnp.int32),
            self._get(MEAN, trainable),
            self._get(SQUARE, trainable),
        )

    def _set(self, quantity: int, tree: Network) -> None:
        for i, layer in enumerate(tree.layers):
            for is_wires, array in enumerate(_arrays(layer)):
                values = np.asarray(array).reshape(-1, layer.num_outputs)
                self._trainer.set(i, bool(is_wires), quantity, np.ascontiguousarray(values))

    def _get(self, quantity: int, tree: Network) -> Any:
        arrays = [
            jnp.asarray(self._trainer.get(i, bool(is_wires), quantity).reshape(array.shape))
            for i, layer in enumerate(tree.layers)
            for is_wires, array in enumerate(_arrays(layer))
        ]
        return eqx.tree_at(_all_arrays, tree, arrays)


def _all_arrays(network: Network) -> list[Any]:
    return [array for layer in network.layers for array in _arrays(layer)]


def _arrays(layer: Layer) -> list[Any]:
    """The trainable arrays of a layer: of its gates, and of its wires where it learns them."""
    if isinstance(layer, LearnedGates):
        return [layer.parameters, layer.logits]
    assert isinstance(layer, Gates)
    return [layer.parameters]


def _form(layer: Layer) -> str:
    assert isinstance(layer, Gates | LearnedGates)
    return layer.form


def _selects_hard(layer: Layer) -> bool:
    return isinstance(layer, LearnedGates) and layer.selection == "straight_through"


def _is_hard(is_so_in_training: bool, mode: str) -> bool:
    return mode == "straight_through" or (mode == "training" and is_so_in_training)


def _wiring(layer: Layer) -> npt.NDArray[np.int32]:
    if isinstance(layer, LearnedGates):
        return np.ascontiguousarray(layer.candidates).reshape(-1)
    assert isinstance(layer, Gates)
    return np.ascontiguousarray(layer.fanin).reshape(-1)


def _head(network: Network) -> Sums:
    assert isinstance(network.head, Sums)
    return network.head


def _tau(network: Network) -> float:
    return float(_head(network).tau_of(_group_size(network)))


def _group_size(network: Network) -> int:
    return network.layers[-1].num_outputs // _head(network).num_groups
