"""What an optimisation did: as text, as data, and as a picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from gatewright.circuit import Circuit
from gatewright.passes import Record
from gatewright.passes.reasons import WORDS
from gatewright.view.svg import FAINT, HEADER, INK, MARGIN, number, page, text

WIDTH = 760
LEFT = 130  # room for the names of passes
BAR = 15  # height of a bar, the gap under it included
BEFORE, AFTER = "#b9c4cf", "#1f6fb5"
#: Levels drawn at most; more are gathered in as many bars.
MAX_LEVELS = 60


def report_data(before: Circuit, after: Circuit, records: Sequence[Record]) -> dict[str, Any]:
    """Everything as JSON: the whole, each pass, and both circuits by kind and by level."""
    return {
        "circuit": before.name,
        "before": {**asdict(before.stats()), "gates_by_level": by_level(before)},
        "after": {**asdict(after.stats()), "gates_by_level": by_level(after)},
        "passes": [
            {
                "pass": record.name,
                "gates_before": record.before.gates,
                "gates_after": record.after.gates,
                "removed": record.removed,
                "cpu_seconds": round(record.cpu_seconds, 4),
                "proof": record.proof and str(record.proof),
                "dropped": record.dropped,
            }
            for record in records
        ],
    }


def report_json(before: Circuit, after: Circuit, records: Sequence[Record]) -> str:
    """The same, spelt."""
    return json.dumps(report_data(before, after, records), indent=1) + "\n"


def by_level(circuit: Circuit) -> list[int]:
    """Gates at each level, from level 1 on."""
    levels = circuit.levels[circuit.first_gate :]
    return [int(n) for n in np.bincount(levels)[1:]] if len(levels) else []


def report_text(before: Circuit, after: Circuit, records: Sequence[Record]) -> str:
    """The same in plain words."""
    of, now = before.stats(), after.stats()
    seconds = sum(record.cpu_seconds for record in records)
    lines = [
        f"{before.name}: {of.gates:,} -> {now.gates:,} gates, {of.ands:,} -> {now.ands:,} of them "
        f"ANDs, depth {of.depth} -> {now.depth}, {seconds:.2f} s of CPU time",
        "",
    ]
    for record in records:
        lines.append(
            f"{record.name}: {record.before.gates:,} -> {record.after.gates:,} gates, depth "
            f"{record.before.depth} -> {record.after.depth}, {record.cpu_seconds:.2f} s"
        )
        for reason, count in record.removed.items():
            verb = "removed" if count > 0 else "added"
            lines.append(f"  {abs(count):,} {verb}: {reason} ({WORDS[reason]})")
        lines.append(f"  {record.proof or f'dropped, nothing changed: {record.dropped}'}")
    lines += ["", f"{'kind':12}{'before':>12}{'after':>12}"]
    for kind in dict.fromkeys([*of.kinds, *now.kinds]):
        lines.append(f"{kind:12}{of.kinds.get(kind, 0):12,}{now.kinds.get(kind, 0):12,}")
    lines += ["", f"{'levels':12}{'before':>12}{'after':>12}"]
    for low, high, a, b in _levels(before, after):
        name = str(low) if low == high else f"{low}-{high}"
        lines.append(f"{name:12}{a:12,}{b:12,}")
    return "\n".join(lines) + "\n"


def _levels(before: Circuit, after: Circuit) -> list[tuple[int, int, int, int]]:
    """(first level, last level, gates before, gates after), MAX_LEVELS of them at most."""
    a, b = by_level(before), by_level(after)
    num = max(len(a), len(b))
    step = -(-num // MAX_LEVELS) or 1
    return [
        (i + 1, min(i + step, num), sum(a[i : i + step]), sum(b[i : i + step]))
        for i in range(0, num, step)
    ]


def report_picture(before: Circuit, after: Circuit, records: Sequence[Record]) -> str:
    """The same as SVG: gates after each pass, by kind and by level."""
    of, now = before.stats(), after.stats()
    y = HEADER + 14
    body = [text(MARGIN, y, "gates after each pass", "head")]
    steps = [("as given", of.gates, "")]
    steps += [
        (record.name, record.after.gates, f"{record.cpu_seconds:.2f} s") for record in records
    ]
    body += _bars(y + 8, [(name, [(gates, AFTER)], note) for name, gates, note in steps])
    y += 8 + BAR * len(steps) + 30
    kinds = list(dict.fromkeys([*of.kinds, *now.kinds]))
    body.append(text(MARGIN, y, "gates by kind, before and after", "head"))
    rows = [
        (kind, [(of.kinds.get(kind, 0), BEFORE), (now.kinds.get(kind, 0), AFTER)], "")
        for kind in kinds
    ]
    body += _bars(y + 8, rows)
    y += 8 + 2 * BAR * len(rows) + 30
    body.append(text(MARGIN, y, "gates by level, before and after", "head"))
    levels = _levels(before, after)
    body += _columns(y + 10, levels)
    num_dropped = sum(bool(record.dropped) for record in records)
    trusted = f"{num_dropped} unproved results dropped" if num_dropped else "every pass proved"
    note = f"{of.gates:,} gates to {now.gates:,} · depth {of.depth} to {now.depth} · {trusted}"
    style = f".head{{font-weight:bold}}.tick{{fill:{FAINT}}}"
    return page(WIDTH, y + 10 + 120 + MARGIN + 16, before.name, note, style, body)


def _bars(top: float, rows: Sequence[tuple[str, list[tuple[int, str]], str]]) -> list[str]:
    """Horizontal bars, one or more a row, with their numbers."""
    most = max([1, *(value for _, bars, _ in rows for value, _ in bars)])
    across = WIDTH - LEFT - 150
    body: list[str] = []
    y = top
    for name, bars, note in rows:
        body.append(text(LEFT - 8, y + 11, name, "", "end"))
        for value, colour in bars:
            width = across * value / most
            body.append(
                f'<rect x="{LEFT}" y="{number(y + 2)}" width="{number(width)}" '
                f'height="{BAR - 4}" fill="{colour}"/>'
            )
            said = f"{value:,}" + (f" · {note}" if note else "")
            body.append(text(LEFT + width + 6, y + 11, said, "tick"))
            y += BAR
    return body


def _columns(top: float, levels: Sequence[tuple[int, int, int, int]]) -> list[str]:
    """Two columns a level on one axis, 120 high."""
    most = max([1, *(value for *_, a, b in levels for value in (a, b))])
    across = (WIDTH - LEFT - MARGIN) / max(1, len(levels))
    base = top + 120
    body = [
        f'<path stroke="{INK}" d="M{LEFT} {number(base)}H{WIDTH - MARGIN}"/>',
        text(LEFT - 8, top + 10, f"{most:,}", "tick", "end"),
    ]
    every = max(1, len(levels) // 12)
    for i, (low, _, a, b) in enumerate(levels):
        x = LEFT + i * across
        for j, (value, colour) in enumerate(((a, BEFORE), (b, AFTER))):
            height = 120 * value / most
            body.append(
                f'<rect x="{number(x + j * across * 0.45)}" y="{number(base - height)}" '
                f'width="{number(across * 0.4)}" height="{number(height)}" fill="{colour}"/>'
            )
        if i % every == 0:
            body.append(text(x + across * 0.4, base + 14, str(low), "tick", "middle"))
    return body
