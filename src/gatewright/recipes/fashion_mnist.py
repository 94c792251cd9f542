"""Fashion-MNIST: several thresholds a pixel, and layers that learn their wiring."""

from __future__ import annotations

from dataclasses import dataclass

from gatewright.recipes.classification import Classification


@dataclass(frozen=True)
class Fashion8k(Classification):
    """One layer of 8,000 gates."""

    data_set: str = "fashion-mnist"
    layers: str = "L8000:32"
    thermometer: str = "uniform:7"
    learning_rate: float = 0.05
    batch_size: int = 256
    epochs: float = 100
    tau: float | None = 15.0
    scale: float = 0.05
    shift: float = 1.0
    flip: bool = True
    final_temperature: float = 0.03
    anneal: float = 0.6


@dataclass(frozen=True)
class Fashion(Fashion8k):
    """The most accurate network of 64,000 gates that an hour on two cores gives."""

    layers: str = "2xL32000:16"
    tau: float | None = 30.0
