"""What training leaves behind: metrics, states, and the run folder that keeps both."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import equinox as eqx
import optax

from gatewright import storage
from gatewright.errors import Diverged, InputError
from gatewright.narrowing import shaped, shapes_of
from gatewright.network import Network


@dataclass(frozen=True)
class Metrics:
    """How far training is, measured on the evaluation rows after `step` optimiser steps.

    Attributes:
        loss: mean loss over the last chunk of steps.
        soft_accuracy, hard_accuracy: share of rows decided right, before and after rounding gates;
            of a number (`Affine`) R^2.
            Both on the held-out rows where there are any; else the soft one is the last step's, on
            its batch and before its update, and the hard one on all training rows.
        decided: share of gates whose most likely table has a probability above .85.
        cpu_seconds, wall_seconds: spent training, compilation included; a resumed run adds to them.
    """

    step: int
    loss: float
    soft_accuracy: float
    hard_accuracy: float
    decided: float
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0

    @property
    def gap(self) -> float:
        """The discretisation gap: soft less hard accuracy."""
        return self.soft_accuracy - self.hard_accuracy

    def __str__(self) -> str:
        return (
            f"step {self.step}: loss {self.loss:.4f}, soft {self.soft_accuracy:.2%}, "
            f"hard {self.hard_accuracy:.2%} (gap {self.gap:+.2%}), decided {self.decided:.1%}"
        )


@dataclass(frozen=True)
class State:
    """A point in training, enough to continue from."""

    network: Network
    optimizer_state: optax.OptState
    metrics: Metrics

    @property
    def step(self) -> int:
        return self.metrics.step


@dataclass(frozen=True)
class Best:
    """The network of the highest hard accuracy so far, the first such; waited: chunks since."""

    network: Network
    metrics: Metrics
    waited: int = 0

    @staticmethod
    def of(before: Best | None, state: State) -> Best:
        """After another chunk."""
        if before is None or state.metrics.hard_accuracy > before.metrics.hard_accuracy:
            return Best(state.network, state.metrics)
        return Best(before.network, before.metrics, before.waited + 1)


class Journal:
    """A run folder: metrics.jsonl, checkpoint.safetensors and, with patience, best.safetensors.

    And diverged.json, where training ended so.

    Metrics newer than the checkpoint are dropped on resume, since those steps are run again.
    """

    def __init__(self, folder: Path) -> None:
        self.metrics_path = folder / "metrics.jsonl"
        self.checkpoint_path = folder / "checkpoint.safetensors"
        self.best_path = folder / "best.safetensors"
        self.divergence_path = folder / "diverged.json"
        storage.make_folder(folder)

    def open(
        self, network: Network, optimizer: optax.GradientTransformation, resume: bool
    ) -> State | None:
        """Start afresh, or return the checkpoint's state."""
        self.divergence_path.unlink(missing_ok=True)
        if not resume or not self.checkpoint_path.exists():
            self.checkpoint_path.unlink(missing_ok=True)
            self.best_path.unlink(missing_ok=True)
            storage.write_atomic(self.metrics_path, b"")
            return None
        (restored, optimizer_state), metadata = self.load(network, optimizer)
        metrics = _metrics_of(self.checkpoint_path, metadata)
        lines = self.metrics_path.read_text().splitlines() if self.metrics_path.exists() else []
        kept = [line for line in lines if _step_of(line) <= metrics.step]
        storage.write_atomic(self.metrics_path, "".join(f"{line}\n" for line in kept).encode())
        return State(restored, optimizer_state, metrics)

    def record(self, metrics: Metrics) -> None:
        with self.metrics_path.open("a") as file:
            file.write(json.dumps({**asdict(metrics), "gap": metrics.gap}) + "\n")

    def save_divergence(self, error: Diverged) -> None:
        content = {"step": error.step, "says": str(error)}
        storage.write_atomic(self.divergence_path, (json.dumps(content) + "\n").encode())

    def divergence(self) -> str | None:
        """What `save_divergence` kept, if the run ended so."""
        try:
            return str(json.loads(self.divergence_path.read_text())["says"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{self.divergence_path}: cannot be read ({error})") from error

    def save(self, state: State) -> None:
        storage.save_tree(
            self.checkpoint_path,
            (state.network, state.optimizer_state),
            _metadata("checkpoint", state.metrics, state.network),
        )

    def load(
        self, network: Network, optimizer: optax.GradientTransformation
    ) -> tuple[tuple[Network, optax.OptState], dict[str, str]]:
        """The checkpoint's network and optimiser's state, and its metadata.

        Args:
            network: the one that training began with, whose wires may have had more candidates.
        """

        def like_of(metadata: dict[str, str]) -> tuple[Network, optax.OptState]:
            like = _shaped(network, metadata)
            return like, optimizer.init(partition(like)[0])

        return storage.load_tree(self.checkpoint_path, like_of)

    def load_best(self, network: Network) -> tuple[Network, dict[str, str]]:
        """Likewise the best network."""
        return storage.load_tree(self.best_path, lambda metadata: _shaped(network, metadata))

    def save_best(self, best: Best) -> None:
        storage.save_tree(
            self.best_path,
            best.network,
            _metadata("network", best.metrics, best.network),
        )

    def open_best(self, network: Network, step: int) -> Best | None:
        """The best network of a run that is continued after `step`, if one was saved.

        None where it is newer, saved before a crash kept its checkpoint from being: it is better
        than all before it, and those steps are run again.
        """
        if not self.best_path.exists():
            return None
        restored, metadata = self.load_best(network)
        metrics = _metrics_of(self.best_path, metadata)
        if metrics.step > step:
            return None
        lines = self.metrics_path.read_text().splitlines()
        return Best(restored, metrics, sum(_step_of(line) > metrics.step for line in lines))


def load_network(folder: Path, like: Network, optimizer: optax.GradientTransformation) -> Network:
    """The trained network of a run folder: the best one where it was kept, else the last.

    Args:
        like: the network that it began as; and the optimiser it was trained with.

    Raises:
        InputError: there is none, or it is of another shape.
    """
    journal = Journal(folder)
    if journal.best_path.exists():
        return journal.load_best(like)[0]
    return journal.load(like, optimizer)[0][0]


def _metadata(kind: str, metrics: Metrics, network: Network) -> dict[str, str]:
    return {
        "metrics": json.dumps(asdict(metrics)),
        "shapes": json.dumps(shapes_of(network)),
        "kind": f"gatewright {kind}",
    }


def _shaped(network: Network, metadata: dict[str, str]) -> Network:
    """A network to load the file's arrays into; the one given where they are of no such shape."""
    try:
        shapes = json.loads(metadata.get("shapes", "null"))
        return network if shapes is None else shaped(network, shapes)
    except (TypeError, ValueError):
        return network


def _metrics_of(path: Path, metadata: dict[str, str]) -> Metrics:
    try:
        return Metrics(**json.loads(metadata["metrics"]))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not a training checkpoint of this version ({error})") from error


def last_metrics(folder: Path) -> Metrics:
    """The last metrics that a run folder holds; InputError where there are none."""
    return all_metrics(folder)[-1]


def best_metrics(folder: Path) -> Metrics:
    """Those of the first chunk with the highest hard accuracy: see `fit`'s patience."""
    return max(all_metrics(folder), key=lambda metrics: metrics.hard_accuracy)


def all_metrics(folder: Path) -> list[Metrics]:
    """Those of every chunk; InputError where there are none."""
    path = folder / "metrics.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    lines = [line for line in lines if _step_of(line) < math.inf]
    if not lines:
        raise InputError(f"{path}: holds no metrics; has the run begun?")
    contents = [json.loads(line) for line in lines]
    return [Metrics(**{k: v for k, v in one.items() if k != "gap"}) for one in contents]


def partition(network: Network) -> tuple[Any, Any]:
    """The trainable arrays and the rest, each None where the other is."""
    return cast(tuple[Any, Any], eqx.partition(network, eqx.is_inexact_array))


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):  # a line cut short by a crash
        return math.inf
