from __future__ import annotations

import ctypes
import re
import resource
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatewright.circuit import FALSE, Builder, Circuit
from gatewright.compiler import compile_program, compile_shared, find_compiler
from gatewright.errors import InputError
from gatewright.targets import c, c_table
from gatewright.targets.c_order import arranged

STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Wsign-conversion", "-Wpedantic") + (
    "-Wshadow",
    "-Wcast-qual",
    "-Werror",
)
FORMS = ("straight", "table")
SANITIZE = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
WORDS = ("", "WORD=uint8_t", "WORD=uint16_t", "WORD=uint32_t", "WORD=uint64_t") + (
    "VECTOR_BYTES=16",
    "VECTOR_BYTES=32",
    "VECTOR_BYTES=64",
)
WORD_BYTES = dict(zip(WORDS, (8, 1, 2, 4, 8, 16, 32, 64), strict=True))


def draw_circuit(
    seed: int, num_inputs: int, num_gates: int, num_outputs: int, name: str = "drawn"
) -> Circuit:
    """Any valid arrays, not only canonical ones: constants, copies and repeated operands too."""
    rng = np.random.default_rng(seed)
    bound = 1 + num_inputs + np.arange(num_gates)
    return Circuit(
        fanin=np.stack([rng.integers(0, bound), rng.integers(0, bound)], axis=1),
        table=rng.integers(0, 16, num_gates),
        outputs=rng.integers(0, 2 * (1 + num_inputs + num_gates), num_outputs),
        input_names=tuple(f"x{i}" for i in range(num_inputs)),
        output_names=tuple(f"y{i}" for i in range(num_outputs)),
        name=name,
    )


def draw_deep_circuit(
    seed: int, num_gates: int, num_outputs: int = 20, num_inputs: int = 30, name: str = "deep"
) -> Circuit:
    """A canonical circuit whose gates read near ones, and far ones now and then; few are dead."""
    rng = np.random.default_rng(seed)
    builder = Builder([f"x{i}" for i in range(num_inputs)], name=name)
    literals = list(builder.inputs)
    while builder.num_gates < num_gates:
        far = rng.random() < 0.1
        near, other = (
            rng.integers(1, num_inputs),
            rng.integers(1, len(literals) if far else num_inputs),
        )
        a, b = literals[-near], literals[-other] ^ int(rng.integers(2))
        literal = builder.gate(int(rng.choice([6, 6, 8, 14])), a, b)
        if literal >> 1 > literals[-1] >> 1:
            literals.append(literal)
    for o in range(num_outputs):
        builder.output(f"y{o}", literals[-1 - o])
    return builder.build()


def define(files: dict[str, bytes], word: str) -> tuple[str, ...]:
    """The flags that choose a word type for every circuit among the files."""
    names = [name[:-2].upper() for name in files if name.endswith(".h") and "_vectors" not in name]
    return tuple(f"-D{name}_{word}" for name in names if word)


def call(library: ctypes.CDLL, circuit: Circuit, words: np.ndarray, word: str) -> np.ndarray:
    """Run packed words uint64[num_inputs, 8], 512 samples, through the compiled function."""
    size = WORD_BYTES[word]
    octets = words.view(np.uint8).reshape(circuit.num_inputs, 64)
    inputs = aligned(max(1, circuit.num_inputs), size)
    outputs = aligned(max(1, circuit.num_outputs), size)
    result = np.empty((circuit.num_outputs, 64), np.uint8)
    function = getattr(library, c.identifier(circuit.name))
    for at in range(0, 64, size):
        inputs[: circuit.num_inputs] = octets[:, at : at + size]
        function(ctypes.c_void_p(inputs.ctypes.data), ctypes.c_void_p(outputs.ctypes.data))
        result[:, at : at + size] = outputs[: circuit.num_outputs]
    return result.view(np.uint64)


def aligned(rows: int, size: int) -> np.ndarray:
    raw = np.zeros(rows * size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + rows * size].reshape(rows, size)


def random_words(circuit: Circuit, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 2**64, (circuit.num_inputs, 8), dtype=np.uint64)


def check(circuits: list[Circuit], word: str, folder: Path, *flags: str, form: str) -> None:
    files: dict[str, bytes] = {}
    for circuit in circuits:
        files |= c.write(circuit, form)
    path = compile_shared(files, (*STRICT, "-O1", *define(files, word), *flags), folder=folder)
    library = ctypes.CDLL(str(path))
    for seed, circuit in enumerate(circuits):
        words = random_words(circuit, seed)
        np.testing.assert_array_equal(
            call(library, circuit, words, word), circuit.simulate(words), err_msg=repr(circuit)
        )


@st.composite
def batches(draw: st.DrawFn) -> list[Circuit]:
    """Several circuits, compiled together."""
    return [
        draw_circuit(
            draw(st.integers(0, 2**32 - 1)),
            draw(st.integers(0, 12)),
            draw(st.sampled_from([0, 1, 5, 30, 199, 450])),
            draw(st.integers(0, 9)),
            f"random{i}",
        )
        for i in range(6)
    ]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("word", WORDS)
@settings(
    deadline=None, max_examples=2, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(batch=batches())
def test_library_agrees_with_simulation(
    tmp_path_factory: pytest.TempPathFactory, word: str, form: str, batch: list[Circuit]
) -> None:
    check(batch, word, tmp_path_factory.mktemp("batch"), form=form)


@pytest.mark.parametrize("word", ["", "WORD=uint16_t", "VECTOR_BYTES=64"])
def test_parts_hand_values_on(word: str, tmp_path: Path) -> None:
    circuit = draw_deep_circuit(0, 1500)
    source = c.write(circuit)["deep.c"].decode()
    assert source.count("DEEP_PART void") > 3
    check([circuit], word, tmp_path, form="straight")


@pytest.mark.parametrize(
    ("num_inputs", "entry"),
    [(1021, ("uint32_t", 1)), (1022, ("uint16_t", 3)), (16_381, ("uint16_t", 3)),
     (16_382, ("uint32_t", 3))],
)  # fmt: skip
def test_tables_name_any_number_of_slots(
    num_inputs: int, entry: tuple[str, int], tmp_path: Path
) -> None:
    """The most slots of each kind of entry, and one more."""
    builder = Builder([f"x{i}" for i in range(num_inputs)], name="wide")
    value = builder.lxor(*builder.inputs[:2])
    for i, literal in enumerate(builder.inputs[:300] + builder.inputs[-300:]):
        value = builder.gate((2, 8, 14, 6)[i % 4], value, literal)
    for o, literal in enumerate((value, builder.lor(*builder.inputs[-2:]), FALSE ^ 1)):
        builder.output(f"y{o}", literal)
    for i, literal in enumerate(builder.inputs):
        builder.output(f"x{i}", literal)
    program = c_table.Program.of(arranged(builder.build()))
    assert program.num_slots == num_inputs + 3
    assert program.entry == entry
    check([builder.build()], "", tmp_path, form="table")


def test_a_table_takes_few_slots() -> None:
    circuit = arranged(draw_deep_circuit(0, 8000))
    assert c_table.Program.of(circuit).num_slots < 500


def test_form_goes_by_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(c, "MOST_STRAIGHT", 500)
    for num_gates, form in ((300, "straight"), (900, "table")):
        made = c.made(draw_deep_circuit(0, num_gates))
        assert (made.form, made.about["form"]) == (form, form)
        assert f"Form: {form}" in made.files["deep.h"].decode()
        assert str(made).startswith(f"{form} form, {made.gates} gates;")
    assert c.made(Builder(["a"], name="nothing").build(), "table").form == "straight"
    with pytest.raises(InputError, match="auto, straight, table, not 'short'"):
        c.made(draw_deep_circuit(0, 9), "short")
    with pytest.raises(InputError, match="takes bits"):
        c.made(draw_deep_circuit(0, 9), features="float")


def test_slots_are_used_again() -> None:
    def num_slots(num_gates: int) -> int:
        header = c.write(draw_deep_circuit(0, num_gates))["deep.h"].decode()
        found = re.search(r"STACK_BYTES \((\d+) \* sizeof", header)
        assert found
        return int(found[1])

    assert 0 < num_slots(2000) < 1000
    assert num_slots(8000) < 3 * num_slots(2000)
    assert num_slots(150) == 0


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("word", ["", "WORD=uint8_t", "VECTOR_BYTES=32"])
def test_edges(word: str, form: str, tmp_path: Path) -> None:
    nothing = Builder([], name="nothing").build()
    constants = Builder([], name="constants")
    constants.output("low", FALSE)
    constants.output("high", FALSE ^ 1)
    wires = Builder(["a", "b"], name="wires")
    for o, literal in enumerate([2, 4, 2, 5, 3, FALSE, 1]):
        wires.output(str(o), literal)
    blind = Builder(["a", "b"], name="blind").build()
    mixed = Builder(["a", "b"], name="mixed")
    for o, literal in enumerate([FALSE, mixed.land(2, 4), 2, 5, 1, mixed.land(2, 4) ^ 1]):
        mixed.output(str(o), literal)
    circuits = [nothing, constants.build(), wires.build(), blind, mixed.build()]
    check(circuits, word, tmp_path / "library", form=form)
    for circuit in circuits:
        files = c.write(circuit, form)
        flags = (*STRICT, *define(files, word))
        program = compile_program(files, flags, folder=tmp_path / circuit.name)
        rows = 1 << circuit.num_inputs
        assert run(program) == (0, f"{rows} vectors, 0 wrong\n")


@pytest.mark.parametrize("form", FORMS)
def test_names_that_c_does_not_take(form: str, tmp_path: Path) -> None:
    odd = [
        "int",
        "class",
        "sin",
        "sinf",
        "main",
        "4 bits",
        "a-b",
        "",
        "é1",
        "in",
        "out",
        "x0",
        "g0",
    ]
    odd += [
        "values",
        "to",
        "code",
        "value",
        "i",
        "zero",
        "lane",
        "first",
        "uint8_t",
        "_x",
        "random",
        "linux",
        "printf",
        "size_t",
        "word",
        "s",
    ]
    circuits: list[Circuit] = []
    for name in odd:
        builder = Builder(['*/ "x', "/* ??/", "new\nline\\", "ü"], name=name)
        a, b, d, e = builder.inputs
        builder.output("*/", builder.lxor(builder.land(a, b), builder.lor(d, e)))
        builder.output("\\", FALSE)
        circuits.append(builder.build())
    assert len({c.identifier(circuit.name) for circuit in circuits}) == len(odd)
    for flags in ((), ("-std=gnu17",)):
        check(circuits, "", tmp_path / "".join(flags), *flags, form=form)
    for circuit in circuits[::8] + circuits[-9::4]:
        program = compile_program(c.write(circuit, form), STRICT, folder=tmp_path / "program")
        assert run(program) == (0, "16 vectors, 0 wrong\n")


def test_names_that_c_takes_stay() -> None:
    for name in ("life", "adder4", "a_b", "Mixed_Case9"):
        assert c.identifier(name) == name
    assert c.identifier("int") == "circuit_int"


def test_a_file_of_each_kind() -> None:
    circuit = draw_circuit(0, 3, 9, 2, "four")
    assert sorted(c.write(circuit)) == ["four.c", "four.h", "four_test.c", "four_vectors.h"]
    assert c.write(circuit) == c.write(circuit)


@pytest.mark.parametrize("word", WORDS)
def test_program_finds_every_corrupt_bit_it_can(word: str, tmp_path: Path) -> None:
    circuit = draw_circuit(8, 11, 60, 10, "sample")
    files = c.write(circuit)
    header = files["sample_vectors.h"].decode()
    flags = (*STRICT, *define(files, word))
    assert run(compile_program(files, flags, folder=tmp_path)) == (0, "258 vectors, 0 wrong\n")
    rng = np.random.default_rng(WORDS.index(word))
    for vector, output in zip((0, 257, *rng.integers(258, size=2)), (0, 9, 4, 7), strict=True):
        broken = flip(header, "outputs", int(vector), output)
        program = compile_program(
            {**files, "sample_vectors.h": broken.encode()}, flags, folder=tmp_path
        )
        status, printed = run(program)
        first, last = printed.splitlines()
        assert status == 1 and last == "258 vectors, 1 wrong"
        assert re.fullmatch(rf"vector {vector}: out\[{output}\] is [01], not [01]", first)


def test_program_finds_a_corrupt_input_that_matters(tmp_path: Path) -> None:
    builder = Builder([f"x{i}" for i in range(10)], name="parity")
    total = FALSE
    for literal in builder.inputs:
        total = builder.lxor(total, literal)
    builder.output("y", total)
    files = c.write(builder.build())
    for vector, i in ((0, 0), (1023, 9), (77, 8)):
        header = flip(files["parity_vectors.h"].decode(), "inputs", vector, i)
        broken = {**files, "parity_vectors.h": header.encode()}
        status, printed = run(compile_program(broken, STRICT, folder=tmp_path))
        assert status == 1 and printed.endswith("1024 vectors, 1 wrong\n")


def flip(header: str, array: str, vector: int, bit: int) -> str:
    """The header with one bit of one vector flipped."""
    start = header.index("{\n", header.index(f"_vector_{array}[")) + 2
    lines = header[start:].split("\n")
    octets = re.findall(r"0x(..)", lines[vector])
    octets[bit // 8] = f"{int(octets[bit // 8], 16) ^ 1 << bit % 8:02x}"
    lines[vector] = "  {" + ",".join(f"0x{octet}" for octet in octets) + "},"
    return header[:start] + "\n".join(lines)


def run(program: Path) -> tuple[int, str]:
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("word", ["", "WORD=uint8_t", "VECTOR_BYTES=64"])
def test_sanitizers_find_nothing(word: str, form: str, tmp_path: Path) -> None:
    for circuit in (draw_circuit(1, 9, 300, 5), draw_deep_circuit(2, 900)):
        files = c.write(circuit, form)
        flags = (*STRICT, *SANITIZE, *define(files, word))
        status, printed = run(compile_program(files, flags, folder=tmp_path))
        assert status == 0 and printed.endswith(" 0 wrong\n")


@pytest.mark.needs_tool("clang")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("word", WORDS)
def test_clang_agrees_and_does_not_warn(word: str, form: str, tmp_path: Path) -> None:
    for circuit in (draw_circuit(1, 9, 300, 5), draw_deep_circuit(2, 900)):
        files = c.write(circuit, form)
        flags = (*STRICT, *define(files, word))
        status, printed = run(compile_program(files, flags, "clang", folder=tmp_path))
        assert status == 0 and printed.endswith(" 0 wrong\n")


@pytest.mark.parametrize(
    ("defines", "message"),
    [
        (("VECTOR_BYTES=24",), "is 16, 32 or 64"),
        (("VECTOR_BYTES=16", "WORD=uint8_t"), "define one of"),
        (("VECTOR_BYTES=16", "U"), "needs the vector_size attribute"),
    ],
)
def test_words_that_cannot_be(defines: tuple[str, ...], message: str, tmp_path: Path) -> None:
    files = c.write(draw_circuit(0, 3, 9, 2))
    flags = ["-U__GNUC__" if d == "U" else f"-DDRAWN_{d}" for d in defines]
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    command = [*find_compiler(), *flags, "-fsyntax-only", "drawn.c"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0 and message in done.stderr


@pytest.mark.needs_tool("c++")
def test_cpp_includes_the_header_and_links(tmp_path: Path) -> None:
    files = c.write(draw_circuit(3, 9, 50, 4, "and"))
    name = c.identifier("and")
    files["main.cpp"] = (
        f'#include "{name}.h"\nint main() {{\n'
        f"  {name}_word in[9] = {{}}, out[4];\n  {name}(in, out);\n"
        f"  return static_cast<int>(out[0] & 1);\n}}\n"
    ).encode()
    library = compile_shared(
        {key: value for key, value in files.items() if key != "main.cpp"}, STRICT, folder=tmp_path
    )
    (tmp_path / "main.cpp").write_bytes(files["main.cpp"])
    command = ["c++", "-std=c++11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    command += ["main.cpp", library.name, "-Wl,-rpath,$ORIGIN", "-o", "main"]
    subprocess.run(command, cwd=tmp_path, check=True)
    expected = draw_circuit(3, 9, 50, 4)(np.zeros((1, 9), np.bool_))[0, 0]
    assert subprocess.run([tmp_path / "main"], check=False).returncode == expected


def test_compile_time_is_linear_in_gates(tmp_path: Path) -> None:
    def compile_seconds(num_gates: int) -> float:
        files = c.write(draw_deep_circuit(5, num_gates), "straight")
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        compile_shared(files, ("-O1",), folder=tmp_path)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime - before.ru_utime

    assert compile_seconds(20_000) < 8 * compile_seconds(5_000)


@pytest.mark.needs_tool("nm")
@pytest.mark.parametrize("form", FORMS)
def test_no_writable_symbols(form: str, tmp_path: Path) -> None:
    files = c.write(draw_deep_circuit(0, 1500), form)
    (tmp_path / "deep.h").write_bytes(files["deep.h"])
    (tmp_path / "deep.c").write_bytes(files["deep.c"])
    command = [*find_compiler(), "-O2", "-c", "deep.c"]
    subprocess.run(command, cwd=tmp_path, check=True)
    done = subprocess.run(["nm", tmp_path / "deep.o"], capture_output=True, text=True, check=True)
    symbols = [line.split()[-2:] for line in done.stdout.splitlines()]
    assert ["T", "deep"] in symbols
    assert not [name for kind, name in symbols if kind in "bBdDcC"]
    assert not [name for kind, name in symbols if kind == "U" and name != "_GLOBAL_OFFSET_TABLE_"]


def test_threads_share_the_function(tmp_path: Path) -> None:
    circuit = draw_deep_circuit(6, 1500)
    library = ctypes.CDLL(str(compile_shared(c.write(circuit), folder=tmp_path)))
    failures: list[int] = []

    def work(seed: int) -> None:
        words = random_words(circuit, seed)
        expected = circuit.simulate(words)
        for _ in range(200):
            if not np.array_equal(call(library, circuit, words, ""), expected):
                failures.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
