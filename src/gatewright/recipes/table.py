"""What the recipes of small tables share."""

from __future__ import annotations

from dataclasses import dataclass

from gatewright.recipes.classification import Classification


@dataclass(frozen=True)
class Table(Classification):
    """Few rows: gates that begin anywhere and learn their wiring, annealed, on one thread."""

    init: str = "gaussian"
    learning_rate: float = 0.05
    final_temperature: float = 0.05
    anneal: float = 0.4
    held_out: int = 0
    threads: int = 1
