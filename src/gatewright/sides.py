"""The two sides of a proof, made alike: how each is evaluated, and which names belong together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt

from gatewright.circuit import Bits, Circuit, Words, pack, unpack
from gatewright.encode import Encoder
from gatewright.errors import InputError

#: A plain rule is only evaluated row by row, so it can have this many inputs.
MAX_RULE_INPUTS = 20


class HasCircuit(Protocol):
    """What wraps a circuit, such as a `Model`: its circuit is what is proved."""

    @property
    def circuit(self) -> Circuit: ...


class SoftNetwork(Protocol):
    """A soft network, judged by its hard form.

    Up to 20 inputs `hard_bits` itself is evaluated on every row. Beyond, the netlist stands for it,
    after some thousand random rows have shown no difference between the two.
    """

    @property
    def num_inputs(self) -> int: ...

    def to_netlist(self) -> Circuit:
        """The hard form as a circuit, gate by gate."""
        ...

    def hard_bits(self, rows: Bits, /) -> npt.ArrayLike:
        """Evaluate rows: bool[N, num_inputs] -> bool[N, num_outputs]."""
        ...


#: Rows bool[N, k] to rows bool[N, m].
Rule = Callable[[Bits], npt.ArrayLike]
Side = Circuit | HasCircuit | SoftNetwork | Rule


@dataclass(frozen=True)
class Subject:
    """One side, ready to be evaluated; names and netlist are None where it is a plain rule."""

    label: str
    num_inputs: int
    num_outputs: int
    input_names: tuple[str, ...] | None
    output_names: tuple[str, ...] | None
    netlist: Circuit | None
    rule: Rule | None  # what is evaluated, or None to simulate the netlist

    def evaluate(self, words: Words, num_rows: int) -> Words:
        """Packed inputs uint64[num_inputs, W] -> packed outputs; only num_rows rows are valid."""
        if self.rule is None:
            assert self.netlist is not None
            return self.netlist.simulate(words)
        return pack(_apply_rule(self.rule, unpack(words, num_rows), self.num_outputs, self.label))


@dataclass(frozen=True)
class Pair:
    """Both sides, and where the first's inputs and outputs are found in the second's."""

    a: Subject
    b: Subject
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    inputs_in_a: list[int]  # of the inputs of b, in their order
    outputs_in_b: list[int]  # of the outputs of a, in their order

    @property
    def num_inputs(self) -> int:
        return self.a.num_inputs

    @property
    def num_outputs(self) -> int:
        return self.a.num_outputs

    def evaluate(self, words: Words, num_rows: int) -> tuple[Words, Words]:
        """Packed outputs of both sides, in the order of the first."""
        of_a = self.a.evaluate(words, num_rows)
        of_b = self.b.evaluate(words[self.inputs_in_a], num_rows)
        return of_a, of_b[self.outputs_in_b]


def match(a: Side, b: Side) -> Pair:
    """Pair two sides: inputs by name where both have the same set of names, else by position.

    Outputs likewise. A rule has no names, and as many inputs as the other side if it says nothing.

    Raises:
        InputError: the sides have different numbers of inputs or outputs, or no side says how many;
            or both are models, with different encoders.
    """
    _require_same_encoder(a, b)
    sizes = [_num_inputs(side) for side in (a, b)]
    known = [size for size in sizes if size is not None]
    if not known:
        raise InputError(
            "neither side says how many inputs it has; give one as a Circuit, "
            "or set the function's num_inputs"
        )
    first = _subject(a, "the first side", known[0])
    second = _subject(b, "the second side", known[-1])
    _require_same("inputs", first, second, first.input_names, second.input_names)
    _require_same("outputs", first, second, first.output_names, second.output_names)
    inputs = _names(first.input_names, second.input_names, first.num_inputs, "x")
    outputs = _names(first.output_names, second.output_names, first.num_outputs, "y")
    return Pair(
        first,
        second,
        inputs,
        outputs,
        _places(second.input_names or inputs, inputs),
        _places(outputs, second.output_names or outputs),
    )


def _require_same_encoder(a: Side, b: Side) -> None:
    """Equal circuits behind different encoders are not equal models."""
    one, other = (cast(Encoder | None, getattr(side, "encoder", None)) for side in (a, b))
    if one is None or other is None:
        return
    of_one, of_other = one.arrays, other.arrays
    if (
        one.about != other.about
        or of_one.keys() != of_other.keys()
        or any(not np.array_equal(array, of_other[name]) for name, array in of_one.items())
    ):
        raise InputError(
            "the models have different encoders, so their circuits read different bits; "
            "compare the circuits alone: prove(a.circuit, b.circuit)"
        )


def _num_inputs(side: Side) -> int | None:
    """How many inputs a side says it has; None for a function that does not say."""
    circuit = _circuit_of(side)
    size: Any = circuit.num_inputs if circuit else getattr(side, "num_inputs", None)
    return None if size is None else int(size)


def _circuit_of(side: Side) -> Circuit | None:
    found: object = side if isinstance(side, Circuit) else getattr(side, "circuit", None)
    return found if isinstance(found, Circuit) else None


def _subject(side: Side, label: str, num_inputs: int) -> Subject:
    circuit = _circuit_of(side)
    if circuit is not None:
        return _of_netlist(circuit, f"{label} (circuit {circuit.name})", None)
    if hasattr(side, "hard_bits") and hasattr(side, "to_netlist"):
        network = cast(SoftNetwork, side)
        return _of_netlist(network.to_netlist(), f"{label} (a network)", network.hard_bits)
    if not callable(side):
        raise InputError(
            f"{label} is {type(side).__name__}; give a Circuit, a Model, a Network or a function "
            "from rows bool[N, k] to rows bool[N, m]"
        )
    rule = cast(Rule, side)
    label = f"{label} (function {getattr(side, '__name__', type(side).__name__)})"
    if num_inputs > MAX_RULE_INPUTS:
        raise InputError(
            f"{label} has {num_inputs} inputs; a plain function is evaluated on every row, which "
            f"is done up to {MAX_RULE_INPUTS} inputs; write it as a Circuit"
        )
    one = np.asarray(rule(np.zeros((1, num_inputs), dtype=np.bool_)))
    num_outputs = one.shape[-1] if one.ndim == 2 else 0
    _require_rows(one, 1, num_outputs, label)
    return Subject(label, num_inputs, num_outputs, None, None, None, rule)


def _of_netlist(netlist: Circuit, label: str, rule: Rule | None) -> Subject:
    return Subject(
        label,
        netlist.num_inputs,
        netlist.num_outputs,
        netlist.input_names,
        netlist.output_names,
        netlist,
        rule,
    )


def _apply_rule(rule: Rule, bits: Bits, num_outputs: int, label: str) -> Bits:
    out = np.asarray(rule(bits))
    _require_rows(out, len(bits), num_outputs, label)
    return out.astype(np.bool_)


def _require_rows(out: npt.NDArray[Any], num_rows: int, num_outputs: int, label: str) -> None:
    if out.shape != (num_rows, num_outputs):
        raise InputError(
            f"{label} gave shape {list(out.shape)} for {num_rows} rows; it must give "
            f"[{num_rows}, number of outputs], always with as many outputs"
        )
    if out.dtype != np.bool_ and not np.isin(out, (0, 1)).all():
        raise InputError(f"{label} gave values other than 0 and 1; it must give bits")


def _require_same(
    kind: str,
    first: Subject,
    second: Subject,
    first_names: tuple[str, ...] | None,
    second_names: tuple[str, ...] | None,
) -> None:
    """Raise InputError unless both have as many inputs or outputs; name what only one has."""
    counts = [int(getattr(side, f"num_{kind}")) for side in (first, second)]
    if counts[0] == counts[1]:
        return
    message = f"{first.label} has {counts[0]} {kind}, {second.label} has {counts[1]}"
    for label, own, other in (
        ("first", first_names, second_names),
        ("second", second_names, first_names),
    ):
        extra = [name for name in own or () if name not in set(other or ())]
        if extra and other is not None:
            message += f"; only the {label} has {shorten(extra)}"
    raise InputError(f"{message}; compare sides with the same interface")


def _names(
    first: tuple[str, ...] | None, second: tuple[str, ...] | None, count: int, letter: str
) -> tuple[str, ...]:
    return first or second or tuple(f"{letter}{i}" for i in range(count))


def _places(names: tuple[str, ...], within: tuple[str, ...]) -> list[int]:
    """Where each name stands in the other order, if it is one; else position for position."""
    if set(names) != set(within):
        return list(range(len(names)))
    place = {name: i for i, name in enumerate(within)}
    return [place[name] for name in names]


def shorten(names: Sequence[str], most: int = 6) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
