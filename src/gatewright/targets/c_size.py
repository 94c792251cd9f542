"""Estimates of what the C takes of a microcontroller: a Cortex-M3 or later, words of 32 bits.

They are of GCC 12 at -O2. Constant arrays are counted; what code takes is linear in what it does,
with factors fitted to 25 circuits (of recipes, random ones, and multipliers) of 56 to 42,030 gates.
A Cortex-M0 takes up to 40 % more flash. Nothing is static: all that changes is on the stack.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gatewright.circuit import Circuit
from gatewright.model import Model
from gatewright.targets.c_bits import INTEGERS, Comparisons, dtype_of
from gatewright.targets.c_straight import Plan
from gatewright.targets.c_table import Program

WORD = 4

#: By how much the estimates of flash and stack are wrong at most, plus `SLACK` bytes.
TOLERANCE = 0.2
SLACK = 100


@dataclass(frozen=True)
class Size:
    """Bytes on a Cortex-M.

    Attributes:
        flash: code and constants, libgcc's arithmetic on floats included.
        stack: at the deepest place of a call.
    """

    flash: int
    stack: int

    @staticmethod
    def of_straight(circuit: Circuit, plan: Plan) -> Size:
        """Of the straight-line form.

        A part holds in registers or in its frame what it computes with at a time; loads, stores and
        gates are of the same cost wherever they are.
        """
        pairs: list[tuple[int, int]] = circuit.fanin.tolist()
        first, loads, held = circuit.first_gate, 0, 0
        for part in plan.parts:
            own = [pairs[node - first] for node in part]
            loads += len({operand for pair in own for operand in pair} - set(part))
            held = max(held, _most_held(own, part))
        flash = 10 + 3.9 * circuit.num_gates + 2.4 * loads + 5.9 * len(plan.slot)
        flash += 6.4 * circuit.num_outputs
        frame = WORD * plan.num_slots + 20 if len(plan.parts) > 1 else 0
        return Size(round(flash), frame + WORD * held)

    @staticmethod
    def of_table(program: Program) -> Size:
        """Of the table-driven form, called in place."""
        return Size(145 + program.num_bytes, 20)

    def with_values(self, num_values: int) -> Size:
        """The same called not in place: with an array of values of its own."""
        return Size(self.flash, self.stack + WORD * num_values + 8)

    def with_model(self, comparisons: Comparisons, model: Model, num_values: int) -> Size:
        """Of a whole model around this circuit, num_values words of which the caller holds."""
        features = comparisons.features
        kinds = (comparisons.num_over, comparisons.num_equal, comparisons.num_missing)
        code = 250 + 110 * sum(num > 0 for num in kinds[1:])
        code += 0 if features in INTEGERS else 250
        code += 0 if model.numbers is None else 1540
        most = max(comparisons.column, default=0)
        column = 1 if most < 1 << 8 else 2 if most < 1 << 16 else 4
        arrays = column * len(comparisons.column)
        limits = comparisons.limit[: kinds[0] + kinds[1]]
        if len(set(limits)) > 1:
            arrays += dtype_of(features).itemsize * len(limits)
        arrays += sum(len(name.encode()) + 1 + WORD for name in model.class_names or ())
        stack = 80 + WORD * (num_values + model.circuit.num_outputs) + max(self.stack, 40)
        return Size(self.flash + code + arrays, stack)

    @property
    def about(self) -> dict[str, int]:
        """As JSON can hold it; ram is what is static."""
        return {"flash": self.flash, "ram": 0, "stack": self.stack}

    @property
    def comment(self) -> str:
        """Lines for a header."""
        return (
            f"On a Cortex-M3 or later about {self.flash} bytes of flash, {self.stack} of stack,\n"
            f"no static RAM: words of 32 bits, GCC at -O2, give or take "
            f"{100 * TOLERANCE:.0f} %.\nA Cortex-M0 takes up to 40 % more flash.\n"
        )

    def __str__(self) -> str:
        return f"about {self.flash} bytes of flash, {self.stack} of stack, no static RAM"


def _most_held(pairs: Sequence[tuple[int, int]], part: range) -> int:
    """The most values that gates in a row have at a time: what they read, from then on."""
    last: dict[int, int] = {}
    for at, pair in enumerate(pairs):
        last.update((operand, at) for operand in pair)
    held, most = set[int](), 0
    for at, pair in enumerate(pairs):
        held.update(pair)
        if part[at] in last:
            held.add(part[at])
        most = max(most, len(held))
        held.difference_update(operand for operand in pair if last[operand] == at)
    return most
