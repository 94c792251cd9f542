"""shorten: few levels, by ABC's scripts for delay and `bypass` behind every round of them.

Each script is run over and over from the circuit, and each result is bypassed too; then from the
best of all. Of a large circuit a round may take all the time there is, so what comes first is what
is quickest for what it gains: `bypass` alone, then SOP balancing. Time only ends it.

SOP balancing: Mishchenko, Brayton, Jang and Kravets, "Delay optimization using SOP balancing",
ICCAD 2011.
"""

from __future__ import annotations

from dataclasses import replace

from gatewright import abc
from gatewright.circuit import Circuit
from gatewright.passes.bypass import bypass
from gatewright.passes.objectives import Deadline, Goal
from gatewright.passes.resynthesize import LARGE, MAP_LEVELS, MAP_LEVELS_QUICKLY, SCRIPTS
from gatewright.passes.sweep import sweep

#: Rounds without a better circuit after which a script has done what it can, times the goal's
#: persistence.
PATIENCE = 2

#: What makes a circuit small without more levels.
RESUBSTITUTE = "mfs2 -e"
RECOVER = f"strash; {MAP_LEVELS}; {RESUBSTITUTE}"


def shorten(circuit: Circuit, goal: Goal) -> Circuit:
    """The circuit, or one of fewer levels, or of as many and fewer gates.

    Raises:
        MissingTool: there is no ABC.
    """
    goal = replace(goal, objective="depth")
    deadline = Deadline(goal.seconds)
    scripts = [f"strash; {script}" for script in SCRIPTS["depth"]]
    groups = [scripts]
    if circuit.num_gates <= LARGE:
        groups.append([f"{script}; {RESUBSTITUTE}" for script in scripts])
    best = _stage(circuit, bypass(circuit), goal)
    for group in groups:
        for script in group:
            best = _stage(best, _repeat(circuit, script, goal, deadline), goal)
        before = None
        while before is not best and deadline.left > 0:
            before = best
            for script in [RECOVER, *group]:
                best = _stage(best, _repeat(best, script, goal, deadline), goal)
    return best


def _stage(best: Circuit, made: Circuit, goal: Goal) -> Circuit:
    """The better of both, the first where they are alike; another is one of the goal's stages."""
    if goal.cost(made) >= goal.cost(best):
        return best
    goal.stages.append(made)
    return made


def _repeat(circuit: Circuit, script: str, goal: Goal, deadline: Deadline) -> Circuit:
    """The best of the circuits that the script makes, each from the one before, and bypassed.

    A round that would not end in time goes without structural choices, which take half of it.
    """
    best = last = circuit
    since, took = 0, 0.0
    while since < PATIENCE * goal.persistence and deadline.left > 0:
        begin = deadline.left
        if begin < took:
            script = script.replace(MAP_LEVELS, MAP_LEVELS_QUICKLY)
        found = abc.run(last, script, begin)
        took = begin - deadline.left
        if found is None:
            break
        last = sweep(found)
        made = goal.best(last, bypass(last))
        since = 0 if goal.cost(made) < goal.cost(best) else since + 1
        best = goal.best(best, made)
    return best
