from __future__ import annotations

import gc
import pickle
import re
import subprocess
import sys
import tracemalloc
import weakref
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gatewright as gw
from gatewright import engine, engine_speed, native
from gatewright.circuit import Circuit, pack, unpack
from gatewright.counting import vote
from gatewright.encode import BitTable, Encoder, Identity, Thermometer
from gatewright.engine import MAX_JIT_GATES, Compiled, compiled
from gatewright.errors import InputError, MissingTool
from gatewright.model import Model
from native_programs import Machine, machines
from random_circuits import built_circuits, large, raw_circuits

HERE = Path(__file__).parent
NATIVE = ("jit", "interpreter")


def instruction_sets() -> list[str]:
    """Those of this machine, as GATEWRIGHT_ISA names them."""
    found: list[str] = []
    for isa in ("portable", "avx2", "avx512"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("GATEWRIGHT_ISA", isa)
            try:
                gw.compile(large(5), "interpreter")(np.zeros((12, 1), np.uint64))
            except ValueError:
                continue
        found.append(isa)
    return found


ISAS = instruction_sets()
#: What runs: (instruction set, back end).
HOW = [(isa, "interpreter") for isa in ISAS] + [(isa, "jit") for isa in ISAS if isa != "portable"]


def words_of(circuit: Circuit, num_words: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 2**64, (circuit.num_inputs, num_words), dtype=np.uint64)


def expected(circuit: Circuit, words: np.ndarray) -> np.ndarray:
    return native.simulate_numpy(
        circuit.num_inputs, circuit.fanin, circuit.table, circuit.outputs, words
    )


def layered(width: int, depth: int, num_inputs: int = 40, seed: int = 0) -> Circuit:
    """Random gates of every table, each layer over the one before; every last gate is an output."""
    rng = np.random.default_rng(seed)
    fanin, begin, size = [], 1, num_inputs
    for layer in range(depth):
        fanin.append(begin + rng.integers(0, size, (width, 2)))
        begin, size = 1 + num_inputs + layer * width, width
    outputs = 2 * (begin + np.arange(width)) + rng.integers(0, 2, width)
    return Circuit(
        np.concatenate(fanin),
        rng.integers(0, 16, width * depth),
        outputs,
        tuple(f"x{i}" for i in range(num_inputs)),
        tuple(f"y{i}" for i in range(width)),
    )


@settings(max_examples=150, deadline=None)
@given(st.one_of(built_circuits(), raw_circuits(), raw_circuits(3, 60)), st.integers(0, 40))
def test_native_back_ends_equal_numpy_on_any_circuit(circuit: Circuit, num_words: int) -> None:
    words = words_of(circuit, num_words)
    for backend in NATIVE:
        for threads in (1, 2):
            found = gw.compile(circuit, backend, threads)(words)
            np.testing.assert_array_equal(found, expected(circuit, words), err_msg=backend)


@pytest.mark.parametrize(("isa", "backend"), HOW)
@pytest.mark.parametrize(("width", "depth"), [(1, 1), (30, 90), (700, 6), (3000, 2)])
def test_layers_that_spill_registers_and_fill_segments(
    isa: str, backend: str, width: int, depth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWRIGHT_ISA", isa)
    circuit = layered(width, depth)
    words = words_of(circuit, 37)
    made = gw.compile(circuit, backend, threads=2)
    np.testing.assert_array_equal(made(words), expected(circuit, words))
    assert (
        made.about["samples_a_block"]
        == {"interpreter": 1024, "avx2": 256, "avx512": 512}[
            "interpreter" if backend == "interpreter" else isa
        ]
    )


@pytest.mark.parametrize("backend", ["c", "jax"])
def test_the_other_back_ends_equal_numpy(backend: str) -> None:
    for circuit in (layered(60, 5), large(300), layered(1, 1, 3)):
        words = words_of(circuit, 5)
        np.testing.assert_array_equal(gw.compile(circuit, backend)(words), expected(circuit, words))


@pytest.mark.parametrize("backend", ["jit", "interpreter", "jax", "numpy", "c"])
def test_constants_inputs_as_outputs_and_nothing_at_all(backend: str) -> None:
    empty = Circuit(np.zeros((0, 2)), np.zeros(0), np.zeros(0), (), ())
    assert gw.compile(empty, backend)(np.zeros((0, 3), np.uint64)).shape == (0, 3)
    plain = Circuit(np.zeros((0, 2)), np.zeros(0), [0, 1, 2, 5, 3], ("a", "b"), tuple("vwxyz"))
    words = words_of(plain, 3)
    np.testing.assert_array_equal(gw.compile(plain, backend)(words), expected(plain, words))
    assert gw.compile(plain, backend)(words[:, :0]).shape == (5, 0)


def test_a_million_gates_are_ready_and_right() -> None:
    circuit = layered(125_000, 8, 784)
    made = gw.compile(circuit, threads=1)
    assert made.backend == ("interpreter" if native.load() else "numpy")
    words = words_of(circuit, 2)
    found = made(words)
    np.testing.assert_array_equal(found, circuit.simulate(words))


def test_auto_chooses_by_size_and_says_so() -> None:
    small = gw.compile(large(100))
    assert small.backend == "jit"
    about = small.about
    assert about["gates"] == large(100).num_gates >= about["operations"] > 0
    assert about["code_bytes"] > 0
    assert about["value_bytes"] % 64 == 0
    assert about["loads"] > 0
    ends = set((large(100).outputs >> 1).tolist()) - {0}
    assert about["stores"] >= len(ends)  # a constant takes none
    assert "loads" not in gw.compile(large(100), "interpreter").about
    assert layered(MAX_JIT_GATES // 100 + 1, 100).num_gates > MAX_JIT_GATES


@pytest.mark.parametrize(("isa", "backend"), HOW)
def test_few_samples_at_a_time_are_run_as_many_are(
    isa: str, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWRIGHT_ISA", isa)
    for width, depth in ((1, 1), (30, 40), (700, 6)):
        circuit = layered(width, depth)
        made = gw.compile(circuit, backend, threads=2)
        for num_words in (1, 1, 2, 40, 0, 1, 3, 2):
            words = words_of(circuit, num_words, num_words)
            np.testing.assert_array_equal(made(words), expected(circuit, words))
        x = np.random.default_rng(0).integers(0, 2, (300, 40), dtype=np.uint8)
        for count in (1, 128, 129, 1, 64):
            np.testing.assert_array_equal(made.predict(x[:count]), circuit(x[:count]))


# One sample


@pytest.mark.parametrize(("isa", "backend"), HOW)
def test_one_sample_or_hardly_more_is_run_as_many_are(
    isa: str, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWRIGHT_ISA", isa)
    wide = engine_speed.layered(900, 4, 70)
    for circuit in (wide, engine_speed.folded(wide, 3), layered(700, 6), wide.then(vote(6, 150))):
        rows = np.random.default_rng(1).integers(0, 2, (17, circuit.num_inputs), dtype=np.uint8)
        made = gw.compile(circuit, backend, threads=1)
        labels = gw.compile(Model(circuit, 8), backend) if circuit.num_outputs == 3 else None
        for count in (1, 1, 2, 3, 4, 5, 17, 1):
            some = rows[:count]
            np.testing.assert_array_equal(made.predict(some), circuit(some))
            if labels is not None:
                np.testing.assert_array_equal(labels.predict(some), circuit(some) @ [1, 2, 4])
            words = pack(some)
            np.testing.assert_array_equal(made(words), expected(circuit, words))
            last = words << np.uint64(64 - count)  # the last one is sample 63
            np.testing.assert_array_equal(made(last), expected(circuit, last))
        zeros = np.zeros_like(words)
        np.testing.assert_array_equal(made(zeros), expected(circuit, zeros))


@pytest.mark.parametrize("backend", NATIVE)
def test_what_runs_one_sample_is_told_once_there_were_two(backend: str) -> None:
    circuit = engine_speed.layered(900, 4, 70).then(vote(6, 150))
    made = gw.compile(circuit, backend, threads=1)
    row = np.zeros((1, 70), np.uint8)
    for _ in range(2):
        assert "one_sample" not in made.about
        made.predict(row)
    about = made.about["one_sample"]
    assert about["wide_levels"] == 4
    assert 0 < about["blocks"] < circuit.num_gates / 4
    assert about["bytes"] > 0


@pytest.mark.parametrize("backend", NATIVE)
def test_small_circuits_and_what_cannot_be_looked_up_have_no_path_for_one_sample(
    backend: str,
) -> None:
    narrow = engine_speed.layered(20, 400, 40)  # of which no blocks are to be had
    for circuit in (layered(90, 8), narrow) if backend == "jit" else (layered(90, 8),):
        made = gw.compile(circuit, backend, threads=1)
        row = np.ones((1, 40), np.uint8)
        for _ in range(3):
            np.testing.assert_array_equal(made.predict(row), circuit(row))
        assert "one_sample" not in made.about


@pytest.mark.parametrize(("isa", "backend"), HOW)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64, np.int16])
def test_one_sample_is_encoded_as_the_encoder_does(
    isa: str, backend: str, dtype: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWRIGHT_ISA", isa)
    rng = np.random.default_rng(5)
    encoders: list[Encoder] = [Tabular(drawn_table(rng, 9, 120), 9)]
    for features, bits in ((41, 2), (63, 1), (64, 3), (200, 1), (70, 11)):
        thresholds = np.sort(rng.uniform(-4, 12, (features, bits)), axis=1).round(1)
        encoders.append(Thermometer(thresholds.astype(np.float32), (features,)))
    for encoder in encoders:
        circuit = layered(1400, 2, encoder.num_bits)
        made = gw.compile(Model(circuit, None, encoder), backend)
        x = drawn_rows(rng, encoder.bit_table, (6, *encoder.shape))
        if np.dtype(dtype).kind in "iu":
            x = np.nan_to_num(x, nan=3, posinf=255, neginf=0).clip(0, 255)
        with np.errstate(over="ignore", under="ignore"):
            x = x.astype(dtype)
        for some in (x[:1], x[1:2], x[2:5], x[5::-3]):
            np.testing.assert_array_equal(made.predict(some), circuit(encoder(some)))
        assert "one_sample" in made.about


class Marked(np.ndarray):
    """A class of arrays that is not NumPy's own."""


def misaligned(array: np.ndarray) -> np.ndarray:
    """A copy that begins one byte behind where its numbers should."""
    held = np.empty(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
    held[:] = array
    assert not held.flags.aligned
    return held


@pytest.mark.parametrize("backend", ["jit", "interpreter", "c", "jax", "numpy"])
def test_words_may_lie_in_any_way(backend: str) -> None:
    circuit = layered(5, 3)
    words = words_of(circuit, 12)
    made = gw.compile(circuit, backend)
    read_only = words.copy()
    read_only.flags.writeable = False
    for some in (words[:, ::2], np.asfortranarray(words), words[:, 3:7], words[:, ::-1],
                 words[:, :1], misaligned(words), read_only, words.astype(np.ulonglong),
                 words.view(Marked), np.ma.masked_array(words)):  # fmt: skip
        found = made(some)
        np.testing.assert_array_equal(found, expected(circuit, np.ascontiguousarray(some)))
        assert (type(found), found.dtype, found.flags.c_contiguous) == (np.ndarray, np.uint64, True)


@pytest.mark.parametrize("backend", ["jit", "interpreter", "c", "jax", "numpy"])
def test_whatever_is_not_packed_words_is_refused_by_name(backend: str) -> None:
    circuit = layered(5, 3)
    made = gw.compile(circuit, backend)
    words = words_of(circuit, 2)
    for wrong, said in (
        (words.astype(np.int64), "int64[40, 2]"), (words.astype(float), "float64[40, 2]"),
        (words.astype(">u8"), ">u8[40, 2]"), (words.astype(np.uint32), "uint32[40, 2]"),
        (words.astype(bool), "bool[40, 2]"), (words[:39], "uint64[39, 2]"),
        (words.T, "uint64[2, 40]"), (words[:, 0], "uint64[40]"), (words[None], "uint64[1, 40, 2]"),
        ([[0, 1]] * 40, "int64[40, 2]"), (None, "object[]"), ("words", "<U5[]"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=rf"are uint64\[40, W\], not {re.escape(said)}$"):
            made(wrong)
    np.testing.assert_array_equal(made(words), expected(circuit, words))


@pytest.mark.parametrize("backend", NATIVE)
def test_calls_leave_nothing_behind(backend: str) -> None:
    circuit = layered(4, 3)
    made = gw.compile(Model(circuit, 16), backend, threads=1)
    words, row = words_of(circuit, 1), np.ones((1, 40), np.uint8)
    bad = words.astype(np.int64)

    def call() -> None:
        for _ in range(500):
            made(words), made(words[:, ::-1]), made.predict(row), made.predict(row.astype(float))
        for call in (made, made.predict):
            with pytest.raises(InputError):
                call(bad)

    given = (words, row, bad, np.dtype(np.uint64), np.dtype(np.int64), np.ndarray)
    call()
    gc.collect()
    counts = [sys.getrefcount(one) for one in given]
    tracemalloc.start()  # which sees the memory of arrays too
    try:
        call()
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        call()
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert [sys.getrefcount(one) for one in given] == counts
    assert grown < 4000  # 500 arrays would be 60,000


@pytest.mark.parametrize("backend", NATIVE)
def test_a_result_is_its_callers_own(backend: str) -> None:
    circuit = layered(4, 3)
    made = gw.compile(Model(circuit, 16), backend, threads=1)
    words = words_of(circuit, 1)
    first, labels = made(words), made.predict(np.ones((1, 40), np.uint8))
    kept = first.copy(), labels.copy()
    made(~words)
    made.predict(np.zeros((1, 40), np.uint8))
    np.testing.assert_array_equal(first, kept[0])
    np.testing.assert_array_equal(labels, kept[1])
    assert first.flags.writeable
    assert labels.flags.writeable


# From raw samples


@pytest.mark.parametrize(("isa", "backend"), HOW)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64, np.int64, np.int8, np.bool_])
@pytest.mark.parametrize("features", [1, 63, 64, 200])
def test_samples_are_encoded_as_the_encoder_does(
    isa: str, backend: str, dtype: type, features: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWRIGHT_ISA", isa)
    rng = np.random.default_rng(features)
    for bits in (1, 3, 11):
        thresholds = np.sort(rng.uniform(-40, 300, (features, bits)), axis=1).round(1)
        encoder = Thermometer(thresholds.astype(np.float32), (features,))
        model = gw.compile(Model(wires(encoder.num_bits), None, encoder), backend)
        for count in (0, 1, 64, 511, 1300):
            x = rng.integers(-128, 300, (count, features)).astype(dtype)
            np.testing.assert_array_equal(model.predict(x), encoder(x))


class Tabular(Encoder):
    """Whatever bits of whatever columns, as NumPy makes them."""

    def __init__(self, table: BitTable, num_columns: int) -> None:
        self.table, self.shape = table, (num_columns,)

    @property
    def num_bits(self) -> int:
        return len(self.table.column)

    @property
    def about(self) -> dict[str, object]:
        raise NotImplementedError

    @property
    def bit_table(self) -> BitTable:
        return self.table

    def _encode(self, rows: np.ndarray) -> np.ndarray:
        return self.table(rows)


#: Limits that are not to be rounded, that one type has and another has not, and that none reaches.
ODD = [0.1, np.float32(0.1), np.nextafter(1, 2), -0.0, -0.5, 255, 255.5, 256, 1e300, -1e300,
       np.inf, -np.inf, np.nan, 1e-50, 2**24 + 1]  # fmt: skip


def drawn_table(rng: np.random.Generator, num_columns: int, num_bits: int) -> BitTable:
    limit = rng.integers(-2, 9, num_bits) + rng.choice([0, 0.5], num_bits)
    limit = np.where(rng.random(num_bits) < 0.3, rng.choice(ODD, num_bits), limit)
    return BitTable(rng.integers(0, num_columns, num_bits), rng.integers(0, 3, num_bits), limit)


def drawn_rows(rng: np.random.Generator, table: BitTable, shape: tuple[int, int]) -> np.ndarray:
    """Numbers around a table's limits, some equal to one, some NaN."""
    x = rng.choice(np.append(table.limit, np.arange(9.0)), shape)
    one_up = np.where(x > 0, np.nextafter(x, 1e9), x)
    x = np.where(rng.random(shape) < 0.2, one_up, x)
    return np.where(rng.random(shape) < 0.2, np.nan, x)


def wires(num: int) -> Circuit:
    names = [tuple(f"{letter}{i}" for i in range(num)) for letter in "xy"]
    return Circuit(np.zeros((0, 2)), np.zeros(0), 2 * np.arange(1, num + 1), *names)


@pytest.mark.parametrize(("isa", "backend"), HOW)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64, np.int64])
@pytest.mark.parametrize(("columns", "bits"), [(1, 5), (7, 40), (14, 120), (70, 300)])
def test_bits_of_tables_are_those_of_numpy(
    isa: str, backend: str, dtype: type, columns: int, bits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWRIGHT_ISA", isa)
    rng = np.random.default_rng(columns)
    for count in (0, 1, 65, 512, 1300):
        table = drawn_table(rng, columns, bits)
        x = drawn_rows(rng, table, (count, columns + 3))
        if np.dtype(dtype).kind in "iu":
            x = np.nan_to_num(x, nan=3, posinf=255, neginf=0).clip(0, 255)
        with np.errstate(over="ignore", under="ignore"):
            x = x.astype(dtype)[:, :columns]  # rows that are not side by side
        model = gw.compile(Model(wires(bits), None, Tabular(table, columns)), backend)
        np.testing.assert_array_equal(model.predict(x), table(x))
        np.testing.assert_array_equal(model.predict(x[::-2]), table(x[::-2]))


@pytest.mark.parametrize("backend", NATIVE)
def test_inputs_that_nothing_reads_are_not_packed_and_change_nothing(backend: str) -> None:
    rng = np.random.default_rng(4)
    for size in (5, 64, 200):
        for encoder in (
            Tabular(drawn_table(rng, 9, size), 9),
            Thermometer(np.array([3, 7], np.float32), (size // 2,)),
        ):
            circuit = layered(3, 1, encoder.num_bits)
            x = rng.integers(0, 9, (700, *encoder.shape)).astype(np.uint8)
            found = gw.compile(Model(circuit, None, encoder), backend).predict(x)
            np.testing.assert_array_equal(found, circuit(encoder(x)))


@pytest.mark.parametrize(
    ("column", "kind", "why"),
    [
        ([0, 3], [0, 0], "bit 1 is of column 3; a row has 3"),
        ([-1, 0], [0, 0], "bit 0 is of column -1; a row has 3"),
        ([0, 1], [0, 3], "bit 1 is of kind 3; there are 0, 1 and 2"),
        ([0, 1, 2], [0, 0, 0], "of 3, 3 and 3 bits are given; the circuit has 2 inputs"),
    ],
)
def test_bits_of_what_is_not_there_are_refused(
    column: list[int], kind: list[int], why: str
) -> None:
    table = BitTable(np.array(column), np.array(kind), np.zeros(len(column)))
    encoder = Tabular(table, 3)
    model = Model(wires(2))
    object.__setattr__(model, "encoder", encoder)
    with pytest.raises(InputError, match=f"circuit circuit, back end jit: .*{why}"):
        gw.compile(model, "jit")


def test_rows_of_another_width_are_refused_by_the_core() -> None:
    core = gw.compile(wires(3), "interpreter")._ready.engine
    for call in (core.labels, core.outputs):
        with pytest.raises(ValueError, match="rows have 2 features, not 3"):
            call(np.zeros((4, 2), np.uint8))
        with pytest.raises(ValueError, match="not side by side"):
            call(np.zeros((4, 6), np.uint8)[:, ::2])
    words = np.zeros((3, 2), np.uint64)
    for call, wrong in ((core.run, misaligned(words)), (core.labels, words[0]), (core.outputs, 3)):
        with pytest.raises(TypeError, match="give an aligned matrix of NumPy"):
            call(wrong)


def test_nan_and_infinities_and_equality_with_a_threshold() -> None:
    encoder = Thermometer(np.array([0.5, 1.5], np.float32), (2,))
    model = gw.compile(Model(wires(4), None, encoder))
    x = np.array([[np.nan, np.inf], [-np.inf, 0.5], [1.5, np.nextafter(0.5, 1)]])
    np.testing.assert_array_equal(model.predict(x), encoder(x))
    np.testing.assert_array_equal(model.predict(x.astype(np.float32)), encoder(x.astype("f4")))


def test_rows_are_read_where_they_lie(tmp_path: Path) -> None:
    encoder = Thermometer(np.array([100.0], np.float32), (70,))
    circuit = layered(3, 2, 70)
    model = gw.compile(Model(circuit, None, encoder))
    whole = np.random.default_rng(0).integers(0, 256, (900, 140), dtype=np.uint8)
    expect = circuit(encoder(np.ascontiguousarray(whole[::2, 35:105])))
    for x in (whole[::2, 35:105], np.asfortranarray(whole[::2, 35:105])):
        np.testing.assert_array_equal(model.predict(x), expect)
    backwards = whole[::-1, :70]
    np.testing.assert_array_equal(model.predict(backwards), circuit(encoder(backwards.copy())))
    for dtype in (">f4", "f4", "f8"):
        other = whole[:, :70].astype(dtype)
        for x in (other, misaligned(other), other.view(Marked)):
            np.testing.assert_array_equal(model.predict(x), circuit(encoder(whole[:, :70])))
    np.save(tmp_path / "x.npy", whole[:, :70])
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    np.testing.assert_array_equal(model.predict(mapped), circuit(encoder(whole[:, :70])))


@pytest.mark.parametrize("num_outputs", [1, 4, 8, 9, 20])
@pytest.mark.parametrize("backend", ["jit", "interpreter", "numpy"])
def test_outputs_become_class_numbers(num_outputs: int, backend: str) -> None:
    circuit = layered(num_outputs, 2, 9)
    rows = np.random.default_rng(0).integers(0, 2, (1000, 9), dtype=np.uint8)
    weights = 1 << np.arange(num_outputs)
    model = gw.compile(Model(circuit, 1 << num_outputs), backend)
    labels = model.predict(rows)
    assert labels.dtype == np.int64
    np.testing.assert_array_equal(labels, circuit(rows) @ weights)
    bits = gw.compile(Model(circuit, None, Identity((9,))), backend).predict(rows)
    np.testing.assert_array_equal(bits, circuit(rows))


# Life in a program


def test_it_is_pickled_small_and_runs_again() -> None:
    circuit = layered(50, 3)
    words = words_of(circuit, 9)
    made = gw.compile(circuit, threads=2)
    again = pickle.loads(pickle.dumps(made))
    assert (again.backend, again.threads) == (made.backend, 2)
    np.testing.assert_array_equal(again(words), made(words))
    assert circuit.depth > 0  # what was counted is not sent
    model = Model(circuit)
    model.predict(np.zeros((3, circuit.num_inputs), bool))
    for one in (made, model):
        assert len(pickle.dumps(one)) < 1.05 * len(model.to_bytes())


SENT = """
import pickle, sys
import numpy as np
from gatewright import engine

made = []
def counted(maker):
    return lambda *how: made.append(how) or maker(*how)
engine._MAKERS.update({name: counted(maker) for name, maker in engine._MAKERS.items()})
for name in ("model", "compiled"):
    with open(sys.argv[1] + name, "rb") as file:
        runs = pickle.load(file)
    begun = len(made)
    found = [runs.predict(np.full((40, 5), batch % 2)).sum() for batch in range(30)]
    print(name, len(made) - begun, sum(map(int, found)))
"""


def test_in_another_process_it_is_made_once_not_once_a_batch(tmp_path: Path) -> None:
    model = Model(layered(4, 2, 5))
    rows = np.repeat(np.arange(30) % 2, 40)[:, None] * np.ones(5, int)
    expected = int(model.predict(rows).sum())
    for name, one in (("model", model), ("compiled", gw.compile(model))):
        (tmp_path / name).write_bytes(pickle.dumps(one))
    command = [sys.executable, "-c", SENT, f"{tmp_path}/"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said == f"model 1 {expected}\ncompiled 1 {expected}\n"


def printed(code: str) -> str:
    """What the code prints, by itself in a process that has not loaded JAX."""
    command = [sys.executable, "-W", "ignore", "-c", code]
    said = subprocess.run(command, capture_output=True, text=True, check=False, cwd=HERE)
    assert said.returncode == 0, said.stderr
    return said.stdout


FORKED = """
import multiprocessing
import numpy as np
import gatewright as gw
from test_engine import expected, layered, words_of

circuit = layered(50, 3)
words = words_of(circuit, 900)  # which several threads share
made = gw.compile(circuit, threads=3)
kept = made._ready
assert (made(words) == expected(circuit, words)).all()

def again(seed):
    global kept
    found = made(words_of(circuit, 900, seed))
    kept = None  # what was made before the fork ends where new threads have begun
    return found

with multiprocessing.get_context("fork").Pool(2) as pool:
    for seed, found in enumerate(pool.map_async(again, range(6)).get(60)):
        assert (found == expected(circuit, words_of(circuit, 900, seed))).all()
assert made._ready is kept
print("well")
"""


def test_it_crosses_forks() -> None:
    assert printed(FORKED) == "well\n"


def test_calls_from_many_threads_do_not_mix() -> None:
    from concurrent.futures import ThreadPoolExecutor

    circuit = layered(100, 4)
    made = gw.compile(circuit, threads=2)
    inputs = [words_of(circuit, 50, seed) for seed in range(16)]
    with ThreadPoolExecutor(4) as pool:
        for words, found in zip(inputs, pool.map(made, inputs), strict=True):
            np.testing.assert_array_equal(found, expected(circuit, words))


def test_predict_compiles_a_model_once() -> None:
    model = Model(layered(4, 2, 5))
    assert compiled(model) is compiled(model)
    model.predict(np.zeros((3, 5), bool))
    again = pickle.loads(pickle.dumps(model))
    assert again.circuit.num_gates == 8
    assert compiled(again) is not compiled(model)
    alive = weakref.ref(model)
    del model
    gc.collect()
    assert alive() is None


# Errors


def test_bad_requests_are_one_line() -> None:
    circuit = large(20)
    with pytest.raises(InputError, match="unknown back end 'cuda'; known: auto, jit"):
        gw.compile(circuit, "cuda")
    with pytest.raises(InputError, match="threads is 0; give at least 1"):
        gw.compile(circuit, threads=0)
    made = gw.compile(circuit)
    for words in (np.zeros((11, 2), np.uint64), np.zeros((12, 2), np.int64), np.zeros(12)):
        with pytest.raises(InputError, match=r"packed words are uint64\[12, W\], not"):
            made(words)
    with pytest.raises(InputError, match="bits are 0 or 1"):
        made.predict(np.full((2, 12), 2))
    with pytest.raises(InputError, match=r"give \[N, 12\]"):
        made.predict(np.zeros((2, 13), bool))


def test_a_machine_without_vectors_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWRIGHT_ISA", "portable")
    with pytest.raises(InputError, match="machine code is for x86-64.*take the interpreter"):
        gw.compile(large(20), "jit")
    assert gw.compile(large(20)).backend == "interpreter"
    monkeypatch.setenv("GATEWRIGHT_ISA", "mmx")
    with pytest.raises(InputError, match="GATEWRIGHT_ISA is mmx, which is not avx512"):
        gw.compile(large(20), "interpreter")


def test_auto_takes_the_interpreter_where_no_memory_may_be_executed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(circuit: Circuit, how: Compiled) -> None:
        raise InputError(f"{circuit.name}, {how.backend}: this system lets no memory be executed")

    monkeypatch.setitem(engine._MAKERS, "jit", refuse)
    assert gw.compile(large(20)).backend == "interpreter"
    with pytest.raises(InputError, match="large, jit: this system lets no memory be executed"):
        gw.compile(large(20), "jit")


def test_without_the_native_core_numpy_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWRIGHT_NATIVE", "0")
    native.load.cache_clear()
    try:
        circuit = large(20)
        made = gw.compile(circuit)
        assert made.backend == "numpy"
        words = words_of(circuit, 3)
        np.testing.assert_array_equal(made(words), expected(circuit, words))
        assert made.about == {"backend": "numpy", "gates": circuit.num_gates}
        with pytest.raises(MissingTool, match="native core, which is not built"):
            gw.compile(circuit, "jit")
    finally:
        monkeypatch.undo()
        native.load.cache_clear()


# The machine code itself

#: What the code may consist of.
INSTRUCTIONS = {
    "vmovdqa64", "vmovdqa", "vpandq", "vpandnq", "vporq", "vpxorq", "vpand", "vpandn", "vpor",
    "vpxor", "vpternlogq", "vzeroupper", "ret",
}  # fmt: skip


@pytest.mark.needs_tool("objdump")
@pytest.mark.parametrize("isa", [isa for isa, backend in HOW if backend == "jit"])
def test_disassembled_it_reads_and_writes_slots_only(
    isa: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWRIGHT_ISA", isa)
    made = gw.compile(layered(900, 5), "jit", threads=1)
    words = words_of(made.model.circuit, 2)
    np.testing.assert_array_equal(made(words), made(words))  # code for few samples comes second
    codes = made._ready.engine.code()
    assert [num_bytes for _, num_bytes in codes] == [
        made.about["value_bytes"], made.about["value_bytes"] * 16 // {"avx2": 32, "avx512": 64}[isa]
    ]  # fmt: skip
    for code, num_bytes in codes:
        (tmp_path / "code").write_bytes(code)
        said = subprocess.run(
            ["objdump", "-D", "-b", "binary", "-m", "i386:x86-64", "--no-show-raw-insn",
             str(tmp_path / "code")],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        lines = re.findall(r"^ +[0-9a-f]+:\t(.*?) *$", said, re.MULTILINE)
        assert len(lines) > 1000
        for line in lines:
            name, *operands = line.split(None, 1)
            assert name in INSTRUCTIONS, line
            for offset, base in re.findall(r"(?:0x([0-9a-f]+))?\((.*?)\)", "".join(operands)):
                assert base == "%rdi", line
                assert int(offset or "0", 16) < num_bytes, line
        assert lines[-1] == "ret"


MAPPED = """
from pathlib import Path
import gatewright as gw
from test_engine import layered, words_of

made = gw.compile(layered(900, 5), "jit", threads=1)
made(words_of(made.model.circuit, 2))
rights = [line.split()[1] for line in Path("/proc/self/maps").read_text().splitlines()]
print(any("wx" in right for right in rights), any(right == "r-xp" for right in rights))
"""


def test_no_page_is_writable_and_executable() -> None:
    """In a process of its own: XLA has such pages."""
    assert printed(MAPPED) == "False True\n"


#: What runs one sample at a time.
OF_ONE = ("single", "front", "connection", "blocks")


@machines("address,undefined")
def test_the_engine_is_clean(machine: Machine, tmp_path: Path) -> None:
    sources = ["program", "cover", "machine_code", "interpreter", "engine", "engine_dispatch"]
    sources += ["bit_table", "code_pages", "simulate", "trail", "team", *OF_ONE]
    program = machine.build("test_engine", sources, tmp_path, "-O1", kernels="engine_kernels")
    assert re.fullmatch(r"\d+ circuits, 0 wrong\n", machine.run(program))


@machines("address,undefined")
def test_one_sample_at_a_time_is_clean(machine: Machine, tmp_path: Path) -> None:
    sources = [*OF_ONE, "program", "trail", "simulate", "engine_dispatch"]
    program = machine.build("test_single", sources, tmp_path, "-O1", kernels="engine_kernels")
    assert re.fullmatch(r"\d+ circuits, \d+ levels, 0 wrong\n", machine.run(program))


def test_unpacked_words_are_the_rows() -> None:
    circuit = layered(5, 2, 6)
    rows = np.random.default_rng(3).integers(0, 2, (130, 6)).astype(bool)
    found = unpack(gw.compile(circuit)(pack(rows)), 130)
    np.testing.assert_array_equal(found, circuit(rows))
