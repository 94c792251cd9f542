"""Level and upright lines as a reader of a drawing sees them."""

from __future__ import annotations

Point = tuple[float, float]
Line = tuple[float, float, float, float]  # x0, y0, x1, y1


def ends(line: Line) -> tuple[Point, Point]:
    return line[:2], line[2:]


def holds(line: Line, point: Point) -> bool:
    x0, y0, x1, y1 = line
    return min(x0, x1) <= point[0] <= max(x0, x1) and min(y0, y1) <= point[1] <= max(y0, y1)


def touch(a: Line, b: Line) -> bool:
    """Whether an end of one line lies on the other."""
    return any(holds(b, end) for end in ends(a)) or any(holds(a, end) for end in ends(b))


def crossing(a: Line, b: Line) -> Point | None:
    """Where a level and an upright line meet."""
    for level, upright in ((a, b), (b, a)):
        point = (upright[0], level[1])
        if level[1] == level[3] and upright[0] == upright[2] and level != upright:
            return point if holds(level, point) and holds(upright, point) else None
    return None


def reached(lines: list[Line], start: Point, joins: set[Point]) -> list[Line]:
    """The lines that a finger reaches from a point without leaving the wire."""
    found = [line for line in lines if holds(line, start)]
    for line in found:
        for other in lines:
            if other not in found and (touch(line, other) or crossing(line, other) in joins):
                found.append(other)
    return found
