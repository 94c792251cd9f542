"""Heads as gates: groups of votes are counted, and the class with most of them found.

`vote` takes few gates and little depth. Code that runs on many samples at a time minds neither: it
would rather have each vote added as soon as it is known, so that few values wait in memory.
`recounted` makes such a circuit of one that ends with `vote`, and `engine` that code of it;
`extract` and the passes know nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from gatewright import gates
from gatewright.arith import Number, argmax, full_adder, half_adder, popcount, weighted_sum
from gatewright.circuit import FALSE, TRUE, Builder, Circuit
from gatewright.codes import halves

#: Votes of a head that is looked for.
MAX_VOTES = 100_000

#: Share of the inputs behind which half of the votes' last ones may not lie.
MOST_LAST = 0.9

Count = Callable[[Builder, Sequence[int]], Number]


@lru_cache(maxsize=8)
def vote(num_classes: int, size: int, divisions: int = 0) -> Circuit:
    """The index of the class with most votes, the lowest on a tie: inputs in groups of this size.

    Args:
        divisions: 0 for a group of inputs a class; else so many groups, each of which divides the
            classes into halves (`codes.halves`).
    """
    if not divisions:
        votes = counts(num_classes, size)
        return votes.then(_largest(num_classes, votes.num_outputs // num_classes), "group_sum")
    builder = _divided("group_sum", size, divisions)
    return _decided(builder, argmax(builder, _sums(builder, num_classes, size, divisions)))


@lru_cache(maxsize=8)
def counts(num_classes: int, size: int, divisions: int = 0) -> Circuit:
    """The votes of each class, a binary number each, least significant bit first."""
    if not divisions:
        return _side_by_side(size, popcount, num_classes)
    builder = _divided("counts", size, divisions)
    for c, count in enumerate(_sums(builder, num_classes, size, divisions)):
        for i, literal in enumerate(count):
            builder.output(f"count{c}_{i}", literal)
    return builder.build()


def _divided(name: str, size: int, divisions: int) -> Builder:
    return Builder([f"x{i}" for i in range(divisions * size)], name)


def _sums(builder: Builder, num_classes: int, size: int, divisions: int) -> list[Number]:
    """The votes of each class, where the builder's inputs divide the classes."""
    own = [
        popcount(builder, builder.inputs[at : at + size]) for at in range(0, divisions * size, size)
    ]
    return [_sum_of_sides(builder, own, code, size) for code in halves(num_classes, divisions).T]


def _sum_of_sides(
    builder: Builder, own: Sequence[Number], code: npt.NDArray[np.int8], size: int
) -> Number:
    """The sum of each count where code has 1, and of size less the count where it has -1.

    A number of w bits inverted is 2^w - 1 less it; what that is too much goes into one constant.
    All is modulo a power of two, above the sum, so the constant may be negative.
    """
    width = (len(own) * size).bit_length()
    columns: list[list[int]] = [[] for _ in range(width)]
    constant = 0
    for count, side in zip(own, code, strict=True):
        for column, literal in zip(columns, count, strict=False):
            column.append(literal ^ int(side < 0))
        if side < 0:
            constant += size + 1 - (1 << len(count))
    for weight, column in enumerate(columns):
        column.append(TRUE if constant >> weight & 1 else FALSE)
    return weighted_sum(builder, columns)[:width]


def _side_by_side(size: int, count: Count, num: int) -> Circuit:
    """So many counts of so many inputs each, the gates of one after those of another."""
    builder = Builder([f"x{i}" for i in range(size)])
    for i, literal in enumerate(count(builder, builder.inputs)):
        builder.output(f"count{i}", literal)
    one = builder.build()
    place = np.zeros((num, one.num_nodes), np.int32)
    place[:, 1 : one.first_gate] = np.arange(1, 1 + num * size).reshape(num, size)
    gates_at = 1 + num * size + np.arange(num * one.num_gates)
    place[:, one.first_gate :] = gates_at.reshape(num, one.num_gates)
    return Circuit(
        place[:, one.fanin].reshape(-1, 2),
        np.tile(one.table, num),
        (2 * place[:, one.outputs >> 1] | one.outputs & 1).ravel(),
        tuple(f"x{i}" for i in range(num * size)),
        tuple(f"count{c}_{i}" for c in range(num) for i in range(one.num_outputs)),
        "counts",
    )


@lru_cache(maxsize=8)
def _largest(num: int, width: int) -> Circuit:
    """The index of the largest of so many numbers."""
    builder = Builder([f"count{c}_{i}" for c in range(num) for i in range(width)])
    at = range(0, num * width, width)
    return _decided(builder, argmax(builder, [builder.inputs[i : i + width] for i in at]))


def _decided(builder: Builder, index: Number) -> Circuit:
    for i, literal in enumerate(index):
        builder.output(f"y{i}" if len(index) > 1 else "y", literal)
    return builder.build()


def recounted(circuit: Circuit, num_classes: int) -> Circuit | None:
    """The same function, its votes counted one after the other, or None.

    The votes of a class come in the order of the last input that each is a function of: those that
    read the same inputs are near one another. None where most read one of the last tenth, as those
    of deep networks do: no order brings them near. And None unless the circuit ends with `vote` and
    what that counts lies right before it, as `extract` leaves it.
    """
    num_votes = _num_votes(circuit, num_classes)
    if num_votes is None:
        return None
    first = circuit.num_nodes - vote(num_classes, num_votes // num_classes).num_gates
    num_gates, size = first - circuit.first_gate, num_votes // num_classes
    votes = np.arange(first - num_votes, first, dtype=np.int32).reshape(num_classes, size)
    body = replace(
        circuit,
        fanin=circuit.fanin[:num_gates],
        table=circuit.table[:num_gates],
        outputs=2 * votes.ravel(),
        output_names=tuple(f"vote{i}" for i in range(num_votes)),
    )
    last = _last_inputs(body)[votes]
    if np.median(last) > MOST_LAST * circuit.num_inputs:
        return None
    order = np.argsort(last, axis=1, kind="stable")
    body = replace(body, outputs=2 * np.take_along_axis(votes, order, axis=1).ravel())
    return body.then(_vote_in_turn(num_classes, size), circuit.name)


def _num_votes(circuit: Circuit, num_classes: int) -> int | None:
    """How many votes the circuit's end counts; None where it is no such head.

    A head begins with the XOR of its first two votes, and what comes then reads nothing before
    these. It takes about 4.6 gates a vote, and what compares. Making one to compare with takes
    time, so only the first two gates that could be the first are tried.
    """
    node = np.arange(circuit.first_gate, circuit.num_nodes)
    a, b = circuit.fanin.T
    reads = np.where(circuit.fanin > 0, circuit.fanin, circuit.num_nodes).min(axis=1)
    lowest = np.minimum.accumulate(reads[::-1])[::-1]  # that the gate or one behind it reads
    nums, left = node - a, circuit.num_nodes - node
    is_first = (circuit.table == gates.XOR) & (b == a + 1) & (a >= circuit.first_gate)
    is_first &= (lowest == a) & (nums % num_classes == 0)
    is_first &= (nums >= 2 * num_classes) & (nums <= MAX_VOTES)
    is_first &= (left >= 2 * nums) & (left <= 6 * nums + 100 * num_classes)
    for gate in np.flatnonzero(is_first)[:2].tolist():
        num_votes = int(nums[gate])
        head = vote(num_classes, num_votes // num_classes)
        if head.num_gates == left[gate] and _ends_with(circuit, head):
            return num_votes
    return None


def _ends_with(circuit: Circuit, head: Circuit) -> bool:
    """Whether its last gates are the head's, on the nodes right before them."""
    shift = circuit.num_nodes - head.num_nodes
    own = slice(circuit.num_gates - head.num_gates, None)
    return (
        np.array_equal(circuit.table[own], head.table)
        and np.array_equal(circuit.fanin[own], np.where(head.fanin > 0, head.fanin + shift, 0))
        and np.array_equal(circuit.outputs, head.outputs + 2 * shift)
    )


def _last_inputs(circuit: Circuit) -> npt.NDArray[np.int32]:
    """The last input that each node's value is a function of, by its operands' tables; or 0."""
    last = list(range(circuit.first_gate))
    reads = [(gates.depends_on(table, 0), gates.depends_on(table, 1)) for table in range(16)]
    pairs: list[tuple[int, int]] = circuit.fanin.tolist()
    tables: list[int] = circuit.table.tolist()
    for (a, b), table in zip(pairs, tables, strict=True):
        of_a, of_b = reads[table]
        last.append(max(last[a] if of_a else 0, last[b] if of_b else 0))
    return np.array(last, np.int32)


@lru_cache(maxsize=8)
def _vote_in_turn(num_classes: int, size: int) -> Circuit:
    """What `vote` computes, of votes counted one after the other."""
    votes = _side_by_side(size, _counted, num_classes)
    return votes.then(_largest(num_classes, votes.num_outputs // num_classes))


def _counted(builder: Builder, bits: Sequence[int]) -> Number:
    """`popcount` by a full adder of a weight whenever there are three bits of it."""
    columns: list[list[int]] = []

    def add(weight: int, literal: int) -> None:
        while True:
            if weight == len(columns):
                columns.append([])
            column = columns[weight]
            column.append(literal)
            if len(column) < 3:
                return
            total, literal = full_adder(builder, *column)
            columns[weight] = [total]
            weight += 1

    for literal in bits:
        add(0, literal)
    for weight, column in enumerate(columns):  # more may be appended on the way
        if len(column) == 2:
            total, carry = half_adder(builder, *column)
            columns[weight] = [total]
            add(weight + 1, carry)
    return [column[0] for column in columns]
