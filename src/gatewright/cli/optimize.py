"""Make a circuit smaller; after every pass the result is proved equal to what went in.

SOURCE is a BLIF file, a model file (.safetensors), a run folder, or - (BLIF on stdin). The result
goes to --output: .blif, .safetensors, or - (BLIF on stdout).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from gatewright import storage
from gatewright.cli.fields import positive
from gatewright.cli.progress import remark
from gatewright.errors import InputError
from gatewright.model import Model
from gatewright.passes import PASSES, PIPELINES, Record, optimize, pipeline
from gatewright.runs import load_model
from gatewright.targets import blif


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    del arguments
    parser.add_argument("source", metavar="SOURCE")
    parser.add_argument("-o", "--output", metavar="FILE", help=".blif, .safetensors or -")
    efforts = range(len(PIPELINES))
    parser.add_argument("-O", dest="effort", type=int, choices=efforts, default=efforts[-1])
    parser.add_argument(
        "-p", "--passes", metavar="LIST", help=f'such as "strash; sweep"; of {", ".join(PASSES)}'
    )
    parser.add_argument("--seconds", type=positive, default=60.0, help="for each proof (60)")


def run(options: argparse.Namespace) -> int:
    passes = None if options.passes is None else pipeline(options.passes)
    output = options.output
    if options.json and output == "-":
        raise InputError("--json and -o - both go to stdout; choose one")
    if output not in (None, "-") and Path(output).suffix not in (".blif", ".safetensors"):
        raise InputError(f"{output}: write .blif, .safetensors or -; other formats by emit")
    model = load_model(options.source)
    records: list[Record] = []

    def note(record: Record) -> None:
        records.append(record)
        remark(
            f"{record.name}: {record.before.gates} -> {record.after.gates} gates, depth "
            f"{record.before.depth} -> {record.after.depth}; {record.proof}",
            options.quiet,
        )

    smaller = optimize(model, options.effort, passes=passes, seconds=options.seconds, record=note)
    _write(smaller, output)
    if options.json:
        summary = {
            "gates_before": model.circuit.num_gates,
            "gates": smaller.circuit.num_gates,
            "depth": smaller.circuit.depth,
            "passes": [
                {
                    "pass": record.name,
                    "gates": record.after.gates,
                    "kinds": record.after.kinds,
                    "cpu_seconds": record.cpu_seconds,
                    "proof": asdict(record.proof),
                }
                for record in records
            ],
        }
        print(json.dumps(summary))
    return 0


def _write(model: Model, output: str | None) -> None:
    if output is None:
        return
    if output == "-":
        sys.stdout.write(_blif(model))
    elif Path(output).suffix == ".safetensors":
        model.save(output)
    else:
        storage.write_atomic(Path(output), _blif(model).encode())


def _blif(model: Model) -> str:
    (content,) = blif.write(model.circuit).values()
    return content.decode()
