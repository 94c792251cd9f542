"""Files that are whole or not there: atomic writes, and pytrees of arrays in safetensors."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from gatewright.errors import InputError


def make_folder(folder: Path) -> None:
    """Create a folder and its parents; InputError where that is not possible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{folder}: cannot make this folder ({error.strerror}); choose another"
        ) from error


def check_writable(path: Path) -> None:
    """InputError where a file could not be written: before the work, not after it."""
    if path.is_dir():
        raise InputError(f"{path}: is a folder; give a file's name in it")
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir():
        raise InputError(f"{folder}: is a file, not a folder; choose another")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"{folder}: cannot write in this folder; choose another")


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file through a temporary one beside it, so that it is never seen half written."""
    with atomic_file(path) as file:
        file.write(data)


@contextmanager
def atomic_file(path: Path) -> Generator[BinaryIO]:
    """A file to write to that becomes `path` at the end, or, after an error, nothing."""
    make_folder(path.parent)
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise InputError(
            f"{path.parent}: cannot write in this folder ({error.strerror}); choose another"
        ) from error
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(
            f"{path}: cannot write this file ({error.strerror}); choose another"
        ) from error
    finally:
        Path(temporary).unlink(missing_ok=True)


def save_tree(path: Path, tree: Any, metadata: dict[str, str]) -> None:
    """A pytree's arrays in one safetensors file, named by their place in the tree."""
    import numpy as np

    leaves, _ = _named_leaves(tree)
    arrays = {name: np.asarray(leaf) for name, leaf in leaves if _is_array(leaf)}
    write_atomic(path, encode(arrays, metadata))


def encode(arrays: dict[str, Any], metadata: dict[str, str]) -> bytes:
    """A safetensors file; equal content gives equal bytes.

    The library writes metadata in an order that differs from process to process, so it is sorted.
    """
    from safetensors.numpy import save

    data = save(arrays, metadata)
    begin = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:begin])
    header["__metadata__"] = dict(sorted(metadata.items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data[begin:]


def load_tree(path: Path, like_of: Callable[[dict[str, str]], Any]) -> tuple[Any, dict[str, str]]:
    """A tree with the arrays of a file, and the file's metadata.

    Args:
        like_of: from the metadata a tree of the same structure, its arrays of the same shapes.

    Raises:
        InputError: the file is cut short or holds other arrays; the first difference is named.
    """
    import jax
    import jax.numpy as jnp

    arrays, metadata = load_arrays(path)
    leaves, structure = _named_leaves(like_of(metadata))
    restored: list[Any] = []
    for name, leaf in leaves:
        if not _is_array(leaf):
            restored.append(leaf)
            continue
        found = arrays.pop(name, None)
        if found is None or found.shape != leaf.shape or found.dtype != leaf.dtype:
            held = "nothing" if found is None else f"{found.dtype}{list(found.shape)}"
            raise InputError(
                f"{path}: saved by another network or optimiser: {name} should be "
                f"{leaf.dtype}{list(leaf.shape)} and the file holds {held}; "
                "use the options it was made with, or another folder"
            )
        restored.append(jnp.asarray(found))
    if arrays:
        raise InputError(
            f"{path}: saved by another network or optimiser: it also holds {min(arrays)}; "
            "use the options it was made with, or another folder"
        )
    return jax.tree_util.tree_unflatten(structure, restored), metadata


def load_arrays(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Arrays and metadata of a safetensors file; InputError when it is missing or damaged."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        opened: Any = safe_open(path, framework="numpy")
        with opened as file:
            arrays = {str(name): file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            return arrays, dict(file.metadata() or {})
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(
            f"{path}: not a whole safetensors file ({error}); restore it or make it anew"
        ) from error


def decode(data: bytes) -> tuple[dict[str, Any], dict[str, str]]:
    """Arrays and metadata that `encode` made bytes of; InputError when they are damaged."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        arrays: dict[str, Any] = load(data)
        header: dict[str, Any] = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        return arrays, {k: str(v) for k, v in header.get("__metadata__", {}).items()}
    except (SafetensorError, ValueError, TypeError) as error:
        raise InputError(f"the bytes are not a whole safetensors file ({error})") from error


def _named_leaves(tree: Any) -> tuple[list[tuple[str, Any]], Any]:
    import jax

    leaves, structure = cast(tuple[Any, Any], jax.tree_util.tree_flatten_with_path(tree))
    return [(jax.tree_util.keystr(place), leaf) for place, leaf in leaves], structure


def _is_array(leaf: Any) -> bool:
    return hasattr(leaf, "shape") and hasattr(leaf, "dtype")
