"""`LearnedGates`: two-input gates that learn which inputs to read.

Each operand is a mixture of K candidate inputs, fixed at random; training moves the mixture to one
of them (LILogicNet's top-K interconnects, 2511.12340). What is extracted is the likeliest
candidate, so a trained layer costs no more than one with fixed wiring.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, cast, get_args

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jax import Array
from jax.typing import ArrayLike

from gatewright import layer_calls, wiring
from gatewright.errors import InputError
from gatewright.layers import (
    Layer,
    Mode,
    combine,
    corners_in,
    generator,
    readers_by_step,
    readers_of,
    take,
)
from gatewright.parametrisations import parametrisation as form_of

Selection = Literal["soft", "straight_through"]


class LearnedGates(Layer):
    """A layer of two-input gates, each choosing both operands among candidate inputs.

    Operand s of gate i is `sum_k softmax(logits[s, :, i] / T)_k x[candidates[s, k, i]]`; hard, the
    candidate with the greatest logit, the first on a tie. T is the gates' temperature too.

    Attributes:
        parameters: float32[p, n], trainable, of the gates; p depends on the parametrisation.
        logits: float32[2, K, n], trainable, of the wires.
        candidates: int32[2, K, n], different inputs along K, and along both operands where there
            are 2 K inputs; each input is a candidate about equally often, or by its share, or where
            a gate's other candidates are near.
        readers: int32[num_inputs, r], the places in the flattened candidates where each input
            stands, padded with 2 K n, so that the backward pass gathers.
        selection: how wires are evaluated in mode "training": "soft", the mixture, to be annealed;
            or "straight_through", the hard choice with the mixture's gradient (as Mommen et al.
            2025, 2507.06173, choose connections).

    Args:
        candidates: K, at most the number of inputs (taken as that where there are fewer).
        key: of the wiring and the parameters: a JAX key, or integers to seed NumPy with.
        init, strength: of the gates, as in `Gates`.
        wire_noise: standard deviation of the initial logits, around 0.
        shares: [num_inputs], at least 0: how often each input is to be a candidate, relatively;
            None is equally often. `balance_of` gives shares that leave out constant inputs.
        near: where inputs are, and how far apart a gate's candidates lie; None is anywhere.
    """

    parameters: Array
    logits: Array
    candidates: Array
    readers: Array
    num_inputs: int = eqx.field(static=True)
    form: str = eqx.field(static=True)
    selection: Selection = eqx.field(static=True)

    def __init__(
        self,
        num_inputs: int,
        num_gates: int,
        candidates: int = 8,
        *,
        key: Array | Sequence[int],
        parametrisation: str = "softmax",
        selection: Selection = "soft",
        init: str = "residual",
        strength: float | None = None,
        wire_noise: float = 1.0,
        shares: ArrayLike | None = None,
        near: wiring.Near | None = None,
    ) -> None:
        if num_inputs < 2 or num_gates < 1 or candidates < 1:
            raise InputError(
                "a layer has at least 2 inputs, 1 gate and 1 candidate an operand, not "
                f"{num_inputs}, {num_gates} and {candidates}"
            )
        if selection not in get_args(Selection):
            raise InputError(
                f"unknown selection {selection!r}; known: {', '.join(get_args(Selection))}"
            )
        form = form_of(parametrisation)
        rng = generator(key)
        each = min(candidates, num_inputs)
        drawn = 2 * each if 2 * each <= num_inputs else each
        num_groups = 2 * each * num_gates // drawn
        if shares is None and near is None:
            groups = wiring.groups(num_inputs, num_groups, drawn, rng)
        else:
            weights = _checked(np.ones(num_inputs) if shares is None else shares, num_inputs)
            groups = wiring.weighted_groups(weights, num_groups, drawn, rng, near)
        chosen = np.ascontiguousarray(groups.reshape(num_gates, 2, each).transpose(1, 2, 0))
        self.parameters = jnp.asarray(form.init(rng, num_gates, init, strength))
        noise = rng.standard_normal(chosen.shape, dtype=np.float32)
        self.logits = jnp.asarray(np.float32(wire_noise) * noise)
        self.candidates = jnp.asarray(chosen)
        self.readers = jnp.asarray(readers_of(chosen.reshape(-1), num_inputs))
        self.num_inputs = num_inputs
        self.form = parametrisation
        self.selection = selection

    @property
    def num_outputs(self) -> int:
        return self.parameters.shape[1]

    @property
    def num_candidates(self) -> int:
        """Of each operand."""
        return self.logits.shape[1]

    def weights(self, mode: Mode, temperature: ArrayLike) -> Array:
        """Weights [2, K, n] of the candidates; each operand's add up to 1."""
        soft = jax.nn.softmax(self.logits / temperature, axis=1)
        if mode == "soft" or (mode == "training" and self.selection == "soft"):
            return soft
        chosen = jnp.argmax(self.logits, axis=1)
        hard = jax.nn.one_hot(chosen, self.num_candidates, axis=1, dtype=soft.dtype)
        if mode == "hard":
            return hard
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
        corners = corners_in(mode, self.form, self.parameters, temperature, key)
        if mode == "hard":
            a, b = (take(x, chosen) for chosen in self.hard_fanin().T)
        else:
            weights = self.weights(mode, temperature)
            if layer_calls.are_on(x):
                return cast(Array, layer_calls.mixtures(corners, weights, x, self.candidates))
            a, b = cast(Array, mix(weights, x, self.candidates, self.readers))
        return combine(corners, a, b)

    def places(self, of_inputs: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Places of the gates [n, d], amid their candidates, from those of the inputs.

        With them the next layer can choose among gates near one another.
        """
        return of_inputs[np.asarray(self.candidates).reshape(-1, self.num_outputs)].mean(axis=0)

    def tables(self) -> Array:
        """uint8[n]: the hard gates."""
        return form_of(self.form).tables(self.parameters)

    def hard_fanin(self) -> Array:
        """int32[n, 2]: the chosen candidates."""
        best = jnp.argmax(self.logits, axis=1, keepdims=True)
        return jnp.take_along_axis(self.candidates, best, axis=1)[:, 0].T

    def confidence(self, temperature: ArrayLike = 1.0) -> Array:
        """Probability [n] of each gate's most likely table and of both its wires."""
        gate = form_of(self.form).confidence(self.parameters, temperature)
        return gate * self.weights("soft", temperature).max(axis=1).prod(axis=0)


def beside(layers: Sequence[LearnedGates]) -> LearnedGates:
    """Layers as one: their inputs and their gates side by side, one layer's after another's.

    They are alike in all but their arrays.

    Raises:
        InputError: they have different numbers of candidates.
    """
    first = layers[0]
    if len({layer.num_candidates for layer in layers}) > 1:
        raise InputError("layers beside one another have equal numbers of candidates")
    offsets = np.cumsum([0, *(layer.num_inputs for layer in layers[:-1])])
    moved = [
        np.asarray(layer.candidates) + offset for layer, offset in zip(layers, offsets, strict=True)
    ]
    candidates = np.ascontiguousarray(np.concatenate(moved, axis=2, dtype=np.int32))
    num_inputs = sum(layer.num_inputs for layer in layers)

    def arrays(of: LearnedGates) -> tuple[Array, ...]:
        return of.parameters, of.logits, of.candidates, of.readers

    joined = (
        jnp.concatenate([layer.parameters for layer in layers], axis=1),
        jnp.concatenate([layer.logits for layer in layers], axis=2),
        jnp.asarray(candidates),
        jnp.asarray(readers_of(candidates.reshape(-1), num_inputs)),
    )
    layer = eqx.tree_at(arrays, first, joined)
    object.__setattr__(layer, "num_inputs", num_inputs)
    return layer


def balance_of(bits: ArrayLike) -> npt.NDArray[np.float64]:
    """Shares [k] for the inputs of rows of bits [N, k]: standard deviations sqrt(p (1 - p)).

    A constant input tells nothing and gets 0; many pixels of a picture's border are that.
    """
    mean = np.asarray(bits).mean(axis=0, dtype=np.float64)
    return np.sqrt(mean * (1 - mean))


def _checked(shares: ArrayLike, num_inputs: int) -> npt.NDArray[np.float64]:
    """The shares; InputError where they are none."""
    values = np.asarray(shares, dtype=np.float64)
    if values.shape != (num_inputs,) or not np.isfinite(values).all() or (values < 0).any():
        raise InputError(
            f"shares are {num_inputs} numbers, at least 0, one an input; they have shape "
            f"{list(values.shape)}" + (f" from {values.min()}" if values.size else "")
        )
    if not values.any():
        raise InputError("shares are all 0: no input varies; give shares=None to draw from all")
    return values / values.sum()


def mixture(weights: Array, x: Array, candidates: Array) -> Array:
    """Operands [2, n, batch], the candidates' weighted sums: the specification of `mix`."""
    return (weights[..., None] * take(x, candidates)).sum(axis=1)


@jax.custom_vjp
def mix(weights: Array, x: Array, candidates: Array, readers: Array) -> Array:
    """`mixture` of weights [2, K, n] and x [num_inputs, batch], in memory that K does not enter.

    Loops over K and over readers, forward and backward: there is no array [2, K, n, batch], no
    scatter, and x is read row by row.
    """
    return _mix(weights, x, candidates)


def _mix(weights: Array, x: Array, candidates: Array) -> Array:
    def add(total: Array, item: tuple[Array, Array]) -> tuple[Array, None]:
        weight, chosen = item
        return total + weight[..., None] * take(x, chosen), None

    zero = jnp.zeros((2, weights.shape[2], x.shape[1]), dtype=x.dtype)
    return jax.lax.scan(add, zero, (weights.transpose(1, 0, 2), candidates.transpose(1, 0, 2)))[0]


def _forward(weights: Array, x: Array, candidates: Array, readers: Array) -> tuple[Array, Any]:
    return _mix(weights, x, candidates), (weights, x, candidates, readers)


def _backward(residuals: Any, g: Array) -> tuple[Array, Array, None, None]:
    weights, x, candidates, readers = residuals
    _, num_candidates, num_gates = weights.shape

    def d_weight(chosen: Array) -> Array:
        return (g * take(x, chosen)).sum(axis=-1)

    d_weights = cast(Array, jax.lax.map(d_weight, candidates.transpose(1, 0, 2)))
    slots = readers_by_step(readers, weights.size)
    operand = slots // (num_candidates * num_gates)
    rows = jnp.minimum(operand * num_gates + slots % num_gates, 2 * num_gates - 1)
    padded = jnp.concatenate([weights.reshape(-1), jnp.zeros(1, dtype=weights.dtype)])
    gradients = g.reshape(2 * num_gates, -1)

    def add(total: Array, item: tuple[Array, Array]) -> tuple[Array, None]:
        for weight, row in zip(*item, strict=True):
            total = total + weight[:, None] * take(gradients, row)
        return total, None

    d_x, _ = jax.lax.scan(add, jnp.zeros_like(x), (take(padded, slots), rows))
    return d_weights.transpose(1, 0, 2), d_x, None, None


mix.defvjp(_forward, _backward)
