"""The programs of tests/cpp: the C++ core with sanitizers on, and for an ARM that is emulated."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
CORE = HERE.parent / "cpp"

AVX512 = ("-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mfma")

#: The kernels' instruction sets on x86-64 -> flags.
X86 = {
    "portable": (),
    "avx2": ("-mavx2", "-mfma"),
    "avx512": AVX512,
    "avx512fp16": (*AVX512, "-mavx512fp16"),
}


@dataclass(frozen=True)
class Machine:
    """What compiles a program, and what runs it.

    Attributes:
        compiler: command and its flags.
        runner: command that takes the program; none where the machine is this one.
        targets: of the kernels -> flags.
    """

    name: str
    compiler: tuple[str, ...]
    runner: tuple[str, ...]
    targets: Mapping[str, tuple[str, ...]]

    def build(
        self, main: str, sources: Sequence[str], folder: Path, *flags: str, kernels: str = ""
    ) -> Path:
        """tests/cpp/main.cpp with these of cpp/, and the kernels of each target; a program."""
        command = [*self.compiler, "-std=c++20", "-Wall", "-Wextra", *flags, f"-I{CORE}"]
        parts: dict[str, list[str]] = {name: [str(CORE / f"{name}.cpp")] for name in sources}
        parts[main] = [str(HERE / "cpp" / f"{main}.cpp")]
        for target, extra in self.targets.items() if kernels else ():
            defined = [f"-DGATEWRIGHT_TARGET={target}", "-Wno-psabi", "-Wno-maybe-uninitialized"]
            parts[f"kernels_{target}"] = [str(CORE / f"{kernels}.cpp"), *defined, *extra]
        compilers = [
            subprocess.Popen([*command, "-c", *rest, "-o", str(folder / f"{name}.o")])
            for name, rest in parts.items()
        ]
        assert [compiler.wait() for compiler in compilers] == [0] * len(compilers)
        program = folder / main
        objects = [str(folder / f"{name}.o") for name in parts]
        subprocess.run([*command, *objects, "-pthread", "-o", str(program)], check=True)
        return program

    def run(self, *command: object, env: Mapping[str, str] | None = None) -> str:
        """What the program printed; the test fails where it did."""
        words = [*self.runner, *map(str, command)]
        said = subprocess.run(words, capture_output=True, text=True, check=False, env=env)
        assert said.returncode == 0, said.stderr[-3000:]
        return said.stdout


def sanitized(sanitizer: str) -> Machine:
    """This machine, with sanitizers on."""
    is_x86 = platform.machine() in ("x86_64", "AMD64")
    defined = ("-DGATEWRIGHT_AVX512FP16",) if is_x86 else ()
    checks = (f"-fsanitize={sanitizer}", "-fno-sanitize-recover=all", "-g1", *defined)
    return Machine(sanitizer, ("g++", *checks), (), X86 if is_x86 else {"portable": ()})


#: A 64-bit ARM, whose vectors (NEON) are the portable kernels' own.
ARM = Machine("arm", ("aarch64-linux-gnu-g++", "-static"), ("qemu-aarch64",), {"portable": ()})


def machines(*sanitizers: str) -> Any:
    """Parametrises a test over `machine`: this one with each of the sanitizers, and ARM."""
    here = [
        pytest.param(sanitized(one), id=one, marks=pytest.mark.needs_tool("g++"))
        for one in sanitizers
    ]
    tools = pytest.mark.needs_tool("aarch64-linux-gnu-g++", "qemu-aarch64")
    return pytest.mark.parametrize("machine", [*here, pytest.param(ARM, id="arm", marks=tools)])
