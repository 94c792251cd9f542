"""SAT sweeping: prove paired outputs of a circuit equal, or find the row where a pair differs.

Nodes whose simulated values agree are candidates. (Gates that `Builder` made are 0 where all inputs
are 0, so no two of them are complements.) They are visited from the inputs up and compared with
earlier ones of their class, and what is proved equal is merged, so that the cones above become
alike and collapse by structural hashing alone. A pair is first compared in a small window below it
whose leaves are free: what holds there holds in the circuit. Only where the window shows a
difference are the whole cones given to the SAT solver; a difference there is real, is simulated,
and splits the classes. Pairs that are given up stay apart; a later round tries again with more
conflicts. The first round has none at all: it only looks into small windows, which is enough after
local rewriting.

Sources: Kuehlmann and Krohm, DAC 1997; Mishchenko et al., "FRAIGs", 2005.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from gatewright import samples
from gatewright.circuit import Bits, Circuit, Words, pack, unpack
from gatewright.sweeping import Gates, sweeping
from gatewright.window import Meter, Window

#: Conflicts that a pair may cost: none in the first round, then this, then GROWTH times more.
FIRST_BUDGET = 100
GROWTH = 8

#: Gates and leaves of a small window, decided by truth tables: in the first round, and later.
SMALL_LOCAL = (24, 8)
LARGE_LOCAL = (100, 12)

#: Gates visited between two looks at the meter.
STRIDE = 1000

#: Gates in a pair's window for SAT, before its whole cones are considered, and that it grows by
#: where these are too much for the first budget.
NUM_WINDOW_GATES = 64
NUM_MORE_GATES = 448

#: The most blocks of samples before the first pair is compared.
MAX_BLOCKS = 16


@dataclass(frozen=True)
class Swept:
    """What became of the pairs of outputs.

    Attributes:
        row: bool[num_inputs], an input on which some pair differs; None if none was found.
        undecided: the pairs that are neither proved nor refuted (empty and no row: all are equal).
        num_merged: pairs of nodes that the solver proved equal.
    """

    row: Bits | None
    undecided: tuple[int, ...]
    num_merged: int


def sweep(miter: Circuit, meter: Meter, rng: np.random.Generator) -> Swept:
    """Prove output o equal to output m + o for every o < m.

    The miter has 2m outputs and comes from `Builder`.
    """
    if (miter.table & 1).any():
        raise ValueError("only circuits that Builder made can be swept")
    first, second = np.split(miter.outputs, 2)
    open_pairs = np.flatnonzero(first != second)  # the others are equal as they stand
    undecided: tuple[int, ...] = tuple(open_pairs.tolist())
    if not undecided:
        return Swept(None, (), 0)
    miter = replace(
        miter,
        outputs=np.concatenate([first[open_pairs], second[open_pairs]]),
        output_names=tuple(map(str, range(2 * len(undecided)))),
    )
    words = samples.special(miter.num_inputs, rng)
    budget, num_merged = 0, 0
    while True:
        sweeping = _Round(by_level(miter), words, meter, rng, budget)
        row = sweeping.run()
        num_merged += sweeping.num_merged
        if row is not None:
            return Swept(row, (), num_merged)
        undecided = tuple(undecided[i] for i in sweeping.undecided)
        if not undecided or meter.is_spent:
            return Swept(None, undecided, num_merged)
        miter, words = sweeping.remainder(), np.hstack(sweeping.words)
        budget = budget * GROWTH or FIRST_BUDGET


def merge(circuit: Circuit, meter: Meter, rng: np.random.Generator, budget: int) -> Circuit:
    """The circuit with one node for all that are proved equal; it comes from `Builder`.

    `budget` is the most conflicts that a pair of nodes may cost.
    """
    if (circuit.table & 1).any():
        raise ValueError("only circuits that Builder made can be swept")
    words = samples.special(circuit.num_inputs, rng)
    sweeping = _Round(by_level(_twice(circuit)), words, meter, rng, budget)
    sweeping.run()
    return sweeping.merged(circuit.output_names, circuit.name)


def num_told_apart(circuit: Circuit) -> int:
    """Sets of nodes among which some samples tell none apart; the circuit comes from `Builder`."""
    grown, rng = sweeping(_twice(circuit)), np.random.default_rng(0)
    for words in (samples.special(circuit.num_inputs, rng), samples.drawn(circuit.num_inputs, rng)):
        grown.sample(words)
    return grown.num_classes


def _twice(circuit: Circuit) -> Circuit:
    """The miter of a circuit and itself."""
    return replace(
        circuit,
        outputs=np.concatenate([circuit.outputs, circuit.outputs]),
        output_names=tuple(str(o) for o in range(2 * circuit.num_outputs)),
    )


class _Differs(Exception):
    """A row on which two nodes differ: where it leaves a round, two outputs."""

    def __init__(self, row: Bits) -> None:
        self.row = row


class _Round:
    """One pass over the miter with one budget of conflicts for each pair of nodes."""

    def __init__(
        self, miter: Circuit, words: Words, meter: Meter, rng: np.random.Generator, budget: int
    ) -> None:
        self.miter, self.meter, self.rng, self.budget = miter, meter, rng, budget
        self.words = [words]  # the samples worth keeping for the next round
        self.undecided: list[int] = []
        self._num_solved = 0
        self._grown = sweeping(miter)
        self._grown.limit(*(LARGE_LOCAL if budget else SMALL_LOCAL))
        self._gates = Gates(self._grown)
        self._whole = Window(miter.num_inputs, self._gates)
        self._given_up: set[tuple[int, int]] = set()

    @property
    def num_merged(self) -> int:
        return self._grown.num_merged + self._num_solved

    def run(self) -> Bits | None:
        """Visit every node, then every pair of outputs; a row where a pair differs, or None."""
        try:
            self._classify()
            while not self._grown.is_done:
                is_open = not self.meter.is_spent
                if self._grown.advance(is_open, is_open and self.budget > 0, STRIDE):
                    self._decide()
            self._decide_outputs()
        except _Differs as found:
            return found.row
        finally:
            self._whole.close()
        return None

    def remainder(self) -> Circuit:
        """The merged miter of the pairs that are still undecided."""
        half = self.miter.num_outputs // 2
        chosen = np.array(self.undecided, np.int64)
        return self._circuit(self.miter.outputs[np.concatenate([chosen, half + chosen])])

    def merged(self, names: tuple[str, ...], title: str) -> Circuit:
        """The merged circuit, with the first outputs of the miter."""
        circuit = self._circuit(self.miter.outputs[: len(names)])
        return replace(circuit, output_names=names, name=title)

    def _circuit(self, outputs: npt.NDArray[np.int32]) -> Circuit:
        merged = self._grown.merged[:, 0]
        return Circuit(
            self._grown.fanin,
            self._grown.table[:, 0],
            2 * merged[outputs >> 1] + (outputs & 1),
            self.miter.input_names,
            tuple(map(str, range(len(outputs)))),
        )

    def _classify(self) -> None:
        """Simulate samples until a block of them tells hardly any more nodes apart."""
        self._sample(self.words[0])
        num_classes = 0
        for _ in range(MAX_BLOCKS):
            self._sample(samples.drawn(self.miter.num_inputs, self.rng))
            before, num_classes = num_classes, self._grown.num_classes
            if num_classes <= before + before // 1000 or self.meter.is_spent:
                return

    def _sample(self, words: Words) -> None:
        """Take samples; raises _Differs if they tell outputs apart."""
        found = self._grown.sample(words)
        if found >= 0:
            row = unpack(words[:, found // 64 : found // 64 + 1], 64)[found % 64]
            raise _Differs(row)

    def _decide(self) -> None:
        """Answer for the gate that waits, or take the samples that tell it apart from its class."""
        own, leader = self._grown.question()
        try:
            self._grown.answer(self._is_proved_by_sat(own, leader))
            return
        except _Differs as found:
            near = samples.around(np.tile(found.row, (63, 1)), self.rng)
            self.words.append(pack(np.vstack([found.row, near])))
        self._sample(self.words[-1])
        is_open = not self.meter.is_spent
        if self._grown.advance(is_open, is_open, 0) and self._grown.question() == (own, leader):
            raise RuntimeError(f"the solver tells nodes {leader} and {own} apart wrongly")

    def _decide_outputs(self) -> None:
        """Compare the nodes of each pair; samples have shown that both or none are inverted."""
        nodes: list[int] = self._grown.merged[self.miter.outputs >> 1, 0].tolist()
        half = len(nodes) // 2
        for i, (x, y) in enumerate(zip(nodes[:half], nodes[half:], strict=True)):
            if x == y:
                continue
            if self._grown.is_equal_locally(x, y) or self._is_proved_by_sat(x, y):
                self._num_solved += 1
            else:
                self.undecided.append(i)

    def _is_proved_by_sat(self, x: int, y: int) -> bool:
        """Whether x and y are proved equal; raises _Differs with a row where they are not."""
        pair = (min(x, y), max(x, y))
        if not self.budget or pair in self._given_up:
            return False
        last = self.meter.conflicts + self.budget
        with Window(self.miter.num_inputs, self._gates) as window:
            can_differ = window.can_differ(x, y, NUM_WINDOW_GATES, self.meter, self.budget)
            if can_differ:
                whole = self._whole if self.budget == FIRST_BUDGET else window
                budget = last - self.meter.conflicts
                can_differ = whole.can_differ(x, y, None, self.meter, budget)
                if can_differ:
                    raise _Differs(whole.row(self.rng))
                if can_differ is None and whole is not window:
                    # too much below it to reason about: less may be enough
                    larger = window.can_differ(x, y, NUM_MORE_GATES, self.meter, self.budget)
                    can_differ = None if larger else larger  # a window's difference is no proof
        if can_differ is None:
            self._given_up.add(pair)
            return False
        return True


def by_level(circuit: Circuit) -> Circuit:
    """The circuit without gates that no output needs, its gates in order of their levels."""
    first = circuit.first_gate
    is_needed = [True] * first + [False] * circuit.num_gates
    for o in circuit.outputs.tolist():
        is_needed[o >> 1] = True
    fanin: list[list[int]] = circuit.fanin.tolist()
    for gate in reversed(range(circuit.num_gates)):
        if is_needed[first + gate]:
            for operand in fanin[gate]:
                is_needed[operand] = True
    kept = np.flatnonzero(is_needed)
    order = kept[np.argsort(circuit.levels[kept], kind="stable")]
    # the constant and the inputs have level 0 and stay in front
    new = np.zeros(circuit.num_nodes, dtype=np.int32)
    new[order] = np.arange(len(order), dtype=np.int32)
    chosen = order[first:] - first
    return Circuit(
        fanin=new[circuit.fanin[chosen]],
        table=circuit.table[chosen],
        outputs=2 * new[circuit.outputs >> 1] + (circuit.outputs & 1),
        input_names=circuit.input_names,
        output_names=circuit.output_names,
        name=circuit.name,
    )
