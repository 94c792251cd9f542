"""Target `c`: a circuit as one C99 function over words of any width, with a test and its vectors.

A word carries one sample a bit, so a gate is one operation on words. Compilers take more than
linear time in the size of a function; so a circuit of more than `GATES_A_PART` gates is cut into
functions of that many, and a value that crosses from one to another lives in a slot of an array on
the caller's stack, which is used again once the value's last reader has run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from gatewright import gates
from gatewright.circuit import Bits, Circuit, all_inputs, unpack
from gatewright.targets.c_names import comment, identifier

GATES_A_PART = 200
EXHAUSTIVE_INPUTS = 10
RANDOM_VECTORS = 256

_OPERATORS = ("~{}", "{} & {}", "{} | {}", "{} ^ {}", "zero", "~zero")


def write(circuit: Circuit) -> dict[str, bytes]:
    """Return {name.c, name.h, name_test.c, name_vectors.h}; name is the circuit's, made C's.

    The header documents the interface. The test program runs the vectors (every row up to
    `EXHAUSTIVE_INPUTS` inputs, else all-zero, all-one and seeded random rows), prints
    "N vectors, 0 wrong" and exits 0, or prints the first wrong vector and exits 1.
    """
    name = identifier(circuit.name)
    plan = _Plan.of(circuit)
    return {
        f"{name}.c": _source(circuit, name, plan).encode(),
        f"{name}.h": _header(circuit, name, plan).encode(),
        f"{name}_test.c": _named(_TEST, name).encode(),
        f"{name}_vectors.h": _vectors(circuit, name).encode(),
    }


@dataclass(frozen=True)
class _Plan:
    """Which gates each part holds, and where values that cross between parts live.

    Attributes:
        parts: gates' nodes in topological order, only those that an output depends on.
        slot: node -> index in the scratch array, for nodes read by a later part.
        num_slots: length of the scratch array.
    """

    parts: list[list[int]]
    slot: dict[int, int]
    num_slots: int

    @staticmethod
    def of(circuit: Circuit) -> _Plan:
        live = _live_gates(circuit)
        parts = [live[i : i + GATES_A_PART] for i in range(0, len(live), GATES_A_PART)]
        last_reader: dict[int, int] = {}
        for index, part in enumerate(parts):
            for node in part:
                last_reader.update((operand, index) for operand in _operands(circuit, node))
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
        return _Plan(parts, slot, num_slots)


def _operands(circuit: Circuit, node: int) -> list[int]:
    """The nodes whose values the gate at this node depends on."""
    gate = node - circuit.first_gate
    table = int(circuit.table[gate])
    return [int(circuit.fanin[gate, i]) for i in (0, 1) if gates.depends_on(table, i)]


def _live_gates(circuit: Circuit) -> list[int]:
    live = np.zeros(circuit.num_nodes, dtype=np.bool_)
    live[circuit.outputs >> 1] = True
    for node in range(circuit.num_nodes - 1, circuit.num_inputs, -1):
        if live[node]:
            live[_operands(circuit, node)] = True
    return [int(node) for node in np.flatnonzero(live) if node > circuit.num_inputs]


def _source(circuit: Circuit, name: str, plan: _Plan) -> str:
    word = f"{name}_word"
    readers: dict[int, list[int]] = {}
    for index, literal in enumerate(circuit.outputs.tolist()):
        readers.setdefault(literal >> 1, []).append(index)
    bodies = [_part_lines(circuit, word, part, plan, readers) for part in plan.parts]
    lines: list[str] = bodies.pop() if len(bodies) == 1 else []
    text = _SOURCE_TOP + (_PART_MACRO if bodies else "")
    parameter, argument = (f", {word} *slots", ", slots") if plan.num_slots else ("", "")
    if plan.num_slots:
        lines.append(f"{word} slots[{plan.num_slots}];")
    for index, body in enumerate(bodies):
        head = f"void @name_part{index}(const {word} *in, {word} *out{parameter})"
        text += f"@NAME_PART {head} {{\n{_block(word, body)}}}\n\n"
        lines.append(f"@name_part{index}(in, out{argument});")
    for node in readers:
        if node < circuit.first_gate:
            value = f"in[{node - 1}]" if node else "zero"
            lines += _stores(circuit, word, value, readers[node])
    text += f"{_declaration(circuit, name)} {{\n{_block(word, lines)}}}\n"
    return _named(text, name)


def _block(word: str, lines: list[str]) -> str:
    """A function's body; `zero` is declared where a statement reads it."""
    reads_zero = any(re.search(r"\bzero\b", line) for line in lines)
    top = ["(void)in, (void)out;"] + [f"const {word} zero = {{0}};"] * reads_zero
    return "".join(f"  {line}\n" for line in top + lines)


def _part_lines(
    circuit: Circuit, word: str, part: list[int], plan: _Plan, readers: dict[int, list[int]]
) -> list[str]:
    """Statements that load what the part's gates read, compute them, and store what leaves."""
    lines: list[str] = []
    known = {0}
    for node in part:
        gate = node - circuit.first_gate
        for operand in _operands(circuit, node):
            if operand not in known:
                known.add(operand)
                is_input = operand < circuit.first_gate
                place = f"in[{operand - 1}]" if is_input else f"slots[{plan.slot[operand]}]"
                lines.append(f"const {word} {_variable(circuit, operand)} = {place};")
        known.add(node)
        names = [_variable(circuit, operand) for operand in circuit.fanin[gate].tolist()]
        expression = gates.expression(int(circuit.table[gate]), names, _OPERATORS)
        variable = _variable(circuit, node)
        lines.append(f"const {word} {variable} = ({word})({expression});")
        if node in plan.slot:
            lines.append(f"slots[{plan.slot[node]}] = {variable};")
        lines += _stores(circuit, word, variable, readers.get(node, []))
    return lines


def _variable(circuit: Circuit, node: int) -> str:
    if node == 0:
        return "zero"
    return f"x{node - 1}" if node < circuit.first_gate else f"g{node - circuit.first_gate}"


def _stores(circuit: Circuit, word: str, value: str, outputs: list[int]) -> list[str]:
    inverted = f"({word})~{value}"
    return [f"out[{o}] = {inverted if circuit.outputs[o] & 1 else value};" for o in outputs]


def _named(template: str, name: str) -> str:
    return template.replace("@name", name).replace("@NAME", name.upper())


def _declaration(circuit: Circuit, name: str) -> str:
    """The function's head; C has no arrays of length 0, so an empty side is a plain pointer."""
    upper = name.upper()
    inputs = f"in[{upper}_NUM_INPUTS]" if circuit.num_inputs else "*in"
    outputs = f"out[{upper}_NUM_OUTPUTS]" if circuit.num_outputs else "*out"
    return f"void {name}(const {name}_word {inputs}, {name}_word {outputs})"


def _header(circuit: Circuit, name: str, plan: _Plan) -> str:
    num_gates = sum(len(part) for part in plan.parts)
    lists = ""
    for title, array, names in (
        ("Inputs", "in", circuit.input_names),
        ("Outputs", "out", circuit.output_names),
    ):
        lists += f" *\n * {title}:{'' if names else ' none'}\n"
        lists += "".join(f' *   {array}[{i}]  "{comment(n)}"\n' for i, n in enumerate(names))
    filled = (
        _HEADER.replace("@counts", f"{num_gates} gates")
        .replace("@lists", lists)
        .replace("@num_inputs", str(circuit.num_inputs))
        .replace("@num_outputs", str(circuit.num_outputs))
        .replace("@num_slots", str(plan.num_slots))
        .replace("@declaration", _declaration(circuit, name))
    )
    return _named(filled, name)


def _vectors(circuit: Circuit, name: str) -> str:
    rows = _rows(circuit.num_inputs)
    text = _VECTORS_TOP.replace("@num_vectors", str(len(rows)))
    for title, bits in (("inputs", rows), ("outputs", circuit(rows))):
        octets = np.packbits(bits, axis=1, bitorder="little")
        if octets.shape[1] == 0:
            octets = np.zeros((len(rows), 1), dtype=np.uint8)
        lines = (",".join(f"0x{octet:02x}" for octet in row) for row in octets.tolist())
        table = "".join(f"  {{{line}}},\n" for line in lines)
        text += (
            f"static const unsigned char @name_vector_{title}[@NAME_NUM_VECTORS]"
            f"[{octets.shape[1]}] = {{\n{table}}};\n\n"
        )
    return _named(text + "#endif\n", name)


def _rows(num_inputs: int) -> Bits:
    """The test's rows, bool[N, num_inputs]: a third of the random ones sparse, a third dense."""
    if num_inputs <= EXHAUSTIVE_INPUTS:
        return unpack(all_inputs(num_inputs), 1 << num_inputs)
    draw = np.random.default_rng(0).random((RANDOM_VECTORS, num_inputs))
    density = np.resize([0.5, 0.125, 0.875], RANDOM_VECTORS)
    constant = np.arange(2)[:, None].repeat(num_inputs, axis=1)
    return np.concatenate([constant == 1, draw < density[:, None]])


_HEADER = """\
/* @name: a circuit of @counts, generated by Gatewright. C99.
 *
 * @name() evaluates as many samples at once as a word has bits: sample s is bit s of each word
 * (in a vector, bit s % 64 of its 64-bit lane s / 64). It keeps no state, so threads may share it.
 * in and out must not overlap. Values that cross between its parts take @NAME_STACK_BYTES bytes of
 * stack.
@lists *
 * A word is a uint64_t, or as the compiler is told, the same for every file that includes this:
 *   -D@NAME_WORD=uint8_t         an unsigned integer type: uint8_t, uint16_t, uint32_t, uint64_t
 *   -D@NAME_VECTOR_BYTES=64      a vector of 16, 32 or 64 bytes (GCC and Clang); in and out must
 *                                then be aligned to as many bytes
 */
#ifndef @NAME_H
#define @NAME_H

#include <stdint.h>

#if defined(@NAME_VECTOR_BYTES)
#if !defined(__GNUC__) || defined(__TINYC__)
#error "@NAME_VECTOR_BYTES needs the vector_size attribute of GCC or Clang: use @NAME_WORD"
#elif defined(@NAME_WORD)
#error "define one of @NAME_VECTOR_BYTES and @NAME_WORD"
#elif @NAME_VECTOR_BYTES != 16 && @NAME_VECTOR_BYTES != 32 && @NAME_VECTOR_BYTES != 64
#error "@NAME_VECTOR_BYTES is 16, 32 or 64"
#endif
typedef uint64_t @name_word __attribute__((vector_size(@NAME_VECTOR_BYTES)));
#elif defined(@NAME_WORD)
typedef @NAME_WORD @name_word;
#else
typedef uint64_t @name_word;
#endif

#define @NAME_NUM_INPUTS @num_inputs
#define @NAME_NUM_OUTPUTS @num_outputs
#define @NAME_STACK_BYTES (@num_slots * sizeof(@name_word))

#ifdef __cplusplus
extern "C" {
#endif

@declaration;

#ifdef __cplusplus
}
#endif

#endif
"""

_SOURCE_TOP = """\
/* Generated by Gatewright; @name.h documents the interface. */
#include "@name.h"

"""

_PART_MACRO = """\
/* Inlined into one another, the parts would again be one large function. */
#ifdef __GNUC__
#define @NAME_PART static __attribute__((noinline))
#else
#define @NAME_PART static
#endif

"""

_VECTORS_TOP = """\
/* Vectors for @name_test.c: bit i of a row is bit i % 8 of its byte i / 8. */
#ifndef @NAME_VECTORS_H
#define @NAME_VECTORS_H

#define @NAME_NUM_VECTORS @num_vectors

"""

_TEST = """\
/* Runs the vectors of @name_vectors.h through @name(); exits 1 where an output bit is wrong. */
#include "@name.h"

#include <stddef.h>
#include <stdio.h>

#include "@name_vectors.h"

#ifdef @NAME_VECTOR_BYTES
typedef uint64_t @name_lane;
#define @NAME_LANE(word, s) (word)[(s) / 64]
#else
typedef @name_word @name_lane;
#define @NAME_LANE(word, s) (word)
#endif
#define @NAME_LANE_BITS (8 * sizeof(@name_lane))
#define @NAME_WORD_BITS (8 * sizeof(@name_word))

static @name_word @name_in[@NAME_NUM_INPUTS + 1];
static @name_word @name_out[@NAME_NUM_OUTPUTS + 1];

static void @name_run(void) { @name(@name_in, @name_out); }

static int @name_vector_bit(const unsigned char *row, size_t i) { return row[i / 8] >> i % 8 & 1; }

static void @name_set_sample(size_t s, const unsigned char *row) {
  const @name_lane one = (@name_lane)((@name_lane)1 << s % @NAME_LANE_BITS);
  for (size_t i = 0; i != @NAME_NUM_INPUTS; ++i) {
    const @name_lane lane = @NAME_LANE(@name_in[i], s);
    const @name_lane with = (@name_lane)(lane | one), without = (@name_lane)(with ^ one);
    @NAME_LANE(@name_in[i], s) = @name_vector_bit(row, i) ? with : without;
  }
}

static int @name_output_bit(size_t s, size_t o) {
  return (int)(@NAME_LANE(@name_out[o], s) >> s % @NAME_LANE_BITS & 1);
}

/* True where sample s has the outputs of the vector; else prints the first one that differs, if
 * the vector is the first wrong one. */
static int @name_is_right(size_t s, size_t vector, int is_first) {
  for (size_t o = 0; o != @NAME_NUM_OUTPUTS; ++o) {
    const int got = @name_output_bit(s, o);
    const int expected = @name_vector_bit(@name_vector_outputs[vector], o);
    if (got == expected) continue;
    if (is_first) {
      printf("vector %lu: out[%lu] is %d, not %d\\n", (unsigned long)vector, (unsigned long)o, got,
             expected);
    }
    return 0;
  }
  return 1;
}

int main(void) {
  unsigned long wrong = 0;
  for (size_t first = 0; first < @NAME_NUM_VECTORS; first += @NAME_WORD_BITS) {
    const size_t left = @NAME_NUM_VECTORS - first;
    const size_t num = left < @NAME_WORD_BITS ? left : @NAME_WORD_BITS;
    for (size_t s = 0; s < num; ++s) @name_set_sample(s, @name_vector_inputs[first + s]);
    @name_run();
    for (size_t s = 0; s < num; ++s) wrong += !@name_is_right(s, first + s, wrong == 0);
  }
  printf("%lu vectors, %lu wrong\\n", (unsigned long)@NAME_NUM_VECTORS, wrong);
  return wrong != 0;
}
"""
