from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from gatewright.circuit import Builder, Circuit
from gatewright.passes.rewrite import rewrite
from gatewright.targets import read
from gatewright.verify import prove
from random_circuits import built_circuits, raw_circuits


@settings(max_examples=200)
@given(built_circuits(max_gates=40) | raw_circuits(max_gates=40))
def test_the_function_is_kept_and_there_are_no_more_gates(circuit: Circuit) -> None:
    after = rewrite(circuit)
    np.testing.assert_array_equal(after.truth_tables(), circuit.truth_tables())
    assert after is circuit or after.num_gates < circuit.num_gates
    names = (circuit.name, circuit.input_names, circuit.output_names)
    assert (after.name, after.input_names, after.output_names) == names


def exclusive_or(b: Builder, x: int, y: int) -> int:
    return b.lor(b.land(x, y ^ 1), b.land(x ^ 1, y))


def test_exclusive_ors_and_constants_are_seen_through_ands() -> None:
    builder = Builder("abc")
    a, b, c = builder.inputs
    builder.output("xor", exclusive_or(builder, exclusive_or(builder, a, b), c))
    builder.output("false", builder.land(builder.land(a, b), builder.land(a ^ 1, c)))
    builder.output("a", builder.lor(builder.land(a, b), builder.land(a, b ^ 1)))
    after = rewrite(builder.build())
    assert after.num_gates == 2
    assert after.outputs[1:].tolist() == [0, 2]


@pytest.mark.parametrize(("name", "gates"), [("adder", 764), ("ctrl", 140), ("router", 210)])
def test_benchmarks_become_smaller_and_are_proved(epfl: Path, name: str, gates: int) -> None:
    circuit = read(epfl / f"{name}.aig")
    after = rewrite(circuit)
    assert after.num_gates <= gates
    assert prove(circuit, after)
