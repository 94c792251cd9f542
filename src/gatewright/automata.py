"""Cellular automata whose rule is a circuit: stepping boards, and rules to learn.

A cell's next state is a function of its neighbourhood, nine bits row by row:

    x0 x1 x2        y - 1
    x3 x4 x5        y           x4 is the cell itself; x grows to the right, y downwards
    x6 x7 x8        y + 1

On a torus both wrap around; a bounded board lies among cells of one state that never changes.
Row r of a rule's table of 512 states is the neighbourhood with x_i = bit i of r.

Of cells with several states, each bit of the state is a plane (`StateBoard`). A rule for P planes
has 9 P inputs, the nine of plane 0 (x0 to x8), then those of plane 1 (x9 to x17) and so on, and P
outputs, the cell's next bit in each plane.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from gatewright.boards import Board, StateBoard
from gatewright.circuit import Builder, Circuit, all_inputs, unpack
from gatewright.errors import InputError
from gatewright.rle import (
    PATTERN_NAMES,
    Pattern,
    canonical_rule,
    load_pattern,
    read_rle,
    write_rle,
)
from gatewright.stepping import NUM_NEIGHBOURS, Stepper, require_generations, step, stepper

__all__ = [
    "Board",
    "PATTERN_NAMES",
    "Pattern",
    "StateBoard",
    "Stepper",
    "birth_survival",
    "life_circuit",
    "life_rule",
    "load_pattern",
    "read_rle",
    "rule",
    "step",
    "step_table",
    "stepper",
    "write_rle",
]

Bits = npt.NDArray[np.bool_]

CENTRE = 4


def step_table(table: Bits, board: Board, generations: int = 1) -> Board:
    """Advance a torus by a table of next states, bool[512], looked up by neighbourhood."""
    table = np.asarray(table)
    if table.shape != (512,) or table.dtype != np.bool_:
        raise InputError(f"a rule's table is bool[512], not {table.dtype}{list(table.shape)}")
    require_generations(generations)
    cells = board.cells()
    for _ in range(generations):
        above, below = np.roll(cells, 1, axis=0), np.roll(cells, -1, axis=0)
        index = np.zeros(cells.shape, dtype=np.uint16)
        for i, row in enumerate((above, cells, below)):
            for j, dx in enumerate((1, 0, -1)):
                index |= np.roll(row, dx, axis=1).astype(np.uint16) << (3 * i + j)
        cells = table[index]
    return Board.from_cells(cells)


def rule(birth_survival: str) -> Callable[[Bits], Bits]:
    """Return the outer totalistic rule, such as "B3/S23", as a function bool[N, 9] -> bool[N, 1].

    A dead cell is born with a number of live neighbours after the B, a live one survives with one
    after the S. Raises InputError for text that is no such rule.
    """
    birth, survival = canonical_rule(birth_survival)[1:].split("/S")
    when_dead, when_live = np.zeros(9, dtype=np.bool_), np.zeros(9, dtype=np.bool_)
    when_dead[[int(digit) for digit in birth]] = True
    when_live[[int(digit) for digit in survival]] = True

    def next_state(bits: Bits) -> Bits:
        if bits.ndim != 2 or bits.shape[1] != NUM_NEIGHBOURS:
            raise InputError(f"neighbourhoods have shape [N, 9], not {list(bits.shape)}")
        live = bits[:, CENTRE].astype(np.bool_)
        num_neighbours = np.count_nonzero(bits, axis=1) - live
        return np.where(live, when_live[num_neighbours], when_dead[num_neighbours])[:, None]

    return next_state


#: Conway's Game of Life, B3/S23: bool[N, 9] -> bool[N, 1].
life_rule: Callable[[Bits], Bits] = rule("B3/S23")


def birth_survival(table: Bits) -> str | None:
    """Name a table of next states, bool[512], as in "B3/S23"; None if not outer totalistic."""
    neighbourhoods = unpack(all_inputs(NUM_NEIGHBOURS), 512)
    live = neighbourhoods[:, CENTRE]
    num_neighbours = np.count_nonzero(neighbourhoods, axis=1) - live
    birth = "".join(str(n) for n in np.unique(num_neighbours[table & ~live]))
    survival = "".join(str(n) for n in np.unique(num_neighbours[table & live]))
    name = f"B{birth}/S{survival}"
    return name if np.array_equal(rule(name)(neighbourhoods)[:, 0], table) else None


def life_circuit() -> Circuit:
    """Return Conway's Life as 26 gates written by hand: adders over the neighbours.

    The neighbours' number is z + 2 (c0 + c1 + c2 + c3); it is 2 or 3 where exactly one of the four
    carries is set, and the cell then lives if z (three neighbours) or if it lived.
    """
    b = Builder([f"x{i}" for i in range(NUM_NEIGHBOURS)], name="life")
    x = b.inputs
    s0, c0 = _add(b, x[0], x[1], x[2])
    s1, c1 = _add(b, x[6], x[7], x[8])
    s2, c2 = b.lxor(x[3], x[5]), b.land(x[3], x[5])
    z, c3 = _add(b, s0, s1, s2)
    odd, many = _add(b, c0, c1, c2)
    two_or_three = b.land(b.lxor(odd, c3), many ^ 1)
    b.output("y", b.land(two_or_three, b.lor(z, x[CENTRE])))
    return b.build()


def _add(builder: Builder, a: int, b: int, c: int) -> tuple[int, int]:
    """Full adder of five gates: the sum and the carry of three literals."""
    differ = builder.lxor(a, b)
    total = builder.lxor(differ, c)
    carry = builder.lxor(builder.lor(differ, builder.lxor(b, c)), total)
    return total, carry
