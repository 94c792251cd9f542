from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.arith import full_adder
from gatewright.circuit import FALSE, Builder, Circuit
from gatewright.passes import optimize
from gatewright.passes.mapping import PythonMapping, cover, cover_python, lut_depth, map_luts
from gatewright.passes.objectives import Goal
from gatewright.targets import blif, read
from native_programs import Machine, machines
from random_circuits import built_circuits, raw_circuits


def adder(width: int) -> Circuit:
    builder = Builder([f"{side}{i}" for side in "ab" for i in range(width)])
    carry = FALSE
    for i in range(width):
        total, carry = full_adder(builder, builder.inputs[i], builder.inputs[width + i], carry)
        builder.output(f"s{i}", total)
    builder.output("carry", carry)
    return builder.build()


@settings(max_examples=100)
@given(
    built_circuits(max_inputs=7, max_gates=40) | raw_circuits(max_gates=40),
    st.sampled_from([2, 3, 4, 6]),
)
def test_a_cover_computes_the_circuit(circuit: Circuit, k: int) -> None:
    luts = map_luts(circuit, k)
    made = {0, *range(1, circuit.first_gate)}
    for lut in luts:
        assert len(lut.leaves) <= k
        assert made.issuperset(lut.leaves)
        made.add(lut.node)
    assert made.issuperset((circuit.outputs >> 1).tolist())
    assert len(luts) <= circuit.num_gates
    assert lut_depth(circuit, [(lut.node, lut.leaves) for lut in luts]) <= circuit.depth
    (content,) = blif.write_luts(circuit, luts).values()
    after = blif.read(content, "luts")
    np.testing.assert_array_equal(after.truth_tables(), circuit.truth_tables())
    assert content.count(b".names") <= len(luts) + circuit.num_outputs


def test_known_sizes() -> None:
    """Of a full adder, sum and carry are a table each; what six inputs decide is one table."""
    ripple = adder(8)
    assert len(map_luts(ripple, 3)) == 2 * 8
    assert lut_depth(ripple, cover(ripple, 3)) == 8
    six = Builder("abcdef")
    a, b, c, d, e, f = six.inputs
    six.output("y", six.lxor(six.mux(a, b, c), six.mux(d, six.land(e, a), six.lor(f, b))))
    (lut,) = map_luts(six.build(), 6)
    assert lut.leaves == (1, 2, 3, 4, 5, 6)


def test_what_is_shared_is_not_covered_twice_where_that_costs_tables() -> None:
    """Ten outputs read one function of four inputs, each with two inputs of its own."""
    builder = Builder([f"x{i}" for i in range(24)])
    shared = builder.inputs[0]
    for x in builder.inputs[1:4]:
        shared = builder.lxor(shared, x)
    for o in range(10):
        own = builder.land(builder.inputs[4 + 2 * o], builder.inputs[5 + 2 * o])
        builder.output(f"y{o}", builder.lor(shared, own))
    assert len(map_luts(builder.build(), 4)) == 11


@settings(max_examples=60)
@given(
    built_circuits(max_inputs=7, max_gates=40) | raw_circuits(max_gates=40),
    st.sampled_from([2, 3, 4, 5, 6]),
)
def test_the_native_core_chooses_as_python_does(circuit: Circuit, k: int) -> None:
    assert list(cover(circuit, k)) == list(cover_python(circuit, k))


def test_cuts_that_only_a_cover_shows_are_found(epfl: Path) -> None:
    """Each round of exact area makes cuts of those that the round before kept."""
    circuit = read(epfl / "router.aig")
    assert list(cover(circuit, 6)) == list(cover_python(circuit, 6))
    mapping = PythonMapping(circuit, 6)
    sizes: list[int] = []
    for n in range(4):
        mapping.choose(is_exact=n > 0)
        sizes.append(mapping.size)
    assert sizes == [55, 49, 46, 45]


@pytest.mark.parametrize("k", [1, 7])
def test_tables_of_too_few_or_too_many_inputs_are_refused(k: int) -> None:
    with pytest.raises(ValueError, match=f"from 2 to 6 inputs, not {k}"):
        map_luts(adder(2), k)


@pytest.mark.parametrize("objective", ["lut3", "lut4", "lut6"])
def test_optimising_for_tables_takes_no_more_of_them(objective: str) -> None:
    circuit = adder(6)
    goal = Goal(objective)
    after = optimize(circuit, 2, objective=objective, time_budget=2)
    assert goal.cost(after) <= goal.cost(circuit)
    np.testing.assert_array_equal(after.truth_tables(), circuit.truth_tables())


@machines("address,undefined")
def test_the_core_is_clean_under_sanitizers(machine: Machine, tmp_path: Path) -> None:
    program = machine.build("test_mapping", ["mapping", "simulate"], tmp_path, "-O1")
    assert machine.run(program) == "300 circuits, 0 wrong\n"
