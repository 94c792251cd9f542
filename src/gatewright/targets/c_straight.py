"""The straight-line form of a circuit in C: an expression a gate.

Compilers take more than linear time in the size of a function; so a circuit of more than
`GATES_A_PART` gates is cut into functions of that many, and a value that crosses from one to
another lives in a slot of an array on the caller's stack, which is used again once the value's last
reader has run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gatewright import gates
from gatewright.circuit import Circuit

GATES_A_PART = 200

_OPERATORS = ("~{}", "{} & {}", "{} | {}", "{} ^ {}", "zero", "~zero")


@dataclass(frozen=True)
class Plan:
    """Which gates each part holds, and where values that cross between parts live.

    Attributes:
        parts: gates' nodes, in order.
        slot: node -> index in the scratch array, for nodes read by a later part.
        num_slots: length of the scratch array.
    """

    parts: list[range]
    slot: dict[int, int]
    num_slots: int

    @staticmethod
    def of(circuit: Circuit) -> Plan:
        first, end = circuit.first_gate, circuit.num_nodes
        parts = [range(at, min(at + GATES_A_PART, end)) for at in range(first, end, GATES_A_PART)]
        pairs: list[tuple[int, int]] = circuit.fanin.tolist()
        last_reader: dict[int, int] = {}
        for index, part in enumerate(parts):
            for node in part:
                last_reader.update((operand, index) for operand in pairs[node - first])
        slot: dict[int, int] = {}
        free: list[int] = []
        num_slots = 0
        releases: list[list[int]] = [[] for _ in range(len(parts) + 1)]
        for index, part in enumerate(parts):
            free.extend(releases[index])
            for node in part:
                if last_reader.get(node, index) == index:
                    continue
                if not free:
                    free.append(num_slots)
                    num_slots += 1
                slot[node] = free.pop()
                # The last reader may store before it loads: only the part after it reuses.
                releases[last_reader[node] + 1].append(slot[node])
        return Plan(parts, slot, num_slots)


def source(circuit: Circuit, plan: Plan, declaration: str) -> str:
    """Functions that compute an arranged circuit, the last of them with this head."""
    readers: dict[int, list[int]] = {}
    for index, literal in enumerate(circuit.outputs.tolist()):
        readers.setdefault(literal >> 1, []).append(index)
    bodies = [_part_lines(circuit, part, plan, readers) for part in plan.parts]
    lines: list[str] = bodies.pop() if len(bodies) == 1 else []
    text = _PART_MACRO if bodies else ""
    parameter, argument = (", @name_word *slots", ", slots") if plan.num_slots else ("", "")
    if plan.num_slots:
        lines.append(f"@name_word slots[{plan.num_slots}];")
    for index, body in enumerate(bodies):
        head = f"void @name_part{index}(const @name_word *in, @name_word *out{parameter})"
        text += f"@NAME_PART {head} {{\n{_block(body)}}}\n\n"
        lines.append(f"@name_part{index}(in, out{argument});")
    for node in readers:
        if node < circuit.first_gate:
            value = f"in[{node - 1}]" if node else "zero"
            lines += _stores(circuit, value, readers[node])
    return text + f"{declaration} {{\n{_block(lines)}}}\n"


def _block(lines: list[str]) -> str:
    """A function's body; `zero` is declared where a statement reads it."""
    reads_zero = any(re.search(r"\bzero\b", line) for line in lines)
    top = ["(void)in, (void)out;"] + ["const @name_word zero = {0};"] * reads_zero
    return "".join(f"  {line}\n" for line in top + lines)


def _part_lines(
    circuit: Circuit, part: range, plan: Plan, readers: dict[int, list[int]]
) -> list[str]:
    """Statements that load what the part's gates read, compute them, and store what leaves."""
    lines: list[str] = []
    known: set[int] = set()
    for node in part:
        gate = node - circuit.first_gate
        operands: list[int] = circuit.fanin[gate].tolist()
        for operand in operands:
            if operand not in known:
                known.add(operand)
                is_input = operand < circuit.first_gate
                place = f"in[{operand - 1}]" if is_input else f"slots[{plan.slot[operand]}]"
                lines.append(f"const @name_word {_variable(circuit, operand)} = {place};")
        known.add(node)
        names = [_variable(circuit, operand) for operand in operands]
        expression = gates.expression(int(circuit.table[gate]), names, _OPERATORS)
        variable = _variable(circuit, node)
        lines.append(f"const @name_word {variable} = (@name_word)({expression});")
        if node in plan.slot:
            lines.append(f"slots[{plan.slot[node]}] = {variable};")
        lines += _stores(circuit, variable, readers.get(node, []))
    return lines


def _variable(circuit: Circuit, node: int) -> str:
    return f"x{node - 1}" if node < circuit.first_gate else f"g{node - circuit.first_gate}"


def _stores(circuit: Circuit, value: str, outputs: list[int]) -> list[str]:
    inverted = f"(@name_word)~{value}"
    return [f"out[{o}] = {inverted if circuit.outputs[o] & 1 else value};" for o in outputs]


_PART_MACRO = """\
/* Inlined into one another, the parts would again be one large function. */
#ifdef __GNUC__
#define @NAME_PART static __attribute__((noinline))
#else
#define @NAME_PART static
#endif

"""
