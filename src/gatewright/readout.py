"""`Numbers`: how a circuit's outputs are read as numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gatewright.errors import InputError

#: Bits of a count at most: float64 holds it.
MOST_BITS = 52


@dataclass(frozen=True)
class Numbers:
    """Outputs that are counts of equal width side by side, each least significant bit first.

    A count n means `offset + scale * n`.

    Attributes:
        num: of the numbers.
        scale, offset: of all of them.
    """

    num: int
    scale: float
    offset: float

    def __post_init__(self) -> None:
        if self.num < 1 or not (math.isfinite(self.scale) and math.isfinite(self.offset)):
            raise InputError(
                f"numbers are at least 1, of a finite scale and offset, not {self.num}, "
                f"{self.scale} and {self.offset}"
            )

    def check(self, num_outputs: int) -> None:
        """InputError where so many outputs are not so many counts."""
        if num_outputs % self.num or num_outputs > MOST_BITS * self.num:
            raise InputError(
                f"{num_outputs} outputs are not {self.num} counts of equal width, at most "
                f"{MOST_BITS} bits each"
            )

    def __call__(self, outputs: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
        """bool[N, outputs] -> [N], or [N, num] where there are several."""
        values = np.multiply(self.counts(outputs), self.scale, dtype=np.float64) + self.offset
        return values[:, 0] if self.num == 1 else values

    def counts(self, outputs: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        """bool[N, outputs] -> int64[N, num]."""
        width = outputs.shape[1] // self.num
        bits = outputs.reshape(len(outputs), self.num, width)
        counts = np.zeros(bits.shape[:2], np.int64)
        for i in range(width):
            counts += bits[:, :, i].astype(np.int64) << i
        return counts

    def to_json(self) -> dict[str, Any]:
        return {"num": self.num, "scale": self.scale, "offset": self.offset}

    @staticmethod
    def of_json(about: dict[str, Any]) -> Numbers:
        return Numbers(int(about["num"]), float(about["scale"]), float(about["offset"]))
