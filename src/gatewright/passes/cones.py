"""Replace small cones of a circuit, each by something cheaper with the same function.

A *cut* of a node is a set of nodes, its leaves, through which every path from the inputs to the
node goes; the gates between are its *cone*. Of a cone, the node's *MFFC* (maximum fanout-free cone)
is what nothing else reads: what goes when the node is made another way.

`cones_python` is the specification; the native `Cones` chooses the same. `GATEWRIGHT_NATIVE=0` in
the environment chooses Python.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gatewright import native
from gatewright.circuit import FALSE, Builder, Circuit
from gatewright.passes.netlist import Cut, Netlist
from gatewright.passes.sweep import sweep

#: Leaves that a cut has at most.
MOST_LEAVES = 4
#: Cuts kept of each node, those of fewest leaves.
MAX_CUTS = 8

#: What a function costs whose cones are to stay.
STAYS = -1

#: Adds a function, given by its truth table, to a builder over the literals of as many leaves as
#: cuts may have (false where a cut has fewer); the literal of the function.
Emit = Callable[[Builder, int, list[int]], int]


@dataclass(frozen=True)
class Costs:
    """What is to be small.

    Attributes:
        max_leaves: of the cuts, up to MOST_LEAVES.
        of_gate: uint8[16], by table.
        of_function: int16[2 ** 2 ** max_leaves], by truth table over so many variables; STAYS where
            its cones are left as they are.
    """

    max_leaves: int
    of_gate: npt.NDArray[np.uint8]
    of_function: npt.NDArray[np.int16]


@dataclass(frozen=True)
class Cone:
    """A cone that is made anew: its root, its leaves, and the function of these."""

    node: int
    leaves: Cut
    table: int


def replace_cones(circuit: Circuit, costs: Costs, emit: Emit) -> Circuit:
    """Replace cones that do not overlap, from the outputs down, each where that costs less."""
    anew = {cone.node: cone for cone in cones(circuit, costs)}
    builder = Builder(circuit.input_names, circuit.name)
    literal = [FALSE, *builder.inputs]
    tables: list[int] = circuit.table.tolist()
    fanin: list[list[int]] = circuit.fanin.tolist()
    for node, (table, (a, b)) in enumerate(zip(tables, fanin, strict=True), circuit.first_gate):
        cone = anew.get(node)
        if cone is None:
            literal.append(builder.gate(table, literal[a], literal[b]))
            continue
        leaves = [literal[leaf] for leaf in cone.leaves]
        leaves += [FALSE] * (costs.max_leaves - len(leaves))
        literal.append(emit(builder, cone.table, leaves))
    outputs: list[int] = circuit.outputs.tolist()
    for name, output in zip(circuit.output_names, outputs, strict=True):
        builder.output(name, literal[output >> 1] ^ output & 1)
    return sweep(builder.build())


def cones(circuit: Circuit, costs: Costs) -> list[Cone]:
    """The cones that cost less made anew, from the outputs down; none overlap."""
    module = native.load()
    if module is None:
        return cones_python(circuit, costs)
    nodes, sizes, leaves, tables = module.cones(
        circuit.num_inputs, circuit.fanin, circuit.table, circuit.outputs,
        costs.of_gate, costs.of_function, costs.max_leaves, MAX_CUTS,
    )  # fmt: skip
    read = iter(leaves.tolist())
    return [
        Cone(node, tuple(next(read) for _ in range(size)), table)
        for node, size, table in zip(nodes.tolist(), sizes.tolist(), tables.tolist(), strict=True)
    ]


def cones_python(circuit: Circuit, costs: Costs) -> list[Cone]:
    """Do what `cones` does, in Python."""
    first = circuit.first_gate
    netlist = Netlist(circuit)
    cost: list[int] = costs.of_gate[circuit.table].tolist()
    of_function: list[int] = costs.of_function.tolist()
    cuts = _cuts(circuit, costs.max_leaves)
    chosen: list[Cone] = []
    is_taken = [False] * circuit.num_nodes
    for node in range(circuit.num_nodes - 1, first - 1, -1):
        if is_taken[node]:
            continue  # so nothing that only this node needs is taken either
        most, best, freed = 0, Cone(node, (), 0), list[int]()
        for cut in cuts[node]:
            cone = netlist.cone(node, cut)
            mffc = netlist.mffc(node, cone)
            saved = sum(cost[v - first] for v in mffc)
            if saved <= most:
                continue
            table = netlist.table(node, cut, cone, costs.max_leaves)
            if of_function[table] != STAYS and saved - of_function[table] > most:
                most, best, freed = saved - of_function[table], Cone(node, cut, table), mffc
        if most:
            chosen.append(best)
        for v in freed:
            is_taken[v] = True
    return chosen


def _cuts(circuit: Circuit, max_leaves: int) -> list[list[Cut]]:
    """Cuts of each node, but for the node itself."""
    with_itself: list[list[Cut]] = [[()], *([(1 + i,)] for i in range(circuit.num_inputs))]
    cuts: list[list[Cut]] = [[] for _ in with_itself]
    pairs: list[tuple[int, int]] = circuit.fanin.tolist()
    for node, (a, b) in enumerate(pairs, circuit.first_gate):
        unions = {tuple(sorted({*x, *y})) for x in with_itself[a] for y in with_itself[b]}
        small = [cut for cut in unions if len(cut) <= max_leaves]
        cuts.append(sorted(small, key=lambda cut: (len(cut), cut))[:MAX_CUTS])
        with_itself.append([(node,), *cuts[-1]])
    return cuts
