"""Fashion-MNIST: several thresholds a pixel, and layers that learn their wiring."""

from __future__ import annotations

from dataclasses import dataclass

from gatewright.recipes.classification import Classification


@dataclass(frozen=True)
class Fashion8k(Classification):
    """One layer of 8,000 gates, trained and then polished.

    The fields were chosen with 10,000 rows held out.
    """

    data_set: str = "fashion-mnist"
    layers: str = "L8000:32@5"
    init: str = "gaussian"
    thermometer: str = "quantile:7"
    learning_rate: float = 0.03
    batch_size: int = 100
    epochs: float = 30
    tau: float | None = 40.0
    divisions: int = 40
    crop: int = 1
    gain: float = 0.25
    augmented: float = 0.9
    weight_decay: float = 0.03
    final_temperature: float = 0.01
    anneal: float = 0.4
    polish: int = 12
    held_out: int = 1000


@dataclass(frozen=True)
class Fashion(Fashion8k):
    """Two layers of 32,000 gates, trained for a few epochs and then polished."""

    layers: str = "L32000:32@5,L32000:8@4"
    tau: float | None = 24.0
    divisions: int = 0
    augmented: float = 1.0
    batch_size: int = 256
    learning_rate: float = 0.05
    weight_decay: float = 0.02
    final_temperature: float = 0.003
    anneal: float = 0.6
    epochs: float = 4
    polish: int = 8
