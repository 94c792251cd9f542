"""How small `optimize` makes Life, starting from trained networks: one a seed, each result proved.

Gates at -O2 and -O3, and ANDs where XORs are free; with the CPU time of each, ABC's included.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from gatewright.automata import life_rule
from gatewright.life import learn
from gatewright.model import Model
from gatewright.passes import optimize
from gatewright.recipes import recipe
from gatewright.verify import prove
from lib.recording import parser, spread, write

#: What is tried: name -> arguments of `optimize`.
WAYS: dict[str, dict[str, Any]] = {
    "O2": {"effort": 2},
    "O3": {"effort": 3},
    "and": {"effort": 3, "objective": "and"},
}


def cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def measure(seed: int, time_budget: float) -> dict[str, Any]:
    """One seed, every way."""
    with tempfile.TemporaryDirectory() as folder:
        learn(recipe("life")(seed=seed), Path(folder))
        trained = Model.load(Path(folder, "model.safetensors")).circuit
    row: dict[str, Any] = {"seed": seed, "gates_trained": trained.num_gates}
    for name, arguments in WAYS.items():
        begin = cpu_seconds()
        small = optimize(trained, **arguments, time_budget=time_budget)
        prove(small, life_rule)
        stats = small.stats()
        row[name] = {
            "gates": stats.gates,
            "ands": stats.ands,
            "depth": stats.depth,
            "cpu_seconds": round(cpu_seconds() - begin, 2),
        }
    return row


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--seeds", type=int, default=20)
    options.add_argument("--time-budget", type=float, default=20.0, metavar="SECONDS")
    given = options.parse_args()
    num_seeds, budget = (1, 5.0) if given.quick else (given.seeds, given.time_budget)
    rows: list[dict[str, Any]] = []
    for seed in range(num_seeds):
        rows.append(measure(seed, budget))
        print(rows[-1], flush=True)
    summary = {
        name: {
            what: spread([row[name][what] for row in rows])
            for what in ("gates", "ands", "cpu_seconds")
        }
        for name in WAYS
    }
    print(summary)
    write(given.json, {"time_budget": budget, "summary": summary, "rows": rows})


if __name__ == "__main__":
    main()
