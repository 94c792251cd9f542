"""Encoders: samples -> the bits that a network reads.

Bit i of a packed row is bit i % 64 of word i // 64. Encoders are frozen; `Encoder.about` and
`Encoder.arrays` are what a file keeps of one, and `encoders.restore` makes it again.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from gatewright import arrow
from gatewright.errors import InputError

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Octets = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint64]

#: Bits encoded at a time: what is between samples and packed words stays in cache.
SLICE_BITS = 1 << 19

HOW = ("uniform", "quantile", "learned")


@dataclass(frozen=True, eq=False)
class BitTable:
    """What each bit is of a row of features: the contract that the engine's packing keeps.

    A comparison is that of the numbers themselves, however they are typed. NaN is over nothing and
    equal to nothing.

    Attributes:
        column: int32[num_bits], the feature that a bit is of.
        kind: uint8[num_bits]: `OVER`, the feature is over the limit; `EQUAL`, it is the limit;
            `MISSING`, it is NaN.
        limit: float64[num_bits]; of no meaning where the kind is `MISSING`.
    """

    OVER: ClassVar[int] = 0
    EQUAL: ClassVar[int] = 1
    MISSING: ClassVar[int] = 2

    column: npt.NDArray[np.int32]
    kind: Octets
    limit: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        for name, dtype in (("column", np.int32), ("kind", np.uint8), ("limit", np.float64)):
            held = np.array(getattr(self, name), dtype)
            held.flags.writeable = False
            object.__setattr__(self, name, held)
        if self.column.ndim != 1 or not self.column.shape == self.kind.shape == self.limit.shape:
            raise InputError(
                f"BitTable: column, kind and limit are {list(self.column.shape)}, "
                f"{list(self.kind.shape)} and {list(self.limit.shape)}; give one entry a bit"
            )

    def __call__(self, rows: Array) -> Bools:
        """Rows of numbers [N, features] -> bool[N, num_bits], with NumPy: the specification."""
        x = rows[:, self.column]
        found = np.where(self.kind == self.OVER, x > self.limit, x == self.limit)
        return np.where(self.kind == self.MISSING, np.isnan(x), found)


class Encoder(ABC):
    """Samples of one shape -> bits.

    Attributes:
        shape: of one sample.
        bit_table: what each bit is of what `rows` returns.
    """

    shape: tuple[int, ...]

    @property
    @abstractmethod
    def num_bits(self) -> int:
        """Bits that a sample becomes."""

    @property
    @abstractmethod
    def about(self) -> dict[str, Any]:
        """What `restore` needs beside the arrays, as JSON can hold it; "kind" as in `encoders`."""

    @property
    def arrays(self) -> dict[str, Array]:
        """The arrays that `restore` needs."""
        return {}

    @property
    @abstractmethod
    def bit_table(self) -> BitTable:
        raise NotImplementedError

    @abstractmethod
    def _encode(self, rows: Array) -> Bools:
        """Samples [n, features] -> bool[n, num_bits]."""

    def __call__(self, x: npt.ArrayLike) -> Bools:
        """Samples [N, *shape] -> bool[N, num_bits]."""
        return self.encode(self.rows(x))

    def encode(self, rows: Array) -> Bools:
        """What `rows` returned -> bool[N, num_bits]."""
        result = np.empty((len(rows), self.num_bits), bool)
        for part in self._slices(len(rows)):
            result[part] = self._encode(rows[part])
        return result

    def pack(self, x: npt.ArrayLike) -> Words:
        """Samples [N, *shape] -> uint64[N, ceil(num_bits / 64)]; the unused bits are 0."""
        rows = self.rows(x)
        num_words = -(-self.num_bits // 64)
        packed = np.zeros((len(rows), 8 * num_words), np.uint8)
        for part in self._slices(len(rows)):
            octets = self._pack(rows[part])
            packed[part, : octets.shape[1]] = octets
        # Words are little-endian by definition, whatever the machine.
        return packed.view("<u8").astype(np.uint64, copy=False)

    def _pack(self, rows: Array) -> Octets:
        """Samples [n, features] -> uint8[n, ceil(num_bits / 8)]."""
        return np.packbits(self._encode(rows), axis=1, bitorder="little")

    def rows(self, x: npt.ArrayLike) -> Array:
        """Samples [N, *shape] -> [N, features], seen to be numbers that this encodes.

        They may be an Arrow table: a column of lists, or a column a feature.
        """
        samples = arrow.samples(x, self.shape) if arrow.is_table(x) else np.asarray(x)
        if samples.shape[1:] != self.shape or samples.ndim == 0:
            raise InputError(
                f"{type(self).__name__}: samples are {samples.dtype}{list(samples.shape)}; "
                f"give [N{''.join(f', {size}' for size in self.shape)}]"
            )
        if samples.dtype.kind not in "buif":
            raise InputError(f"{type(self).__name__}: samples are {samples.dtype}; give numbers")
        return samples.reshape(len(samples), math.prod(self.shape))

    def _slices(self, num_rows: int) -> list[slice]:
        step = max(1, SLICE_BITS // max(1, self.num_bits))
        return [slice(first, first + step) for first in range(0, num_rows, step)]


@dataclass(frozen=True, eq=False)
class Identity(Encoder):
    """Bits as they are: samples of 0 and 1 (bool or any number type) of the given shape."""

    shape: tuple[int, ...]

    @property
    def num_bits(self) -> int:
        return math.prod(self.shape)

    @property
    def about(self) -> dict[str, Any]:
        return {"kind": "identity", "shape": list(self.shape)}

    @staticmethod
    def restore(about: Mapping[str, Any], arrays: Mapping[str, Array]) -> Identity:
        """The encoder that gave these; KeyError or TypeError where there is none."""
        del arrays
        return Identity(tuple(int(size) for size in about["shape"]))

    @property
    def bit_table(self) -> BitTable:
        return _over(np.full((self.num_bits, 1), 0.5))

    def rows(self, x: npt.ArrayLike) -> Array:
        rows = super().rows(x)
        is_small = rows.dtype.kind == "b" or (
            not (rows > 1).any() if rows.dtype.kind == "u" else bool(np.isin(rows, (0, 1)).all())
        )
        if not is_small:
            raise InputError("bits are 0 or 1; encode other values, with a Thermometer")
        return rows

    def _encode(self, rows: Array) -> Bools:
        return rows.astype(bool, copy=False)


@dataclass(frozen=True, eq=False)
class Thermometer(Encoder):
    """A feature -> one bit for each threshold: feature > threshold. NaN gives zeros.

    Bits are in feature-major order: all of feature 0, then all of feature 1.

    Attributes:
        thresholds: float32[bits] for all features, or float32[features, bits]; rising.
        shape: of one sample; its features are its entries in row-major order.
        octets: whether it was fitted to uint8, so that samples can be taken to be that.
    """

    thresholds: Floats
    shape: tuple[int, ...]
    octets: bool = False

    def __post_init__(self) -> None:
        thresholds = np.array(self.thresholds, np.float32)
        fits = thresholds.ndim == 1 or (
            thresholds.ndim == 2 and len(thresholds) == math.prod(self.shape)
        )
        if not fits or thresholds.shape[-1] == 0:
            raise InputError(
                f"Thermometer: thresholds are {list(thresholds.shape)}; give at least one, "
                f"[bits] or [{math.prod(self.shape)}, bits]"
            )
        if not np.isfinite(thresholds).all() or (np.diff(thresholds, axis=-1) < 0).any():
            raise InputError("Thermometer: thresholds are not finite and rising; sort them")
        thresholds.flags.writeable = False
        object.__setattr__(self, "thresholds", thresholds)
        object.__setattr__(self, "shape", tuple(int(size) for size in self.shape))

    @staticmethod
    def fit(
        x: npt.ArrayLike,
        bits: int = 1,
        how: str = "uniform",
        *,
        y: npt.ArrayLike | None = None,
        thresholds: npt.ArrayLike | None = None,
        per_feature: bool = False,
    ) -> Thermometer:
        """Fit `bits` thresholds to samples [N, ...], one set for all features or one for each.

        "uniform" spreads them evenly between the least and the greatest value: of the type for
        uint8 and bool (unless `per_feature`), else of the data. "quantile" gives the values between
        two neighbouring thresholds equal shares of the data; a value that alone has more than such
        a share (the background of an image) gets one threshold, and the others share the rest.
        "learned" begins there and moves them so that the soft bits tell the classes y apart
        (`gatewright.thresholds.learn`; it takes JAX seconds).
        `thresholds` are taken as they are instead, float[bits] or float[features, bits].
        """
        samples = np.asarray(x)
        shape, octets = samples.shape[1:], samples.dtype == np.uint8
        if thresholds is not None:
            return Thermometer(np.asarray(thresholds, np.float32), shape, octets)
        if bits < 1 or how not in HOW:
            raise InputError(
                f"Thermometer: bits is {bits} and how {how!r}; "
                f"give at least 1 bit and one of {', '.join(HOW)}"
            )
        if samples.size == 0 or samples.dtype.kind not in "buif" or not np.isfinite(samples).all():
            raise InputError(
                f"Thermometer: cannot fit to {samples.dtype}{list(samples.shape)}; "
                "give samples of finite numbers"
            )
        place = uniform_thresholds if how == "uniform" else quantile_thresholds
        rows = samples.reshape(len(samples), -1)
        if per_feature:
            placed = np.stack([place(feature, bits) for feature in rows.T])
        else:
            limits = _type_limits(samples.dtype) if how == "uniform" else None
            placed = place(samples if limits is None else limits, bits)
        if how == "learned":
            from gatewright.thresholds import learn  # JAX: not to be loaded for the others

            if y is None:
                raise InputError("Thermometer: how='learned' learns from labels; give y")
            placed = learn(placed.astype(np.float32), rows, y)
        return Thermometer(placed.astype(np.float32), shape, octets)

    @property
    def bits(self) -> int:
        """Bits a feature."""
        return self.thresholds.shape[-1]

    @property
    def num_bits(self) -> int:
        return math.prod(self.shape) * self.bits

    @property
    def bit_table(self) -> BitTable:
        return _over(np.broadcast_to(self.thresholds, (math.prod(self.shape), self.bits)))

    @property
    def about(self) -> dict[str, Any]:
        return {"kind": "thermometer", "shape": list(self.shape), "octets": self.octets}

    @property
    def arrays(self) -> dict[str, Array]:
        return {"thresholds": self.thresholds}

    @staticmethod
    def restore(about: Mapping[str, Any], arrays: Mapping[str, Array]) -> Thermometer:
        """The encoder that gave these; KeyError or TypeError where there is none."""
        shape, octets = tuple(about["shape"]), bool(about.get("octets", False))
        return Thermometer(arrays["thresholds"], shape, octets)

    def _encode(self, rows: Array) -> Bools:
        return np.stack(self._planes(rows), axis=-1).reshape(len(rows), self.num_bits)

    def _pack(self, rows: Array) -> Octets:
        if self.bits == 1 or self.bits > 8:
            return super()._pack(rows)
        # Eight features at a time: bit k of an octet of plane b goes to bit k * bits + b.
        octets = np.arange(256, dtype=np.uint64)
        spread = np.zeros(256, np.uint64)
        for k in range(8):
            spread |= (octets >> np.uint64(k) & np.uint64(1)) << np.uint64(k * self.bits)
        mixed = np.zeros((len(rows), -(-rows.shape[1] // 8)), "<u8")
        for bit, plane in enumerate(self._planes(rows)):
            # A table of the index type is read several times faster.
            index = np.packbits(plane, axis=1, bitorder="little").astype(np.intp)
            mixed |= (spread << np.uint64(bit)).take(index)
        used = mixed.view(np.uint8).reshape(*mixed.shape, 8)[..., : self.bits]
        return used.reshape(len(rows), -1)[:, : -(-self.num_bits // 8)]

    def _planes(self, rows: Array) -> list[Bools]:
        """Samples [n, features] -> bool[n, features] for each threshold."""
        if rows.dtype != np.uint8:
            return [rows > self.thresholds[..., bit] for bit in range(self.bits)]
        # For a whole number, x > t is x > floor(t); comparing bytes is many times faster.
        floors = np.floor(self.thresholds)
        limits = np.clip(floors, 0, 255).astype(np.uint8)
        planes = [rows > limits[..., bit] for bit in range(self.bits)]
        if floors.min() < 0:
            planes = [plane | (floors[..., bit] < 0) for bit, plane in enumerate(planes)]
        return planes


def _over(limits: Array) -> BitTable:
    """Bits that are over limits[features, bits], all of a feature's after those before it."""
    column = np.repeat(np.arange(len(limits), dtype=np.int32), limits.shape[1])
    return BitTable(column, np.full(limits.size, BitTable.OVER, np.uint8), limits.ravel())


def _type_limits(dtype: np.dtype[Any]) -> Array | None:
    limits = {np.dtype(np.uint8): (0, 255), np.dtype(np.bool_): (0, 1)}.get(dtype)
    return None if limits is None else np.array(limits, np.float32)


def uniform_thresholds(values: Array, bits: int) -> Doubles:
    """Thresholds that divide the range of the values evenly: float64[bits]."""
    low, high = float(values.min()), float(values.max())
    steps = np.arange(1, bits + 1) / (bits + 1)
    return low + (high - low) * steps


def quantile_thresholds(values: Array, bits: int) -> Doubles:
    """Thresholds between distinct values, whose capped counts they divide evenly."""
    distinct, counts = _distinct(values)
    if len(distinct) <= bits + 1:
        between = (distinct[:-1] + distinct[1:]) / 2
        return np.append(between, np.full(bits - len(between), distinct[-1]))
    # The cap is the share of a level where no value counts for more than the cap. Lowering it to
    # the share of what is left caps more values; it ends when no more are.
    cap = counts.sum() / (bits + 1)
    while True:
        is_heavy = counts > cap
        lower = counts[~is_heavy].sum() / (bits + 1 - is_heavy.sum())
        if lower >= cap:
            break
        cap = lower
    weights: npt.NDArray[np.float64] = np.cumsum(np.minimum(counts, cap))
    levels = weights[-1] * np.arange(1, bits + 1) / (bits + 1)
    levels *= 1 - 1e-9  # a level that is reached but for rounding is reached
    cuts = np.array([np.count_nonzero(weights < level) for level in levels.tolist()])
    cuts = np.minimum(cuts, len(distinct) - 2)
    return (distinct[cuts] + distinct[cuts + 1]) / 2


def _distinct(values: Array) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    if values.dtype != np.uint8:
        distinct, counts = np.unique(values, return_counts=True)
        return distinct.astype(np.float64), counts.astype(np.int64)
    counts = np.zeros(256, np.int64)
    flat = values.ravel()
    for first in range(0, flat.size, SLICE_BITS):
        counts += np.bincount(flat[first : first + SLICE_BITS], minlength=256)
    present = np.flatnonzero(counts)
    return present.astype(np.float64), counts[present]
