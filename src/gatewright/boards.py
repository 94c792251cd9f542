"""Boards of cells, packed one bit a cell: of two states, and of several as bit planes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from gatewright.circuit import Words
from gatewright.errors import InputError
from gatewright.rle import Pattern

Bits = npt.NDArray[np.bool_]

#: Largest board, in cells: 1 GiB of words.
MAX_CELLS = 1 << 33
#: Most bit planes of a board: states are bytes.
MAX_PLANES = 8

_ONE = np.uint64(1)


@dataclass(frozen=True, eq=False, repr=False)
class Board:
    """The cells of a torus, packed: cell (x, y) is bit x % 64 of words[y, x // 64].

    Attributes:
        words: uint64[height, ceil(width / 64)], read-only; bits past the width are 0.
        width: cells in a row, at least 1.

    Raises:
        InputError: a side is below 1 or over the limit, the words do not fit, a spare bit is set.
    """

    words: Words
    width: int

    def __post_init__(self) -> None:
        words = np.array(self.words)
        if words.ndim != 2 or words.dtype != np.uint64:
            raise InputError(
                f"a board's words are uint64[height, ceil(width / 64)], "
                f"not {words.dtype}{list(words.shape)}"
            )
        _require_size(self.width, len(words))
        if words.shape[1] != words_in_row(self.width):
            raise InputError(
                f"a row of {self.width} cells takes {words_in_row(self.width)} words, "
                f"not {words.shape[1]}"
            )
        if (words[:, -1] & ~last_mask(self.width)).any():
            raise InputError(f"a bit past the board's width of {self.width} is set")
        words.setflags(write=False)
        object.__setattr__(self, "words", words)

    @property
    def height(self) -> int:
        """Number of rows."""
        return len(self.words)

    @property
    def population(self) -> int:
        """Number of live cells."""
        return int(np.bitwise_count(self.words).sum(dtype=np.int64))

    @staticmethod
    def empty(width: int, height: int) -> Board:
        """Return a board of dead cells."""
        _require_size(width, height)
        return Board(np.zeros((height, words_in_row(width)), dtype=np.uint64), width)

    @staticmethod
    def from_cells(cells: npt.ArrayLike) -> Board:
        """Pack cells bool[height, width] (or 0/1)."""
        matrix = np.asarray(cells)
        if matrix.ndim != 2:
            raise InputError(f"cells have shape [height, width], not {list(matrix.shape)}")
        if matrix.dtype != np.bool_:
            if not np.isin(matrix, (0, 1)).all():
                raise InputError("cells are 0 or 1")
            matrix = matrix.astype(np.bool_)
        height, width = matrix.shape
        _require_size(width, height)
        return Board(_pack_rows(matrix), width)

    @staticmethod
    def random(width: int, height: int, density: float = 0.5, seed: int = 0) -> Board:
        """Return a board whose cells live with probability `density`, the same for a seed."""
        _require_size(width, height)
        if not 0 <= density <= 1:
            raise InputError(f"density {density} is not between 0 and 1")
        if seed < 0:
            raise InputError(f"seed {seed} is negative")
        generator = np.random.default_rng(seed)
        words = np.empty((height, words_in_row(width)), dtype=np.uint64)
        for y in range(height):  # row by row: the floats take 64 times a row's memory
            words[y] = _pack_rows(generator.random((1, width)) < density)[0]
        return Board(words, width)

    @staticmethod
    def centred(pattern: Pattern, width: int, height: int) -> Board:
        """Return a board with only the pattern, in its middle."""
        empty = Board.empty(width, height)
        return empty.place(pattern, (width - pattern.width) // 2, (height - pattern.height) // 2)

    def cells(self) -> Bits:
        """Unpack to bool[height, width]."""
        octets = np.ascontiguousarray(self.words, dtype="<u8").view(np.uint8)
        return np.unpackbits(octets, axis=1, bitorder="little", count=self.width).view(np.bool_)

    def place(self, pattern: Pattern, x: int, y: int) -> Board:
        """Bring the pattern's live cells to life, its upper left corner at (x, y), wrapping around.

        Raises InputError where the pattern is larger than the board.
        """
        if pattern.width > self.width or pattern.height > self.height:
            raise InputError(
                f"pattern {pattern.name or '(no name)'} has {pattern.width} x {pattern.height} "
                f"cells; it does not fit a board of {self.width} x {self.height}"
            )
        cells = self.cells()
        dy, dx = np.nonzero(pattern.cells)
        cells[(y + dy) % self.height, (x + dx) % self.width] = True
        return Board.from_cells(cells)

    def toggle(self, x: int, y: int) -> Board:
        """Return the board with the cell at (x, y), 0 <= x < width and 0 <= y < height, flipped."""
        words = self.words.copy()
        words[y, x // 64] ^= _ONE << np.uint64(x % 64)
        return Board(words, self.width)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Board):
            return NotImplemented
        return self.width == other.width and np.array_equal(self.words, other.words)

    def __hash__(self) -> int:
        return hash((self.width, self.words.tobytes()))

    def __repr__(self) -> str:
        return f"Board({self.width} x {self.height}, population {self.population})"


@dataclass(frozen=True, repr=False)
class StateBoard:
    """Cells of several states, as bit planes: bit p of a cell's state is its cell in planes[p].

    Raises InputError unless there are 1 to 8 planes, of one size.
    """

    planes: tuple[Board, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.planes) <= MAX_PLANES:
            raise InputError(f"a board has 1 to {MAX_PLANES} planes, not {len(self.planes)}")
        sizes = {(plane.width, plane.height) for plane in self.planes}
        if len(sizes) > 1:
            raise InputError("planes of one board have one size, not " + _listed(sizes))

    @property
    def width(self) -> int:
        """Cells in a row."""
        return self.planes[0].width

    @property
    def height(self) -> int:
        """Number of rows."""
        return self.planes[0].height

    @staticmethod
    def from_states(states: npt.ArrayLike, num_planes: int) -> StateBoard:
        """Pack states [height, width], integers from 0 and below 2 ** num_planes."""
        matrix = np.asarray(states)
        if matrix.ndim != 2 or matrix.dtype.kind not in "bui":
            raise InputError(
                f"states are integers [height, width], not {matrix.dtype}{list(matrix.shape)}"
            )
        if not 1 <= num_planes <= MAX_PLANES:
            raise InputError(f"a board has 1 to {MAX_PLANES} planes, not {num_planes}")
        if matrix.size and not 0 <= int(matrix.min()) <= int(matrix.max()) < 1 << num_planes:
            raise InputError(
                f"states go from {matrix.min()} to {matrix.max()}; {num_planes} planes hold 0 to "
                f"{(1 << num_planes) - 1}"
            )
        planes = (Board.from_cells(matrix >> p & 1) for p in range(num_planes))
        return StateBoard(tuple(planes))

    def states(self) -> npt.NDArray[np.uint8]:
        """Unpack to uint8[height, width]."""
        found = np.zeros((self.height, self.width), dtype=np.uint8)
        for p, plane in enumerate(self.planes):
            found |= plane.cells().view(np.uint8) << np.uint8(p)
        return found

    def __repr__(self) -> str:
        return f"StateBoard({self.width} x {self.height}, {len(self.planes)} planes)"


#: A board of either kind.
AnyBoard = TypeVar("AnyBoard", Board, StateBoard)


def words_of(board: Board | StateBoard) -> Words:
    """The words of its planes, uint64[planes, height, ceil(width / 64)]."""
    return (
        board.words[None] if isinstance(board, Board) else np.stack([p.words for p in board.planes])
    )


def with_words(board: AnyBoard, words: Words) -> AnyBoard:
    """A board of the same kind and width, with other words."""
    if isinstance(board, Board):
        return Board(words[0], board.width)
    return StateBoard(tuple(Board(plane, board.width) for plane in words))


def _listed(sizes: set[tuple[int, int]]) -> str:
    return " and ".join(f"{width} x {height}" for width, height in sorted(sizes))


def _pack_rows(cells: Bits) -> Words:
    height, width = cells.shape
    octets = np.zeros((height, 8 * words_in_row(width)), dtype=np.uint8)
    octets[:, : -(-width // 8)] = np.packbits(cells, axis=1, bitorder="little")
    return octets.view("<u8").astype(np.uint64, copy=False)


def words_in_row(width: int) -> int:
    """Words that a row of so many cells takes."""
    return -(-width // 64)


def last_mask(width: int) -> np.uint64:
    """Return the bits of a row's last word that are cells."""
    return np.uint64(0xFFFF_FFFF_FFFF_FFFF) >> np.uint64(-width % 64)


def _require_size(width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise InputError(f"a board has at least 1 x 1 cells, not {width} x {height}")
    if words_in_row(width) * 64 * height > MAX_CELLS:
        raise InputError(f"a board of {width} x {height} is over the limit of {MAX_CELLS} cells")
