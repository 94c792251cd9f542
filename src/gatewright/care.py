"""Circuits that agree with another on given rows, and only there are said to.

What gates do on rows that never occur is free (satisfiability don't-cares of a *care set*). Two
gates that are equal on all given rows become one; so the outputs are the same on every one of
them, which is then checked row by row. On other rows they may differ: this is no exact pass.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.circuit import Builder, Circuit, Words, pack, unpack
from gatewright.errors import InputError
from gatewright.passes.sweep import sweep


@dataclass(frozen=True)
class Agreement:
    """The certificate: all outputs of two circuits are equal on so many rows."""

    rows: int

    def __str__(self) -> str:
        return f"equal on all {self.rows} given rows, each evaluated; on others perhaps not"


def merge_on_rows(circuit: Circuit, words: Words, num_rows: int) -> tuple[Circuit, Agreement]:
    """The circuit with one gate for all that agree, up to inversion, on every row; swept.

    Args:
        words: the rows, packed: uint64[num_inputs, W].
        num_rows: how many of them count.

    Raises:
        InputError: there are no rows, or fewer than that.
    """
    if num_rows < 1 or words.ndim != 2 or words.shape[1] * 64 < num_rows:
        raise InputError(f"{num_rows} rows are not in packed words of shape {list(words.shape)}")
    full = pack(np.ones((num_rows, 1), np.bool_))[0]
    values = circuit.simulate_nodes(words)[:, : len(full)] & full
    builder = Builder(circuit.input_names, circuit.name)
    known: dict[bytes, int] = {}  # a literal of each function of the rows
    literal: list[int] = []

    def learn(node: int, found: int) -> None:
        known.setdefault(values[node].tobytes(), found)
        known.setdefault((values[node] ^ full).tobytes(), found ^ 1)

    for node in range(circuit.first_gate):
        literal.append(node and builder.inputs[node - 1])
        learn(node, literal[node])
    pairs: list[list[int]] = circuit.fanin.tolist()
    tables: list[int] = circuit.table.tolist()
    for node, (table, (a, b)) in enumerate(zip(tables, pairs, strict=True), circuit.first_gate):
        found = known.get(values[node].tobytes())
        if found is None:
            found = builder.gate(table, literal[a], literal[b])
            learn(node, found)
        literal.append(found)
    outputs: list[int] = circuit.outputs.tolist()
    for name, output in zip(circuit.output_names, outputs, strict=True):
        builder.output(name, literal[output >> 1] ^ output & 1)
    merged = sweep(builder.build())
    return merged, check_rows(circuit, merged, words, num_rows)


def check_rows(a: Circuit, b: Circuit, words: Words, num_rows: int) -> Agreement:
    """The certificate for two circuits, evaluated from their netlists.

    Raises:
        InputError: they differ on a row, which is named.
    """
    of_a, of_b = (unpack(side.simulate(words), num_rows) for side in (a, b))
    wrong = np.flatnonzero((of_a != of_b).any(axis=1))
    if len(wrong):
        raise InputError(f"the circuits differ on {len(wrong)} rows, first on row {wrong[0]}")
    return Agreement(num_rows)
