"""Small tables of the UCI repository, in the bits of Petersen et al. 2022 (2210.08277).

What the fields are was chosen by cross-validation on the training rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gatewright import data
from gatewright.datasets import split_by
from gatewright.readers import Split
from gatewright.recipes.table import Table


@dataclass(frozen=True)
class _Bits(Table):
    """The data's columns are bits."""

    thermometer: str = "0.5"


@dataclass(frozen=True)
class Monk1(_Bits):
    """MONK-1: head and body of one shape, or a red jacket; 124 rows to learn it from."""

    data_set: str = "monk1"
    layers: str = "L400:16"
    steps: int = 600


@dataclass(frozen=True)
class Monk2(_Bits):
    """MONK-2: exactly two of six attributes have their first value. Four layers, weight decay."""

    data_set: str = "monk2"
    layers: str = "L300:17,L150:24,L60:24,L20:24"
    form: str = "light"
    weight_decay: float = 0.2
    learning_rate: float = 0.02
    anneal: float = 0.5
    steps: int = 8000


@dataclass(frozen=True)
class Monk3(_Bits):
    """MONK-3: like the others a rule, but 5 % of the training rows are wrong: a high tau."""

    data_set: str = "monk3"
    layers: str = "L400:16"
    tau: float | None = 70.0
    steps: int = 600


@dataclass(frozen=True)
class Adult(_Bits):
    """Who earns over 50,000 dollars: 30,162 rows."""

    data_set: str = "adult"
    layers: str = "L2000:16,L2000:8"
    tau: float | None = 95.0
    batch_size: int = 128
    steps: int = 4000


@dataclass(frozen=True)
class BreastCancer(_Bits):
    """Whether a cancer came back (Ljubljana); 20 % of the rows judge, others with each seed."""

    data_set: str = "breast-cancer"
    layers: str = "L400:16"
    tau: float | None = 42.0
    steps: int = 600

    @cached_property
    def _splits(self) -> tuple[Split, Split | None, Split]:
        train, test = data.load(self.data_set)
        whole = Split(np.concatenate([train.x, test.x]), np.concatenate([train.y, test.y]))
        train, test = split_by(whole, self.seed)
        if self.held_out == 0:
            return train, None, test
        return *data.split(train, self.held_out), test
