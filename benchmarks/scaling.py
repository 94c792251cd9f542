"""How the time of -O1, proofs included, grows with the circuit: random ones of 10^4 to 10^6 gates.

All gates are live: each output is read by nothing else, and each gate is read. CPU seconds are
divided by n log2 n, which stays about the same where the time grows as that.
"""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np

from gatewright.circuit import Circuit
from gatewright.memory import peak_rss
from gatewright.passes import optimize
from lib.recording import parser, write

NUM_INPUTS = 256
#: The kinds of gate that `Builder` makes, so that nothing folds by itself.
TABLES = (0x2, 0x4, 0x6, 0x8, 0xE)


def live_circuit(num_gates: int, seed: int) -> Circuit:
    """Random gates on nodes shortly before them; what nothing reads is an output."""
    rng = np.random.default_rng(seed)
    first = 1 + NUM_INPUTS
    own = first + np.arange(num_gates)
    reach = np.minimum(own - 1, 5000)
    a = own - 1 - (rng.random(num_gates) * reach).astype(np.int64)
    b = own - 1 - (rng.random(num_gates) * reach).astype(np.int64)
    b = np.where(a == b, np.maximum(1, a - 1), b)
    b = np.where(a == b, 2, b)
    fanin = np.sort(np.stack([a, b], axis=1), axis=1).astype(np.int32)
    read = np.zeros(first + num_gates, np.bool_)
    read[fanin] = True
    unread = (np.flatnonzero(~read[first:]) + first).astype(np.int32)
    return Circuit(
        fanin, rng.choice(TABLES, num_gates).astype(np.uint8), 2 * unread,
        tuple(f"x{i}" for i in range(NUM_INPUTS)), tuple(f"y{i}" for i in range(len(unread))),
    )  # fmt: skip


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--gates", default="10000,30000,100000,300000,1000000", metavar="LIST")
    given = options.parse_args()
    sizes = [10_000, 30_000] if given.quick else [int(part) for part in given.gates.split(",")]
    rows: list[dict[str, Any]] = []
    for num_gates in sizes:
        circuit = live_circuit(num_gates, seed=num_gates)
        begin = time.process_time()
        after = optimize(circuit, 1, seconds=600)
        seconds = time.process_time() - begin
        rows.append({
            "gates": num_gates,
            "gates_after": after.num_gates,
            "cpu_seconds": round(seconds, 3),
            "microseconds_per_n_log_n": round(1e6 * seconds / num_gates / math.log2(num_gates), 4),
            "peak_rss_mb": round(peak_rss() / 1e6, 1),
        })  # fmt: skip
        print(rows[-1], flush=True)
    write(given.json, {"rows": rows})


if __name__ == "__main__":
    main()
