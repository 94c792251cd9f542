from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright import gates
from gatewright.circuit import Circuit
from gatewright.passes import Record, optimize
from gatewright.passes.reasons import WORDS
from gatewright.view.report import by_level, report_data, report_picture, report_text
from random_circuits import large, raw_circuits

SVG = "{http://www.w3.org/2000/svg}"
OWN = ("strash", "sweep", "fraig", "rewrite")


def optimized(circuit: Circuit, *passes: str) -> tuple[Circuit, list[Record]]:
    records: list[Record] = []
    return optimize(circuit, passes=passes, record=records.append), records


def test_each_reason_is_the_right_one() -> None:
    """A constant, two wires and a duplicate; two that nothing reads; one equal to x and y."""
    and_, or_, xor = gates.AND, gates.OR, gates.XOR
    fanin = [(1, 1), (1, 2), (2, 1), (4, 0), (1, 2), (5, 1), (4, 5), (1, 2)]
    #        false   and     again   wire    unread  equal   wire    unread
    tables = [xor, and_, and_, or_, or_, and_, or_, xor]
    circuit = Circuit(
        np.array(fanin, np.int32), np.array(tables, np.uint8),
        np.array([2 * 3, 2 * 6, 2 * 8, 2 * 9], np.int32), ("x", "y"), ("a", "b", "c", "d"),
    )  # fmt: skip
    _, (folded, swept, merged) = optimized(circuit, "strash", "sweep", "fraig")
    assert folded.removed == {"constants": 1, "wires": 2, "duplicates": 1}
    assert swept.removed == {"unread": 2}
    assert merged.removed == {"equivalences": 1}
    for record in (folded, swept, merged):
        assert record.before.gates - record.after.gates == sum(record.removed.values())


@settings(max_examples=50)
@given(raw_circuits(max_gates=30), st.lists(st.sampled_from(OWN), max_size=4))
def test_reasons_add_up_and_numbers_agree(circuit: Circuit, passes: list[str]) -> None:
    after, records = optimized(circuit, *passes)
    for record in records:
        assert record.before.gates - record.after.gates == sum(record.removed.values())
        assert WORDS.keys() >= record.removed.keys()
    data = report_data(circuit, after, records)
    assert data["before"]["gates"] == sum(data["before"]["gates_by_level"]) == circuit.num_gates
    assert sum(by_level(after)) == after.num_gates
    ElementTree.fromstring(report_picture(circuit, after, records))
    assert report_text(circuit, after, records).count("equal") >= len(passes)


def test_bars_are_as_long_as_their_numbers() -> None:
    circuit = large(800)
    after, records = optimized(circuit, "strash", "sweep")
    picture = ElementTree.fromstring(report_picture(circuit, after, records))
    widths = [float(node.attrib["width"]) for node in picture.iter(f"{SVG}rect")][1:]
    sizes = [800, records[0].after.gates, after.num_gates]
    np.testing.assert_allclose(widths[:3], [widths[0] * n / 800 for n in sizes], atol=0.1)
    assert sizes[2] < 800
