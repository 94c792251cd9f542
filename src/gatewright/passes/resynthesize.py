"""resynthesize: restructure, map to look-up tables anew and resubstitute, by ABC, while that helps.

Each script is tried once; then the one that did best is repeated, then the next.

Restructuring is rewriting, resubstitution and refactoring of an AIG, a mapping to tables of four
inputs and back, or, where the circuit is small enough for it, ABC's own search over scripts
(`&deepsyn`). Then come structural choices (`dch`), a mapping into look-up tables for area (of two
inputs, where an XOR costs what an AND does, or as many as the objective says), and resubstitution
under satisfiability don't-cares (`mfs2`).
"""

from __future__ import annotations

from gatewright import abc
from gatewright.circuit import Circuit
from gatewright.passes.ands import ands
from gatewright.passes.objectives import LUT_INPUTS, Deadline, Goal
from gatewright.passes.sweep import sweep

#: The rewriting, resubstitution and refactoring that ABC's users run as `compress2rs`.
COMPRESS = (
    "balance -l; resub -K 6 -l; rewrite -l; resub -K 6 -N 2 -l; refactor -l; resub -K 8 -l; "
    "balance -l; resub -K 8 -N 2 -l; rewrite -l; resub -K 10 -l; rewrite -z -l; "
    "resub -K 10 -N 2 -l; balance -l; resub -K 12 -l; refactor -z -l; resub -K 12 -N 2 -l; "
    "rewrite -z -l; balance -l"
)

#: Two seconds for 50,000 gates, and a tenth fewer of them a round where control logic abounds.
TABLES_AND_BACK = "if -K 4 -a; mfs2 -a -e; strash; dc2"

#: What ends a script, from an AIG to a network of two-input nodes. Larger tables become an AIG
#: again, which our own mapper covers.
FINISH: dict[str, str] = {
    "gates": "dch; if -K 2 -a; mfs2 -a -e",
    "and": "dch; if -K 2 -a; mfs2 -a -e",
    "depth": "dch; if -K 2; mfs2 -e",
    **{name: f"dch; if -K {k} -a; mfs2 -a -e; strash" for name, k in LUT_INPUTS.items()},
}

#: For each objective, scripts from an AIG to a network of two-input nodes, the quickest first:
#: of a large circuit there may be no time for the others.
SCRIPTS: dict[str, tuple[str, ...]] = {
    "gates": (
        f"{TABLES_AND_BACK}; if -K 2 -a; mfs2 -a -e",
        f"{COMPRESS}; {FINISH['gates']}",
        FINISH["gates"],
        f"{TABLES_AND_BACK}; {FINISH['gates']}",
        f"ifraig; scorr; dc2; dc2; {FINISH['gates']}",
    ),
    "and": (f"ifraig; dc2; {FINISH['and']}",),
    "depth": (
        f"if -g -K 6 -C 8; strash; {FINISH['depth']}",
        f"&get -n; &synch2; &put; {FINISH['depth']}",
        FINISH["depth"],
    ),
    **{
        name: (
            f"if -K {k} -a; mfs2 -a -e; strash; dc2",
            FINISH[name],
            f"ifraig; scorr; dc2; dc2; {FINISH[name]}",
        )
        for name, k in LUT_INPUTS.items()
    },
}

#: ABC's search, by objective, with bounds that a small circuit meets before the time is up.
SEARCH = "&get; &deepsyn -I 2 -J 20 -T {seconds}; &put; "
SEARCHED = ("gates",)

#: Gates above which that search has no time to try much.
LARGE = 15_000

#: Times that the quickest script takes, within which the others are done.
SLOWER = 3

#: Rounds without a better circuit after which a script has done what it can.
PATIENCE = 2


def resynthesize(circuit: Circuit, goal: Goal) -> Circuit:
    """The circuit or a better one that ABC proposes.

    Raises:
        MissingTool: there is no ABC.
    """
    deadline = Deadline(goal.seconds)
    scripts = [f"strash; {script}" for script in SCRIPTS[goal.objective]]
    search = f"strash; {SEARCH.format(seconds=max(1, round(goal.seconds / 10)))}"
    if goal.objective in SEARCHED and circuit.num_gates <= LARGE:
        scripts.append(search + FINISH[goal.objective])
    once: list[tuple[Circuit, str]] = []
    quickest = 0.0
    for script in scripts:
        if deadline.left < SLOWER * quickest:
            break  # better spent on the quickest, over and over
        found = abc.run(circuit, script, deadline.left)
        if found is not None:
            once.append((finished(found, goal), script))
        quickest = quickest or goal.seconds - deadline.left
    once.sort(key=lambda made: goal.cost(made[0]))
    best = goal.best(circuit, *(made for made, _ in once))
    for n, (_, script) in enumerate(once):  # the most promising first: time may not do for all
        if n == 0 or not script.startswith(search):
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
