from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from gatewright.arith import full_adder
from gatewright.automata import life_rule
from gatewright.circuit import FALSE, Builder, Circuit
from gatewright.passes import optimize
from gatewright.passes.ands import VARIABLES, ands, recipes
from gatewright.targets import read
from gatewright.verify import prove
from random_circuits import assert_kept_with_no_more_ands, built_circuits, raw_circuits


def test_recipes_compute_their_functions_with_the_products_they_say() -> None:
    found = recipes()
    rng = np.random.default_rng(0)
    tables = [*sorted(found)[:200], *rng.choice(sorted(found), 500).tolist()]
    for table in tables:
        builder = Builder("abcd")
        builder.output("y", found[table].emit(builder, builder.inputs))
        circuit = builder.build()
        assert circuit.truth_tables()[:, 0].tolist() == [bool(table >> r & 1) for r in range(16)]
        assert circuit.stats().ands <= len(found[table].products)


def test_there_are_as_many_functions_of_one_product_as_theory_says() -> None:
    """2^(n+1) (2^n - 1) (2^(n-1) - 1) / 3: Find, Smith-Tone and Turan, 2017."""
    number = Counter(len(recipe.products) for recipe in recipes().values())
    assert number[0] == 2**5
    assert number[1] == 2**5 * 15 * 7 // 3
    of_three = {t for t in range(1 << 16) if t & 0xFF == t >> 8}
    assert of_three <= recipes().keys()
    assert VARIABLES[3] == 0xFF00


@settings(max_examples=200)
@given(built_circuits(max_gates=40) | raw_circuits(max_gates=40))
def test_the_function_is_kept_and_there_are_no_more_ands(circuit: Circuit) -> None:
    assert_kept_with_no_more_ands(circuit, ands(circuit))


def test_an_adder_takes_an_and_a_bit(epfl: Path) -> None:
    adder = read(epfl / "adder.aig")
    after = ands(adder)
    assert (adder.stats().ands, after.stats().ands) == (1020, 128)
    assert prove(adder, after)


def test_a_majority_is_one_and() -> None:
    builder = Builder("abc")
    a, b, c = builder.inputs
    pairs = [builder.land(a, b), builder.land(b, c), builder.land(a, c)]
    builder.output("y", builder.lor(builder.lor(pairs[0], pairs[1]), pairs[2]))
    assert ands(builder.build()).stats().ands == 1


@pytest.mark.parametrize("effort", [2, 3])
def test_life_takes_few_ands(effort: int) -> None:
    builder = Builder([f"x{i}" for i in range(9)])
    cells = [x for i, x in enumerate(builder.inputs) if i != 4]
    digits: list[int] = []
    column = cells
    while column:
        carries: list[int] = []
        while len(column) > 1:
            total, carry = full_adder(builder, *(column + [FALSE])[:3])
            column = [*column[3:], total]
            carries.append(carry)
        digits += column
        column = carries
    one, two, four, *_ = digits
    alive = builder.lor(one, builder.inputs[4])
    builder.output("next", builder.land(builder.land(two, four ^ 1), alive))
    circuit = builder.build()
    assert prove(circuit, life_rule)
    after = optimize(circuit, effort, objective="and", time_budget=8)
    assert after.stats().ands <= 8
    assert prove(after, life_rule)
