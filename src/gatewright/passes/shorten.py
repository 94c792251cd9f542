"""shorten: few levels, by ABC's scripts for delay and `bypass` behind every round of them.

Each script is run over and over from the circuit, and from its outputs' sums of products where
these are few; each result is bypassed too. Then it goes on from the best of all. A large circuit
has time for a few steps, quick ones first, and `bypass` behind the last. Every step of these is
proved on its own: it is local, and all of them together are not. Time only ends it.

SOP balancing: Mishchenko, Brayton, Jang and Kravets, "Delay optimization using SOP balancing",
ICCAD 2011.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gatewright import abc
from gatewright.circuit import Circuit
from gatewright.passes.bypass import bypass
from gatewright.passes.fraig import fraig
from gatewright.passes.objectives import Deadline, Goal
from gatewright.passes.resynthesize import (
    FINISH,
    LARGE,
    MAP_LEVELS,
    MAP_LEVELS_QUICKLY,
    SCRIPTS,
)
from gatewright.passes.strash import strash
from gatewright.passes.sweep import sweep
from gatewright.passes.two_level import SHARED_SUMS
from gatewright.sat_sweep import num_told_apart

#: Rounds without a better circuit after which a script has done what it can, times the goal's
#: persistence.
PATIENCE = 2

#: What makes a circuit small without more levels.
RESUBSTITUTE = "mfs2 -e"
RECOVER = f"strash; {MAP_LEVELS}; {RESUBSTITUTE}"

#: Steps of a large circuit. A quick one looks at fewer and smaller cuts, twice. Structural choices
#: do with 50 conflicts a pair as well as with the usual 1,000, in half the time; the newer way to
#: compute them is quicker for wide circuits alone.
QUICKLY = "if -g -K 5 -C 4; strash"
QUICK = f"strash; {QUICKLY}; {QUICKLY}; if -K 2"
BALANCE = "strash; if -g -K 6 -C 8; strash; if -K 2"
CHOOSE = f"strash; {MAP_LEVELS}"
CHOOSE_IF_WIDE = "strash; dch -x -C 50; if -K 2"
BALANCE_CHOICES = "strash; dch -C 50; if -g -K 6 -C 8; strash; if -K 2"

#: Gates a level: above the first a circuit is wide, as control is, below the second narrow.
WIDE = 200
NARROW = 10

#: Gates a second of the time up to which balancing may look at choices, round after round, and
#: gates above which there is no time for any.
CHOICES_A_SECOND = 2_900
HUGE = 100_000

#: Rounds that one run of ABC may do: it writes at most ten circuits.
ROUNDS = 4

#: Share of the nodes that samples tell apart, below which equal ones are merged first.
TOLD_APART = 2 / 3

#: Sums of products, and divisors that they share, from few decision diagrams; of the time, how long
#: that may take, and then each beginning where there are two.
SUMS = f"strash; {SHARED_SUMS}; {FINISH['depth']}"
SUMS_SHARE = 0.1
START_SHARE = 0.25

#: Share of the gates that `bypass` behind a large circuit's rounds may add: more is hard to prove.
MAY_ADD = 0.25


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
        starts, groups = [best], [scripts]
    else:
        best = _stage(circuit, bypass(circuit), goal)
        sums = abc.run(circuit, SUMS, SUMS_SHARE * goal.seconds)
        starts = [circuit] if sums is None else [sweep(sums), circuit]
        groups = [scripts, [f"{script}; {RESUBSTITUTE}" for script in scripts]]
    for group in groups:
        for start in starts:
            limit = deadline
            if len(starts) > 1:
                limit = Deadline(min(deadline.left, START_SHARE * goal.seconds))
            for script in group:
                best = _stage(best, _repeat(start, script, goal, limit), goal)
        before = None
        while before is not best and deadline.left > 0:
            before = best
            for script in [RECOVER, *group]:
                best = _stage(best, _repeat(best, script, goal, deadline), goal)
    return best


def _by_rounds(circuit: Circuit, goal: Goal, deadline: Deadline) -> Circuit:
    """The best that steps from the circuit come to; those on the way to it are stages of the goal.

    Equal gates are merged first where there are many. Then come quick steps, and rounds of SOP
    balancing and structural choices; only rounds where the circuit is wide, choices first, or
    narrow, where balancing looks at the choices if there is time for that. Of a huge one there is
    time for balancing alone. The best is bypassed.
    """
    way = list[Circuit]()
    shared = strash(circuit)
    if num_told_apart(shared) < TOLD_APART * shared.num_nodes:
        way.append(fraig(shared))
    start = [circuit, *way][-1]
    script = [QUICK, QUICK, *[BALANCE, CHOOSE] * ROUNDS]
    if start.num_gates > WIDE * start.depth:
        script = [CHOOSE_IF_WIDE, BALANCE] * ROUNDS
    elif start.num_gates > HUGE:
        way.extend(_steps(start, [QUICK], deadline))
        script = [BALANCE] * ROUNDS
    elif start.num_gates < min(NARROW * start.depth, CHOICES_A_SECOND * goal.seconds):
        script = [BALANCE_CHOICES] * ROUNDS
    best, since = goal.best(circuit, *way), 0
    while since < PATIENCE * goal.persistence and deadline.left > 0:
        found = _steps([circuit, *way][-1], script, deadline)
        if not found:
            break
        way.extend(found)
        before, best = best, goal.best(best, *found)
        since = since + 1 if best is before else 0
    places = [n for n, step in enumerate(way) if step is best]
    goal.stages.extend(way[: places[0] + 1] if places else [])
    made = bypass(best)
    if best is not circuit and made.num_gates > (1 + MAY_ADD) * best.num_gates:
        return best
    return _stage(best, made, goal)


def _steps(circuit: Circuit, scripts: Sequence[str], deadline: Deadline) -> list[Circuit]:
    """What each script makes of the one before, as far as there is time."""
    script = "; ".join(f"{script}; write_blif {n}.blif" for n, script in enumerate(scripts))
    return [sweep(one) for one in abc.results(circuit, script, deadline.left, is_part_enough=True)]


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
