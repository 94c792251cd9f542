"""Samples of a file or of stdin, a batch at a time, as a model reads them: `read`.

What it is, its first bytes say: text, IDX, .npy, .npz, Parquet, an Arrow file or stream; any of
those that can be read from a pipe may also be gzipped. Memory does not grow with the file.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from gatewright.errors import InputError
from gatewright.model import Model
from gatewright.rows import arrays, tables
from gatewright.rows.batch import Batch
from gatewright.rows.stream import START, Stream, of_file, unzipped
from gatewright.rows.text import of_text

__all__ = ["Batch", "read"]

#: First bytes of what is not text.
READERS = {
    b"\x93NUMPY": arrays.of_npy,
    b"PK": arrays.of_npz,
    b"\0\0": arrays.of_idx,
    tables.PARQUET: tables.of_parquet,
    tables.FILE: tables.of_file,
    tables.STREAM: tables.of_stream,
}
GZIP = b"\x1f\x8b"


def read(model: Model, source: str) -> Iterator[Batch]:
    """Batches of a file, or of stdin ("-").

    Raises:
        InputError: it cannot be read, is damaged, or not what the model reads; batches that were
            whole before that place have been given.
        MissingTool: Parquet or Arrow, and pyarrow is not installed.
    """
    name = "<stdin>" if source == "-" else source
    try:
        if source == "-":
            piped: Any = sys.stdin.buffer
            yield from _of(model, of_file(getattr(piped, "raw", piped), name))
        else:
            with open(source, "rb", buffering=0) as file:
                yield from _of(model, of_file(file, name, source))
    except OSError as error:
        raise InputError(f"{name}: cannot read this file ({error.strerror})") from error


def start_of(source: str) -> bytes:
    """The first bytes of a file; InputError where it cannot be read."""
    try:
        with open(source, "rb") as file:
            return file.read(START)
    except OSError as error:
        raise InputError(f"{source}: cannot read this file ({error.strerror})") from error


def _of(model: Model, stream: Stream) -> Iterator[Batch]:
    if stream.start.startswith(GZIP):
        yield from _of(model, unzipped(stream))
        return
    for start, reader in READERS.items():
        if stream.start.startswith(start):
            yield from reader(model, stream)
            return
    yield from of_text(model, stream)
