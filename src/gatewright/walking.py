"""A random walk over circuits that give the same on some rows: in the native core, else in Python.

Each move takes a gate and what may stand in its place, given those rows on which an output depends
on it: a constant, another node, one other gate, or two. Of those that leave the fewest gates one
is taken, whichever it is; mostly as many are left as before. So the walk goes where no single
improvement leads, and does not come back larger. `_Walk` is the specification; the native `Walk`
takes the same steps for the same seed. `GATEWRIGHT_NATIVE=0` in the environment chooses Python.

Source of the moves: resubstitution under don't-cares, as in Mishchenko, Brayton, Jiang and Jang,
"Scalable don't-care-based logic optimization and resynthesis", 2011.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gatewright import gates, native
from gatewright.circuit import Arrays, Words

#: Outer gates that are tried where two gates may take a gate's place.
OUTER_TRIALS = 8

#: Nodes that a gate may come to read: all up to so many; else those so near in the order, some
#: drawn, and what is read by the gate and those first below it.
ALL_NODES, NEAR, DRAWN, BELOW = 256, 64, 64, 14

#: Of an AND, whatever is inverted, and of an XOR; at least 0.
Costs = tuple[int, int]

WORD = (1 << 64) - 1

#: Of each truth table whether it takes an AND.
NONLINEAR = np.array([gates.is_nonlinear(table) for table in range(16)])


def walk(
    rows: Words,
    fanin: npt.NDArray[np.int32],
    table: npt.NDArray[np.uint8],
    outputs: npt.NDArray[np.int32],
    *,
    kicks: int,
    moves: int,
    seed: int,
    costs: Costs = (1, 1),
) -> Arrays:
    """A circuit that gives the same on these rows, `moves` away, whose gates cost as much or less.

    First come so many kicks, each of which may cost what an AND does. Gates that no output needs
    and that fold are left out. Rows are packed, uint64[inputs, W], as for `Circuit.simulate`; on
    all of them (`circuit.all_inputs`) it is the same function. ValueError where the arrays are no
    circuit.
    """
    module = native.load()
    if module is not None:
        return module.walk(rows, fanin, table, outputs, kicks, moves, seed, *costs)
    native.simulate_numpy(len(rows), fanin, table, outputs, rows[:, :0])
    return walk_python(rows, fanin, table, outputs, kicks, moves, seed, costs)


def walk_python(
    rows: Words,
    fanin: npt.NDArray[np.int32],
    table: npt.NDArray[np.uint8],
    outputs: npt.NDArray[np.int32],
    kicks: int,
    moves: int,
    seed: int,
    costs: Costs = (1, 1),
) -> Arrays:
    """Do what `walk` does, in Python."""
    walk = _Walk(rows, fanin.tolist(), table.tolist(), outputs.tolist(), seed, costs)
    for n in range(kicks + moves):
        walk.move(costs[0] if n < kicks else 0)
    return (
        np.array(walk.fanin, np.int32).reshape(-1, 2),
        np.array(walk.table, np.uint8),
        np.array(walk.outputs, np.int32),
    )


@dataclass(frozen=True)
class _Change:
    """What takes a gate's place: a literal, gate (a, b), or gate (a, gate (b, c)).

    Attributes:
        nodes: those that it reads; a literal where it adds no gate.
        tables: of the gates that it adds, the outer one first.
    """

    nodes: tuple[int, ...]
    tables: tuple[int, ...]


#: (a, b, table)
_Pair = tuple[int, int, int]


class _Walk:
    """A circuit and its values on all rows, each a number whose bit r is row r's."""

    def __init__(
        self,
        rows: Words,
        fanin: list[list[int]],
        table: list[int],
        outputs: list[int],
        seed: int,
        costs: Costs,
    ) -> None:
        self.first = 1 + len(rows)
        self.full = (1 << 64 * rows.shape[1]) - 1
        self.inputs = [int.from_bytes(row.astype("<u8").tobytes(), "little") for row in rows]
        self.fanin, self.table, self.outputs = fanin, table, outputs
        self.state, self.costs = seed, costs
        self.build()

    def below(self, bound: int) -> int:
        """Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014."""
        self.state = (self.state + 0x9E3779B97F4A7C15) & WORD
        z = self.state
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & WORD
        z = (z ^ z >> 27) * 0x94D049BB133111EB & WORD
        z ^= z >> 31
        return (z >> 32) * bound >> 32

    def build(self) -> None:
        """Number the gates that outputs need anew, operands first; fold; evaluate."""
        first = self.first
        made: dict[int, int] = {node: 2 * node for node in range(first)}
        fanin: list[list[int]] = []
        table: list[int] = []
        for output in self.outputs:
            waiting = [output >> 1]
            while waiting:
                node = waiting[-1]
                if node in made:
                    waiting.pop()
                    continue
                operands = self.fanin[node - first]
                missing = [operand for operand in reversed(operands) if operand not in made]
                if missing:
                    waiting += missing
                    continue
                a, b = (made[operand] for operand in operands)
                kind = _inverted(self.table[node - first], a & 1, b & 1)
                folded = _folded(kind, a >> 1, b >> 1)
                if folded is None:
                    folded = 2 * (first + len(table))
                    fanin.append([a >> 1, b >> 1])
                    table.append(kind)
                made[node] = folded
        self.outputs = [made[output >> 1] ^ output & 1 for output in self.outputs]
        self.fanin, self.table = fanin, table
        self.values = [0, *self.inputs]
        for kind, (a, b) in zip(table, fanin, strict=True):
            self.values.append(self.evaluate(kind, self.values[a], self.values[b]))
        self.count_readers()

    def count_readers(self) -> None:
        self.num_readers = [0] * len(self.values)
        for operands in self.fanin:
            for operand in operands:
                self.num_readers[operand] += 1
        for output in self.outputs:
            self.num_readers[output >> 1] += 1

    def evaluate(self, table: int, a: int, b: int) -> int:
        rows = (~a & ~b, a & ~b, ~a & b, a & b)
        return self.full & sum(value for row, value in enumerate(rows) if table >> row & 1)

    def move(self, loss: int) -> None:
        """Put something else in a gate's place, where all then costs no more, or `loss` more."""
        if not self.table:
            return
        gate = self.below(len(self.table))
        node = self.first + gate
        care, above = self.care(node)
        divisors = [other for other in self.near(node) if other not in above]
        choice = _Choice(self, node, loss)
        target = self.values[node]
        on, off = self.literals(target, care, divisors)
        if not target & care or not ~target & care:
            choice.consider(_Change((0 if not target & care else 1,), ()))
        else:
            for x in on:
                if x ^ 1 in off:
                    choice.consider(_Change((x,), ()))
        if choice.num_equal == 0:
            a, b = self.fanin[gate]
            same = {(a, b, self.table[gate]), (b, a, _swapped(self.table[gate]))}
            for one, two, kind in self.pairs(target, care, divisors, on, off):
                if (one, two, kind) not in same:
                    choice.consider(_Change((one, two), (kind,)))
            if choice.freed - 2 * min(self.costs) >= -loss and divisors:
                self.consider_triples(choice, target, care, divisors, [*on], [*off])
        if choice.best is None:
            self.count_readers()
        else:
            self.apply(gate, choice.best)

    def consider_triples(
        self,
        choice: _Choice,
        target: int,
        care: int,
        divisors: list[int],
        on: list[int],
        off: list[int],
    ) -> None:
        """Two gates: an outer one that reads some divisor, and what is then wanted within."""
        for _ in range(OUTER_TRIALS):
            if self.below(4) == 0 or (not on and not off):
                a, outer = divisors[self.below(len(divisors))], 0x6
                wanted, where = target ^ self.values[a], care
            else:
                chosen = self.below(len(on) + len(off))
                side = 0 if chosen < len(on) else 1
                x = on[chosen] if side == 0 else off[chosen - len(on)]
                a, outer = x >> 1, _and(x & 1, side, side)
                wanted, where = target, care & self.literal(x)
            literals = self.literals(wanted, where, divisors)
            for b, c, inner in self.pairs(wanted, where, divisors, *literals):
                if a not in (b, c):
                    choice.consider(_Change((a, b, c), (outer, inner)))

    def care(self, node: int) -> tuple[int, set[int]]:
        """The rows on which an output depends on the gate, and the nodes that read it."""
        flipped = {node: self.full ^ self.values[node]}
        for other in range(node + 1, len(self.values)):
            a, b = self.fanin[other - self.first]
            if a in flipped or b in flipped:
                one, two = (flipped.get(operand, self.values[operand]) for operand in (a, b))
                flipped[other] = self.evaluate(self.table[other - self.first], one, two)
        care = 0
        for output in self.outputs:
            if output >> 1 in flipped:
                care |= flipped[output >> 1] ^ self.values[output >> 1]
        return care, set(flipped)

    def near(self, node: int) -> list[int]:
        """All nodes, or of a large circuit those near in the order, some drawn, and some below."""
        end = len(self.values)
        if end <= ALL_NODES:
            return [*range(1, end)]
        nodes = {*range(max(1, node - NEAR), min(end, node + NEAR))}
        nodes |= {1 + self.below(end - 1) for _ in range(DRAWN)}
        waiting = [node]
        for top in itertools.islice(waiting, BELOW):  # which grows meanwhile
            if top >= self.first:
                waiting += self.fanin[top - self.first]
        return sorted({*nodes, *waiting[1:]})

    def literal(self, literal: int) -> int:
        return self.values[literal >> 1] ^ (self.full if literal & 1 else 0)

    def literals(self, target: int, care: int, divisors: list[int]) -> tuple[list[int], list[int]]:
        """Literals that are 1 wherever the target is, and those wherever it is not."""
        literals = [2 * node + inverted for node in divisors for inverted in (0, 1)]
        on, off = target & care, ~target & care
        return (
            [x for x in literals if not on & ~self.literal(x)],
            [x for x in literals if not off & ~self.literal(x)],
        )

    def pairs(
        self, target: int, care: int, divisors: list[int], on: list[int], off: list[int]
    ) -> list[_Pair]:
        """Gates that are the target where it matters: ANDs, their complements, then XORs."""
        found: list[_Pair] = []
        for side, literals in enumerate((on, off)):
            wrong = care & (target if side else ~target)
            for j, y in enumerate(literals):
                rest = self.literal(y) & wrong
                found += [
                    (x >> 1, y >> 1, _and(x & 1, y & 1, side))
                    for x in literals[:j]
                    if x >> 1 != y >> 1 and not self.literal(x) & rest
                ]
        lowest = care & -care
        alike: defaultdict[int, list[int]] = defaultdict(list)
        for node in divisors if care else ():
            value = self.values[node]
            wanted = value ^ target
            is_wanted_inverted = bool(wanted & lowest)
            for other in alike.get((~wanted if is_wanted_inverted else wanted) & care, ()):
                differs = bool((wanted ^ self.values[other]) & lowest)
                found.append((other, node, 0x9 if differs else 0x6))
            alike[(~value if value & lowest else value) & care].append(node)
        return found

    def apply(self, gate: int, change: _Change) -> None:
        if not change.tables:  # a copy, which folds
            (literal,) = change.nodes
            self.fanin[gate] = [literal >> 1, literal >> 1]
            self.table[gate] = 0x7 if literal & 1 else 0x8
        else:
            self.fanin[gate] = [*change.nodes[:2]]
            self.table[gate] = change.tables[0]
        if len(change.tables) == 2:
            self.fanin[gate][1] = self.first + len(self.table)
            self.fanin.append([*change.nodes[1:]])
            self.table.append(change.tables[1])
        self.build()


class _Choice:
    """Of the changes considered one of those that gain most; any, where a loss is allowed."""

    def __init__(self, walk: _Walk, node: int, loss: int) -> None:
        self.walk, self.is_kick, self.gain = walk, loss > 0, -loss
        self.best: _Change | None = None
        self.num_equal = self.freed = 0
        waiting = [node]
        while waiting:  # the gates that go with this one: what they read has a reader less
            gate = waiting.pop() - walk.first
            self.freed += cost_of(walk.table[gate], walk.costs)
            for operand in walk.fanin[gate]:
                walk.num_readers[operand] -= 1
                if walk.num_readers[operand] == 0 and operand >= walk.first:
                    waiting.append(operand)

    def consider(self, change: _Change) -> None:
        gain = self.freed - sum(cost_of(table, self.walk.costs) for table in change.tables)
        if gain < self.gain:
            return
        counted: list[int] = []
        waiting = [*change.nodes] if change.tables else [change.nodes[0] >> 1]
        while waiting:  # freed gates that stay, since this reads them
            node = waiting.pop()
            counted.append(node)
            self.walk.num_readers[node] += 1
            if self.walk.num_readers[node] == 1 and node >= self.walk.first:
                gate = node - self.walk.first
                gain -= cost_of(self.walk.table[gate], self.walk.costs)
                waiting += self.walk.fanin[gate]
        for node in counted:
            self.walk.num_readers[node] -= 1
        if gain < self.gain:
            return
        if not self.is_kick and gain > self.gain:
            self.gain, self.num_equal = gain, 0
        self.num_equal += 1
        if self.walk.below(self.num_equal) == 0:
            self.best = change


def cost_of(table: int, costs: Costs) -> int:
    """What a gate costs that folds no further."""
    return costs[0 if gates.is_nonlinear(table) else 1]


def total_cost(table: npt.NDArray[np.uint8], costs: Costs) -> int:
    """What all gates of a circuit cost that folds no further."""
    num_nonlinear = int(np.count_nonzero(NONLINEAR[table]))
    return costs[0] * num_nonlinear + costs[1] * (len(table) - num_nonlinear)


def _and(a: int, b: int, out: int) -> int:
    """The table of an AND whose operands or result may be inverted."""
    return sum(((row & 1 ^ a) & (row >> 1 ^ b) ^ out) << row for row in range(4))


def _inverted(table: int, a: int, b: int) -> int:
    """The table over inverted operands."""
    if a:
        table = (table & 5) << 1 | table >> 1 & 5
    if b:
        table = (table & 3) << 2 | table >> 2 & 3
    return table


def _swapped(table: int) -> int:
    return table & 9 | (table & 2) << 1 | table >> 1 & 2


def _folded(table: int, a: int, b: int) -> int | None:
    """The literal that a gate is, or None where it is none."""
    t0, t1, t2, t3 = (table >> row & 1 for row in range(4))
    if a == 0:
        node, pair = b, (t0, t2)
    elif b == 0:
        node, pair = a, (t0, t1)
    elif a == b:
        node, pair = a, (t0, t3)
    elif (t0, t1) == (t2, t3):
        node, pair = a, (t0, t1)
    elif (t0, t2) == (t1, t3):
        node, pair = b, (t0, t2)
    else:
        return None
    return pair[0] if pair[0] == pair[1] else 2 * node + pair[0]
