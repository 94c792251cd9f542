"""Thresholds of a thermometer learnt from labels, by gradient descent.

Soft bits sigmoid((x / s - t) / T) of every feature, s its standard deviation, feed a linear
classifier; both are trained while T falls from 1 to 1/32, and the thresholds t s stay.
"""

from __future__ import annotations

from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import optax
from jax import Array

from gatewright.errors import InputError

Floats = npt.NDArray[np.float32]

STEPS = 600
BATCH = 256
LEARNING_RATE = 0.02
FINAL_TEMPERATURE = 1 / 32


def learn(start: Floats, x: npt.NDArray[Any], y: npt.ArrayLike, *, seed: int = 0) -> Floats:
    """Thresholds that tell classes apart, rising: float32 of the shape of `start`.

    Args:
        start: [bits] for all features, or [features, bits].
        x: samples [N, features], any number type.
        y: classes [N], integers from 0.

    Raises:
        InputError: the labels are no classes of the samples.
    """
    labels = np.asarray(y)
    if labels.shape != (len(x),) or labels.dtype.kind not in "iu" or labels.min() < 0:
        raise InputError(
            f"learned thresholds need the {len(x)} samples' classes, integers from 0; y is "
            f"{labels.dtype}{list(labels.shape)}"
        )
    sample = x[: 1 << 14].astype(np.float32)
    spread = sample.std(axis=0) if start.ndim == 2 else sample.std(keepdims=True)[0]
    scale = jnp.asarray(np.where(spread > 0, spread, 1).astype(np.float32))[:, None]
    num_classes = int(labels.max()) + 1
    classifier = jnp.zeros((x.shape[1], start.shape[-1], num_classes), dtype=jnp.float32)
    # In units of the spread, so that one learning rate serves all features.
    unit = scale if start.ndim == 2 else scale[0]
    bias = jnp.zeros(num_classes, dtype=jnp.float32)  # else a feature would be given up for one
    parameters: Any = (jnp.asarray(start) / unit, classifier, bias)
    optimizer = optax.adam(optax.cosine_decay_schedule(LEARNING_RATE, STEPS))

    def loss(parameters: Any, rows: Array, y: Array, temperature: Array) -> Array:
        thresholds, classifier, bias = parameters
        soft = jax.nn.sigmoid((rows[:, :, None] / scale - thresholds) / temperature)
        scores = jnp.einsum("nfb,fbc->nc", soft, classifier) + bias
        return optax.softmax_cross_entropy_with_integer_labels(scores, y).mean()

    def step(parameters: Any, state: Any, rows: Array, y: Array, number: Array) -> Any:
        temperature = FINAL_TEMPERATURE ** (number / STEPS)
        gradient = cast(Any, jax.grad)(loss)(parameters, rows, y, temperature)
        change, state = cast(Any, optimizer).update(gradient, state, parameters)
        return optax.apply_updates(parameters, change), state

    compiled = cast(Any, jax.jit(step))
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        state: Any = optimizer.init(parameters)
        rng = np.random.default_rng(seed)
        for number in range(STEPS):
            chosen = rng.integers(len(x), size=BATCH)
            rows = jnp.asarray(x[chosen].astype(np.float32))
            y_chosen = jnp.asarray(labels[chosen].astype(np.int32))
            parameters, state = compiled(
                parameters, state, rows, y_chosen, jnp.asarray(number, dtype=jnp.float32)
            )
        thresholds = np.asarray(parameters[0] * unit, dtype=np.float32)
    axis = 0 if start.ndim == 2 else None
    low, high = (np.asarray(end(axis=axis))[..., None] for end in (sample.min, sample.max))
    return np.sort(np.clip(thresholds, low, high), axis=-1)
