"""What a circuit can be written as and read back from: a module a target, listed here by hand."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from gatewright.circuit import Circuit
from gatewright.errors import InputError
from gatewright.sides import HasCircuit
from gatewright.targets import aiger, blif, bristol, dot

Files = dict[str, bytes]


@dataclass(frozen=True)
class Target:
    """A format.

    Attributes:
        name: what the user asks for.
        write: a circuit to the files that hold it, file name -> content; keywords are options.
        summary: one line for a list of targets.
        read: (content, the source's name for errors) to a circuit, or None where it has no reader.
        suffixes: of the files that `read` takes.
        takes_models: whether `write` takes models too, encoder and head included.
    """

    name: str
    write: Callable[..., Files]
    summary: str
    read: Callable[[bytes, str], Circuit] | None = None
    suffixes: tuple[str, ...] = ()
    takes_models: bool = False


def _deferred(module: str) -> Callable[..., Files]:
    def write(subject: Any, **options: str) -> Files:
        return import_module(f"gatewright.targets.{module}").write(subject, **options)

    return write


TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        Target("blif", blif.write, "BLIF, for ABC, Yosys and back", blif.read, (".blif",)),
        Target("aiger", aiger.write_binary, "AIGER, binary", aiger.read, (".aig",)),
        Target("aiger-text", aiger.write_text, "AIGER, ASCII", aiger.read, (".aag",)),
        Target(
            "bristol",
            bristol.write,
            "Bristol Fashion, for multi-party computation",
            bristol.read,
            (".bristol", ".txt"),
        ),
        Target(
            "c",
            _deferred("c"),
            "portable bit-parallel C99, with a self-test; encoder and head included",
            takes_models=True,
        ),
        Target("c-automaton", _deferred("c_automaton"), "C99 that steps a cellular automaton"),
        Target("dot", dot.write, "Graphviz text"),
    )
}


def write(
    circuit_or_model: Circuit | HasCircuit,
    folder: str | os.PathLike[str],
    target: str = "c",
    **options: str,
) -> list[Path]:
    """Write a circuit or a model into a folder; the paths of the files.

    Of a model all targets but "c" write the circuit alone. The folder is made where it is missing.
    A file is complete or not there at all.

    Args:
        options: of "c": form and features, see `gatewright.targets.c.made`.

    Raises:
        InputError: there is no such target, the circuit cannot be spelled in it, or the folder
            cannot be written.
    """
    if target not in TARGETS:
        raise InputError(f"there is no target {target!r}; choose from {', '.join(TARGETS)}")
    chosen = TARGETS[target]
    if options and not chosen.takes_models:
        raise InputError(f"target {target} has no option {next(iter(options))!r}; leave it out")
    is_whole = chosen.takes_models or isinstance(circuit_or_model, Circuit)
    subject = circuit_or_model if is_whole else cast(HasCircuit, circuit_or_model).circuit
    return put(chosen.write(subject, **options), folder, target)


def put(files: Files, folder: str | os.PathLike[str], target: str) -> list[Path]:
    """Write what a target made of a circuit into a folder, as `write` does."""
    for name in files:
        if name.startswith(".") or "/" in name or "\0" in name:
            raise InputError(
                f"target {target}: {name!r} cannot be a file's name; give the circuit another name"
            )
    into = Path(folder)
    try:
        into.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            _replace(into / name, content)
    except OSError as error:
        raise InputError(
            f"cannot write into {into}: {error.strerror}; choose another folder"
        ) from None
    return [into / name for name in files]


def suffixes() -> list[str]:
    """Of the files that hold one circuit, and are read and written."""
    return [suffix for target in TARGETS.values() for suffix in target.suffixes]


def spelled(circuit: Circuit, suffix: str) -> bytes:
    """The content of a file with one of the `suffixes`."""
    target = next(target for target in TARGETS.values() if suffix in target.suffixes)
    (content,) = target.write(circuit).values()
    return content


def _replace(path: Path, content: bytes) -> None:
    """Write the file beside its place and move it there, so that no half of it is ever seen."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(content)
        os.replace(partial, path)
    except BaseException:
        with suppress(OSError):
            partial.unlink()
        raise


def read(path: str | os.PathLike[str]) -> Circuit:
    """Read a circuit from a file, by its suffix; "-" is BLIF on standard input.

    Raises:
        InputError: the file is missing, of an unknown suffix, or not in that format.
    """
    if os.fspath(path) == "-":
        return blif.read(sys.stdin.buffer.read(), "<stdin>")
    source = Path(path)
    readers = {suffix: t.read for t in TARGETS.values() if t.read for suffix in t.suffixes}
    if source.suffix.lower() not in readers:
        raise InputError(
            f"{source}: cannot tell the format by the suffix {source.suffix!r}; "
            f"circuits are read from {', '.join(readers)}"
        )
    try:
        data = source.read_bytes()
    except OSError as error:
        raise InputError(f"{source}: {error.strerror}; check the path") from None
    return readers[source.suffix.lower()](data, str(source))
