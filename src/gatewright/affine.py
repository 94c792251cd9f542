"""`Affine`: the head of a number."""

from __future__ import annotations

import math
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jax import Array

from gatewright.arith import weighted_sum
from gatewright.circuit import Builder, Circuit
from gatewright.errors import InputError
from gatewright.heads import Sums
from gatewright.readout import Numbers

#: Counts that an Affine head tells apart: float32, in which it learns, holds them.
MOST_COUNT = 1 << 20


class Affine(Sums):
    """A number: from `low`, where all outputs are 0, to `high`, where all are 1.

    With one group it is an affine function of how many outputs are 1 (Petersen et al. 2022,
    2210.08277, the section on regression). With more the outputs fall into equal groups and group g
    counts 2^g times, as the digits of a binary number do. The circuit gives the weighted count,
    least significant bit first; `numbers` says how a count becomes a number.

    Targets are numbers [batch]. The loss is the mean squared error in units of `spread`, and a
    decision's merit 1 less its squared error in these units: where spread is the standard deviation
    of the targets, the mean merit is R^2, the coefficient of determination.

    Attributes:
        low, high: the numbers that all zeros and all ones mean.
        spread: of the targets; None is a quarter of high - low.
        groups: in which the outputs fall.
    """

    low: float = eqx.field(static=True)
    high: float = eqx.field(static=True)
    spread: float = eqx.field(static=True)
    groups: int = eqx.field(static=True)

    def __init__(
        self, low: float, high: float, *, spread: float | None = None, groups: int = 1
    ) -> None:
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise InputError(f"Affine's low is below its high, not {low} and {high}")
        spread = (high - low) / 4 if spread is None else spread
        if not (spread > 0 and math.isfinite(spread)):
            raise InputError(f"Affine's spread is above 0, not {spread}")
        if groups < 1:
            raise InputError(f"Affine has at least 1 group, not {groups}")
        self.low, self.high, self.spread = float(low), float(high), float(spread)
        self.groups = groups

    @property
    def num_groups(self) -> int:
        return self.groups

    @property
    def weights(self) -> npt.NDArray[np.float32]:
        """float32[groups]: what each group counts, the last one 1."""
        return np.exp2(np.arange(self.groups) - (self.groups - 1)).astype(np.float32)

    def check(self, num_outputs: int) -> None:
        if num_outputs % self.groups:
            raise InputError(
                f"Affine(groups={self.groups}) needs a multiple of {self.groups} outputs, the last "
                f"layer has {num_outputs}"
            )
        if self._most(num_outputs) >= MOST_COUNT:
            raise InputError(
                f"Affine(groups={self.groups}) counts {num_outputs} outputs up to "
                f"{self._most(num_outputs)}, and tells {MOST_COUNT} apart; take fewer groups"
            )

    def check_targets(self, y: npt.NDArray[Any], num_outputs: int) -> None:
        del num_outputs
        if y.ndim != 1 or y.dtype.kind not in "iuf" or not np.isfinite(y).all():
            raise InputError(f"Affine learns finite numbers [N]; y is {y.dtype}{list(y.shape)}")

    def tau_of(self, group_size: int) -> float:
        """The groups' sums by their weights, over this, are the number less low in spreads."""
        most = group_size * float(self.weights.sum())
        return most * self.spread / (self.high - self.low)

    def kernel_targets(
        self, y: npt.NDArray[Any]
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32] | None]:
        in_spreads = ((y - self.low) / self.spread).astype(np.float32)
        return np.zeros(len(y), np.int32), in_spreads[:, None]

    def readout_of(self, group_size: int) -> npt.NDArray[np.float32]:
        del group_size
        return np.append(self.weights, np.float32(0))[None, :]

    def scores_of(self, sums: Array, group_size: int) -> Array:
        return self.low + self.spread * super().scores_of(sums, group_size)

    def step_merit(self, loss: float, share_right: float) -> float:
        del share_right
        return 1 - loss

    def numbers(self, num_outputs: int) -> Numbers:
        """How the circuit's count becomes a number."""
        return Numbers(1, (self.high - self.low) / self._most(num_outputs), self.low)

    def _most(self, num_outputs: int) -> int:
        """The highest count."""
        return num_outputs // self.groups * (2**self.groups - 1)

    def loss(self, scores: Array, y: Array) -> Array:
        return 1 - self.merit(scores, y).mean()

    def merit(self, scores: Array, y: Array) -> Array:
        return 1 - ((scores[:, 0] - y.astype(scores.dtype)) / self.spread) ** 2

    def decide(self, scores: Array, num_outputs: int) -> Array:
        most = self._most(num_outputs)
        count = jnp.round((scores - self.low) * (most / (self.high - self.low))).astype(jnp.int32)
        return (count >> jnp.arange(most.bit_length())[None, :]) & 1 == 1

    def merit_of_bits(
        self, bits: npt.NDArray[np.bool_], y: npt.NDArray[Any], num_outputs: int
    ) -> float:
        error = (self.numbers(num_outputs)(bits) - y) / self.spread
        return float(1 - (error**2).mean())

    def circuit(self, num_outputs: int) -> Circuit:
        self.check(num_outputs)
        builder = Builder([f"x{i}" for i in range(num_outputs)], "weighted_sum")
        size = num_outputs // self.groups
        columns = [builder.inputs[g * size : (g + 1) * size] for g in range(self.groups)]
        for i, literal in enumerate(weighted_sum(builder, columns)):
            builder.output(f"y{i}", literal)
        return builder.build()
