from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.arith import (
    argmax,
    full_adder,
    greater,
    half_adder,
    pair_adder,
    popcount,
    two_pair_adder,
    weighted_sum,
)
from gatewright.circuit import Builder, Circuit, all_inputs, unpack
from gatewright.passes.sweep import sweep


def rows_of(k: int) -> np.ndarray:
    """int[2**k, k]."""
    return unpack(all_inputs(k), 1 << k).astype(np.int64)


def finish(builder: Builder, literals: list[int]) -> Circuit:
    for i, literal in enumerate(literals):
        builder.output(f"y{i}", literal)
    return builder.build()


def values(circuit: Circuit) -> np.ndarray:
    """The outputs of all rows, read as a number, least significant bit first."""
    bits = circuit.truth_tables().astype(np.int64)
    return bits @ (1 << np.arange(bits.shape[1], dtype=np.int64))


def split(builder: Builder, widths: tuple[int, ...]) -> list[list[int]]:
    inputs = iter(builder.inputs)
    return [list(itertools.islice(inputs, width)) for width in widths]


def numbers_of(rows: np.ndarray, widths: tuple[int, ...]) -> np.ndarray:
    """int[N, len(widths)]: the numbers that `split` makes of the inputs."""
    ends = np.cumsum(widths)
    parts = [rows[:, end - width : end] for end, width in zip(ends, widths, strict=True)]
    return np.stack([part @ (1 << np.arange(part.shape[1])) for part in parts], axis=1)


def builder_of(num_inputs: int) -> Builder:
    return Builder([f"x{i}" for i in range(num_inputs)])


def test_adders_add_with_the_stated_number_of_gates():
    b = builder_of(2)
    half = finish(b, list(half_adder(b, *b.inputs)))
    assert half.num_gates == 2
    np.testing.assert_array_equal(values(half), rows_of(2).sum(1))
    b = builder_of(3)
    full = finish(b, list(full_adder(b, *b.inputs)))
    assert (full.num_gates, full.stats().ands) == (5, 1)
    np.testing.assert_array_equal(values(full), rows_of(3).sum(1))


def test_adders_of_twos_add_with_the_stated_number_of_gates():
    x, differ, z = rows_of(3).T
    b = builder_of(3)
    circuit = finish(b, list(pair_adder(b, b.inputs[2], (b.inputs[0], b.inputs[1]))))
    assert (circuit.num_gates, circuit.stats().ands) == (4, 1)
    np.testing.assert_array_equal(values(circuit), z + np.where(differ, 1, 2 * x))

    x, differ, y, differs, z = rows_of(5).T
    b = builder_of(5)
    total, (carry, carries_differ) = two_pair_adder(
        b, b.inputs[4], (b.inputs[0], b.inputs[1]), (b.inputs[2], b.inputs[3])
    )
    circuit = finish(b, [total, carry, carries_differ])
    assert (circuit.num_gates, circuit.stats().ands) == (8, 2)
    low, high, is_one = circuit.truth_tables().T.astype(np.int64)
    expected = z + np.where(differ, 1, 2 * x) + np.where(differs, 1, 2 * y)
    np.testing.assert_array_equal(low + 2 * np.where(is_one, 1, 2 * high), expected)


@pytest.mark.parametrize("k", range(13))
def test_popcount_counts(k):
    b = builder_of(k)
    circuit = finish(b, popcount(b, b.inputs))
    np.testing.assert_array_equal(values(circuit), rows_of(k).sum(1))
    assert circuit.num_outputs == k.bit_length()
    assert circuit.num_gates <= 5 * k


@pytest.mark.parametrize("k", [14, 31, 32, 63, 100, 257, 800])
def test_popcount_of_many_bits_has_no_digit_too_many(k):
    b = builder_of(k)
    circuit = finish(b, popcount(b, b.inputs))
    assert circuit.num_outputs == k.bit_length()
    rng = np.random.default_rng(k)
    rows = rng.random((500, k)) < rng.random((500, 1))
    rows[:2] = [[True], [False]]
    found = circuit(rows).astype(np.int64) @ (1 << np.arange(circuit.num_outputs))
    np.testing.assert_array_equal(found, rows.sum(1))
    assert sweep(circuit).num_gates >= circuit.num_gates - 2 * k.bit_length()


def test_popcount_is_small_and_not_deep():
    b = builder_of(256)
    circuit = finish(b, popcount(b, b.inputs))
    assert circuit.num_gates <= 4.5 * 256
    assert circuit.stats().ands <= 1.05 * 256
    assert circuit.depth <= 45
    rows = np.random.default_rng(0).integers(0, 2, (500, 256))
    found = circuit(rows).astype(np.int64) @ (1 << np.arange(9))
    np.testing.assert_array_equal(found, rows.sum(1))


@pytest.mark.parametrize("widths", list(itertools.product(range(5), repeat=2)))
def test_greater_compares_numbers_of_any_widths(widths):
    b = builder_of(sum(widths))
    circuit = finish(b, [greater(b, *split(b, widths))])
    x, y = numbers_of(rows_of(sum(widths)), widths).T
    np.testing.assert_array_equal(values(circuit), x > y)


@pytest.mark.parametrize(
    "widths",
    [
        (3,),
        (2, 2),
        (1, 3),
        (3, 1),
        (2, 2, 2),
        (1, 1, 1, 1, 1),
        (2, 3, 1, 2, 3),
        (1,) * 7,
        (0, 2, 0),
        (2,) * 6,
    ],
)
def test_argmax_is_the_lowest_index_of_the_largest(widths):
    b = builder_of(sum(widths))
    index = argmax(b, split(b, widths))
    assert len(index) == (len(widths) - 1).bit_length()
    expected = numbers_of(rows_of(sum(widths)), widths).argmax(axis=1)
    np.testing.assert_array_equal(values(finish(b, index)), expected)


@given(st.lists(st.integers(0, 9), max_size=6), st.integers(0, 2**32 - 1))
def test_a_weighted_sum_counts_each_bit_by_its_column(sizes, seed):
    builder = Builder([f"x{i}" for i in range(sum(sizes))])
    ends = np.cumsum([0, *sizes])
    columns = [builder.inputs[a:b] for a, b in itertools.pairwise(ends)]
    circuit = finish(builder, weighted_sum(builder, columns))
    rows = np.random.default_rng(seed).random((50, sum(sizes))) < 0.5
    counts = rows @ np.repeat(1 << np.arange(len(sizes)), sizes)
    found = circuit(rows)
    np.testing.assert_array_equal(found @ (1 << np.arange(found.shape[1])), counts)
    assert found.shape[1] == sum(n << i for i, n in enumerate(sizes)).bit_length()
