"""A k-input truth table out of two-input gates, by expansion on one input after another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from gatewright import gates
from gatewright.circuit import FALSE, Builder

#: Up to this many inputs every order of expansion is tried; beyond, the most promising input.
MAX_EXHAUSTIVE = 4

#: Gates that joining h takes.
JOIN_GATES = {"": 0, "xor": 1, "or": 1, "mux": 2}


class Expansion(NamedTuple):
    """part = gate(x ^ complement, g) for the input x = input i and a table g over the others.

    join is what follows: "" (part is all), "xor" or "or" (with the table h), or "mux" (or with
    ~x & h).
    """

    join: str
    gate: int
    complement: bool
    i: int
    g: int
    h: int


def look_up(builder: Builder, table: int, inputs: Sequence[int]) -> int:
    """The literal of a table at these input literals; bit i of a row m is input i.

    With f0 and f1 the table where the input x is 0 and 1, the cheapest of x & f1 | ~x & f0
    (Shannon), f0 ^ x & (f0 ^ f1) and f1 ^ ~x & (f0 ^ f1) (Davio), and what they come to where a
    part is constant, equal or contained in another.
    """
    k = len(inputs)
    if table & 1:
        return look_up(builder, table ^ _ones(k), inputs) ^ 1
    if not table:
        return FALSE
    for i in range(k):
        low, high = _cofactors(table, k, i)
        if low == high:
            return look_up(builder, low, [*inputs[:i], *inputs[i + 1 :]])
    if k == 1:
        return inputs[0]
    if k == 2:
        return builder.gate(table, *inputs)
    join, gate, complement, i, g, h = _cheapest(table, k)[1]
    rest = [*inputs[:i], *inputs[i + 1 :]]
    part = builder.gate(gate, inputs[i] ^ complement, look_up(builder, g, rest))
    if not join:
        return part
    other = look_up(builder, h, rest)
    if join == "xor":
        return builder.lxor(part, other)
    return builder.lor(part, builder.land(inputs[i] ^ 1, other) if join == "mux" else other)


@lru_cache(maxsize=1 << 17)
def _cost(table: int, k: int) -> int:
    """Gates of a table, parts that could be shared counted as often as they occur."""
    if table & 1:
        return _cost(table ^ _ones(k), k)
    if not table or k == 1:
        return 0
    for i in range(k):
        low, high = _cofactors(table, k, i)
        if low == high:
            return _cost(low, k - 1)
    return 1 if k == 2 else _cheapest(table, k)[0]


@lru_cache(maxsize=1 << 17)
def _cheapest(table: int, k: int) -> tuple[int, Expansion]:
    """The cheapest expansion of a table that depends on all its k >= 3 inputs, and its gates."""
    found = [
        (1 + _cost(e.g, k - 1) + JOIN_GATES[e.join] + _cost(e.h, k - 1), e)
        for i in _promising(table, k)
        for e in _expansions(i, *_cofactors(table, k, i), _ones(k - 1))
    ]
    return min(found, key=lambda one: one[0])


def _promising(table: int, k: int) -> range:
    if k <= MAX_EXHAUSTIVE:
        return range(k)

    def leftover(i: int) -> int:
        low, high = _cofactors(table, k, i)
        parts = sorted(_num_read(part, k - 1) for part in (low, high, low ^ high))
        return parts[0] + parts[1]

    best = min(range(k), key=leftover)
    return range(best, best + 1)


def _expansions(i: int, low: int, high: int, ones: int) -> Iterator[Expansion]:
    if low == ones ^ high:
        yield Expansion("", gates.XOR, False, i, low, 0)
    elif not low or not high:
        yield Expansion("", gates.AND, not high, i, low | high, 0)
    elif low == ones or high == ones:
        yield Expansion("", gates.OR, low == ones, i, low & high, 0)
    else:
        yield Expansion("xor", gates.AND, False, i, low ^ high, low)
        yield Expansion("xor", gates.AND, True, i, low ^ high, high)
        if not low & ~high:
            yield Expansion("or", gates.AND, False, i, high, low)
        if not high & ~low:
            yield Expansion("or", gates.AND, True, i, low, high)
        yield Expansion("mux", gates.AND, False, i, high, low)


def _cofactors(table: int, k: int, i: int) -> tuple[int, int]:
    """Tables of k - 1 inputs: the table where input i is 0, and where it is 1."""
    width = 1 << i
    chunk = (1 << width) - 1
    low = high = 0
    for place in range(1 << (k - 1 - i)):
        both = table >> (2 * width * place)
        low |= (both & chunk) << (width * place)
        high |= (both >> width & chunk) << (width * place)
    return low, high


def _num_read(table: int, k: int) -> int:
    """How many inputs the table depends on."""
    return sum(low != high for low, high in (_cofactors(table, k, i) for i in range(k)))


def _ones(k: int) -> int:
    return (1 << (1 << k)) - 1
