from __future__ import annotations

import gzip
import json
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import feather, ipc, parquet

from gatewright.circuit import FALSE, Builder
from gatewright.cli import main
from gatewright.encode import Thermometer
from gatewright.model import Model
from gatewright.readout import Numbers
from gatewright.rows import batch
from gatewright.rows import text as lines_of_text
from gatewright.tables import TableEncoder

SHAPE = (2, 3)


def count_model() -> Model:
    """Two bits a pixel of 2 x 3; the class in three bits is a hash of all twelve."""
    builder = Builder([f"x{i}" for i in range(12)], "hash")
    x = builder.inputs
    for o in range(3):
        literal = x[o]
        for i in range(o, 12, 2):
            literal = builder.gate((0x6, 0x8, 0xE)[i % 3], literal, x[(5 * i + o) % 12])
        builder.output(f"y{o}", literal)
    return Model(builder.build(), 8, Thermometer(np.array([60, 130], np.float32), SHAPE))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    model = count_model()
    model.save(tmp_path / "model.safetensors")
    Model(model.circuit).save(tmp_path / "bits.safetensors")
    return tmp_path


def images(num: int = 40) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (num, *SHAPE)).astype(np.uint8)


def idx(x: np.ndarray) -> bytes:
    return (
        struct.pack(">BBBB", 0, 0, 8, x.ndim) + struct.pack(f">{x.ndim}I", *x.shape) + x.tobytes()
    )


def lists(x: np.ndarray) -> pa.Array:
    """A column of lists of the samples' numbers."""
    return pa.FixedSizeListArray.from_arrays(pa.array(x.reshape(-1)), x[0].size)


def csv(x: np.ndarray, header: str = "", separator: str = ",") -> str:
    return header + "".join(separator.join(map(str, row)) + "\n" for row in x.reshape(len(x), -1))


def words(bits: np.ndarray) -> str:
    return "".join("".join("01"[bit] for bit in row) + "\n" for row in bits.astype(int))


def predicted(capsys: pytest.CaptureFixture[str], *arguments: object) -> list[str]:
    assert main(["predict", *map(str, arguments)]) == 0
    seen = capsys.readouterr()
    assert seen.err == ""
    return seen.out.splitlines()


def assert_refused(capsys: pytest.CaptureFixture[str], *arguments: object, says: str) -> None:
    assert main(["predict", *map(str, arguments)]) == 2
    seen = capsys.readouterr()
    assert seen.out == ""
    (line,) = seen.err.splitlines()
    assert line.startswith("gatewright predict: ")
    assert says in line


def write_arrow(folder: Path, table: pa.Table) -> None:
    parquet.write_table(table, folder / "x.parquet", row_group_size=13)
    with ipc.new_file(folder / "x.arrow", table.schema) as file:
        file.write_table(table, max_chunksize=17)
    with ipc.new_stream(folder / "x.arrows", table.schema) as stream:
        stream.write_table(table, max_chunksize=17)


@pytest.mark.parametrize("size", [4096, 7])
def test_every_kind_of_file_gives_the_models_predictions(folder, capsys, monkeypatch, size):
    monkeypatch.setattr(batch, "ROWS", size)
    monkeypatch.setattr(lines_of_text, "BLOCK", 20 * size)
    x, model = images(), count_model()
    expected = [str(c) for c in model.predict(x)]
    assert len(set(expected)) > 4
    np.save(folder / "x.npy", x)
    np.save(folder / "flat.npy", x.reshape(len(x), -1).astype(np.float64))
    np.savez(folder / "x.npz", y=np.zeros(3), x=x)
    np.savez_compressed(folder / "first.npz", pixels=x, other=np.zeros(3))
    (folder / "x-idx3-ubyte").write_bytes(idx(x))
    (folder / "x-idx3-ubyte.gz").write_bytes(gzip.compress(idx(x)))
    (folder / "x.csv").write_text(csv(x))
    (folder / "header.csv").write_text("\ufeff" + csv(x, "a,b,c,d,e,f\n"), encoding="utf-8")
    (folder / "x.txt").write_text("\n" + csv(x, separator=" ") + "\n")
    np.savez(folder / "columns.npz", x=np.asfortranarray(x))
    np.save(folder / "columns.npy", np.asfortranarray(x.reshape(len(x), -1).astype(">f4")))
    (folder / "x.csv.gz").write_bytes(gzip.compress(csv(x).encode()))
    (folder / "bits.txt").write_text(words(model.encoder(x)))
    (folder / "spaced.txt").write_text("\n" + words(model.encoder(x)).replace("\n", " \n"))
    (folder / "odd.csv").write_text(csv(x).replace(",", " , +"))
    numbers = x.reshape(len(x), -1)
    write_arrow(folder, pa.table({"image": lists(x), "label": ["?"] * len(x)}))
    feather.write_feather(
        pa.table(dict(zip("abcdef", numbers.T, strict=True))), folder / "z.feather"
    )
    files = [path for path in sorted(folder.iterdir()) if path.suffix != ".safetensors"]
    assert len(files) == 19
    for path in files:
        assert predicted(capsys, folder / "model.safetensors", path) == expected, path.name


def test_a_run_folder_is_its_model(folder, capsys):
    np.save(folder / "x.npy", images())
    of_file = predicted(capsys, folder / "model.safetensors", folder / "x.npy")
    assert predicted(capsys, folder, folder / "x.npy") == of_file


def test_without_classes_a_prediction_is_the_output_bits(folder, capsys):
    model = count_model()
    bits = model.encoder(images())
    expected = words(model.circuit(bits)).split()
    (folder / "x.txt").write_text(words(bits))
    (folder / "x.csv").write_text(csv(bits.astype(int)))
    np.save(folder / "x.npy", bits)
    for name in ("x.txt", "x.csv", "x.npy"):
        assert predicted(capsys, folder / "bits.safetensors", folder / name) == expected


def test_json_is_one_object(folder, capsys):
    x = images(5)
    np.save(folder / "x.npy", x)
    (line,) = predicted(capsys, folder / "model.safetensors", folder / "x.npy", "--json")
    assert json.loads(line) == {"predictions": count_model().predict(x).tolist()}
    np.save(folder / "bits.npy", count_model().encoder(x))
    (line,) = predicted(capsys, folder / "bits.safetensors", folder / "bits.npy", "--json")
    assert all(set(word) <= {"0", "1"} for word in json.loads(line)["predictions"])


def test_no_samples_give_no_lines(folder, capsys):
    np.save(folder / "x.npy", images(0))
    (folder / "x.csv").write_text("a,b,c,d,e,f\n")
    (folder / "nothing").write_bytes(b"")
    for name in ("x.npy", "x.csv", "nothing"):
        assert predicted(capsys, folder / "model.safetensors", folder / name) == []


def test_a_single_number_of_one_digit_is_a_sample_not_a_word(folder, capsys):
    builder = Builder(["a"])
    builder.output("y", builder.inputs[0])
    model = Model(builder.build(), None, Thermometer(np.array([3.0]), (1,)))
    model.save(folder / "one.safetensors")
    (folder / "x.txt").write_text("1\n7\n0\n")
    assert predicted(capsys, folder / "one.safetensors", folder / "x.txt") == ["0", "1", "0"]


def test_the_real_command_reads_blif_and_standard_input(tmp_path):
    (tmp_path / "and.blif").write_text(
        ".model and\n.inputs a b\n.outputs y\n.names a b y\n11 1\n.end\n"
    )
    given = [
        (["and.blif", "-"], "11\n01\n"),
        (["and.blif", "-"], "1 1\n0 1"),
    ]
    for arguments, text in given:
        result = subprocess.run(
            [sys.executable, "-m", "gatewright", "predict", *arguments],
            input=text, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        assert (result.stdout, result.stderr) == ("1\n0\n", "")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("x.csv", "1,2,3,4,5,6\n1,2,3\n", "x.csv: line 2 has 3 values; the model reads 6 numbers"),
        ("x.csv", "1,2,3,4,5,6\n\n1,2,x,4,5,6\n", "x.csv: line 3 has 'x', which is not a number"),
        ("x.csv", "a,2,3,4,5,6\n", "x.csv: line 1 has 'a', which is not a number"),
        ("x.txt", "010101010101\n0101\n", "x.txt: line 2 is not a word of 12 bits"),
        ("x.txt", "010101010101\n010101010102\n", "x.txt: line 2 is not a word of 12 bits"),
        ("x.txt", "0101\n", "x.txt: line 1 has 1 values; the model reads 6 numbers"),
        ("x.bin", b"\xff\xfe\xfd\xfc", "x.bin: neither text nor .npy, .npz, IDX"),
        ("x.npy", b"\x93NUMPY\x01\x00", "x.npy: not a whole .npy file"),
        ("x.npz", b"PK\x03\x04rest", "x.npz: not a whole .npz file"),
        ("x.gz", b"\x1f\x8bnone", "x.gz: not a whole gzip file"),
        ("x-ubyte", b"\0\0\x08\x03\0\0", "x-ubyte: not an IDX file"),
    ],
)
def test_input_that_cannot_be_read_is_refused(folder, capsys, monkeypatch, name, content, says):
    monkeypatch.chdir(folder)
    Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
    assert_refused(capsys, "model.safetensors", name, says=says)


@pytest.mark.parametrize(
    ("model", "array", "says"),
    [
        ("model", np.zeros((4, 3, 2)), "of shape [4, 3, 2]; the model reads [N, 2, 3] or [N, 6]"),
        ("model", np.zeros(6), "x.npy: an array of shape [6]; the model reads"),
        ("model", np.array([["a"] * 6]), "x.npy: Thermometer: samples are <U1"),
        ("model", np.array([[None] * 6]), "x.npy: not a whole .npy file of numbers"),
        ("bits", np.zeros((4, 6)), "x.npy: an array of shape [4, 6]; the model reads [N, 12]"),
        ("bits", np.full((4, 12), 2), "x.npy: bits are 0 or 1"),
    ],
)  # fmt: skip
def test_arrays_that_the_model_does_not_read_are_refused(
    folder, capsys, monkeypatch, model, array, says
):
    monkeypatch.chdir(folder)
    np.save("x.npy", array)
    assert_refused(capsys, f"{model}.safetensors", "x.npy", says=says)


def test_what_is_not_there_is_refused(folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    assert_refused(capsys, "model.safetensors", "gone.npy", says="gone.npy: cannot read this file")
    assert_refused(capsys, "gone.safetensors", "x.npy", says="gone.safetensors: no such file")
    assert_refused(capsys, "-", "-", says="MODEL and INPUT are both -")
    np.savez("empty.npz")
    assert_refused(capsys, "model.safetensors", "empty.npz", says="empty.npz: holds no array")


def piped(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "gatewright", "predict", *arguments]
    return subprocess.Popen(
        command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def test_text_is_predicted_as_it_comes(folder):
    """What has come is answered before there is more, or an end."""
    x = images(6)
    process = piped(folder, "model.safetensors", "-")
    for line, expected in zip(csv(x).splitlines(), count_model().predict(x), strict=True):
        process.stdin.write(line.encode() + b"\n")
        process.stdin.flush()
        assert process.stdout.readline() == f"{expected}\n".encode()
    assert process.communicate() == (b"", b"")


TABLE = {
    "age": np.array([41.0, 17, np.nan, 63]),
    "job": np.array(["cook", 'a "b", c', "cook", None], object),
}


def table_model() -> Model:
    """Number 2 where the job is cook, and 1 more where the age is missing."""
    encoder = TableEncoder.fit(TABLE, bits=2)
    builder = Builder(list(encoder.conditions))
    for i, name in enumerate(("age is missing", "job = cook")):
        builder.output(f"y{i}", builder.inputs[encoder.conditions.index(name)])
    return Model(builder.build(), encoder=encoder, numbers=Numbers(1, 0.5, -1.0))


def test_a_table_is_read_by_its_header(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(lines_of_text, "LINES", 2)
    table_model().save("model.safetensors")
    lines = ["job,more,age", "cook,x,41", '"a ""b"", c",y,17', "cook,z, ", " ,z,63", "cook,x,41.5"]
    Path("t.csv").write_text("\n".join(lines) + "\n")
    assert predicted(capsys, "model.safetensors", "t.csv") == ["0.0", "-1.0", "0.5", "-1.0", "0.0"]
    monkeypatch.setattr(lines_of_text, "LINES", 20)
    for content, says in (
        ("job,size\ncook,1\n", "column 'age' is missing; the header has job, size"),
        (
            "job,age\ncook,1\n\ncook,\ncook,old\n",
            "t.csv: column 'age' holds 'old' in line 5, which",
        ),
        ("job,age\ncook\n", "t.csv: line 2 has 1 cells and the header has 2"),
        ("job,age\nbaker,1\n", "t.csv: column 'job' is 'baker' in line 2, which it never was"),
        ('job,age\n"a ""b"", c",1\n"co\nok",1\n', "column 'job' is 'co\\nok' in line 4, which"),
        ("job,age\ncook,1_0\n", "column 'age' holds '1_0' in line 2, which is not a number"),
        ("job,age,age\ncook,1,2\n", "t.csv: two columns are named 'age'; rename one"),
        ("job,age\rcook,1\r", "t.csv: line 1 is no row of CSV (new-line character seen"),
        ("job,age\ncook,1\rcook,2\n", "t.csv: line 2 is no row of CSV"),
    ):
        Path("t.csv").write_text(content, newline="")
        assert_refused(capsys, "model.safetensors", "t.csv", says=says)


@pytest.mark.parametrize(
    ("numbers", "outputs", "expected"),
    [
        (Numbers(1, 0.5, -1.0), 1, [-1.0, -0.5]),
        (Numbers(2, 1e-9, 1), 2, [[1, 1], [1.000000001, 1]]),
    ],
)
def test_numbers_are_numbers_in_json(tmp_path, capsys, numbers, outputs, expected):
    builder = Builder(["a"])
    for i in range(outputs):
        builder.output(f"y{i}", builder.inputs[0] if i == 0 else FALSE)
    Model(builder.build(), numbers=numbers).save(tmp_path / "m.safetensors")
    (tmp_path / "x.txt").write_text("0\n1\n")
    (line,) = predicted(capsys, tmp_path / "m.safetensors", tmp_path / "x.txt", "--json")
    assert json.loads(line) == {"predictions": expected}
    lines = predicted(capsys, tmp_path / "m.safetensors", tmp_path / "x.txt")
    assert [list(map(float, line.split())) for line in lines] == np.reshape(
        expected, (2, outputs)
    ).tolist()
