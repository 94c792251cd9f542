"""What a model says of samples: one prediction a line, a class or the output bits.

MODEL is a run folder, a model file (.safetensors) or BLIF. INPUT is .npy, .npz (its array x, else
its first), IDX (plain or gzipped), or text, also as - (stdin): a sample a line, its numbers between
commas or spaces (a CSV file's header is passed over), or the circuit's input bits as one word of 0
and 1. A model of a table with named columns takes them from a CSV file by its header; others in it
are passed over, and an empty cell is a missing value.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from gatewright.errors import InputError
from gatewright.model import Model
from gatewright.readers import parse_idx, read_npz
from gatewright.runs import load_model
from gatewright.tables import Field, TableEncoder

Array = npt.NDArray[Any]
Predictions = list[int] | list[str]

#: Samples predicted at a time; and lines of text read.
BATCH = 1 << 16
LINES = 4096


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    del arguments
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("input", metavar="INPUT")


def run(options: argparse.Namespace) -> int:
    if options.model == options.input == "-":
        raise InputError("MODEL and INPUT are both -; stdin holds one of them")
    batches = _predict(load_model(options.model), options.input)
    if options.json:
        print(json.dumps({"predictions": list(chain.from_iterable(batches))}))
        return 0
    for batch in batches:
        sys.stdout.write("".join(f"{prediction}\n" for prediction in batch))
    return 0


def _predict(model: Model, source: str) -> Iterator[Predictions]:
    if source == "-":
        yield from _of_text(model, sys.stdin.buffer, "<stdin>")
        return
    path = Path(source)
    try:
        with path.open("rb") as file:
            start = file.read(4)
            file.seek(0)
            if not start.startswith((b"\x93NUM", b"PK", b"\x1f\x8b", b"\0\0")):
                yield from _of_text(model, file, source)
                return
    except OSError as error:
        raise InputError(f"{source}: cannot read this file ({error.strerror})") from error
    samples = as_samples(model, array_of(path, start), source)
    for first in range(0, len(samples), BATCH):
        yield _say(model, samples[first : first + BATCH], source)


def array_of(path: Path, start: bytes) -> Array:
    """The array of a file that starts like .npy (mapped, not read), .npz or IDX."""
    if start.startswith(b"\x93NUM"):
        try:
            return np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, EOFError, OSError) as error:
            raise InputError(f"{path}: not a whole .npy file of numbers ({error})") from error
    if start.startswith(b"PK"):
        arrays = read_npz(path)
        if not arrays:
            raise InputError(f"{path}: holds no array; write one with numpy.savez(file, x=...)")
        return arrays["x"] if "x" in arrays else next(iter(arrays.values()))
    return parse_idx(path.read_bytes(), str(path))


def as_samples(model: Model, array: Array, source: str) -> Array:
    """The array as the model reads it; each sample may also be flat, its numbers in a row."""
    shape = _shape(model)
    if array.ndim < 2 or array.shape[1:] not in (shape, (math.prod(shape),)):
        flat = "" if len(shape) == 1 else f" or [N, {math.prod(shape)}]"
        raise InputError(
            f"{source}: an array of shape {list(array.shape)}; the model reads "
            f"[N, {', '.join(map(str, shape))}]{flat}"
        )
    return array.reshape(-1, *shape)


def _of_text(model: Model, file: Iterable[bytes], source: str) -> Iterator[Predictions]:
    encoder = model.encoder
    file = iter(file)
    if isinstance(encoder, TableEncoder) and encoder.named:
        start = list(islice(file, 1))
        header = next(csv.reader(_decoded(start, source)), list[str]())
        if not all(map(_is_number, header)):
            yield from _of_table(model, encoder, [name.strip() for name in header], file, source)
            return
        file = chain(start, file)
    lines = _lines(file, source)
    first = list(islice(lines, 1))
    if first and not any(map(_is_number, first[0][1])):  # a header
        first = list(islice(lines, 1))
    if not first:
        return
    if _is_word_of_bits(model, first[0][1]):
        model = replace(model, encoder=None)
        parse = _bits
    else:
        parse = _numbers
    shape = _shape(model)
    lines = chain(first, lines)
    while batch := list(islice(lines, LINES)):
        rows = [
            parse(cells, math.prod(shape), f"{source}: line {number}") for number, cells in batch
        ]
        yield _say(model, np.stack(rows).reshape(-1, *shape), source)


def _of_table(
    model: Model, encoder: TableEncoder, header: list[str], file: Iterable[bytes], source: str
) -> Iterator[Predictions]:
    """Predictions of the rows behind a CSV file's header."""
    places = places_of(encoder, header, source)
    reader = csv.reader(_decoded(file, source))
    numbered = ((reader.line_num + 1, row) for row in reader if row)
    while batch := list(islice(numbered, LINES)):
        for line, row in batch:
            if len(row) != len(header):
                raise InputError(
                    f"{source}: line {line} has {len(row)} cells and the header has {len(header)}"
                )
        lines = f"{source}: lines {batch[0][0]} to {batch[-1][0]}"
        columns = {
            field.name: column_of(field, [row[place] for _, row in batch], lines)
            for field, place in zip(encoder.fields, places, strict=True)
        }
        yield _say(model, columns, lines)


def places_of(encoder: TableEncoder, header: Sequence[str], source: str) -> list[int]:
    """Where in a header the table's columns are; InputError where one is missing."""
    missing = [name for name in encoder.names if name not in header]
    if missing:
        raise InputError(
            f"{source}: column {missing[0]!r} is missing; the header has {', '.join(header)}"
        )
    return [header.index(name) for name in encoder.names]


def column_of(field: Field, cells: Sequence[str], source: str) -> Array:
    """A table's column from the cells of a CSV file; empty ones are missing values."""
    held = [cell.strip() or None for cell in cells]
    if any(isinstance(category, str) for category in field.categories):
        return np.array(held, object)
    try:
        return np.array([np.nan if cell is None else float(cell) for cell in held])
    except ValueError:
        wrong = next(cell for cell in held if cell is not None and not _is_number(cell))
        raise InputError(
            f"{source}: column {field.name!r} holds {wrong!r}, which is not a number"
        ) from None


def _lines(file: Iterable[bytes], source: str) -> Iterator[tuple[int, list[str]]]:
    """Numbers and cells of the lines that are not empty."""
    for number, line in enumerate(_decoded(file, source), 1):
        cells = line.replace(",", " ").replace(";", " ").split()
        if cells:
            yield number, cells


def _decoded(file: Iterable[bytes], source: str) -> Iterator[str]:
    try:
        for line in file:
            yield line.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(
            f"{source}: neither text nor .npy, .npz or IDX; give samples in one of these"
        ) from None


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _is_word_of_bits(model: Model, cells: list[str]) -> bool:
    """The circuit's inputs in one word, and not the only number of a sample."""
    is_word = len(cells) == 1 and len(cells[0]) == model.circuit.num_inputs
    return is_word and set(cells[0]) <= {"0", "1"} and math.prod(_shape(model)) > 1


def _bits(cells: list[str], num: int, place: str) -> Array:
    if len(cells) != 1 or len(cells[0]) != num or not set(cells[0]) <= {"0", "1"}:
        raise InputError(f"{place} is not a word of {num} bits, as the first line is")
    return np.frombuffer(cells[0].encode(), dtype=np.uint8) == ord("1")


def _numbers(cells: list[str], num: int, place: str) -> Array:
    if len(cells) != num:
        raise InputError(f"{place} has {len(cells)} values; the model reads {num} numbers")
    try:
        return np.array(cells, dtype=np.float32)
    except ValueError:
        wrong = next(cell for cell in cells if not _is_number(cell))
        raise InputError(f"{place} has {wrong!r}, which is not a number") from None


def _shape(model: Model) -> tuple[int, ...]:
    """Of one sample."""
    return (model.circuit.num_inputs,) if model.encoder is None else model.encoder.shape


def _say(model: Model, samples: Any, source: str) -> Predictions:
    try:
        predicted = model.predict(samples)
    except InputError as error:
        raise InputError(f"{source}: {error}") from error
    if model.class_names is not None:
        return [model.class_names[number] for number in predicted.tolist()]
    if model.num_classes is not None:
        return cast(list[int], predicted.tolist())
    if model.numbers is not None:
        rows: list[list[float]] = predicted.reshape(len(predicted), -1).tolist()
        return [" ".join(map(repr, row)) for row in rows]
    return ["".join("01"[bit] for bit in row) for row in predicted.astype(int).tolist()]
