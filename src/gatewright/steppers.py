"""What runs training steps: the native kernel, or a program that JAX compiles; both do the same.

A stepper is called for chunk after chunk of steps: (first step, number of steps) -> what they
leave. `jax_stepper` is the specification: any layers, head, loss and optimiser, on any device; on a
CPU its layers are calls of the native kernel, unless kernel="jax". `native_stepper` is quicker, for
what `fused.why_not` lets through.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import optax
from jax import Array

from gatewright import layer_calls
from gatewright.adam import Adam, AdamState, rate_at
from gatewright.feed import Feed
from gatewright.fused import Activations, Fused
from gatewright.heads import Sums
from gatewright.journal import partition
from gatewright.narrowing import Schedule, due, is_wider, narrowed, until
from gatewright.network import Network

Loss = Callable[[Array, Array], Array]
#: A constant, or a function of the step number (0-based, traced).
Temperature = float | Callable[[Array], Array | float]


@dataclass(frozen=True)
class Result:
    """What a chunk of steps leaves.

    Attributes:
        soft: the last step's accuracy on its batch, before it.
        fused: the network on the native kernel, which can evaluate it too; None where JAX trains.
    """

    network: Network
    optimizer_state: optax.OptState
    losses: npt.NDArray[np.float32]
    soft: float
    decided: float
    is_finite: bool
    fused: Fused | None = None


Stepper = Callable[[int, int], Result]


def narrowing_stepper(
    make: Callable[[Network, optax.OptState | None], Stepper],
    network: Network,
    optimizer_state: optax.OptState | None,
    schedule: Schedule,
) -> Stepper:
    """Steps of the steppers that `make` makes, another where the schedule leaves fewer candidates.

    Args:
        network, optimizer_state: to begin with; a state of None is the optimiser's first.
    """
    stepper = make(network, optimizer_state)

    def run(step: int, count: int) -> Result:
        nonlocal stepper, network, optimizer_state
        end, losses = step + count, list[npt.NDArray[np.float32]]()
        while True:
            k = due(schedule, step)
            if k is not None and is_wider(network, k):
                network, optimizer_state = narrowed(network, optimizer_state, k)
                stepper = make(network, optimizer_state)
            part = until(schedule, step, end) - step
            result = stepper(step, part)
            network, optimizer_state = result.network, result.optimizer_state
            losses.append(result.losses)
            step += part
            if step == end or not result.is_finite:
                return replace(result, losses=np.concatenate(losses))

    return run


def native_stepper(
    network: Network,
    optimizer: optax.GradientTransformation,
    feed: Feed,
    batch: int,
    *,
    temperature: Temperature,
    mode: str,
    activations: Activations,
    threads: int | None,
    optimizer_state: optax.OptState | None,
    **others: Any,
) -> Stepper:
    """Steps on the native kernel; the arguments are those of `gatewright.train.train`."""
    del others
    adam = cast(Adam, optimizer)
    fused = Fused(network, mode=mode, activations=activations, threads=threads)
    if optimizer_state is not None:
        fused.set_state(cast(AdamState, optimizer_state))

    def run(step: int, count: int) -> Result:
        steps = jnp.arange(step, step + count)
        losses, num_right = fused.run(
            *feed.batches(batch, step, count),
            np.asarray(_each(rate_at, adam.learning_rate, steps)),
            np.asarray(_each(temperature_at, temperature, steps)),
            step,
            adam,
        )
        trained = fused.network()
        soft = cast(Sums, network.head).step_merit(float(losses[-1]), float(num_right[-1]) / batch)
        after = temperature_at(temperature, jnp.asarray(step + count))
        leaves = jax.tree_util.tree_leaves(partition(trained)[0])
        return Result(
            trained, fused.state(step + count), losses, soft,
            float(trained.decided(after)), all(bool(np.isfinite(leaf).all()) for leaf in leaves),
            fused,
        )  # fmt: skip

    return run


def _each(function: Callable[[Any, Array], Array], schedule: Any, steps: Array) -> Array:
    """float32[len(steps)]: the schedule at each step."""
    if not callable(schedule):
        return jnp.broadcast_to(function(schedule, steps[0]), steps.shape)

    def at(step: Array) -> Array:
        return function(schedule, step)

    return jax.vmap(at)(steps)


def jax_stepper(
    network: Network,
    optimizer: optax.GradientTransformation,
    feed: Feed,
    batch: int,
    *,
    loss: Loss | None,
    temperature: Temperature,
    mode: str,
    seed: int,
    kernel: str,
    optimizer_state: optax.OptState | None,
    **others: Any,
) -> Stepper:
    """Steps as JAX compiles them; the arguments are those of `gatewright.train.train`."""
    del others
    trainable, fixed = partition(network)
    state = optimizer.init(trainable) if optimizer_state is None else optimizer_state
    program = _compile(optimizer, loss or network.head.loss, temperature, mode)
    key = jax.random.key(seed)

    def run(step: int, count: int) -> Result:
        nonlocal trainable, state
        indices, octets, targets = feed.indexed(batch, step, count)
        with layer_calls.off() if kernel == "jax" else nullcontext():
            trainable, state, losses, soft, decided, is_finite = program(
                trainable, fixed, state, jnp.asarray(step), key, indices,
                (octets, targets),
            )  # fmt: skip
        trained = eqx.combine(trainable, fixed)
        return Result(
            trained, state, np.asarray(losses), float(soft), float(decided),
            bool(is_finite),
        )  # fmt: skip

    return run


def _compile(
    optimizer: optax.GradientTransformation, loss: Loss, temperature: Temperature, mode: Any
) -> Callable[..., tuple[Any, ...]]:
    """The compiled chunk of steps, with the metrics after it; `batches` holds a row a step.

    A row of batches without columns takes all of the data.
    """

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
        whole = batches.shape[1] == 0

        def loss_of(trainable: Network, step: Array, batch: Array) -> tuple[Array, Array]:
            network: Network = eqx.combine(trainable, fixed)
            octets, y = (rows, targets) if whole else (rows[batch], targets[batch])
            now = temperature_at(temperature, step)
            scores = network(
                unpack_rows(network, octets), mode=mode, temperature=now,
                key=jax.random.fold_in(key, step),
            )  # fmt: skip
            return loss(scores, y), network.head.merit(scores, y).mean()

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
            temperature_at(temperature, begin + len(batches))
        )
        leaves = jax.tree_util.tree_leaves(trainable)
        is_finite = jnp.stack([jnp.isfinite(leaf).all() for leaf in leaves]).all()
        return trainable, optimizer_state, losses, soft, decided, is_finite

    return cast(Any, eqx.filter_jit(run))


def unpack_rows(network: Network, octets: Array) -> Array:
    """Packed rows uint8[batch, octets] as bits [batch, num_inputs]."""
    return jnp.unpackbits(octets, axis=1, count=network.num_inputs, bitorder="little")


def temperature_at(temperature: Temperature, step: Array) -> Array:
    """float32[]: a constant temperature, or the schedule's at a step."""
    with jax.numpy_dtype_promotion("standard"):  # schedules mix dtypes
        value = temperature(step) if callable(temperature) else temperature
        return jnp.asarray(value, dtype=jnp.float32)
