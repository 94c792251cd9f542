from __future__ import annotations

import ctypes
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gatewright.automata import Board, life_circuit, step
from gatewright.circuit import FALSE, TRUE, Builder, Circuit
from gatewright.compiler import compile_program, compile_shared, find_compiler
from gatewright.errors import InputError
from gatewright.targets import c_automaton
from gatewright.targets.c_names import identifier

STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Wpedantic", "-Werror")
SANITIZE = ("-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
VECTORS = (0, 16, 32, 64)
#: 64 bytes, for this machine: with AVX-512 its instructions of three operands.
NATIVE = -64
SIZES = [(1, 1), (1, 7), (7, 1), (2, 2), (3, 3), (64, 8), (64, 16), (101, 37), (128, 64), (130, 8)]
SIZES += [(96, 24), (512, 512), (63, 40), (65, 10), (1, 64), (200, 2)]
NAMES = tuple(f"x{i}" for i in range(9))
MISALIGNED, BAD_SIZE, NOT_LOADED = 1, 2, 3


class Stepper:
    """The C interface of one circuit's boards."""

    def __init__(self, library: ctypes.CDLL, name: str) -> None:
        pointer, size = ctypes.c_void_p, ctypes.c_size_t

        def function(verb: str, *arguments: object) -> Callable[..., int]:
            found = getattr(library, f"{identifier(name)}_board_{verb}")
            found.argtypes = arguments
            return found

        self.bytes = function("bytes", size, size)
        self.bytes.restype = size
        self.load = function("load", pointer, size, size, pointer)
        self.step = function("step", pointer, size)
        self.store = function("store", pointer, pointer)

    def run(self, board: Board, generations: int) -> Board:
        memory = self.loaded(board)
        assert self.step(memory.ctypes.data, generations) == 0
        return self.stored(memory, board)

    def loaded(self, board: Board) -> np.ndarray:
        memory = aligned(self.bytes(board.width, board.height))
        rows = np.ascontiguousarray(board.words)
        assert self.load(memory.ctypes.data, board.width, board.height, rows.ctypes.data) == 0
        return memory

    def stored(self, memory: np.ndarray, like: Board) -> Board:
        rows = np.full_like(like.words, 2**64 - 1)
        assert self.store(memory.ctypes.data, rows.ctypes.data) == 0
        return Board(rows, like.width)


def aligned(num_bytes: int) -> np.ndarray:
    """Memory at a multiple of 64 that holds anything but zeros."""
    raw = np.full(num_bytes + 64, 0xA5, np.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + num_bytes]


def draw_cell(seed: int, num_gates: int, name: str) -> Circuit:
    """A circuit that depends on the cells in no symmetric way."""
    rng = np.random.default_rng(seed)
    builder = Builder(NAMES, name=name)
    literals = list(builder.inputs)
    while builder.num_gates < num_gates:
        a, b = (literals[-int(rng.integers(1, min(12, len(literals)) + 1))] for _ in range(2))
        literal = builder.gate(int(rng.choice([2, 6, 6, 8, 14])), a, b ^ int(rng.integers(2)))
        if literal > max(literals):
            literals.append(literal)
    builder.output("y", literals[-1] ^ seed % 2)
    return builder.build()


def wire(literal: int, name: str) -> Circuit:
    builder = Builder(NAMES, name=name)
    builder.output("y", literal)
    return builder.build()


CIRCUITS = [
    life_circuit(),
    draw_cell(0, 12, "small"),
    draw_cell(1, 30, "middle"),
    draw_cell(2, 80, "large"),
    wire(FALSE, "dead"),
    wire(TRUE, "alive"),
    wire(2 * 5, "still"),
    wire(2 * 1, "from_upper_left"),
    wire(2 * 9 + 1, "not_lower_right"),
]


@pytest.fixture(scope="module", params=[*VECTORS, NATIVE])
def steppers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> list[tuple[Circuit, Stepper]]:
    """Every circuit compiled for one size of vector, without a warning."""
    library = compile_all(CIRCUITS, request.param, tmp_path_factory.mktemp("steppers"))
    return [(circuit, Stepper(library, circuit.name)) for circuit in CIRCUITS]


def compile_all(
    circuits: list[Circuit], vector_bytes: int, folder: Path, compiler: str | None = None
) -> ctypes.CDLL:
    files: dict[str, bytes] = {}
    flags = [*STRICT, "-O1"]
    for circuit in circuits:
        files |= c_automaton.write(circuit)
        flags += define(circuit, vector_bytes)
    native = vector_bytes == NATIVE
    return ctypes.CDLL(str(compile_shared(files, flags, compiler, native=native, folder=folder)))


def define(circuit: Circuit, vector_bytes: int) -> list[str]:
    name = identifier(circuit.name).upper()
    return [f"-D{name}_BOARD_VECTOR_BYTES={abs(vector_bytes)}"] if vector_bytes else []


def test_steps_as_specified(steppers: list[tuple[Circuit, Stepper]]) -> None:
    for circuit, stepper in steppers:
        for width, height in SIZES:
            board = Board.random(width, height, seed=width)
            expected = step(circuit, board, 3)
            assert stepper.run(board, 3) == expected, (circuit.name, width, height)


@settings(max_examples=60)
@given(
    width=st.integers(1, 200),
    height=st.integers(1, 70),
    generations=st.integers(0, 6),
    which=st.integers(0, len(CIRCUITS) - 1),
    seed=st.integers(0, 2**32 - 1),
)
def test_steps_as_specified_on_any_board(
    steppers: list[tuple[Circuit, Stepper]],
    width: int,
    height: int,
    generations: int,
    which: int,
    seed: int,
) -> None:
    circuit, stepper = steppers[which]
    board = Board.random(width, height, seed=seed)
    assert stepper.run(board, generations) == step(circuit, board, generations)


def test_columns_wander_round_the_ring(steppers: list[tuple[Circuit, Stepper]]) -> None:
    circuit, stepper = steppers[1]
    for width, height in ((3, 8), (64, 8), (192, 16), (134, 3)):
        board = Board.random(width, height, seed=1)
        memory = stepper.loaded(board)
        for _ in range(12):
            board = step(circuit, board)
            assert stepper.step(memory.ctypes.data, 1) == 0
            assert stepper.stored(memory, board) == board
        assert stepper.step(memory.ctypes.data, 25) == 0
        assert stepper.stored(memory, board) == step(circuit, board, 25)


def test_spare_bits_are_ignored_and_cleared(steppers: list[tuple[Circuit, Stepper]]) -> None:
    _, stepper = steppers[0]
    board = Board.random(70, 9, seed=0)
    noisy = board.words.copy()
    noisy[:, 1] |= np.uint64(2**64 - 2**6)
    memory = aligned(stepper.bytes(70, 9))
    assert stepper.load(memory.ctypes.data, 70, 9, noisy.ctypes.data) == 0
    assert stepper.stored(memory, board) == board


def test_errors_leave_the_memory_alone(steppers: list[tuple[Circuit, Stepper]]) -> None:
    _, stepper = steppers[0]
    rows = np.zeros((8, 1), np.uint64)
    memory = aligned(stepper.bytes(64, 8) + 8)
    before = memory.copy()
    data = memory.ctypes.data
    assert stepper.load(data + 8, 64, 8, rows.ctypes.data) == MISALIGNED
    assert stepper.load(data, 0, 8, rows.ctypes.data) == BAD_SIZE
    assert stepper.load(data, 64, 0, rows.ctypes.data) == BAD_SIZE
    assert stepper.load(data, 2**63, 2**63, rows.ctypes.data) == BAD_SIZE
    assert stepper.step(data, 1) == NOT_LOADED
    assert stepper.store(data, rows.ctypes.data) == NOT_LOADED
    assert stepper.step(data + 8, 1) == MISALIGNED
    assert stepper.store(data + 8, rows.ctypes.data) == MISALIGNED
    np.testing.assert_array_equal(memory, before)


@settings(max_examples=200)
@given(
    width=st.one_of(st.integers(0, 300), st.integers(2**30, 2**64 - 1)),
    height=st.one_of(st.integers(0, 300), st.integers(2**30, 2**64 - 1)),
)
@example(2**64 - 1, 2**64 - 1).via("both largest")
@example(2**64 - 59, 1).via("the largest prime, one column each")
@example(1, 2**64 - 1).via("one column, largest")
@example(64, 2**62).via("four columns overflow")
@example(64, 2**59 - 32).via("four columns almost overflow")
def test_bytes_are_exact_or_refused(
    steppers: list[tuple[Circuit, Stepper]], width: int, height: int
) -> None:
    _, stepper = steppers[0]
    lanes = (stepper.bytes(1, 64) - 64) // 32 - 64 >> 1
    lanes = 1 if height % lanes else lanes
    strips = next((s for s in range(64, 0, -1) if width % s == 0), 1)
    exact = 64 + (width // strips + 3) * (height + 2 * lanes) * 8
    expected = 0 if width * height == 0 or exact >= 2**64 else exact
    got = stepper.bytes(width, height)
    assert got == expected or (got == 0 and exact > 2**64 - 2**10)


@pytest.mark.parametrize("vector_bytes", VECTORS)
def test_vectors_are_used_where_they_fit(vector_bytes: int, tmp_path: Path) -> None:
    stepper = Stepper(compile_all([CIRCUITS[0]], vector_bytes, tmp_path), "life")
    lanes = max(1, vector_bytes // 8)
    assert stepper.bytes(128, 24) == 64 + (2 + 3) * (24 + 2 * lanes) * 8
    assert stepper.bytes(128, 25) == 64 + (2 + 3) * (25 + 2) * 8


@pytest.mark.needs_tool("clang")
@pytest.mark.parametrize("vector_bytes", VECTORS)
def test_clang_agrees_and_does_not_warn(vector_bytes: int, tmp_path: Path) -> None:
    library = compile_all(CIRCUITS, vector_bytes, tmp_path, "clang")
    for circuit in CIRCUITS:
        stepper = Stepper(library, circuit.name)
        for width, height in ((128, 16), (37, 5), (66, 24)):
            board = Board.random(width, height, seed=width)
            assert stepper.run(board, 3) == step(circuit, board, 3)


SANITIZED_MAIN = b"""
#include <stdio.h>
#include <stdlib.h>
#include "life_board.h"

static int at(const uint64_t *rows, size_t words, size_t x, size_t y) {
  return (int)(rows[y * words + x / 64] >> x % 64 & 1);
}

static int next(const uint64_t *rows, size_t w, size_t h, size_t x, size_t y) {
  const size_t words = (w + 63) / 64;
  int count = 0;
  for (size_t b = 0; b < 3; ++b)
    for (size_t a = 0; a < 3; ++a)
      count += at(rows, words, (x + w + a - 1) % w, (y + h + b - 1) % h);
  const int cell = at(rows, words, x, y);
  return count == 3 || (count == 4 && cell);
}

static int is_right(size_t w, size_t h) {
  const size_t words = (w + 63) / 64;
  uint64_t *rows = malloc(words * h * 8), *after = malloc(words * h * 8);
  void *board = 0;
  if (!rows || !after || posix_memalign(&board, 64, life_board_bytes(w, h))) return 0;
  for (size_t i = 0; i < words * h; ++i) rows[i] = (i + 1) * 0x9e3779b97f4a7c55u * (i | w);
  int right = life_board_load(board, w, h, rows) == 0 && life_board_step(board, 1) == 0 &&
              life_board_store(board, after) == 0;
  for (size_t y = 0; y < h; ++y)
    for (size_t x = 0; x < w; ++x) right &= at(after, words, x, y) == next(rows, w, h, x, y);
  right &= life_board_step(board, 9) == 0;
  free(rows);
  free(after);
  free(board);
  return right;
}

int main(void) {
  for (size_t w = 1; w < 140; w = w * 3 / 2 + 1)
    for (size_t h = 1; h < 40; ++h)
      if (!is_right(w, h)) return printf("wrong: %lu x %lu\\n", (unsigned long)w, (unsigned long)h);
  return 0;
}
"""


@pytest.mark.parametrize("vector_bytes", [0, 64])
def test_sanitizers_find_nothing(vector_bytes: int, tmp_path: Path) -> None:
    files = {**c_automaton.write(CIRCUITS[0]), "main.c": SANITIZED_MAIN}
    flags = ("-std=c99", "-D_POSIX_C_SOURCE=200112L", *SANITIZE, *define(CIRCUITS[0], vector_bytes))
    program = compile_program(files, flags, folder=tmp_path)
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.needs_tool("nm")
def test_no_writable_symbols_and_no_malloc(tmp_path: Path) -> None:
    files = c_automaton.write(CIRCUITS[0])
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    command = [*find_compiler(), "-O2", "-DLIFE_BOARD_VECTOR_BYTES=64", "-c", "life_board.c"]
    subprocess.run(command, cwd=tmp_path, check=True)
    done = subprocess.run(
        ["nm", "life_board.o"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    symbols = {name: kind for kind, name in (x.split()[-2:] for x in done.stdout.splitlines())}
    exported = {f"life_board_{verb}" for verb in ("bytes", "load", "step", "store")}
    assert {name for name, kind in symbols.items() if kind == "T"} == exported
    assert not {name for name, kind in symbols.items() if kind in "bBdDcC"}
    undefined = {name for name, kind in symbols.items() if kind == "U"}
    assert undefined <= {"memset", "memcpy", "_GLOBAL_OFFSET_TABLE_"}


@pytest.mark.needs_tool("c++")
def test_cpp_includes_the_header_and_links(tmp_path: Path) -> None:
    library = compile_shared(c_automaton.write(CIRCUITS[0]), STRICT, folder=tmp_path)
    (tmp_path / "main.cpp").write_text(
        '#include "life_board.h"\nint main() { return life_board_bytes(0, 1) != 0; }\n'
    )
    command = ["c++", "-std=c++11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "main.cpp"]
    command += [library.name, "-Wl,-rpath,$ORIGIN", "-o", "main"]
    subprocess.run(command, cwd=tmp_path, check=True)
    assert subprocess.run([tmp_path / "main"], check=False).returncode == 0


def test_threads_step_boards_of_their_own(steppers: list[tuple[Circuit, Stepper]]) -> None:
    circuit, stepper = steppers[2]
    results: dict[int, bool] = {}

    def work(seed: int) -> None:
        board = Board.random(128, 64, seed=seed)
        results[seed] = stepper.run(board, 40) == step(circuit, board, 40)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {0: True, 1: True}


def test_source_says_how_many_operations_it_has() -> None:
    assert c_automaton.shared_operations(CIRCUITS[0]) == (5, 14)
    source = " ".join(c_automaton.write(CIRCUITS[0])["life_board.c"].decode().split())
    assert "row functions: 5 operations a row, combine: 14, total 19;" in source
    assert "whose instructions have three operands: 10." in source
    body = source[source.index("life_narrow_read(") : source.index("life_narrow_column(")]
    assert sum(body.count(f" {operator} ") for operator in "&|^") == 19


@pytest.mark.parametrize(("num_inputs", "num_outputs"), [(8, 1), (9, 2), (9, 0)])
def test_other_circuits_are_refused(num_inputs: int, num_outputs: int) -> None:
    builder = Builder(NAMES[:num_inputs], name="odd")
    for o in range(num_outputs):
        builder.output(f"y{o}", FALSE)
    with pytest.raises(InputError, match=f"odd has {num_inputs} inputs and {num_outputs} outputs"):
        c_automaton.write(builder.build())


def test_names_that_c_does_not_take(tmp_path: Path) -> None:
    circuits = [wire(2 * 5, name) for name in ("int", "wide", "row", "a-b", "h", "words", "l")]
    library = compile_all(circuits, 64, tmp_path)
    board = Board.random(64, 8, seed=0)
    for circuit in circuits:
        assert Stepper(library, circuit.name).run(board, 1) == board


def test_output_is_deterministic() -> None:
    assert c_automaton.write(CIRCUITS[3]) == c_automaton.write(draw_cell(2, 80, "large"))
