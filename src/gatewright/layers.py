"""Layers of soft gates, and the heads that turn a layer's outputs into an answer.

Activations are feature-major, [features, batch], so that one gate's samples are contiguous. A layer
evaluates 4 coefficients a gate, never 16: see `gatewright.gates`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, Literal, cast, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jax import Array
from jax.typing import ArrayLike

from gatewright import wiring as wirings
from gatewright.arith import argmax, popcount
from gatewright.circuit import Builder, Circuit
from gatewright.errors import InputError
from gatewright.parametrisations import parametrisation

Mode = Literal["soft", "training", "straight_through", "hard"]

#: Where an input has more readers than this, the backward pass scatters: every reader is a gather
#: of its own in the compiled step, and compiling takes minutes for thousands of them.
MAX_GATHERS = 64


class Gates(eqx.Module):
    """A layer of two-input gates with fixed wiring.

    Attributes:
        parameters: float32[p, n], trainable; p depends on the parametrisation.
        fanin: int32[n, 2], the inputs that each gate reads.
        readers: int32[num_inputs, r], the operand slots (a: g, b: n + g) that read each input,
            padded with 2n; the inverse of fanin, so that the backward pass gathers.

    Args:
        key: of the wiring and the parameters: a JAX key, or integers to seed NumPy with.
    """

    parameters: Array
    fanin: Array
    readers: Array
    num_inputs: int = eqx.field(static=True)
    form: str = eqx.field(static=True)

    def __init__(
        self,
        num_inputs: int,
        num_gates: int,
        *,
        key: Array | Sequence[int],
        wiring: str = "random",
        parametrisation: str = "softmax",
        init: str = "residual",
        strength: float | None = None,
    ) -> None:
        seed = np.asarray(jax.random.key_data(key)) if isinstance(key, jax.Array) else key
        rng = np.random.default_rng(seed)
        fanin = wirings.connect(wiring, num_inputs, num_gates, rng)
        form = _form(parametrisation)
        self.parameters = jnp.asarray(form.init(rng, num_gates, init, strength))
        self.fanin = jnp.asarray(fanin)
        self.readers = jnp.asarray(_readers(fanin, num_inputs))
        self.num_inputs = num_inputs
        self.form = parametrisation

    @property
    def num_outputs(self) -> int:
        return self.parameters.shape[1]

    def corners(self, mode: Mode, temperature: ArrayLike, key: Array | None) -> Array:
        """Corner values [4, n] of the layer's gates; key is used by forms that sample."""
        form = _form(self.form)
        if mode == "soft":
            return form.soft(self.parameters, temperature)
        if mode == "training":
            return form.training(self.parameters, temperature, key)
        if mode == "straight_through":
            return form.straight_through(self.parameters, temperature)
        if mode != "hard":
            raise InputError(f"unknown mode {mode!r}; known: {', '.join(get_args(Mode))}")
        return form.hard(self.parameters)

    def __call__(
        self,
        x: Array,
        *,
        mode: Mode = "soft",
        temperature: ArrayLike = 1.0,
        key: Array | None = None,
    ) -> Array:
        """[num_inputs, batch] -> [n, batch]."""
        corners = self.corners(mode, temperature, key)
        return cast(Array, evaluate_gates(corners, x, self.fanin, self.readers))

    def tables(self) -> Array:
        """uint8[n]: the hard gates."""
        return _form(self.form).tables(self.parameters)

    def confidence(self, temperature: ArrayLike = 1.0) -> Array:
        """Probability [n] of each gate's most likely table."""
        return _form(self.form).confidence(self.parameters, temperature)


_form = parametrisation


@jax.custom_vjp
def evaluate_gates(corners: Array, x: Array, fanin: Array, readers: Array) -> Array:
    """Soft gates: corner values [4, n], inputs [k, batch], wiring -> [n, batch].

    out = c0 + c1 a + c2 b + c3 ab with c0 = q0, c1 = q1 - q0, c2 = q2 - q0, c3 = q3 - q2 - q1 + q0.
    The gradient is that of this formula; only its order of summation is chosen here.
    """
    return polynomial(corners, x, fanin)


def polynomial(corners: Array, x: Array, fanin: Array) -> Array:
    """`evaluate_gates` with the gradient left to JAX: its specification."""
    c0, c1, c2, c3 = _coefficients(corners)
    a, b = _rows(x, fanin[:, 0]), _rows(x, fanin[:, 1])
    return c0 + c1 * a + b * (c2 + c3 * a)


def _rows(x: Array, index: Array) -> Array:
    """x[index] for indices that are known to be in range, which compiles quicker."""
    return x.at[index].get(mode="promise_in_bounds")


def _coefficients(corners: Array) -> tuple[Array, Array, Array, Array]:
    q0, q1, q2, q3 = corners[:, :, None]
    return q0, q1 - q0, q2 - q0, q3 - q2 - q1 + q0


Residuals = tuple[Array, Array, Array, Array]


def _forward(corners: Array, x: Array, fanin: Array, readers: Array) -> tuple[Array, Residuals]:
    return polynomial(corners, x, fanin), (corners, x, fanin, readers)


def _backward(residuals: Residuals, g: Array) -> tuple[Array, Array, None, None]:
    corners, x, fanin, readers = residuals
    _, c1, c2, c3 = _coefficients(corners)
    a, b = _rows(x, fanin[:, 0]), _rows(x, fanin[:, 1])
    ga, gb = g * a, g * b
    d0, d1, d2, d3 = g.sum(1), ga.sum(1), gb.sum(1), (ga * b).sum(1)
    d_corners = jnp.stack([d0 - d1 - d2 + d3, d1 - d3, d2 - d3, d3])
    slots = jnp.concatenate([g * (c1 + c3 * b), g * (c2 + c3 * a), jnp.zeros_like(g[:1])])
    if readers.shape[1] > MAX_GATHERS:
        d_x = jnp.zeros_like(x).at[fanin.T.reshape(-1)].add(slots[:-1])
        return d_corners, d_x, None, None
    d_x = _rows(slots, readers[:, 0])
    for reader in range(1, readers.shape[1]):
        d_x = d_x + _rows(slots, readers[:, reader])
    return d_corners, d_x, None, None


evaluate_gates.defvjp(_forward, _backward)


def _readers(
    fanin: wirings.Fanin, num_inputs: int
) -> np.ndarray[tuple[int, int], np.dtype[np.int32]]:
    source = fanin.T.reshape(-1)
    order = np.argsort(source, kind="stable")
    count = np.bincount(source, minlength=num_inputs)
    start = np.cumsum(count) - count
    column = np.arange(len(source)) - np.repeat(start, count)
    readers = np.full((num_inputs, max(1, int(count.max(initial=0)))), len(source), dtype=np.int32)
    readers[source[order], column] = order
    return readers


class Head(eqx.Module):
    """Turns the last layer's outputs into scores, a loss, and a decision in bits. Abstract."""

    def check(self, num_outputs: int) -> None:
        """InputError where the head cannot serve this many outputs."""

    def check_targets(self, y: npt.NDArray[Any], num_outputs: int) -> None:
        """InputError where the targets are not what the head decides from this many outputs."""

    def scores(self, x: Array) -> Array:
        """Last layer [n, batch] -> scores [batch, s]."""
        raise NotImplementedError

    def loss(self, scores: Array, y: Array) -> Array:
        """Mean loss over the batch, the head's default."""
        raise NotImplementedError

    def is_correct(self, scores: Array, y: Array) -> Array:
        """bool[batch]: the decision equals the target."""
        raise NotImplementedError

    def decide(self, scores: Array) -> Array:
        """bool[batch, m]: the decision as bits; equal to `circuit` on hard outputs."""
        raise NotImplementedError

    def target_bits(self, y: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """bool[batch, m]: the decision that is right."""
        raise NotImplementedError

    def circuit(self, num_outputs: int) -> Circuit:
        """The decision as gates: num_outputs inputs, m outputs."""
        raise NotImplementedError


class Bits(Head):
    """Every output is a bit of the answer; squared error against 0/1 targets [batch, m]."""

    def check_targets(self, y: npt.NDArray[Any], num_outputs: int) -> None:
        if y.size != len(y) * num_outputs:
            raise InputError(
                f"the head Bits() learns {num_outputs} bits a row, one for each output of the last "
                f"layer; y has shape {list(y.shape)}"
            )
        if not np.isin(y, (0, 1)).all():
            raise InputError("the head Bits() learns targets of 0 and 1; y holds other values")

    def scores(self, x: Array) -> Array:
        return x.T

    def loss(self, scores: Array, y: Array) -> Array:
        return ((scores - y.astype(scores.dtype).reshape(scores.shape)) ** 2).mean()

    def is_correct(self, scores: Array, y: Array) -> Array:
        return (self.decide(scores) == (y.reshape(scores.shape) > 0)).all(axis=1)

    def decide(self, scores: Array) -> Array:
        return scores > 0.5

    def target_bits(self, y: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        return y.reshape(len(y), -1) > 0

    def circuit(self, num_outputs: int) -> Circuit:
        builder = Builder([f"x{i}" for i in range(num_outputs)], "bits")
        for i, literal in enumerate(builder.inputs):
            builder.output(f"y{i}" if num_outputs > 1 else "y", literal)
        return builder.build()


class GroupSum(Head):
    """Votes: outputs fall in equal groups, a class each; its score is its group's sum over tau.

    Integer targets [batch]; cross-entropy of the scores. The decision is the class with the highest
    sum, the lowest such class on a tie, as ceil(log2(num_classes)) bits, least significant first
    (Petersen et al. 2022, section 3.2).

    Attributes:
        tau: temperature of the scores; "auto" is the square root of the group's size.
    """

    num_classes: int = eqx.field(static=True)
    tau: float | Literal["auto"] = eqx.field(static=True)

    def __init__(self, num_classes: int, tau: float | Literal["auto"] = "auto") -> None:
        if num_classes < 2:
            raise InputError(f"GroupSum tells at least 2 classes apart, not {num_classes}")
        if tau != "auto" and not tau > 0:
            raise InputError(f"GroupSum's tau is positive or 'auto', not {tau}")
        self.num_classes = num_classes
        self.tau = tau

    def check(self, num_outputs: int) -> None:
        if num_outputs % self.num_classes:
            raise InputError(
                f"GroupSum({self.num_classes}) needs a multiple of {self.num_classes} outputs, "
                f"the last layer has {num_outputs}"
            )

    def check_targets(self, y: npt.NDArray[Any], num_outputs: int) -> None:
        whole = y.ndim == 1 and np.issubdtype(y.dtype, np.integer)
        if not whole or y.min() < 0 or y.max() >= self.num_classes:
            raise InputError(
                f"GroupSum({self.num_classes}) learns integer classes [N] from 0 to "
                f"{self.num_classes - 1}; y is {y.dtype}{list(y.shape)}"
                + (f" from {y.min()} to {y.max()}" if whole else "")
            )

    def scores(self, x: Array) -> Array:
        groups = x.reshape(self.num_classes, -1, x.shape[1])
        tau = math.sqrt(groups.shape[1]) if self.tau == "auto" else self.tau
        return groups.sum(axis=1).T / tau

    def loss(self, scores: Array, y: Array) -> Array:
        log_probability = jax.nn.log_softmax(scores, axis=1)
        return -jnp.take_along_axis(log_probability, y[:, None].astype(jnp.int32), axis=1).mean()

    def is_correct(self, scores: Array, y: Array) -> Array:
        return jnp.argmax(scores, axis=1) == y

    def decide(self, scores: Array) -> Array:
        winner = jnp.argmax(scores, axis=1)
        num_bits = (self.num_classes - 1).bit_length()
        return (winner[:, None] >> jnp.arange(num_bits)[None, :]) & 1 == 1

    def target_bits(self, y: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        return (y[:, None] >> np.arange((self.num_classes - 1).bit_length())) & 1 == 1

    def circuit(self, num_outputs: int) -> Circuit:
        self.check(num_outputs)
        return _vote(self.num_classes, num_outputs // self.num_classes)


@functools.lru_cache(maxsize=8)
def _vote(num_classes: int, size: int) -> Circuit:
    """The index of the group with most ones: num_classes * size inputs in groups."""
    builder = Builder([f"x{i}" for i in range(num_classes * size)], "group_sum")
    sums = [
        popcount(builder, builder.inputs[c * size : (c + 1) * size]) for c in range(num_classes)
    ]
    index = argmax(builder, sums)
    for i, literal in enumerate(index):
        builder.output(f"y{i}" if len(index) > 1 else "y", literal)
    return builder.build()
