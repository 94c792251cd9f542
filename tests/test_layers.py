from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright import gates, layers
from gatewright.circuit import all_inputs, unpack
from gatewright.errors import InputError
from gatewright.layers import MAX_GATHERS, Bits, Gates, GroupSum, Head, evaluate_gates, polynomial
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


def votes_of(num_classes: int, size: int) -> np.ndarray:
    """bool[N, num_classes * size]: every row, or thousands of random ones with ties among them."""
    num = num_classes * size
    if num <= 10:
        return unpack(all_inputs(num), 1 << num)
    return np.random.default_rng(0).integers(0, 2, (4000, num)).astype(np.bool_)


@pytest.mark.parametrize(
    ("num_classes", "size"), [(2, 1), (2, 5), (3, 3), (5, 2), (10, 1), (10, 7)]
)
def test_group_sum_in_gates_is_its_decision_ties_included(num_classes, size):
    head = GroupSum(num_classes, tau=3.0)
    rows = votes_of(num_classes, size)
    sums = rows.reshape(len(rows), num_classes, size).sum(axis=2)
    winner = sums.argmax(axis=1)  # the lowest class on a tie
    assert ((sums == sums.max(axis=1, keepdims=True)).sum(axis=1) > 1).any()

    @jax.jit
    def judge(x, y):
        scores = head.scores(x)
        return scores, head.decide(scores), head.is_correct(scores, y)

    x = rows.T.astype(np.float32)
    scores, decided, is_correct = judge(x, winner)
    np.testing.assert_allclose(scores, sums / 3.0, rtol=1e-6)
    expected = head.target_bits(winner)
    np.testing.assert_array_equal(expected @ (1 << np.arange(expected.shape[1])), winner)
    np.testing.assert_array_equal(decided, expected)
    np.testing.assert_array_equal(head.circuit(num_classes * size)(rows), expected)
    assert np.asarray(is_correct).all()
    assert not np.asarray(judge(x, (winner + 1) % num_classes)[2]).any()


def test_group_sum_takes_the_root_of_the_groups_size_as_tau():
    scores = GroupSum(2).scores(jnp.ones((18, 1)))
    np.testing.assert_allclose(scores, [[3.0, 3.0]], rtol=1e-6)


def test_group_sums_loss_is_the_cross_entropy():
    scores = np.random.default_rng(0).standard_normal((6, 3)).astype(np.float32)
    y = np.array([0, 2, 1, 1, 0, 2])
    share = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    expected = -np.log(share[np.arange(6), y]).mean()
    found = GroupSum(3).loss(jnp.asarray(scores), jnp.asarray(y))
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_bits():
    head = Bits()
    scores = head.scores(jnp.asarray([[0.1, 0.9, 0.6], [0.2, 0.4, 0.5]]))
    y = np.array([[0, 0], [1, 0], [1, 1]])
    assert scores.shape == (3, 2)
    expected = ((np.asarray(scores) - y) ** 2).mean()
    assert float(head.loss(scores, jnp.asarray(y))) == pytest.approx(expected, rel=1e-6)
    assert head.decide(scores).tolist() == [[False, False], [True, False], [True, False]]
    assert head.is_correct(scores, jnp.asarray(y)).tolist() == [True, True, False]
    np.testing.assert_array_equal(head.target_bits(y), y == 1)
    rows = unpack(all_inputs(2), 4)
    np.testing.assert_array_equal(head.circuit(2)(rows), rows)
    assert head.circuit(1).output_names == ("y",)


def test_bits_takes_one_column_as_a_vector():
    head, y = Bits(), np.array([0, 1, 1])
    scores = head.scores(jnp.asarray([[0.0, 1.0, 0.2]]))
    assert head.is_correct(scores, jnp.asarray(y)).tolist() == [True, True, False]
    assert head.target_bits(y).tolist() == [[False], [True], [True]]
    head.check_targets(y, 1)


@pytest.mark.parametrize(
    ("head", "y", "message"),
    [
        (Bits(), [[0, 2]], r"learns targets of 0 and 1; y holds other values"),
        (Bits(), [[0.5, 1]], r"learns targets of 0 and 1"),
        (Bits(), [0, 1], r"learns 2 bits a row.*y has shape \[2\]"),
        (Bits(), [[0, 1, 1]], r"learns 2 bits a row.*y has shape \[1, 3\]"),
        (GroupSum(2), [0, 2], r"classes \[N\] from 0 to 1; y is int64\[2\] from 0 to 2"),
        (GroupSum(2), [-1, 0], r"from -1 to 0"),
        (GroupSum(2), [0.0, 1.0], r"y is float64\[2\]$"),
        (GroupSum(2), [[0, 1]], r"y is int64\[1, 2\]$"),
        (GroupSum(2), [True, False], r"y is bool\[2\]$"),
    ],
)
def test_targets_that_a_head_cannot_learn_are_refused(head: Head, y, message):
    with pytest.raises(InputError, match=message):
        head.check_targets(np.array(y), 2)


def test_a_group_sum_that_cannot_be_is_refused():
    with pytest.raises(InputError, match="at least 2 classes apart, not 1"):
        GroupSum(1)
    with pytest.raises(InputError, match="positive or 'auto', not 0"):
        GroupSum(2, tau=0)
    with pytest.raises(InputError, match="multiple of 3 outputs, the last layer has 4"):
        GroupSum(3).check(4)
    with pytest.raises(InputError, match="multiple of 3"):
        GroupSum(3).circuit(4)


def test_the_vote_is_built_once():
    assert layers.GroupSum(3).circuit(9) is layers.GroupSum(3).circuit(9)
