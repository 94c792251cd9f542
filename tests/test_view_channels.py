from __future__ import annotations

from collections import defaultdict
from itertools import combinations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from drawn_lines import Line, reached, touch
from gatewright.view.channels import Wire, route


def drawn(wires: list[Wire], last_track: int) -> dict[int, list[Line]]:
    """The lines of routed wires in a channel from x = -1 to last_track + 1."""
    lines: dict[int, list[Line]] = defaultdict(list)
    turn = {wire.node: wire.track for wire in wires if wire.half == 1}
    for wire in wires:
        begin = turn[wire.node] if wire.half == 2 else -1
        if wire.track < 0:
            assert wire.rights == (wire.left,)
            lines[wire.node].append((begin, wire.left, last_track + 1, wire.left))
            continue
        lines[wire.node].append((begin, wire.left, wire.track, wire.left))
        lines[wire.node].append((wire.track, wire.top, wire.track, wire.bottom))
        if wire.half != 1:
            lines[wire.node] += [(wire.track, y, last_track + 1, y) for y in wire.rights]
    return lines


@st.composite
def channels(draw: st.DrawFn) -> list[Wire]:
    """Wires with distinct heights on the left, and distinct ones on the right."""
    size = draw(st.integers(1, 12))
    lefts = draw(st.permutations(range(size)))
    rights = draw(st.permutations(range(size + 6)))
    wires: list[Wire] = []
    at = 0
    for node, left in enumerate(lefts):
        num = draw(st.integers(1, 3))
        ends = tuple(sorted(6 * y for y in rights[at : at + num]))
        at += num
        if ends:
            wires.append(Wire(node, 6 * left, ends))
    return wires


@settings(max_examples=300)
@given(channels())
@example([Wire(0, 0, (6,)), Wire(1, 6, (0,))])
@example([Wire(0, 0, (6,)), Wire(1, 6, (12, 18)), Wire(2, 12, (0,))])
def test_wires_in_a_channel_keep_apart(wires: list[Wire]) -> None:
    routed = route(wires, 6)
    last = max(wire.track for wire in routed)
    lines = drawn(routed, last)
    for (node, some), (other, others) in combinations(lines.items(), 2):
        for a in some:
            for b in others:
                assert not touch(a, b), f"wires {node} and {other} touch"
    for wire in wires:
        assert sorted(reached(lines[wire.node], (-1, wire.left), set())) == sorted(lines[wire.node])
        ended = {y1 for _, _, x1, y1 in lines[wire.node] if x1 == last + 1}
        assert ended == set(wire.rights)


def test_a_swap_splits_one_wire_and_parallel_wires_share_tracks() -> None:
    swap = route([Wire(0, 0, (6,)), Wire(1, 6, (0,))], 6)
    assert sorted(wire.half for wire in swap) == [0, 1, 2]
    apart = route([Wire(0, 0, (6,)), Wire(1, 60, (66,)), Wire(2, 90, (90,))], 6)
    assert {wire.node: wire.track for wire in apart} == {0: 0, 1: 0, 2: -1}


def test_nested_wires_do_not_cross() -> None:
    falling = route([Wire(0, 0, (60,)), Wire(1, 12, (72,)), Wire(2, 24, (84,))], 6)
    assert {wire.node: wire.track for wire in falling} == {0: 2, 1: 1, 2: 0}
