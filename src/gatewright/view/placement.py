"""Where the parts of a schematic stand: columns, their order, and heights.

The method is the layered drawing of Sugiyama, Tagawa and Toda (1981). Every gate gets a column to
the right of what it reads; a wire that passes a column takes a place in it, as a *feed*; barycentre
sweeps and exchanges of neighbours order each column for few crossings; and heights are chosen that
make the wires straight. All heights are multiples of GRID, and so are those of the pins.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from gatewright.circuit import Circuit
from gatewright.targets.dot import symbol

GRID = 6
#: Half the height that a part needs in its column.
EXTENT = {"input": 9, "gate": 18, "output": 9, "feed": 6}
SWEEPS = 16  # by barycentre, from each of three starts
EXCHANGES = 4  # of neighbours, after the last of those sweeps
PASSES = 24  # for heights


@dataclass(eq=False, slots=True)
class Part:
    """An input, a gate, an output, or a feed (a wire that passes a column).

    Attributes:
        kind: "input", "gate", "output" or "feed".
        index: of the input, the gate or the output; for a feed the node of its wire.
        node: whose wire leaves on the right; -1 for an output.
        reads: nodes of the wires that arrive, in the order of the operands; 0 is no wire.
        column, rank: the place in the grid.
        x, y: the place on the page; y is that of the middle, x is set by who draws.
        swapped: whether the first operand has the lower pin.
        sources: in the column before, with the operand that each one drives.
        readers: in the column after, with the operand that each one reads by.
    """

    kind: str
    index: int
    node: int
    reads: tuple[int, ...]
    column: int
    rank: int = 0
    y: int = 0
    x: float = 0.0
    swapped: bool = False
    sources: list[tuple[Part, int]] = field(default_factory=list[tuple["Part", int]])
    readers: list[tuple[Part, int]] = field(default_factory=list[tuple["Part", int]])

    def pin(self, operand: int) -> int:
        """Height of an operand's pin over the part's middle."""
        if len(self.reads) < 2:
            return 0
        return GRID if (operand == 0) == self.swapped else -GRID


def place(circuit: Circuit) -> list[list[Part]]:
    """Return the columns of the schematic, each from the top down, with every height set."""
    columns = _columns(circuit)
    _connect(columns)
    _order(columns)
    for part in (part for column in columns for part in column):
        ranks = [source.rank for source, _ in part.sources]
        part.swapped = ranks != sorted(ranks)
    _set_heights(columns)
    return columns


def _columns(circuit: Circuit) -> list[list[Part]]:
    """Inputs in column 0, outputs in the last, gates where the wires are shortest."""
    first = circuit.first_gate
    parts: list[Part] = [Part("input", i, 1 + i, (), 0) for i in range(circuit.num_inputs)]
    rows = zip(circuit.table.tolist(), circuit.fanin.tolist(), strict=True)
    for g, (table, fanin) in enumerate(rows):
        reads = tuple(fanin[i] for i in symbol(table).operands)
        before: list[int] = [parts[node - 1].column for node in reads if node]
        parts.append(Part("gate", g, first + g, reads, 1 + max(before, default=0)))
    last = 1 + max((part.column for part in parts), default=0)
    outputs = [
        Part("output", o, -1, (literal >> 1,), last)
        for o, literal in enumerate(circuit.outputs.tolist())
    ]
    _shorten(parts, outputs)

    used = sorted({0, last, *(part.column for part in parts)})
    for part in [*parts, *outputs]:
        part.column = used.index(part.column)

    columns: list[list[Part]] = [[] for _ in used]
    furthest = [0] * circuit.num_nodes
    for part in [*parts, *outputs]:
        columns[part.column].append(part)
        for node in part.reads:
            furthest[node] = max(furthest[node], part.column)
    for part in parts:
        for column in range(part.column + 1, furthest[part.node]):
            columns[column].append(Part("feed", part.node, part.node, (part.node,), column))
    return columns


def _shorten(parts: list[Part], outputs: list[Part]) -> None:
    """Move gates right while that shortens the wires; a wire is as long as its furthest reader."""
    readers: list[list[Part]] = [[] for _ in parts]
    for part in [*parts, *outputs]:
        for node in set(part.reads) - {0}:
            readers[node - 1].append(part)
    moved = True
    while moved:
        moved = False
        for part in reversed(parts):
            own = readers[part.node - 1]
            if part.kind != "gate" or not own:
                continue
            latest = min(reader.column for reader in own) - 1
            held = [
                max((r.column for r in readers[node - 1] if r is not part), default=0)
                for node in set(part.reads) - {0}
            ]

            def length(column: int, held: list[int] = held) -> int:
                return sum(max(column, furthest) for furthest in held) - column

            best = min(range(part.column, latest + 1), key=length, default=part.column)
            if best > part.column:
                part.column, moved = best, True


def _connect(columns: list[list[Part]]) -> None:
    for left, right in pairwise(columns):
        driver = {part.node: part for part in left}
        for part in right:
            for operand, node in enumerate(part.reads):
                if node:
                    part.sources.append((driver[node], operand))
                    driver[node].readers.append((part, operand))


def _order(columns: list[list[Part]]) -> None:
    """Order each column for few crossings; in place."""
    best, fewest = [list(column) for column in columns], _num_crossings(columns)
    for start in ("as given", "depth first", "reversed"):
        if start == "depth first":
            _sort_depth_first(columns)
        elif start == "reversed":
            for column in columns:
                column.reverse()
        for sweep in range(SWEEPS):
            _sweep(columns, rightwards=sweep % 2 == 0)
            if sweep >= SWEEPS - EXCHANGES:
                _exchange(columns)
            crossings = _num_crossings(columns)
            if crossings < fewest:
                best, fewest = [list(column) for column in columns], crossings
    columns[:] = best
    _rank(columns)


def _rank(columns: list[list[Part]]) -> None:
    for column in columns:
        for i, part in enumerate(column):
            part.rank = i


def _sort_depth_first(columns: list[list[Part]]) -> None:
    seen: dict[Part, int] = {}
    stack = [part for column in columns for part in reversed(column)]
    while stack:
        part = stack.pop()
        if part not in seen:
            seen[part] = len(seen)
            stack += [source for source, _ in reversed(part.sources)]
    for column in columns:
        column.sort(key=seen.__getitem__)


def _sweep(columns: list[list[Part]], rightwards: bool) -> None:
    """Sort each column by the mean rank of what it is wired to in the column before."""
    _rank(columns)
    for column in columns[1:] if rightwards else columns[-2::-1]:
        centre: dict[Part, float] = {}
        for part in column:
            near = part.sources if rightwards else part.readers
            centre[part] = sum(p.rank for p, _ in near) / len(near) if near else part.rank
        column.sort(key=centre.__getitem__)
        for i, part in enumerate(column):
            part.rank = i


def _exchange(columns: list[list[Part]]) -> None:
    """Exchange neighbours while that saves crossings."""
    _rank(columns)
    for column in columns:
        near = [([p.rank for p, _ in o.sources], [p.rank for p, _ in o.readers]) for o in column]
        improved = True
        while improved:
            improved = False
            for i in range(len(column) - 1):
                saved = 0
                for above, below in zip(near[i], near[i + 1], strict=True):
                    for u in above:
                        for v in below:
                            saved += (u > v) - (u < v)
                if saved > 0:
                    column[i : i + 2] = column[i + 1], column[i]
                    near[i : i + 2] = near[i + 1], near[i]
                    improved = True
        for i, part in enumerate(column):
            part.rank = i


def _num_crossings(columns: list[list[Part]]) -> int:
    _rank(columns)
    total = 0
    for right in columns[1:]:
        met: list[int] = []  # ranks of the sources of the parts above, ascending
        for part in right:
            arriving = [source.rank for source, _ in part.sources]
            total += sum(len(met) - bisect_right(met, rank) for rank in arriving)
            for rank in arriving:
                insort(met, rank)
    return total


def _set_heights(columns: list[list[Part]]) -> None:
    """Choose heights that make the wires straight, keeping order and distances; in place."""
    for column in columns:
        _settle(column, [[(0, 1)] for _ in column])
    best, least = _heights(columns), _bend(columns)
    for sweep in range(2 * PASSES):
        rightwards, both = sweep % 2 == 0, sweep >= PASSES
        for column in columns if rightwards else reversed(columns):
            wishes = [_wishes(part, rightwards or both, not rightwards or both) for part in column]
            _settle(column, wishes)
        _straighten(columns)
        if (bend := _bend(columns)) < least:
            best, least = _heights(columns), bend
    for column, heights in zip(columns, best, strict=True):
        for part, y in zip(column, heights, strict=True):
            part.y = y


def _heights(columns: list[list[Part]]) -> list[list[int]]:
    return [[part.y for part in column] for column in columns]


def _straighten(columns: list[list[Part]]) -> None:
    """Shift whole straight runs of wire, where there is room, while that saves bends."""
    shifted = True
    while shifted:
        shifted = False
        for part in (part for column in columns for part in column):
            for source, operand in part.sources:
                away = source.y - part.y - part.pin(operand)
                if away and part.kind != "gate":
                    shifted |= _shift(_run(part, True), away, columns)
                elif away and source.kind != "gate":
                    shifted |= _shift(_run(source, False), -away, columns)


def _run(part: Part, rightwards: bool) -> list[Part]:
    """The part and the feeds, inputs and outputs that its wire passes level with it."""
    run = [part]
    while True:
        near = run[-1].readers if rightwards else run[-1].sources
        level = [p for p, _ in near if p.kind != "gate" and p.y == part.y]
        if not level:
            return run
        run.append(level[0])


def _shift(run: list[Part], by: int, columns: list[list[Part]]) -> bool:
    """Shift the run if there is room and less bends then; whether it was."""
    if not all(_has_room(part, by, columns[part.column]) for part in run):
        return False
    before = sum(_bend_of(part) for part in run)
    for part in run:
        part.y += by
    if sum(_bend_of(part) for part in run) < before:
        return True
    for part in run:
        part.y -= by
    return False


def _has_room(part: Part, by: int, column: list[Part]) -> bool:
    beside = part.rank + (1 if by > 0 else -1)
    if not 0 <= beside < len(column):
        return True
    return abs(column[beside].y - part.y) - abs(by) >= _distance(part, column[beside])


def _distance(a: Part, b: Part) -> int:
    """Least distance of neighbours in a column."""
    return -(-(EXTENT[a.kind] + EXTENT[b.kind]) // GRID) * GRID


def _strain(source: Part, reader: Part, operand: int) -> int:
    """How much a wire's bend disturbs: more where it only passes, and any bend over none."""
    away = abs(source.y - reader.y - reader.pin(operand))
    return _weight(source, reader) * (away + 3 * GRID) if away else 0


def _bend_of(part: Part) -> int:
    return sum(_strain(source, part, i) for source, i in part.sources) + sum(
        _strain(part, reader, i) for reader, i in part.readers
    )


def _bend(columns: list[list[Part]]) -> int:
    return sum(
        _strain(source, part, i)
        for column in columns
        for part in column
        for source, i in part.sources
    )


def _weight(a: Part, b: Part) -> int:
    """How much a bend between two parts disturbs: most in a wire that only passes."""
    return (1, 2, 6)[(a.kind in ("feed", "input")) + (b.kind in ("feed", "output"))]


def _wishes(part: Part, by_sources: bool, by_readers: bool) -> list[tuple[int, int]]:
    """Heights (with weights) at which a wire of the part would be straight."""
    wishes: list[tuple[int, int]] = []
    if by_sources:
        wishes += [(source.y - part.pin(i), _weight(source, part)) for source, i in part.sources]
    if by_readers:
        wishes += [(reader.y + reader.pin(i), _weight(part, reader)) for reader, i in part.readers]
    return wishes or [(part.y, 1)]


def _settle(column: Sequence[Part], wishes: Sequence[list[tuple[int, int]]]) -> None:
    """Set the heights nearest to the wishes (least absolute deviation) that keep the distances.

    Isotonic regression by pooling: parts that would come too close form a block, which moves as one
    to the weighted median of its parts' wishes.
    """
    blocks: list[tuple[int, list[tuple[int, int]], list[tuple[Part, int]]]] = []
    offset = 0
    before: Part | None = None
    for part, wish in zip(column, wishes, strict=True):
        if before is not None:
            offset += _distance(before, part)
        before = part
        shifted = sorted((y - offset, weight) for y, weight in wish)
        block = (_median(shifted), shifted, [(part, offset)])
        while blocks and blocks[-1][0] >= block[0]:
            _, others, parts = blocks.pop()
            merged = sorted(others + block[1])
            block = (_median(merged), merged, parts + block[2])
        blocks.append(block)
    for y, _, parts in blocks:
        for part, shift in parts:
            part.y = y + shift


def _median(wishes: Sequence[tuple[int, int]]) -> int:
    half = sum(weight for _, weight in wishes) / 2
    for y, weight in wishes:
        half -= weight
        if half <= 0:
            return y
    raise AssertionError("no wishes")
