"""Target `c-automaton`: C99 that steps a torus of cells, each by one 9-input circuit.

The layout in memory makes neighbours whole words, so that a generation needs no shifts: see the
comment at the top of `_SOURCE`. What rows share is found by `row_functions.share`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gatewright import gates
from gatewright.circuit import Circuit
from gatewright.passes.mapping import map_luts
from gatewright.targets.c_names import identifier
from gatewright.targets.row_functions import Operand, Sharing, share
from gatewright.targets.row_synthesis import CELLS

_OPERATORS = ("~{}", "{} & {}", "{} | {}", "{} ^ {}", "zero", "~zero")
_CELL_NAMES: dict[int, str] = dict(zip(CELLS, "lcr", strict=True))
_ROW_NAMES = ("up", "own", "down")


def write(circuit: Circuit) -> dict[str, bytes]:
    """Return {name_board.c, name_board.h}; name is the circuit's, made C's.

    The circuit has the inputs x0 to x8, row by row (x0 upper left, x4 the cell itself), and one
    output, the cell's next state. The header documents the interface.

    Raises:
        InputError: the circuit has other numbers of inputs or outputs.
    """
    name = identifier(circuit.name)
    sharing = share(circuit)
    counts = (
        f"row functions: {sharing.row_operations} operations a row, "
        f"combine: {sharing.cell_operations}, "
        f"total {sharing.row_operations + sharing.cell_operations}"
    )
    functions = _functions(sharing, by_threes=False)
    ternary = _functions(sharing, by_threes=True)
    choice = _CHOICE.replace("@ternary", ternary).replace("@binary", functions)
    vectors = _STEPPER.replace("@functions", choice)
    vectors = vectors.replace("@target", "@NAME_WIDE_CODE ").replace("@kind", "wide")
    words = _STEPPER.replace("@functions", functions)
    words = words.replace("@target", "").replace("@kind", "narrow")
    source = (
        _SOURCE.replace("@counts", counts)
        .replace("@ternary_count", str(_num_operations(ternary)))
        .replace("@wide_stepper", vectors.replace("@lanes", "@NAME_LANES"))
        .replace("@narrow_stepper", words.replace("@lanes", "1"))
    )
    return {
        f"{name}_board.c": _named(source, name).encode(),
        f"{name}_board.h": _named(_HEADER, name).encode(),
    }


def shared_operations(circuit: Circuit) -> tuple[int, int]:
    """Operations on words that the inner loop has: (for each new row, for each word of cells)."""
    sharing = share(circuit)
    return sharing.row_operations, sharing.cell_operations


def _named(template: str, name: str) -> str:
    return template.replace("@name", name).replace("@NAME", name.upper())


def _functions(sharing: Sharing, *, by_threes: bool) -> str:
    """The row's type and the two functions over it, for words of type @name_@kind."""
    carried = [_field(function) for function in sharing.carried] or ["c"]
    row = [_Gate(_field(g.function), g.table, _field(g.a), _field(g.b)) for g in sharing.row_gates]
    cell = [
        _Gate(f"g{i}", gate.table, _operand(gate.a), _operand(gate.b))
        for i, gate in enumerate(sharing.cell_gates)
    ]
    output = "zero" if sharing.output is None else _operand(sharing.output)
    spell = _ternary if by_threes else _binary
    row_lines = spell(row, carried) + [f"row->{field} = {field};" for field in carried]
    cell_lines = spell(cell, [output])
    cell_lines.append(f"*out = {'~' if sharing.is_inverted else ''}{output};")
    if sharing.output is None:
        cell_lines.insert(0, "const @name_@kind zero = {0};")
    return (
        _FUNCTIONS.replace("@fields", ", ".join(carried))
        .replace("@row", _lines(row_lines))
        .replace("@cell", _lines(cell_lines))
    )


def _num_operations(functions: str) -> int:
    """Values that both functions compute, those that they read left out."""
    return sum(
        " = " in line and "const @name_@kind l =" not in line
        for line in functions.splitlines()
        if line.startswith("  const @name_@kind ")
    )


class _Gate(NamedTuple):
    """A gate between values that have names."""

    name: str
    table: int
    a: str
    b: str


def _binary(known: Sequence[_Gate], outputs: Sequence[str]) -> list[str]:
    del outputs
    return [_statement(gate.name, gate.table, gate.a, gate.b) for gate in known]


def _ternary(known: Sequence[_Gate], outputs: Sequence[str]) -> list[str]:
    """The same values in instructions of three operands, which compute any function of them."""
    own = {gate.name for gate in known}
    read = [name for gate in known for name in (gate.a, gate.b)]
    inputs = list(dict.fromkeys(name for name in read if name not in own))
    names = ["", *inputs, *(gate.name for gate in known)]
    node = {name: index for index, name in enumerate(names)}
    wanted = [name for name in outputs if name in own]
    circuit = Circuit(
        np.array([[node[gate.a], node[gate.b]] for gate in known], np.int32).reshape(-1, 2),
        np.array([gate.table for gate in known], np.uint8),
        np.array([2 * node[name] for name in wanted], np.int32),
        tuple(inputs),
        tuple(wanted),
    )
    lines: list[str] = []
    for lut in map_luts(circuit, 3):
        leaves = [names[leaf] for leaf in lut.leaves]
        if len(leaves) == 3:
            # The instruction takes its first operand as bit 2 of a row.
            operands = ", ".join(f"(__m512i){leaf}" for leaf in reversed(leaves))
            value = f"(@name_@kind)_mm512_ternarylogic_epi64({operands}, {lut.table:#04x})"
            lines.append(f"const @name_@kind {names[lut.node]} = {value};")
        else:
            lines.append(_statement(names[lut.node], lut.table, *leaves))
    return lines


def _lines(statements: list[str]) -> str:
    return "".join(f"\n  {statement}" for statement in statements)


def _statement(target: str, table: int, *operands: str) -> str:
    return f"const @name_@kind {target} = {gates.expression(table, operands, _OPERATORS)};"


def _field(function: int) -> str:
    return _CELL_NAMES.get(function, f"f{function:02x}")


def _operand(operand: Operand) -> str:
    if operand.row is None:
        return f"g{operand.index}"
    return f"{_ROW_NAMES[operand.row]}->{_field(operand.index)}"


_HEADER = """\
/* Boards of cells that live by @name, generated by Gatewright. C99.
 *
 * A board is a torus of any width and height from 1. Outside, it is rows from the top down, each of
 * (width + 63) / 64 words of 64 bits; column x is bit x % 64 of word x / 64; spare bits are 0 when
 * written and ignored when read. Inside, it is in an order of its own, in memory that the caller
 * gives: @name_board_bytes() bytes aligned to 64. Nothing else is kept, so threads may each step a
 * board of their own.
 *
 * @name_board.c computes on 64-bit words, or, compiled with -D@NAME_BOARD_VECTOR_BYTES=16, 32 or 64
 * (GCC and Clang), on vectors of that size, wherever a vector's number of 64-bit lanes divides the
 * height. The width is served best where it has a divisor of 64 or just below: 64 n.
 *
 * Functions return 0, or one of the errors below and have done nothing.
 */
#ifndef @NAME_BOARD_H
#define @NAME_BOARD_H

#include <stddef.h>
#include <stdint.h>

#define @NAME_BOARD_MISALIGNED 1 /* the memory does not start at a multiple of 64 */
#define @NAME_BOARD_BAD_SIZE 2   /* width or height is 0, or so large that the bytes overflow */
#define @NAME_BOARD_NOT_LOADED 3 /* the memory holds no board: load one first */

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes that a board takes, or 0 for a bad size. */
size_t @name_board_bytes(size_t width, size_t height);

/* Makes a board in the memory from its rows. */
int @name_board_load(void *board, size_t width, size_t height, const uint64_t *rows);

/* Steps the board by some generations. */
int @name_board_step(void *board, size_t generations);

/* Writes the board's rows. */
int @name_board_store(const void *board, uint64_t *rows);

#ifdef __cplusplus
}
#endif

#endif
"""

_SOURCE = """\
/* Generated by Gatewright; @name_board.h documents the interface.
 *
 * The width is cut into S strips of J columns (S is the largest divisor up to 64) and the height
 * into L blocks of R rows (L is the number of 64-bit lanes of a word). The word of row r and column
 * j, r < R, j < J, holds in bit s of lane l the cell of column s J + j and row l R + r. So all
 * neighbours of its cells are the same bits of the neighbouring words. Words lie column by column;
 * around them lies a border of copies, rows -1 and R, columns -1 and J, in which strips and blocks
 * are turned by one.
 *
 * A generation goes down one column after the other. A column's next state takes the place of the
 * column to its left, which has been read by then; so the columns wander through a ring of J + 3.
 *
 * Inner loop, in operations on words: @counts;
 * on vectors of 64 bytes with AVX-512, whose instructions have three operands: @ternary_count.
 */
#include "@name_board.h"

#if defined(@NAME_BOARD_VECTOR_BYTES)
#if !defined(__GNUC__) || defined(__TINYC__)
#error "@NAME_BOARD_VECTOR_BYTES needs the vector_size attribute of GCC or Clang"
#elif @NAME_BOARD_VECTOR_BYTES == 16 || @NAME_BOARD_VECTOR_BYTES == 32 || \\
    @NAME_BOARD_VECTOR_BYTES == 64
#define @NAME_LANES (@NAME_BOARD_VECTOR_BYTES / 8)
#else
#error "@NAME_BOARD_VECTOR_BYTES is 16, 32 or 64"
#endif
#else
#define @NAME_LANES 1
#endif

#define @NAME_MAGIC 0x6472616f62657467u

/* The start of a board's memory; the words follow. */
typedef struct {
  uint64_t magic;
  size_t width, height;
  size_t strips, columns; /* S and J */
  size_t lanes, rows;     /* L and R */
  size_t first;           /* the ring's slot that holds column -1 */
} @name_head;

typedef uint64_t @name_narrow;

/* Sets strips, columns, lanes and rows; the board's bytes, or 0. */
static size_t @name_plan(@name_head *h, size_t width, size_t height) {
  if (width == 0 || height == 0) return 0;
  h->strips = width < 64 ? width : 64;
  while (width % h->strips) --h->strips;
  h->columns = width / h->strips;
  h->lanes = height % @NAME_LANES ? 1 : @NAME_LANES;
  h->rows = height / h->lanes;
  const size_t words = ((size_t)-1 - sizeof(@name_head)) / sizeof(uint64_t);
  if (height > words - 2 * h->lanes) return 0;
  const size_t most = words / (height + 2 * h->lanes);
  if (most < 4 || h->columns > most - 3) return 0;
  return sizeof(@name_head) + (h->columns + 3) * (height + 2 * h->lanes) * sizeof(uint64_t);
}

/* Row 0 of the column in slot first + index of the ring. */
static size_t @name_column(const @name_head *h, size_t index) {
  const size_t ring = h->columns + 3, slot = h->first + index;
  return ((slot < ring ? slot : slot - ring) * (h->rows + 2) + 1) * h->lanes;
}

/* Fills a column's rows -1 and R: the rows at the other end, from the block above or below. */
static void @name_border_rows(uint64_t *column, size_t rows, size_t lanes) {
  uint64_t *above = column - lanes, *below = column + rows * lanes;
  for (size_t l = 0; l < lanes; ++l) {
    above[l] = below[(l ? l : lanes) - 1 - lanes];
    below[l] = column[l + 1 < lanes ? l + 1 : 0];
  }
}

@narrow_stepper
#if @NAME_LANES > 1
typedef uint64_t @name_wide __attribute__((vector_size(8 * @NAME_LANES), may_alias));

/* Clang would rather not use the widest registers. */
#ifdef __clang__
#define @NAME_WIDE_CODE __attribute__((__min_vector_width__(64 * @NAME_LANES)))
#else
#define @NAME_WIDE_CODE
#endif

@wide_stepper
#endif

size_t @name_board_bytes(size_t width, size_t height) {
  @name_head h;
  return @name_plan(&h, width, height);
}

int @name_board_load(void *board, size_t width, size_t height, const uint64_t *rows) {
  @name_head *h = board, head = {@NAME_MAGIC, width, height, 0, 0, 0, 0, 0};
  uint64_t *words = (uint64_t *)(h + 1);
  const size_t row_words = width / 64 + (width % 64 != 0);
  if ((uintptr_t)board % 64) return @NAME_BOARD_MISALIGNED;
  if (@name_plan(&head, width, height) == 0) return @NAME_BOARD_BAD_SIZE;
  *h = head;
  for (size_t y = 0; y < height; ++y) {
    for (size_t j = 0; j < h->columns; ++j) {
      uint64_t word = 0;
      for (size_t s = 0, x = j; s < h->strips; ++s, x += h->columns) {
        word |= (rows[y * row_words + x / 64] >> x % 64 & 1) << s;
      }
      words[@name_column(h, j + 1) + y % h->rows * h->lanes + y / h->rows] = word;
    }
  }
  for (size_t j = 1; j <= h->columns; ++j) {
    @name_border_rows(words + @name_column(h, j), h->rows, h->lanes);
  }
  @name_narrow_border_columns(h, words);
  return 0;
}

int @name_board_step(void *board, size_t generations) {
  @name_head *h = board;
  if ((uintptr_t)board % 64) return @NAME_BOARD_MISALIGNED;
  if (h->magic != @NAME_MAGIC) return @NAME_BOARD_NOT_LOADED;
#if @NAME_LANES > 1
  if (h->lanes > 1) {
    @name_wide_step(h, generations);
    return 0;
  }
#endif
  @name_narrow_step(h, generations);
  return 0;
}

int @name_board_store(const void *board, uint64_t *rows) {
  const @name_head *h = board;
  const uint64_t *words = (const uint64_t *)(h + 1);
  if ((uintptr_t)board % 64) return @NAME_BOARD_MISALIGNED;
  if (h->magic != @NAME_MAGIC) return @NAME_BOARD_NOT_LOADED;
  const size_t row_words = h->width / 64 + (h->width % 64 != 0);
  for (size_t y = 0; y < h->height; ++y) {
    uint64_t *row = rows + y * row_words;
    for (size_t i = 0; i < row_words; ++i) row[i] = 0;
    for (size_t j = 0; j < h->columns; ++j) {
      uint64_t word = words[@name_column(h, j + 1) + y % h->rows * h->lanes + y / h->rows];
      for (size_t x = j; x < h->width; x += h->columns, word >>= 1) {
        row[x / 64] |= (word & 1) << x % 64;
      }
    }
  }
  return 0;
}
"""

#: The functions of the widest words: GCC and Clang find few of these instructions by themselves.
_CHOICE = """\
#if @NAME_LANES == 8 && defined(__AVX512F__)
#include <immintrin.h>
@ternary#else
@binary#endif
"""

_FUNCTIONS = """\
/* What cells read of a row, theirs or one beside it: its cells (l, c, r: left, centre, right) and
 * functions of them, fTT the one with the truth table 0xTT whose bit number is l + 2 c + 4 r. */
typedef struct {
  @name_@kind @fields;
} @name_@kind_row;

@targetstatic inline void @name_@kind_read(const @name_@kind *left, const @name_@kind *centre,
    const @name_@kind *right, @name_@kind_row *row) {
  const @name_@kind l = *left, c = *centre, r = *right;
  (void)l, (void)c, (void)r;@row
}

@targetstatic inline void @name_@kind_cell(const @name_@kind_row *up, const @name_@kind_row *own,
    const @name_@kind_row *down, @name_@kind *out) {
  (void)up, (void)own, (void)down;@cell
}
"""

_STEPPER = """\
@functions
/* Steps a column; pointers are at row 0, and out may be left. By threes, so that the rows in hand
 * need not be moved. */
@targetstatic void @name_@kind_column(const @name_@kind *left, const @name_@kind *centre,
    const @name_@kind *right, @name_@kind *out, size_t rows) {
  @name_@kind_row a, b, c;
  size_t r = 0;
  @name_@kind_read(left - 1, centre - 1, right - 1, &a);
  @name_@kind_read(left, centre, right, &b);
  for (; r + 3 <= rows; r += 3) {
    @name_@kind_read(left + r + 1, centre + r + 1, right + r + 1, &c);
    @name_@kind_cell(&a, &b, &c, out + r);
    @name_@kind_read(left + r + 2, centre + r + 2, right + r + 2, &a);
    @name_@kind_cell(&b, &c, &a, out + r + 1);
    @name_@kind_read(left + r + 3, centre + r + 3, right + r + 3, &b);
    @name_@kind_cell(&c, &a, &b, out + r + 2);
  }
  for (; r < rows; ++r) {
    @name_@kind_read(left + r + 1, centre + r + 1, right + r + 1, &c);
    @name_@kind_cell(&a, &b, &c, out + r);
    a = b;
    b = c;
  }
}

/* Fills columns -1 and J: the columns at the other end, from the strip to the left or right. */
@targetstatic void @name_@kind_border_columns(const @name_head *h, uint64_t *words) {
  typedef @name_@kind word;
  const word *restrict left_of = (const word *)(words + @name_column(h, h->columns) - h->lanes);
  const word *restrict right_of = (const word *)(words + @name_column(h, 1) - h->lanes);
  word *restrict left = (word *)(words + @name_column(h, 0) - h->lanes);
  word *restrict right = (word *)(words + @name_column(h, h->columns + 1) - h->lanes);
  const size_t num = (h->rows + 2) * h->lanes * sizeof(uint64_t) / sizeof(word);
  if (h->strips == 64) {
    for (size_t i = 0; i < num; ++i) {
      left[i] = left_of[i] << 1 | left_of[i] >> 63;
      right[i] = right_of[i] >> 1 | right_of[i] << 63;
    }
    return;
  }
  const uint64_t last = h->strips - 1, mask = ((uint64_t)2 << last) - 1;
  for (size_t i = 0; i < num; ++i) {
    left[i] = (left_of[i] << 1 & mask) | (left_of[i] & mask) >> last;
    right[i] = (right_of[i] & mask) >> 1 | (right_of[i] << last & mask);
  }
}

static void @name_@kind_step(@name_head *h, size_t generations) {
  uint64_t *words = (uint64_t *)(h + 1);
  for (size_t g = 0; g < generations; ++g) {
    for (size_t j = 0; j < h->columns; ++j) {
      uint64_t *left = words + @name_column(h, j);
      @name_@kind_column((@name_@kind *)left, (@name_@kind *)(words + @name_column(h, j + 1)),
          (@name_@kind *)(words + @name_column(h, j + 2)), (@name_@kind *)left, h->rows);
      @name_border_rows(left, h->rows, @lanes);
    }
    h->first = (h->first ? h->first : h->columns + 3) - 1;
    @name_@kind_border_columns(h, words);
  }
}
"""
