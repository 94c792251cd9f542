"""Run the C compiler of this machine on generated files.

The compiler is the one in `CC` in the environment (which may hold arguments), else the first of
`cc`, `gcc` and `clang` on the PATH. Code is compiled for a generic machine unless `native` is asked
for.
"""

from __future__ import annotations

import atexit
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from gatewright.errors import GatewrightError, InputError, MissingTool

CANDIDATES = ("cc", "gcc", "clang")


class CompileError(GatewrightError, RuntimeError):
    """The compiler refused the files.

    Attributes:
        output: everything that the compiler printed.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, output: str = "") -> None:
        super().__init__(message)
        self.output = output


class CompileTimeout(CompileError):
    """The compiler was ended at the time limit."""

    exit_code: ClassVar[int] = 4


def find_compiler(compiler: str | None = None) -> tuple[str, ...]:
    """The command line that starts the C compiler: the one given, `CC`, or the first candidate.

    Raises:
        MissingTool: it is not on the PATH.
    """
    asked = compiler or os.environ.get("CC")
    if asked:
        try:
            program, *arguments = shlex.split(asked)
        except ValueError as error:
            raise InputError(f"CC={asked!r} is not a command ({error}); set it to gcc") from error
        path = shutil.which(program)
        if path is None:
            raise MissingTool(f"no C compiler {program!r}: apt-get install gcc (or set CC)")
        return (path, *arguments)
    for candidate in CANDIDATES:
        path = shutil.which(candidate)
        if path is not None:
            return (path,)
    raise MissingTool("no C compiler: apt-get install gcc (or set CC)")


def compile_shared(
    files: Mapping[str, bytes],
    flags: Sequence[str] = ("-O2",),
    compiler: str | None = None,
    *,
    native: bool = False,
    folder: Path | None = None,
    time_limit: float = 600.0,
) -> Path:
    """Compile the .c files into a shared library and return its path, `<first .c file>.so`.

    A test program (`x_test.c` beside `x.c`) is left out. Without a folder, a temporary one is made
    and removed when Python exits. `native` adds -march=native; time_limit is in seconds.

    Raises:
        MissingTool: there is no C compiler.
        CompileError, CompileTimeout: it failed, or ran longer than time_limit.
        InputError: the folder cannot be written.
    """
    sources = [
        name
        for name in files
        if name.endswith(".c") and f"{name.removesuffix('_test.c')}.c" not in files.keys() - {name}
    ]
    flags = ("-shared", "-fPIC", *flags)
    return _compile(files, sources, flags, compiler, native, folder, ".so", time_limit)


def compile_program(
    files: Mapping[str, bytes],
    flags: Sequence[str] = ("-O2",),
    compiler: str | None = None,
    *,
    native: bool = False,
    folder: Path | None = None,
    time_limit: float = 600.0,
) -> Path:
    """Compile all .c files into a program and return its path, `<first .c file>` without suffix.

    Arguments and errors are those of `compile_shared`.
    """
    sources = [name for name in files if name.endswith(".c")]
    return _compile(files, sources, flags, compiler, native, folder, "", time_limit)


def _compile(
    files: Mapping[str, bytes],
    sources: Sequence[str],
    flags: Sequence[str],
    compiler: str | None,
    native: bool,
    folder: Path | None,
    suffix: str,
    time_limit: float,
) -> Path:
    if not sources:
        raise InputError(f"no .c file to compile among {sorted(files)}")
    command = find_compiler(compiler)
    folder = _temporary_folder() if folder is None else folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
    except OSError as error:
        raise InputError(f"cannot write to {folder}: {error.strerror}") from error
    target = folder / f"{Path(sources[0]).stem}{suffix}"
    march = ("-march=native",) if native else ()
    arguments = [*command, *flags, *march, "-o", target.name, *sources]
    status, output = run_limited(arguments, folder, time_limit)
    if status is None:
        raise CompileTimeout(
            f"{command[0]} took over {time_limit:g} s on {sources[0]}: raise the time limit "
            "or lower -O",
            output,
        )
    if status != 0:
        raise CompileError(f"{command[0]} failed: {_first_error(output, status)}", output)
    return target


def run_limited(
    arguments: Sequence[str], folder: Path, time_limit: float
) -> tuple[int | None, str]:
    """Run a command in the folder; its exit status (None at the time limit) and what it printed.

    At the limit, and when the caller is interrupted, the command and all its children are killed:
    compiler drivers leave the compiler proper running when only they are.
    """
    process = subprocess.Popen(
        arguments,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
        errors="replace",
    )
    with process:
        try:
            output, _ = process.communicate(timeout=time_limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            return None, output
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return process.returncode, output


def _first_error(output: str, status: int) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower() or "undefined" in line.lower()]
    return (errors or lines or [f"exit status {status}, nothing printed"])[0]


def _temporary_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="gatewright-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
