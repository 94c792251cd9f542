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
class _Learned(_Mnist):
    """A layer that learns its wiring among pixels near one another; perhaps another behind it.

    What the fields are was chosen with 10,000 rows held out.
    """

    init: str = "gaussian"
    strength: float | None = None
    learning_rate: float = 0.075
    batch_size: int = 256
    epochs: float = 150
    tau: float | None = 10.0
    final_temperature: float = 0.005
    anneal: float = 0.4
    held_out: int = 1000


@dataclass(frozen=True)
class Mnist4k(_Learned):
    """One layer of 4,000 gates."""

    layers: str = "L4000:32@3"
    tau: float | None = 5.0


@dataclass(frozen=True)
class Mnist8k(_Learned):
    """One layer of 8,000 gates."""

    layers: str = "L8000:32@3"


@dataclass(frozen=True)
class Mnist16k(_Learned):
    """Two layers of 8,000 gates, both of which learn their wiring; polished behind training."""

    layers: str = "L8000:32@3,L8000:8@4"
    weight_decay: float = 0.02
    rotate: float = 7.0
    shear: float = 0.08
    scale: float = 0.08
    elastic: float = 0.75
    narrow: str = "0.05:12,0.12:6"
    epochs: float = 100
    polish: int = 10


@dataclass(frozen=True)
class Mnist(_Learned):
    """Two layers of 32,000 gates, polished behind training."""

    layers: str = "L32000:32@3,L32000:8@4"
    tau: float | None = 20.0
    weight_decay: float = 0.02
    rotate: float = 8.0
    shear: float = 0.1
    scale: float = 0.1
    elastic: float = 1.0
    narrow: str = "0.05:12,0.12:6"
    epochs: float = 60
    polish: int = 8
