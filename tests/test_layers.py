from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright import gates
from gatewright.errors import InputError
from gatewright.layers import MAX_GATHERS, Gates, evaluate_gates, polynomial
from gatewright.parametrisations import PARAMETRISATIONS

#: (wiring, inputs, gates): balanced, odd, and with inputs that all gates or none read.
SHAPES = [
    ("random", 7, 12),
    ("random", 12, 3),
    ("unique", 9, 11),
    ("butterfly", 8, 16),
    ("moore", 9, MAX_GATHERS),
    ("moore", 9, MAX_GATHERS + 1),
]


def layer_of(wiring: str, num_inputs: int, num_gates: int, **options: object) -> Gates:
    seed = options.pop("seed", 0)
    key = jax.random.key(seed)
    return Gates(num_inputs, num_gates, key=key, wiring=wiring, **options)


@jax.jit
def gradients(corners, x, weights, fanin, readers):
    """Value and gradients of a sum of a layer's outputs: as a layer has them, and as specified."""

    def ours(corners, x):
        return (evaluate_gates(corners, x, fanin, readers) * weights).sum()

    def specified(corners, x):
        return (polynomial(corners, x, fanin) * weights).sum()

    return tuple(jax.value_and_grad(f, argnums=(0, 1))(corners, x) for f in (ours, specified))


def compare_gradients(layer: Gates, seed: int, dtype: type, tolerance: float) -> None:
    rng = np.random.default_rng(seed)
    num = layer.num_outputs
    corners, x, weights = (
        jnp.asarray(rng.random(shape), dtype=dtype)
        for shape in ((4, num), (layer.num_inputs, 5), (num, 5))
    )
    found, expected = gradients(corners, x, weights, layer.fanin, layer.readers)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert one.dtype == dtype
        scale = max(1.0, float(np.abs(other).max()))
        np.testing.assert_allclose(one / scale, other / scale, atol=tolerance, rtol=tolerance)


@settings(max_examples=30)
@given(st.sampled_from(SHAPES), st.integers(0, 2**31))
def test_the_gradient_is_that_of_the_polynomial(shape, seed):
    compare_gradients(layer_of(*shape, seed=seed % 2), seed, jnp.float32, 2e-6)


@pytest.mark.parametrize("shape", SHAPES[-2:])
def test_the_gradient_is_that_of_the_polynomial_in_double_precision(shape):
    with jax.enable_x64(True):
        compare_gradients(layer_of(*shape), 1, jnp.float64, 1e-13)


def test_an_input_with_very_many_readers_does_not_make_a_program_of_that_length():
    """Unrolled over the readers, this step took minutes to compile."""
    layer = layer_of("moore", 9, 4096)
    shapes = [jnp.ones(shape) for shape in ((4, 4096), (9, 2), (4096, 2))]
    step = gradients.lower(*shapes, layer.fanin, layer.readers)
    assert len(step.as_text().splitlines()) < 300


def test_readers_are_the_inverse_of_the_wiring():
    for shape in SHAPES:
        layer = layer_of(*shape)
        num, readers = layer.num_outputs, np.asarray(layer.readers)
        slots = np.asarray(layer.fanin).T.reshape(-1)
        for i, row in enumerate(readers):
            assert sorted(row[row < 2 * num]) == np.flatnonzero(slots == i).tolist()


@pytest.mark.parametrize("form", PARAMETRISATIONS)
def test_a_layers_gradient_reaches_parameters_and_inputs_for_every_form(form):
    layer = layer_of("moore", 5, 9, parametrisation=form, init="gaussian", strength=None)
    x = jnp.asarray(np.random.default_rng(0).random((5, 6), dtype=np.float32))
    key = jax.random.key(1)

    def run(parameters, x, plain):
        corners = PARAMETRISATIONS[form].training(parameters, 0.9, key)
        if plain:
            return (polynomial(corners, x, layer.fanin) ** 2).sum()
        changed = jax.tree.map(lambda leaf: parameters if leaf is layer.parameters else leaf, layer)
        return (changed(x, mode="training", temperature=0.9, key=key) ** 2).sum()

    def both(*at):
        return tuple(
            jax.value_and_grad(partial(run, plain=plain), argnums=(0, 1))(*at)
            for plain in (False, True)
        )

    found, expected = jax.jit(both)(layer.parameters, x)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-6)
    for one, other in zip(found[1], expected[1], strict=True):
        assert np.abs(other).max() > 1e-4
        np.testing.assert_allclose(one, other, atol=2e-6, rtol=1e-5)


def test_a_layer_evaluates_its_gates():
    layer = layer_of("butterfly", 8, 15, init="gaussian")
    x = np.random.default_rng(0).random((8, 3))
    corners = np.asarray(layer.corners("soft", 1.0, None), np.float64)
    found = np.asarray(layer(jnp.asarray(x, dtype=jnp.float32)))
    for g, (a, b) in enumerate(np.asarray(layer.fanin)):
        expected = gates.polynomial(corners[:, g], x[[a, b]])
        np.testing.assert_allclose(found[g], expected, atol=1e-6)


def test_modes():
    layer = layer_of("random", 4, 30, parametrisation="gumbel", init="gaussian")
    key = jax.random.key(2)
    soft, hard, through, sampled = (
        np.asarray(layer.corners(mode, 1.0, key))
        for mode in ("soft", "hard", "straight_through", "training")
    )
    assert 0 < soft.min() < soft.max() < 1
    np.testing.assert_array_equal(hard, np.stack([layer.tables() >> m & 1 for m in range(4)]))
    np.testing.assert_array_equal(through, hard)
    assert (sampled != hard).any()


def test_a_key_decides_a_layer():
    first, again, other = (layer_of("random", 9, 40, init="gaussian", seed=s) for s in (3, 3, 4))
    assert all(map(np.array_equal, jax.tree.leaves(first), jax.tree.leaves(again)))
    assert not np.array_equal(first.fanin, other.fanin)
    assert not np.array_equal(first.parameters, other.parameters)
    first, again, other = (Gates(9, 40, key=(1, i), init="gaussian") for i in (3, 3, 4))
    assert all(map(np.array_equal, jax.tree.leaves(first), jax.tree.leaves(again)))
    assert not np.array_equal(first.fanin, other.fanin)


def test_a_layer_that_cannot_be_is_refused():
    with pytest.raises(InputError, match="unknown wiring 'ring'"):
        layer_of("ring", 4, 4)
    with pytest.raises(InputError, match="unknown parametrisation 'lut'"):
        layer_of("random", 4, 4, parametrisation="lut")
    with pytest.raises(InputError, match="unknown initialisation 'ones'"):
        layer_of("random", 4, 4, init="ones")
