"""Arithmetic out of gates: numbers are lists of literals, least significant bit first."""

from __future__ import annotations

from collections.abc import Sequence

from gatewright import gates
from gatewright.circuit import FALSE, Builder

Number = list[int]


def half_adder(builder: Builder, a: int, b: int) -> tuple[int, int]:
    """(sum, carry) of two bits: 2 gates."""
    return builder.lxor(a, b), builder.land(a, b)


def full_adder(builder: Builder, a: int, b: int, c: int) -> tuple[int, int]:
    """(sum, carry) of three bits: 5 gates."""
    half = builder.lxor(a, b)
    return builder.lxor(half, c), builder.lor(builder.land(a, b), builder.land(half, c))


def popcount(builder: Builder, bits: Sequence[int]) -> Number:
    """How many of the bits are 1: about 5 gates a bit.

    A carry-save tree: while a weight has three bits or more, three become one and a carry, oldest
    first, so the depth grows with the logarithm.
    """
    column, number = list(bits), Number()
    while column:
        carries: list[int] = []
        while len(column) > 1:
            adder = full_adder if len(column) > 2 else half_adder
            total, carry = adder(builder, *column[:3])
            column = [*column[3:], total]
            carries.append(carry)
        number.append(column[0])
        column = carries
    return number


def greater(builder: Builder, x: Number, y: Number) -> int:
    """The literal of x > y, ripple from the least significant bit."""
    result = FALSE
    for i in range(max(len(x), len(y))):
        a, b = x[i] if i < len(x) else FALSE, y[i] if i < len(y) else FALSE
        above = builder.gate(gates.NAMES.index("a&~b"), a, b)
        at_least = builder.gate(gates.NAMES.index("a|~b"), a, b)
        result = builder.lor(above, builder.land(at_least, result))
    return result


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
