"""Training steps of ours and of a peer, taken in turns by one process and timed."""

from __future__ import annotations

import json
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NUM_INPUTS = 784
NUM_CLASSES = 10
TAU = 10.0
#: Rows in MNIST's training set. A chunk of `fit` is an epoch of them, and ends with the metrics.
EPOCH_ROWS = 60_000


@dataclass(frozen=True)
class Case:
    """A network 784 -> layers x width, group sum 10, and a batch.

    Attributes:
        native_steps, jax_steps: in a measured chunk.
    """

    width: int
    layers: int
    batch: int
    native_steps: int
    jax_steps: int

    @property
    def num_gates(self) -> int:
        return self.width * self.layers

    @property
    def epoch_steps(self) -> int:
        return EPOCH_ROWS // self.batch


CASES = {
    "S100": Case(8_000, 6, 100, 100, 8),
    "S128": Case(8_000, 6, 128, 80, 7),
    "S512": Case(8_000, 6, 512, 25, 3),
    "M100": Case(64_000, 6, 100, 32, 2),
    "L100": Case(256_000, 1, 100, 64, 3),
}


@dataclass(frozen=True)
class Took:
    """Seconds of CPU and of wall time."""

    cpu: float
    wall: float


def step_of(chunk: Took, single: Took, steps: int, epoch_steps: int) -> Took:
    """What a step takes in a chunk of epoch_steps, from chunks of `steps` and of 1 steps.

    A chunk costs something of its own, above all its metrics; an epoch's steps share it.
    """

    def each(chunk: float, single: float) -> float:
        step = (chunk - single) / (steps - 1)
        return step + max(single - step, 0.0) / epoch_steps

    return Took(each(chunk.cpu, single.cpu), each(chunk.wall, single.wall))


def ratios(slow: Sequence[float], fast: Sequence[float]) -> dict[str, float]:
    """Median, smallest and largest of the rounds' ratios."""
    each = [one / other for one, other in zip(slow, fast, strict=True)]
    return {"median": statistics.median(each), "min": min(each), "max": max(each)}


def make_network(case: Case) -> Any:
    import gatewright as gw

    below, layers = NUM_INPUTS, []
    for i in range(case.layers):
        layers.append(gw.Gates(below, case.width, key=[0, i]))
        below = case.width
    return gw.Network(*layers, head=gw.GroupSum(NUM_CLASSES, tau=TAU))


def make_rows(num: int) -> tuple[Any, Any]:
    """Random bits [num, 784] and labels [num]: a step's time does not depend on them."""
    import numpy as np

    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, (num, NUM_INPUTS), dtype=np.uint8)
    return x, rng.integers(0, NUM_CLASSES, num, dtype=np.int32)


def ours(case: Case, network: Any, chunk: int, **options: Any) -> Callable[[], Took]:
    """A chunk of training steps through `train`, a call; the first one is not measured.

    Metrics are measured on 64 held-out rows, where a real run has thousands.
    """
    import gatewright as gw
    from gatewright.train import train

    x, y = make_rows(4 * case.batch)
    states = train(
        network, x, y, gw.Adam(0.01), steps=10**9, batch_size=case.batch, chunk=chunk,
        held_out=(x[:64], y[:64]), **options,
    )  # fmt: skip
    next(states)
    return lambda: _timed(states)


def _timed(states: Iterator[Any]) -> Took:
    cpu, wall = time.process_time(), time.perf_counter()
    next(states)
    return Took(time.process_time() - cpu, time.perf_counter() - wall)


class Peer:
    """torchlogix in an environment of its own; takes steps when told to, on this process's CPUs."""

    def __init__(self, python: str, case: Case) -> None:
        script = Path(__file__).parents[1] / "peers" / "torchlogix_step.py"
        sizes = (NUM_INPUTS, case.width, case.layers, case.batch)
        self._process = subprocess.Popen(
            [python, str(script), *map(str, sizes)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        self.about: str = self._answer()["about"]

    def __call__(self, steps: int) -> Took:
        """A step, measured over so many."""
        assert self._process.stdin is not None
        print(steps, file=self._process.stdin, flush=True)
        took = self._answer()
        return Took(took["cpu"] / steps, took["wall"] / steps)

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("torchlogix_step.py ended early; run it by hand to see why")
        return json.loads(line)


def measure(
    case: Case, variants: dict[str, dict[str, Any]], rounds: int, peer: Peer | None = None
) -> dict[str, list[Took]]:
    """What a step takes, by variant (options of `train`) and round; variants take turns."""
    network = make_network(case)
    chunks: dict[str, tuple[int, Callable[[], Took], Callable[[], Took]]] = {}
    for name, options in variants.items():
        steps = case.jax_steps if options["kernel"] == "jax" else case.native_steps
        long, single = (ours(case, network, chunk, **options) for chunk in (steps, 1))
        chunks[name] = steps, long, single
    found: dict[str, list[Took]] = {name: [] for name in variants}
    if peer is not None:
        found["torchlogix"] = []
    for _ in range(rounds):
        for name, (steps, long, single) in chunks.items():
            found[name].append(step_of(long(), single(), steps, case.epoch_steps))
        if peer is not None:
            found["torchlogix"].append(peer(case.jax_steps))
    return found
