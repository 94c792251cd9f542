"""What a model decides, as rules that a person can read, each proved equal to the circuit.

MODEL is a run folder, a model file (.safetensors) or BLIF. TABLE, if given, says how many rows each
rule covers, and which columns matter: a CSV file with a header, Parquet or Arrow (with pyarrow),
.npy, .npz (its array x, else its first) or IDX. Exit code 4: a proof took longer than --seconds.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy.typing as npt

from gatewright.cli.fields import natural, positive
from gatewright.errors import InputError
from gatewright.rows.labelled import table_of
from gatewright.rules import LIMIT, Explanation, Logic, explain
from gatewright.rules.evidence import Cover, Evidence, Reason, evidence, why
from gatewright.rules.formula import conditions_of
from gatewright.runs import load_model

#: Columns that are listed, at most; and letters a line.
MOST_COLUMNS = 20
WIDTH = 100

TOO_LARGE = (
    "what is over the limit is no formula to read: raise --limit, or train fewer gates, "
    "say LogicClassifier(widths=(12,), effort=3)"
)


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    del arguments
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("table", metavar="TABLE", nargs="?")
    parser.add_argument(
        "--target", metavar="NAME", help="column, or array of an .npz, of the classes"
    )
    parser.add_argument(
        "--row", type=natural, metavar="N", help="why row N, from 0, got its answer"
    )
    parser.add_argument(
        "--limit", type=natural, default=LIMIT, metavar="LINES",
        help=f"rules, or lines of a formula, that a class may take ({LIMIT})",
    )  # fmt: skip
    parser.add_argument("--seconds", type=positive, default=60.0, help="for each proof (60)")
    parser.add_argument("--seed", type=natural, default=0, help="of searches and shuffles (0)")


def run(options: argparse.Namespace) -> int:
    if options.table is None and (options.row is not None or options.target is not None):
        raise InputError("--row and --target are of a TABLE; give one")
    model = load_model(options.model)
    table = None if options.table is None else table_of(model, options.table, options.target)
    if table is not None and options.row is not None and options.row >= len(table.rows):
        raise InputError(
            f"{options.table}: there is no row {options.row}; rows are 0 to {len(table.rows) - 1}"
        )
    explanation = explain(
        model,
        names=None if table is None else table.names,
        limit=options.limit, seconds=options.seconds, seed=options.seed,
    )  # fmt: skip
    seen = reason = None
    if table is not None:
        seen = evidence(explanation, table.rows, table.labels, seed=options.seed)
        if options.row is not None:
            reason = why(explanation, table.rows, options.row)
    rows = None if table is None else table.rows
    if options.json:
        print(json.dumps(_as_json(explanation, seen, reason, rows)))
        return 0
    lines = [*_head(explanation, seen)]
    for i, logic in enumerate(explanation.logics):
        lines += ["", *_of_logic(explanation, logic, i, seen)]
    if any(logic.formula is None for logic in explanation.logics):
        lines += ["", *_wrapped(TOO_LARGE, "")]
    lines += ["", *_of_columns(explanation, seen)]
    if reason is not None and rows is not None:
        lines += ["", *_of_row(explanation, reason, rows)]
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 0


def _head(explanation: Explanation, seen: Evidence | None) -> list[str]:
    model, circuit = explanation.model, explanation.model.circuit
    lines = [
        f"{circuit.name}: {circuit.num_gates} gates, {circuit.num_inputs} bits of "
        f"{len(explanation.domains)} columns"
    ]
    if model.numbers is not None:
        lines.append(
            f"a number: {model.numbers.offset:g} + {model.numbers.scale:g} n; the outputs are the "
            "bits of n, and what follows is when each is 1"
        )
    if seen is not None:
        right = "" if seen.accuracy is None else f", {seen.accuracy:.2%} right"
        lines.append(f"{seen.num_rows} rows{right}")
    return lines


def _of_logic(
    explanation: Explanation, logic: Logic, number: int, seen: Evidence | None
) -> list[str]:
    is_class = explanation.model.num_classes is not None
    what = logic.label if is_class else f"{logic.label} is 1"
    counted = "" if seen is None else f" ({_counted(seen.answers[number])})"
    if logic.form == "too large":
        return [
            f"{what}{counted}",
            f"  over {explanation.limit} lines: {logic.gates} gates read {logic.bits} bits of "
            f"{len(logic.columns)} columns",
        ]
    lines = [f"{what} if{counted}"]
    if logic.form == "rules":
        for k, rule in enumerate(logic.rules):
            lines += _wrapped(explanation.text(rule), f"  {k + 1:2d}. ")
            if seen is not None:
                lines[-1] = _beside(lines[-1], _counted(seen.rules[number][k]))
    else:
        assert logic.formula is not None
        if logic.form == "otherwise":
            lines.append("      no rule of another class holds")
        else:
            lines += _wrapped(explanation.text(logic.formula), "      ")
        for i, (name, formula) in enumerate(logic.definitions.items()):
            lines += _wrapped(f"{name}: {explanation.text(formula)}", "      " if i else "  let ")
    return [*lines, f"  proved: {_proof(logic)}"]


def _proof(logic: Logic) -> str:
    assert logic.proof is not None
    if logic.proof.method == "exhaustive":
        rows = logic.proof.rows
        return f"exhaustive, {rows} combination{'s' * (rows != 1)} of {logic.proof.num_inputs} bits"
    return f"SAT, {logic.proof.num_inputs} bits, {logic.proof.seconds:.1f} s"


def _counted(cover: Cover) -> str:
    rows = f"{cover.rows} row{'s' * (cover.rows != 1)}"
    return rows if cover.right is None else f"{rows}, {cover.right} right"


def _beside(line: str, note: str) -> str:
    """The note at the right, on a line of its own where there is no room."""
    if len(line) + 2 + len(note) <= WIDTH:
        return line + note.rjust(WIDTH - len(line))
    return f"{line}\n{note.rjust(WIDTH)}"


def _wrapped(text: str, begin: str) -> list[str]:
    """Lines that break behind "and", "or", "xor" and commas, or else at any space."""
    whole = re.sub(r"(?<!and)(?<!or)(?<![,;:]) ", "\0", text)
    if max(map(len, whole.split(" ")), default=0) + len(begin) > WIDTH:
        whole = text
    lines = textwrap.wrap(
        whole, WIDTH, initial_indent=begin, subsequent_indent=" " * len(begin),
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
    return [line.replace("\0", " ") for line in lines]


def _of_columns(explanation: Explanation, seen: Evidence | None) -> list[str]:
    domains, read = explanation.domains, explanation.columns
    unread = len(domains) - len(read)
    lines = [f"columns that matter: {len(read)} of {len(domains)}"]
    if seen is None:
        used = {c: sum(c in logic.columns for logic in explanation.logics) for c in read}
        of = "classes" if explanation.model.num_classes is not None else "bits"
        shown = [
            (domains[c].name, f"in {used[c]} of {len(explanation.logics)} {of}")
            for c in sorted(read, key=lambda c: -used[c])
        ]
    else:
        shown = [
            (
                domains[one.column].name,
                f"shuffled, {one.changed:6.1%} of answers change"
                + (
                    ""
                    if one.drop is None
                    else f", accuracy {round(-100 * one.drop, 1) + 0.0:+.1f} points"
                ),
            )
            for one in seen.weights
        ]
    width = max((len(name) for name, _ in shown), default=0)
    lines += [f"  {name.ljust(width)}  {said}" for name, said in shown[:MOST_COLUMNS]]
    if len(shown) > MOST_COLUMNS:
        lines.append(f"  and {len(shown) - MOST_COLUMNS} more; --json has them all")
    return lines if not unread or not read else [*lines, f"  the other {unread} change no answer"]


def _of_row(explanation: Explanation, reason: Reason, rows: npt.NDArray[Any]) -> list[str]:
    domains, values = explanation.domains, rows[reason.row]
    lines = [f"row {reason.row}: {reason.answer}"]
    for number, k in reason.fired:
        logic = explanation.logics[number]
        label = "rule" if len(reason.facts) < 2 else f"{logic.label}, rule"
        facts = _facts(explanation, _conditions(explanation, number, k), values)
        lines += _wrapped(f"{label} {k + 1}: {facts}", "  ")
    for number, found in reason.facts:
        logic = explanation.logics[number]
        if logic.form != "rules":
            facts = _facts(explanation, found, values)
            lines += _wrapped(f"{logic.label}, it is enough that {facts}", "  ")
    change = reason.change
    if change is None:
        return [*lines, "  no change of one column gives another answer"]
    domain = domains[change.column]
    text = (
        f"with {domain.text(change.cells)} (it is {domain.value(values[change.column])}) the "
        f"answer is {change.answer}; no smaller change of one column gives another"
    )
    return [*lines, *_wrapped(text, "  ")]


def _conditions(explanation: Explanation, number: int, k: int) -> dict[int, frozenset[int]]:
    return conditions_of(explanation.logics[number].rules[k])


def _facts(
    explanation: Explanation, found: dict[int, frozenset[int]], values: npt.NDArray[Any]
) -> str:
    facts = [explanation.domains[c].fact(values[c], cells) for c, cells in found.items()]
    return ", ".join(facts) or "always"


def _as_json(
    explanation: Explanation,
    seen: Evidence | None,
    reason: Reason | None,
    rows: npt.NDArray[Any] | None,
) -> dict[str, Any]:
    domains = explanation.domains
    logics = [
        {
            "label": logic.label,
            "form": logic.form,
            "rules": [
                {"text": explanation.text(rule), **_of_cover(seen and seen.rules[i][k])}
                for k, rule in enumerate(logic.rules)
            ],
            "definitions": {name: explanation.text(f) for name, f in logic.definitions.items()},
            "formula": None if logic.formula is None else explanation.text(logic.formula),
            "columns": [domains[c].name for c in logic.columns],
            "gates": logic.gates,
            "bits": logic.bits,
            "proof": None if logic.proof is None else asdict(logic.proof),
            **_of_cover(seen and seen.answers[i]),
        }
        for i, logic in enumerate(explanation.logics)
    ]
    found: dict[str, Any] = {
        "name": explanation.model.circuit.name,
        "of": "bits" if explanation.model.num_classes is None else "classes",
        "logics": logics,
        "columns": [domains[c].name for c in explanation.columns],
    }
    if seen is not None:
        found |= {
            "rows": seen.num_rows,
            "accuracy": seen.accuracy,
            "weights": [
                {"column": domains[one.column].name, "changed": one.changed, "drop": one.drop}
                for one in seen.weights
            ],
        }
    if reason is not None and rows is not None:
        found["row"] = _of_reason(explanation, reason, rows)
    return found


def _of_cover(cover: Cover | None) -> dict[str, Any]:
    return {} if cover is None else asdict(cover)


def _of_reason(explanation: Explanation, reason: Reason, rows: npt.NDArray[Any]) -> dict[str, Any]:
    domains, values, change = explanation.domains, rows[reason.row], reason.change
    return {
        "row": reason.row,
        "answer": reason.answer,
        "rules": [
            {"label": explanation.logics[i].label, "rule": k, "text": explanation.text(rule)}
            for i, k in reason.fired
            for rule in [explanation.logics[i].rules[k]]
        ],
        "enough": [
            {
                "label": explanation.logics[i].label,
                "facts": [domains[c].fact(values[c], cells) for c, cells in found.items()],
            }
            for i, found in reason.facts
        ],
        "change": change
        and {
            "column": domains[change.column].name,
            "from": domains[change.column].value(values[change.column]),
            "to": domains[change.column].text(change.cells),
            "nearest": change.value,
            "answer": change.answer,
        },
    }
