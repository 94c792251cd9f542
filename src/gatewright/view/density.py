"""A circuit too large for wires: how many gates of each kind stand on each level, as SVG."""

from __future__ import annotations

import numpy as np

from gatewright import gates
from gatewright.circuit import Circuit
from gatewright.view.svg import HEADER, MARGIN, number, page, spelled, summary, text

WIDTH, HEIGHT = 860, 320
AXIS = 56  # room for the numbers on the left
LEGEND = 150
MAX_BARS = 64
#: Table -> how the legend calls and colours it.
KINDS = {
    0x8: ("and", "#5b9bd5"), 0x2: ("and not", "#a3c8ea"), 0x7: ("nand", "#2b4f7d"),
    0x1: ("nor", "#3b6ea5"), 0xE: ("or", "#6cb57c"), 0xB: ("or not", "#a5d3ae"),
    0x6: ("xor", "#f0b34a"), 0x9: ("xnor", "#c98a1e"), 0xA: ("copy", "#c9ced6"),
    0x3: ("not", "#9aa2ae"), 0x0: ("false", "#e8d5d3"), 0xF: ("true", "#d6aeaa"),
}  # fmt: skip
#: Table -> the table in KINDS that is the same gate, or it with its operands exchanged.
_UNORDERED = np.array([min(t, gates.swap_inputs(t)) for t in range(16)])


def density(circuit: Circuit, title: str = "") -> str:
    """Draw a stacked bar for each level, or for a few levels together where there are many."""
    level = circuit.levels[circuit.first_gate :]
    deepest = int(level.max(initial=1))
    per_bar = -(-deepest // MAX_BARS)
    num_bars = -(-deepest // per_bar)
    count = np.zeros((num_bars, 16), np.int64)
    np.add.at(count, ((level - 1) // per_bar, _UNORDERED[circuit.table]), 1)
    kinds = [int(t) for t in np.argsort(-count.sum(0), kind="stable") if count[:, t].any()]

    top, step = _scale(int(count.sum(1).max(initial=1)))
    floor = HEADER + 16 + HEIGHT
    left = MARGIN + AXIS
    body: list[str] = []
    for value in range(0, top + 1, step):
        y = floor - HEIGHT * value / top
        body.append(f'<path class="mark" d="M{left} {number(y)}h{WIDTH - AXIS}"/>')
        body.append(text(left - 8, y + 4, f"{value:,}", "note", "end"))
    pitch = (WIDTH - AXIS) / num_bars
    every = -(-num_bars // 20)
    for bar, counts in enumerate(count.tolist()):
        first, last = bar * per_bar + 1, min(deepest, (bar + 1) * per_bar)
        levels = f"level {first}" if first == last else f"levels {first} to {last}"
        x, y = left + pitch * (bar + 0.1), float(floor)
        for kind in kinds:
            if not counts[kind]:
                continue
            tall = HEIGHT * counts[kind] / top
            y -= tall
            body.append(
                f'<rect class="bar" x="{number(x)}" y="{y:.2f}" width="{number(0.8 * pitch)}" '
                f'height="{tall:.2f}" fill="{KINDS[kind][1]}">'
                f"<title>{spelled(f'{levels}: {counts[kind]:,} {KINDS[kind][0]}')}</title>"
                "</rect>"
            )
        if bar % every == 0:
            label = str(first) if first == last else f"{first}–{last}"
            body.append(text(x + 0.4 * pitch, floor + 16, label, "note", "middle"))
    body.append(text(left + (WIDTH - AXIS) / 2, floor + 34, "level", "note", "middle"))
    for i, kind in enumerate(kinds):
        x, y = MARGIN + WIDTH + 24, HEADER + 16 + 20 * i
        name, colour = KINDS[kind]
        body.append(f'<rect x="{x}" y="{y}" width="12" height="12" fill="{colour}"/>')
        body.append(text(x + 20, y + 10, name))
        body.append(text(x + LEGEND - 24, y + 10, f"{int(count[:, kind].sum()):,}", "note", "end"))
    note = f"{summary(circuit)} · gates of each kind by level; too many for a drawing of the wires"
    height = max(floor + 34, HEADER + 16 + 20 * len(kinds)) + MARGIN
    style = ".mark{stroke:#e3e7ec}"
    return page(2 * MARGIN + WIDTH + LEGEND, height, title or circuit.name, note, style, body)


def _scale(largest: int) -> tuple[int, int]:
    """Top of the axis and the step of its marks: 1, 2 or 5 times a power of ten."""
    step = 1
    while largest > 5 * step:
        step = step * 5 // 2 if str(step)[0] == "2" else step * 2
    return -(-largest // step) * step, step
