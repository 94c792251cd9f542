"""two_level: what sums of products find again, and what they must not be tried on for long."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from itertools import product

import numpy as np
import pytest

from gatewright import abc
from gatewright.arith import weighted_sum
from gatewright.circuit import FALSE, TRUE, Builder, Circuit
from gatewright.passes import PASSES, optimize
from gatewright.passes.collapse import collapse
from gatewright.passes.objectives import Goal
from gatewright.passes.resynthesize import COMPRESS, FINISH, RESTRUCTURE
from gatewright.passes.shorten import shorten
from gatewright.passes.sweep import sweep
from gatewright.passes.two_level import SUMS, two_level
from gatewright.verify import prove

NEEDS_ABC = pytest.mark.skipif(abc.program() is None, reason="ABC is not installed")


def flattened(num_pairs: int) -> Circuit:
    """Whether the bits of each pair differ, as a sum of all 2^n products of 2 n literals."""
    b = Builder([f"x{i}" for i in range(2 * num_pairs)])
    pairs = list(zip(b.inputs[::2], b.inputs[1::2], strict=True))
    cubes: list[int] = []
    for ones in product((0, 1), repeat=num_pairs):
        literals = [
            literal
            for one, (x, y) in zip(ones, pairs, strict=True)
            for literal in (x ^ one, y ^ one ^ 1)
        ]
        cubes.append(reduce(b.land, literals))
    b.output("y", reduce(b.lor, cubes))
    return b.build()


def multiplexed(num_inputs: int, num_outputs: int, num_cubes: int) -> Circuit:
    """Sums of a few products of four literals, each a tree of multiplexers over all inputs."""
    rng = np.random.default_rng(1)
    b = Builder([f"x{i}" for i in range(num_inputs)])

    def without(cube: dict[int, int], i: int) -> dict[int, int]:
        return {place: bit for place, bit in cube.items() if place != i}

    def tree(order: list[int], cubes: list[dict[int, int]]) -> int:
        if {} in cubes or not cubes:
            return TRUE if cubes else FALSE
        i, *rest = order
        low, high = (
            tree(rest, [without(cube, i) for cube in cubes if cube.get(i, bit) == bit])
            for bit in (0, 1)
        )
        x = b.inputs[i]
        return b.lor(b.land(x, high), b.land(x ^ 1, low))

    for o in range(num_outputs):
        places = [rng.choice(num_inputs, 4, replace=False) for _ in range(num_cubes)]
        cubes = [{int(i): int(rng.integers(2)) for i in chosen} for chosen in places]
        b.output(f"y{o}", tree(rng.permutation(num_inputs).tolist(), cubes))
    return b.build()


def products(num_inputs: int, num_outputs: int, num_cubes: int, seed: int) -> Circuit:
    """Sums of minterms by chance, three in ten of them each, gate by gate."""
    rng = np.random.default_rng(seed)
    b = Builder([f"x{i}" for i in range(num_inputs)])
    bits = rng.integers(0, 2, (num_cubes, num_inputs))
    cubes = [
        reduce(b.land, (x ^ int(bit) for x, bit in zip(b.inputs, row, strict=True))) for row in bits
    ]
    for o in range(num_outputs):
        b.output(f"y{o}", reduce(b.lor, (cube for cube in cubes if rng.random() < 0.3)))
    return b.build()


def squares(width: int) -> Circuit:
    """A square, whose middle bits have no small diagrams."""
    b = Builder([f"x{i}" for i in range(width)])
    columns: list[list[int]] = [[] for _ in range(2 * width)]
    for i, x in enumerate(b.inputs):
        for j, y in enumerate(b.inputs):
            columns[i + j].append(b.land(x, y))
    for i, literal in enumerate(weighted_sum(b, columns)):
        b.output(f"y{i}", literal)
    return b.build()


@NEEDS_ABC
def test_what_was_flattened_is_found_again() -> None:
    before = flattened(7)
    after = two_level(before, Goal(seconds=10.0))
    assert before.num_gates > 300
    assert after.num_gates <= 20  # seven gates and six would do
    assert prove(before, after)
    smaller = optimize(before, time_budget=5.0)
    assert smaller.num_gates == 13
    assert prove(before, smaller)


@NEEDS_ABC
def test_the_one_that_goes_down_faster_is_taken() -> None:
    goal, finish = Goal(seconds=4.0), FINISH["gates"]

    def after(circuit: Circuit, script: str) -> Circuit:
        made = abc.run(circuit, script, 20.0)
        assert made is not None
        return sweep(made)

    were_fewer = list[bool]()
    for seed in range(3):
        before = products(9, 8, 150, seed)
        given, sums = after(before, f"strash; {COMPRESS}; {finish}"), after(before, SUMS)
        lines = [[given], [sums]]
        for line in lines * 2:
            line.append(after(line[-1], f"strash; {RESTRUCTURE}; {finish}"))
        taken = min(lines, key=lambda line: 2 * line[2].num_gates - line[1].num_gates)
        found = two_level(before, goal)
        assert found.num_gates == taken[2].num_gates
        assert prove(before, found)
        were_fewer.append(sums.num_gates < given.num_gates and taken[0] is given)
    assert any(were_fewer)  # before the race


@NEEDS_ABC
@pytest.mark.parametrize("is_in_time", [True, False])
def test_the_long_search_is_the_race_where_time_does_for_it(
    is_in_time: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, searched, made = abc.run, list[Circuit](), list[int]()

    def note(circuit: Circuit, script: str, seconds: float) -> Circuit | None:
        if "&deepsyn -T" in script:
            searched.append(circuit)
            return run(circuit, script, seconds) if is_in_time else None
        after = run(circuit, script, seconds)
        assert after is not None
        made.append(sweep(after).num_gates)
        return after

    monkeypatch.setattr(abc, "run", note)
    before = products(9, 8, 150, 0)
    found = two_level(before, Goal(seconds=5.0))
    assert prove(before, found)
    assert searched[0] is before
    assert [searched[1].num_gates] == made[:1]  # sums
    assert len(made) == 2  # and what was given, restructured
    assert found.num_gates < min(made) - 20 if is_in_time else found.num_gates == min(made)


@NEEDS_ABC
def test_few_levels_come_of_few_products() -> None:
    before = multiplexed(16, 8, 8)
    after = shorten(before, Goal("depth", seconds=3.0))
    assert before.num_gates > 4_000
    assert after.depth <= 7  # of products of four and sums of eight 5 would do; 13 without sums
    assert prove(before, after)


@NEEDS_ABC
def test_arithmetic_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    run, limits = abc.run, list[float]()

    def limited(circuit: Circuit, script: str, seconds: float) -> Circuit | None:
        limits.append(seconds)
        return run(circuit, script, seconds)

    monkeypatch.setattr(abc, "run", limited)
    before = squares(24)
    assert two_level(before, Goal(seconds=1.0)) is before
    assert limits == [1.0]  # nothing is tried beside it


def test_other_beginnings_have_a_tenth_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(abc, "program", lambda: "abc")
    given: dict[str, float] = {}

    def note(name: str) -> Callable[[Circuit, Goal], Circuit]:
        def kept(circuit: Circuit, goal: Goal) -> Circuit:
            given.setdefault(name, goal.seconds)
            return circuit

        return kept

    for name in PASSES:
        monkeypatch.setitem(PASSES, name, note(name))
    optimize(flattened(3), time_budget=50.0)
    assert given["rebuild"] == given["two_level"] == 5.0
    assert given["resynthesize"] == pytest.approx(0.4 * 50, abs=0.5)  # of what they left


@NEEDS_ABC
def test_tables_begin_with_it_too() -> None:
    found = optimize(flattened(7), objective="lut6", time_budget=5.0)
    assert len(found.table) <= 20
    assert Goal("lut6").cost(found)[0] == 3  # of six inputs: three pairs, three, and the last


def test_rebuilding_ends_with_its_time() -> None:
    b = Builder([f"x{i}" for i in range(6)])
    counts = ((row, f"{row:06b}".count("1")) for row in range(64))
    rows = [(reduce(b.land, [x ^ 1 ^ row >> i & 1 for i, x in enumerate(b.inputs)]), count)
            for row, count in counts]  # fmt: skip
    for bit in range(3):
        b.output(f"y{bit}", reduce(b.lor, [cube for cube, count in rows if count >> bit & 1]))
    before = b.build()
    assert collapse(before).num_gates < before.num_gates / 5
    assert collapse(before, 1.0, 0.0) is before
