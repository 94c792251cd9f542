"""A gate is its truth table; a soft gate is a truth table with entries in [0, 1].

A table of k inputs is an integer whose bit m is the output for the input row m, where input i of
the row is bit i of m (for two inputs m = a + 2b: AND is 0x8, OR 0xE, XOR 0x6, a 0xA, b 0xC). The
soft form of a gate is the array of its 2**k *corner values*, or equally the 2**k *coefficients* of
the one multilinear polynomial that passes through the corners; the Moebius transform relates them.
Everything another format wants to know of a gate is derived here from the table.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gatewright.errors import InputError

#: Name of each two-input gate, indexed by its table.
NAMES: tuple[str, ...] = (
    "false", "nor", "a&~b", "~b", "~a&b", "~a", "xor", "nand",
    "and", "xnor", "a", "a|~b", "b", "~a|b", "or", "true",
)  # fmt: skip

FALSE, AND, XOR, OR, NAND, NOR, XNOR, PASS_A, PASS_B, TRUE = (
    NAMES.index(name)
    for name in ("false", "and", "xor", "or", "nand", "nor", "xnor", "a", "b", "true")
)

FloatArray = npt.NDArray[np.floating[Any]]


def num_inputs_of(num_rows: int) -> int:
    """Number of inputs k of a table with 2**k rows; InputError when it is not a power of two."""
    k = num_rows.bit_length() - 1
    if num_rows < 1 or num_rows != 1 << k:
        raise InputError(f"a truth table has 2**k rows, not {num_rows}")
    return k


def rows(table: int, k: int = 2) -> npt.NDArray[np.bool_]:
    """Corner values of a hard gate: bool[2**k], row m is bit m of the table."""
    if not 0 <= table < 1 << (1 << k):
        raise InputError(f"table {table:#x} does not fit {k} inputs ({1 << k} rows)")
    return np.array([table >> m & 1 for m in range(1 << k)], dtype=np.bool_)


def from_rows(values: npt.ArrayLike) -> int:
    """Round corner values, shape [2**k], to the nearest hard table (a value above 1/2 is 1)."""
    corner = np.asarray(values)
    num_inputs_of(corner.shape[0])
    return sum(1 << m for m, value in enumerate(corner) if value > 0.5)


def coefficients(corners: FloatArray) -> FloatArray:
    """Corner values [2**k, ...] to coefficients [2**k, ...] of the multilinear polynomial.

    Coefficient m multiplies the product of the inputs i with bit i of m set. For two inputs:
    c0 = q0, c1 = q1 - q0, c2 = q2 - q0, c3 = q3 - q2 - q1 + q0 (Petersen et al. 2022, table 1).
    """
    return _butterfly(corners, -1)


def corners(coefficients: FloatArray) -> FloatArray:
    """Coefficients [2**k, ...] back to corner values [2**k, ...]; the inverse of `coefficients`."""
    return _butterfly(coefficients, 1)


def _butterfly(values: FloatArray, sign: int) -> FloatArray:
    k = num_inputs_of(values.shape[0])
    out = np.array(values, dtype=np.result_type(values, np.float32))
    for i in range(k):
        pairs = out.reshape(-1, 2, 1 << i, *out.shape[1:])
        pairs[:, 1] += sign * pairs[:, 0]
    return out


def polynomial(corners: FloatArray, inputs: FloatArray) -> FloatArray:
    """Soft output of a gate: corner values [2**k], inputs [k, ...] in [0, 1] -> [...].

    This is the expectation of the gate when input i is 1 with probability inputs[i], independently.
    """
    c = coefficients(np.asarray(corners))
    total = np.zeros(np.shape(inputs)[1:], dtype=np.result_type(c, inputs))
    for m, coefficient in enumerate(c):
        term = np.full_like(total, coefficient)
        for i, value in enumerate(inputs):
            if m >> i & 1:
                term = term * value
        total = total + term
    return total


def algebraic_normal_form(table: int, k: int = 2) -> tuple[int, ...]:
    """Monomials of the XOR-of-ANDs form, ascending; monomial m is the AND of the inputs in m.

    >>> algebraic_normal_form(0xE)  # a or b = a ^ b ^ ab
    (1, 2, 3)
    """
    values = rows(table, k).astype(np.uint8)
    for i in range(k):
        pairs = values.reshape(-1, 2, 1 << i)
        pairs[:, 1] ^= pairs[:, 0]
    return tuple(int(m) for m in np.flatnonzero(values))


def prime_cubes(table: int, k: int = 2) -> tuple[str, ...]:
    """An irredundant cover by prime cubes, as BLIF spells them: '1', '0' or '-' for each input.

    The recursion of Minato (1993) and Morreale (1970).

    >>> prime_cubes(0xE)
    ('1-', '-1')
    """
    rows(table, k)  # refuses a table that does not fit
    return tuple(_cover(table, table, k)[0])


def _cover(needed: int, allowed: int, k: int) -> tuple[list[str], int]:
    """Cubes that hold all rows needed and none that is not allowed; and the rows that they hold."""
    if not needed:
        return [], 0
    if allowed == (1 << (1 << k)) - 1:
        return ["-" * k], allowed
    half = 1 << (k - 1)  # rows in which the last input is 0
    needed0, needed1 = needed & (1 << half) - 1, needed >> half
    allowed0, allowed1 = allowed & (1 << half) - 1, allowed >> half
    cubes0, held0 = _cover(needed0 & ~allowed1, allowed0, k - 1)
    cubes1, held1 = _cover(needed1 & ~allowed0, allowed1, k - 1)
    cubes, held = _cover(needed0 & ~held0 | needed1 & ~held1, allowed0 & allowed1, k - 1)
    cubes = [cube + "-" for cube in cubes]
    cubes += [cube + "0" for cube in cubes0] + [cube + "1" for cube in cubes1]
    return cubes, held0 | held | (held1 | held) << half


def clauses(table: int, k: int = 2) -> tuple[tuple[int, ...], ...]:
    """CNF of `output <-> gate(inputs)`: literals +-(i + 1) for input i, +-(k + 1) for the output.

    One clause for each prime cube of the gate and of its complement (Tseitin's encoding).

    >>> clauses(0x8)
    ((-1, -2, 3), (1, -3), (2, -3))
    """
    complement = ~table & (1 << (1 << k)) - 1
    found: list[tuple[int, ...]] = []
    for cover, output in ((table, k + 1), (complement, -(k + 1))):
        for cube in prime_cubes(cover, k):
            body = (-(i + 1) if c == "1" else i + 1 for i, c in enumerate(cube) if c != "-")
            found.append((*body, output))
    return tuple(found)


#: How to spell operators: (not, and, or, xor, false, true).
C_OPERATORS = ("~{}", "{} & {}", "{} | {}", "{} ^ {}", "0", "~0")


def expression(
    table: int,
    names: Sequence[str] = ("a", "b"),
    operators: tuple[str, str, str, str, str, str] = C_OPERATORS,
) -> str:
    """The gate as an infix expression over the named inputs.

    Two-input gates use one binary operator at most; larger tables are expanded by Shannon's rule.
    """
    k = len(names)
    if not 0 <= table < 1 << (1 << k):
        raise InputError(f"table {table:#x} does not fit {k} inputs ({1 << k} rows)")
    invert, conj, disj, exclusive, false, true = operators
    if k == 0 or table == 0 or table == (1 << (1 << k)) - 1:
        return true if table & 1 else false
    if k == 1:
        return names[0] if table == 2 else invert.format(names[0])
    if k > 2:
        return _shannon(table, names, operators)
    a, b = names
    not_a, not_b = invert.format(a), invert.format(b)
    spelled = {
        0x1: invert.format(f"({disj.format(a, b)})"),
        0x2: conj.format(a, not_b),
        0x3: not_b,
        0x4: conj.format(not_a, b),
        0x5: not_a,
        0x6: exclusive.format(a, b),
        0x7: invert.format(f"({conj.format(a, b)})"),
        0x8: conj.format(a, b),
        0x9: invert.format(f"({exclusive.format(a, b)})"),
        0xA: a,
        0xB: disj.format(a, not_b),
        0xC: b,
        0xD: disj.format(not_a, b),
        0xE: disj.format(a, b),
    }
    return spelled[table]


def _shannon(
    table: int, names: Sequence[str], operators: tuple[str, str, str, str, str, str]
) -> str:
    invert, conj, disj, exclusive, _, _ = operators
    half = 1 << (len(names) - 1)
    true = (1 << half) - 1
    low, high = table & true, table >> half
    last, rest = names[-1], names[:-1]
    not_last = invert.format(last)
    if low == high:
        return expression(low, rest, operators)
    if (low, high) == (0, true):
        return last
    if (low, high) == (true, 0):
        return not_last
    when_low, when_high = (_bracket(expression(side, rest, operators)) for side in (low, high))
    if low == high ^ true:
        return exclusive.format(last, when_low)
    if low == 0:
        return conj.format(last, when_high)
    if high == 0:
        return conj.format(not_last, when_low)
    if low == true:
        return disj.format(not_last, when_high)
    if high == true:
        return disj.format(last, when_low)
    either = conj.format(last, when_high), conj.format(not_last, when_low)
    return disj.format(*(f"({part})" for part in either))


def _bracket(text: str) -> str:
    return text if re.fullmatch(r"~?\w+", text) else f"({text})"


def swap_inputs(table: int) -> int:
    """The two-input table with its inputs exchanged (rows 1 and 2 swap)."""
    return table & 0b1001 | (table & 0b0010) << 1 | (table & 0b0100) >> 1


def invert_input(table: int, which: int) -> int:
    """The two-input table seen through an inverter on input 0 (a) or 1 (b)."""
    if which == 0:
        return (table & 0b0101) << 1 | (table & 0b1010) >> 1
    return (table & 0b0011) << 2 | (table & 0b1100) >> 2


def is_nonlinear(table: int) -> bool:
    """True where the two-input gate needs an AND: its algebraic normal form holds ab."""
    return table.bit_count() % 2 == 1


def depends_on(table: int, which: int) -> bool:
    """True where the two-input table depends on input 0 (a) or 1 (b)."""
    return invert_input(table, which) != table
