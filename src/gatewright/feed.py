"""What training steps read: rows of packed bits in the order of a seed, warped on the way if asked.

Rows are packed [N, W] with bit i of a row at bit i % 64 of word i // 64, so a batch of MNIST is a
few kilobytes and is gathered by row number.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jax import Array

from gatewright import native
from gatewright.augment import Augment
from gatewright.encode import Encoder
from gatewright.errors import InputError
from gatewright.network import Network

Octets = npt.NDArray[np.uint8]
Targets = npt.NDArray[Any]
Words = npt.NDArray[np.uint64]

#: Images that are warped and encoded at a time: what is between them stays small.
IMAGES_AT_ONCE = 4096


@dataclass(frozen=True, eq=False)
class Feed:
    """Rows and targets of a training run; a pure function of the seed and the step number.

    Attributes:
        packed: uint64[N, W], the rows as they are; of no rows where images are warped.
        targets: [N] or [N, m], floats in float32.
        images: what is warped and encoded anew each time, where augment is given.
        augment_steps: steps in which it is warped; later it is taken as it is. None: all.
    """

    num_inputs: int
    packed: Words
    targets: Targets
    seed: int
    images: npt.NDArray[Any] | None = None
    encoder: Encoder | None = None
    augment: Augment | None = None
    augment_steps: int | None = None

    @staticmethod
    def make(
        network: Network,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        *,
        encoder: Encoder | None = None,
        augment: Augment | None = None,
        augment_steps: int | None = None,
        seed: int = 0,
    ) -> Feed:
        """The rows x, bits or what the encoder encodes, and targets y of a network.

        Raises:
            InputError: they do not fit the network, its head or each other.
        """
        if augment_steps is not None and augment_steps < 0:
            raise InputError(f"augment_steps is at least 0, or None for all, not {augment_steps}")
        samples, targets = np.asarray(x), np.asarray(y)
        k = network.num_inputs
        if encoder is None and samples.ndim and samples.shape[1:] != (k,):
            raise InputError(f"x has shape {list(samples.shape)}; the network reads rows [N, {k}]")
        num_x, num_y = (len(array) if array.ndim else 0 for array in (samples, targets))
        if num_x != num_y or num_x == 0:
            raise InputError(
                f"x has {num_x} rows and y {num_y}; both have the same number, at least 1"
            )
        if encoder is None:
            if augment is not None:
                raise InputError("augment warps images, which an encoder turns into bits: give one")
            packed = _pack_bits(samples)
        else:
            if encoder.num_bits != k:
                raise InputError(
                    f"the encoder gives {encoder.num_bits} bits, the network reads {k}; "
                    "make it with num_inputs=encoder.num_bits"
                )
            packed = encoder.pack(samples if augment is None else samples[:0])
        network.head.check_targets(targets, network.layers[-1].num_outputs)
        if targets.dtype == np.float64:
            targets = targets.astype(np.float32)
        if augment is None:
            return Feed(k, packed, targets, seed)
        return Feed(k, packed, targets, seed, samples, encoder, augment, augment_steps)

    @property
    def num_rows(self) -> int:
        return len(self.targets)

    def words(self, part: slice) -> Words:
        """Packed rows uint64[n, W], not warped."""
        if self.images is None:
            return self.packed[part]
        assert self.encoder is not None
        return self.encoder.pack(self.images[part])

    def octets(self, part: slice) -> Octets:
        """Packed rows uint8[n, ceil(num_inputs / 8)], not warped."""
        return _octets(self.words(part), self.num_inputs)

    def by_input(self) -> Words:
        """All rows, not warped, as a circuit reads them: uint64[num_inputs, ceil(N / 64)]."""
        parts = range(0, self.num_rows, IMAGES_AT_ONCE)  # a multiple of 64
        return np.concatenate(
            [self.columns(self.words(slice(begin, begin + IMAGES_AT_ONCE))) for begin in parts],
            axis=1,
        )

    def columns(self, words: Words) -> Words:
        """Packed rows uint64[n, W] as a circuit reads them: uint64[num_inputs, ceil(n / 64)]."""
        return native.transpose(words, self.num_inputs)

    def batches(self, batch: int, step: int, count: int) -> tuple[Words, Targets]:
        """Packed rows uint64[count * batch, W] and targets of steps `step` to step + count - 1."""
        rows = self._order(batch, step, count)
        targets = self.targets[rows]
        if targets.ndim == 1 and targets.dtype.kind != "f":
            targets = targets.astype(np.int32)
        return self._warped(rows, step * batch, batch), targets

    def indexed(self, batch: int, step: int, count: int) -> tuple[Array, Array, Array]:
        """The same for a compiled step: rows of each step int32[count, batch], octets, targets.

        Where each step takes all rows as they are, the row numbers have no columns.
        """
        if self.images is None:
            octets, targets = self._on_device
            if batch == self.num_rows:
                return jnp.zeros((count, 0), dtype=jnp.int32), octets, targets
            rows = self._order(batch, step, count).astype(np.int32)
            return jnp.asarray(rows.reshape(count, batch)), octets, targets
        rows = self._order(batch, step, count)
        octets = jnp.asarray(_octets(self._warped(rows, step * batch, batch), self.num_inputs))
        numbers = jnp.arange(count * batch, dtype=jnp.int32).reshape(count, batch)
        return numbers, octets, jnp.asarray(self.targets[rows])

    def share(
        self, batch: int, step: int, count: int, part: slice
    ) -> tuple[npt.NDArray[np.uint8], Targets]:
        """Rows `part` of the batch of each step: octets [count, n, W], targets [count, n, ...].

        No other rows are read or warped.
        """
        rows = self._order(batch, step, count).reshape(count, batch)[:, part]
        first = [(step + i) * batch + part.start for i in range(count)]
        words = [self._warped(one, at, batch) for one, at in zip(rows, first, strict=True)]
        octets = _octets(np.concatenate(words), self.num_inputs)
        return octets.reshape(*rows.shape, -1), self.targets[rows]

    def _order(self, batch: int, step: int, count: int) -> npt.NDArray[np.int64]:
        """int64[count * batch]: the rows of these steps; every epoch permutes all rows anew.

        A batch that straddles two epochs takes the end of one and the beginning of the next. One
        of all rows needs no order.
        """
        num = self.num_rows
        if batch == num:
            return np.tile(np.arange(num), count)
        first, last = step * batch, (step + count) * batch
        epochs = range(first // num, -(-last // num))
        order = np.concatenate(
            [np.random.default_rng((self.seed, epoch)).permutation(num) for epoch in epochs]
        )
        begin = first - epochs.start * num
        return order[begin : begin + last - first]

    def _warped(self, rows: npt.NDArray[np.int64], first: int, batch: int) -> Words:
        """These rows, of which the first is sample `first` of the run, as they are trained on."""
        if self.images is None:
            return self.packed[rows]
        assert self.encoder is not None and self.augment is not None
        num_warped = len(rows)
        if self.augment_steps is not None:
            num_warped = min(max(self.augment_steps * batch - first, 0), num_warped)
        result = np.empty((len(rows), self.packed.shape[1]), np.uint64)
        for begin in range(0, num_warped, IMAGES_AT_ONCE):
            part = slice(begin, min(begin + IMAGES_AT_ONCE, num_warped))
            warped = self.augment(self.images, rows[part], seed=self.seed, first=first + begin)
            result[part] = self.encoder.pack(warped)
        for begin in range(num_warped, len(rows), IMAGES_AT_ONCE):
            part = slice(begin, begin + IMAGES_AT_ONCE)
            result[part] = self.encoder.pack(self.images[rows[part]])
        return result

    @cached_property
    def _on_device(self) -> tuple[Array, Array]:
        return jnp.asarray(_octets(self.packed, self.num_inputs)), jnp.asarray(self.targets)


def _pack_bits(samples: npt.NDArray[Any]) -> Words:
    """Rows of bits [N, k] -> uint64[N, ceil(k / 64)]."""
    is_bit = (samples == 0) | (samples == 1)
    if not is_bit.all():
        where = cast(list[int], np.argwhere(~is_bit)[0].tolist())
        raise InputError(
            f"x{where} is {samples[tuple(where)]}; inputs are bits, 0 or 1: give an encoder"
        )
    octets = np.packbits(samples.astype(np.bool_, copy=False), axis=1, bitorder="little")
    packed = np.zeros((len(samples), -(-samples.shape[1] // 64) * 8), np.uint8)
    packed[:, : octets.shape[1]] = octets
    return packed.view("<u8").astype(np.uint64, copy=False)


def _octets(words: Words, num_inputs: int) -> Octets:
    octets = words.astype("<u8", copy=False).view(np.uint8)
    return np.ascontiguousarray(octets[:, : -(-num_inputs // 8)])
