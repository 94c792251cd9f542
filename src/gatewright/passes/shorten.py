"""shorten: few levels, by ABC's scripts for delay and `bypass` behind every round of them.

Each script is run over and over from the circuit, and each result is bypassed too; then from the
best of all. A large circuit has time for a few rounds: SOP balancing, and structural choices that
give up early, and `bypass` behind the last. Every step of these is proved on its own: it is local,
and all of them together are not. Time only ends it.

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

#: A round of a large circuit, in steps: where there is no time for all, the first ones count.
#: Structural choices do with 50 conflicts a pair as well as with the usual 1,000, in half the time.
#: Where a level has more gates than WIDE, as in control, they take longer than two of what comes
#: before them, and the newer way to compute them is quicker, which elsewhere is slower.
BALANCE = "strash; if -g -K 6 -C 8; strash; if -K 2; write_blif {n}.blif; strash"
ROUND = f"{BALANCE.format(n=0)}; dch -C 50; if -K 2; write_blif 1.blif"
ROUND_OF_WIDE = (
    f"{BALANCE.format(n=0)}; {BALANCE.format(n=1)}; dch -x -C 50; if -K 2; write_blif 2.blif"
)
WIDE = 200

#: Share of the gates that `bypass` behind a large circuit's rounds may add: more is hard to prove.
MAY_ADD = 0.15


def shorten(circuit: Circuit, goal: Goal) -> Circuit:
    """The circuit, or one of fewer levels, or of as many and fewer gates.

    Raises:
        MissingTool: there is no ABC.
    """
    goal = replace(goal, objective="depth")
    deadline = Deadline(goal.seconds)
    scripts = [f"strash; {script}" for script in SCRIPTS["depth"]]
    if circuit.num_gates > LARGE:
        best = _by_rounds(circuit, goal, deadline)
        circuit, groups = best, [scripts]
    else:
        best = _stage(circuit, bypass(circuit), goal)
        groups = [scripts, [f"{script}; {RESUBSTITUTE}" for script in scripts]]
    for group in groups:
        for script in group:
            best = _stage(best, _repeat(circuit, script, goal, deadline), goal)
        before = None
        while before is not best and deadline.left > 0:
            before = best
            for script in [RECOVER, *group]:
                best = _stage(best, _repeat(best, script, goal, deadline), goal)
    return best


def _by_rounds(circuit: Circuit, goal: Goal, deadline: Deadline) -> Circuit:
    """The best that rounds from the circuit come to; every step is one of the goal's stages."""
    script = ROUND_OF_WIDE if circuit.num_gates > WIDE * circuit.depth else ROUND
    best = last = circuit
    since = 0
    while since < PATIENCE * goal.persistence and deadline.left > 0:
        found = abc.results(last, script, deadline.left, is_part_enough=True)
        if not found:
            break
        steps = [sweep(one) for one in found]
        goal.stages.extend(steps)
        last, before, best = steps[-1], best, goal.best(best, *steps)
        since = since + 1 if best is before else 0
    made = bypass(best)
    if best is not circuit and made.num_gates > (1 + MAY_ADD) * best.num_gates:
        return best
    return _stage(best, made, goal)


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
