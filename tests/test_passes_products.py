from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings

from gatewright.circuit import FALSE, Builder, Circuit
from gatewright.passes import Record, optimize
from gatewright.passes.products import products
from random_circuits import assert_kept_with_no_more_ands, built_circuits, raw_circuits


def sum_of(builder: Builder, literals: Sequence[int]) -> int:
    total = FALSE
    for literal in literals:
        total = builder.lxor(total, literal)
    return total


def all_pairs(num_inputs: int) -> Circuit:
    """The sum of the products of any two inputs."""
    builder = Builder([f"x{i}" for i in range(num_inputs)])
    pairs = [builder.land(a, b) for a, b in combinations(builder.inputs, 2)]
    builder.output("y", sum_of(builder, pairs))
    return builder.build()


@settings(max_examples=300)
@given(built_circuits(max_gates=40) | raw_circuits(max_gates=40))
def test_the_function_is_kept_and_there_are_no_more_ands(circuit: Circuit) -> None:
    assert_kept_with_no_more_ands(circuit, products(circuit))


@pytest.mark.parametrize("size", [3, 7])
def test_turning_by_one_place_or_not_takes_a_product_less_than_it_has_places(size: int) -> None:
    """The differences of neighbours in a ring add up to 0."""
    builder = Builder(["select", *(f"x{i}" for i in range(size))])
    select, *places = builder.inputs
    for i, here in enumerate(places):
        moved, stays = builder.land(select, places[i - 1]), builder.land(select ^ 1, here)
        builder.output(f"y{i}", builder.lxor(moved, stays))
    circuit = builder.build()
    assert circuit.stats().ands == 2 * size
    after = products(circuit)
    assert after.stats().ands == size - 1
    np.testing.assert_array_equal(after.truth_tables(), circuit.truth_tables())


@pytest.mark.parametrize("num_inputs", [3, 4, 9])
def test_a_quadratic_form_takes_half_as_many_products_as_it_has_rank(num_inputs: int) -> None:
    circuit = all_pairs(num_inputs)
    after = products(circuit)
    assert after.stats().ands == num_inputs // 2
    np.testing.assert_array_equal(after.truth_tables(), circuit.truth_tables())


def test_products_that_are_read_apart_stay() -> None:
    builder = Builder("abc")
    a, b, c = builder.inputs
    first, second = builder.land(a, b), builder.land(a, c)
    builder.output("both", builder.lxor(first, second))
    builder.output("one", first)
    circuit = builder.build()
    assert products(circuit) is circuit


def test_a_product_of_a_product_is_read_by_it() -> None:
    """ab and ac in a factor are a(b + c); both are of use elsewhere only as that."""
    builder = Builder("abcd")
    a, b, c, d = builder.inputs
    both = builder.lxor(builder.land(a, b), builder.land(a, c))
    builder.output("y", builder.land(both, d))
    builder.output("z", builder.lxor(both, b))
    circuit = builder.build()
    after = products(circuit)
    assert after.stats().ands == 2
    np.testing.assert_array_equal(after.truth_tables(), circuit.truth_tables())


def test_what_is_not_proved_in_time_is_dropped() -> None:
    circuit = all_pairs(40)
    records: list[Record] = []
    after = optimize(circuit, passes=("products",), seconds=1e-9, record=records.append)
    assert after is circuit
    assert records[0].dropped.startswith("undecided")


def test_a_long_sum_is_seen_through_where_that_is_proved() -> None:
    builder = Builder(["select", *(f"x{i}" for i in range(16))])
    select, *others = builder.inputs
    for i, other in enumerate([*others, sum_of(builder, others)]):
        builder.output(f"y{i}", builder.land(select, other))
    circuit = builder.build()
    after = products(circuit)
    assert (circuit.stats().ands, after.stats().ands) == (17, 16)
    np.testing.assert_array_equal(after.truth_tables(), circuit.truth_tables())


def test_products_that_cancel_wherever_they_are_added_go() -> None:
    builder = Builder("abcd")
    a, b, c, d = builder.inputs
    first, second = builder.land(a, b), builder.land(c, d)
    left = builder.lxor(builder.lxor(first, second), a)
    builder.output("y", builder.lxor(left, builder.lxor(first, builder.lxor(second, b))))
    after = products(builder.build())
    assert after.stats().ands == 0
    assert after.truth_tables()[:, 0].tolist() == [bool(r & 1) != bool(r & 2) for r in range(16)]


def test_a_product_is_folded_into_later_ones() -> None:
    builder = Builder("sabcd")
    s, a, b, c, d = builder.inputs
    first, second = builder.land(s, a), builder.land(s, b)
    third = builder.land(s, builder.land(c, d))
    builder.output("y", builder.lxor(first, third))
    builder.output("z", builder.lxor(second, third))
    circuit = builder.build()
    after = products(circuit)
    assert (circuit.stats().ands, after.stats().ands) == (4, 3)
    np.testing.assert_array_equal(after.truth_tables(), circuit.truth_tables())
