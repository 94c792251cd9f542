"""The test of a whole model in C, and its vectors: rows and what is predicted of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gatewright.encode import BitTable, Identity
from gatewright.model import Model
from gatewright.targets.c_bits import INTEGERS, c_type, dtype_of
from gatewright.targets.c_model import number
from gatewright.targets.c_model_header import Result
from gatewright.targets.c_names import wrapped

#: Rows at least and at most: more than a word of 64 bits holds, and as many as numbers allow.
LEAST_ROWS, MOST_ROWS = 70, 256
NUMBERS = 20_000


def vectors(model: Model, features: str) -> str:
    """Rows about the limits, some numbers missing, and what the model says of them."""
    result = Result.of(model)
    encoder = model.encoder or Identity((model.circuit.num_inputs,))
    bits = encoder.bit_table
    num_features = int(np.prod(encoder.shape, dtype=np.int64))
    x = rows(bits, num_features, features)
    said = replace(model, encoder=None).predict(bits(x)).reshape(len(x), result.num)
    text = _TOP.replace("@num_vectors", str(len(x)))
    for name, kind, values, spelled in (
        ("rows", c_type(features), x, features),
        ("results", result.kind, said, "double" if result.kind == "double" else "int32"),
    ):
        lines = wrapped(_spelled(value, spelled) for value in values.ravel().tolist())
        size = max(1, values.size)
        text += f"static const {kind} @name_vector_{name}[{size}] = {{\n{lines or '  0'}}};\n\n"
    return text + "#endif\n"


def rows(bits: BitTable, num_features: int, features: str) -> npt.NDArray[Any]:
    """Random numbers of the type, [N, num_features]: limits, what is next to them, and NaN."""
    num = min(MOST_ROWS, max(LEAST_ROWS, NUMBERS // max(1, num_features)))
    rng = np.random.default_rng(0)
    dtype = dtype_of(features)
    is_integer = features in INTEGERS
    low, high = (np.iinfo(dtype).min, np.iinfo(dtype).max) if is_integer else (-100, 100)
    most = float("inf") if is_integer else float(np.finfo(dtype).max)
    x = rng.integers(low, high, (num, num_features), endpoint=True).astype(dtype)
    limits = np.clip(np.where(np.isfinite(bits.limit), bits.limit, 0), -most, most)
    for column in range(num_features):
        own = limits[bits.column == column]
        if not len(own):
            continue
        drawn = own[rng.integers(len(own), size=num)]
        if is_integer:
            near = np.clip(np.floor(drawn) + rng.integers(-1, 2, num), low, high).astype(dtype)
        else:
            near = drawn.astype(dtype)
            step = np.where(rng.integers(2, size=num) == 1, np.inf, -np.inf).astype(dtype)
            with np.errstate(over="ignore"):
                near = np.where(rng.integers(3, size=num) == 0, near, np.nextafter(near, step))
        x[:, column] = np.where(rng.random(num) < 0.75, near, x[:, column])
    if not is_integer:
        x[rng.random(x.shape) < 0.1] = np.nan
    return x


def _spelled(value: float, features: str) -> str:
    if value != value:
        return "NAN"
    return number(value, features)


def program(model: Model, features: str) -> str:
    """Prints "N vectors, 0 wrong" and exits 0, or the first wrong vector and exits 1."""
    one = (
        "got[0] = @name_predict(row);" if Result.of(model).num == 1 else "@name_predict(row, got);"
    )
    text = _PROGRAM.replace("@one", one).replace("@kind", Result.of(model).kind)
    return text.replace("@feature", c_type(features))


_TOP = """\
/* Vectors for @name_test.c, one row after the other. */
#ifndef @NAME_VECTORS_H
#define @NAME_VECTORS_H

#include <math.h>

#define @NAME_NUM_VECTORS @num_vectors

"""

_PROGRAM = """\
/* Runs the rows of @name_vectors.h, all at once and one by one; exits 1 where a result is wrong. */
#include "@name_model.h"

#include <stdio.h>

#include "@name_vectors.h"

static @kind @name_results[(@NAME_NUM_VECTORS * @NAME_NUM_RESULTS) + 1];

/* True where both are what they should be; else prints them, if it is the first wrong vector. */
static int @name_is_right(size_t vector, const @kind *batch, const @kind *got, int is_first) {
  for (size_t i = 0; i != @NAME_NUM_RESULTS; ++i) {
    const @kind expected = @name_vector_results[(vector * @NAME_NUM_RESULTS) + i];
    const int is_right = (batch[i] >= expected) && (batch[i] <= expected);
    if (is_right && (got[i] >= expected) && (got[i] <= expected)) {
      continue;
    }
    if (is_first) {
      printf("vector %lu: result %lu is %g, alone %g, not %g\\n", (unsigned long)vector,
             (unsigned long)i, (double)batch[i], (double)got[i], (double)expected);
    }
    return 0;
  }
  return 1;
}

int main(void) {
  unsigned long wrong = 0;
  @name_predict_batch(@name_vector_rows, @NAME_NUM_VECTORS, @name_results);
  for (size_t v = 0; v != @NAME_NUM_VECTORS; ++v) {
    const @feature *row = &@name_vector_rows[v * @NAME_NUM_FEATURES];
    @kind got[@NAME_NUM_RESULTS + 1] = {0};
    @one
    if (!@name_is_right(v, &@name_results[v * @NAME_NUM_RESULTS], got, wrong == 0U)) {
      ++wrong;
    }
  }
  printf("%lu vectors, %lu wrong\\n", (unsigned long)@NAME_NUM_VECTORS, wrong);
  return wrong != 0U;
}
"""
