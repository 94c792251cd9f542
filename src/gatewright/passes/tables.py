"""tables: fewer look-up tables by ABC, which may keep them as they are from one round to the next.

A round takes a cover of the best circuit known to ABC, which restructures it or leaves it, chooses
among the tables of small windows by SAT (`&satlut`) and resubstitutes under don't-cares (`mfs2`).
What it makes comes back as a circuit in two forms, as sums of cubes, in which a table can hardly be
cut otherwise, and as an AIG, in which it may be cut better; our own mapper decides. First rounds
are made of the gates, and of fewer gates too, as long as that pays: the ones are better for
functions of few inputs, the others where there is much to share; of small circuits ABC's long
search is another beginning. Of a large circuit there is no time for these: its first round is the
one that suits arithmetic, or control, or neither. Then every script is tried on the best, those
first that did best before; when none helps, random ones that change the structure first. Time only
ends it: what is tried next does not depend on the clock, though what ABC's long search finds does.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from itertools import count

from gatewright import abc
from gatewright.circuit import Circuit
from gatewright.passes.mapping import map_luts
from gatewright.passes.objectives import LUT_INPUTS, Deadline, Goal
from gatewright.passes.resynthesize import (
    COMPRESS,
    LARGE,
    SOON_TO,
    is_arithmetic,
    resynthesize,
    share_gone,
)
from gatewright.passes.shorten import WIDE
from gatewright.passes.sweep import sweep
from gatewright.passes.walk import walk
from gatewright.targets import blif

CHOOSE = "&satlut; &put; mfs2 -a -e"
MAP = f"&get -n; &if -a -K {{k}}; {CHOOSE}"

RESTRUCTURE = f"strash; {COMPRESS}; {MAP}"
TABLES_AND_BACK = f"strash; if -K {{k}} -a; mfs2 -a -e; strash; dc2; {MAP}"

#: Structural choices in two fifths of the time: few conflicts a pair, computed the newer way.
CHOICES = "; ".join(["strash; dch -x -C 50; if -K {k} -a; mfs2 -a -e"] * 3)

#: ABC's search over scripts, for so many seconds; of a small circuit it finds other structures.
SEARCH = "strash; &get; &deepsyn -T {seconds}; &put; dch; if -K {{k}} -a; mfs2 -a -e"
SEARCH_SHARE = 0.1

#: From gates or tables to tables, the quickest first.
SCRIPTS: tuple[str, ...] = (
    f"strash; {MAP}",
    f"strash; dch; if -K {{k}} -a; mfs2 -a -e; strash; {MAP}",
    f"&get -mn; {CHOOSE}",
    f"strash; dc2; {MAP}",
    "strash; dch; if -K {k} -a; mfs2 -a -e",
    RESTRUCTURE,
    f"strash; &get -n; &syn2; &if -a -K {{k}}; {CHOOSE}",
)

#: Those for a large circuit, whose rounds take seconds. The first round is the first of these where
#: it is arithmetic, the last where it is wide, as control is, of which nine rounds take away two
#: fifths of a memory controller's tables, else the one before, which takes away half of a root's.
OF_LARGE: tuple[str, ...] = (SCRIPTS[0], SCRIPTS[2], RESTRUCTURE, TABLES_AND_BACK, CHOICES)

#: Those that begin with an AIG.
RESTARTS = tuple(script for script in SCRIPTS if script.startswith("strash"))

#: What changes the structure, from and to an AIG.
KICKS = (
    "if -K {n} -a; strash",
    "if -K {n} -g; strash",
    "if -K {n}; mfs2 -a -e; strash",
    "dch; if -K {n} -x; strash",
    "resub -K 8 -N 3; rewrite -z; refactor -z",
)

#: Shares of the time that is left for fewer gates: by `resynthesize`, then by `walk`; and of all of
#: the time, what must be left for them after the first turn.
GATES_SHARES = (0.15, 0.3)
LEAST_LEFT = 0.4

#: Share of the tables that fewer gates took away, above which they are made fewer still.
PAYS = 0.05

#: Share of the tables that a script not yet tried is expected to take away.
UNTRIED_YIELD = 0.02

#: Random scripts in a row without fewer tables after which it ends.
PATIENCE = 40


def tables(circuit: Circuit, goal: Goal) -> Circuit:
    """The circuit or one that takes fewer tables; itself where tables are not the objective.

    Raises:
        MissingTool: there is no ABC.
    """
    k = LUT_INPUTS.get(goal.objective)
    if k is None or circuit.num_gates == 0 or circuit.num_outputs == 0:
        return circuit

    def as_tables(plain: Circuit) -> bytes:
        (content,) = blif.write_luts(plain, map_luts(plain, k)).values()
        return content

    deadline = Deadline(goal.seconds)
    best = circuit
    yields: dict[str, float] = dict.fromkeys(SCRIPTS, UNTRIED_YIELD)
    if circuit.num_gates > LARGE:
        yields = dict.fromkeys(OF_LARGE, UNTRIED_YIELD)
        is_sum = is_arithmetic(circuit)
        is_wide = circuit.num_gates > WIDE * circuit.depth
        script = OF_LARGE[0 if is_sum else -1 if is_wide else -2]
        made = _made(circuit, script, None, k, goal, deadline)
        best = goal.best(circuit, made)
        # the tables that it chose for arithmetic it chooses again
        yields[script] = 0.0 if is_sum else share_gone(circuit, made, goal)
    else:
        gates = circuit
        for turn in count():
            scripts = SCRIPTS[:2]
            if gates.num_gates <= SOON_TO:
                seconds = max(1, round(SEARCH_SHARE * goal.seconds))
                scripts = (*scripts, SEARCH.format(seconds=seconds))
            first = (_made(gates, script, None, k, goal, deadline) for script in scripts)
            before, best = best, goal.best(best, *first)
            is_over = deadline.left < LEAST_LEFT * goal.seconds
            if turn and (is_over or share_gone(before, best, goal) <= PAYS):
                break
            gates = _of_few_gates(gates, replace(goal, seconds=deadline.left))
    goal.stages.append(best)
    in_vain: dict[str, Circuit] = {}
    rng, since = random.Random(goal.seed), 0
    while deadline.left > 0 and since < PATIENCE * goal.persistence:
        left = [script for script in yields if in_vain.get(script) is not best]
        script = max(left, key=yields.__getitem__) if left and not since else _kicked(rng)
        made = _made(best, script, as_tables, k, goal, deadline)
        is_better = goal.cost(made)[0] < goal.cost(best)[0]
        if script in yields:
            yields[script] = share_gone(best, made, goal)
            in_vain[script] = best
        else:
            since = 0 if is_better else since + 1
        if is_better or script not in yields:
            best = goal.best(made, best)  # an equal one is another place to start
        if is_better:
            goal.stages.append(best)
    return best


def _of_few_gates(circuit: Circuit, goal: Goal) -> Circuit:
    for search, share in zip((resynthesize, walk), GATES_SHARES, strict=True):
        fewer = replace(goal, objective="gates", seconds=share * goal.seconds)
        circuit = search(circuit, fewer)
    return circuit


def _kicked(rng: random.Random) -> str:
    kicks = "; ".join(rng.choices(KICKS, k=rng.randint(1, 2))).format(n=rng.randint(3, 8))
    return f"strash; {kicks}; {rng.choice(RESTARTS)}"


def _made(
    circuit: Circuit,
    script: str,
    spelled: Callable[[Circuit], bytes] | None,
    k: int,
    goal: Goal,
    deadline: Deadline,
) -> Circuit:
    """What a script makes of the circuit as it is spelled; the circuit itself where it fails."""
    written = f"{script.format(k=k)}; write_blif 0.blif; strash; write_blif 1.blif"
    found = abc.results(circuit, written, deadline.left, spelled=spelled)
    return goal.best(*(sweep(one) for one in found)) if found else circuit
