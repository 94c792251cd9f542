from __future__ import annotations

import doctest
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright import circuit as module
from gatewright.circuit import FALSE, TRUE, Builder, Circuit, Stats, all_inputs, pack, unpack
from gatewright.errors import InputError
from random_circuits import built_circuits, raw_circuits


def make(
    fanin: object = ((1, 2), (3, 1)),
    table: object = (8, 6),
    outputs: object = (8,),
    inputs: tuple[str, ...] = ("a", "b"),
    names: tuple[str, ...] = ("y",),
) -> Circuit:
    """y = (a and b) xor a, unless told otherwise."""
    arrays = [np.asarray(value) for value in (fanin, table, outputs)]
    return Circuit(*arrays, inputs, names, "small")


def evaluate(circuit: Circuit, row: list[int]) -> list[int]:
    """The definition of a circuit on one row."""
    values = [0, *row]
    for (a, b), table in zip(circuit.fanin.tolist(), circuit.table.tolist(), strict=True):
        values.append(table >> (values[a] + 2 * values[b]) & 1)
    return [values[literal >> 1] ^ literal & 1 for literal in circuit.outputs.tolist()]


def rows_of(k: int) -> list[list[int]]:
    return [[r >> i & 1 for i in range(k)] for r in range(1 << k)]


def test_the_docstrings_examples_hold():
    result = doctest.testmod(module)
    assert result.attempted >= 3
    assert result.failed == 0


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"fanin": ((1, 2), (4, 1))}, r"small: gate 1 \(node 4\) reads nodes \[4, 1\]; .*smaller"),
        ({"fanin": ((1, 3), (3, 1))}, r"gate 0 \(node 3\) reads nodes \[1, 3\]"),
        ({"fanin": ((1, 2), (-1, 1))}, r"gate 1 .* reads nodes \[-1, 1\]"),
        ({"table": (8, 16)}, r"gate 1 has table 16, over 15"),
        ({"table": (8, 264)}, r"table\[1\] is 264, which does not fit uint8"),
        ({"table": (-1, 8)}, r"table\[0\] is -1"),
        ({"fanin": ((1.5, 2), (3, 1))}, r"fanin\[0, 0\] is 1.5"),
        ({"fanin": ((2**32 + 1, 2), (3, 1))}, r"fanin\[0, 0\] is 4294967297"),
        ({"fanin": ((1, 2),)}, r"1 fan-in rows, 2 tables"),
        ({"fanin": (1, 2, 3, 1)}, r"fanin has shape \[4\], not \[n, 2\]"),
        ({"fanin": ((1, 2, 3), (3, 1, 2))}, r"fanin has shape \[2, 3\], not \[n, 2\]"),
        ({"table": ((8, 6),)}, r"table has shape \[1, 2\], not \[n\]"),
        ({"outputs": (10,)}, r"output 'y' is literal 10; there are 5 nodes, so literals end at 9"),
        ({"outputs": (-1,)}, r"output 'y' is literal -1"),
        ({"outputs": (8, 9)}, r"2 outputs, 1 names"),
        ({"inputs": ("a", "a")}, r"input name 'a' occurs twice"),
        ({"outputs": (8, 9), "names": ("y", "y")}, r"output name 'y' occurs twice"),
    ],
)
def test_broken_invariants_are_rejected_and_named(wrong, message):
    with pytest.raises(InputError, match=message):
        make(**wrong)


def test_the_largest_literal_is_valid():
    assert make(outputs=(9,)).truth_tables()[:, 0].tolist() == [True, False, True, True]


def test_a_circuit_is_frozen_and_does_not_share_the_callers_arrays():
    table = np.array([8, 6], np.uint8)
    circuit = make(table=table)
    table[0] = 14
    assert circuit.table.tolist() == [8, 6]
    for array in (circuit.fanin, circuit.table, circuit.outputs):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    with pytest.raises(FrozenInstanceError):
        circuit.name = "other"


@given(st.one_of(built_circuits(), raw_circuits()))
def test_simulation_call_and_truth_table_are_the_definition(circuit):
    k = circuit.num_inputs
    expected = [evaluate(circuit, row) for row in rows_of(k)]
    expected = np.array(expected, np.bool_).reshape(1 << k, circuit.num_outputs)
    np.testing.assert_array_equal(circuit.truth_tables(), expected)
    np.testing.assert_array_equal(circuit(np.array(rows_of(k)).reshape(1 << k, k)), expected)
    np.testing.assert_array_equal(unpack(circuit.simulate(all_inputs(k)), 1 << k), expected)
    nodes = unpack(circuit.simulate_nodes(all_inputs(k)), 1 << k)
    literals = circuit.outputs
    np.testing.assert_array_equal(nodes[:, literals >> 1] ^ (literals & 1 == 1), expected)
    assert not nodes[:, 0].any()


@given(raw_circuits())
def test_levels_depth_and_fanouts(circuit):
    first, fanin = circuit.first_gate, circuit.fanin.tolist()
    assert (circuit.levels[:first] == 0).all()
    for node, (a, b) in enumerate(fanin, first):
        assert circuit.levels[node] == 1 + max(circuit.levels[a], circuit.levels[b])
    read = [node for pair in fanin for node in pair] + (circuit.outputs >> 1).tolist()
    assert circuit.num_fanouts.tolist() == [read.count(n) for n in range(circuit.num_nodes)]
    assert circuit.depth == max([circuit.levels[o >> 1] for o in circuit.outputs], default=0)


def test_stats_count_kinds_most_frequent_first():
    b = Builder(["x", "y", "z"])
    x, y, z = b.inputs
    b.output("s", b.lxor(b.lxor(x, y), z))
    b.output("c", b.lor(b.land(x, y), z) ^ 1)
    circuit = b.build()
    kinds = {"xor": 2, "and": 1, "or": 1}
    assert circuit.stats() == Stats(inputs=3, outputs=2, gates=4, depth=2, ands=2, kinds=kinds)
    assert list(circuit.stats().kinds) == ["xor", "and", "or"]
    assert repr(circuit) == "Circuit('circuit': 3 inputs, 2 outputs, 4 gates, depth 2)"


def is_canonical(circuit: Circuit) -> bool:
    a, b = circuit.fanin.T
    gates = list(zip(circuit.table.tolist(), a.tolist(), b.tolist(), strict=True))
    return bool(
        set(circuit.table.tolist()) <= {2, 4, 6, 8, 14}
        and (a > 0).all()
        and (a < b).all()
        and len(set(gates)) == len(gates)
    )


@given(st.integers(0, 4), st.data())
def test_the_builder_keeps_the_canonical_form_and_the_function(k, data):
    """Operands are inverted, constant and repeated; every gate is compared with its definition."""
    builder = Builder([f"x{i}" for i in range(k)])
    columns = np.array(rows_of(k), np.int64).reshape(1 << k, k).T
    known = [(FALSE, np.zeros(1 << k, np.int64)), *zip(builder.inputs, columns, strict=True)]
    for _ in range(data.draw(st.integers(0, 16))):
        table = data.draw(st.integers(0, 15))
        (a, va), (b, vb) = (data.draw(st.sampled_from(known)) for _ in range(2))
        ia, ib = (data.draw(st.integers(0, 1)) for _ in range(2))
        value = table >> ((va ^ ia) + 2 * (vb ^ ib)) & 1
        before = builder.num_gates
        literal = builder.gate(table, a ^ ia, b ^ ib)
        known.append((literal ^ literal & 1, value ^ literal & 1))
        assert builder.num_gates - before <= 1
        assert builder.gate(table, a ^ ia, b ^ ib) == literal, "not hashed"
    for i, (literal, _) in enumerate(known):
        builder.output(f"y{i}", literal)
    circuit = builder.build()
    assert is_canonical(circuit)
    np.testing.assert_array_equal(circuit.truth_tables().T, [value for _, value in known])


@pytest.mark.parametrize("table", range(16))
def test_the_builder_folds_constants_and_repeated_operands(table):
    b = Builder(["x"])
    x = b.inputs[0]
    for operands in ((FALSE, x), (x, TRUE), (x, x), (x, x ^ 1), (TRUE, FALSE), (x ^ 1, FALSE)):
        literal = b.gate(table, *operands)
        assert literal in (FALSE, TRUE, x, x ^ 1)
    assert b.num_gates == 0


def test_equal_gates_are_shared_whatever_their_spelling():
    b = Builder(["x", "y"])
    x, y = b.inputs
    conjunction = b.land(x, y)
    assert b.land(y, x) == conjunction
    assert b.gate(0x7, x, y) == conjunction ^ 1
    assert b.lor(x ^ 1, y ^ 1) == conjunction ^ 1
    assert b.num_gates == 1
    assert b.lxor(x ^ 1, y) == b.lxor(x, y) ^ 1
    assert b.num_gates == 2


def test_mux_chooses():
    b = Builder(["s", "t", "e"])
    b.output("y", b.mux(*b.inputs))
    expected = [row[1] if row[0] else row[2] for row in rows_of(3)]
    assert b.build().truth_tables()[:, 0].tolist() == expected


@given(st.one_of(built_circuits(), raw_circuits()), st.data())
def test_then_feeds_outputs_to_inputs_and_folds_nothing(circuit, data):
    num = circuit.num_outputs
    other = data.draw(raw_circuits(5, 8).filter(lambda c: c.num_inputs >= num))
    wide = Circuit(
        circuit.fanin,
        circuit.table,
        np.resize(circuit.outputs if num else [FALSE], other.num_inputs),
        circuit.input_names,
        tuple(f"o{i}" for i in range(other.num_inputs)),
    )
    joined = wide.then(other, name="joined")
    assert joined.num_gates == circuit.num_gates + other.num_gates
    assert (joined.input_names, joined.output_names) == (circuit.input_names, other.output_names)
    assert (joined.name, wide.then(other).name) == ("joined", wide.name)
    k = circuit.num_inputs
    expected = other(wide.truth_tables())
    np.testing.assert_array_equal(joined.truth_tables(), expected.reshape(1 << k, -1))


@given(st.one_of(built_circuits(), raw_circuits()))
def test_copy_into_a_builder_keeps_the_function_and_becomes_canonical(circuit):
    builder = Builder(circuit.input_names)
    outputs = builder.copy(circuit, builder.inputs)
    for name, literal in zip(circuit.output_names, outputs, strict=True):
        builder.output(name, literal)
    copied = builder.build()
    assert is_canonical(copied)
    assert copied.num_gates <= circuit.num_gates
    np.testing.assert_array_equal(copied.truth_tables(), circuit.truth_tables())


@given(st.integers(0, 200), st.integers(0, 5), st.integers(0, 2**32 - 1))
def test_pack_and_unpack_are_inverse_and_padding_is_zero(num, k, seed):
    bits = np.random.default_rng(seed).integers(0, 2, (num, k)).astype(np.bool_)
    words = pack(bits)
    assert words.dtype == np.uint64
    assert words.shape == (k, -(-num // 64))
    np.testing.assert_array_equal(unpack(words, num), bits)
    assert not unpack(words, words.shape[1] * 64)[num:].any()
    for s in range(0, num, 17):
        for i in range(k):
            assert int(words[i, s // 64]) >> (s % 64) & 1 == bits[s, i]


def test_pack_takes_numbers_that_are_bits():
    np.testing.assert_array_equal(pack([[1, 0], [1.0, 1]]), [[3], [2]])


@pytest.mark.parametrize("k", [0, 1, 3, 6, 8])
def test_all_inputs_has_input_i_at_bit_i_of_the_row(k):
    rows = unpack(all_inputs(k), 1 << k)
    np.testing.assert_array_equal(rows, np.array(rows_of(k)).reshape(1 << k, k))


def test_errors_name_the_shape():
    circuit = make()
    with pytest.raises(InputError, match=r"small has 2 inputs; .*\[N, 2\], not \[4, 3\]"):
        circuit(np.zeros((4, 3)))
    with pytest.raises(InputError, match=r"not \[2\]"):
        circuit([0, 1])
    with pytest.raises(InputError, match=r"\[2, W\], not \[3, 1\]"):
        circuit.simulate(np.zeros((3, 1), np.uint64))
    with pytest.raises(InputError, match=r"\[2, W\], not \[2\]"):
        circuit.simulate_nodes(np.zeros(2, np.uint64))
    with pytest.raises(InputError, match=r"bits are 0 or 1"):
        circuit([[0, 2]])
    with pytest.raises(InputError, match=r"\[N, k\], not \[3\]"):
        pack([0, 1, 1])
    with pytest.raises(InputError, match=r"65 samples do not fit .* \[2, 1\]"):
        unpack(np.zeros((2, 1), np.uint64), 65)
    with pytest.raises(InputError, match=r"small has 2 inputs; small gives it 1"):
        circuit.then(circuit)
    with pytest.raises(InputError, match=r"small has 2 inputs, not 1"):
        Builder(["a"]).copy(circuit, [2])
    with pytest.raises(InputError, match=r"25 inputs; a table of over 2\*\*24 rows"):
        Builder([f"x{i}" for i in range(25)]).build().truth_tables()
