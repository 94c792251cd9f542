"""Do deep networks train as well as shallow ones? MNIST, 6, 12 and 24 layers of equal width.

Forms and initialisations of gates that are made for depth, beside the Gaussian softmax of the first
paper. All else is that of the recipe `mnist-small`. The figure is the accuracy of the hard network
on the test rows.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from gatewright.experiment import run
from gatewright.recipes.mnist import MnistSmall
from lib.recording import parser, spread, write

#: Name -> fields of the recipe.
WAYS: dict[str, dict[str, Any]] = {
    "softmax, Gaussian": {"form": "softmax", "init": "gaussian", "learning_rate": 0.01},
    "softmax, residual": {"form": "softmax", "init": "residual", "learning_rate": 0.02},
    "softmax, strongly residual": {
        "form": "softmax", "init": "residual", "strength": 5.0, "learning_rate": 0.02,
    },
    "light, residual": {"form": "light", "init": "residual", "learning_rate": 0.02},
    "CovJac, residual": {
        "form": "covjac", "init": "residual", "strength": 1.0, "learning_rate": 0.02,
    },
}  # fmt: skip
DEPTHS = (6, 12, 24)
WIDTH = 2000


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--seeds", type=int, default=3, help="how many (3)")
    options.add_argument("--epochs", type=float, default=20.0, help="of each run (20)")
    given = options.parse_args()
    depths, width, epochs, seeds = DEPTHS, WIDTH, given.epochs, given.seeds
    ways = WAYS
    if given.quick:
        depths, width, epochs, seeds = (6, 12), 200, 0.1, 1
        ways = dict(list(WAYS.items())[:2])
    results: list[dict[str, Any]] = []
    for name, fields in ways.items():
        for depth in depths:
            runs = [_run(f"{depth}xG{width}", epochs, seed, fields) for seed in range(seeds)]
            results.append({"way": name, "depth": depth, "runs": runs})
            hard = spread([one["accuracy_hard"] for one in runs])
            gap = spread([one["gap"] for one in runs])
            print(
                f"{name:27} {depth:2} layers: hard {hard['median']:.2f} % "
                f"({hard['min']:.2f} to {hard['max']:.2f}), gap {gap['median']:+.2f}",
                flush=True,
            )
            write(given.json, {"width": width, "epochs": epochs, "results": results})


def _run(layers: str, epochs: float, seed: int, fields: dict[str, Any]) -> dict[str, Any]:
    recipe = MnistSmall(layers=layers, epochs=epochs, seed=seed, **fields)
    with tempfile.TemporaryDirectory() as folder:
        return run(recipe, Path(folder)).summary()


if __name__ == "__main__":
    main()
