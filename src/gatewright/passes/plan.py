"""The fewest gates for one or two functions of up to three variables, don't-cares included.

There are only some thousands of different sets of functions that three gates can compute, so they are
written out once, each with the set of functions that one gate more can reach; a plan is then a look
through that list.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from gatewright import gates
from gatewright.circuit import Builder

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
        outputs: a literal (2 * node + inverted) for each target.
    """

    k: int
    gates: tuple[Gate, ...]
    outputs: tuple[int, ...]

    @property
    def num_gates(self) -> int:
        return len(self.gates)

    def emit(self, builder: Builder, inputs: Sequence[int]) -> list[int]:
        """Add the gates over these literals; the literals of the outputs."""
        literals = list(inputs)
        for table, a, b in self.gates:
            literals.append(builder.gate(table, literals[a], literals[b]))
        return [literals[o >> 1] ^ o & 1 for o in self.outputs]


@dataclass(frozen=True)
class _Pool:
    """A circuit with the functions that it computes.

    Attributes:
        tables: of every node, the variables' first.
        held: the set of functions that are there, up to inversion, as bits of an integer.
        reached: those that one gate more computes, likewise.
    """

    gates: tuple[Gate, ...]
    tables: tuple[int, ...]
    held: int
    reached: int


@lru_cache(maxsize=1 << 16)
def find_plan(targets: tuple[Target, ...], k: int) -> Plan:
    """A plan for one or two targets over k <= 3 variables.

    No smaller one exists whose last gates, one a target at most, read nothing of one another; two
    targets that need more are planned one by one.
    """
    wanted = [_functions(target, k) for target in targets]
    best: _Pool | None = None
    best_cost = MAX_GATES + len(targets) + 1
    for pool in _pools(k):
        if len(pool.gates) >= best_cost:
            break
        missing = [functions for functions in wanted if not functions & pool.held]
        cost = len(pool.gates) + len(missing)
        if cost < best_cost and all(functions & pool.reached for functions in missing):
            best, best_cost = pool, cost
    if best is None:
        first, second = (find_plan((target,), k) for target in targets)
        return _beside(first, second)
    chosen, tables = list(best.gates), list(best.tables)
    outputs: list[int] = []
    full = (1 << (1 << k)) - 1
    for functions in wanted:
        node = _first(tables, functions)
        if node is None:
            gate, table = next(
                (gate, table)
                for gate, table in _extensions(best.tables, full)
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


@lru_cache
def _pools(k: int) -> tuple[_Pool, ...]:
    """Every set of functions of k variables that up to MAX_GATES gates compute, fewest gates first."""
    full = (1 << (1 << k)) - 1
    variables = tuple(sum(1 << r for r in range(1 << k) if r >> i & 1) for i in range(k))
    pools: list[_Pool] = []
    level: dict[frozenset[int], tuple[tuple[Gate, ...], tuple[int, ...]]] = {
        frozenset(variables): ((), variables)
    }
    for num_gates in range(MAX_GATES + 1):
        following: dict[frozenset[int], tuple[tuple[Gate, ...], tuple[int, ...]]] = {}
        for chosen, tables in level.values():
            held = sum(1 << table | 1 << (table ^ full) for table in tables)
            reached = 0
            for gate, table in _extensions(tables, full):
                reached |= 1 << table | 1 << (table ^ full)
                if num_gates < MAX_GATES:
                    extended = (*tables, table)
                    following.setdefault(frozenset(extended), ((*chosen, gate), extended))
            pools.append(_Pool(chosen, tables, held, reached))
        level = following
    return tuple(pools)


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
