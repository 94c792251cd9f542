"""Files of known content: found in a folder or downloaded, and checked either way."""

from __future__ import annotations

import hashlib
import http.client
import io
import os
import tarfile
import urllib.request
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from gatewright import storage
from gatewright.errors import InputError

if TYPE_CHECKING:
    from rich.progress import Progress

TIMEOUT_SECONDS = 30.0
CHUNK_BYTES = 1 << 18

#: What an address that does not answer, a cut connection and a damaged archive raise.
NOT_HAD = (OSError, http.client.HTTPException, tarfile.TarError, EOFError, zlib.error)


@dataclass(frozen=True)
class File:
    """A file by its place below a data folder (with /) and the SHA-256 of its content, in hex."""

    path: str
    sha256: str

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).name


def search_folders() -> list[Path]:
    """Where data is looked for: GATEWRIGHT_DATA if set, then the user's cache (downloads go here).

    The cache is $XDG_CACHE_HOME/gatewright, or ~/.cache/gatewright.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gatewright"
    own = os.environ.get("GATEWRIGHT_DATA")
    return [Path(own), cache] if own else [cache]


def read_all(files: Sequence[File], folders: Sequence[Path]) -> dict[str, bytes] | None:
    """Content by file name, from the first folder that has all files; None where no folder has.

    Raises:
        InputError: a file cannot be read, or its content is not what its checksum says.
    """
    for folder in folders:
        if all((folder / file.path).is_file() for file in files):
            return {file.name: _read(folder / file.path, file.sha256) for file in files}
    return None


def download(name: str, files: Sequence[File], mirrors: Sequence[str], folder: Path) -> None:
    """Download the files of data set `name` into a folder, each whole and checked, or not at all.

    A mirror is an address that ends in / and holds the files by name, or that of a .tar.gz that
    does. They are tried in turn; files that are there already are kept. Progress goes to stderr.

    Raises:
        InputError: no mirror gave all files; says why, and where to put which files by hand.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    reasons: list[str] = []
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        for mirror in mirrors:
            missing = [file for file in files if not (folder / file.path).is_file()]
            try:
                if mirror.endswith(".tar.gz"):
                    _download_archive(mirror, missing, folder, progress)
                else:
                    for file in missing:
                        _save(_get(mirror + file.name, progress), file, mirror, folder)
                return
            except NOT_HAD as error:
                reasons.append(f"{mirror}: {error}")
    places = ", ".join(file.path for file in files)
    raise InputError(
        f"{name}: cannot download ({'; '.join(reasons)}); "
        f"put {places} in a folder and set GATEWRIGHT_DATA to it"
    )


def _read(path: Path, sha256: str) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot read this file ({error.strerror})") from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise InputError(
            f"{path}: damaged (its SHA-256 is {found}, not {sha256}); "
            "restore it, or delete it to have it downloaded"
        )
    return content


def _download_archive(url: str, files: Sequence[File], folder: Path, progress: Progress) -> None:
    wanted = {file.name: file for file in files}
    with tarfile.open(fileobj=io.BytesIO(_get(url, progress)), mode="r:gz") as archive:
        for member in archive:
            file = wanted.pop(PurePosixPath(member.name).name, None)
            content = archive.extractfile(member) if file is not None else None
            if file is not None and content is not None:
                _save(content.read(), file, url, folder)
    if wanted:
        raise OSError(f"{min(wanted)} is not in it")


def _get(url: str, progress: Progress) -> bytes:
    """What the address holds; OSError or HTTPException where it cannot be had whole."""
    chunks: list[bytes] = []
    with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response:
        length = int(response.headers.get("Content-Length") or 0)
        task = progress.add_task(PurePosixPath(url).name, total=length or None)
        while chunk := response.read(CHUNK_BYTES):
            chunks.append(chunk)
            progress.advance(task, len(chunk))
    received = sum(map(len, chunks))
    if length and received != length:
        raise OSError(f"the connection was cut after {received} of {length} bytes")
    return b"".join(chunks)


def _save(content: bytes, file: File, origin: str, folder: Path) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != file.sha256:
        raise OSError(f"{file.name} has SHA-256 {found}, not {file.sha256}")
    storage.write_atomic(folder / file.path, content)
