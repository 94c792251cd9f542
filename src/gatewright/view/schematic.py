"""A circuit as a schematic: an SVG picture that a person can read."""

from __future__ import annotations

from dataclasses import replace
from math import ceil

from gatewright import gates
from gatewright.circuit import Circuit
from gatewright.targets.dot import symbol
from gatewright.view.channels import Wire, route
from gatewright.view.density import density
from gatewright.view.placement import EXTENT, GRID, Part, place
from gatewright.view.svg import FAINT, HEADER, INK, MARGIN, number, page, spelled, text, width_of
from gatewright.view.svg import summary as summary_of

Point = tuple[float, float]
Line = tuple[float, float, float, float]  # x0, y0, x1, y1; level or upright

TRACK = 7  # between two upright wires
BUBBLE = 6  # width
BACK = 10  # from the left edge of a gate's column to the gate's back: room for a bubble
BODY = 25  # from a gate's back to its tip
MAX_LETTERS = 24  # of a name

#: Each body, with its back at x = 0 and its tip at (BODY, 0), and where its pins meet the back.
SHAPES = {
    "and": ("M0-11H14A11 11 0 0 1 14 11H0Z", 0.0),
    "or": ("M0-11C14-11 20-6 25 0C20 6 14 11 0 11Q7 0 0-11Z", 2.5),
    "xor": ("M0-11C14-11 20-6 25 0C20 6 14 11 0 11Q7 0 0-11Z", -1.5),
    "buffer": ("M5-9L25 0L5 9Z", 5.0),
    "constant": ("M9-8H25V8H9Z", 9.0),
}
FILLS = {"and": "#e3eefb", "or": "#e4f4e6", "xor": "#fdeecb", "buffer": "#fff", "constant": "#fff"}
#: Of the wires; all dark enough on white.
INKS = (
    "#2f6fb7", "#c8452d", "#2d8a4e", "#8a4fb0", "#b3711b", "#16858f",
    "#b83a78", "#6b7a1f", "#4a55c0", "#8b5a3c", "#3e7d61", "#a0443f",
)  # fmt: skip
STYLE = (
    ".wire{fill:none;stroke-width:1.4;stroke-linecap:round}"
    f".gate,.bubble{{stroke:{INK};stroke-width:1.3;stroke-linejoin:round}}.bubble{{fill:#fff}}"
    f".tied{{font-size:9px;fill:{FAINT}}}"
)


def schematic(circuit: Circuit, title: str = "", max_parts: int = 400) -> str:
    """Draw the circuit as SVG text: inputs on the left, outputs on the right, gates by column.

    A bubble inverts; a dot joins; wires that cross without one do not touch. Equal circuits have
    equal pictures. Where there are more than `max_parts` gates, inputs or outputs, the picture
    shows no wires but how many gates of each kind stand on each level.
    """
    if max(circuit.num_gates, circuit.num_inputs, circuit.num_outputs) > max_parts:
        return density(circuit, title)
    columns = place(circuit)
    channels = [
        route([_wire(part) for part in column if part.readers], GRID) for column in columns[:-1]
    ]
    parts = [part for column in columns for part in column]
    width = _set_places(circuit, columns, channels) + MARGIN
    height = max((part.y + EXTENT[part.kind] for part in parts), default=HEADER) + MARGIN

    names = _node_names(circuit)
    inks = _inks(circuit, channels)
    body: list[str] = []
    for node, (lines, joins) in _runs(circuit, columns, channels).items():
        path = "".join(
            f"M{number(x0)} {number(y0)}" + (f"H{number(x1)}" if y0 == y1 else f"V{number(y1)}")
            for x0, y0, x1, y1 in lines
        )
        body.append(
            f'<path class="wire" data-node="{node}" stroke="{inks[node]}" d="{path}">'
            f"<title>{spelled(names[node])}</title></path>"
        )
        body += [
            f'<circle class="join" data-node="{node}" cx="{number(x)}" cy="{number(y)}" r="2.4" '
            f'fill="{inks[node]}"/>'
            for x, y in joins
        ]
    draw = {"input": _input, "gate": _gate, "output": _output}
    body += [draw[part.kind](circuit, part, names) for part in parts if part.kind in draw]
    return page(width, height, title or circuit.name, summary_of(circuit), STYLE, body)


def _wire(part: Part) -> Wire:
    return Wire(part.node, part.y, tuple(sorted(r.y + r.pin(i) for r, i in part.readers)))


def _set_places(circuit: Circuit, columns: list[list[Part]], channels: list[list[Wire]]) -> float:
    """Set every x, lower everything under the title; the right edge of the last column."""
    parts = [part for column in columns for part in column]
    lower = HEADER + MARGIN // 2 - min((p.y - EXTENT[p.kind] for p in parts), default=0)
    x = MARGIN + _name_column(circuit.input_names)
    for c, column in enumerate(columns):
        for part in column:
            part.x, part.y = x, part.y + lower
        if c < len(channels):
            channels[c] = [
                replace(wire, left=wire.left + lower, rights=tuple(y + lower for y in wire.rights))
                for wire in channels[c]
            ]
            tracks = 1 + max((wire.track for wire in channels[c]), default=-1)
            x += (BACK + BODY + BUBBLE if c else 0) + TRACK * (tracks + 1)
    return x + BUBBLE + _name_column(circuit.output_names)


def _name_column(names: tuple[str, ...]) -> int:
    return 6 + ceil(max((width_of(_short(name)) for name in names), default=0))


def _short(name: str) -> str:
    return name if len(name) <= MAX_LETTERS else name[: MAX_LETTERS - 1] + "…"


def _runs(
    circuit: Circuit, columns: list[list[Part]], channels: list[list[Wire]]
) -> dict[int, tuple[list[Line], list[Point]]]:
    """Each node's wire: its lines, none of which touches another wire's, and its joins."""
    level: dict[int, list[Line]] = {}
    upright: dict[int, list[Line]] = {}
    joins: dict[int, list[Point]] = {}
    for column, after, channel in zip(columns, columns[1:], channels, strict=False):
        driver = {part.node: part for part in column}
        tracks = 1 + max((wire.track for wire in channel), default=-1)
        first = after[0].x - TRACK * tracks if after else 0
        turn = {wire.node: first + TRACK * wire.track for wire in channel if wire.half == 1}
        for wire in channel:
            part = driver[wire.node]
            begin = turn[wire.node] if wire.half == 2 else _departure(circuit, part)
            ends = {r.y + r.pin(i): _arrival(circuit, r, i) for r, i in part.readers}
            lines = level.setdefault(wire.node, [])
            if wire.track < 0:
                lines.append((begin, wire.left, ends[wire.left], wire.left))
                continue
            x = first + TRACK * wire.track
            lines.append((begin, wire.left, x, wire.left))
            upright.setdefault(wire.node, []).append((x, wire.top, x, wire.bottom))
            if wire.half != 1:
                lines += [(x, y, ends[y], y) for y in wire.rights]
            for y in {wire.left, *wire.rights}:
                ways = (y == wire.left) + (y in wire.rights) + (y > wire.top) + (y < wire.bottom)
                if ways > 2:
                    joins.setdefault(wire.node, []).append((x, y))
    return {
        node: (_merged(lines) + upright.get(node, []), sorted(joins.get(node, [])))
        for node, lines in sorted(level.items())
    }


def _merged(lines: list[Line]) -> list[Line]:
    """Level lines with those that continue one another made one."""
    merged: list[Line] = []
    for x0, y, x1, _ in sorted(lines, key=lambda line: (line[1], line[0])):
        if merged and merged[-1][1] == y and merged[-1][2] >= x0:
            x0, x1 = merged[-1][0], max(merged.pop()[2], x1)
        merged.append((x0, y, x1, y))
    return merged


def _departure(circuit: Circuit, part: Part) -> float:
    """Where a part's wire begins."""
    if part.kind != "gate":
        return part.x
    sign = symbol(int(circuit.table[part.index]))
    return part.x + BACK + BODY + (BUBBLE if sign.inverts and sign.shape != "constant" else 0)


def _arrival(circuit: Circuit, part: Part, operand: int) -> float:
    """Where a wire ends at a part's pin."""
    if part.kind == "output":
        return part.x + BUBBLE * (1 - int(circuit.outputs[part.index]) % 2)
    if part.kind != "gate":
        return part.x
    sign = symbol(int(circuit.table[part.index]))
    return part.x + BACK + SHAPES[sign.shape][1] - BUBBLE * sign.inverted[operand]


def _gate(circuit: Circuit, part: Part, names: list[str]) -> str:
    table = int(circuit.table[part.index])
    sign = symbol(table)
    shape, back = SHAPES[sign.shape]
    inside = [f"<title>{spelled(names[part.node])}</title>"]
    inside.append(f'<path class="gate" fill="{FILLS[sign.shape]}" d="{shape}"/>')
    if sign.shape == "xor":
        inside.append('<path class="gate" fill="none" d="M-4 11Q3 0-4-11"/>')
    for operand, inverted in enumerate(sign.inverted):
        y = part.pin(operand)
        if inverted:
            inside.append(_bubble(back - BUBBLE / 2, y))
        if part.reads[operand] == 0:
            inside.append(text(back - BUBBLE * inverted - 2, y + 3, "0", "tied", "end"))
    if sign.shape == "constant":
        inside.append(text(17, 4, str(int(sign.inverts)), anchor="middle"))
    elif sign.inverts:
        inside.append(_bubble(BODY + BUBBLE / 2, 0))
    return (
        f'<g data-gate="{part.index}" transform="translate({number(part.x + BACK)} {part.y})">'
        f"{''.join(inside)}</g>"
    )


def _bubble(x: float, y: float) -> str:
    return f'<circle class="bubble" cx="{number(x)}" cy="{number(y)}" r="{BUBBLE / 2 - 0.4:g}"/>'


def _input(circuit: Circuit, part: Part, names: list[str]) -> str:
    name = circuit.input_names[part.index]
    label = text(-6, 4, _short(name), "" if part.readers else "note", "end")
    return (
        f'<g data-input="{part.index}" transform="translate({number(part.x)} {part.y})">'
        f"<title>{spelled(names[part.node])}</title>{label}</g>"
    )


def _output(circuit: Circuit, part: Part, names: list[str]) -> str:
    literal = int(circuit.outputs[part.index])
    inside = [f"<title>{spelled(circuit.output_names[part.index])}</title>"]
    if literal < 2:
        inside.append(text(BUBBLE / 2, 3, str(literal), "tied", "middle"))
    elif literal & 1:
        inside.append(_bubble(BUBBLE / 2, 0))
    inside.append(text(BUBBLE + 4, 4, _short(circuit.output_names[part.index])))
    return (
        f'<g data-output="{part.index}" transform="translate({number(part.x)} {part.y})">'
        f"{''.join(inside)}</g>"
    )


def _node_names(circuit: Circuit) -> list[str]:
    """What a reader sees on pointing at a node or its wire."""
    names = ["0", *circuit.input_names]
    rows = zip(circuit.table.tolist(), circuit.fanin.tolist(), strict=True)
    for node, (table, (a, b)) in enumerate(rows, circuit.first_gate):
        short = [n if n < circuit.first_gate else 0 for n in (a, b)]
        operands = [names[n] if n else f"n{m}" for n, m in zip(short, (a, b), strict=True)]
        names.append(f"n{node} = {gates.expression(table, operands)}")
    return names


def _inks(circuit: Circuit, channels: list[list[Wire]]) -> dict[int, str]:
    """Give each wire the colour that is least used by the wires beside it."""
    together: dict[int, set[int]] = {}
    for channel in channels:
        nodes = {wire.node for wire in channel}
        for node in nodes:
            together.setdefault(node, set()).update(nodes)
    chosen: dict[int, int] = {}
    total = [0] * len(INKS)
    for node in sorted(together):
        beside = [0] * len(INKS)
        for other in together[node] & chosen.keys():
            beside[chosen[other]] += 1
        ink = min(range(len(INKS)), key=lambda i: (beside[i], total[i], i))
        chosen[node] = ink
        total[ink] += 1
    return {node: INKS[ink] for node, ink in chosen.items()}
