from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings

from drawn_lines import Line, Point, crossing, ends, holds, reached, touch
from gatewright.circuit import Builder, Circuit
from gatewright.view.schematic import SHAPES, schematic
from random_circuits import built_circuits, large, raw_circuits

SVG = "{http://www.w3.org/2000/svg}"


def life() -> Circuit:
    """The next cell of the Game of Life from x0 to x8, of which x4 is the cell itself."""
    b = Builder([f"x{i}" for i in range(9)], "life")
    x = b.inputs

    def add(p: int, q: int, r: int) -> tuple[int, int]:
        half = b.lxor(p, q)
        return b.lxor(half, r), b.lor(b.land(p, q), b.land(half, r))

    ones0, twos0 = add(x[0], x[1], x[2])
    ones1, twos1 = add(x[3], x[5], x[6])
    ones, twos2 = add(ones0, ones1, b.lxor(x[7], x[8]))
    twos3, fours0 = add(twos0, twos1, b.land(x[7], x[8]))
    twos, fours1 = b.lxor(twos3, twos2), b.land(twos3, twos2)
    two_or_three = b.land(twos, b.lor(fours0, fours1) ^ 1)
    b.output("next", b.land(two_or_three, b.lor(ones, x[4])))
    return b.build()


@dataclass
class Picture:
    """What the SVG text shows, read back from its shapes and places alone."""

    gates: dict[int, tuple[str, Point, ElementTree.Element]] = field(default_factory=dict)
    inputs: dict[int, tuple[str, Point]] = field(default_factory=dict)
    outputs: dict[int, tuple[str, Point, bool, str]] = field(default_factory=dict)
    wires: dict[int, list[Line]] = field(default_factory=dict)
    joins: dict[int, set[Point]] = field(default_factory=lambda: defaultdict(set))


def place_of(group: ElementTree.Element) -> Point:
    x, y = re.fullmatch(r"translate\((\S+) (\S+)\)", group.attrib["transform"]).groups()
    return float(x), float(y)


def lines_of(path: str) -> list[Line]:
    moves = re.findall(r"M(-?[\d.]+) (-?[\d.]+)([HV])(-?[\d.]+)", path)
    assert "".join(f"M{x} {y}{way}{to}" for x, y, way, to in moves) == path
    ends = [(float(x), float(y), way, float(to)) for x, y, way, to in moves]
    return [(x, y, to, y) if way == "H" else (x, y, x, to) for x, y, way, to in ends]


def seen(text: str) -> Picture:
    picture = Picture()
    root = ElementTree.fromstring(text)
    for node in root:
        shown = [child.text for child in node.iter(f"{SVG}text")]
        title = node.findtext(f"{SVG}title")
        if "data-gate" in node.attrib:
            assert int(node.attrib["data-gate"]) not in picture.gates
            body, *arc = node.iter(f"{SVG}path")
            shape = next(name for name, (d, _) in SHAPES.items() if d == body.attrib["d"])
            shape = "xor" if arc else shape
            picture.gates[int(node.attrib["data-gate"])] = (shape, place_of(node), node)
        elif "data-input" in node.attrib:
            assert int(node.attrib["data-input"]) not in picture.inputs
            picture.inputs[int(node.attrib["data-input"])] = (title, place_of(node))
            assert shown == [title if len(title) <= 24 else title[:23] + "…"]
        elif "data-output" in node.attrib:
            assert int(node.attrib["data-output"]) not in picture.outputs
            bubbled = node.find(f"{SVG}circle") is not None
            tied = shown[0] if len(shown) == 2 else ""
            output = (title, place_of(node), bubbled, tied)
            picture.outputs[int(node.attrib["data-output"])] = output
        elif node.get("class") == "wire":
            assert int(node.attrib["data-node"]) not in picture.wires
            picture.wires[int(node.attrib["data-node"])] = lines_of(node.attrib["d"])
        elif node.get("class") == "join":
            at = float(node.attrib["cx"]), float(node.attrib["cy"])
            picture.joins[int(node.attrib["data-node"])].add(at)
    return picture


def net_at(picture: Picture, x: tuple[float, float], y: float) -> tuple[int, float]:
    """The one wire that ends at a height between two x, and where."""
    found = {
        (node, end[0])
        for node, lines in picture.wires.items()
        for line in lines
        for end in ends(line)
        if x[0] <= end[0] <= x[1] and end[1] == y
    }
    assert len(found) == 1, f"wires {found} end at {x}, {y}"
    return found.pop()


def departures(circuit: Circuit, picture: Picture) -> dict[int, Point]:
    """Node -> the point where its part lets the wire out."""
    points = {1 + i: at for i, (_, at) in picture.inputs.items()}
    for g, (shape, (x, y), group) in picture.gates.items():
        bubbles = [float(c.attrib["cx"]) for c in group.iter(f"{SVG}circle")]
        assert shape != "constant" or not bubbles
        points[circuit.first_gate + g] = (x + (31 if 28 in bubbles else 25), y)
    return points


def check(circuit: Circuit) -> Picture:
    """Read the picture of a circuit back: it is well drawn, and it means the circuit."""
    picture = seen(schematic(circuit))
    assert sorted(picture.gates) == list(range(circuit.num_gates))
    assert [picture.inputs[i][0] for i in range(circuit.num_inputs)] == list(circuit.input_names)
    names = [picture.outputs[o][0] for o in range(circuit.num_outputs)]
    assert names == list(circuit.output_names)

    start = departures(circuit, picture)
    for node, lines in picture.wires.items():
        connected = reached(lines, start[node], picture.joins[node])
        assert sorted(connected) == sorted(lines), f"the wire of node {node} is in pieces"

    row = np.arange(1 << min(circuit.num_inputs, 12))
    value = {1 + i: row >> i & 1 == 1 for i in range(circuit.num_inputs)}
    for g in range(circuit.num_gates):
        value[circuit.first_gate + g] = value_of_gate(picture, g, value, row)
    for o, (_, (x, y), bubbled, tied) in picture.outputs.items():
        if tied:
            found = np.full(row.shape, tied == "1")
        else:
            node, at = net_at(picture, (x, x + 6), y)
            assert at == (x if bubbled else x + 6)
            found = value[node] ^ bubbled
        np.testing.assert_array_equal(found, circuit.truth_tables()[:, o])
    check_ends(circuit, picture)
    check_apart(picture)
    return picture


def value_of_gate(
    picture: Picture, g: int, value: dict[int, np.ndarray], row: np.ndarray
) -> np.ndarray:
    shape, (x, y), group = picture.gates[g]
    texts = [(t.text, float(t.attrib["y"]) - 3) for t in group.iter(f"{SVG}text")]
    bubbles = [(float(c.attrib["cx"]), float(c.attrib["cy"])) for c in group.iter(f"{SVG}circle")]
    inverts = (28.0, 0.0) in bubbles
    if shape == "constant":
        return np.full(row.shape, texts[0][0] == "1")
    pins: list[np.ndarray] = []
    for dy in (0.0,) if shape == "buffer" else (-6.0, 6.0):
        inverted = [cx for cx, cy in bubbles if cy == dy and cx < 25]
        back = SHAPES[shape][1]
        assert inverted in ([], [back - 3])
        if ("0", dy) in texts:
            pins.append(np.zeros(row.shape, bool) ^ bool(inverted))
            continue
        node, at = net_at(picture, (x - 9, x + 6), y + dy)
        assert at == pytest.approx(x + back - 6 * len(inverted))
        pins.append(value[node] ^ bool(inverted))
    plain = {
        "and": np.logical_and.reduce, "or": np.logical_or.reduce,
        "xor": np.logical_xor.reduce, "buffer": lambda pin: pin[0],
    }[shape](pins)  # fmt: skip
    return plain ^ inverts


def check_ends(circuit: Circuit, picture: Picture) -> None:
    """Lines end only at their part, at a pin, at an output or on another line of the wire."""
    num_loose = 0
    for lines in picture.wires.values():
        for line in lines:
            for end in ends(line):
                num_loose += not any(holds(other, end) for other in lines if other != line)
    pins = sum(
        2 - (shape == "buffer") - sum(t.text == "0" for t in group.iter(f"{SVG}text"))
        for shape, _, group in picture.gates.values()
        if shape != "constant"
    )
    outputs = sum(not tied for *_, tied in picture.outputs.values())
    assert num_loose == len(picture.wires) + pins + outputs


def check_apart(picture: Picture) -> None:
    """No wire touches another or a gate's body; dots stand where three lines meet, only there."""
    owned = [(node, line) for node, lines in picture.wires.items() for line in lines]
    for (node, a), (other, b) in combinations(owned, 2):
        assert node == other or not touch(a, b), f"wires {node} and {other} touch: {a}, {b}"
    for _, (x, y), _ in picture.gates.values():
        for node, (x0, y0, x1, y1) in owned:
            level = min(x0, x1) < x + 24 and max(x0, x1) > x + 6
            upright = min(y0, y1) < y + 11 and max(y0, y1) > y - 11
            assert not (level and upright), f"wire {node} runs over a gate"
    for node, lines in picture.wires.items():
        points = {end for line in lines for end in ends(line)}
        points |= {crossing(a, b) for a, b in combinations(lines, 2)} - {None}
        meeting = {point for point in points if num_ways(lines, point) > 2}
        assert picture.joins.get(node, set()) == meeting


def num_ways(lines: list[Line], point: Point) -> int:
    """In how many directions a wire leaves a point."""
    ways = set[Point]()
    for line in lines:
        if holds(line, point):
            for x, y in ends(line):
                dx, dy = x - point[0], y - point[1]
                ways.add((np.sign(dx), np.sign(dy)))
    return len(ways - {(0, 0)})


@settings(max_examples=60)
@given(built_circuits())
def test_the_picture_of_a_built_circuit_means_the_circuit(circuit: Circuit) -> None:
    check(circuit)


@settings(max_examples=60)
@given(raw_circuits())
def test_the_picture_of_any_circuit_means_the_circuit(circuit: Circuit) -> None:
    check(circuit)


def test_the_picture_of_life() -> None:
    picture = check(life())
    assert len(picture.gates) == 28
    width, height = map(float, re.search(r'viewBox="0 0 (\S+) (\S+)"', schematic(life())).groups())
    assert width < 900 and height < 450  # fits a README


def num_crossings(picture: Picture) -> int:
    owned = [(node, line) for node, lines in picture.wires.items() for line in lines]
    pairs = combinations(owned, 2)
    return sum(n != m and crossing(a, b) is not None for (n, a), (m, b) in pairs)


def test_few_wires_cross() -> None:
    assert num_crossings(seen(schematic(life()))) <= 18
    assert num_crossings(seen(schematic(large(60)))) <= 165


@pytest.mark.parametrize("num_gates", [60, 200])
def test_larger_pictures(num_gates: int) -> None:
    check(large(num_gates))


def test_everything_lies_on_the_page_and_names_keep_apart() -> None:
    text = schematic(large(60))
    picture = seen(text)
    width, height = map(float, re.search(r'viewBox="0 0 (\S+) (\S+)"', text).groups())
    for line in (line for lines in picture.wires.values() for line in lines):
        for x, y in ends(line):
            assert 20 < x < width - 20 and 60 < y < height - 10
    for places in (picture.inputs, picture.outputs):
        heights = sorted(found[1][1] for found in places.values())
        assert min(b - a for a, b in pairwise(heights)) >= 14


def test_names_are_escaped_and_long_ones_cut() -> None:
    b = Builder(["a<b", 'c"&', "d" * 40], name="<&>")
    b.output("</svg>", b.lor(b.land(*b.inputs[:2]), b.inputs[2]) ^ 1)
    picture = check(b.build())
    assert picture.inputs[2][0] == "d" * 40
    b.output("bell\a", 2)
    root = ElementTree.fromstring(schematic(b.build(), "1 < 2 & 3"))
    words = [node.text for node in root.iter(f"{SVG}text")]
    assert words[0] == "1 < 2 & 3"
    assert {"a<b", 'c"&', "d" * 23 + "…", "</svg>", "bell?"} <= set(words)
    assert "<&>" in [node.text for node in ElementTree.fromstring(schematic(b.build())).iter()]


def test_constant_outputs_and_empty_circuits() -> None:
    b = Builder(["unused"])
    b.output("zero", 0)
    b.output("one", 1)
    b.output("same", 2)
    picture = check(b.build())
    assert [picture.outputs[o][3] for o in range(3)] == ["0", "1", ""]
    check(Builder([]).build())
    check(Builder(["p"]).build())


def test_equal_circuits_have_equal_pictures() -> None:
    assert schematic(large(60)) == schematic(large(60))


def test_a_deep_circuit() -> None:
    b = Builder(["p", "q", "r"])
    literal = b.inputs[0]
    for i in range(60):
        literal = b.lxor(b.gate((8, 14)[i % 2], literal, b.inputs[1] ^ i // 2 % 2), b.inputs[2])
    b.output("y", literal)
    circuit = b.build()
    assert circuit.depth == 120
    check(circuit)
