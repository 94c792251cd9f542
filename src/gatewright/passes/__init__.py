"""Optimisation: passes from circuit to circuit, each followed by a proof that it changed nothing.

A pass is a function `Circuit -> Circuit` in a file of its own name, listed in `PASSES`. `optimize`
runs a pipeline of them; after every pass the result is proved equal to what went in.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from gatewright.circuit import Circuit, Stats
from gatewright.errors import InputError
from gatewright.model import Model
from gatewright.passes.collapse import collapse
from gatewright.passes.strash import strash
from gatewright.passes.sweep import sweep
from gatewright.verify import Proof, prove

Pass = Callable[[Circuit], Circuit]

PASSES: dict[str, Pass] = {
    "strash": strash,
    "sweep": sweep,
    "collapse": collapse,
}

#: What each effort runs.
PIPELINES: tuple[tuple[str, ...], ...] = (
    ("strash",),
    ("strash", "sweep"),
    ("strash", "sweep", "collapse", "sweep"),
)

Optimized = TypeVar("Optimized", Circuit, Model)


@dataclass(frozen=True)
class Record:
    """What one pass did: sizes before and after, CPU seconds, and how it was proved."""

    name: str
    before: Stats
    after: Stats
    cpu_seconds: float
    proof: Proof


def pipeline(description: str) -> tuple[str, ...]:
    """Pass names of a description such as "strash; sweep"; InputError names an unknown one."""
    names = tuple(name.strip() for name in description.split(";") if name.strip())
    for name in names:
        if name not in PASSES:
            raise InputError(f"unknown pass {name!r}; known: {', '.join(PASSES)}")
    return names


def optimize(
    subject: Optimized,
    effort: int = 2,
    *,
    passes: Sequence[str] | None = None,
    seconds: float = 60.0,
    record: Callable[[Record], None] | None = None,
) -> Optimized:
    """The circuit (or the model, its circuit) made smaller, proved equal after every pass.

    Args:
        effort: 0 folds and shares, 1 drops dead gates too, 2 also rebuilds small circuits from
            their truth tables.
        passes: names to run instead of the effort's pipeline.
        seconds: time for each proof.
        record: called with a Record after each pass.

    Raises:
        InputError: there is no such effort or pass.
        NotEquivalent: a pass has a defect, and the input that shows it.
        Undecided: a proof took longer than it may; nothing unproved is returned.
    """
    if isinstance(subject, Model):
        smaller = optimize(subject.circuit, effort, passes=passes, seconds=seconds, record=record)
        return replace(subject, circuit=smaller)
    if not 0 <= effort < len(PIPELINES):
        raise InputError(f"effort is from 0 to {len(PIPELINES) - 1}, not {effort}")
    circuit = subject
    for name in PIPELINES[effort] if passes is None else passes:
        if name not in PASSES:
            raise InputError(f"unknown pass {name!r}; known: {', '.join(PASSES)}")
        begin = time.process_time()
        after = PASSES[name](circuit)
        spent = time.process_time() - begin
        proof = prove(circuit, after, seconds=seconds)
        if record is not None:
            record(Record(name, circuit.stats(), after.stats(), spent, proof))
        circuit = after
    return circuit
