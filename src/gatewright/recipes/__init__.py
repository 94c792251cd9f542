"""Named recipes: data, network, schedule and when to stop, each family in a file of its own.

A recipe is a frozen dataclass whose fields are what a user may override (`gatewright train NAME
--field value`), and whose methods build the rest.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from gatewright.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    import optax

    from gatewright.model import Model
    from gatewright.network import Network
    from gatewright.polishing import Round
    from gatewright.readers import Split
    from gatewright.train import Metrics


@dataclass(frozen=True)
class Recipe:
    """What every recipe has.

    Attributes:
        seed: of the network's wiring and parameters, and of everything random in training.
        steps: optimiser steps at most.
        learning_rate: of the optimiser.
    """

    #: What its accuracies are.
    measure: ClassVar[str] = "accuracy"
    #: Fields that may change when a run is resumed.
    CHANGEABLE: ClassVar[tuple[str, ...]] = ("steps",)

    seed: int = 0
    steps: int = 1000
    learning_rate: float = 0.01

    @property
    def num_steps(self) -> int:
        """Optimiser steps at most, when all fields are considered."""
        return self.steps

    @abstractmethod
    def data(self) -> tuple[Split, Split]:
        """The rows to train on, and those to judge the trained network by."""

    @abstractmethod
    def network(self) -> Network:
        """The network before training."""

    @abstractmethod
    def optimizer(self) -> optax.GradientTransformation:
        """The optimiser."""

    def trials(self) -> Mapping[float, Recipe]:
        """Values of tau and short recipes that try them before the run; none: tau is as it is."""
        return {}

    def options(self) -> dict[str, Any]:
        """More arguments for `gatewright.train.fit`: an encoder, a temperature, a batch size."""
        return {}

    def polished(
        self,
        network: Network,
        rows: Split,
        progress: Callable[[Round], None] | None = None,
        done: int = 0,
    ) -> Network:
        """What is done to the trained network before it is extracted.

        Args:
            rows: to do it by, those that it was trained on.
            done: rounds of it that the network has been through.
        """
        del rows, progress, done
        return network

    def finish(self, model: Model) -> Model:
        """What is done to the extracted model, by training rows alone."""
        return model

    def is_done(self, metrics: Metrics) -> bool:
        """True when training may stop early."""
        del metrics
        return False


#: Recipe name -> (module, class).
RECIPES: dict[str, tuple[str, str]] = {
    "life": ("life", "Life"),
    "life-tree": ("life", "LifeTree"),
    "mnist-small": ("mnist", "MnistSmall"),
    "mnist-large": ("mnist", "MnistLarge"),
    "mnist-4k": ("mnist", "Mnist4k"),
    "mnist-8k": ("mnist", "Mnist8k"),
    "mnist-16k": ("mnist", "Mnist16k"),
    "mnist": ("mnist", "Mnist"),
    "fashion-8k": ("fashion_mnist", "Fashion8k"),
    "fashion": ("fashion_mnist", "Fashion"),
    "monk1": ("uci", "Monk1"),
    "monk2": ("uci", "Monk2"),
    "monk3": ("uci", "Monk3"),
    "adult": ("uci", "Adult"),
    "breast-cancer": ("uci", "BreastCancer"),
    "diabetes": ("regression", "Diabetes"),
    "wine-alcohol": ("regression", "WineAlcohol"),
}


def recipe(name: str) -> type[Recipe]:
    """The class of a named recipe; InputError lists the known ones."""
    if name not in RECIPES:
        raise InputError(f"unknown recipe {name!r}; known: {', '.join(RECIPES)}")
    module, attribute = RECIPES[name]
    return getattr(import_module(f"gatewright.recipes.{module}"), attribute)
