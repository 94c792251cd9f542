"""A whole model in C: from rows of numbers to a class, numbers or bits."""

from __future__ import annotations

import numpy as np

from gatewright.model import Model
from gatewright.targets.c_bits import INTEGERS, Comparisons, c_type
from gatewright.targets.c_model_header import Result, batch, single
from gatewright.targets.c_names import array, literal


def source(model: Model, comparisons: Comparisons, is_table: bool) -> str:
    """The encoder, the reading of the outputs, and the functions of the header over `@name`."""
    result = Result.of(model)
    num_inputs, num_outputs = comparisons.circuit.num_inputs, comparisons.circuit.num_outputs
    text = _TOP + ("" if comparisons.features in INTEGERS else _EXACT)
    if model.class_names is not None:
        names = "".join(f"  {literal(name)},\n" for name in model.class_names)
        text += f"const char *const @name_class_names[@NAME_NUM_CLASSES] = {{\n{names}}};\n\n"
    if num_inputs or num_outputs:
        text += _LANES
    text += _encoder(comparisons) if num_inputs else ""
    text += _BIT if num_outputs else ""
    text += _reading(model, result, num_outputs)
    # The table-driven form computes in place, over the inputs.
    values, size = ("values", "@NAME_NUM_VALUES") if is_table else ("in", str(max(1, num_inputs)))
    encode = "@name_encode(&rows[first * @NAME_NUM_FEATURES], block, @values);"
    filled = (
        _FUNCTIONS.replace("@encode", encode if num_inputs else _NO_INPUTS)
        .replace("@values", values)
        .replace("@size", size)
        .replace("@num_out", str(max(1, num_outputs)))
        .replace("@run", "@name_in_place" if is_table else "@name")
        .replace("@batch", batch(result))
        .replace("@single", single(result, comparisons))
        .replace("@one", _ONE if result.num == 1 else _SEVERAL)
    )
    filled = (text + filled).replace("@feature", c_type(comparisons.features))
    return filled.replace("@result", result.kind)


def _encoder(comparisons: Comparisons) -> str:
    """The constant arrays of the comparisons, and the functions that make them."""
    features = comparisons.features
    text, column, limit = "", "i", ""
    if comparisons.column != list(range(len(comparisons.column))):
        most = max(comparisons.column)
        kind = next(f"uint{bits}_t" for bits in (8, 16, 32) if most < 1 << bits)
        text += array("@name_column", kind, (f"{one}U" for one in comparisons.column)) + "\n"
        column = "@name_column[i]"
    with_limit = comparisons.limit[: comparisons.num_over + comparisons.num_equal]
    limits = [number(one, features) for one in with_limit]
    if len(set(limits)) == 1:
        limit = f", {limits[0]}"
    elif limits:
        text += array("@name_limit", c_type(features), limits) + "\n"
        limit = ", @name_limit[i]"
    loops, at = "", 0
    for kind, num in (
        ("over", comparisons.num_over),
        ("equal", comparisons.num_equal),
        ("missing", comparisons.num_missing),
    ):
        if num:
            has_limit = kind != "missing"
            test = _GATHER.replace("@kind", kind).replace("@test", _TESTS[kind])
            text += test.replace("@limit", ", @feature limit" if has_limit else "")
            call = f"@name_{kind}(&rows[{column}], num{limit if has_limit else ''}, &in[i])"
            loops += _LOOP.format(at=at, end=at + num, call=call)
        at += num
    return text + _ENCODE.replace("@loops", loops)


def _reading(model: Model, result: Result, num_outputs: int) -> str:
    """The function that reads a sample's outputs."""
    if not num_outputs:
        body = "  (void)out, (void)s, (void)result;\n"
        body += "  *result = 0;\n" if result.num else ""
    elif model.numbers is not None:
        width = num_outputs // model.numbers.num
        body = _NUMBERS.replace("@width", str(width)).replace("@num", str(model.numbers.num))
        body = body.replace("@count", f"uint{32 if width <= 32 else 64}_t")
        body = body.replace("@scale", number(model.numbers.scale, "double"))
        body = body.replace("@offset", number(model.numbers.offset, "double"))
    else:
        body = _BITS if model.num_classes is None else _CLASS
    return _READ.replace("@body", body)


def number(value: float, features: str) -> str:
    """The shortest numeral that is this number."""
    if features in INTEGERS:
        return f"{int(value)}{'U' if features.startswith('u') else ''}"
    return f"{np.float32(value)}F" if features == "float" else repr(float(value))


_TOP = """\

/* The model, whose interface @name_model.h documents. */
#include "@name_model.h"

"""

_EXACT = """\
#if defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__ > 0
#error "comparisons with NaN must be exact: compile without -ffast-math and -ffinite-math-only"
#endif

"""

_LANES = """\
#ifdef @NAME_VECTOR_BYTES
typedef uint64_t @name_lane;
#define @NAME_LANE(word, s) ((word)[(s) / 64U])
#else
typedef @name_word @name_lane;
#define @NAME_LANE(word, s) (word)
#endif
#define @NAME_LANE_BITS (8U * sizeof(@name_lane))

"""

_GATHER = """\
/* Bit s becomes that of row s, for num rows. */
static void @name_@kind(const @feature *column, size_t num@limit, @name_word *to) {
  @name_word bits = {0};
  for (size_t s = 0; s != num; ++s) {
    const @feature x = column[s * @NAME_NUM_FEATURES];
    const @name_lane bit = (@name_lane)(@test ? 1U : 0U);
    const @name_lane moved = (@name_lane)(bit << (s % @NAME_LANE_BITS));
    @NAME_LANE(bits, s) = (@name_lane)(@NAME_LANE(bits, s) | moved);
  }
  *to = bits;
}

"""

#: NaN is over nothing, equal to nothing, and the only number of which neither is so.
_TESTS = {
    "over": "(x > limit)",
    "equal": "((x >= limit) && (x <= limit))",
    "missing": "(!(x >= 0) && !(x <= 0))",
}

_LOOP = """\
  for (size_t i = {at}; i != {end}; ++i) {{
    {call};
  }}
"""

_ENCODE = """\
static void @name_encode(const @feature *rows, size_t num, @name_word *in) {
@loops}

"""

_BIT = """\
static unsigned @name_bit(const @name_word *out, size_t s) {
  return (unsigned)((@NAME_LANE(*out, s) >> (s % @NAME_LANE_BITS)) & 1U);
}

"""

_READ = """\
static void @name_read(const @name_word *out, size_t s, @result *result) {
@body}

"""

_CLASS = """\
  uint32_t number = 0;
  for (size_t o = 0; o != @NAME_NUM_OUTPUTS; ++o) {
    number |= (uint32_t)@name_bit(&out[o], s) << o;
  }
  *result = (@result)number;
"""

_BITS = """\
  for (size_t o = 0; o != @NAME_NUM_OUTPUTS; ++o) {
    result[o] = (@result)@name_bit(&out[o], s);
  }
"""

_NUMBERS = """\
  for (size_t n = 0; n != @numU; ++n) {
    @count count = 0;
    for (size_t o = 0; o != @widthU; ++o) {
      count |= (@count)@name_bit(&out[(n * @widthU) + o], s) << o;
    }
    /* Stored, so that no compiler rounds product and sum at once. */
    const volatile double product = (double)count * @scale;
    result[n] = product + @offset;
  }
"""

_NO_INPUTS = "(void)rows;\n    @values[0] = (@name_word){0};"

_ONE = """\
  @result result;
  @name_predict_batch(row, 1U, &result);
  return result;
"""

_SEVERAL = """\
  @name_predict_batch(row, 1U, result);
"""

_FUNCTIONS = """\
@batch {
  const size_t most = 8U * sizeof(@name_word);
  for (size_t first = 0; first < num; first += most) {
    const size_t left = num - first;
    const size_t block = (left < most) ? left : most;
    @name_word @values[@size];
    @name_word out[@num_out];
    @encode
    @run(@values, out);
    for (size_t s = 0; s != block; ++s) {
      @name_read(out, s, &results[(first + s) * @NAME_NUM_RESULTS]);
    }
  }
}

@single {
@one}
"""
