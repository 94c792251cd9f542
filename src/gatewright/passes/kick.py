"""kick: bring a small circuit into another form and recover, by ABC, until that no longer helps.

The trials of `deep` (`gatewright.passes.deep.trial`), each from the best circuit known, which an
equal one replaces. A circuit of few gates costs little a trial, so this needs no search for a set
time; nothing is done where there are too many gates for that, or too few to gain by it.
"""

from __future__ import annotations

import random

from gatewright import abc
from gatewright.circuit import Circuit
from gatewright.passes.deep import trial
from gatewright.passes.objectives import Deadline, Goal
from gatewright.passes.resynthesize import FINISH, finished

#: Gates of the circuits that are worth it.
LEAST_GATES = 40
MOST_GATES = 500

#: Trials without a better circuit after which it ends.
PATIENCE = 16


def kick(circuit: Circuit, goal: Goal) -> Circuit:
    """The circuit or a better one that trials find, one seed always the same given the time.

    Raises:
        MissingTool: there is no ABC.
    """
    if not LEAST_GATES <= circuit.num_gates <= MOST_GATES:
        return circuit
    rng, deadline = random.Random(goal.seed), Deadline(goal.seconds)
    finish = f"strash; {FINISH[goal.objective]}"
    best, since = circuit, 0
    while since < PATIENCE and deadline.left > 0:
        found = abc.run(best, trial(rng, finish, 1), deadline.left)
        made = best if found is None else goal.best(finished(found, goal), best)
        since = 0 if goal.cost(made) < goal.cost(best) else since + 1
        best = made
    return best
