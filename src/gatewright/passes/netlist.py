"""A circuit as lists, which single gates and their cones are quickly read from."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cache

from gatewright.circuit import FALSE, Circuit

#: A set of nodes, its leaves, through which every path from the inputs to a node goes.
Cut = tuple[int, ...]


@cache
def variables(k: int) -> tuple[int, ...]:
    """Truth tables of k variables: bit r of variable i is bit i of r."""
    return tuple(sum(1 << row for row in range(1 << k) if row >> i & 1) for i in range(k))


def evaluate(table: int, a: int, b: int, full: int) -> int:
    """A gate on truth tables that are integers; `full` is that of the constant true."""
    not_a, not_b = a ^ full, b ^ full
    value = 0
    if table & 1:
        value |= not_a & not_b
    if table & 2:
        value |= a & not_b
    if table & 4:
        value |= not_a & b
    if table & 8:
        value |= a & b
    return value


class Netlist:
    """The lists of a circuit.

    Attributes:
        first: the node of gate 0.
        fanin: of each gate.
        tables: of each gate.
        num_fanouts: of each node.
    """

    def __init__(self, circuit: Circuit) -> None:
        self.first = circuit.first_gate
        self.fanin: list[list[int]] = circuit.fanin.tolist()
        self.tables: list[int] = circuit.table.tolist()
        self.num_fanouts: list[int] = circuit.num_fanouts.tolist()

    def cone(self, node: int, leaves: Collection[int]) -> list[int]:
        """The gates between leaves and a node, itself included, readers before what they read."""
        inside, waiting = {node}, [node]
        while waiting:
            for operand in self.fanin[waiting.pop() - self.first]:
                if operand >= self.first and operand not in leaves and operand not in inside:
                    inside.add(operand)
                    waiting.append(operand)
        return sorted(inside, reverse=True)

    def mffc(self, node: int, cone: list[int]) -> list[int]:
        """The part of a cone that only the node needs, itself included."""
        reads: dict[int, int] = {}
        own: list[int] = []
        for v in cone:
            if v == node or reads.get(v, 0) == self.num_fanouts[v]:
                own.append(v)
                for operand in self.fanin[v - self.first]:
                    reads[operand] = reads.get(operand, 0) + 1
        return own

    def table(self, node: int, leaves: Sequence[int], cone: list[int], k: int) -> int:
        """Truth table of a node over its leaves, as the first of k variables."""
        full = (1 << (1 << k)) - 1
        value = {FALSE: 0, **dict(zip(leaves, variables(k), strict=False))}
        for v in reversed(cone):
            a, b = (value[operand] for operand in self.fanin[v - self.first])
            value[v] = evaluate(self.tables[v - self.first], a, b, full)
        return value[node]
