"""Training: `train` yields a state every few steps, `fit` runs it to the end, `evaluate` measures.

Steps run compiled, `chunk` of them a call, so Python is not in the loop: on the native kernel where
it can take the network (`gatewright.fused`), else as JAX compiles them. Everything random comes
from the seed and the step number alone, so a run that is cut and resumed continues bit for bit.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import optax
from jax import Array

from gatewright import layer_calls, narrowing
from gatewright.augment import Augment
from gatewright.distributed import Team
from gatewright.encode import Encoder
from gatewright.errors import Diverged, InputError
from gatewright.feed import Feed
from gatewright.fused import Activations, Fused, describe, num_threads, why_not
from gatewright.heads import Head
from gatewright.journal import (
    Best,
    Journal,
    Metrics,
    State,
    best_metrics,
    last_metrics,
)
from gatewright.network import Network
from gatewright.sharded import first_has, sharded_stepper
from gatewright.steppers import (
    Loss,
    Stepper,
    Temperature,
    jax_stepper,
    narrowing_stepper,
    native_stepper,
    temperature_at,
    unpack_rows,
)

__all__ = [
    "Journal", "Metrics", "State", "best_metrics", "evaluate", "fit", "last_metrics", "train",
]  # fmt: skip

#: What runs the steps: "auto" is the native kernel where it can, else JAX.
Kernel = Literal["auto", "native", "jax"]

#: Steps between two states, at least and at most, where the caller does not say.
CHUNKS = 25, 1000


def train(
    network: Network,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    optimizer: optax.GradientTransformation,
    *,
    steps: int,
    batch_size: int | None = None,
    encoder: Encoder | None = None,
    augment: Augment | None = None,
    augment_steps: int | None = None,
    loss: Loss | None = None,
    temperature: Temperature = 1.0,
    mode: str = "training",
    narrow: narrowing.Schedule | None = None,
    seed: int = 0,
    chunk: int | None = None,
    held_out: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    kernel: Kernel = "auto",
    activations: Activations = "auto",
    threads: int | None = None,
    shards: int = 1,
    start: State | None = None,
) -> Iterator[State]:
    """Train, yielding a State after each chunk of steps (and at the last step).

    Args:
        x: rows of bits [N, num_inputs]; with an encoder, what it encodes.
        y: targets: for GroupSum class numbers [N], or probabilities [N, num_classes]; for Bits
            bits [N, m]; for Affine numbers [N].
        optimizer: any optax transformation; `gatewright.Adam` also on the native kernel.
        batch_size: rows a step, reshuffled every epoch; None takes all rows every step.
        augment: warps every training image anew each time that it is used; needs an encoder.
        augment_steps: steps, from the first on, in which it does; None: all.
        loss: function of (scores, y) -> mean loss; None is the head's own.
        temperature: of the gates' parametrisation, constant or a schedule.
        mode: how gates are evaluated in the loss: "training", "soft" or "straight_through".
        narrow: {steps: K}: after so many steps learned wires keep the K likeliest candidates an
            operand, where they have more.
        chunk: steps between two states; None is an epoch, but from 25 to 1000 steps.
        held_out: (x, y) for the metrics; None measures on the training rows.
        kernel: "auto" is the native kernel where it can take the network, else JAX, on a CPU with
            native layers; "native" insists on the first; "jax" has JAX do all.
        activations, threads: of the native kernel; see `gatewright.fused.Fused`.
        shards: parts of each batch, whose gradients are computed apart by JAX and then added. More
            than one: where JAX runs in several processes they share the parts, call this with the
            same arguments, and get the same states, bit for bit those of one process.
        start: a state to continue from; its network takes the place of the one given.

    Raises:
        InputError: shapes do not fit, or kernel="native" cannot take the network or the shards.
        Diverged: the loss or a parameter is not finite, naming the first such step.
    """
    if start is not None:
        network = start.network
    feed = Feed.make(
        network, x, y, encoder=encoder, augment=augment, augment_steps=augment_steps, seed=seed
    )
    judged = feed if held_out is None else Feed.make(network, *held_out, encoder=encoder)
    if steps < 0 or (chunk is not None and chunk < 1):
        raise InputError(f"steps is at least 0 and chunk at least 1, not {steps} and {chunk}")
    if batch_size is not None and not 1 <= batch_size <= feed.num_rows:
        raise InputError(f"batch_size is between 1 and the {feed.num_rows} rows, not {batch_size}")
    if mode not in ("training", "soft", "straight_through"):
        raise InputError(f"mode is training, soft or straight_through in training, not {mode!r}")
    batch = batch_size or feed.num_rows
    if chunk is None:
        chunk = min(max(feed.num_rows // batch, CHUNKS[0]), CHUNKS[1])
    begin_cpu, begin_wall = time.process_time(), time.perf_counter()
    if start is not None:
        begin_cpu -= start.metrics.cpu_seconds
        begin_wall -= start.metrics.wall_seconds
    team = Team.of(shards)
    make = jax_stepper if shards == 1 else sharded_stepper
    if _is_native(network, optimizer, loss, kernel, shards):
        make = native_stepper
    narrow = narrow or {}
    narrowing.check(narrow)

    def stepper_of(network: Network, optimizer_state: optax.OptState | None) -> Stepper:
        return make(
            network, optimizer, feed, batch, loss=loss, temperature=temperature, mode=mode,
            seed=seed, kernel=kernel, activations=activations, threads=threads,
            optimizer_state=optimizer_state, team=team, shards=shards,
        )  # fmt: skip

    optimizer_state = None if start is None else start.optimizer_state
    run = narrowing_stepper(stepper_of, network, optimizer_state, narrow)
    step = 0 if start is None else start.step
    while step < steps:
        count = min(chunk, steps - step)
        result = run(step, count)
        if not np.isfinite(result.losses).all():
            first = int(np.flatnonzero(~np.isfinite(result.losses))[0])
            raise _diverged(step + first, f"the loss became {result.losses[first]} at")
        step += count
        if not result.is_finite:
            raise _diverged(step, "a parameter became infinite or not a number before")
        network, soft = result.network, result.soft
        now = temperature_at(temperature, jnp.asarray(step))
        hard = 0.0
        if team.is_first:  # the others are told: what they decide by must be the same
            if held_out is not None:
                soft = _soft_scores(network, judged, now, result.fused)[1]
            if result.fused is None:
                hard = network.hard_accuracy(judged.by_input(), judged.targets)
            else:
                hard = _hard_accuracy(result.fused, judged, network.head)
        metrics = Metrics(
            step, float(result.losses.mean()), float(soft), hard, result.decided,
            time.process_time() - begin_cpu, time.perf_counter() - begin_wall,
        )  # fmt: skip
        yield State(network, result.optimizer_state, Metrics(**team.first_says(asdict(metrics))))


def kernel_of(
    network: Network,
    optimizer: optax.GradientTransformation,
    *,
    loss: Loss | None = None,
    kernel: Kernel = "auto",
    activations: Activations = "auto",
    threads: int | None = None,
    shards: int = 1,
) -> str:
    """What would run the steps, in words: "native (...)", or "JAX on cpu (why)"."""
    if _is_native(network, optimizer, loss, kernel, shards):
        return describe(activations, num_threads(threads), network)
    reason = "as asked" if kernel == "jax" else why_not(network, optimizer, loss)
    if shards > 1:
        size = Team.of(shards).size
        reason = f"batches in {shards} parts, {size} process{'es' if size > 1 else ''}"
    layers = ", its layers native" if kernel != "jax" and layer_calls.are_on() else ""
    return f"JAX on {jax.default_backend()}{layers} ({reason})"


def fit(
    network: Network,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    optimizer: optax.GradientTransformation,
    *,
    steps: int,
    stop: Callable[[Metrics], bool] | None = None,
    progress: Callable[[Metrics], None] | None = None,
    run: Path | str | None = None,
    resume: bool = False,
    save_seconds: float = 30.0,
    patience: int | None = None,
    **options: Any,
) -> Network:
    """Train a network and return it; the options of `train` apply.

    Args:
        stop: end early when this is true of the metrics, say `lambda m: m.hard_accuracy == 1`.
        progress: called with the metrics after each chunk.
        run: a folder for `metrics.jsonl` (a line a chunk) and `checkpoint.safetensors`, written
            whole or not at all every save_seconds, at the end, and when training is interrupted;
            of several processes only the first one touches it.
        resume: continue from the run's checkpoint, if it has one, bit for bit.
        patience: end early after so many chunks without a higher hard accuracy on the held-out
            rows, and return the network of the highest, the first such; None trains to the end and
            returns the last. In a run folder that network is `best.safetensors`.

    Raises:
        InputError: the checkpoint is of another network, or unreadable; patience without held-out
            rows, whose accuracy on the training rows would be no ground to stop.
        Diverged: the loss is not finite; the last good checkpoint stays, and diverged.json says so.
        KeyboardInterrupt: on SIGINT or SIGTERM, after the state has been saved.
    """
    if patience is not None and (patience < 1 or options.get("held_out") is None):
        raise InputError(
            f"patience is {patience}: give at least 1 chunk, and held_out rows to judge them on"
        )
    start = best = None
    team = Team.of(options.get("shards", 1))
    journal = None
    if resume and run is None:
        raise InputError("resume=True needs run=, the folder of the run to continue")
    with team.agreed():
        if run is not None and team.is_first:
            journal = Journal(Path(run))
            start = journal.open(network, optimizer, resume)
            if start is not None and patience is not None:
                best = journal.open_best(network, start.step)
    if resume:
        start, best = first_has(team, network, optimizer, start, best)
    state = start
    if start is not None and stop is not None and stop(start.metrics):
        return start.network if best is None else best.network
    if best is not None and patience is not None and best.waited >= patience:
        return best.network
    saved_at = time.monotonic()
    is_cut = False
    with _deferred_interrupt() as is_interrupted:
        states = train(network, x, y, optimizer, steps=steps, start=start, **options)
        for state in _noted(states, journal):
            if progress is not None:
                progress(state.metrics)
            if patience is not None:
                best = Best.of(best, state)
            is_last = (
                state.step >= steps
                or (stop is not None and stop(state.metrics))
                or (best is not None and patience is not None and best.waited >= patience)
            )
            is_over = is_last or team.any_of(is_interrupted())
            is_cut = is_over and not is_last
            if journal is not None:
                journal.record(state.metrics)
                if is_over or time.monotonic() - saved_at >= save_seconds:
                    if best is not None:
                        journal.save_best(best)
                    journal.save(state)
                    saved_at = time.monotonic()
            if is_over:
                break
    if is_cut or is_interrupted():
        step = 0 if state is None else state.step
        raise KeyboardInterrupt(
            f"interrupted after step {step}"
            + (", not saved: there is no run folder" if run is None else ", which is saved")
        )
    if best is not None:
        return best.network
    return network if state is None else state.network


def evaluate(
    network: Network,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    encoder: Encoder | None = None,
    temperature: float = 1.0,
    batch_size: int = 4096,
) -> Metrics:
    """Soft and hard accuracy, loss and share of decided gates on rows x [N, k], targets y.

    temperature is that of the soft network: the one that training ended with. batch_size rows are
    evaluated at a time.
    """
    feed = Feed.make(network, x, y, encoder=encoder)
    now = jnp.asarray(temperature, dtype=jnp.float32)
    loss, soft = _soft_scores(network, feed, now, batch_size=batch_size)
    hard = network.hard_accuracy(feed.by_input(), feed.targets)
    return Metrics(0, loss, soft, hard, float(network.decided(now)))


def _soft_scores(
    network: Network,
    feed: Feed,
    temperature: Array,
    fused: Fused | None = None,
    batch_size: int = 4096,
) -> tuple[float, float]:
    """(mean loss, accuracy) of the soft network, which may be on the native kernel already."""
    if fused is None and why_not(network) is None:
        fused = Fused(network, activations="float32")
    loss, correct = 0.0, 0.0
    for begin in range(0, feed.num_rows, batch_size):
        part = slice(begin, begin + batch_size)
        targets = jnp.asarray(feed.targets[part])
        if fused is None:
            one = _soft_batch(network, jnp.asarray(feed.octets(part)), targets, temperature)
        else:
            scores = fused.scores(feed.words(part), float(temperature))
            one = _judge(network.head, jnp.asarray(scores), targets)
        loss += float(one[0]) * len(targets)
        correct += float(one[1])
    return loss / feed.num_rows, correct / feed.num_rows


def _hard_accuracy(fused: Fused, feed: Feed, head: Head) -> float:
    """Mean merit of the hard network's decisions: those of its netlist, by test."""
    scores = fused.scores(feed.words(slice(None)), 1.0, is_hard=True)
    merit = np.asarray(head.merit(jnp.asarray(scores), jnp.asarray(feed.targets)), np.float64)
    return float(merit.mean())


@eqx.filter_jit
def _soft_batch(
    network: Network, octets: Array, targets: Array, temperature: Array
) -> tuple[Array, Array]:
    return _judge(
        network.head, network(unpack_rows(network, octets), temperature=temperature), targets
    )


@eqx.filter_jit
def _judge(head: Head, scores: Array, targets: Array) -> tuple[Array, Array]:
    return head.loss(scores, targets), head.merit(scores, targets).sum()


def _is_native(
    network: Network,
    optimizer: optax.GradientTransformation,
    loss: Loss | None,
    kernel: Kernel,
    shards: int,
) -> bool:
    if kernel not in get_args(Kernel):
        raise InputError(f"kernel is {', '.join(get_args(Kernel))}, not {kernel!r}")
    reason = why_not(network, optimizer, loss)
    if shards > 1:
        reason = f"it trains on a batch as a whole, in one process, and shards is {shards}"
    if kernel == "native" and reason is not None:
        raise InputError(f"kernel='native' cannot train this network: {reason}; use kernel='auto'")
    return reason is None and kernel != "jax"


def _diverged(step: int, what: str) -> Diverged:
    return Diverged(
        step,
        f"{what} step {step}; try a smaller learning rate (a third of it), gradient clipping "
        "(optax.clip_by_global_norm), a higher temperature, or activations='float32'; the last "
        "checkpoint is kept",
    )


def _noted(states: Iterator[State], journal: Journal | None) -> Iterator[State]:
    """The same; if training diverges, the run folder gets a note."""
    try:
        yield from states
    except Diverged as error:
        if journal is not None:
            journal.save_divergence(error)
        raise


@contextmanager
def _deferred_interrupt() -> Generator[Callable[[], bool]]:
    """Hold back SIGINT and SIGTERM until the block is left; a second one strikes at once.

    Gives the question whether one came, to be asked afterwards too. Only in the main thread, where
    Python delivers signals; one that is ignored stays so.
    """
    received = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield received.is_set
        return

    def receive(number: int, frame: Any) -> None:
        del number, frame
        if received.is_set():
            raise KeyboardInterrupt
        received.set()

    heard = [s for s in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(s) != signal.SIG_IGN]
    previous = {s: signal.signal(s, receive) for s in heard}
    try:
        yield received.is_set
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
