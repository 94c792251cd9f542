"""A small trained classifier, for benchmarks that are given no run."""

from __future__ import annotations

from pathlib import Path

from gatewright import experiment
from gatewright.recipes import recipe


def small_run(folder: Path) -> Path:
    """The run folder of one layer of 1,000 gates, an epoch of MNIST."""
    run = folder / "mnist-8k"
    experiment.run(recipe("mnist-8k")(layers="L1000:8@3", epochs=1), run)
    return run
