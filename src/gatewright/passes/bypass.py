"""bypass: long chains of gates made less deep, at the cost of gates.

What a chain makes of the value that comes last is split off, so that this value goes through few
gates (`gatewright.bypassing`): a ripple of carries becomes a tree.
"""

from __future__ import annotations

from gatewright import bypassing
from gatewright.circuit import Circuit
from gatewright.passes.strash import strash
from gatewright.passes.sweep import sweep

#: Gates of the longest chains: as many as this over the circuit's gates, within bounds. The time is
#: the gates times the square.
GATES_TIMES_LONGEST = 700_000
LEAST_LONGEST, MOST_LONGEST = 32, 256

#: Rounds at most, and the share of the levels than which one that takes away less is the last.
MAX_ROUNDS = 4
SLIGHT = 0.05


def bypass(circuit: Circuit) -> Circuit:
    """The same function in fewer levels; the circuit itself where there are no fewer."""
    best = circuit
    for _ in range(MAX_ROUNDS):
        after = _bypassed(strash(best))
        gain = best.depth - after.depth
        if gain > 0:
            best = after
        if gain <= SLIGHT * best.depth:
            break
    return best


def _bypassed(circuit: Circuit) -> Circuit:
    longest = GATES_TIMES_LONGEST // max(1, circuit.num_gates)
    fanin, table, outputs = bypassing.bypass(
        circuit.num_inputs, circuit.fanin, circuit.table, circuit.outputs,
        longest=max(LEAST_LONGEST, min(MOST_LONGEST, longest)),
    )  # fmt: skip
    return sweep(
        strash(
            Circuit(fanin, table, outputs, circuit.input_names, circuit.output_names, circuit.name)
        )
    )
