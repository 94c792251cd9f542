"""The fewest gates for one or two functions of up to three variables, don't-cares included.

There are only some thousands of different sets of functions that three gates can compute, so they
are written out once, each with the set of functions that one gate more can reach; a plan is then a
look through that list.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
import numpy.typing as npt

from gatewright import gates
from gatewright.circuit import FALSE, Builder
from gatewright.passes.netlist import evaluate, variables

#: The kinds that `Builder` makes; the others are these with an inverted output.
KINDS = (0x2, 0x4, gates.XOR, gates.AND, gates.OR)
#: A truth table as (rows that must be 1, rows that must be 0).
Target = tuple[int, int]
#: (table, a, b): node indices; the variables first, then the gates.
Gate = tuple[int, int, int]
#: Gates that the written-out circuits have at most; plans add up to one gate a target.
MAX_GATES = 3


@dataclass(frozen=True)
class Plan:
    """A small circuit over k variables.

    Attributes:
        gates: in topological order.
        outputs: a literal (2 * node + inverted) for each target; node -1 is the constant 0.
    """

    k: int
    gates: tuple[Gate, ...]
    outputs: tuple[int, ...]

    @property
    def num_gates(self) -> int:
        return len(self.gates)

    def tables(self) -> list[int]:
        """Truth tables of the outputs."""
        full = (1 << (1 << self.k)) - 1
        values = list(variables(self.k))
        for table, a, b in self.gates:
            values.append(evaluate(table, values[a], values[b], full))
        values.append(0)
        return [values[o >> 1] ^ (full if o & 1 else 0) for o in self.outputs]

    def emit(self, builder: Builder, inputs: Sequence[int]) -> list[int]:
        """Add the gates over these literals; the literals of the outputs."""
        literals = list(inputs)
        for table, a, b in self.gates:
            literals.append(builder.gate(table, literals[a], literals[b]))
        literals.append(FALSE)
        return [literals[o >> 1] ^ o & 1 for o in self.outputs]


@dataclass(frozen=True)
class _Pools:
    """Every set of functions of k variables that up to MAX_GATES gates compute, fewest gates first.

    A set of functions is uint64[4]: bit f % 64 of word f // 64 says that truth table f is in it.

    Attributes:
        gates: of each pool's circuit.
        tables: of every node of it, the variables' first.
        num_gates: int64[P].
        held: uint64[P, 4], the functions that are there, up to inversion.
        reached: uint64[P, 4], those that one gate more computes, likewise.
    """

    gates: tuple[tuple[Gate, ...], ...]
    tables: tuple[tuple[int, ...], ...]
    num_gates: npt.NDArray[np.int64]
    held: npt.NDArray[np.uint64]
    reached: npt.NDArray[np.uint64]


@lru_cache(maxsize=1 << 16)
def find_plan(targets: tuple[Target, ...], k: int) -> Plan:
    """A plan for one or two targets over k <= 3 variables, each met by more than a constant.

    No smaller one exists whose last gates, one a target at most, read nothing of one another; two
    targets that need more are planned one by one.
    """
    pools = _pools(k)
    wanted = [_functions(target, k) for target in targets]
    cost, is_met = pools.num_gates.copy(), np.ones(len(pools.gates), np.bool_)
    for functions in map(_words, wanted):
        is_held = (pools.held & functions).any(axis=1)
        cost += ~is_held
        is_met &= is_held | (pools.reached & functions).any(axis=1)
    if not is_met.any():
        first, second = (find_plan((target,), k) for target in targets)
        return _beside(first, second)
    best = int(np.flatnonzero(is_met)[cost[is_met].argmin()])
    chosen, tables = list(pools.gates[best]), list(pools.tables[best])
    outputs: list[int] = []
    full = (1 << (1 << k)) - 1
    for functions in wanted:
        node = _first(tables, functions)
        if node is None:
            gate, table = next(
                (gate, table)
                for gate, table in _extensions(pools.tables[best], full)
                if functions >> table & 1
            )
            node = len(tables)
            chosen.append(gate)
            tables.append(table)
        outputs.append(2 * node)
    for o, (on, off) in enumerate(targets):
        table = tables[outputs[o] >> 1]
        outputs[o] += bool(on & ~table or off & table)
    return Plan(k, tuple(chosen), tuple(outputs))


def _beside(first: Plan, second: Plan) -> Plan:
    k, offset = first.k, first.num_gates
    place = [*range(k), *range(k + offset, k + offset + second.num_gates)]
    moved = tuple((table, place[a], place[b]) for table, a, b in second.gates)
    outputs = tuple(2 * place[o >> 1] + (o & 1) for o in second.outputs)
    return Plan(k, first.gates + moved, first.outputs + outputs)


def _functions(target: Target, k: int) -> int:
    """The set of truth tables that meet the target, as they are or inverted."""
    on, off = target
    rows, full = 1 << k, (1 << (1 << k)) - 1
    free = [r for r in range(rows) if not (on | off) >> r & 1]
    members = 0
    for choice in range(1 << len(free)):
        table = on | sum(1 << r for i, r in enumerate(free) if choice >> i & 1)
        members |= 1 << table | 1 << (table ^ full)
    return members


def _first(tables: Sequence[int], functions: int) -> int | None:
    return next((i for i, table in enumerate(tables) if functions >> table & 1), None)


def _words(functions: int) -> npt.NDArray[np.uint64]:
    return np.frombuffer(functions.to_bytes(32, "little"), "<u8").astype(np.uint64, copy=False)


@cache
def _pools(k: int) -> _Pools:
    full = (1 << (1 << k)) - 1
    variables = tuple(sum(1 << r for r in range(1 << k) if r >> i & 1) for i in range(k))
    found: list[tuple[tuple[Gate, ...], tuple[int, ...]]] = []
    held: list[npt.NDArray[np.uint64]] = []
    reached: list[npt.NDArray[np.uint64]] = []
    level = {frozenset(variables): (tuple[Gate, ...](), variables)}
    for num_gates in range(MAX_GATES + 1):
        following: dict[frozenset[int], tuple[tuple[Gate, ...], tuple[int, ...]]] = {}
        for chosen, tables in level.values():
            further = 0
            for gate, table in _extensions(tables, full):
                further |= 1 << table | 1 << (table ^ full)
                if num_gates < MAX_GATES:
                    extended = (*tables, table)
                    following.setdefault(frozenset(extended), ((*chosen, gate), extended))
            found.append((chosen, tables))
            held.append(_words(sum(1 << table | 1 << (table ^ full) for table in tables)))
            reached.append(_words(further))
        level = following
    return _Pools(
        gates=tuple(chosen for chosen, _ in found),
        tables=tuple(tables for _, tables in found),
        num_gates=np.array([len(chosen) for chosen, _ in found], np.int64),
        held=np.stack(held),
        reached=np.stack(reached),
    )


def _extensions(tables: tuple[int, ...], full: int) -> Iterator[tuple[Gate, int]]:
    """Every gate over the tables that computes something new, up to inversion; and its table."""
    known = {0, full, *tables, *(table ^ full for table in tables)}
    for b in range(1, len(tables)):
        for a in range(b):
            x, y = tables[a], tables[b]
            for kind, table in zip(KINDS, (x & ~y, ~x & y, x ^ y, x & y, x | y), strict=True):
                if table & full not in known:
                    known |= {table & full, table & full ^ full}
                    yield (kind, a, b), table & full
