"""Train a recipe into a run folder, and judge it on the rows of the test.

Every field of the recipe is an option (`gatewright train mnist-8k --help` lists them). An
interrupted run is saved; --resume continues it bit for bit. In the folder: recipe.json,
metrics.jsonl, checkpoint.safetensors, model.safetensors and curves.svg, a plot of the run.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from gatewright.cli.fields import add_fields, recipe_of
from gatewright.cli.progress import remark, training
from gatewright.errors import InputError
from gatewright.recipes import RECIPES, recipe

#: How the run folder may be given; `--out` as in `gatewright life`.
OUTPUT = ("-o", "--output", "--out")


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    parser.add_argument("recipe", metavar="RECIPE", choices=RECIPES, help=", ".join(RECIPES))
    parser.add_argument(*OUTPUT, dest="output", metavar="DIR", required=True, help="run folder")
    parser.add_argument("--resume", action="store_true", help="continue the run in the folder")
    parser.add_argument("--overwrite", action="store_true", help="drop the run in the folder")
    chosen = next(
        (
            argument
            for before, argument in pairwise(arguments)
            if argument in RECIPES and before not in OUTPUT
        ),
        None,
    )
    if chosen is not None:
        add_fields(parser, recipe(chosen))


def run(options: argparse.Namespace) -> int:
    chosen = recipe_of(options, recipe(options.recipe))
    folder = Path(options.output)
    if not (options.resume or options.overwrite) and (folder / "checkpoint.safetensors").exists():
        raise InputError(f"{folder}: holds a run; --resume continues it, --overwrite drops it")
    num_steps = chosen.num_steps
    if num_steps < 1:
        raise InputError(f"--steps {num_steps}: training takes at least 1 step")
    from gatewright import experiment

    with training(num_steps, options.quiet) as progress:
        result = experiment.run(
            chosen, folder, resume=options.resume, progress=progress,
            begin=lambda kernel: remark(f"kernel: {kernel}", options.quiet),
        )  # fmt: skip
    print(json.dumps(result.summary()) if options.json else result)
    remark(f"the trained circuit is in {folder / 'model.safetensors'}", options.quiet)
    return 0
