"""Inputs of `predict`: each format, from files and pipes, in constant memory; what is refused."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pyarrow import ipc, parquet

from gatewright import arrow
from gatewright.circuit import Builder
from gatewright.cli import main
from gatewright.encode import Thermometer
from gatewright.errors import BadCell, InputError
from gatewright.model import Model
from gatewright.rows import batch, plain, read
from gatewright.tables import Field, TableEncoder
from test_cli_predict import assert_refused, count_model, csv, idx, images, lists, words

FIELDS = (
    Field("age", "number", (41.0,), missing=True),
    Field("job", "category", (), ("cook", "smith"), (1,)),
)


def people() -> Model:
    """Whether a smith is over 41, or the age is missing."""
    builder = Builder(["over", "missing", "smith"])
    over, missing, smith = builder.inputs
    builder.output("y", builder.lor(missing, builder.land(over, smith)))
    return Model(builder.build(), 2, TableEncoder(FIELDS), class_names=("nö", "certainly"))


def numbers() -> Model:
    """Of two numbers, in columns without names."""
    builder = Builder(["a", "b"])
    builder.output("y", builder.land(*builder.inputs))
    fields = Field("x0", "number", (0.5,)), Field("x1", "number", (2.0,))
    return Model(builder.build(), 2, TableEncoder(fields, named=False))


def streamed(table: pa.Table, rows: int = 17) -> bytes:
    into = io.BytesIO()
    with ipc.new_stream(into, table.schema) as stream:
        stream.write_table(table, max_chunksize=rows)
    return into.getvalue()


def filed(table: pa.Table, rows: int = 17) -> bytes:
    into = io.BytesIO()
    with ipc.new_file(into, table.schema) as file:
        file.write_table(table, max_chunksize=rows)
    return into.getvalue()


def saved(x: np.ndarray) -> bytes:
    into = io.BytesIO()
    np.save(into, x)
    return into.getvalue()


def run(folder: Path, *arguments: str, **how: object) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "gatewright", "predict", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, timeout=60, **how)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    count_model().save("model.safetensors")
    people().save("people.safetensors")
    return tmp_path


def test_what_can_be_streamed_is_read_from_a_pipe(folder, monkeypatch, capfdbinary):
    x = images()
    table = pa.table({"image": lists(x)})
    expected = "".join(f"{c}\n" for c in count_model().predict(x)).encode()
    contents = {
        "text": csv(x).encode(),
        "bits": words(count_model().encoder(x)).encode(),
        "idx": idx(x),
        "gzip": gzip.compress(idx(x[:20])[:12].replace(b"\x14", b"\x28") + x.tobytes()),
        "npy": saved(x),
        "columns": saved(np.asfortranarray(x)),
        "stream": streamed(table),
        "packed stream": gzip.compress(streamed(table)),
        "file": filed(table),
    }
    contents["gzip"] = gzip.compress(contents["idx"])
    for name, content in contents.items():
        ends = os.pipe()
        with os.fdopen(ends[1], "wb") as into:
            into.write(content)
        with os.fdopen(ends[0]) as stdin:
            monkeypatch.setattr(sys, "stdin", stdin)
            assert main(["predict", "model.safetensors", "-"]) == 0, name
        assert capfdbinary.readouterr() == (expected, b""), name


def test_what_cannot_be_streamed_is_read_from_a_file_as_stdin(folder):
    x = images()
    parquet.write_table(pa.table({"image": lists(x)}), "x.parquet")
    np.savez("x.npz", x=x)
    expected = "".join(f"{c}\n" for c in count_model().predict(x)).encode()
    for name, says in (("x.parquet", b"Parquet"), ("x.npz", b"an .npz")):
        with open(name, "rb") as stdin:
            done = run(folder, "model.safetensors", "-", stdin=stdin)
        assert (done.returncode, done.stdout, done.stderr) == (0, expected, b"")
        done = run(folder, "model.safetensors", "-", input=Path(name).read_bytes())
        said = b"gatewright predict: <stdin>: " + says + b" cannot be read from a pipe; give the"
        assert (done.returncode, done.stdout) == (2, b"")
        assert done.stderr.startswith(said)


MEMORY = """
import sys
from gatewright.cli import main

for name in sys.argv[1:]:
    with open(name) as sys.stdin:
        given = "-" if name.endswith(".arrows") else name
        assert main(["predict", "images.safetensors", given, "-o", "out.txt"]) == 0
    (peak,) = (line for line in open("/proc/self/status") if line.startswith("VmHWM:"))
    print(name, int(peak.split()[1]) // 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read on Linux")
def test_memory_does_not_grow_with_the_input(folder):
    """Files of 45 MiB (packed as well) add less than 15 MiB to what small ones took."""
    builder = Builder([f"x{i}" for i in range(784)])
    builder.output("y", builder.land(builder.inputs[3], builder.inputs[700]))
    Model(builder.build(), None, Thermometer(np.array([9.0]), (28, 28))).save("images.safetensors")
    x = np.random.default_rng(0).integers(0, 10, (60_000, 28, 28), dtype=np.uint8)
    assert x.nbytes >= 3 * 14 << 20
    # Parquet, which takes the most, comes last: less would not be seen behind it.
    small = ["small.npz", "small.arrows"]
    large = ["x.idx", "x.idx.gz", "x.npy", "x.npz", "x.csv", "x.arrows"]
    names = [*small, *large, "small.parquet", "x.parquet"]
    Path("x.idx").write_bytes(idx(x))
    Path("x.idx.gz").write_bytes(gzip.compress(idx(np.zeros_like(x)), 1))
    np.save("x.npy", x)
    np.savez("x.npz", x=x)
    np.savez("small.npz", x=x[:300])
    cells = np.full((30_000, 784, 2), ord(","), np.uint8)
    cells[:, :, 0] = x[:30_000].reshape(-1, 784) + ord("0")
    cells[:, -1, 1] = ord("\n")
    Path("x.csv").write_bytes(cells.tobytes())
    table = pa.table({"image": lists(x)})
    parquet.write_table(table, "x.parquet", compression=None, use_dictionary=False)
    parquet.write_table(table[:12_000], "small.parquet", compression=None, use_dictionary=False)
    Path("x.arrows").write_bytes(streamed(table, 4096))
    Path("small.arrows").write_bytes(streamed(table[:9000], 4096))
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, *names], capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr
    peak = {name: int(mib) for name, mib in map(str.split, done.stdout.splitlines())}

    assert all(peak[name] - peak["small.arrows"] < 15 for name in large), peak
    assert peak["x.parquet"] - peak["small.parquet"] < 15, peak


CELLS = st.one_of(
    st.integers(-300, 300).map(str),
    st.floats(allow_nan=False, width=32).map(repr),
    st.decimals(-1000, 1000, places=3).map(str),
    st.sampled_from(["0", "-0", "-0.0", "1.", ".5", "-.5", "007", "123456789012345"]),
    st.sampled_from(["999999999999999", "0.1234567890123456", "1e5", "+1", ".", "-", "", "nan"]),
    st.text("0123456789.-", max_size=17),
)


@example([["1-2", "1", "1"]], False)
@example([["1", "1.2.3", "1"]], True)
@example([["1", "1", "-"]], True)
@example([["1", ".", "1"]], True)
@given(st.lists(st.lists(CELLS, min_size=3, max_size=3), max_size=5), st.booleans())
def test_plain_numbers_are_what_float_reads(rows, missing):
    """Or are left to what reads cell by cell, which must be so of whatever `float` refuses."""
    lines = "".join(",".join(row) + "\n" for row in rows).encode()
    found = plain.numbers(lines, 3, plain.COMMA, missing=missing)
    try:
        held = [[float(cell or "nan" if missing else cell) for cell in row] for row in rows]
    except ValueError:
        assert found is None
        return
    expected = np.array(held).reshape(-1, 3)
    if found is not None:
        assert found.tobytes() == expected.tobytes() or np.isnan(expected).any()
        np.testing.assert_array_equal(found, expected)
        np.testing.assert_array_equal(np.signbit(found), np.signbit(expected) & ~np.isnan(found))
    plains = all(cell.strip("-").isdigit() and len(cell) < 15 for row in rows for cell in row)
    assert found is not None or not plains


@pytest.mark.parametrize(
    "lines", ["1,2\n3\n", "1,2\n3,4,5\n", "1\n2,3\n4\n", "1 2,3,4\n", "1,2,\n"]
)
def test_lines_of_another_width_are_not_plain(lines):
    assert plain.numbers(lines.encode(), 2, plain.COMMA) is None
    assert plain.numbers(lines.encode(), 2, plain.ANY) is None


def test_lines_may_end_as_on_windows_and_be_parted_by_anything():
    for lines in ("1,-2\r\n3,4\r\n", "1;-2\n3 4\n", "1, -2\n3\t4\n"):
        assert plain.numbers(lines.encode(), 2, plain.ANY).tolist() == [[1, -2], [3, 4]]


TABLE = pa.table({
    "job": pa.array(["cook", "smith", "smith", None, "smith"]).dictionary_encode(),
    "more": [[1], [2], [3], [4], [5]],
    "age": pa.array([60, 60, 17, None, None], pa.int16()),
})  # fmt: skip
JOBS = ["smith"] * 5


def test_columns_are_found_by_their_names(folder, capfd, monkeypatch):
    monkeypatch.setattr(batch, "ROWS", 2)
    table = TABLE.set_column(0, "job", pa.array(["cook", *JOBS[1:]]).dictionary_encode())
    parquet.write_table(table, "t.parquet")
    Path("t.arrow").write_bytes(filed(table))
    Path("t.csv").write_text(
        "job,more,age\ncook,1,60\nsmith,2,60\nsmith,3,17\nsmith,4,\nsmith,5,\n"
    )
    expected = ["nö", "certainly", "nö", "certainly", "certainly"]
    for name in ("t.parquet", "t.arrow", "t.csv"):
        assert main(["predict", "people.safetensors", name]) == 0
        assert capfd.readouterr().out.split() == expected
        assert main(["predict", "people.safetensors", name, "--json"]) == 0
        assert json.loads(capfd.readouterr().out) == {"predictions": expected}
    assert people().predict(table.select(["age", "job"])).tolist() == [0, 1, 0, 1, 1]


def test_a_cell_that_cannot_be_used_is_named_by_its_row(folder, capsys, monkeypatch):
    """In whatever batch it lies."""
    monkeypatch.setattr(batch, "ROWS", 2)
    for change, says in (
        ({"job": [*JOBS[:4], "baker"]}, "t.parquet: column 'job' is 'baker' in row 4, which"),
        ({"job": [*JOBS[:3], None, "smith"]}, "column 'job' has no value (NaN) in row 3, and"),
        ({"job": list(range(5))}, "t.parquet: column 'job' is 0 in row 0, which it never was"),
        ({"age": ["1", "2", "3", "4", "old"]}, "column 'age' holds '1' in row 0, and held numbers"),
        ({"age": [1.0, 2, 3, np.inf, 5]}, "column 'age' is infinite (inf) in row 3; give finite"),
        ({"years": TABLE["age"], "age": None}, "column 'age' is missing; its columns are job, mo"),
    ):
        columns = {name: TABLE[name] for name in TABLE.column_names} | {"job": JOBS} | change
        table = pa.table({name: held for name, held in columns.items() if held is not None})
        parquet.write_table(table, "t.parquet")
        assert main(["predict", "people.safetensors", "t.parquet", "-o", "no.txt"]) == 2
        assert says in capsys.readouterr().err
        assert not Path("no.txt").exists()


def test_lists_or_as_many_columns_are_samples():
    x = images(9)
    model, flat = count_model(), x.reshape(9, -1)
    expected = model.predict(x).tolist()
    nested = pa.array(x.tolist(), pa.list_(pa.list_(pa.int32())))
    tensor = pa.FixedShapeTensorArray.from_numpy_ndarray(x)
    columns = {f"c{i}": flat[:, i] for i in range(6)}
    for table in (
        pa.table({"x": lists(x)}),
        pa.table({"x": lists(x), "y": range(9)}),
        pa.table({"x": pa.array(flat.tolist())}),
        pa.table({"x": pa.array(flat.tolist(), pa.large_list(pa.float32()))}),
        pa.table({"x": nested}),
        pa.table({"x": tensor}),
        pa.table({"x": pa.chunked_array([lists(x[:4]), lists(x[4:])])}),
        pa.table(columns),
        pa.table({name: pa.chunked_array([held[:2], held[2:]]) for name, held in columns.items()}),
    ):
        assert model.predict(table).tolist() == expected, table.schema
        assert model.predict(table[3:8]).tolist() == expected[3:8], table.schema
        (first, *_) = table.to_batches()
        assert model.predict(first).tolist() == expected[: len(first)]
    assert model.predict(pa.table({"x": lists(x)})[:0]).tolist() == []
    pairs = pa.table({"x": [[0.0, 3], [1, 3], [1, 1]]})
    assert numbers().predict(pairs).tolist() == [0, 1, 0]
    assert numbers().predict(pa.table({"a": [0.0, 1], "b": [3, 3]})).tolist() == [0, 1]


def test_a_circuit_takes_the_columns_of_its_inputs(folder, capfd):
    builder = Builder(["a", "b"])
    builder.output("y", builder.land(builder.inputs[0], builder.inputs[1] ^ 1))
    Model(builder.build()).save("and.safetensors")
    table = pa.table({"b": [False, True, False], "c": ["", "", ""], "a": [1, 1, 0]})
    parquet.write_table(table, "t.parquet")
    assert main(["predict", "and.safetensors", "t.parquet"]) == 0
    assert capfd.readouterr().out.split() == ["1", "0", "0"]


def test_a_column_of_lists_is_not_copied():
    column = lists(images(9))
    for table in (pa.table({"x": column}), pa.table({"x": column})[2:7]):
        held = np.frombuffer(column.values.buffers()[1], np.uint8)
        assert np.shares_memory(arrow.samples(table, (2, 3)), held)


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"x": pa.array([[1] * 6, [1] * 5])}, "column 'x' has 5 numbers in row 1; the model"),
        ({"x": pa.array([[1] * 5] * 2, pa.list_(pa.int8(), 5))}, "has 5 numbers in row 0"),
        ({"x": pa.array([[[1, 2, 3]] * 2, [[1, 2]] * 3])}, "column 'x' has 3 numbers in row 1"),
        ({"x": pa.array([[[1, 2, 3]] * 2, [[1, 2, 3], [1, 2]]])}, "has 4 numbers in row 1"),
        ({"x": pa.array([[1] * 6, None])}, "column 'x' has no value in row 1; fill it in"),
        ({"x": pa.array([[1] * 6, [1] * 5 + [None]])}, "column 'x' has no value in row 1; fill"),
        ({"x": pa.array([["a"] * 6])}, "column 'x' holds string in row 0; give numbers"),
        ({"a": [1], "b": [2]}, "its columns are a, b; the model reads one column of lists of 6"),
        ({"a": [[1] * 6], "b": [[2] * 6]}, "its columns are a, b; the model reads one column"),
        ({c: [1, 2] for c in "abcde"} | {"f": [1, None]}, "column 'f' has no value in row 1; fill"),
        ({c: [1, 2] for c in "abcde"} | {"f": [None, "2"]}, "column 'f' holds string in row 1"),
    ],
)  # fmt: skip
def test_tables_that_a_model_does_not_read_are_refused(folder, capsys, columns, says):
    table = pa.table(columns)
    with pytest.raises(InputError) as refused:
        count_model().predict(table)
    assert says in str(refused.value)
    parquet.write_table(table, "t.parquet")
    assert_refused(capsys, "model.safetensors", "t.parquet", says=says)


def test_damaged_tables_are_refused(folder, capsys):
    table = pa.table({"image": lists(images())})
    parquet.write_table(table, "x.parquet")
    held = {
        "x.parquet": Path("x.parquet").read_bytes(),
        "x.arrow": filed(table),
        "x.arrows": streamed(table),
    }
    for name, content in held.items():
        for end in (8, 20, len(content) // 2):
            Path(name).write_bytes(content[:end])
            assert main(["predict", "model.safetensors", name]) == 2
            (line,) = capsys.readouterr().err.splitlines()
            assert line.startswith(f"gatewright predict: {name}: not a whole "), line
    cut = run(folder, "model.safetensors", "-", input=filed(table)[:-9])
    assert cut.returncode == 2
    assert b"<stdin>: not a whole Arrow file" in cut.stderr


def test_arrays_that_end_early_are_refused(folder, capsys):
    x = images()
    packed = bytearray(gzip.compress(idx(x)))
    packed[-8] ^= 1
    np.savez("whole.npz", x=x)
    archive = bytearray(Path("whole.npz").read_bytes())
    archive[200] ^= 1
    for name, content, says in (
        ("x.idx", idx(x)[:-1], "255 bytes, where shape [40, 2, 3] takes 256; copy or download"),
        ("x.idx", idx(x) + b"1", "257 bytes, where shape [40, 2, 3] takes 256"),
        ("x.npy", saved(x)[:-1], "367 bytes, where shape [40, 2, 3] takes 368; write it"),
        ("x.npy.gz", gzip.compress(saved(x)[:-1]), "ends after 367 bytes, within the numbers of"),
        ("x.idx.gz", gzip.compress(idx(x) + b"1"), "more bytes than shape [40, 2, 3] takes"),
        ("x.idx.gz", bytes(packed), "not a whole gzip file (CRC check failed"),
        ("x.npz", bytes(archive), "not a whole .npz file of plain arrays (Bad CRC-32"),
    ):
        Path(name).write_bytes(content)
        assert main(["predict", "model.safetensors", name, "-o", "no.txt"]) == 2
        assert f" {name}: {says}" in capsys.readouterr().err
        assert not Path("no.txt").exists()


def test_output_goes_to_a_file_whole_or_not_at_all(folder, capsys):
    x = images()
    np.save("x.npy", x)
    assert main(["predict", "model.safetensors", "x.npy", "-o", "deep/out.txt"]) == 0
    expected = "".join(f"{c}\n" for c in count_model().predict(x))
    assert Path("deep/out.txt").read_text() == expected
    Path("x.csv").write_text(csv(x) + "1,2\n")
    assert main(["predict", "model.safetensors", "x.csv", "-o", "deep/out.txt"]) == 2
    assert "line 41 has 2 values" in capsys.readouterr().err
    assert Path("deep/out.txt").read_text() == expected
    assert [path.name for path in Path("deep").iterdir()] == ["out.txt"]


@pytest.mark.parametrize("name", ["model.safetensors", "x.npy", "same.npy"])
def test_output_never_takes_the_place_of_what_is_read(folder, capsys, name):
    np.save("x.npy", images())
    Path("same.npy").symlink_to("x.npy")
    before = Path(name).read_bytes()
    assert main(["predict", "model.safetensors", "x.npy", "-o", name]) == 2
    assert f"{name}: is read for these predictions" in capsys.readouterr().err
    assert Path(name).read_bytes() == before


def test_a_reader_that_has_had_enough_ends_it(folder):
    np.save("x.npy", np.zeros((400_000, 6)))
    command = [sys.executable, "-m", "gatewright", "predict", "model.safetensors", "x.npy"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"0\n"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 0


def test_progress_is_for_a_terminal(folder):
    pty = pytest.importorskip("pty")
    np.save("x.npy", images())
    said = {}
    for option in ("", "--quiet"):
        ours, theirs = pty.openpty()
        command = ["model.safetensors", "x.npy", *option.split()]
        command = [sys.executable, "-m", "gatewright", "predict", *command]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs, timeout=60)
        os.close(theirs)
        assert done.returncode == 0
        try:
            said[option] = os.read(ours, 10_000)
        except OSError:  # nothing, and nobody there any more
            said[option] = b""
        os.close(ours)
    assert b"40 rows, " in said[""]
    assert b"rows/s, 0:00 left" in said[""]
    assert said["--quiet"] == b""


def test_without_pyarrow_it_says_what_to_install(folder, capsys, monkeypatch):
    parquet.write_table(pa.table({"image": lists(images())}), "x.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert main(["predict", "model.safetensors", "x.parquet"]) == 3
    says = "x.parquet: reading Parquet takes pyarrow: pip install 'gatewright[arrow]'\n"
    assert capsys.readouterr().err == f"gatewright predict: {says}"


def test_an_error_about_a_cell_crosses_processes():
    error = pickle.loads(pickle.dumps(BadCell("column 'a' is 1", 3, "; give 2").at("line 5")))
    assert str(error) == "column 'a' is 1 in line 5; give 2"
    assert error.row == 3


def test_shares_rise_to_all(folder):
    x = images(100)
    np.save("x.npy", x)
    Path("x.csv").write_text(csv(x))
    Path("x.arrows").write_bytes(streamed(pa.table({"image": lists(x)})))
    parquet.write_table(pa.table({"image": lists(x)}), "x.parquet")
    for name in ("x.npy", "x.csv", "x.arrows", "x.parquet"):
        shares = [one.share for one in read(count_model(), name)]
        assert shares == sorted(shares)
        assert 0.9 < shares[-1] <= 1
