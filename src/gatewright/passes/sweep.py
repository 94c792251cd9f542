"""sweep: drop gates that no output can see."""

from __future__ import annotations

import numpy as np

from gatewright.circuit import Circuit


def sweep(circuit: Circuit) -> Circuit:
    """The same function without dead gates; inputs stay, read or not."""
    first = circuit.first_gate
    is_live = np.zeros(circuit.num_nodes, dtype=np.bool_)
    is_live[:first] = True
    is_live[circuit.outputs >> 1] = True
    for node in range(circuit.num_nodes - 1, first - 1, -1):
        if is_live[node]:
            is_live[circuit.fanin[node - first]] = True
    node = np.cumsum(is_live, dtype=np.int32) - 1
    keep = is_live[first:]
    return Circuit(
        fanin=node[circuit.fanin[keep]],
        table=circuit.table[keep],
        outputs=2 * node[circuit.outputs >> 1] + (circuit.outputs & 1),
        input_names=circuit.input_names,
        output_names=circuit.output_names,
        name=circuit.name,
    )
