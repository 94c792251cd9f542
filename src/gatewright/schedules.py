"""Schedules: functions of the step number, for `Adam`'s learning rate and `fit`'s temperature.

Each is called with the steps taken before, an integer or an array of any shape (traced ones too),
and gives float32 of that shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from gatewright.errors import InputError

Schedule = Callable[[ArrayLike], Array]


def cosine(peak: float, steps: int, *, warm_up: int = 0, final: float = 0.0) -> Schedule:
    """Half a cosine from `peak` down to `final` (Loshchilov and Hutter 2016, 1608.03983).

    With u = (step - warm_up) / (steps - warm_up), the value is
    `final + (peak - final) (1 + cos(pi u)) / 2`. The first `warm_up` steps rise in a straight line:
    `peak (step + 1) / (warm_up + 1)`. After the last step the value stays `final`.

    Raises:
        InputError: warm_up is not from 0 to below steps.
    """
    if not 0 <= warm_up < steps:
        raise InputError(f"cosine: warm_up is {warm_up} of {steps} steps; give 0 to {steps - 1}")

    def at(step: ArrayLike) -> Array:
        now = jnp.asarray(step, dtype=jnp.float32)
        u = jnp.clip((now - warm_up) / (steps - warm_up), 0.0, 1.0)
        falling = final + (peak - final) * 0.5 * (1.0 + jnp.cos(math.pi * u))
        return jnp.where(now < warm_up, peak * (now + 1.0) / (warm_up + 1.0), falling)

    return at


def geometric(begin: float, end: float, steps: int, *, share: float = 1.0) -> Schedule:
    """From `begin` to `end` by equal ratios over the last `share` of the steps.

    With s = (1 - share) steps the value is `begin (end / begin)^v`, v = (step - s) / (steps - s)
    held between 0 and 1: `begin` until step s, `end` from step `steps` on.

    Raises:
        InputError: a value is not positive, or share not above 0 and at most 1.
    """
    if not (begin > 0 and end > 0 and steps > 0):
        raise InputError(f"geometric: {begin}, {end} and {steps} steps are not all over 0")
    if not 0 < share <= 1:
        raise InputError(f"geometric: share is {share}; give a number above 0, 1 at most")
    start = (1.0 - share) * steps

    def at(step: ArrayLike) -> Array:
        now = jnp.asarray(step, dtype=jnp.float32)
        v = jnp.clip((now - start) / (steps - start), 0.0, 1.0)
        return jnp.float32(begin) * jnp.exp(v * math.log(end / begin))

    return at
