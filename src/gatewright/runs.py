"""Run folders: which recipe made them, and what circuit is in them."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from gatewright import storage, targets
from gatewright.errors import InputError
from gatewright.model import Model
from gatewright.recipes import RECIPES, Recipe, recipe


def save_recipe(folder: Path, chosen: Recipe, resume: bool) -> None:
    """Write recipe.json; when resuming, check that it is the same recipe instead.

    A field that the run does not know is newer than it, and has the value that changes nothing.

    Raises:
        InputError: the folder holds a run of another recipe, naming the first field that differs.
    """
    path = folder / "recipe.json"
    content = {"recipe": name_of(chosen), **asdict(chosen)}
    if resume and path.exists():
        found = _read_json(path)
        for field, value in content.items():
            its = found[field] if field in found else _first_default(chosen, field)
            if field not in chosen.CHANGEABLE and its != value:
                raise InputError(
                    f"{path}: this run has {field} {its!r}, not {value!r}; "
                    "resume with the options it began with, or choose another folder"
                )
    storage.write_atomic(path, (json.dumps(content, indent=1) + "\n").encode())


def _first_default(chosen: Recipe, field: str) -> Any:
    """Of the class that brought the field in, whatever those below it say."""
    classes = reversed(type(chosen).__mro__)
    return next((vars(each)[field] for each in classes if field in vars(each)), None)


def name_of(chosen: Recipe) -> str:
    """The name under which a recipe is registered."""
    return next(
        name for name, (_, attribute) in RECIPES.items() if attribute == type(chosen).__name__
    )


def load_recipe(folder: Path) -> Recipe:
    """The recipe that a run folder was made with."""
    content = _read_json(folder / "recipe.json")
    try:
        return recipe(content.pop("recipe"))(**content)
    except (KeyError, TypeError) as error:
        path = folder / "recipe.json"
        raise InputError(f"{path}: not a recipe of this version ({error})") from error


def load_metrics(folder: Path) -> list[dict[str, float]]:
    """What training reported, a dict a chunk with the fields of `gatewright.train.Metrics`."""
    path = folder / "metrics.jsonl"
    try:
        return [json.loads(line) for line in path.read_text().splitlines()]
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error


def load_model(source: str) -> Model:
    """A model from a run folder (its trained network), a model file, or BLIF ("-" for stdin)."""
    path = Path(source)
    if source != "-" and path.is_dir():
        path = path / "model.safetensors"
        if not path.exists():
            raise InputError(f"{source}: no model.safetensors in this folder; is the run finished?")
    if path.suffix == ".safetensors":
        return Model.load(path)
    return Model(targets.read(source))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content: Any = json.loads(path.read_text())
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; is this a run folder?") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: not a JSON object")
    return cast(dict[str, Any], content)
