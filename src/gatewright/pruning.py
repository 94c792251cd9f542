"""Fewer votes: drop the outputs of a group sum that matter least, and train the rest again.

This is no exact pass: the smaller network is another function, chosen by training rows and judged
on rows held out. Of a classifier's circuit most gates count votes (4.5 a vote), so votes are what
to save.

Which votes matter is seen by giving each a weight, all 1 at first: logistic regression of the
classes on the votes, in whose course the weights that move the scores least are set to 0, a few at
a time (magnitude pruning: Zhu and Gupta 2017, 1710.01878).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gatewright import storage
from gatewright.circuit import Words, pack, unpack
from gatewright.errors import InputError
from gatewright.extraction import extract
from gatewright.heads import GroupSum, classes_of
from gatewright.journal import Metrics, load_network
from gatewright.network import Network
from gatewright.passes import optimize
from gatewright.recipes.classification import Classification
from gatewright.runs import load_recipe, name_of
from gatewright.train import evaluate, fit
from gatewright.view.curves import tradeoff

Floats = npt.NDArray[np.float32]

#: Passes over the rows, of which half go by before the last vote has gone.
EPOCHS = 20
#: Rows a step; steps between which votes are dropped.
BATCH = 500
EVERY = 10
LEARNING_RATE = 0.02
#: No weight that is kept is less.
LEAST = 1e-3

#: Rows encoded at a time.
ROWS = 8192


@dataclass(frozen=True)
class Point:
    """A network of the curve.

    Attributes:
        keep: share of the votes of the first network.
        gates: two-input gates of the circuit, its head included, after exact passes (-O1).
        accuracy_held_out: of the hard circuit on rows that were not trained on, in percent.
        accuracy_test: the same on the rows of the test, which nothing is chosen by.
        folder: where its run and its model are; None for the network that was given.
    """

    keep: float
    gates: int
    accuracy_held_out: float
    accuracy_test: float
    folder: str | None = None

    def __str__(self) -> str:
        return (
            f"{self.keep:.0%} of the votes: {self.gates} gates, {self.accuracy_held_out:.2f} % of "
            f"the rows held out right, {self.accuracy_test:.2f} % of the test"
        )


def prune(
    run: Path | str,
    folder: Path | str,
    shares: Sequence[float],
    *,
    epochs: float | None = None,
    threads: int = 0,
    progress: Callable[[Metrics], None] | None = None,
) -> Iterator[Point]:
    """Prune a finished run's network step by step, each trained again as its recipe says.

    Yields the network as it was, then one point a share; writes prune.json, prune.svg and a run
    folder for each share.

    Args:
        run: folder of a classification recipe's run that held rows out.
        folder: where the results go.
        shares: of the first network's votes, falling.
        epochs: of each training; None takes the recipe's.
        threads: of the native kernel; 0 takes all cores.

    Raises:
        InputError: the run is of another kind or not finished, or the shares do not fall.
    """
    path = Path(folder)
    recipe = load_recipe(Path(run))
    if not isinstance(recipe, Classification) or not recipe.held_out:
        raise InputError(f"{run}: prune takes a run that held rows out: train with --held-out 5000")
    if not all(1 >= a > b > 0 for a, b in zip((1.0, *shares), shares, strict=False)) or not shares:
        raise InputError(f"shares of the votes fall from below 1 to above 0, not {list(shares)}")
    recipe = replace(recipe, epochs=epochs or recipe.epochs, steps=0, threads=threads)
    network = load_network(Path(run), recipe.network(), recipe.optimizer())
    points = [_point(recipe, network, 1.0, None)]
    yield points[0]
    (train, _), words = recipe.data(), _warped(recipe)
    for share in shares:
        network = prune_votes(network, words, train.y, share / points[-1].keep, seed=recipe.seed)
        into = path / f"keep-{share:g}"
        network = fit(
            network, train.x, train.y, recipe.optimizer(), steps=recipe.num_steps, run=into,
            seed=recipe.seed, progress=progress, **recipe.options(),
        )  # fmt: skip
        points.append(_point(recipe, network, share, into))
        name = f"{name_of(recipe)}, seed {recipe.seed}: votes pruned"
        storage.write_atomic(path / "prune.svg", tradeoff(points, name).encode())
        content = {"run": str(run), "points": [asdict(point) for point in points]}
        storage.write_atomic(path / "prune.json", (json.dumps(content, indent=1) + "\n").encode())
        yield points[-1]


def _point(recipe: Classification, network: Network, keep: float, folder: Path | None) -> Point:
    """Judges a network, and saves its model."""
    name = name_of(recipe).replace("-", "_")
    model = optimize(extract(network, recipe.encoder, name=name), 1)
    if folder is not None:
        model.save(folder / "model.safetensors")
    held_out, test = recipe.options()["held_out"], recipe.data()[1]
    right = [
        round(100 * evaluate(network, x, y, encoder=recipe.encoder).hard_accuracy, 4)
        for x, y in (held_out, (test.x, test.y))
    ]
    gates = model.circuit.num_gates
    return Point(keep, gates, *right, folder=None if folder is None else folder.name)


def _warped(recipe: Classification) -> Words:
    """The training rows, each once, warped as in training and encoded."""
    x = recipe.data()[0].x
    parts: list[Words] = []
    for first in range(0, len(x), ROWS):
        rows = np.arange(first, min(first + ROWS, len(x)))
        some = x[rows] if recipe.augment is None else recipe.augment(x, rows, recipe.seed, first)
        parts.append(pack(recipe.encoder(some)))
    return np.hstack(parts)


def prune_votes(
    network: Network, words: Words, y: npt.ArrayLike, keep: float, *, seed: int = 0
) -> Network:
    """The network with a share of each class's votes, those that matter most; not yet trained.

    tau shrinks with the groups, so that scores stay about as large.

    Args:
        words: packed training rows uint64[num_inputs, W], best warped as in training.
        y: their classes [N], or the probabilities [N, C] of these.
        keep: share of the votes, above 0 and at most 1; a class keeps one at least.
        seed: of the order of the rows.

    Raises:
        InputError: the network does not vote, or there is no such share.
    """
    head = network.head
    if not isinstance(head, GroupSum):
        raise InputError("only votes are pruned: the network's head is no GroupSum")
    if not 0 < keep <= 1:
        raise InputError(f"keep is a share of the votes, above 0 and at most 1, not {keep}")
    group = network.layers[-1].num_outputs // head.num_classes
    size = max(1, round(keep * group))
    labels = classes_of(np.asarray(y))
    votes = unpack(network.gates_circuit().simulate(words), len(labels))
    weights = _weights(votes, labels, head.num_classes, size, float(head.tau_of(group)), seed)
    best = np.sort(np.argsort(-weights, axis=1, kind="stable")[:, :size], axis=1)
    chosen = (best + group * np.arange(head.num_classes)[:, None]).reshape(-1)
    tau = head.tau if isinstance(head.tau, str) else head.tau * size / group
    smaller = head.with_tau(tau)
    return Network(*network.layers[:-1], network.layers[-1].select(chosen), head=smaller)


def _weights(
    votes: npt.NDArray[np.bool_],
    labels: npt.NDArray[Any],
    num_classes: int,
    size: int,
    tau: float,
    seed: int,
) -> Floats:
    """How much each vote counts, [C, group]: 0 for all but `size` of a class's."""
    num_rows, num_votes = votes.shape
    group = num_votes // num_classes
    packed = np.packbits(votes, axis=1)
    mean = votes.mean(axis=0, dtype=np.float64).reshape(num_classes, group)
    spread = (mean * (1 - mean)).astype(np.float32)
    weights = np.ones((num_classes, group), np.float32)
    is_kept = np.ones((num_classes, group), np.bool_)
    bias = np.zeros(num_classes, np.float32)
    first, second = np.zeros_like(weights), np.zeros_like(weights)  # moments, as Adam's
    rng = np.random.default_rng(seed)
    batch = min(BATCH, num_rows)
    num_steps = EPOCHS * (num_rows // batch)
    step = 0
    for _ in range(EPOCHS):
        order = rng.permutation(num_rows)
        for begin in range(0, num_rows - batch + 1, batch):
            rows = order[begin : begin + batch]
            x = np.unpackbits(packed[rows], axis=1, count=num_votes).astype(np.float32)
            of_class = np.split(x, num_classes, axis=1)
            scores = np.stack([x @ w for x, w in zip(of_class, weights, strict=True)], axis=1)
            d_scores = _softmax((scores + bias) / tau)
            d_scores[np.arange(batch), labels[rows]] -= 1
            d_scores /= batch * tau
            gradient = np.stack([d @ x for d, x in zip(d_scores.T, of_class, strict=True)])
            step += 1
            done = step / num_steps
            first = 0.9 * first + 0.1 * gradient
            second = 0.99 * second + 0.01 * gradient * gradient
            rate = max(0.05, 1 - done)
            unbiased = first / (1 - 0.9**step)
            weights -= LEARNING_RATE * rate * unbiased / (np.sqrt(second / (1 - 0.99**step)) + 1e-8)
            weights = np.maximum(weights, LEAST) * is_kept
            bias -= rate * tau * tau * d_scores.sum(axis=0)
            if step % EVERY == 0 or step == num_steps:
                left = (1 - min(1.0, 2 * done)) ** 3
                num = round(size + (group - size) * left)
                is_kept &= _largest(weights * weights * spread, num)
                weights *= is_kept
    return weights


def _softmax(scores: Floats) -> Floats:
    power = np.exp(scores - scores.max(axis=1, keepdims=True))
    return power / power.sum(axis=1, keepdims=True)


def _largest(values: Floats, num: int) -> npt.NDArray[np.bool_]:
    """Where the num largest of each row are."""
    is_among = np.zeros(values.shape, np.bool_)
    np.put_along_axis(is_among, np.argsort(-values, axis=1, kind="stable")[:, :num], True, axis=1)
    return is_among
