"""Estimates of what the emitted C takes of a microcontroller's flash and stack."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from gatewright.circuit import Circuit
from gatewright.model import Model
from gatewright.targets.c_bits import Comparisons
from gatewright.targets.c_straight import Plan
from gatewright.targets.c_table import Program


@dataclass(frozen=True)
class Size:
    """Bytes on a Cortex-M with words of 32 bits."""

    flash: int
    ram: int
    stack: int

    @staticmethod
    def of_straight(circuit: Circuit, plan: Plan) -> Size:
        return Size(0, 0, 0)

    @staticmethod
    def of_table(program: Program) -> Size:
        return Size(0, 0, 0)

    def with_model(self, comparisons: Comparisons, model: Model) -> Size:
        return self

    @property
    def about(self) -> dict[str, int]:
        return asdict(self)

    @property
    def comment(self) -> str:
        return "size"

    def __str__(self) -> str:
        return "about"
