"""MNIST: the networks of the first paper on logic gate networks, and some with learned wiring."""

from __future__ import annotations

from dataclasses import dataclass

from gatewright.recipes.classification import Classification


@dataclass(frozen=True)
class _Mnist(Classification):
    """Pixels above a quarter as bits, digits warped a little in every epoch, gates annealed."""

    init: str = "residual"
    strength: float | None = 2.0
    rotate: float = 5.0
    shear: float = 0.05
    scale: float = 0.05
    shift: float = 1.0
    elastic: float = 0.5
    anneal: float = 0.3


@dataclass(frozen=True)
class MnistSmall(_Mnist):
    """Six layers of 8,000 gates, the shape of Petersen et al. 2022 (2210.08277), table 2, small."""

    layers: str = "6xG8000"
    wiring: str = "unique"
    tau: float | None = 10.0
    learning_rate: float = 0.02
    batch_size: int = 128
    epochs: float = 80
    final_temperature: float = 0.03
    anneal: float = 0.4


@dataclass(frozen=True)
class MnistLarge(MnistSmall):
    """Six layers of 64,000 gates, as Petersen et al. 2022 (2210.08277), table 2, "normal"."""

    layers: str = "6xG64000"
    tau: float | None = 33.0
    epochs: float = 30
    final_temperature: float = 0.01
    anneal: float = 0.6


@dataclass(frozen=True)
class _Polished(_Mnist):
    """Two layers that learn their wiring among near ones, trained for a few epochs, then polished.

    What the fields are was chosen with 10,000 rows held out.
    """

    init: str = "gaussian"
    strength: float | None = None
    learning_rate: float = 0.075
    weight_decay: float = 0.02
    batch_size: int = 256
    epochs: float = 4
    rotate: float = 7.0
    shear: float = 0.08
    scale: float = 0.08
    elastic: float = 0.75
    final_temperature: float = 0.005
    anneal: float = 0.4
    polish: int = 12
    held_out: int = 1000


@dataclass(frozen=True)
class Mnist4k(_Polished):
    """Layers of 1,500 and 2,500 gates."""

    layers: str = "L1500:32@3,L2500:8@4"
    tau: float | None = 5.0


@dataclass(frozen=True)
class Mnist8k(_Polished):
    """Layers of 3,000 and 5,000 gates."""

    layers: str = "L3000:32@3,L5000:8@4"
    tau: float | None = 8.0


@dataclass(frozen=True)
class Mnist16k(_Polished):
    """Layers of 6,000 and 10,000 gates."""

    layers: str = "L6000:32@3,L10000:8@4"
    tau: float | None = 11.0


@dataclass(frozen=True)
class Mnist(_Polished):
    """Two layers of 32,000 gates."""

    layers: str = "L32000:32@3,L32000:8@4"
    tau: float | None = 20.0
    rotate: float = 8.0
    shear: float = 0.1
    scale: float = 0.1
    elastic: float = 1.0
    narrow: str = "0.05:12,0.12:6"
    epochs: float = 60
    polish: int = 8
