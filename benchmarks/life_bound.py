"""Can Life be made of fewer than 26 gates? What SAT settles, and what a search does not find.

1. A counting circuit: its first 17 gates add the eight neighbours up to five bits. Is the rest, the
   next state from these bits and the cell, possible in 8 gates? (It takes 9.)
2. Windows: every set of up to so many gates of the circuit through which no path leaves and comes
   back, its leaves' values that never occur being free. Has one a smaller form?
3. A walk: the circuit again and again with a window in another form of the same size, each new
   circuit's windows looked at as `exact` does. Does one have a smaller form?
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np

from gatewright.automata import CENTRE, life_circuit, life_rule
from gatewright.circuit import Circuit, all_inputs, unpack
from gatewright.passes.exact import Windows, other, smaller
from gatewright.passes.exact_synthesis import OutOfConflicts, fewest, synthesize
from gatewright.passes.objectives import Deadline
from gatewright.passes.plan import Target
from gatewright.verify import prove
from gatewright.window import Meter
from lib.recording import parser, write

#: Gates of `life_circuit` that add: two full adders and a half adder of rows, one of their sums.
NUM_ADDING = 17


def rest() -> tuple[Target, int]:
    """Life over what the adding gates hand on, and the cell: the function and its variables."""
    circuit = life_circuit()
    first = circuit.first_gate
    adding = range(first, first + NUM_ADDING)
    readers = range(first + NUM_ADDING, circuit.num_nodes)
    read = {int(node) for reader in readers for node in circuit.fanin[reader - first]}
    leaves = sorted(node for node in read if node < first + NUM_ADDING)
    assert set(leaves) - set(adding) == {1 + CENTRE}
    windows = Windows(circuit)
    window = windows.window(set(readers))
    assert list(window.leaves) == leaves
    (target,) = windows.targets(window, window.leaves)
    return target, len(leaves)


def counting(most: int, seconds: float) -> Iterator[dict[str, Any]]:
    target, num_variables = rest()
    for num_gates in range(1, most + 1):
        meter = Meter(seconds, None)
        try:
            plan = synthesize((target,), num_variables, num_gates, meter)
            found = "none: unsatisfiable" if plan is None else "a circuit"
        except OutOfConflicts:
            found = "not settled"
        yield {
            "gates": num_gates,
            "found": found,
            "conflicts": meter.conflicts,
            "cpu_seconds": round(meter.seconds, 1),
        }


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


def walk(circuit: Circuit, seconds: float, seed: int) -> dict[str, Any]:
    rng, deadline = random.Random(seed), Deadline(seconds)
    settled: set[tuple[Target, ...]] = set()
    seen = {_structure(circuit)}
    fewest_gates = circuit.num_gates
    while deadline.left > 0 and fewest_gates == circuit.num_gates:
        circuit = other(circuit, rng)
        seen.add(_structure(circuit))
        found = smaller(circuit, rng, deadline, settled)
        if found is not None:
            prove(found, life_rule)
            circuit, fewest_gates = found, found.num_gates
    return {
        "seed": seed,
        "cpu_seconds": seconds,
        "circuits": len(seen),
        "different_windows_settled": len(settled),
        "fewest_gates": fewest_gates,
    }


def _structure(circuit: Circuit) -> frozenset[bytes]:
    """The functions of a circuit's gates, up to inversion: alike for two that differ in order."""
    num = 1 << circuit.num_inputs
    tables = unpack(circuit.simulate_nodes(all_inputs(circuit.num_inputs)), num).T
    normal = np.where(tables[:, :1], ~tables, tables)[circuit.first_gate :]
    return frozenset(row.tobytes() for row in normal)


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--seconds", type=float, default=1200.0, help="of the walk")
    options.add_argument("--most", type=int, default=6, help="gates of a window")
    given = options.parse_args()
    results: dict[str, Any] = {"counting": []}
    for row in counting(6 if given.quick else 9, 7200.0):
        print(row, flush=True)
        results["counting"].append(row)
        write(given.json, results)
    results["windows"] = look_at_windows(life_circuit(), 4 if given.quick else given.most)
    print(results["windows"], flush=True)
    write(given.json, results)
    results["walk"] = walk(life_circuit(), 10.0 if given.quick else given.seconds, seed=0)
    print(results["walk"], flush=True)
    write(given.json, results)


if __name__ == "__main__":
    main()
