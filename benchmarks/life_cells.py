"""Life where neighbours share sums: how many gates, and ANDs, `optimize` needs a cell.

A cell of a row without end, where three cells share a column's adder: as a stepper has it, one by
one and in pairs that `gatewright.pairs` finds in half of the time, and one by one with the rest
optimised. And some cells of a row as one function, which begins as such pairs and a last one, or,
where XORs are free, as adders over each cell's columns. Each result is proved.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gatewright.arith import full_adder
from gatewright.automata import life_circuit
from gatewright.circuit import Builder, Circuit
from gatewright.neighbourhoods import Parts, split
from gatewright.pairs import paired
from gatewright.passes import optimize
from gatewright.passes.objectives import cpu_seconds
from gatewright.verify import prove
from lib.recording import parser, write


def strip(num_cells: int, parts: Parts | None = None) -> Circuit:
    """Cells of a row: an input each of the columns around them, an output each cell.

    As many together as `parts` has, what is left one by one.
    """
    b = Builder([f"x{y}_{x}" for x in range(num_cells + 2) for y in range(3)], name="strip")
    columns = [b.inputs[first : first + 3] for first in range(0, len(b.inputs), 3)]
    cells: list[int] = []
    if parts is not None:
        together = parts.cells.num_outputs
        read = [b.copy(parts.row, column) for column in columns]
        while len(cells) + together <= num_cells:
            around = read[len(cells) : len(cells) + together + 2]
            cells += b.copy(parts.cells, [bit for bits in around for bit in bits])
    for cell in range(len(cells), num_cells):
        sums = [full_adder(b, *column) for column in columns[cell : cell + 3]]
        cells.append(_combined(b, sums, columns[cell + 1][1]))
    for cell, literal in enumerate(cells):
        b.output(f"y{cell}", literal)
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


def without_end(parts: Parts, seconds: float) -> dict[str, Any]:
    """A cell of a row without end, from what a stepper makes of the rule."""
    num_cells = parts.cells.num_outputs
    return {
        "circuit": "row without end",
        "cells": num_cells,
        "objective": "gates",
        "gates_a_cell": parts.gates_a_cell,
        "ands_a_cell": parts.row.stats().ands + parts.cells.stats().ands / num_cells,
        "proof": prove(strip(num_cells), strip(num_cells, parts)).method,
        "cpu_seconds": round(seconds, 1),
    }


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--cells", type=int, nargs="+", default=[1, 2, 3, 4])
    options.add_argument("--time-budget", type=float, default=60.0, metavar="SECONDS")
    given = options.parse_args()
    cells, budget = ([1, 2], 5.0) if given.quick else (given.cells, given.time_budget)
    rows: list[dict[str, Any]] = []

    def add(row: dict[str, Any]) -> None:
        rows.append(row)
        print(row, flush=True)
        write(given.json, {"time_budget": budget, "rows": rows})

    add(without_end(split(life_circuit()), 0.0))
    begin = cpu_seconds()
    parts = paired(life_circuit(), budget / 2)
    add(without_end(parts, cpu_seconds() - begin))
    for objective in ("gates", "and"):
        add(measure(combiner(), objective, budget))
        for num_cells in cells:
            start = strip(num_cells, parts if objective == "gates" else None)
            add(measure(start, objective, budget))


if __name__ == "__main__":
    main()
