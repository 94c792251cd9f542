from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gatewright import sweeping

def simulate(
    num_inputs: int,
    fanin: npt.NDArray[np.int32],
    table: npt.NDArray[np.uint8],
    outputs: npt.NDArray[np.int32],
    words: npt.NDArray[np.uint64],
) -> npt.NDArray[np.uint64]: ...
def simulate_nodes(
    num_inputs: int,
    fanin: npt.NDArray[np.int32],
    table: npt.NDArray[np.uint8],
    words: npt.NDArray[np.uint64],
) -> npt.NDArray[np.uint64]: ...
def transpose(rows: npt.NDArray[np.uint64], num_columns: int) -> npt.NDArray[np.uint64]: ...
def instruction_set() -> str: ...
def walk(
    rows: npt.NDArray[np.uint64],
    fanin: npt.NDArray[np.int32],
    table: npt.NDArray[np.uint8],
    outputs: npt.NDArray[np.int32],
    kicks: int,
    moves: int,
    seed: int,
    and_cost: int,
    xor_cost: int,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8], npt.NDArray[np.int32]]: ...
def cover(
    num_inputs: int,
    fanin: npt.NDArray[np.int32],
    table: npt.NDArray[np.uint8],
    outputs: npt.NDArray[np.int32],
    k: int,
    max_cuts: int,
    rounds: int,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int32]]: ...
def cones(
    num_inputs: int,
    fanin: npt.NDArray[np.int32],
    table: npt.NDArray[np.uint8],
    outputs: npt.NDArray[np.int32],
    of_gate: npt.NDArray[np.uint8],
    of_function: npt.NDArray[np.int16],
    max_leaves: int,
    max_cuts: int,
) -> tuple[
    npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int32]
]: ...
def bypass(
    num_inputs: int,
    fanin: npt.NDArray[np.int32],
    table: npt.NDArray[np.uint8],
    outputs: npt.NDArray[np.int32],
    longest: int,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8], npt.NDArray[np.int32]]: ...

class Reachable:
    def __init__(
        self, num_inputs: int, fanin: npt.NDArray[np.int32], table: npt.NDArray[np.uint8]
    ) -> None: ...
    def rows(self, nodes: Sequence[int], most: int) -> npt.NDArray[np.uint64]: ...

def augment(
    images: npt.NDArray[np.uint8],
    rows: npt.NDArray[np.int64],
    seed: int,
    first: int,
    rotate: float,
    shear: float,
    scale: float,
    shift: float,
    gain: float,
    crop: int,
    flip: bool,
    elastic: float,
    elastic_grid: int,
    basis_y: npt.NDArray[np.float32],
    basis_x: npt.NDArray[np.float32],
    threads: int,
) -> npt.NDArray[np.uint8]: ...
def training_kernel() -> str: ...
def has_float16() -> bool: ...
def has_fixed16() -> bool: ...

class Trainer:
    def __init__(
        self,
        forms: list[int],
        is_hard: list[bool],
        is_wired_hard: list[bool],
        widths: list[int],
        candidates: list[int],
        wirings: list[npt.NDArray[np.int32]],
        num_groups: int,
        storage: int,
        threads: int,
    ) -> None: ...
    def set(
        self, layer: int, is_wires: bool, quantity: int, values: npt.NDArray[np.float32]
    ) -> None: ...
    def get(self, layer: int, is_wires: bool, quantity: int) -> npt.NDArray[np.float32]: ...
    def run(
        self,
        rows: npt.NDArray[np.uint64],
        labels: npt.NDArray[np.int32],
        targets: npt.NDArray[np.float32] | None,
        learning_rates: npt.NDArray[np.float32],
        temperatures: npt.NDArray[np.float32],
        first_step: int,
        tau: float,
        smoothing: float,
        b1: float,
        b2: float,
        epsilon: float,
        weight_decay: float,
        readout: npt.NDArray[np.float32] | None,
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]: ...
    def sums(
        self, rows: npt.NDArray[np.uint64], temperature: float, is_hard: bool
    ) -> npt.NDArray[np.float32]: ...

class Automaton:
    def __init__(
        self,
        planes: int,
        row_fanin: npt.NDArray[np.int32],
        row_table: npt.NDArray[np.uint8],
        row_outputs: npt.NDArray[np.int32],
        cells_fanin: npt.NDArray[np.int32],
        cells_table: npt.NDArray[np.uint8],
        cells_outputs: npt.NDArray[np.int32],
        backend: str,
    ) -> None: ...
    def step(
        self,
        words: npt.NDArray[np.uint64],
        width: int,
        generations: int,
        outside: int | None,
        num_threads: int,
    ) -> npt.NDArray[np.uint64]: ...
    operations_a_row: float
    scratch_bytes: int
    code: bytes

class Sweeping(sweeping.Sweeping):
    def __init__(
        self,
        num_inputs: int,
        fanin: npt.NDArray[np.int32],
        table: npt.NDArray[np.uint8],
        outputs: npt.NDArray[np.int32],
    ) -> None: ...
