"""Readers of data files: IDX, CIFAR-10's binary version, CSV and npz, each into arrays."""

from __future__ import annotations

import csv
import gzip
import io
import math
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gatewright.errors import InputError

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Split:
    """Samples and their classes, or numbers.

    Attributes:
        x: [N, ...], one sample a row.
        y: int32[N], the class of each sample, from 0; of numbers float32[N].
    """

    x: Array
    y: npt.NDArray[Any]
    of_numbers: bool = False

    def __post_init__(self) -> None:
        x, y = np.asarray(self.x), np.asarray(self.y)
        if x.ndim < 1 or y.ndim != 1 or len(x) != len(y):
            raise InputError(
                f"Split: x is {list(x.shape)} and y is {list(y.shape)}; give one class a sample"
            )
        if self.of_numbers:
            if y.dtype.kind not in "iuf" or not np.isfinite(y).all():
                raise InputError(f"Split: y is {y.dtype} {y[:3]}...; give finite numbers")
        elif y.dtype.kind not in "iu" or (y.size and not 0 <= y.min() <= y.max() < 2**31):
            raise InputError(f"Split: y is {y.dtype} {y[:3]}...; classes are whole numbers from 0")
        object.__setattr__(self, "x", x)
        dtype = np.float32 if self.of_numbers else np.int32
        object.__setattr__(self, "y", y.astype(dtype, copy=False))

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, rows: Any) -> Split:
        """The samples of a slice, a mask or an array of row numbers."""
        return Split(self.x[rows], self.y[rows], self.of_numbers)


def read_idx(path: Path | str) -> Array:
    """The array of an IDX file (the format of MNIST), plain or gzipped."""
    return parse_idx(_read(path), str(path))


def read_cifar10(path: Path | str) -> Split:
    """One file of CIFAR-10's binary version: x uint8[N, 32, 32, 3], y int32[N]."""
    return parse_cifar10(_read(path), str(path))


def read_npz(path: Path | str) -> dict[str, Array]:
    """The arrays of an .npz file by name; nothing in it is run."""
    try:
        with np.load(io.BytesIO(_read(path)), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error, AttributeError) as error:
        raise InputError(
            f"{path}: not a whole .npz file of plain arrays ({error}); write it with numpy.savez"
        ) from error


def read_csv(path: Path | str, target: str | None = None) -> Split:
    """A table with a header line: a sample a row, its class in column `target` (default: the last).

    x is float32[N, features]: a column of numbers is one feature, a column of text one feature of 0
    and 1 for each of its values, in sorted order. Classes that are whole numbers from 0 stay as
    they are, others are numbered in sorted order.
    """
    lines = _csv_lines(path)
    header = [name.strip() for name in lines[0][1]] if lines else []
    if len(lines) < 2 or len(header) < 2:
        raise InputError(
            f"{path}: {len(header)} columns and {max(0, len(lines) - 1)} samples; give a header "
            "line with a feature and a class at least, and a line a sample"
        )
    if target is not None and target not in header:
        raise InputError(f"{path}: no column {target!r}; its columns are {', '.join(header)}")
    _check_widths(path, lines)
    numbers = [number for number, _ in lines[1:]]
    columns = list(zip(*(cells for _, cells in lines[1:]), strict=True))
    label = len(header) - 1 if target is None else header.index(target)
    features = [
        _features(f"{path}: column {header[k]!r}", numbers, [cell.strip() for cell in cells])
        for k, cells in enumerate(columns)
        if k != label
    ]
    return Split(np.concatenate(features, axis=1), _classes([c.strip() for c in columns[label]]))


def read_table_csv(path: Path | str) -> dict[str, list[str]]:
    """The columns of a CSV file with a header line, as text, by name."""
    lines = _csv_lines(path)
    header = [name.strip() for name in lines[0][1]] if lines else []
    if len(lines) < 2:
        raise InputError(f"{path}: no samples; give a header line and a line a sample")
    if len(set(header)) != len(header):
        twice = next(name for i, name in enumerate(header) if name in header[:i])
        raise InputError(f"{path}: two columns are named {twice!r}; rename one")
    _check_widths(path, lines)
    columns = zip(*(cells for _, cells in lines[1:]), strict=True)
    return {
        name: [cell.strip() for cell in cells] for name, cells in zip(header, columns, strict=True)
    }


def _check_widths(path: Path | str, lines: list[tuple[int, list[str]]]) -> None:
    """InputError where a line has not as many cells as the first."""
    width = len(lines[0][1])
    for number, cells in lines[1:]:
        if len(cells) != width:
            raise InputError(
                f"{path}: line {number} has {len(cells)} cells and the header has {width}"
            )


def parse_idx(content: bytes, name: str) -> Array:
    """The array of an IDX file's content; `name` is what errors call it."""
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(
                f"{name}: not a whole gzip file ({error}); copy or download it again"
            ) from error
    dtype, shape = idx_header(content, name)
    start = 4 + 4 * len(shape)
    expected = start + math.prod(shape) * dtype.itemsize
    if len(content) != expected:
        raise InputError(
            f"{name}: {len(content)} bytes, where shape {list(shape)} takes {expected}; "
            "copy or download it again"
        )
    values = np.frombuffer(content, dtype, offset=start).reshape(shape)
    return values.astype(dtype.newbyteorder("="))


def idx_header(content: bytes, name: str) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Type and shape of the array of IDX content, which need not be whole."""
    types = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
    start = 4 + 4 * content[3] if len(content) > 3 else 4
    if content[:2] != b"\0\0" or len(content) < start or content[2] not in types:
        raise InputError(f"{name}: not an IDX file; IDX starts with 00 00, a type and a rank")
    shape = tuple(int(size) for size in np.frombuffer(content, ">u4", content[3], 4))
    return np.dtype(types[content[2]]), shape


def parse_cifar10(content: bytes, name: str) -> Split:
    """The samples of one CIFAR-10 batch's content: a label byte, then red, green, blue planes."""
    size = 1 + 3 * 32 * 32
    if not content or len(content) % size:
        raise InputError(
            f"{name}: {len(content)} bytes are not whole CIFAR-10 records of {size}; "
            "give a .bin file of the binary version"
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, size)
    planes = records[:, 1:].reshape(-1, 3, 32, 32)
    return Split(np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), records[:, 0].astype(np.int32))


def one_hot(cells: npt.ArrayLike, values: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """bool[N, values]: which of `values` each of N cells is."""
    return np.asarray(cells)[:, None] == np.asarray(values)


def _read(path: Path | str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot read this file ({error.strerror})") from error


def _csv_lines(path: Path | str) -> list[tuple[int, list[str]]]:
    """Line numbers and cells of the lines that are not empty."""
    try:
        text = io.StringIO(_read(path).decode("utf-8-sig"), newline="")
        reader = csv.reader(text, skipinitialspace=True, strict=True)
        return [(reader.line_num, cells) for cells in reader if cells]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a CSV file in UTF-8 ({error})") from error


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _features(where: str, lines: list[int], cells: list[str]) -> npt.NDArray[np.float32]:
    numbers = [_number(cell) for cell in cells]
    if all(number is None for number in numbers):
        return one_hot(cells, sorted(set(cells))).astype(np.float32)
    for line, cell, number in zip(lines, cells, numbers, strict=True):
        if number is None or not math.isfinite(number):
            raise InputError(
                f"{where}: line {line} has {cell!r} among numbers; fill it in or drop that line"
            )
    return np.array(numbers, np.float32)[:, None]


def _classes(cells: list[str]) -> npt.NDArray[np.int32]:
    if all(cell.isascii() and cell.isdigit() and int(cell) < 2**31 for cell in cells):
        return np.array([int(cell) for cell in cells], np.int32)
    is_number = all(_number(cell) is not None for cell in cells)
    values = sorted(set(cells), key=float if is_number else str)
    number_of = {value: k for k, value in enumerate(values)}
    return np.array([number_of[cell] for cell in cells], np.int32)
