"""A rule of cells in two parts: what rows compute once for all that read them, and the rest.

A gate that depends on cells of one row only is computed once for the row, whichever of the cell's
three rows it is: the row below a cell is the own row of the next cell down.
"""

from __future__ import annotations

from dataclasses import dataclass

from gatewright.circuit import Builder, Circuit
from gatewright.targets.row_functions import Sharing, share
from gatewright.targets.row_synthesis import CELLS

#: Orders of a rule's inputs that are tried: a stepper is to be ready at once.
_PLACEMENTS = 100
#: Gates above which a rule of one plane is split as it is.
_MAX_SHARED = 500


@dataclass(frozen=True)
class Parts:
    """A rule of P planes, cut in two.

    Attributes:
        row: three cells side by side -> what cells read of a row: K outputs of 3 P inputs, of
            which input c * P + p is the bit in plane p of the left, centre or right cell (c).
        cells: what n cells, one below the other, read of the row above them, of their own and of
            the row below (K inputs each) -> the next bits of each in turn, n P outputs. `split`
            takes them one by one, `gatewright.pairs` in pairs.
    """

    row: Circuit
    cells: Circuit

    @property
    def gates_a_cell(self) -> float:
        """In a board without end, of rules of one plane."""
        return self.row.num_gates + self.cells.num_gates / self.cells.num_outputs


def split(circuit: Circuit) -> Parts:
    """Cut a rule of P planes, 9 P inputs and P outputs (see `gatewright.automata`), in two."""
    if circuit.num_outputs == 1 and circuit.num_gates <= _MAX_SHARED:
        return _parts(share(circuit, _PLACEMENTS))
    return _split(circuit)


def _parts(sharing: Sharing) -> Parts:
    row = row_builder(1)
    literal: dict[int, int] = dict(zip(CELLS, row.inputs, strict=True))
    for gate in sharing.row_gates:
        literal[gate.function] = row.gate(gate.table, literal[gate.a], literal[gate.b])
    for k, function in enumerate(sharing.carried):
        row.output(f"f{k}", literal[function])
    num = len(sharing.carried)
    cell = cells_builder(num)
    place = {function: k for k, function in enumerate(sharing.carried)}
    known: list[int] = []

    def read(row: int | None, index: int) -> int:
        return known[index] if row is None else cell.inputs[row * num + place[index]]

    for gate in sharing.cell_gates:
        a, b = (read(operand.row, operand.index) for operand in (gate.a, gate.b))
        known.append(cell.gate(gate.table, a, b))
    output = sharing.output
    value = 0 if output is None else read(output.row, output.index)
    cell.output("y", value ^ sharing.is_inverted)
    return Parts(row.build(), cell.build())


def _split(circuit: Circuit) -> Parts:
    planes = circuit.num_outputs
    row = row_builder(planes)
    # Of each node: the row that it depends on (None: several) and its literal there.
    rows: list[int | None] = [0]
    literals = [0]
    for index in range(circuit.num_inputs):
        plane, (around, column) = index // 9, divmod(index % 9, 3)
        rows.append(around)
        literals.append(row.inputs[column * planes + plane])
    tables: list[int] = circuit.table.tolist()
    fanins: list[list[int]] = circuit.fanin.tolist()
    for table, (a, b) in zip(tables, fanins, strict=True):
        own = {rows[node] for node in (a, b) if literals[node] > 1 or rows[node] is None}
        if None in own or len(own) > 1:
            rows.append(None)
            literals.append(0)
        else:
            rows.append(own.pop() if own else 0)
            literals.append(row.gate(table, literals[a], literals[b]))
    live = _live(circuit, rows)
    carried = sorted({literals[node] & ~1 for node in live if rows[node] is not None} - {0})
    for k, literal in enumerate(carried):
        row.output(f"f{k}", literal)
    place = {literal: k for k, literal in enumerate(carried)}
    cell = cells_builder(len(carried))
    known: dict[int, int] = {}
    for node in live:
        own = rows[node]
        if own is None:
            a, b = fanins[node - circuit.first_gate]
            known[node] = cell.gate(tables[node - circuit.first_gate], known[a], known[b])
        elif literals[node] <= 1:
            known[node] = literals[node]
        else:
            index = own * len(carried) + place[literals[node] & ~1]
            known[node] = cell.inputs[index] ^ literals[node] & 1
    for k, output in enumerate(circuit.outputs.tolist()):
        cell.output(f"y{k}", known[output >> 1] ^ output & 1)
    return Parts(row.build(), cell.build())


def _live(circuit: Circuit, rows: list[int | None]) -> list[int]:
    """Nodes that cells read, ascending: down to those that depend on one row."""
    live: set[int] = set()
    pending = [output >> 1 for output in circuit.outputs.tolist()]
    while pending:
        node = pending.pop()
        if node in live:
            continue
        live.add(node)
        if rows[node] is None:
            pending += circuit.fanin[node - circuit.first_gate].tolist()
    return sorted(live)


def row_builder(planes: int) -> Builder:
    """A builder of `Parts.row`."""
    return Builder([f"{column}{plane}" for column in "lcr" for plane in range(planes)], name="row")


def cells_builder(num_carried: int, num_cells: int = 1) -> Builder:
    """A builder of `Parts.cells` that read so many outputs of each row."""
    rows = ("up", *(f"own{cell}" for cell in range(num_cells)), "down")
    return Builder([f"{row}_{k}" for row in rows for k in range(num_carried)], name="cells")
