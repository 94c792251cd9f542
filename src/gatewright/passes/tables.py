"""tables: fewer look-up tables by ABC, which may keep them as they are from one round to the next.

A round takes a cover of the best circuit known to ABC, which restructures it or leaves it, and
chooses among the tables of small windows by SAT (`&satlut`) or resubstitutes under don't-cares
(`mfs2`). What it makes comes back as a circuit in two forms, as sums of cubes, in which a table can
hardly be cut otherwise, and as an AIG, in which it may be cut better; our own mapper decides. The
first round is made of the circuit and of one with fewer gates too: the one is better for functions
of few inputs, the other where there is much to share. Then every script is tried on the best, those
first that did best before; when none helps, random ones that change the structure first. Time only
ends it: what is tried next does not depend on the clock.
"""

from __future__ import annotations

import random
from dataclasses import replace

from gatewright import abc
from gatewright.circuit import Circuit
from gatewright.passes.mapping import map_luts
from gatewright.passes.objectives import LUT_INPUTS, Deadline, Goal
from gatewright.passes.resynthesize import COMPRESS, resynthesize
from gatewright.passes.sweep import sweep
from gatewright.passes.walk import walk
from gatewright.targets import blif

CHOOSE = "&satlut; &put; mfs2 -a -e"
MAP = f"&get -n; &if -a -K {{k}}; {CHOOSE}"

#: From tables to tables, all rounds; the first one is made first.
SCRIPTS: tuple[str, ...] = (
    f"strash; dch; if -K {{k}} -a; mfs2 -a -e; strash; {MAP}",
    f"strash; {MAP}",
    f"&get -mn; {CHOOSE}",
    f"strash; dc2; {MAP}",
    "strash; dch; if -K {k} -a; mfs2 -a -e",
    f"strash; {COMPRESS}; {MAP}",
    f"strash; &get -n; &syn2; &if -a -K {{k}}; {CHOOSE}",
)

#: What changes the structure, from and to an AIG.
KICKS = (
    "if -K {n} -a; strash",
    "if -K {n} -g; strash",
    "if -K {n}; mfs2 -a -e; strash",
    "dch; if -K {n} -x; strash",
    "resub -K 8 -N 3; rewrite -z; refactor -z",
)

#: Shares of the time for fewer gates: by `resynthesize`, then by `walk`.
GATES_SHARES = (0.15, 0.2)

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
    deadline = Deadline(goal.seconds)
    fewer = replace(goal, objective="gates", seconds=GATES_SHARES[0] * goal.seconds)
    small = resynthesize(circuit, fewer)
    small = walk(small, replace(fewer, seconds=GATES_SHARES[1] * goal.seconds))
    first = SCRIPTS[0]
    best = goal.best(
        circuit, *(_made(start, first, k, goal, deadline) for start in (circuit, small))
    )
    yields: dict[str, float] = dict.fromkeys(SCRIPTS, UNTRIED_YIELD)
    in_vain: dict[str, Circuit] = {}
    rng, since = random.Random(goal.seed), 0
    while deadline.left > 0 and since < PATIENCE * goal.persistence:
        left = [script for script in SCRIPTS if in_vain.get(script) is not best]
        script = max(left, key=yields.__getitem__) if left and not since else _kicked(rng)
        made = _made(best, script, k, goal, deadline)
        is_better = goal.cost(made)[0] < goal.cost(best)[0]
        if script in yields:
            yields[script] = 1 - goal.cost(made)[0] / max(1, goal.cost(best)[0])
            in_vain[script] = best
        else:
            since = 0 if is_better else since + 1
        if is_better or script not in yields:
            best = goal.best(made, best)  # an equal one is another place to start
    return best


def _kicked(rng: random.Random) -> str:
    kicks = "; ".join(rng.choices(KICKS, k=rng.randint(1, 2))).format(n=rng.randint(3, 8))
    return f"strash; {kicks}; {rng.choice(SCRIPTS)}"


def _made(circuit: Circuit, script: str, k: int, goal: Goal, deadline: Deadline) -> Circuit:
    """What a script makes of a cover; the circuit itself where it fails."""

    def spelled(plain: Circuit) -> bytes:
        (content,) = blif.write_luts(plain, map_luts(plain, k)).values()
        return content

    written = f"{script.format(k=k)}; write_blif 0.blif; strash; write_blif 1.blif"
    found = abc.results(circuit, written, deadline.left, spelled=spelled)
    return goal.best(*(sweep(one) for one in found)) if found else circuit
