"""Whole models in C: what they predict is what `Model.predict` does, to the bit."""

from __future__ import annotations

import ctypes
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gatewright.circuit import FALSE, Builder, Circuit
from gatewright.compiler import compile_program, compile_shared
from gatewright.encode import BitTable, Encoder, Identity, Thermometer
from gatewright.errors import InputError
from gatewright.model import Model
from gatewright.readout import Numbers
from gatewright.tables import TableEncoder
from gatewright.targets import c, c_model_check
from gatewright.targets.c_bits import FEATURES, INTEGERS, Comparisons, dtype_of, natural_features
from test_targets_c import FORMS, SANITIZE, STRICT, draw_circuit, draw_deep_circuit, run

NAN, INF = float("nan"), float("inf")


@dataclass(frozen=True, eq=False)
class Compared(Encoder):
    """Bits of rows of numbers, as a table says."""

    shape: tuple[int, ...]
    table: BitTable

    @property
    def bit_table(self) -> BitTable:
        return self.table

    @property
    def num_bits(self) -> int:
        return len(self.table.column)

    @property
    def about(self) -> dict[str, Any]:
        raise NotImplementedError

    def _encode(self, rows: np.ndarray) -> np.ndarray:
        return self.table(rows)


def draw_model(seed: int, features: str, name: str = "drawn", head: int | None = None) -> Model:
    """Any kinds of bits in any order, of columns that come twice or never, limits out of range."""
    rng = np.random.default_rng(seed)
    num_features, num_bits = int(rng.integers(1, 9)), int(rng.integers(0, 40))
    low, high = (0, 255) if features not in INTEGERS else limits_of(features)
    limits = rng.choice([low - 1, low, low + 1, 0, 7, 7.5, high - 1, high, high + 1, NAN], num_bits)
    if features not in INTEGERS:
        limits = np.where(rng.random(num_bits) < 0.5, rng.normal(0, 1, num_bits), limits)
        limits[rng.random(num_bits) < 0.1] = 0.1
    table = BitTable(
        rng.integers(0, num_features, num_bits), rng.choice([0, 0, 1, 2], num_bits), limits
    )
    num_outputs = int(rng.integers(1, 4)) * 3
    if num_bits < 12:
        circuit = draw_circuit(seed, num_bits, int(rng.choice([0, 3, 60])), num_outputs, name)
    else:
        circuit = draw_deep_circuit(seed, int(rng.choice([40, 700])), num_outputs, num_bits, name)
    kind = int(rng.integers(4)) if head is None else head
    numbers = Numbers(1 if kind == 1 else 3, 0.1, 1.7) if kind in (1, 2) else None
    return Model(
        circuit,
        1 << num_outputs if kind == 3 else None,
        Compared((num_features,), table),
        numbers,
    )


def limits_of(features: str) -> tuple[int, int]:
    info = np.iinfo(dtype_of(features))
    return int(info.min), int(info.max)


def results_of(library: ctypes.CDLL, model: Model, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the compiled functions say of rows, in one call and row by row."""
    outputs = model.circuit.num_outputs
    if model.numbers is not None:
        dtype, shape = np.dtype(np.float64), (len(x), model.numbers.num)
    elif model.num_classes is not None:
        dtype = next(np.dtype(f"uint{n}") for n in (8, 16, 32) if outputs <= n)
        shape = (len(x), 1)
    else:
        dtype, shape = np.dtype(np.uint8), (len(x), outputs)
    name = c.identifier(model.circuit.name)
    found, alone = np.zeros(shape, dtype), np.zeros(shape, dtype)
    batch = getattr(library, f"{name}_predict_batch")
    batch(pointer(x), ctypes.c_size_t(len(x)), pointer(found))
    single = getattr(library, f"{name}_predict")
    if shape[1] == 1:
        single.restype = np.ctypeslib.as_ctypes_type(dtype)
    for row, result in zip(x, alone, strict=True):
        if shape[1] == 1:
            result[0] = single(pointer(row))
        else:
            single(pointer(row), pointer(result))
    return found, alone


def pointer(array: np.ndarray) -> ctypes.c_void_p:
    assert array.flags.c_contiguous
    return ctypes.c_void_p(array.ctypes.data)


def check(
    models: Sequence[Model], features: str, form: str, folder: Path, *flags: str, word: str = ""
) -> None:
    files: dict[str, bytes] = {}
    for model in models:
        made = c.made(model, form, features)
        files |= made.files
        if word:
            flags = (*flags, f"-D{c.identifier(model.circuit.name).upper()}_{word}")
    library = ctypes.CDLL(str(compile_shared(files, (*STRICT, "-O1", *flags), folder=folder)))
    for model in models:
        assert model.encoder is not None
        bits, num = model.encoder.bit_table, model.encoder.shape[0]
        x = np.ascontiguousarray(c_model_check.rows(bits, num, features))
        said = model.predict(x).reshape(len(x), -1)
        for found in results_of(library, model, x):
            np.testing.assert_array_equal(found.astype(said.dtype), said)


WORDS = ("", "WORD=uint8_t", "WORD=uint16_t", "WORD=uint32_t", "VECTOR_BYTES=16", "VECTOR_BYTES=64")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("features", FEATURES)
def test_it_predicts_what_the_model_does(features: str, form: str, tmp_path: Path) -> None:
    at = FEATURES.index(features)
    models = [draw_model(100 * at + i, features, f"random{i}") for i in range(8)]
    check(models, features, form, tmp_path, word=WORDS[(at + FORMS.index(form)) % len(WORDS)])


@pytest.mark.parametrize("word", WORDS)
def test_words(word: str, tmp_path: Path) -> None:
    models = [draw_model(900 + head, "float", f"head{head}", head) for head in range(4)]
    check(models, "float", "straight", tmp_path, word=word)


def test_no_compiler_rounds_once(tmp_path: Path) -> None:
    """Where there are fused operations; of 0.1 n + 1.7 every tenth would be another number."""
    flags = ("-O3", "-ffp-contract=fast")
    try:
        check([draw_model(5, "float", head=1)], "float", "straight", tmp_path, "-mfma", *flags)
    except OSError:
        check([draw_model(5, "float", head=1)], "float", "straight", tmp_path, *flags)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("features", "head"), [("uint8", 3), ("float", 0), ("double", 2), ("int16", 1)]
)
def test_sanitizers_find_nothing(features: str, head: int, form: str, tmp_path: Path) -> None:
    model = draw_model(7 + head, features, "some", head)
    files = c.write(model, form, features)
    status, printed = run(compile_program(files, (*STRICT, *SANITIZE), folder=tmp_path))
    assert status == 0, printed
    assert re.fullmatch(r"\d+ vectors, 0 wrong\n", printed)


@pytest.mark.needs_tool("clang")
@pytest.mark.parametrize("features", FEATURES)
def test_clang_agrees_and_does_not_warn(features: str, tmp_path: Path) -> None:
    for head in (FEATURES.index(features) % 4, (FEATURES.index(features) + 1) % 4):
        model = draw_model(30 + head, features, f"some{head}", head)
        files = c.write(model, FORMS[head % 2], features)
        status, printed = run(compile_program(files, STRICT, "clang", folder=tmp_path))
        assert status == 0 and printed.endswith(" 0 wrong\n")


def digits_model(octets: bool = True) -> Model:
    circuit = draw_circuit(3, 32, 400, 2, "digits")
    names = ('a "quoted" one\\', "two??/", "drei é\n", "\x01" + "4")
    thermometer = Thermometer(np.array([3.0, 7.5], np.float32), (4, 4), octets)
    return Model(circuit, 4, thermometer, class_names=names)


def test_class_names(tmp_path: Path) -> None:
    model = digits_model()
    library = ctypes.CDLL(str(compile_shared(c.write(model), STRICT, folder=tmp_path)))
    names = (ctypes.c_char_p * 4).in_dll(library, "digits_class_names")
    assert tuple(name.decode() for name in names) == model.class_names


def test_the_program_finds_wrong_results(tmp_path: Path) -> None:
    files = c.write(digits_model())
    program = compile_program(files, STRICT, folder=tmp_path)
    assert run(program) == (0, "256 vectors, 0 wrong\n")
    header = files["digits_vectors.h"].decode()
    start = header.index("{\n", header.index("_vector_results["))
    numbers = re.findall(r"\d+", header[start:])
    wrong = "3" if numbers[0] != "3" else "2"
    header = header[:start] + header[start:].replace(numbers[0], wrong, 1)
    files["digits_vectors.h"] = header.encode()
    status, printed = run(compile_program(files, STRICT, folder=tmp_path))
    assert status == 1 and printed.endswith("256 vectors, 1 wrong\n")
    assert printed.startswith(f"vector 0: result 0 is {numbers[0]}, alone")


def test_the_program_calls_both_functions(tmp_path: Path) -> None:
    """A batch that goes wrong alone, and a row alone that does, are seen."""
    files = c.write(digits_model())
    source = files["digits.c"].decode()
    for broken in (
        source.replace("digits_predict_batch(row, 1U, &result);", "result = 9; (void)row;"),
        source.replace("const size_t most = 8U *", "const size_t most = 1U + 8U *"),
    ):
        assert broken != source
        changed = {**files, "digits.c": broken.encode()}
        status, _ = run(compile_program(changed, ("-w",), folder=tmp_path))
        assert status == 1


@pytest.mark.needs_tool("c++")
def test_cpp_includes_the_header(tmp_path: Path) -> None:
    for name, content in c.write(digits_model()).items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "main.cpp").write_text(
        '#include "digits_model.h"\n'
        "int main() { uint8_t row[16] = {}; return digits_predict(row); }\n"
    )
    command = ["c++", "-std=c++11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only"]
    subprocess.run([*command, "main.cpp"], cwd=tmp_path, check=True)


def test_fast_mathematics_are_refused(tmp_path: Path) -> None:
    files = c.write(draw_model(3, "float"), features="float")
    with pytest.raises(Exception, match="comparisons with NaN must be exact"):
        compile_shared(files, ("-ffast-math",), folder=tmp_path)
    compile_shared(c.write(digits_model()), ("-ffast-math",), folder=tmp_path)


def test_features_follow_from_the_encoder() -> None:
    model = digits_model()
    assert natural_features(model) == "uint8"
    assert natural_features(replace(model, encoder=None)) == "uint8"
    assert natural_features(replace(model, encoder=Identity((32,)))) == "uint8"
    assert natural_features(digits_model(octets=False)) == "float"
    assert natural_features(draw_table()) == "double"
    assert c.made(model).features == "uint8"
    assert c.made(model, features="int16").features == "int16"
    source = c.write(model)["digits.c"].decode()
    assert "float" not in source and "double" not in source
    with pytest.raises(InputError, match="auto or one of uint8.*not 'half'"):
        c.made(model, features="half")


def test_what_was_fitted_to_bytes_is_remembered(tmp_path: Path) -> None:
    x = np.arange(64, dtype=np.uint8).reshape(2, 32)
    for samples, octets in ((x, True), (x.astype(np.float32), False)):
        for thermometer in (
            Thermometer.fit(samples),
            Thermometer.fit(samples, thresholds=[3.0]),
            Thermometer.fit(samples, how="quantile"),
        ):
            model = replace(digits_model(), encoder=thermometer)
            model.save(tmp_path / "model.safetensors")
            read = Model.load(tmp_path / "model.safetensors").encoder
            assert isinstance(read, Thermometer)
            assert read.octets is thermometer.octets is octets


def draw_table() -> Model:
    table = {
        "size": ["s", "m", "l", "m", "s", "l"],
        "job": ["cook", "smith", None, "cook", "tailor */", "smith"],
        "age": [18.01, NAN, 41.5, 70.25, 18.02, 52.0],
    }
    encoder = TableEncoder.fit(table, ordered={"size": ["s", "m", "l"]})
    circuit = draw_circuit(2, encoder.num_bits, 60, 2, "table")
    return Model(circuit, 4, encoder)


@pytest.mark.parametrize("form", FORMS)
def test_tables(form: str, tmp_path: Path) -> None:
    model = draw_table()
    table = {
        "size": ["s", "m", "l"] * 40,
        "job": ["cook", "smith", None, "tailor */"] * 30,
        "age": [NAN, 18.0, 18.015, 41.5, 42.0, 70.25, 70.3, 20.0] * 15,
    }
    assert isinstance(model.encoder, TableEncoder)
    x = model.encoder.rows(table)
    files = c.write(model, form)
    library = ctypes.CDLL(str(compile_shared(files, STRICT, folder=tmp_path)))
    for found in results_of(library, model, np.ascontiguousarray(x)):
        np.testing.assert_array_equal(found[:, 0], model.predict(table))
    header = files["table_model.h"].decode()
    for line in (
        'row[0]  "size"',
        '0 "s", 1 "m", 2 "l",',
        'row[1]  "job"; may be missing (NaN)',
        '0 "cook", 1 "smith", 2 "tailor *\\/",',
        'row[2]  "age"; may be missing (NaN)',
    ):
        assert line in header


def test_only_what_is_read_is_compared() -> None:
    """Bits that are always so are folded, and those that no gate reads are left out."""
    builder = Builder([f"x{i}" for i in range(6)], "few")
    always, never, used, _, equal, other = builder.inputs
    builder.output("y", builder.lor(builder.land(always, used), builder.land(never, equal)))
    builder.output("z", other)
    table = BitTable([0, 0, 1, 1, 2, 0], [0, 0, 0, 0, 1, 1], [-1, 255, 3.5, 9, 7, 8])
    found = Comparisons.of(Model(builder.build(), None, Compared((3,), table)), "uint8")
    assert (found.column, found.limit) == ([1, 0], [3, 8])
    assert (found.num_over, found.num_equal, found.num_missing) == (1, 1, 0)
    assert found.circuit.input_names == ("x2", "x5")
    assert found.circuit.num_gates == 0


@pytest.mark.parametrize(
    ("features", "kind", "limit"),
    [("float", 0, -1e39), ("float", 0, -INF), ("double", 0, -INF), ("double", 1, INF)],
)
def test_limits_that_cannot_be_written(features: str, kind: int, limit: float) -> None:
    circuit = draw_wire()
    model = Model(circuit, None, Compared((1,), BitTable([0], [kind], [limit])))
    with pytest.raises(
        InputError, match=re.escape(f"bit 0 compares with {limit}, which is no finite {features}")
    ):
        c.made(model, features=features)


def draw_wire() -> Circuit:
    builder = Builder(["x"], "wire")
    builder.output("y", builder.inputs[0])
    return builder.build()


@pytest.mark.parametrize("limit", [INF, 3.5e38, 1e39, NAN, 0.1, 1 / 3, -1e-46, 5e-324])
@pytest.mark.parametrize("kind", [0, 1])
def test_limits_are_rounded_so_that_nothing_changes(
    limit: float, kind: int, tmp_path: Path
) -> None:
    if (limit, kind) == (INF, 1):
        return
    table = BitTable([0], [kind], [limit])
    near = np.float32(min(limit, 3e38) if limit == limit else 0)
    x = [near, np.nextafter(near, np.float32(INF)), np.nextafter(near, np.float32(-INF))]
    x = np.array([*x, 0, INF, -INF, NAN, np.finfo(np.float32).max], np.float32)[:, None]
    model = Model(draw_wire(), None, Compared((1,), table))
    library = ctypes.CDLL(str(compile_shared(c.write(model, features="float"), folder=tmp_path)))
    for found in results_of(library, model, x):
        np.testing.assert_array_equal(found == 1, table(x))


def test_wide_class_numbers_and_none(tmp_path: Path) -> None:
    models = []
    for num_outputs in (0, 9, 17, 32):
        circuit = draw_circuit(num_outputs, 6, 50, num_outputs, f"wide{num_outputs}")
        table = BitTable(np.arange(6) % 2, np.zeros(6), np.arange(6))
        models.append(Model(circuit, 1 << num_outputs, Compared((2,), table)))
    check(models, "uint8", "straight", tmp_path)
    with pytest.raises(InputError, match="33 outputs; a class number in C has at most 32"):
        c.made(replace(models[0], circuit=draw_circuit(0, 6, 50, 33)))


def test_bits_are_taken_as_they_are(tmp_path: Path) -> None:
    """A model without an encoder: its rows are bytes of 0 and 1."""
    model = Model(draw_circuit(9, 12, 90, 3, "bits"), 8)
    library = ctypes.CDLL(str(compile_shared(c.write(model), STRICT, folder=tmp_path)))
    x = np.random.default_rng(0).integers(0, 2, (100, 12)).astype(np.uint8)
    for found in results_of(library, model, x):
        np.testing.assert_array_equal(found[:, 0], model.predict(x))


def test_a_constant_model(tmp_path: Path) -> None:
    builder = Builder(["x"], "always")
    builder.output("y", FALSE ^ 1)
    model = Model(builder.build(), 2, Compared((1,), BitTable([0], [0], [0.5])))
    files = c.write(model, features="float")
    assert run(compile_program(files, STRICT, folder=tmp_path)) == (0, "256 vectors, 0 wrong\n")
