from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import cache
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.circuit import Builder, Circuit
from gatewright.passes.plan import KINDS, Plan, Target, find_plan

ROWS = {k: [[r >> i & 1 for i in range(k)] for r in range(1 << k)] for k in (2, 3)}


def exactly(function: int, k: int) -> Target:
    """The target that this truth table alone meets."""
    return function, function ^ (1 << (1 << k)) - 1


def tables_of(plan: Plan) -> list[int]:
    """The truth tables of a plan's outputs, a row at a time by the definition of a gate."""
    tables = [0] * len(plan.outputs)
    for r, row in enumerate(ROWS[plan.k]):
        value = list(row)
        for table, a, b in plan.gates:
            assert table in KINDS
            assert 0 <= a < b < len(value)
            value.append(table >> (value[a] + 2 * value[b]) & 1)
        for o, literal in enumerate(plan.outputs):
            tables[o] |= (value[literal >> 1] ^ literal & 1) << r
    return tables


def assert_meets(plan: Plan, targets: tuple[Target, ...]) -> None:
    for table, (on, off) in zip(tables_of(plan), targets, strict=True):
        assert table & on == on
        assert table & off == 0


@cache
def circuits(k: int, limit: int) -> list[tuple[int, frozenset[int]]]:
    """(gates, functions up to inversion) of every circuit of up to `limit` gates, fewest first.

    Any of the 16 tables, on any two nodes: an inverter is free, so of a function and its complement
    the one with row 0 clear stands for both.
    """
    full = (1 << (1 << k)) - 1
    level = {frozenset(sum(row[i] << r for r, row in enumerate(ROWS[k])) for i in range(k))}
    found: list[tuple[int, frozenset[int]]] = []
    for num_gates in range(limit + 1):
        found += [(num_gates, known) for known in level]
        following: set[frozenset[int]] = set()
        for known in level if num_gates < limit else ():
            for (x, y), kind in product(combinations(known, 2), range(1, 15)):
                minterms = (~x & ~y, x & ~y, ~x & y, x & y)
                table = full & sum(m & full for i, m in enumerate(minterms) if kind >> i & 1)
                table = table ^ full if table & 1 else table
                if table and table not in known:
                    following.add(known | {table})
        level = following
    return found


def fewest_gates(functions: Sequence[int], k: int, otherwise: int) -> int:
    """Gates of the smallest circuit of up to 3 gates that computes them all."""
    full = (1 << (1 << k)) - 1
    wanted = {f ^ full if f & 1 else f for f in functions}
    return next((num for num, known in circuits(k, 3) if wanted <= known), otherwise)


def function_of(k: int, rule: Callable[..., int]) -> int:
    return sum(bool(rule(*row)) << r for r, row in enumerate(ROWS[k]))


XOR3 = function_of(3, lambda a, b, c: a ^ b ^ c)
MAJORITY = function_of(3, lambda a, b, c: a + b + c > 1)
MUX = function_of(3, lambda s, t, e: t if s else e)


@pytest.mark.parametrize("k", [2, 3])
def test_every_function_is_planned_with_the_fewest_gates_there_are(k: int) -> None:
    full = (1 << (1 << k)) - 1
    for function in range(1, full):
        plan = find_plan((exactly(function, k),), k)
        assert tables_of(plan) == [function]
        # What three gates cannot do, four can: no 3-input function needs more (Knuth, TAOCP 7.1.2).
        assert plan.num_gates == fewest_gates([function], k, 4)


@pytest.mark.parametrize(
    ("functions", "num_gates"),
    [
        ((XOR3,), 2),
        ((MUX,), 3),
        ((MAJORITY,), 4),
        ((XOR3, MAJORITY), 5),
        ((MAJORITY, XOR3 ^ 0xFF), 5),
        ((MUX, MUX ^ 0xFF), 3),
        ((0xAA, 0x55), 0),
    ],
    ids=["xor3", "mux", "majority", "full adder", "inverted", "complements", "wires"],
)
def test_known_sizes(functions: tuple[int, ...], num_gates: int) -> None:
    targets = tuple(exactly(f, 3) for f in functions)
    plan = find_plan(targets, 3)
    assert plan.num_gates == num_gates
    assert tables_of(plan) == list(functions)


@st.composite
def loose_targets(draw: st.DrawFn, k: int) -> Target:
    """A target that leaves rows open, and that not only a constant meets."""
    num_rows = 1 << k
    cares = draw(st.integers(0, (1 << num_rows) - 1))
    on = draw(st.integers(0, (1 << num_rows) - 1)) & cares
    if cares == (1 << num_rows) - 1 and on in (0, cares):
        on = 0x6
    return on, cares ^ on


def members(target: Target, k: int) -> list[int]:
    on, off = target
    return [f for f in range(1, (1 << (1 << k)) - 1) if f & on == on and not f & off]


@pytest.mark.parametrize("k", [2, 3])
@given(data=st.data())
def test_a_loose_target_costs_as_little_as_the_cheapest_function_that_meets_it(
    k: int, data: st.DataObject
) -> None:
    target = data.draw(loose_targets(k))
    plan = find_plan((target,), k)
    assert_meets(plan, (target,))
    assert plan.num_gates == min(fewest_gates([f], k, 4) for f in members(target, k))


@pytest.mark.parametrize("k", [2, 3])
@given(data=st.data())
def test_two_loose_targets_are_met_together_and_never_cost_more_than_apart(
    k: int, data: st.DataObject
) -> None:
    targets = data.draw(loose_targets(k)), data.draw(loose_targets(k))
    plan = find_plan(targets, k)
    assert_meets(plan, targets)
    apart = [find_plan((target,), k).num_gates for target in targets]
    assert max(apart) <= plan.num_gates <= sum(apart)


def test_pairs_cost_no_more_than_the_smallest_circuit_of_three_gates() -> None:
    rng = random.Random(2)
    # Random pairs seldom fit three gates; those drawn from one circuit do.
    pairs = [rng.sample(sorted(known), 2) for _, known in rng.sample(circuits(3, 3), 300)]
    for f, g in pairs + [rng.sample(range(1, 255), 2) for _ in range(200)]:
        targets = exactly(f, 3), exactly(g, 3)
        plan = find_plan(targets, 3)
        assert tables_of(plan) == [f, g]
        apart = sum(find_plan((target,), 3).num_gates for target in targets)
        assert plan.num_gates <= fewest_gates([f, g], 3, apart)


@given(
    st.integers(1, 254), st.integers(1, 254), st.lists(st.integers(0, 1), min_size=3, max_size=3)
)
def test_emitted_over_literals_a_plan_computes_its_targets(
    f: int, g: int, flips: list[int]
) -> None:
    plan = find_plan((exactly(f, 3), exactly(g, 3)), 3)
    builder = Builder("abc")
    inputs = [x ^ flip for x, flip in zip(builder.inputs, flips, strict=True)]
    for name, literal in zip("yz", plan.emit(builder, inputs), strict=True):
        builder.output(name, literal)
    circuit: Circuit = builder.build()
    assert circuit.num_gates <= plan.num_gates
    rows = np.array([[bit ^ flip for bit, flip in zip(row, flips, strict=True)] for row in ROWS[3]])
    expected = [[f >> r & 1, g >> r & 1] for r in range(8)]
    np.testing.assert_array_equal(circuit(rows), np.array(expected, np.bool_))
