"""How a board looks in a terminal: two cells in a character (half blocks) or eight (Braille).

In half blocks newborn cells are bright and settle as they age, and a cell that died leaves a trail
that fades. The characters alone tell which cells live; colours only add to them.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from gatewright.automata import Board

Bits = npt.NDArray[np.bool_]
Levels = npt.NDArray[np.uint8]

#: Colour of each level: dead, three levels of trail, and live from newborn to settled.
PALETTE = (
    "#0b0f17", "#0e1b26", "#123040", "#17455a",
    "#f4fbff", "#b4efff", "#6ed6f5", "#3fb2e0",
)  # fmt: skip
NEWBORN, SETTLED = 4, 7
#: Level in the next frame, by whether the cell then lives and by its level now.
NEXT_LEVEL = np.array([[0, 0, 1, 2, 3, 3, 3, 3], [4, 4, 4, 4, 5, 6, 7, 7]], dtype=np.uint8)
PLAIN = Style(color=PALETTE[6], bgcolor=PALETTE[0])
CURSOR_DEAD, CURSOR_LIVE = "#8a5a00", "#ffb000"

#: Cells across and down in one character.
HALF_BLOCK = (1, 2)
BRAILLE = (2, 4)

#: Dot of a Braille character (U+2800 and up) for each of its 4 x 2 cells.
_DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]], dtype=np.uint32)


def age(levels: Levels, cells: Bits) -> Levels:
    """Return the next frame's levels: live cells settle, dead ones fade."""
    return NEXT_LEVEL[cells.astype(np.uint8), levels]


def braille(cells: Bits) -> str:
    """Draw bool[h, w], at most 4 rows, as one line of Braille characters of 2 x 4 cells."""
    height, width = cells.shape
    padded = np.zeros((4, -(-width // 2) * 2), dtype=np.uint32)
    padded[:height, :width] = cells
    codes = np.einsum("ixj,ij->x", padded.reshape(4, -1, 2), _DOTS) + 0x2800
    return "".join(map(chr, codes.tolist()))


@cache
def half_block(top: int, bottom: int) -> Segment:
    """Draw two cells of the given levels, one above the other, as one character."""
    pair = (top, bottom)
    live = min((level for level in pair if level >= NEWBORN), default=SETTLED)
    dead = max((level for level in pair if level < NEWBORN), default=0)
    character = " ▀▄█"[(top >= NEWBORN) + 2 * (bottom >= NEWBORN)]
    return Segment(character, Style(color=PALETTE[live], bgcolor=PALETTE[dead]))


def cursor_block(top: int, bottom: int, is_bottom: bool) -> Segment:
    """Draw two cells as `half_block` does, but one of them in the cursor's colour."""
    colors = [PALETTE[top], PALETTE[bottom]]
    is_live = (top, bottom)[is_bottom] >= NEWBORN
    colors[is_bottom] = CURSOR_LIVE if is_live else CURSOR_DEAD
    return Segment("▀", Style(color=colors[0], bgcolor=colors[1]))


class BoardView(ScrollView, can_focus=False):
    """A widget that shows a board, scrolling where it is larger than its place.

    Attributes:
        cursor: (x, y) of the cell to mark in half blocks, or None.
        scale: HALF_BLOCK or BRAILLE.
    """

    DEFAULT_CSS = """
    BoardView {
        width: auto; height: auto; max-width: 100%; max-height: 100%;
        scrollbar-size: 1 1; scrollbar-color: #2a4a5e; scrollbar-background: #0b0f17;
        background: #0b0f17;
    }
    """

    def __init__(self, board: Board) -> None:
        super().__init__()
        self.cursor: tuple[int, int] | None = None
        self.scale = HALF_BLOCK
        self._levels = self._newborn(board)
        self.virtual_size = self.extent(self.scale)

    @staticmethod
    def _newborn(board: Board) -> Levels:
        return np.where(board.cells(), NEWBORN, 0).astype(np.uint8)

    def extent(self, scale: tuple[int, int]) -> Size:
        """Return the characters that the whole board takes at a scale."""
        height, width = self._levels.shape
        return Size(-(-width // scale[0]), -(-height // scale[1]))

    def show(self, board: Board, keep_trails: bool = True) -> None:
        """Show a board of the same size; without trails all its live cells are newborn."""
        keep = keep_trails and board.cells().shape == self._levels.shape
        self._levels = age(self._levels, board.cells()) if keep else self._newborn(board)
        self.refresh()

    def set_scale(self, scale: tuple[int, int]) -> None:
        """Choose HALF_BLOCK or BRAILLE."""
        if scale != self.scale:
            self.scale = scale
            self.virtual_size = self.extent(scale)
            self.refresh(layout=True)

    def mark(self, cursor: tuple[int, int] | None) -> None:
        """Move the cursor to a cell and scroll it into view, or hide it."""
        self.cursor = cursor
        if cursor is not None:
            place = Region(cursor[0] // self.scale[0], cursor[1] // self.scale[1], 1, 1)
            self.scroll_to_region(place, animate=False)
        self.refresh()

    def cell_at(self, column: int, line: int) -> tuple[int, int] | None:
        """Return the first cell (x, y) of the character at a place of the widget's content."""
        x = (column + self.scroll_offset.x) * self.scale[0]
        y = (line + self.scroll_offset.y) * self.scale[1]
        height, width = self._levels.shape
        return (x, y) if 0 <= x < width and 0 <= y < height else None

    def render_line(self, y: int) -> Strip:
        """Draw one line of characters: textual's line API."""
        left, line = self.scroll_offset.x, y + self.scroll_offset.y
        across, down = self.scale
        rows = self._levels[
            line * down : (line + 1) * down, left * across : (left + self.size.width) * across
        ]
        if not rows.size:
            return Strip.blank(self.size.width, PLAIN)
        if self.scale == BRAILLE:
            segments = [Segment(braille(rows >= NEWBORN), PLAIN)]
        else:
            segments = self._half_blocks(rows, left, line)
        return Strip(segments).extend_cell_length(self.size.width, PLAIN)

    def _half_blocks(self, rows: Levels, left: int, line: int) -> list[Segment]:
        """Draw one or two rows of levels; equal neighbours become one segment."""
        top, bottom = rows[0], rows[1] if len(rows) == 2 else np.zeros_like(rows[0])
        starts = np.flatnonzero(np.diff(top * 8 + bottom, prepend=255))
        pieces = list(zip(starts.tolist(), [*starts[1:].tolist(), len(top)], strict=True))
        segments: list[Segment] = []
        x, y = self.cursor or (-1, -1)
        for start, stop in pieces:
            one = half_block(int(top[start]), int(bottom[start]))
            if y // 2 == line and start <= x - left < stop:
                marked = cursor_block(int(top[start]), int(bottom[start]), y % 2 == 1)
                before, after = x - left - start, stop - (x - left) - 1
                segments += [Segment(one.text * before, one.style), marked]
                segments.append(Segment(one.text * after, one.style))
            else:
                segments.append(Segment(one.text * (stop - start), one.style))
        return segments
