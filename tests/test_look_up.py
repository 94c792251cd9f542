from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gatewright import gates
from gatewright.circuit import Builder, Circuit
from gatewright.look_up import look_up

TABLES = st.integers(3, 6).flatmap(
    lambda k: st.tuples(st.just(k), st.integers(0, (1 << (1 << k)) - 1))
)


def circuit_of(k: int, table: int) -> Circuit:
    builder = Builder([f"x{i}" for i in range(k)])
    builder.output("y", look_up(builder, table, builder.inputs))
    return builder.build()


def table_of(circuit: Circuit) -> int:
    return sum(int(bit) << m for m, bit in enumerate(circuit.truth_tables()[:, 0]))


def table_where(k: int, holds) -> int:
    return sum(1 << m for m in range(1 << k) if holds(*(m >> i & 1 for i in range(k))))


def test_every_table_of_up_to_three_inputs():
    for k in range(4):
        for table in range(1 << (1 << k)):
            circuit = circuit_of(k, table)
            assert table_of(circuit) == table
            assert circuit.num_gates <= (0, 0, 1, 4)[k]


@given(TABLES)
def test_tables_of_up_to_six_inputs(one):
    k, table = one
    circuit = circuit_of(k, table)
    assert table_of(circuit) == table
    assert circuit.num_gates <= 3 * (1 << k - 2)  # far below Shannon's 3 (2**(k - 1) - 1)


def test_inverted_constant_and_repeated_operands():
    builder = Builder("ab")
    a, b = builder.inputs
    majority = table_where(3, lambda x, y, z: x + y + z >= 2)
    builder.output("and", look_up(builder, majority, [a, b, 0]))
    builder.output("or", look_up(builder, majority, [a, 1, b]))
    builder.output("a", look_up(builder, majority, [a, a ^ 1, a]))
    rows = builder.build().truth_tables()
    for column, table in enumerate((gates.AND, gates.OR, gates.PASS_A)):
        assert [int(bit) for bit in rows[:, column]] == [table >> m & 1 for m in range(4)]


def test_known_functions_take_as_many_gates_as_they_need():
    known = {
        "parity": (6, lambda *x: sum(x) % 2 == 1, 5),
        "conjunction": (6, lambda *x: all(x), 5),
        "multiplexer": (3, lambda s, a, b: a if s else b, 3),
        "majority": (3, lambda *x: sum(x) >= 2, 4),
        "one that reads three of six": (6, lambda *x: x[1] ^ (x[3] & x[5]), 2),
        "one input": (5, lambda *x: not x[4], 0),
    }
    for name, (k, holds, num_gates) in known.items():
        circuit = circuit_of(k, table_where(k, holds))
        assert circuit.num_gates == num_gates, name
