from __future__ import annotations

import os
import random
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.circuit import Builder, Circuit
from gatewright.errors import InputError
from gatewright.targets import TARGETS, blif, read, write
from random_circuits import built_circuits, raw_circuits


def written(circuit: Circuit) -> str:
    (content,) = blif.write(circuit).values()
    return content.decode()


def reread(circuit: Circuit) -> Circuit:
    return blif.read(written(circuit).encode(), "x.blif")


def parse(text: str) -> Circuit:
    return blif.read(text.encode(), "x.blif")


def table_of(text: str) -> list[list[int]]:
    return parse(text).truth_tables().astype(int).T.tolist()


@given(built_circuits())
def test_reading_back_a_built_circuit_gives_the_very_same_arrays(circuit: Circuit) -> None:
    again = reread(circuit)
    assert again.fanin.tolist() == circuit.fanin.tolist()
    assert again.table.tolist() == circuit.table.tolist()
    assert again.outputs.tolist() == circuit.outputs.tolist()
    assert (again.input_names, again.output_names) == (circuit.input_names, circuit.output_names)
    assert again.name == circuit.name


@given(raw_circuits())
def test_reading_back_any_circuit_gives_the_same_function(circuit: Circuit) -> None:
    np.testing.assert_array_equal(reread(circuit).truth_tables(), circuit.truth_tables())


@given(built_circuits())
def test_each_gate_is_one_names_of_two_operands(circuit: Circuit) -> None:
    names = [line.split() for line in written(circuit).splitlines() if line.startswith(".names")]
    assert sum(len(words) == 4 for words in names) == circuit.num_gates
    gates_named = {o >> 1 for o in circuit.outputs.tolist() if o >> 1 >= circuit.first_gate}
    assert len(names) == circuit.num_gates + circuit.num_outputs - len(gates_named)


def test_a_complemented_output_needs_no_inverter() -> None:
    b = Builder(["p", "q", "r"])
    nand = b.land(*b.inputs[:2]) ^ 1
    b.output("nand", nand)
    b.output("z", b.lxor(nand, b.inputs[2]))
    assert written(b.build()) == (
        ".model circuit\n.inputs p q r\n.outputs nand z\n"
        ".names p q nand\n0- 1\n-0 1\n"
        ".names r nand z\n10 1\n01 1\n.end\n"
    )


def test_outputs_that_are_inputs_constants_or_repeated() -> None:
    b = Builder(["p", "q"])
    both = b.land(*b.inputs)
    for name, literal in {
        "p": 2, "not_p": 3, "zero": 0, "one": 1, "a": both, "same": both, "nand": both ^ 1,
    }.items():  # fmt: skip
        b.output(name, literal)
    circuit = b.build()
    assert reread(circuit).outputs.tolist() == circuit.outputs.tolist()
    assert ".names p p" not in written(circuit)


def test_gates_that_need_fewer_operands_are_written_with_fewer() -> None:
    circuit = Circuit(
        np.array([[1, 1], [0, 2], [1, 2], [2, 2]], np.int32),
        np.array([0x8, 0xB, 0x5, 0x6], np.uint8),  # p and p, false or not q, not p, q xor q
        np.array([6, 8, 10, 12], np.int32),
        ("p", "q"),
        ("same", "not_q", "not_p", "zero"),
    )
    assert written(circuit).partition("zero\n")[2] == (
        ".names p same\n1 1\n.names q not_q\n0 1\n.names p not_p\n0 1\n.names zero\n.end\n"
    )


@pytest.mark.parametrize("name", ["", "a b", "a#", "a=b", "a\\", "a\n", "a\u2028b", "\ud800"])
@pytest.mark.parametrize("role", ["input", "output", "name"])
def test_names_that_blif_cannot_spell_are_refused(name: str, role: str) -> None:
    b = Builder([name if role == "input" else "x"], name if role == "name" else "m")
    b.output(name if role == "output" else "y", 2)
    with pytest.raises(InputError, match=role) as error:
        blif.write(b.build())
    assert repr(name) in str(error.value)


@given(st.text(min_size=1, max_size=4))
def test_every_other_name_survives(name: str) -> None:
    b = Builder([name])
    b.output("out", 3)
    try:
        text = written(b.build())
    except InputError:
        return
    assert blif.read(text.encode(), "x").input_names == (name,)


def test_an_output_with_the_name_of_another_input_is_refused() -> None:
    b = Builder(["p", "q"])
    b.output("q", b.land(*b.inputs))
    with pytest.raises(InputError, match="'q' bears the name of an input"):
        blif.write(b.build())


def test_internal_names_avoid_the_signals() -> None:
    b = Builder(["n3", "n_4"])
    b.output("n5", b.lor(b.land(*b.inputs), b.lxor(*b.inputs) ^ 1))
    circuit = b.build()
    assert ".names n3 n_4 n__3\n" in written(circuit)
    np.testing.assert_array_equal(reread(circuit).truth_tables(), circuit.truth_tables())


def test_long_declarations_are_continued() -> None:
    b = Builder([f"input{i}" for i in range(100)])
    b.output("y", 2)
    text = written(b.build())
    assert max(map(len, text.splitlines())) <= 80
    assert text.count("\\\n") > 5
    assert reread(b.build()).num_inputs == 100


def test_reads_what_others_write() -> None:
    text = (
        "# a comment \\\n.model /some/where/top # another\r\n.inputs a b \\\n  c\n.inputs d\n"
        ".outputs y z one zero\n\n"
        ".names t c y\n11 1\n"  # before t is driven
        ".names a b \\ # continued\n t\n00 0\n"  # the zeros of a or b
        ".names a b c d z\n1--0 1\n011- 1\n"
        ".names one\n1\n.names zero\n"
    )
    circuit = parse(text)
    assert circuit.input_names == ("a", "b", "c", "d")
    assert circuit.name == "top"
    rows = [[m >> i & 1 for i in range(4)] for m in range(16)]
    expected = [[(a | b) & c, a & (1 - d) | (1 - a) & b & c, 1, 0] for a, b, c, d in rows]
    assert circuit.truth_tables().astype(int).tolist() == expected


def test_what_is_said_of_times_and_loads_is_skipped() -> None:
    circuit = parse(
        ".model timed\n.inputs a b\n.outputs y\n.default_input_arrival 0.00 0.00\n"
        ".wire_load_slope 0.00\n.names a b y\n11 1\n.area 2.0\n.delay a INV 1 9 1 1 1 1\n.end\n"
    )
    assert circuit.truth_tables().astype(int).tolist() == [[0], [0], [0], [1]]
    with pytest.raises(InputError, match=r"x.blif:7: '1' follows no .names"):
        parse(".model m\n.inputs a\n.outputs y\n.names a y\n1 1\n.area 2.0\n1 1\n")


@given(st.data())
def test_covers_of_any_width_and_phase_mean_what_they_say(data: st.DataObject) -> None:
    k = data.draw(st.integers(0, 6))
    cubes = data.draw(st.lists(st.text("01-", min_size=k, max_size=k), max_size=8))
    phase = data.draw(st.sampled_from("01"))
    names = [f"x{i}" for i in range(k)]
    rows = "".join(f"{cube} {phase}\n".lstrip() for cube in cubes)
    text = f".inputs {' '.join(names)}\n.outputs y\n.names {' '.join([*names, 'y'])}\n{rows}"
    expected = [
        any(all(c in ("-", str(m >> i & 1)) for i, c in enumerate(cube)) for cube in cubes)
        ^ (phase == "0" and bool(cubes))
        for m in range(1 << k)
    ]
    assert table_of(text) == [[int(bit) for bit in expected]]


def test_a_wide_cover_stays_small_and_shallow() -> None:
    names = [f"x{i}" for i in range(200)]
    rows = "".join("-" * i + "1" + "0" * (199 - i) + " 1\n" for i in range(200))
    text = f".inputs {' '.join(names)}\n.outputs y\n.names {' '.join(names)} y\n{rows}"
    circuit = parse(text)
    assert circuit.num_gates <= 200 * 200
    assert circuit.depth <= 16
    assert circuit(np.ones((1, 200), bool)).all() and not circuit(np.zeros((1, 200), bool)).any()


def test_a_chain_of_a_hundred_thousand_gates_in_reverse_order() -> None:
    length = 100_000
    text = ".inputs a b\n.outputs q100000\n" + "".join(
        f".names q{i} {'ab'[i % 2]} q{i + 1}\n1- 1\n-1 1\n" for i in reversed(range(1, length))
    )
    circuit = parse(text + ".names a b q1\n11 1\n")
    assert circuit.truth_tables()[:, 0].tolist() == [False, True, True, True]


HEAD = ".inputs a b\n.outputs y\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + ".names a q y\n11 1\n", "x.blif:3: 'y' reads 'q', which nothing drives; add"),
        (HEAD + ".names a b t\n11 1\n", "x.blif:2: output 'y' is not driven"),
        (HEAD + ".names a y\n1 1\n.names b y\n", "x.blif:5: 'y' is driven already on line 3"),
        (HEAD + ".names a y\n1 1\n.names b a\n", "x.blif:5: input 'a' .line 1. is driven by"),
        (HEAD + ".names a b y\n1 1\n", "x.blif:4: '1 1' is no row of the cover of 'y' .line 3."),
        (HEAD + ".names a b y\n111\n", "x.blif:4: '111' is no row .* takes 2 of 0, 1 or -"),
        (HEAD + ".names a b y\n12 1\n", "x.blif:4: '12 1' is no row"),
        (HEAD + ".names a b y\n11 -\n", "x.blif:4: '11 -' is no row"),
        (HEAD + ".names y\n1 1\n", "x.blif:4: '1 1' is no row .* takes 0 or 1"),
        (HEAD + ".names a y\n1 1\n0 0\n", "x.blif:5: the cover of 'y' mixes .* .line 4."),
        (HEAD + "11 1\n", "x.blif:3: '11' follows no .names"),
        (HEAD + ".names\n", "x.blif:3: .names without a signal"),
        (".inputs a a\n.outputs y\n", "x.blif:1: input 'a' is declared already on line 1"),
        (".outputs y\n.outputs y\n", "x.blif:2: output 'y' is declared already on line 1"),
        (".inputs a\n.names a y\n1 1\n", "x.blif: there is no .outputs line"),
        ("", "x.blif: there is no .outputs line"),
        (".inputs a \\\n", "x.blif:1: the file ends in a continued line"),
        (".model a\n.model b\n", "x.blif:2: a second .model .the first is on line 1."),
        (".model a\n.outputs\n.end\n.model b\n", "x.blif:4: a second .model"),
        (".outputs\n.end\n.names y\n", "x.blif:3: '.names' stands after .end .line 2."),
        (".outputs\n.end\n1\n", "x.blif:3: '1' stands after .end"),
        (".model a b\n", "x.blif:1: .model takes one name"),
        (HEAD + ".latch a y re c 0\n", "x.blif:3: .latch is not supported; unroll"),
        (HEAD + ".subckt m a=b\n", "x.blif:3: .subckt is not supported; flatten"),
        (HEAD + ".gate nand2 A=a B=b O=y\n", "x.blif:3: .gate is not supported; write it unmapped"),
        (HEAD + ".frob a\n", "x.blif:3: unknown directive '.frob'"),
    ],
)
def test_errors_name_the_line_the_signal_and_the_mend(text: str, message: str) -> None:
    with pytest.raises(InputError, match="^" + message) as error:
        parse(text)
    assert "\n" not in str(error.value)


def test_dont_cares_are_left_out_with_a_warning(tmp_path: Path) -> None:
    model = HEAD + ".names a b y\n11 1\n"
    text = model + ".exdc\n.inputs a b\n.outputs y\n.names a b y\n00 1\n.frob\n.end\n"
    with pytest.warns(UserWarning, match=r"^x.blif:5: the don't-cares \(.exdc\) are left out"):
        circuit = parse(text)
    assert written(circuit) == written(parse(model))
    with (
        pytest.warns(UserWarning, match="left out"),
        pytest.raises(InputError, match=r"x.blif:12: '.names' stands after .end"),
    ):
        parse(text + ".names y\n")
    (tmp_path / "x.blif").write_text(text)
    show = [sys.executable, "-m", "gatewright", "show", str(tmp_path / "x.blif")]
    told = subprocess.run(show, capture_output=True, text=True, check=True).stderr
    assert told.startswith(f"gatewright show: {tmp_path}/x.blif:5: the don't-cares")
    assert told.count("\n") == 1
    quiet = subprocess.run([*show, "--quiet"], capture_output=True, text=True, check=True)
    assert not quiet.stderr


def test_a_loop_is_named_signal_by_signal() -> None:
    text = (
        ".inputs i\n.outputs a\n.names i c a\n11 1\n\n.names i a b\n11 1\n"
        ".names b \\\n i c\n1- 1\n.names a i outside\n11 1\n"
    )
    with pytest.raises(InputError) as error:
        parse(text)
    assert str(error.value) == (
        "x.blif: combinational loop: a (line 3) -> b (line 6) -> c (line 8) -> a; cut one of them"
    )


def test_a_gate_that_reads_itself_and_a_very_long_loop() -> None:
    with pytest.raises(InputError, match=r"loop: y \(line 3\) -> y; cut"):
        parse(HEAD + ".names a y y\n11 1\n")
    ring = "".join(f".names q{(i + 1) % 5000} q{i}\n1 1\n" for i in range(5000))
    with pytest.raises(InputError, match=r"q0 \(line 2\) -> .* \(4936 more\) -> .* -> q0; cut"):
        parse(".outputs q0\n" + ring)


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(InputError, match="x.blif:2: not UTF-8 text"):
        blif.read(b".inputs a\n\xff\n", "x.blif")


def example() -> bytes:
    return (
        ".model façade\n.inputs a b \\\n c\n.outputs y z one\n.names a b t # comment\n11 1\n"
        ".names a b c y\n1-0 0\n011 0\n.names t c z\n10 1\n01 1\n.names one\n1\n.end\n"
    ).encode()


def test_every_truncation_parses_or_is_refused() -> None:
    whole = example()
    outcomes = set[bool]()
    for length in range(len(whole)):
        try:
            blif.read(whole[:length], "x.blif")
            outcomes.add(True)
        except InputError as error:
            outcomes.add(False)
            assert str(error).startswith("x.blif")
    assert outcomes == {True, False}


@settings(max_examples=300)
@given(st.data())
def test_damaged_files_parse_or_are_refused(data: st.DataObject) -> None:
    content = bytearray(example())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        if data.draw(st.booleans()):
            content[at] = data.draw(st.sampled_from(b" \n.#\\01-abctyz\xff"))
        else:
            del content[at : at + data.draw(st.integers(1, 20))]
        if not content:
            return
    try:
        blif.read(bytes(content), "x.blif")
    except InputError as error:
        assert "\n" not in str(error)


@dataclass(frozen=True)
class Wrapped:
    circuit: Circuit


def small() -> Circuit:
    b = Builder(["p", "q"], "small")
    b.output("y", b.lxor(*b.inputs))
    return b.build()


def test_write_makes_the_folder_and_takes_models(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    assert write(Wrapped(small()), folder, "blif") == [folder / "small.blif"]
    assert [path.name for path in folder.iterdir()] == ["small.blif"]
    assert read(folder / "small.blif").table.tolist() == [6]
    assert read(str(folder / "small.blif")).name == "small"


def test_write_replaces_a_file_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "small.blif").write_text("before")

    def fail(source: object, destination: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail)
        with pytest.raises(InputError, match=f"{tmp_path}: No space left on device"):
            write(small(), tmp_path, "blif")
    assert (tmp_path / "small.blif").read_text() == "before"
    assert len(list(tmp_path.iterdir())) == 1
    write(small(), tmp_path, "blif")
    assert (tmp_path / "small.blif").read_text().startswith(".model small")


def test_write_refuses_what_it_cannot_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no target 'vhdl'; choose from blif, aiger, "):
        write(small(), tmp_path, "vhdl")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=f"cannot write into {tmp_path / 'file'}"):
        write(small(), tmp_path / "file", "blif")
    with pytest.raises(InputError, match=r"'\.\./up\.blif' cannot be a file's name"):
        write(replace(small(), name="../up"), tmp_path, "blif")


def test_read_refuses_what_it_cannot_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"missing\.blif: No such file"):
        read(tmp_path / "missing.blif")
    with pytest.raises(InputError, match=r"suffix '\.v'; circuits are read from \.blif"):
        read(tmp_path / "x.v")
    (tmp_path / "x.blif").write_bytes(b"\xff")
    with pytest.raises(InputError, match=r"x\.blif:1: not UTF-8"):
        read(tmp_path / "x.blif")


def test_a_dash_is_standard_input() -> None:
    program = "from gatewright.targets import read; print(read('-').name)"
    done = subprocess.run(
        [sys.executable, "-c", program], input=example(), capture_output=True, check=True
    )
    assert done.stdout.decode().strip() == "façade"


def test_targets_are_listed_under_their_names() -> None:
    assert all(name == target.name and target.summary for name, target in TARGETS.items())
    assert {"blif", "c", "c-automaton", "dot"} <= set(TARGETS)


@pytest.mark.needs_tool("berkeley-abc")
@settings(max_examples=20)
@given(circuit=raw_circuits())
def test_abc_reads_the_same_function(circuit: Circuit, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("abc")
    if not circuit.num_outputs or not circuit.num_inputs:
        return
    write(circuit, folder, "blif")
    script = "read_blif circuit.blif; strash; write_blif again.blif"
    subprocess.run(["berkeley-abc", "-q", script], cwd=folder, check=True, capture_output=True)
    np.testing.assert_array_equal(
        read(folder / "again.blif").truth_tables(), circuit.truth_tables()
    )


def test_a_large_random_circuit_survives() -> None:
    rng = random.Random(1)
    b = Builder([f"x{i}" for i in range(12)])
    literals = list(b.inputs)
    while b.num_gates < 3000:
        x, y = (rng.choice(literals[-300:]) ^ rng.getrandbits(1) for _ in range(2))
        literals.append(b.gate(rng.choice((2, 4, 6, 8, 14)), x, y))
    for i, literal in enumerate(literals[-20:]):
        b.output(f"y{i}", literal ^ i % 2)
    circuit = b.build()
    np.testing.assert_array_equal(reread(circuit).truth_tables(), circuit.truth_tables())
