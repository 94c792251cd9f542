"""ABC, the logic synthesis system of Berkeley, as an external program: a script on a circuit.

The program `yosys-abc` comes with the Python package pyosys (`pip install 'gatewright[abc]'`);
`abc`, `berkeley-abc` and `yosys-abc` on the PATH serve as well. What it returns is a proposal: the
passes that call this have every result proved, as any other.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from gatewright.circuit import Circuit
from gatewright.errors import MissingTool
from gatewright.targets import blif

#: Seconds between two looks at what a program has spent, at least.
MIN_WAIT = 0.02

PROGRAMS = ("yosys-abc", "abc", "berkeley-abc")


@cache
def program() -> str | None:
    """The path of ABC, or None where there is none."""
    package = find_spec("pyosys")
    for folder in (package.submodule_search_locations or ()) if package else ():
        found = Path(folder) / "yosys-abc"
        if os.access(found, os.X_OK):
            return str(found)
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


def run(circuit: Circuit, script: str, seconds: float) -> Circuit | None:
    """What the script makes of the circuit, or None where it fails or takes more CPU seconds.

    The script begins with the circuit as a network of two-input nodes and ends with a network of
    such or an AIG.

    Raises:
        MissingTool: there is no ABC.
    """
    if circuit.num_gates == 0 or circuit.num_outputs == 0:
        return circuit  # ABC fails on some of these, and adds an output to others
    found = results(circuit, f"{script}; write_blif 0.blif", seconds)
    return found[0] if found else None


def results(
    circuit: Circuit,
    script: str,
    seconds: float,
    spelled: Callable[[Circuit], bytes] | None = None,
    is_part_enough: bool = False,
) -> list[Circuit]:
    """What the script writes to 0.blif, 1.blif and so on; none where it fails or takes longer.

    Args:
        circuit: with gates and outputs.
        spelled: it as BLIF, `circuit` with names that every tool can spell; by default its gates.
        is_part_enough: whether what it wrote before it failed or took longer is returned.

    Raises:
        MissingTool: there is no ABC.
    """
    path = program()
    if path is None:
        raise MissingTool(
            "ABC is not installed; it comes with: pip install 'gatewright[abc]' (or apt install "
            "berkeley-abc)"
        )
    with tempfile.TemporaryDirectory(prefix="gatewright-abc-") as folder:
        Path(folder, "before.blif").write_bytes((spelled or _spelled)(_plain(circuit)))
        is_done = _ends([path, "-q", f"read_blif before.blif; {script}"], folder, seconds)
        if not (is_done or is_part_enough):
            return []
        contents = [file.read_bytes() for file in sorted(Path(folder).glob("[0-9].blif"))]
    if is_part_enough and contents and not contents[-1].rstrip().endswith(b".end"):
        contents.pop()  # it was ended as it wrote this
    found = [blif.read(content, "ABC's result") for content in contents]
    sizes = {(one.num_inputs, one.num_outputs) for one in found}
    if sizes != {(circuit.num_inputs, circuit.num_outputs)}:
        return []
    return [_renamed(one, circuit) for one in found]


def _ends(command: list[str], folder: str, seconds: float) -> bool:
    """Whether the command ends well in time; its whole process group is ended otherwise."""
    process = subprocess.Popen(
        command, cwd=folder, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    begin, spent = time.monotonic(), 0.0
    try:
        while spent < seconds:
            try:  # one thread cannot spend more than goes by on the clock
                return process.wait(max(MIN_WAIT, seconds - spent)) == 0
            except subprocess.TimeoutExpired:
                spent = _spent(process.pid, time.monotonic() - begin)
        return False
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _spent(pid: int, wall_seconds: float) -> float:
    """CPU seconds of a process where the system shows them in /proc, else as on the clock."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return wall_seconds
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _plain(circuit: Circuit) -> Circuit:
    """With names that every tool can spell."""
    return replace(
        circuit,
        input_names=tuple(f"i{n}" for n in range(circuit.num_inputs)),
        output_names=tuple(f"o{n}" for n in range(circuit.num_outputs)),
        name="circuit",
    )


def _spelled(circuit: Circuit) -> bytes:
    (content,) = blif.write(circuit).values()
    return content


def _renamed(found: Circuit, like: Circuit) -> Circuit:
    """With the names of another circuit; ABC keeps the order of inputs and outputs, not names."""
    return replace(
        found, input_names=like.input_names, output_names=like.output_names, name=like.name
    )
