"""Prove that two circuits compute the same function, or show an input where they differ.

A and B are BLIF files, model files (.safetensors), run folders, or - (BLIF on stdin). Exit code 0:
equal. 1: not equal, and the input is printed. 4: undecided within the budget.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from gatewright import storage
from gatewright.cli.fields import natural, positive
from gatewright.cli.progress import remark
from gatewright.errors import InputError
from gatewright.proof_log import prove_with_log
from gatewright.runs import load_model
from gatewright.verify import NotEquivalent, Undecided, prove


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    del arguments
    parser.add_argument("a", metavar="A")
    parser.add_argument("b", metavar="B")
    parser.add_argument("--seconds", type=positive, default=60.0, help="time budget (60)")
    parser.add_argument(
        "--log", metavar="NAME",
        help="where they are equal, also write NAME.cnf and NAME.drat for an independent checker",
    )  # fmt: skip
    parser.add_argument("--seed", type=natural, default=0, help="of the random simulation (0)")


def run(options: argparse.Namespace) -> int:
    if options.a == options.b == "-":
        raise InputError("A and B are both -; stdin holds one circuit")
    if options.log is not None:
        storage.check_writable(Path(f"{options.log}.drat"))
    a, b = load_model(options.a), load_model(options.b)
    try:
        proof = prove(a, b, seconds=options.seconds, seed=options.seed)
    except NotEquivalent as difference:
        if not options.json:
            print(difference)
            return difference.exit_code
        found = {
            "equal": False,
            "inputs": difference.inputs,
            "outputs_a": difference.outputs_a,
            "outputs_b": difference.outputs_b,
            "differs": difference.differs,
        }
        print(json.dumps(found))
        return difference.exit_code
    except Undecided as undecided:
        if options.json:
            print(json.dumps({"equal": None, "open_outputs": undecided.open_outputs}))
        raise
    if options.log is not None:
        log = prove_with_log(a, b, seconds=options.seconds, seed=options.seed)
        for suffix, content in (("cnf", log.cnf), ("drat", log.drat)):
            storage.write_atomic(Path(f"{options.log}.{suffix}"), content.encode())
        remark(
            f"{options.log}.drat: {log.num_lemmas} lemmas refute the {log.num_clauses} clauses of "
            f"{options.log}.cnf; check it, say, with drat-trim",
            options.quiet,
        )
    print(json.dumps({"equal": True, **asdict(proof)}) if options.json else proof)
    return 0
