"""Rows that tell circuits of many inputs apart: special ones, random ones, and those around one."""

from __future__ import annotations

import numpy as np

from gatewright.circuit import Bits, Words, pack

#: Packed words of random samples in a block.
BLOCK_WORDS = 32


def special(k: int, rng: np.random.Generator) -> Words:
    """Packed samples uint64[k, W]: all 0, all 1, one hot and one cold (of 1024 inputs at most)."""
    chosen = rng.permutation(k)[:1024]
    hot = np.zeros((1 + len(chosen), k), dtype=np.bool_)
    hot[np.arange(1, len(hot)), chosen] = True
    return pack(np.concatenate([hot, ~hot]))


def drawn(k: int, rng: np.random.Generator) -> Words:
    """Packed samples uint64[k, BLOCK_WORDS]: half of them with even odds, half with other odds."""
    num_even = BLOCK_WORDS // 2
    even = rng.integers(0, 1 << 64, size=(k, num_even), dtype=np.uint64)
    num_rows = 64 * (BLOCK_WORDS - num_even)
    odds = rng.random((num_rows, 1), dtype=np.float32)
    return np.hstack([even, pack(rng.random((num_rows, k), dtype=np.float32) < odds)])


def around(rows: Bits, rng: np.random.Generator) -> Bits:
    """The rows, bool[n, k], each with a bit or two flipped, or none."""
    return rows ^ (rng.random(rows.shape, dtype=np.float32) < 2 / max(1, rows.shape[1]))
