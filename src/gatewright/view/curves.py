"""A training run as SVG: loss, and soft and hard accuracy, over its steps; accuracy over gates."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from gatewright.view.svg import FAINT, HEADER, MARGIN, number, page, text

WIDTH = 760
PANEL = 190  # height of one panel
LEFT = 62  # room for the numbers on the left
RIGHT = 112  # and for the labels at the ends of the lines
GAP = 48  # between the panels, and under the last one for the numbers of steps
TOP = HEADER + 30
LABEL = 14  # the least distance of two labels
LOSS, SOFT, HARD = "#4f5d6b", "#d9822b", "#1f6fb5"

_STYLE = (
    f".grid{{stroke:#e4e8ed}}.tick{{fill:{FAINT}}}.axis{{font-weight:bold}}"
    ".line{fill:none;stroke-width:1.8;stroke-linejoin:round}"
)

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class _Line:
    label: str
    colour: str
    points: Points


@dataclass(frozen=True)
class _Panel:
    """Lines over one vertical axis; `height` maps a value to 0 (bottom) .. 1 (top)."""

    name: str
    lines: tuple[_Line, ...]
    ticks: tuple[float, ...]
    height: Callable[[float], float]


def curves(metrics: Sequence[Mapping[str, float]], title: str) -> str:
    """Draw a run from its metrics, in the order of their steps.

    The axis of accuracy begins where a tenth of the reports lie below it, so that the end of a run
    can be read; the axis of loss is logarithmic.
    """
    steps = [row["step"] for row in metrics]
    last = max([1, *steps])
    panels = (_loss(metrics), _accuracy(metrics))
    body: list[str] = []
    for i, panel in enumerate(panels):
        body += _draw(panel, TOP + i * (PANEL + GAP), last)
    bottom = TOP + 2 * PANEL + GAP
    body += _below(bottom, last, "steps")
    return page(WIDTH, bottom + MARGIN + 10, title, _note(metrics), _STYLE, body)


class TradeOff(Protocol):
    """A circuit of some size, and what it gets right."""

    @property
    def gates(self) -> int: ...
    @property
    def accuracy_held_out(self) -> float: ...


def tradeoff(points: Sequence[TradeOff], title: str) -> str:
    """Draw accuracy on held-out rows against gates."""
    shown = sorted((float(point.gates), point.accuracy_held_out) for point in points)
    values = [value for _, value in shown]
    ticks = _ticks(min(values) - 0.5, max(values))
    low, high = ticks[0], ticks[-1]
    line = _Line(f"{points[0].accuracy_held_out:.2f} %", HARD, shown)
    panel = _Panel(
        "accuracy on rows held out, %", (line,), ticks, lambda value: (value - low) / (high - low)
    )
    last = shown[-1][0]
    body = _draw(panel, TOP, last) + _below(TOP + PANEL, last, "gates")
    across = WIDTH - LEFT - RIGHT
    for gates, value in shown:
        x, y = LEFT + across * gates / last, TOP + PANEL * (1 - panel.height(value))
        body.append(f'<circle cx="{number(x)}" cy="{number(y)}" r="3" fill="{HARD}"/>')
    first, end = points[0], points[-1]
    note = (
        f"{first.gates:,} gates to {end.gates:,} · {first.accuracy_held_out:.2f} % to "
        f"{end.accuracy_held_out:.2f} %"
    )
    return page(WIDTH, TOP + PANEL + MARGIN + 10, title, note, _STYLE, body)


class Mark(NamedTuple):
    """A circuit of some size and depth, and what it gets right, in percent."""

    gates: int
    depth: int
    accuracy: float


def front(points: Sequence[Mark], best: Sequence[Mark], title: str) -> str:
    """Draw accuracy on held-out rows against gates: all circuits, and the front of `best` ones.

    The line is the most accurate circuit of so many gates; a number is the depth of one of the
    front. One that lies under the line is there for its depth.
    """
    accuracies = sorted(point.accuracy for point in points)
    cut = accuracies[len(accuracies) // 10]  # what is worse does not squeeze the rest
    ticks = _ticks(min(cut, accuracies[-1] - 1), accuracies[-1])
    low, high = ticks[0], ticks[-1]
    last = float(max(point.gates for point in points))
    stairs: list[tuple[float, float]] = []
    for point in sorted(best, key=lambda point: (point.gates, -point.accuracy)):
        if not stairs or point.accuracy > stairs[-1][1]:
            if stairs:
                stairs.append((float(point.gates), stairs[-1][1]))
            stairs.append((float(point.gates), point.accuracy))
    line = _Line(f"{stairs[-1][1]:.2f} %", HARD, stairs)

    def height(value: float) -> float:
        return (value - low) / (high - low)

    panel = _Panel("accuracy on rows held out, %", (line,), ticks, height)
    body = _draw(panel, TOP, last) + _below(TOP + PANEL, last, "gates")
    across = WIDTH - LEFT - RIGHT
    for point in sorted(set(points), key=lambda point: (point in best, point)):
        if point.accuracy < low:
            continue
        is_best = point in best
        x = LEFT + across * point.gates / last
        y = TOP + PANEL * (1 - height(point.accuracy))
        look = f'r="3.5" fill="{HARD}"' if is_best else f'r="2.5" fill="{LOSS}" opacity=".45"'
        body.append(f'<circle cx="{number(x)}" cy="{number(y)}" {look}/>')
        if is_best:
            body.append(text(x, y - 7, f"{point.depth}", "tick", "middle"))
    hidden = sum(point.accuracy < low for point in points)
    note = f"{len(points)} circuits, {len(best)} on the front (numbers: depth)" + (
        f" · {hidden} below the picture" if hidden else ""
    )
    return page(WIDTH, TOP + PANEL + MARGIN + 10, title, note, _STYLE, body)


def _below(bottom: float, last: float, what: str) -> list[str]:
    """Numbers of the horizontal axis, from 0 to `last`."""
    across = WIDTH - LEFT - RIGHT
    body = [
        text(LEFT + across * tick / last, bottom + 16, f"{tick:,.0f}", "tick", "middle")
        for tick in _ticks(0, last)
        if tick <= last
    ]
    return [*body, text(LEFT + across + 24, bottom + 16, what, "tick")]


def _note(metrics: Sequence[Mapping[str, float]]) -> str:
    if not metrics:
        return "no step has been reported"
    row = metrics[-1]
    gap = 100 * (row["soft_accuracy"] - row["hard_accuracy"])
    return f"{row['step']:,.0f} steps · gap {gap:+.2f} points · decided {row['decided']:.1%}"


def _loss(metrics: Sequence[Mapping[str, float]]) -> _Panel:
    points = [(row["step"], math.log10(max(row["loss"], 1e-9))) for row in metrics]
    values = [value for _, value in points] or [0.0]
    marks = sorted(
        math.log10(factor) + decade
        for decade in range(math.floor(min(values)), math.floor(max(values)) + 2)
        for factor in (1, 2, 5)
    )
    low = max(mark for mark in marks if mark <= min(values))
    high = min(mark for mark in marks if mark > max(values))
    end = f"{10 ** values[-1]:.3g}"
    return _Panel(
        "loss",
        (_Line(end, LOSS, points),),
        tuple(mark for mark in marks if low <= mark <= high),
        lambda value: (value - low) / (high - low),
    )


def _accuracy(metrics: Sequence[Mapping[str, float]]) -> _Panel:
    lines: list[_Line] = []
    for kind, colour in (("soft", SOFT), ("hard", HARD)):
        points = [(row["step"], 100 * row[f"{kind}_accuracy"]) for row in metrics]
        end = f"{kind} {points[-1][1]:.2f} %" if points else kind
        lines.append(_Line(end, colour, points))
    values = sorted(value for line in lines for _, value in line.points) or [0.0]
    ticks = _ticks(min(values[len(values) // 10], values[-1] - 1), values[-1])
    low, high = ticks[0], ticks[-1]
    return _Panel("accuracy, %", tuple(lines), ticks, lambda value: (value - low) / (high - low))


def _draw(panel: _Panel, top: int, last: float) -> list[str]:
    across = WIDTH - LEFT - RIGHT

    def y(value: float) -> float:
        return top + PANEL * (1 - panel.height(value))

    is_loss = panel.name == "loss"
    clip_id = f"panel-{top}"
    inside = f'<rect x="{LEFT}" y="{top - 1}" width="{across}" height="{PANEL + 2}"/>'
    body = [
        text(MARGIN, top - 14, panel.name, "axis"),
        f'<clipPath id="{clip_id}">{inside}</clipPath>',
    ]
    for tick in panel.ticks:
        spelt = f"{10**tick:.3g}" if is_loss else f"{tick:.5g}"
        at = number(y(tick))
        body.append(f'<path class="grid" d="M{LEFT} {at}H{LEFT + across}"/>')
        body.append(text(LEFT - 8, y(tick) + 4, spelt, "tick", "end"))
    ends: list[tuple[float, _Line]] = []
    for line in panel.lines:
        if not line.points:
            continue
        places = [f"{number(LEFT + across * s / last)} {number(y(v))}" for s, v in line.points]
        if len(places) == 1:
            at_x, at_y = places[0].split()
            body.append(f'<circle cx="{at_x}" cy="{at_y}" r="2.5" fill="{line.colour}"/>')
        clip = f'clip-path="url(#{clip_id})"'
        body.append(f'<path class="line" stroke="{line.colour}" {clip} d="M{"L".join(places)}"/>')
        ends.append((y(line.points[-1][1]), line))
    ceiling = top + PANEL + LABEL
    for at, line in sorted(ends, key=lambda end: -end[0]):
        ceiling = min(at, ceiling - LABEL)
        label = text(LEFT + across + 8, ceiling + 4, line.label)
        body.append(label.replace("<text", f'<text style="fill:{line.colour}"', 1))
    return body


def _ticks(low: float, high: float) -> tuple[float, ...]:
    """From 4 to about 8 round numbers from low or just below to high or just above."""
    span = max(high - low, 1e-3 * max(abs(high), 1.0))
    unit = 10.0 ** math.floor(math.log10(span / 4))
    step = next(unit * factor for factor in (1, 2, 5, 10) if span / (unit * factor) <= 7)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return tuple(round(i * step, 10) for i in range(first, max(last, first + 1) + 1))
