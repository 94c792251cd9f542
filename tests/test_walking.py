from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright import native
from gatewright.automata import life_circuit, life_rule
from gatewright.circuit import Circuit
from gatewright.passes import Record, optimize
from gatewright.passes.objectives import Goal
from gatewright.passes.sweep import sweep
from gatewright.passes.walk import walk as walk_pass
from gatewright.targets import read
from gatewright.verify import prove
from gatewright.walking import MAX_INPUTS, walk, walk_python
from native_programs import Machine, machines
from random_circuits import built_circuits, multiplier, raw_circuits

CIRCUITS = built_circuits(max_inputs=8, max_gates=25) | raw_circuits(max_inputs=8, max_gates=25)
PASS = sys.modules["gatewright.passes.walk"]


def walked(circuit: Circuit, kicks: int, moves: int, seed: int = 0) -> Circuit:
    found = walk(
        circuit.num_inputs, circuit.fanin, circuit.table, circuit.outputs,
        kicks=kicks, moves=moves, seed=seed,
    )  # fmt: skip
    return Circuit(*found, circuit.input_names, circuit.output_names)


@settings(max_examples=150)
@given(
    circuit=CIRCUITS,
    kicks=st.integers(0, 3),
    moves=st.integers(0, 30),
    seed=st.integers(0, 2**64 - 1),
)
def test_native_takes_the_steps_of_python(
    circuit: Circuit, kicks: int, moves: int, seed: int
) -> None:
    module = native.load()
    assert module is not None
    arguments = (circuit.num_inputs, circuit.fanin, circuit.table, circuit.outputs)
    for mine, specified in zip(
        module.walk(*arguments, kicks, moves, seed),
        walk_python(*arguments, kicks, moves, seed),
        strict=True,
    ):
        np.testing.assert_array_equal(mine, specified, strict=True)


@settings(max_examples=100)
@given(circuit=CIRCUITS, kicks=st.integers(0, 3), seed=st.integers(0, 99))
def test_a_walk_keeps_the_function_and_a_kick_costs_a_gate_at_most(
    circuit: Circuit, kicks: int, seed: int
) -> None:
    after = walked(circuit, kicks, 20, seed)
    np.testing.assert_array_equal(after.truth_tables(), circuit.truth_tables())
    assert after.num_gates <= sweep(circuit).num_gates + kicks


@pytest.mark.parametrize("is_native", [True, False])
def test_what_is_no_circuit_of_few_inputs_is_refused(
    is_native: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not is_native:
        monkeypatch.setattr(native, "load", lambda: None)
    options: dict[str, Any] = {"kicks": 0, "moves": 1, "seed": 0}
    fanin, table = np.array([[1, 2]], np.int32), np.array([0x8], np.uint8)
    outputs = np.array([2 * (MAX_INPUTS + 2)], np.int32)
    with pytest.raises(ValueError, match="at most 14 inputs, not 15"):
        walk(MAX_INPUTS + 1, fanin, table, outputs, **options)
    with pytest.raises(ValueError, match="node 9"):
        walk(2, np.array([[1, 9]], np.int32), table, outputs[:0], **options)


def test_a_small_circuit_becomes_smaller_than_abc_makes_it(epfl: Path) -> None:
    """ABC's search ends at 66 gates for ctrl, from 174."""
    circuit = read(epfl / "ctrl.aig")
    after = walk_pass(circuit, Goal(seconds=20))
    assert after.num_gates <= 62
    assert prove(circuit, after)


def test_life_takes_25_gates() -> None:
    """One less than adders over the neighbours, from any seed."""
    for seed in range(2):
        after = walk_pass(life_circuit(), Goal(seconds=20, seed=seed))
        assert after.num_gates == 25
        assert prove(after, life_rule)


@pytest.mark.parametrize("cut", ["_cones", "_neighbours"])
def test_windows_cut_every_live_gate_once_and_in_order(epfl: Path, cut: str) -> None:
    circuit = sweep(read(epfl / "router.aig"))
    windows = getattr(PASS, cut)(circuit, random.Random(3))
    order = [gate for window in windows for gate in window]
    assert sorted(order) == list(range(circuit.first_gate, circuit.num_nodes))
    place = {gate: n for n, gate in enumerate(order)}
    for window in windows:
        leaves: set[int] = set()
        for gate in window:
            for node in circuit.fanin[gate - circuit.first_gate].tolist():
                assert place.get(node, -1) < place[gate]
                leaves |= {node} - set(window)
        assert len(leaves) <= PASS.MAX_LEAVES
        assert len(window) <= PASS.MAX_GATES
    assert max(map(len, windows)) > 10


def test_a_circuit_of_many_inputs_is_walked_in_windows(
    epfl: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PASS, "PATIENCE", 3)
    circuit = read(epfl / "router.aig")
    after = walk_pass(circuit, Goal(seconds=20))
    assert after.num_gates < 210
    assert prove(circuit, after)
    again, other = (walk_pass(circuit, Goal(seconds=20, seed=seed)) for seed in (0, 1))
    np.testing.assert_array_equal(again.fanin, after.fanin)
    np.testing.assert_array_equal(again.table, after.table)
    assert other.fanin.tolist() != after.fanin.tolist()


@settings(max_examples=20)
@given(circuit=CIRCUITS)
def test_windows_take_any_circuit(circuit: Circuit) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PASS, "WHOLE_INPUTS", -1)
        patch.setattr(PASS, "MAX_LEAVES", 3)
        patch.setattr(PASS, "PATIENCE", 4)
        after = walk_pass(circuit, Goal(seconds=20))
    np.testing.assert_array_equal(after.truth_tables(), circuit.truth_tables())
    assert after.num_gates <= circuit.num_gates


def test_without_time_or_for_other_objectives_nothing_is_walked(epfl: Path) -> None:
    circuit = read(epfl / "ctrl.aig")
    assert walk_pass(circuit, Goal(seconds=0)) is circuit
    assert walk_pass(circuit, Goal("depth")) is circuit


def test_what_cannot_be_proved_in_time_is_dropped() -> None:
    circuit = multiplier(24, is_swapped=False)
    records: list[Record] = []
    after = optimize(
        circuit, passes=["walk"], time_budget=2, seconds=0.01, record=records.append
    )  # fmt: skip
    assert after is circuit
    assert "undecided" in records[0].dropped
    assert records[0].proof is None


@machines("address,undefined")
def test_the_core_is_clean_under_sanitizers(machine: Machine, tmp_path: Path) -> None:
    program = machine.build("test_walk", ["walk", "simulate"], tmp_path, "-O1")
    assert machine.run(program) == "300 circuits, 0 wrong\n"
