"""two_level: forget the structure; each output as a sum of products, and then what they share.

By ABC: the outputs' decision diagrams (`collapse`), sums of products from these, common divisors
of all of them (`fx`, fast extract: Rajski and Vasudevamurthi, 1992), and gates. A circuit that was
made out of tables, a PLA or a control unit, may have lost what its outputs share, and no local
change finds it; other circuits' diagrams or products are too many, and the time ends that. Where it
succeeds, restructuring what was given is tried beside it, and the better one taken.
"""

from __future__ import annotations

from gatewright import abc
from gatewright.circuit import Circuit
from gatewright.passes.objectives import Goal
from gatewright.passes.resynthesize import COMPRESS, FINISH, MAP_GATES, finished

#: Nodes of all diagrams together; those of arithmetic are more, and are given up before the time.
MOST_NODES = 10_000

SHARED_SUMS = f"collapse -B {MOST_NODES}; sop; fx; strash"
SUMS = f"strash; {SHARED_SUMS}; dc2; {MAP_GATES}"
RESTRUCTURED = f"strash; {COMPRESS}; {FINISH['gates']}"


def two_level(circuit: Circuit, goal: Goal) -> Circuit:
    """The circuit, or a better one from sums of products, found in `goal.seconds`.

    Raises:
        MissingTool: there is no ABC.
    """
    found = abc.run(circuit, SUMS, goal.seconds)
    if found is None:
        return circuit
    best = goal.best(circuit, finished(found, goal))
    if best is not circuit:
        other = abc.run(circuit, RESTRUCTURED, goal.seconds)
        best = best if other is None else goal.best(best, finished(other, goal))
    return best
