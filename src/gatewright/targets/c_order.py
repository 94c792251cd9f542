"""A circuit as C computes it: live gates only, in an order in which few values are held."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gatewright.circuit import FALSE, Builder, Circuit


def arranged(circuit: Circuit) -> Circuit:
    """The same function of canonical gates, each of which an output needs, in `demand_order`."""
    builder = Builder(circuit.input_names, circuit.name)
    literals = builder.copy(circuit, builder.inputs)
    for name, literal in zip(circuit.output_names, literals, strict=True):
        builder.output(name, literal)
    folded = builder.build()
    order = demand_order(folded)
    node = np.arange(folded.num_nodes, dtype=np.int32)
    node[folded.first_gate + np.array(order, np.int64)] = folded.first_gate + np.arange(len(order))
    return Circuit(
        fanin=node[folded.fanin[order]].reshape(-1, 2),
        table=folded.table[order],
        outputs=2 * node[folded.outputs >> 1] + (folded.outputs & 1),
        input_names=folded.input_names,
        output_names=folded.output_names,
        name=folded.name,
    )


def demand_order(circuit: Circuit) -> list[int]:
    """Live gates in the order in which outputs need them.

    Besides, a gate that can be computed and is the last to read one of its operands comes at once:
    its value takes the operand's place.
    """
    first = circuit.first_gate
    pairs: list[tuple[int, int]] = circuit.fanin.tolist()
    roots: list[int] = (circuit.outputs >> 1).tolist()
    readers = _live_readers(circuit, pairs)
    left = [len(gates) for gates in readers]
    done = [node < first for node in range(circuit.num_nodes)]

    def is_ready(node: int) -> bool:
        a, b = pairs[node - first]
        return not done[node] and done[a] and done[b]

    order: list[int] = []
    for root in roots:
        path = [root]
        while path:
            if done[path[-1]]:
                path.pop()
                continue
            missing = [operand for operand in pairs[path[-1] - first] if not done[operand]]
            if missing:
                path.append(missing[-1])
                continue
            ready = [path[-1]]
            while ready:
                node = ready.pop()
                if done[node]:
                    continue
                done[node] = True
                order.append(node - first)
                for operand in pairs[node - first]:
                    left[operand] -= 1
                    if left[operand] == 1:
                        ready += filter(is_ready, readers[operand])
                ready += (
                    reader
                    for reader in filter(is_ready, readers[node])
                    if any(left[operand] == 1 for operand in pairs[reader - first])
                )
    return order


def _live_readers(circuit: Circuit, pairs: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Each node's readers that an output needs; operands of a gate differ, as the Builder's do."""
    readers: list[list[int]] = [[] for _ in range(circuit.num_nodes)]
    is_root = np.zeros(circuit.num_nodes, np.bool_)
    is_root[circuit.outputs >> 1] = True
    for node in range(circuit.num_nodes - 1, circuit.first_gate - 1, -1):
        if readers[node] or is_root[node]:
            for operand in pairs[node - circuit.first_gate]:
                readers[operand].append(node)
    return readers


def restricted(circuit: Circuit, fixed: dict[int, int]) -> Circuit:
    """The circuit with some inputs fixed (input -> FALSE or TRUE), over the others."""
    names = [name for i, name in enumerate(circuit.input_names) if i not in fixed]
    builder = Builder(names, circuit.name)
    free = iter(builder.inputs)
    inputs = [fixed[i] if i in fixed else next(free) for i in range(circuit.num_inputs)]
    for name, literal in zip(circuit.output_names, builder.copy(circuit, inputs), strict=True):
        builder.output(name, literal)
    return builder.build()


def read_inputs(circuit: Circuit) -> list[int]:
    """The inputs that a gate or an output reads."""
    read = np.unique(np.concatenate([circuit.fanin.reshape(-1), circuit.outputs >> 1]))
    return [int(node) - 1 for node in read if FALSE < node < circuit.first_gate]


def over_inputs(circuit: Circuit, inputs: Sequence[int]) -> Circuit:
    """The circuit over these of its inputs in this order; no gate or output reads others."""
    node = np.zeros(circuit.num_nodes, np.int32)
    node[[1 + i for i in inputs]] = 1 + np.arange(len(inputs), dtype=np.int32)
    node[circuit.first_gate :] = 1 + len(inputs) + np.arange(circuit.num_gates, dtype=np.int32)
    return Circuit(
        fanin=node[circuit.fanin],
        table=circuit.table,
        outputs=2 * node[circuit.outputs >> 1] + (circuit.outputs & 1),
        input_names=tuple(circuit.input_names[i] for i in inputs),
        output_names=circuit.output_names,
        name=circuit.name,
    )
