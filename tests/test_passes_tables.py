from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from gatewright import abc
from gatewright.circuit import Builder, Circuit
from gatewright.passes import Record, optimize
from gatewright.passes.mapping import map_luts
from gatewright.passes.objectives import Goal
from gatewright.passes.tables import tables
from gatewright.targets import blif, read
from gatewright.verify import prove
from random_circuits import built_circuits, multiplier, raw_circuits


@settings(max_examples=6)
@given(circuit=built_circuits() | raw_circuits())
@pytest.mark.parametrize("objective", ["lut3", "lut6"])
def test_the_function_stays_and_takes_no_more_tables(circuit: Circuit, objective: str) -> None:
    goal = Goal(objective, seconds=0.2)
    after = tables(circuit, goal)
    np.testing.assert_array_equal(after.truth_tables(), circuit.truth_tables())
    assert goal.cost(after) <= goal.cost(circuit)


def test_other_objectives_and_circuits_without_gates_are_left(epfl: Path) -> None:
    circuit = read(epfl / "ctrl.aig")
    assert tables(circuit, Goal()) is circuit
    wire = Builder("ab", "wire")
    wire.output("y", wire.inputs[0])
    empty = wire.build()
    assert tables(empty, Goal("lut6")) is empty


def test_tables_are_chosen_that_the_mapper_does_not_find() -> None:
    """Of a multiplier, whose structure ABC keeps."""
    circuit = multiplier(8, is_swapped=False)
    goal = Goal("lut6", seconds=2)
    assert goal.cost(tables(circuit, goal))[0] <= 0.95 * goal.cost(circuit)[0]


def scripts_given(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What ABC is asked to run from now on."""
    given, run = list[str](), abc.results

    def results(circuit: Circuit, script: str, *args: Any, **options: Any) -> list[Circuit]:
        given.append(script)
        return run(circuit, script, *args, **options)

    monkeypatch.setattr(abc, "results", results)
    return given


def test_a_large_circuit_begins_with_what_suits_it(
    epfl: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["gatewright.passes.tables"], "LARGE", 0)
    given = scripts_given(monkeypatch)
    ctrl = read(epfl / "ctrl.aig")
    for circuit, wide, first in (
        (multiplier(8, is_swapped=False), 0, "strash; &get -n; &if"),
        (ctrl, 0, "strash; dch -x -C 50; if -K 6 -a; mfs2 -a -e; strash; dch"),
        (ctrl, 200, "strash; if -K 6 -a; mfs2 -a -e; strash; dc2"),
    ):
        monkeypatch.setattr(sys.modules["gatewright.passes.tables"], "WIDE", wide)
        given.clear()
        goal = Goal("lut6", seconds=0.5)
        after = tables(circuit, goal)
        assert given[0].startswith(first)
        assert all(one.count("dch") == one.count("dch -x -C 50;") for one in given[:4])  # no others
        assert goal.stages[-1] is after or goal.cost(goal.stages[-1]) == goal.cost(after)
        assert goal.cost(after) <= goal.cost(circuit)


def test_the_pipeline_is_proved_and_needs_abc(epfl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    circuit, records = read(epfl / "ctrl.aig"), list[Record]()
    after = optimize(circuit, objective="lut6", time_budget=2, record=records.append)
    names = ["strash", "sweep", "two_level", "tables", "sweep"]
    assert [record.name for record in records] == names
    assert all(record.proof for record in records)
    assert len(map_luts(after, 6)) <= 28  # 25 is the best that was published
    monkeypatch.setattr(abc, "program", lambda: None)
    records.clear()
    optimize(multiplier(2, is_swapped=False), objective="lut6", record=records.append)
    assert records
    assert "tables" not in [record.name for record in records]


def test_a_script_may_begin_with_tables_and_write_several_circuits() -> None:
    circuit = multiplier(4, is_swapped=False)
    luts: list[int] = []

    def spelled(plain: Circuit) -> bytes:
        (content,) = blif.write_luts(plain, map_luts(plain, 6)).values()
        luts.append(content.count(b".names"))
        return content

    found = abc.results(circuit, "write_blif 0.blif; strash; write_blif 1.blif", 60, spelled)
    assert len(found) == 2
    assert luts[0] < circuit.num_gates
    for one in found:
        np.testing.assert_array_equal(one.truth_tables(), circuit.truth_tables())
    assert abc.results(circuit, "frobnicate", 60) == []
    assert abc.results(circuit, "strash", 60) == []


@pytest.mark.parametrize(("pays", "turns"), [(0.05, 2), (1.0, 1)])
def test_gates_are_made_fewer_as_long_as_that_pays(
    pays: float, turns: int, epfl: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sys.modules["gatewright.passes.tables"]
    router = read(epfl / "router.aig")
    small = optimize(router, passes=["sweep", "two_level"], time_budget=20)
    given, seconds = list[Circuit](), [3.0]

    def of_few_gates(circuit: Circuit, goal: Goal) -> Circuit:
        given.append(circuit)
        seconds.append(goal.seconds)
        return small

    monkeypatch.setattr(module, "PAYS", pays)
    monkeypatch.setattr(module, "SOON_TO", 0)  # no search: what it finds depends on the clock
    monkeypatch.setattr(module, "_of_few_gates", of_few_gates)
    after = tables(router, Goal("lut6", seconds=3))
    assert given == [router, small][:turns]  # what pays no more ends it
    assert all(one > other for one, other in pairwise(seconds))  # of the time that is left
    assert prove(router, after)


def test_a_small_circuit_is_searched_too(epfl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = scripts_given(monkeypatch)
    ctrl = read(epfl / "ctrl.aig")
    after = tables(ctrl, Goal("lut6", seconds=12))
    to_tables = [script for script in given if "deepsyn" in script and "if -K 6" in script]
    assert to_tables and all("&deepsyn -T 1;" in script for script in to_tables)  # a tenth of it
    assert prove(ctrl, after)
    given.clear()
    tables(multiplier(24, is_swapped=False), Goal("lut6", seconds=0.5))
    assert given and not any("deepsyn" in script for script in given)  # it would take too long
