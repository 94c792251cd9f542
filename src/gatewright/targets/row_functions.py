"""What the cells of neighbouring rows share, for automata that go down a column of cells.

A gate of the cell's circuit that depends on the three inputs of one row only is a *row function*:
of the row above (x0, x1, x2), its own (x3, x4, x5) or the row below (x6, x7, x8). The row below a
cell is the own row of the next cell down and the row above the one after; so a row function is
computed once a row, whatever rows it serves, and carried. The rest of the circuit is computed once
a cell. Which gates depend on one row changes with the order of the inputs, of which any may be
chosen that leaves the circuit's function as it is.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations

import numpy as np

from gatewright.circuit import Builder, Circuit
from gatewright.errors import InputError
from gatewright.passes.collapse import rebuild
from gatewright.targets.row_synthesis import RowGate, synthesize

_ALL_ROWS = (1 << 512) - 1
#: Tables of the nine inputs over the 512 rows.
_INPUTS = tuple(sum(1 << m for m in range(512) if m >> i & 1) for i in range(9))

#: Placements to try.
_EVALUATIONS = 1500
#: Swaps of inputs that change nothing where all that counts of a row is how many are alive.
_COUNTED_PAIRS = ((0, 1), (1, 2), (6, 7), (7, 8), (3, 5))
_EXTRA_GATES = 3

Placement = tuple[int, ...]


@dataclass(frozen=True)
class Operand:
    """What a cell's gate reads.

    Attributes:
        row: 0 above, 1 own, 2 below; None where the operand is a gate of the cell.
        index: the row function's table, or the index of the cell's gate.
    """

    row: int | None
    index: int


@dataclass(frozen=True)
class CellGate:
    """A gate that is computed for each cell."""

    table: int
    a: Operand
    b: Operand


@dataclass(frozen=True)
class Sharing:
    """A cell's next state as functions of rows and what is left to do for each cell.

    Attributes:
        row_gates: in an order in which they can be computed.
        carried: the row functions that cells read, ascending.
        cell_gates: in topological order.
        output: the next state, or None where it is constant.
        is_inverted: the next state is the output's complement (the constant true for None).
    """

    row_gates: tuple[RowGate, ...]
    carried: tuple[int, ...]
    cell_gates: tuple[CellGate, ...]
    output: Operand | None
    is_inverted: bool

    @property
    def row_operations(self) -> int:
        """Operations on words for each new row."""
        return len(self.row_gates)

    @property
    def cell_operations(self) -> int:
        """Operations on words for each word of cells, an inversion of the output included."""
        return len(self.cell_gates) + (self.is_inverted and self.output is not None)


def share(circuit: Circuit, placements: int = _EVALUATIONS) -> Sharing:
    """Split a circuit of 9 inputs (row by row, x4 the cell) and 1 output for the fewest operations.

    Where of each row only the number of neighbours alive matters, as in any rule that counts them,
    circuits rebuilt from these numbers are tried too. Up to about `placements` orders of the
    inputs are tried. Deterministic.

    Raises:
        InputError: the circuit has other numbers of inputs or outputs.
    """
    if circuit.num_inputs != 9 or circuit.num_outputs != 1:
        raise InputError(
            f"circuit {circuit.name} has {circuit.num_inputs} inputs and {circuit.num_outputs} "
            "outputs; a cell has 9 (x0 to x8, row by row) and 1"
        )
    cone = _Cone.of(circuit)
    found = [cone.split(_best_placement(cone, placements), _EXTRA_GATES)]
    function = cone.function[cone.output] ^ (-cone.is_inverted & _ALL_ROWS)
    if all(_permuted(function, _swapped([pair])) == function for pair in _COUNTED_PAIRS):
        for spare in range(3):
            rebuilt = _rebuild_from_counts(function, spare)
            assert np.array_equal(rebuilt.truth_tables(), circuit.truth_tables())
            counting = _Cone.of(rebuilt)
            found.append(counting.split(tuple(range(9)), _EXTRA_GATES))
    return min(found, key=_cost)


def _cost(sharing: Sharing) -> tuple[int, int]:
    return sharing.row_operations + sharing.cell_operations, len(sharing.carried)


def _rebuild_from_counts(function: int, spare: int) -> Circuit:
    """A circuit over the two-bit sums of each row's neighbours, and the cell.

    Two neighbours in the cell's own row are never three: `spare` is the number that 3 stands for.
    """
    alive = (0, 0b1, 0b11, 0b111)
    beside = (0, 0b1, 0b101, (0, 0b1, 0b101)[spare])
    inner = Builder([f"s{i}" for i in range(7)])

    def choose(level: int, sums: int) -> int:
        if level:
            low, high = (choose(level - 1, sums | bit << level - 1) for bit in (0, 1))
            return low if low == high else inner.mux(inner.inputs[level - 1], high, low)
        row = alive[sums & 3] | alive[sums >> 2 & 3] << 6 | beside[sums >> 4 & 3] << 3
        return function >> (row | sums >> 6 << 4) & 1

    inner.output("y", choose(7, 0))
    builder = Builder([f"x{i}" for i in range(9)])
    x = builder.inputs
    sums: list[int] = []
    for left, centre, right in (x[:3], x[6:]):
        ones, twos = builder.lxor(left, right), builder.land(left, right)
        carry = builder.land(ones, centre)
        sums += [builder.lxor(ones, centre), builder.lor(twos, carry)]
    sums += [builder.lxor(x[3], x[5]), builder.land(x[3], x[5]), x[4]]
    builder.output("y", builder.copy(rebuild(inner.build()), sums)[0])
    return builder.build()


@dataclass(frozen=True)
class _Cone:
    """The circuit's gates without repetition of functions; all are 0 where all inputs are.

    Attributes:
        output: the node of the output; is_inverted: the output is its complement.
        gate: node -> (table, a, b), canonical (see `Builder`).
        function: node -> its table over the 512 rows.
        support: node -> the inputs that its function depends on.
    """

    output: int
    is_inverted: bool
    gate: dict[int, tuple[int, int, int]]
    function: list[int]
    support: list[tuple[int, ...]]

    @staticmethod
    def of(circuit: Circuit) -> _Cone:
        builder = Builder(circuit.input_names)
        function = [0, *_INPUTS]
        literals: list[int] = [0, *builder.inputs]
        known = dict(zip(function, literals, strict=True))
        tables: list[int] = circuit.table.tolist()
        fanins: list[tuple[int, int]] = circuit.fanin.tolist()
        for table, (a, b) in zip(tables, fanins, strict=True):
            value = _apply(table, _value(function, literals[a]), _value(function, literals[b]))
            is_inverted = value & 1
            value ^= -is_inverted & _ALL_ROWS
            if value not in known:
                known[value] = builder.gate(table, literals[a], literals[b]) & ~1
                function.append(value)
            literals.append(known[value] ^ is_inverted)
        output = int(circuit.outputs[0])
        literal = literals[output >> 1] ^ output & 1
        built = builder.build()
        tables, fanins = built.table.tolist(), built.fanin.tolist()
        rows = zip(tables, fanins, strict=True)
        gate = {node: (table, a, b) for node, (table, (a, b)) in enumerate(rows, 10)}
        support = [_support(value) for value in function]
        return _Cone(literal >> 1, bool(literal & 1), gate, function, support)

    def split(self, placement: Placement, extra_gates: int) -> Sharing:
        """The sharing where circuit input i stands at place placement[i] of the nine."""
        read: dict[int, Operand] = {}
        cell_gates: list[CellGate] = []
        pending = [self.output] if self.output else []
        while pending:
            node = pending[-1]
            row = self._row_of(node, placement)
            unread = (
                [] if row or node in read else [n for n in self.gate[node][1:] if n not in read]
            )
            if unread:
                pending.extend(unread)
                continue
            pending.pop()
            if node in read:
                continue
            if row is None:
                table, a, b = self.gate[node]
                row = Operand(None, len(cell_gates))
                cell_gates.append(CellGate(table, read[a], read[b]))
            read[node] = row
        carried = frozenset(operand.index for operand in read.values() if operand.row is not None)
        return Sharing(
            synthesize(carried, extra_gates),
            tuple(sorted(carried)),
            tuple(cell_gates),
            read.get(self.output),
            self.is_inverted,
        )

    def _row_of(self, node: int, placement: Placement) -> Operand | None:
        """The row function that the node is, if its inputs stand in one row."""
        places = [placement[i] for i in self.support[node]]
        if not places or len({place // 3 for place in places}) > 1:
            return None
        columns = tuple(place % 3 for place in places)
        local = _local_table(self.function[node], self.support[node], columns)
        return Operand(places[0] // 3, local)


def _value(function: list[int], literal: int) -> int:
    return function[literal >> 1] ^ (-(literal & 1) & _ALL_ROWS)


def _apply(table: int, a: int, b: int) -> int:
    """A two-input gate on functions of nine inputs."""
    minterms = (~a & ~b, a & ~b, ~a & b, a & b)
    value = 0
    for m, minterm in enumerate(minterms):
        if table >> m & 1:
            value |= minterm
    return value & _ALL_ROWS


def _support(function: int) -> tuple[int, ...]:
    return tuple(
        i
        for i in range(9)
        if (function & _INPUTS[i]) >> (1 << i) != function & (_ALL_ROWS ^ _INPUTS[i])
    )


@cache
def _local_table(function: int, support: tuple[int, ...], columns: tuple[int, ...]) -> int:
    """The function of up to three inputs as a table over (left, centre, right)."""
    table = 0
    for m in range(8):
        row = sum(1 << i for i, column in zip(support, columns, strict=True) if m >> column & 1)
        table |= (function >> row & 1) << m
    return table


def _best_placement(cone: _Cone, evaluations: int) -> Placement:
    """Climb from the inputs as they are to a placement with fewer operations; restart, seeded."""
    moves = _moves(cone.function[cone.output])
    costs: dict[Placement, tuple[int, int]] = {}

    def cost(placement: Placement) -> tuple[int, int]:
        if placement not in costs:
            costs[placement] = _cost(cone.split(placement, 1))
        return costs[placement]

    def climb(placement: Placement) -> Placement:
        while len(costs) < evaluations:
            best = min(_neighbours(placement, moves), key=cost)
            if cost(best) >= cost(placement):
                break
            placement = best
        return placement

    best: Placement = tuple(range(9))
    if not moves:
        return best
    best = climb(best)
    choice = random.Random(0)
    for _ in range(evaluations):
        if len(costs) >= evaluations:
            break
        start = best
        for _ in range(choice.randint(2, 6)):
            start = _moved(start, choice.choice(moves))
        best = min(best, climb(start), key=cost)
    return best


def _moves(function: int) -> list[Placement]:
    """Permutations of the inputs that leave the function as it is: swaps of two, rows, columns."""
    swaps = [_swapped([pair]) for pair in combinations(range(9), 2)]
    lines = [[(3 * a + k, 3 * b + k) for k in range(3)] for a, b in combinations(range(3), 2)]
    lines += [[(a + 3 * k, b + 3 * k) for k in range(3)] for a, b in combinations(range(3), 2)]
    lines.append([(1, 3), (2, 6), (5, 7)])
    candidates = swaps + [_swapped(pairs) for pairs in lines]
    return [move for move in candidates if _permuted(function, move) == function]


def _swapped(pairs: Sequence[tuple[int, int]]) -> Placement:
    place = list(range(9))
    for a, b in pairs:
        place[a], place[b] = b, a
    return tuple(place)


def _permuted(function: int, move: Placement) -> int:
    return sum(
        1 << m
        for m in range(512)
        if function >> sum(1 << move[i] for i in range(9) if m >> i & 1) & 1
    )


def _moved(placement: Placement, move: Placement) -> Placement:
    return tuple(placement[move[i]] for i in range(9))


def _neighbours(placement: Placement, moves: list[Placement]) -> list[Placement]:
    return [_moved(placement, move) for move in moves]
