"""Train a recipe into a run folder, and judge it on the rows of the test.

Every field of the recipe is an option (`gatewright train mnist-8k --help` lists them). An
interrupted run is saved; --resume continues it bit for bit. In the folder: recipe.json,
metrics.jsonl, checkpoint.safetensors, polished.safetensors (where the recipe polishes),
model.safetensors, model.json (of what network that was made) and curves.svg, a plot of the run.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gatewright.cli.fields import add_fields, natural, recipe_named, recipe_of
from gatewright.cli.progress import remark, training
from gatewright.errors import InputError
from gatewright.recipes import RECIPES, Recipe, recipe

#: How the run folder may be given; `--out` as in `gatewright life`.
OUTPUT = ("-o", "--output", "--out")


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    parser.add_argument("recipe", metavar="RECIPE", choices=RECIPES, help=", ".join(RECIPES))
    parser.add_argument(*OUTPUT, dest="output", metavar="DIR", required=True, help="run folder")
    parser.add_argument("--resume", action="store_true", help="continue the run in the folder")
    group = parser.add_argument_group(
        "several processes, which share each batch (docs/distributed.md)"
    )
    group.add_argument(
        "--distributed", action="store_true",
        help="this is one of several processes, started alike; of a cluster that JAX knows (Slurm)",
    )  # fmt: skip
    group.add_argument("--coordinator", metavar="HOST:PORT", help="or: of the first process")
    group.add_argument("--processes", type=natural, metavar="N", help="how many there are")
    group.add_argument("--process", type=natural, metavar="I", help="number of this one, from 0")
    parser.add_argument("--overwrite", action="store_true", help="drop the run in the folder")
    chosen = recipe_named(arguments, OUTPUT)
    if chosen is not None:
        add_fields(parser, recipe(chosen))


def run(options: argparse.Namespace) -> int:
    chosen = recipe_of(options, recipe(options.recipe))
    folder = Path(options.output)
    if options.distributed or options.coordinator is not None:
        return _run_together(options, chosen, folder)
    _check(options, folder)
    return _run(options, chosen, folder)


def _check(options: argparse.Namespace, folder: Path) -> None:
    if not (options.resume or options.overwrite) and (folder / "checkpoint.safetensors").exists():
        raise InputError(f"{folder}: holds a run; --resume continues it, --overwrite drops it")


def _run_together(options: argparse.Namespace, chosen: Recipe, folder: Path) -> int:
    """As one of several processes; the first alone writes and prints."""
    if not hasattr(chosen, "shards"):
        raise InputError(f"{options.recipe} trains in one process: it has no field `shards`")
    from gatewright import distributed

    try:
        return _train_together(options, chosen, folder)
    except distributed.Lost as error:
        print(f"gatewright train: {error}", file=sys.stderr, flush=True)
        os._exit(error.exit_code)


def _train_together(options: argparse.Namespace, chosen: Recipe, folder: Path) -> int:
    from gatewright import distributed, experiment

    distributed.join(options.coordinator, options.processes, options.process)
    shards: int = getattr(chosen, "shards")  # noqa: B009  (not every recipe has it)
    if shards == 1:
        change: dict[str, Any] = {"shards": distributed.num_processes()}
        chosen = replace(chosen, **change)
        shards = change["shards"]
    team = distributed.Team.of(shards)
    with team.agreed():
        if team.is_first:
            _check(options, folder)
    if team.is_first:
        return _run(options, chosen, folder)
    experiment.train(chosen, folder, resume=options.resume)
    return 0


def _run(options: argparse.Namespace, chosen: Recipe, folder: Path) -> int:
    num_steps = chosen.num_steps
    if num_steps < 1:
        raise InputError(f"--steps {num_steps}: training takes at least 1 step")
    from gatewright import experiment

    with training(num_steps, options.quiet) as progress:
        result = experiment.run(
            chosen, folder, resume=options.resume, progress=progress,
            begin=lambda kernel: remark(f"kernel: {kernel}", options.quiet),
            polishing=lambda done: remark(str(done), options.quiet),
        )  # fmt: skip
    print(json.dumps(result.summary()) if options.json else result)
    remark(f"the trained circuit is in {folder / 'model.safetensors'}", options.quiet)
    return 0
