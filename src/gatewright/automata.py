"""Cellular automata whose rule is a circuit: boards on a torus, stepping, and rules to learn.

A cell's next state is a function of its neighbourhood, nine bits row by row:

    x0 x1 x2        y - 1
    x3 x4 x5        y           x4 is the cell itself; x grows to the right, y downwards,
    x6 x7 x8        y + 1       and both wrap around

Row r of a rule's table of 512 states is the neighbourhood with x_i = bit i of r.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gatewright.circuit import Builder, Circuit, Words, all_inputs, unpack
from gatewright.errors import InputError
from gatewright.rle import (
    PATTERN_NAMES,
    Pattern,
    canonical_rule,
    load_pattern,
    read_rle,
    write_rle,
)

__all__ = [
    "Board",
    "PATTERN_NAMES",
    "Pattern",
    "birth_survival",
    "life_circuit",
    "life_rule",
    "load_pattern",
    "read_rle",
    "rule",
    "step",
    "step_table",
    "write_rle",
]

Bits = npt.NDArray[np.bool_]

NUM_NEIGHBOURS = 9
CENTRE = 4
#: Largest board, in cells: 1 GiB of words.
MAX_CELLS = 1 << 33

_ONE = np.uint64(1)
_TOP = np.uint64(63)


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
        if words.shape[1] != _words_in_row(self.width):
            raise InputError(
                f"a row of {self.width} cells takes {_words_in_row(self.width)} words, "
                f"not {words.shape[1]}"
            )
        if (words[:, -1] & ~_last_mask(self.width)).any():
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
        return Board(np.zeros((height, _words_in_row(width)), dtype=np.uint64), width)

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
        words = np.empty((height, _words_in_row(width)), dtype=np.uint64)
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


def step(circuit: Circuit, board: Board, generations: int = 1) -> Board:
    """Advance the board: a cell's next state is the circuit's output for its neighbourhood.

    This is the specification of the steppers that Gatewright generates. Raises InputError unless
    the circuit has 9 inputs and 1 output and generations >= 0.
    """
    if circuit.num_inputs != NUM_NEIGHBOURS or circuit.num_outputs != 1:
        raise InputError(
            f"circuit {circuit.name} has {circuit.num_inputs} inputs and {circuit.num_outputs} "
            "outputs; a rule for a board has 9 (x0 to x8, row by row) and 1"
        )
    _require_generations(generations)
    words, mask = board.words, _last_mask(board.width)
    for _ in range(generations):
        planes = _neighbour_planes(words, board.width)
        words = circuit.simulate(planes.reshape(NUM_NEIGHBOURS, -1)).reshape(words.shape)
        words[:, -1] &= mask
    return Board(words, board.width)


def step_table(table: Bits, board: Board, generations: int = 1) -> Board:
    """Advance the board by a table of next states, bool[512], looked up by neighbourhood."""
    table = np.asarray(table)
    if table.shape != (512,) or table.dtype != np.bool_:
        raise InputError(f"a rule's table is bool[512], not {table.dtype}{list(table.shape)}")
    _require_generations(generations)
    cells = board.cells()
    for _ in range(generations):
        above, below = np.roll(cells, 1, axis=0), np.roll(cells, -1, axis=0)
        index = np.zeros(cells.shape, dtype=np.uint16)
        for i, row in enumerate((above, cells, below)):
            for j, dx in enumerate((1, 0, -1)):
                index |= np.roll(row, dx, axis=1).astype(np.uint16) << (3 * i + j)
        cells = table[index]
    return Board.from_cells(cells)


def rule(birth_survival: str) -> Callable[[Bits], Bits]:
    """Return the outer totalistic rule, such as "B3/S23", as a function bool[N, 9] -> bool[N, 1].

    A dead cell is born with a number of live neighbours after the B, a live one survives with one
    after the S. Raises InputError for text that is no such rule.
    """
    birth, survival = canonical_rule(birth_survival)[1:].split("/S")
    when_dead, when_live = np.zeros(9, dtype=np.bool_), np.zeros(9, dtype=np.bool_)
    when_dead[[int(digit) for digit in birth]] = True
    when_live[[int(digit) for digit in survival]] = True

    def next_state(bits: Bits) -> Bits:
        if bits.ndim != 2 or bits.shape[1] != NUM_NEIGHBOURS:
            raise InputError(f"neighbourhoods have shape [N, 9], not {list(bits.shape)}")
        live = bits[:, CENTRE].astype(np.bool_)
        num_neighbours = np.count_nonzero(bits, axis=1) - live
        return np.where(live, when_live[num_neighbours], when_dead[num_neighbours])[:, None]

    return next_state


#: Conway's Game of Life, B3/S23: bool[N, 9] -> bool[N, 1].
life_rule: Callable[[Bits], Bits] = rule("B3/S23")


def birth_survival(table: Bits) -> str | None:
    """Name a table of next states, bool[512], as in "B3/S23"; None if not outer totalistic."""
    neighbourhoods = unpack(all_inputs(NUM_NEIGHBOURS), 512)
    live = neighbourhoods[:, CENTRE]
    num_neighbours = np.count_nonzero(neighbourhoods, axis=1) - live
    birth = "".join(str(n) for n in np.unique(num_neighbours[table & ~live]))
    survival = "".join(str(n) for n in np.unique(num_neighbours[table & live]))
    name = f"B{birth}/S{survival}"
    return name if np.array_equal(rule(name)(neighbourhoods)[:, 0], table) else None


def life_circuit() -> Circuit:
    """Return Conway's Life as 26 gates written by hand: adders over the neighbours.

    The neighbours' number is z + 2 (c0 + c1 + c2 + c3); it is 2 or 3 where exactly one of the four
    carries is set, and the cell then lives if z (three neighbours) or if it lived.
    """
    b = Builder([f"x{i}" for i in range(NUM_NEIGHBOURS)], name="life")
    x = b.inputs
    s0, c0 = _add(b, x[0], x[1], x[2])
    s1, c1 = _add(b, x[6], x[7], x[8])
    s2, c2 = b.lxor(x[3], x[5]), b.land(x[3], x[5])
    z, c3 = _add(b, s0, s1, s2)
    odd, many = _add(b, c0, c1, c2)
    two_or_three = b.land(b.lxor(odd, c3), many ^ 1)
    b.output("y", b.land(two_or_three, b.lor(z, x[CENTRE])))
    return b.build()


def _add(builder: Builder, a: int, b: int, c: int) -> tuple[int, int]:
    """Full adder of five gates: the sum and the carry of three literals."""
    differ = builder.lxor(a, b)
    total = builder.lxor(differ, c)
    carry = builder.lxor(builder.lor(differ, builder.lxor(b, c)), total)
    return total, carry


def _neighbour_planes(words: Words, width: int) -> Words:
    """uint64[9, height, words in a row]: bit (x, y) of plane i is input x_i of cell (x, y).

    Bits past the width mean nothing.
    """
    last, last_bit = (width - 1) // 64, np.uint64((width - 1) % 64)
    west = words << _ONE  # cell x reads cell x - 1
    west[:, 1:] |= words[:, :-1] >> _TOP
    west[:, 0] |= words[:, last] >> last_bit & _ONE
    east = words >> _ONE  # cell x reads cell x + 1
    east[:, :-1] |= words[:, 1:] << _TOP
    east[:, last] |= (words[:, 0] & _ONE) << last_bit
    rows = np.stack([west, words, east])
    return np.concatenate([np.roll(rows, 1, axis=1), rows, np.roll(rows, -1, axis=1)])


def _pack_rows(cells: Bits) -> Words:
    height, width = cells.shape
    octets = np.zeros((height, 8 * _words_in_row(width)), dtype=np.uint8)
    octets[:, : -(-width // 8)] = np.packbits(cells, axis=1, bitorder="little")
    return octets.view("<u8").astype(np.uint64, copy=False)


def _words_in_row(width: int) -> int:
    return -(-width // 64)


def _last_mask(width: int) -> np.uint64:
    """Return the bits of a row's last word that are cells."""
    return np.uint64(0xFFFF_FFFF_FFFF_FFFF) >> np.uint64(-width % 64)


def _require_size(width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise InputError(f"a board has at least 1 x 1 cells, not {width} x {height}")
    if _words_in_row(width) * 64 * height > MAX_CELLS:
        raise InputError(f"a board of {width} x {height} is over the limit of {MAX_CELLS} cells")


def _require_generations(generations: int) -> None:
    if generations < 0:
        raise InputError(f"generations is {generations}; a board does not step backwards")
