from __future__ import annotations

import doctest
import re
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright import gates
from gatewright.errors import InputError


@st.composite
def tables(draw: st.DrawFn, max_inputs: int = 4) -> tuple[int, int]:
    """(table, number of inputs)."""
    k = draw(st.integers(0, max_inputs))
    return draw(st.integers(0, (1 << (1 << k)) - 1)), k


def input_rows(k: int) -> np.ndarray:
    """int[2**k, k]: row m holds the bits of m."""
    return np.arange(1 << k)[:, None] >> np.arange(k) & 1


def test_the_docstrings_examples_hold():
    assert doctest.testmod(gates).attempted >= 3
    assert doctest.testmod(gates).failed == 0


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("and", lambda a, b: a & b),
        ("or", lambda a, b: a | b),
        ("xor", lambda a, b: a ^ b),
        ("nand", lambda a, b: 1 - (a & b)),
        ("nor", lambda a, b: 1 - (a | b)),
        ("xnor", lambda a, b: 1 - (a ^ b)),
        ("a", lambda a, b: a),
        ("b", lambda a, b: b),
        ("~a", lambda a, b: 1 - a),
        ("~b", lambda a, b: 1 - b),
        ("a&~b", lambda a, b: a & (1 - b)),
        ("~a&b", lambda a, b: (1 - a) & b),
        ("a|~b", lambda a, b: a | (1 - b)),
        ("~a|b", lambda a, b: (1 - a) | b),
        ("false", lambda a, b: 0),
        ("true", lambda a, b: 1),
    ],
)
def test_names_are_in_the_order_of_the_tables(name, function):
    table = gates.NAMES.index(name)
    assert [table >> (a + 2 * b) & 1 for b in (0, 1) for a in (0, 1)] == [
        function(a, b) for b in (0, 1) for a in (0, 1)
    ]


def test_named_constants_are_the_tables_of_their_names():
    assert (gates.AND, gates.OR, gates.XOR, gates.PASS_A, gates.PASS_B) == (8, 14, 6, 10, 12)
    assert (gates.NAND, gates.NOR, gates.XNOR, gates.FALSE, gates.TRUE) == (7, 1, 9, 0, 15)


@given(tables())
def test_rows_and_from_rows_are_inverse(gate):
    table, k = gate
    assert gates.rows(table, k).shape == (1 << k,)
    assert [int(v) for v in gates.rows(table, k)] == [table >> m & 1 for m in range(1 << k)]
    assert gates.from_rows(gates.rows(table, k)) == table


def test_from_rows_rounds_to_the_nearest_table():
    assert gates.from_rows([0.2, 0.51, 0.5, 0.9]) == 0b1010


@given(st.integers(0, 4), st.data())
def test_coefficients_and_corners_are_inverse(k, data):
    seed = data.draw(st.integers(0, 2**32 - 1))
    values = np.random.default_rng(seed).random((1 << k, 3))
    np.testing.assert_allclose(gates.corners(gates.coefficients(values)), values, atol=1e-12)
    np.testing.assert_allclose(gates.coefficients(gates.corners(values)), values, atol=1e-12)


def test_coefficients_of_two_inputs_are_the_published_formula():
    q = np.random.default_rng(0).random(4)
    expected = [q[0], q[1] - q[0], q[2] - q[0], q[3] - q[2] - q[1] + q[0]]
    np.testing.assert_allclose(gates.coefficients(q), expected, atol=1e-15)


def test_coefficients_leave_their_argument_alone():
    q = np.ones(4)
    gates.coefficients(q)
    assert q.tolist() == [1, 1, 1, 1]


@given(tables())
def test_the_polynomial_is_the_table_at_the_corners(gate):
    table, k = gate
    found = gates.polynomial(gates.rows(table, k).astype(np.float64), input_rows(k).T * 1.0)
    np.testing.assert_array_equal(found, gates.rows(table, k))


@given(st.integers(0, 4), st.integers(0, 2**32 - 1))
def test_the_polynomial_is_the_expectation_elsewhere(k, seed):
    rng = np.random.default_rng(seed)
    q, p = rng.random(1 << k), rng.random((k, 5))
    expected = np.zeros(5)
    for m, row in enumerate(input_rows(k)):
        chance = np.ones(5)
        for bit, probability in zip(row, p, strict=True):
            chance = chance * (probability if bit else 1 - probability)
        expected += chance * q[m]
    np.testing.assert_allclose(gates.polynomial(q, p), expected, atol=1e-12)


def test_coefficients_of_hard_rows_need_no_conversion():
    np.testing.assert_array_equal(gates.coefficients(gates.rows(gates.XOR)), [0, 1, 1, -2])


@given(tables())
def test_the_algebraic_normal_form_evaluates_to_the_table(gate):
    table, k = gate
    monomials = gates.algebraic_normal_form(table, k)
    assert list(monomials) == sorted(set(monomials))
    for m in range(1 << k):
        value = sum((m & monomial) == monomial for monomial in monomials) % 2
        assert value == table >> m & 1


def is_in(cube: str, m: int) -> bool:
    return all(c == "-" or int(c) == m >> i & 1 for i, c in enumerate(cube))


def is_implicant(cube: str, table: int, k: int) -> bool:
    return all(table >> m & 1 for m in range(1 << k) if is_in(cube, m))


@given(tables())
def test_prime_cubes_are_an_irredundant_cover_by_primes(gate):
    table, k = gate
    cubes = gates.prime_cubes(table, k)
    assert len(set(cubes)) == len(cubes)
    for m in range(1 << k):
        assert any(is_in(cube, m) for cube in cubes) == bool(table >> m & 1)
    for cube in cubes:
        assert len(cube) == k
        for i, c in enumerate(cube):
            wider = cube[:i] + "-" + cube[i + 1 :]
            assert c == "-" or not is_implicant(wider, table, k), f"{cube} is not prime"
        others = [other for other in cubes if other != cube]
        own = [m for m in range(1 << k) if is_in(cube, m)]
        assert any(not any(is_in(other, m) for other in others) for m in own), "redundant"


@given(tables())
def test_clauses_hold_exactly_where_the_output_is_the_gates(gate):
    table, k = gate
    clauses = gates.clauses(table, k)
    for bits in product((0, 1), repeat=k + 1):
        holds = all(any((lit > 0) == bool(bits[abs(lit) - 1]) for lit in c) for c in clauses)
        m = sum(bit << i for i, bit in enumerate(bits[:k]))
        assert holds == (bits[k] == table >> m & 1)


NAMES = ("w", "x_1", "y", "z")


@given(tables())
def test_the_c_expression_evaluates_to_the_table(gate):
    table, k = gate
    text = gates.expression(table, NAMES[:k])
    for row, expected in zip(input_rows(k), gates.rows(table, k), strict=True):
        values = {name: -int(bit) for name, bit in zip(NAMES, row, strict=False)}
        assert eval(text, {}, values) == -int(expected), text


@given(tables())
def test_the_expression_with_python_operators_evaluates_to_the_table(gate):
    table, k = gate
    operators = ("not {}", "{} and {}", "{} or {}", "{} != {}", "False", "True")
    text = gates.expression(table, NAMES[:k], operators)
    for row, expected in zip(input_rows(k), gates.rows(table, k), strict=True):
        values = {name: bool(bit) for name, bit in zip(NAMES, row, strict=False)}
        assert eval(text, {}, values) == bool(expected), text


@pytest.mark.parametrize("table", range(16))
def test_a_two_input_gate_takes_one_binary_operator_at_most(table):
    text = gates.expression(table)
    assert len(re.findall(r"[&|^]", text)) == (0 if table in (0, 3, 5, 10, 12, 15) else 1)


def test_a_larger_gate_names_no_constant():
    for table in range(1, 255):
        assert "0" not in gates.expression(table, NAMES[:3])


def seen_through(table: int, change) -> int:
    """The table whose row (a, b) is the given one's row change(a, b)."""
    out = 0
    for a, b in product((0, 1), repeat=2):
        c, d = change(a, b)
        out |= (table >> (c + 2 * d) & 1) << (a + 2 * b)
    return out


@pytest.mark.parametrize("table", range(16))
def test_swapping_inverting_and_dependence(table):
    assert gates.swap_inputs(table) == seen_through(table, lambda a, b: (b, a))
    assert gates.invert_input(table, 0) == seen_through(table, lambda a, b: (1 - a, b))
    assert gates.invert_input(table, 1) == seen_through(table, lambda a, b: (a, 1 - b))
    assert gates.depends_on(table, 0) == (seen_through(table, lambda a, b: (1 - a, b)) != table)
    assert gates.depends_on(table, 1) == (seen_through(table, lambda a, b: (a, 1 - b)) != table)
    assert gates.is_nonlinear(table) == (3 in gates.algebraic_normal_form(table))


def test_errors_name_what_does_not_fit():
    with pytest.raises(InputError, match=r"2\*\*k rows, not 3"):
        gates.coefficients(np.zeros(3))
    with pytest.raises(InputError, match=r"not 0"):
        gates.num_inputs_of(0)
    with pytest.raises(InputError, match=r"table 0x10 does not fit 2 inputs \(4 rows\)"):
        gates.rows(16)
    with pytest.raises(InputError, match=r"0x4 does not fit 1 inputs"):
        gates.expression(4, ("a",))
    with pytest.raises(InputError, match=r"does not fit"):
        gates.prime_cubes(-1)
    with pytest.raises(InputError, match=r"does not fit"):
        gates.clauses(1 << 16, 2)
