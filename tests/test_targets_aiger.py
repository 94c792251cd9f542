from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.circuit import Builder, Circuit
from gatewright.errors import InputError
from gatewright.targets import aiger, read
from gatewright.verify import prove
from random_circuits import assert_circuit_or_one_line, built_circuits, deep, raw_circuits

WRITERS = {"aig": aiger.write_binary, "aag": aiger.write_text}

#: Half adder, with the sum's gates in no good order.
HALF_ADDER = """aag 7 2 0 2 3
2
4
6
12
6 13 15
12 2 4
14 3 5
i0 x
i1 y
o0 s
o1 c
c
half
"""


def spelled(circuit: Circuit, kind: str) -> bytes:
    (content,) = WRITERS[kind](circuit).values()
    return content


@pytest.mark.parametrize("kind", WRITERS)
@given(circuit=raw_circuits())
def test_reading_back_gives_the_same_function_and_names(circuit: Circuit, kind: str) -> None:
    again = aiger.read(spelled(circuit, kind), f"{circuit.name}.{kind}")
    np.testing.assert_array_equal(again.truth_tables(), circuit.truth_tables())
    assert (again.input_names, again.output_names) == (circuit.input_names, circuit.output_names)
    assert again.name == circuit.name


@given(circuit=built_circuits())
def test_an_and_is_one_and_an_xor_three(circuit: Circuit) -> None:
    num_ands = int(np.where(circuit.table == 6, 3, 1).sum())
    for kind in WRITERS:
        header = spelled(circuit, kind).split(b"\n", 1)[0].split()
        assert [int(n) for n in header[1:]] == [
            circuit.num_inputs + num_ands, circuit.num_inputs, 0, circuit.num_outputs, num_ands
        ]  # fmt: skip


def test_ands_may_come_in_any_order() -> None:
    adder = aiger.read(HALF_ADDER.encode(), "x.aag")
    assert (adder.input_names, adder.output_names) == (("x", "y"), ("s", "c"))
    np.testing.assert_array_equal(adder.truth_tables().T, [[0, 1, 1, 0], [0, 0, 0, 1]])


def test_deep_files_need_no_stack(tmp_path: Path) -> None:
    circuit = deep(30_000)
    lines = spelled(circuit, "aag").decode().split("\n")
    num_ands = int(lines[0].split()[-1])
    lines[4 : 4 + num_ands] = lines[4 : 4 + num_ands][::-1]
    path = tmp_path / "deep.AAG"
    path.write_text("\n".join(lines))
    assert prove(read(path), circuit)


def test_the_epfl_benchmarks_are_read_and_kept(epfl: Path) -> None:
    found = {name: read(epfl / f"{name}.aig") for name in ("ctrl", "int2float", "router", "dec")}
    sizes = {name: (c.num_inputs, c.num_outputs, c.num_gates) for name, c in found.items()}
    assert sizes == {
        "ctrl": (7, 26, 174), "int2float": (11, 7, 260), "router": (60, 30, 257),
        "dec": (8, 256, 304),
    }  # fmt: skip
    for circuit in found.values():
        again = aiger.read(spelled(circuit, "aig"), "again.aig")
        assert prove(circuit, again)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("aag", "agg"), r"x.aag:1: the file begins with 'agg', not with aig or aag"),
        (("7 2 0 2 3", "7 2 0 2"), r"x.aag:1: the header has 4 numbers; AIGER has M I L O A"),
        (("7 2 0 2 3", "7 2 1 2 3"), r"x.aag:1: 1 latches; only combinational"),
        (("7 2 0 2 3", "7 2 0 2 3 1"), r"x.aag:1: 1 bad states; only combinational"),
        (("7 2 0 2 3", "4 2 0 2 3"), r"x.aag:1: 4 variables for 2 inputs and 3 ANDs"),
        (("7 2 0 2 3", "7 2 0 2 99999999999"), r"x.aag:1: '99999999999' is not a number"),
        (("7 2 0 2 3", "900000000 2 0 2 80000000"), r"x.aag:1: the header announces .* truncated"),
        (("12 2 4", "12 2 40"), r"x.aag:7: literal 40 is over 15"),
        (("12 2 4", "12 2"), r"x.aag:7: an AND takes 3 numbers, not '12 2'"),
        (("12 2 4", "14 2 4"), r"x.aag:8: an AND cannot define literal 14"),
        (("12 2 4", "13 2 4"), r"x.aag:7: an AND cannot define literal 13"),
        (("12 2 4", "12 6 4"), r"x.aag: AND 12: reads 6, which reads it: a loop"),
        (("12 2 4", "12 2 8"), r"x.aag: AND 12: reads literal 8, which nothing drives"),
        (("6\n12\n", "6\n10\n"), r"output 'c' is literal 10, which nothing drives"),
        (("i1 y", "i2 y"), r"x.aag:10: 'i2 y' is no symbol"),
        (("i1 y", "i1 x"), r"two inputs are called 'x'; rename one"),
        (("2\n4\n6", "2\n12\n6"), r"x.aag: AND 12: an input takes an even literal"),
    ],
)
def test_what_is_wrong_is_named(change: tuple[str, str], message: str) -> None:
    text = HALF_ADDER.replace(*change)
    assert text != HALF_ADDER
    with pytest.raises(InputError, match=message):
        aiger.read(text.encode(), "x.aag")


def test_a_binary_file_that_ends_early_is_refused() -> None:
    builder = Builder("abc")
    builder.output("z", builder.lxor(builder.lxor(*builder.inputs[:2]), builder.inputs[2]))
    whole = spelled(builder.build(), "aig")
    body = whole.index(b"\n", whole.index(b"\n") + 1) + 1
    for end in range(body + 12):
        with pytest.raises(InputError, match=r"^cut.aig[: ].*\S$"):
            aiger.read(whole[:end], "cut.aig")


@given(built_circuits(), st.integers(0, 2**32), st.sampled_from(sorted(WRITERS)))
def test_damaged_files_give_a_circuit_or_one_line(circuit: Circuit, seed: int, kind: str) -> None:
    assert_circuit_or_one_line(aiger.read, spelled(circuit, kind), seed)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"\x00\x02", r"x.aig: AND 6: reads literals 6 and 4; the file is damaged"),
        (b"\x02\x05", r"x.aig: AND 6: reads literals 4 and -1; the file is damaged"),
        (b"\x80" * 8 + b"\x01\x01", r"x.aig: AND 6: a number is longer than 5 bytes"),
    ],
)
def test_a_binary_and_that_cannot_be_is_refused(body: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        aiger.read(b"aig 3 2 0 1 1\n6\n" + body, "x.aig")
