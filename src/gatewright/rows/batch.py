"""`Batch`: some samples of an input, and what its rows are called; how large a batch is."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gatewright.model import Model

#: Samples of a batch at most, and bytes of their numbers, about: they stay in the caches.
ROWS = 1 << 16
BYTES = 1 << 22


@dataclass(frozen=True, eq=False)
class Batch:
    """Samples as `Model.predict` takes them.

    Attributes:
        samples: an array, an Arrow table or a mapping of names to columns; its memory may be used
            for the next batch.
        count: how many.
        share: of the input what lies before the end of these; None where its size is not known.
        place: what the row of a number, from 0, is called: "row 70000", "line 7".
        is_bits: whether these are the circuit's input bits, whatever the model's encoder.
    """

    samples: Any
    count: int
    share: float | None
    place: Callable[[int], str]
    is_bits: bool = False


def rows_of(first: int) -> Callable[[int], str]:
    """The places of rows that are counted on from `first`."""
    return lambda row: f"row {first + row}"


def num_rows(row_bytes: int) -> int:
    """Samples of a batch, of so many bytes each."""
    return max(1, min(ROWS, BYTES // max(1, row_bytes)))


def shape_of(model: Model) -> tuple[int, ...]:
    """The shape of one sample."""
    return (model.circuit.num_inputs,) if model.encoder is None else model.encoder.shape


def num_numbers(model: Model) -> int:
    """Numbers of one sample."""
    return math.prod(shape_of(model))
