"""How few gates Life takes: what walks find, and where SAT says that there are no fewer.

1. Walks that do not end before their time, one a seed, from 26 gates: adders written by hand, and
   what ABC makes of them.
2. Windows of the smallest found: every set of up to so many gates through which no path leaves and
   comes back, its leaves' values that never occur being free. Has one a smaller form?
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

from gatewright.automata import life_circuit, life_rule
from gatewright.circuit import Circuit
from gatewright.passes.deep import deep
from gatewright.passes.exact import Windows
from gatewright.passes.exact_synthesis import fewest
from gatewright.passes.objectives import Goal, cpu_seconds
from gatewright.passes.plan import Target
from gatewright.passes.walk import walk
from gatewright.verify import prove
from gatewright.window import Meter
from lib.recording import parser, write

#: Walks go on until their time is over.
FOR_EVER = 1 << 60


def walks(seeds: int, seconds: float) -> Iterator[tuple[dict[str, Any], Circuit]]:
    by_hand = life_circuit()
    starts = {"by hand": by_hand, "by ABC": deep(by_hand, Goal(seconds=6))}
    for (name, start), seed in product(starts.items(), range(seeds)):
        begin = cpu_seconds()
        circuit = walk(start, Goal(seconds=seconds, seed=seed, persistence=FOR_EVER))
        prove(circuit, life_rule)
        took = round(cpu_seconds() - begin, 1)
        yield (
            {"start": name, "seed": seed, "gates": circuit.num_gates, "cpu_seconds": took},
            circuit,
        )


def every_window(circuit: Circuit, most: int) -> set[frozenset[int]]:
    """All connected convex sets of two to so many gates."""
    windows = Windows(circuit)
    first = circuit.first_gate
    level = {frozenset({gate}) for gate in range(first, circuit.num_nodes)}
    found: set[frozenset[int]] = set()
    for _ in range(most - 1):
        following: set[frozenset[int]] = set()
        for gates in level:
            around = {o for g in gates for o in windows.netlist.fanin[g - first] if o >= first}
            around |= {reader for gate in gates for reader in windows.readers[gate]}
            following |= {gates | {node} for node in around - gates}
        level = following  # not convex ones too: they may grow convex
        found |= {gates for gates in level if windows.is_convex(set(gates))}
    return found


def look_at_windows(circuit: Circuit, most: int) -> dict[str, Any]:
    windows, meter = Windows(circuit), Meter(float("inf"), None)
    count = {size: 0 for size in range(2, most + 1)}
    num_smaller = 0
    settled: set[tuple[Target, ...]] = set()
    for gates in sorted(every_window(circuit, most), key=lambda gates: (len(gates), sorted(gates))):
        window = windows.window(set(gates))
        count[len(gates)] += 1
        targets = windows.targets(window, window.leaves)
        if targets not in settled:
            settled.add(targets)
            num_smaller += fewest(targets, len(window.leaves), len(gates), meter) is not None
    return {
        "windows": count,
        "different": len(settled),
        "smaller": num_smaller,
        "conflicts": meter.conflicts,
        "cpu_seconds": round(meter.seconds, 1),
    }


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--seeds", type=int, default=10)
    options.add_argument("--seconds", type=float, default=60.0, help="of each walk")
    options.add_argument("--most", type=int, default=6, help="gates of a window")
    given = options.parse_args()
    seeds, seconds, most = (2, 5.0, 4) if given.quick else (given.seeds, given.seconds, given.most)
    results: dict[str, Any] = {"walks": []}
    smallest = life_circuit()
    for row, circuit in walks(seeds, seconds):
        print(row, flush=True)
        results["walks"].append(row)
        smallest = min(smallest, circuit, key=lambda circuit: circuit.num_gates)
        write(given.json, results)
    results["windows"] = {"gates": smallest.num_gates, **look_at_windows(smallest, most)}
    print(results["windows"], flush=True)
    write(given.json, results)


if __name__ == "__main__":
    main()
