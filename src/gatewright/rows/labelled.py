"""`table_of`: a file's rows as a model's encoder gives them, whole, with their classes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gatewright.errors import InputError
from gatewright.model import Model
from gatewright.readers import read_npz, read_table_csv
from gatewright.rows import GZIP, READERS, read, start_of
from gatewright.rows.arrays import as_samples
from gatewright.rows.batch import num_numbers
from gatewright.rows.tables import TABLES, columns_of, whole
from gatewright.rows.text import column_of, places_of
from gatewright.rules import labels_of
from gatewright.tables import TableEncoder, text_of


@dataclass(frozen=True, eq=False)
class Table:
    """Rows as the model's encoder gives them, the names of their columns, and their classes."""

    rows: npt.NDArray[Any]
    names: list[str] | None
    labels: npt.NDArray[np.int64] | None


def table_of(model: Model, source: str, target: str | None) -> Table:
    """The rows of a file, whole; `target` names the column, or array of an .npz, of the classes.

    Raises:
        InputError: the file cannot be read, or is not what the model reads.
        MissingTool: Parquet or Arrow, and pyarrow is not installed.
    """
    start = start_of(source)
    if start.startswith(TABLES):
        return _of_arrow(model, source, target)
    if not start.startswith((GZIP, *READERS)):
        return _of_csv(model, source, target)
    parts = [np.array(_rows(model, batch.samples, source)) for batch in read(model, source)]
    samples = np.concatenate(parts) if parts else np.empty((0, num_numbers(model)))
    labels = None
    if target is not None:
        held = read_npz(source) if start.startswith(b"PK") else {}
        if target not in held:
            raise InputError(f"{source}: no array {target!r}; --target names one of an .npz file")
        labels = _labels(model, held[target].reshape(-1).tolist(), f"{source}: array {target!r}")
        if len(labels) != len(samples):
            raise InputError(f"{source}: {len(samples)} samples and {len(labels)} in {target!r}")
    return Table(samples, None, labels)


def _of_arrow(model: Model, source: str, target: str | None) -> Table:
    table = whole(source)
    labels = None
    if target is not None:
        _check_held(table.column_names, target, source)
        labels = _labels(model, table.column(target).to_pylist(), f"{source}: column {target!r}")
        table = table.drop_columns([target])
    names = columns_of(model, table.schema, source)
    is_named = not isinstance(model.encoder, TableEncoder) and len(names) == num_numbers(model)
    rows = _rows(model, table.select(names), source)
    return Table(rows, names if is_named else None, labels)


def _of_csv(model: Model, source: str, target: str | None) -> Table:
    columns = read_table_csv(source)
    labels = None
    if target is not None:
        _check_held(columns, target, source)
        labels = _labels(model, columns.pop(target), f"{source}: column {target!r}")
    encoder = model.encoder
    if isinstance(encoder, TableEncoder):
        cells = list(columns.values())
        if encoder.named:
            cells = [cells[place] for place in places_of(encoder, list(columns), source)]
        if len(cells) != len(encoder.fields):
            raise InputError(
                f"{source}: {len(cells)} columns; the model reads {len(encoder.fields)}"
                " (--target takes one out)"
            )
        try:
            held = {
                field.name: column_of(field, column)
                for field, column in zip(encoder.fields, cells, strict=True)
            }
        except InputError as error:
            raise InputError(f"{source}: {error}") from error
        return Table(_rows(model, held, source), None, labels)
    if encoder is None and set(model.circuit.input_names) <= set(columns):
        columns = {name: columns[name] for name in model.circuit.input_names}
    numbers = [_numbers(cells, f"{source}: column {name!r}") for name, cells in columns.items()]
    samples = as_samples(model, np.stack(numbers, axis=1), source)
    return Table(_rows(model, samples, source), list(columns), labels)


def _check_held(names: Collection[str], target: str, source: str) -> None:
    if target not in names:
        raise InputError(f"{source}: no column {target!r}; its columns are {', '.join(names)}")


def _rows(model: Model, samples: Any, source: str) -> npt.NDArray[Any]:
    try:
        if model.encoder is not None:
            return model.encoder.rows(samples)
        if not np.isin(samples, (0, 1)).all():
            raise InputError("bits are 0 or 1, and this model has no encoder of other values")
    except InputError as error:
        raise InputError(f"{source}: {error}") from error
    return np.asarray(samples)


def _numbers(cells: Sequence[str], where: str) -> npt.NDArray[np.float64]:
    for line, cell in enumerate(cells, 1):
        try:
            float(cell)
        except ValueError:
            raise InputError(f"{where}: row {line - 1} has {cell!r}, not a number") from None
    return np.array(cells, np.float64)


def _labels(model: Model, values: Sequence[Any], where: str) -> npt.NDArray[np.int64]:
    """Classes by their names, or by their numbers."""
    if model.num_classes is None and model.circuit.num_outputs != 1:
        raise InputError(f"{where}: --target is of classes, or of one bit; this model has neither")
    names = ["0", "1"] if model.num_classes is None else labels_of(model)
    number_of = {name: number for number, name in enumerate(names)}
    found: list[int] = []
    for row, value in enumerate(values):
        shown = value.strip() if isinstance(value, str) else text_of(value)
        if shown not in number_of and isinstance(value, str):
            with suppress(ValueError):
                shown = text_of(float(value))
        if shown not in number_of:
            raise InputError(f"{where} is {value!r} in row {row}; classes are {', '.join(names)}")
        found.append(number_of[shown])
    return np.array(found, np.int64)
