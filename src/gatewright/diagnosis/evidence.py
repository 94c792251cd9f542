"""What the checks look at: a run folder read, and its network measured on some rows, all once."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jax import Array

from gatewright.circuit import Bits as BitRows
from gatewright.errors import GatewrightError, InputError
from gatewright.heads import Bits, GroupSum, Head
from gatewright.journal import Journal, Metrics, all_metrics, load_network
from gatewright.layers import Layer, Mode
from gatewright.learned import LearnedGates
from gatewright.model import Model
from gatewright.network import Network
from gatewright.passes.strash import strash
from gatewright.passes.sweep import sweep
from gatewright.recipes import Recipe
from gatewright.runs import load_recipe
from gatewright.steppers import temperature_at

#: Rows that are looked at, of the training and of the judging rows each: an accuracy of 90 % is
#: known to two thirds of a point.
MAX_ROWS = 2048
#: Rows that are looked at however large the network is: an accuracy is known to two points.
MIN_ROWS = 512
#: Gates times rows, all ways to round some layers counted: some seconds on one core.
MAX_WORK = 1_000_000_000

Counts = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


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
class LayerFacts:
    """A layer of the trained network; shares are of its gates.

    Attributes:
        number: counted from 1, from the inputs on.
        constant: share whose hard output is the same on all rows.
        copies: share whose hard table passes or inverts one operand.
        live: share that an output depends on, by the hard tables.
        decided: share whose most likely table (and wires) has a probability above .85.
        changed: share whose hard table or wires are others than before training.
        accuracy: of the network with this layer and all below it rounded, the others soft.
    """

    number: int
    gates: int
    constant: float
    copies: float
    live: float
    decided: float
    changed: float
    accuracy: float


@dataclass(frozen=True)
class VoteFacts:
    """The votes of a group sum on the judged rows.

    Attributes:
        size: votes a class.
        tau: temperature of the scores.
        confidence: mean probability of the likeliest class, of the soft network.
        constant: float[C], share of each class's hard votes that are the same on all rows.
        distinct: float[C], share of each class's hard votes that are left where equal ones count
            once.
    """

    size: int
    tau: float
    confidence: float
    constant: npt.NDArray[np.float64]
    distinct: npt.NDArray[np.float64]


@dataclass(frozen=True)
class NetworkFacts:
    """The trained network on the judged rows.

    Attributes:
        accuracy_soft, accuracy_hard: share of rows right before and after rounding (R^2).
        accuracy_training: the hard one on training rows, where others are judged on; else None.
        target_counts, predicted_counts: int64[C], judged rows a class: as is, as decided hard.
        is_read: bool[num_inputs], which inputs hard gates still read after `strash` and `sweep`.
        votes: None where the head does not vote.
    """

    layers: tuple[LayerFacts, ...]
    accuracy_soft: float
    accuracy_hard: float
    accuracy_training: float | None
    target_counts: Counts
    predicted_counts: Counts
    is_read: Flags
    votes: VoteFacts | None


@dataclass(frozen=True)
class Evidence:
    """All that the checks know of a run.

    Attributes:
        metrics: of each chunk, in order; empty where none was finished.
        num_steps: that the recipe asks for; None where that takes the data.
        is_over: training came to an end of its own.
        divergence: what `fit` said when training diverged, else None.
        has_model: model.safetensors is there.
        is_stale: its circuit is another than that of the network; None where either is missing.
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


@dataclass(frozen=True)
class Rows:
    """Rows to measure on: bits bool[N, k] and targets."""

    bits: BitRows
    y: npt.NDArray[Any]


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
    all_classes, classes = (_classes(start.head, y) for y in (train.y, training.y))
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
    path = folder / "model.safetensors"
    if not path.exists():
        return None
    saved, own = Model.load(path).circuit, network.to_netlist()
    return not all(
        np.array_equal(getattr(saved, name), getattr(own, name))
        for name in ("fanin", "table", "outputs")
    )


def _num_rows(network: Network) -> int:
    """Rows to look at, fewer the more work a row is."""
    work = sum(
        (i + 1) * layer.num_outputs * _reads(layer) for i, layer in enumerate(network.layers)
    )
    return min(MAX_ROWS, max(MIN_ROWS, 2 * MAX_WORK // work))


def _reads(layer: Layer) -> int:
    """Inputs that a soft gate reads."""
    return 2 * layer.num_candidates if isinstance(layer, LearnedGates) else 2


def _classes(head: Head, y: npt.NDArray[Any]) -> Counts | None:
    """Targets as classes, bits of the answer as one number; None where the answer is a number."""
    return _numbers(head.target_bits(y)) if isinstance(head, (Bits, GroupSum)) else None


def _numbers(bits: BitRows) -> Counts:
    return bits @ (1 << np.arange(bits.shape[1], dtype=np.int64))


def _ceiling(bits: BitRows, classes: Counts) -> float:
    """Share of rows right if every pattern of bits gets the class that is most frequent with it."""
    octets = np.ascontiguousarray(np.packbits(bits, axis=1))
    pattern = np.unique(octets, axis=0, return_inverse=True)[1].reshape(-1)
    pairs, count = np.unique(np.stack([pattern, classes]), axis=1, return_counts=True)
    best = np.zeros(int(pattern.max()) + 1, np.int64)
    np.maximum.at(best, pairs[0], count)
    return float(best.sum() / len(bits))


@eqx.filter_jit
def _apply(layer: Layer, x: Array, mode: Mode, temperature: Array) -> Array:
    return layer(x, mode=mode, temperature=temperature)


def measure(
    start: Network, network: Network, temperature: Array, judged: Rows, training: Rows | None
) -> NetworkFacts:
    """Rounds layer after layer, from the inputs on, and measures each time.

    start is the network before training; training has rows that it was trained on, where judged has
    others.
    """
    head, y = network.head, jnp.asarray(judged.y)
    live = _live(network)
    hard = jnp.asarray(judged.bits.T.astype(np.float32))
    scores = _scores(network, 0, hard, temperature)
    accuracy_soft = float(head.merit(scores, y).mean())
    confidence = float(jax.nn.softmax(scores, axis=1).max(axis=1).mean())
    layers: list[LayerFacts] = []
    for i, (layer, before) in enumerate(zip(network.layers, start.layers, strict=True)):
        hard = _apply(layer, hard, "hard", temperature)
        scores = _scores(network, i + 1, hard, temperature)
        layers.append(
            LayerFacts(
                number=i + 1,
                gates=layer.num_outputs,
                constant=float((hard == hard[:, :1]).all(axis=1).mean()),
                copies=float((_depends(layer).sum(axis=1) == 1).mean()),
                live=float(live[i].mean()),
                decided=float((layer.confidence(temperature) > 0.85).mean()),
                changed=_changed(before, layer),
                accuracy=float(head.merit(scores, y).mean()),
            )
        )
    num_outputs = network.layers[-1].num_outputs
    wanted = decided = np.zeros(0, np.int64)
    if (classes := _classes(head, judged.y)) is not None:
        wanted, decided = classes, _numbers(np.asarray(head.decide(scores, num_outputs)))
    num = 1 + int(max(wanted.max(initial=0), decided.max(initial=0)))
    if isinstance(head, GroupSum):
        num = head.num_classes
    accuracy_training = None
    if training is not None:
        bits = network.hard_bits(training.bits)
        accuracy_training = head.merit_of_bits(bits, training.y, num_outputs)
    body = sweep(strash(network.gates_circuit()))
    read = np.union1d(body.fanin.reshape(-1), body.outputs >> 1)
    return NetworkFacts(
        layers=tuple(layers),
        accuracy_soft=accuracy_soft,
        accuracy_hard=layers[-1].accuracy,
        accuracy_training=accuracy_training,
        target_counts=np.bincount(wanted, minlength=num),
        predicted_counts=np.bincount(decided, minlength=num),
        is_read=np.isin(1 + np.arange(network.num_inputs), read),
        votes=_votes(head, np.asarray(hard) > 0.5, confidence),
    )


def _scores(network: Network, first: int, x: Array, temperature: Array) -> Array:
    """Scores of the soft layers from number `first` on."""
    for layer in network.layers[first:]:
        x = _apply(layer, x, "soft", temperature)
    return network.head.scores(x)


def _changed(before: Layer, after: Layer) -> float:
    tables = np.asarray(before.tables()) != np.asarray(after.tables())
    wires = (np.asarray(before.hard_fanin()) != np.asarray(after.hard_fanin())).any(axis=1)
    return float((tables | wires).mean())


def _depends(layer: Layer) -> Flags:
    """bool[n, k]: which operands each hard table depends on."""
    tables = np.asarray(layer.tables()).astype(np.uint64)
    k = layer.hard_fanin().shape[1]
    rows = np.arange(1 << k)
    is_one = (tables[:, None] >> rows.astype(np.uint64)) & np.uint64(1) == 1
    return np.stack([(is_one != is_one[:, rows ^ (1 << i)]).any(axis=1) for i in range(k)], axis=1)


def _live(network: Network) -> list[Flags]:
    """For each layer bool[n]: gates that an output depends on, by the hard tables."""
    needed = np.ones(network.layers[-1].num_outputs, bool)
    found = [needed]
    for layer in network.layers[:0:-1]:
        reads = _depends(layer) & needed[:, None]
        needed = np.zeros(layer.num_inputs, bool)
        needed[np.asarray(layer.hard_fanin())[reads]] = True
        found.append(needed)
    return found[::-1]


def _votes(head: Any, votes: Flags, confidence: float) -> VoteFacts | None:
    """Hard votes bool[n, N]."""
    if not isinstance(head, GroupSum):
        return None
    groups = np.packbits(votes, axis=1).reshape(head.num_classes, -1, -(-votes.shape[1] // 8))
    is_constant = (votes == votes[:, :1]).all(axis=1).reshape(head.num_classes, -1)
    size = groups.shape[1]
    return VoteFacts(
        size=size,
        tau=float(head.tau_of(size)),
        confidence=confidence,
        constant=is_constant.mean(axis=1),
        distinct=np.array([len(np.unique(group, axis=0)) / size for group in groups]),
    )
