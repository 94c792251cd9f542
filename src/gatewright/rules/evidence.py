"""An explanation against rows: what each rule covers, which columns matter, why a row's answer.

Rows here are what the model's encoder calls so (`Encoder.rows`): numbers [N, columns], or bits
[N, inputs] where the model has no encoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gatewright.circuit import Bits
from gatewright.model import Model
from gatewright.rules import Explanation, witness
from gatewright.rules.domains import Domain
from gatewright.rules.formula import Formula, circuit_of

Rows = npt.NDArray[Any]
Labels = npt.NDArray[np.int64]

#: Rows whose columns are shuffled to see which matter, at most, and how often each is; of models of
#: more than so many columns fewer rows, once.
MOST_ROWS, MANY_ROWS = 10_000, 2_000
SHUFFLES = 5
MANY_COLUMNS = 64


@dataclass(frozen=True)
class Cover:
    """How many rows something holds for; of how many of these it is right, where that is known."""

    rows: int
    right: int | None


@dataclass(frozen=True)
class Weight:
    """What becomes of the answers when a column is shuffled.

    Attributes:
        column: its number.
        changed: share of rows whose answer is another.
        drop: of the accuracy; None where it is not known.
    """

    column: int
    changed: float
    drop: float | None


@dataclass(frozen=True)
class Evidence:
    """What the rows of a table say of an explanation.

    Attributes:
        num_rows: of the table.
        accuracy: share of rows whose answer is right; None where there are no labels.
        answers: rows of each class or output bit, as the model answers.
        rules: the same of each rule of each class or bit.
        weights: of the columns, those that change most first.
    """

    num_rows: int
    accuracy: float | None
    answers: tuple[Cover, ...]
    rules: tuple[tuple[Cover, ...], ...]
    weights: tuple[Weight, ...]


@dataclass(frozen=True)
class Change:
    """Another value of one column, and the answer that it gives.

    Attributes:
        column: its number.
        cells: that the value may be in, for that answer.
        value: the nearest of them: a number, a category, 0 or 1, "missing", or "another" where it
            cannot be listed.
        answer: what the model then says.
    """

    column: int
    cells: frozenset[int]
    value: float | str
    answer: str


@dataclass(frozen=True)
class Reason:
    """Why a row got its answer.

    Attributes:
        row: its number, from 0.
        answer: of the model.
        fired: numbers of the class or bit and of its rules that hold.
        facts: for each class or bit that is the answer, conditions that alone are enough for it.
        change: the smallest change of one column that gives another answer, if there is one.
    """

    row: int
    answer: str
    fired: tuple[tuple[int, int], ...]
    facts: tuple[tuple[int, dict[int, frozenset[int]]], ...]
    change: Change | None


def bits_of(model: Model, rows: Rows) -> Bits:
    """Rows as the circuit's inputs, bool[N, inputs]."""
    if model.encoder is None:
        return np.asarray(rows).astype(np.bool_)
    return model.encoder.encode(np.asarray(rows))


def number_of(outputs: Bits) -> Labels:
    """Outputs [N, outputs] as binary numbers, least significant bit first."""
    total = np.zeros(len(outputs), np.int64)
    for k in range(outputs.shape[1]):
        total += outputs[:, k].astype(np.int64) << k
    return total


def answer_of(model: Model, outputs: Bits) -> str:
    """One row of outputs in words: a class, a number, or the bits."""
    if model.num_classes is not None:
        number = int(number_of(outputs[None])[0])
        names = model.class_names
        return names[number] if names is not None and number < len(names) else str(number)
    if model.numbers is not None:
        values = np.atleast_1d(model.numbers(outputs[None])[0])
        return " ".join(f"{value:g}" for value in values.tolist())
    return "".join("01"[bit] for bit in outputs.astype(int).tolist())


def evidence(
    explanation: Explanation, rows: Rows, labels: Labels | None = None, *, seed: int = 0
) -> Evidence:
    """What rows say of an explanation.

    Args:
        labels: the right class of each row, from 0; or the right value of a model of one bit.
        seed: of the shuffles.
    """
    model = explanation.model
    outputs = model.circuit(bits_of(model, rows))
    answers = number_of(outputs) if labels is not None or model.num_classes is not None else None
    found: list[Cover] = []
    of_rules: list[tuple[Cover, ...]] = []
    holds = _rules_hold(explanation, bits_of(model, rows))
    for i in range(len(explanation.logics)):
        if model.num_classes is None:
            is_answer, target = outputs[:, i], 1
        else:
            assert answers is not None
            is_answer, target = answers == i, i
        right = None if labels is None else labels == target
        found.append(_cover(is_answer, right))
        of_rules.append(tuple(_cover(one, right) for one in holds[i]))
    accuracy = None if labels is None or answers is None else float((answers == labels).mean())
    weights = _weights(explanation, rows, labels, seed)
    return Evidence(len(rows), accuracy, tuple(found), tuple(of_rules), weights)


def _cover(holds: Bits, right: Bits | None) -> Cover:
    return Cover(int(holds.sum()), None if right is None else int((holds & right).sum()))


def _rules_hold(explanation: Explanation, bits: Bits) -> list[list[Bits]]:
    """Which rows each rule of each class or bit holds for."""
    rules: dict[str, Formula] = {
        f"{i} {k}": rule
        for i, logic in enumerate(explanation.logics)
        for k, rule in enumerate(logic.rules)
    }
    names = explanation.model.circuit.input_names
    holds = circuit_of(rules, {}, explanation.domains, names)(bits)
    columns = iter(holds.T)
    return [[next(columns) for _ in logic.rules] for logic in explanation.logics]


def _weights(
    explanation: Explanation, rows: Rows, labels: Labels | None, seed: int
) -> tuple[Weight, ...]:
    model, rng = explanation.model, np.random.default_rng(seed)
    is_wide = len(explanation.columns) > MANY_COLUMNS
    shuffles = 1 if is_wide else SHUFFLES
    chosen = np.sort(rng.permutation(len(rows))[: MANY_ROWS if is_wide else MOST_ROWS])
    rows = np.asarray(rows)[chosen]
    outputs = model.circuit(bits_of(model, rows))
    right = None if labels is None else number_of(outputs) == labels[chosen]
    found: list[Weight] = []
    for column in explanation.columns:
        changed = drop = 0.0
        for _ in range(shuffles):
            shuffled = rows.copy()
            shuffled[:, column] = rows[rng.permutation(len(rows)), column]
            others = model.circuit(bits_of(model, shuffled))
            changed += float((others != outputs).any(axis=1).mean()) / shuffles
            if labels is not None and right is not None:
                is_right = number_of(others) == labels[chosen]
                drop += float(right.mean() - is_right.mean()) / shuffles
        found.append(Weight(column, changed, None if labels is None else drop))
    return tuple(sorted(found, key=lambda one: (-(one.drop or 0), -one.changed, one.column)))


def why(explanation: Explanation, rows: Rows, row: int) -> Reason:
    """Why row number `row` got its answer, and what would have changed it."""
    model, domains = explanation.model, explanation.domains
    bits = bits_of(model, np.asarray(rows)[row : row + 1])
    outputs = model.circuit(bits)[0]
    holds = _rules_hold(explanation, bits)
    number = int(number_of(outputs[None])[0]) if model.num_classes is not None else -1
    cells = [
        int(one.cells_of(bits)[0]) if column in set(explanation.columns) else 0
        for column, one in enumerate(domains)
    ]
    fired: list[tuple[int, int]] = []
    facts: list[tuple[int, dict[int, frozenset[int]]]] = []
    for i, logic in enumerate(explanation.logics):
        if not (number == i if model.num_classes is not None else outputs[i]):
            continue
        fired += [(i, k) for k, holding in enumerate(holds[i]) if holding[0]]
        if logic.formula is not None:
            value, found = witness(logic.formula, cells, logic.definitions, domains)
            assert value, "a proved formula is 1 where its circuit is"
            facts.append((i, found))
    change = _smallest_change(explanation, rows, row, bits[0], outputs)
    return Reason(row, answer_of(model, outputs), tuple(fired), tuple(facts), change)


def _smallest_change(
    explanation: Explanation, rows: Rows, row: int, bits: Bits, outputs: Bits
) -> Change | None:
    """By how far a number moves, in standard deviations; a category or bit moves by one."""
    model = explanation.model
    best: tuple[float, Change] | None = None
    for column in explanation.columns:
        domain = explanation.domains[column]
        tried = np.repeat(bits[None], len(domain), axis=0)
        tried[:, list(domain.bits)] = np.array(domain.codes, np.bool_)
        answers = model.circuit(tried)
        here = int(domain.cells_of(bits[None])[0])
        others = [
            cell for cell in range(len(domain)) if (answers[cell] != outputs).any() and cell != here
        ]
        values = np.asarray(rows)[:, column]
        for cell in others:
            value, distance = _nearest(domain, here, cell, values[row], values)
            if best is None or distance < best[0]:
                same = [k for k in others if (answers[k] == answers[cell]).all()]
                cells = frozenset(same if not domain.is_line else _joining(same, cell, domain))
                change = Change(column, cells, value, answer_of(model, answers[cell]))
                best = distance, change
    return None if best is None else best[1]


def _joining(cells: Sequence[int], cell: int, domain: Domain) -> list[int]:
    """The run of neighbouring cells about this one; a missing value's is alone."""
    if cell == domain.missing:
        return [cell]
    first = last = cell
    while first - 1 in cells:
        first -= 1
    while last + 1 in cells and last + 1 != domain.missing:
        last += 1
    return list(range(first, last + 1))


def _nearest(
    domain: Domain, here: int, cell: int, value: Any, values: Rows
) -> tuple[float | str, float]:
    """The nearest value in a cell, and how far it is from the row's."""
    if cell == domain.missing:
        return "missing", 1.0
    if domain.kind == "bit":
        return float(cell), 1.0
    if domain.kind == "category":
        names = domain.labels[cell]
        return names[0] if names else "another", 1.0
    if domain.kind == "ordered":
        far = 1.0 if here == domain.missing else abs(cell - here) / max(1, domain.num_levels - 1)
        return domain.categories[cell], far
    if not domain.limits:
        return "another", 1.0
    # number: into the cell from above, to its upper limit; from below, just over its lower one
    is_from_above = here == domain.missing or cell < here
    if is_from_above and cell < len(domain.limits):
        to = domain.limits[cell]
    else:
        to = float(np.nextafter(domain.limits[cell - 1], np.inf))
    if here == domain.missing:
        return to, 1.0
    spread = float(np.nanstd(values.astype(np.float64)))
    return to, abs(float(value) - to) / (spread or 1.0)
