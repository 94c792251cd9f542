"""The test of a circuit in C, and its vectors."""

from __future__ import annotations

import numpy as np

from gatewright.circuit import Bits, Circuit, all_inputs, unpack

EXHAUSTIVE_INPUTS = 10
RANDOM_VECTORS = 256


def vectors(circuit: Circuit) -> str:
    """The vectors of `PROGRAM`: every row of few inputs, else random ones."""
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
    return text + "#endif\n"


def _rows(num_inputs: int) -> Bits:
    """The test's rows, bool[N, num_inputs]: a third of the random ones sparse, a third dense."""
    if num_inputs <= EXHAUSTIVE_INPUTS:
        return unpack(all_inputs(num_inputs), 1 << num_inputs)
    draw = np.random.default_rng(0).random((RANDOM_VECTORS, num_inputs))
    density = np.resize([0.5, 0.125, 0.875], RANDOM_VECTORS)
    constant = np.arange(2)[:, None].repeat(num_inputs, axis=1)
    return np.concatenate([constant == 1, draw < density[:, None]])


_VECTORS_TOP = """\
/* Vectors for @name_test.c: bit i of a row is bit i % 8 of its byte i / 8. */
#ifndef @NAME_VECTORS_H
#define @NAME_VECTORS_H

#define @NAME_NUM_VECTORS @num_vectors

"""

#: The test: prints "N vectors, 0 wrong" and exits 0, or the first wrong vector and exits 1.
PROGRAM = """\
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
