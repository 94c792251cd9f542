from __future__ import annotations

import re
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given

from gatewright import gates
from gatewright.circuit import Builder, Circuit
from gatewright.targets import dot
from random_circuits import raw_circuits


def written(circuit: Circuit) -> str:
    (content,) = dot.write(circuit).values()
    return content.decode()


@pytest.mark.parametrize("table", range(16))
def test_a_symbol_means_its_table(table: int) -> None:
    sign = dot.symbol(table)
    for m in range(4):
        pins = [
            (m >> operand & 1) ^ inverted
            for operand, inverted in zip(sign.operands, sign.inverted, strict=True)
        ]
        value = {
            "and": all(pins), "or": any(pins), "xor": sum(pins) % 2, "buffer": sum(pins),
            "constant": 0,
        }[sign.shape]  # fmt: skip
        assert int(value) ^ sign.inverts == table >> m & 1


def test_built_gates_have_plain_symbols_and_at_most_one_bubble() -> None:
    shapes = {t: dot.symbol(t).shape for t in (2, 4, 6, 8, 14)}
    assert shapes == {2: "and", 4: "and", 6: "xor", 8: "and", 14: "or"}
    assert max(sum(dot.symbol(t).inverted) + dot.symbol(t).inverts for t in range(16)) == 1


@given(raw_circuits())
def test_the_text_says_the_whole_circuit(circuit: Circuit) -> None:
    """Evaluate the graph that the text describes, from its labels and edges alone."""
    text = written(circuit)
    label = dict(re.findall(r'^ +(\w+) \[label="([^"]*)"', text, re.M))
    edges = re.findall(r"^  (\w+) -> (\w+)( \[style=dashed, arrowhead=odot\])?;$", text, re.M)
    drivers: dict[str, list[tuple[str, bool]]] = {}
    for driver, reader, mark in edges:
        drivers.setdefault(reader, []).append((driver, bool(mark)))

    def evaluate(node: str, row: int) -> bool:
        number = int(node[1:])
        values = [evaluate(d, row) ^ inverted for d, inverted in drivers.get(node, [])]
        if node[0] == "o":
            return values[0]
        if 1 <= number < circuit.first_gate:
            return bool(row >> number - 1 & 1)
        if label[node] in ("0", "1"):
            return label[node] == "1"
        plain = {"and": all, "or": any, "xor": lambda v: sum(v) % 2 == 1, "buf": any}
        plain["not"] = lambda v: not any(v)
        for name in ("and", "or", "xor"):
            plain["xnor" if name == "xor" else "n" + name] = lambda v, f=plain[name]: not f(v)
        return bool(plain[label[node]](values))

    expected = circuit.truth_tables()
    for row in range(1 << circuit.num_inputs):
        found = [evaluate(f"o{i}", row) for i in range(circuit.num_outputs)]
        assert found == expected[row].tolist()


def test_names_are_escaped_and_the_text_is_deterministic() -> None:
    b = Builder(['a"b', "c\\", "d\ne"])
    b.output("<y>", b.gate(gates.AND, b.inputs[0], b.inputs[1]) ^ 1)
    text = written(b.build())
    assert r'label="a\"b"' in text and r'label="c\\"' in text and r'label="d\ne"' in text
    assert text == written(b.build())


@pytest.mark.needs_tool("dot")
def test_graphviz_draws_it() -> None:
    b = Builder(['a"b<', "c\\N", "d"], name="odd -> name")
    x, y, z = b.inputs
    b.output("y&", b.lor(b.land(x, y), b.land(x ^ 1, z)) ^ 1)
    b.output("one", 1)
    done = subprocess.run(
        ["dot", "-Tsvg"], input=written(b.build()).encode(), capture_output=True, check=True
    )
    assert done.stderr == b""
    drawn = ElementTree.fromstring(done.stdout)
    words = {node.text for node in drawn.iter("{http://www.w3.org/2000/svg}text")}
    assert {'a"b<', "c\\N", "d", "y&", "one", "and", "or", "0"} <= words
