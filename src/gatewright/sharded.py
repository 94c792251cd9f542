"""Training steps of a batch in parts, which several processes can share.

A part's gradient comes from one program and the step from another, whichever process runs them; so
a network is trained to the same bits by any number of processes. A batch in one piece is summed in
another order: results differ from that by rounding.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import asdict
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from jax.flatten_util import ravel_pytree

from gatewright import layer_calls
from gatewright.distributed import Team
from gatewright.errors import InputError
from gatewright.feed import Feed
from gatewright.journal import Best, Metrics, State, partition
from gatewright.narrowing import shaped, shapes_of
from gatewright.network import Network
from gatewright.steppers import Loss, Result, Stepper, Temperature, temperature_at, unpack_rows


def sharded_stepper(
    network: Network,
    optimizer: optax.GradientTransformation,
    feed: Feed,
    batch: int,
    *,
    team: Team,
    shards: int,
    loss: Loss | None,
    temperature: Temperature,
    mode: Any,
    seed: int,
    kernel: str,
    optimizer_state: optax.OptState | None,
    **others: Any,
) -> Stepper:
    """Steps of batches in `shards` equal parts; the arguments are those of `gatewright.train`.

    Memory: each process holds the gradients of all parts, 4 bytes a part and parameter.

    Raises:
        InputError: the batch is no multiple of the parts.
    """
    del others
    if batch % shards:
        raise InputError(
            f"a batch of {batch} rows cannot be cut into {shards} equal parts; "
            f"give a batch_size that is a multiple of {shards}"
        )
    trainable, fixed = partition(network)
    state = optimizer.init(trainable) if optimizer_state is None else optimizer_state
    loss_of = loss or network.head.loss
    unravel = ravel_pytree(trainable)[1]
    key = jax.random.key(seed)
    size, parts = batch // shards, team.parts(shards)
    mine = slice(parts.start * size, parts.stop * size)

    @eqx.filter_jit
    def gradient(
        trainable: Any, fixed: Any, step: Array, key: Array, octets: Array, y: Array
    ) -> Array:
        """float32[1, p + 2]: the gradient of a part, its loss, and its mean merit."""

        def mean_loss(trainable: Any) -> tuple[Array, Array]:
            network: Network = eqx.combine(trainable, fixed)
            scores = network(
                unpack_rows(network, octets), mode=mode,
                temperature=temperature_at(temperature, step), key=jax.random.fold_in(key, step),
            )  # fmt: skip
            return loss_of(scores, y), network.head.merit(scores, y).mean()

        (value, merit), found = jax.value_and_grad(mean_loss, has_aux=True)(trainable)
        flat = ravel_pytree(found)[0]
        return jnp.concatenate([flat, jnp.stack([value, merit])])[None]

    @eqx.filter_jit
    def update(trainable: Any, optimizer_state: Any, rows: Array) -> tuple[Any, Any, Array]:
        """The step from the rows of all parts [shards, p + 2], added from first to last."""

        def add(total: Array, row: Array) -> tuple[Array, None]:
            return total + row, None

        mean = jax.lax.scan(add, rows[0], rows[1:])[0] / len(rows)
        with jax.numpy_dtype_promotion("standard"):  # optax mixes dtypes
            change, optimizer_state = optimizer.update(
                unravel(mean[:-2]), optimizer_state, trainable
            )
            return optax.apply_updates(trainable, change), optimizer_state, mean[-2:]

    def run(step: int, count: int) -> Result:
        nonlocal trainable, state
        octets, targets = feed.share(batch, step, count, mine)
        judged: list[Array] = []
        with layer_calls.off() if kernel == "jax" else nullcontext():
            for i in range(count):
                now = jnp.asarray(step + i)
                rows = [
                    gradient(
                        trainable, fixed, now, key, jnp.asarray(octets[i, k : k + size]),
                        jnp.asarray(targets[i, k : k + size]),
                    )
                    for k in range(0, len(parts) * size, size)
                ]  # fmt: skip
                trainable, state, said = update(
                    trainable, state, team.gather(jnp.concatenate(rows))
                )
                judged.append(said)
        trained: Network = eqx.combine(trainable, fixed)
        values = np.asarray(jnp.stack(judged))
        leaves = jax.tree_util.tree_leaves(trainable)
        after = temperature_at(temperature, jnp.asarray(step + count))
        team.check_same(trainable, step + count)
        return Result(
            trained, state, values[:, 0], float(values[-1, 1]),
            float(trained.decided(after)), all(bool(jnp.isfinite(leaf).all()) for leaf in leaves),
        )  # fmt: skip

    return run


def first_has(
    team: Team,
    network: Network,
    optimizer: optax.GradientTransformation,
    start: State | None,
    best: Best | None,
) -> tuple[State | None, Best | None]:
    """What the first process has read from the run folder, in all processes."""
    said = (
        None if start is None else (asdict(start.metrics), shapes_of(start.network)),
        None if best is None else (asdict(best.metrics), best.waited, shapes_of(best.network)),
    )
    of_start, of_best = team.first_says(said)
    if team.size == 1 or of_start is None:
        return start, best
    metrics, shapes = of_start
    like = shaped(network, shapes)
    mine = (like, optimizer.init(partition(like)[0]))
    if start is not None:
        mine = (start.network, start.optimizer_state)
    trained, optimizer_state = team.from_first(mine)
    start = State(trained, optimizer_state, Metrics(**metrics))
    if of_best is None:
        return start, None
    kept = team.from_first(shaped(network, of_best[2]) if best is None else best.network)
    return start, Best(kept, Metrics(**of_best[0]), of_best[1])
