"""Cover a circuit by look-up tables of k inputs, as few as can be found quickly.

Priority cuts: each gate keeps its few cuts of least *area flow*, which is the tables below a cut,
each divided among its readers. A cover of the outputs is then improved gate by gate by *exact
area*: the tables that only this choice of a cut would add. Gates of the cover keep their cuts of
least exact area, so that in the next round other cuts are there to be made of them.

`PythonMapping` is the specification; the native `Mapping` makes the same choices.
`GATEWRIGHT_NATIVE=0` in the environment chooses Python.

Sources: Mishchenko, Cho, Chatterjee and Brayton, "Combinational and sequential mapping with
priority cuts", ICCAD 2007; Manohararajah, Brown and Vranesic, on area flow, 2004.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product

from gatewright import native
from gatewright.circuit import Circuit
from gatewright.passes.netlist import Cut, Netlist

#: Inputs that a table has at most.
MOST_INPUTS = 6
#: Cuts kept of each gate.
MAX_CUTS = 16
#: Rounds of choosing cuts anew by exact area.
ROUNDS = 4

#: Gates that become the outputs of tables, in topological order, each with the nodes that it reads.
Cover = Sequence[tuple[int, Cut]]


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
    """A cover of all outputs by tables of at most k inputs, in topological order; see `cover`."""
    netlist = Netlist(circuit)
    return tuple(
        Lut(node, leaves, netlist.table(node, leaves, netlist.cone(node, leaves), len(leaves)))
        for node, leaves in cover(circuit, k)
    )


def cover(circuit: Circuit, k: int) -> Cover:
    """A cover of all outputs by tables of at most k inputs, from 2 to MOST_INPUTS.

    An output that is an input or a constant takes none.
    """
    if not 2 <= k <= MOST_INPUTS:
        raise ValueError(f"tables have from 2 to {MOST_INPUTS} inputs, not {k}")
    module = native.load()
    if module is None:
        return cover_python(circuit, k)
    nodes, sizes, leaves = module.cover(
        circuit.num_inputs, circuit.fanin, circuit.table, circuit.outputs, k, MAX_CUTS, ROUNDS
    )
    read = iter(leaves.tolist())
    return [
        (node, tuple(next(read) for _ in range(size)))
        for node, size in zip(nodes.tolist(), sizes.tolist(), strict=True)
    ]


def cover_python(circuit: Circuit, k: int) -> Cover:
    """Do what `cover` does, in Python."""
    mapping = PythonMapping(circuit, k)
    mapping.choose(is_exact=False)
    for _ in range(ROUNDS):
        before = mapping.size
        mapping.choose(is_exact=True)
        if mapping.size == before:
            break
    return mapping.tables


def lut_depth(circuit: Circuit, tables: Cover) -> int:
    """Levels of a cover."""
    level = [0] * circuit.num_nodes
    for node, leaves in tables:
        level[node] = 1 + max((level[leaf] for leaf in leaves), default=0)
    outputs: list[int] = circuit.outputs.tolist()
    return max((level[output >> 1] for output in outputs), default=0)


class PythonMapping:
    """Gates with their cuts, and the cut chosen of each."""

    def __init__(self, circuit: Circuit, k: int) -> None:
        netlist = Netlist(circuit)
        self._k, self._first = k, circuit.first_gate
        self._fanin, self._num_fanouts = netlist.fanin, netlist.num_fanouts
        self._outputs: list[int] = (circuit.outputs >> 1).tolist()
        self._cuts: list[list[Cut]] = [[] for _ in range(circuit.num_nodes)]
        self._chosen: list[Cut] = [()] * circuit.num_nodes
        self._flow = [0.0] * circuit.num_nodes
        # tables and outputs of the cover that read a node, once there is one
        self._num_readers = [0] * circuit.num_nodes
        self._has_cover = False

    @property
    def tables(self) -> Cover:
        """The cover."""
        nodes = range(self._first, len(self._chosen))
        return [(node, self._chosen[node]) for node in nodes if self._num_readers[node]]

    @property
    def size(self) -> int:
        """Tables of the cover."""
        return sum(map(bool, self._num_readers[self._first :]))

    def choose(self, *, is_exact: bool) -> None:
        """Look at every gate's cuts anew, by area flow, or by exact area where it is in the cover.

        The first time by area flow.
        """
        for node in range(self._first, len(self._chosen)):
            of_cover = is_exact and self._num_readers[node] > 0
            if of_cover:
                self._remove(self._chosen[node])
            self._keep(node, of_cover)
            if of_cover:
                self._add(self._chosen[node])
        if not is_exact:
            self._count_readers()

    def _keep(self, node: int, of_cover: bool) -> None:
        """The best cuts, none of which holds all leaves of another, and the best of all."""

        def rank(cut: Cut) -> tuple[int, float, int, Cut]:
            return self._area(cut) if of_cover else 0, self._flow_of(cut), len(cut), cut

        kept: list[Cut] = []
        for cut in sorted(self._merged(node), key=rank):
            if len(kept) == MAX_CUTS:
                break
            if not any(set(cut).issuperset(other) for other in kept):
                kept.append(cut)
        self._cuts[node], self._chosen[node] = kept, kept[0]
        readers = (self._num_readers if self._has_cover else self._num_fanouts)[node]
        self._flow[node] = self._flow_of(kept[0]) / max(1, readers)

    def _merged(self, node: int) -> set[Cut]:
        """Cuts of at most k leaves that the operands' make, and the one chosen before."""
        sides = [[(v,) if v else (), *self._cuts[v]] for v in self._fanin[node - self._first]]
        pairs = (tuple(sorted({*x, *y})) for x, y in product(*sides))
        merged = {cut for cut in pairs if len(cut) <= self._k}
        return merged | {self._chosen[node]} if self._has_cover else merged

    def _flow_of(self, cut: Cut) -> float:
        total = 1.0
        for leaf in cut:  # in this order, as the native core does
            total += self._flow[leaf]
        return total

    def _area(self, cut: Cut) -> int:
        """The tables that reading these leaves would add."""
        added = self._add(cut)
        self._remove(cut)
        return added

    def _count_readers(self) -> None:
        self._num_readers = [0] * len(self._chosen)
        for node in self._outputs:
            self._num_readers[node] += 1
        for node in range(len(self._chosen) - 1, self._first - 1, -1):
            if self._num_readers[node]:
                for leaf in self._chosen[node]:
                    self._num_readers[leaf] += 1
        self._has_cover = True

    def _add(self, cut: Iterable[int]) -> int:
        """One reader more of each leaf; the tables that this adds."""
        added, waiting = 0, [*cut]
        while waiting:
            v = waiting.pop()
            self._num_readers[v] += 1
            if self._num_readers[v] == 1 and v >= self._first:
                added += 1
                waiting.extend(self._chosen[v])
        return added

    def _remove(self, cut: Iterable[int]) -> None:
        waiting = [*cut]
        while waiting:
            v = waiting.pop()
            self._num_readers[v] -= 1
            if self._num_readers[v] == 0 and v >= self._first:
                waiting.extend(self._chosen[v])
