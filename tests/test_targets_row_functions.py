from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.automata import rule
from gatewright.circuit import FALSE, TRUE, Builder, Circuit
from gatewright.errors import InputError
from gatewright.targets.row_functions import Operand, Sharing, share
from gatewright.targets.row_synthesis import CELLS, CENTRE, LEFT, RIGHT

NAMES = tuple(f"x{i}" for i in range(9))


def draw_cell(seed: int, num_gates: int) -> Circuit:
    """Any valid arrays over nine inputs: constants, copies and repeated functions too."""
    rng = np.random.default_rng(seed)
    bound = np.minimum(10 + np.arange(num_gates), 30)
    offset = 10 + np.arange(num_gates) - bound
    return Circuit(
        fanin=np.stack([offset + rng.integers(0, bound), offset + rng.integers(0, bound)], axis=1),
        table=rng.integers(0, 16, num_gates),
        outputs=np.array([2 * (9 + num_gates) + int(rng.integers(2))]),
        input_names=NAMES,
        output_names=("y",),
    )


def life(order: list[int], adder: int) -> Circuit:
    """Life by full adders over the neighbours in any order; order[4] is the cell itself."""
    builder = Builder(NAMES, name="life")
    x = [builder.inputs[i] for i in order]

    def add(a: int, b: int, c: int) -> tuple[int, int]:
        ab, bc = builder.lxor(a, b), builder.lxor(b, c)
        if adder == 0:
            return builder.lxor(ab, c), builder.lor(builder.land(a, b), builder.land(ab, c))
        return builder.lxor(ab, c), builder.lxor(builder.land(ab, bc), b)

    ones_a, twos_a = add(x[0], x[1], x[2])
    ones_b, twos_b = add(x[6], x[7], x[8])
    ones_c, twos_c = builder.lxor(x[3], x[5]), builder.land(x[3], x[5])
    ones, twos_d = add(ones_a, ones_b, ones_c)
    parity = builder.lxor(builder.lxor(twos_a, twos_b), builder.lxor(twos_c, twos_d))
    pairs = builder.lor(builder.land(twos_a, twos_b), builder.land(twos_c, twos_d))
    alive = builder.lor(ones, x[4])
    builder.output("y", builder.land(builder.land(parity, pairs ^ 1), alive))
    return builder.build()


def shannon(table: np.ndarray) -> Circuit:
    """A circuit that knows nothing of the function's structure."""
    builder = Builder(NAMES)

    def choose(level: int, row: int) -> int:
        if not level:
            return int(table[row])
        low, high = (choose(level - 1, row | bit << level - 1) for bit in (0, 1))
        return low if low == high else builder.mux(builder.inputs[level - 1], high, low)

    builder.output("y", choose(9, 0))
    return builder.build()


def evaluate(sharing: Sharing) -> np.ndarray:
    """The next state for all 512 rows, from the sharing alone."""
    cells = np.arange(512)[:, None] >> np.arange(9) & 1 == 1
    rows: list[dict[int, np.ndarray]] = []
    for r in range(3):
        row = dict(zip(CELLS, cells.T[3 * r : 3 * r + 3], strict=True))
        for gate in sharing.row_gates:
            row[gate.function] = apply(gate.table, row[gate.a], row[gate.b])
        rows.append({function: row[function] for function in sharing.carried})
    values: list[np.ndarray] = []

    def read(operand: Operand) -> np.ndarray:
        if operand.row is None:
            return values[operand.index]
        return rows[operand.row][operand.index]

    for gate in sharing.cell_gates:
        values.append(apply(gate.table, read(gate.a), read(gate.b)))
    output = np.zeros(512, np.bool_) if sharing.output is None else read(sharing.output)
    return output ^ sharing.is_inverted


def apply(table: int, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (table >> (a + 2 * b) & 1).astype(np.bool_)


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), num_gates=st.sampled_from([1, 3, 10, 30, 100]))
def test_sharing_computes_the_circuit(seed: int, num_gates: int) -> None:
    circuit = draw_cell(seed, num_gates)
    sharing = share(circuit)
    np.testing.assert_array_equal(evaluate(sharing), circuit.truth_tables()[:, 0])
    live = {operand for gate in sharing.cell_gates for operand in (gate.a, gate.b)}
    assert set(sharing.carried) >= {o.index for o in live if o.row is not None}


@pytest.mark.parametrize("literal", [FALSE, TRUE, 2, 3, 10, 19])
def test_wires_and_constants(literal: int) -> None:
    builder = Builder(NAMES)
    builder.output("y", literal)
    sharing = share(builder.build())
    assert sharing.row_gates == sharing.cell_gates == ()
    assert sharing.cell_operations == (literal > 1 and literal & 1)
    np.testing.assert_array_equal(evaluate(sharing), builder.build().truth_tables()[:, 0])


@pytest.mark.parametrize("adder", [0, 1])
@pytest.mark.parametrize("seed", range(2))
def test_life_in_any_order_shares_as_by_hand(seed: int, adder: int) -> None:
    order = [0, 1, 2, 3, 5, 6, 7, 8]
    random.Random(seed).shuffle(order)
    circuit = life([*order[:4], 4, *order[4:]], adder)
    sharing = share(circuit)
    np.testing.assert_array_equal(evaluate(sharing), circuit.truth_tables()[:, 0])
    assert (sharing.row_operations, sharing.cell_operations) == (5, 14)


@pytest.mark.parametrize(
    ("notation", "most"), [("B3/S23", 19), ("B36/S23", 20), ("B3678/S34678", 21)]
)
def test_rules_that_count_are_rebuilt_from_counts(notation: str, most: int) -> None:
    table = np.asarray(rule(notation)(np.arange(512)[:, None] >> np.arange(9) & 1 == 1))
    sharing = share(shannon(table.reshape(512)))
    np.testing.assert_array_equal(evaluate(sharing), table.reshape(512))
    assert sharing.row_operations + sharing.cell_operations <= most


def test_rules_that_count_all_but_one_row_are_not() -> None:
    rows = np.arange(512)[:, None] >> np.arange(9) & 1 == 1
    weights = np.array([2, 1, 1, 1, 0, 1, 1, 1, 1])
    table = rows @ weights >= 4
    np.testing.assert_array_equal(evaluate(share(shannon(table))), table)


def test_a_rule_without_symmetry_keeps_its_places() -> None:
    builder = Builder(NAMES)
    x = builder.inputs
    above = builder.land(x[0], x[1] ^ 1)
    below = builder.lor(x[6], builder.land(x[7] ^ 1, x[8]))
    builder.output("y", builder.lxor(above, builder.land(below, x[4])))
    sharing = share(builder.build())
    needed = (LEFT & ~CENTRE, CENTRE, LEFT | RIGHT & ~CENTRE)
    assert sharing.carried == tuple(sorted(needed))
    assert sharing.row_operations == 3
    assert sharing.cell_operations == 2
    np.testing.assert_array_equal(evaluate(sharing), builder.build().truth_tables()[:, 0])


def test_equal_functions_of_different_rows_are_one() -> None:
    builder = Builder(NAMES)
    x = builder.inputs
    rows = [builder.lxor(x[3 * r], builder.land(x[3 * r + 1], x[3 * r + 2])) for r in range(3)]
    builder.output("y", builder.mux(*rows))
    sharing = share(builder.build())
    assert (sharing.row_operations, sharing.cell_operations, len(sharing.carried)) == (2, 3, 1)


def test_equal_circuits_share_equally() -> None:
    assert share(draw_cell(5, 60)) == share(draw_cell(5, 60))


def test_other_circuits_are_refused() -> None:
    with pytest.raises(InputError, match="circuit odd has 2 inputs and 0 outputs; a cell has 9"):
        share(Builder(["a", "b"], name="odd").build())
