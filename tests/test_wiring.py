from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright import wiring
from gatewright.errors import InputError
from gatewright.wiring import SCHEMES, connect, groups, weighted_groups


@st.composite
def shapes(draw: st.DrawFn, scheme: str) -> tuple[int, int]:
    """(inputs, gates) that the scheme serves."""
    if scheme == "tree":
        gates = draw(st.integers(1, 60))
        return 2 * gates, gates
    if scheme == "moore":
        return 2 * draw(st.integers(1, 30)) + 1, draw(st.integers(1, 120))
    inputs = draw(st.integers(2, 60))
    if scheme == "unique":
        return inputs, draw(st.integers(-(-inputs // 2), min(120, inputs * (inputs - 1) // 2)))
    return inputs, draw(st.integers(1, 120))


@st.composite
def wired(draw: st.DrawFn, *schemes: str) -> tuple[int, int, np.ndarray]:
    """(inputs, gates, fan-in) of a layer wired by one of the schemes."""
    scheme = draw(st.sampled_from(schemes))
    num_inputs, num_gates = draw(shapes(scheme))
    seed = draw(st.integers(0, 2**32 - 1))
    return (
        num_inputs,
        num_gates,
        connect(scheme, num_inputs, num_gates, np.random.default_rng(seed)),
    )


def fanouts(fanin: np.ndarray, num_inputs: int) -> np.ndarray:
    return np.bincount(fanin.reshape(-1), minlength=num_inputs)


@given(wired(*SCHEMES))
def test_every_scheme_gives_pairs_of_different_inputs(layer):
    num_inputs, num_gates, fanin = layer
    assert fanin.shape == (num_gates, 2)
    assert fanin.dtype == np.int32
    assert fanin.min() >= 0
    assert fanin.max() < num_inputs
    assert (fanin[:, 0] != fanin[:, 1]).all()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_seed_decides_the_wiring(scheme):
    num_inputs, num_gates = (9, 8) if scheme == "moore" else (16, 8)
    first, again, other = (
        connect(scheme, num_inputs, num_gates, np.random.default_rng(seed)) for seed in (5, 5, 6)
    )
    np.testing.assert_array_equal(first, again)
    assert (first == other).all() == (scheme in ("tree", "comb", "moore"))


@given(wired("random", "unique"))
def test_random_and_unique_read_every_input_that_the_gates_suffice_for(layer):
    num_inputs, num_gates, fanin = layer
    assert (fanouts(fanin, num_inputs) > 0).sum() == min(num_inputs, 2 * num_gates)


def test_random_balances_the_fan_out():
    counts = fanouts(connect("random", 100, 1000, np.random.default_rng(0)), 100)
    assert abs(counts - 20).sum() <= 60  # only operands that met twice move; drawn freely, over 300
    counts = fanouts(connect("random", 9, 512, np.random.default_rng(0)), 9)
    assert counts.min() > 90


@given(wired("butterfly"))
def test_butterfly_balances_the_fan_out(layer):
    num_inputs, num_gates, fanin = layer
    counts = fanouts(fanin, num_inputs)
    assert counts.max() - counts.min() <= (2 if num_gates % num_inputs else 0)


@given(wired("butterfly"))
def test_butterfly_joins_inputs_a_power_of_two_apart(layer):
    num_inputs, num_gates, fanin = layer
    distance = (fanin[:, 1] - fanin[:, 0]) % num_inputs
    assert np.bitwise_count(distance).max() == 1
    stages = -(-num_gates // num_inputs)
    assert len(set(distance.tolist())) == min(stages, (num_inputs - 1).bit_length())


@given(wired("unique"))
def test_unique_repeats_no_pair(layer):
    _, num_gates, fanin = layer
    assert len({frozenset(pair) for pair in fanin.tolist()}) == num_gates


@pytest.mark.parametrize("num_inputs", [2, 3, 9, 16, 17])
def test_unique_serves_every_size_from_half_the_inputs_to_all_pairs(num_inputs):
    for num_gates in range(-(-num_inputs // 2), num_inputs * (num_inputs - 1) // 2 + 1):
        fanin = connect("unique", num_inputs, num_gates, np.random.default_rng(num_gates))
        assert len({frozenset(pair) for pair in fanin.tolist()}) == num_gates
        assert fanouts(fanin, num_inputs).min() > 0


def test_unique_permutes_inputs_and_gates():
    fanin = connect("unique", 40, 20, np.random.default_rng(0))
    assert (abs(fanin[:, 0] - fanin[:, 1]) != 1).any(), "inputs in order"
    joined = connect("unique", 40, 39, np.random.default_rng(0))
    assert len(set(joined[:20].reshape(-1).tolist())) < 40, "gates in order: first the even pairs"


def test_comb_walks_the_neighbours_then_those_further_apart():
    rng = np.random.default_rng(0)
    assert connect("comb", 4, 6, rng).tolist() == [[0, 1], [1, 2], [2, 3], [3, 0], [0, 2], [1, 3]]
    fanin = connect("comb", 7, 21, rng)
    assert len({frozenset(pair) for pair in fanin.tolist()}) == 21


def test_tree_joins_adjacent_inputs():
    rng = np.random.default_rng(0)
    assert connect("tree", 6, 3, rng).tolist() == [[0, 1], [2, 3], [4, 5]]


def test_moore_joins_the_centre_with_each_neighbour_in_turn():
    fanin = connect("moore", 9, 17, np.random.default_rng(0))
    assert (fanin[:, 0] == 4).all()
    assert fanin[:, 1].tolist() == [0, 1, 2, 3, 5, 6, 7, 8] * 2 + [0]


@pytest.mark.parametrize(
    ("scheme", "num_inputs", "num_gates", "message"),
    [
        ("unique", 4, 7, r"6 different pairs of 4 inputs, fewer than the 7 gates .* 'random'"),
        ("unique", 9, 4, r"4 gates cannot read all 9 inputs; use 'random' or at least 5 gates"),
        ("tree", 9, 4, r"9 inputs need 4.5 gates, not 4; use 'random'"),
        ("tree", 8, 8, r"8 inputs need 4 gates, not 8"),
        ("moore", 8, 8, r"number is odd, not 8; use 'random' or 'unique'"),
        ("random", 1, 8, r"at least 2 inputs and 1 gate, not 1 and 8"),
        ("comb", 8, 0, r"not 8 and 0"),
        ("ring", 8, 8, r"unknown wiring 'ring'; known: random, unique, comb, tree, butterfly"),
    ],
)
def test_shapes_that_a_scheme_cannot_serve_are_named(scheme, num_inputs, num_gates, message):
    with pytest.raises(InputError, match=message):
        connect(scheme, num_inputs, num_gates, np.random.default_rng(0))


def test_the_wiring_of_large_layers_is_valid():
    fanin = wiring.butterfly(70_000, 90_000, np.random.default_rng(1))
    assert fanin.min() >= 0
    assert fanin.max() < 70_000
    assert (fanin[:, 0] != fanin[:, 1]).all()


@given(st.integers(1, 40), st.integers(0, 60), st.integers(1, 12), st.integers(0, 2**31))
def test_groups_hold_different_inputs_in_even_shares(num_inputs, num_groups, size, seed):
    size = min(size, num_inputs)
    found = groups(num_inputs, num_groups, size, np.random.default_rng(seed))
    assert found.shape == (num_groups, size)
    assert all(len(set(group)) == size for group in found.tolist())
    count = np.bincount(found.reshape(-1), minlength=num_inputs)
    assert len(count) == num_inputs
    assert count.max() - count.min() <= 1


def test_groups_are_random_and_cannot_be_larger_than_what_there_is():
    first, again, other = (groups(30, 20, 4, np.random.default_rng(s)) for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    with pytest.raises(InputError, match="5 different inputs is not to be had of 4"):
        groups(4, 1, 5, np.random.default_rng(0))


def test_groups_near_a_centre_follow_share_and_distance():
    places = np.indices((20, 20), np.float32).reshape(2, -1).T
    shares = np.where(places[:, 0] < 10, 1.0, 0.25)
    near = wiring.Near(places, reach=1.5)
    rng = np.random.default_rng(0)
    found = weighted_groups(shares, 20_000, 1, rng, near)[:, 0]
    # the centre is an input drawn by share, the member another by share and weight
    distance = np.linalg.norm(places[:, None] - places, axis=2)
    weight = shares * np.exp(-(distance**2) / (2 * 1.5**2))
    expected = shares / shares.sum() @ (weight / weight.sum(axis=1, keepdims=True))
    count = np.bincount(found, minlength=400)
    deviation = (count - 20_000 * expected) / np.sqrt(20_000 * expected)
    assert abs(deviation).max() < 4.5
    assert 0.85 < (deviation**2).mean() < 1.15


def test_very_many_inputs_are_all_drawn_by_share():
    shares = np.where(np.arange(3 * wiring.POOL) % 3, 1.0, 0.5)
    found = weighted_groups(shares, 3000, 8, np.random.default_rng(0))
    assert (np.diff(np.sort(found, axis=1), axis=1) > 0).all()
    count = np.bincount(found.reshape(-1), minlength=len(shares))
    expected = found.size * shares / shares.sum()
    assert ((count - expected) ** 2 / expected).mean() < 1.15
    assert abs(count[::3].sum() / expected[::3].sum() - 1) < 0.05


def test_groups_near_a_centre_hold_different_inputs_even_where_few_are_near():
    places = np.arange(50, dtype=np.float32)[:, None]
    found = weighted_groups(np.ones(50), 30, 40, np.random.default_rng(1), wiring.Near(places, 0.1))
    assert all(len(set(group)) == 40 for group in found.tolist())
    few = weighted_groups(np.ones(50), 30, 5, np.random.default_rng(1), wiring.Near(places, 0.1))
    assert (np.ptp(few, axis=1) <= 8).all()


@pytest.mark.parametrize(("num_places", "reach"), [(49, 1.0), (50, 0.0), (50, float("nan"))])
def test_places_that_do_not_fit_the_inputs_are_refused(num_places, reach):
    near = wiring.Near(np.zeros((num_places, 2), np.float32), reach)
    with pytest.raises(InputError, match="give 50 places, one an input, and a reach over 0"):
        weighted_groups(np.ones(50), 3, 2, np.random.default_rng(0), near)
