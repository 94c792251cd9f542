"""Adam, as an optax transformation whose settings can be read: the native kernel does the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import optax
from jax import Array

from gatewright.errors import InputError

#: A constant, or a function of the number of steps taken before (an optax schedule).
LearningRate = float | Callable[[Array], Array | float]


class AdamState(NamedTuple):
    """Steps taken, and running means of the gradients and of their squares."""

    steps: Array
    mean: Any
    square: Any


class Adam(optax.GradientTransformation):
    """Adam with decoupled weight decay (Kingma and Ba 2014, Loshchilov and Hutter 2017).

    The update is `-lr (m / (1 - b1^t) / (sqrt(v / (1 - b2^t)) + epsilon) + weight_decay w)`, that
    of `optax.adamw`. Any optax optimiser trains a network; this one also on the native kernel.
    """

    learning_rate: LearningRate
    b1: float
    b2: float
    epsilon: float
    weight_decay: float

    def __new__(
        cls,
        learning_rate: LearningRate,
        *,
        b1: float = 0.9,
        b2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> Adam:
        rate = 0.0 if callable(learning_rate) else learning_rate
        positive = (("learning_rate", rate), ("epsilon", epsilon), ("weight_decay", weight_decay))
        for name, value in positive:
            if not value >= 0:
                raise InputError(f"Adam's {name} is at least 0, not {value}")
        for name, value in (("b1", b1), ("b2", b2)):
            if not 0 <= value < 1:
                raise InputError(f"Adam's {name} is from 0 to below 1, not {value}")

        def update(
            updates: Any, state: optax.OptState, params: Any = None
        ) -> tuple[Any, optax.OptState]:
            before = cast(AdamState, state)
            count = before.steps + 1

            def next_mean(m: Array, g: Array) -> Array:
                return b1 * m + (1 - b1) * g

            def next_square(v: Array, g: Array) -> Array:
                return b2 * v + (1 - b2) * g * g

            mean = jax.tree.map(next_mean, before.mean, updates)
            square = jax.tree.map(next_square, before.square, updates)
            t = count.astype(jnp.float32)
            unbiased1, unbiased2 = 1 - jnp.float32(b1) ** t, 1 - jnp.float32(b2) ** t
            rate = rate_at(learning_rate, before.steps)

            def change(m: Array, v: Array, w: Array) -> Array:
                step = (m / unbiased1) / (jnp.sqrt(v / unbiased2) + epsilon)
                return -rate * (step + weight_decay * w)

            weights = params if weight_decay else mean  # mean: any tree of that shape
            if weights is None:
                raise InputError("Adam with weight_decay needs the parameters: update(.., params)")
            return jax.tree.map(change, mean, square, weights), AdamState(count, mean, square)

        self = super().__new__(cls, _init, update)  # pyright: ignore[reportArgumentType]
        self.learning_rate = learning_rate
        self.b1, self.b2, self.epsilon, self.weight_decay = b1, b2, epsilon, weight_decay
        return self


def rate_at(learning_rate: LearningRate, count: Array) -> Array:
    """float32[]: the learning rate of the step after `count` others."""
    with jax.numpy_dtype_promotion("standard"):  # schedules mix dtypes
        value = learning_rate(count) if callable(learning_rate) else learning_rate
        return jnp.asarray(value, dtype=jnp.float32)


def _init(params: Any) -> AdamState:
    def zeros(w: Array) -> Array:
        return jnp.zeros_like(w)

    count = jnp.zeros((), dtype=jnp.int32)
    return AdamState(count, jax.tree.map(zeros, params), jax.tree.map(zeros, params))
