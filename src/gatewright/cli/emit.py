"""Write a circuit in another form.

SOURCE is a BLIF file, a model file (.safetensors), a run folder, or - (BLIF on stdin).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace

from gatewright.errors import InputError
from gatewright.runs import load_model
from gatewright.targets import TARGETS, Files, write


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    del arguments
    parser.add_argument("source", metavar="SOURCE")
    parser.add_argument("--target", choices=sorted(TARGETS), default="c", help="(c)")
    parser.add_argument(
        "-o", "--output", metavar="DIR", default=".", help="folder (.), or - for stdout"
    )
    parser.add_argument("--name", help="of the circuit in the files; default its own")


def run(options: argparse.Namespace) -> int:
    if options.json and options.output == "-":
        raise InputError("--json and -o - both go to stdout; choose one")
    circuit = load_model(options.source).circuit
    if options.name:
        circuit = replace(circuit, name=options.name)
    if options.output == "-":
        return _print(TARGETS[options.target].write(circuit), options.target)
    paths = [str(path) for path in write(circuit, options.output, options.target)]
    if options.json:
        print(json.dumps({"target": options.target, "files": paths}))
    else:
        print("\n".join(paths))
    return 0


def _print(files: Files, target: str) -> int:
    if len(files) != 1:
        raise InputError(
            f"target {target} is {len(files)} files, not one for stdout; name a folder"
        )
    (content,) = files.values()
    sys.stdout.write(content.decode())
    return 0
