from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright import rules
from gatewright.circuit import Builder, Circuit
from gatewright.encode import Identity, Thermometer
from gatewright.errors import InputError
from gatewright.model import Model
from gatewright.passes import optimize
from gatewright.readout import Numbers
from gatewright.rules import Explanation, Logic, explain, prove_formula
from gatewright.rules.covers import cover
from gatewright.rules.domains import domains_of
from gatewright.rules.evidence import bits_of, evidence, why
from gatewright.rules.formula import Always, Condition, Joined, Named, Not
from gatewright.tables import Field, TableEncoder
from gatewright.verify import NotEquivalent, Undecided
from random_circuits import large

LETTERS = "abcdef"


@st.composite
def fields(draw: st.DrawFn, name: str) -> Field:
    missing = draw(st.booleans())
    kind = draw(st.sampled_from(["number", "ordered", "category"]))
    if kind == "number":
        limits = draw(st.sets(st.integers(-4, 4), max_size=4))
        return Field(name, kind, tuple(k / 2 for k in sorted(limits)), missing=missing)
    categories = tuple(LETTERS[: draw(st.integers(1, 5))])
    if kind == "ordered":
        limits = tuple(k + 0.5 for k in range(len(categories) - 1))
        return Field(name, kind, limits, categories, missing=missing)
    own = tuple(sorted(draw(st.sets(st.integers(0, len(categories) - 1)))))
    return Field(name, kind, (), categories, own, missing)


@st.composite
def table_models(draw: st.DrawFn) -> Model:
    """A random circuit behind the encoder of a random table; of classes or of bits."""
    num = draw(st.integers(1, 4))
    unseen = draw(st.sampled_from(["error", "ignore"]))
    encoder = TableEncoder(tuple(draw(fields(f"c{i}")) for i in range(num)), unseen)
    builder = Builder([f"b{i}" for i in range(encoder.num_bits)])
    literals = [0, *builder.inputs]
    for _ in range(draw(st.integers(0, 25))):
        a, b = (draw(st.sampled_from(literals)) ^ draw(st.integers(0, 1)) for _ in range(2))
        literals.append(builder.gate(draw(st.sampled_from([6, 6, 8, 14])), a, b))
    for name in ("y0", "y1"):
        builder.output(name, draw(st.sampled_from(literals[-8:])) ^ draw(st.integers(0, 1)))
    return Model(builder.build(), draw(st.sampled_from([None, 3, 4])), encoder)


def random_table(encoder: TableEncoder, num: int, seed: int) -> dict[str, list[Any]]:
    """Values on, at and between limits, all categories, missing and unseen ones where allowed."""
    rng = np.random.default_rng(seed)
    table: dict[str, list[Any]] = {}
    for field in encoder.fields:
        if field.kind == "number":
            pool: list[Any] = [k / 4 for k in range(-10, 11)]
        else:
            pool = list(field.categories)
            pool += ["zz"] * (encoder.unseen == "ignore" and field.kind == "category")
        pool += [None] * field.missing
        table[field.name] = [pool[k] for k in rng.integers(0, len(pool), num)]
        if field.kind != "number":  # a column that is all missing is one of numbers
            table[field.name][0] = field.categories[0]
    return table


def split(text: str, word: str) -> list[str]:
    """The text between words that stand in no brackets."""
    parts, depth, last = [], 0, 0
    for i, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if not depth and text.startswith(f" {word} ", i):
            parts.append(text[last:i])
            last = i + len(word) + 2
    return [*parts, text[last:]]


def holds(text: str, row: Mapping[str, Any], named: Mapping[str, str]) -> bool:
    """What a reader makes of a formula; nothing of the package's is used."""
    if text in ("always", "never"):
        return text == "always"
    if text in named:
        return holds(named[text], row, named)
    if found := re.fullmatch(r"(\w+) is (\w+(?: or \w+)+)", text):
        return (row[found[1]] or "missing") in found[2].split(" or ")
    for word, join in (("or", any), ("xor", lambda parts: sum(parts) == 1), ("and", all)):
        parts = split(text, word)
        if len(parts) > 1:
            return bool(join([holds(part, row, named) for part in parts]))
    if text.startswith("(") and text.endswith(")"):
        return holds(text[1:-1], row, named)
    if text.startswith("not "):
        return not holds(text[4:], row, named)
    if found := re.fullmatch(r"(\w+) is (not )?missing", text):
        return (row[found[1]] is None) != bool(found[2])
    if found := re.fullmatch(r"(\w+) is none of .*", text):
        return row[found[1]] not in LETTERS
    if found := re.fullmatch(
        r"(\w+) is (?:not|neither) (\w+(?: nor \w+)*)( \(or is missing\))?", text
    ):
        value, others = row[found[1]], found[2].split(" nor ")
        assert bool(found[3]) == (value is None and "missing" not in others) or value is not None
        return (value or "missing") not in others
    if found := re.fullmatch(r"(\w+) = (\w+)", text):
        return row[found[1]] == found[2]
    (name,) = (part for part in re.findall(r"[^\s<>=]+", text) if part in row)
    if row[name] is None:
        return False
    # Ordered categories are letters, whose order is that of the alphabet.
    return bool(eval(re.sub(r"(?<![\w.])([a-f])(?!\w)", r"'\1'", text), {}, dict(row)))


def rows_of(table: Mapping[str, list[Any]]) -> Iterator[dict[str, Any]]:
    for values in zip(*table.values(), strict=True):
        yield dict(zip(table, values, strict=True))


def says(explanation: Explanation, logic: Logic, row: Mapping[str, Any]) -> bool:
    assert logic.formula is not None
    named = {name: explanation.text(f) for name, f in logic.definitions.items()}
    value = holds(explanation.text(logic.formula), row, named)
    if logic.form == "rules":
        assert value == any(holds(explanation.text(rule), row, {}) for rule in logic.rules)
    return value


def answers(model: Model, table: Any) -> np.ndarray:
    """bool[N, logics]: what the model predicts, as what is explained of it."""
    predicted = model.predict(table)
    if model.num_classes is None:
        return predicted
    return predicted[:, None] == np.arange(model.num_classes)


def bits_model(num_inputs: int, *outputs: Any, num_classes: int | None = None) -> Model:
    """A model of bits x0, x1, ...; outputs are functions of a builder."""
    builder = Builder([f"x{i}" for i in range(num_inputs)])
    for i, output in enumerate(outputs):
        builder.output(f"y{i}", output(builder, *builder.inputs))
    return Model(builder.build(), num_classes)


@pytest.mark.parametrize("points", [rules.MOST_POINTS, 0])
@settings(max_examples=60)
@given(table_models(), st.integers(0, 1000))
def test_the_text_says_what_the_model_predicts(points, model, seed):
    """As rules, and (where no table may be made) as formulas of gates that ABC has not seen."""
    assert isinstance(model.encoder, TableEncoder)
    table = random_table(model.encoder, 40, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rules, "MOST_POINTS", points)
        patch.setattr(rules, "optimize", lambda circuit, *_, **__: optimize(circuit, 1))
        explanation = explain(model, limit=200)
    expected = answers(model, table)
    for row, found in zip(rows_of(table), expected.tolist(), strict=True):
        assert [says(explanation, logic, row) for logic in explanation.logics] == found
    assert all(logic.proof is not None for logic in explanation.logics)
    if points:
        assert {logic.form for logic in explanation.logics} == {"rules"}


def test_monk1s_rule_is_found():
    sklearn = pytest.importorskip("gatewright.sklearn")
    rows = np.array(list(itertools.product(*(range(1, k + 1) for k in (3, 3, 2, 3, 4, 2)))))
    table = {f"a{i + 1}": rows[:, i] for i in range(6)}
    label = np.where((rows[:, 0] == rows[:, 1]) | (rows[:, 4] == 1), "yes", "no")
    trained = sklearn.LogicClassifier(
        widths=(48,), steps=600, categorical=list(table), random_state=0
    ).fit(table, label)
    assert trained.score(table, label) == 1
    explanation = explain(Model.from_bytes(trained.model_.to_bytes()))
    no, yes = explanation.logics
    assert (no.label, yes.label) == ("no", "yes")
    found = {explanation.text(rule) for rule in yes.rules}
    assert found == {"a5 = 1", *(f"a1 = {k} and a2 = {k}" for k in (1, 2, 3))}
    assert {explanation.domains[c].name for c in yes.columns} == {"a1", "a2", "a5"}
    assert yes.proof is not None
    seen = evidence(explanation, trained.model_.encoder.rows(table), (label == "yes").astype(int))
    assert seen.accuracy == 1
    assert [cover.rows for cover in seen.answers] == [216, 216]
    assert all(cover.rows == cover.right for rule in seen.rules for cover in rule)
    assert {one.column: one.changed > 0 for one in seen.weights} == {0: True, 1: True, 4: True}


def numbers_model(table: int) -> Model:
    """One column of the thresholds 3 and 5, and a gate of both bits."""
    encoder = TableEncoder((Field("x", "number", (3.0, 5.0)),))
    model = bits_model(2, lambda b, low, high: b.gate(table, low, high))
    return Model(model.circuit, None, encoder)


@pytest.mark.parametrize(
    ("table", "text"),
    [
        (0x4, "never"),  # ~low & high
        (0xB, "always"),
        (0x6, "3 < x <= 5"),
        (0x2, "3 < x <= 5"),
        (0x8, "x > 5"),
        (0xE, "x > 3"),
        (0x9, "x <= 3 or x > 5"),
    ],
)
def test_bits_that_cannot_be_are_not_cared_for(table, text):
    explanation = explain(numbers_model(table))
    (logic,) = explanation.logics
    assert " or ".join(map(explanation.text, logic.rules)) == text
    assert logic.proof is not None


def test_the_proof_is_on_bits_that_the_encoder_can_produce():
    model = numbers_model(0x6)
    domains = domains_of(model)
    between = Condition(0, frozenset({1}))
    assert prove_formula(between, {}, model.circuit, domains).rows == 4
    with pytest.raises(NotEquivalent) as caught:
        prove_formula(Condition(0, frozenset({1, 2})), {}, model.circuit, domains)
    assert caught.value.inputs == {"x0": 1, "x1": 1}
    # without that knowledge, x1 without x0 is a difference: low & ~high is no xor
    free = domains_of(Model(model.circuit))
    parts = (Condition(0, frozenset({1})), Condition(1, frozenset({0})))
    with pytest.raises(NotEquivalent) as caught:
        prove_formula(Joined("and", parts), {}, model.circuit, free)
    assert caught.value.inputs == {"x0": 0, "x1": 1}


@settings(max_examples=40)
@given(table_models(), st.data())
def test_a_planted_wrong_formula_is_caught(model, data):
    """The formula but for one combination of cells: the proof gives a row of it, or of no other."""
    domains = domains_of(model)
    explanation = explain(model, limit=200)
    logic = data.draw(st.sampled_from(explanation.logics))
    assert logic.formula is not None
    cells = [data.draw(st.integers(0, len(one) - 1)) for one in domains]
    there = [Condition(c, frozenset({cell})) for c, cell in enumerate(cells)]
    wrong = Joined("xor", (logic.formula, Joined("and", tuple(there))))
    circuit = rules.decider(model, explanation.logics.index(logic))
    with pytest.raises(NotEquivalent) as caught:
        prove_formula(wrong, logic.definitions, circuit, domains)
    for domain, cell in zip(domains, cells, strict=True):
        for bit, value in zip(domain.bits, domain.codes[cell], strict=True):
            assert caught.value.inputs.get(f"b{bit}", value) == value


def test_a_defect_in_the_cover_is_no_explanation(monkeypatch):
    def without_the_last(*arguments: Any) -> Any:
        found = cover(*arguments)
        return found and found[:-1]

    model = bits_model(3, lambda b, x, y, z: b.lor(b.land(x, y), z))
    explain(model)
    monkeypatch.setattr(rules, "cover", without_the_last)
    with pytest.raises(RuntimeError, match="y0: the formula is not the circuit"):
        explain(model)


@given(st.data())
def test_covers_are_prime_irredundant_and_right(data):
    shape = tuple(data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    seed = data.draw(st.integers(0, 1 << 30))
    rng = np.random.default_rng(seed)
    grid = rng.random(shape) < data.draw(st.sampled_from([0.2, 0.5, 0.9]))
    is_line = rng.random(len(shape)) < 0.5
    levels = [size - (size > 1 and bool(rng.integers(2))) for size in shape]
    cubes = cover(grid, is_line.tolist(), levels, 1000, seed)
    assert cubes is not None
    held = np.zeros(shape, np.int64)
    for cube in cubes:
        held[np.ix_(*cube)] += 1
        for axis, (cells, line, num) in enumerate(zip(cube, is_line, levels, strict=True)):
            inside = np.flatnonzero(cells[:num] if line else [])
            if len(inside):
                assert inside[-1] - inside[0] == len(inside) - 1, "a range"
            for cell in np.flatnonzero(~cells):  # no cell can join, or the range would have a gap
                wider = list(cube)
                wider[axis] = np.arange(shape[axis]) == cell
                joins = not (line and cell < num and len(inside)) or (
                    cell in (inside[0] - 1, inside[-1] + 1)
                )
                if joins and not (line and cell < num and not len(inside)):
                    assert not grid[np.ix_(*wider)].all()
    np.testing.assert_array_equal(held > 0, grid)
    assert all((held[np.ix_(*cube)] == 1).any() for cube in cubes)
    assert cover(grid, is_line.tolist(), levels, len(cubes), seed) is not None
    if cubes:
        assert cover(grid, is_line.tolist(), levels, len(cubes) - 1, seed) is None


@settings(max_examples=60)
@given(table_models(), st.integers(0, 1000))
def test_the_reason_of_a_row_is_true(model, seed):
    encoder = model.encoder
    assert isinstance(encoder, TableEncoder)
    table = random_table(encoder, 60, seed)
    rows, all_rows = encoder.rows(table), list(rows_of(table))
    explanation = explain(model, limit=200)
    expected = answers(model, table)
    for n in range(4):
        reason = why(explanation, rows, n)
        for i, k in reason.fired:
            assert expected[n, i]
            assert holds(explanation.text(explanation.logics[i].rules[k]), all_rows[n], {})
        assert {i for i, _ in reason.facts} == set(np.flatnonzero(expected[n]))
        for i, facts in reason.facts:
            texts = [explanation.domains[c].text(cells) for c, cells in facts.items()]
            assert all(holds(text, all_rows[n], {}) for text in texts)
            for m, row in enumerate(all_rows):  # they are enough
                assert expected[m, i] or not all(holds(text, row, {}) for text in texts)
        assert_change_is_true(model, explanation, table, rows, n)


@given(fields("c0"), st.integers(0, 1000))
def test_a_fact_tells_the_value_and_a_condition_that_it_meets(field, seed):
    encoder = TableEncoder((field,))
    model = Model(Builder([f"b{i}" for i in range(encoder.num_bits)]).build(), None, encoder)
    (domain,) = domains_of(model)
    table = random_table(encoder, 30, seed)
    rows, rng = encoder.rows(table), np.random.default_rng(seed)
    found = domain.cells_of(encoder(table))
    for value, row, cell in zip(rows[:, 0], rows_of(table), found.tolist(), strict=True):
        cells = {cell, *np.flatnonzero(rng.random(len(domain)) < 0.5).tolist()}
        fact = domain.fact(value, cells)
        if row["c0"] is None:
            assert fact == "c0 is missing"
            continue
        shown = f"{row['c0']:g}" if field.kind == "number" else row["c0"]
        said, _, condition = fact.partition(": ")
        assert f"c0 = {shown}" in said
        assert holds(condition or said.replace(f"c0 = {shown}", "c0"), row, {"c0": "always"})


def assert_change_is_true(model, explanation, table, rows, n):
    change = why(explanation, rows, n).change
    names = list(table)

    def answer(column: int, value: Any) -> str:
        changed = {name: [values[n]] for name, values in table.items()}
        changed[names[column]] = [None if value == "missing" else value]
        bits = model.encoder(
            {  # a column of one missing value would be one of numbers
                name: np.array(values, object if field.kind != "number" else np.float64)
                for field, (name, values) in zip(model.encoder.fields, changed.items(), strict=True)
            }
        )
        (outputs,) = model.circuit(bits)
        if model.num_classes is None:
            return "".join(map(str, outputs.astype(int)))
        return str(outputs @ [1, 2])

    if change is not None:
        kind, value = model.encoder.fields[change.column].kind, change.value
        if value == "another" and kind == "number":
            value = 0.0
        elif value == "another" and model.encoder.unseen == "ignore":
            value = "zz"
        if value != "another":
            assert answer(change.column, value) == change.answer != why(explanation, rows, n).answer
    for column, field in enumerate(model.encoder.fields):
        if field.kind == "number" and not math.isnan(rows[n, column]):
            spread = float(np.nanstd(rows[:, column])) or 1.0
            for other in np.arange(-10, 11) / 4:
                if answer(column, other) != why(explanation, rows, n).answer:
                    assert change is not None
                    if change.value not in ("missing", "another") and (
                        model.encoder.fields[change.column].kind == "number"
                    ):
                        near = abs(change.value - rows[n, change.column])
                        scale = float(np.nanstd(rows[:, change.column])) or 1.0
                        far = 1.0 if math.isnan(near) else near / scale  # 1: it was missing
                        assert far <= abs(other - rows[n, column]) / spread + 1e-9
                    break


def test_the_smallest_change_of_a_number():
    model = numbers_model(0x6)  # 3 < x <= 5
    explanation = explain(model)
    rows = np.array([[4.5], [3.5], [9.0], [2.0]])
    found = [why(explanation, rows, n).change for n in range(4)]
    texts = [explanation.domains[0].text(one.cells) for one in found if one is not None]
    assert texts == ["x > 5", "x <= 3", "3 < x <= 5", "3 < x <= 5"]
    values = [one.value for one in found if one is not None]
    assert values == [np.nextafter(5, 6), 3, 5, np.nextafter(3, 4)]
    assert [one.answer for one in found if one is not None] == ["0", "0", "1", "1"]


def test_there_may_be_no_change_of_one_column():
    model = bits_model(3, lambda b, x, y, z: b.lor(b.lor(b.land(x, y), b.land(y, z)), b.land(x, z)))
    explanation = explain(model)
    rows = np.array([[1, 1, 1], [1, 1, 0]])
    assert why(explanation, rows, 0).change is None
    change = why(explanation, rows, 1).change
    assert change is not None
    assert (change.column, change.value, change.answer) == (0, 0.0, "0")


def test_a_formula_with_definitions_is_what_the_circuit_is(monkeypatch):
    monkeypatch.setattr(rules, "MOST_POINTS", 1)

    def shared(b: Builder, *x: int) -> int:
        both = b.lxor(b.land(x[0], x[1]), x[2])
        return b.lor(b.land(both, x[3]), b.land(both ^ 1, x[4]))

    explanation = explain(bits_model(5, shared))
    (logic,) = explanation.logics
    assert logic.form == "formula"
    assert logic.definitions
    assert list(logic.definitions) == ["t1"]
    for bits in itertools.product((0, 1), repeat=5):
        x = {f"x{i}": bit for i, bit in enumerate(bits)}
        expected = bits[3] if (bits[0] and bits[1]) != bits[2] else bits[4]
        named = {name: bits_text(explanation.text(f), x) for name, f in logic.definitions.items()}
        text = bits_text(explanation.text(logic.formula or Always(False)), x)
        assert holds(text, x, named) == bool(expected)


def bits_text(text: str, x: Mapping[str, int]) -> str:
    return re.sub(r"x\d", lambda found: "always" if x[found[0]] else "never", text)


def test_a_large_circuit_is_too_large():
    explanation = explain(Model(large(700, 30)), limit=3)
    one = next(logic for logic in explanation.logics if logic.form == "too large")
    assert one.formula is None
    assert one.proof is None
    assert one.gates > 3
    assert why(explanation, np.zeros((1, 30)), 0).row == 0


def test_one_class_that_is_too_large_is_what_the_others_leave():
    def either(b: Builder, *x: int) -> int:
        return b.lor(b.land(x[0], x[1]), b.lor(b.land(x[2], x[3]), b.land(x[4], x[5])))

    explanation = explain(bits_model(6, either, num_classes=2), limit=5)
    other, one = explanation.logics
    assert (other.form, one.form) == ("otherwise", "rules")
    assert isinstance(other.formula, Not)
    assert other.proof is not None
    for bits in itertools.product((0, 1), repeat=6):
        reason = why(explanation, np.array([bits]), 0)
        ((number, facts),) = reason.facts
        assert str(number) == reason.answer
        held = [Condition(c, cells) for c, cells in facts.items()]
        assert all(bits[c.column] in c.cells for c in held)


def test_names_and_kinds_of_encoders():
    circuit = bits_model(4, lambda b, w, x, y, z: b.lor(b.land(w, y ^ 1), b.land(x, z))).circuit
    thermometer = Thermometer(np.array([0.5, 2.5]), (2,))
    plain = explain(Model(circuit, None, thermometer))
    named = explain(Model(circuit, None, thermometer), names=["age", "size"])
    assert sorted(map(plain.text, plain.logics[0].rules)) == [
        "x0 > 0.5 and x1 <= 0.5",
        "x0 > 2.5 and x1 > 2.5",
    ]
    assert sorted(map(named.text, named.logics[0].rules)) == [
        "age > 0.5 and size <= 0.5", "age > 2.5 and size > 2.5",
    ]  # fmt: skip
    bits = explain(Model(circuit, None, Identity((2, 2))))
    assert sorted(map(bits.text, bits.logics[0].rules)) == ["x0 and not x2", "x1 and x3"]
    with pytest.raises(InputError, match="1 names of columns are given; there are 4"):
        explain(Model(circuit), names=["a"])
    with pytest.raises(InputError, match="at least 1 line"):
        explain(Model(circuit), limit=0)


def test_numbers_are_explained_bit_by_bit():
    model = bits_model(2, lambda b, x, y: b.land(x, y), lambda b, x, y: b.lxor(x, y))
    explanation = explain(Model(model.circuit, numbers=Numbers(1, 0.5, -1.0)))
    assert [logic.label for logic in explanation.logics] == ["y0", "y1"]
    assert why(explanation, np.array([[1, 0]]), 0).answer == "0"


def pairs(b: Builder, *x: int) -> int:
    """Some pair of neighbours is 1."""
    some = 0
    for one, other in zip(x[::2], x[1::2], strict=True):
        some = b.lor(some, b.land(one, other))
    return some


def test_more_columns_than_a_table_holds_are_a_formula():
    explanation = explain(bits_model(30, pairs))
    (logic,) = explanation.logics
    assert logic.form == "formula"
    assert not logic.definitions
    parts = [f"(x{i} and x{i + 1})" for i in range(0, 30, 2)]
    assert sorted(explanation.text(logic.formula or Always(False)).split(" or ")) == sorted(parts)
    assert logic.proof is not None
    assert logic.proof.method == "sat"


def test_too_little_time_is_undecided():
    model = bits_model(30, pairs)
    with pytest.raises(Undecided):
        explain(model, seconds=1e-9)


def test_a_formula_may_name_what_is_defined():
    model = bits_model(2, lambda b, x, y: b.lxor(x, y) ^ 1)
    domains = domains_of(model)
    one, other = (Condition(c, frozenset({1})) for c in (0, 1))
    same = Not(Named("t1"))
    prove_formula(same, {"t1": Joined("xor", (one, other))}, model.circuit, domains)
    with pytest.raises(NotEquivalent):
        prove_formula(same, {"t1": Joined("or", (one, other))}, model.circuit, domains)


def test_rows_are_counted_as_the_model_answers():
    model = bits_model(3, lambda b, x, y, z: b.lor(b.land(x, y), z), num_classes=2)
    rows = np.array(list(itertools.product((0, 1), repeat=3)))
    labels = rows[:, 2].astype(np.int64)
    seen = evidence(explain(model), rows, labels)
    assert bits_of(model, rows).dtype == np.bool_
    assert [(one.rows, one.right) for one in seen.answers] == [(3, 3), (5, 4)]
    assert sorted((one.rows, one.right) for one in seen.rules[1]) == [(2, 1), (4, 4)]
    assert seen.accuracy == 7 / 8
    assert seen.weights[0].column == 2
    assert evidence(explain(model), rows, labels) == seen
    assert evidence(explain(model), rows).accuracy is None


def test_circuits_of_any_names_are_explained():
    builder = Builder(["a or b", "c"])
    builder.output("y", builder.land(*builder.inputs))
    circuit: Circuit = builder.build()
    explanation = explain(Model(circuit))
    assert explanation.text(explanation.logics[0].rules[0]) == "(a or b) and c"
