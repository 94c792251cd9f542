"""`Luts`: k-input look-up tables, the same idea as two-input gates with 2**k corners.

The soft table is the multilinear polynomial through its corner values, each the sigmoid of one
parameter: the input-wise form of 2510.03250 for more than two inputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jax import Array
from jax.typing import ArrayLike

from gatewright import wiring as wirings
from gatewright.errors import InputError
from gatewright.layers import Layer, Mode, generator, readers_of, sum_readers, take
from gatewright.parametrisations import INITS, Light

MAX_INPUTS = 6

#: Values of partly evaluated tables that a block of the evaluation holds: about what a cache does.
BLOCK_VALUES = 1 << 18


class Luts(Layer):
    """A layer of look-up tables with k inputs each, from 2 to 6, and fixed wiring.

    Corner m, where input i is bit i of m, has the value sigmoid(parameters[m] / T) and rounds to 1
    where its parameter is positive.

    Attributes:
        parameters: float32[2**k, n], trainable.
        fanin: int32[n, k], different inputs that each table reads.
        readers: int32[num_inputs, r], the operand slots (operand i of table g: i n + g) that read
            each input, padded with k n.

    Args:
        key: of the wiring and the parameters: a JAX key, or integers to seed NumPy with.
        wiring: "random", with balanced fan-out; for k = 2 also the other schemes of
            `gatewright.wiring`.
        init: "residual", tables that pass their first input, strength away from indifference; or
            "gaussian", N(0, 1).
    """

    parameters: Array
    fanin: Array
    readers: Array
    num_inputs: int = eqx.field(static=True)

    def __init__(
        self,
        num_inputs: int,
        num_outputs: int,
        k: int = 4,
        *,
        key: Array | Sequence[int],
        wiring: str = "random",
        init: str = "residual",
        strength: float = Light.strength,
    ) -> None:
        if not 2 <= k <= MAX_INPUTS:
            raise InputError(f"a look-up table has from 2 to {MAX_INPUTS} inputs, not k = {k}")
        if num_inputs < k or num_outputs < 1:
            raise InputError(
                f"a layer of {k}-input tables has at least {k} inputs and 1 table, not "
                f"{num_inputs} and {num_outputs}"
            )
        if init not in INITS:
            raise InputError(f"unknown initialisation {init!r}; known: {', '.join(INITS)}")
        rng = generator(key)
        if wiring == "random":
            fanin = wirings.groups(num_inputs, num_outputs, k, rng)
        elif k == 2:
            fanin = wirings.connect(wiring, num_inputs, num_outputs, rng)
        else:
            raise InputError(
                f"wiring {wiring!r} is of pairs; tables of {k} inputs are wired 'random'"
            )
        parameters = rng.standard_normal((1 << k, num_outputs), dtype=np.float32)
        if init == "residual":
            passes = 2 * (np.arange(1 << k, dtype=np.float32) % 2) - 1
            parameters = np.float32(strength) * passes[:, None] + Light.noise * parameters
        self.parameters = jnp.asarray(parameters.astype(np.float32))
        self.fanin = jnp.asarray(fanin)
        self.readers = jnp.asarray(readers_of(fanin.T.reshape(-1), num_inputs))
        self.num_inputs = num_inputs

    @property
    def num_outputs(self) -> int:
        return self.parameters.shape[1]

    @property
    def k(self) -> int:
        """Inputs of each table."""
        return self.fanin.shape[1]

    def corners(self, mode: Mode, temperature: ArrayLike) -> Array:
        """Corner values [2**k, n] of the layer's tables."""
        if mode not in get_args(Mode):
            raise InputError(f"unknown mode {mode!r}; known: {', '.join(get_args(Mode))}")
        hard = (self.parameters > 0).astype(self.parameters.dtype)
        if mode == "hard":
            return hard
        soft = jax.nn.sigmoid(self.parameters / temperature)
        if mode != "straight_through":
            return soft
        return hard + (soft - jax.lax.stop_gradient(soft))  # exactly hard

    def __call__(
        self,
        x: Array,
        *,
        mode: Mode = "soft",
        temperature: ArrayLike = 1.0,
        key: Array | None = None,
    ) -> Array:
        """[num_inputs, batch] -> [n, batch]."""
        del key
        return cast(
            Array, evaluate_luts(self.corners(mode, temperature), x, self.fanin, self.readers)
        )

    def tables(self) -> npt.NDArray[np.uint64]:
        """uint64[n]: the hard tables, of 2**k bits."""
        is_one = np.asarray(self.parameters > 0).astype(np.uint64)
        weight = np.uint64(1) << np.arange(len(is_one), dtype=np.uint64)
        return (is_one * weight[:, None]).sum(axis=0, dtype=np.uint64)

    def hard_fanin(self) -> Array:
        return self.fanin

    def confidence(self, temperature: ArrayLike = 1.0) -> Array:
        """Probability [n] of each table's most likely form: all its corners together."""
        return jax.nn.sigmoid(jnp.abs(self.parameters) / temperature).prod(axis=0)


def multilinear(corners: Array, operands: Array) -> Array:
    """Soft tables: corner values [2**k, n] at operands [k, n, batch] -> [n, batch].

    Halves the table once an operand, the last first: q <- q0 + x (q1 - q0).
    """
    q = corners[:, :, None]
    for x in operands[::-1]:
        low, high = jnp.split(q, 2)
        q = low + x[None] * (high - low)
    return q[0]


@jax.custom_vjp
def evaluate_luts(corners: Array, x: Array, fanin: Array, readers: Array) -> Array:
    """`multilinear` on the operands that a wiring reads: x [num_inputs, batch] -> [n, batch].

    Forward and backward, some tables at a time, so that of what stands between corners and outputs
    only a block is ever in memory.
    """

    def one(block: tuple[Array, Array]) -> Array:
        return multilinear(block[0], take(x, block[1]))

    blocks = _blocks(corners, x), _blocks(fanin.T, x, len(corners))
    outputs = cast(Array, jax.lax.map(one, blocks))
    return outputs.reshape(-1, x.shape[1])[: len(fanin)]


def _forward(corners: Array, x: Array, fanin: Array, readers: Array) -> tuple[Array, Any]:
    outputs = cast(Array, evaluate_luts(corners, x, fanin, readers))
    return outputs, (corners, x, fanin, readers)


def _backward(residuals: Any, g: Array) -> tuple[Array, Array, None, None]:
    corners, x, fanin, readers = residuals
    num, k = fanin.shape

    def one(block: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        _, pull = cast(Any, jax.vjp(multilinear, block[0], take(x, block[1])))
        return pull(block[2])

    blocks = _blocks(corners, x), _blocks(fanin.T, x, len(corners))
    size = blocks[0].shape[-1]
    padded = jnp.pad(g, ((0, -num % size), (0, 0))).reshape(-1, size, g.shape[1])
    d_corners, d_operands = cast(tuple[Array, Array], jax.lax.map(one, (*blocks, padded)))
    d_corners = d_corners.transpose(1, 0, 2).reshape(len(corners), -1)[:, :num]
    slots = d_operands.transpose(1, 0, 2, 3).reshape(k, -1, g.shape[1])[:, :num]
    return d_corners, sum_readers(slots.reshape(k * num, -1), readers), None, None


evaluate_luts.defvjp(_forward, _backward)


def _blocks(columns: Array, x: Array, num_corners: int | None = None) -> Array:
    """[p, n] -> [blocks, p, size]: columns in equal blocks, the last one padded with 0."""
    num_rows, num = columns.shape
    largest = max(1, BLOCK_VALUES // ((num_corners or num_rows) * x.shape[1]))
    size = -(-num // -(-num // largest))
    padded = jnp.pad(columns, ((0, 0), (0, -num % size)))
    return padded.reshape(num_rows, -1, size).transpose(1, 0, 2)
