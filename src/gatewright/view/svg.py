"""What the SVG pictures share: the page, its title, its lettering, and the colours of gates."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from gatewright.circuit import Circuit

MARGIN = 24
HEADER = 58  # height that the title and the note take
INK = "#26303c"
FAINT = "#6b7684"

_STYLE = (
    f"text{{font:11px 'DejaVu Sans',Verdana,'Helvetica Neue',Arial,sans-serif;fill:{INK}}}"
    f".title{{font-size:16px;font-weight:bold}}.note{{fill:{FAINT}}}"
)


def page(
    width: float, height: float, title: str, note: str, style: str, body: Sequence[str]
) -> str:
    """Put elements on a white page with a title and a note under it."""
    w, h = number(width), number(height)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="{w}" height="{h}" '
        'role="img">',
        f"<title>{spelled(title)}</title>",
        f"<style>{_STYLE}{style}</style>",
        f'<rect width="{w}" height="{h}" fill="#fff"/>',
        text(MARGIN, 30, title, "title"),
        text(MARGIN, 48, note, "note"),
        *body,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    """Spell words from (x, y), up to it ("end") or around it ("middle")."""
    attributes = (f' class="{kind}"' if kind else "") + (
        f' text-anchor="{anchor}"' if anchor != "start" else ""
    )
    return f'<text{attributes} x="{number(x)}" y="{number(y)}">{spelled(words)}</text>'


def spelled(words: str) -> str:
    """Escape text for XML; what XML cannot hold at all becomes a question mark."""
    return escape(re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]", "?", words))


def number(value: float) -> str:
    """Spell a coordinate, to a tenth."""
    return f"{value:.1f}".removesuffix(".0")


def width_of(words: str, size: float = 11) -> float:
    """Guess the width of text; generous, for the fonts differ."""
    return 0.64 * size * len(words)


def summary(circuit: Circuit) -> str:
    """Say a circuit's size in one line."""
    counts = (
        (circuit.num_inputs, "input"),
        (circuit.num_outputs, "output"),
        (circuit.num_gates, "gate"),
    )
    said = [f"{n:,} {what}{'' if n == 1 else 's'}" for n, what in counts]
    return " · ".join([*said, f"depth {circuit.depth}"])
