from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.columns import read_table, short_between
from gatewright.errors import InputError

NAN = float("nan")


def forms() -> dict[str, object]:
    """One table in every form."""
    ages, jobs, old = (
        [41, 17, None, 17],
        ["baker", None, "cook", "baker"],
        [True, False, True, False],
    )
    frame = pd.DataFrame({"age": ages, "job": jobs, "old": old})
    return {
        "pandas": frame,
        "nullable": frame.astype({"age": "Int64", "job": "string", "old": "boolean"}),
        "categorical": frame.astype({"job": "category"}),
        "objects": frame.astype(object),
        "arrow": pa.table({"age": ages, "job": jobs, "old": old}),
        "dictionary": pa.table(
            {"age": ages, "job": pa.array(jobs).dictionary_encode(), "old": old}
        ),
        "unsigned": pa.table(
            {
                "age": ages,
                "job": pa.DictionaryArray.from_arrays(
                    pa.array([1, None, 0, 1], pa.uint8()), ["cook", "baker"]
                ),
                "old": old,
            }
        ),
        "mapping": {"age": np.array(ages, object), "job": np.array(jobs, object), "old": old},
    }


@pytest.mark.parametrize("form", forms())
def test_a_table_is_the_same_in_every_form(form):
    (age, job, old), named = read_table(forms()[form])
    assert named and [c.name for c in (age, job, old)] == ["age", "job", "old"]
    np.testing.assert_array_equal(age.numbers(), [41, 17, NAN, 17])
    np.testing.assert_array_equal(old.numbers(), [1, 0, 1, 0])
    assert set(job.used()) == {"baker", "cook"}
    np.testing.assert_array_equal(job.codes(["baker", "cook"]), [0, NAN, 1, 0])
    np.testing.assert_array_equal(job.is_missing, [False, True, False, False])


def test_arrays_have_columns_by_number():
    columns, named = read_table(np.array([[1, 2], [3, 4]], np.int8))
    assert not named and [c.name for c in columns] == ["x0", "x1"]
    np.testing.assert_array_equal(columns[1].numbers(), [2, 4])
    (x0, x1), _ = read_table(np.array([["a", 1.5], ["b", None]], object))
    assert x0.categories == ("a", "b")
    np.testing.assert_array_equal(x1.numbers(), [1.5, NAN])
    (x0,), _ = read_table(np.array([["b"], ["a"], ["b"]]))
    np.testing.assert_array_equal(x0.codes(("a", "b")), [1, 0, 1])


def test_what_a_mask_hides_is_missing():
    hidden = np.ma.masked_equal(np.array([[1, 2], [3, 4]]), 3)
    (first, second), _ = read_table(hidden)
    np.testing.assert_array_equal(first.values, [1.0, np.nan])
    np.testing.assert_array_equal(second.values, [2.0, 4.0])
    texts = np.ma.array(["a", "b"], mask=[True, False])
    (column,), _ = read_table({"t": texts})
    assert column.is_missing.tolist() == [True, False]
    assert column.categories == ("b",)


def test_whole_numbers_of_any_size_are_read_alike():
    large = np.array([2**53, 2**53 + 1, -(2**60) - 1])
    ((of_array,), _), ((of_arrow,), _) = (
        read_table({"n": large}),
        read_table(pa.table({"n": large})),
    )
    np.testing.assert_array_equal(of_array.values, of_arrow.values)


def test_an_order_is_the_one_given():
    (size,), _ = read_table({"size": np.array(["m", "l", "s", "m"], object)})
    ordered = size.with_order(["s", "m", "l"])
    assert ordered.ordered and ordered.categories == ("s", "m", "l")
    np.testing.assert_array_equal(ordered.values, [1, 2, 0, 1])
    frame = pd.DataFrame({"size": pd.Categorical(["m", "s"], ["s", "m", "l"], ordered=True)})
    (size,), _ = read_table(frame)
    assert size.ordered and size.categories == ("s", "m", "l")


def test_numbers_may_be_categories():
    (x,), _ = read_table(np.array([[3.0], [1.0], [NAN], [3.0]]))
    column = x.as_categories()
    assert column.categories == (1, 3)
    np.testing.assert_array_equal(column.codes((1, 3)), [1, 0, NAN, 1])


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (np.zeros(3), r"\[rows, columns\], not \[3\]. Reshape your data"),
        (np.zeros((0, 2)), "0 rows"),
        (np.zeros((2, 0)), "0 feature"),
        ([[1, 2], [3]], "rows are of different lengths"),
        (np.zeros((1, 1), np.complex64), "Complex data not supported"),
        ({"a": [1, 2], "b": [1]}, r"different lengths: {'a': 2, 'b': 1}"),
        (
            {"a": np.array([1, "x"], object)},
            r"'a' mixes numbers \(1 in row 0\) and text \('x' in row 1",
        ),
        (
            {"a": np.array([1, {}], object)},
            "'a' holds dict in row 1: argument must be a string or a",
        ),
        ({"a": np.array(["2020-01-01"], "M8[D]")}, "'a' is of the type datetime64"),
        (pa.table({"a": pa.array([1], pa.timestamp("s"))}), "'a' is of the type timestamp"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "two columns are named 'a'"),
        (pd.DataFrame({"a": pd.Categorical([(1, 2)])}), "has the category"),
    ],
)
def test_what_is_no_table_is_refused(table, message):
    with pytest.raises(InputError, match=message):
        read_table(table)


def test_columns_say_where_they_are_wrong():
    (x, job), _ = read_table({"x": [1.0, np.inf], "job": np.array([None, "cook"], object)})
    with pytest.raises(InputError, match=r"'x' is infinite \(inf\) in row 1"):
        x.numbers()
    with pytest.raises(InputError, match="'job' holds 'cook' in row 1, and held numbers"):
        job.numbers()
    with pytest.raises(InputError, match="'job' is 'cook' in row 1, which it never was"):
        job.codes(["baker"])
    np.testing.assert_array_equal(job.codes(["baker"], ignore=True), [NAN, -1])
    with pytest.raises(InputError, match="'job' holds 'cook', which its order"):
        job.with_order(["baker"])
    with pytest.raises(InputError, match="twice"):
        job.with_order(["cook", "cook"])


@given(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9))
def test_a_short_number_lies_between(a, b):
    low, high = sorted((a, b))
    if low < high:
        assert low <= short_between(low, high) < high


def test_short_numbers_are_short():
    assert short_between(41.0, 44.0) == 42
    assert short_between(0.12345, 0.98765) == 0.6
    assert short_between(1.1, 1.5) == 1.3
    assert short_between(0.94, 1.0) == 0.97  # not 1, which is not below
    assert short_between(1.0, 1.0 + 2**-52) == 1.0
