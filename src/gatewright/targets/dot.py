"""Graphviz text: a circuit as a graph, for `dot -Tsvg`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import product

from gatewright import gates
from gatewright.circuit import Circuit


@dataclass(frozen=True)
class Symbol:
    """How a person draws a two-input gate: a plain shape and bubbles for its inverters.

    Attributes:
        shape: "and", "or", "xor", "buffer" or "constant".
        operands: which operands (0 for a, 1 for b) the shape has pins for.
        inverted: for each pin, whether it has a bubble.
        inverts: whether the output has one (for a constant: whether it is 1).
    """

    shape: str
    operands: tuple[int, ...]
    inverted: tuple[bool, ...]
    inverts: bool


@cache
def symbol(table: int) -> Symbol:
    """Find the symbol with the fewest bubbles for a two-input table.

    >>> symbol(0x2)
    Symbol(shape='and', operands=(0, 1), inverted=(False, True), inverts=False)
    """
    shapes = {
        gates.FALSE: ("constant", ()),
        gates.PASS_A: ("buffer", (0,)),
        gates.PASS_B: ("buffer", (1,)),
        gates.XOR: ("xor", (0, 1)),
        gates.AND: ("and", (0, 1)),
        gates.OR: ("or", (0, 1)),
    }
    found: list[Symbol] = []
    for base, (shape, operands) in shapes.items():
        for inverted in product((False, True), repeat=len(operands)):
            seen = base
            for operand, inverts in zip(operands, inverted, strict=True):
                if inverts:
                    seen = gates.invert_input(seen, operand)
            if seen in (table, table ^ 15):
                found.append(Symbol(shape, operands, inverted, seen != table))
    return min(found, key=lambda s: (sum(s.inverted) + s.inverts, sum(s.inverted)))


def write(circuit: Circuit) -> dict[str, bytes]:
    """Spell the circuit as `<name>.dot`: inputs on the left, outputs on the right.

    A dashed edge that ends in a ring inverts.
    """
    lines = [
        f"digraph {_quoted(circuit.name)} {{",
        '  graph [rankdir=LR, fontname="Helvetica", nodesep=0.15];',
        '  node [fontname="Helvetica", fontsize=10, height=0.25, width=0.45, margin="0.06,0.03"];',
        "  edge [arrowsize=0.6, color=gray30];",
    ]
    inputs = [
        f"n{node} [label={_quoted(name)}, shape=plaintext];"
        for node, name in enumerate(circuit.input_names, 1)
    ]
    outputs = [
        f"o{i} [label={_quoted(name)}, shape=plaintext];"
        for i, name in enumerate(circuit.output_names)
    ]
    lines += ["  { rank=source;", *(f"    {line}" for line in inputs), "  }"]
    edges: list[str] = []
    reads_constant = not circuit.outputs.all() or 1 in circuit.outputs.tolist()
    rows = zip(circuit.table.tolist(), circuit.fanin.tolist(), strict=True)
    for node, (table, fanin) in enumerate(rows, circuit.first_gate):
        sign = symbol(table)
        label = {"buffer": "not" if sign.inverts else "buf", "constant": str(int(sign.inverts))}
        inverts = sign.inverts and sign.shape not in label
        shape = label.get(sign.shape) or ("n" if inverts else "") + sign.shape
        lines.append(f"  n{node} [label={_quoted(shape.replace('nxor', 'xnor'))}, shape=box];")
        for operand, inverted in zip(sign.operands, sign.inverted, strict=True):
            reads_constant |= fanin[operand] == 0
            edges.append(_edge(f"n{fanin[operand]}", f"n{node}", inverted))
    for i, literal in enumerate(circuit.outputs.tolist()):
        edges.append(_edge(f"n{literal >> 1}", f"o{i}", bool(literal & 1)))
    if reads_constant:
        lines.append('  n0 [label="0", shape=plaintext];')
    lines += ["  { rank=sink;", *(f"    {line}" for line in outputs), "  }"]
    lines += [f"  {edge}" for edge in edges]
    return {f"{circuit.name}.dot": ("\n".join([*lines, "}"]) + "\n").encode()}


def _edge(driver: str, reader: str, inverted: bool) -> str:
    return f"{driver} -> {reader}{' [style=dashed, arrowhead=odot]' if inverted else ''};"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
