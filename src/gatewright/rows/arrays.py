"""Arrays of IDX, .npy and .npz, a batch of samples at a time."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from gatewright.errors import InputError
from gatewright.model import Model
from gatewright.readers import idx_header
from gatewright.rows.batch import Batch, num_rows, rows_of, shape_of
from gatewright.rows.stream import DAMAGED, Packed, Stream

Array = npt.NDArray[Any]


def of_idx(model: Model, stream: Stream) -> Iterator[Batch]:
    """Batches of an IDX file's array."""
    start = bytearray(4 + 4 * stream.start[3] if len(stream.start) > 3 else 4)
    dtype, shape = idx_header(bytes(start[: stream.fill(memoryview(start))]), stream.name)
    yield from _batches(model, stream, dtype, shape, "copy or download it again", is_all=True)


def of_npy(model: Model, stream: Stream) -> Iterator[Batch]:
    """Batches of an .npy file's array; read whole if it lies column by column, in a pipe."""
    mend = "write it with numpy.save"
    try:
        version = npy.read_magic(stream)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, by_columns, dtype = read(stream)
        if dtype.hasobject:
            raise ValueError("it holds Python objects")
    except ValueError as error:
        raise InputError(
            f"{stream.name}: not a whole .npy file of numbers ({error}); {mend}"
        ) from error
    if not by_columns or len(shape) < 2:
        yield from _batches(model, stream, dtype, shape, mend)
        return
    begin = stream.position
    file = stream.plain_file()
    if file is not None and math.prod(shape):
        _check_size(stream, shape, begin + math.prod(shape) * dtype.itemsize, mend)
        array = np.memmap(file, dtype, "r", begin, shape, "F")
    else:
        array = np.empty(shape, dtype, "F")
        _fill(stream, array.T, shape, mend)
    array = as_samples(model, array, stream.name)
    step = num_rows(array[:1].nbytes)
    for first in range(0, len(array), step):
        part = array[first : first + step]
        yield Batch(part, len(part), (first + len(part)) / len(array), rows_of(first))


def of_npz(model: Model, stream: Stream) -> Iterator[Batch]:
    """Batches of an .npz file's array x, else of its first."""
    file = stream.plain_file()
    if file is None:
        raise InputError(
            f"{stream.name}: an .npz cannot be read from a pipe; give the file, or .npy"
        )
    says = f"{stream.name}: not a whole .npz file of plain arrays"
    try:
        archive = zipfile.ZipFile(file)
        names = [name for name in archive.namelist() if name.endswith(".npy")]
        name = "x.npy" if "x.npy" in names else next(iter(names), None)
        if name is None:
            raise InputError(
                f"{stream.name}: holds no array; write one with numpy.savez(file, x=...)"
            )
        member = archive.open(name)
    except InputError:
        raise
    except DAMAGED as error:
        raise InputError(f"{says} ({error}); write it with numpy.savez") from error
    with archive, member:
        inner = Stream(Packed(member, says), f"{stream.name}: {name}", outer=stream)
        yield from of_npy(model, inner)


def as_samples(model: Model, array: Array, source: str) -> Array:
    """The array as the model reads it; each sample may also be flat, its numbers in a row."""
    _check_shape(model, array.shape, source)
    return array.reshape(-1, *shape_of(model))


def _check_shape(model: Model, found: tuple[int, ...], source: str) -> None:
    shape = shape_of(model)
    if len(found) < 2 or found[1:] not in (shape, (math.prod(shape),)):
        flat = "" if len(shape) == 1 else f" or [N, {math.prod(shape)}]"
        raise InputError(
            f"{source}: an array of shape {list(found)}; the model reads "
            f"[N, {', '.join(map(str, shape))}]{flat}"
        )


def _batches(
    model: Model,
    stream: Stream,
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    mend: str,
    *,
    is_all: bool = False,
) -> Iterator[Batch]:
    """What follows in the stream, row by row; with `is_all` nothing may be behind it."""
    _check_shape(model, shape, stream.name)
    row_bytes = dtype.itemsize * math.prod(shape[1:])
    end = stream.position + shape[0] * row_bytes
    if is_all or (stream.size is not None and stream.size < end):
        _check_size(stream, shape, end, mend)
    # One buffer, written again and again, stays in the cache; a mapped file was no faster, and
    # grows the process by all that it has read.
    buffer = np.empty((min(shape[0], num_rows(row_bytes)), *shape_of(model)), dtype)
    for first in range(0, shape[0], max(1, len(buffer))):
        part = buffer[: shape[0] - first]
        _fill(stream, part, shape, mend)
        yield Batch(part, len(part), (first + len(part)) / shape[0], rows_of(first))
    # What is packed is checked at its end, so that is read.
    if stream.fill(memoryview(bytearray(1))) and is_all:
        raise InputError(f"{stream.name}: more bytes than shape {list(shape)} takes; {mend}")


def _fill(stream: Stream, part: Array, shape: tuple[int, ...], mend: str) -> None:
    octets: memoryview = part.reshape(-1).view(np.uint8).data
    if stream.fill(octets) < len(octets):
        raise InputError(
            f"{stream.name}: ends after {stream.position} bytes, within the numbers of shape "
            f"{list(shape)}; {mend}"
        )


def _check_size(stream: Stream, shape: tuple[int, ...], end: int, mend: str) -> None:
    if stream.size is not None and stream.size != end:
        raise InputError(
            f"{stream.name}: {stream.size} bytes, where shape {list(shape)} takes {end}; {mend}"
        )
