"""The EPFL combinational benchmarks at -O2, beside ABC alone: gates, ANDs, LUT-6 and levels.

Each circuit is optimised for each objective (or for the one that is named) with a time budget, and
every result proved; then come ABC's scripts, each over and over for as many CPU seconds as that
took, proofs included, and the best of them. ANDs, where XORs are free, have no such scripts. LUT-6
also stand beside the best that was published; published levels are of LUT-6, ours of two-input
gates. Circuits are read from GATEWRIGHT_DATA/circuits/epfl, or --folder
(github.com/lsils/benchmarks).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from gatewright import targets
from gatewright.circuit import Circuit
from gatewright.passes import Record, optimize
from gatewright.passes.mapping import cover
from gatewright.passes.objectives import cpu_seconds
from gatewright.passes.sweep import sweep
from gatewright.verify import Undecided, prove
from lib.abc_alone import abc_alone, levels_of_abc, luts_of_abc
from lib.epfl_published import LUTS6
from lib.recording import parser, write

QUICK = ("ctrl", "int2float", "router")


class Small(NamedTuple):
    """What `optimize` made of a circuit, in how many CPU seconds, and what a row says of it."""

    circuit: Circuit
    seconds: float
    row: dict[str, Any]


def optimized(circuit: Circuit, objective: str, time_budget: float, proof_seconds: float) -> Small:
    """The circuit after `optimize`."""
    records: list[Record] = []
    begin = cpu_seconds()
    found = optimize(
        circuit, 2, objective=objective, time_budget=time_budget, seconds=proof_seconds,
        record=records.append,
    )  # fmt: skip
    seconds = cpu_seconds() - begin
    row = {
        "gates_O2": found.num_gates,
        "cpu_seconds_O2": round(seconds, 1),
        "dropped": [record.name for record in records if record.dropped],
        "proof": _proof(circuit, found, proof_seconds, records),
    }
    return Small(found, seconds, row)


def _proof(before: Circuit, after: Circuit, seconds: float, records: list[Record]) -> str:
    """Both at once; where that is undecided, the proofs of the passes between them."""
    try:
        return str(prove(before, after, seconds=seconds))
    except Undecided:
        return "; ".join(f"{record.name}: {record.proof}" for record in records if record.proof)


def measure_gates(circuit: Circuit, time_budget: float, proof_seconds: float) -> dict[str, Any]:
    """Two-input gates."""
    small = optimized(circuit, "gates", time_budget, proof_seconds)
    alone, which = abc_alone(circuit, small.seconds)
    return {
        **small.row,
        "gates_abc": alone.num_gates,
        "script_abc": which,
        "ratio": round(small.circuit.num_gates / alone.num_gates, 4),
    }


def measure_ands(circuit: Circuit, time_budget: float, proof_seconds: float) -> dict[str, Any]:
    """ANDs that are left where XORs are free."""
    before = sweep(circuit).stats().ands
    small = optimized(circuit, "and", time_budget, proof_seconds)
    ands = small.circuit.stats().ands
    return {**small.row, "ands": before, "ands_O2": ands, "ratio": round(ands / before, 4)}


def measure_luts(circuit: Circuit, time_budget: float, proof_seconds: float) -> dict[str, Any]:
    """Look-up tables of six inputs; those of ABC are as ABC counts them."""
    small = optimized(circuit, "lut6", time_budget, proof_seconds)
    luts = len(cover(small.circuit, 6))
    alone, which = luts_of_abc(circuit, small.seconds)
    return {
        **small.row,
        "luts6": len(cover(circuit, 6)),
        "luts6_O2": luts,
        "luts6_abc": alone,
        "script_abc": which,
        "luts6_published": LUTS6.get(circuit.name),
        "ratio": round(luts / alone, 4),
    }


def measure_depth(circuit: Circuit, time_budget: float, proof_seconds: float) -> dict[str, Any]:
    """Levels of two-input gates."""
    small = optimized(circuit, "depth", time_budget, proof_seconds)
    alone, which = levels_of_abc(circuit, small.seconds)
    return {
        **small.row,
        "depth": circuit.depth,
        "depth_O2": small.circuit.depth,
        "depth_abc": alone.depth,
        "gates_abc": alone.num_gates,
        "script_abc": which,
        "ratio": round(small.circuit.depth / alone.depth, 4),
    }


Measure = Callable[[Circuit, float, float], dict[str, Any]]

#: What is measured, and the line that is printed of it.
MEASURES: dict[str, tuple[Measure, str]] = {
    "gates": (measure_gates, "{gates:7} gates; -O2 {gates_O2:7}, ABC {gates_abc:7} ({script_abc})"),
    "ands": (measure_ands, "{ands:7} ANDs; -O2 {ands_O2:7}, of {gates_O2} gates"),
    "luts": (
        measure_luts,
        "{luts6:7} LUT-6; -O2 {luts6_O2:7}, ABC {luts6_abc:7} ({script_abc}), "
        "published {luts6_published}",
    ),
    "depth": (
        measure_depth,
        "{depth:7} levels; -O2 {depth_O2:7} ({gates_O2} gates), ABC {depth_abc:7} ({gates_abc}; "
        "{script_abc})",
    ),
}


def main() -> None:
    options = parser(__doc__)
    options.add_argument("circuits", nargs="*", metavar="CIRCUIT", help="names (all)")
    only = options.add_mutually_exclusive_group()
    for name in MEASURES:
        only.add_argument(
            f"--{name}", dest="only", action="store_const", const=name, help=f"{name}, no more"
        )
    options.add_argument("--time-budget", type=float, default=20.0, metavar="SECONDS")
    options.add_argument("--proof-seconds", type=float, default=120.0, metavar="SECONDS")
    default = Path(os.environ.get("GATEWRIGHT_DATA", "data")) / "circuits" / "epfl"
    options.add_argument("--folder", type=Path, default=default)
    given = options.parse_args()
    everything = sorted(path.stem for path in given.folder.glob("*.aig"))
    if not everything:
        options.error(f"{given.folder} holds no .aig files; put the benchmarks there, or --folder")
    names = given.circuits or (QUICK if given.quick else everything)
    budget = 3.0 if given.quick else given.time_budget
    rows: list[dict[str, Any]] = []
    for name in names:
        circuit = replace(targets.read(given.folder / f"{name}.aig"), name=name)
        for what in [given.only] if given.only else MEASURES:
            measure, line = MEASURES[what]
            row = {"circuit": name, "objective": what, "gates": circuit.num_gates}
            rows.append(row | measure(circuit, budget, given.proof_seconds))
            said = line.format(**rows[-1])
            print(f"{name:11} {said}; {row_end(rows[-1])}", flush=True)
            write(given.json, {"time_budget": budget, "rows": rows})
    for what in MEASURES:
        ratios = [row["ratio"] for row in rows if row["objective"] == what]
        if ratios and what != "ands":
            better, worse = sum(r < 1 for r in ratios), sum(r > 1 for r in ratios)
            print(f"{what}: fewer than ABC alone on {better} of {len(ratios)}, more on {worse}")


def row_end(row: dict[str, Any]) -> str:
    """What every line ends with."""
    return "ratio {ratio:.4f} in {cpu_seconds_O2} CPU-s".format(**row)


if __name__ == "__main__":
    main()
