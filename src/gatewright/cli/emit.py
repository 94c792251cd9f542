"""Write a circuit in another form.

SOURCE is a BLIF file, a model file (.safetensors), a run folder, or - (BLIF on stdin).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace

from gatewright.runs import load_model
from gatewright.targets import TARGETS, write


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    del arguments
    parser.add_argument("source", metavar="SOURCE")
    parser.add_argument("--target", choices=sorted(TARGETS), default="c", help="(c)")
    parser.add_argument("-o", "--output", metavar="DIR", default=".", help="folder (.)")
    parser.add_argument("--name", help="of the circuit in the files; default its own")


def run(options: argparse.Namespace) -> int:
    circuit = load_model(options.source).circuit
    if options.name:
        circuit = replace(circuit, name=options.name)
    paths = [str(path) for path in write(circuit, options.output, options.target)]
    if options.json:
        print(json.dumps({"target": options.target, "files": paths}))
    else:
        print("\n".join(paths))
    return 0
