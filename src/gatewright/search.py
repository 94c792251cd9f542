"""What a sweep searches and what it finds: spaces, a plan, trials and their Pareto front."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from gatewright.recipes import Recipe
from gatewright.runs import name_of

if TYPE_CHECKING:
    import optuna

Pruner = Literal["median", "none"]
Value = str | float | bool | None

#: Rows that are held out where the recipe holds out none: a tenth, and at most so many.
HELD_OUT = 5_000

#: Where what is searched has no more combinations than this, nor than trials, each is tried once.
MAX_COMBINATIONS = 10_000


@dataclass(frozen=True)
class Range:
    """Numbers from low to high, both included; whole ones where both are `int`.

    Attributes:
        log: drawn evenly on a logarithmic scale.
        step: between neighbours; None: any number, or any whole one.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None

    def suggest(self, trial: optuna.Trial, name: str) -> Value:
        """What Optuna proposes for a trial."""
        low, high = self.low, self.high
        if isinstance(low, int) and isinstance(high, int):
            return trial.suggest_int(name, low, high, step=int(self.step or 1), log=self.log)
        return trial.suggest_float(name, low, high, step=self.step, log=self.log)

    def values(self) -> Sequence[Value] | None:
        """All of them; None where there are too many to list."""
        step = self.step or (1 if isinstance(self.low, int) else None)
        if step is None or (self.high - self.low) / step >= MAX_COMBINATIONS:
            return None
        num = math.floor((self.high - self.low) / step + 1e-9)
        return [self.low + i * step for i in range(num + 1)]


@dataclass(frozen=True)
class Choices:
    """One of some values, in no order."""

    options: tuple[Value, ...]

    def suggest(self, trial: optuna.Trial, name: str) -> Value:
        """What Optuna proposes for a trial."""
        return trial.suggest_categorical(name, self.options)

    def values(self) -> Sequence[Value]:
        """All of them."""
        return self.options


Space = Range | Choices


@dataclass(frozen=True)
class Plan:
    """What a sweep does; the same in every process of it.

    Attributes:
        recipe: with its fixed fields; its seed is also that of the search.
        search: the other fields, and where each is searched.
        url: of the study's storage: of a database, as SQLAlchemy takes it, or journal:///PATH, a
            file that is only appended to.
        study: its name in the storage.
        trials: of the study, over all its processes and commands; None: no end.
        until: no trial begins after this time.time(); None: no end.
        pruner: "median" ends a trial whose best held-out hard accuracy so far is below the median
            of what others, of networks no larger, had after the same share of their steps.
        held_out: rows that a trial holds out of the recipe's training rows; 0: the recipe does.
    """

    recipe: Recipe
    search: Mapping[str, Space]
    url: str
    study: str
    trials: int | None = 50
    until: float | None = None
    pruner: Pruner = "median"
    held_out: int = 0

    def identity(self) -> dict[str, Any]:
        """What may not change while the study lasts, as JSON."""
        fixed = {
            name: value
            for name, value in asdict(self.recipe).items()
            if name not in self.search and name != "threads"
        }
        return {
            "recipe": name_of(self.recipe),
            "fixed": fixed,
            "search": {name: _as_json(space) for name, space in self.search.items()},
            "pruner": self.pruner,
            "held_out": self.held_out or fixed.get("held_out"),
        }

    def combinations(self) -> list[dict[str, Value]] | None:
        """All of them in an order of the seed; None where they are more than the trials."""
        listed: list[Sequence[Value]] = []
        for space in self.search.values():
            values = space.values()
            if values is None:
                return None
            listed.append(values)
        limit = MAX_COMBINATIONS if self.trials is None else min(self.trials, MAX_COMBINATIONS)
        if math.prod(map(len, listed)) > limit:
            return None
        every = [dict(zip(self.search, one, strict=True)) for one in itertools.product(*listed)]
        order = np.random.default_rng(self.recipe.seed).permutation(len(every))
        return [every[i] for i in order]


@dataclass(frozen=True)
class Trial:
    """One training.

    Attributes:
        params: the fields that were searched.
        state: complete; pruned; failed, for `error`; lost: interrupted, or its process died; or
            running.
        accuracy: hard, on the held-out rows, in percent; of a pruned trial the last reported.
        gates, depth: two-input gates and levels of the whole circuit, head included, after the
            exact passes `strash` and `sweep`.
        same_as: the trial that was the same training, whose result this is.
    """

    number: int
    params: Mapping[str, Value]
    state: Literal["complete", "pruned", "failed", "lost", "running"]
    accuracy: float | None = None
    gates: int | None = None
    depth: int | None = None
    error: str | None = None
    same_as: int | None = None

    def __str__(self) -> str:
        accuracy = "" if self.accuracy is None else f", {self.accuracy:.2f} % held out"
        size = "" if self.gates is None else f", {self.gates:,} gates, depth {self.depth}"
        same = "" if self.same_as is None else f", as trial {self.same_as}"
        why = "" if self.error is None else f", {self.error}"
        params = spelt(self.params)
        return f"trial {self.number}, {params}: {self.state}{accuracy}{size}{same}{why}"


def spelt(params: Mapping[str, Value]) -> str:
    """Fields and their values in one line, numbers to four digits."""
    said = {
        name: "auto" if value is None else f"{value:.4g}" if type(value) is float else str(value)
        for name, value in params.items()
    }
    return " ".join(f"{name}={value}" for name, value in said.items())


def front_of(trials: Iterable[Trial]) -> tuple[Trial, ...]:
    """The Pareto front of accuracy, gates and depth: complete trials that no other one dominates.

    Of equal ones the first. The most accurate comes first.
    """
    kept: list[Trial] = []
    complete = [trial for trial in trials if trial.state == "complete"]
    for trial in sorted(complete, key=lambda trial: (*_costs(trial), trial.number)):
        costs = _costs(trial)  # what is at least as good comes before it
        if not any(all(a <= b for a, b in zip(_costs(one), costs, strict=True)) for one in kept):
            kept.append(trial)
    return tuple(kept)


def _costs(trial: Trial) -> tuple[float, int, int]:
    assert trial.accuracy is not None and trial.gates is not None and trial.depth is not None
    return -trial.accuracy, trial.gates, trial.depth


def with_held_out(recipe: Recipe) -> tuple[Recipe, int, int]:
    """(recipe, rows that a trial is to hold out of its training rows, rows it is judged on).

    A recipe that holds out no rows gets a tenth of its training rows in its field `held_out`; where
    there is no such field, each trial is to hold them out.
    """
    held_out: int | None = getattr(recipe, "held_out", None)
    if held_out:
        return recipe, 0, held_out
    num = min(HELD_OUT, max(1, len(recipe.data()[0]) // 10))
    if held_out is None:
        return recipe, num, num
    change: dict[str, Any] = {"held_out": num}
    return replace(recipe, **change), 0, num


def _as_json(space: Space) -> Any:
    return list(space.options) if isinstance(space, Choices) else asdict(space)
