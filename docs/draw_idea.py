"""Draws idea.svg, the picture of how-it-works.md: `python docs/draw_idea.py docs/idea.svg`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np

from gatewright import gates
from gatewright.circuit import Builder
from gatewright.view.schematic import schematic
from gatewright.view.svg import FAINT, HEADER, INK, MARGIN, number, page, text

PANELS, GAP = (128, 158, 128, 216, 152), 26
WIDTH = 2 * MARGIN + sum(PANELS) + 4 * GAP
TOP = HEADER + 34
HEIGHT = TOP + 226
BLUE = (0x1F, 0x6F, 0xB5)
#: Corner values of a soft gate on its way to XOR; row m = a + 2b.
SOFT = np.array([0.12, 0.86, 0.81, 0.24])


def shade(value: float) -> str:
    """White for 0, blue for 1."""
    return "#" + "".join(f"{round(255 - value * (255 - channel)):02x}" for channel in BLUE)


def left(panel: int) -> float:
    """Where a panel begins."""
    return MARGIN + sum(PANELS[:panel]) + panel * GAP


def box(x: float, y: float, w: float, h: float, style: str) -> str:
    """A rectangle."""
    return (
        f'<rect x="{number(x)}" y="{number(y)}" width="{number(w)}" height="{number(h)}" {style}/>'
    )


def table(panel: int, values: np.ndarray, spelt: str) -> list[str]:
    """Four rows of a truth table, each value in its shade."""
    x, y = left(panel) + 10, TOP + 34
    body = [text(x + 34 * i, y - 8, name, "tick", "middle") for i, name in enumerate("ab")]
    body.append(text(x + 86, y - 8, spelt, "tick", "middle"))
    for m, value in enumerate(values):
        row = y + 30 * m
        body += [text(x + 34 * i, row + 19, str(m >> i & 1), "", "middle") for i in (0, 1)]
        body.append(box(x + 60, row, 52, 27, f'fill="{shade(value)}" stroke="{FAINT}"'))
        colour = "light" if value > 0.5 else ""
        shown = f"{value:.2f}" if values.dtype.kind == "f" else str(value)
        body.append(text(x + 86, row + 18, shown, colour, "middle"))
    return body


def surface(panel: int) -> list[str]:
    """The polynomial through the corners, on the square of all a and b from 0 to 1."""
    x, y, steps, size = left(panel) + 24, TOP + 26, 12, 120
    c0, c1, c2, c3 = gates.coefficients(SOFT)
    cell = size / steps
    body: list[str] = []
    for i in range(steps):
        for j in range(steps):
            a, b = i / (steps - 1), j / (steps - 1)
            value = float(c0 + c1 * a + c2 * b + c3 * a * b)
            top = y + size - (j + 1) * cell
            body.append(box(x + i * cell, top, cell + 0.3, cell + 0.3, f'fill="{shade(value)}"'))
    body.append(box(x, y, size, size, f'fill="none" stroke="{FAINT}"'))
    body += [
        text(x, y + size + 14, "a = 0", "tick", "start"),
        text(x + size, y + size + 14, "a = 1", "tick", "end"),
        text(x - 6, y + size - 2, "b = 0", "turned", "start"),
        text(x - 6, y + 12, "1", "turned", "end"),
    ]
    return [line.replace('class="turned"', f'class="tick" {turned(line)}') for line in body]


def turned(line: str) -> str:
    """The attribute that turns a text about its own place."""
    x, y = (line.split(f'{axis}="')[1].split('"')[0] for axis in "xy")
    return f'transform="rotate(-90 {x} {y})"'


def wire(path: str) -> str:
    """A line."""
    return f'<path d="{path}" fill="none" stroke="{INK}"/>'


def circuit(panel: int) -> list[str]:
    """A full adder, as `gatewright show --svg` draws it, without its title."""
    builder = Builder(["a", "b", "c"])
    a, b, c = builder.inputs
    half = builder.lxor(a, b)
    builder.output("sum", builder.lxor(half, c))
    builder.output("carry", builder.lor(builder.land(a, b), builder.land(half, c)))
    drawn = schematic(builder.build(), "")
    width, height = map(float, re.search(r'viewBox="0 0 (\S+) (\S+)"', drawn).groups())
    inside = drawn[drawn.index("<style>") : drawn.rindex("</svg>")]
    inside = re.sub(
        r'<text class="(title|note)".*?</text>\n|<rect [^>]*fill="#fff"/>\n', "", inside
    )
    across = PANELS[panel] + 24
    return [
        f'<svg x="{number(left(panel) - 12)}" y="{TOP + 8}" width="{across}" '
        f'height="{number(across * (height - HEADER) / width)}" '
        f'viewBox="0 {HEADER} {number(width)} {number(height - HEADER)}">',
        inside.strip(),
        "</svg>",
    ]


def proof(panel: int) -> list[str]:
    """Both sides on every input, and two ends."""
    x, y = left(panel), TOP + 30
    style = f'rx="5" fill="#eef4fa" stroke="{INK}"'
    return [
        box(x, y, 66, 34, style),
        text(x + 33, y + 21, "network", "", "middle"),
        box(x + 84, y, 66, 34, style),
        text(x + 117, y + 21, "circuit", "", "middle"),
        wire(f"M{number(x + 33)} {y + 34}V{y + 48}H{number(x + 62)}V{y + 60}"),
        wire(f"M{number(x + 117)} {y + 34}V{y + 48}H{number(x + 88)}V{y + 60}"),
        box(x + 34, y + 60, 82, 28, style),
        text(x + 75, y + 78, "differ on?", "", "middle"),
        wire(f"M{number(x + 54)} {y + 88}V{y + 104}M{number(x + 96)} {y + 88}V{y + 104}"),
        text(x + 62, y + 118, "none: Proof", "", "end"),
        text(x + 88, y + 118, "one: shown", "", "start"),
    ]


def draw() -> str:
    """The whole picture."""
    hard = (SOFT > 0.5).astype(int)
    panels = [
        ("1 soft corners", ["four numbers a gate,", "which gradients move"]),
        ("2 a surface", ["the polynomial through them:", "what a layer evaluates"]),
        ("3 rounding", ["above a half is 1:", f"table 0x{gates.XOR:X}, xor"]),
        ("4 circuit", ["hard gates, made few;", "each pass is proved"]),
        ("5 proof", ["no input on which they", "differ: all rows, or SAT"]),
    ]
    body: list[str] = []
    for i, (title, lines) in enumerate(panels):
        body.append(text(left(i), TOP, title, "head"))
        body += [text(left(i), TOP + 184 + 15 * k, line) for k, line in enumerate(lines)]
        if i:
            x, y = left(i) - GAP, TOP + 92
            body.append(f'<path d="M{x + 3} {y}h14m-5 -5l5 5l-5 5" fill="none" stroke="{FAINT}"/>')
    body += [*table(0, SOFT, "q"), *surface(1), *table(2, hard, "gate"), *circuit(3), *proof(4)]
    style = f".head{{font-weight:bold}}.tick{{fill:{FAINT}}}.light{{fill:#fff}}"
    note = "From four numbers that train, to a gate, to a circuit, to a proof"
    return page(WIDTH, HEIGHT, "A gate is its truth table", note, style, body)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(draw())
