from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings

from gatewright.automata import life_circuit
from gatewright.circuit import Builder, Circuit
from gatewright.passes.exact import MOST_GATES, Windows, exact, other
from gatewright.passes.exact_synthesis import OutOfConflicts, fewest, synthesize
from gatewright.passes.netlist import variables
from gatewright.passes.objectives import Goal
from gatewright.passes.plan import Target, find_plan
from gatewright.window import Meter
from random_circuits import built_circuits, raw_circuits


def meter(conflicts: int | None = None) -> Meter:
    return Meter(60.0, conflicts)


def target(table: int, k: int) -> Target:
    return table, ~table & (1 << (1 << k)) - 1


def sum_of_three() -> tuple[Target, Target]:
    a, b, c = variables(3)
    return target(a ^ b ^ c, 3), target(a & b | a & c | b & c, 3)


def test_a_full_adder_has_five_gates() -> None:
    assert synthesize(sum_of_three(), 3, 4, meter()) is None
    plan = fewest(sum_of_three(), 3, 8, meter())
    assert plan is not None
    assert plan.num_gates == 5
    assert plan.tables() == [on for on, _ in sum_of_three()]


def test_the_fewest_are_those_of_the_list_of_all_circuits() -> None:
    rng = random.Random(0)
    for _ in range(150):
        on, care = rng.getrandbits(8), rng.getrandbits(8) | rng.getrandbits(8)
        wanted = (on & care, ~on & care)
        if not all(wanted):
            continue
        plan = fewest((wanted,), 3, 5, meter())
        assert plan is not None
        assert plan.num_gates == find_plan((wanted,), 3).num_gates
        (table,) = plan.tables()
        assert table & care == on & care


@pytest.mark.parametrize("k", [4, 5])
def test_what_random_circuits_compute_is_found_in_no_more_gates(k: int) -> None:
    rng = random.Random(k)
    for _ in range(12):
        values = list(variables(k))
        for _ in range(5):
            a, b = rng.sample(values, 2)
            values.append(rng.choice((a & b, a & ~b, a ^ b, a | b)))
        outputs = [target(values[-1], k), target(values[-2] ^ (1 << (1 << k)) - 1, k)]
        plan = fewest(outputs, k, 6, meter())
        assert plan is not None
        assert plan.tables() == [on for on, _ in outputs]


def test_constants_and_variables_take_no_gates() -> None:
    a, b = variables(2)
    plan = fewest((target(0, 2), target(15, 2), target(b, 2), target(a ^ 15, 2)), 2, 1, meter())
    assert plan is not None
    assert (plan.num_gates, plan.tables()) == (0, [0, 15, b, a ^ 15])
    assert fewest((target(1, 0),), 0, 3, meter()) is not None
    assert synthesize((target(2, 1),), 1, 1, meter()) is None


def test_conflicts_are_limited() -> None:
    with pytest.raises(OutOfConflicts):
        synthesize((target(0x6996_1668_1234_9BDF, 6),), 6, 9, meter(conflicts=500))


def ripple_adder(bits: int) -> Circuit:
    """Seven gates a bit, where five do."""
    b = Builder([f"x{i}" for i in range(2 * bits + 1)])
    carry, *operands = b.inputs
    for i in range(bits):
        x, y = operands[i::bits]
        both, one = b.land(x, y), b.lxor(x, y)
        b.output(f"s{i}", b.lxor(one, carry))
        carry = b.lor(both, b.lor(b.land(x, carry), b.land(y, carry)))
    b.output("carry", carry)
    return b.build()


def test_adders_become_full_adders() -> None:
    before = ripple_adder(2)
    after = exact(before, Goal(seconds=60))
    np.testing.assert_array_equal(after.truth_tables(), before.truth_tables())
    assert (before.num_gates, after.num_gates) == (14, 10)


def test_one_seed_has_one_result() -> None:
    first, second = (exact(ripple_adder(1), Goal(seconds=60)) for _ in range(2))
    np.testing.assert_array_equal(first.fanin, second.fanin)
    assert first.num_gates == 5


@settings(max_examples=15)
@given(built_circuits(max_gates=12) | raw_circuits(max_gates=12))
def test_the_function_is_kept_and_there_are_no_more_gates(circuit: Circuit) -> None:
    after = exact(circuit, Goal(seconds=2))
    np.testing.assert_array_equal(after.truth_tables(), circuit.truth_tables())
    assert after.num_gates <= circuit.num_gates
    assert (after.input_names, after.output_names) == (circuit.input_names, circuit.output_names)


def test_windows_are_convex_and_replaced_by_themselves() -> None:
    circuit = life_circuit()
    windows, rng = Windows(circuit), random.Random(1)
    for seed in range(circuit.first_gate, circuit.num_nodes, 3):
        for window in windows.grow(seed, rng):
            assert windows.is_convex(set(window.gates))
            plan = synthesize(
                windows.targets(window, window.leaves),
                len(window.leaves),
                len(window.gates),
                meter(),
            )
            if plan is not None:
                after = windows.replaced(window, window.leaves, plan)
                np.testing.assert_array_equal(after.truth_tables(), circuit.truth_tables())


def test_a_path_that_leaves_and_comes_back() -> None:
    b = Builder("abc")
    x, y, z = b.inputs
    first = b.land(x, y)
    second = b.lxor(first, z)
    b.output("y", b.lor(first, second))
    windows = Windows(b.build())
    f, s, last = (literal >> 1 for literal in (first, second, second + 2))
    assert not windows.is_convex({f, last})
    assert windows.is_convex({f, s})
    assert windows.is_convex({f, s, last})


def test_another_form_has_the_same_function_and_no_more_gates() -> None:
    circuit, rng, forms = life_circuit(), random.Random(3), set[bytes]()
    for _ in range(12):
        circuit = other(circuit, rng)
        forms.add(circuit.fanin.tobytes() + circuit.table.tobytes())
    np.testing.assert_array_equal(circuit.truth_tables(), life_circuit().truth_tables())
    assert circuit.num_gates <= 26
    assert len(forms) > 4


def test_large_circuits_are_left() -> None:
    builder = Builder(["a", *(f"b{i}" for i in range(MOST_GATES + 1))])
    a, *others = builder.inputs
    for i, b in enumerate(others):
        builder.output(f"y{i}", builder.lxor(a, b))
    circuit = builder.build()
    assert exact(circuit, Goal()) is circuit


@pytest.mark.parametrize("unread", [0, 8])
def test_values_that_never_occur_are_free(unread: int) -> None:
    """Not all of six inputs without any of them; but rows of 14 inputs are too many to try."""
    b = Builder([f"x{i}" for i in range(6 + unread)])
    every, some = b.inputs[0], b.inputs[0]
    for x in b.inputs[1:6]:
        every, some = b.land(every, x), b.lor(some, x)
    b.output("y", b.lxor(every, some))
    circuit = b.build()
    windows = Windows(circuit)
    window = windows.window({circuit.num_nodes - 1})
    assert window.leaves == (every >> 1, some >> 1)
    care = 0b1111 if unread else 0b1101
    assert windows.targets(window, window.leaves) == ((0b0110 & care, 0b1001 & care),)
