"""`recounted`: a classifier whose votes are counted one after the other.

`arith.popcount` takes few gates and little depth. Code that runs on many samples at a time does not
mind either: it would rather have each vote added as soon as it is known, so that few values wait in
memory. `engine` makes that code of such a circuit; `extract` and the passes know nothing of it.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from gatewright import gates
from gatewright.arith import Number, argmax, full_adder, half_adder
from gatewright.circuit import Builder, Circuit
from gatewright.heads import GroupSum

#: Votes of a head that is looked for: the first of its size takes 20 microseconds a vote to make.
MAX_VOTES = 20_000

#: Share of the inputs behind which half of the votes' last ones may not lie.
MOST_LAST = 0.9


def recounted(circuit: Circuit, num_classes: int) -> Circuit | None:
    """The same function, its votes counted one after the other, or None.

    The votes of a class come in the order of the last input that each is a function of: those that
    read the same inputs are near one another. None where most read one of the last tenth, as those
    of deep networks do: no order brings them near. And None unless the circuit ends with
    `GroupSum(num_classes).circuit` and what that counts lies right before it, as `extract` leaves
    it.
    """
    num_votes = _num_votes(circuit, num_classes)
    if num_votes is None:
        return None
    first = circuit.num_nodes - GroupSum(num_classes).circuit(num_votes).num_gates
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
    return body.then(_count_in_turn(num_classes, size), circuit.name)


def _num_votes(circuit: Circuit, num_classes: int) -> int | None:
    """How many votes the circuit's end counts; None where it is no such head.

    A head begins with the XOR of its first two votes.
    """
    node = np.arange(circuit.first_gate, circuit.num_nodes)
    a, b = circuit.fanin[:, 0], circuit.fanin[:, 1]
    nums = node - a
    is_first = (circuit.table == gates.XOR) & (b == a + 1) & (a >= circuit.first_gate)
    is_first &= (nums % num_classes == 0) & (nums >= 2 * num_classes) & (nums <= MAX_VOTES)
    for first, num_votes in zip(node[is_first].tolist(), nums[is_first].tolist(), strict=True):
        head = GroupSum(num_classes).circuit(num_votes)
        if circuit.num_nodes - first == head.num_gates and _ends_with(circuit, head):
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
def _count_in_turn(num_classes: int, size: int) -> Circuit:
    """What `GroupSum.circuit` computes: a full adder of a weight whenever there are three bits."""
    builder = Builder([f"x{i}" for i in range(num_classes * size)], "count_in_turn")
    counts = [
        _counted(builder, builder.inputs[at : at + size])
        for at in range(0, num_classes * size, size)
    ]
    for i, literal in enumerate(argmax(builder, counts)):
        builder.output(f"y{i}", literal)
    return builder.build()


def _counted(builder: Builder, bits: list[int]) -> Number:
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
