"""A training step through `train`: the native kernel, the JAX fallback and torchlogix.

784 -> layers x width, group sum 10, softmax form, Adam. All take turns on one CPU, in one process,
but for the threads: there one and two take turns on two CPUs. A step has its share of what an epoch
of 60,000 rows ends with, metrics on 64 rows. `native` stores sixteen bits, whichever are quickest.
Ratios are of CPU time, by round (of wall time for threads). Without --torchlogix, times that were
measured on another machine are quoted.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from dataclasses import asdict
from typing import Any

from lib import peak as peaks
from lib.recording import parser, spread, write
from lib.stepping import CASES, Case, Peer, Took, measure, ratios

#: CPU milliseconds of torchlogix 0.2.2, light, compiled, measured on another machine (a Zen 5).
QUOTED = {"S100": 38.0, "M100": 520.0}

#: Variant -> options of `train`; on one CPU, and on two.
SINGLE = {
    "native": {"kernel": "native", "threads": 1},
    "bfloat16": {"kernel": "native", "activations": "bfloat16", "threads": 1},
    "float32": {"kernel": "native", "activations": "float32", "threads": 1},
    "jax": {"kernel": "jax"},
}
DOUBLE = {
    "one thread": {"kernel": "native", "threads": 1},
    "two threads": {"kernel": "native", "threads": 2},
}
ROUNDS = 7


def main() -> None:
    options = parser(__doc__)
    options.add_argument(
        "--cases", nargs="+", choices=CASES, default=list(CASES), help="all by default"
    )
    options.add_argument("--rounds", type=int, default=ROUNDS)
    options.add_argument("--torchlogix", metavar="PYTHON", help="the Python that has torchlogix")
    options.add_argument("--worker", metavar="CPUS", type=int, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.worker is not None:
        _work(CASES[given.cases[0]], given.worker, given.rounds, given.torchlogix)
        return
    names, rounds = (["S100"], 2) if given.quick else (given.cases, given.rounds)
    peak = peaks.peak(_cpus()[-1])
    results: dict[str, Any] = {"load": os.getloadavg(), "peak": asdict(peak), "cases": {}}
    print(
        f"one core: {peak.multiply_adds / 1e9:.0f} billion multiply-adds a second, "
        f"{peak.bytes / 1e9:.1f} GB/s to and from memory; load {os.getloadavg()[0]:.1f}\n"
    )
    print(HEADER)
    for name in names:
        single = _run_worker(name, 1, rounds, given.torchlogix)
        double = _run_worker(name, 2, rounds, None) if len(_cpus()) > 1 else {}
        results["cases"][name] = row = summary(name, single, double, peak)
        print(table_row(name, row), flush=True)
        write(given.json, results)


def _run_worker(name: str, cpus: int, rounds: int, torchlogix: str | None) -> dict[str, Any]:
    """A process of its own: JAX counts the CPUs when it starts."""
    command = [sys.executable, __file__, "--cases", name, "--worker", str(cpus)]
    command += ["--rounds", str(rounds)]
    command += ["--torchlogix", torchlogix] if torchlogix else []
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def _work(case: Case, cpus: int, rounds: int, torchlogix: str | None) -> None:
    os.sched_setaffinity(0, _cpus()[-cpus:])
    peer = Peer(torchlogix, case) if torchlogix else None
    found = measure(case, SINGLE if cpus == 1 else DOUBLE, rounds, peer)
    about = None
    if peer is not None:
        about = peer.about
        peer.close()
    steps = {name: [asdict(took) for took in each] for name, each in found.items()}
    print(json.dumps({"steps": steps, "torchlogix": about}))


def _cpus() -> list[int]:
    return sorted(os.sched_getaffinity(0))


def summary(
    name: str, single: dict[str, Any], double: dict[str, Any], peak: peaks.Peak
) -> dict[str, Any]:
    """Milliseconds, ratios and shares of the peak, from the rounds of both workers."""
    case = CASES[name]
    rounds = {
        variant: [Took(**one) for one in each]
        for variant, each in (single["steps"] | double.get("steps", {})).items()
    }
    cpu = {variant: [one.cpu for one in each] for variant, each in rounds.items()}
    fastest = min(cpu["native"])
    row: dict[str, Any] = {
        "case": asdict(case),
        "cpu_ms": {v: spread([1e3 * one for one in each]) for v, each in cpu.items()},
        "wall_ms": {v: spread([1e3 * one.wall for one in each]) for v, each in rounds.items()},
        "jax_to_native": ratios(cpu["jax"], cpu["native"]),
        "share_of_multiply_adds": peaks.multiply_adds(case.num_gates, case.batch)
        / fastest / peak.multiply_adds,
        "share_of_bandwidth": peaks.least_bytes(case.num_gates, case.batch, 2)
        / fastest / peak.bytes,
    }  # fmt: skip
    if "torchlogix" in cpu:
        row["torchlogix"] = single["torchlogix"]
        row["torchlogix_to_native"] = ratios(cpu["torchlogix"], cpu["native"])
    elif name in QUOTED:
        row["torchlogix"] = "quoted, from another machine"
        row["torchlogix_quoted_ms"] = QUOTED[name]
    if double:
        wall = {variant: [one.wall for one in rounds[variant]] for variant in DOUBLE}
        row["one_thread_to_two"] = ratios(wall["one thread"], wall["two threads"])
    return row


COLUMNS = (
    ("case", 6), ("native ms", 11), ("bf16 ms", 9), ("f32 ms", 9), ("2 threads, wall", 16),
    ("JAX ms", 9), ("torchlogix ms", 14), ("JAX / native", 20), ("torchlogix / native", 20),
    ("1 / 2 threads", 18), ("FMA", 6), ("memory", 7),
)  # fmt: skip
HEADER = "".join(f"{name:>{width}}" for name, width in COLUMNS)


def table_row(name: str, row: dict[str, Any]) -> str:
    """Medians of milliseconds of CPU time; ratios as median (smallest-largest)."""

    def ms(kind: str, variant: str) -> str:
        found = row[kind].get(variant)
        return "" if found is None else f"{found['median']:.2f}"

    def ratio(kind: str, digits: int = 1) -> str:
        found = row.get(kind)
        if found is None:
            return ""
        median, low, high = (f"{found[key]:.{digits}f}" for key in ("median", "min", "max"))
        return f"{median} ({low}-{high})"

    quoted = row.get("torchlogix_quoted_ms")
    peer = ms("cpu_ms", "torchlogix") or (f"{quoted:.0f} quoted" if quoted else "")
    cells = (
        name, ms("cpu_ms", "native"), ms("cpu_ms", "bfloat16"), ms("cpu_ms", "float32"),
        ms("wall_ms", "two threads"), ms("cpu_ms", "jax"), peer,
        ratio("jax_to_native"), ratio("torchlogix_to_native"), ratio("one_thread_to_two", 2),
        f"{row['share_of_multiply_adds']:.0%}", f"{row['share_of_bandwidth']:.0%}",
    )  # fmt: skip
    return "".join(f"{cell:>{width}}" for cell, (_, width) in zip(cells, COLUMNS, strict=True))


if __name__ == "__main__":
    main()
