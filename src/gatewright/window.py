"""Are two nodes of a growing circuit equal? Asked in a window below them whose leaves are free.

What holds for free leaves holds in the circuit. What fails in a window may still hold: the window
must grow, in the end to the inputs. Small windows are decided by truth tables, large ones by SAT.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Self

import numpy as np
import pysolvers  # pyright: ignore[reportMissingTypeStubs]
from pysat.solvers import Cadical153  # pyright: ignore[reportMissingTypeStubs]

from gatewright import gates
from gatewright.circuit import Bits

SOLVER = "CaDiCaL 1.5.3"

_SolverError: type[Exception] = vars(pysolvers)["error"]

#: Seconds that one call of the solver should take at most: how fine the limits are kept.
SLICE_SECONDS = 0.05


class Meter:
    """What a proof may still cost, in seconds and conflicts; None for conflicts is no limit.

    Seconds are CPU time of this thread: other work on the machine takes none of them.
    """

    def __init__(self, seconds: float, conflicts: int | None) -> None:
        self.started = time.thread_time()
        self.conflicts = 0
        self._seconds = seconds
        self._max_conflicts = conflicts
        self._slice = 100

    @property
    def seconds(self) -> float:
        """CPU seconds since the start."""
        return time.thread_time() - self.started

    @property
    def is_spent(self) -> bool:
        return self.seconds >= self._seconds or self.is_out_of_conflicts

    @property
    def is_out_of_conflicts(self) -> bool:
        return self._max_conflicts is not None and self.conflicts >= self._max_conflicts

    def solve(self, solver: Any, assumptions: Sequence[int], budget: int) -> bool | None:
        """Satisfiable or not, or None once `budget` conflicts or the meter are spent."""
        while budget > 0 and not self.is_spent:
            allowed = min(budget, self._slice)
            if self._max_conflicts is not None:
                allowed = min(allowed, self._max_conflicts - self.conflicts)
            before, start = solver.accum_stats()["conflicts"], time.thread_time()
            solver.conf_budget(allowed)
            try:
                verdict = solver.solve_limited(assumptions)
            except _SolverError:  # how it reports Ctrl-C
                raise KeyboardInterrupt from None
            self.conflicts += solver.accum_stats()["conflicts"] - before
            if verdict is not None:
                return verdict
            budget -= allowed
            took = time.thread_time() - start
            if took > SLICE_SECONDS:
                self._slice = max(10, self._slice // 2)
            elif took < SLICE_SECONDS / 4 and allowed == self._slice:
                self._slice *= 2
        return None


#: A window that is decided by truth tables has at most this many gates, and leaves.
MAX_LOCAL_GATES = 24
MAX_LOCAL_LEAVES = 8
#: Cuts that are tried where two cones meet, each with one node more opened.
MAX_OPENED = 12
#: Of a node in the cones of both, x's 1 and y's 2.
BOTH = 3

#: The gates that `Builder` makes, on truth tables that are Python integers.
_ON_TABLES: dict[int, Callable[[int, int], int]] = {
    0x2: lambda a, b: a & ~b,
    0x4: lambda a, b: ~a & b,
    0x6: lambda a, b: a ^ b,
    0x8: lambda a, b: a & b,
    0xE: lambda a, b: a | b,
}

#: A gate: (table, a, b) for nodes a and b. Gate i is the node 1 + num_inputs + i; node 0 is false.
Gate = tuple[int, int, int]


@cache
def variables(k: int) -> tuple[int, ...]:
    """Truth tables of k variables: bit r of variable i is bit i of r."""
    return tuple(((1 << (1 << k)) - 1) // ((1 << (1 << i)) + 1) << (1 << i) for i in range(k))


def is_equal_locally(
    num_inputs: int,
    gate_list: Sequence[Gate],
    x: int,
    y: int,
    max_gates: int = MAX_LOCAL_GATES,
    max_leaves: int = MAX_LOCAL_LEAVES,
) -> bool:
    """True if the nodes x and y are equal as functions of a small cut; False says nothing.

    The cut is first where their cones meet, then ever lower.
    """
    if _is_equal_where_cones_meet(num_inputs, gate_list, x, y, max_gates, max_leaves):
        return True
    leaves = [-x, -y]  # a heap of -node: operands are smaller than their readers
    heapq.heapify(leaves)
    seen = {x, y}
    inside: list[int] = []
    evaluate_at = 4
    while len(inside) < max_gates and -leaves[0] > num_inputs:
        node = -heapq.heappop(leaves)
        inside.append(node)
        for operand in gate_list[node - num_inputs - 1][1:]:
            if operand not in seen:
                seen.add(operand)
                heapq.heappush(leaves, -operand)
        if len(inside) == evaluate_at or len(leaves) == 1 or -leaves[0] <= num_inputs:
            evaluate_at *= 2
            cut = [-leaf for leaf in leaves]
            if len(cut) <= max_leaves and _agree(num_inputs, gate_list, x, y, cut, inside):
                return True
    return False


def _is_equal_where_cones_meet(
    num_inputs: int, gate_list: Sequence[Gate], x: int, y: int, max_gates: int, max_leaves: int
) -> bool:
    """Whether x and y are equal over the first nodes that are in both cones.

    Where that does not show it, of these the one is opened that shares most operands with others:
    two that are never 1 together are so by what they share. The highest, where several do.
    """
    opened: set[int] = set()
    for _ in range(MAX_OPENED):
        is_cut, leaves, inside = _meet(num_inputs, gate_list, x, y, opened, max_gates, max_leaves)
        if is_cut and _agree(num_inputs, gate_list, x, y, leaves, inside):
            return True
        operands = {
            leaf: gate_list[leaf - num_inputs - 1][1:] for leaf in leaves if leaf > num_inputs
        }
        if len(leaves) > max_leaves or not operands:
            return False
        opened.add(max((_num_shared(leaf, leaves, operands), leaf) for leaf in operands)[1])
    return False


def _num_shared(leaf: int, leaves: Sequence[int], operands: dict[int, tuple[int, ...]]) -> int:
    """Operands of a leaf that are leaves too, or operands of others."""
    others = {operand for other in operands if other != leaf for operand in operands[other]}
    return sum(operand in others or operand in leaves for operand in operands[leaf])


def _meet(
    num_inputs: int,
    gate_list: Sequence[Gate],
    x: int,
    y: int,
    opened: set[int],
    max_gates: int,
    max_leaves: int,
) -> tuple[bool, list[int], list[int]]:
    """The nodes below both x and y but for those opened, and those above; whether these are all."""
    sides, heap = {x: 1, y: 2}, [-x, -y]
    heapq.heapify(heap)
    leaves: list[int] = []
    inside: list[int] = []
    while heap:
        node = -heapq.heappop(heap)
        if node <= num_inputs or (sides[node] == BOTH and node not in opened):
            leaves.append(node)
            if len(leaves) > max_leaves:
                return False, leaves, inside
            continue
        if len(inside) == max_gates:
            return False, leaves, inside
        inside.append(node)
        for operand in gate_list[node - num_inputs - 1][1:]:
            if operand not in sides:
                heapq.heappush(heap, -operand)
            sides[operand] = sides.get(operand, 0) | sides[node]
    return True, leaves, inside


def _agree(
    num_inputs: int,
    gate_list: Sequence[Gate],
    x: int,
    y: int,
    leaves: Sequence[int],
    inside: Sequence[int],
) -> bool:
    """Whether x and y have the same truth table over the leaves, with the gates inside between."""
    value = dict(zip(leaves, variables(len(leaves)), strict=True))
    if 0 in value:
        value[0] = 0
    for node in reversed(inside):
        table, a, b = gate_list[node - num_inputs - 1]
        value[node] = _ON_TABLES[table](value[a], value[b])
    return value[x] == value[y]


class Window:
    """Clauses for part of a growing circuit, to ask a solver whether two nodes can differ.

    The solver is one of PySAT's, CaDiCaL where none is given; it is freed with the window.
    """

    def __init__(
        self, num_inputs: int, gate_list: Sequence[Gate], solver: Any | None = None
    ) -> None:
        self._solver: Any = Cadical153() if solver is None else solver
        self._num_inputs = num_inputs
        self._gates = gate_list
        self._variable: dict[int, int] = {0: 1}  # node 0 is the constant false
        self._solver.add_clause([-1])
        self._leaves: list[int] = []  # a heap of gates, as -node

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def nodes(self) -> list[int]:
        """Those of the solver's variables 1, 2, ..."""
        return list(self._variable)

    def close(self) -> None:
        """Free the solver."""
        self._solver.delete()

    def can_differ(
        self, x: int, y: int, num_gates: int | None, meter: Meter, budget: int
    ) -> bool | None:
        """Whether x and y can differ when that many more gates below them are constrained.

        None for num_gates constrains both whole cones: then True is final, and `row` tells where.
        Returns None once `budget` conflicts or the meter are spent.
        """
        u, v = self._variable_of(x), self._variable_of(y)
        self._constrain(num_gates)
        last = meter.conflicts + budget
        for assumed in ((u, -v), (-u, v)):
            verdict = meter.solve(self._solver, assumed, last - meter.conflicts)
            if verdict is not False:
                return verdict
        return False

    def _constrain(self, num_gates: int | None) -> None:
        while self._leaves and num_gates != 0:
            num_gates = None if num_gates is None else num_gates - 1
            node = -heapq.heappop(self._leaves)
            table, a, b = self._gates[node - self._num_inputs - 1]
            u, v, out = (self._variable_of(n) for n in (a, b, node))
            signed = (0, u, v, out, -out, -v, -u)
            for clause in _clauses(table):
                self._solver.add_clause([signed[i] for i in clause])

    def row(self, rng: np.random.Generator) -> Bits:
        """The solver's model as a row bool[num_inputs]; inputs without clauses are random."""
        row = rng.random(self._num_inputs) < 0.5
        model = self._solver.get_model()
        for i in range(self._num_inputs):
            variable = self._variable.get(1 + i)
            if variable is not None:
                row[i] = model[variable - 1] > 0
        return row

    def _variable_of(self, node: int) -> int:
        variable = self._variable.get(node)
        if variable is None:
            variable = self._variable[node] = 1 + len(self._variable)
            if node > self._num_inputs:
                heapq.heappush(self._leaves, -node)
        return variable


@cache
def _clauses(table: int) -> tuple[tuple[int, ...], ...]:
    return gates.clauses(table)
