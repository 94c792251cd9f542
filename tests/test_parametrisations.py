from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gatewright import gates
from gatewright.errors import InputError
from gatewright.parametrisations import COEFFICIENTS, CORNERS, INITS, PARAMETRISATIONS
from gatewright.parametrisations import parametrisation as named

NAMES = list(PARAMETRISATIONS)
NUM = 40


def parameters_of(name: str, seed: int = 0, scale: float = 1.0) -> jax.Array:
    form = named(name)
    drawn = np.random.default_rng(seed).standard_normal((form.num_parameters, NUM)) * scale
    return jnp.asarray(drawn, dtype=jnp.float32)


def mixture(name: str, parameters: np.ndarray, temperature: float) -> np.ndarray:
    """Probability [16, n] of each gate, as the forms are published, written out gate by gate."""
    w = np.asarray(parameters, np.float64)
    if name in ("softmax", "gumbel", "straight_through"):
        weight = np.exp(w / temperature)
    elif name == "covjac":
        gate = [gates.coefficients(gates.rows(t).astype(np.float64)) for t in range(16)]
        weight = np.array([np.exp(-((w.T - g) ** 2).sum(1) / temperature) for g in gate])
    else:
        logits = w
        if name == "walsh":
            sign = [(1 - 2 * (m & 1), 1 - 2 * (m >> 1)) for m in range(4)]
            logits = np.array([w[0] + w[1] * u + w[2] * v + w[3] * u * v for u, v in sign])
        corner = 1 / (1 + np.exp(-logits / temperature))
        choices = [
            [corner[m] if t >> m & 1 else 1 - corner[m] for m in range(4)] for t in range(16)
        ]
        weight = np.array([np.prod(choice, axis=0) for choice in choices])
    return weight / weight.sum(axis=0)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("temperature", [0.4, 2.0])
def test_corners_confidence_and_tables_are_those_of_the_mixture_of_gates(name, temperature):
    form, parameters = named(name), parameters_of(name)
    share = mixture(name, np.asarray(parameters), temperature)
    corners = np.array([[t >> m & 1 for t in range(16)] for m in range(4)]) @ share
    np.testing.assert_allclose(form.soft(parameters, temperature), corners, atol=2e-6)
    np.testing.assert_allclose(form.confidence(parameters, temperature), share.max(0), atol=2e-6)
    np.testing.assert_array_equal(form.tables(parameters), share.argmax(0))


@pytest.mark.parametrize("name", NAMES)
def test_products_are_of_float32_where_a_gpu_would_round_their_operands(name):
    traced = jax.make_jaxpr(named(name).soft)(parameters_of(name), 1.0)
    products = [each for each in traced.eqns if each.primitive.name == "dot_general"]
    assert len(products) == (name != "light")
    for each in products:
        assert each.params["precision"] == (jax.lax.Precision.HIGHEST,) * 2


@pytest.mark.parametrize("name", NAMES)
def test_ranges(name):
    form, parameters = named(name), parameters_of(name, seed=1, scale=30.0)
    corners = np.asarray(form.soft(parameters, 1.0))
    assert corners.shape == (4, NUM)
    assert corners.dtype == np.float32
    assert corners.min() >= 0
    assert corners.max() <= 1 + 1e-6
    confidence = np.asarray(form.confidence(parameters, 1.0))
    assert confidence.shape == (NUM,)
    assert confidence.min() > 0
    assert confidence.max() <= 1 + 1e-6
    tables = np.asarray(form.tables(parameters))
    assert tables.dtype == np.uint8
    expected = [[t >> m & 1 for t in tables.tolist()] for m in range(4)]
    np.testing.assert_array_equal(form.hard(parameters), expected)


@pytest.mark.parametrize("name", NAMES)
def test_a_falling_temperature_hardens_the_gates(name):
    form, parameters = named(name), parameters_of(name, seed=2)
    gaps = [
        float(jnp.abs(form.soft(parameters, t) - form.hard(parameters)).mean())
        for t in (1.0, 0.1, 0.01, 1e-4)
    ]
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[-1] < 0.01
    assert float(form.confidence(parameters, 1e-4).mean()) > 0.98


@pytest.mark.parametrize("name", NAMES)
def test_the_residual_initialisation_passes_a(name):
    form = named(name)
    parameters = jnp.asarray(form.init(np.random.default_rng(0), 500, "residual"))
    assert parameters.dtype == jnp.float32
    assert parameters.shape == (form.num_parameters, 500)
    assert (form.tables(parameters) == gates.PASS_A).all()
    stated = {"light": 0.823, "walsh": 0.818, "covjac": 0.406}  # the softmax forms: about 90 %
    quiet = jnp.asarray(form.residual(form.strength))[:, None]
    assert float(form.confidence(quiet, 1.0)[0]) == pytest.approx(stated.get(name, 0.908), abs=1e-3)
    assert jnp.abs(parameters - quiet).std() < 0.3


@pytest.mark.parametrize("name", NAMES)
def test_strength_is_the_distance_from_indifference(name):
    form = named(name)
    weak, strong = (
        jnp.asarray(form.init(np.random.default_rng(0), 200, "residual", strength))
        for strength in (0.6, 1.4)
    )
    a = gates.rows(gates.PASS_A).astype(np.float32)[:, None]
    weak, strong = (float(jnp.abs(form.soft(p, 0.5) - a).mean()) for p in (weak, strong))
    assert strong < weak


@pytest.mark.parametrize("name", NAMES)
def test_the_gaussian_initialisation_is_standard_normal_and_seeded(name):
    form = named(name)
    first, again, other = (
        form.init(np.random.default_rng(seed), 4000, "gaussian") for seed in (1, 1, 2)
    )
    assert first.shape == (form.num_parameters, 4000)
    assert first.dtype == np.float32
    assert abs(first.mean()) < 0.03
    assert abs(first.std() - 1) < 0.03
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize("name", NAMES)
def test_straight_through_is_hard_forward_and_soft_backward(name):
    form = named(name)
    parameters = parameters_of(name, seed=3)
    weights = jnp.asarray(np.random.default_rng(0).random((4, NUM), dtype=np.float32))

    def through(p: jax.Array) -> jax.Array:
        return (form.straight_through(p, 0.7) * weights).sum()

    def soft(p: jax.Array) -> jax.Array:
        return (form.soft(p, 0.7) * weights).sum()

    forward = jax.jit(form.straight_through)(parameters, 0.7)
    np.testing.assert_array_equal(forward, form.hard(parameters))  # exactly, not nearly
    expected = jax.grad(soft)(parameters)
    assert float(jnp.abs(expected).max()) > 1e-3
    np.testing.assert_allclose(jax.grad(through)(parameters), expected, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_training_sees_hard_gates_where_the_form_says_so(name):
    form, parameters = named(name), parameters_of(name, seed=4)
    found = form.training(parameters, 1.0, jax.random.key(0))
    if name == "straight_through":
        np.testing.assert_array_equal(found, form.hard(parameters))
    elif name == "gumbel":
        assert set(np.unique(found).tolist()) == {0.0, 1.0}
    else:
        np.testing.assert_array_equal(found, form.soft(parameters, 1.0))


def test_gumbel_needs_a_key_and_is_a_function_of_it():
    form, parameters = named("gumbel"), parameters_of("gumbel")
    with pytest.raises(InputError, match="needs a random key"):
        form.training(parameters, 1.0, None)
    first, again, other = (
        form.training(parameters, 1.0, jax.random.key(seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (np.asarray(first) != np.asarray(other)).any()


def test_gumbel_samples_gates_with_the_softmax_of_their_logits():
    one = np.random.default_rng(5).standard_normal((16, 1)).astype(np.float32)
    num = 40_000
    parameters = jnp.asarray(np.repeat(one, num, axis=1))
    sampled = np.asarray(named("gumbel").training(parameters, 2.0, jax.random.key(3)))
    tables = np.array([1, 2, 4, 8]) @ sampled.astype(np.int64)
    found = np.bincount(tables, minlength=16) / num
    expected = mixture("softmax", one, 1.0)[:, 0]
    assert np.abs(found - expected).max() < 5 * np.sqrt(0.25 / num)


def test_the_gradient_of_gumbel_is_that_of_the_noisy_softmax():
    form, parameters = named("gumbel"), parameters_of("gumbel", seed=6)
    key, temperature = jax.random.key(9), 0.8
    noise = jax.random.gumbel(key, parameters.shape, dtype=jnp.float32)

    def trained(p: jax.Array) -> jax.Array:
        return (form.training(p, temperature, key) ** 2).sum()

    def surrogate(p: jax.Array) -> jax.Array:
        corners = jnp.asarray(CORNERS) @ jax.nn.softmax((p + noise) / temperature, axis=0)
        return (2 * jax.lax.stop_gradient(form.hard(p + noise)) * corners).sum()

    expected = jax.grad(surrogate)(parameters)
    np.testing.assert_allclose(jax.grad(trained)(parameters), expected, atol=1e-5)


def test_the_gate_tables_are_in_order():
    for t, m in itertools.product(range(16), range(4)):
        assert CORNERS[m, t] == t >> m & 1
    np.testing.assert_array_equal(gates.corners(COEFFICIENTS), CORNERS)


def test_unknown_names_are_answered_with_the_known_ones():
    with pytest.raises(InputError, match=r"unknown parametrisation 'hard'; known: softmax, light"):
        named("hard")
    with pytest.raises(InputError, match=rf"initialisation 'zeros'; known: {', '.join(INITS)}"):
        named("light").init(np.random.default_rng(0), 3, "zeros")
