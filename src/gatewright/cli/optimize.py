"""Make a circuit smaller; after every pass the result is proved equal to what went in.

SOURCE is a BLIF, AIGER (.aig, .aag) or Bristol Fashion (.bristol, .txt) file, a model file
(.safetensors), a run folder, or - (BLIF on stdin). The result goes to --output, in the format of
its suffix, or - (BLIF on stdout).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from gatewright import storage, targets
from gatewright.circuit import Circuit
from gatewright.cli.fields import natural, positive
from gatewright.cli.progress import remark
from gatewright.errors import InputError
from gatewright.model import Model
from gatewright.passes import EFFORTS, OBJECTIVES, PASSES, Record, optimize, pipeline
from gatewright.passes.mapping import Lut, cover, lut_depth, map_luts
from gatewright.passes.objectives import LUT_INPUTS
from gatewright.runs import load_model
from gatewright.targets import blif
from gatewright.view.report import report_json, report_picture, report_text

#: Suffix -> the report as that.
REPORTS: dict[str, Callable[[Circuit, Circuit, Sequence[Record]], str]] = {
    ".txt": report_text,
    ".json": report_json,
    ".svg": report_picture,
}


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    del arguments
    parser.add_argument("source", metavar="SOURCE")
    parser.add_argument("-o", "--output", metavar="FILE", help=f"{', '.join(_suffixes())} or -")
    parser.add_argument(
        "-O", dest="effort", type=int, choices=range(len(EFFORTS)), default=2,
        help="0 folds, 1 drops dead gates, 2 resynthesises (default), 3 searches for --time-budget",
    )  # fmt: skip
    parser.add_argument(
        "--objective", choices=OBJECTIVES, default="gates",
        help="what is to be small: two-input gates (default), ANDs where XORs are free, levels, or "
        "look-up tables of 3, 4 or 6 inputs (a BLIF file then holds those)",
    )  # fmt: skip
    parser.add_argument(
        "--time-budget", type=positive, default=60.0, metavar="SECONDS", help="for a search (60)"
    )
    parser.add_argument("--seed", type=natural, default=0, help="of a search (0)")
    parser.add_argument(
        "-p", "--passes", metavar="LIST", help=f'such as "strash; sweep"; of {", ".join(PASSES)}'
    )
    parser.add_argument(
        "--report", metavar="FILE",
        help="what each pass removed and why: .txt, .json or .svg, or - for text on stdout",
    )  # fmt: skip
    parser.add_argument(
        "--seconds", type=positive, help="for each proof (60, or twice the time budget)"
    )


def run(options: argparse.Namespace) -> int:
    passes = None if options.passes is None else pipeline(options.passes)
    output = options.output
    if options.json and output == "-":
        raise InputError("--json and -o - both go to stdout; choose one")
    if output not in (None, "-") and Path(output).suffix not in _suffixes():
        raise InputError(f"{output}: write {', '.join(_suffixes())} or -; other formats by emit")
    report = options.report
    if report == "-" and (options.json or output == "-"):
        raise InputError("--report - goes to stdout, as does --json or -o -; choose one")
    if report not in (None, "-") and Path(report).suffix not in REPORTS:
        raise InputError(f"{report}: a report is {', '.join(REPORTS)} or -")
    for path in (output, report):
        if path not in (None, "-"):
            storage.check_writable(Path(path))
    model = load_model(options.source)
    records: list[Record] = []

    def note(record: Record) -> None:
        records.append(record)
        remark(
            f"{record.name}: {record.before.gates} -> {record.after.gates} gates, depth "
            f"{record.before.depth} -> {record.after.depth}; "
            f"{record.proof or f'what it found is dropped: {record.dropped}'}",
            options.quiet,
        )

    smaller = optimize(
        model, options.effort, objective=options.objective, passes=passes, seed=options.seed,
        time_budget=options.time_budget, seconds=options.seconds, record=note,
    )  # fmt: skip
    k = LUT_INPUTS.get(options.objective)
    luts = None if k is None else map_luts(smaller.circuit, k)
    _write(smaller, luts, output)
    if report is not None:
        spelt = REPORTS[".txt" if report == "-" else Path(report).suffix]
        content = spelt(model.circuit, smaller.circuit, records)
        if report == "-":
            sys.stdout.write(content)
        else:
            storage.write_atomic(Path(report), content.encode())
    if options.json:
        before, after = model.circuit.stats(), smaller.circuit.stats()
        summary = {
            "objective": options.objective,
            "gates_before": before.gates,
            "gates_after": after.gates,
            "ands_before": before.ands,
            "ands_after": after.ands,
            "depth_before": before.depth,
            "depth_after": after.depth,
            **_of_luts(model, smaller, k, luts),
            "cpu_seconds": round(sum(record.cpu_seconds for record in records), 3),
            "proof": [str(record.proof) for record in records if record.proof],
            "passes": [
                {
                    "pass": record.name,
                    "gates": record.after.gates,
                    "depth": record.after.depth,
                    "kinds": record.after.kinds,
                    "cpu_seconds": round(record.cpu_seconds, 3),
                    "proof": asdict(record.proof) if record.proof else None,
                    "dropped": record.dropped,
                }
                for record in records
            ],
        }
        print(json.dumps(summary))
    return 0


def _of_luts(
    before: Model, after: Model, k: int | None, luts: tuple[Lut, ...] | None
) -> dict[str, int]:
    """Numbers of look-up tables, where the objective counts them."""
    if k is None or luts is None:
        return {}
    return {
        "luts_before": len(cover(before.circuit, k)),
        "luts_after": len(luts),
        "lut_depth_after": lut_depth(after.circuit, [(lut.node, lut.leaves) for lut in luts]),
    }


def _suffixes() -> list[str]:
    """Of the files that a circuit can be written to."""
    return [*targets.suffixes(), ".safetensors"]


def _write(model: Model, luts: tuple[Lut, ...] | None, output: str | None) -> None:
    """To stdout or a file; look-up tables, if given, take the place of gates in a BLIF file."""
    if output is None:
        return
    suffix = ".blif" if output == "-" else Path(output).suffix
    if suffix == ".safetensors":
        model.save(output)
        return
    if suffix == ".blif" and luts is not None:
        (content,) = blif.write_luts(model.circuit, luts).values()
    else:
        content = targets.spelled(model.circuit, suffix)
    if output == "-":
        sys.stdout.write(content.decode())
    else:
        storage.write_atomic(Path(output), content)
