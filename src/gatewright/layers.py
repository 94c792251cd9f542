"""Layers of soft gates: what every layer offers, and `Gates`, the one with fixed wiring.

Activations are feature-major, [features, batch], so that one gate's samples are contiguous. A layer
evaluates 4 coefficients a gate, never 16: see `gatewright.gates`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol, cast, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jax import Array
from jax.typing import ArrayLike

from gatewright import layer_calls
from gatewright import wiring as wirings
from gatewright.errors import InputError
from gatewright.parametrisations import parametrisation as form_of

Mode = Literal["soft", "training", "straight_through", "hard"]
Tables = npt.NDArray[np.unsignedinteger[Any]]

#: Where an input has more readers than this, the backward pass scatters: every reader is a gather
#: of its own in the compiled step, and compiling takes minutes for thousands of them.
MAX_GATHERS = 64

#: Gates that are evaluated in one step of a loop over them. XLA fuses what is not in a loop into
#: every gather that reads it, and evaluates it there again for each reader.
GATES_A_STEP = 2000

#: Logit of a hard gate: the others have 0, and a share of e^-DECIDED, nothing in float32.
DECIDED = 30.0

#: Readers whose gradients are added in one step of a loop over them: enough that the sum stays in
#: cache, few enough that the step compiles at once.
READERS_A_STEP = 8


class Layer(eqx.Module):
    """Soft truth tables side by side; what a `Network` asks of a layer. Abstract.

    Attributes:
        num_inputs: of the layer.
    """

    num_inputs: eqx.AbstractVar[int]

    @property
    @abstractmethod
    def num_outputs(self) -> int:
        """Of the layer: one for each gate."""

    @abstractmethod
    def __call__(
        self,
        x: Array,
        *,
        mode: Mode = "soft",
        temperature: ArrayLike = 1.0,
        key: Array | None = None,
    ) -> Array:
        """[num_inputs, batch] -> [num_outputs, batch]; the modes are those of `Network`."""

    @abstractmethod
    def tables(self) -> Array | Tables:
        """The hard gates [num_outputs]; bit m is the output for input row m (bit i: input i)."""

    @abstractmethod
    def hard_fanin(self) -> Array:
        """int32[num_outputs, k]: the inputs that each hard gate reads."""

    @abstractmethod
    def confidence(self, temperature: ArrayLike = 1.0) -> Array:
        """Probability [num_outputs] of what each gate rounds to."""


class Gates(Layer):
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
        rng = generator(key)
        fanin = wirings.connect(wiring, num_inputs, num_gates, rng)
        form = form_of(parametrisation)
        self.parameters = jnp.asarray(form.init(rng, num_gates, init, strength))
        self.fanin = jnp.asarray(fanin)
        self.readers = jnp.asarray(readers_of(fanin.T.reshape(-1), num_inputs))
        self.num_inputs = num_inputs
        self.form = parametrisation

    @staticmethod
    def hard(num_inputs: int, fanin: npt.NDArray[np.int32], tables: npt.NDArray[np.uint8]) -> Gates:
        """A layer of these gates, of inputs int32[n, 2] and tables uint8[n]: nothing is soft."""
        layer = Gates(num_inputs, len(tables), key=(0,))
        is_chosen = np.arange(16)[:, None] == tables
        parameters = np.where(is_chosen, np.float32(DECIDED), np.float32(0))
        readers = readers_of(np.ascontiguousarray(fanin.T).reshape(-1), num_inputs)
        arrays = jnp.asarray(parameters), jnp.asarray(fanin), jnp.asarray(readers)

        def parts(of: Gates) -> tuple[Array, ...]:
            return of.parameters, of.fanin, of.readers

        return eqx.tree_at(parts, layer, arrays)

    @property
    def num_outputs(self) -> int:
        return self.parameters.shape[1]

    def corners(self, mode: Mode, temperature: ArrayLike, key: Array | None) -> Array:
        """Corner values [4, n] of the layer's gates; key is used by forms that sample."""
        return corners_in(mode, self.form, self.parameters, temperature, key)

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
        if layer_calls.are_on(x):
            return cast(Array, layer_calls.gates(corners, x, self.fanin))
        return cast(Array, evaluate_gates(corners, x, self.fanin, self.readers))

    def tables(self) -> Array:
        """uint8[n]: the hard gates."""
        return form_of(self.form).tables(self.parameters)

    def hard_fanin(self) -> Array:
        return self.fanin

    def confidence(self, temperature: ArrayLike = 1.0) -> Array:
        """Probability [n] of each gate's most likely table."""
        return form_of(self.form).confidence(self.parameters, temperature)


def generator(key: Array | Sequence[int]) -> np.random.Generator:
    """The random numbers of a key: a JAX key, or integers to seed NumPy with."""
    seed = np.asarray(jax.random.key_data(key)) if isinstance(key, jax.Array) else key
    return np.random.default_rng(seed)


def corners_in(
    mode: Mode, form: str, parameters: Array, temperature: ArrayLike, key: Array | None
) -> Array:
    """Corner values [4, n] of two-input gates in a mode; key is used by forms that sample."""
    how = form_of(form)
    if mode == "soft":
        return how.soft(parameters, temperature)
    if mode == "training":
        return how.training(parameters, temperature, key)
    if mode == "straight_through":
        return how.straight_through(parameters, temperature)
    if mode != "hard":
        raise InputError(f"unknown mode {mode!r}; known: {', '.join(get_args(Mode))}")
    return how.hard(parameters)


@jax.custom_vjp
def evaluate_gates(corners: Array, x: Array, fanin: Array, readers: Array) -> Array:
    """Soft gates: corner values [4, n], inputs [k, batch], wiring -> [n, batch].

    out = c0 + c1 a + c2 b + c3 ab with c0 = q0, c1 = q1 - q0, c2 = q2 - q0, c3 = q3 - q2 - q1 + q0.
    The gradient is that of this formula; only its order of summation is chosen here.
    """

    def some(part: Part) -> Array:
        return polynomial(part(corners, axis=1), x, part(fanin))

    return in_steps(some, fanin.shape[0])


def polynomial(corners: Array, x: Array, fanin: Array) -> Array:
    """`evaluate_gates` with the gradient left to JAX: its specification."""
    return combine(corners, take(x, fanin[:, 0]), take(x, fanin[:, 1]))


def combine(corners: Array, a: Array, b: Array) -> Array:
    """The polynomial of corner values [4, n] at operands [n, batch]."""
    c0, c1, c2, c3 = _coefficients(corners)
    return c0 + c1 * a + b * (c2 + c3 * a)


def take(x: Array, index: Array) -> Array:
    """x[index] for indices that are known to be in range, which compiles quicker."""
    return x.at[index].get(mode="promise_in_bounds", wrap_negative_indices=False)


def _coefficients(corners: Array) -> tuple[Array, Array, Array, Array]:
    q0, q1, q2, q3 = corners[:, :, None]
    return q0, q1 - q0, q2 - q0, q3 - q2 - q1 + q0


class Part(Protocol):
    """Takes from an array the rows (columns) that a step of a loop is about."""

    def __call__(self, array: Array, axis: int = 0) -> Array: ...


def in_steps(some: Callable[[Part], Array], num: int) -> Array:
    """[num, ...]: `some` of all rows, in a loop over `GATES_A_STEP` of them at a time."""
    size = min(GATES_A_STEP, num)

    def part_from(first: ArrayLike) -> Part:
        def part(array: Array, axis: int = 0) -> Array:
            return jax.lax.dynamic_slice_in_dim(
                array, first, size, axis, allow_negative_indices=False
            )

        return part

    def run(step: Array, result: Array) -> Array:
        first = jnp.minimum(step * size, num - size)  # the last two steps may overlap
        return jax.lax.dynamic_update_slice_in_dim(
            result, some(part_from(first)), first, 0, allow_negative_indices=False
        )

    one = jax.eval_shape(lambda: some(part_from(0)))
    result = jnp.zeros((num, *one.shape[1:]), dtype=one.dtype)
    return cast(Array, jax.lax.fori_loop(0, -(-num // size), run, result))


Residuals = tuple[Array, Array, Array, Array]


def _forward(corners: Array, x: Array, fanin: Array, readers: Array) -> tuple[Array, Residuals]:
    outputs = cast(Array, evaluate_gates(corners, x, fanin, readers))
    return outputs, (corners, x, fanin, readers)


def _backward(residuals: Residuals, g: Array) -> tuple[Array, Array, None, None]:
    corners, x, fanin, readers = residuals

    def sums(part: Part) -> Array:
        a, b = (take(x, source) for source in part(fanin).T)
        return _sums(part(g), a, b)

    d0, d1, d2, d3 = in_steps(sums, fanin.shape[0]).T
    d_corners = jnp.stack([d0 - d1 - d2 + d3, d1 - d3, d2 - d3, d3])
    if readers.shape[1] > MAX_GATHERS:
        _, c1, c2, c3 = _coefficients(corners)
        a, b = take(x, fanin[:, 0]), take(x, fanin[:, 1])
        slots = jnp.concatenate([g * (c1 + c3 * b), g * (c2 + c3 * a)])
        d_x = (
            jnp.zeros_like(x)
            .at[fanin.T.reshape(-1)]
            .add(slots, mode="promise_in_bounds", wrap_negative_indices=False)
        )
        return d_corners, d_x, None, None
    of_slots = _read(corners, fanin, readers)

    def gathered(part: Part) -> Array:
        total = jnp.zeros((), dtype=x.dtype)
        for gate, other, constant, slope in zip(*(part(one).T for one in of_slots), strict=True):
            total = total + take(g, gate) * (constant[:, None] + slope[:, None] * take(x, other))
        return total

    return d_corners, in_steps(gathered, x.shape[0]), None, None


def _sums(g: Array, a: Array, b: Array) -> Array:
    """[n, 4]: sums of g, ga, gb and gab over the batch, in one pass."""
    ga = g * a
    zero = jnp.zeros((), dtype=g.dtype)

    def add(one: tuple[Array, ...], other: tuple[Array, ...]) -> tuple[Array, ...]:
        return tuple(map(jnp.add, one, other))

    return jnp.stack(jax.lax.reduce((g, ga, g * b, ga * b), (zero,) * 4, add, (1,)), axis=1)


def _read(corners: Array, fanin: Array, readers: Array) -> tuple[Array, Array, Array, Array]:
    """What each reader of an input sends back to it: g[gate] * (constant + slope * x[other]).

    Four arrays [num_inputs, r]: gate, other, constant, slope; padding sends 0.
    """
    num = fanin.shape[0]
    _, c1, c2, c3 = (c[:, 0] for c in _coefficients(corners))
    gate, is_b, is_real = readers % num, readers >= num, readers < 2 * num
    other = jnp.where(is_b, take(fanin[:, 0], gate), take(fanin[:, 1], gate))
    constant = jnp.where(is_b, take(c2, gate), take(c1, gate))
    zero = jnp.zeros((), dtype=corners.dtype)
    return gate, other, jnp.where(is_real, constant, zero), jnp.where(is_real, take(c3, gate), zero)


evaluate_gates.defvjp(_forward, _backward)


def readers_of(source: npt.NDArray[np.integer[Any]], num_inputs: int) -> npt.NDArray[np.int32]:
    """The inverse of a wiring: int32[num_inputs, r] lists the slots that read each input.

    source[i] is the input that slot i reads; the lists are padded with len(source).
    """
    order = np.argsort(source, kind="stable")
    count = np.bincount(source, minlength=num_inputs)
    start = np.cumsum(count) - count
    column = np.arange(len(source)) - np.repeat(start, count)
    readers = np.full((num_inputs, max(1, int(count.max(initial=0)))), len(source), dtype=np.int32)
    readers[source[order], column] = order
    return readers


def sum_readers(slots: Array, readers: Array) -> Array:
    """[num_inputs, batch]: for each input the sum of the slots [s, batch] that read it.

    A loop over readers, a few at a time: see `READERS_A_STEP`. Nothing is scattered.
    """
    padded = jnp.concatenate([slots, jnp.zeros_like(slots[:1])])

    def add(total: Array, rows: Array) -> tuple[Array, None]:
        for row in rows:
            total = total + take(padded, row)
        return total, None

    zero = jnp.zeros((readers.shape[0], slots.shape[1]), dtype=slots.dtype)
    return jax.lax.scan(add, zero, readers_by_step(readers, len(slots)))[0]


def readers_by_step(readers: Array, padding: int) -> Array:
    """int32[steps, READERS_A_STEP, num_inputs]: readers in the order of a loop over them."""
    short = -readers.shape[1] % READERS_A_STEP
    columns = jnp.pad(readers, ((0, 0), (0, short)), constant_values=padding).T
    return columns.reshape(-1, READERS_A_STEP, readers.shape[0])
