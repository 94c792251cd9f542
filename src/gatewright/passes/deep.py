"""deep: search with a time budget, by ABC: kick the circuit into another form, and recover.

The first part of the time is ABC's own search over scripts for AIGs (`&deepsyn`), mapped to
two-input gates; of a large circuit it is `resynthesize`, as long as that helps. Then each trial
takes the best circuit known, or the first, brings it through a random sequence of rewritings that
change its structure (and may well enlarge it), minimises it and keeps what is no worse. A minimum
that local changes do not leave is left by that. With a seed and enough time the same trials are
made, but how many fit into the time depends on the machine.
"""

from __future__ import annotations

import random

from gatewright import abc
from gatewright.circuit import Circuit
from gatewright.passes.objectives import Deadline, Goal
from gatewright.passes.resynthesize import COMPRESS, FINISH, LARGE, finished, resynthesize

#: Share of the time for the first search, and in how many rounds, each from the result before.
FIRST_SHARE = 0.8
FIRST_ROUNDS = 2

#: Share of the trials that start from what the search was given.
RESTARTS = 0.1

#: What changes the structure, from and to an AIG.
KICKS = (
    "balance",
    "if -K {k} -a; strash",
    "if -K {k} -g; strash",
    "if -K {k}; mfs2 -a -e; strash",
    "dch; if -K {k} -x; strash",
    "&get; &deepsyn -I 2 -J 20 -T {seconds}; &put",
)
#: What makes an AIG small.
REDUCTIONS = (
    "dc2",
    "resub -K 6 -N 2; rewrite -l; refactor -l",
    "resub -K 8 -N 3; rewrite; resub -K 12 -N 2; refactor",
    "rewrite -z; balance; refactor -z; rewrite",
    COMPRESS,
)


def deep(circuit: Circuit, goal: Goal) -> Circuit:
    """The circuit or a better one that the search finds in `goal.seconds`.

    Raises:
        MissingTool: there is no ABC.
    """
    if circuit.num_gates <= 1:  # nothing to search for
        return circuit
    rng = random.Random(goal.seed)
    deadline = Deadline(goal.seconds)
    finish = f"strash; {FINISH[goal.objective]}"
    seconds = max(1, round(FIRST_SHARE * goal.seconds / FIRST_ROUNDS))
    first = f"strash; &get; &deepsyn -T {seconds}; &put; {finish}"
    best, round_ = circuit, 0
    if circuit.num_gates > LARGE:
        best, round_ = resynthesize(circuit, goal), FIRST_ROUNDS
    while deadline.left > 0:
        is_first, round_ = round_ < FIRST_ROUNDS, round_ + 1
        script = first if is_first else trial(rng, finish, max(1, round(goal.seconds / 10)))
        start = circuit if not is_first and rng.random() < RESTARTS else best
        found = abc.run(start, script, deadline.left)
        if found is not None:
            best = goal.best(finished(found, goal), best)  # an equal one is another place to start
    return best


def trial(rng: random.Random, finish: str, seconds: int) -> str:
    """A script that changes the structure and recovers; a search in it takes so many seconds."""
    steps = ["strash"]
    for kick in rng.choices(KICKS, k=rng.randint(0, 2)):
        steps.append(kick.format(k=rng.randint(3, 8), seconds=rng.randint(1, seconds)))
    steps += rng.choices(REDUCTIONS, k=rng.randint(0, 3))
    return "; ".join([*steps, *[finish] * rng.randint(1, 3)])
