"""Two cells of a rule, one below the other, as one circuit: what they share is computed once.

`split` shares what a row's cells make. Two cells share two of their rows besides, and a search
finds what is to be made of both. A rule that counts begins as adders: of the two middle rows'
living cells first, to which both cells add a third row's. Conway's Life takes 19 gates a cell as
`split` has it, and 17 in pairs.
"""

from __future__ import annotations

import numpy as np

from gatewright.arith import Number, weighted_sum
from gatewright.automata import CENTRE
from gatewright.boards import Bits
from gatewright.circuit import Builder, Circuit, all_inputs, unpack
from gatewright.errors import InputError
from gatewright.look_up import look_up
from gatewright.neighbourhoods import Parts, cells_builder, row_builder, split
from gatewright.passes import optimize
from gatewright.stepping import NUM_NEIGHBOURS


def paired(circuit: Circuit, time_budget: float, seed: int = 0) -> Parts:
    """A rule of one plane with its cells in pairs, or as `split` has it where that is no larger.

    Args:
        circuit: 9 inputs and 1 output (see `gatewright.automata`).
        time_budget: CPU seconds of the search.
        seed: of what is random in it.

    Raises:
        InputError: the rule has several planes.
    """
    if circuit.num_inputs != NUM_NEIGHBOURS or circuit.num_outputs != 1:
        raise InputError(
            f"circuit {circuit.name} has {circuit.num_inputs} inputs and {circuit.num_outputs} "
            f"outputs; a search for pairs of cells takes rules of {NUM_NEIGHBOURS} inputs and 1 "
            "output"
        )
    single = split(circuit)
    start = _counting(circuit.truth_tables()[:, 0]) or _twice(single)
    cells = optimize(start.cells, effort=3, time_budget=time_budget, seed=seed)
    return min(single, Parts(start.row, cells), key=lambda parts: parts.gates_a_cell)


def _twice(single: Parts) -> Parts:
    """Pairs of cells that share nothing yet."""
    num = single.row.num_outputs
    b = cells_builder(num, 2)
    for cell in range(2):
        (literal,) = b.copy(single.cells, b.inputs[cell * num : (cell + 3) * num])
        b.output(f"y{cell}", literal)
    return Parts(single.row, b.build())


def _counting(table: Bits) -> Parts | None:
    """Pairs of cells that count; None where a rule asks for more than the number of cells alive."""
    around = unpack(all_inputs(NUM_NEIGHBOURS), 1 << NUM_NEIGHBOURS)
    rows = (
        2 * around.sum(axis=1) + around[:, CENTRE]
    )  # its own cell is input 0, the number the rest
    decided = np.zeros(32, dtype=np.bool_)
    decided[rows] = table
    if not np.array_equal(decided[rows], table):
        return None
    decision = sum(1 << row for row in np.flatnonzero(decided).tolist())
    row = row_builder(1)
    for name, literal in zip(("ones", "twos"), weighted_sum(row, [row.inputs]), strict=True):
        row.output(name, literal)
    row.output("centre", row.inputs[1])
    b = cells_builder(3, 2)
    numbers = [b.inputs[first : first + 2] for first in range(0, 12, 3)]
    middle = _sum(b, *numbers[1:3])
    for cell, (third, alive) in enumerate(((numbers[0], b.inputs[5]), (numbers[3], b.inputs[8]))):
        number = _sum(b, middle, third)
        b.output(f"y{cell}", look_up(b, decision, [alive, *number]))
    return Parts(row.build(), b.build())


def _sum(b: Builder, x: Number, y: Number) -> Number:
    columns = [[*x[weight : weight + 1], *y[weight : weight + 1]] for weight in range(len(x))]
    return weighted_sum(b, columns)
