"""The engine beside the machine's limits, its own back ends, and difflogic's approach rebuilt.

Random layered circuits of which every gate is live, their outputs XORed down to 64, and trained
models (RUN: a run folder, a model file or BLIF); rows of a table, and single samples. All take
turns on one core, in one process; only the rows of two threads use two. A rate is a median of wall
time, a ratio the median of the rounds' ratios. Nothing but single samples is timed before its
answer was compared.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import gatewright as gw
from gatewright import engine_speed as speed
from gatewright.automata import life_circuit
from gatewright.counting import vote
from gatewright.encode import Identity, Thermometer
from gatewright.model import Model
from gatewright.runs import load_model
from lib.difflogic_c import Peer
from lib.recording import parser, write

#: Name -> width, depth and inputs.
SIZES = {
    "200 gates": (8, 25, 8),
    "4 x 2,000": (2_000, 4, 784),
    "6 x 8,000": (8_000, 6, 784),
    "6 x 64,000": (64_000, 6, 784),
    "8 x 500,000": (500_000, 8, 2_048),
}
NET = "6 x 8,000"
#: Gates above which machine code is not tried, and gates of the largest circuit with --quick.
MOST_JIT_GATES = 1_000_000
QUICK_GATES = 48_000

#: Wall seconds that the peer may take to compile at -O3. At -O1 it may take four times that: GCC's
#: time grows with the square of the gates, and 12,000 took 28 seconds.
COMPILE_SECONDS = 150.0


#: Turns a second of --rounds, and calls a turn, that a single sample is timed by.
LATENCY_TURNS, LATENCY_CALLS = 100, 20


def main() -> None:
    options = parser(__doc__)
    options.add_argument("runs", nargs="*", metavar="RUN")
    options.add_argument("--rounds", type=int, default=speed.ROUNDS)
    options.add_argument("--peer-width", type=int, default=2_000, help="of the peer's six layers")
    options.add_argument("--compile-seconds", type=float, default=COMPILE_SECONDS)
    options.add_argument("--only", choices=["latency"], help="nothing but single samples")
    given = options.parse_args()
    rounds, seconds = (2, 0.05) if given.quick else (given.rounds, speed.SECONDS)
    results: list[dict[str, Any]] = []

    def add(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            print(line(row), flush=True)
        results.extend(rows)
        write(given.json, {"rows": results})

    print(HEADER)
    if given.only == "latency":
        add(_latency(rounds, seconds))
        return
    limit = speed.limits(rounds, seconds)
    add(speed.limit_rows(limit))
    for name, (width, depth, num_inputs) in SIZES.items():
        if given.quick and width * depth > QUICK_GATES:
            continue
        circuit = speed.folded(speed.layered(width, depth, num_inputs))
        names = speed.backends() if circuit.num_gates <= MOST_JIT_GATES else ("interpreter",)
        add(speed.gate_rows(name, circuit, names, limit, rounds, seconds))
    net = speed.layered(*SIZES[NET])
    voting = speed.classifier(net)
    label = f"{NET} and a vote"
    add(speed.gate_rows(label, voting.circuit, speed.backends(), limit, rounds, seconds))
    add(speed.thread_rows(NET, speed.folded(net), rounds, seconds))
    add(speed.thread_rows(label, voting.circuit, rounds, seconds))
    for source in given.runs:
        add(_images(Path(source).name, load_model(source), None, limit, given.quick, rounds))
    add(_images(label, voting, None, limit, given.quick, rounds))
    add(_tables(rounds, seconds))
    add(_latency(rounds, seconds))
    if given.quick:
        return
    layers = speed.layered(given.peer_width, 6, speed.NUM_PIXELS)
    with tempfile.TemporaryDirectory() as folder:
        peer = Peer(layers, speed.NUM_CLASSES, Path(folder), given.compile_seconds)
        label = f"6 x {given.peer_width:,} and a vote, beside the peer"
        add(_images(label, speed.classifier(layers), peer, limit, given.quick, rounds))


def _tables(rounds: int, seconds: float) -> list[dict[str, Any]]:
    """Rows of numbers to labels: 14 columns, 9 thresholds each, and 600 gates with a vote."""
    layers = speed.layered(200, 3, 14 * 9)
    circuit = layers.then(vote(2, 100), "table")
    rng = np.random.default_rng(0)
    thresholds = np.sort(rng.normal(size=(14, 9)), axis=1).astype(np.float32)
    model = Model(circuit, 2, Thermometer(thresholds, (14,)))
    compiled = gw.compile(model, threads=1)
    results: list[dict[str, Any]] = []
    for dtype in ("float64", "float32"):
        rows = rng.normal(size=(speed.MEMORY_ROWS, 14)).astype(dtype)
        speed.require_labels({"table": compiled.predict}, model, rows[:1024])
        found = speed.race([speed.on_rows("own", compiled, rows)], rounds, seconds)
        name = f"table of 14 columns and 126 bits, {dtype}, from memory"
        results.append(speed.row(name, "rows/s", found["own"]) | {"gates": circuit.num_gates})
    return results


def _latency(rounds: int, seconds: float) -> list[dict[str, Any]]:
    """Microseconds a call: a row of bytes to its class, and packed words to packed words.

    The other 63 samples of a word are zeros, or samples too. Each call is timed alone, so that
    other work on the machine meets few of them.
    """
    net = speed.layered(*SIZES[NET])
    voting = speed.classifier(net)
    encoder = voting.encoder or Identity((0,))
    calls: list[speed.Contender] = []

    def add(name: str, run: Callable[[], object]) -> None:
        for _ in range(3):  # the second one makes what runs few samples
            run()
        calls.append(speed.Contender(name, run, 1))

    for num in (1, 2, 4, 8):
        rows, rated = speed.samples_of(encoder, num), f"{num} row{'s' * (num > 1)} of bytes"
        speed.require_labels({"latency": voting.predict}, voting, rows)
        add(f"{NET} and a vote, {rated}", partial(voting.predict, rows))
    for name, circuit in ((NET, net), (f"{NET}, folded", speed.folded(net))):
        run, words = gw.compile(circuit, threads=1), speed.words_of(circuit, 1)
        speed.require_agreement({"latency": run}, circuit)
        for kind, own in (("one sample", words & np.uint64(1)), ("64 samples", words)):
            add(f"{name}, {kind} in a word", partial(run, own))
            if not np.array_equal(run(own), circuit.simulate(own)):
                raise speed.Disagreement(f"{name}, {kind}: the outputs differ from its simulation")
    cell = life_circuit()
    run = gw.compile(cell, threads=1)
    speed.require_agreement({"latency": run}, cell)
    add("a Life cell, 64 samples in a word", partial(run, speed.words_of(cell, 1)))
    times: dict[str, list[float]] = {call.name: [] for call in calls}
    for _ in range(max(1, round(rounds * seconds * LATENCY_TURNS))):
        for call in calls:
            call.run()
            for _ in range(LATENCY_CALLS):
                start = time.perf_counter_ns()
                call.run()
                times[call.name].append((time.perf_counter_ns() - start) / 1e3)
    return [_one_by_one(f"latency, {name}", taken) for name, taken in times.items()]


def _one_by_one(name: str, times: list[float]) -> dict[str, Any]:
    """Calls, each timed alone, as a result."""
    spread = {"median": statistics.median(times), "min": min(times), "max": max(times)}
    said = {"name": name, "value": spread["median"], "unit": "us", "peer": None, "ratio": None}
    return said | {"spread": spread, "calls": len(times)}


def _images(
    label: str, model: Model, peer: Peer | None, limit: speed.Limits, is_quick: bool, rounds: int
) -> list[dict[str, Any]]:
    """Raw rows to labels, from the caches and from memory.

    The peer is given booleans: its encoder is not counted.
    """
    if model.encoder is None:
        return []
    compiled = gw.compile(model, threads=1)
    all_rows = speed.samples_of(model.encoder, speed.HOT_ROWS if is_quick else speed.MEMORY_ROWS)
    results: list[dict[str, Any]] = []
    for where, num in (("hot", speed.HOT_ROWS), ("from memory", speed.MEMORY_ROWS)):
        rows = all_rows[:num]
        if len(rows) < num:
            continue
        contenders = [speed.on_rows("own", compiled, rows)]
        predictors: dict[str, Any] = {label: compiled.predict}
        if peer is not None:
            bits = model.encoder(rows)
            predictors["the peer"] = lambda some: peer(model.encoder(some))
            contenders.append(speed.Contender("peer", lambda bits=bits: peer(bits), num))
        speed.require_labels(predictors, model, rows[:1024])
        found = speed.race(contenders, rounds, speed.SECONDS)
        name = peer and f"difflogic's approach rebuilt, gcc {peer.flags}"
        own = speed.row(
            f"{label}, {compiled.backend}, {where}", "images/s", found["own"], name,
            found.get("peer"),
        )  # fmt: skip
        bytes_a_row = rows.nbytes / num
        own["share_of_limit"] = found["own"].median * bytes_a_row / limit.read
        results.append(own | {"gates": model.circuit.num_gates})
        if peer is not None:
            results.append(speed.row(f"{name}, {where}", "images/s", found["peer"]))
    return results


HEADER = f"{'':58}{'':>12} {'':20}{'spread':>22}{'CPU':>12}{'ratio':>8} {'of limit':>9}  peer"


def line(row: dict[str, Any]) -> str:
    """A result as a line: median, smallest and largest, by CPU time, times the peer's speed."""
    found = row.get("spread")
    around = f"{short(found['min'])} to {short(found['max'])}" if found else ""
    cpu = short(row["cpu_spread"]["median"]) if "cpu_spread" in row else ""
    ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
    share = f"{row['share_of_limit']:.0%}" if "share_of_limit" in row else ""
    return (
        f"{row['name']:58}{short(row['value']):>12} {row['unit']:20}{around:>22}{cpu:>12}"
        f"{ratio:>8} {share:>9}  {row['peer'] or ''}"
    )


def short(value: float) -> str:
    """Four digits, with k, M or G."""
    for factor, letter in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= factor:
            return f"{value / factor:.4g}{letter}"
    return f"{value:.3g}"


if __name__ == "__main__":
    main()
