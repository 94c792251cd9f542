"""How many cells a second: the network, the compiled circuit, and two yardsticks, in one run.

All run on one thread on a torus, from a random board. A call steps a board by many generations, and
the whole call is timed, the conversion of the board's layout at both ends included. Rounds
alternate between the contenders, so that a change of the machine's speed meets all of them.
"""

from __future__ import annotations

import ctypes
import os
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any, cast

import numpy as np

from gatewright.automata import Board, step, stepper
from gatewright.circuit import Circuit
from gatewright.compiler import compile_shared, find_compiler
from gatewright.network import Network
from gatewright.targets import TARGETS

SIZE = 512
#: The soft and the hard network run on a smaller board: a cell costs them thousands of operations.
NETWORK_SIZE = 64
#: Wall seconds that one timed call should take, and calls of each contender.
CALL_SECONDS = 0.1
ROUNDS = 9

Run = Callable[[Board, int], Board]


@dataclass(frozen=True)
class Contender:
    """Something that steps boards.

    Attributes:
        run: (board, generations) -> board.
        counted: what a cell update is made of here.
        is_exact: it must agree with the circuit's own simulation.
    """

    name: str
    size: int
    run: Run
    counted: str
    is_exact: bool = True


def measure(
    circuit: Circuit, network: Network | None, folder: Path, *, rounds: int = ROUNDS
) -> dict[str, Any]:
    """The speed table as JSON; builds its C in the folder.

    Raises:
        MissingTool: no C compiler.
        RuntimeError: a contender disagrees with the circuit.
    """
    contenders = [*_compiled(circuit, folder), *(_networks(network) if network else [])]
    boards = {c.name: Board.random(c.size, c.size, 0.35, seed=1) for c in contenders}
    generations: dict[str, int] = {}
    for contender in contenders:
        board = boards[contender.name]
        if contender.is_exact and contender.run(board, 5) != step(circuit, board, 5):
            raise RuntimeError(f"{contender.name} does not compute the circuit")
        generations[contender.name] = _calibrate(contender, board)
    walls: dict[str, list[float]] = {c.name: [] for c in contenders}
    cpus: dict[str, list[float]] = {c.name: [] for c in contenders}
    for _ in range(rounds):
        for contender in contenders:
            number = generations[contender.name]
            wall, cpu = _timed(contender, boards[contender.name], number)
            cells = number * contender.size**2
            walls[contender.name].append(cells / wall)
            cpus[contender.name].append(cells / cpu)
    reference = next(c.name for c in contenders if c.name.startswith("reference"))
    rows = [
        {
            "name": contender.name,
            "board": f"{contender.size} x {contender.size}",
            "generations_per_call": generations[contender.name],
            "cells_per_second": _spread(walls[contender.name]),
            "cells_per_cpu_second": _spread(cpus[contender.name]),
            "ratio_to_reference": statistics.median(
                a / b for a, b in zip(walls[contender.name], walls[reference], strict=True)
            ),
            "counted": contender.counted,
        }
        for contender in sorted(contenders, key=lambda c: statistics.median(walls[c.name]))
    ]
    return {
        "about": f"Cell updates a second of wall time, one thread, {rounds} alternating calls of "
        f"about {CALL_SECONDS} s each; a ratio is the median of the rounds' ratios.",
        "processor": _processor(),
        "rows": rows,
    }


def widest_vector() -> int:
    """Bytes of this machine's widest vectors that the C compiler knows of: 64, 32 or 16."""
    command = [*find_compiler(), "-march=native", "-dM", "-E", "-x", "c", os.devnull]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    macros = found.stdout if found.returncode == 0 else ""
    return 64 if "__AVX512F__" in macros else 32 if "__AVX2__" in macros else 16


def _compiled(circuit: Circuit, folder: Path) -> list[Contender]:
    life = replace(circuit, name="life")
    files = TARGETS["c-automaton"].write(life)
    wide = widest_vector()
    engine = stepper(circuit, threads=1)
    contenders = [
        Contender(
            f"engine, {engine.backend}", SIZE, engine,
            "made at once, without a C compiler; layout conversion included",
        ),
        Contender(
            "compiled circuit, 64-bit words", SIZE,
            _board_runner(files, folder / "words", "life_board", ("-O3",)),
            "life_board.c at -O3, layout conversion included",
        ),
        Contender(
            f"compiled circuit, {8 * wide}-bit vectors", SIZE,
            _board_runner(
                files, folder / "vectors", "life_board",
                ("-O3", f"-DLIFE_BOARD_VECTOR_BYTES={wide}"), native=True,
            ),
            "life_board.c at -O3 -march=native, layout conversion included",
        ),
        Contender(
            "reference's way, 64-bit words", SIZE, _reference_runner(circuit, folder / "reference"),
            "the same circuit; three scratch boards, a pass for the shifts, % wrap, -O3",
        ),
    ]  # fmt: skip
    hand = {"life_hand.c": _baseline("life_hand.c")}
    contenders.append(
        Contender(
            "hand-written Life, 512-bit vectors", SIZE,
            _board_runner(hand, folder / "hand", "life_hand", ("-O3",), native=True),
            "19 operations a word, -O3 -march=native, layout conversion included",
        )
    )  # fmt: skip
    return contenders


def _board_runner(
    files: dict[str, bytes], folder: Path, name: str, flags: tuple[str, ...], native: bool = False
) -> Run:
    library = ctypes.CDLL(str(compile_shared(files, flags, native=native, folder=folder)))
    size, pointer = ctypes.c_size_t, ctypes.c_void_p
    num_bytes, load = library[f"{name}_bytes"], library[f"{name}_load"]
    advance, store = library[f"{name}_step"], library[f"{name}_store"]
    num_bytes.restype = size
    num_bytes.argtypes = (size, size)
    load.argtypes = (pointer, size, size, pointer)
    advance.argtypes = (pointer, size)
    store.argtypes = (pointer, pointer)

    def run(board: Board, generations: int) -> Board:
        memory = _aligned(num_bytes(board.width, board.height))
        rows = np.array(board.words, dtype=np.uint64)
        load(memory.ctypes.data, board.width, board.height, rows.ctypes.data)
        advance(memory.ctypes.data, generations)
        store(memory.ctypes.data, rows.ctypes.data)
        return Board(rows, board.width)

    return run


def _reference_runner(circuit: Circuit, folder: Path) -> Run:
    cell = TARGETS["c"].write(replace(circuit, name="cell"))
    files = {
        "life_reference.c": _baseline("life_reference.c.in"),
        "cell.inc": cell["cell.c"],
        "cell.h": cell["cell.h"],
    }
    library = ctypes.CDLL(str(compile_shared(files, ("-O3",), folder=folder)))
    advance = library.life_reference_step
    advance.argtypes = (ctypes.c_void_p, ctypes.c_void_p, *(ctypes.c_size_t,) * 3)

    def run(board: Board, generations: int) -> Board:
        rows = np.array(board.words, dtype=np.uint64)
        scratch = np.zeros((3, *rows.shape), dtype=np.uint64)
        advance(rows.ctypes.data, scratch.ctypes.data, board.width, board.height, generations)
        return Board(rows, board.width)

    return run


def _networks(network: Network) -> list[Contender]:
    import equinox as eqx
    import jax
    import jax.numpy as jnp

    def runner(mode: Any) -> Run:
        @eqx.filter_jit
        def advance(network: Network, cells: jax.Array, generations: jax.Array) -> jax.Array:
            def generation(_: int, cells: jax.Array) -> jax.Array:
                around = [
                    jnp.roll(cells, (-dy, -dx), (0, 1)) for dy in (-1, 0, 1) for dx in (-1, 0, 1)
                ]
                rows = jnp.stack(around, axis=-1).reshape(-1, 9)
                return network.head.decide(network(rows, mode=mode), 1).reshape(cells.shape)

            last = cast(jax.Array, jax.lax.fori_loop(0, generations, generation, cells))
            return last

        def step_board(board: Board, generations: int) -> Board:
            cells = jnp.asarray(board.cells())
            return Board.from_cells(np.asarray(advance(network, cells, jnp.asarray(generations))))

        return step_board

    return [
        Contender(
            "soft network, jit", NETWORK_SIZE, runner("soft"),
            "gathering 9 neighbours, the network, its decision; awaited", is_exact=False,
        ),
        Contender(
            "hard network, jit", NETWORK_SIZE, runner("hard"),
            "the same with every gate rounded; awaited",
        ),
    ]  # fmt: skip


def _calibrate(contender: Contender, board: Board) -> int:
    """Generations that take about CALL_SECONDS."""
    generations = 1
    while True:
        wall, _ = _timed(contender, board, generations)
        if wall > CALL_SECONDS / 4:
            return max(1, round(generations * CALL_SECONDS / wall))
        generations *= 4


def _timed(contender: Contender, board: Board, generations: int) -> tuple[float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    contender.run(board, generations)
    return time.perf_counter() - wall, time.process_time() - cpu


def _spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def _aligned(num_bytes: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    memory = np.zeros(num_bytes + 64, dtype=np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + num_bytes]


def _baseline(name: str) -> bytes:
    return resources.files("gatewright").joinpath("baselines", name).read_bytes()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return "unknown"
    return next(
        (line.split(":", 1)[1].strip() for line in lines if "model name" in line), "unknown"
    )
