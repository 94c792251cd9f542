# pyarrow is not needed, and has no types of its own.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
"""Parquet, Arrow files and Arrow streams, a batch of rows at a time."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from gatewright import arrow
from gatewright.errors import InputError
from gatewright.model import Model
from gatewright.rows.batch import Batch, num_numbers, num_rows, rows_of
from gatewright.rows.stream import Stream
from gatewright.tables import TableEncoder

#: First bytes.
PARQUET, FILE, STREAM = TABLES = (b"PAR1", b"ARROW1", b"\xff\xff\xff\xff")

#: Batches of records, and what share of the input lies before their end.
Parts = Iterator[tuple[Any, float | None]]


def of_parquet(model: Model, stream: Stream) -> Iterator[Batch]:
    """Batches of a Parquet file; of its columns only those that the model reads are decoded."""
    pa = arrow.load(f"{stream.name}: reading Parquet")
    yield from _batches(model, _checked(pa, stream, "Parquet file", _parquet(model, stream)))


def of_file(model: Model, stream: Stream) -> Iterator[Batch]:
    """Batches of an Arrow IPC file (.arrow, .feather): mapped, or from a pipe one after another."""
    pa = arrow.load(f"{stream.name}: reading Arrow")
    parts = _mapped(model, stream) if stream.path else _piped_file(model, stream)
    yield from _batches(model, _checked(pa, stream, "Arrow file", parts))


def of_stream(model: Model, stream: Stream) -> Iterator[Batch]:
    """Batches of an Arrow IPC stream."""
    pa = arrow.load(f"{stream.name}: reading Arrow")
    parts = _piped(model, stream, io.BufferedReader(stream))
    yield from _batches(model, _checked(pa, stream, "Arrow stream", parts))


def whole(path: str) -> Any:
    """The Arrow table of a file of any of these."""
    pa = arrow.load(f"{path}: reading Arrow")
    from pyarrow import parquet

    try:
        with pa.memory_map(path) as mapped:
            start = mapped.read(len(STREAM))
            mapped.seek(0)
            if start == PARQUET:
                return parquet.read_table(mapped)
            opened = pa.ipc.open_stream(mapped) if start == STREAM else pa.ipc.open_file(mapped)
            return opened.read_all()
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path, "Parquet or Arrow file", error) from error


def columns_of(model: Model, schema: Any, source: str) -> list[str]:
    """The columns that the model reads; InputError where one is missing, or they are others."""
    encoder = model.encoder
    if isinstance(encoder, TableEncoder) and encoder.named:
        missing = [name for name in encoder.names if name not in schema.names]
        if missing:
            raise InputError(
                f"{source}: column {missing[0]!r} is missing; its columns are "
                f"{', '.join(schema.names)}"
            )
        return encoder.names
    names = model.circuit.input_names if encoder is None else ()
    try:
        return arrow.chosen(schema, num_numbers(model), names)
    except InputError as error:
        raise InputError(f"{source}: {error}") from error


def _parquet(model: Model, stream: Stream) -> Parts:
    from pyarrow import parquet

    source = stream.path or stream.plain_file()
    if source is None:
        raise InputError(f"{stream.name}: Parquet cannot be read from a pipe; give the file")
    # Buffered: else a column is read by whole row groups, and one may be the whole file. By one
    # thread: others' buffers stay, and the more the busier the machine is.
    file = parquet.ParquetFile(source, buffer_size=1 << 20, pre_buffer=False)
    schema, total, done = file.schema_arrow, file.metadata.num_rows, 0
    names = columns_of(model, schema, stream.name)
    size = num_rows(arrow.row_bytes(schema, names, num_numbers(model)))
    for batch in file.iter_batches(size, columns=names, use_threads=False):
        done += batch.num_rows
        yield batch.select(names), done / total


def _mapped(model: Model, stream: Stream) -> Parts:
    import pyarrow as pa

    with pa.memory_map(stream.path) as mapped:
        file = pa.ipc.open_file(mapped)
        names = columns_of(model, file.schema, stream.name)
        for i in range(file.num_record_batches):
            yield file.get_batch(i).select(names), (i + 1) / file.num_record_batches


def _piped_file(model: Model, stream: Stream) -> Parts:
    """What is in an Arrow file is a stream, behind eight bytes and before an index."""
    buffered = io.BufferedReader(stream)
    buffered.read(8)
    yield from _piped(model, stream, buffered)
    if not buffered.read().endswith(b"ARROW1"):
        raise InputError(f"{stream.name}: not a whole Arrow file; copy or download it again")


def _piped(model: Model, stream: Stream, buffered: io.BufferedReader[Any]) -> Parts:
    import pyarrow as pa

    reader = pa.ipc.open_stream(buffered)
    names = columns_of(model, reader.schema, stream.name)
    for batch in reader:
        yield batch.select(names), stream.share


def _checked(pa: Any, stream: Stream, what: str, parts: Parts) -> Parts:
    """The same; InputError where what is read is damaged."""
    try:
        yield from parts
    except (pa.ArrowException, OSError, EOFError, KeyError) as error:
        raise _damaged(stream.name, what, error) from error


def _damaged(name: str, what: str, error: Exception) -> InputError:
    said = next(iter(str(error).splitlines()), type(error).__name__)
    return InputError(f"{name}: not a whole {what} ({said}); write it again")


def _batches(model: Model, parts: Parts) -> Iterator[Batch]:
    first, before = 0, 0.0
    for part, share in parts:
        size = num_rows(arrow.row_bytes(part.schema, part.schema.names, num_numbers(model)))
        for begin in range(0, part.num_rows, size):
            batch = part.slice(begin, size)
            end = begin + batch.num_rows
            at = None if share is None else before + (share - before) * end / part.num_rows
            yield Batch(batch, batch.num_rows, at, rows_of(first + begin))
        first += part.num_rows
        before = share or 0.0
