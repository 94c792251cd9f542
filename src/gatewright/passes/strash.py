"""strash: fold constants, copies and inverters, and share gates that are alike.

One walk through `Builder`, whose `gate` is the whole of it.
"""

from __future__ import annotations

from gatewright.circuit import Builder, Circuit


def strash(circuit: Circuit) -> Circuit:
    """The same function without constant, single-operand and duplicate gates."""
    builder = Builder(circuit.input_names, circuit.name)
    for name, literal in zip(
        circuit.output_names, builder.copy(circuit, builder.inputs), strict=True
    ):
        builder.output(name, literal)
    return builder.build()
