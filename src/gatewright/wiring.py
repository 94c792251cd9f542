"""Fixed wiring: which two inputs each gate of a layer reads, or which it may choose from.

Every scheme is a function `(num_inputs, num_outputs, rng) -> int32[num_outputs, 2]`, registered by
name in `SCHEMES`. Column 0 feeds operand a, column 1 operand b; the two always differ. A scheme
that cannot serve a shape raises InputError naming the shape and a scheme that can.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gatewright.errors import InputError

Fanin = npt.NDArray[np.int32]
Scheme = Callable[[int, int, np.random.Generator], Fanin]


def random(num_inputs: int, num_outputs: int, rng: np.random.Generator) -> Fanin:
    """Random pairs with balanced fan-out: a permutation of the 2n operand slots, modulo the inputs.

    Petersen et al. 2022, reference implementation. A slot pair that would meet the same input twice
    takes another for operand b.
    """
    slots = rng.permutation(2 * num_outputs) % num_inputs
    a, b = rng.permutation(num_inputs)[slots].reshape(2, num_outputs)
    shift = rng.integers(1, num_inputs, num_outputs)
    return _fanin(a, np.where(a == b, (b + shift) % num_inputs, b))


def unique(num_inputs: int, num_outputs: int, rng: np.random.Generator) -> Fanin:
    """Pairs of neighbours at growing offsets, each pair once, in random order.

    (0, 1) (2, 3) ..., then (1, 2) (3, 4) ..., then offsets 2, 3, ... (Petersen et al. 2022,
    reference implementation); inputs and gates are then permuted. All pairs are distinct, and every
    input is read.
    """
    num_pairs = num_inputs * (num_inputs - 1) // 2
    if num_outputs > num_pairs:
        raise InputError(
            f"wiring 'unique' has {num_pairs} different pairs of {num_inputs} inputs, fewer than "
            f"the {num_outputs} gates asked for; use 'random' or a narrower layer"
        )
    if 2 * num_outputs < num_inputs:
        raise InputError(
            f"wiring 'unique' with {num_outputs} gates cannot read all {num_inputs} inputs; "
            f"use 'random' or at least {-(-num_inputs // 2)} gates"
        )
    index = np.arange(num_inputs)
    blocks = [
        np.stack([index[:-1:2], index[1::2]], axis=1),
        np.stack([index[1:-1:2], index[2::2]], axis=1),
    ]
    count = sum(map(len, blocks))
    for offset in range(2, num_inputs):
        if count >= num_outputs:
            break
        blocks.append(np.stack([index[:-offset], index[offset:]], axis=1))
        count += num_inputs - offset
    if num_inputs % 2 and num_outputs < num_inputs:  # the last input is read in the second block
        blocks[0], blocks[1] = np.concatenate([blocks[0], blocks[1][-1:]]), blocks[1][:-1]
    pairs = np.concatenate(blocks)[:num_outputs]
    pairs = rng.permutation(num_inputs)[pairs]
    return _fanin(*pairs[rng.permutation(num_outputs)].T)


def comb(num_inputs: int, num_outputs: int, rng: np.random.Generator) -> Fanin:
    """Each input beside its next neighbours: gate g reads g and g + 1 + g // n, modulo n.

    Deterministic. The first n gates join neighbours, the next n those two apart, and so on.
    """
    del rng
    gate = np.arange(num_outputs)
    offset = 1 + gate // num_inputs % (num_inputs - 1)
    return _fanin(gate % num_inputs, (gate + offset) % num_inputs)


def tree(num_inputs: int, num_outputs: int, rng: np.random.Generator) -> Fanin:
    """Adjacent pairs, one level of a binary tree: 2n inputs to n gates. Deterministic."""
    del rng
    if num_inputs != 2 * num_outputs:
        raise InputError(
            f"wiring 'tree' halves: {num_inputs} inputs need {num_inputs / 2:g} gates, not "
            f"{num_outputs}; use 'random' for other shapes"
        )
    return _fanin(*np.arange(num_inputs).reshape(-1, 2).T)


def butterfly(num_inputs: int, num_outputs: int, rng: np.random.Generator) -> Fanin:
    """Gate g reads input g and the one a power of two away, with balanced fan-out.

    With n inputs and stage s = g // n, operand b is (g + 2**((r + s) mod log2 n)) mod n for an
    r drawn per layer; the gates' order is an affine permutation, so that stacked layers mix (after
    the balanced wiring reported for logic gate networks on CIFAR-10).
    """
    levels = max(1, (num_inputs - 1).bit_length())
    gate = np.arange(num_outputs)
    stride = 1 << (int(rng.integers(levels)) + gate // num_inputs) % levels
    pairs = np.stack([gate % num_inputs, (gate + stride) % num_inputs], axis=1)
    factor = int(rng.integers(1, max(2, num_outputs)))
    while np.gcd(factor, num_outputs) != 1:
        factor += 1
    order = (factor * gate.astype(np.int64) + int(rng.integers(num_outputs))) % num_outputs
    return _fanin(*pairs[order].T)


def moore(num_inputs: int, num_outputs: int, rng: np.random.Generator) -> Fanin:
    """Centre against neighbour: the input in the middle with each of the others in turn.

    For an odd number of inputs (9 for the cells around a cell, row by row); neighbours are taken in
    turn, over and over (DiffLogic CA's first layer, 2506.04912). Deterministic.
    """
    del rng
    if num_inputs % 2 == 0:
        raise InputError(
            f"wiring 'moore' pairs the middle input with each other one, so their number is odd, "
            f"not {num_inputs}; use 'random' or 'unique'"
        )
    neighbours = num_inputs - 1
    centre = num_inputs // 2
    gate = np.arange(num_outputs) % neighbours
    return _fanin(np.full(num_outputs, centre), gate + (gate >= centre))


SCHEMES: dict[str, Scheme] = {
    "random": random,
    "unique": unique,
    "comb": comb,
    "tree": tree,
    "butterfly": butterfly,
    "moore": moore,
}


def connect(scheme: str, num_inputs: int, num_outputs: int, rng: np.random.Generator) -> Fanin:
    """int32[num_outputs, 2]: the wiring of one layer by a named scheme."""
    if scheme not in SCHEMES:
        raise InputError(f"unknown wiring {scheme!r}; known: {', '.join(SCHEMES)}")
    if num_inputs < 2 or num_outputs < 1:
        raise InputError(
            f"a layer has at least 2 inputs and 1 gate, not {num_inputs} and {num_outputs}"
        )
    return SCHEMES[scheme](num_inputs, num_outputs, rng)


def groups(num_inputs: int, num_groups: int, size: int, rng: np.random.Generator) -> Fanin:
    """int32[num_groups, size]: groups of different inputs, each input in about as many groups.

    One permutation of the inputs after another, cut into groups; a permutation begins with inputs
    that the group it completes does not have yet. So the numbers of groups that two inputs are in
    differ by 1 at most.
    """
    if not 1 <= size <= num_inputs:
        raise InputError(f"a group of {size} different inputs is not to be had of {num_inputs}")
    num_slots = num_groups * size
    sequence = np.empty(-(-num_slots // num_inputs) * num_inputs, dtype=np.int32)
    for begin in range(0, len(sequence), num_inputs):
        order = rng.permutation(num_inputs).astype(np.int32)
        begun = begin % size  # inputs that the group has already
        taken = np.zeros(num_inputs, dtype=np.bool_)
        taken[sequence[begin - begun : begin]] = True
        head = order[: size - begun]
        clashes = np.flatnonzero(taken[head])
        others = size - begun + np.flatnonzero(~taken[order[size - begun :]])[: len(clashes)]
        order[clashes], order[others] = order[others], order[clashes]
        sequence[begin : begin + num_inputs] = order
    return sequence[:num_slots].reshape(num_groups, size)


@dataclass(frozen=True, eq=False)
class Near:
    """How groups keep to inputs near one another.

    An input at distance r of a group's centre has the weight exp(-r^2 / (2 reach^2)) in it.

    Attributes:
        places: [num_inputs, d], of the inputs, say rows and columns of pixels.
        reach: over 0, in the unit of the places.
    """

    places: npt.NDArray[np.float32]
    reach: float

    def penalties(
        self, centres: npt.NDArray[np.float32], inputs: npt.NDArray[np.intp]
    ) -> npt.NDArray[np.float32]:
        """float32[m, k]: minus the logarithms of k inputs' weights around m centres."""
        places = self.places[inputs]
        squares = np.square(centres).sum(axis=1)[:, None] + np.square(places).sum(axis=1)
        return (squares - 2 * centres @ places.T) * np.float32(0.5 / self.reach**2)


def weighted_groups(
    shares: npt.NDArray[np.float64],
    num_groups: int,
    size: int,
    rng: np.random.Generator,
    near: Near | None = None,
) -> Fanin:
    """int32[num_groups, size]: groups of different inputs, drawn one after the other by share.

    Each draw is in proportion to the shares of the inputs that the group does not have yet
    (Efraimidis and Spirakis 2006: those with the smallest exponential keys). Inputs of share 0 are
    drawn only where there are fewer others than `size`. Of very many inputs, GROUPS_AT_ONCE groups
    draw from POOL random ones. With `near`, a group has a centre, the place of an input drawn
    by share, and the shares are multiplied by the weights there.
    """
    if not 1 <= size <= len(shares):
        raise InputError(f"a group of {size} different inputs is not to be had of {len(shares)}")
    if near is not None and (len(near.places) != len(shares) or not near.reach > 0):
        raise InputError(
            f"near: {len(near.places)} places and a reach of {near.reach}; give {len(shares)} "
            "places, one an input, and a reach over 0"
        )
    centre_odds = shares / shares.sum()
    choice = np.flatnonzero(shares)
    if len(choice) < size:
        shares, choice = np.maximum(shares, 1e-12), np.arange(len(shares))
    log_shares = np.log(shares, where=shares > 0, out=np.zeros(len(shares))).astype(np.float32)
    pool_size = min(max(POOL, 8 * size), len(choice))
    waiting = choice[:0]  # inputs that are in a later pool
    groups = np.empty((num_groups, size), dtype=np.int32)
    for part in np.array_split(groups, -(-num_groups // GROUPS_AT_ONCE)):
        if len(waiting) < pool_size:
            waiting = rng.permutation(choice)
        pool, waiting = waiting[:pool_size], waiting[pool_size:]
        drawn = rng.standard_exponential((len(part), len(pool)), dtype=np.float32)
        keys = np.log(np.maximum(drawn, np.finfo(np.float32).tiny)) - log_shares[pool]
        if near is not None:
            centres = near.places[rng.choice(len(shares), len(part), p=centre_odds)]
            keys += near.penalties(centres, pool)
        best = np.argpartition(keys, size - 1, axis=1)[:, :size]
        part[:] = rng.permuted(pool[best], axis=1)
    return groups


#: Inputs that groups drawn at a time share, chosen at random where there are more.
POOL = 2048

#: Groups drawn at a time, so that their keys stay small.
GROUPS_AT_ONCE = 256


def _fanin(a: npt.ArrayLike, b: npt.ArrayLike) -> Fanin:
    return np.stack([np.asarray(a), np.asarray(b)], axis=1).astype(np.int32)
