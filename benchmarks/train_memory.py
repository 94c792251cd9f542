"""Peak memory and time of a training step of wide networks, each in a process of its own.

784 -> 6 x width, group sum 10, softmax form, Adam, batch 100, through `fit` on the native kernel.
The peak is that of the whole process: Python, JAX, the network and the kernel.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from typing import Any

from gatewright.memory import peak_rss
from lib.recording import parser, write

#: Width -> steps. The bar: under 700 MB at 64,000; the paper's widest network has 1,000,000.
WIDTHS = {64_000: 20, 1_000_000: 3}
LAYERS, BATCH = 6, 100


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--worker", metavar="WIDTH", type=int, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.worker is not None:
        print(json.dumps(_train(given.worker, WIDTHS.get(given.worker, 3))))
        return
    results: dict[str, Any] = {"layers": LAYERS, "batch": BATCH, "widths": {}}
    for width in list(WIDTHS)[:1] if given.quick else WIDTHS:
        command = [sys.executable, __file__, "--worker", str(width)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        results["widths"][width] = found = json.loads(done.stdout)
        print(
            f"{LAYERS} x {width}: peak {found['peak_mb']:.0f} MB "
            f"({found['imports_mb']:.0f} before the network, {found['network_mb']:.0f} with it), "
            f"{found['step_cpu_ms']:.0f} ms of CPU a step, {found['step_wall_ms']:.0f} ms of wall",
            flush=True,
        )
        write(given.json, results)


def _train(width: int, steps: int) -> dict[str, float]:
    from gatewright.adam import Adam
    from gatewright.train import fit
    from lib.stepping import Case, make_network, make_rows

    case = Case(width, LAYERS, BATCH, steps, steps)
    x, y = make_rows(2 * BATCH)
    found = {"imports_mb": peak_rss() / 2**20}
    network = make_network(case)
    found["network_mb"] = peak_rss() / 2**20
    ends: list[tuple[float, float]] = []
    fit(
        network, x, y, Adam(0.01), steps=2 * steps, chunk=steps, batch_size=BATCH,
        held_out=(x[:64], y[:64]), kernel="native",
        progress=lambda _: ends.append((time.process_time(), time.perf_counter())),
    )  # fmt: skip
    cpu, wall = (1e3 * (late - early) / steps for early, late in zip(*ends, strict=True))
    return found | {"peak_mb": peak_rss() / 2**20, "step_cpu_ms": cpu, "step_wall_ms": wall}


if __name__ == "__main__":
    main()
