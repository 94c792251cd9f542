"""What one core of this machine can do at most, and how much of it a training step uses."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

#: Multiply-adds a gate and sample. Forward 3: c0 + c1 a + b (c2 + c3 a). Backward 9: 2 for each
#: operand's gradient, g (c1 + c3 b), added to what others send there; 5 for the sums of g, ga, gb
#: and gab, where ga is a product of its own.
A_GATE_SAMPLE = 3 + 9

#: Multiply-adds a parameter of the softmax form; an exponential, a root and a division count as
#: one. Softmax 3 and back 3; 4 coefficients from 16 weights 4 and back 4; Adam 10.
A_PARAMETER = 3 + 3 + 4 + 4 + 10

PARAMETERS_A_GATE = 16


@dataclass(frozen=True)
class Peak:
    """Of one core: multiply-adds a second in registers, bytes a second read and written."""

    multiply_adds: float
    bytes: float


def peak(cpu: int | None = None) -> Peak:
    """Measured now, on one CPU of this process's where it says which."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "peak"
        compiler = os.environ.get("CXX", "c++")
        source = Path(__file__).with_name("peak.cpp")
        subprocess.run(
            [compiler, "-std=c++20", "-O3", "-march=native", str(source), "-o", str(program)],
            check=True,
        )
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, before if cpu is None else {cpu})  # the program inherits it
        try:
            found = subprocess.run([program], check=True, capture_output=True, text=True)
        finally:
            os.sched_setaffinity(0, before)
    return Peak(**json.loads(found.stdout))


def multiply_adds(num_gates: int, batch: int) -> int:
    """Of one training step of softmax gates with Adam."""
    return num_gates * (batch * A_GATE_SAMPLE + PARAMETERS_A_GATE * A_PARAMETER)


def least_bytes(num_gates: int, batch: int, activation_bytes: int) -> int:
    """That a step must move: parameters and Adam's two means read and written, activations both.

    What a cache keeps between the two is not taken off.
    """
    state = PARAMETERS_A_GATE * 3 * 4 * 2
    return num_gates * (state + batch * activation_bytes * 2)
