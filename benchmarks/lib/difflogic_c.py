"""How difflogic compiles a network, rebuilt: one C function of one statement a gate, and its loops.

Around the logic on 64-bit words, bits are packed one by one, and the outputs of a class are added
one by one (difflogic/compiled_model.py, Petersen et al. 2022, section 3.3).
"""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gatewright import gates
from gatewright.circuit import Circuit
from gatewright.compiler import CompileTimeout, compile_shared

OPERATORS = ("~{}", "{} & {}", "{} | {}", "{} ^ {}", "(uint64_t)0", "~(uint64_t)0")

LOOPS = """
void apply(const unsigned char *rows, int *labels, size_t n) {
  uint64_t in[NUM_IN], out[NUM_OUT];
  for (size_t first = 0; first < n; first += 64) {
    for (size_t i = 0; i < NUM_IN; ++i) {
      uint64_t word = 0;
      for (size_t s = 0; s < 64; ++s)
        word |= (uint64_t)(rows[(first + s) * NUM_IN + i] != 0) << s;
      in[i] = word;
    }
    logic(in, out);
    for (size_t s = 0; s < 64; ++s) {
      int best = -1, label = 0;
      for (size_t c = 0; c < NUM_CLASSES; ++c) {
        int sum = 0;
        for (size_t i = 0; i < NUM_OUT / NUM_CLASSES; ++i)
          sum += (int)(out[c * (NUM_OUT / NUM_CLASSES) + i] >> s & 1);
        if (sum > best) { best = sum; label = (int)c; }
      }
      labels[first + s] = label;
    }
  }
}
"""


class Peer:
    """The compiled C.

    Attributes:
        flags: of the compiler, -O3, or -O1 where that took too long.
    """

    def __init__(self, circuit: Circuit, num_classes: int, folder: Path, seconds: float) -> None:
        self.flags, library = _compile(source(circuit, num_classes), folder, seconds)
        self._apply = ctypes.CDLL(str(library)).apply
        self._apply.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)

    def __call__(self, rows: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
        """Rows of booleans [N, num_inputs] -> classes int32[N]; N is a multiple of 64."""
        if len(rows) % 64 or not rows.flags.c_contiguous or rows.itemsize != 1:
            raise ValueError(f"{rows.dtype}{list(rows.shape)}: give whole blocks of 64 bool rows")
        labels = np.empty(len(rows), np.int32)
        self._apply(rows.ctypes.data, labels.ctypes.data, len(rows))
        return labels


def source(circuit: Circuit, num_classes: int) -> str:
    """The C file; the values of all gates are local variables."""
    names = ["(uint64_t)0"]
    names += [f"in[{i}]" for i in range(circuit.num_inputs)]
    names += [f"v{g}" for g in range(circuit.num_gates)]
    lines = ["#include <stddef.h>", "#include <stdint.h>"]
    sizes = ("IN", circuit.num_inputs), ("OUT", circuit.num_outputs), ("CLASSES", num_classes)
    lines += [f"#define NUM_{what} {size}" for what, size in sizes]
    lines.append("void logic(const uint64_t *in, uint64_t *out) {")
    pairs = circuit.fanin.tolist()
    for gate, ((a, b), table) in enumerate(zip(pairs, circuit.table.tolist(), strict=True)):
        text = gates.expression(table, (names[a], names[b]), OPERATORS)
        lines.append(f"  const uint64_t v{gate} = {text};")
    for place, literal in enumerate(circuit.outputs.tolist()):
        lines.append(f"  out[{place}] = {'~' * (literal & 1)}{names[literal >> 1]};")
    return "\n".join([*lines, "}", LOOPS])


def _compile(text: str, folder: Path, seconds: float) -> tuple[str, Path]:
    """At -O3 within the seconds, else at -O1 within four times as many; CompileTimeout."""
    files = {"peer.c": text.encode()}
    try:
        return "-O3", compile_shared(files, ("-O3",), folder=folder / "O3", time_limit=seconds)
    except CompileTimeout:
        limit = 4 * seconds
        return "-O1", compile_shared(files, ("-O1",), folder=folder / "O1", time_limit=limit)
