from __future__ import annotations

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gatewright.circuit import all_inputs, unpack
from gatewright.errors import InputError
from gatewright.heads import GroupSum
from gatewright.layers import READERS_A_STEP, Gates, combine
from gatewright.learned import LearnedGates, mix, mixture
from gatewright.network import Network
from gatewright.parametrisations import PARAMETRISATIONS

#: (inputs, gates, candidates): few and many readers, one candidate, more candidates than inputs.
SHAPES = [(40, 9, 3), (7, 30, 3), (5, 4, 1), (9, 16, 8), (3, 20, 8), (2, 3, 2)]


def layer_of(*shape: int, seed: int = 0, **options: object) -> LearnedGates:
    return LearnedGates(*shape, key=(seed,), **({"init": "gaussian"} | options))


def by_hand(layer: LearnedGates, x: np.ndarray, temperature: float, *, hard: bool) -> np.ndarray:
    """The layer gate by gate and candidate by candidate, in double precision: [n, batch]."""
    logits = np.asarray(layer.logits, np.float64)
    candidates = np.asarray(layer.candidates)
    corners = np.asarray(
        layer_corners(layer, "hard" if hard else "soft", temperature), dtype=np.float64
    )
    rows = []
    for i in range(layer.num_outputs):
        operands = []
        for s in range(2):
            share = np.exp(logits[s, :, i] / temperature)
            share = np.eye(len(share))[share.argmax()] if hard else share / share.sum()
            operands.append(sum(w * x[c] for w, c in zip(share, candidates[s, :, i], strict=True)))
        a, b = operands
        q = corners[:, i]
        rows.append(
            q[0] * (1 - a) * (1 - b) + q[1] * a * (1 - b) + q[2] * (1 - a) * b + q[3] * a * b
        )
    return np.stack(rows)


def layer_corners(layer: LearnedGates, mode: str, temperature: float) -> jax.Array:
    form = PARAMETRISATIONS[layer.form]
    return (
        form.soft(layer.parameters, temperature) if mode == "soft" else form.hard(layer.parameters)
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_candidates_differ_and_are_shared_out_evenly(shape):
    layer = layer_of(*shape)
    candidates = np.asarray(layer.candidates)
    each = min(shape[2], shape[0])
    assert candidates.shape == (2, each, shape[1]) == layer.logits.shape
    assert candidates.min() >= 0
    count = np.bincount(candidates.reshape(-1), minlength=shape[0])
    assert len(count) == shape[0]
    assert count.max() - count.min() <= 1
    for gate in range(shape[1]):
        of_a, of_b = (set(candidates[s, :, gate].tolist()) for s in range(2))
        assert len(of_a) == len(of_b) == each
        if 2 * each <= shape[0]:
            assert not of_a & of_b


def test_logits_are_standard_normal_or_as_noisy_as_asked_for():
    logits = np.asarray(layer_of(100, 2000, 8).logits)
    assert abs(logits.mean()) < 0.03
    assert abs(logits.std() - 1) < 0.02
    np.testing.assert_allclose(layer_of(100, 2000, 8, wire_noise=0.5).logits, logits / 2)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("temperature", [1.0, 0.3])
def test_a_layer_evaluates_its_mixtures_and_gates(shape, temperature):
    layer = layer_of(*shape, parametrisation="light")
    x = np.random.default_rng(0).random((shape[0], 5)).astype(np.float32)
    run = jax.jit(partial(layer, mode="soft", temperature=temperature))
    np.testing.assert_allclose(run(x), by_hand(layer, x, temperature, hard=False), atol=2e-6)


@pytest.mark.parametrize("selection", ["soft", "straight_through"])
def test_modes(selection):
    layer = layer_of(12, 30, 4, parametrisation="light", selection=selection)
    x = jnp.asarray(np.random.default_rng(0).random((12, 6)), dtype=jnp.float32)
    modes = ("soft", "hard", "straight_through", "training")
    run = jax.jit(lambda x: [layer(x, mode=mode, temperature=0.7) for mode in modes])
    soft, hard, through, training = map(np.asarray, run(x))
    np.testing.assert_allclose(hard, by_hand(layer, x, 0.7, hard=True), atol=2e-6)
    np.testing.assert_allclose(through, hard, atol=1e-6)
    if selection == "soft":
        np.testing.assert_array_equal(training, soft)
    else:  # chosen wires, soft gates
        a, b = x[np.asarray(layer.hard_fanin()).T]
        expected = combine(layer_corners(layer, "soft", 0.7), a, b)
        np.testing.assert_allclose(training, expected, atol=1e-6)
    assert np.abs(soft - hard).max() > 0.1
    with pytest.raises(InputError, match="unknown mode 'sof'"):
        layer(x, mode="sof")


def test_the_first_of_equal_logits_is_chosen():
    layer = layer_of(6, 5, 3)
    layer = eqx.tree_at(lambda tree: tree.logits, layer, jnp.zeros_like(layer.logits))
    np.testing.assert_array_equal(layer.hard_fanin(), np.asarray(layer.candidates)[:, 0].T)
    np.testing.assert_allclose(layer.weights("soft", 1.0), 1 / 3, rtol=1e-6)
    np.testing.assert_array_equal(layer.weights("hard", 1.0)[:, 0], 1)


@jax.jit
def gradients(weights, x, cotangent, candidates, readers):
    def ours(weights, x):
        return (mix(weights, x, candidates, readers) * cotangent).sum()

    def specified(weights, x):
        return (mixture(weights, x, candidates) * cotangent).sum()

    return tuple(jax.value_and_grad(f, argnums=(0, 1))(weights, x) for f in (ours, specified))


@pytest.mark.parametrize("shape", [*SHAPES, (4, 3 * READERS_A_STEP, 2)])
def test_the_gradient_of_mix_is_that_of_the_mixture(shape):
    layer = layer_of(*shape)
    rng = np.random.default_rng(1)
    with jax.enable_x64(True):
        weights, x, cotangent = (
            jnp.asarray(rng.standard_normal(size))
            for size in (layer.logits.shape, (shape[0], 5), (2, shape[1], 5))
        )
        found, expected = gradients(weights, x, cotangent, layer.candidates, layer.readers)
        for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
            assert one.dtype == np.float64
            np.testing.assert_allclose(one, other, atol=1e-12)


@pytest.mark.parametrize("mode", ["soft", "straight_through"])
def test_the_gradient_reaches_logits_parameters_and_inputs(mode):
    """Straight through: the gradient at hard wires and gates, by way of the soft ones' Jacobian."""
    layer = layer_of(9, 7, 3, parametrisation="walsh")
    rng = np.random.default_rng(2)
    x = jnp.asarray(rng.random((9, 4)), dtype=jnp.float32)
    cotangent = jnp.asarray(rng.standard_normal((7, 4)), dtype=jnp.float32)
    trained = lambda tree: (tree.parameters, tree.logits)  # noqa: E731

    def of_weights(weights, corners, x):
        return (combine(corners, *mixture(weights, x, layer.candidates)) * cotangent).sum()

    def expected_of(parameters, logits, x):
        def soft(parameters, logits):
            return jax.nn.softmax(logits / 0.6, axis=1), PARAMETRISATIONS["walsh"].soft(
                parameters, 0.6
            )

        at, pull = jax.vjp(soft, parameters, logits)
        if mode == "straight_through":
            at = (layer.weights("hard", 0.6), layer_corners(layer, "hard", 0.6))
        d_weights, d_corners, d_x = jax.grad(of_weights, argnums=(0, 1, 2))(*at, x)
        return (*pull((d_weights, d_corners)), d_x)

    def found_of(parameters, logits, x):
        def value(parameters, logits, x):
            changed = eqx.tree_at(trained, layer, (parameters, logits))
            return (changed(x, mode=mode, temperature=0.6) * cotangent).sum()

        return jax.grad(value, argnums=(0, 1, 2))(parameters, logits, x)

    at = (*trained(layer), x)
    for one, other in zip(jax.jit(found_of)(*at), jax.jit(expected_of)(*at), strict=True):
        assert np.abs(other).max() > 1e-3
        np.testing.assert_allclose(one, other, atol=3e-6)


def test_confidence_is_the_gates_times_both_wires():
    layer = layer_of(20, 15, 4, parametrisation="covjac")
    logits = np.asarray(layer.logits, np.float64) / 0.4
    share = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    gate = np.asarray(PARAMETRISATIONS["covjac"].confidence(layer.parameters, 0.4))
    expected = gate * share[0].max(axis=0) * share[1].max(axis=0)
    np.testing.assert_allclose(layer.confidence(0.4), expected, rtol=1e-5)


def test_the_netlist_reads_the_chosen_inputs():
    layers = (
        layer_of(8, 14, 3),
        Gates(14, 12, key=(1,), init="gaussian"),
        layer_of(12, 6, 2, seed=2),
    )
    network = Network(*layers, head=GroupSum(3))
    rows = unpack(all_inputs(8), 256)
    values = rows.T.astype(np.int64)
    for layer in layers:
        a, b = values[np.asarray(layer.hard_fanin()).T]
        values = np.asarray(layer.tables()).astype(np.int64)[:, None] >> (a + 2 * b) & 1
    expected = network.head.target_bits(values.reshape(3, 2, -1).sum(axis=1).argmax(axis=0))
    np.testing.assert_array_equal(network.hard_bits(rows), expected)
    np.testing.assert_array_equal(network.to_netlist()(rows), expected)
    assert network.gates_circuit().num_gates == network.num_gates == 32


def test_a_key_decides_a_layer():
    first, again, other = (layer_of(9, 40, 3, seed=s) for s in (3, 3, 4))
    assert all(map(np.array_equal, jax.tree.leaves(first), jax.tree.leaves(again)))
    for name in ("parameters", "logits", "candidates"):
        assert not np.array_equal(getattr(first, name), getattr(other, name))


def test_a_layer_that_cannot_be_is_refused():
    with pytest.raises(InputError, match="unknown selection 'hard'; known: soft, straight_through"):
        layer_of(4, 4, 2, selection="hard")
    with pytest.raises(InputError, match="1 candidate an operand, not 4, 4 and 0"):
        layer_of(4, 4, 0)
    with pytest.raises(InputError, match="at least 2 inputs, 1 gate .* not 1, 4 and 2"):
        layer_of(1, 4, 2)
    with pytest.raises(InputError, match="unknown parametrisation 'lut'"):
        layer_of(4, 4, 2, parametrisation="lut")
