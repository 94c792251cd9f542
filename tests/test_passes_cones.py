from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright import native
from gatewright.circuit import Builder, Circuit
from gatewright.passes.ands import costs as of_ands
from gatewright.passes.cones import MAX_CUTS, STAYS, Costs, cones, cones_python
from gatewright.passes.netlist import Netlist
from gatewright.passes.rewrite import costs as of_gates
from gatewright.targets import read
from native_programs import Machine, machines
from random_circuits import built_circuits, multiplier, raw_circuits


def drawn(seed: int, max_leaves: int) -> Costs:
    """Costs of all kinds, and functions of which cones stay."""
    chance = np.random.default_rng(seed)
    num_functions = 1 << (1 << max_leaves)
    return Costs(
        max_leaves,
        chance.integers(0, 4, 16, np.uint8),
        chance.integers(STAYS, 4, num_functions, np.int16),
    )


ALL_COSTS = st.sampled_from([of_ands(), of_gates()]) | st.builds(
    drawn, st.integers(0, 99), st.integers(0, 4)
)


@settings(max_examples=300)
@given(built_circuits(max_inputs=7, max_gates=60) | raw_circuits(max_gates=60), ALL_COSTS)
def test_the_native_core_chooses_as_python_does(circuit: Circuit, costs: Costs) -> None:
    chosen = cones(circuit, costs)
    assert chosen == cones_python(circuit, costs)
    netlist = Netlist(circuit)
    gone = [v for c in chosen for v in netlist.mffc(c.node, netlist.cone(c.node, c.leaves))]
    assert len(set(gone)) == len(gone)  # none overlap


def test_of_a_large_circuit_the_core_chooses_as_python_does(epfl: Path) -> None:
    circuit = read(epfl / "bar.aig")
    for costs in (of_ands(), of_gates()):
        chosen = cones(circuit, costs)
        assert chosen == cones_python(circuit, costs)
        assert len(chosen) > 100


def test_a_cone_that_costs_less_is_chosen_where_nothing_else_reads_it() -> None:
    """a ^ b by three gates; a fourth that reads one of these keeps it, which leaves two to save."""
    builder = Builder("abc")
    a, b, c = builder.inputs
    left, right = builder.land(a, b ^ 1), builder.land(a ^ 1, b)
    builder.output("xor", builder.lor(left, right))
    circuit = builder.build()
    (cone,) = cones(circuit, of_gates())
    assert (cone.node, cone.leaves, cone.table) == (circuit.outputs[0] >> 1, (1, 2), 0x66)
    builder.output("more", builder.land(left, c))
    (cone,) = cones(builder.build(), of_gates())
    assert cone.leaves == (1, 2)
    builder.output("all", builder.land(right, c))
    assert cones(builder.build(), of_gates()) == []


@pytest.mark.skipif(native.load() is None, reason="there is no native core")
def test_the_core_refuses_what_does_not_fit() -> None:
    module, circuit, costs = native.load(), multiplier(2, is_swapped=False), of_gates()
    assert module is not None
    arrays = (circuit.num_inputs, circuit.fanin, circuit.table, circuit.outputs)
    with pytest.raises(ValueError, match="of_function has 256 entries: give one for each"):
        module.cones(*arrays, costs.of_gate, costs.of_function, 4, MAX_CUTS)
    with pytest.raises(ValueError, match="cuts have up to 4 leaves, not 5"):
        module.cones(*arrays, costs.of_gate, costs.of_function, 5, MAX_CUTS)
    ahead = circuit.fanin.copy()
    ahead[0, 0] = circuit.num_nodes
    with pytest.raises(ValueError, match="gate 0"):
        module.cones(
            circuit.num_inputs, ahead, circuit.table, circuit.outputs,
            costs.of_gate, costs.of_function, costs.max_leaves, MAX_CUTS,
        )  # fmt: skip


@machines("address,undefined")
def test_the_core_is_clean_under_sanitizers(machine: Machine, tmp_path: Path) -> None:
    program = machine.build("test_cones", ["cones", "simulate"], tmp_path, "-O1")
    assert machine.run(program) == "500 circuits, 0 wrong\n"
