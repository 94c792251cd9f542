"""rewrite: cones of up to three leaves, each by the fewest gates that its function can have.

An XOR is a gate like any other here. The functions of three variables and their smallest circuits
are those of `plan`.
"""

from __future__ import annotations

from gatewright.circuit import TRUE, Builder, Circuit
from gatewright.passes.cones import Substitute, replace_cones
from gatewright.passes.plan import find_plan

#: Rounds of replacements at most; a round without one is the last.
MAX_ROUNDS = 20

NUM_VARIABLES = 3
FULL = (1 << (1 << NUM_VARIABLES)) - 1


def rewrite(circuit: Circuit) -> Circuit:
    """The same function in fewer gates; the circuit itself where there are no fewer."""
    best = circuit
    for _ in range(MAX_ROUNDS):
        after = replace_cones(best, lambda _: 1, _substitute, NUM_VARIABLES)
        if after.num_gates >= best.num_gates:
            return best
        best = after
    return best


def _substitute(table: int) -> Substitute:
    function = table & FULL
    if function in (0, FULL):
        return Substitute(0, lambda builder, leaves: TRUE if function else TRUE ^ 1)
    plan = find_plan(((function, FULL ^ function),), NUM_VARIABLES)

    def emit(builder: Builder, leaves: list[int]) -> int:
        return plan.emit(builder, leaves[:NUM_VARIABLES])[0]

    return Substitute(plan.num_gates, emit)
