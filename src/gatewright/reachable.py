"""The values that some nodes of a circuit can have together: in the native core, else in Python.

Only gates around the nodes are looked at: those from the nodes down to so many sources, which are
taken to be free. So what does not occur here does not occur in the circuit; what does occur here
may not. `PythonReachable` is the specification.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from gatewright import native
from gatewright.circuit import Circuit, Words, all_inputs, pack, unpack

#: Sources there may be at most, and gates that are looked at.
MAX_SOURCES = 16
MOST_INSIDE = 150


class Reachable(Protocol):
    """A circuit of which it is asked."""

    def rows(self, nodes: Sequence[int], most: int) -> Words:
        """The rows that may occur on the nodes where `most` sources are free.

        They are packed, uint64[nodes, W], in ascending order as numbers whose bit i is node i's;
        the last of them fills up the last word. At most MAX_SOURCES nodes, none the constant.
        """
        ...


def reachable(circuit: Circuit) -> Reachable:
    """What may occur on nodes of the circuit."""
    module = native.load()
    if module is None:
        return PythonReachable(circuit)
    return module.Reachable(circuit.num_inputs, circuit.fanin, circuit.table)


class PythonReachable:
    """`Reachable` in Python."""

    def __init__(self, circuit: Circuit) -> None:
        self._first = circuit.first_gate
        self._fanin: list[list[int]] = circuit.fanin.tolist()
        self._table: list[int] = circuit.table.tolist()

    def rows(self, nodes: Sequence[int], most: int) -> Words:
        sources, inside = self._around(nodes, most)
        place = {0: 0, **{node: n for n, node in enumerate([*sources, *inside], 1)}}
        fanin = [[place[node] for node in self._fanin[gate - self._first]] for gate in inside]
        values = native.simulate_nodes_numpy(
            len(sources),
            np.array(fanin, np.int32).reshape(-1, 2),
            np.array([self._table[gate - self._first] for gate in inside], np.uint8),
            all_inputs(len(sources)),
        )
        bits = unpack(values[[place[node] for node in nodes]], 1 << len(sources))
        weights = 1 << np.arange(len(nodes))
        codes = np.unique(bits @ weights)
        codes = np.concatenate([codes, np.full(-len(codes) % 64, codes[-1])])
        return pack(codes[:, None] & weights != 0)

    def _around(self, nodes: Sequence[int], most: int) -> tuple[list[int], list[int]]:
        """Sources and the gates between them and the nodes, in order.

        Gates are taken in from the sources, those that add fewest and of these the last.
        """
        sources, inside = set(nodes), set[int]()

        def fresh(gate: int) -> set[int]:
            return set(self._fanin[gate - self._first]) - sources - inside - {0}

        while len(inside) < MOST_INSIDE:
            grown = [(len(fresh(node)), -node) for node in sources if node >= self._first]
            if not grown:
                break
            added, gate = min(grown)
            if len(sources) + added - 1 > most:
                break
            sources |= fresh(-gate)
            sources.remove(-gate)
            inside.add(-gate)
        return sorted(sources), sorted(inside)
