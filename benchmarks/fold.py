"""Accuracy against gates: the votes of trained classifiers folded, and training goes on.

Takes finished run folders, such as `benchmarks/recipes.py mnist-8k --folder runs` leaves, and does
what `gatewright fold` does with each. Without a folder it trains a small classifier first.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gatewright.folding import fold
from lib.recording import parser, write
from lib.small import small_run


def measure(run: Path, folder: Path, shares: list[float], epochs: float | None) -> dict[str, Any]:
    """The points of one run's curve."""
    begin, cpu = time.perf_counter(), time.process_time()
    points = [asdict(point) for point in fold(run, folder, shares, epochs=epochs)]
    first = points[0]
    for point in points[1:]:
        point["fewer_gates"] = round(1 - point["gates"] / first["gates"], 4)
        point["points_lost"] = round(first["accuracy_test"] - point["accuracy_test"], 4)
        print(run.name, point, flush=True)
    return {
        "run": run.name,
        "points": points,
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "wall_seconds": round(time.perf_counter() - begin, 1),
    }


def main() -> None:
    options = parser(__doc__)
    options.add_argument("runs", nargs="*", type=Path, metavar="RUN")
    options.add_argument("--keep", default="0.6,0.5,0.4,0.3", metavar="SHARES")
    options.add_argument("--epochs", type=float, help="of each training (the recipe's)")
    given = options.parse_args()
    shares = [float(share) for share in given.keep.split(",")]
    with tempfile.TemporaryDirectory() as scratch:
        runs = given.runs
        if not runs:
            runs, shares, given.epochs = [small_run(Path(scratch))], shares[1:2], 1
        rows = [
            measure(run, Path(scratch, str(i)), shares, given.epochs) for i, run in enumerate(runs)
        ]
    summary = {
        str(share): {
            what: round(statistics.mean(row["points"][i][what] for row in rows), 4)
            for what in ("fewer_gates", "points_lost")
        }
        for i, share in enumerate(shares, 1)
    }
    print(summary)
    write(given.json, {"epochs": given.epochs, "rows": rows, "mean": summary})


if __name__ == "__main__":
    main()
