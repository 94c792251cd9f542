from __future__ import annotations

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gatewright.affine import Affine
from gatewright.circuit import all_inputs, unpack
from gatewright.codes import halves
from gatewright.errors import InputError
from gatewright.heads import Bits, GroupSum, Head


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
        return scores, head.decide(scores, num_classes * size), head.merit(scores, y)

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


@pytest.mark.parametrize(
    ("num_classes", "divisions", "size"),
    [(2, 1, 4), (2, 4, 1), (3, 2, 4), (3, 5, 1), (4, 3, 3), (10, 6, 3), (10, 20, 7), (7, 9, 8)],
)
def test_divided_votes_in_gates_are_the_decision_ties_included(num_classes, divisions, size):
    """A group's ones are votes for one half of the classes, its zeros for the other."""
    head = GroupSum(num_classes, tau=3.0, divisions=divisions)
    rows = votes_of(divisions, size)
    votes = np.zeros((len(rows), num_classes), int)
    groups = np.split(rows, divisions, axis=1)
    for side, group in zip(halves(num_classes, divisions), groups, strict=True):
        ones = group.sum(axis=1)[:, None]
        votes += np.where(side > 0, ones, size - ones)
    winner = votes.argmax(axis=1)
    assert ((votes == votes.max(axis=1, keepdims=True)).sum(axis=1) > 1).any()

    num_outputs = divisions * size
    scores = head.scores(jnp.asarray(rows.T, dtype=jnp.float32))
    np.testing.assert_allclose(scores, votes / 3.0, rtol=1e-6)
    counts = rows.reshape(len(rows), divisions, size).sum(axis=2).astype(np.float32)
    np.testing.assert_allclose(head.scores_of(jnp.asarray(counts), size), votes / 3.0, rtol=1e-6)
    expected = head.target_bits(winner)
    np.testing.assert_array_equal(head.decide(scores, num_outputs), expected)
    np.testing.assert_array_equal(head.circuit(num_outputs)(rows), expected)
    found = head.counting_circuit(num_outputs)(rows)
    names = head.counting_circuit(num_outputs).output_names
    for c in range(num_classes):
        bits = [i for i, name in enumerate(names) if name.startswith(f"count{c}_")]
        np.testing.assert_array_equal(found[:, bits] @ (1 << np.arange(len(bits))), votes[:, c])


@pytest.mark.parametrize("divisions", [0, 4, 20])
def test_the_rule_for_tau_has_random_votes_differ_as_much_whatever_they_are_for(divisions):
    head = GroupSum(10, divisions=divisions)
    x = np.random.default_rng(0).random((40 * head.num_groups, 4000)) < 0.5
    scores = np.asarray(head.scores(jnp.asarray(x, dtype=jnp.float32)))
    apart = [scores[:, a] - scores[:, b] for a in range(10) for b in range(a)]
    assert np.var(apart, axis=1).mean() == pytest.approx(0.5, rel=0.05)


def test_group_sums_loss_is_the_cross_entropy():
    scores = np.random.default_rng(0).standard_normal((6, 3)).astype(np.float32)
    y = np.array([0, 2, 1, 1, 0, 2])
    share = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    expected = -np.log(share[np.arange(6), y]).mean()
    found = GroupSum(3).loss(jnp.asarray(scores), jnp.asarray(y))
    assert float(found) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("smoothing", [0.1, 0.5])
def test_label_smoothing_is_the_cross_entropy_with_smoothed_targets(smoothing):
    scores = np.random.default_rng(0).standard_normal((6, 3))
    y = np.array([0, 2, 1, 1, 0, 2])
    share = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    targets = (1 - smoothing) * np.eye(3)[y] + smoothing / 3
    expected = -(targets * np.log(share)).sum(axis=1).mean()
    head = GroupSum(3, label_smoothing=smoothing)
    found = head.loss(jnp.asarray(scores, dtype=jnp.float32), jnp.asarray(y))
    assert float(found) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_probabilities_of_classes_are_targets_too(smoothing):
    rng = np.random.default_rng(1)
    scores, y = rng.standard_normal((6, 3)), rng.dirichlet([1.0, 1.0, 1.0], 6)
    share = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    expected = -(((1 - smoothing) * y + smoothing / 3) * np.log(share)).sum(axis=1).mean()
    head = GroupSum(3, label_smoothing=smoothing)
    now, targets = (jnp.asarray(one, dtype=jnp.float32) for one in (scores, y))
    assert float(head.loss(now, targets)) == pytest.approx(expected, rel=1e-5)
    likeliest = y.argmax(axis=1)
    is_correct = scores.argmax(axis=1) == likeliest
    assert 0 < is_correct.sum() < 6
    np.testing.assert_array_equal(head.merit(now, targets), is_correct)
    np.testing.assert_array_equal(head.target_bits(y), head.target_bits(likeliest))
    head.check_targets(y, 6)


@pytest.mark.parametrize(
    "y",
    [
        np.full((4, 2), 0.5),
        np.full((4, 3), 0.5),
        np.array([[1.5, -0.5, 0.0]]),
        np.eye(3, dtype=np.int32),
        np.full((2, 3), np.nan),
    ],
)
def test_what_are_no_probabilities_is_refused(y):
    with pytest.raises(InputError, match=r"GroupSum\(3\) learns probabilities \[N, 3\], floats"):
        GroupSum(3).check_targets(y, 6)


def test_a_learned_tau_begins_at_the_rule_and_has_the_gradient_of_its_logarithm():
    head, fixed = GroupSum(3, tau="learned"), GroupSum(3)
    assert fixed.log_tau is None
    x = jnp.asarray(np.random.default_rng(0).random((27, 5)), dtype=jnp.float32)
    y = jnp.asarray([0, 2, 1, 1, 0])
    np.testing.assert_allclose(head.scores(x), fixed.scores(x), rtol=1e-6)
    assert float(head.tau_of(9)) == pytest.approx(3)
    leaves = jax.tree.leaves(eqx.filter(head, eqx.is_inexact_array))
    assert [leaf.dtype for leaf in leaves] == [np.float32]

    def loss(head):
        return head.loss(head.scores(x), y)

    def loss_at(tau):
        other = GroupSum(3, tau=tau)
        return float(other.loss(other.scores(x), y))

    gradient = float(eqx.filter_grad(loss)(head).log_tau)
    step = 0.1
    expected = (loss_at(3 * math.exp(step)) - loss_at(3 * math.exp(-step))) / (2 * step)
    assert gradient == pytest.approx(expected, rel=2e-2)
    wider = eqx.tree_at(lambda tree: tree.log_tau, head, jnp.asarray(math.log(2.0)))
    np.testing.assert_allclose(wider.scores(x), fixed.scores(x) / 2, rtol=1e-6)


def test_bits():
    head = Bits()
    scores = head.scores(jnp.asarray([[0.1, 0.9, 0.6], [0.2, 0.4, 0.5]]))
    y = np.array([[0, 0], [1, 0], [1, 1]])
    assert scores.shape == (3, 2)
    expected = ((np.asarray(scores) - y) ** 2).mean()
    assert float(head.loss(scores, jnp.asarray(y))) == pytest.approx(expected, rel=1e-6)
    assert head.decide(scores, 2).tolist() == [[False, False], [True, False], [True, False]]
    assert head.merit(scores, jnp.asarray(y)).tolist() == [True, True, False]
    np.testing.assert_array_equal(head.target_bits(y), y == 1)
    rows = unpack(all_inputs(2), 4)
    np.testing.assert_array_equal(head.circuit(2)(rows), rows)
    assert head.circuit(1).output_names == ("y",)


def test_bits_takes_one_column_as_a_vector():
    head, y = Bits(), np.array([0, 1, 1])
    scores = head.scores(jnp.asarray([[0.0, 1.0, 0.2]]))
    assert head.merit(scores, jnp.asarray(y)).tolist() == [True, True, False]
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
        (Affine(0, 1), [0.5, np.nan], r"finite numbers \[N\]; y is float64\[2\]$"),
        (Affine(0, 1), [[0.5]], r"finite numbers \[N\]; y is float64\[1, 1\]$"),
        (Affine(0, 1), ["a"], r"finite numbers \[N\]; y is <U1\[1\]$"),
    ],
)
def test_targets_that_a_head_cannot_learn_are_refused(head: Head, y, message):
    with pytest.raises(InputError, match=message):
        head.check_targets(np.array(y), 2)


def test_a_group_sum_that_cannot_be_is_refused():
    with pytest.raises(InputError, match="at least 2 classes apart, not 1"):
        GroupSum(1)
    with pytest.raises(InputError, match="positive, 'auto' or 'learned', not 0"):
        GroupSum(2, tau=0)
    with pytest.raises(InputError, match="a number, 'auto' or 'learned', not 'rule'"):
        GroupSum(2, tau="rule")
    with pytest.raises(InputError, match="from 0 to below 1, not 1"):
        GroupSum(2, label_smoothing=1)
    with pytest.raises(InputError, match="multiple of 3 outputs, the last layer has 4"):
        GroupSum(3).check(4)
    with pytest.raises(InputError, match=r"divisions=6\) needs a multiple of 6 outputs"):
        GroupSum(3, divisions=6).check(9)
    for divisions in (-1, 1, 3):
        with pytest.raises(InputError, match=f"10 classes apart, not {divisions}; 20 are"):
            GroupSum(10, divisions=divisions)
    with pytest.raises(InputError, match="multiple of 3"):
        GroupSum(3).circuit(4)


@pytest.mark.parametrize(("groups", "size"), [(1, 1), (1, 7), (2, 1), (3, 4), (5, 3)])
def test_a_number_in_gates_is_its_decision(groups, size):
    head = Affine(-1.5, 2.0, spread=0.5, groups=groups)
    num_outputs = groups * size
    rows = np.random.default_rng(groups).random((200, num_outputs)) < 0.5
    rows[:2] = [[False], [True]]
    counts = rows.reshape(200, groups, size).sum(axis=2) @ (1 << np.arange(groups))
    numbers = -1.5 + 3.5 * counts / (size * (2**groups - 1))
    scores = head.scores(rows.T.astype(np.float32))
    np.testing.assert_allclose(scores[:, 0], numbers, atol=1e-6)
    bits = head.circuit(num_outputs)(rows)
    np.testing.assert_array_equal(head.decide(scores, num_outputs), bits)
    np.testing.assert_array_equal(bits @ (1 << np.arange(bits.shape[1])), counts)
    np.testing.assert_allclose(head.numbers(num_outputs)(bits), numbers)
    y = np.random.default_rng(1).normal(size=200)
    expected = 1 - ((numbers - y) ** 2).mean() / 0.25
    assert head.merit_of_bits(bits, y, num_outputs) == pytest.approx(expected)
    assert float(head.merit(scores, jnp.asarray(y, jnp.float32)).mean()) == pytest.approx(
        expected, rel=1e-5
    )
    assert float(head.loss(scores, jnp.asarray(y, jnp.float32))) == pytest.approx(
        1 - expected, rel=1e-5
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Affine(1, 1), "low is below its high, not 1 and 1"),
        (lambda: Affine(0, float("inf")), "not 0 and inf"),
        (lambda: Affine(0, 1, spread=0), "spread is above 0, not 0"),
        (lambda: Affine(0, 1, groups=0), "at least 1 group, not 0"),
        (lambda: Affine(0, 1, groups=3).check(4), "multiple of 3 outputs, the last layer has 4"),
        (lambda: Affine(0, 1, groups=20).check(40), "up to 2097150, and tells 1048576 apart"),
    ],
)
def test_a_number_that_cannot_be_is_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_the_vote_is_built_once():
    assert GroupSum(3).circuit(9) is GroupSum(3).circuit(9)
