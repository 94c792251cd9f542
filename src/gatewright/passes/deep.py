"""deep: search with a time budget, by ABC: kick the circuit into another form, and recover.

Each trial takes the best circuit known, brings it through a random sequence of rewritings that
change its structure (and may well enlarge it), minimises it and keeps what is no worse. A
minimum that local changes do not leave is left by that. With a seed and enough time the same
trials are made, but how many fit into the time depends on the machine.
"""

from __future__ import annotations

import random

from gatewright import abc
from gatewright.circuit import Circuit
from gatewright.passes.collapse import collapse
from gatewright.passes.objectives import Deadline, Goal
from gatewright.passes.resynthesize import SCRIPTS
from gatewright.passes.sweep import sweep

#: What changes the structure, from and to an AIG.
KICKS = (
    "balance",
    "if -K {k} -a; strash",
    "if -K {k} -g; strash",
    "if -K {k}; mfs2 -a -e; strash",
    "&get; &deepsyn -I 2 -J 20 -T {t}; &put",
    "dch; if -K {k} -x; strash",
    "collapse_small",
)
#: What makes an AIG small.
REDUCTIONS = (
    "dc2",
    "resub -K 6 -N 2; rewrite -l; refactor -l",
    "resub -K 8 -N 3; rewrite; resub -K 12 -N 2; refactor",
    "rewrite -z; balance; refactor -z; rewrite",
)


def deep(circuit: Circuit, goal: Goal) -> Circuit:
    """The circuit or a better one that the search finds in `goal.seconds`.

    Raises:
        MissingTool: there is no ABC.
    """
    rng = random.Random(goal.seed)
    deadline = Deadline(goal.seconds)
    best = circuit
    finish = SCRIPTS[goal.objective][0]
    while deadline.left > 0:
        script = ["strash"]
        for _ in range(rng.randint(1, 2)):
            kick = rng.choice(KICKS)
            if kick != "collapse_small":
                script.append(kick.format(k=rng.randint(3, 8), t=rng.randint(1, 4)))
            elif circuit.num_inputs <= 12:
                best = goal.best(best, sweep(collapse(best)))
        script += [rng.choice(REDUCTIONS) for _ in range(rng.randint(0, 3))]
        script += [finish] * rng.randint(1, 3)
        found = abc.run(best, "; ".join(script), deadline.left)
        if found is not None:
            best = goal.best(sweep(found), best)  # an equal one is another place to start from
    return best
