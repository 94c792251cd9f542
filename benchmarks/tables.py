"""Logic estimators beside scikit-learn's histogram gradient boosting, both at default settings.

Twelve tables to classify and three to regress on, a few seeds each: accuracy (R^2) on the test
rows, the circuit's size, and how long prediction of a row takes, each on one thread in alternating
runs, from the table that a user has to the labels. With --large: `fit` on 100,000 rows of 50
columns in a process of its own, whose memory it tells.
"""

from __future__ import annotations

import os
import statistics
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

import gatewright as gw
from gatewright.memory import peak_rss
from gatewright.sklearn import LogicClassifier, LogicRegressor
from lib.recording import parser, write
from lib.tables import CLASSIFICATION, REGRESSION, load

#: Rows of a call of predict in the timing, at least, and calls of each side.
ROWS, ROUNDS = 50_000, 5
#: Of the comparison: points of accuracy, and of R^2.
NEAR, NEAR_R2 = 1.5, 0.03
#: Rows to learn and to judge by, and columns, of the large table.
LARGE, JUDGES, COLUMNS = 100_000, 10_000, 50


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--seeds", type=int, default=3, help="how many (3)")
    options.add_argument("--large", action="store_true", help="the large table instead")
    options.add_argument("--only", nargs="*", metavar="TABLE", help="some of the tables")
    given = options.parse_args()
    if given.large:
        found = large()
        write(given.json, found)
        print(found)
        return
    folder = Path(os.environ.get("GATEWRIGHT_DATA", "data"))
    seeds = 1 if given.quick else given.seeds
    names = given.only or (["iris"] if given.quick else [*CLASSIFICATION, *REGRESSION])
    rows: list[dict[str, Any]] = []
    for name in names:
        rows.append(compare(name, range(seeds), folder))
        print(line(rows[-1]), flush=True)
        write(given.json, {"tables": rows, "summary": summary(rows)})
    print(summary(rows))


def compare(name: str, seeds: range, folder: Path) -> dict[str, Any]:
    """Both sides on one table."""
    ours, peers, gates, fit_cpu, ratios, nanoseconds = [], [], [], [], [], []
    for seed in seeds:
        x, x_test, y, y_test = load(name, seed, folder)
        if name in REGRESSION:
            logic: Any = LogicRegressor(random_state=seed)
            boosting: Any = HistGradientBoostingRegressor(random_state=seed)
        else:
            logic = LogicClassifier(random_state=seed, unseen="ignore")
            boosting = HistGradientBoostingClassifier(random_state=seed)
        with threadpool_limits(1):
            boosting.fit(x, y)
        begin = time.process_time()
        logic.fit(x, y)
        fit_cpu.append(time.process_time() - begin)
        ours.append(logic.score(x_test, y_test))
        peers.append(boosting.score(x_test, y_test))
        gates.append(logic.model_.circuit.num_gates)
        ratio, ours_ns = speed(logic, boosting, x_test)
        ratios.append(ratio)
        nanoseconds.append(ours_ns)
    return {
        "name": name,
        "measure": "R^2" if name in REGRESSION else "accuracy",
        "seeds": len(seeds),
        "logic": statistics.mean(ours),
        "boosting": statistics.mean(peers),
        "logic_runs": ours,
        "boosting_runs": peers,
        "gates": statistics.mean(gates),
        "fit_cpu_seconds": statistics.mean(fit_cpu),
        "predict_nanoseconds_a_row": statistics.median(nanoseconds),
        "boosting_takes_times_as_long": statistics.median(ratios),
        "ratio_runs": ratios,
    }


def speed(logic: Any, boosting: Any, x: Any) -> tuple[float, float]:
    """How many times as long boosting takes for a row, and our CPU-nanoseconds: medians of runs."""
    times = -(-ROWS // len(x))
    many = pd.concat([x] * times) if isinstance(x, pd.DataFrame) else np.tile(x, (times, 1))
    # On one thread, like the other side; the model keeps what it is compiled to.
    object.__setattr__(logic.model_, "_compiled", gw.compile(logic.model_, threads=1))
    logic.predict(many)
    pairs = []
    with threadpool_limits(1):
        boosting.predict(many)
        for _ in range(ROUNDS):
            begin = time.process_time()
            logic.predict(many)
            middle = time.process_time()
            boosting.predict(many)
            pairs.append((middle - begin, time.process_time() - middle))
    ratio = statistics.median(theirs / ours for ours, theirs in pairs)
    return ratio, 1e9 * statistics.median(ours for ours, _ in pairs) / len(many)


def large() -> dict[str, Any]:
    """`fit` at default settings on a large table."""
    x, y = make_classification(LARGE + JUDGES, COLUMNS, n_informative=20, random_state=0)
    begin, cpu = time.perf_counter(), time.process_time()
    found = LogicClassifier(random_state=0, n_jobs=2).fit(x[:LARGE], y[:LARGE])
    wall, cpu = time.perf_counter() - begin, time.process_time() - cpu
    with threadpool_limits(2):
        boosting = HistGradientBoostingClassifier(random_state=0).fit(x[:LARGE], y[:LARGE])
    return {
        "rows": LARGE,
        "columns": COLUMNS,
        "wall_seconds": wall,
        "cpu_seconds": cpu,
        "peak_rss_mb": peak_rss() / 1e6,
        "accuracy": found.score(x[LARGE:], y[LARGE:]),
        "boosting_accuracy": boosting.score(x[LARGE:], y[LARGE:]),
        "gates": found.model_.circuit.num_gates,
    }


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """How many tables are as near to boosting as they should be."""
    tables = [row for row in rows if row["measure"] == "accuracy"]
    numbers = [row for row in rows if row["measure"] == "R^2"]
    return {
        "tables": len(tables),
        "within_1.5_points": sum(100 * (r["boosting"] - r["logic"]) <= NEAR for r in tables),
        "regressions": len(numbers),
        "within_0.03": sum(r["boosting"] - r["logic"] <= NEAR_R2 for r in numbers),
        "ten_times_faster": sum(r["boosting_takes_times_as_long"] >= 10 for r in rows),
    }


def line(row: dict[str, Any]) -> str:
    return (
        f"{row['name']:24} {row['measure']:8} {100 * row['logic']:6.2f}, boosting "
        f"{100 * row['boosting']:6.2f}; {row['gates']:6.0f} gates; fit "
        f"{row['fit_cpu_seconds']:5.1f} CPU-s; {row['predict_nanoseconds_a_row']:6.0f} ns a row, "
        f"boosting {row['boosting_takes_times_as_long']:.1f} times as long"
    )


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
