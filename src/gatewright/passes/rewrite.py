"""rewrite: cones of up to three leaves, each by the fewest gates that its function can have.

An XOR is a gate like any other here. The functions of three variables and their smallest circuits
are those of `plan`.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from gatewright.circuit import TRUE, Builder, Circuit
from gatewright.passes.cones import Costs, replace_cones
from gatewright.passes.plan import Plan, find_plan

#: Rounds of replacements at most; a round without one is the last.
MAX_ROUNDS = 20

NUM_VARIABLES = 3
FULL = (1 << (1 << NUM_VARIABLES)) - 1


def rewrite(circuit: Circuit) -> Circuit:
    """The same function in fewer gates; the circuit itself where there are no fewer."""
    best = circuit
    for _ in range(MAX_ROUNDS):
        after = replace_cones(best, costs(), _emit)
        if after.num_gates >= best.num_gates:
            return best
        best = after
    return best


@cache
def costs() -> Costs:
    """A gate costs one, and a function what its smallest circuit has."""
    of_function = [0, *(_plan(table).num_gates for table in range(1, FULL)), 0]
    return Costs(NUM_VARIABLES, np.ones(16, np.uint8), np.array(of_function, np.int16))


def _plan(table: int) -> Plan:
    return find_plan(((table, FULL ^ table),), NUM_VARIABLES)


def _emit(builder: Builder, table: int, leaves: list[int]) -> int:
    if table in (0, FULL):
        return TRUE if table else TRUE ^ 1
    return _plan(table).emit(builder, leaves)[0]
