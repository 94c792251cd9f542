"""`explain`: what a model's circuit decides, as rules and formulas over the columns that it reads.

Each class (or output bit) is a circuit of its own, made small. Where its columns have few enough
combinations of values, these are tabulated and covered by rules; elsewhere its gates are written as
a formula with definitions. Either is then made into gates again, and these are proved equal to the
model's circuit on everything that its encoder can produce.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from gatewright.circuit import FALSE, TRUE, Builder, Circuit
from gatewright.errors import InputError
from gatewright.model import Model
from gatewright.passes import optimize
from gatewright.rules.covers import Cube, cover
from gatewright.rules.domains import Domain, domains_of
from gatewright.rules.formula import (
    Always,
    Condition,
    Definitions,
    Formula,
    Joined,
    Named,
    Not,
    circuit_of,
    columns_of,
    inputs_read,
    joined,
    nested,
    text,
)
from gatewright.verify import NotEquivalent, Proof, prove

#: Combinations of cells that are tabulated, at most.
MOST_POINTS = 1 << 18
#: Gates a line of the limit, at most, for a class to be rewritten; more would not come to so few.
GATES_A_LINE = 25
#: Seconds that a search for a smaller circuit may take, a class.
SEARCH_SECONDS = 5.0

#: Lines of a class, unless a limit is given.
LIMIT = 40


@dataclass(frozen=True)
class Logic:
    """When a class is the answer, or an output bit is 1.

    Attributes:
        label: the class, or the output's name.
        form: "rules" (any of them is enough), "formula" (with definitions), "otherwise" (none of
            the other classes' rules) or "too large".
        rules: each a condition or several joined by "and"; of "rules" alone.
        definitions: names that the formula uses, in an order in which each can be read.
        formula: all of it; None where it is too large.
        columns: numbers of those that it depends on, as far as that is known.
        gates, bits: of its circuit.
        proof: that the formula is the circuit.
    """

    label: str
    form: str
    rules: tuple[Formula, ...]
    definitions: Definitions
    formula: Formula | None
    columns: tuple[int, ...]
    gates: int
    bits: int
    proof: Proof | None = None


@dataclass(frozen=True)
class Explanation:
    """What a model decides, and on which columns.

    Attributes:
        domains: of its columns; `Condition.column` counts them.
        logics: one a class, or one an output bit.
        limit: lines that a class may have.
    """

    model: Model
    domains: tuple[Domain, ...]
    logics: tuple[Logic, ...]
    limit: int = LIMIT
    _texts: dict[Formula, str] = field(default_factory=dict[Formula, str], repr=False)

    @property
    def columns(self) -> list[int]:
        """Numbers of the columns that some class or bit depends on."""
        return sorted({column for logic in self.logics for column in logic.columns})

    def text(self, formula: Formula) -> str:
        """A formula in words."""
        if formula not in self._texts:
            self._texts[formula] = text(formula, self.domains)
        return self._texts[formula]


def explain(
    model: Model,
    *,
    names: Sequence[str] | None = None,
    limit: int = LIMIT,
    seconds: float = 60.0,
    seed: int = 0,
) -> Explanation:
    """The rules or formulas of a model, each proved equal to the circuit.

    Args:
        names: of the columns, where the model's encoder has none.
        limit: rules, or definitions and the formula, a class may take; above it is "too large".
        seconds: for each proof.
        seed: of the search for rules.

    Raises:
        InputError: the names are not one a column.
        Undecided: a proof took longer than it may.
    """
    domains = domains_of(model)
    if names is not None:
        if len(names) != len(domains):
            raise InputError(f"{len(names)} names of columns are given; there are {len(domains)}")
        domains = domains_of(model, names)
    if limit < 1:
        raise InputError(f"the limit is at least 1 line, not {limit}")
    deciders = {label: decider(model, i) for i, label in enumerate(labels_of(model))}
    logics = [
        _logic(label, circuit, domains, limit, seconds, seed) for label, circuit in deciders.items()
    ]
    logics = _with_otherwise(model, logics, domains)
    for i, (logic, circuit) in enumerate(zip(logics, deciders.values(), strict=True)):
        if logic.formula is not None:
            logics[i] = _proved(logic, circuit, domains, seconds)
    return Explanation(model, tuple(domains), tuple(logics), limit)


def labels_of(model: Model) -> list[str]:
    """Names of what is explained: the classes, or the output bits."""
    if model.num_classes is None:
        return list(model.circuit.output_names)
    return list(model.class_names or map(str, range(model.num_classes)))


def decider(model: Model, number: int) -> Circuit:
    """A circuit of the model's inputs whose one output is 1 for a class, or is an output bit."""
    circuit = model.circuit
    builder = Builder(circuit.input_names, circuit.name)
    outputs = builder.copy(circuit, builder.inputs)
    if model.num_classes is None:
        found = outputs[number]
    else:
        found = FALSE if number >> len(outputs) else TRUE
        for k, output in enumerate(outputs):
            found = builder.land(found, output ^ (~number >> k & 1))
    builder.output("y", found)
    return builder.build()


def prove_formula(
    formula: Formula,
    definitions: Definitions,
    circuit: Circuit,
    domains: Sequence[Domain],
    *,
    seconds: float = 60.0,
) -> Proof:
    """Prove a formula equal to a circuit of one output on all bits that the encoder can produce.

    Raises:
        NotEquivalent: with bits, which the encoder can produce, on which they differ.
        Undecided: neither, within the time.
    """
    of_formula = circuit_of({"y": formula}, definitions, domains, circuit.input_names)
    used = sorted({*inputs_read(of_formula), *inputs_read(circuit)})
    sides = [_cared(side, used, domains) for side in (of_formula, circuit)]
    return prove(*sides, seconds=seconds)


def _cared(circuit: Circuit, used: Sequence[int], domains: Sequence[Domain]) -> Circuit:
    """The circuit over these inputs alone, and 0 on bits that the encoder cannot produce."""
    builder = Builder([circuit.input_names[i] for i in used], circuit.name)
    inputs = [FALSE] * circuit.num_inputs
    for i, literal in zip(used, builder.inputs, strict=True):
        inputs[i] = literal
    (found,) = builder.copy(circuit, inputs)
    chosen = set(used)
    for domain in domains:
        if chosen & set(domain.bits):
            found = builder.land(found, domain.care(builder, inputs, chosen))
    builder.output("y", found)
    return builder.build()


def _logic(
    label: str,
    circuit: Circuit,
    domains: Sequence[Domain],
    limit: int,
    seconds: float,
    seed: int,
) -> Logic:
    small = optimize(circuit, 1, seconds=seconds)
    of_bit = {bit: column for column, domain in enumerate(domains) for bit in domain.bits}
    used = inputs_read(small)
    columns = sorted({of_bit[bit] for bit in used})
    rules = _rules(small, used, columns, domains, limit, seed)
    may_be_read = small.num_gates <= GATES_A_LINE * limit
    if rules is None and may_be_read:
        small = optimize(small, time_budget=SEARCH_SECONDS, seconds=seconds, seed=seed)
        if len(inputs_read(small)) < len(used):
            used = inputs_read(small)
            columns = sorted({of_bit[bit] for bit in used})
            rules = _rules(small, used, columns, domains, limit, seed)
    about = (small.num_gates, len(used))
    if rules is not None:
        formula = joined("or", rules, domains)
        found = tuple(sorted(columns_of(formula)))
        return Logic(label, "rules", tuple(rules), {}, formula, found, *about)
    spelt = nested(small, domains, limit) if may_be_read else None
    if spelt is None or 1 + len(spelt[0]) > limit:
        return Logic(label, "too large", (), {}, None, tuple(columns), *about)
    definitions, formula = spelt
    return Logic(label, "formula", (), definitions, formula, tuple(columns), *about)


def _rules(
    circuit: Circuit,
    used: Sequence[int],
    columns: Sequence[int],
    domains: Sequence[Domain],
    limit: int,
    seed: int,
) -> list[Formula] | None:
    """Rules that cover the circuit's function; None where its table, or they, are too large."""
    chosen = set(used)
    sides = [domains[column].project(chosen) for column in columns]
    shape = tuple(map(len, sides))
    if math.prod(shape) > MOST_POINTS:
        return None
    bits = np.zeros((math.prod(shape), circuit.num_inputs), np.bool_)
    for axis, (column, side) in enumerate(zip(columns, sides, strict=True)):
        place = np.indices(shape, sparse=True)[axis]
        cell = np.broadcast_to(place, shape).reshape(-1)
        held = [bit for bit in domains[column].bits if bit in chosen]
        bits[:, held] = np.array([code for code, _ in side], np.bool_)[cell]
    grid = circuit(bits)[:, 0].reshape(shape)
    if grid.all() or not grid.any():
        return [Always(bool(grid.any()))]
    is_line = [domains[column].is_line for column in columns]
    levels = [
        sum(domains[column].missing not in cells for _, cells in side)
        for column, side in zip(columns, sides, strict=True)
    ]
    cubes = cover(grid, is_line, levels, limit, seed)
    if cubes is None:
        return None
    return [_rule(cube, columns, sides, domains) for cube in cubes]


def _rule(
    cube: Cube,
    columns: Sequence[int],
    sides: Sequence[Sequence[tuple[object, frozenset[int]]]],
    domains: Sequence[Domain],
) -> Formula:
    conditions: list[Formula] = []
    for column, side, inside in zip(columns, sides, cube, strict=True):
        cells = [group for (_, group), held in zip(side, inside.tolist(), strict=True) if held]
        conditions.append(Condition(column, frozenset[int]().union(*cells)))
    return joined("and", conditions, domains)


def _with_otherwise(model: Model, logics: list[Logic], domains: Sequence[Domain]) -> list[Logic]:
    """The one class that has no rules as what is left, where all others have some."""
    large = [i for i, logic in enumerate(logics) if logic.form != "rules"]
    others = [logic for logic in logics if logic.form == "rules"]
    if model.num_classes is None or len(large) != 1 or len(logics) < 2:
        return logics
    rest = Not(joined("or", [rule for logic in others for rule in logic.rules], domains))
    (at,) = large
    one = logics[at]
    columns = tuple(sorted(columns_of(rest)))
    logics[at] = Logic(one.label, "otherwise", (), {}, rest, columns, one.gates, one.bits)
    return logics


def _proved(logic: Logic, circuit: Circuit, domains: Sequence[Domain], seconds: float) -> Logic:
    assert logic.formula is not None
    try:
        proof = prove_formula(logic.formula, logic.definitions, circuit, domains, seconds=seconds)
    except NotEquivalent as difference:
        raise RuntimeError(f"{logic.label}: the formula is not the circuit: {difference}") from None
    return Logic(
        logic.label, logic.form, logic.rules, logic.definitions, logic.formula, logic.columns,
        logic.gates, logic.bits, proof,
    )  # fmt: skip


def witness(
    formula: Formula,
    cells: Sequence[int],
    definitions: Definitions,
    domains: Sequence[Domain],
) -> tuple[bool, dict[int, frozenset[int]]]:
    """The value of a formula on a row, and conditions of the row that alone are enough for it.

    Args:
        cells: that the row's columns are in.
    """
    match formula:
        case Always(value):
            return value, {}
        case Condition(column, inside):
            holds = cells[column] in inside
            every = frozenset(range(len(domains[column])))
            return holds, {column: inside if holds else every - inside}
        case Named(name):
            return witness(definitions[name], cells, definitions, domains)
        case Not(part):
            value, found = witness(part, cells, definitions, domains)
            return not value, found
        case Joined(word, parts):
            of_parts = [witness(part, cells, definitions, domains) for part in parts]
            if word == "xor":
                value = of_parts[0][0] != of_parts[1][0]
                return value, _both(found for _, found in of_parts)
            deciding = word == "or"  # one part of this value is enough
            alone = [found for value, found in of_parts if value == deciding]
            if alone:
                return deciding, min(alone, key=len)
            return not deciding, _both(found for _, found in of_parts)


def _both(found: Iterable[dict[int, frozenset[int]]]) -> dict[int, frozenset[int]]:
    """All the conditions together, those of one column as one."""
    merged: dict[int, frozenset[int]] = {}
    for one in found:
        for column, cells in one.items():
            merged[column] = merged.get(column, cells) & cells
    return merged
