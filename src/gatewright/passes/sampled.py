"""sampled: a whole circuit of many inputs walked on rows that are drawn, and proved in stretches.

On rows that are drawn a gate may be given a form that is wrong on others. So what a stretch of
steps made is proved equal to what it began with before the walk goes on from there; where it is
not, rows that show it are kept, and the walk goes on from the last step that they show no fault in.
Soon hardly a step is wrong: those few thousand rows tell whatever the walk can reach apart.
"""

from __future__ import annotations

import random
from itertools import takewhile

import numpy as np

from gatewright import samples
from gatewright.circuit import Bits, Circuit, Words, pack, unpack
from gatewright.passes.objectives import Deadline, Goal
from gatewright.passes.strash import strash
from gatewright.verify import NotEquivalent, Undecided, prove
from gatewright.walking import Costs, total_cost, walk

#: Moves of a step, which begins with a kick, and the most steps of a stretch.
STEP_MOVES = 64
MOST_STEPS = 128

#: Steps without a smaller circuit after which it ends.
PATIENCE = 2_000

#: Conflicts of a proof: more would take longer than to walk elsewhere.
CONFLICTS = 10_000

#: Words of rows that are tried before a proof, and the most rows that are kept of those that show a
#: fault, or are made around a proof's one.
TRIED_WORDS = 32
KEPT_ROWS = 32


def sampled(
    circuit: Circuit, goal: Goal, costs: Costs, rng: random.Random, deadline: Deadline
) -> Circuit:
    """The circuit or a smaller one, equal to it by proof."""
    rows = _Rows(circuit.num_inputs, np.random.default_rng(rng.getrandbits(63)))
    now = best = circuit
    steps, since = 1, 0
    while now.num_gates and since < goal.persistence * PATIENCE and deadline.left > 0:
        trail = [now]
        words = rows.words()
        while len(trail) <= steps and deadline.left > 0:
            trail.append(_stepped(trail[-1], words, rng.getrandbits(63), costs))
        proved = _proved(trail, rows, deadline)
        now = strash(trail[proved])
        since += steps
        if total_cost(now.table, costs) < total_cost(best.table, costs):
            best, since = now, 0
        steps = min(MOST_STEPS, 2 * steps) if proved == len(trail) - 1 else max(1, steps // 2)
    return best


def _stepped(circuit: Circuit, words: Words, seed: int, costs: Costs) -> Circuit:
    arrays = circuit.fanin, circuit.table, circuit.outputs
    found = walk(words, *arrays, kicks=1, moves=STEP_MOVES, seed=seed, costs=costs)
    return Circuit(*found, circuit.input_names, circuit.output_names, circuit.name)


def _proved(trail: list[Circuit], rows: _Rows, deadline: Deadline) -> int:
    """The last step that is proved equal to the first; rows that show others wrong are kept."""
    last = len(trail) - 1
    while last > 0:
        wrong = rows.telling(trail[0], trail[last])
        if not len(wrong):
            try:
                prove(trail[0], trail[last], seconds=max(1.0, deadline.left), conflicts=CONFLICTS)
                break
            except NotEquivalent as difference:
                wrong = rows.around(difference.row)
            except Undecided:
                last //= 2
                continue
        rows.keep(wrong)
        words = pack(wrong)
        wanted = trail[0].simulate(words)
        is_equal = ((step.simulate(words) == wanted).all() for step in trail[1:last])
        last = sum(takewhile(bool, is_equal))
    return last


class _Rows:
    """Those on which a circuit is walked: some drawn at first, then those that showed faults."""

    def __init__(self, num_inputs: int, rng: np.random.Generator) -> None:
        self._rng = rng
        self._first = np.hstack([samples.special(num_inputs, rng), samples.drawn(num_inputs, rng)])
        self._kept = np.zeros((0, num_inputs), np.bool_)

    def words(self) -> Words:
        """All, packed; the last kept in front, since they tell most apart."""
        return np.ascontiguousarray(np.hstack([pack(self._kept[::-1]), self._first]))

    def keep(self, rows: Bits) -> None:
        self._kept = np.concatenate([self._kept, rows])

    def around(self, row: Bits) -> Bits:
        """The row and others near it."""
        near = np.tile(row, (KEPT_ROWS - 1, 1))
        return np.vstack([row, samples.around(near, self._rng)])

    def telling(self, a: Circuit, b: Circuit) -> Bits:
        """Some rows near those at hand on which the two differ, if there are any."""
        num_rows = 64 * TRIED_WORDS
        source = self._kept if len(self._kept) else unpack(self._first, 64 * self._first.shape[1])
        chosen = source[self._rng.integers(0, len(source), num_rows)]
        words = pack(samples.around(chosen, self._rng))
        differs = np.bitwise_or.reduce(a.simulate(words) ^ b.simulate(words), axis=0)
        found = unpack(words, num_rows)[unpack(differs[None], num_rows)[:, 0]]
        return self._rng.permutation(found)[:KEPT_ROWS]
