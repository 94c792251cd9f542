"""resynthesize: restructure, map to look-up tables anew and resubstitute, by ABC, while that helps.

Each script is tried once; then the one that did best is repeated, then the next. Where there is no
time for that, each works on what those before it left, the one of the highest yield next; of a
large circuit the quickest is tried first, or the two. Time only ends it: what is tried next does
not depend on the clock, though what ABC's long search finds does.

Restructuring is rewriting, resubstitution and refactoring of an AIG, a mapping to tables of four
inputs and back, or, where the circuit is small enough for it, ABC's own search over scripts
(`&deepsyn`). Then come structural choices (`dch`), a mapping into look-up tables for area (of two
inputs, where an XOR costs what an AND does, or as many as the objective says), and resubstitution
under satisfiability don't-cares (`mfs2`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gatewright import abc, gates
from gatewright.circuit import Circuit
from gatewright.passes.ands import ands
from gatewright.passes.objectives import LUT_INPUTS, Deadline, Goal
from gatewright.passes.sweep import sweep
from gatewright.passes.walk import WHOLE_GATES, walk

#: The rewriting, resubstitution and refactoring that ABC's users run as `compress2rs`.
COMPRESS = (
    "balance -l; resub -K 6 -l; rewrite -l; resub -K 6 -N 2 -l; refactor -l; resub -K 8 -l; "
    "balance -l; resub -K 8 -N 2 -l; rewrite -l; resub -K 10 -l; rewrite -z -l; "
    "resub -K 10 -N 2 -l; balance -l; resub -K 12 -l; refactor -z -l; resub -K 12 -N 2 -l; "
    "rewrite -z -l; balance -l"
)

#: Of a control circuit of 50,000 gates a round takes away a fifth in four seconds; tables of four
#: inputs take away half as much.
TABLES_AND_BACK = "if -K 6 -a; mfs2 -a -e; strash; dc2"

#: Of a divider, a tenth of what all others leave.
TABLES_OF_FOUR = "if -K 4 -a; mfs2 -a -e; strash; dc2"

#: Equal nodes are merged, and the rest rewritten: quick, and of random tables it leaves least.
RESTRUCTURE = "ifraig; scorr; dc2; dc2"

MAP_GATES = "if -K 2 -a; mfs2 -a -e"
MAP_LEVELS_QUICKLY = "if -K 2"
MAP_LEVELS = f"dch -C 50; {MAP_LEVELS_QUICKLY}"

#: What ends a script, from an AIG to a network of two-input nodes. Larger tables become an AIG
#: again, which our own mapper covers.
FINISH: dict[str, str] = {
    "gates": f"dch; {MAP_GATES}",
    "and": f"dch; {MAP_GATES}",
    "depth": f"{MAP_LEVELS}; mfs2 -e",
    **{name: f"dch; if -K {k} -a; mfs2 -a -e; strash" for name, k in LUT_INPUTS.items()},
}

#: For each objective, scripts from an AIG to a network of two-input nodes, the quickest first:
#: of a large circuit there may be no time for the others.
SCRIPTS: dict[str, tuple[str, ...]] = {
    "gates": (
        f"{TABLES_AND_BACK}; {MAP_GATES}",
        f"{COMPRESS}; {MAP_GATES}",
        f"{TABLES_OF_FOUR}; {MAP_GATES}",
        FINISH["gates"],
        f"{COMPRESS}; {FINISH['gates']}",
        f"{TABLES_AND_BACK}; {FINISH['gates']}",
        f"{RESTRUCTURE}; {FINISH['gates']}",
    ),
    "and": (f"ifraig; dc2; {FINISH['and']}",),
    "depth": (
        f"if -g -K 6 -C 8; strash; {MAP_LEVELS}",
        f"dch -C 50; if -g -K 6 -C 8; strash; {MAP_LEVELS}",
        f"&get -n; &sopb -C 8; &put; {MAP_LEVELS}",
        f"&get -n; &synch2; &put; {MAP_LEVELS}",
    ),
    **{
        name: (
            f"if -K {k} -a; mfs2 -a -e; strash; dc2",
            FINISH[name],
            f"{RESTRUCTURE}; {FINISH[name]}",
        )
        for name, k in LUT_INPUTS.items()
    },
}

#: ABC's search over scripts, by objective: by way of tables of two inputs, with bounds that a small
#: circuit meets before the time is up; and as long as it may.
SEARCH = "&get; &deepsyn -t -I 2 -J 20 -T {seconds}"
LONG_SEARCH = "&get; &deepsyn -T {seconds}"
SEARCHED = ("gates",)

#: Gates from which the long search pays, and up to which it is tried second, not last: what is
#: smaller is for `walk`, of what is larger it takes too long.
LONG_FROM = 300
SOON_TO = 2_500

#: Gates up to which it is the first where scripts take turns: later it would not be repeated.
SOON_TO_IN_TURN = 5_000

#: Gates a second from which there is no time to try each script once and to repeat the best.
A_SECOND = 150

#: Gates above which the long search has no time to try much.
LARGE = 15_000

#: Times that the quickest script takes, within which the others are done.
SLOWER = 3

#: Share of XORs above which a circuit is taken for arithmetic. Of AIGs of multipliers it is 0.08,
#: of control 0.01, once three gates that are an XOR count as one.
ARITHMETIC_XORS = 0.05

#: How long a script takes that has structural choices (`dch`) in it, in times of one that has none.
CHOICES_TAKE = 2.5

#: Share of a circuit that a script not yet tried is expected to take away, in such times: of a
#: large one, and of others.
UNTRIED_YIELD = 0.01
UNTRIED_YIELD_OF_OTHERS = 0.02

#: Of the time that a script would take by what it or another took before, what has to be left.
FITS = 0.8

#: Share of a large circuit than which a script that takes away less has done hardly anything. After
#: PATIENCE such in a row `walk` is the better use of the time, where gates are to be few.
SLIGHT = 0.003

#: Share of the time for a walk where the first script finds nothing: the structure of a regular
#: circuit is one that none of them finds out of, but for what little disturbs it.
DISTURBING = 0.1

#: Share of the time for a walk from the circuit as given, where that is not small: what it leaves
#: is one more thing to go on from. Of a multiplier of NOR gates it is as few as the scripts leave.
SOUNDING = 0.03

#: Rounds without a better circuit after which a script has done what it can.
PATIENCE = 2


def resynthesize(circuit: Circuit, goal: Goal) -> Circuit:
    """The circuit or a better one that ABC proposes.

    Raises:
        MissingTool: there is no ABC.
    """
    if goal.objective == "and" and circuit.num_gates > WHOLE_GATES:
        # few gates, with an XOR for one, is what comes nearest among the things that ABC counts
        return resynthesize(circuit, replace(goal, objective="gates"))
    deadline = Deadline(goal.seconds)
    scripts = [f"strash; {script}" for script in SCRIPTS[goal.objective]]
    if circuit.num_gates > LARGE:
        return _by_yield(circuit, scripts, goal, deadline)
    walked = circuit
    if goal.objective == "gates" and circuit.num_gates > WHOLE_GATES:
        walked = walk(circuit, replace(goal, seconds=SOUNDING * goal.seconds))
    search, long_search = (
        f"strash; {search}; &put; {FINISH[goal.objective]}" for search in (SEARCH, LONG_SEARCH)
    )
    if goal.objective in SEARCHED:
        if circuit.num_gates >= LONG_FROM:
            scripts.insert(1 if circuit.num_gates <= SOON_TO else len(scripts), long_search)
        scripts.append(search)
    seconds = max(1, round(goal.seconds / 4))
    if goal.objective in SEARCHED and circuit.num_gates > A_SECOND * goal.seconds:
        scripts = [script for script in scripts if script not in (search, long_search)]
        place = 0 if circuit.num_gates <= SOON_TO_IN_TURN else len(scripts)
        scripts.insert(place, long_search.format(seconds=seconds))
        return _in_turn(circuit, walked, scripts, goal, deadline)
    once: list[tuple[Circuit, str]] = []
    quickest = 0.0
    for script in scripts:
        if deadline.left < SLOWER * quickest:
            break  # better spent on the quickest, over and over
        found = abc.run(circuit, script.format(seconds=seconds), deadline.left)
        if found is not None:
            once.append((finished(found, goal), script))
        quickest = quickest or goal.seconds - deadline.left
    once.sort(key=lambda made: goal.cost(made[0]))
    best = goal.best(circuit, walked, *(made for made, _ in once))
    for n, (_, script) in enumerate(once):  # the most promising first: time may not do for all
        if n == 0 or script not in (search, long_search):
            best = _repeat(best, script, goal, deadline)
    return best


def _in_turn(
    circuit: Circuit, walked: Circuit, scripts: list[str], goal: Goal, deadline: Deadline
) -> Circuit:
    """What the scripts leave, each of what those before it left, the one that yields most next.

    One that would hardly end in time is not begun. The first begins with the circuit, and what
    comes next with the better one of what it leaves and of what was walked. Where it finds nothing,
    that is a walk.
    """
    best = circuit
    takes = _takes(scripts)
    yields = {script: UNTRIED_YIELD_OF_OTHERS / takes[script] for script in scripts}
    yields[scripts[0]] = UNTRIED_YIELD_OF_OTHERS  # whatever it takes: it is the first
    took: dict[str, float] = {}
    in_vain: dict[str, Circuit] = {}
    unit = 0.0
    while deadline.left > 0:
        left = [
            script
            for script in scripts
            if in_vain.get(script) is not best
            and deadline.left > FITS * took.get(script, takes[script] * unit)
        ]
        if not left:
            break
        script, begin = max(left, key=lambda name: yields[name]), deadline.left
        found = abc.run(best, script, begin)
        took[script] = begin - deadline.left
        unit = unit or took[script] / takes[script]
        made = best if found is None else finished(found, goal)
        yields[script] = share_gone(best, made, goal) / takes[script]
        before, best = best, goal.best(best, made)
        if best is before:
            in_vain[script] = best
        if before is circuit:
            has_found, best = best is not circuit, goal.best(best, walked)
            if not has_found and len(took) == 1:
                best = walk(best, replace(goal, seconds=DISTURBING * goal.seconds))
    return best


def _takes(scripts: list[str]) -> dict[str, float]:
    """How long each takes, in times of one without structural choices."""
    return {script: CHOICES_TAKE if "dch" in script else 1.0 for script in scripts}


def share_gone(before: Circuit, after: Circuit, goal: Goal) -> float:
    """Of the cost before, what went; below 0 where it is more."""
    return 1 - goal.cost(after)[0] / max(1, goal.cost(before)[0])


def _by_yield(circuit: Circuit, scripts: list[str], goal: Goal, deadline: Deadline) -> Circuit:
    """Tables and back; where that shows arithmetic, restructuring from the circuit itself too.

    Where the circuit itself shows it, restructuring comes first. Then, from the best, whatever
    script yields most: the share of the cost that it took away the last time, by the time that it
    takes. One that was tried on the best in vain waits for a better one.
    """
    best = circuit
    takes = _takes(scripts)
    yields = {script: UNTRIED_YIELD / takes[script] for script in scripts}
    in_vain: dict[str, Circuit] = {}
    script, start = scripts[0], circuit
    if len(scripts) > 2 and is_arithmetic(circuit):
        yields[script], yields[scripts[2]], script = 0.0, 0.0, scripts[1]
    num_slight, unit = 0, 0.0
    while deadline.left > takes[script] * unit / 2:  # else it would hardly end in time
        if num_slight == PATIENCE and goal.objective == "gates":
            break
        begin = deadline.left
        found = abc.run(start, script, deadline.left)
        unit = (begin - deadline.left) / takes[script]
        made = start if found is None else finished(found, goal)
        share = share_gone(best, made, goal)
        yields[script] = share / takes[script]
        num_slight = num_slight + 1 if share < SLIGHT else 0
        is_first, best_before = best is circuit, best
        best = goal.best(best, made)
        if best is best_before:
            in_vain[script] = best
        if is_first and script is scripts[0] and len(scripts) > 2 and is_arithmetic(made):
            # tables break its structure, and do not go far: their yield is not to be had twice
            yields[script], script = 0.0, scripts[1]
            continue
        start = best
        left = [name for name in scripts if in_vain.get(name) is not best]
        if not left:
            break
        script = max(left, key=lambda name: yields[name])
    return best


def is_arithmetic(circuit: Circuit) -> bool:
    """Whether so many gates are XORs, or three that are one, that it is taken for arithmetic."""
    operands = np.full((circuit.num_nodes, 2), -1)
    operands[circuit.first_gate :] = np.sort(circuit.fanin, axis=1)
    a, b = circuit.fanin.T
    of_three = (operands[a] == operands[b]).all(axis=1) & (operands[a, 0] >= 0) & (a != b)
    num_xors = int(((circuit.table == gates.XOR) | of_three).sum())
    return num_xors > ARITHMETIC_XORS * (circuit.num_gates - 2 * int(of_three.sum()))


def finished(found: Circuit, goal: Goal) -> Circuit:
    """What a pass for gates made, after what the objective needs besides."""
    return ands(sweep(found)) if goal.objective == "and" else sweep(found)


def _repeat(circuit: Circuit, script: str, goal: Goal, deadline: Deadline) -> Circuit:
    """The best of the circuits that the script makes, each from the one before."""
    best = last = circuit
    since = 0
    while since < PATIENCE and deadline.left > 0:
        seconds = max(1, round(deadline.left / 2))
        found = abc.run(last, script.format(seconds=seconds), deadline.left)
        if found is None:
            break
        last = finished(found, goal)
        since = 0 if goal.cost(last) < goal.cost(best) else since + 1
        best = goal.best(best, last)
    return best
