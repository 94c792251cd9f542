"""Heads: what turns the last layer's outputs into scores, a loss, and a decision in bits.

`Bits`: every output is a bit. `GroupSum`: groups vote for classes. `affine.Affine`: a number.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jax import Array

from gatewright import counting
from gatewright.circuit import Builder, Circuit
from gatewright.codes import halves, tells_apart
from gatewright.errors import InputError


class Head(eqx.Module):
    """Turns the last layer's outputs into scores, a loss, and a decision in bits. Abstract."""

    def check(self, num_outputs: int) -> None:
        """InputError where the head cannot serve this many outputs."""

    def check_targets(self, y: npt.NDArray[Any], num_outputs: int) -> None:
        """InputError where the targets are not what the head decides from this many outputs."""

    def scores(self, x: Array) -> Array:
        """Last layer [n, batch] -> scores [batch, s]."""
        raise NotImplementedError

    def loss(self, scores: Array, y: Array) -> Array:
        """Mean loss over the batch, the head's default."""
        raise NotImplementedError

    def merit(self, scores: Array, y: Array) -> Array:
        """[batch]: what each decision is worth; whether it is right, unless it is a number's."""
        raise NotImplementedError

    def decide(self, scores: Array, num_outputs: int) -> Array:
        """bool[batch, m]: the decision as bits; equal to `circuit` on hard outputs."""
        raise NotImplementedError

    def merit_of_bits(
        self, bits: npt.NDArray[np.bool_], y: npt.NDArray[Any], num_outputs: int
    ) -> float:
        """The mean merit of decisions bool[batch, m], as `circuit(num_outputs)` gives them."""
        raise NotImplementedError

    def circuit(self, num_outputs: int) -> Circuit:
        """The decision as gates: num_outputs inputs, m outputs."""
        raise NotImplementedError


class Bits(Head):
    """Every output is a bit of the answer; squared error against 0/1 targets [batch, m]."""

    def check_targets(self, y: npt.NDArray[Any], num_outputs: int) -> None:
        if y.size != len(y) * num_outputs:
            raise InputError(
                f"the head Bits() learns {num_outputs} bits a row, one for each output of the last "
                f"layer; y has shape {list(y.shape)}"
            )
        if not np.isin(y, (0, 1)).all():
            raise InputError("the head Bits() learns targets of 0 and 1; y holds other values")

    def scores(self, x: Array) -> Array:
        return x.T

    def loss(self, scores: Array, y: Array) -> Array:
        return ((scores - y.astype(scores.dtype).reshape(scores.shape)) ** 2).mean()

    def merit(self, scores: Array, y: Array) -> Array:
        return ((scores > 0.5) == (y.reshape(scores.shape) > 0)).all(axis=1)

    def decide(self, scores: Array, num_outputs: int) -> Array:
        return scores[:, :num_outputs] > 0.5

    def target_bits(self, y: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """bool[batch, m]: the decision that is right."""
        return y.reshape(len(y), -1) > 0

    def merit_of_bits(
        self, bits: npt.NDArray[np.bool_], y: npt.NDArray[Any], num_outputs: int
    ) -> float:
        return _share_equal(bits, self.target_bits(y))

    def circuit(self, num_outputs: int) -> Circuit:
        builder = Builder([f"x{i}" for i in range(num_outputs)], "bits")
        for i, literal in enumerate(builder.inputs):
            builder.output(f"y{i}" if num_outputs > 1 else "y", literal)
        return builder.build()


def _share_equal(bits: npt.NDArray[np.bool_], others: npt.NDArray[np.bool_]) -> float:
    return float((bits == others).all(axis=1).mean())


Tau = float | Literal["auto", "learned"]


def classes_of(y: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Class numbers [N] of GroupSum's targets: as they are, or the likeliest of [N, C]."""
    return y if y.ndim == 1 else y.argmax(axis=1)


class Sums(Head):
    """A head that reads its outputs as the sums of equal groups: what the native kernel trains.

    Attributes:
        num_groups: in which the outputs fall.
        smoothing: of the targets of classes.
    """

    @property
    def num_groups(self) -> int:
        raise NotImplementedError

    def readout_of(self, group_size: int) -> npt.NDArray[np.float32] | None:
        """float32[s, num_groups + 1]: what each sum adds to each score, and last a constant.

        None where each sum is a score.
        """
        del group_size
        return None

    @property
    def smoothing(self) -> float:
        return 0.0

    def tau_of(self, group_size: int) -> float | Array:
        """What the sums, once read out, are divided by to be scores, or a number in its unit."""
        raise NotImplementedError

    def kernel_targets(
        self, y: npt.NDArray[Any]
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32] | None]:
        """Targets as the kernel takes them: classes [N], and reals [N, c] in their place, if any.

        c is the number of classes, or 1 of a number.
        """
        raise NotImplementedError

    def scores(self, x: Array) -> Array:
        groups = x.reshape(self.num_groups, -1, x.shape[1])
        return self.scores_of(groups.sum(axis=1).T, groups.shape[1])

    def scores_of(self, sums: Array, group_size: int) -> Array:
        """Sums [N, num_groups] of groups of this size -> scores [N, s]."""
        if (readout := self.readout_of(group_size)) is not None:
            exact = jax.lax.Precision.HIGHEST
            sums = jnp.matmul(sums, readout[:, :-1].T, precision=exact) + readout[:, -1:].T
        return sums / self.tau_of(group_size)

    def step_merit(self, loss: float, share_right: float) -> float:
        """Mean merit of a step's rows, from their mean loss and the share that is decided right."""
        raise NotImplementedError


class GroupSum(Sums):
    """Votes: outputs fall in equal groups, a class each; its score is its group's sum over tau.

    With `divisions` a group is not a class's but divides the classes into halves: its ones are
    votes for all classes of the one half, its zeros for those of the other (`codes.halves`). So
    each output serves every class. Its circuit has the groups' counts to add besides.

    Targets are class numbers [batch], or the probability of each class [batch, num_classes], say
    what a better network gives (Hinton et al. 2015, 1503.02531): the right class is then the
    likeliest. The loss is the cross-entropy of the scores. The decision is the class with the
    highest sum, the lowest such class on a tie, as ceil(log2(num_classes)) bits, least significant
    first (Petersen et al. 2022, section 3.2).

    Attributes:
        tau: temperature of the scores: a number; "auto", the square root of the group's size, with
            divisions as much more as two classes' scores then differ more by chance; or "learned",
            trained with the gates from there on. The decision does not depend on it.
        label_smoothing: s in the loss, the cross-entropy with targets (1 - s) y + s / C for C
            classes, y as probabilities (Szegedy et al. 2015, section 7).
        divisions: groups, each of which divides the classes; 0: a group a class.
        log_tau: float32[], trainable, where tau is learned: log(tau / auto); else None.
    """

    num_classes: int = eqx.field(static=True)
    tau: Tau = eqx.field(static=True)
    label_smoothing: float = eqx.field(static=True)
    divisions: int = eqx.field(static=True)
    log_tau: Array | None

    def __init__(
        self,
        num_classes: int,
        tau: Tau = "auto",
        *,
        label_smoothing: float = 0.0,
        divisions: int = 0,
    ) -> None:
        if num_classes < 2:
            raise InputError(f"GroupSum tells at least 2 classes apart, not {num_classes}")
        if isinstance(tau, str) and tau not in ("auto", "learned"):
            raise InputError(f"GroupSum's tau is a number, 'auto' or 'learned', not {tau!r}")
        if not isinstance(tau, str) and not (tau > 0 and math.isfinite(tau)):
            raise InputError(f"GroupSum's tau is positive, 'auto' or 'learned', not {tau}")
        if not 0 <= label_smoothing < 1:
            raise InputError(
                f"GroupSum's label_smoothing is from 0 to below 1, not {label_smoothing}"
            )
        if divisions < 0 or (divisions and not tells_apart(halves(num_classes, divisions))):
            raise InputError(
                f"GroupSum's divisions are 0, or enough to tell {num_classes} classes apart, not "
                f"{divisions}; {2 * num_classes} are"
            )
        self.num_classes = num_classes
        self.tau = tau
        self.label_smoothing = label_smoothing
        self.divisions = divisions
        self.log_tau = jnp.zeros((), dtype=jnp.float32) if tau == "learned" else None

    def with_tau(self, tau: Tau) -> GroupSum:
        """The same with another tau; what was learned stays."""
        head = GroupSum(
            self.num_classes, tau, label_smoothing=self.label_smoothing, divisions=self.divisions
        )
        object.__setattr__(head, "log_tau", self.log_tau)
        return head

    def check(self, num_outputs: int) -> None:
        if num_outputs % self.num_groups:
            divided = f", divisions={self.divisions}" if self.divisions else ""
            raise InputError(
                f"GroupSum({self.num_classes}{divided}) needs a multiple of {self.num_groups} "
                f"outputs, the last layer has {num_outputs}"
            )

    def check_targets(self, y: npt.NDArray[Any], num_outputs: int) -> None:
        if y.ndim == 2:
            self._check_probabilities(y)
            return
        whole = y.ndim == 1 and np.issubdtype(y.dtype, np.integer)
        if not whole or y.min() < 0 or y.max() >= self.num_classes:
            raise InputError(
                f"GroupSum({self.num_classes}) learns integer classes [N] from 0 to "
                f"{self.num_classes - 1}; y is {y.dtype}{list(y.shape)}"
                + (f" from {y.min()} to {y.max()}" if whole else "")
            )

    def _check_probabilities(self, y: npt.NDArray[Any]) -> None:
        fits = y.shape[1] == self.num_classes and y.dtype.kind == "f"
        if fits:
            is_row = (y >= 0).all(axis=1) & (np.abs(y.sum(axis=1) - 1) <= 1e-3)
            fits = bool(is_row.all())
        if not fits:
            raise InputError(
                f"GroupSum({self.num_classes}) learns probabilities [N, {self.num_classes}], "
                f"floats from 0 that make 1 a row; y is {y.dtype}{list(y.shape)}"
            )

    @property
    def num_groups(self) -> int:
        return self.divisions or self.num_classes

    def readout_of(self, group_size: int) -> npt.NDArray[np.float32] | None:
        if not self.divisions:
            return None
        code = halves(self.num_classes, self.divisions).T
        against = (code < 0).sum(axis=1, keepdims=True)  # groups whose zeros are its votes
        return np.hstack([code, group_size * against]).astype(np.float32)

    @property
    def smoothing(self) -> float:
        return self.label_smoothing

    def kernel_targets(
        self, y: npt.NDArray[Any]
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32] | None]:
        shares = None if y.ndim == 1 else y.astype(np.float32, copy=False)
        return classes_of(y).astype(np.int32), shares

    def step_merit(self, loss: float, share_right: float) -> float:
        del loss
        return share_right

    def tau_of(self, group_size: int) -> float | Array:
        """The temperature of the scores for groups of this many outputs."""
        if self.tau == "auto":
            return self.auto_tau(group_size)
        if self.log_tau is not None:
            return jnp.exp(self.log_tau) * self.auto_tau(group_size)
        assert not isinstance(self.tau, str)
        return self.tau

    def auto_tau(self, group_size: int) -> float:
        """By rule: with random votes two classes' scores differ by a variance of 1/2."""
        if not self.divisions:
            return math.sqrt(group_size)
        half, pairs = self.num_classes // 2, math.comb(self.num_classes, 2)
        apart = self.divisions * half * (self.num_classes - half) / pairs  # groups, of a mean pair
        return math.sqrt(2 * apart * group_size)

    def loss(self, scores: Array, y: Array) -> Array:
        log_probability = jax.nn.log_softmax(scores, axis=1)
        if y.ndim == 1:
            index = y[:, None].astype(jnp.int32)
            of_target = jnp.take_along_axis(log_probability, index, axis=1).mean()
        else:
            of_target = (y * log_probability).sum(axis=1).mean()
        if not self.label_smoothing:
            return -of_target
        s = self.label_smoothing
        return -(1 - s) * of_target - s * log_probability.mean()

    def merit(self, scores: Array, y: Array) -> Array:
        return jnp.argmax(scores, axis=1) == (y if y.ndim == 1 else jnp.argmax(y, axis=1))

    def decide(self, scores: Array, num_outputs: int) -> Array:
        del num_outputs
        winner = jnp.argmax(scores, axis=1)
        num_bits = (self.num_classes - 1).bit_length()
        return (winner[:, None] >> jnp.arange(num_bits)[None, :]) & 1 == 1

    def target_bits(self, y: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        """bool[batch, m]: the decision that is right."""
        return (classes_of(y)[:, None] >> np.arange((self.num_classes - 1).bit_length())) & 1 == 1

    def merit_of_bits(
        self, bits: npt.NDArray[np.bool_], y: npt.NDArray[Any], num_outputs: int
    ) -> float:
        return _share_equal(bits, self.target_bits(y))

    def circuit(self, num_outputs: int) -> Circuit:
        self.check(num_outputs)
        return counting.vote(self.num_classes, num_outputs // self.num_groups, self.divisions)

    def counting_circuit(self, num_outputs: int) -> Circuit:
        """The votes of each class as gates: a binary number each, least significant bit first."""
        self.check(num_outputs)
        return counting.counts(self.num_classes, num_outputs // self.num_groups, self.divisions)
