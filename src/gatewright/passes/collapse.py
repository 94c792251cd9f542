"""collapse: forget the structure of a small circuit and build it again from its truth table.

Functional decomposition in the manner of Ashenhurst (1957), Curtis (1962) and Roth and Karp (1962):
where some of a function's variables matter only through fewer bits than they have, compute those
bits first. If the 2**b assignments of b *bound* variables fall in mu classes that the function
cannot tell apart, ceil(log2(mu)) new signals replace the b variables. A full adder is found so: of
three votes the function sees only how many there are, and two bits say that. A beam search chooses
which variables to bind and how to code the classes, by gates spent and variables left. Where none
can be bound, the function is split on one variable (Shannon's expansion).

A function is a pair (on, off) of row sets, integers whose bit r stands for row r; variable i of row
r is bit i of r. Rows in neither set cannot occur. Each variable is a *slot* that carries a literal;
signals take over the slots of the variables that they replace, and a slot that is not in use is 0
in every row.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations, permutations

import numpy as np

from gatewright.circuit import FALSE, TRUE, Builder, Circuit
from gatewright.passes.objectives import Deadline
from gatewright.passes.plan import Plan, find_plan

#: Circuits with more inputs are returned as they are: the work grows with the truth table.
MAX_INPUTS = 12
#: Partial decompositions kept at each step of the search.
BEAM = 16
#: Variables bound at once.
MAX_BOUND = 3


def collapse(circuit: Circuit, share: float = 1.0, seconds: float = math.inf) -> Circuit:
    """An equal circuit, rebuilt from its outputs' truth tables if that makes it smaller.

    Circuits of over 12 inputs come back unchanged, and those of which more than a `share` is left,
    or that take more CPU seconds, or half of these for less than half of the outputs.
    """
    if circuit.num_inputs > MAX_INPUTS:
        return circuit
    rebuilt = _rebuild(circuit, (), int(share * circuit.num_gates), seconds)
    return rebuilt if rebuilt is not None and rebuilt.num_gates < circuit.num_gates else circuit


def rebuild(circuit: Circuit, groups: Sequence[Sequence[int]] = ()) -> Circuit:
    """An equal circuit (up to 12 inputs), made from its outputs' truth tables.

    Args:
        groups: sets of inputs, by index, to bind before all others, each where that is possible.
    """
    rebuilt = _rebuild(circuit, groups, None, math.inf)
    assert rebuilt is not None
    return rebuilt


def _rebuild(
    circuit: Circuit, groups: Sequence[Sequence[int]], most_gates: int | None, seconds: float
) -> Circuit | None:
    """`rebuild`, or None as soon as that takes more gates or seconds, or is late after half."""
    deadline = Deadline(seconds)
    table = circuit.truth_tables()
    full = (1 << len(table)) - 1
    builder = Builder(circuit.input_names, circuit.name)
    carried = dict(enumerate(builder.inputs))
    known: dict[int, int] = {}
    for o, name in enumerate(circuit.output_names):
        on = int.from_bytes(np.packbits(table[:, o], bitorder="little").tobytes(), "little")
        if on not in known:
            function = _Function(on, full ^ on, tuple(carried))
            literal = _build(builder, function, carried, groups)
            known |= {on: literal, full ^ on: literal ^ 1}
        builder.output(name, known[on])
        if most_gates is not None and builder.num_gates > most_gates:
            return None
        share_done = (o + 1) / circuit.num_outputs
        is_late = deadline.left < (1 - max(share_done, 0.5)) * seconds
        if share_done < 1 and (is_late or deadline.left <= 0):
            return None
    return builder.build()


@dataclass(frozen=True)
class _Function:
    """Row sets over the slots in use."""

    on: int
    off: int
    slots: tuple[int, ...]

    @property
    def num_rows(self) -> int:
        return (self.on | self.off).bit_count()

    def cofactor(self, bound: tuple[int, ...], pattern: int) -> tuple[int, int]:
        """(on, off) where the bound slots hold the pattern, moved to the rows where they are 0."""
        keep, shifts = _moves(bound)
        return self.on >> shifts[pattern] & keep, self.off >> shifts[pattern] & keep

    def signature(self) -> tuple[tuple[int, int], ...]:
        """How many rows are on and off, in all and where each slot is 1, slots in sorted order."""
        ones = [self.cofactor((slot,), 1) for slot in self.slots]
        counts = sorted((on.bit_count(), off.bit_count()) for on, off in ones)
        return (self.on.bit_count(), self.off.bit_count()), *counts

    def reduced(self) -> _Function:
        """Without the slots that it does not depend on."""
        on, off, slots = self.on, self.off, list(self.slots)
        for slot in self.slots:
            keep, (_, shift) = _moves((slot,))
            if not (on >> shift & off | off >> shift & on) & keep:
                on, off = (on | on >> shift) & keep, (off | off >> shift) & keep
                slots.remove(slot)
        return _Function(on, off, tuple(slots))


@dataclass(frozen=True)
class _State:
    """A partly decomposed function, and the steps that led to it."""

    function: _Function
    steps: tuple[tuple[tuple[int, ...], Plan], ...] = ()
    num_gates: int = 0

    @property
    def rank(self) -> float:
        return self.num_gates + 3 * math.log2(self.function.num_rows + 1)


def _build(
    builder: Builder,
    function: _Function,
    carried: dict[int, int],
    groups: Sequence[Sequence[int]] = (),
) -> int:
    """The literal of a function whose slots carry the given literals."""
    best = _decompose(function.reduced(), groups)
    carried = dict(carried)
    for bound, plan in best.steps:
        literals = plan.emit(builder, [carried[slot] for slot in bound])
        carried.update(zip(bound, literals, strict=False))
    rest = best.function
    if not rest.slots:
        return TRUE if rest.on else FALSE
    if len(rest.slots) == 1:
        return carried[rest.slots[0]] ^ (rest.on & 1)
    split, low, high = min((_split(rest, slot) for slot in rest.slots), key=_split_cost)
    when_false = _build(builder, low, carried)
    if _are_complements(low, high):
        return builder.lxor(carried[split], when_false)
    return builder.mux(carried[split], _build(builder, high, carried), when_false)


def _split(function: _Function, slot: int) -> tuple[int, _Function, _Function]:
    rest = tuple(s for s in function.slots if s != slot)
    low, high = (_Function(*function.cofactor((slot,), p), rest).reduced() for p in (0, 1))
    return slot, low, high


def _split_cost(split: tuple[int, _Function, _Function]) -> int:
    _, low, high = split
    halves = (low,) if _are_complements(low, high) else (low, high)
    return sum(1 << len(half.slots) for half in halves)


def _are_complements(low: _Function, high: _Function) -> bool:
    return low.on == high.off and low.off == high.on


def _decompose(function: _Function, groups: Sequence[Sequence[int]]) -> _State:
    """The best state that a beam search over bindings reaches, the groups bound first."""
    beam = [_State(function)]
    for group in groups:
        beam = [
            after
            for state in beam
            for after in (list(_bindings_of(state, _in_use(state, group))) or [state])
        ]
    ended: list[_State] = []
    while beam:
        reached: dict[_Function, _State] = {}
        for state in beam:
            is_stuck = True
            for following in _bindings(state):
                is_stuck = False
                known = reached.get(following.function)
                if known is None or following.num_gates < known.num_gates:
                    reached[following.function] = following
            if is_stuck:
                ended.append(state)
        beam = _most_promising(reached.values())
    return min(ended, key=lambda state: (len(state.function.slots) > 1, state.rank))


def _most_promising(states: Iterable[_State]) -> list[_State]:
    """The BEAM best states, but one alone of those that look alike up to the order of the slots."""
    kept: dict[object, _State] = {}
    for state in sorted(states, key=lambda state: state.rank):
        kept.setdefault((state.rank, state.function.signature()), state)
        if len(kept) == BEAM:
            break
    return list(kept.values())


def _in_use(state: _State, group: Sequence[int]) -> tuple[int, ...]:
    return tuple(slot for slot in group if slot in state.function.slots)


def _bindings(state: _State) -> Iterator[_State]:
    """Every state one binding further, in a fixed order."""
    for num_bound in range(2, MAX_BOUND + 1):
        for bound in combinations(state.function.slots, num_bound):
            yield from _bindings_of(state, bound)


def _bindings_of(state: _State, bound: tuple[int, ...]) -> Iterator[_State]:
    """Every state that binds these slots, a state for each way to code the classes.

    Recoding, into as many signals of which some combinations never occur, leaves as many slots. It
    must leave fewer rows, or a search could go round in a circle.
    """
    if not 1 < len(bound) <= MAX_BOUND:
        return
    classes, members = _classes(state.function, bound)
    num_signals = (len(classes) - 1).bit_length()
    num_rows = sum((on | off).bit_count() for on, off in classes)
    is_recoding = num_signals == len(bound) == 2 and num_rows < state.function.num_rows
    if num_signals < len(bound) or is_recoding:
        for codes in _codes(len(classes), num_signals):
            yield _bind(state, bound, classes, codes, _encoder(members, codes))


def _classes(
    function: _Function, bound: tuple[int, ...]
) -> tuple[list[tuple[int, int]], tuple[int | None, ...]]:
    """Classes of the bound slots' patterns that the function cannot tell apart.

    Returns:
        (on, off) of each class over the other slots, and each pattern's class; None if it cannot
        occur.
    """
    keep, shifts = _moves(bound)
    classes: list[tuple[int, int]] = []
    members: list[int | None] = []
    for shift in shifts:
        on, off = function.on >> shift & keep, function.off >> shift & keep
        if not on | off:
            members.append(None)
            continue
        for c, (class_on, class_off) in enumerate(classes):
            if not (on & class_off or off & class_on):
                classes[c] = on | class_on, off | class_off
                members.append(c)
                break
        else:
            members.append(len(classes))
            classes.append((on, off))
    return classes, tuple(members)


@cache
def _codes(num_classes: int, num_signals: int) -> tuple[tuple[int, ...], ...]:
    """Ways to code the classes, but for exchanging and inverting the (at most two) signals."""
    found: list[tuple[int, ...]] = []
    for rest in permutations(range(1, 1 << num_signals), num_classes - 1):
        lone = [code for code in rest if code != 3]
        if not lone or lone[0] == 1:
            found.append((0, *rest))
    return tuple(found)


@cache
def _encoder(members: tuple[int | None, ...], codes: tuple[int, ...]) -> Plan:
    """The plan from the bound slots to the signals: each pattern to the code of its class."""
    coded = [(p, codes[c]) for p, c in enumerate(members) if c is not None]
    targets = tuple(
        (
            sum(1 << p for p, code in coded if code >> signal & 1),
            sum(1 << p for p, code in coded if not code >> signal & 1),
        )
        for signal in range(max(codes).bit_length())
    )
    return find_plan(targets, (len(members) - 1).bit_length())


def _bind(
    state: _State,
    bound: tuple[int, ...],
    classes: list[tuple[int, int]],
    codes: tuple[int, ...],
    plan: Plan,
) -> _State:
    _, shifts = _moves(bound)
    on = off = 0
    for (class_on, class_off), code in zip(classes, codes, strict=True):
        on, off = on | class_on << shifts[code], off | class_off << shifts[code]
    replaced = bound[len(plan.outputs) :]
    slots = tuple(slot for slot in state.function.slots if slot not in replaced)
    return _State(
        _Function(on, off, slots).reduced(),
        (*state.steps, (bound, plan)),
        state.num_gates + plan.num_gates,
    )


@cache
def _moves(bound: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
    """The rows where the bound slots are 0; and how far above such a row each pattern's row is."""
    keep = (1 << (1 << MAX_INPUTS)) - 1
    for slot in bound:
        keep //= (1 << (1 << slot)) + 1  # these rows, and the same moved up by 1 << slot, were keep
    shifts = (
        sum(1 << slot for i, slot in enumerate(bound) if pattern >> i & 1)
        for pattern in range(1 << len(bound))
    )
    return keep, tuple(shifts)
