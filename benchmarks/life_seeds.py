"""Whether Life comes out perfect for every seed, how fast, and how small.

For each seed: train until all 512 rows are right, extract, optimise, prove. Compiled code is thrown
away before each seed, so that every seed pays for compilation; JAX's import is given apart.
`life-tree` is run on fewer seeds, since each takes minutes.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lib.recording import parser, spread, write

BEGIN = time.process_time()
import jax  # noqa: E402  (its import is timed)

from gatewright.automata import life_rule  # noqa: E402
from gatewright.life import learn  # noqa: E402
from gatewright.recipes import recipe  # noqa: E402
from gatewright.train import train  # noqa: E402

IMPORT_SECONDS = time.process_time() - BEGIN


def life_seed(seed: int) -> dict[str, Any]:
    """One seed of the main job, without the speed table."""
    jax.clear_caches()
    begin = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        learned = learn(recipe("life")(seed=seed), Path(folder))
    summary = learned.summary()
    kept = ("seed", "steps", "cpu_seconds", "wrong_rows", "gates_extracted", "gates", "depth")
    return {
        **{key: summary[key] for key in kept},
        "is_proved": learned.is_proved,
        "cpu_seconds_with_proofs": round(time.process_time() - begin, 3),
    }


#: `life-tree` as the reference trains it: a softmax over sixteen gates.
SOFTMAX: dict[str, Any] = {"form": "softmax", "strength": 10.0, "learning_rate": 0.05}


def tree_seed(seed: int, **fields: Any) -> dict[str, Any]:
    """One seed of `life-tree`: trained to the end or to perfection; nothing is extracted."""
    jax.clear_caches()
    begin = time.process_time()
    chosen = recipe("life-tree")(seed=seed, **fields)
    rule, _ = chosen.data()
    wrong, step = 512, 0
    for state in train(
        chosen.network(), rule.x, rule.y, chosen.optimizer(),
        steps=chosen.steps, seed=seed, chunk=50, **chosen.options(),
    ):  # fmt: skip
        wrong, step = round(512 * (1 - state.metrics.hard_accuracy)), state.step
        if chosen.is_done(state.metrics):
            wrong = int((state.network.hard_bits(rule.x) != life_rule(rule.x)).sum())
            break
    return {
        "seed": seed,
        "steps": step,
        "wrong_rows": wrong,
        "cpu_seconds": round(time.process_time() - begin, 3),
    }


def summarise(runs: list[dict[str, Any]]) -> dict[str, Any]:
    perfect = [run for run in runs if run["wrong_rows"] == 0]
    found = {
        "seeds": len(runs),
        "perfect": len(perfect),
        "cpu_seconds": spread([run["cpu_seconds"] for run in runs]),
        "steps": spread([run["steps"] for run in perfect]) if perfect else None,
    }
    if "gates" in runs[0]:
        found |= {
            "proved": sum(run["is_proved"] for run in runs),
            "gates": spread([run["gates"] for run in runs]),
            "cpu_seconds_with_proofs": spread([run["cpu_seconds_with_proofs"] for run in runs]),
        }
    return found


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--seeds", type=int, default=100, help="of life (100)")
    options.add_argument("--tree-seeds", type=int, default=12, help="of life-tree (12)")
    options.add_argument("--softmax-seeds", type=int, default=4, help="of it in softmax form (4)")
    given = options.parse_args()
    if given.quick:
        given.seeds, given.tree_seeds, given.softmax_seeds = 3, 1, 0
    plan: list[tuple[str, int, Callable[[int], dict[str, Any]]]] = [
        ("life", given.seeds, life_seed),
        ("life-tree", given.tree_seeds, tree_seed),
        ("life-tree softmax", given.softmax_seeds, lambda seed: tree_seed(seed, **SOFTMAX)),
    ]
    results: dict[str, Any] = {"import_cpu_seconds": round(IMPORT_SECONDS, 3)}
    for name, num_seeds, one in plan:
        runs: list[dict[str, Any]] = []
        for seed in range(num_seeds):
            runs.append(one(seed))
            print(name, runs[-1], file=sys.stderr, flush=True)
        if not runs:
            continue
        results[name] = {"summary": summarise(runs), "runs": runs}
        print(name, results[name]["summary"], flush=True)
        write(given.json, results)


if __name__ == "__main__":
    main()
