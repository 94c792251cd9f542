from __future__ import annotations

import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from gatewright import abc
from gatewright.circuit import Builder, Circuit
from gatewright.errors import MissingTool
from gatewright.passes import EFFORTS, EXTERNAL, WALK_REPLACES, Record, objectives, optimize
from gatewright.passes.deep import deep
from gatewright.passes.fraig import fraig
from gatewright.passes.kick import MOST_GATES, kick
from gatewright.passes.objectives import Deadline, Goal, cpu_seconds
from gatewright.passes.resynthesize import MAP_LEVELS, SCRIPTS, resynthesize
from gatewright.passes.shorten import (
    BALANCE,
    BALANCE_CHOICES,
    CHOOSE_IF_WIDE,
    QUICK,
    shorten,
)
from gatewright.passes.sweep import sweep
from gatewright.passes.walk import walk
from gatewright.targets import read
from gatewright.verify import prove
from random_circuits import built_circuits, raw_circuits

CIRCUITS = built_circuits() | raw_circuits()


@settings(max_examples=25)
@given(circuit=CIRCUITS)
def test_what_comes_back_is_the_same_function_with_the_same_names(circuit: Circuit) -> None:
    for script in ("strash; dch; if -K 2 -a", "&get; &st; &put"):
        found = abc.run(circuit, script, 60)
        assert found is not None
        assert (found.input_names, found.output_names) == (
            circuit.input_names, circuit.output_names
        )  # fmt: skip
        np.testing.assert_array_equal(found.truth_tables(), circuit.truth_tables())


def test_a_script_that_fails_or_takes_too_long_gives_nothing(
    epfl: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    circuit = read(epfl / "ctrl.aig")
    assert abc.run(circuit, "frobnicate", 60) is None
    started: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def start(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        started.append(popen(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", start)
    assert abc.run(circuit, "&get; &deepsyn -T 100; &put", 0.5) is None
    assert [process.returncode for process in started] == [-signal.SIGKILL]


def test_what_a_script_wrote_before_it_was_ended_may_be_enough(epfl: Path) -> None:
    circuit = read(epfl / "ctrl.aig")
    endless = "&get; &deepsyn -T 100; &put"
    script = f"strash; if -K 2; write_blif 0.blif; {endless}; write_blif 1.blif"
    assert abc.results(circuit, script, 0.5) == []
    (found,) = abc.results(circuit, script, 0.5, is_part_enough=True)
    assert prove(circuit, found)
    assert abc.results(circuit, endless, 0.5, is_part_enough=True) == []
    (found,) = abc.results(circuit, "write_blif 0.blif; frobnicate", 60, is_part_enough=True)
    assert prove(circuit, found)
    # what it was writing then, cut off: as if it had not begun
    cut = "write_blif 1.blif; !head -c 3000 1.blif > 2.blif"
    found = abc.results(circuit, f"write_blif 0.blif; {cut}", 60, is_part_enough=True)
    assert len(found) == 2


@pytest.mark.parametrize(
    ("constants", "begins"),
    [
        ({"NARROW": 0}, [QUICK]),
        ({"WIDE": 0}, [CHOOSE_IF_WIDE]),
        ({"NARROW": 1000}, [BALANCE_CHOICES]),
        ({"NARROW": 1000, "CHOICES_A_SECOND": 1}, [QUICK]),
        ({"NARROW": 1000, "HUGE": 100}, [QUICK, BALANCE]),
        ({"NARROW": 0, "TOLD_APART": 2}, [QUICK]),
    ],
)
def test_a_large_circuit_becomes_less_deep_step_by_step(
    constants: dict[str, float],
    begins: list[str],
    epfl: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module = sys.modules["gatewright.passes.shorten"]
    given, run = list[str](), abc.results

    def note(circuit: Circuit, script: str, *args: Any, **options: Any) -> list[Circuit]:
        given.append(script)
        return run(circuit, script, *args, **options)

    monkeypatch.setattr(abc, "results", note)
    for name, value in {"LARGE": 200, **constants}.items():
        monkeypatch.setattr(module, name, value)
    circuit = read(epfl / "int2float.aig")
    goal = Goal("depth", seconds=2)
    after = shorten(circuit, goal)
    assert len(given) >= len(begins)
    for script, begin in zip(given, begins, strict=False):
        assert script.startswith(begin)
    assert after.depth < circuit.depth
    steps = [circuit, *goal.stages]
    assert any(step is after for step in steps)
    assert len(steps) > 3
    for one, other in pairwise(steps):
        assert prove(one, other)
    merged = fraig(circuit)
    is_merged_first = (steps[1].num_gates, steps[1].depth) == (merged.num_gates, merged.depth)
    assert is_merged_first == ("TOLD_APART" in constants)


def test_steps_that_lead_to_nothing_are_no_stages(
    epfl: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    circuit = read(epfl / "int2float.aig")
    good = abc.run(circuit, "strash; if -g -K 6 -C 8; strash; if -K 2", 60)
    assert good is not None
    assert good.depth < circuit.depth
    module = sys.modules["gatewright.passes.shorten"]
    made = iter([[circuit, good, circuit]])
    monkeypatch.setattr(module, "LARGE", 200)
    monkeypatch.setattr(abc, "results", lambda *_, **__: next(made, []))
    monkeypatch.setattr(abc, "run", lambda *_: None)
    monkeypatch.setattr(module, "bypass", lambda circuit: circuit)
    goal = Goal("depth")
    after = shorten(circuit, goal)
    assert (after.depth, after.num_gates) == (good.depth, good.num_gates)
    assert len(goal.stages) == 2
    assert goal.stages[-1] is after


@settings(max_examples=15)
@given(circuit=CIRCUITS)
@pytest.mark.parametrize("objective", ["gates", "and", "depth"])
def test_resynthesis_keeps_the_function_and_costs_no_more(circuit: Circuit, objective: str) -> None:
    goal = Goal(objective)
    after = resynthesize(circuit, goal)
    np.testing.assert_array_equal(after.truth_tables(), circuit.truth_tables())
    assert goal.cost(after) <= goal.cost(circuit)


def test_benchmarks_become_smaller_and_are_proved(epfl: Path) -> None:
    for name, gates, depth in (("ctrl", 100, 8), ("int2float", 205, 14), ("router", 150, 20)):
        circuit = read(epfl / f"{name}.aig")
        small = resynthesize(circuit, Goal())
        assert small.num_gates <= gates < circuit.num_gates
        assert prove(circuit, small)
        shallow = resynthesize(circuit, Goal("depth"))
        assert shallow.depth <= depth < circuit.depth
        assert prove(circuit, shallow)


def test_nothing_is_searched_for_where_no_gate_can_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(abc, "run", lambda *_: pytest.fail("ABC was called"))
    builder = Builder(["a", "b"])
    builder.output("y", builder.lor(*builder.inputs))
    builder.output("z", builder.inputs[0])
    assert deep(circuit := builder.build(), Goal(seconds=60)) is circuit


@pytest.mark.parametrize(("name", "depth"), [("router", 10), ("adder", 13)])
def test_no_script_for_delay_is_less_deep(name: str, depth: int, epfl: Path) -> None:
    circuit = read(epfl / f"{name}.aig")
    records: list[Record] = []
    after = optimize(circuit, objective="depth", time_budget=3, record=records.append)
    assert [record.name for record in records] == ["strash", "sweep", "shorten", "sweep"]
    assert all(record.proof for record in records)
    assert after.depth <= depth
    for script in SCRIPTS["depth"]:
        found = abc.run(circuit, f"strash; {script}", 60)
        assert found is not None
        assert sweep(found).depth > after.depth


@settings(max_examples=5)
@given(circuit=CIRCUITS)
def test_shortening_keeps_the_function_and_is_no_deeper(circuit: Circuit) -> None:
    after = shorten(circuit, Goal(seconds=0.3))
    np.testing.assert_array_equal(after.truth_tables(), circuit.truth_tables())
    assert Goal("depth").cost(after) <= Goal("depth").cost(circuit)


def test_a_round_that_would_not_end_goes_without_choices(
    epfl: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds_left = iter([10.0] * 2 + [4.0] * 3 + [0.0] * 99)
    ran: list[str] = []
    monkeypatch.setattr(Deadline, "left", property(lambda _: next(seconds_left)))

    def run(circuit: Circuit, script: str, _: float) -> Circuit | None:
        if "collapse" in script:
            return None  # no beginning but the circuit
        ran.append(script)
        return circuit

    monkeypatch.setattr(abc, "run", run)
    shorten(read(epfl / "router.aig"), Goal("depth", seconds=10))
    assert [MAP_LEVELS in script for script in ran] == [True, False]


def test_without_abc_chains_are_still_bypassed(epfl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(abc, "program", lambda: None)
    assert optimize(read(epfl / "adder.aig"), objective="depth").depth == 13


def test_a_search_goes_below_what_resynthesis_finds(epfl: Path) -> None:
    circuit = read(epfl / "ctrl.aig")
    after = deep(circuit, Goal(seconds=6))
    assert after.num_gates < resynthesize(circuit, Goal()).num_gates
    assert prove(circuit, after)


def test_kicks_make_a_small_circuit_smaller_and_leave_others(epfl: Path) -> None:
    circuit = abc.run(read(epfl / "int2float.aig"), "strash; dch; if -K 2 -a", 60)
    assert circuit is not None
    assert circuit.num_gates <= MOST_GATES
    after = kick(circuit, Goal(seconds=4))
    assert after.num_gates < circuit.num_gates
    assert prove(circuit, after)
    for other in (read(epfl / "adder.aig"), Builder("ab", "tiny").build()):
        assert kick(other, Goal()) is other


def test_a_deadline_leaves_no_more_than_it_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sum of two numbers less one of them may be more than the other."""
    for tick in range(500):
        monkeypatch.setattr(objectives, "cpu_seconds", lambda tick=tick: 0.37 * tick)
        assert Deadline(20).left == 20


def test_time_is_cpu_time(epfl: Path) -> None:
    """A program that waits spends none, and one that is stopped has spent what it may."""
    deadline = Deadline(1)
    time.sleep(0.2)
    assert deadline.left > 0.9
    circuit = read(epfl / "ctrl.aig")
    begin = cpu_seconds()
    assert abc.run(circuit, "&get; &deepsyn -T 100; &put", 0.5) is None
    assert 0.4 < cpu_seconds() - begin < 5


@pytest.mark.parametrize(
    ("long_from", "soon_to", "place"),
    [(100, 200, 1), (100, 100, len(SCRIPTS["gates"])), (200, 0, -1)],
)
def test_the_long_search_has_its_place(
    long_from: int, soon_to: int, place: int, epfl: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    run = abc.run

    def note(circuit: Circuit, script: str, seconds: float) -> Circuit | None:
        ran.append(script)
        return run(circuit, script, seconds)

    module = sys.modules["gatewright.passes.resynthesize"]
    monkeypatch.setattr(abc, "run", note)
    monkeypatch.setattr(module, "LONG_FROM", long_from)
    monkeypatch.setattr(module, "SOON_TO", soon_to)
    circuit = read(epfl / "ctrl.aig")  # 174 gates
    small = resynthesize(circuit, Goal(seconds=4))
    assert small.num_gates < circuit.num_gates
    assert prove(circuit, small)
    places = [i for i, script in enumerate(ran) if "&deepsyn -T" in script]
    assert (places or [-1])[0] == place


@pytest.mark.parametrize("is_soon", [True, False])
def test_scripts_work_in_turn_where_time_does_not_do_for_each(
    is_soon: bool, epfl: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[tuple[str, Circuit]] = []
    run = abc.run

    def note(circuit: Circuit, script: str, seconds: float) -> Circuit | None:
        ran.append((script, circuit))
        return None if failing else run(circuit, script, seconds)

    failing = False
    monkeypatch.setattr(abc, "run", note)
    module = sys.modules["gatewright.passes.resynthesize"]
    monkeypatch.setattr(module, "A_SECOND", 20)
    monkeypatch.setattr(module, "SOON_TO_IN_TURN", 174 if is_soon else 173)
    circuit = read(epfl / "ctrl.aig")  # 174 gates
    small = resynthesize(circuit, Goal(seconds=4))
    assert small.num_gates < circuit.num_gates
    assert prove(circuit, small)
    assert ran[1][1].num_gates < circuit.num_gates  # what the first left
    assert len(set(ran)) == len(ran)  # nothing in vain twice
    failing = True
    ran.clear()
    monkeypatch.setattr(module, "walk", lambda circuit, _: circuit)
    assert resynthesize(circuit, Goal(seconds=4)) is circuit
    scripts = [script for script, _ in ran]
    assert len(scripts) == len(SCRIPTS["gates"]) + 1
    assert [n for n, script in enumerate(scripts) if "&deepsyn" in script] == [
        0 if is_soon else len(scripts) - 1
    ]
    assert len(set(scripts)) == len(scripts)  # what fails ends it, not the time


def test_a_structure_in_which_the_first_script_finds_nothing_is_disturbed(
    epfl: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scripts leave the arbiter's regular structure as it is, and half of it once disturbed."""
    given: list[Circuit] = []
    run = abc.run

    def note(circuit: Circuit, script: str, seconds: float) -> Circuit | None:
        given.append(circuit)
        return run(circuit, script, seconds)

    monkeypatch.setattr(abc, "run", note)
    circuit = read(epfl / "arbiter.aig")
    small = resynthesize(circuit, Goal(seconds=8))
    assert given[0] is circuit
    assert 0.9 * circuit.num_gates < given[1].num_gates < circuit.num_gates
    assert small.num_gates < 0.9 * circuit.num_gates
    assert prove(circuit, small)


@pytest.mark.parametrize("a_second", [20, 10_000])
def test_what_a_walk_leaves_is_gone_on_from_where_scripts_leave_more(
    epfl: Path, monkeypatch: pytest.MonkeyPatch, a_second: int
) -> None:
    """Where there is time for each script from the circuit itself, and where they work in turn."""
    module = sys.modules["gatewright.passes.resynthesize"]
    walked: list[tuple[Circuit, Circuit]] = []

    def note(circuit: Circuit, goal: Goal) -> Circuit:
        walked.append((circuit, walk(circuit, goal)))
        return walked[-1][1]

    monkeypatch.setattr(module, "walk", note)
    monkeypatch.setattr(module, "A_SECOND", a_second)
    monkeypatch.setattr(abc, "run", lambda *_: None)
    circuit = read(epfl / "max.aig")
    small = resynthesize(circuit, Goal(seconds=8))
    assert small.num_gates < circuit.num_gates
    assert walked[0][0] is circuit
    assert small is walked[-1][1]
    assert all(after[0] is before[1] for before, after in pairwise(walked))
    assert len(walked) == (2 if a_second == 20 else 1)
    assert resynthesize(circuit, Goal("depth", seconds=1)) is circuit  # which takes no walk


def test_scripts_for_large_circuits_are_chosen_by_yield(
    epfl: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[str] = []
    given: list[Circuit] = []
    run = abc.run

    def note(circuit: Circuit, script: str, seconds: float) -> Circuit | None:
        ran.append(script)
        given.append(circuit)
        return run(circuit, script, seconds)

    monkeypatch.setattr(abc, "run", note)
    monkeypatch.setattr(sys.modules["gatewright.passes.resynthesize"], "LARGE", 200)
    router, adder = read(epfl / "router.aig"), read(epfl / "adder.aig")
    small = resynthesize(router, Goal(seconds=3))
    assert small.num_gates < router.num_gates
    assert prove(router, small)
    assert given[1] is not router  # control: the next script goes on from the first one's
    ran.clear()
    given.clear()
    assert resynthesize(adder, Goal(seconds=3)).num_gates == 637
    assert "resub" in ran[0]  # arithmetic: restructuring at once
    ran.clear()
    given.clear()
    module = sys.modules["gatewright.passes.resynthesize"]
    monkeypatch.setattr(module, "is_arithmetic", lambda circuit: circuit is not adder)
    assert resynthesize(adder, Goal(seconds=3)).num_gates == 637
    assert given[:2] == [adder, adder]  # where only tables show it: from the circuit itself too
    assert "resub" not in ran[0]
    assert "resub" in ran[1]


def test_a_wrong_proposal_is_dropped_and_recorded(
    epfl: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = Circuit(
        np.zeros((0, 2), np.int32), np.zeros(0, np.uint8), np.zeros(26, np.int32),
        tuple(f"i{n}" for n in range(7)), tuple(f"o{n}" for n in range(26)), "wrong",
    )  # fmt: skip
    monkeypatch.setattr(abc, "run", lambda *_: wrong)
    circuit = read(epfl / "ctrl.aig")
    records: list[Record] = []
    after = optimize(circuit, passes=["resynthesize"], record=records.append)
    assert after is circuit
    assert (records[0].proof, records[0].after) == (None, circuit.stats())
    assert "not equal: output" in records[0].dropped


def test_without_abc_the_other_passes_run_and_its_own_say_how_to_get_it(
    epfl: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(abc, "program", lambda: None)
    circuit = read(epfl / "ctrl.aig")
    records: list[Record] = []
    optimize(circuit, 3, time_budget=2, record=records.append)
    assert [record.name for record in records] == [
        name for name in EFFORTS[3] if name not in (*EXTERNAL, *WALK_REPLACES)
    ]
    with pytest.raises(MissingTool, match=r"pip install 'gatewright\[abc\]'"):
        optimize(circuit, passes=["resynthesize"])


def test_each_restructuring_does_its_own_work(epfl: Path) -> None:
    adder = read(epfl / "adder.aig")
    fewer = optimize(adder, passes=["resub"])
    assert fewer.num_gates == 637  # 5 a bit
    assert optimize(adder, passes=["refactor"]).num_gates < adder.num_gates
    flat = optimize(fewer, passes=["balance"])
    assert flat.depth < fewer.depth / 2
    assert flat.num_gates > fewer.num_gates
