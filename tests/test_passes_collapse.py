from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.circuit import Builder, Circuit, all_inputs, unpack
from gatewright.passes import objectives
from gatewright.passes.collapse import collapse, rebuild
from gatewright.verify import prove
from random_circuits import built_circuits, large, raw_circuits

Bits = npt.NDArray[np.bool_]


def rows(k: int) -> Bits:
    return unpack(all_inputs(k), 1 << k)


def circuit_of(table: npt.ArrayLike) -> Circuit:
    """A large circuit with these truth tables [2**k] or [2**k, m]: a tree of ANDs and ORs."""
    columns = np.asarray(table, np.bool_)
    columns = columns.reshape(len(columns), -1)
    k = (len(columns) - 1).bit_length()
    builder = Builder([f"x{i}" for i in range(k)], "table")

    def choose(column: Bits, i: int) -> int:
        if i < 0:
            return int(column[0])
        half = len(column) // 2
        low, high = choose(column[:half], i - 1), choose(column[half:], i - 1)
        x = builder.inputs[i]
        return builder.lor(builder.land(x, high), builder.land(x ^ 1, low))

    for o, column in enumerate(columns.T):
        builder.output(f"y{o}", choose(column, k - 1))
    return builder.build()


def assert_same_arrays(a: Circuit, b: Circuit) -> None:
    for name in ("fanin", "table", "outputs"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def life(cells: Bits) -> Bits:
    votes, alive = cells.sum(axis=1), cells[:, 4]
    return (votes == 3) | (alive & (votes == 4))


KNOWN: dict[str, tuple[int, Callable[[Bits], Bits], int]] = {
    "parity of 8": (8, lambda x: x.sum(axis=1) % 2 == 1, 7),
    "multiple of 3": (8, lambda x: x @ (1 << np.arange(8)) % 3 == 0, 25),
    "exactly one of 4": (4, lambda x: x.sum(axis=1) == 1, 7),
    "majority of 9": (9, lambda x: x.sum(axis=1) > 4, 27),
    "life": (9, life, 26),
    "multiplexer of 4": (6, lambda x: x[np.arange(64), 2 + x[:, 0] + 2 * x[:, 1]], 9),
}


@pytest.mark.parametrize("name", KNOWN)
def test_known_functions_come_out_right_and_small(name: str) -> None:
    k, function, most = KNOWN[name]
    before = circuit_of(function(rows(k)))
    after = collapse(before)
    np.testing.assert_array_equal(after.truth_tables()[:, 0], function(rows(k)))
    assert after.num_gates <= most < before.num_gates


def test_a_full_adder_is_found_with_both_outputs_sharing() -> None:
    count = rows(3).sum(axis=1)
    after = collapse(circuit_of(count[:, None] >> np.arange(2) & 1))
    np.testing.assert_array_equal(after.truth_tables() @ [1, 2], count)
    assert after.num_gates == 5


@settings(max_examples=30)
@given(st.integers(0, 2**64 - 1))
def test_random_functions_of_six_inputs_come_out_right(function: int) -> None:
    table = [bool(function >> r & 1) for r in range(64)]
    after = rebuild(circuit_of(table))
    assert after.truth_tables()[:, 0].tolist() == table


@settings(max_examples=60)
@given(
    st.lists(st.integers(-2, 2), min_size=1, max_size=7),
    st.integers(0, 2**28 - 1),
)
def test_functions_of_a_weighted_sum_come_out_right(weights: list[int], of_sum: int) -> None:
    # These have many decompositions and leave rows that cannot occur, unlike random functions.
    total = rows(len(weights)) @ np.array(weights) + 14
    table = (of_sum >> total & 1).astype(np.bool_)
    after = rebuild(circuit_of(table))
    np.testing.assert_array_equal(after.truth_tables()[:, 0], table)


@pytest.mark.parametrize(
    "function",
    [0x800900710028840004040001C04, 0x1010828A00020000000002002C840000],
)
def test_rows_that_one_side_alone_specifies_are_kept(function: int) -> None:
    # Where a variable that no longer matters is dropped, one of its sides may say what the other
    # leaves open. That is rare: these two are of 2,000 functions.
    table = [bool(function >> r & 1) for r in range(128)]
    assert rebuild(circuit_of(table)).truth_tables()[:, 0].tolist() == table


@settings(max_examples=100)
@given(built_circuits(max_inputs=6, max_gates=25) | raw_circuits())
def test_rebuilt_circuits_are_equal_and_canonical(circuit: Circuit) -> None:
    after = rebuild(circuit)
    np.testing.assert_array_equal(after.truth_tables(), circuit.truth_tables())
    assert prove(circuit, after).method == "exhaustive"
    assert set(after.table.tolist()) <= {0x2, 0x4, 0x6, 0x8, 0xE}


@settings(max_examples=100)
@given(built_circuits() | raw_circuits())
def test_the_result_is_never_larger_and_else_the_circuit_itself(circuit: Circuit) -> None:
    after = collapse(circuit)
    assert after is circuit or after.num_gates < circuit.num_gates
    assert after.num_gates <= rebuild(circuit).num_gates


@pytest.mark.parametrize("bit", [False, True])
@pytest.mark.parametrize("k", [0, 1, 3, 12])
def test_constants_take_no_gates(bit: bool, k: int) -> None:
    builder = Builder([f"x{i}" for i in range(k)])
    builder.output("y", int(bit))
    after = rebuild(builder.build())
    assert after.num_gates == 0
    assert (after.truth_tables() == bit).all()


def test_outputs_that_are_inputs_take_no_gates() -> None:
    table = rows(3)
    after = collapse(circuit_of(np.stack([table[:, 1], ~table[:, 2]], axis=1)))
    assert after.outputs.tolist() == [4, 7]
    assert after.num_gates == 0


@pytest.mark.parametrize("which", [0, 3, 6])
def test_an_exclusive_or_with_a_variable_costs_one_gate_more(which: int) -> None:
    # No two variables of a random function can be bound, so it is split: best on this one.
    y = np.random.default_rng(1).random(64) < 0.5
    row = np.arange(128)
    rest = row % (1 << which) + (row >> which + 1 << which)
    differently = rebuild(circuit_of(y[rest] ^ (row >> which & 1 == 1)))
    assert differently.num_gates == rebuild(circuit_of(y)).num_gates + 1


def test_variables_that_do_not_matter_cost_nothing() -> None:
    table = rows(8)
    after = rebuild(circuit_of(table[:, 2] ^ table[:, 6]))
    assert after.fanin.tolist() == [[3, 7]]


def test_equal_and_complementary_outputs_share_every_gate() -> None:
    y = np.random.default_rng(3).random(64) < 0.5
    alone = rebuild(circuit_of(y))
    together = rebuild(circuit_of(np.stack([y, ~y, y], axis=1)))
    assert together.num_gates == alone.num_gates
    first, second, third = together.outputs.tolist()
    assert (second, third) == (first ^ 1, first)


def test_more_than_12_inputs_are_left_alone() -> None:
    of_12 = circuit_of(rows(12).sum(axis=1) % 2 == 1)
    of_13 = circuit_of(rows(13).sum(axis=1) % 2 == 1)
    assert collapse(of_12).num_gates == 11 < of_12.num_gates
    assert collapse(of_13) is of_13


def test_groups_are_bound_first() -> None:
    def is_gate_of(circuit: Circuit, inputs: set[int]) -> bool:
        return any({int(a) - 1, int(b) - 1} == inputs for a, b in circuit.fanin)

    parity = circuit_of(rows(6).sum(axis=1) % 2 == 1)
    assert not is_gate_of(rebuild(parity), {1, 4})
    grouped = rebuild(parity, groups=[(1, 4), (0, 5)])
    assert grouped.num_gates == 5
    assert is_gate_of(grouped, {1, 4})
    assert is_gate_of(grouped, {0, 5})


def test_names_and_order_are_kept() -> None:
    builder = Builder(["carry", "b", "a"], "adder")
    c, b, a = builder.inputs
    half = builder.lxor(a, b)
    builder.output("sum", builder.lxor(half, c))
    builder.output("out", builder.lor(builder.lor(builder.land(a, b), builder.land(a, c)),
                                      builder.land(b, c)))  # fmt: skip
    after = collapse(builder.build())
    assert after.name == "adder"
    assert after.input_names == ("carry", "b", "a")
    assert after.output_names == ("sum", "out")
    assert after.num_gates < builder.num_gates


DETERMINISM = """
import sys
sys.path.insert(0, "tests")
from gatewright.passes.collapse import rebuild
from random_circuits import large
circuit = rebuild(large(40, num_inputs=6))
print(circuit.fanin.tolist(), circuit.table.tolist(), circuit.outputs.tolist())
"""


def test_the_result_does_not_depend_on_the_process() -> None:
    results = {
        subprocess.run(
            [sys.executable, "-c", DETERMINISM],
            env=os.environ | {"PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    here = rebuild(large(40, num_inputs=6))
    fields = (here.fanin, here.table, here.outputs)
    assert results == {" ".join(str(field.tolist()) for field in fields) + "\n"}
    assert_same_arrays(here, rebuild(large(40, num_inputs=6)))


@pytest.mark.parametrize(("each", "built"), [(0.2, 12), (0.45, 12), (0.5, 6), (2.0, 2), (9.0, 1)])
def test_no_time_is_spent_where_it_will_not_do(each, built, monkeypatch):
    """Five and a half seconds for twelve outputs: given up from half of them on."""
    module = import_module("gatewright.passes.collapse")
    now, calls = 0.0, 0
    build = module._build

    def slow(*arguments: Any) -> int:
        nonlocal now, calls
        now, calls = now + each, calls + 1
        return build(*arguments)

    monkeypatch.setattr(module, "_build", slow)
    monkeypatch.setattr(objectives, "cpu_seconds", lambda: now)
    rng = np.random.default_rng(0)
    circuit = circuit_of(rng.integers(0, 2, (16, 12)))
    collapse(circuit, 1.0, 5.5)
    assert calls == built
