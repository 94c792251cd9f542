from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import feather, parquet

from gatewright.circuit import Builder
from gatewright.cli import main
from gatewright.encode import Thermometer
from gatewright.model import Model
from gatewright.readout import Numbers
from gatewright.tables import Field, TableEncoder
from random_circuits import large

FIELDS = (
    Field("age", "number", (41.0, 60.0), missing=True),
    Field("job", "category", (), ("admin", "sales", "none"), (0, 1, 2)),
    Field("married", "category", (), ("no", "yes"), (1,)),
)


def people() -> Model:
    """Yes where (41 < age <= 60 and not married) or the job is none."""
    builder = Builder([f"b{i}" for i in range(7)], "people")
    over41, over60, _, _, _, none, married = builder.inputs
    middle = builder.land(over41, over60 ^ 1)
    builder.output("y", builder.lor(builder.land(middle, married ^ 1), none))
    return Model(builder.build(), 2, TableEncoder(FIELDS), class_names=("no", "yes"))


TABLE = """id, age,job,married,buys
0,52,sales,no,yes
1,52,sales,yes,no
2,,none,yes,yes
3,30,admin,no,yes
4,61,sales,no,no
5,60,admin,no,yes
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    people().save("model.safetensors")
    Path("people.csv").write_text(TABLE)
    return tmp_path


def explained(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main(["explain", *map(str, arguments)]) == 0
    seen = capsys.readouterr()
    assert seen.err == ""
    assert max(map(len, seen.out.splitlines())) <= 100
    return seen.out


def assert_refused(capsys: pytest.CaptureFixture[str], *arguments: object, says: str) -> None:
    assert main(["explain", *map(str, arguments)]) == 2
    seen = capsys.readouterr()
    assert seen.out == ""
    (line,) = seen.err.splitlines()
    assert line.startswith("gatewright explain: ")
    assert says in line


def test_a_model_alone_is_its_rules(folder, capsys):
    lines = [line.rstrip() for line in explained(capsys, "model.safetensors").splitlines()]
    assert lines[0] == "people: 3 gates, 7 bits of 3 columns"
    yes = lines.index("yes if")
    assert {line.split(". ")[1] for line in lines[yes + 1 : yes + 3]} == {
        "job = none",
        "41 < age <= 60 and married = no",
    }
    assert lines[yes + 3].startswith("  proved: exhaustive, ")
    assert "columns that matter: 3 of 3" in lines
    assert explained(capsys, folder) == explained(capsys, "model.safetensors")


def test_rows_are_counted_and_a_row_is_explained(capsys, folder):
    text = explained(capsys, "model.safetensors", "people.csv", "--target", "buys", "--row", "0")
    lines = text.splitlines()
    assert lines[1] == "6 rows, 83.33% right"
    assert "yes if (3 rows, 3 right)" in lines
    (rule,) = (line for line in lines if "41 < age <= 60 and married = no" in line)
    assert rule.endswith("  2 rows, 2 right")
    at = lines.index("row 0: yes")
    assert "41 < age = 52 <= 60, married = no" in lines[at + 1]
    assert "the answer is no" in text[text.index("row 0") :]
    assert text == explained(
        capsys, "model.safetensors", "people.csv", "--target", "buys", "--row", "0"
    )


def test_parquet_and_arrow_say_what_csv_says(capsys, folder):
    table = pa.table({
        "id": range(6), "age": [52, 52, None, 30, 61, 60],
        "job": pa.array(["sales", "sales", "none", "admin", "sales", "admin"]).dictionary_encode(),
        "married": ["no", "yes", "yes", "no", "no", "no"],
        "buys": ["yes", "no", "yes", "yes", "no", "yes"],
    })  # fmt: skip
    arguments = ["--target", "buys", "--row", "2"]
    expected = explained(capsys, "model.safetensors", "people.csv", *arguments)
    parquet.write_table(table, "people.parquet")
    feather.write_feather(table, "people.arrow")
    for name in ("people.parquet", "people.arrow"):
        assert explained(capsys, "model.safetensors", name, *arguments) == expected
    says = "people.arrow: no column 'sells'; its columns are id, age, job, married, buys"
    assert_refused(capsys, "model.safetensors", "people.arrow", "--target", "sells", says=says)
    assert_refused(
        capsys, "model.safetensors", "people.arrow", "--target", "job",
        says="people.arrow: column 'job' is 'sales' in row 0; classes are no, yes",
    )  # fmt: skip
    parquet.write_table(table.drop_columns(["age"]), "people.parquet")
    says = "people.parquet: column 'age' is missing; its columns are id, job, married, buys"
    assert_refused(capsys, "model.safetensors", "people.parquet", says=says)


def test_columns_of_numbers_keep_their_names_and_lists_have_none(capsys, folder):
    builder = Builder(["a", "b"], "ages")
    builder.output("y", builder.land(builder.inputs[0], builder.inputs[1]))
    encoder = Thermometer(np.array([[2.0], [40.0]], np.float32), (2,))
    Model(builder.build(), 2, encoder, class_names=("young", "old")).save("ages.safetensors")
    parquet.write_table(pa.table({"size": [3, 1, 3], "age": [50.0, 50, 10]}), "x.parquet")
    text = explained(capsys, "ages.safetensors", "x.parquet", "--row", "1")
    assert "size > 2 and age > 40" in text
    assert "row 1: young" in text
    parquet.write_table(pa.table({"x": [[3.0, 50], [1, 50], [3, 10]]}), "x.parquet")
    assert "x0 > 2 and x1 > 40" in explained(capsys, "ages.safetensors", "x.parquet")


def test_json_is_one_object_that_says_the_same(folder, capsys):
    arguments = ["model.safetensors", "people.csv", "--target", "buys", "--row", "2", "--json"]
    found = json.loads(explained_json(capsys, *arguments))
    no, yes = found["logics"]
    assert (no["label"], yes["label"], found["of"]) == ("no", "yes", "classes")
    assert (yes["rows"], yes["right"], found["rows"]) == (3, 3, 6)
    assert yes["proof"]["method"] == "exhaustive"
    assert {rule["text"]: rule["rows"] for rule in yes["rules"]} == {
        "job = none": 1,
        "41 < age <= 60 and married = no": 2,
    }
    assert found["columns"] == ["age", "job", "married"]
    weights = {one["column"]: one for one in found["weights"]}
    assert set(weights) == {"age", "job", "married"}
    assert all(0 <= one["changed"] <= 1 for one in weights.values())
    text = explained(capsys, *arguments[:-1])
    for one in weights.values():
        shown = f"shuffled, {one['changed']:6.1%} of answers change, accuracy"
        assert any(one["column"] in line and shown in line for line in text.splitlines())
    row = found["row"]
    assert (row["answer"], [rule["text"] for rule in row["rules"]]) == ("yes", ["job = none"])
    assert row["enough"] == [{"label": "yes", "facts": ["job = none"]}]
    assert (row["change"]["column"], row["change"]["answer"]) == ("job", "no")
    assert set(json.loads(explained_json(capsys, "model.safetensors", "--json"))) == {
        "name", "of", "logics", "columns",
    }  # fmt: skip


def explained_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["explain", *arguments]) == 0
    seen = capsys.readouterr()
    assert seen.err == ""
    (line,) = seen.out.splitlines()
    return line


def test_predict_and_explain_call_classes_by_their_names(folder, capsys):
    """Rows of numbers, as `predict` reads them, of a model with names of classes."""
    builder = Builder(["a", "b"], "ages")
    builder.output("y", builder.land(builder.inputs[0], builder.inputs[1]))
    encoder = Thermometer(np.array([[2.0], [40.0]], np.float32), (2,))
    Model(builder.build(), 2, encoder, class_names=("young", "old")).save("ages.safetensors")
    Path("ages.csv").write_text("size,age,what\n3,50,old\n1,50,young\n3,10,old\n")
    Path("x.csv").write_text("size,age\n3,50\n1,50\n3,10\n")
    assert main(["predict", "ages.safetensors", "x.csv"]) == 0
    assert capsys.readouterr().out.split() == ["old", "young", "young"]
    text = explained(capsys, "ages.safetensors", "ages.csv", "--target", "what", "--row", "1")
    assert "size > 2 and age > 40" in text
    assert "66.67% right" in text
    assert "row 1: young" in text
    assert "size = 1 <= 2" in text
    x = np.array([[3, 50], [1, 50], [3, 10]])
    np.savez("x.npz", x=x, y=np.array([1, 0, 1]), words=np.array(["old", "young", "young"]))
    np.save("x.npy", x)
    assert "100.00% right" in explained(capsys, "ages.safetensors", "x.npz", "--target", "words")
    assert "x0 > 2 and x1 > 40" in explained(capsys, "ages.safetensors", "x.npy")
    assert "1 row" in explained(capsys, "ages.safetensors", "x.npy")


def test_bits_and_numbers_are_explained_output_by_output(folder, capsys):
    Path("and.blif").write_text(".model and\n.inputs a b\n.outputs y\n.names a b y\n11 1\n.end\n")
    Path("bits.csv").write_text("b,a,y\n1,1,1\n0,1,1\n")
    text = explained(capsys, "and.blif", "bits.csv", "--target", "y", "--row", "1")
    assert "y is 1 if (1 row, 1 right)" in text
    assert "   1. a and b" in text
    assert "row 1: 0" in text
    assert "with b (it is 0) the answer is 1" in text
    builder = Builder(["a", "b"])
    for name, literal in zip(("low", "high"), builder.inputs, strict=True):
        builder.output(name, literal)
    Model(builder.build(), numbers=Numbers(1, 0.5, -1.0)).save("numbers.safetensors")
    assert "a number: -1 + 0.5 n; the outputs are the bits of n" in explained(
        capsys, "numbers.safetensors"
    )


def test_a_large_circuit_ends_with_the_limit(folder, capsys):
    Model(large(700, 30)).save("large.safetensors")
    text = explained(capsys, "large.safetensors", "--limit", "3")
    assert "  over 3 lines: " in text
    assert "raise --limit, or train fewer gates" in text
    assert "raise --limit" not in explained(capsys, "model.safetensors")


def test_undecided_is_exit_4(folder, capsys):
    builder = Builder([f"x{i}" for i in range(30)])
    some = 0
    for x, y in zip(builder.inputs[::2], builder.inputs[1::2], strict=True):
        some = builder.lor(some, builder.land(x, y))
    builder.output("y", some)
    Model(builder.build()).save("wide.safetensors")
    assert main(["explain", "wide.safetensors", "--seconds", "1e-9"]) == 4
    seen = capsys.readouterr()
    assert seen.out == ""
    assert "undecided" in seen.err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--row", "0"], "--row and --target are of a TABLE; give one"),
        (["gone.csv"], "gone.csv: cannot read this file"),
        (["people.csv", "--row", "6"], "people.csv: there is no row 6; rows are 0 to 5"),
        (["people.csv", "--target", "what"], "no column 'what'; its columns are id, age, job"),
        (["people.csv", "--target", "job"], "is 'sales' in row 0; classes are no, yes"),
        (["short.csv"], "column 'job' is missing"),
        (["x.npy"], "the model reads [N, 3]"),
        (["ragged.csv"], "line 2 has 2 cells and the header has 3"),
        (["twice.csv"], "two columns are named 'age'"),
        (["model.safetensors", "--limit", "0"], ""),
    ],
)
def test_what_cannot_be_is_refused(folder, capsys, arguments, says):
    Path("short.csv").write_text("age,married\n50,no\n")
    Path("ragged.csv").write_text("age,job,married\n50,no\n")
    Path("twice.csv").write_text("age,age\n50,2\n")
    np.save("x.npy", np.zeros((2, 4)))
    assert_refused(capsys, "model.safetensors", *arguments, says=says)


def test_jax_is_not_loaded(folder):
    code = (
        "import sys; from gatewright.cli import main;"
        "code = main(['explain', 'model.safetensors', 'people.csv', '--quiet']);"
        "assert code == 0; assert 'jax' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, capture_output=True)
