"""Formulas over columns: conditions, joined by and, or, xor, not; as text, as gates, from gates.

A formula is what a person reads. `Formula.literal` makes gates of the formula itself, so that it
can be proved equal to the circuit that it is said to explain.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gatewright import gates
from gatewright.circuit import FALSE, TRUE, Builder, Circuit
from gatewright.rules.domains import Domain

#: Letters of a formula at most; a longer one gets a name and is used by that.
MOST_LETTERS = 160


@dataclass(frozen=True)
class Always:
    """The same on every row."""

    value: bool


@dataclass(frozen=True)
class Condition:
    """Column number `column` is in one of these cells of its domain."""

    column: int
    cells: frozenset[int]


@dataclass(frozen=True)
class Named:
    """What a definition of this name says."""

    name: str


@dataclass(frozen=True)
class Not:
    """The part does not hold."""

    part: Formula


@dataclass(frozen=True)
class Joined:
    """Parts joined by "and", "or" or "xor" (of two)."""

    word: str
    parts: tuple[Formula, ...]


Formula = Always | Condition | Named | Not | Joined
Definitions = Mapping[str, Formula]


def joined(word: str, parts: Sequence[Formula], domains: Sequence[Domain]) -> Formula:
    """Parts joined by "and" or "or": nested ones taken apart, conditions of one column merged."""
    is_and = word == "and"
    merged: dict[int, frozenset[int]] = {}
    others: list[Formula] = []
    for part in _flat(word, parts):
        if isinstance(part, Always):
            if part.value != is_and:
                return part
        elif isinstance(part, Condition):
            held = merged.get(part.column)
            cells = part.cells if held is None else _merge(held, part.cells, is_and)
            merged[part.column] = cells
        elif part not in others:
            others.append(part)
    conditions: list[Formula] = []
    for column, cells in merged.items():
        if len(cells) in (0, len(domains[column])):
            if bool(cells) != is_and:
                return Always(not is_and)
        else:
            conditions.append(Condition(column, cells))
    found = [*conditions, *others]
    if len(found) < 2:
        return found[0] if found else Always(is_and)
    return Joined(word, tuple(found))


def _flat(word: str, parts: Sequence[Formula]) -> Iterator[Formula]:
    for part in parts:
        if isinstance(part, Joined) and part.word == word:
            yield from part.parts
        else:
            yield part


def _merge(a: frozenset[int], b: frozenset[int], is_and: bool) -> frozenset[int]:
    return a & b if is_and else a | b


def negated(formula: Formula, domains: Sequence[Domain]) -> Formula:
    """The opposite, with "not" as deep as it goes."""
    match formula:
        case Always(value):
            return Always(not value)
        case Condition(column, cells):
            return Condition(column, frozenset(range(len(domains[column]))) - cells)
        case Not(part):
            return part
        case Joined("xor", (a, b)) if isinstance(a, Condition):
            return Joined("xor", (negated(a, domains), b))
        case Joined("and" | "or" as word, parts):
            other = "or" if word == "and" else "and"
            return joined(other, [negated(part, domains) for part in parts], domains)
        case _:
            return Not(formula)


def text(formula: Formula, domains: Sequence[Domain]) -> str:
    """The formula in words."""
    match formula:
        case Always(value):
            return "always" if value else "never"
        case Condition(column, cells):
            return domains[column].text(cells)
        case Named(name):
            return name
        case Not(part):
            return f"not {_inner(part, domains)}"
        case Joined(word, parts):
            return f" {word} ".join(_inner(part, domains) for part in parts)


def _inner(formula: Formula, domains: Sequence[Domain]) -> str:
    spelt = text(formula, domains)
    is_one = not isinstance(formula, Joined)
    if isinstance(formula, Condition):
        is_one = domains[formula.column].is_one(formula.cells)
    return spelt if is_one else f"({spelt})"


def literal(
    builder: Builder,
    inputs: Sequence[int],
    formula: Formula,
    domains: Sequence[Domain],
    known: Mapping[str, int],
) -> int:
    """The formula as gates over literals of the input bits; `known` are those of names."""
    match formula:
        case Always(value):
            return TRUE if value else FALSE
        case Condition(column, cells):
            return domains[column].literal(builder, inputs, cells)
        case Named(name):
            return known[name]
        case Not(part):
            return literal(builder, inputs, part, domains, known) ^ 1
        case Joined(word, parts):
            table = {"and": gates.AND, "or": gates.OR, "xor": gates.XOR}[word]
            first, *rest = (literal(builder, inputs, part, domains, known) for part in parts)
            for one in rest:
                first = builder.gate(table, first, one)
            return first


def circuit_of(
    formulas: Mapping[str, Formula],
    definitions: Definitions,
    domains: Sequence[Domain],
    input_names: Sequence[str],
) -> Circuit:
    """Formulas as a circuit of all input bits, an output each; definitions in their order."""
    builder = Builder(input_names, "formula")
    known: dict[str, int] = {}
    for name, formula in definitions.items():
        known[name] = literal(builder, builder.inputs, formula, domains, known)
    for name, formula in formulas.items():
        builder.output(name, literal(builder, builder.inputs, formula, domains, known))
    return builder.build()


def columns_of(formula: Formula) -> set[int]:
    """The columns that conditions of a formula are on."""
    match formula:
        case Condition(column, _):
            return {column}
        case Not(part):
            return columns_of(part)
        case Joined(_, parts):
            return set[int]().union(*map(columns_of, parts))
        case _:
            return set()


def conditions_of(formula: Formula) -> dict[int, frozenset[int]]:
    """The conditions of a rule, by column: one, or several joined by "and"."""
    parts = formula.parts if isinstance(formula, Joined) else (formula,)
    return {part.column: part.cells for part in parts if isinstance(part, Condition)}


def nested(
    circuit: Circuit, domains: Sequence[Domain], most: int
) -> tuple[dict[str, Formula], Formula] | None:
    """A canonical circuit's first output as a formula, and the definitions that it names.

    A gate that is read more than once is a definition, and so is one whose formula is long. None
    where there would be more than so many definitions.
    """
    column_of = {bit: (c, k) for c, one in enumerate(domains) for k, bit in enumerate(one.bits)}
    definitions: dict[str, Formula] = {}
    formula_of: dict[int, Formula] = {0: Always(False)}
    for node in range(1, circuit.first_gate):
        if node - 1 in column_of:
            c, k = column_of[node - 1]
            cells = frozenset(cell for cell, code in enumerate(domains[c].codes) if code[k])
            formula_of[node] = joined("and", [Condition(c, cells)], domains)
    output = int(circuit.outputs[0])
    pairs: list[tuple[int, int]] = circuit.fanin.tolist()
    tables: list[int] = circuit.table.tolist()
    live = reached(circuit)
    is_live = np.array(live[circuit.first_gate :], np.bool_)
    readers = np.bincount(circuit.fanin[is_live].reshape(-1), minlength=circuit.num_nodes)
    for node, (table, (a, b)) in enumerate(zip(tables, pairs, strict=True), circuit.first_gate):
        if not live[node]:
            continue
        of_a, of_b = formula_of[a], formula_of[b]
        formula = _gate(table, of_a, of_b, domains)
        is_shared = readers[node] > 1 and not isinstance(formula, (Always, Condition, Named))
        if node != output >> 1 and (is_shared or len(text(formula, domains)) > MOST_LETTERS):
            name = f"t{len(definitions) + 1}"
            definitions[name] = formula
            formula = Named(name)
            if len(definitions) > most:
                return None
        formula_of[node] = formula
    found = formula_of[output >> 1]
    return definitions, negated(found, domains) if output & 1 else found


def _gate(table: int, a: Formula, b: Formula, domains: Sequence[Domain]) -> Formula:
    """A gate that is 0 on zeros: a&~b, ~a&b, xor, and, or."""
    if table == gates.XOR:
        if isinstance(a, Always) or isinstance(b, Always):
            fixed, other = (a, b) if isinstance(a, Always) else (b, a)
            return negated(other, domains) if fixed == Always(True) else other
        return Joined("xor", (a, b))
    if table == gates.OR:
        return joined("or", [a, b], domains)
    not_a, not_b = table == gates.NAMES.index("~a&b"), table == gates.NAMES.index("a&~b")
    parts = [negated(a, domains) if not_a else a, negated(b, domains) if not_b else b]
    return joined("and", parts, domains)


def reached(circuit: Circuit) -> list[bool]:
    """Which nodes an output depends on."""
    live = [False] * circuit.num_nodes
    for output in circuit.outputs.tolist():
        live[output >> 1] = True
    pairs: list[tuple[int, int]] = circuit.fanin.tolist()
    for node in range(circuit.num_nodes - 1, circuit.first_gate - 1, -1):
        if live[node]:
            for operand in pairs[node - circuit.first_gate]:
                live[operand] = True
    return live


def inputs_read(circuit: Circuit) -> list[int]:
    """Numbers of the inputs that an output depends on."""
    live = reached(circuit)
    return [i for i in range(circuit.num_inputs) if live[1 + i]]
