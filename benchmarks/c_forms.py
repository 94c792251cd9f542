"""The two forms of a classifier in C: seconds to compile, bytes of code, nanoseconds a gate.

Random layers, each gate of which is read, and a vote over ten classes, on images of 784 bytes. This
machine's C compiler at -O1 and -O2, and where it is installed GCC for a Cortex-M3 at -O2. Seconds
are of CPU time; speed is that of the circuit on words of 64 rows, the best of several.
"""

from __future__ import annotations

import resource
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from gatewright.compiler import find_compiler
from gatewright.engine_speed import classifier, layered
from gatewright.targets import c
from lib.recording import parser, write

#: Width of six layers.
WIDTHS = (400, 1_200, 5_000, 28_000)
ARM = ("arm-none-eabi-gcc", "-mcpu=cortex-m3", "-mthumb", "-ffreestanding")

_TIMER = """
#include "classifier.h"
#include <stdio.h>
#include <time.h>
static classifier_word in[CLASSIFIER_NUM_INPUTS], out[CLASSIFIER_NUM_OUTPUTS];
int main(void) {
  double best = 1e9;
  for (size_t i = 0; i != CLASSIFIER_NUM_INPUTS; ++i)
    in[i] = (classifier_word)(0x9e3779b97f4a7c15U * (i + 1));
  for (int trial = 0; trial < 9; ++trial) {
    long calls = 0;
    const clock_t begin = clock();
    do classifier(in, out), ++calls;
    while (clock() - begin < CLOCKS_PER_SEC / 20);
    const double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC / (double)calls;
    if (seconds < best) best = seconds;
  }
  printf("%g\\n", best);
  return 0;
}
"""


def main() -> None:
    given = parser(__doc__).parse_args()
    results: list[dict[str, Any]] = []
    for width in WIDTHS[:2] if given.quick else WIDTHS:
        model = classifier(layered(width, 6, 784))
        for form in c.FORMS[1:]:
            with tempfile.TemporaryDirectory() as folder:
                results.append(_measure(c.made(model, form), Path(folder)))
            print(_line(results[-1]), flush=True)
            write(given.json, {"results": results})


def _measure(made: c.Artefact, folder: Path) -> dict[str, Any]:
    for name, content in made.files.items():
        (folder / name).write_bytes(content)
    (folder / "timer.c").write_text(_TIMER)
    host = find_compiler()
    found: dict[str, Any] = {**made.about}
    for name, command in (("O1", (*host, "-O1")), ("O2", (*host, "-O2")), ("arm", (*ARM, "-O2"))):
        if shutil.which(command[0]) is None:
            continue
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        _run(folder, *command, "-std=c99", "-c", "classifier.c", "-o", "classifier.o")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        size = _run(folder, "size", "classifier.o").split()
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        found[name] = {"seconds": round(seconds, 2), "bytes": int(size[6])}
        if name != "arm":
            _run(folder, *host, "-O2", "timer.c", "classifier.o", "-o", "timer")
            found[name]["ns_a_gate"] = round(1e9 * float(_run(folder, "./timer")) / made.gates, 3)
    return found


def _run(folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout


def _line(found: dict[str, Any]) -> str:
    text = f"{found['gates']:7} gates, {found['form']:8}"
    for name in ("O1", "O2", "arm"):
        one = found.get(name)
        if one is not None:
            speed = f", {one['ns_a_gate']:.2f} ns a gate" if "ns_a_gate" in one else ""
            text += f"  {name}: {one['seconds']:.2f} s, {one['bytes']} bytes{speed}"
    return text


if __name__ == "__main__":
    main()
