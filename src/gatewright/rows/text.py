"""Samples in text: a line each, of numbers or of the circuit's bits; and CSV with named columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any

import numpy as np
import numpy.typing as npt

from gatewright.errors import BadCell, InputError
from gatewright.model import Model
from gatewright.rows import plain
from gatewright.rows.batch import Batch, num_numbers, shape_of
from gatewright.rows.stream import Stream
from gatewright.tables import Field, TableEncoder

Array = npt.NDArray[Any]

#: Bytes that are asked for at a time, and rows of CSV that are put into columns.
BLOCK = 1 << 18
LINES = 4096

#: A line is no longer than this.
LONGEST_LINE = 1 << 26


def of_text(model: Model, stream: Stream) -> Iterator[Batch]:
    """Batches of lines, as they come."""
    lines = _Lines(stream)
    first = lines.peek()
    encoder = model.encoder
    if isinstance(encoder, TableEncoder) and encoder.named and first:
        header = [name.strip() for _, cells in _parsed([first], 1, stream.name) for name in cells]
        if not all(map(_is_number, header)):
            lines.skip()
            yield from _of_table(encoder, header, lines, stream)
            return
    if first and not any(map(_is_number, _cells(first))):  # a header
        lines.skip()
        first = lines.peek()
    is_bits = _is_word_of_bits(model, _cells(first))
    num = model.circuit.num_inputs if is_bits else num_numbers(model)
    shape = (num,) if is_bits else shape_of(model)
    dtype = np.float64 if isinstance(encoder, TableEncoder) else np.float32
    for number, block in lines.blocks():
        rows = _words(block, num) if is_bits else plain.numbers(block, num, plain.ANY)
        numbers: Sequence[int] = range(number, number + (0 if rows is None else len(rows)))
        if rows is None:  # something is missing, or is written otherwise: line by line
            held = list(_numbered(block, number, stream.name))
            numbers = [line for line, _ in held]
            parse = _bits if is_bits else _numbers
            rows = np.array(
                [parse(cells, num, f"{stream.name}: line {line}") for line, cells in held]
            )
        if len(rows):
            rows = rows if is_bits else rows.astype(dtype, copy=False)
            yield _batch(rows.reshape(-1, *shape), numbers, stream, is_bits)


def _of_table(
    encoder: TableEncoder, header: list[str], lines: _Lines, stream: Stream
) -> Iterator[Batch]:
    """Batches of what is behind a CSV file's header."""
    places = places_of(encoder, header, stream.name)
    blocks = lines.blocks()
    is_plain = len(header) > 1 and not any(map(_is_text, encoder.fields))
    for number, block in blocks:
        rows = None
        if is_plain:
            rows = plain.numbers(block, len(header), plain.COMMA, missing=True)
        if rows is None:  # from here on: a cell in quotes may hold the end of a block
            rest = chain([block], (later for _, later in blocks))
            yield from _of_csv(encoder, places, len(header), number, rest, stream)
            return
        columns = {
            field.name: rows[:, place] for field, place in zip(encoder.fields, places, strict=True)
        }
        yield _batch(columns, range(number, number + len(rows)), stream)


def _of_csv(
    encoder: TableEncoder,
    places: Sequence[int],
    width: int,
    first: int,
    blocks: Iterable[bytes],
    stream: Stream,
) -> Iterator[Batch]:
    lines = _decoded(chain.from_iterable(map(io.BytesIO, blocks)), stream.name)
    numbered = _parsed(lines, first, stream.name)
    while batch := list(islice(numbered, LINES)):
        for line, row in batch:
            if len(row) != width:
                raise InputError(
                    f"{stream.name}: line {line} has {len(row)} cells and the header has {width}"
                )
        numbers = [line for line, _ in batch]
        try:
            columns = {
                field.name: column_of(field, [row[place] for _, row in batch])
                for field, place in zip(encoder.fields, places, strict=True)
            }
        except BadCell as error:
            place = f"line {numbers[error.row]}"
            raise InputError(f"{stream.name}: {error.at(place)}") from error
        yield _batch(columns, numbers, stream)


def _parsed(lines: Iterable[str], first: int, source: str) -> Iterator[tuple[int, list[str]]]:
    """Numbers and cells of the rows of CSV that are not empty, the first line's number given."""
    reader = csv.reader(lines)
    try:
        yield from ((first - 1 + reader.line_num, row) for row in reader if row)
    except csv.Error as error:
        raise InputError(
            f"{source}: line {first - 1 + reader.line_num} is no row of CSV ({error}); end lines "
            "with \\n, or \\r\\n"
        ) from None


def _batch(samples: Any, numbers: Sequence[int], stream: Stream, is_bits: bool = False) -> Batch:
    def place(row: int) -> str:
        return f"line {numbers[row]}"

    return Batch(samples, len(numbers), stream.share, place, is_bits)


def places_of(encoder: TableEncoder, header: Sequence[str], source: str) -> list[int]:
    """Where in a header the table's columns are; InputError where one is not, or twice."""
    for name in encoder.names:
        if name not in header:
            raise InputError(
                f"{source}: column {name!r} is missing; the header has {', '.join(header)}"
            )
        if header.count(name) > 1:
            raise InputError(f"{source}: two columns are named {name!r}; rename one")
    return [header.index(name) for name in encoder.names]


def column_of(field: Field, cells: Sequence[str]) -> Array:
    """A table's column from the cells of a CSV file; empty ones are missing values."""
    if not _is_text(field):
        try:
            return _floats(cells)
        except ValueError:
            pass
    held = [cell.strip() or None for cell in cells]
    if _is_text(field):
        return np.array(held, object)
    try:
        return np.array([np.nan if cell is None else _number(cell) for cell in held])
    except ValueError:
        row, wrong = next(
            (row, cell) for row, cell in enumerate(held) if cell and not _is_number(cell)
        )
        raise BadCell(
            f"column {field.name!r} holds {wrong!r}", row, ", which is not a number"
        ) from None


def _is_text(field: Field) -> bool:
    return any(isinstance(category, str) for category in field.categories)


class _Lines:
    """Lines of a stream: the next one, or all that have come."""

    def __init__(self, stream: Stream) -> None:
        self._name = stream.name
        self._blocks = _blocks(stream)
        self._held = b""
        self._number = 1

    def peek(self) -> str:
        """The next line that has cells, which stays; empty at the end."""
        while held := self._held or next(self._blocks, b""):
            self._held = held
            (line,) = _decoded([self._held.partition(b"\n")[0]], self._name)
            if _cells(line):
                return line
            self.skip()
        return ""

    def skip(self) -> None:
        self._held = self._held.partition(b"\n")[2]
        self._number += 1

    def blocks(self) -> Iterator[tuple[int, bytes]]:
        """Whole lines as they come, and the number of the first of them."""
        for block in chain([self._held] if self._held else [], self._blocks):
            yield self._number, block
            self._number += block.count(b"\n")


def _blocks(stream: Stream) -> Iterator[bytes]:
    """Whole lines, each ended."""
    rest = b"" if stream.start.startswith(b"\xef\xbb\xbf") else None
    ahead = b""
    while part := stream.read(BLOCK):
        if rest is not None:  # a byte order mark
            part, rest = part[3:], None
        end = part.rfind(b"\n") + 1
        if end:
            yield ahead + part[:end]
            ahead = part[end:]
        else:
            ahead += part
        if len(ahead) > LONGEST_LINE:
            raise InputError(f"{stream.name}: a line of over {LONGEST_LINE >> 20} MiB; is it text?")
    if ahead:
        yield ahead + b"\n"


def _numbered(block: bytes, first: int, source: str) -> Iterator[tuple[int, list[str]]]:
    """Numbers and cells of the lines that are not empty."""
    for number, line in enumerate(_decoded(io.BytesIO(block), source), first):
        if cells := _cells(line):
            yield number, cells


def _cells(line: str) -> list[str]:
    return line.replace(",", " ").replace(";", " ").split()


def _decoded(lines: Iterable[bytes], source: str) -> Iterator[str]:
    try:
        for line in lines:
            yield line.decode()
    except UnicodeDecodeError:
        raise InputError(
            f"{source}: neither text nor .npy, .npz, IDX, Parquet or Arrow; give samples in one of "
            "these"
        ) from None


def _floats(cells: Sequence[str]) -> Array:
    """Numbers of cells; ValueError where one is none."""
    if "_" in "".join(cells):
        return np.array(list(map(_number, cells)))
    return np.array(list(map(float, cells)))


def _number(cell: str) -> float:
    """A cell's number; ValueError where it is none. Python alone takes 1_0 as 10."""
    if "_" in cell:
        raise ValueError(cell)
    return float(cell)


def _is_number(cell: str) -> bool:
    try:
        _number(cell)
    except ValueError:
        return False
    return True


def _is_word_of_bits(model: Model, cells: list[str]) -> bool:
    """The circuit's inputs in one word, and not the only number of a sample."""
    is_word = len(cells) == 1 and len(cells[0]) == model.circuit.num_inputs
    return is_word and set(cells[0]) <= {"0", "1"} and num_numbers(model) > 1


def _words(block: bytes, num: int) -> Array | None:
    """Words of bits in lines that are all as long; None where there is anything else."""
    if len(block) % (num + 1):
        return None
    octets = np.frombuffer(block, np.uint8).reshape(-1, num + 1)
    bits = octets[:, :-1] - np.uint8(ord("0"))
    return bits if (bits <= 1).all() and (octets[:, -1] == ord("\n")).all() else None


def _bits(cells: list[str], num: int, place: str) -> Array:
    if len(cells) != 1 or len(cells[0]) != num or not set(cells[0]) <= {"0", "1"}:
        raise InputError(f"{place} is not a word of {num} bits, as the first line is")
    return np.frombuffer(cells[0].encode(), dtype=np.uint8) == ord("1")


def _numbers(cells: list[str], num: int, place: str) -> Array:
    if len(cells) != num:
        raise InputError(f"{place} has {len(cells)} values; the model reads {num} numbers")
    try:
        return _floats(cells)
    except ValueError:
        wrong = next(cell for cell in cells if not _is_number(cell))
        raise InputError(f"{place} has {wrong!r}, which is not a number") from None
