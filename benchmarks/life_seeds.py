"""Whether Life comes out perfect for every seed, how fast, and how small.

For each seed: train until all 512 rows are right, extract, optimise, prove. Compiled code is thrown
away before each seed, so that every seed pays for compilation; JAX's import is given apart.
`life-tree` is run on fewer seeds, since each takes minutes.
"""

from __future__ import annotations

import sys
import tempfile
import time
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


def tree_seed(seed: int) -> dict[str, Any]:
    """One seed of `life-tree`: trained to the end or to perfection; nothing is extracted."""
    jax.clear_caches()
    begin = time.process_time()
    chosen = recipe("life-tree")(seed=seed)
    x, y = chosen.data()
    wrong, step = 512, 0
    for state in train(
        chosen.network(), x, y, chosen.optimizer(), steps=chosen.steps, seed=seed, chunk=50,
        **chosen.options(),
    ):  # fmt: skip
        wrong, step = round(512 * (1 - state.metrics.hard_accuracy)), state.step
        if chosen.is_done(state.metrics):
            wrong = int((state.network.hard_bits(x) != life_rule(x)).sum())
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
    given = options.parse_args()
    counts = {"life": 3, "life-tree": 1} if given.quick else {
        "life": given.seeds, "life-tree": given.tree_seeds,
    }  # fmt: skip
    results: dict[str, Any] = {"import_cpu_seconds": round(IMPORT_SECONDS, 3)}
    for name, one in (("life", life_seed), ("life-tree", tree_seed)):
        runs: list[dict[str, Any]] = []
        for seed in range(counts[name]):
            runs.append(one(seed))
            print(name, runs[-1], file=sys.stderr, flush=True)
        if not runs:
            continue
        results[name] = {"summary": summarise(runs), "runs": runs}
        print(name, results[name]["summary"], flush=True)
        write(given.json, results)


if __name__ == "__main__":
    main()
