# pyarrow is not needed, and has no types of its own.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
"""Arrow tables as arrays of samples: a column of lists, or as many columns of numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from gatewright.errors import BadCell, InputError, MissingTool

Array = npt.NDArray[Any]


def load(what: str) -> Any:
    """The package pyarrow; MissingTool where it is not installed."""
    try:
        import pyarrow
    except ImportError:
        raise MissingTool(f"{what} takes pyarrow: pip install 'gatewright[arrow]'") from None
    return pyarrow


def is_table(x: Any) -> bool:
    """Whether this is an Arrow table, or a batch of records."""
    return hasattr(x, "column_names") and (
        hasattr(x, "__arrow_c_stream__") or hasattr(x, "__arrow_c_array__")
    )


def chosen(schema: Any, num: int, names: Sequence[str] = ()) -> list[str]:
    """Of a schema's columns those that hold samples of `num` numbers.

    These are the one column of lists; else the columns of these names, if all are there; else all,
    if they are as many.
    """
    lists = [field.name for field in schema if _depth(field.type)]
    if len(lists) == 1:
        return lists
    held: list[str] = list(schema.names)
    if not lists and names and set(names) <= set(held):
        return list(names)
    if lists or len(held) != num:
        raise InputError(
            f"its columns are {_few(held)}; the model reads one column of lists of {num} numbers, "
            f"or {num} columns of numbers"
        )
    return held


def row_bytes(schema: Any, names: Sequence[str], num: int) -> int:
    """Bytes of a row of `num` numbers, about, in the columns of these names."""
    kind = schema.field(names[0]).type if names else None
    if kind is None or not _depth(kind):
        return 8 * num
    while _depth(kind):
        kind = getattr(kind, "storage_type", kind).value_type
    return num * np.dtype(kind.to_pandas_dtype()).itemsize


def has_lists(x: Any) -> bool:
    """Whether a table has a column of lists."""
    return any(_depth(field.type) for field in getattr(x, "schema", ()))


def samples(x: Any, shape: tuple[int, ...]) -> Array:
    """The array [N, *shape] of a table; a column of lists in one chunk is not copied.

    Raises:
        InputError: its columns are others, not of numbers, or a value is missing; it names the
            column and the row.
    """
    pa = load("reading an Arrow table")
    table = x if isinstance(x, (pa.Table, pa.RecordBatch)) else pa.table(x)
    num = math.prod(shape)
    names = chosen(table.schema, num)
    if len(names) == 1 and _depth(table.schema.field(names[0]).type):
        rows = _of_lists(pa, names[0], _whole(table.column(names[0])), num)
    elif not names:
        rows = np.empty((table.num_rows, 0))
    else:
        held = (_numbers(pa, name, _whole(table.column(name)), 1) for name in names)
        rows = np.stack(list(held)).T
    return rows.reshape(table.num_rows, *shape)


def _whole(column: Any) -> Any:
    """A column as one array; copied only if it is in several chunks."""
    if not hasattr(column, "num_chunks"):
        return column
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _depth(kind: Any) -> int:
    """How many lists lie within one another in a type."""
    kind = getattr(kind, "storage_type", kind)
    is_list = str(kind).startswith(("list<", "large_list<", "fixed_size_list<"))
    return 1 + _depth(kind.value_type) if is_list else 0


def _of_lists(pa: Any, name: str, column: Any, num: int) -> Array:
    """The numbers of a column of lists, all after one another: `num` a row."""
    values, a_row = column, 1
    while depth := _depth(values.type):
        values = getattr(values, "storage", values)
        _check_missing(name, values, a_row)
        if hasattr(values, "offsets"):
            lengths = np.diff(values.offsets.to_numpy())
            size = num // a_row if depth == 1 or not len(lengths) else int(lengths[0])
            at = np.flatnonzero(lengths != size)
            if len(at):
                _refuse_length(name, a_row * int(lengths[at[0]]), int(at[0]) // a_row, num)
        else:
            size = int(values.type.list_size)
        values, a_row = values.flatten(), a_row * size
    if len(column) and a_row != num:
        _refuse_length(name, a_row, 0, num)
    return _numbers(pa, name, values, max(1, num))


def _refuse_length(name: str, length: int, row: int, num: int) -> NoReturn:
    raise BadCell(f"column {name!r} has {length} numbers", row, f"; the model reads {num}")


def _numbers(pa: Any, name: str, values: Any, a_row: int) -> Array:
    """Numbers of which a row holds so many."""
    kind = values.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        first = next((row for row, one in enumerate(values) if one.is_valid), 0) // a_row
        raise BadCell(f"column {name!r} holds {kind}", first, "; give numbers")
    _check_missing(name, values, a_row)
    return values.to_numpy(zero_copy_only=False)


def _check_missing(name: str, values: Any, a_row: int) -> None:
    if values.null_count:
        row = values.is_null().to_numpy(zero_copy_only=False).argmax() // a_row
        raise BadCell(f"column {name!r} has no value", int(row), "; fill it in")


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
