from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import numpy as np

from gatewright.circuit import Builder, Circuit
from gatewright.view.schematic import schematic
from random_circuits import large

SVG = "{http://www.w3.org/2000/svg}"


def bars(text: str) -> list[tuple[str, int, str, float]]:
    found: list[tuple[str, int, str, float]] = []
    for rect in ElementTree.fromstring(text).iter(f"{SVG}rect"):
        if rect.get("class") == "bar":
            said = re.fullmatch(r"(levels? .*): ([\d,]+) (.+)", rect.findtext(f"{SVG}title"))
            levels, num, kind = said.groups()
            found.append((levels, int(num.replace(",", "")), kind, float(rect.attrib["height"])))
    return found


def test_large_circuits_become_a_count_of_gates_by_level() -> None:
    circuit = large(900)
    text = schematic(circuit)
    assert 'class="wire"' not in text
    level = circuit.levels[circuit.first_gate :]
    for levels, num, kind, _ in bars(text):
        tables = {"and": [8], "and not": [2, 4], "or": [14], "xor": [6]}[kind]
        first, last = (re.findall(r"\d+", levels) * 2)[:2]
        among = circuit.table[(level >= int(first)) & (level <= int(last))]
        assert num == np.isin(among, tables).sum()
    assert sum(num for _, num, _, _ in bars(text)) == 900
    per_gate = [height / num for _, num, _, height in bars(text)]
    assert max(per_gate) - min(per_gate) < 0.02
    words = [node.text for node in ElementTree.fromstring(text).iter(f"{SVG}text")]
    assert words[words.index("and not") + 1] == str(np.isin(circuit.table, [2, 4]).sum())


def test_very_deep_circuits_have_levels_put_together() -> None:
    chain = Circuit(
        np.array([[i + 1, i + 2] for i in range(1000)], np.int32),
        np.full(1000, 8, np.uint8),
        np.array([2 * 1002], np.int32),
        ("p", "q"),
        ("y",),
    )
    shown = bars(schematic(chain))
    assert 32 <= len(shown) <= 64 and sum(num for _, num, _, _ in shown) == 1000
    assert shown[0][0] == "levels 1 to 16" and shown[-1][0] == "levels 993 to 1000"


def test_many_inputs_and_no_gates() -> None:
    b = Builder([f"x{i}" for i in range(500)])
    b.output("y", 2)
    assert bars(schematic(b.build())) == []
