"""Describe a circuit, or draw it into an SVG file.

SOURCE is a BLIF file, a model file (.safetensors), a run folder, or - (BLIF on stdin).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from gatewright import storage
from gatewright.errors import InputError
from gatewright.runs import load_model
from gatewright.view.schematic import schematic


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    del arguments
    parser.add_argument("source", metavar="SOURCE")
    parser.add_argument(
        "--svg", metavar="FILE", help="draw the circuit into this file, or - for stdout"
    )


def run(options: argparse.Namespace) -> int:
    if options.json and options.svg == "-":
        raise InputError("--json and --svg - both go to stdout; choose one")
    circuit = load_model(options.source).circuit
    stats = circuit.stats()
    if options.svg == "-":
        print(schematic(circuit, circuit.name))
        return 0
    if options.svg:
        storage.write_atomic(Path(options.svg), schematic(circuit, circuit.name).encode())
    if options.json:
        print(json.dumps({"name": circuit.name, **asdict(stats)}))
        return 0
    print(
        f"{circuit.name}: {stats.inputs} inputs, {stats.outputs} outputs, {stats.gates} gates "
        f"({stats.ands} with an AND), depth {stats.depth}"
    )
    for kind, number in stats.kinds.items():
        print(f"{number:8d}  {kind}")
    return 0
