from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.care import check_rows, merge_on_rows
from gatewright.circuit import Builder, Circuit, pack
from gatewright.errors import InputError
from random_circuits import built_circuits, raw_circuits


@settings(max_examples=200)
@given(
    built_circuits(max_gates=40) | raw_circuits(max_gates=30),
    st.integers(1, 130),
    st.integers(0, 9),
)
def test_outputs_agree_on_the_rows_in_no_more_gates(
    circuit: Circuit, num_rows: int, seed: int
) -> None:
    rows = np.random.default_rng(seed).random((num_rows, circuit.num_inputs)) < 0.5
    merged, agreement = merge_on_rows(circuit, pack(rows), num_rows)
    np.testing.assert_array_equal(merged(rows), circuit(rows))
    assert agreement.rows == num_rows
    assert merged.num_gates <= circuit.num_gates
    assert (merged.input_names, merged.output_names) == (circuit.input_names, circuit.output_names)
    everything = (np.arange(1 << circuit.num_inputs)[:, None] >> np.arange(circuit.num_inputs)) & 1
    same, _ = merge_on_rows(circuit, pack(everything == 1), len(everything))
    np.testing.assert_array_equal(same.truth_tables(), circuit.truth_tables())


def test_what_never_happens_is_free() -> None:
    """With x and y never both 1, their OR is their XOR, and their AND is 0; padding is no row."""
    builder = Builder("xyz")
    x, y, z = builder.inputs
    builder.output("or", builder.land(builder.lor(x, y), z))
    builder.output("xor", builder.land(builder.lxor(x, y), z))
    builder.output("and", builder.lor(builder.land(x, y), z))
    rows = np.array([[0, 0, 1], [1, 0, 1], [0, 1, 1], [1, 0, 0], [0, 1, 0]]) == 1
    circuit = builder.build()
    merged, agreement = merge_on_rows(circuit, pack(rows), len(rows))
    assert (circuit.num_gates, merged.num_gates) == (6, 2)
    assert "equal on all 5 given rows" in str(agreement)
    with pytest.raises(InputError, match="differ on 1 rows, first on row 1"):
        check_rows(circuit, merged, pack(np.array([[1, 0, 1], [1, 1, 0]]) == 1), 2)


def test_padding_is_no_row() -> None:
    """A word of one row, in which x or y is 1: that both are 0 never happens."""
    nor = Circuit(
        np.array([[1, 2]], np.int32), np.array([0x1], np.uint8), np.array([6], np.int32),
        ("x", "y"), ("neither",),
    )  # fmt: skip
    merged, _ = merge_on_rows(nor, np.array([[1], [0]], np.uint64), 1)
    assert merged.num_gates == 0


def test_rows_that_are_not_there_are_refused() -> None:
    circuit = Builder("xy").build()
    for num_rows in (0, 65):
        with pytest.raises(InputError, match=f"{num_rows} rows are not in packed words"):
            merge_on_rows(circuit, np.zeros((2, 1), np.uint64), num_rows)
