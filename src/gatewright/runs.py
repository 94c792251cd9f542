"""Run folders: which recipe made them, and what circuit is in them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from gatewright import storage, targets
from gatewright.circuit import Circuit
from gatewright.errors import InputError
from gatewright.model import Model
from gatewright.recipes import RECIPES, Recipe, recipe

if TYPE_CHECKING:
    from gatewright.network import Network

#: Of `Polished`, what its file says of it.
PROGRESS = ("rounds", "cpu_seconds", "wall_seconds")


def save_recipe(folder: Path, chosen: Recipe, resume: bool) -> None:
    """Write recipe.json; when resuming, check that it is the same recipe instead.

    Raises:
        InputError: the folder holds a run of another recipe, naming the first field that differs.
    """
    path = folder / "recipe.json"
    content = {"recipe": name_of(chosen), **asdict(chosen)}
    if resume and path.exists():
        found = _completed(_read_json(path), type(chosen))
        for field, value in content.items():
            if field not in chosen.CHANGEABLE and found.get(field) != value:
                raise InputError(
                    f"{path}: this run has {field} {found.get(field)!r}, not {value!r}; "
                    "resume with the options it began with, or choose another folder"
                )
    storage.write_atomic(path, (json.dumps(content, indent=1) + "\n").encode())


def _completed(content: dict[str, Any], of: type[Recipe]) -> dict[str, Any]:
    """With the fields that are newer than the run, as it was without them.

    That is their value in the class that brought them in, whatever the recipes below it say.
    """
    classes = [vars(each) for each in reversed(of.__mro__)]
    names = [field.name for field in fields(of)]
    return {name: next(at[name] for at in classes if name in at) for name in names} | content


def name_of(chosen: Recipe) -> str:
    """The name under which a recipe is registered."""
    return next(
        name for name, (_, attribute) in RECIPES.items() if attribute == type(chosen).__name__
    )


def load_recipe(folder: Path) -> Recipe:
    """The recipe that a run folder was made with."""
    content = _read_json(folder / "recipe.json")
    try:
        of = recipe(content.pop("recipe"))
        return of(**_completed(content, of))
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


def save_model(folder: Path, model: Model, trained: Circuit) -> None:
    """Write model.safetensors, and in model.json of which trained network's netlist it was made.

    The model may be another circuit: polished, or finished in the recipe's own way.
    """
    content = model.to_bytes()
    storage.write_atomic(folder / "model.safetensors", content)
    made = {"trained": _digest_of(trained), "model": hashlib.sha256(content).hexdigest()}
    storage.write_atomic(folder / "model.json", (json.dumps(made, indent=1) + "\n").encode())


@dataclass(frozen=True)
class Polished:
    """How far the polishing of a run is.

    Attributes:
        network: hard, of as many gates a layer as the trained one.
        rounds: that it has been through.
        cpu_seconds, wall_seconds: spent on them.
    """

    network: Network
    rounds: int = 0
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0


def save_polished(folder: Path, polished: Polished, trained: Circuit) -> None:
    """Write polished.safetensors, which says of which trained network's netlist it was made."""
    circuit = polished.network.gates_circuit()
    metadata = {"kind": "gatewright polished", "trained": _digest_of(trained)}
    metadata |= {name: str(getattr(polished, name)) for name in PROGRESS}
    arrays = {"fanin": circuit.fanin, "table": circuit.table}
    storage.write_atomic(folder / "polished.safetensors", storage.encode(arrays, metadata))


def load_polished(folder: Path, network: Network) -> Polished:
    """How far the polishing of this trained network is; not begun where there is no such file.

    Raises:
        InputError: the file is damaged.
    """
    from gatewright.polishing import hard_network

    path = folder / "polished.safetensors"
    if not path.exists():
        return Polished(network)
    arrays, metadata = storage.load_arrays(path)
    if metadata.get("trained") != _digest_of(network.to_netlist()):
        return Polished(network)
    try:
        rounds, cpu_seconds, wall_seconds = (float(metadata[name]) for name in PROGRESS)
        circuit = replace(network.gates_circuit(), fanin=arrays["fanin"], table=arrays["table"])
        hard = hard_network(circuit, network)
    except (KeyError, TypeError, ValueError, InputError) as error:
        raise InputError(f"{path}: not a polished network of this run ({error})") from error
    return Polished(hard, int(rounds), cpu_seconds, wall_seconds)


def is_model_of(folder: Path, trained: Circuit) -> bool:
    """Whether model.safetensors was made of this netlist, and is as it was written.

    Of a run older than model.json: whether it is that netlist.

    Raises:
        InputError: a file is missing or damaged.
    """
    path = folder / "model.safetensors"
    model = Model.load(path)
    if not (folder / "model.json").exists():
        return _digest_of(model.circuit) == _digest_of(trained)
    made = _read_json(folder / "model.json")
    is_as_written = made.get("model") == hashlib.sha256(path.read_bytes()).hexdigest()
    return is_as_written and made.get("trained") == _digest_of(trained)


def _digest_of(circuit: Circuit) -> str:
    """Of its gates and outputs, not of its names."""
    arrays = circuit.fanin, circuit.table, circuit.outputs
    content = [f"{array.shape}{array.tolist()}" for array in arrays]
    return hashlib.sha256("".join(content).encode()).hexdigest()


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
