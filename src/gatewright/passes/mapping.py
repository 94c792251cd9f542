"""Cover a circuit by look-up tables of k inputs, as few as can be found quickly.

Priority cuts: each gate keeps its few cuts of least *area flow*, which is the tables below a cut,
each divided among its readers. A cover of the outputs is then improved gate by gate by *exact
area*: the tables that only this choice of a cut would add.

Sources: Mishchenko, Cho, Chatterjee and Brayton, "Combinational and sequential mapping with
priority cuts", ICCAD 2007; Manohararajah, Brown and Vranesic, on area flow, 2004.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

from gatewright.circuit import Circuit
from gatewright.passes.netlist import Netlist

#: Cuts kept of each gate.
MAX_CUTS = 8
#: Rounds of choosing cuts anew by exact area.
ROUNDS = 3

Leaves = frozenset[int]


@dataclass(frozen=True)
class Lut:
    """A look-up table that a gate becomes the output of.

    Attributes:
        node: the gate.
        leaves: the nodes that it reads.
        table: of the node over the leaves; leaf i is bit i of the row.
    """

    node: int
    leaves: tuple[int, ...]
    table: int


def map_luts(circuit: Circuit, k: int) -> tuple[Lut, ...]:
    """A cover of all outputs by tables of at most k inputs, in topological order.

    An output that is an input or a constant takes none.
    """
    cover = _Cover(circuit, k)
    for _ in range(ROUNDS):
        if not cover.improve():
            break
    netlist = cover.netlist
    luts: list[Lut] = []
    for node in range(circuit.first_gate, circuit.num_nodes):
        if cover.num_readers[node]:
            leaves = tuple(sorted(cover.chosen[node]))
            cone = netlist.cone(node, leaves)
            luts.append(Lut(node, leaves, netlist.table(node, leaves, cone, len(leaves))))
    return tuple(luts)


def lut_depth(circuit: Circuit, luts: Iterable[Lut]) -> int:
    """Levels of a cover."""
    level = [0] * circuit.num_nodes
    for lut in luts:
        level[lut.node] = 1 + max((level[leaf] for leaf in lut.leaves), default=0)
    outputs: list[int] = circuit.outputs.tolist()
    return max((level[output >> 1] for output in outputs), default=0)


class _Cover:
    """Gates with their cuts, and the cut chosen of each.

    Attributes:
        chosen: of each node, the cut of its table.
        num_readers: of each node, tables and outputs of the cover that read it; 0: it has none.
    """

    def __init__(self, circuit: Circuit, k: int) -> None:
        self.netlist = Netlist(circuit)
        self.first = circuit.first_gate
        self.num_readers = [0] * circuit.num_nodes
        self.cuts: list[list[Leaves]] = [[] for _ in range(self.first)]
        self._enumerate(circuit, k)
        self.chosen = [cuts[0] if cuts else Leaves() for cuts in self.cuts]
        for output in circuit.outputs.tolist():
            self._add(output >> 1)

    def _enumerate(self, circuit: Circuit, k: int) -> None:
        flow = [0.0] * circuit.num_nodes
        with_itself: list[list[Leaves]] = [[Leaves()]]
        with_itself += [[Leaves((1 + i,))] for i in range(circuit.num_inputs)]
        for node, (a, b) in enumerate(self.netlist.fanin, self.first):
            merged = {x | y for x, y in product(with_itself[a], with_itself[b])}
            ranked = sorted(
                (1 + sum([flow[leaf] for leaf in cut]), len(cut), sorted(cut), cut)
                for cut in merged
                if len(cut) <= k
            )
            cuts = [cut for _, _, _, cut in ranked[:MAX_CUTS]]
            flow[node] = ranked[0][0] / max(1, self.netlist.num_fanouts[node])
            self.cuts.append(cuts)
            with_itself.append([Leaves((node,)), *cuts])

    def improve(self) -> bool:
        """Choose the cut of every gate in the cover anew; whether that saved a table."""
        before = self._size()
        for node in range(self.first, len(self.chosen)):
            if self.num_readers[node]:
                self._remove_leaves(node)
                cuts = self.cuts[node]
                self.chosen[node] = min(cuts, key=lambda cut: (self._cost(cut), len(cut)))
                self._add_leaves(self.chosen[node])
        return self._size() < before

    def _size(self) -> int:
        return sum(map(bool, self.num_readers[self.first :]))

    def _cost(self, cut: Leaves) -> int:
        """The tables that reading these leaves would add."""
        added = self._add_leaves(cut)
        for leaf in cut:
            self._remove(leaf)
        return added

    def _add_leaves(self, cut: Leaves) -> int:
        return sum([self._add(leaf) for leaf in cut])

    def _remove_leaves(self, node: int) -> None:
        for leaf in self.chosen[node]:
            self._remove(leaf)

    def _add(self, node: int) -> int:
        """One reader more; the tables that this adds."""
        added, waiting = 0, [node]
        while waiting:
            v = waiting.pop()
            self.num_readers[v] += 1
            if self.num_readers[v] == 1 and v >= self.first:
                added += 1
                waiting.extend(self.chosen[v])
        return added

    def _remove(self, node: int) -> None:
        waiting = [node]
        while waiting:
            v = waiting.pop()
            self.num_readers[v] -= 1
            if self.num_readers[v] == 0 and v >= self.first:
                waiting.extend(self.chosen[v])
