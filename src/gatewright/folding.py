"""Fewer votes: a layer of gates behind a classifier's votes, each of which makes two of them one.

This is no exact pass: the result is another function, trained on the training rows and judged on
rows held out. Most gates of a classifier's circuit count votes, 4.5 a vote, so a gate that halves
the votes saves four times what it costs. Both votes that a new gate reads are of its group, learned
among a few candidates; the layers below go on from what they have learned. Of a polished network
the new layer alone learns, for the others are hard; then all of it is polished.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from gatewright import storage
from gatewright.errors import InputError
from gatewright.extraction import extract
from gatewright.heads import GroupSum
from gatewright.journal import Metrics, load_network
from gatewright.learned import LearnedGates, beside
from gatewright.network import Network
from gatewright.passes import optimize
from gatewright.recipes.classification import Classification
from gatewright.runs import load_polished, load_recipe, name_of
from gatewright.train import evaluate, fit
from gatewright.view.curves import tradeoff

#: Of each operand of a new gate.
CANDIDATES = 8


@dataclass(frozen=True)
class Point:
    """A network of the curve.

    Attributes:
        keep: share of the first network's votes that are left.
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


def recipe_of(run: Path | str, epochs: float | None, threads: int) -> Classification:
    """The recipe by which a run's folded network is trained; errors as of `fold`."""
    recipe = load_recipe(Path(run))
    if not isinstance(recipe, Classification) or not recipe.held_out:
        raise InputError(f"{run}: fold takes a run that held rows out: train with --held-out 5000")
    return replace(recipe, epochs=epochs or recipe.epochs, steps=0, threads=threads)


def fold(
    run: Path | str,
    folder: Path | str,
    shares: Sequence[float],
    *,
    epochs: float | None = None,
    threads: int = 0,
    progress: Callable[[Metrics], None] | None = None,
) -> Iterator[Point]:
    """Fold the votes of a finished run's network, and train it again as its recipe says.

    Yields the network as it was, then one point a share, each from that network; writes fold.json,
    fold.svg and a run folder for each share.

    Args:
        run: folder of a classification recipe's run that held rows out.
        folder: where the results go.
        shares: of the votes that are to be left.
        epochs: of each training; None takes the recipe's.
        threads: of the native kernel; 0 takes all cores.

    Raises:
        InputError: the run is of another kind or not finished, or a share is none.
    """
    path = Path(folder)
    recipe = recipe_of(run, epochs, threads)
    if not shares or not all(0 < share <= 1 for share in shares):
        raise InputError(f"shares of the votes are above 0 and at most 1, not {list(shares)}")
    trained = load_network(Path(run), recipe.network(), recipe.optimizer())
    polished = load_polished(Path(run), trained)
    network = polished.network
    points = [_point(recipe, network, 1.0, None, polished.rounds)]
    yield points[0]
    train = recipe.data()[0]
    for share in shares:
        into = path / f"keep-{share:g}"
        deeper = fold_votes(network, share, key=(recipe.seed, len(network.layers)))
        folded = fit(
            deeper, train.x, train.y, recipe.optimizer(), steps=recipe.num_steps,
            seed=recipe.seed, run=into, progress=progress, **recipe.options(),
        )  # fmt: skip
        points.append(_point(recipe, folded, share, into))
        name = f"{name_of(recipe)}, seed {recipe.seed}: votes folded"
        storage.write_atomic(path / "fold.svg", tradeoff(points, name).encode())
        content = {"run": str(run), "points": [asdict(point) for point in points]}
        storage.write_atomic(path / "fold.json", (json.dumps(content, indent=1) + "\n").encode())
        yield points[-1]


def _point(
    recipe: Classification, network: Network, keep: float, folder: Path | None, rounds: int = 0
) -> Point:
    """Judges a network, polished where the recipe says so, and saves its model.

    Args:
        rounds: of polishing that it has been through.
    """
    name = name_of(recipe).replace("-", "_")
    network = recipe.polished(network, recipe.data()[0], done=rounds)
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


def fold_votes(
    network: Network, keep: float, *, key: Sequence[int], candidates: int = CANDIDATES
) -> Network:
    """The network with a layer behind it that leaves a share of each group's votes; untrained.

    tau shrinks by the square root of the share.

    Args:
        keep: share of the votes, above 0 and at most 1; a group keeps one at least.
        key: integers, seed of the new layer.
        candidates: of each operand, votes of the same group.

    Raises:
        InputError: the network does not vote, a group has one vote, or there is no such share.
    """
    head = network.head
    if not isinstance(head, GroupSum):
        raise InputError("only votes are folded: the network's head is no GroupSum")
    if not 0 < keep <= 1:
        raise InputError(f"keep is a share of the votes, above 0 and at most 1, not {keep}")
    last = network.layers[-1]
    group = last.num_outputs // head.num_groups
    if group < 2:
        raise InputError("a group has one vote: there are no two to fold into one")
    size = max(1, round(keep * group))
    layers = [
        LearnedGates(group, size, candidates, key=(*key, c), init="gaussian")
        for c in range(head.num_groups)
    ]
    tau = head.tau if isinstance(head.tau, str) else head.tau * math.sqrt(size / group)
    return Network(*network.layers, beside(layers), head=head.with_tau(tau))
