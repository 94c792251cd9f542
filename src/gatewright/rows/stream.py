"""`Stream`: bytes from the beginning on, once, of which the first may be looked at before."""

from __future__ import annotations

import gzip
import io
import os
import stat
import zipfile
import zlib
from typing import Any

from gatewright.errors import InputError

#: What reading packed files raises; RuntimeError where a file of a .zip is encrypted.
DAMAGED = (OSError, EOFError, ValueError, zlib.error, zipfile.BadZipFile, RuntimeError)

#: Bytes by which formats are told apart.
START = 8


class Stream(io.RawIOBase):
    """What a file, a pipe, or something packed gives, read once.

    Attributes:
        name: what errors call it.
        size: bytes there are; None where that is not known.
        path: of a plain file, where it has one.
        start: its first bytes, START of them at most; they are read again.
        position: bytes read.
    """

    def __init__(
        self,
        file: Any,
        name: str,
        size: int | None = None,
        path: str | None = None,
        outer: Stream | None = None,
    ) -> None:
        self.name, self.size, self.path = name, size, path
        self.position, self.start = 0, b""
        self._file, self._outer = file, outer
        while len(self.start) < START and (more := file.read(START - len(self.start))):
            self.start += more

    @property
    def share(self) -> float | None:
        """Of the bytes those that were read; None where it is not known how many there are."""
        if self._outer is not None:
            return self._outer.share
        return None if self.size is None else self.position / max(1, self.size)

    def plain_file(self) -> Any:
        """The file to be read at any place, from its first byte on; None of a pipe or the like."""
        if self._outer is not None or self.size is None:
            return None
        self._file.seek(0)
        return self._file

    def readable(self) -> bool:
        return True

    def readinto(self, into: memoryview) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        """As many bytes as come at once; none at the end."""
        ahead = self.start[self.position :]
        if ahead:
            num = min(len(ahead), len(into))
            into[:num] = ahead[:num]
        else:
            num = self._file.readinto(into) or 0
        self.position += num
        return num

    def fill(self, into: memoryview) -> int:
        """All bytes asked for, fewer only at the end: how many."""
        got = 0
        while got < len(into) and (num := self.readinto(into[got:])):
            got += num
        return got


def of_file(file: Any, name: str, path: str | None = None) -> Stream:
    """The stream of an open file or pipe."""
    about = os.fstat(file.fileno())
    is_plain = stat.S_ISREG(about.st_mode)
    return Stream(file, name, about.st_size if is_plain else None, path if is_plain else None)


def unzipped(outer: Stream) -> Stream:
    """What is in a gzip file."""
    packed = gzip.GzipFile(fileobj=io.BufferedReader(outer, 1 << 20))
    return Stream(Packed(packed, f"{outer.name}: not a whole gzip file"), outer.name, outer=outer)


class Packed(io.RawIOBase):
    """What is in something packed; InputError where that is damaged."""

    def __init__(self, file: Any, says: str) -> None:
        self._file, self._says = file, says

    def readable(self) -> bool:
        return True

    def readinto(self, into: memoryview) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        try:
            return self._file.readinto(into)
        except DAMAGED as error:
            raise InputError(f"{self._says} ({error}); copy or download it again") from error
