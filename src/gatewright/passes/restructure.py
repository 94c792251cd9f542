"""balance, resub, refactor: one kind of restructuring each, by ABC, mapped to two-input gates.

For pipelines of one's own; `resynthesize` and `deep` run these and more.
"""

from __future__ import annotations

from gatewright import abc
from gatewright.circuit import Circuit
from gatewright.passes.objectives import Goal
from gatewright.passes.resynthesize import FINISH
from gatewright.passes.sweep import sweep

RESUB = f"strash; resub -K 8 -N 2; resub -K 12 -N 3; {FINISH['gates']}"
REFACTOR = f"strash; refactor; refactor -z; {FINISH['gates']}"
BALANCE = f"strash; balance; if -g -K 6 -C 8; strash; {FINISH['depth']}"


def resub(circuit: Circuit, goal: Goal) -> Circuit:
    """Gates as functions of others that are there already, where the goal gains by that.

    Raises:
        MissingTool: there is no ABC.
    """
    return _best(circuit, RESUB, goal, goal)


def refactor(circuit: Circuit, goal: Goal) -> Circuit:
    """Large cones factored anew, where the goal gains by that.

    Raises:
        MissingTool: there is no ABC.
    """
    return _best(circuit, REFACTOR, goal, goal)


def balance(circuit: Circuit, goal: Goal) -> Circuit:
    """Fewer levels, at the cost of gates; what the goal is to be small does not matter.

    Raises:
        MissingTool: there is no ABC.
    """
    return _best(circuit, BALANCE, goal, Goal("depth"))


def _best(circuit: Circuit, script: str, goal: Goal, by: Goal) -> Circuit:
    found = abc.run(circuit, script, goal.seconds)
    return circuit if found is None else by.best(circuit, sweep(found))
