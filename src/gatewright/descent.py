"""Coordinate descent on a classifier of hard gates: in the native core if it is built, else NumPy.

`PythonDescent` is the specification; the native `Descent` does the same with float32 losses.
`gatewright.polishing` gives it samples and candidates. `GATEWRIGHT_NATIVE=0` in the environment
chooses NumPy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from gatewright import native
from gatewright.circuit import Circuit, Words, unpack

Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

#: A mean of differences that is smaller may be rounding alone.
NOTHING = 2.5e-7

#: Samples whose differences are rounded alike for the sums over pairs of operands, and the most
#: steps that one is.
CHUNK, STEPS = 4096, 126

#: Pairs of operands, but for the gate's own, whose sums are worked out without rounding.
PROMISING = 4

#: Candidates of an operand.
MOST_CANDIDATES = 254


class Descent(Protocol):
    """Gates, and samples by whose mean cross-entropy they are judged.

    The circuit's outputs are votes, equal groups of them in turn. The classes' scores are the
    readout [num_classes, num_groups + 1] times the groups' sums, the last column added.

    Attributes:
        fanin, table: int32[n, 2], uint8[n], the gates as they are now.
    """

    @property
    def fanin(self) -> Ints: ...
    @property
    def table(self) -> npt.NDArray[np.uint8]: ...

    def losses(self) -> Floats:
        """float32[64 W]: the samples' cross-entropies."""
        ...

    def sweep(self, order: Ints, candidates: Ints, significance: float) -> tuple[int, float]:
        """Visit gates; how many changed, and by how much the weighted sum of losses fell.

        A gate is given the operands and the table of least loss, all other gates being as they are;
        where the loss falls by no more than `significance` standard errors of the fall it stays.
        Which pairs of operands promise most is seen from differences that are rounded.

        Args:
            order: int32[m], nodes of gates.
            candidates: int32[m, 2, K], for each visit nodes below the gate that may take the place
                of the first operand and of the second, K at most MOST_CANDIDATES.
        """
        ...


def descent(
    circuit: Circuit, readout: Floats, words: Words, y: Ints, weights: Floats,
    threads: int | None = None,
) -> Descent:  # fmt: skip
    """The descent of a circuit whose outputs vote.

    Args:
        readout: float32[num_classes, num_groups + 1], see `Descent`.
        words: uint64[num_inputs, W], the samples' bits.
        y: int32[64 W], their classes.
        weights: float32[64 W]; 0 where the last word is filled up.
        threads: of the native core; None takes all cores. The result does not depend on it.
    """
    module = native.load()
    parts = circuit.fanin, circuit.table, circuit.outputs, readout, words, y, weights
    if module is None:
        return PythonDescent(*parts)
    return module.Descent(*parts, threads or native.num_processors())


class PythonDescent:
    """What the native `Descent` does."""

    def __init__(
        self,
        fanin: Ints,
        table: npt.NDArray[np.uint8],
        outputs: Ints,
        readout: Floats,
        words: Words,
        y: Ints,
        weights: Floats,
    ) -> None:
        self.fanin, self.table = fanin.copy(), table.copy()
        self._outputs, self._readout = outputs, readout.astype(np.float64)
        self._y, self._weights = y, weights.astype(np.float64)
        bits = unpack(words, len(y)).T
        self._first = 1 + len(bits)
        values = np.zeros((self._first + len(table), len(y)), bool)
        values[1 : self._first] = bits
        self._values = values
        self._simulate(values, self._first)

    def _simulate(self, values: Bools, first: int) -> None:
        """Give the gates from node `first` on their values."""
        for node in range(first, len(values)):
            a, b = self.fanin[node - self._first]
            values[node] = self.table[node - self._first] >> _row(values[a], values[b]) & 1

    def _losses(self, values: Bools) -> Doubles:
        says = values[self._outputs // 2] ^ (self._outputs % 2 == 1)[:, None]
        sums = says.reshape(self._readout.shape[1] - 1, -1, says.shape[1]).sum(axis=1)
        scores = self._readout[:, :-1] @ sums + self._readout[:, -1:]
        most = scores.max(axis=0)
        total = np.log(np.exp(scores - most).sum(axis=0)) + most
        return total - np.take_along_axis(scores, self._y[None], axis=0)[0]

    def losses(self) -> Floats:
        return self._losses(self._values).astype(np.float32)

    def sweep(self, order: Ints, candidates: Ints, significance: float) -> tuple[int, float]:
        changed, total = 0, 0.0
        for node, others in zip(order.tolist(), candidates.tolist(), strict=True):
            fall = self._visit(node, others, significance)
            changed, total = changed + (fall > 0), total + fall
        return changed, total

    def _visit(self, node: int, candidates: Sequence[Sequence[int]], significance: float) -> float:
        """By how much the loss falls; 0: the gate stays."""
        gate = node - self._first
        differences = self._differences(node)
        own: list[int] = self.fanin[gate].tolist()
        least = NOTHING * float(self._weights.sum())
        best: tuple[float, Any] = (float(differences[self._values[node]].sum()), None)
        for pair in [tuple(own), *self._promising(differences, own, candidates)]:
            rows = _row(*self._values[list(pair)])
            by_row = np.bincount(rows, differences, minlength=4)
            table = int((by_row <= -least) @ [1, 2, 4, 8])
            cost = float(by_row[by_row <= -least].sum())
            if cost < best[0] - least:
                best = cost, (pair, table)
        if best[1] is None:
            return 0.0
        pair, table = best[1]
        then = (table >> _row(*self._values[list(pair)]) & 1).astype(bool)
        changes = then ^ self._values[node]
        falls = np.where(then, -differences, differences)[changes]
        if falls.sum() <= significance * np.sqrt((falls**2).sum()):
            return 0.0
        self.fanin[gate], self.table[gate] = pair, table
        self._simulate(self._values, node)
        return float(falls.sum())

    def _promising(
        self, differences: Doubles, own: list[int], candidates: Sequence[Sequence[int]]
    ) -> list[tuple[int, int]]:
        """The pairs whose best tables cost least, by rounded differences, but for the own."""
        nodes = [[one, *others] for one, others in zip(own, candidates, strict=True)]
        a, b = (self._values[one].astype(np.int64) for one in nodes)
        pair = np.zeros((len(a), len(b)))
        first, second, total = pair[:, :1].copy(), pair[:1].copy(), 0.0
        for begin in range(0, len(differences), CHUNK):
            part = slice(begin, begin + CHUNK)
            step, quanta = _rounded(differences[part])
            pair += step * ((a[:, part] * quanta) @ b[:, part].T)
            first += step * (a[:, part] @ quanta)[:, None]
            second += step * (b[:, part] @ quanta)[None]
            total += step * quanta.sum()
        sums = pair, first - pair, second - pair, total - first - second + pair
        cost = np.sum([np.minimum(one, 0) for one in sums], axis=0)
        pairs = [(x, y) for x in nodes[0] for y in nodes[1]]
        order: list[int] = np.argsort(cost, axis=None, kind="stable").tolist()
        return [pairs[i] for i in order if i > 0 and pairs[i][0] != pairs[i][1]][:PROMISING]

    def _differences(self, node: int) -> Doubles:
        """[N]: the weighted losses if the gate were 1, less those if it were 0."""
        losses: list[Doubles] = []
        for bit in (False, True):
            values = self._values.copy()
            values[node] = bit
            self._simulate(values, node + 1)
            losses.append(self._losses(values))
        return self._weights * (losses[1] - losses[0])


def _rounded(values: Doubles) -> tuple[float, npt.NDArray[np.int64]]:
    """A step and how many of it each value is, rounded so that sums are right on the average.

    The step is a power of two, so that sums are exact, and the greatest value STEPS of it at most.
    The s-th is rounded up where the fractions of it and of s + 1 times the golden ratio are over 1
    together.
    """
    most = float(np.abs(values).max())
    step = 2.0 ** int(np.frexp(most / STEPS)[1]) if most > 1e-30 else 1.0
    place = np.arange(1, len(values) + 1, dtype=np.uint32) * np.uint32(2654435769)
    return step, np.floor(values / step + (place >> 8) / 2.0**24).astype(np.int64)


def _row(a: Bools, b: Bools) -> npt.NDArray[np.int64]:
    return a + 2 * b.astype(np.int64)
