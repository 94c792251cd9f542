"""Regression on tables that scikit-learn ships, with the head `Affine`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gatewright.datasets import split_by
from gatewright.errors import InputError, MissingTool
from gatewright.readers import Split
from gatewright.recipes.table import Table

if TYPE_CHECKING:
    from gatewright.heads import Sums


@dataclass(frozen=True)
class Regression(Table):
    """A column of numbers from the others; accuracies are R^2 in percent. A seed splits anew.

    Attributes:
        groups: of the outputs, each counting twice the one before; see `gatewright.affine.Affine`.
        room: by how much the numbers that the outputs span are wider than those to learn; below 1
            what is learnt keeps to the middle.
    """

    measure: ClassVar[str] = "R^2"

    thermometer: str = "quantile:31"
    per_feature: bool = True
    layers: str = "L600:16"
    batch_size: int = 128
    steps: int = 500
    groups: int = 1
    room: float = 0.8

    @cached_property
    def _splits(self) -> tuple[Split, Split | None, Split]:
        if self.held_out:
            raise InputError("held_out is 0 in a regression: its rows are few")
        train, test = split_by(Split(*_table(self.data_set), of_numbers=True), self.seed)
        return train, None, test

    def _head(self) -> Sums:
        from gatewright.affine import Affine

        y = self._splits[0].y
        low, high = float(y.min()), float(y.max())
        spare = (self.room - 1) / 2 * (high - low)
        return Affine(low - spare, high + spare, spread=float(y.std()), groups=self.groups)


@dataclass(frozen=True)
class Diabetes(Regression):
    """How far diabetes went in a year, from 10 measurements of 442 people (Efron et al. 2004)."""

    data_set: str = "diabetes"


@dataclass(frozen=True)
class WineAlcohol(Regression):
    """The alcohol in 178 wines, from 12 other measurements (UCI)."""

    data_set: str = "wine-alcohol"


def _table(name: str) -> tuple[Any, Any]:
    """Samples and numbers of a table of scikit-learn's."""
    try:
        tables: Any = import_module("sklearn.datasets")
    except ImportError as error:
        raise MissingTool(
            f"{name} comes with scikit-learn: pip install 'gatewright[sklearn]'"
        ) from error
    if name == "diabetes":
        x, y = tables.load_diabetes(return_X_y=True, scaled=False)
    elif name == "wine-alcohol":
        columns = tables.load_wine().data
        x, y = columns[:, 1:], columns[:, 0]
    else:
        raise InputError(f"no table {name!r} to regress on; there are diabetes and wine-alcohol")
    return np.asarray(x, np.float32), np.asarray(y, np.float32)
