"""Exact synthesis: is there a circuit of so many two-input gates for given functions? Asked of SAT.

The formula says for each gate which two nodes it reads and what it computes, and for each row of
the truth tables which value it has there (Kojevnikov, Kulikov and Yaroslavtsev, SAT 2009; Knuth,
The Art of Computer Programming 4A, section 7.1.2 and exercise 7.2.2.2-477). Rows are added one at
a time, each a row on which what was found so far is wrong: few rows show that there is no circuit.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, product
from typing import Any

from pysat.solvers import Cadical195  # pyright: ignore[reportMissingTypeStubs]

from gatewright.passes.plan import Gate, Plan, Target
from gatewright.window import Meter

#: Rows that the formula begins with at most.
_FIRST_ROWS = 5
#: What a gate computes from (1, 0), (0, 1) and (1, 1); it is 0 on (0, 0), as every node is on a
#: row of zeros but for inversions at the outputs.
_NO_GATE = ((0, 0, 0), (1, 0, 1), (0, 1, 1))


#: In place of a node: the constant 0.
CONSTANT = -1


class OutOfConflicts(Exception):
    """The meter was spent before the question was settled."""


def synthesize(
    targets: Sequence[Target], num_variables: int, num_gates: int, meter: Meter
) -> Plan | None:
    """A circuit of exactly so many gates whose outputs meet the targets, or None: there is none.

    Args:
        targets: (rows that must be 1, rows that must be 0) of each output, as bits of an integer;
            row r has bit i of r as variable i. Other rows are don't-cares.
        num_gates: each gate of the circuit is read, and none is a constant or a copy, or could
            read what its operand reads in the operand's place. So a smaller circuit need not show
            as one of more gates: ask upwards for the fewest, as `fewest` does.

    Raises:
        OutOfConflicts: the meter was spent first.
    """
    if num_gates and num_variables < 2:
        return None
    formula = _Formula(num_variables, num_gates, targets)
    for row in _first_rows(targets, num_variables):
        formula.add_row(row)
    while True:
        verdict = meter.solve(formula.solver, (), 1 << 30)
        if verdict is None:
            raise OutOfConflicts
        if not verdict:
            return None
        plan = formula.plan()
        wrong = _wrong_row(plan, targets)
        if wrong is None:
            return plan
        formula.add_row(wrong)


def fewest(targets: Sequence[Target], num_variables: int, below: int, meter: Meter) -> Plan | None:
    """The smallest circuit of fewer than `below` gates; None if there is none.

    Raises:
        OutOfConflicts: the meter was spent first.
    """
    for num_gates in range(below):
        plan = synthesize(targets, num_variables, num_gates, meter)
        if plan is not None:
            return plan
    return None


def _first_rows(targets: Sequence[Target], num_variables: int) -> list[int]:
    """The row of zeros, then of one variable each, that some target cares for."""
    cared = 0
    for on, off in targets:
        cared |= on | off
    rows = sorted(range(1 << num_variables), key=lambda row: (row.bit_count(), row))
    return [row for row in rows if cared >> row & 1][:_FIRST_ROWS]


def _wrong_row(plan: Plan, targets: Sequence[Target]) -> int | None:
    """A row on which an output is not what its target says."""
    for table, (on, off) in zip(plan.tables(), targets, strict=True):
        wrong = on & ~table | off & table
        if wrong:
            return (wrong & -wrong).bit_length() - 1
    return None


def _is_symmetric(rows: int, p: int, q: int) -> bool:
    """Whether a set of rows stays the same when the variables p and q change places."""
    num, moved = rows.bit_length(), 0
    for row in range(num):
        if rows >> row & 1:
            differ = (row >> p ^ row >> q) & 1
            moved |= 1 << (row ^ differ << p ^ differ << q)
    return moved == rows


def _depends(target: Target, p: int) -> bool:
    """Whether two rows that differ in variable p must have different values."""
    on, off = target
    return any(on >> row & 1 and off >> (row ^ 1 << p) & 1 for row in range(on.bit_length()))


class _Formula:
    """The clauses, and the variables to read a circuit from."""

    def __init__(self, num_variables: int, num_gates: int, targets: Sequence[Target]) -> None:
        self.solver: Any = Cadical195()
        self._num_variables = num_variables
        self._num_nodes = num_variables + num_gates
        self._targets = targets
        self._last = 0
        gates = range(num_variables, self._num_nodes)
        self._reads = {i: {p: self._new() for p in combinations(range(i), 2)} for i in gates}
        self._kind = {i: tuple(self._new() for _ in range(3)) for i in gates}
        # An output is a node, or CONSTANT, which is 0.
        nodes = (CONSTANT, *range(self._num_nodes))
        self._source = [{i: self._new() for i in nodes} for _ in targets]
        self._inverted = [self._new() for _ in targets]
        self._require_a_circuit()
        self._break_symmetries()

    def _new(self) -> int:
        self._last += 1
        return self._last

    def _add(self, *clause: int) -> None:
        self.solver.add_clause(clause)

    def _require_a_circuit(self) -> None:
        for gate, reads in self._reads.items():
            self._add(*reads.values())
            for kind in _NO_GATE:
                self._add(
                    *(-v if bit else v for v, bit in zip(self._kind[gate], kind, strict=True))
                )
            later = [
                variable
                for above in range(gate + 1, self._num_nodes)
                for pair, variable in self._reads[above].items()
                if gate in pair
            ]
            self._add(*later, *(source[gate] for source in self._source))
        for source in self._source:
            self._add(*source.values())
        for p in range(self._num_variables):
            if any(_depends(target, p) for target in self._targets):
                reads_it = [
                    variable
                    for reads in self._reads.values()
                    for pair, variable in reads.items()
                    if p in pair
                ]
                self._add(*reads_it, *(source[p] for source in self._source))

    def _break_symmetries(self) -> None:
        """Clauses that hold of one of the circuits which are alike but for order.

        That one is the least where the pairs that gates read are compared, the greater operand
        first, from the first gate on.
        """
        for gate, reads in self._reads.items():
            for (a, b), variable in reads.items():
                # A gate of (a, gate) is one of (a, b).
                for above in range(gate + 1, self._num_nodes):
                    for operand in (a, b):
                        self._add(-variable, -self._reads[above][operand, gate])
                # The next gate reads this one, or a pair that is no smaller.
                for (c, d), following in self._reads.get(gate + 1, {}).items():
                    if d != gate and (d, c) < (b, a):
                        self._add(-variable, -following)
        # Of two variables that may change places, the first is read no later.
        for p, q in combinations(range(self._num_variables), 2):
            if not all(_is_symmetric(rows, p, q) for target in self._targets for rows in target):
                continue
            before: list[int] = []
            for reads in self._reads.values():
                for pair, variable in reads.items():
                    if q in pair and p not in pair:
                        self._add(-variable, *before)
                before += (variable for pair, variable in reads.items() if p in pair)

    def add_row(self, row: int) -> None:
        """Say that the outputs are right on a row."""
        n = self._num_variables
        value = {i: self._new() for i in range(n, self._num_nodes)}

        def known(node: int) -> tuple[int, ...]:
            if node == CONSTANT:
                return (0,)
            return (row >> node & 1,) if node < n else (0, 1)

        def is_not(node: int, bit: int) -> tuple[int, ...]:
            return () if node < n else (-value[node] if bit else value[node],)

        for gate, reads in self._reads.items():
            own = value[gate]
            for (a, b), chosen in reads.items():
                for u, v in product(known(a), known(b)):
                    given = (-chosen, *is_not(a, u), *is_not(b, v))
                    if not (u or v):
                        self._add(*given, -own)
                        continue
                    kind = self._kind[gate][v if not u else 2 * v]
                    self._add(*given, -kind, own)
                    self._add(*given, kind, -own)
        for source, inverted, (on, off) in zip(
            self._source, self._inverted, self._targets, strict=True
        ):
            if not (on | off) >> row & 1:
                continue
            wanted = bool(on >> row & 1)
            for node, chosen in source.items():
                # value xor inverted is what is wanted
                for bit in known(node):
                    must = inverted if bit != wanted else -inverted
                    self._add(-chosen, *is_not(node, bit), must)

    def plan(self) -> Plan:
        """The circuit of the solver's model."""
        model: list[int] = self.solver.get_model()
        holds = {variable for variable in model if variable > 0}
        chosen: list[Gate] = []
        for gate, reads in self._reads.items():
            a, b = next(pair for pair, variable in reads.items() if variable in holds)
            bits = [variable in holds for variable in self._kind[gate]]
            chosen.append((bits[0] << 1 | bits[1] << 2 | bits[2] << 3, a, b))
        outputs = [
            2 * next(node for node, v in source.items() if v in holds) + (inverted in holds)
            for source, inverted in zip(self._source, self._inverted, strict=True)
        ]
        return Plan(self._num_variables, tuple(chosen), tuple(outputs))
