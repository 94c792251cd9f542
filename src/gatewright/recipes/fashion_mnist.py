"""Fashion-MNIST: several thresholds a pixel, and layers that learn their wiring."""

from __future__ import annotations

from dataclasses import dataclass

from gatewright.recipes.classification import Classification


@dataclass(frozen=True)
class Fashion8k(Classification):
    """Layers of 3,000 and 5,000 gates, trained for a few epochs and then polished.

    The fields were chosen with 10,000 rows held out.
    """

    data_set: str = "fashion-mnist"
    layers: str = "L3000:32@5,L5000:8@4"
    init: str = "gaussian"
    thermometer: str = "quantile:7"
    learning_rate: float = 0.05
    weight_decay: float = 0.02
    batch_size: int = 256
    epochs: float = 4
    tau: float | None = 32.0
    divisions: int = 40
    crop: int = 1
    gain: float = 0.25
    final_temperature: float = 0.003
    anneal: float = 0.6
    polish: int = 12
    held_out: int = 1000


@dataclass(frozen=True)
class Fashion(Fashion8k):
    """Layers of 32,000 gates."""

    layers: str = "L32000:32@5,L32000:8@4"
    tau: float | None = 24.0
    divisions: int = 0
    polish: int = 8
