"""Search over fields of a recipe, with Optuna: accuracy against gates and depth.

--search NAME=VALUES, once for each field that is searched:

  --search learning_rate=0.005..0.2:log     a range; :log draws evenly on a logarithmic scale
  --search warm_up=0..500:50                a range in steps of 50
  --search 'layers=L2000:16,G2000|L4000:16' some values, with | between them (quoted, for the shell)
  --search batch_size=64,128,256            numbers may have commas between them instead
  --search 'tau=auto|5|10' --search 'flip=true|false'

All other fields of the recipe are options, as in `gatewright train`. A trial trains the recipe and
is judged by hard accuracy on held-out training rows; one that is behind others of networks no
larger is ended early. In the folder: sweep.json, sweep.svg (accuracy against gates), and the study,
a SQLite file, unless --storage names another: the same command there, on many machines, is one
sweep. --resume goes on with a study.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from gatewright.cli.fields import (
    READERS,
    add_fields,
    natural,
    positive,
    recipe_named,
    recipe_of,
)
from gatewright.cli.progress import remark
from gatewright.errors import InputError
from gatewright.recipes import RECIPES, Recipe, recipe
from gatewright.search import Choices, Plan, Range, Space, Value, spelt, with_held_out

if TYPE_CHECKING:
    from gatewright.sweep import Sweep

OUTPUT = ("-o", "--output", "--out")

#: Trials of a sweep that is given neither --trials nor --seconds.
TRIALS = 50


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    parser.add_argument("recipe", metavar="RECIPE", choices=RECIPES, help=", ".join(RECIPES))
    parser.add_argument(*OUTPUT, dest="output", metavar="DIR", required=True, help="output folder")
    parser.add_argument(
        "--search", metavar="NAME=VALUES", action="append", default=[],
        help="a field, and where to search it: see above",
    )  # fmt: skip
    parser.add_argument(
        "--trials", type=natural, help=f"of the study, those before included ({TRIALS})"
    )
    parser.add_argument(
        "--seconds", metavar="S", type=positive, help="no trial begins after so long"
    )
    parser.add_argument("--workers", type=natural, default=1, help="processes on this machine (1)")
    parser.add_argument(
        "--storage",
        metavar="URL",
        help="of the study: postgresql://..., mysql://..., sqlite:///FILE, journal:///FILE "
        "(sqlite in DIR)",
    )
    parser.add_argument("--study", metavar="NAME", help="in the storage (the recipe's name)")
    parser.add_argument(
        "--pruner",
        choices=("median", "none"),
        default="median",
        help="which trials end early (median)",
    )
    parser.add_argument("--resume", action="store_true", help="go on with the study")
    chosen = recipe_named(arguments, (*OUTPUT, "--study"))
    if chosen is not None:
        add_fields(parser, recipe(chosen))


def run(options: argparse.Namespace) -> int:
    kind = recipe(options.recipe)
    base = recipe_of(options, kind)
    search = dict(read_search(text, kind) for text in options.search)
    if not search:
        raise InputError("nothing is searched: give --search NAME=VALUES, as --help shows")
    if len(search) < len(options.search):
        raise InputError("--search names a field twice; give all its values at once")
    for name in search:
        if getattr(base, name) != getattr(kind(), name):
            raise InputError(f"{_option(name)} is given and searched; leave one of the two out")
    if options.workers < 1:
        raise InputError("--workers 0: a sweep has at least 1")
    from gatewright import native, sweep
    from gatewright.study import load_optuna

    load_optuna()

    if getattr(base, "threads", None) == 0 and "threads" not in search and options.workers > 1:
        threads = max(1, native.num_processors() // options.workers)
        base = replace(base, **_field("threads", threads))
    base, held_out, num_rows = with_held_out(base)
    rows = f"{num_rows} training rows that are held out"
    if "held_out" in search:
        rows = "the training rows that each holds out"
    elif not getattr(recipe_of(options, kind), "held_out", None):
        rows += ", since the recipe holds out none"
    remark(f"trials are judged on {rows}; the test rows take no part", options.quiet)
    folder = Path(options.output)
    trials = options.trials
    if trials is None and options.seconds is None:
        trials = TRIALS
    plan = Plan(
        base, search,
        url=options.storage or f"sqlite:///{(folder / 'sweep.db').resolve()}",
        study=options.study or options.recipe,
        trials=trials,
        until=None if options.seconds is None else time.time() + options.seconds,
        pruner=options.pruner,
        held_out=held_out,
    )  # fmt: skip
    found = sweep.run(
        plan, folder, workers=options.workers, resume=options.resume,
        report=None if options.quiet else partial(remark, quiet=False),
    )  # fmt: skip
    if options.json:
        print(json.dumps(found.summary()))
    else:
        _print(found)
    remark(f"all trials are in {folder / 'sweep.json'}", options.quiet)
    return 0


def read_search(text: str, kind: type[Recipe]) -> tuple[str, Space]:
    """A field and its space from NAME=VALUES.

    Raises:
        InputError: there is no such field, or the values are not of its type.
    """
    given, equals, values = text.partition("=")
    name = given.strip().removeprefix("--").replace("-", "_")
    known = [field.name for field in fields(kind)]
    if not equals or not values.strip():
        raise InputError(
            f"--search {text!r}: write NAME=VALUES, such as learning_rate=0.01..0.1:log"
        )
    if name not in known:
        raise InputError(f"--search {text!r}: no field {name!r}; known: {', '.join(known)}")
    wanted: Any = get_type_hints(kind)[name]
    is_number = int in (wanted, *get_args(wanted)) or float in (wanted, *get_args(wanted))
    read = _reader(wanted)
    try:
        if is_number and ".." in values:
            space = _range(values, int in (wanted, *get_args(wanted)))
        else:
            parts = values.split("|")
            if wanted is not str:
                parts = [part for one in parts for part in one.split(",")]
            space = _choices([read(part.strip()) for part in parts])
        lowest = space.low if isinstance(space, Range) else min(map(_or_zero, space.options))
        if name == "held_out" and lowest < 1:
            raise ValueError("trials are judged on rows held out, at least 1")
    except (ValueError, argparse.ArgumentTypeError) as error:
        raise InputError(f"--search {text!r}: {error}") from None
    return name, space


def _reader(wanted: Any) -> Callable[[str], Value]:
    """What reads one value of a field's type; ValueError says what is wrong with it."""
    if wanted is bool:
        known = {"true": True, "false": False}

        def read(text: str) -> Value:
            if text not in known:
                raise ValueError(f"{text!r} is neither true nor false")
            return known[text]

        return read
    reader, stands_for = READERS[wanted]

    def checked(text: str) -> Value:
        if not text:
            raise ValueError("a value is empty; separate values by |")
        try:
            value = reader(text)
        except ValueError:
            also = ", nor a range: write LOW..HIGH" if wanted is not str else ""
            raise ValueError(f"{text!r} is not {stands_for}{also}") from None
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{text} is not finite")
        return value

    return checked


def _range(text: str, is_whole: bool) -> Range:
    """LOW..HIGH, LOW..HIGH:log or LOW..HIGH:STEP."""
    read = _reader(int if is_whole else float)
    ends, colon, how = text.partition(":")
    low, high = (read(end.strip()) for end in ends.split("..", 1))
    assert isinstance(low, int | float) and isinstance(high, int | float)
    if not low < high:
        raise ValueError(f"a range goes up: {low} is not below {high}")
    if how.strip() == "log":
        if low <= 0:
            raise ValueError(f"a logarithmic range begins above 0, not at {low}")
        return Range(low, high, log=True)
    if not colon:
        return Range(low, high)
    try:
        step = read(how.strip())
    except ValueError:
        raise ValueError(f"{how!r} is neither log nor a step") from None
    assert isinstance(step, int | float)
    if not 0 < step <= high - low:
        raise ValueError(f"a step is above 0 and at most {high - low}, not {step}")
    return Range(low, high, step=step)


def _choices(values: list[Value]) -> Choices:
    if len(values) < 2:
        raise ValueError("one value is no search; separate several by |, or give it as an option")
    if len(set(values)) < len(values):
        raise ValueError("a value is given twice")
    return Choices(tuple(values))


def _or_zero(value: Value) -> float:
    return value if isinstance(value, int | float) else 0


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _field(name: str, value: Value) -> dict[str, Any]:
    return {name: value}


def _print(found: Sweep) -> None:
    """The front as a table on stdout, and how many trials came to what."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, title="Pareto front, on held-out rows", title_justify="left")
    for name in ("trial", "accuracy, %", "gates", "depth"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in found.plan.search:
        table.add_column(name, overflow="fold")
    for trial in found.front:
        numbers = f"{trial.number}", f"{trial.accuracy:.2f}", f"{trial.gates:,}", f"{trial.depth}"
        said = [spelt({name: trial.params[name]}).partition("=")[2] for name in found.plan.search]
        table.add_row(*numbers, *said)
    width = None if sys.stdout.isatty() else 200
    Console(file=sys.stdout, width=width, markup=False, highlight=False).print(table)
    states = [trial.state for trial in found.trials]
    counts = [f"{states.count(state)} {state}" for state in dict.fromkeys(sorted(states))]
    print(f"{len(states)} trials: {', '.join(counts)}")
