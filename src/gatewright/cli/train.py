"""Train a recipe into a run folder: metrics.jsonl, checkpoint.safetensors, model.safetensors.

Every field of the recipe is an option (`gatewright train life --help` lists them). An interrupted
run is saved; --resume continues it bit for bit.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from gatewright.cli.fields import add_fields, recipe_of
from gatewright.cli.progress import remark, training
from gatewright.errors import InputError
from gatewright.recipes import RECIPES, recipe
from gatewright.runs import save_recipe


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    parser.add_argument("recipe", metavar="RECIPE", choices=RECIPES, help=", ".join(RECIPES))
    parser.add_argument("-o", "--output", metavar="DIR", required=True, help="run folder")
    parser.add_argument("--resume", action="store_true", help="continue the run in the folder")
    parser.add_argument("--overwrite", action="store_true", help="drop the run in the folder")
    chosen = next(
        (
            argument
            for before, argument in pairwise(arguments)
            if argument in RECIPES and before not in ("-o", "--output")
        ),
        None,
    )
    if chosen is not None:
        add_fields(parser, recipe(chosen))


def run(options: argparse.Namespace) -> int:
    chosen = recipe_of(options, recipe(options.recipe))
    if chosen.steps < 1:
        raise InputError(f"--steps {chosen.steps}: training takes at least 1 step")
    folder = Path(options.output)
    if not (options.resume or options.overwrite) and (folder / "checkpoint.safetensors").exists():
        raise InputError(f"{folder}: holds a run; --resume continues it, --overwrite drops it")
    save_recipe(folder, chosen, options.resume)
    from gatewright.extraction import extract
    from gatewright.train import evaluate, fit, last_metrics

    x, y = chosen.data()
    with training(chosen.steps, options.quiet) as progress:
        network = fit(
            chosen.network(), x, y, chosen.optimizer(),
            steps=chosen.steps, seed=chosen.seed, stop=chosen.is_done,
            run=folder, resume=options.resume, progress=progress, **chosen.options(),
        )  # fmt: skip
    model = extract(network, name=options.recipe.replace("-", "_"))
    model.save(folder / "model.safetensors")
    last = last_metrics(folder)
    metrics = dataclasses.replace(
        evaluate(network, x, y),
        step=last.step,
        cpu_seconds=last.cpu_seconds,
        wall_seconds=last.wall_seconds,
    )
    if options.json:
        print(json.dumps({**dataclasses.asdict(metrics), "gates": model.circuit.num_gates}))
    else:
        print(metrics)
    remark(f"the trained circuit is in {folder / 'model.safetensors'}", options.quiet)
    return 0
