"""The table-driven form of a circuit in C: a program in a constant array, and a loop that runs it.

An operation is a kind and three slots of an array of values: the target's and two operands'. Inputs
are in the first slots; a slot is used again once its value's last reader has run.
"""

from __future__ import annotations

from dataclasses import dataclass

from gatewright.circuit import FALSE, Circuit
from gatewright.targets.c_names import array

#: Kinds of operations, by the tables of canonical gates: the kind, and whether operands change
#: places.
KINDS = {0x2: (0, False), 0x4: (0, True), 0x8: (1, False), 0xE: (2, False), 0x6: (3, False)}

#: Slots that an operation of 32, or three times 16 bits can name.
MOST_PACKED = 1 << 10
MOST_SHORT = 1 << 14

Operation = tuple[int, int, int, int]


@dataclass(frozen=True)
class Program:
    """What the array holds.

    Attributes:
        num_inputs: which are in the first slots.
        operations: kind, target, first and second operand of each gate; at least one.
        outputs: 2 * slot + (1 if inverted) of each.
        zero: the slot that holds 0 for constant outputs; None where there are none.
        num_slots: of the array of values.
    """

    num_inputs: int
    operations: list[Operation]
    outputs: list[int]
    zero: int | None
    num_slots: int

    @staticmethod
    def of(circuit: Circuit) -> Program:
        """The program of an arranged circuit."""
        first = circuit.first_gate
        pairs: list[tuple[int, int]] = circuit.fanin.tolist()
        last = [-1] * circuit.num_nodes
        for gate, pair in enumerate(pairs):
            for operand in pair:
                last[operand] = gate
        for literal in circuit.outputs.tolist():
            last[literal >> 1] = circuit.num_gates
        slot = [*range(-1, circuit.num_inputs), *[-1] * circuit.num_gates]
        free = [i for i in range(circuit.num_inputs - 1, -1, -1) if last[1 + i] < 0]
        num_slots = circuit.num_inputs
        operations: list[Operation] = []
        for gate, (pair, table) in enumerate(zip(pairs, circuit.table.tolist(), strict=True)):
            free.extend(slot[operand] for operand in set(pair) if last[operand] == gate)
            if not free:
                free.append(num_slots)
                num_slots += 1
            kind, is_swapped = KINDS[table]
            a, b = (slot[operand] for operand in (reversed(pair) if is_swapped else pair))
            slot[first + gate] = free.pop()
            operations.append((kind, slot[first + gate], a, b))
        zero = None
        if (circuit.outputs >> 1 == FALSE).any():
            zero = slot[FALSE] = num_slots
            num_slots += 1
        literals: list[int] = circuit.outputs.tolist()
        outputs = [2 * slot[literal >> 1] + (literal & 1) for literal in literals]
        return Program(circuit.num_inputs, operations, outputs, zero, num_slots)

    @property
    def entry(self) -> tuple[str, int]:
        """The type of an entry of the array, and how many are an operation."""
        if self.num_slots <= MOST_PACKED:
            return "uint32_t", 1
        return ("uint16_t" if self.num_slots <= MOST_SHORT else "uint32_t"), 3

    @property
    def output_entry(self) -> str:
        return "uint16_t" if 2 * self.num_slots <= 1 << 16 else "uint32_t"

    @property
    def num_bytes(self) -> int:
        """Of the constant arrays."""
        sizes = {"uint16_t": 2, "uint32_t": 4}
        kind, each = self.entry
        program = sizes[kind] * each * len(self.operations)
        return program + sizes[self.output_entry] * len(self.outputs)


def source(program: Program, declaration: str) -> str:
    """The array, the function that runs it in place, and one with this head over that."""
    kind, each = program.entry
    outputs = map("{}U".format, program.outputs)
    if each == 1:
        entries = [op << 30 | to << 20 | b << 10 | a for op, to, a, b in program.operations]
        fetch = _PACKED
    else:
        shift = 30 if kind == "uint32_t" else 14
        fields = ((op << shift | to, a, b) for op, to, a, b in program.operations)
        entries = [entry for operation in fields for entry in operation]
        fetch = _TRIPLES.replace("@shift", str(shift)).replace("@mask", f"0x{(1 << shift) - 1:x}U")
    zero = "" if program.zero is None else f"  values[{program.zero}] = zero;\n"
    filled = (
        _SOURCE.replace("@program", array("@name_program", kind, map("{}U".format, entries)))
        .replace("@results", array("@name_results", program.output_entry, outputs))
        .replace("@zero", zero and "  const @name_word zero = {0};\n" + zero)
        .replace("@fetch", fetch)
        .replace("@kind", kind)
        .replace("@length", str(len(entries)))
        .replace("@each", str(each))
        .replace("@declaration", declaration)
    )
    copies = _COPY if program.num_inputs else "  (void)in;\n"
    return filled.replace("@copy", copies)


_PACKED = """\
    const uint32_t code = @name_program[i];
    const @name_word a = values[code & 0x3ffU];
    const @name_word b = values[code >> 10 & 0x3ffU];
    @name_word *to = &values[code >> 20 & 0x3ffU];
    switch (code >> 30) {
"""

_TRIPLES = """\
    const @kind code = @name_program[i];
    const @name_word a = values[@name_program[i + 1U]];
    const @name_word b = values[@name_program[i + 2U]];
    @name_word *to = &values[code & @mask];
    switch (code >> @shift) {
"""

_COPY = """\
  for (size_t i = 0; i != @NAME_NUM_INPUTS; ++i) {
    values[i] = in[i];
  }
"""

_SOURCE = """\
#include <stddef.h>

/* Each operation is a kind (a & ~b, a & b, a | b, a ^ b) and slots: the target's, a's and b's. */
@program
/* Each output is twice a slot, and one more where it is inverted. */
@results
void @name_in_place(@name_word values[@NAME_NUM_VALUES], @name_word out[@NAME_NUM_OUTPUTS]) {
@zero  for (size_t i = 0; i != @lengthU; i += @eachU) {
@fetch      case 0:
        *to = (@name_word)(a & ~b);
        break;
      case 1:
        *to = (@name_word)(a & b);
        break;
      case 2:
        *to = (@name_word)(a | b);
        break;
      default:
        *to = (@name_word)(a ^ b);
        break;
    }
  }
  for (size_t o = 0; o != @NAME_NUM_OUTPUTS; ++o) {
    const @name_word value = values[@name_results[o] >> 1];
    if ((@name_results[o] & 1U) != 0U) {
      out[o] = (@name_word)~value;
    } else {
      out[o] = value;
    }
  }
}

@declaration {
  @name_word values[@NAME_NUM_VALUES];
@copy  @name_in_place(values, out);
}
"""
