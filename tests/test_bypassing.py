from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright import gates
from gatewright.bypassing import LONGEST, Arrays, bypass, bypass_python
from gatewright.circuit import Builder, Circuit
from gatewright.passes.bypass import bypass as bypass_pass
from gatewright.passes.sweep import sweep
from gatewright.verify import prove
from random_circuits import built_circuits, large


@st.composite
def chains(draw: st.DrawFn) -> Circuit:
    """Gates that mostly read the one before; few other nodes, so that they meet again."""
    builder = Builder([f"x{i}" for i in range(draw(st.integers(2, 7)))])
    literals = list(builder.inputs)
    for _ in range(draw(st.integers(1, 40))):
        below = literals[-1 - draw(st.sampled_from([0, 0, 0, 1, 2]))] if len(literals) > 2 else 2
        side = draw(st.sampled_from(literals[:12]))
        kind = draw(st.sampled_from([gates.AND, gates.OR, gates.XOR]))
        literals.append(builder.gate(kind, below ^ draw(st.integers(0, 1)), side))
    for i in range(2):
        builder.output(f"y{i}", literals[-1 - i])
    return builder.build()


def bypassed(circuit: Circuit, longest: int, how: Callable[..., Arrays] = bypass) -> Circuit:
    fanin, table, outputs = how(
        circuit.num_inputs, circuit.fanin, circuit.table, circuit.outputs, longest=longest
    )
    return Circuit(fanin, table, outputs, circuit.input_names, circuit.output_names, circuit.name)


def carry(num_bits: int) -> Circuit:
    """The carry out of a ripple adder."""
    builder = Builder([f"x{i}" for i in range(2 * num_bits)])
    literal = builder.inputs[0]
    for a, b in zip(builder.inputs[::2], builder.inputs[1::2], strict=True):
        literal = builder.lor(builder.land(a, b), builder.land(builder.lor(a, b), literal))
    builder.output("carry", literal)
    return builder.build()


@settings(max_examples=100)
@given(chains() | built_circuits(max_inputs=6, max_gates=25), st.sampled_from([1, 2, 3, 8, 64]))
def test_the_same_function_in_no_more_levels_in_the_core_as_in_python(
    circuit: Circuit, longest: int
) -> None:
    after = bypassed(circuit, longest)
    np.testing.assert_array_equal(after.truth_tables(), circuit.truth_tables())
    assert after.depth <= circuit.depth
    assert_python_makes_the_same(after, circuit, longest)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_need_not_be_early_is_made_the_same_in_python(seed: int) -> None:
    circuit = sweep(large(300, seed=seed))
    after = bypassed(circuit, 12)
    assert after.depth < circuit.depth
    assert prove(circuit, after)
    assert_python_makes_the_same(after, circuit, 12)


def assert_python_makes_the_same(after: Circuit, circuit: Circuit, longest: int) -> None:
    twin = bypassed(circuit, longest, bypass_python)
    np.testing.assert_array_equal(after.fanin, twin.fanin, strict=True)
    np.testing.assert_array_equal(after.table, twin.table, strict=True)
    np.testing.assert_array_equal(after.outputs, twin.outputs, strict=True)


@pytest.mark.parametrize(("num_bits", "depth"), [(4, 5), (16, 8), (64, 11), (120, 12)])
def test_a_ripple_of_carries_becomes_a_tree(num_bits: int, depth: int) -> None:
    ripple = carry(num_bits)
    after = bypass_pass(ripple)
    assert ripple.depth > num_bits
    assert after.depth == depth
    assert prove(ripple, after)


@pytest.mark.parametrize("kind", [gates.AND, gates.OR, gates.XOR])
def test_a_chain_of_one_kind_becomes_a_balanced_tree(kind: int) -> None:
    builder = Builder([f"x{i}" for i in range(64)])
    literal = builder.inputs[0]
    for other in builder.inputs[1:]:
        literal = builder.gate(kind, other, literal)
    builder.output("all", literal)
    after = bypass_pass(builder.build())
    assert (after.num_gates, after.depth) == (63, 6)


def test_what_comes_last_goes_through_few_gates() -> None:
    """Of two deep chains into one, the second passes where the first is in time."""
    builder = Builder([f"x{i}" for i in range(90)])
    late = builder.inputs[0]
    for a, b in zip(builder.inputs[1:59:2], builder.inputs[2:60:2], strict=True):
        late = builder.lxor(builder.land(late, a), b)
    for a, b in zip(builder.inputs[60:88:2], builder.inputs[61:89:2], strict=True):
        late = builder.lor(builder.land(late, a), b)
    builder.output("y", late)
    circuit = builder.build()
    assert circuit.depth == 86
    assert bypass_pass(circuit).depth <= 11


def test_a_circuit_that_is_as_shallow_as_it_gets_is_left() -> None:
    builder = Builder("ab")
    builder.output("y", builder.land(*builder.inputs))
    circuit = builder.build()
    assert bypass_pass(circuit) is circuit


@pytest.mark.parametrize("how", [bypass, bypass_python])
def test_what_cannot_be_split_is_refused(how: Callable[..., Arrays]) -> None:
    builder = Builder("ab")
    builder.output("y", builder.land(*builder.inputs))
    good = builder.build()
    for longest in (0, LONGEST + 1):
        with pytest.raises(ValueError, match=f"longest is {longest}, not from 1 to {LONGEST}"):
            how(2, good.fanin, good.table, good.outputs, longest=longest)
    with pytest.raises(ValueError, match="gate 0 has table 7, which is not one that Builder makes"):
        how(2, good.fanin, np.array([7], np.uint8), good.outputs, longest=4)
    with pytest.raises(ValueError, match="gate 0"):
        how(2, np.array([[3, 1]], np.int32), good.table, good.outputs, longest=4)
