"""Fewer votes: a layer of gates behind a trained classifier's votes, and training goes on.

This is no exact pass: each result is another function, with its accuracy on held-out rows. RUN is
the folder of a classification run; DIR gets a run folder and a model for each share, fold.json, and
fold.svg, a picture of accuracy against gates.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from gatewright.cli.fields import natural, positive
from gatewright.cli.progress import remark, training
from gatewright.errors import InputError


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    del arguments
    parser.add_argument("run_folder", metavar="RUN")
    parser.add_argument("-o", "--output", "--out", metavar="DIR", required=True)
    parser.add_argument(
        "--keep", type=shares, default=(0.5,), metavar="SHARES",
        help="share of the votes that is left; several, one network each: 0.5,0.4,0.3 (0.5)",
    )  # fmt: skip
    parser.add_argument("--epochs", type=positive, help="of each training (the recipe's)")
    parser.add_argument("--threads", type=natural, default=0, help="of the kernel; 0: all cores")


def shares(value: str) -> tuple[float, ...]:
    """The numbers between commas."""
    return tuple(float(part) for part in value.split(","))


def run(options: argparse.Namespace) -> int:
    folder = Path(options.output)
    if (folder / "fold.json").exists():
        raise InputError(f"{folder}: holds results of another folding; choose another folder")
    from gatewright.folding import Point, fold, recipe_of

    how = {"epochs": options.epochs, "threads": options.threads}
    num_steps = recipe_of(options.run_folder, **how).num_steps
    points: list[Point] = []
    with training(num_steps, options.quiet) as progress:
        for point in fold(options.run_folder, folder, options.keep, **how, progress=progress):
            points.append(point)
            if not options.json:
                print(point, flush=True)
    if options.json:
        print(json.dumps({"points": [asdict(point) for point in points]}))
    remark(f"the curve is {folder / 'fold.svg'}", options.quiet)
    return 0
