"""Steppers against `step`, and `step` against a loop over cells: planes, edges, threads."""

from __future__ import annotations

import pickle
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright import native
from gatewright.automata import Board, StateBoard, life_circuit, rule, step, stepper
from gatewright.circuit import Builder, Circuit
from gatewright.errors import InputError, MissingTool
from gatewright.neighbourhoods import split
from gatewright.stepping import MAX_GENERATIONS
from native_programs import Machine, machines
from test_engine import HOW

NATIVE = pytest.mark.skipif(native.load() is None, reason="the native core is not built")
LIFE = life_circuit()


def random_rule(planes: int, seed: int, num_gates: int = 60) -> Circuit:
    """Gates over all inputs, a part of them over one row's cells, outputs of any kind."""
    rng = np.random.default_rng(seed)
    builder = Builder([f"x{i}" for i in range(9 * planes)])
    inputs = np.array(builder.inputs)
    literals = list(builder.inputs)
    for row in range(3):
        own = [int(x) for x in inputs.reshape(planes, 3, 3)[:, row].ravel()]
        for _ in range(num_gates // 8):
            a, b = rng.choice(len(own), 2, replace=False)
            own.append(builder.gate(int(rng.integers(16)), own[a], own[b]))
        literals += own
    for _ in range(num_gates // 2):
        a, b = rng.choice(len(literals), 2, replace=False)
        literals.append(builder.gate(int(rng.integers(16)), literals[a], literals[b]))
    for plane in range(planes):
        kind = rng.integers(6)
        chosen = int(literals[-1 - plane]) if kind > 1 else int(rng.choice(literals))
        builder.output(f"y{plane}", int(rng.integers(2)) if kind == 0 else chosen ^ (kind == 2))
    return builder.build()


def random_states(width: int, height: int, planes: int, seed: int) -> StateBoard:
    rng = np.random.default_rng(seed)
    return StateBoard.from_states(rng.integers(0, 1 << planes, (height, width)), planes)


def step_by_loops(circuit: Circuit, states: np.ndarray, outside: int | None) -> np.ndarray:
    height, width = states.shape
    planes = circuit.num_outputs
    rows = np.zeros((height * width, 9 * planes), dtype=bool)
    for y in range(height):
        for x in range(width):
            for i in range(9):
                row, column = y + i // 3 - 1, x + i % 3 - 1
                inside = 0 <= row < height and 0 <= column < width
                if outside is None or inside:
                    state = int(states[row % height, column % width])
                else:
                    state = outside
                for plane in range(planes):
                    rows[y * width + x, 9 * plane + i] = state >> plane & 1
    return (circuit(rows) @ (1 << np.arange(planes))).reshape(height, width)


def from_table(table: np.ndarray) -> Circuit:
    """The rule of 512 next states, by choosing one input after the other."""
    b = Builder([f"x{i}" for i in range(9)])
    literals = [int(value) for value in table]
    for x in b.inputs:
        pairs = zip(literals[::2], literals[1::2], strict=True)
        literals = [low if low == high else b.mux(x, high, low) for low, high in pairs]
    b.output("y", literals[0])
    return b.build()


def counting(text: str) -> Circuit:
    """The rule of a name such as B3/S23."""
    neighbourhoods = (np.arange(512)[:, None] >> np.arange(9) & 1).astype(bool)
    return from_table(rule(text)(neighbourhoods)[:, 0])


SIDES = st.one_of(st.integers(1, 5), st.integers(62, 66), st.integers(127, 131))
EDGES = st.one_of(st.none(), st.integers(0, 15))


@settings(deadline=None, max_examples=40)
@given(SIDES, st.integers(1, 5), st.integers(1, 3), EDGES, st.integers(0, 9999))
def test_step_is_the_rule_at_every_cell(
    width: int, height: int, planes: int, outside: int | None, seed: int
) -> None:
    circuit, board = random_rule(planes, seed), random_states(width, height, planes, seed)
    outside = None if outside is None else outside % (1 << planes)
    found = step(circuit, board, outside=outside)
    assert np.array_equal(found.states(), step_by_loops(circuit, board.states(), outside))


@NATIVE
@pytest.mark.parametrize(("isa", "backend"), HOW)
def test_steppers_agree_with_step(isa: str, backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWRIGHT_ISA", isa)
    rng = np.random.default_rng(5)
    heights = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 70, 129, 150]
    widths = [1, 2, 3, 63, 64, 65, 100, 127, 128, 129, 192, 200, 4097]
    for seed in range(60):
        planes = int(rng.integers(1, 5))
        circuit = random_rule(planes, seed, int(rng.choice([8, 60, 400])))
        outside = None if seed % 2 else int(rng.integers(1 << planes))
        width, height = int(rng.choice(widths)), int(rng.choice(heights))
        board = random_states(width, height, planes, seed)
        made = stepper(circuit, outside=outside, backend=backend, threads=1)
        generations = int(rng.integers(0, 5))
        assert made(board, generations) == step(circuit, board, generations, outside), (
            seed, planes, width, height, outside, generations
        )  # fmt: skip


@NATIVE
@pytest.mark.parametrize("backend", ["auto", "interpreter"])
@pytest.mark.parametrize("outside", [None, 2])
def test_threads_change_nothing(backend: str, outside: int | None) -> None:
    circuit, board = random_rule(2, 3, 400), random_states(1000, 1003, 2, 1)
    expected = step(circuit, board, 3, outside)
    for threads in (1, 2, 5):
        made = stepper(circuit, outside=outside, backend=backend, threads=threads)
        assert made(board, 3) == expected


@NATIVE
@pytest.mark.parametrize(("width", "outside"), [(4224, None), (4225, None), (4224, 0)])
def test_boards_that_no_cache_holds(width: int, outside: int | None) -> None:
    board = Board.random(width, 8501, 0.4, seed=width)  # several generations a pass on a torus
    expected = [board]
    for _ in range(6):
        expected.append(step(LIFE, expected[-1], outside=outside))
    for threads in (1, 2):
        made = stepper(LIFE, outside=outside, threads=threads)
        for generations in (1, 3, 4, 6):
            assert made(board, generations) == expected[generations]


@NATIVE
@pytest.mark.parametrize("text", ["B3/S23", "B/S012345678", "B0/S", "B36/S23", "B2/S"])
def test_rules_that_count(text: str) -> None:
    circuit = counting(text)
    board = Board.random(70, 37, 0.4, seed=2)
    for outside in (None, 0, 1):
        assert stepper(circuit, outside=outside)(board, 9) == step(circuit, board, 9, outside)


@NATIVE
def test_life_has_nineteen_operations_a_row() -> None:
    parts = split(LIFE)
    assert parts.gates_a_cell == 19
    made = stepper(LIFE, backend="interpreter", threads=1)
    assert made.about["operations"] > 19  # it computes what rows share again
    glider = np.zeros((12, 12), bool)
    glider[[0, 1, 2, 2, 2], [1, 2, 0, 1, 2]] = True
    board = Board.from_cells(glider)
    assert stepper(LIFE)(board, 4) == Board.from_cells(np.roll(glider, (1, 1), (0, 1)))
    assert stepper(LIFE)(board, 48) == board  # once around
    assert stepper(LIFE, outside=0)(board, 100).population == 4  # a block in the corner


def wireworld() -> Circuit:
    """0 empty, 1 an electron's head, 2 its tail, 3 wire."""
    b = Builder([f"x{i}" for i in range(18)], name="wireworld")
    low, high = b.inputs[:9], b.inputs[9:]
    heads = [b.land(low[i], high[i] ^ 1) for i in range(9)]
    one, two, three = 0, 0, 0  # at least so many heads
    for i in (0, 1, 2, 3, 5, 6, 7, 8):
        three = b.lor(three, b.land(two, heads[i]))
        two = b.lor(two, b.land(one, heads[i]))
        one = b.lor(one, heads[i])
    wire = b.land(low[4], high[4])
    is_excited = b.land(wire, b.land(one, three ^ 1))
    b.output("low", high[4])
    b.output("high", b.land(b.lor(low[4], high[4]), is_excited ^ 1))
    return b.build()


def wireworld_states(states: np.ndarray) -> np.ndarray:
    padded = np.pad(states == 1, 1)
    height, width = states.shape
    num_heads = sum(
        padded[dy : dy + height, dx : dx + width].astype(int) for dy in range(3) for dx in range(3)
    ) - (states == 1)
    excited = (num_heads == 1) | (num_heads == 2)
    return np.select(
        [states == 1, states == 2, (states == 3) & excited, states == 3], [2, 3, 1, 3], 0
    )


@pytest.mark.parametrize("backend", ["auto", "numpy"])
def test_wireworld(backend: str) -> None:
    states = np.random.default_rng(0).choice(4, (30, 70), p=[0.4, 0.1, 0.1, 0.4])
    circuit = wireworld()
    made = stepper(circuit, outside=0, backend=backend)
    board = StateBoard.from_states(states, 2)
    for _ in range(8):
        states = wireworld_states(states)
        board = made(board)
        assert np.array_equal(board.states(), states)


def test_what_cannot_be_stepped_is_refused() -> None:
    board, two = Board.empty(3, 3), random_states(3, 3, 2, 0)
    small = Builder(["a"])
    small.output("y", small.inputs[0])
    made = stepper(LIFE)
    refused: list[tuple[str, Callable[[], object]]] = [
        ("1 inputs and 1 outputs; a rule for a board has 9", lambda: stepper(small.build())),
        ("1 inputs and 1 outputs; a rule for a board has 9", lambda: step(small.build(), board)),
        ("outside is 2; cells of 1 planes have states 0 to 1", lambda: stepper(LIFE, outside=2)),
        ("outside is -1", lambda: step(LIFE, board, 1, -1)),
        ("is a rule for 1 planes; the board has 2", lambda: made(two)),
        ("is a rule for 1 planes; the board has 2", lambda: step(LIFE, two)),
        ("generations is -1", lambda: made(board, -1)),
        ("steps by 0 to", lambda: made(board, MAX_GENERATIONS + 1)),
        ("unknown back end 'c'", lambda: stepper(LIFE, backend="c")),
        ("threads is 0", lambda: stepper(LIFE, threads=0)),
        ("1 to 8 planes, not 0", lambda: StateBoard(())),
        ("one size, not 2 x 3 and 3 x 3", lambda: StateBoard((board, Board.empty(2, 3)))),
        ("states go from 0 to 4; 2 planes hold 0 to 3",
         lambda: StateBoard.from_states([[0, 4]], 2)),
        (r"states are integers \[height, width\]", lambda: StateBoard.from_states([[0.5]], 1)),
    ]  # fmt: skip
    for message, call in refused:
        with pytest.raises(InputError, match=message):
            call()


def test_without_the_native_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "load", lambda: None)
    made, board = stepper(LIFE), Board.random(20, 10, seed=4)
    assert made.about == {"backend": "numpy", "threads": native.num_processors()}
    assert made(board, 3) == step(LIFE, board, 3)
    with pytest.raises(MissingTool, match="native core"):
        stepper(LIFE, backend="jit")


@NATIVE
def test_a_stepper_may_be_pickled() -> None:
    made = stepper(LIFE, outside=1, threads=1)
    again, board = pickle.loads(pickle.dumps(made)), Board.random(90, 40, seed=4)
    assert (again.outside, again.backend, again.threads) == (1, made.backend, 1)
    assert again(board, 3) == made(board, 3)


INSTRUCTIONS = {
    "add", "cmp", "jae", "jb", "ret", "sub", "vmovdqa", "vmovdqa64", "vpand", "vpandn", "vpandnq",
    "vpandq", "vpor", "vporq", "vpternlogq", "vpxor", "vpxorq", "vzeroupper",
}  # fmt: skip


@NATIVE
@pytest.mark.needs_tool("objdump")
@pytest.mark.parametrize("isa", [isa for isa, backend in HOW if backend == "jit"])
@pytest.mark.parametrize("planes", [1, 3])
def test_disassembled_it_reads_and_writes_its_columns_only(
    isa: str, planes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sixteen rows from the address in the middle, and what is carried or spilled."""
    monkeypatch.setenv("GATEWRIGHT_ISA", isa)
    made = stepper(LIFE if planes == 1 else random_rule(planes, 7), backend="jit", threads=1)
    (tmp_path / "code").write_bytes(made._automaton.code)
    said = subprocess.run(
        ["objdump", "-D", "-b", "binary", "-m", "i386:x86-64", "--no-show-raw-insn",
         str(tmp_path / "code")],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    lines = re.findall(r"^ +[0-9a-f]+:\t(.*?) *$", said, re.MULTILINE)
    assert len(lines) > 150
    row_bytes = planes * {"avx2": 32, "avx512": 64}[isa]
    for line in lines:
        name, *operands = line.split(None, 1)
        assert name in INSTRUCTIONS, line
        for sign, digits, base in re.findall(r"(-?)(?:0x([0-9a-f]+))?\((.*?)\)", "".join(operands)):
            offset = int(sign + (digits or "0"), 16)
            if base == "%rdi":
                assert 0 <= offset < made._automaton.scratch_bytes, line
            else:
                assert base in ("%rsi", "%rdx", "%rcx", "%r8"), line
                assert -10 * row_bytes <= offset < 8 * row_bytes, line
                is_store = name.startswith("vmovdqa") and operands[0].split(",", 1)[1:] and (
                    operands[0].rstrip().endswith(")")
                )  # fmt: skip
                assert bool(is_store) == (base == "%r8"), line
    assert lines[-1] == "ret"


@machines("address,undefined")
def test_stepping_is_clean(machine: Machine, tmp_path: Path) -> None:
    sources = ["automaton", "board", "column", "close_cover", "mapping", "neighbourhood"]
    sources += ["program", "cover", "code_pages", "interpreter", "engine_dispatch", "simulate"]
    sources += ["trail", "team"]
    program = machine.build("test_automaton", sources, tmp_path, "-O1", kernels="engine_kernels")
    assert re.fullmatch(r"\d+ boards, 0 wrong\n", machine.run(program))
