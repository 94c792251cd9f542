"""Life where neighbours share sums: how many gates, and ANDs, `optimize` needs a cell.

Cells of a row as one function, each of which begins as adders over its three columns, so that of
two neighbours two columns are the same; what else they share was found. And one cell of a row
without end: a column's adder, which three cells share, and what combines three columns. Each
result is proved.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gatewright.arith import full_adder
from gatewright.circuit import Builder, Circuit
from gatewright.passes import optimize
from gatewright.passes.objectives import cpu_seconds
from gatewright.verify import prove
from lib.recording import parser, write


def strip(num_cells: int) -> Circuit:
    """Cells of a row: an input each of the columns around them, an output each cell."""
    b = Builder([f"x{y}_{x}" for x in range(num_cells + 2) for y in range(3)], name="strip")
    columns = [b.inputs[first : first + 3] for first in range(0, len(b.inputs), 3)]
    sums = [full_adder(b, *column) for column in columns]
    for cell in range(num_cells):
        b.output(f"y{cell}", _combined(b, sums[cell : cell + 3], columns[cell + 1][1]))
    return b.build()


def combiner() -> Circuit:
    """A cell from the sums of its columns and itself."""
    b = Builder(["s0", "c0", "s1", "c1", "s2", "c2", "alive"], name="combiner")
    x = b.inputs
    b.output("y", _combined(b, [(x[0], x[1]), (x[2], x[3]), (x[4], x[5])], x[6]))
    return b.build()


def column() -> Circuit:
    """What three cells share: a column's sum."""
    b = Builder(["x0", "x1", "x2"], name="column")
    for name, literal in zip(("s", "c"), full_adder(b, *b.inputs), strict=True):
        b.output(name, literal)
    return b.build()


def _combined(b: Builder, columns: Sequence[tuple[int, int]], alive: int) -> int:
    sums, carries = zip(*columns, strict=True)
    ones, carry = full_adder(b, *sums)
    twos, four = full_adder(b, *carries)
    four, twos = b.lxor(four, b.land(twos, carry)), b.lxor(twos, carry)
    is_three = b.land(b.land(ones, twos), four ^ 1)  # of nine cells, itself among them
    is_four = b.land(b.land(ones ^ 1, twos ^ 1), four)
    return b.lor(is_three, b.land(is_four, alive))


def measure(start: Circuit, objective: str, time_budget: float) -> dict[str, Any]:
    begin = cpu_seconds()
    circuit = optimize(start, effort=3, objective=objective, time_budget=time_budget)
    proof = prove(start, circuit)
    gates, ands, num_cells = circuit.num_gates, circuit.stats().ands, circuit.num_outputs
    if start.name == "combiner":
        shared = column().stats()
        gates, ands = gates + shared.gates, ands + shared.ands
    return {
        "circuit": start.name,
        "cells": num_cells,
        "objective": objective,
        "gates_a_cell": gates / num_cells,
        "ands_a_cell": ands / num_cells,
        "proof": proof.method,
        "cpu_seconds": round(cpu_seconds() - begin, 1),
    }


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--cells", type=int, nargs="+", default=[1, 2, 3, 4])
    options.add_argument("--time-budget", type=float, default=60.0, metavar="SECONDS")
    given = options.parse_args()
    cells, budget = ([1, 2], 5.0) if given.quick else (given.cells, given.time_budget)
    rows: list[dict[str, Any]] = []
    for start in [*map(strip, cells), combiner()]:
        for objective in ("gates", "and"):
            rows.append(measure(start, objective, budget))
            print(rows[-1], flush=True)
            write(given.json, {"time_budget": budget, "rows": rows})


if __name__ == "__main__":
    main()
