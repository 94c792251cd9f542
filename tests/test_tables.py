from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.circuit import Builder
from gatewright.encode import BitTable
from gatewright.encoders import restore
from gatewright.errors import InputError
from gatewright.model import Model
from gatewright.tables import MOST_CATEGORIES, TableEncoder

NAN = float("nan")


def people() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "age": [41.0, 17, 25, 63, 30, 52],
            "job": ["cook", "baker", "cook", "smith", "baker", "cook"],
            "size": pd.Categorical(["m", "s", "l", "m", "s", "m"], ["s", "m", "l"], ordered=True),
            "pay": [3.5, NAN, 1.25, 2.0, NAN, 4.0],
        }
    )


def test_a_table_in_bits_that_say_what_they_are():
    encoder = TableEncoder.fit(people(), bits=2)
    assert encoder.conditions == (
        "age > 27", "age > 46", "job = baker", "job = cook", "job = smith", "size > s", "size > m",
        "pay > 3", "pay > 3.8", "pay is missing",
    )  # fmt: skip
    expected = {
        "age > 27": [1, 0, 0, 1, 1, 1], "age > 46": [0, 0, 0, 1, 0, 1],
        "job = baker": [0, 1, 0, 0, 1, 0], "job = cook": [1, 0, 1, 0, 0, 1],
        "job = smith": [0, 0, 0, 1, 0, 0], "size > s": [1, 0, 1, 1, 0, 1],
        "size > m": [0, 0, 1, 0, 0, 0], "pay > 3": [1, 0, 0, 0, 0, 1],
        "pay > 3.8": [0, 0, 0, 0, 0, 1], "pay is missing": [0, 1, 0, 0, 1, 0],
    }  # fmt: skip
    found = encoder(people())
    for i, condition in enumerate(encoder.conditions):
        np.testing.assert_array_equal(found[:, i], expected[condition], condition)


def test_two_categories_take_one_bit_and_one_takes_none():
    encoder = TableEncoder.fit({"a": ["x", "y", "x"], "b": ["z", "z", "z"], "c": [1, 1, 1]})
    assert encoder.conditions == ("a = y",)


def test_rare_categories_share_no_bit():
    names = [f"c{i:03}" for i in range(MOST_CATEGORIES + 10)]
    table = {"a": np.array(names * 2 + names[10:], object)}
    encoder = TableEncoder.fit(table)
    assert encoder.num_bits == MOST_CATEGORIES
    bits = encoder({"a": np.array(names, object)})
    assert bits.sum() == MOST_CATEGORIES
    assert not bits[:10].any()


def test_an_encoder_is_saved_with_its_model(tmp_path):
    encoder = TableEncoder.fit(people(), bits=2, unseen="ignore")
    builder = Builder(list(encoder.conditions))
    builder.output("y", builder.lxor(builder.inputs[2], builder.inputs[9]))
    Model(builder.build(), encoder=encoder).save(tmp_path / "m")
    found = Model.load(tmp_path / "m")
    assert isinstance(found.encoder, TableEncoder)
    assert found.encoder.about == encoder.about
    np.testing.assert_array_equal(found.predict(people())[:, 0], [0, 0, 0, 0, 0, 0])
    other = people().assign(job="fisher")
    np.testing.assert_array_equal(found.predict(other)[:, 0], [0, 1, 0, 0, 1, 0])


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int16])
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_engine_packs_tables_as_numpy_encodes_them(dtype, seed):
    rng = np.random.default_rng(seed)
    x = rng.integers(-3, 9, (70, 3)).astype(dtype)
    if np.dtype(dtype).kind == "f":
        x = (x / 3).astype(dtype)
    encoder = TableEncoder.fit(x, bits=int(rng.integers(1, 9)), categorical=[1])
    builder = Builder([f"b{i}" for i in range(encoder.num_bits)])
    for i, literal in enumerate(builder.inputs):
        builder.output(f"y{i}", literal)
    if encoder.num_bits:
        np.testing.assert_array_equal(
            Model(builder.build(), encoder=encoder).predict(x), encoder(x)
        )


def test_learned_thresholds_go_where_the_classes_part():
    rng = np.random.default_rng(0)
    x = rng.random((3000, 2))
    encoder = TableEncoder.fit(x, (x[:, 0] > 0.83).astype(int), bits=2, how="learned")
    assert min(abs(t - 0.83) for t in encoder.fields[0].thresholds) < 0.06
    empty = np.column_stack([x, np.full(3000, np.nan), np.ones(3000)])  # nothing to learn there
    again = TableEncoder.fit(empty, (x[:, 0] > 0.83).astype(int), bits=2, how="learned")
    assert again.fields[:2] == encoder.fields
    assert [field.thresholds for field in again.fields[2:]] == [(), ()]
    plain = TableEncoder.fit(x, bits=2)
    assert min(abs(t - 0.83) for t in plain.fields[0].thresholds) > 0.1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="age"), "column 'age' is missing"),
        (lambda t: t.assign(more=1), "column 'more' was not there"),
        (lambda t: t[["job", "age", "size", "pay"]], "column 'age' is in another place; give the"),
        (lambda t: t.assign(age="old"), "'age' holds 'old' in row 0, and held numbers"),
        (lambda t: t.assign(age=NAN), r"'age' has no value \(NaN\) in row 0, and had one"),
        (lambda t: t.assign(age=np.inf), "'age' is infinite"),
        (lambda t: t.assign(job="fisher"), "'job' is 'fisher' in row 0, which it never was"),
        (lambda t: t.iloc[:0], "0 rows"),
        (lambda t: t.to_numpy()[:, :3], "has 3 columns, and had 4"),
    ],
)
def test_tables_unlike_the_fitted_are_refused(change, message):
    encoder = TableEncoder.fit(people())
    with pytest.raises(InputError, match=message) as raised:
        encoder(change(people()))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bits": 0}, "from 1 to 255, not 0"),
        ({"how": "best"}, "quantile, uniform or learned, not 'best'"),
        ({"how": "learned"}, "give y"),
        ({"unseen": "guess"}, "error or ignore, not 'guess'"),
        ({"categorical": ["agee"]}, "no column 'agee'; there are age, job"),
        ({"categorical": "job"}, r"is a list of columns: write \['job'\]"),
        ({"ordered": {9: ["a"]}}, "no column 9"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        TableEncoder.fit(people(), **options)


def test_a_damaged_description_is_refused():
    about = TableEncoder.fit(people()).about
    del about["fields"][0]["thresholds"]
    with pytest.raises(InputError, match="thresholds"):
        restore(about, {})


def test_bits_are_those_of_the_table():
    encoder = TableEncoder.fit(people(), bits=2)
    assert encoder.bit_table.kind.tolist() == [BitTable.OVER] * 2 + [BitTable.EQUAL] * 3 + [
        BitTable.OVER
    ] * 4 + [BitTable.MISSING]
    rows = encoder.rows(people())
    np.testing.assert_array_equal(encoder.of_numbers(rows), encoder(people()))
