"""Single layers on the native kernel, as functions that JAX can compile and differentiate.

`gates` and `mixtures` compute what `layers.polynomial` and `learned.mix` specify, in float32 on a
CPU, through XLA's foreign function interface. They serve networks, optimisers and losses that the
fused kernel (`gatewright.fused`) does not take.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any, cast

import jax
import jax.numpy as jnp
from jax import Array

from gatewright import native

_is_off = ContextVar("_is_off", default=False)


@cache
def _is_registered() -> bool:
    targets: dict[str, Any] = getattr(native.load(), "ffi_targets", {})
    for name, target in targets.items():
        jax.ffi.register_ffi_target(name, target, platform="cpu")
    return bool(targets)


def are_on(x: Array | None = None) -> bool:
    """True where layers run natively, on these activations: float32 on a CPU, and not off()."""
    if _is_off.get() or jax.default_backend() != "cpu":
        return False
    return (x is None or x.dtype == jnp.float32) and _is_registered()


@contextmanager
def off() -> Generator[None]:
    """Within this, layers are traced as plain JAX."""
    token = _is_off.set(True)
    try:
        yield
    finally:
        _is_off.reset(token)


@jax.custom_vjp
def gates(corners: Array, x: Array, fanin: Array) -> Array:
    """Soft gates of corner values [4, n], inputs [k, batch] and fanin int32[n, 2]: [n, batch]."""
    shape = (fanin.shape[0], x.shape[1])
    return _call("gatewright_gates", [shape], corners, x, fanin)[0]


def _gates_forward(corners: Array, x: Array, fanin: Array) -> tuple[Array, tuple[Array, ...]]:
    return cast(Array, gates(corners, x, fanin)), (corners, x, fanin)


def _gates_backward(residuals: tuple[Array, ...], g: Array) -> tuple[Array | None, ...]:
    corners, x, _ = residuals
    shapes = [corners.shape, x.shape]
    return *_call("gatewright_gates_gradient", shapes, *residuals, g), None


gates.defvjp(_gates_forward, _gates_backward)


@jax.custom_vjp
def mixtures(corners: Array, weights: Array, x: Array, candidates: Array) -> Array:
    """Soft gates whose operands are mixtures of candidates, weights and indices [2, K, n]."""
    shape = (candidates.shape[2], x.shape[1])
    return _call("gatewright_mixtures", [shape], corners, weights, x, candidates)[0]


def _mixtures_forward(
    corners: Array, weights: Array, x: Array, candidates: Array
) -> tuple[Array, tuple[Array, ...]]:
    y = cast(Array, mixtures(corners, weights, x, candidates))
    return y, (corners, weights, x, candidates)


def _mixtures_backward(residuals: tuple[Array, ...], g: Array) -> tuple[Array | None, ...]:
    corners, weights, x, _ = residuals
    shapes = [corners.shape, weights.shape, x.shape]
    return *_call("gatewright_mixtures_gradient", shapes, *residuals, g), None


mixtures.defvjp(_mixtures_forward, _mixtures_backward)


def _call(name: str, shapes: list[tuple[int, ...]], *operands: Array) -> list[Array]:
    results = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    call = jax.ffi.ffi_call(name, results, vmap_method="sequential")
    return cast(list[Array], call(*operands))
