"""Accuracy, size and cost of a recipe over several seeds, each trained by `gatewright train`.

Options that this program does not know are fields of the recipe and go on to the command, say
`--epochs 3`. The results are written to benchmarks/results/RECIPE.json unless --json names another
file (needed where fields are given). Run folders stay under --folder.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gatewright.recipes import RECIPES
from lib.recording import COMMIT, parser, write

RESULTS = Path(__file__).parent / "results"

#: What --quick trains, where no recipe is named, and how.
QUICK_RECIPE = "mnist-8k"
QUICK_FIELDS = ["--steps", "20"]

#: Results that are summed up over the seeds.
SUMMED_UP = (
    "accuracy_hard", "accuracy_soft", "gap", "gates_extracted", "gates_swept", "gates_swept_body",
    "decided", "cpu_seconds", "wall_seconds", "peak_rss_mb", "accuracy_unpolished",
    "gap_unpolished",
)  # fmt: skip


def train(
    name: str, seed: int, folder: Path, fields: Sequence[str], resume: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields of the recipe but for the seed, and what `gatewright train` says of the run."""
    command = [
        sys.executable, "-m", "gatewright", "train", name, "--seed", str(seed),
        "--output", str(folder), "--resume" if resume else "--overwrite", "--json", *fields,
    ]  # fmt: skip
    begin, cpu = time.perf_counter(), _cpu_of_children()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(done.returncode)
    run = json.loads(done.stdout) | {"commit": COMMIT}
    if not resume:  # the whole program, its start and what follows training included
        run["command_wall_seconds"] = round(time.perf_counter() - begin, 3)
        run["command_cpu_seconds"] = round(_cpu_of_children() - cpu, 3)
    recipe = json.loads((folder / "recipe.json").read_text())
    return {key: value for key, value in recipe.items() if key not in ("recipe", "seed")}, run


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def summarise(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The number of seeds, and over them mean, standard deviation, least and greatest.

    What a recipe that does not polish has none of is left out.
    """
    summary: dict[str, Any] = {"seeds": len(runs)}
    for key in SUMMED_UP:
        values = [run[key] for run in runs if run[key] is not None]
        if not values:
            continue
        summary[key] = {
            "mean": round(statistics.mean(values), 4),
            "std": round(statistics.stdev(values), 4) if len(values) > 1 else 0.0,
            "min": min(values),
            "max": max(values),
        }
    return summary


def recorded(path: Path | None, fields: dict[str, Any]) -> list[dict[str, Any]]:
    """The runs of a file of results, where they are of these fields and have all of SUMMED_UP."""
    if path is None or not path.exists():
        return []
    document = json.loads(path.read_text())
    says_all = all(key in run for run in document["runs"] for key in SUMMED_UP)
    if document["fields"] != fields or not says_all:
        kind = "of an older form" if document["fields"] == fields else "of other fields"
        print(f"{path}: {kind}, so its runs are dropped", file=sys.stderr)
        return []
    return document["runs"]


def main() -> None:
    given, fields = _options()
    runs: list[dict[str, Any]] = []
    for seed in range(given.first, given.first + given.seeds):
        folder = given.folder / f"{given.recipe}-{seed}"
        recipe, run = train(given.recipe, seed, folder, fields, given.resume)
        if given.append and not runs:
            runs = recorded(given.json, recipe)
        runs = [other for other in runs if other["seed"] != seed] + [run]
        runs.sort(key=lambda run: run["seed"])
        results = {"recipe": given.recipe, "fields": recipe, "summary": summarise(runs)}
        write(given.json, results | {"runs": runs})
        print(json.dumps(run), file=sys.stderr, flush=True)
    print(f"{given.recipe}, {len(runs)} seed{'' if len(runs) == 1 else 's'}: mean ± deviation")
    for key, over in summarise(runs).items():
        if key != "seeds":
            print("  {}: {mean} ± {std} ({min} to {max})".format(key, **over))


def _options() -> tuple[argparse.Namespace, list[str]]:
    """This program's options, and the fields of the recipe."""
    options = parser(__doc__)
    options.add_argument("recipe", nargs="?", choices=RECIPES, metavar="RECIPE")
    options.add_argument("--seeds", type=int, default=3, help="how many (3)")
    options.add_argument("--first", type=int, default=0, help="the first seed (0)")
    options.add_argument(
        "--append", action="store_true", help="keep recorded runs of other seeds and equal fields"
    )
    options.add_argument("--resume", action="store_true", help="continue runs in --folder")
    options.add_argument("--folder", type=Path, default=Path("runs/recipes"), metavar="DIR")
    given, fields = options.parse_known_args()
    if given.quick:
        given.recipe, given.seeds = given.recipe or QUICK_RECIPE, 1
        fields = [*QUICK_FIELDS, *fields]
    if given.recipe is None:
        options.error(f"name a recipe: {', '.join(RECIPES)}")
    if given.json is None and not given.quick:
        if fields:
            options.error(f"{' '.join(fields)}: with fields of its own a run needs --json FILE")
        given.json = RESULTS / f"{given.recipe}.json"
    return given, fields


if __name__ == "__main__":
    main()
