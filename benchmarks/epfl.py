"""The EPFL combinational benchmarks: two-input gates, depth and LUT-6, beside ABC alone.

For each circuit `optimize` at -O2, at -O3 with a time budget, for depth, and at -O3 for LUT-6,
every result proved; then ABC alone, each of its scripts over and over for as many CPU seconds as
all of -O3 took, and the best of them. With --gates only two-input gates at -O2, and ABC for as
long as that; with --ands only the ANDs that are left where XORs are free; with --depth only levels
of two-input gates (published levels are of LUT-6), and ABC's scripts for delay for as long as that.
Circuits are read from GATEWRIGHT_DATA/circuits/epfl, or --folder (github.com/lsils/benchmarks).
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from gatewright import abc, targets
from gatewright.circuit import Circuit
from gatewright.passes import Record, optimize
from gatewright.passes.mapping import map_luts
from gatewright.passes.objectives import Deadline, Goal, cpu_seconds
from gatewright.passes.resynthesize import COMPRESS
from gatewright.passes.sweep import sweep
from gatewright.verify import prove
from lib.recording import parser, write

MAP = "dch; if -K {k} -a; mfs2 -a -e"

#: Scripts that ABC's users run, to nodes of k inputs; {seconds} is a third of the time.
ABC_SCRIPTS = {
    "dch, if, mfs2": f"strash; {MAP}",
    "compress2rs": f"strash; {COMPRESS}; {MAP}",
    "deepsyn": f"strash; &get; &deepsyn -T {{seconds}}; &put; {MAP}",
}

#: Those that they run for delay, to levels of two-input nodes.
ABC_DEPTH_SCRIPTS = {
    "if -g": "strash; if -g -K 6 -C 8; strash; dch; if -K 2",
    "dch, if -g": "strash; dch; if -g -K 6 -C 8; strash; dch; if -K 2",
    "&sopb": "strash; &get -n; &sopb -C 8; &put; dch; if -K 2",
}

LINE = (
    "{circuit:11} {gates:7} gates; -O2 {gates_O2:7}, -O3 {gates_O3:7}, ABC {gates_abc:7} "
    "({script_abc}), ratio {ratio:.3f}; LUT-6 {luts6}, ABC {luts6_abc}; depth "
    "{depth} -> {depth_for_depth}; {seconds_O3} s; {proof}"
)
GATES_LINE = (
    "{circuit:11} {gates:7} gates; -O2 {gates_O2:7} in {cpu_seconds_O2} CPU-s, ABC "
    "{gates_abc:7} ({script_abc}), ratio {ratio:.4f}"
)

ANDS_LINE = (
    "{circuit:11} {ands:6} ANDs of {gates:6} gates; -O2 {ands_O2:6} of {gates_O2:6} in "
    "{cpu_seconds_O2} CPU-s, ratio {ratio:.4f}"
)

DEPTH_LINE = (
    "{circuit:11} {depth:5} levels; -O2 {depth_O2:5} ({gates_O2:7} gates) in {cpu_seconds_O2} "
    "CPU-s, ABC {depth_abc:5} ({gates_abc:7}; {script_abc}), ratio {ratio:.4f}"
)

QUICK = ("ctrl", "int2float", "router")


class Small(NamedTuple):
    """What `optimize` made, in how many CPU seconds, and the passes whose result was dropped."""

    circuit: Circuit
    seconds: float
    dropped: list[str]


def optimized(
    circuit: Circuit, effort: int, objective: str, time_budget: float, proof_seconds: float
) -> Small:
    """The circuit after `optimize`."""
    records: list[Record] = []
    begin = cpu_seconds()
    found = optimize(
        circuit, effort, objective=objective, time_budget=time_budget, seconds=proof_seconds,
        record=records.append,
    )  # fmt: skip
    dropped = [record.name for record in records if record.dropped]
    return Small(found, cpu_seconds() - begin, dropped)


def abc_alone(circuit: Circuit, seconds: float, objective: str = "gates") -> tuple[Circuit, str]:
    """The best circuit that one of the scripts reaches in so many seconds, and which."""
    best, which = circuit, ""
    goal = Goal(objective)
    scripts = ABC_DEPTH_SCRIPTS if objective == "depth" else ABC_SCRIPTS
    for name, script in scripts.items():
        commands = script.format(k=2, seconds=max(1, int(seconds / 3)))
        deadline, last, since = Deadline(seconds), circuit, 0
        while deadline.left > 0 and since < 3:
            found = abc.run(last, commands, deadline.left)
            if found is None:
                break
            last = sweep(found)
            since = 0 if goal.cost(last) < goal.cost(best) else since + 1
            if since == 0:
                best, which = last, name
    return best, which


def luts_of_abc(circuit: Circuit, seconds: float, k: int = 6) -> int:
    """The fewest look-up tables that one of the scripts reaches in so many seconds."""
    path = abc.program()
    assert path is not None
    fewest = circuit.num_gates
    with tempfile.TemporaryDirectory() as folder:
        first, last = Path(folder, "first.blif"), Path(folder, "last.blif")
        first.write_bytes(targets.spelled(circuit, ".blif"))
        for script in ABC_SCRIPTS.values():
            commands = script.format(k=k, seconds=max(1, int(seconds / 3)))
            deadline, source, since = Deadline(seconds), first, 0
            while deadline.left > 0 and since < 3:
                whole = f"read_blif {source}; {commands}; print_stats; write_blif {last}"
                try:
                    said = subprocess.run(
                        [path, "-c", whole], capture_output=True, text=True, timeout=deadline.left
                    )
                except subprocess.TimeoutExpired:
                    break
                found = re.findall(r"nd = *(\d+)", said.stdout)
                if said.returncode or not found:
                    break
                source = last
                since = 0 if int(found[-1]) < fewest else since + 1
                fewest = min(fewest, int(found[-1]))
    return fewest


def measure(path: Path, time_budget: float, proof_seconds: float) -> dict[str, Any]:
    """One circuit, every way."""
    circuit = targets.read(path)

    def small(effort: int, objective: str = "gates") -> Small:
        return optimized(circuit, effort, objective, time_budget, proof_seconds)

    deep, tables = small(3), small(3, "lut6")
    alone, which = abc_alone(circuit, deep.seconds)
    return {
        "circuit": path.stem,
        "gates": circuit.num_gates,
        "depth": circuit.depth,
        "gates_O2": small(2).circuit.num_gates,
        "gates_O3": deep.circuit.num_gates,
        "seconds_O3": round(deep.seconds, 1),
        "dropped": deep.dropped,
        "proof": str(prove(circuit, deep.circuit, seconds=proof_seconds)),
        "depth_for_depth": small(2, "depth").circuit.depth,
        "gates_abc": alone.num_gates,
        "script_abc": which,
        "luts6": len(map_luts(tables.circuit, 6)),
        "luts6_abc": luts_of_abc(circuit, tables.seconds),
        "seconds_luts6": round(tables.seconds, 1),
        "ratio": round(deep.circuit.num_gates / alone.num_gates, 4),
    }


def measure_gates(path: Path, time_budget: float, proof_seconds: float) -> dict[str, Any]:
    """One circuit's two-input gates at -O2."""
    circuit = targets.read(path)
    small = optimized(circuit, 2, "gates", time_budget, proof_seconds)
    alone, which = abc_alone(circuit, small.seconds)
    return {
        "circuit": path.stem,
        "gates": circuit.num_gates,
        "gates_O2": small.circuit.num_gates,
        "cpu_seconds_O2": round(small.seconds, 1),
        "dropped": small.dropped,
        "proof": str(prove(circuit, small.circuit, seconds=proof_seconds)),
        "gates_abc": alone.num_gates,
        "script_abc": which,
        "ratio": round(small.circuit.num_gates / alone.num_gates, 4),
    }


def measure_ands(path: Path, time_budget: float, proof_seconds: float) -> dict[str, Any]:
    """One circuit's ANDs at -O2 where XORs are free."""
    circuit = targets.read(path)
    before = sweep(circuit).stats()
    small = optimized(circuit, 2, "and", time_budget, proof_seconds)
    stats = small.circuit.stats()
    return {
        "circuit": path.stem,
        "gates": before.gates,
        "ands": before.ands,
        "gates_O2": stats.gates,
        "ands_O2": stats.ands,
        "cpu_seconds_O2": round(small.seconds, 1),
        "dropped": small.dropped,
        "proof": str(prove(circuit, small.circuit, seconds=proof_seconds)),
        "ratio": round(stats.ands / before.ands, 4),
    }


def measure_depth(path: Path, time_budget: float, proof_seconds: float) -> dict[str, Any]:
    """One circuit's levels of two-input gates at -O2."""
    circuit = targets.read(path)
    small = optimized(circuit, 2, "depth", time_budget, proof_seconds)
    alone, which = abc_alone(circuit, small.seconds, "depth")
    return {
        "circuit": path.stem,
        "gates": circuit.num_gates,
        "depth": circuit.depth,
        "depth_O2": small.circuit.depth,
        "gates_O2": small.circuit.num_gates,
        "cpu_seconds_O2": round(small.seconds, 1),
        "dropped": small.dropped,
        "proof": str(prove(circuit, small.circuit, seconds=proof_seconds)),
        "depth_abc": alone.depth,
        "gates_abc": alone.num_gates,
        "script_abc": which,
        "ratio": round(small.circuit.depth / alone.depth, 4),
    }


def main() -> None:
    options = parser(__doc__)
    options.add_argument("circuits", nargs="*", metavar="CIRCUIT", help="names (all)")
    only = options.add_mutually_exclusive_group()
    only.add_argument("--gates", action="store_true", help="two-input gates at -O2, no more")
    only.add_argument("--ands", action="store_true", help="ANDs at -O2, no more")
    only.add_argument("--depth", action="store_true", help="levels at -O2, no more")
    options.add_argument("--time-budget", type=float, default=60.0, metavar="SECONDS")
    options.add_argument("--proof-seconds", type=float, default=120.0, metavar="SECONDS")
    default = Path(os.environ.get("GATEWRIGHT_DATA", "data")) / "circuits" / "epfl"
    options.add_argument("--folder", type=Path, default=default)
    given = options.parse_args()
    everything = sorted(path.stem for path in given.folder.glob("*.aig"))
    if not everything:
        options.error(f"{given.folder} holds no .aig files; put the benchmarks there, or --folder")
    names = given.circuits or (QUICK if given.quick else everything)
    budget = 3.0 if given.quick else given.time_budget
    measured, line = (
        (measure_gates, GATES_LINE) if given.gates
        else (measure_ands, ANDS_LINE) if given.ands
        else (measure_depth, DEPTH_LINE) if given.depth
        else (measure, LINE)
    )  # fmt: skip
    rows: list[dict[str, Any]] = []
    for name in names:
        rows.append(measured(given.folder / f"{name}.aig", budget, given.proof_seconds))
        print(line.format(**rows[-1]), flush=True)
        write(given.json, {"time_budget": budget, "rows": rows})
    if given.ands:
        return
    better = sum(row["ratio"] < 1 for row in rows)
    worse = sum(row["ratio"] > 1 for row in rows)
    less = "less deep" if given.depth else "smaller"
    print(f"{less} than ABC alone: {better} of {len(rows)}; worse: {worse}")


if __name__ == "__main__":
    main()
