"""resynthesize: map to look-up tables anew and resubstitute, by ABC, until that stops helping.

Each script is tried once; then the one that did best is repeated, then the next.

Structural choices (`dch`), a mapping into look-up tables for area (of two inputs, where an XOR
costs what an AND does, or as many as the objective says), and resubstitution under satisfiability
don't-cares (`mfs2`).
"""

from __future__ import annotations

from gatewright import abc
from gatewright.circuit import Circuit
from gatewright.passes.ands import ands
from gatewright.passes.objectives import LUT_INPUTS, Deadline, Goal
from gatewright.passes.sweep import sweep

#: Larger tables become an AIG again, which our own mapper covers.
LUTS = (
    "strash; dch; if -K {k} -a; mfs2 -a -e; strash",
    "strash; ifraig; scorr; dc2; dc2; dch; if -K {k} -a; mfs2 -a -e; strash",
)

#: The rewriting, resubstitution and refactoring that ABC's users run as `compress2rs`.
COMPRESS = (
    "balance -l; resub -K 6 -l; rewrite -l; resub -K 6 -N 2 -l; refactor -l; resub -K 8 -l; "
    "balance -l; resub -K 8 -N 2 -l; rewrite -l; resub -K 10 -l; rewrite -z -l; "
    "resub -K 10 -N 2 -l; balance -l; resub -K 12 -l; refactor -z -l; resub -K 12 -N 2 -l; "
    "rewrite -z -l; balance -l"
)

#: For each objective, scripts from a network to a network of two-input nodes.
SCRIPTS: dict[str, tuple[str, ...]] = {
    "gates": (
        "strash; dch; if -K 2 -a; mfs2 -a -e",
        f"strash; {COMPRESS}; dch; if -K 2 -a; mfs2 -a -e",
        "strash; ifraig; scorr; dc2; dc2; dch; if -K 2 -a; mfs2 -a -e",
    ),
    "and": ("strash; ifraig; dc2; dch; if -K 2 -a; mfs2 -a -e",),
    "depth": (
        "strash; if -g -K 6 -C 8; strash; dch; if -K 2; mfs2 -e",
        "strash; &get -n; &synch2; &put; dch; if -K 2; mfs2 -e",
        "strash; dch; if -K 2; mfs2 -e",
    ),
    **{name: tuple(script.format(k=k) for script in LUTS) for name, k in LUT_INPUTS.items()},
}

#: Rounds without a better circuit after which a script has done what it can.
PATIENCE = 2


def resynthesize(circuit: Circuit, goal: Goal) -> Circuit:
    """The circuit or a better one that ABC proposes.

    Raises:
        MissingTool: there is no ABC.
    """
    deadline = Deadline(goal.seconds)
    once: list[tuple[Circuit, str]] = []
    for script in SCRIPTS[goal.objective]:
        found = abc.run(circuit, script, deadline.left)
        if found is not None:
            once.append((finished(found, goal), script))
    once.sort(key=lambda made: goal.cost(made[0]))
    best = goal.best(circuit, *(made for made, _ in once))
    for _, script in once:  # the most promising first: time may not be enough for all
        best = _repeat(best, script, goal, deadline)
    return best


def finished(found: Circuit, goal: Goal) -> Circuit:
    """What a pass for gates made, after what the objective needs besides."""
    return ands(sweep(found)) if goal.objective == "and" else sweep(found)


def _repeat(circuit: Circuit, script: str, goal: Goal, deadline: Deadline) -> Circuit:
    """The best of the circuits that the script makes, each from the one before."""
    best = last = circuit
    since = 0
    while since < PATIENCE and deadline.left > 0:
        found = abc.run(last, script, deadline.left)
        if found is None:
            break
        last = finished(found, goal)
        since = 0 if goal.cost(last) < goal.cost(best) else since + 1
        best = goal.best(best, last)
    return best
