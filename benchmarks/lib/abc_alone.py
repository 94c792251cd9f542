"""ABC alone on a circuit: the scripts that its users run, each over and over for a time.

`&deepsyn` counts seconds of the clock, all else CPU seconds.
"""

from __future__ import annotations

import math
import os
import re
import subprocess
import tempfile
from pathlib import Path

from gatewright import abc, targets
from gatewright.circuit import Circuit
from gatewright.passes.objectives import Deadline, Goal
from gatewright.passes.resynthesize import COMPRESS
from gatewright.passes.sweep import sweep

MAP = "dch; if -K {k} -a; mfs2 -a -e"

#: Scripts that ABC's users run, to nodes of k inputs; {seconds} is a third of the time.
ABC_SCRIPTS = {
    "dch, if, mfs2": f"strash; {MAP}",
    "compress2rs": f"strash; {COMPRESS}; {MAP}",
    "deepsyn": f"strash; &get; &deepsyn -T {{seconds}}; &put; {MAP}",
}

#: Those that they run for delay, to levels of two-input nodes.
DEPTH_SCRIPTS = {
    "if -g alone": "strash; if -g -K 6 -C 8; strash; if -K 2",
    "if -g": "strash; if -g -K 6 -C 8; strash; dch; if -K 2",
    "dch, if -g": "strash; dch; if -g -K 6 -C 8; strash; dch; if -K 2",
    "&sopb": "strash; &get -n; &sopb -C 8; &put; dch; if -K 2",
}

#: To tables there is one more, which chooses among those of small windows by SAT.
LUT_SCRIPTS = {
    **ABC_SCRIPTS,
    "if, satlut, mfs2": "strash; &get -n; &if -a -K {k}; &satlut; &put; mfs2 -a -e",
}

#: Rounds without success after which a script is given up.
PATIENCE = 3

#: Rounds for delay in one run of ABC, which so neither reads nor hands over a circuit in between.
ROUNDS = 10


def abc_alone(circuit: Circuit, seconds: float) -> tuple[Circuit, str]:
    """The best circuit that one of the scripts reaches in so many seconds, and which."""
    best, which = circuit, ""
    goal = Goal()
    for name, script in ABC_SCRIPTS.items():
        commands = script.format(k=2, seconds=max(1, int(seconds / 3)))
        deadline, last, since = Deadline(seconds), circuit, 0
        while deadline.left > 0 and since < PATIENCE:
            found = abc.run(last, commands, deadline.left)
            if found is None:
                break
            last = sweep(found)
            since = 0 if goal.cost(last) < goal.cost(best) else since + 1
            if since == 0:
                best, which = last, name
    return best, which


def levels_of_abc(circuit: Circuit, seconds: float) -> tuple[Circuit, str]:
    """The least deep circuit that one of the scripts reaches in so many seconds, and which.

    The seconds are those of ABC alone.
    """
    goal = Goal("depth")
    best, which = circuit, ""
    for name, script in DEPTH_SCRIPTS.items():
        rounds = "; ".join(f"{script}; write_blif {n}.blif" for n in range(ROUNDS))
        own = last = circuit
        left, since, found = seconds, 0, [circuit] * ROUNDS
        while left > 0 and since < PATIENCE and len(found) == ROUNDS:
            begin = _seconds_of_programs()
            found = abc.results(last, rounds, left, is_part_enough=True)
            left -= _seconds_of_programs() - begin
            for last in map(sweep, found):
                since = 0 if goal.cost(last) < goal.cost(own) else since + 1
                own = goal.best(own, last)
        if goal.cost(own) < goal.cost(best):
            best, which = own, name
    return best, which


def _seconds_of_programs() -> float:
    """CPU seconds of the programs that this process called and that ended."""
    times = os.times()
    return times.children_user + times.children_system


def luts_of_abc(circuit: Circuit, seconds: float, k: int = 6) -> tuple[int, str]:
    """The fewest look-up tables that one of the scripts reaches in so many seconds, and which."""
    path = abc.program()
    assert path is not None
    fewest, which = circuit.num_gates, ""
    with tempfile.TemporaryDirectory() as folder:
        first, last = Path(folder, "first.blif"), Path(folder, "last.blif")
        first.write_bytes(targets.spelled(circuit, ".blif"))
        for name, script in LUT_SCRIPTS.items():
            commands = script.format(k=k, seconds=max(1, int(seconds / 3)))
            deadline, source, since = Deadline(seconds), first, 0
            while deadline.left > 0 and since < PATIENCE:
                whole = f"read_blif {source}; {commands}; print_stats; write_blif {last}"
                limited = f'ulimit -t {math.ceil(deadline.left)}; exec "$0" -c "$1"'
                command = ["sh", "-c", limited, path, whole]
                said = subprocess.run(command, capture_output=True, text=True, check=False)
                found = re.findall(r"nd = *(\d+)", said.stdout)
                if said.returncode or not found:
                    break
                source = last
                since = 0 if int(found[-1]) < fewest else since + 1
                if since == 0:
                    fewest, which = int(found[-1]), name
    return fewest, which
