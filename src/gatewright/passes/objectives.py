"""What a pass is to make small, and what it may spend on it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

from gatewright.circuit import Circuit
from gatewright.errors import InputError
from gatewright.passes.mapping import cover, lut_depth

#: Compared from left to right; less is better.
Cost = tuple[int, ...]

OBJECTIVES: dict[str, Callable[[Circuit], Cost]] = {
    # two-input gates, whatever their kind
    "gates": lambda circuit: (circuit.num_gates, circuit.depth),
    # ANDs where XORs are free, as in cryptography
    "and": lambda circuit: (circuit.stats().ands, circuit.num_gates, circuit.depth),
    "depth": lambda circuit: (circuit.depth, circuit.num_gates),
    # look-up tables: of AVX-512's ternary logic, and of FPGAs
    "lut3": lambda circuit: _luts(circuit, 3),
    "lut4": lambda circuit: _luts(circuit, 4),
    "lut6": lambda circuit: _luts(circuit, 6),
}

#: Inputs of a table, for the objectives that count them.
LUT_INPUTS = {"lut3": 3, "lut4": 4, "lut6": 6}


@lru_cache(maxsize=8)  # a cover takes seconds, and a search asks for the same few over and over
def _luts(circuit: Circuit, k: int) -> Cost:
    tables = cover(circuit, k)
    return len(tables), lut_depth(circuit, tables), circuit.num_gates


@dataclass(frozen=True)
class Goal:
    """What passes that search work towards.

    Attributes:
        objective: a name in OBJECTIVES.
        seconds: that a search may take, of CPU time.
        seed: of everything random in it.
        persistence: how many times as long as usual a search goes on without success.
        stages: the better circuits that a search found on its way, in their order: where its last
            cannot be proved equal, these may be.
    """

    objective: str = "gates"
    seconds: float = 60.0
    seed: int = 0
    persistence: int = 1
    stages: list[Circuit] = field(default_factory=list[Circuit], compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.objective not in OBJECTIVES:
            raise InputError(
                f"unknown objective {self.objective!r}; known: {', '.join(OBJECTIVES)}"
            )

    def cost(self, circuit: Circuit) -> Cost:
        """What is to be small."""
        return OBJECTIVES[self.objective](circuit)

    def best(self, *circuits: Circuit) -> Circuit:
        """The one of the least cost, the first such."""
        return min(circuits, key=self.cost)


class Deadline:
    """The end of so many CPU seconds from now: other work on the machine takes none of them."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._begin = seconds, cpu_seconds()

    @property
    def left(self) -> float:
        """CPU seconds until then, at least 0."""
        return max(0.0, self._seconds - (cpu_seconds() - self._begin))


def cpu_seconds() -> float:
    """Of this process and of the programs that it called and that ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
