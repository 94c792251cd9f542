"""Codes of classes: what else groups of votes can tell apart than one class from all others."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt


@functools.lru_cache(maxsize=8)
def halves(num_classes: int, num_groups: int) -> npt.NDArray[np.int8]:
    """int8[num_groups, num_classes]: 1 for one half of the classes, -1 for the other.

    An error-correcting output code (Dietterich and Bakiri 1995, cs/9501101): any two classes are
    apart in about as many groups. One division is made after the other, by exchanging classes for
    as long as that parts pairs which have been together more often; a pair weighs half as much
    again for every time it was together, and as much less for every time it was apart.
    """
    together = np.zeros((num_classes, num_classes))  # how often, less how often apart
    code = np.zeros((num_groups, num_classes), np.int8)
    for side in code:
        fewest_votes_first = np.argsort(code.sum(axis=0, dtype=np.int64), kind="stable")
        side[:] = -1
        side[fewest_votes_first[: (num_classes + 1) // 2]] = 1
        weights = 1.5 ** (together - together.max())
        np.fill_diagonal(weights, 0)
        while (exchange := _best_exchange(weights, side)) is not None:
            side[exchange] *= -1
        together += np.outer(side, side)
        np.fill_diagonal(together, -num_groups)
    code.setflags(write=False)
    return code


def _best_exchange(
    weights: npt.NDArray[np.float64], side: npt.NDArray[np.int8]
) -> npt.NDArray[np.int64] | None:
    """The class of either side whose exchange lowers side @ weights @ side most, if any does."""
    pull = side * (weights @ side)  # towards the class's own side: what it costs that it is there
    ones, others = np.flatnonzero(side > 0), np.flatnonzero(side < 0)
    gain = pull[ones][:, None] + pull[others][None, :] + 2 * weights[np.ix_(ones, others)]
    best = np.unravel_index(gain.argmax(), gain.shape)
    return np.array([ones[best[0]], others[best[1]]]) if gain[best] > 1e-9 else None


def tells_apart(code: npt.NDArray[np.int8]) -> bool:
    """Whether no two classes are on the same sides of all groups."""
    return np.unique(code, axis=1).shape[1] == code.shape[1]
