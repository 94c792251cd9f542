from __future__ import annotations

import numpy as np
from hypothesis import given, settings

from gatewright.circuit import Builder, Circuit
from gatewright.passes.fraig import fraig
from gatewright.sat_sweep import num_told_apart
from gatewright.verify import prove
from random_circuits import built_circuits, raw_circuits


@settings(max_examples=150)
@given(built_circuits(max_gates=40) | raw_circuits(max_gates=40))
def test_no_two_gates_are_equal_or_complements(circuit: Circuit) -> None:
    after = fraig(circuit)
    np.testing.assert_array_equal(after.truth_tables(), circuit.truth_tables())
    names = (circuit.input_names, circuit.output_names, circuit.name)
    assert (after.input_names, after.output_names, after.name) == names
    everything = Circuit(
        after.fanin, after.table, 2 * np.arange(after.num_nodes), after.input_names,
        tuple(map(str, range(after.num_nodes))),
    )  # fmt: skip
    columns = [tuple(column) for column in everything.truth_tables().T.tolist()]
    either = {min(column, tuple(not bit for bit in column)) for column in columns}
    assert len(either) == after.num_nodes
    assert after.num_gates <= circuit.num_gates


def test_conjunctions_in_another_order_are_found() -> None:
    """Too wide for truth tables, and alike in no gate."""
    builder = Builder([f"x{i}" for i in range(30)])
    forward, backward = builder.inputs[0], builder.inputs[-1]
    for literal in builder.inputs[1:]:
        forward = builder.land(forward, literal)
    for literal in builder.inputs[-2::-1]:
        backward = builder.land(backward, literal)
    builder.output("same", builder.lxor(forward, backward))
    builder.output("all", forward)
    circuit = builder.build()
    assert circuit.num_gates == 59
    after = fraig(circuit)
    assert prove(circuit, after)
    assert after.num_gates == 29
    assert after.outputs[0] == 0


def test_equal_nodes_are_counted_once() -> None:
    builder = Builder("abc")
    a, b, c = builder.inputs
    builder.output("factored", builder.land(a, builder.lor(b, c)))
    builder.output("flat", builder.lor(builder.land(a, b), builder.land(a, c)))
    circuit = builder.build()
    assert circuit.num_nodes == 9
    assert num_told_apart(circuit) == 8
    assert num_told_apart(fraig(circuit)) == fraig(circuit).num_nodes
