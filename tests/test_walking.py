from __future__ import annotations

import random
import sys
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright import native
from gatewright.automata import life_circuit, life_rule
from gatewright.circuit import Builder, Circuit, Words, all_inputs
from gatewright.passes import Record, optimize
from gatewright.passes.ands import ands
from gatewright.passes.objectives import Deadline, Goal
from gatewright.passes.sampled import sampled
from gatewright.passes.sweep import sweep
from gatewright.passes.walk import walk as walk_pass
from gatewright.targets import read
from gatewright.verify import NotEquivalent, Undecided, prove
from gatewright.walking import ALL_NODES, Costs, walk, walk_python
from gatewright.window import Meter
from native_programs import Machine, machines
from random_circuits import built_circuits, multiplier, raw_circuits

CIRCUITS = built_circuits(max_inputs=8, max_gates=25) | raw_circuits(max_inputs=8, max_gates=25)
PASS: Any = sys.modules["gatewright.passes.walk"]
SAMPLED = sys.modules["gatewright.passes.sampled"]


#: Costs of an AND and of an XOR.
COSTS = st.sampled_from([(1, 1), (4, 1), (1, 0), (0, 1)])


def walked(
    circuit: Circuit, rows: Words, kicks: int, moves: int, seed: int = 0, costs: Costs = (1, 1)
) -> Circuit:
    arrays = circuit.fanin, circuit.table, circuit.outputs
    found = walk(rows, *arrays, kicks=kicks, moves=moves, seed=seed, costs=costs)
    return Circuit(*found, circuit.input_names, circuit.output_names)


def some_rows(num_inputs: int, num_words: int, seed: int) -> Words:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 1 << 64, (num_inputs, num_words), dtype=np.uint64)


def assert_native_does_as_python(
    circuit: Circuit, rows: Words, kicks: int, moves: int, seed: int, costs: Costs = (1, 1)
) -> None:
    module = native.load()
    assert module is not None
    arguments = rows, circuit.fanin, circuit.table, circuit.outputs, kicks, moves, seed
    natives, specified = module.walk(*arguments, *costs), walk_python(*arguments, costs)
    for mine, its in zip(natives, specified, strict=True):
        np.testing.assert_array_equal(mine, its, strict=True)


@settings(max_examples=150)
@given(
    circuit=CIRCUITS,
    num_words=st.integers(0, 12),
    kicks=st.integers(0, 3),
    moves=st.integers(0, 30),
    seed=st.integers(0, 2**64 - 1),
    costs=COSTS,
)
def test_native_takes_the_steps_of_python(
    circuit: Circuit, num_words: int, kicks: int, moves: int, seed: int, costs: Costs
) -> None:
    k = circuit.num_inputs
    rows = some_rows(k, num_words, seed) if num_words else all_inputs(k)
    assert_native_does_as_python(circuit, rows, kicks, moves, seed, costs)


def test_native_takes_the_steps_of_python_where_not_all_nodes_are_divisors() -> None:
    circuit = multiplier(8, is_swapped=False)
    assert circuit.num_nodes > ALL_NODES
    for seed in range(4):
        assert_native_does_as_python(circuit, some_rows(16, 9, seed), 1, 20, seed)


@settings(max_examples=100)
@given(circuit=CIRCUITS, kicks=st.integers(0, 3), seed=st.integers(0, 99), costs=COSTS)
def test_a_walk_keeps_the_function_and_a_kick_costs_an_and_at_most(
    circuit: Circuit, kicks: int, seed: int, costs: Costs
) -> None:
    def cost(of: Circuit) -> int:
        ands = of.stats().ands
        return costs[0] * ands + costs[1] * (of.num_gates - ands)

    after = walked(circuit, all_inputs(circuit.num_inputs), kicks, 20, seed, costs)
    np.testing.assert_array_equal(after.truth_tables(), circuit.truth_tables())
    assert cost(after) <= cost(sweep(circuit)) + kicks * costs[0]


def test_a_walk_keeps_what_the_rows_show_alone() -> None:
    circuit = multiplier(8, is_swapped=False)
    rows = some_rows(16, 2, 5)
    after = walked(circuit, rows, 0, 900)
    np.testing.assert_array_equal(after.simulate(rows), circuit.simulate(rows))
    assert after.num_gates < walked(circuit, some_rows(16, 40, 5), 0, 900).num_gates
    with pytest.raises(NotEquivalent):
        prove(circuit, after)


@pytest.mark.parametrize("is_native", [True, False])
def test_what_is_no_circuit_is_refused(is_native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not is_native:
        monkeypatch.setattr(native, "load", lambda: None)
    fanin, table = np.array([[1, 9]], np.int32), np.array([0x8], np.uint8)
    outputs = np.array([6], np.int32)
    with pytest.raises(ValueError, match="node 9"):
        walk(all_inputs(2), fanin, table, outputs, kicks=0, moves=1, seed=0)


def test_a_small_circuit_becomes_smaller_than_abc_makes_it(epfl: Path) -> None:
    """ABC's search ends at 66 gates for ctrl, from 174."""
    circuit = read(epfl / "ctrl.aig")
    after = walk_pass(circuit, Goal(seconds=20))
    assert after.num_gates <= 62
    assert prove(circuit, after)


def test_few_ands_are_left_where_xors_are_free(epfl: Path) -> None:
    """Cones of four leaves leave 83 of 260."""
    circuit = ands(read(epfl / "int2float.aig"))
    after = walk_pass(circuit, Goal("and", seconds=6))
    assert after.stats().ands <= 62
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


def test_a_large_circuit_is_walked_in_windows(epfl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PASS, "PATIENCE", 3)
    monkeypatch.setattr(PASS, "WHOLE_GATES", 0)
    monkeypatch.setattr(PASS, "WHOLE_GATES_LATER", 0)
    monkeypatch.setattr(PASS, "sampled", None)
    circuit = read(epfl / "router.aig")
    after = walk_pass(circuit, Goal(seconds=20))
    assert after.num_gates < 210
    assert prove(circuit, after)
    again, other = (walk_pass(circuit, Goal(seconds=20, seed=seed)) for seed in (0, 1))
    np.testing.assert_array_equal(again.fanin, after.fanin)
    np.testing.assert_array_equal(again.table, after.table)
    assert other.fanin.tolist() != after.fanin.tolist()


def test_what_windows_leave_is_walked_whole(epfl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On samples where inputs are many, else on all rows."""
    for name in ("PATIENCE", "WHOLE_PATIENCE"):
        monkeypatch.setattr(PASS, name, 3)
    monkeypatch.setattr(PASS, "WHOLE_GATES", 0)
    monkeypatch.setattr(SAMPLED, "PATIENCE", 5)
    given: list[Circuit] = []

    def note(circuit: Circuit, *how: Any) -> Circuit:
        given.append(circuit)
        return sampled(circuit, *how)

    monkeypatch.setattr(PASS, "sampled", note)
    few, many = read(epfl / "int2float.aig"), multiplier(7, is_swapped=False)
    whole = walk_pass(few, Goal(seconds=60))
    assert not given
    assert prove(walk_pass(many, Goal(seconds=60)), many)
    monkeypatch.setattr(PASS, "WHOLE_GATES_LATER", 0)
    assert whole.num_gates < walk_pass(few, Goal(seconds=60)).num_gates - 5
    in_windows = walk_pass(many, Goal(seconds=60))
    assert [one.fanin.tolist() for one in given] == [in_windows.fanin.tolist()]


@settings(max_examples=20)
@given(circuit=CIRCUITS)
def test_windows_take_any_circuit(circuit: Circuit) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PASS, "WHOLE_GATES", -1)
        patch.setattr(PASS, "WHOLE_GATES_LATER", -1)
        patch.setattr(PASS, "MAX_LEAVES", 3)
        patch.setattr(PASS, "PATIENCE", 4)
        after = walk_pass(circuit, Goal(seconds=20))
    np.testing.assert_array_equal(after.truth_tables(), circuit.truth_tables())
    assert after.num_gates <= circuit.num_gates


def test_no_window_ends_larger(epfl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where kicks are all there is, walks end larger."""
    monkeypatch.setattr(PASS, "MOVES_A_GATE", 0)
    circuit = sweep(read(epfl / "router.aig"))
    windows = PASS._cones(circuit, random.Random(0))
    after = PASS._walked(circuit, windows, random.Random(0), Deadline(20), 6, 0, (1, 1))
    assert after.num_gates <= circuit.num_gates
    assert after.table.tolist() != circuit.table.tolist()


@pytest.mark.parametrize(("sources", "gates"), [(2, 7), (6, 6)])
def test_what_cannot_occur_on_leaves_is_used(
    sources: int, gates: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of x = abc and y = a or b or c the AND is x: where x and y are free it is a gate."""
    builder = Builder("abcd")
    a, b, c, d = builder.inputs
    x, y = builder.land(builder.land(a, b), c), builder.lor(builder.lor(a, b), c)
    for name, literal in (("x", x), ("y", y), ("z", builder.lor(builder.land(x, y), d))):
        builder.output(name, literal)
    builder.output("w", builder.lxor(x, d))
    monkeypatch.setattr(PASS, "WHOLE_GATES", -1)
    monkeypatch.setattr(PASS, "WHOLE_GATES_LATER", -1)
    monkeypatch.setattr(PASS, "MAX_LEAVES", 2)
    monkeypatch.setattr(PASS, "SOURCES", sources)
    after = walk_pass(builder.build(), Goal(seconds=20))
    assert after.num_gates == gates
    assert prove(after, builder.build())


@settings(max_examples=20)
@given(circuit=CIRCUITS, seed=st.integers(0, 99))
def test_samples_take_any_circuit(circuit: Circuit, seed: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SAMPLED, "PATIENCE", 20)
        deadline = Deadline(20)
        after = sampled(circuit, Goal(seconds=20), (1, 1), random.Random(seed), deadline)
    assert deadline.left > 0  # its patience ends it
    np.testing.assert_array_equal(after.truth_tables(), circuit.truth_tables())
    assert after.num_gates <= circuit.num_gates


def test_a_circuit_of_many_inputs_is_walked_on_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SAMPLED, "PATIENCE", 30)
    circuit = multiplier(7, is_swapped=False)
    after = walk_pass(circuit, Goal(seconds=100))
    assert after.num_gates < circuit.num_gates - 15
    assert prove(circuit, after)
    again, other = (walk_pass(circuit, Goal(seconds=100, seed=seed)) for seed in (0, 1))
    np.testing.assert_array_equal(again.fanin, after.fanin)
    np.testing.assert_array_equal(again.table, after.table)
    assert other.fanin.tolist() != after.fanin.tolist()


def test_what_no_sample_shows_a_proof_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """An output that is 1 on one of 2**40 rows is never seen, and is kept."""
    builder = Builder([f"x{i}" for i in range(40)])
    literals = [x ^ i % 3 % 2 for i, x in enumerate(builder.inputs)]
    builder.output("rare", reduce(builder.land, literals))
    builder.output("often", builder.lxor(*builder.inputs[:2]))
    circuit = builder.build()
    monkeypatch.setattr(SAMPLED, "PATIENCE", 20)
    after = walk_pass(circuit, Goal(seconds=20))
    assert after.num_gates == circuit.num_gates == 40
    assert prove(circuit, after)
    monkeypatch.setattr(SAMPLED, "prove", lambda *_, **__: None)
    with pytest.raises(NotEquivalent):
        prove(circuit, walk_pass(circuit, Goal(seconds=20)))


def test_what_is_not_proved_is_not_walked_on_from(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proof is called for, and decides nothing."""
    asked: list[Circuit] = []

    def undecided(first: Circuit, second: Circuit, *, seconds: float, conflicts: int) -> None:
        assert seconds <= 20 and conflicts == SAMPLED.CONFLICTS
        asked.append(second)
        raise Undecided("no time", (), 0, Meter(0, None))

    monkeypatch.setattr(SAMPLED, "PATIENCE", 8)
    monkeypatch.setattr(SAMPLED, "prove", undecided)
    circuit = multiplier(9, is_swapped=False)
    assert walk_pass(circuit, Goal(seconds=20)) is circuit
    assert asked


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
    program = machine.build(
        "test_walk", ["walk", "reachable", "bypass", "simulate"], tmp_path, "-O1"
    )
    assert machine.run(program) == "300 circuits, 0 wrong\n"
