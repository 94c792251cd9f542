"""Fashion-MNIST: several thresholds a pixel, and layers that learn their wiring."""

from __future__ import annotations

from dataclasses import dataclass

from gatewright.recipes.classification import Classification


@dataclass(frozen=True)
class Fashion8k(Classification):
    """One layer of 8,000 gates."""

    data_set: str = "fashion-mnist"
    layers: str = "L8000:128"
    init: str = "gaussian"
    thermometer: str = "quantile:7"
    learning_rate: float = 0.05
    batch_size: int = 256
    epochs: float = 40
    tau: float | None = 15.0
    flip: bool = True
    final_temperature: float = 0.01
    anneal: float = 0.4


@dataclass(frozen=True)
class Fashion(Fashion8k):
    """Two layers of 32,000 gates; not recorded yet."""

    layers: str = "L32000:128,L32000:8"
    tau: float | None = 30.0
