"""Cells a second of the steppers on boards of several sizes, beside Life written by hand.

The engine's stepper, made at once and with a search for pairs of cells, and the `c-automaton`
target, compiled. One thread, in turns in one process; a call steps a board by many generations.
The board's layout is converted in a call of the engine's, and not in the others. The peer is the
hand-written kernel that comes with Gatewright (vectors of GCC's, 19 operations a word).
"""

from __future__ import annotations

import ctypes
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from gatewright.automata import Board, life_circuit, step
from gatewright.automata import stepper as native_stepper
from gatewright.circuit import Circuit
from gatewright.compiler import compile_shared
from gatewright.life_speed import widest_vector
from gatewright.runs import load_model
from gatewright.stepping import Stepper
from gatewright.targets import TARGETS
from lib.recording import parser, write

SIZES = (512, 2048, 8192)
PEER = "hand-written"
#: Wall seconds of a call.
CALL_SECONDS = 0.2

#: CPU seconds of the search.
TIME_BUDGET = 20.0

Step = Callable[[int], None]


def stepper(library: ctypes.CDLL, name: str, board: Board) -> tuple[Step, Callable[[], Board]]:
    """A board in the library's own layout: (step it by some generations, read it back)."""
    size, pointer = ctypes.c_size_t, ctypes.c_void_p
    num_bytes, load = library[f"{name}_bytes"], library[f"{name}_load"]
    advance, store = library[f"{name}_step"], library[f"{name}_store"]
    num_bytes.restype, num_bytes.argtypes = size, (size, size)
    load.argtypes, advance.argtypes = (pointer, size, size, pointer), (pointer, size)
    store.argtypes = (pointer, pointer)
    whole = np.zeros(num_bytes(board.width, board.height) + 64, np.uint8)
    memory = whole[-whole.ctypes.data % 64 :]
    rows = np.array(board.words)
    load(memory.ctypes.data, board.width, board.height, rows.ctypes.data)

    def read() -> Board:
        found = np.empty_like(rows)
        store(memory.ctypes.data, found.ctypes.data)
        return Board(found, board.width)

    return lambda generations: advance(memory.ctypes.data, generations), read


def engine_stepper(run: Stepper, board: Board) -> tuple[Step, Callable[[], Board]]:
    """The engine's, which converts the board in each call."""
    held = [board]

    def advance(generations: int) -> None:
        held[0] = run(held[0], generations)

    return advance, lambda: held[0]


def calibrated(run: Step) -> int:
    """Generations that take about CALL_SECONDS."""
    generations = 20
    while True:
        begin = time.perf_counter()
        run(generations)
        wall = time.perf_counter() - begin
        if wall > CALL_SECONDS / 2:
            return max(1, round(generations * CALL_SECONDS / wall))
        generations *= 2


def measure(
    circuit: Circuit, engines: dict[str, Stepper], size: int, folder: Path, rounds: int
) -> list[dict[str, Any]]:
    """The engine's steppers and the compiled circuit, each beside the peer, on one board."""
    board = Board.random(size, size, 0.35, seed=1)
    files = TARGETS["c-automaton"].write(replace(circuit, name="life"))
    flags = ("-O3", f"-DLIFE_BOARD_VECTOR_BYTES={widest_vector()}")
    hand = resources.files("gatewright") / "baselines" / "life_hand.c"
    sources = {
        "compiled circuit": (files, flags, "life_board"),
        PEER: ({"life_hand.c": hand.read_bytes()}, ("-O3",), "life_hand"),
    }
    made = {name: engine_stepper(engine, board) for name, engine in engines.items()}
    for name, (written, options, prefix) in sources.items():
        path = compile_shared(written, options, native=True, folder=folder / name / str(size))
        made[name] = stepper(ctypes.CDLL(str(path)), prefix, board)
    generations: dict[str, int] = {}
    for name, (run, read) in made.items():
        run(3)
        if read() != step(circuit, board, 3):
            raise RuntimeError(f"{name} does not compute the circuit")
        generations[name] = calibrated(run)
    walls: dict[str, list[float]] = {name: [] for name in made}
    cpus: dict[str, list[float]] = {name: [] for name in made}
    for _ in range(rounds):
        for name, (run, _) in made.items():
            cells = generations[name] * size**2
            begin, cpu = time.perf_counter(), time.process_time()
            run(generations[name])
            walls[name].append(cells / (time.perf_counter() - begin))
            cpus[name].append(cells / (time.process_time() - cpu))
    return [
        {
            "name": f"Life, {size} x {size}, one thread, {name}",
            "value": round(statistics.median(walls[name]) / 1e9, 1),
            "unit": "G cells/s",
            "peer": {"name": PEER, "value": round(statistics.median(walls[PEER]) / 1e9, 1)},
            "ratio": round(statistics.median(ratios), 3),
            "least": round(min(walls[name]) / 1e9, 1),
            "most": round(max(walls[name]) / 1e9, 1),
            "ratios": [round(min(ratios), 3), round(max(ratios), 3)],
            "of_cpu": round(statistics.median(cpus[name]) / 1e9, 1),
            "ratio_of_cpu": round(
                statistics.median(a / b for a, b in zip(cpus[name], cpus[PEER], strict=True)), 3
            ),
            "generations_a_call": generations[name],
        }
        for name in made
        if name != PEER
        for ratios in [[a / b for a, b in zip(walls[name], walls[PEER], strict=True)]]
    ]


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--circuit", help="a circuit of 9 inputs (Life in 26 gates)")
    given = options.parse_args()
    circuit = load_model(given.circuit).circuit if given.circuit else life_circuit()
    engines = {
        "engine": native_stepper(circuit, threads=1),
        "engine, pairs": native_stepper(
            circuit, threads=1, time_budget=1.0 if given.quick else TIME_BUDGET
        ),
    }
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES[:1] if given.quick else SIZES:
            found = measure(circuit, engines, size, Path(folder), 3 if given.quick else 9)
            rows += found
            for row in found:
                print(
                    "{name}: {value} {unit} ({least} to {most}), by hand {peer[value]}, "
                    "ratio {ratio}, of CPU time {ratio_of_cpu}".format(**row),
                    flush=True,
                )
    abouts = {name: engine.about for name, engine in engines.items()}
    write(given.json, {"engines": abouts, "time_budget": TIME_BUDGET, "rows": rows})


if __name__ == "__main__":
    main()
