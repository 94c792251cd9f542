"""What the checks look at: a run folder read, and its network measured on some rows, all once."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from gatewright.circuit import Bits as BitRows
from gatewright.diagnosis.measures import (
    Counts,
    Flags,
    NetworkFacts,
    Rows,
    classes_in,
    measure,
)
from gatewright.errors import GatewrightError, InputError
from gatewright.journal import Journal, Metrics, all_metrics, load_network
from gatewright.layers import Layer
from gatewright.learned import LearnedGates
from gatewright.network import Network
from gatewright.recipes import Recipe
from gatewright.runs import is_model_of, load_recipe
from gatewright.steppers import temperature_at

#: Rows that are looked at, of the training and of the judging rows each: an accuracy of 90 % is
#: known to two thirds of a point.
MAX_ROWS = 2048
#: Rows that are looked at however large the network is: an accuracy is known to two points.
MIN_ROWS = 512
#: Gates times rows, all ways to round some layers counted: some seconds on one core.
MAX_WORK = 1_000_000_000


@dataclass(frozen=True)
class DataFacts:
    """The rows of a run, as bits.

    Attributes:
        training_counts: int64[C], training rows a class, all of them; empty without classes.
        varies: bool[num_inputs], which bits are not the same in all rows that were looked at.
        ceiling: share of training rows that a function of the bits can have right at most, since
            rows with the same bits get the same answer.
        judged_on: which rows accuracies are of: "held-out" or "training".
        num_judged: how many.
    """

    training_counts: Counts
    varies: Flags
    ceiling: float
    judged_on: str
    num_judged: int


@dataclass(frozen=True)
class Evidence:
    """All that the checks know of a run.

    Attributes:
        metrics: of each chunk, in order; empty where none was finished.
        num_steps: that the recipe asks for; None where that takes the data.
        is_over: training came to an end of its own.
        divergence: what `fit` said when training diverged, else None.
        has_model: model.safetensors is there.
        is_stale: it was not made of the network; None where either is missing.
        missing: what could not be had ("data", "network", ...) and why.
    """

    folder: Path
    recipe: Recipe
    metrics: tuple[Metrics, ...]
    num_steps: int | None
    is_over: bool
    divergence: str | None
    has_model: bool
    is_stale: bool | None = None
    data: DataFacts | None = None
    network: NetworkFacts | None = None
    missing: Mapping[str, str] = field(default_factory=dict[str, str])


def gather(folder: Path) -> Evidence:
    """Read a run folder, load the recipe's data and network, and measure; nothing is written.

    Data that is missing is downloaded where `gatewright train` would. The test rows are not read.

    Raises:
        InputError: it is no run folder.
    """
    recipe = load_recipe(folder)
    missing: dict[str, str] = {}
    try:
        metrics = tuple(all_metrics(folder))
    except InputError as error:
        metrics, missing["metrics"] = (), str(error)
    try:
        recipe = _with_tau(folder, recipe)
        train = recipe.data()[0]
        options = recipe.options()
        start = recipe.network()
        num_steps = recipe.num_steps
    except (GatewrightError, OSError) as error:
        missing |= dict.fromkeys(("data", "classes", "network", "held_out"), f"no data: {error}")
        return _evidence(folder, recipe, metrics, None, {}, missing)
    network = None
    try:
        network = load_network(folder, start, recipe.optimizer())
    except GatewrightError as error:
        missing["network"] = f"no trained network: {error}"
    encoder, held_out = options.get("encoder"), options.get("held_out")
    num = _num_rows(start)

    def some(x: npt.NDArray[Any], y: npt.NDArray[Any]) -> Rows:
        chosen = np.sort(np.random.default_rng(0).permutation(len(y))[:num])
        rows = x[chosen]
        return Rows(np.asarray(rows if encoder is None else encoder(rows), bool), y[chosen])

    training = some(train.x, train.y)
    judged = training if held_out is None else some(*held_out)
    if held_out is None:
        missing["held_out"] = "no rows were held out of training"
    all_classes, classes = (classes_in(start.head, y) for y in (train.y, training.y))
    if all_classes is None:
        missing["classes"] = "the network's answer is a number"
    data = DataFacts(
        np.bincount(np.zeros(0, np.int64) if all_classes is None else all_classes),
        (training.bits != training.bits[0]).any(axis=0),
        1.0 if classes is None else _ceiling(training.bits, classes),
        "training" if held_out is None else "held-out",
        len(judged.y),
    )
    evidence = _evidence(folder, recipe, metrics, num_steps, options, missing)
    if network is None:
        return replace(evidence, data=data)
    judged_at = _judged_at(metrics, options)
    temperature = temperature_at(options.get("temperature", 1.0), jnp.asarray(judged_at))
    facts = measure(start, network, temperature, judged, None if held_out is None else training)
    return replace(evidence, data=data, network=facts, is_stale=_is_stale(folder, network))


def standard_error(share: float, num: int) -> float:
    """Of a share that was found on num rows; 0 of what is no share, an R^2 below 0."""
    return math.sqrt(max(0.0, share * (1 - share)) / num)


def _evidence(
    folder: Path,
    recipe: Recipe,
    metrics: tuple[Metrics, ...],
    num_steps: int | None,
    options: Mapping[str, Any],
    missing: Mapping[str, str],
) -> Evidence:
    """What takes no rows."""
    divergence = Journal(folder).divergence()
    has_model = (folder / "model.safetensors").exists()
    return Evidence(
        folder, recipe, metrics, num_steps, _is_over(recipe, metrics, num_steps, options),
        divergence, has_model, missing=missing,
    )  # fmt: skip


def _with_tau(folder: Path, recipe: Recipe) -> Recipe:
    """The recipe that the run went on with, where it tried several values of tau."""
    tried = folder / "tau.json"
    if not tried.exists():
        return recipe
    try:
        content: dict[str, Any] = json.loads(tried.read_text())
        return {float(tau): one for tau, one in recipe.trials().items()}[float(content["tau"])]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{tried}: cannot be read ({error})") from error


def _is_over(
    recipe: Recipe, metrics: tuple[Metrics, ...], steps: int | None, options: Mapping[str, Any]
) -> bool:
    if not metrics or steps is None:
        return False
    patience = options.get("patience")
    waited = len(metrics) - 1 - int(np.argmax([one.hard_accuracy for one in metrics]))
    is_out_of_patience = patience is not None and waited >= patience
    return metrics[-1].step >= steps or recipe.is_done(metrics[-1]) or is_out_of_patience


def _judged_at(metrics: tuple[Metrics, ...], options: Mapping[str, Any]) -> int:
    """The step of the network that the run ends with: see `gatewright.experiment.run`."""
    if not metrics:
        return 0
    if options.get("patience") is None:
        return metrics[-1].step
    return max(metrics, key=lambda one: one.hard_accuracy).step


def _is_stale(folder: Path, network: Network) -> bool | None:
    if not (folder / "model.safetensors").exists():
        return None
    return not is_model_of(folder, network.to_netlist())


def _num_rows(network: Network) -> int:
    """Rows to look at, fewer the more work a row is."""
    work = sum(
        (i + 1) * layer.num_outputs * _reads(layer) for i, layer in enumerate(network.layers)
    )
    return min(MAX_ROWS, max(MIN_ROWS, 2 * MAX_WORK // work))


def _reads(layer: Layer) -> int:
    """Inputs that a soft gate reads."""
    return 2 * layer.num_candidates if isinstance(layer, LearnedGates) else 2


def _ceiling(bits: BitRows, classes: Counts) -> float:
    """Share of rows right if every pattern of bits gets the class that is most frequent with it."""
    octets = np.ascontiguousarray(np.packbits(bits, axis=1))
    pattern = np.unique(octets, axis=0, return_inverse=True)[1].reshape(-1)
    pairs, count = np.unique(np.stack([pattern, classes]), axis=1, return_counts=True)
    best = np.zeros(int(pattern.max()) + 1, np.int64)
    np.maximum.at(best, pairs[0], count)
    return float(best.sum() / len(bits))
