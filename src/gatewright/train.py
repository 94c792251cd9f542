"""Training: `train` yields a state every few steps, `fit` runs it to the end, `evaluate` measures.

Steps run compiled, `chunk` of them a call, so Python is not in the loop. Everything random comes
from the seed and the step number alone, so a run that is cut and resumed continues bit for bit.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import optax
from jax import Array

from gatewright.circuit import pack
from gatewright.errors import Diverged, InputError
from gatewright.journal import Journal, Metrics, State, last_metrics, partition
from gatewright.network import Network

__all__ = ["Journal", "Metrics", "State", "evaluate", "fit", "last_metrics", "train"]

Rows = npt.NDArray[np.bool_]
Targets = npt.NDArray[Any]
Loss = Callable[[Array, Array], Array]
#: A constant, or a function of the step number (0-based, traced).
Temperature = float | Callable[[Array], Array | float]


def train(
    network: Network,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    optimizer: optax.GradientTransformation,
    *,
    steps: int,
    batch_size: int | None = None,
    loss: Loss | None = None,
    temperature: Temperature = 1.0,
    mode: str = "training",
    seed: int = 0,
    chunk: int = 25,
    held_out: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
    start: State | None = None,
) -> Iterator[State]:
    """Train, yielding a State after each chunk of steps (and at the last step).

    Args:
        x: rows of bits [N, num_inputs].
        y: targets, [N] class numbers for GroupSum or [N, m] bits for Bits.
        optimizer: any optax transformation.
        batch_size: rows a step, reshuffled every epoch; None takes all rows every step.
        loss: function of (scores, y) -> mean loss; None is the head's own.
        temperature: of the gates' parametrisation, constant or a schedule.
        mode: how gates are evaluated in the loss: "training", "soft" or "straight_through".
        held_out: (x, y) for the metrics; None measures on the training rows.
        start: a state to continue from; its network takes the place of the one given.

    Raises:
        InputError: shapes do not fit.
        Diverged: the loss or a parameter is not finite, naming the first such step.
    """
    if start is not None:
        network = start.network
    rows, targets = _data(network, x, y)
    judged = _data(network, *(held_out or (x, y)))
    words, wanted = pack(judged[0]), network.head.target_bits(judged[1])
    if steps < 0 or chunk < 1:
        raise InputError(f"steps is at least 0 and chunk at least 1, not {steps} and {chunk}")
    if batch_size is not None and not 1 <= batch_size <= len(rows):
        raise InputError(f"batch_size is between 1 and the {len(rows)} rows, not {batch_size}")
    if mode not in ("training", "soft", "straight_through"):
        raise InputError(f"mode is training, soft or straight_through in training, not {mode!r}")
    full = batch_size is None or batch_size == len(rows)
    begin_cpu, begin_wall = time.process_time(), time.perf_counter()
    run = _compile(optimizer, loss or network.head.loss, temperature, mode, full)
    trainable, fixed = partition(network)
    if start is None:
        optimizer_state, step = optimizer.init(trainable), 0
    else:
        optimizer_state, step = start.optimizer_state, start.step
        begin_cpu -= start.metrics.cpu_seconds
        begin_wall -= start.metrics.wall_seconds
    data = jnp.asarray(rows), jnp.asarray(targets)
    key = jax.random.key(seed)
    while step < steps:
        count = min(chunk, steps - step)
        batches = _batches(seed, len(rows), None if full else batch_size, step, count)
        trainable, optimizer_state, losses, soft, decided, is_finite = run(
            trainable, fixed, optimizer_state, jnp.asarray(step), key, batches, data
        )
        losses = np.asarray(losses)
        if not np.isfinite(losses).all():
            first = int(np.flatnonzero(~np.isfinite(losses))[0])
            raise _diverged(step + first, f"the loss became {losses[first]} at")
        step += count
        if not is_finite:
            raise _diverged(step, "a parameter became infinite or not a number before")
        network = eqx.combine(trainable, fixed)
        if held_out is not None:
            now = _temperature_at(temperature, jnp.asarray(step))
            soft = _soft_scores(network, *judged, now)[1]
        metrics = Metrics(
            step, float(losses.mean()), float(soft), network.hard_accuracy(words, wanted),
            float(decided), time.process_time() - begin_cpu, time.perf_counter() - begin_wall,
        )  # fmt: skip
        yield State(network, optimizer_state, metrics)


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
    **options: Any,
) -> Network:
    """Train a network and return it; the options of `train` apply.

    Args:
        stop: end early when this is true of the metrics, say `lambda m: m.hard_accuracy == 1`.
        progress: called with the metrics after each chunk.
        run: a folder for `metrics.jsonl` (a line a chunk) and `checkpoint.safetensors`, written
            whole or not at all every save_seconds, at the end, and when training is interrupted.
        resume: continue from the run's checkpoint, if it has one, bit for bit.

    Raises:
        InputError: the checkpoint is of another network, or unreadable.
        Diverged: the loss is not finite; the last good checkpoint stays.
        KeyboardInterrupt: on SIGINT or SIGTERM, after the state has been saved.
    """
    start = None
    journal = None if run is None else Journal(Path(run))
    if resume and journal is None:
        raise InputError("resume=True needs run=, the folder of the run to continue")
    if journal is not None:
        start = journal.open(network, optimizer, resume)
    state = start
    if start is not None and stop is not None and stop(start.metrics):
        return start.network
    saved_at = time.monotonic()
    with _deferred_interrupt() as is_interrupted:
        for state in train(network, x, y, optimizer, steps=steps, start=start, **options):
            if progress is not None:
                progress(state.metrics)
            is_last = state.step >= steps or (stop is not None and stop(state.metrics))
            is_over = is_last or is_interrupted()
            if journal is not None:
                journal.record(state.metrics)
                if is_over or time.monotonic() - saved_at >= save_seconds:
                    journal.save(state)
                    saved_at = time.monotonic()
            if is_over:
                break
    if is_interrupted():
        step = 0 if state is None else state.step
        raise KeyboardInterrupt(
            f"interrupted after step {step}"
            + (", not saved: there is no run folder" if journal is None else ", which is saved")
        )
    return network if state is None else state.network


def evaluate(
    network: Network,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    temperature: float = 1.0,
    batch_size: int = 4096,
) -> Metrics:
    """Soft and hard accuracy, loss and share of decided gates on rows x [N, k], targets y.

    temperature is that of the soft network: the one that training ended with.
    """
    rows, targets = _data(network, x, y)
    now = jnp.asarray(temperature, dtype=jnp.float32)
    loss, soft = _soft_scores(network, rows, targets, now, batch_size)
    hard = network.hard_accuracy(pack(rows), network.head.target_bits(targets))
    return Metrics(0, loss, soft, hard, float(network.decided(now)))


def _soft_scores(
    network: Network, rows: Rows, targets: Targets, temperature: Array, batch_size: int = 4096
) -> tuple[float, float]:
    """(mean loss, accuracy) of the soft network."""
    loss, correct = 0.0, 0.0
    for begin in range(0, len(rows), batch_size):
        part = slice(begin, begin + batch_size)
        batch = jnp.asarray(rows[part]), jnp.asarray(targets[part])
        one = _soft_batch(network, *batch, temperature)
        loss += float(one[0]) * len(rows[part])
        correct += float(one[1])
    return loss / len(rows), correct / len(rows)


@eqx.filter_jit
def _soft_batch(
    network: Network, rows: Array, targets: Array, temperature: Array
) -> tuple[Array, Array]:
    scores = network(rows, temperature=temperature)
    return network.head.loss(scores, targets), network.head.is_correct(scores, targets).sum()


def _compile(
    optimizer: optax.GradientTransformation,
    loss: Loss,
    temperature: Temperature,
    mode: Any,
    full: bool,
) -> Callable[..., tuple[Any, ...]]:
    """The compiled chunk of steps, with the metrics after it; `batches` holds a row a step."""

    def run(
        trainable: Network,
        fixed: Network,
        optimizer_state: optax.OptState,
        begin: Array,
        key: Array,
        batches: Array,
        data: tuple[Array, Array],
    ) -> tuple[Network, optax.OptState, Array, Array, Array, Array]:
        rows, targets = data
        steps = begin + jnp.arange(len(batches))

        def loss_of(trainable: Network, step: Array, batch: Array) -> tuple[Array, Array]:
            network: Network = eqx.combine(trainable, fixed)
            x, y = (rows, targets) if full else (rows[batch], targets[batch])
            now = _temperature_at(temperature, step)
            scores = network(x, mode=mode, temperature=now, key=jax.random.fold_in(key, step))
            return loss(scores, y), network.head.is_correct(scores, y).mean()

        def update(carry: Any, item: tuple[Array, Array]) -> tuple[Any, Array]:
            trainable, optimizer_state, _ = carry
            step, batch = item
            (value, soft), gradient = jax.value_and_grad(loss_of, has_aux=True)(
                trainable, step, batch
            )
            with jax.numpy_dtype_promotion("standard"):  # optax mixes dtypes
                change, optimizer_state = optimizer.update(gradient, optimizer_state, trainable)
                return (optax.apply_updates(trainable, change), optimizer_state, soft), value

        carry = (trainable, optimizer_state, jnp.zeros((), dtype=jnp.float32))
        carry, losses = jax.lax.scan(update, carry, (steps, batches))
        trainable, optimizer_state, soft = carry
        decided = eqx.combine(trainable, fixed).decided(
            _temperature_at(temperature, begin + len(batches))
        )
        leaves = jax.tree_util.tree_leaves(trainable)
        is_finite = jnp.stack([jnp.isfinite(leaf).all() for leaf in leaves]).all()
        return trainable, optimizer_state, losses, soft, decided, is_finite

    return cast(Any, eqx.filter_jit(run))


def _temperature_at(temperature: Temperature, step: Array) -> Array:
    with jax.numpy_dtype_promotion("standard"):  # schedules mix dtypes
        value = temperature(step) if callable(temperature) else temperature
        return jnp.asarray(value, dtype=jnp.float32)


def _batches(
    seed: int, num_rows: int, batch_size: int | None, step: int, count: int
) -> npt.NDArray[np.int32]:
    """int32[count, batch_size]: the rows of each step; every epoch permutes all rows anew.

    A batch that straddles two epochs takes the end of one and the beginning of the next. None
    takes all rows, which need no numbers.
    """
    if batch_size is None:
        return np.zeros((count, 0), dtype=np.int32)
    first, last = step * batch_size, (step + count) * batch_size
    epochs = range(first // num_rows, -(-last // num_rows))
    order = np.concatenate(
        [np.random.default_rng((seed, epoch)).permutation(num_rows) for epoch in epochs]
    )
    begin = first - epochs.start * num_rows
    return order[begin : begin + last - first].reshape(count, batch_size).astype(np.int32)


def _data(network: Network, x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Rows, Targets]:
    rows, targets = np.asarray(x), np.asarray(y)
    if rows.ndim != 2 or rows.shape[1] != network.num_inputs:
        raise InputError(
            f"x has shape {list(rows.shape)}; the network reads rows [N, {network.num_inputs}]"
        )
    if len(rows) == 0 or len(rows) != len(targets):
        raise InputError(
            f"x has {len(rows)} rows and y {len(targets)}; both have the same number, at least 1"
        )
    is_bit = (rows == 0) | (rows == 1)
    if not is_bit.all():
        where = np.argwhere(~is_bit)[0].tolist()
        raise InputError(f"x{where} is {rows[tuple(where)]}; inputs are bits, 0 or 1: encode them")
    network.head.check_targets(targets, network.layers[-1].num_outputs)
    return rows.astype(np.bool_), targets


def _diverged(step: int, what: str) -> Diverged:
    return Diverged(
        step,
        f"{what} step {step}; try a smaller learning rate (a third of it), gradient clipping "
        "(optax.clip_by_global_norm), or a higher temperature; the last checkpoint is kept",
    )


@contextmanager
def _deferred_interrupt() -> Generator[Callable[[], bool]]:
    """Hold back SIGINT and SIGTERM until the block is left; a second one strikes at once.

    Gives the question whether one came, to be asked afterwards too. Only in the main thread, where
    Python delivers signals.
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

    previous = {s: signal.signal(s, receive) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received.is_set
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
