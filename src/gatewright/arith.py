"""Arithmetic out of gates: numbers are lists of literals, least significant bit first."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from heapq import heappop, heappush

from gatewright.circuit import FALSE, Builder

Number = list[int]


def half_adder(builder: Builder, a: int, b: int) -> tuple[int, int]:
    """(sum, carry) of two bits: 2 gates."""
    return builder.lxor(a, b), builder.land(a, b)


def full_adder(builder: Builder, a: int, b: int, c: int) -> tuple[int, int]:
    """(sum, carry) of three bits: 5 gates, one of them an AND."""
    return pair_adder(builder, c, (a, builder.lxor(a, b)))


#: Two bits of one weight as (one of them, whether they differ): where they differ it may be either.
Two = tuple[int, int]


def pair_adder(builder: Builder, z: int, two: Two) -> tuple[int, int]:
    """(sum, carry) of three bits, two of them together: 4 gates, one of them an AND."""
    x, differ = two
    carry = builder.lxor(x, builder.land(differ, builder.lxor(x, z)))
    return builder.lxor(z, differ), carry


def two_pair_adder(builder: Builder, z: int, first: Two, second: Two) -> tuple[int, Two]:
    """Sum of five bits, four of them in twos, and both carries as a two: 8 gates, 2 of them ANDs.

    A block of two full adders without the XORs that would encode and decode what is between them
    ("MDFA": Demenkov, Kojevnikov, Kulikov and Yaroslavtsev, Inf. Process. Lett. 110, 2010).
    """
    (x, p), (y, q) = first, second
    total = builder.lxor(z, p)
    either = builder.lor(p, builder.lxor(x, z))  # the first carry is not `total`
    carries_differ = builder.lxor(either, builder.land(builder.lxor(y, total), q ^ 1))
    return builder.lxor(total, q), (builder.lxor(total, either), carries_differ)


#: Twos that one sum goes through, one after the other: fewer are less deep and cost more gates.
CHAIN = 16


def popcount(builder: Builder, bits: Sequence[int]) -> Number:
    """How many of the bits are 1: about 4.5 gates a bit, one of them an AND."""
    return weighted_sum(builder, [bits])


def weighted_sum(builder: Builder, columns: Sequence[Sequence[int]]) -> Number:
    """The sum of bits, those of columns[w] times 2^w.

    A carry-save tree, weight by weight. Four bits in twos and a fifth become one bit and a two of
    carries while there are so many; those of the lowest level first, so the depth grows with the
    logarithm.
    """
    width = sum(len(bits) << weight for weight, bits in enumerate(columns)).bit_length()
    number, ones, twos = Number(), _Queue(builder), _Queue(builder)
    for weight in range(width):
        for bit in columns[weight] if weight < len(columns) else ():
            ones.push(bit)
        if weight + 1 == width:
            break
        for _ in range(-(-(len(twos) - len(ones)) // CHAIN)):
            ones.push(FALSE)  # where a sum begins
        carries, carry_twos = _Queue(builder), _Queue(builder)
        while len(ones) + 2 * len(twos) >= 5:
            while len(twos) < 2:
                (x,), (y,) = ones.pop(), ones.pop()
                twos.push(x, builder.lxor(x, y))
            (z,), (x, p), (y, q) = ones.pop(), twos.pop(), twos.pop()
            total, both = two_pair_adder(builder, z, (x, p), (y, q))
            ones.push(total)
            carry_twos.push(*both)
        if not len(ones) + len(twos):
            ones.push(FALSE)
        while len(ones) + 2 * len(twos) > 1:
            if len(twos):
                x, differ = twos.pop()
                (z,) = ones.pop() if len(ones) else (FALSE,)
                total, carry = pair_adder(builder, z, (x, differ))
            else:
                adder = full_adder if len(ones) > 2 else half_adder
                total, carry = adder(builder, *(ones.pop()[0] for _ in range(min(3, len(ones)))))
            ones.push(total)
            carries.push(carry)
        number += ones.pop()
        ones, twos = carries, carry_twos
    if width:  # of this weight there is one at most
        rest = [ones.pop()[0] for _ in range(len(ones))]
        rest += [twos.pop()[1] for _ in range(len(twos))]
        number.append(reduce(builder.lxor, rest))
    return number


class _Queue:
    """Literals, or groups of them, of which those of the lowest level come first."""

    def __init__(self, builder: Builder) -> None:
        self._builder = builder
        self._heap: list[tuple[int, tuple[int, ...]]] = []

    def __len__(self) -> int:
        return len(self._heap)

    def push(self, *literals: int) -> None:
        heappush(self._heap, (max(map(self._builder.level, literals)), literals))

    def pop(self) -> tuple[int, ...]:
        return heappop(self._heap)[1]


def greater(builder: Builder, x: Number, y: Number) -> int:
    """The literal of x > y: a tree over the bits, so the depth grows with the logarithm."""
    width = max(len(x), len(y))
    bits = ([*number, *[FALSE] * (width - len(number))] for number in (x, y))
    # whether x is greater in a group of bits, and whether both are equal; the lowest group first
    groups = [(builder.land(a, b ^ 1), builder.lxor(a, b) ^ 1) for a, b in zip(*bits, strict=True)]
    while len(groups) > 1:
        joined = [
            (builder.lxor(above, builder.land(equal, above_low)), builder.land(equal, equal_low))
            for (above_low, equal_low), (above, equal) in zip(
                groups[::2], groups[1::2], strict=False
            )
        ]
        groups = joined + groups[2 * len(joined) :]
    return groups[0][0] if groups else FALSE


def argmax(builder: Builder, numbers: Sequence[Number]) -> Number:
    """Index of the largest number, the lowest index on a tie: a knock-out of comparisons.

    The index has ceil(log2(len(numbers))) bits.
    """
    num_bits = (len(numbers) - 1).bit_length()
    index = [[i >> bit & 1 for bit in range(num_bits)] for i in range(len(numbers))]
    contest = list(zip(numbers, index, strict=True))
    while len(contest) > 1:
        winners = [
            _winner(builder, *pair) for pair in zip(contest[::2], contest[1::2], strict=False)
        ]
        contest = winners + contest[len(winners) * 2 :]
    return contest[0][1]


def _winner(
    builder: Builder, low: tuple[Number, Number], high: tuple[Number, Number]
) -> tuple[Number, Number]:
    later = greater(builder, high[0], low[0])

    def choose(x: Number, y: Number) -> Number:
        width = max(len(x), len(y))
        padded = [[*n, *[FALSE] * (width - len(n))] for n in (x, y)]
        return [builder.mux(later, b, a) for a, b in zip(*padded, strict=True)]

    return choose(low[0], high[0]), choose(low[1], high[1])
