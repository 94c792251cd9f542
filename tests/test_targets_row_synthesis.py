from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.targets.row_synthesis import CELLS, CENTRE, LEFT, RIGHT, RowGate, synthesize

MAJORITY = LEFT & CENTRE | LEFT & RIGHT | CENTRE & RIGHT
PARITY = LEFT ^ CENTRE ^ RIGHT
#: Functions that are 0 where all three cells are.
FUNCTIONS = st.sampled_from(range(2, 256, 2))


def tables(gates: tuple[RowGate, ...]) -> dict[int, int]:
    """What each gate computes, by what it says it computes."""
    value = dict(zip(CELLS, CELLS, strict=True))
    for gate in gates:
        a, b = value[gate.a], value[gate.b]
        bits = (gate.table >> ((a >> m & 1) + 2 * (b >> m & 1)) & 1 for m in range(8))
        value[gate.function] = sum(bit << m for m, bit in enumerate(bits))
    return value


@settings(max_examples=100)
@given(functions=st.frozensets(FUNCTIONS, max_size=6), extra_gates=st.integers(0, 3))
def test_gates_compute_what_they_say(functions: frozenset[int], extra_gates: int) -> None:
    gates = synthesize(functions, extra_gates)
    computed = tables(gates)
    assert all(said == value for said, value in computed.items())
    assert functions <= computed.keys()
    assert len({gate.function for gate in gates}) == len(gates)


@settings(max_examples=60)
@given(functions=st.frozensets(FUNCTIONS, max_size=3))
def test_more_freedom_never_costs(functions: frozenset[int]) -> None:
    sizes = [len(synthesize(functions, extra)) for extra in range(4)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] >= len(functions - set(CELLS))


@pytest.mark.parametrize(
    ("functions", "num_gates"),
    [
        ((), 0),
        (CELLS, 0),
        ((LEFT & CENTRE,), 1),
        ((PARITY,), 2),
        ((MAJORITY,), 4),
        ((LEFT & CENTRE | RIGHT & ~LEFT,), 3),
        ((PARITY, MAJORITY), 5),
        ((PARITY, MAJORITY, LEFT ^ RIGHT, LEFT & RIGHT), 5),
        ((LEFT ^ RIGHT, LEFT & RIGHT, LEFT | RIGHT), 3),
    ],
)
def test_the_fewest_gates(functions: tuple[int, ...], num_gates: int) -> None:
    assert len(synthesize(frozenset(functions), 3)) == num_gates
