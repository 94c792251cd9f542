"""Write a circuit in another form.

SOURCE is a BLIF file, a model file (.safetensors), a run folder, or - (BLIF on stdin). Of a model
target c writes all, from rows of numbers to classes; the others write its circuit.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from gatewright.cli.progress import remark
from gatewright.errors import InputError
from gatewright.runs import load_model
from gatewright.targets import TARGETS, Files, c, put
from gatewright.targets.c_bits import FEATURES


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    del arguments
    parser.add_argument("source", metavar="SOURCE")
    parser.add_argument("--target", choices=sorted(TARGETS), default="c", help="(c)")
    parser.add_argument(
        "-o", "--output", metavar="DIR", default=".", help="folder (.), or - for stdout"
    )
    parser.add_argument("--name", help="of the circuit in the files; default its own")
    parser.add_argument(
        "--form", choices=c.FORMS, default="auto",
        help="of C: an expression a gate, or a table that a loop reads; auto goes by size (auto)",
    )  # fmt: skip
    parser.add_argument(
        "--features", choices=("auto", *FEATURES), default="auto",
        help="the type of a row's numbers in C; auto is uint8 of bits and of models trained on it, "
        "else float where that holds every limit, or double (auto)",
    )  # fmt: skip


def run(options: argparse.Namespace) -> int:
    if options.json and options.output == "-":
        raise InputError("--json and -o - both go to stdout; choose one")
    model = load_model(options.source)
    if options.name:
        model = replace(model, circuit=replace(model.circuit, name=options.name))
    about: dict[str, Any] = {}
    said = ""
    if options.target == "c":
        artefact = c.made(model, options.form, options.features)
        files, about, said = artefact.files, artefact.about, str(artefact)
    elif (options.form, options.features) != ("auto", "auto"):
        raise InputError(f"--form and --features are of --target c, not {options.target}")
    else:
        files = TARGETS[options.target].write(model.circuit)
    if options.output == "-":
        return _print(files, options.target)
    paths = [str(path) for path in put(files, options.output, options.target)]
    if said:
        remark(said, options.quiet)
    if options.json:
        print(json.dumps({"target": options.target, "files": paths, **about}))
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
