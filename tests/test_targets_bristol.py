from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.circuit import Circuit
from gatewright.errors import InputError
from gatewright.targets import bristol, read
from random_circuits import assert_circuit_or_one_line, built_circuits, deep, raw_circuits

#: (x & y, x ^ y, not x, 1), with the kinds of gate that others write.
MIXED = """6 12
2 1 2
1 5

2 1 0 1 4 AND
2 1 0 1 3 XOR
1 1 2 8 INV
1 1 1 9 EQ
1 1 4 7 EQW
4 2 0 3 1 2 10 11 MAND
"""


def spelled(circuit: Circuit) -> bytes:
    (content,) = bristol.write(circuit).values()
    return content


def parse(text: str) -> Circuit:
    return bristol.read(text.encode(), "x.bristol")


@given(circuit=raw_circuits())
def test_reading_back_gives_the_same_function(circuit: Circuit) -> None:
    again = bristol.read(spelled(circuit), f"{circuit.name}.bristol")
    np.testing.assert_array_equal(again.truth_tables(), circuit.truth_tables())
    assert again.name == circuit.name
    assert again.input_names == tuple(f"i{n}" for n in range(circuit.num_inputs))


@given(circuit=built_circuits())
def test_there_are_no_more_ands_than_gates_that_need_one(circuit: Circuit) -> None:
    kinds = [line.rsplit(" ", 1)[-1] for line in spelled(circuit).decode().splitlines()[4:]]
    assert kinds.count("AND") == circuit.stats().ands
    assert kinds.count("XOR") == int((circuit.table == 6).sum())


def test_every_kind_of_gate_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mixed.txt"
    path.write_text(MIXED)
    x, y, z = np.array([[r >> i & 1 for i in range(3)] for r in range(8)], bool).T
    expected = [x & y, ~z, np.ones(8, bool), x & y, (x ^ y) & z]
    np.testing.assert_array_equal(read(path).truth_tables().T, expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("6 12\n", "6 12 1\n"), r"x.bristol:1: 3 numbers; a file begins with"),
        (("6 12\n", "7 12\n"), r"x.bristol:10: a gate should follow; is the file truncated"),
        (("6 12\n", "5 12\n"), r"x.bristol:10: more than the 5 gates announced"),
        (("6 12\n", "6 999999\n"), r"x.bristol:1: 6 gates and 999999 wires .* truncated"),
        (("6 12\n", "6 7\n"), r"x.bristol:3: 3 input and 5 output bits do not fit 7 wires"),
        (("6 12\n", "6 99999999999\n"), r"x.bristol:1: '99999999999' is not a number"),
        (("2 1 2", "3 1 2"), r"x.bristol:2: 3 input values and 2 widths"),
        (("0 1 4 AND", "0 1 4 NAND"), r"x.bristol:5: unknown gate 'NAND'; known: AND, XOR"),
        (("2 1 0 1 4", "2 1 0 4"), r"x.bristol:5: '2 1 0 4 AND' is no AND gate"),
        (("2 1 0 1 4", "2 1 0 12 4"), r"x.bristol:5: wire 12 is over 11"),
        (("2 1 0 1 4", "2 1 0 1 2"), r"x.bristol:5: wire 2 is driven already"),
        (("2 1 0 1 4", "2 1 0 7 4"), r"x.bristol:.*reads wire \d, which reads it: a loop"),
        (("2 1 0 1 4", "2 1 0 6 4"), r"x.bristol:5: wire 4 reads wire 6, which nothing drives"),
        (("1 1 1 9", "1 1 2 9"), r"x.bristol:8: EQ takes the value 0 or 1, not 2"),
        (("2 8 INV", "2 6 INV"), r"output wire 8 is driven by no gate"),
    ],
)
def test_what_is_wrong_is_named(change: tuple[str, str], message: str) -> None:
    text = MIXED.replace(*change)
    assert text != MIXED
    with pytest.raises(InputError, match=message):
        parse(text)


def test_deep_files_need_no_stack() -> None:
    circuit = deep(20_000)
    lines = spelled(circuit).decode().splitlines()
    lines[4:] = lines[4:][::-1]
    again = parse("\n".join(lines))
    np.testing.assert_array_equal(again.truth_tables(), circuit.truth_tables())


@given(built_circuits(), st.integers(0, 2**32))
def test_damaged_files_give_a_circuit_or_one_line(circuit: Circuit, seed: int) -> None:
    assert_circuit_or_one_line(bristol.read, spelled(circuit), seed)
