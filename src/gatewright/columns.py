# pandas and pyarrow are not needed, and have no types of their own.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
"""`read_table`: arrays, data frames, Arrow tables and mappings as columns of numbers or categories.

Nothing is converted but what is the same thing: whole numbers and bools to float64 (rounded beyond
2^53), any kind of missing value to NaN. Text is never read as numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

from gatewright import arrow
from gatewright.errors import BadCell, InputError

Values = npt.NDArray[np.float64]
Category = str | float


class WrongType(InputError, TypeError):
    """A table is none, or a category is neither a number nor text."""


class WrongCell(BadCell, WrongType):
    """A cell is neither a number nor text."""


@dataclass(frozen=True, eq=False)
class Column:
    """A column of a table.

    Attributes:
        values: float64[N], NaN where missing; or, where there are categories, their codes.
        categories: what the codes mean, distinct; None of numbers.
        ordered: whether the categories have an order, which is theirs here.
    """

    name: str
    values: Values
    categories: tuple[Category, ...] | None = None
    ordered: bool = False

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: npt.NDArray[np.int64]) -> Column:
        """The column of these rows."""
        return replace(self, values=self.values[rows])

    @property
    def is_missing(self) -> npt.NDArray[np.bool_]:
        return np.isnan(self.values)

    def numbers(self) -> Values:
        """The values of a column of numbers, seen to be finite or NaN."""
        if self.categories is not None:
            row, what = self._first()
            raise BadCell(
                f"column {self.name!r} holds {what!r}", row,
                ", and held numbers when the encoder was fitted; give numbers, or fit again",
            )  # fmt: skip
        at = np.flatnonzero(np.isinf(self.values))
        if len(at):
            raise BadCell(
                f"column {self.name!r} is infinite (inf)", int(at[0]),
                "; give finite numbers, or NaN for a missing one",
            )  # fmt: skip
        return self.values

    def codes(self, categories: Sequence[Category], *, ignore: bool = False) -> Values:
        """The place of each value among the categories; -1 of others if these are ignored."""
        column = self if self.categories is not None else self.as_categories()
        known = {category: float(code) for code, category in enumerate(categories)}
        held = column.categories or ()
        places = np.array([known.get(category, -1.0) for category in held] + [np.nan])
        index = np.where(column.is_missing, len(held), column.values).astype(np.int64)
        found: Values = places[index]
        if not ignore and (found == -1).any():
            row = int(np.argmax(found == -1))
            raise BadCell(
                f"column {self.name!r} is {held[index[row]]!r}", row,
                ", which it never was when the encoder was fitted; give a known category, or fit "
                "with unseen='ignore'",
            )  # fmt: skip
        return found

    def as_categories(self) -> Column:
        """The same column with each of its values as a category."""
        if self.categories is not None:
            return self
        distinct, codes = np.unique(self.numbers(), return_inverse=True)
        distinct = distinct[~np.isnan(distinct)]
        values = np.where(self.is_missing, np.nan, codes.reshape(-1).astype(np.float64))
        return replace(self, values=values, categories=tuple(map(_plain, distinct.tolist())))

    def with_order(self, order: Sequence[Category]) -> Column:
        """The same column with its categories in this order, lowest first."""
        if len(set(order)) != len(order):
            raise InputError(f"column {self.name!r}: a category is in its order twice: {order}")
        plain = tuple(one if isinstance(one, str) else _plain(float(one)) for one in order)
        column = self.as_categories()
        extra = [one for one in column.used() if one not in plain]
        if extra:
            raise InputError(
                f"column {self.name!r} holds {extra[0]!r}, which its order {list(order)} lacks"
            )
        return replace(column, values=column.codes(plain), categories=plain, ordered=True)

    def used(self) -> list[Category]:
        """The categories that occur, in their order."""
        present: list[int] = np.unique(self.values[~self.is_missing]).astype(np.int64).tolist()
        held = self.categories or ()
        return [held[code] for code in present]

    def _first(self) -> tuple[int, Category]:
        row = int(np.argmin(self.is_missing))
        held = self.categories or ("nothing",)
        return row, held[0 if np.isnan(self.values[row]) else int(self.values[row])]


def names_of(x: Any) -> list[str] | None:
    """The names of a table's columns; None where it has none, or is no table.

    Raises:
        InputError: two columns have one name.
    """
    if isinstance(x, Mapping):
        found: Any = x.keys()  # pyright: ignore[reportUnknownVariableType]
    else:
        found = getattr(x, "column_names", getattr(x, "columns", None))  # Arrow's, or a frame's
    if found is None:
        return None
    names = [str(name) for name in found]
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InputError(f"two columns are named {name!r}; rename one")
        seen.add(name)
    return names


def as_array(x: Any) -> npt.NDArray[Any]:
    """An array of what is not yet one; what a masked array hides is missing: NaN."""
    if not np.ma.is_masked(x):
        return np.asarray(x)
    values = np.array(x.data, np.float64 if x.dtype.kind in "buif" else object)
    values[np.ma.getmaskarray(x)] = np.nan
    return values


def read_table(x: Any, names: Sequence[str] | None = None) -> tuple[list[Column], bool]:
    """The columns of a table, and whether it names them.

    Args:
        names: of the columns of an array, x0, x1, ... by default.

    Raises:
        InputError: no rows, no columns, not a table, or a column that is neither numbers nor text;
            it names the column and the row.
    """
    named = True
    if hasattr(x, "toarray"):
        raise WrongType("the table is sparse; give a dense one: x.toarray()")
    names_of(x)  # no two alike
    if isinstance(x, Mapping):
        columns = [_of_array(str(name), as_array(values)) for name, values in x.items()]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    elif hasattr(x, "iloc") and hasattr(x, "columns"):
        columns = list(_of_pandas(x))
    elif hasattr(x, "__arrow_c_stream__") or hasattr(x, "column_names"):
        columns = list(_of_arrow(x))
    else:
        columns, named = _of_rows(x, names), False
    if not columns:
        shape = getattr(x, "shape", (0, 0))
        raise InputError(
            f"the table has 0 feature(s) (shape={shape}) while a minimum of 1 is required: give "
            "columns"
        )
    lengths = {column.name: len(column) for column in columns}
    if len(set(lengths.values())) > 1:
        raise InputError(f"the table's columns are of different lengths: {lengths}")
    if not len(columns[0]):
        raise InputError("the table has 0 rows: 0 sample(s) while a minimum of 1 is required")
    return columns, named


def _of_rows(x: Any, names: Sequence[str] | None) -> list[Column]:
    try:
        array = as_array(x)
    except ValueError:
        raise InputError("the table's rows are of different lengths") from None
    if array.dtype.kind == "c":
        raise InputError("Complex data not supported: give a table of real numbers")
    if array.ndim != 2:
        raise InputError(
            f"a table is [rows, columns], not {list(array.shape)}. Reshape your data: one column "
            "is x.reshape(-1, 1), one row x.reshape(1, -1)"
        )
    if names is None or len(names) != array.shape[1]:
        names = [f"x{i}" for i in range(array.shape[1])]
    if array.dtype.kind in "buif":
        values = array.astype(np.float64, copy=False)
        return [Column(name, values[:, i]) for i, name in enumerate(names)]
    return [_of_array(name, array[:, i]) for i, name in enumerate(names)]


def _of_array(name: str, array: npt.NDArray[Any]) -> Column:
    """A column of an array of numbers, text or objects."""
    if array.ndim != 1:
        raise InputError(
            f"column {name!r} is of the shape {list(array.shape)}; give one value a row"
        )
    if array.dtype.kind in "buif":
        return Column(name, array.astype(np.float64))
    if array.dtype.kind in "mMcV":
        raise InputError(
            f"column {name!r} is of the type {array.dtype}; give numbers, say days since a date"
        )
    return _of_objects(name, array.tolist())


def is_missing(cell: Any) -> bool:
    """Whether a cell is None, NaN, pandas.NA or pandas.NaT."""
    if cell is None or type(cell).__name__ in ("NAType", "NaTType"):
        return True
    return bool(cell != cell)


def _of_objects(name: str, cells: Sequence[Any]) -> Column:
    """A column of numbers, or of text, and None, NaN or pandas.NA among them."""
    values = np.full(len(cells), np.nan)
    texts: dict[str, int] = {}
    number_at = text_at = -1
    for row, cell in enumerate(cells):
        if is_missing(cell):
            continue
        if isinstance(cell, str):
            values[row] = texts.setdefault(cell, len(texts))
            text_at = row
        elif isinstance(cell, (Real, np.bool_)):
            values[row] = float(cell)
            number_at = row
        else:
            raise WrongCell(
                f"column {name!r} holds {type(cell).__name__}", row,
                ": argument must be a string or a number",
            )  # fmt: skip
        if min(number_at, text_at) >= 0:
            raise InputError(
                f"column {name!r} mixes numbers ({cells[number_at]} in row {number_at}) and text "
                f"({cells[text_at]!r} in row {text_at}); make it one of them"
            )
    return _of_texts(name, values, list(texts)) if texts else Column(name, values)


def _of_texts(name: str, places: Values, texts: Sequence[str]) -> Column:
    """A column of text from the place of each cell among the texts; these become sorted."""
    order = sorted(texts)
    rank = np.full(len(order) + 1, np.nan)
    number = {text: i for i, text in enumerate(order)}
    rank[:-1] = [number[text] for text in texts]
    index = np.where(np.isnan(places), len(order), places).astype(np.int64)
    return Column(name, rank[index], tuple(order))


def _of_pandas(frame: Any) -> Iterator[Column]:
    for name in frame.columns:
        series, label = frame[name], str(name)
        kind = getattr(series.dtype, "kind", "O")
        if hasattr(series, "cat"):
            yield _of_categories(
                label, series.cat.codes.to_numpy(), series.cat.categories.tolist(),
                bool(series.cat.ordered),
            )  # fmt: skip
        elif kind in "buif" and not isinstance(series.dtype, np.dtype):  # nullable
            yield Column(label, series.to_numpy(np.float64, na_value=np.nan))
        else:
            values = series.to_numpy()
            yield _of_array(label, values if kind in "buifmMc" else values.astype(object))


def _of_arrow(x: Any) -> Iterator[Column]:
    pa = arrow.load("reading an Arrow table")
    types: Any = pa.types  # pyarrow has no types of its own
    try:
        table: Any = x if isinstance(x, pa.Table) else pa.table(x)
    except pa.ArrowInvalid:
        raise InputError(
            f"a table is [rows, columns], not a {type(x).__name__} of {len(x)} values. Reshape "
            "your data: one column is x.to_frame(), or {'x': x}"
        ) from None
    for name in table.column_names:
        column = table.column(name).combine_chunks()
        if types.is_dictionary(column.type):
            signed = column.indices.cast(pa.int64())  # they may be unsigned
            codes = signed.fill_null(-1).to_numpy(zero_copy_only=False)
            ordered = bool(column.type.ordered)
            yield _of_categories(name, codes, column.dictionary.to_pylist(), ordered)
        elif types.is_boolean(column.type) or types.is_integer(column.type) or types.is_floating(
            column.type
        ):  # fmt: skip
            numbers = column.cast(pa.float64(), safe=False)  # rounded beyond 2^53
            yield Column(name, numbers.to_numpy(zero_copy_only=False))
        elif types.is_string(column.type) or types.is_large_string(column.type):
            encoded = column.dictionary_encode()
            places = encoded.indices.cast(pa.float64()).to_numpy(zero_copy_only=False)
            yield _of_texts(name, places, encoded.dictionary.to_pylist())
        elif types.is_temporal(column.type):
            raise InputError(
                f"column {name!r} is of the type {column.type}; give numbers, say days since a date"
            )
        else:
            yield _of_objects(name, column.to_pylist())


def _of_categories(
    name: str, codes: npt.NDArray[Any], categories: Sequence[Any], ordered: bool
) -> Column:
    for category in categories:
        if not isinstance(category, (str, Real, np.bool_)):
            raise WrongType(
                f"column {name!r} has the category {category!r}: argument must be a string or a "
                "number"
            )
    plain = tuple(one if isinstance(one, str) else _plain(float(one)) for one in categories)
    return Column(name, np.where(codes < 0, np.nan, codes.astype(np.float64)), plain, ordered)


def _plain(number: float) -> float:
    return int(number) if number.is_integer() else number


def short_between(low: float, high: float) -> float:
    """The number of fewest digits that is at least low and below high."""
    if low.is_integer() and high.is_integer():
        return float((low + high) // 2)
    middle = low / 2 + high / 2
    for digits in range(1, 17):
        short = float(f"{middle:.{digits}g}")
        if low <= short < high:
            return short
    return low
