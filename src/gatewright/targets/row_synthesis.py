"""The fewest gates that compute some functions of a row of three cells."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import combinations

from gatewright import gates

#: Tables of a row's left, centre and right cell, as functions of the three.
LEFT, CENTRE, RIGHT = 0xAA, 0xCC, 0xF0
CELLS = (LEFT, CENTRE, RIGHT)

#: The gates that are 0 where both operands are; what they make of the cells is 0 on 0 too.
_KINDS = (0x2, 0x4, gates.XOR, gates.AND, gates.OR)


@dataclass(frozen=True)
class RowGate:
    """A gate among a row's functions: all are named by their tables over (left, centre, right)."""

    function: int
    table: int
    a: int
    b: int


@cache
def synthesize(functions: frozenset[int], extra_gates: int) -> tuple[RowGate, ...]:
    """Gates over a row's cells that compute the functions.

    The fewest, where that takes up to extra_gates gates that are not asked for; else each function
    by a formula of its own, with equal gates shared.
    """
    formulas = _formulas()
    spelled: dict[int, RowGate] = {}

    def spell(function: int) -> None:
        if function in CELLS or function in spelled:
            return
        gate = formulas[function]
        spell(gate.a)
        spell(gate.b)
        spelled[function] = gate

    for function in sorted(functions):
        spell(function)
    missing = len(functions - set(CELLS))
    for extra in range(min(extra_gates, len(spelled) - missing - 1) + 1):
        found = _close({}, functions, extra)
        if found is not None:
            return tuple(found.values())
    return tuple(spelled.values())


def _close(
    known: dict[int, RowGate], functions: frozenset[int], extra: int
) -> dict[int, RowGate] | None:
    """Known gates and those missing for the functions, with `extra` others; None if impossible.

    A missing function that one gate gives is always taken: it costs that gate in any case.
    """
    known = dict(known)
    reach = _reach(known)
    while True:
        given = sorted((functions - known.keys()) & reach.keys())
        if not given:
            break
        for function in given:
            known[function] = reach[function]
        reach = _reach(known)
    if functions <= known.keys() | set(CELLS):
        return known
    if extra == 0:
        return None
    for function in sorted(reach.keys() - known.keys()):
        found = _close({**known, function: reach[function]}, functions, extra - 1)
        if found is not None:
            return found
    return None


def _reach(known: dict[int, RowGate]) -> dict[int, RowGate]:
    """What one gate gives from a row's cells and the known gates."""
    found: dict[int, RowGate] = {}
    for a, b in combinations((*CELLS, *known), 2):
        for gate in _joins(a, b):
            if gate.function not in CELLS:
                found.setdefault(gate.function, gate)
    return found


@cache
def _joins(a: int, b: int) -> tuple[RowGate, ...]:
    return tuple(
        RowGate(value, table, a, b)
        for table, value in zip(_KINDS, (a & ~b, ~a & b, a ^ b, a & b, a | b), strict=True)
        if value not in (0, a, b)
    )


@cache
def _formulas() -> dict[int, RowGate]:
    """For each function of a row that is 0 on 0, the last gate of a smallest formula."""
    sizes: list[list[int]] = [list(CELLS)]
    found: dict[int, RowGate] = {}
    while len(found) < 127 - len(CELLS):
        size = len(sizes)
        sizes.append([])
        for left in range(size):
            for a in sizes[left]:
                for b in sizes[size - 1 - left]:
                    for gate in _joins(a, b):
                        if gate.function not in found and gate.function not in CELLS:
                            found[gate.function] = gate
                            sizes[size].append(gate.function)
    return found
