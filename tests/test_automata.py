"""Boards, stepping and rules, against a loop over the cells and what is known of Life."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.automata import (
    PATTERN_NAMES,
    Board,
    Pattern,
    birth_survival,
    life_circuit,
    life_rule,
    load_pattern,
    rule,
    step,
    step_table,
)
from gatewright.circuit import Builder, Circuit, all_inputs, unpack
from gatewright.errors import InputError

LIFE = life_circuit()
LIFE_TABLE = LIFE.truth_tables()[:, 0]
NEIGHBOURHOODS = unpack(all_inputs(9), 512)


def random_circuit(seed: int) -> Circuit:
    """A rule of 40 random gates: no symmetry hides an exchanged neighbour."""
    rng = np.random.default_rng(seed)
    builder = Builder([f"x{i}" for i in range(9)])
    literals = list(builder.inputs)
    for _ in range(40):
        a, b = rng.choice(len(literals), 2, replace=False)
        literals.append(builder.gate(int(rng.integers(16)), literals[a], literals[b]))
    builder.output("y", literals[-1])
    return builder.build()


def step_by_loops(table: np.ndarray, cells: np.ndarray) -> np.ndarray:
    height, width = cells.shape
    new = np.zeros_like(cells)
    for y in range(height):
        for x in range(width):
            row = 0
            for i in range(9):
                row |= int(cells[(y + i // 3 - 1) % height, (x + i % 3 - 1) % width]) << i
            new[y, x] = table[row]
    return new


SIDES = st.one_of(st.integers(1, 4), st.integers(62, 66), st.integers(126, 130))
boards = st.builds(
    Board.random, SIDES, st.integers(1, 5), st.sampled_from([0.1, 0.5, 0.9]), st.integers(0, 999)
)


@settings(deadline=None, max_examples=60)
@given(boards, st.integers(0, 10_000))
def test_step_is_the_rule_at_every_cell(board: Board, seed: int) -> None:
    circuit = random_circuit(seed)
    expected = step_by_loops(circuit.truth_tables()[:, 0], board.cells())
    assert np.array_equal(step(circuit, board).cells(), expected)


@settings(deadline=None, max_examples=40)
@given(boards, st.integers(0, 10_000), st.integers(0, 4))
def test_step_and_step_table_agree_and_compose(board: Board, seed: int, generations: int) -> None:
    circuit = random_circuit(seed)
    one_by_one = board
    for _ in range(generations):
        one_by_one = step(circuit, one_by_one)
    assert step(circuit, board, generations) == one_by_one
    assert step_table(circuit.truth_tables()[:, 0], board, generations) == one_by_one


def test_the_nine_inputs_are_the_neighbours_row_by_row() -> None:
    """Rule "copy input i" moves a lone cell against the neighbour's direction."""
    lone = Board.empty(70, 5).toggle(64, 2)
    for i in range(9):
        builder = Builder([f"x{k}" for k in range(9)])
        builder.output("y", builder.inputs[i])
        y, x = np.argwhere(step(builder.build(), lone).cells())[0]
        assert (x, y) == (64 - (i % 3 - 1), 2 - (i // 3 - 1))


def test_a_rule_that_gives_birth_to_all_fills_only_the_cells() -> None:
    builder = Builder([f"x{k}" for k in range(9)])
    builder.output("y", 1)
    board = step(builder.build(), Board.empty(70, 3), 2)
    assert board.population == 210
    assert board == Board.from_cells(np.ones((3, 70), dtype=np.bool_))


@settings(deadline=None, max_examples=60)
@given(boards)
def test_board_packs_and_unpacks(board: Board) -> None:
    cells = board.cells()
    assert cells.shape == (board.height, board.width)
    assert Board.from_cells(cells) == board
    assert hash(Board.from_cells(cells)) == hash(board)
    assert board.population == cells.sum()
    y, x = board.height - 1, board.width - 1
    assert int(board.words[y, x // 64]) >> (x % 64) & 1 == cells[y, x]


def test_boards_of_other_shapes_or_cells_differ() -> None:
    assert Board.empty(3, 4) != Board.empty(4, 3)
    assert Board.empty(63, 4) != Board.empty(64, 4)
    assert Board.empty(3, 4).toggle(0, 0) != Board.empty(3, 4)


def test_random_boards_follow_density_and_seed() -> None:
    board = Board.random(300, 200, 0.3, seed=5)
    assert board == Board.random(300, 200, 0.3, seed=5)
    assert board != Board.random(300, 200, 0.3, seed=6)
    assert abs(board.population / 60_000 - 0.3) < 0.02
    assert Board.random(9, 9, 0.0).population == 0
    assert Board.random(9, 9, 1.0).population == 81


def test_board_is_read_only_and_keeps_its_own_words() -> None:
    words = np.zeros((2, 1), dtype=np.uint64)
    board = Board(words, 5)
    words[0, 0] = 1
    assert board.population == 0
    with pytest.raises(ValueError, match="read-only"):
        board.words[0, 0] = 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Board.empty(0, 3), "at least 1 x 1 cells, not 0 x 3"),
        (lambda: Board.empty(10**9, 10**9), "over the limit"),
        (lambda: Board.random(10**9, 10**9), "over the limit"),
        (lambda: Board.random(3, 3, 1.5), r"density 1\.5"),
        (lambda: Board.random(3, 3, 0.5, -1), "seed -1"),
        (lambda: Board.from_cells([[0, 2]]), "0 or 1"),
        (lambda: Board.from_cells([0, 1]), r"\[height, width\]"),
        (lambda: Board.from_cells(np.zeros((0, 4), dtype=np.bool_)), "not 4 x 0"),
        (lambda: Board(np.zeros((2, 2), dtype=np.uint64), 64), "takes 1 words, not 2"),
        (lambda: Board(np.full((2, 1), 32, dtype=np.uint64), 5), "past the board's width of 5"),
        (lambda: Board(np.zeros((2, 1), dtype=np.int64), 5), "int64"),  # type: ignore[arg-type]
        (lambda: Board.empty(3, 9).place(load_pattern("toad"), 0, 0), "does not fit a board of 3"),
        (lambda: step(LIFE, Board.empty(3, 3), -1), "generations is -1"),
        (lambda: step_table(LIFE_TABLE, Board.empty(3, 3), -1), "generations is -1"),
        (lambda: step_table(LIFE_TABLE[:256], Board.empty(3, 3)), r"bool\[512\]"),
        (lambda: life_rule(np.zeros((4, 8), dtype=np.bool_)), r"\[N, 9\]"),
    ],
)
def test_bad_input_is_refused(make: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()  # type: ignore[operator]


def test_step_refuses_circuits_that_are_no_rule() -> None:
    for num_inputs, num_outputs in ((8, 1), (9, 2)):
        builder = Builder([f"x{i}" for i in range(num_inputs)], name="odd")
        for o in range(num_outputs):
            builder.output(f"y{o}", builder.inputs[o])
        with pytest.raises(InputError, match=f"odd has {num_inputs} inputs and {num_outputs} out"):
            step(builder.build(), Board.empty(3, 3))


def test_place_wraps_around_and_keeps_other_cells() -> None:
    board = Board.empty(8, 6).toggle(3, 3).place(load_pattern("glider"), -1, 5)
    live = {(int(x), int(y)) for y, x in np.argwhere(board.cells())}
    assert live == {(3, 3), (0, 5), (1, 0), (7, 1), (0, 1), (1, 1)}
    assert board.place(Pattern(np.zeros((0, 0), dtype=np.bool_)), 2, 2) == board


# Rules


def test_life_rule_is_conways() -> None:
    for bits, (lives,) in zip(NEIGHBOURHOODS, life_rule(NEIGHBOURHOODS), strict=True):
        num_neighbours = sum(int(bit) for i, bit in enumerate(bits) if i != 4)
        assert lives == (num_neighbours == 3 or (num_neighbours == 2 and bits[4]))


def test_life_circuit_is_life_in_at_most_26_gates() -> None:
    assert np.array_equal(LIFE.truth_tables(), life_rule(NEIGHBOURHOODS))
    assert LIFE.num_gates <= 26
    assert LIFE.input_names == tuple(f"x{i}" for i in range(9))


@settings(deadline=None, max_examples=40)
@given(st.sets(st.integers(0, 8)), st.sets(st.integers(0, 8)))
def test_rules_follow_their_digits_and_are_named_back(birth: set[int], survival: set[int]) -> None:
    name = f"B{''.join(map(str, sorted(birth)))}/S{''.join(map(str, sorted(survival)))}"
    table = rule(name)(NEIGHBOURHOODS)
    for bits, (lives,) in zip(NEIGHBOURHOODS, table, strict=True):
        num_neighbours = int(bits.sum()) - int(bits[4])
        assert lives == (num_neighbours in (survival if bits[4] else birth))
    assert birth_survival(table[:, 0]) == name


def test_other_spellings_of_a_rule_and_what_is_none() -> None:
    for text in ("b3s23", "23/3", "B3/S32"):
        assert np.array_equal(rule(text)(NEIGHBOURHOODS), life_rule(NEIGHBOURHOODS))
    for text in ("", "B3", "B9/S23", "B3/S23/4", "B2-a/S12", "life", "B3/S23\n"):
        with pytest.raises(InputError, match="outer totalistic"):
            rule(text)
    lopsided = LIFE_TABLE.copy()
    lopsided[7] ^= True
    assert birth_survival(lopsided) is None


# What is known of Life


def evolve(name: str, width: int, height: int, num: int) -> list[Board]:
    """The boards of generations 0 to num."""
    boards = [Board.centred(load_pattern(name), width, height)]
    for _ in range(num):
        boards.append(step(LIFE, boards[-1]))
    return boards


@pytest.mark.parametrize(
    ("name", "period"),
    [("blinker", 2), ("toad", 2), ("beacon", 2), ("pulsar", 3), ("pentadecathlon", 15)],
)
def test_oscillators_have_their_periods(name: str, period: int) -> None:
    first, *later = evolve(name, 32, 32, period)
    assert [board == first for board in later] == [False] * (period - 1) + [True]


@pytest.mark.parametrize(("name", "dx", "dy"), [("glider", 1, 1), ("lwss", -2, 0)])
def test_spaceships_move_in_four_generations(name: str, dx: int, dy: int) -> None:
    pattern = load_pattern(name)
    start = Board.empty(67, 20).place(pattern, 62, 15)
    moved = [Board.empty(67, 20).place(pattern, 62 + k * dx, 15 + k * dy) for k in range(40)]
    for here, there in pairwise(moved):
        assert step(LIFE, here, 4) == there
    assert step(LIFE, start, 4 * 39) == moved[39]


def test_gosper_gun_emits_a_glider_every_30_generations() -> None:
    boards = evolve("gosper-gun", 128, 128, 240)
    assert [boards[g].population for g in range(0, 241, 30)] == [36 + 5 * k for k in range(9)]
    populations = [board.population for board in boards]
    assert all(populations[g + 30] == populations[g] + 5 for g in range(210))


def test_diehard_vanishes_after_exactly_130_generations() -> None:
    boards = evolve("diehard", 96, 96, 131)
    assert [g for g, board in enumerate(boards) if board.population == 0] == [130, 131]


def test_r_pentomino_settles_at_116_cells_in_generation_1103() -> None:
    board = step(LIFE, Board.centred(load_pattern("r-pentomino"), 640, 640), 1102)
    populations = [step(LIFE, board, g).population for g in range(0, 9)]
    assert populations[0] != 116
    assert populations[1:] == [116] * 8


def test_acorn_grows_to_a_sparse_simulation() -> None:
    """Seven cells; the same as a simulation over a set of live cells on the endless plane."""
    height, width = load_pattern("acorn").cells.shape
    live = {
        ((300 - width) // 2 + int(x), (300 - height) // 2 + int(y))
        for y, x in np.argwhere(load_pattern("acorn").cells)
    }
    assert len(live) == 7
    board = Board.centred(load_pattern("acorn"), 300, 300)
    assert live == {(int(x), int(y)) for y, x in np.argwhere(board.cells())}
    for _ in range(200):
        around = [(x + dx, y + dy) for x, y in live for dx in (-1, 0, 1) for dy in (-1, 0, 1)]
        counts: dict[tuple[int, int], int] = {}
        for cell in around:
            counts[cell] = counts.get(cell, 0) + 1
        live = {c for c, n in counts.items() if n == 3 or (n == 4 and c in live)}
    final = step(LIFE, board, 200)
    assert live == {(int(x), int(y)) for y, x in np.argwhere(final.cells())}
    assert final.population > 100


def test_every_pattern_is_loaded_by_name() -> None:
    sizes = {name: int(load_pattern(name).cells.sum()) for name in PATTERN_NAMES}
    assert sizes == {
        "glider": 5, "lwss": 9, "blinker": 3, "toad": 6, "beacon": 6, "pulsar": 48,
        "pentadecathlon": 12, "r-pentomino": 5, "acorn": 7, "diehard": 7, "gosper-gun": 36,
    }  # fmt: skip
