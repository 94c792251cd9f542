"""The EPFL combinational benchmarks: two-input gates, depth and LUT-6, beside ABC alone.

For each circuit `optimize` at -O2, at -O3 with a time budget, for depth, and at -O3 for LUT-6,
every result proved; then ABC alone, each of its scripts over and over for as many CPU seconds as
all of -O3 took, and the best of them. With --gates only two-input gates at -O2, and ABC for as
long as that; with --ands only the ANDs that are left where XORs are free; with --luts only LUT-6 at
-O2, beside ABC for as long as that and the best that was published. Circuits are read from
GATEWRIGHT_DATA/circuits/epfl, or --folder (github.com/lsils/benchmarks).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

from gatewright import targets
from gatewright.circuit import Circuit
from gatewright.passes import Record, optimize
from gatewright.passes.mapping import cover
from gatewright.passes.objectives import cpu_seconds
from gatewright.passes.sweep import sweep
from gatewright.verify import prove
from lib.abc_alone import abc_alone, luts_of_abc
from lib.epfl_published import LUTS6
from lib.recording import parser, write

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

LUTS_LINE = (
    "{circuit:11} LUT-6 {luts6:6} -> {luts6_O2:6} in {cpu_seconds_O2} CPU-s, ABC {luts6_abc:6} "
    "({script_abc}), ratio {ratio:.4f}; published {luts6_published}; {proof}"
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
        "luts6": len(cover(tables.circuit, 6)),
        "luts6_abc": luts_of_abc(circuit, tables.seconds)[0],
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


def measure_luts(path: Path, time_budget: float, proof_seconds: float) -> dict[str, Any]:
    """One circuit's look-up tables of six inputs at -O2; those of ABC are as ABC counts them."""
    circuit = targets.read(path)
    small = optimized(circuit, 2, "lut6", time_budget, proof_seconds)
    luts = len(cover(small.circuit, 6))
    alone, which = luts_of_abc(circuit, small.seconds)
    return {
        "circuit": path.stem,
        "gates": circuit.num_gates,
        "luts6": len(cover(circuit, 6)),
        "luts6_O2": luts,
        "gates_O2": small.circuit.num_gates,
        "cpu_seconds_O2": round(small.seconds, 1),
        "dropped": small.dropped,
        "proof": str(prove(circuit, small.circuit, seconds=proof_seconds)),
        "luts6_abc": alone,
        "script_abc": which,
        "luts6_published": LUTS6.get(path.stem),
        "ratio": round(luts / alone, 4),
    }


def main() -> None:
    options = parser(__doc__)
    options.add_argument("circuits", nargs="*", metavar="CIRCUIT", help="names (all)")
    only = options.add_mutually_exclusive_group()
    only.add_argument("--gates", action="store_true", help="two-input gates at -O2, no more")
    only.add_argument("--ands", action="store_true", help="ANDs at -O2, no more")
    only.add_argument("--luts", action="store_true", help="LUT-6 at -O2, no more")
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
        else (measure_luts, LUTS_LINE) if given.luts
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
    print(f"smaller than ABC alone: {better} of {len(rows)}; larger: {worse}")


if __name__ == "__main__":
    main()
