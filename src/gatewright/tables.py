"""Tables of named columns -> bits: numbers over thresholds, categories one by one, missing values.

A table is an array [N, columns], a pandas or polars data frame, an Arrow table, or a mapping of
names to columns. `TableEncoder.fit` looks at each column once and writes down what it found; after
that nothing is guessed: a column that is missing, moved, or holds what it did not is refused.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt

from gatewright import arrow
from gatewright.columns import Column, read_table, short_between
from gatewright.encode import BitTable, Bools, Encoder, quantile_thresholds, uniform_thresholds
from gatewright.errors import BadCell, InputError

Doubles = npt.NDArray[np.float64]

#: Thresholds a column of numbers, and categories of one with a bit of their own, at most.
MOST_BITS = 31
MOST_CATEGORIES = 63

Unseen = Literal["error", "ignore"]


@dataclass(frozen=True)
class Field:
    """What a column was when the encoder was fitted.

    Attributes:
        kind: "number"; "ordered", whose categories are numbered in their order; or "category".
        thresholds: of numbers, or of the numbers of ordered categories: a bit each.
        categories: all that were seen; of ordered ones all there are, in order.
        own: of a "category", the numbers of those with a bit of their own.
        missing: whether values were missing: a bit.
    """

    name: str
    kind: str
    thresholds: tuple[float, ...] = ()
    categories: tuple[str | float, ...] = ()
    own: tuple[int, ...] = ()
    missing: bool = False

    @property
    def bits(self) -> list[tuple[int, float]]:
        """Kind (of `BitTable`) and limit of each bit."""
        over = [(BitTable.OVER, limit) for limit in self.thresholds]
        equal = [(BitTable.EQUAL, float(code)) for code in self.own]
        return over + equal + [(BitTable.MISSING, 0.0)] * self.missing

    @property
    def conditions(self) -> list[str]:
        """What each bit says, in words: "age > 41.5", "job = sales", "age is missing"."""
        if self.kind == "ordered":
            below = (self.categories[int(limit)] for limit in self.thresholds)
            over = [f"{self.name} > {text_of(category)}" for category in below]
        else:
            over = [f"{self.name} > {text_of(limit)}" for limit in self.thresholds]
        equal = [f"{self.name} = {text_of(self.categories[code])}" for code in self.own]
        return over + equal + [f"{self.name} is missing"] * self.missing


@dataclass(frozen=True, eq=False)
class TableEncoder(Encoder):
    """Tables of the columns `fields` -> bits, column by column.

    Attributes:
        unseen: of a category that was not seen when the encoder was fitted: an "error", or "ignore"
            it: none of the column's bits is 1.
        named: whether the table had names of its own, so that others are refused.
    """

    fields: tuple[Field, ...]
    unseen: Unseen = "error"
    named: bool = True

    @staticmethod
    def fit(
        x: Any,
        y: npt.ArrayLike | None = None,
        *,
        bits: int = 15,
        how: str = "quantile",
        categorical: Collection[str | int] = (),
        ordered: Mapping[str | int, Sequence[str | float]] | None = None,
        unseen: Unseen = "error",
    ) -> TableEncoder:
        """An encoder of tables like x.

        Columns of text, and categorical ones of pandas and Arrow, are categories; all others are
        numbers.

        Args:
            y: classes [N], integers from 0; only for how="learned".
            bits: thresholds a column of numbers at most.
            how: "quantile", "uniform" or "learned"; see `Thermometer.fit`.
            categorical: names or places of columns whose numbers are categories.
            ordered: the categories of these columns, lowest first.

        Raises:
            InputError: no rows or columns, infinite values, mixed columns, or an option that does
                not fit the table; it names the column.
        """
        columns, named = read_table(x)
        return TableEncoder.of_columns(
            columns, y, bits=bits, how=how, categorical=categorical, ordered=ordered,
            unseen=unseen, named=named,
        )  # fmt: skip

    @staticmethod
    def of_columns(
        columns: Sequence[Column],
        y: npt.ArrayLike | None = None,
        *,
        bits: int,
        how: str = "quantile",
        categorical: Collection[str | int] = (),
        ordered: Mapping[str | int, Sequence[str | float]] | None = None,
        unseen: Unseen = "error",
        named: bool = True,
    ) -> TableEncoder:
        """The same of columns that have been read."""
        if how not in ("quantile", "uniform", "learned"):
            raise InputError(f"how is quantile, uniform or learned, not {how!r}")
        if unseen not in ("error", "ignore"):
            raise InputError(f"unseen is error or ignore, not {unseen!r}")
        if not 1 <= bits <= 255:
            raise InputError(f"bits a column is from 1 to 255, not {bits}")
        if isinstance(categorical, str):
            raise InputError(f"categorical is a list of columns: write [{categorical!r}]")
        orders = {_place(name, columns): list(order) for name, order in (ordered or {}).items()}
        places = {_place(name, columns) for name in categorical}
        fields: list[Field] = []
        for i, column in enumerate(columns):
            if i in orders:
                column = column.with_order(orders[i])
            elif i in places:
                column = column.as_categories()
            fields.append(_field_of(column, bits, how))
        encoder = TableEncoder(tuple(fields), unseen, named)
        if how != "learned":
            return encoder
        if y is None:
            raise InputError("how='learned' learns thresholds from classes; give y")
        return encoder._learned(encoder.values(columns), np.asarray(y))

    def _learned(self, rows: Doubles, y: npt.NDArray[Any]) -> TableEncoder:
        from gatewright.thresholds import learn  # JAX: not to be loaded for the others

        chosen = [
            i for i, field in enumerate(self.fields) if field.kind == "number" and field.thresholds
        ]
        most = max((len(self.fields[i].thresholds) for i in chosen), default=0)
        if not most:
            return self
        x = rows[:, chosen]
        x = np.where(np.isnan(x), np.nanmedian(x, axis=0), x)
        start = np.stack(
            [
                np.pad(limits, (0, most - len(limits)), mode="edge")
                for limits in (self.fields[i].thresholds for i in chosen)
            ]
        )
        fields = list(self.fields)
        for i, limits in zip(chosen, learn(start.astype(np.float32), x, y), strict=True):
            held = len(fields[i].thresholds)
            unique: list[float] = np.unique(limits.astype(np.float64))[:held].tolist()
            fields[i] = replace(fields[i], thresholds=tuple(unique))
        return TableEncoder(tuple(fields), self.unseen, self.named)

    @property
    def shape(self) -> tuple[int, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return (len(self.fields),)

    @property
    def num_bits(self) -> int:
        return len(self.bit_table.column)

    @property
    def bit_table(self) -> BitTable:
        return self._table

    @cached_property
    def _table(self) -> BitTable:
        bits = [(i, *bit) for i, field in enumerate(self.fields) for bit in field.bits]
        column, kind, limit = (np.array([bit[k] for bit in bits]) for k in range(3))
        return BitTable(column, kind, limit)

    @cached_property
    def names(self) -> list[str]:
        """Of the columns."""
        return [field.name for field in self.fields]

    @property
    def conditions(self) -> tuple[str, ...]:
        """What each bit says, in words."""
        return tuple(text for field in self.fields for text in field.conditions)

    @property
    def about(self) -> dict[str, Any]:
        fields = [asdict(field) for field in self.fields]
        return {
            "kind": "table", "shape": list(self.shape), "fields": fields, "unseen": self.unseen,
            "named": self.named,
        }  # fmt: skip

    @staticmethod
    def restore(about: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> TableEncoder:
        """The encoder that gave these; KeyError or TypeError where there is none."""
        del arrays
        fields = tuple(
            Field(
                name=str(field["name"]),
                kind=str(field["kind"]),
                thresholds=tuple(map(float, field["thresholds"])),
                categories=tuple(field["categories"]),
                own=tuple(map(int, field["own"])),
                missing=bool(field["missing"]),
            )
            for field in about["fields"]
        )
        return TableEncoder(fields, about["unseen"], about["named"])

    @property
    def of_numbers(self) -> Encoder:
        """The encoder of what `rows` returns: the same bits of numbers [N, columns]."""
        return _OfNumbers(self.shape, self.bit_table)

    def rows(self, x: Any) -> npt.NDArray[Any]:
        """A table of these columns -> numbers [N, columns]: categories as theirs, missing as NaN.

        Raises:
            InputError: a column is missing, moved or of another kind, or a value is infinite, of an
                unseen category, or missing where none was when the encoder was fitted.
        """
        if isinstance(x, np.ndarray) and self._is_ready(cast(npt.NDArray[Any], x)):
            return cast(npt.NDArray[Any], x)
        if not self.named and arrow.is_table(x) and arrow.has_lists(x):
            x = arrow.samples(x, self.shape)
        columns, named = read_table(x, self.names)
        self.check(columns, named)
        return self.values(columns)

    def check(self, columns: Sequence[Column], named: bool) -> None:
        """InputError where columns that have been read are others, or in other places."""
        if named and self.named and [c.name for c in columns] != self.names:
            raise InputError(self._misnamed([column.name for column in columns]))
        if len(columns) != len(self.fields):
            raise InputError(
                f"the table has {len(columns)} columns, and had {len(self.fields)} when the "
                f"encoder was fitted: {', '.join(self.names)}"
            )

    def _is_ready(self, x: npt.NDArray[Any]) -> bool:
        """Whether an array needs no look at its columns: all numbers, here and there."""
        is_so = x.dtype.kind in "buif" and x.ndim == 2 and x.shape[1] == len(self.fields)
        return is_so and self._all_numbers and len(x) > 0 and bool(np.isfinite(x).all())

    @cached_property
    def _all_numbers(self) -> bool:
        return all(field.kind == "number" for field in self.fields)

    def _misnamed(self, names: list[str]) -> str:
        missing = [name for name in self.names if name not in names]
        if missing:
            return f"column {missing[0]!r} is missing; the table's are {', '.join(names)}"
        more = [name for name in names if name not in self.names]
        if more:
            return f"column {more[0]!r} was not there when the encoder was fitted; drop it"
        moved = next(a for a, b in zip(self.names, names, strict=False) if a != b)
        return f"column {moved!r} is in another place; give the order {', '.join(self.names)}"

    def values(self, columns: Sequence[Column]) -> Doubles:
        """`rows` of columns that have been read."""
        values = np.empty((len(columns[0]), len(columns)), np.float64)
        for i, (field, column) in enumerate(zip(self.fields, columns, strict=True)):
            if field.kind == "number":
                found = column.numbers()
            else:
                found = column.codes(field.categories, ignore=self.unseen == "ignore")
            if not field.missing:
                at = np.flatnonzero(np.isnan(found))
                if len(at):
                    raise BadCell(
                        f"column {field.name!r} has no value (NaN)", int(at[0]),
                        ", and had one in every row when the encoder was fitted; fill it in",
                    )  # fmt: skip
            values[:, i] = found
        return values

    def _encode(self, rows: npt.NDArray[Any]) -> Bools:
        return self.bit_table(rows)


@dataclass(frozen=True, eq=False)
class _OfNumbers(Encoder):
    """Bits of rows of numbers, as a table says."""

    shape: tuple[int, ...]
    table: BitTable

    @property
    def num_bits(self) -> int:
        return len(self.table.column)

    @property
    def bit_table(self) -> BitTable:
        return self.table

    @property
    def about(self) -> dict[str, Any]:
        raise InputError("this encoder is not to be saved; save the one of the table")

    def _encode(self, rows: npt.NDArray[Any]) -> Bools:
        return self.table(rows)


def text_of(category: str | float) -> str:
    """A category or limit as people write it: whole numbers without a point."""
    if isinstance(category, float) and category.is_integer():
        return str(int(category))
    return str(category)


def _place(name: str | int, columns: Sequence[Column]) -> int:
    names = [column.name for column in columns]
    if isinstance(name, str) and name in names:
        return names.index(name)
    if isinstance(name, (int, np.integer)) and 0 <= name < len(columns):
        return int(name)
    raise InputError(f"there is no column {name!r}; there are {', '.join(names)}")


def _field_of(column: Column, bits: int, how: str) -> Field:
    missing = bool(column.is_missing.any())
    if column.categories is None:
        values = column.numbers()
        limits = _thresholds(values[~np.isnan(values)], bits, how)
        return Field(column.name, "number", limits, missing=missing)
    if column.ordered:
        limits = tuple(code + 0.5 for code in range(len(column.categories) - 1))
        return Field(column.name, "ordered", limits, column.categories, missing=missing)
    categories = tuple(column.used())
    codes = column.codes(categories)
    counts = np.bincount(codes[~np.isnan(codes)].astype(np.int64), minlength=len(categories))
    frequent = np.argsort(-counts, kind="stable")[:MOST_CATEGORIES]
    own = tuple(sorted(frequent.tolist()))
    # Of two categories one bit says it all.
    own = own[1:] if len(categories) <= 2 and not missing else own
    return Field(column.name, "category", (), categories, own, missing)


def _thresholds(values: Doubles, bits: int, how: str) -> tuple[float, ...]:
    """Rising thresholds that tell the values apart, at most `bits`, of few digits."""
    distinct = np.unique(values)
    if len(distinct) < 2:
        return ()
    place = uniform_thresholds if how == "uniform" else quantile_thresholds
    limits = place(values, bits)
    above = np.unique(np.searchsorted(distinct, limits, side="right"))
    above = above[(above > 0) & (above < len(distinct))]
    return tuple(
        short_between(float(low), float(high))
        for low, high in zip(distinct[above - 1], distinct[above], strict=True)
    )
