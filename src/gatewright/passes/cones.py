"""Replace small cones of a circuit, each by something cheaper with the same function.

A *cut* of a node is a set of nodes, its leaves, through which every path from the inputs to the
node goes; the gates between are its *cone*. Of a cone, the node's *MFFC* (maximum fanout-free cone)
is what nothing else reads: what goes when the node is made another way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gatewright.circuit import FALSE, Builder, Circuit
from gatewright.passes.netlist import Cut, Netlist, variables
from gatewright.passes.sweep import sweep

MAX_LEAVES = 4
#: Cuts kept of each node, those of fewest leaves.
MAX_CUTS = 8

#: Truth tables over four variables: of the constant true, and of each variable.
FULL = (1 << (1 << MAX_LEAVES)) - 1
VARIABLES = variables(MAX_LEAVES)


@dataclass(frozen=True)
class Substitute:
    """A way to make a function of up to four variables.

    Attributes:
        cost: in the measure of the gates that it replaces.
        emit: adds it to a builder over the literals of four leaves (false where there are fewer);
            the literal of the function.
    """

    cost: int
    emit: Callable[[Builder, list[int]], int]


def replace_cones(
    circuit: Circuit,
    cost_of: Callable[[int], int],
    substitute: Callable[[int], Substitute | None],
    max_leaves: int = MAX_LEAVES,
) -> Circuit:
    """Replace cones that do not overlap, from the outputs down, each where that costs less.

    Args:
        cost_of: a gate's cost, by its table.
        substitute: by truth table over four variables; None leaves the cone.
        max_leaves: of the cuts, up to four.
    """
    first = circuit.first_gate
    netlist = Netlist(circuit)
    cost = [cost_of(table) for table in netlist.tables]
    cuts = _cuts(circuit, max_leaves)
    chosen: dict[int, tuple[Cut, Substitute]] = {}
    is_taken = [False] * circuit.num_nodes
    for node in range(circuit.num_nodes - 1, first - 1, -1):
        if is_taken[node]:
            continue
        best, freed = 0, list[int]()
        for cut in cuts[node]:
            cone = netlist.cone(node, cut)
            mffc = netlist.mffc(node, cone)
            saved = sum(cost[v - first] for v in mffc)
            if saved <= best or any(is_taken[v] for v in mffc):
                continue
            found = substitute(netlist.table(node, cut, cone, MAX_LEAVES))
            if found is not None and saved - found.cost > best:
                best, freed = saved - found.cost, mffc
                chosen[node] = cut, found
        for v in freed:
            is_taken[v] = True

    builder = Builder(circuit.input_names, circuit.name)
    literal = [FALSE, *builder.inputs]
    for node, (table, (a, b)) in enumerate(zip(netlist.tables, netlist.fanin, strict=True), first):
        if node in chosen:
            cut, found = chosen[node]
            leaves = [literal[leaf] for leaf in cut] + [FALSE] * (MAX_LEAVES - len(cut))
            literal.append(found.emit(builder, leaves))
        else:
            literal.append(builder.gate(table, literal[a], literal[b]))
    outputs: list[int] = circuit.outputs.tolist()
    for name, output in zip(circuit.output_names, outputs, strict=True):
        builder.output(name, literal[output >> 1] ^ output & 1)
    return sweep(builder.build())


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
