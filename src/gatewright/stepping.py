"""Steps boards whose rule is a circuit: the specification, and what is made of a rule to be fast.

Back ends of a stepper, which agree bit for bit:

    jit          machine code for AVX-512 or AVX2, made at once (cpp/column.cpp)
    interpreter  steps that a vectorised loop follows; for any processor
    numpy        `step`: slow, and what the others are held against
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from gatewright import native
from gatewright.boards import MAX_PLANES, AnyBoard, last_mask, with_words, words_of
from gatewright.circuit import Circuit, Words
from gatewright.errors import InputError, MissingTool
from gatewright.native import ALL_ONES
from gatewright.neighbourhoods import Parts, split

BACKENDS = ("auto", "jit", "interpreter", "numpy")

NUM_NEIGHBOURS = 9
#: Most generations of a call.
MAX_GENERATIONS = (1 << 63) - 1

_ONE = np.uint64(1)
_TOP = np.uint64(63)


def step(
    circuit: Circuit, board: AnyBoard, generations: int = 1, outside: int | None = None
) -> AnyBoard:
    """Advance the board: a cell's next state is the circuit's output for its neighbourhood.

    This is the specification of the steppers; `stepper` makes one that is fast.

    Args:
        outside: None for a torus; else what surrounds the board is cells that keep this state.

    Raises InputError unless the circuit has 9 inputs and 1 output for each of the board's planes
    (see `gatewright.automata`), generations >= 0, and `outside` is a state of the planes.
    """
    words = words_of(board)
    _require_rule(circuit, outside)
    _require_planes(circuit, len(words))
    require_generations(generations)
    width, mask = board.width, last_mask(board.width)
    for _ in range(generations):
        around = [
            _neighbour_planes(plane, width, None if outside is None else bool(outside >> p & 1))
            for p, plane in enumerate(words)
        ]
        inputs = np.concatenate(around).reshape(circuit.num_inputs, -1)
        words = circuit.simulate(inputs).reshape(words.shape)
        words[:, :, -1] &= mask
    return with_words(board, words)


@dataclass(frozen=True, eq=False)
class Stepper:
    """A rule that is ready to step boards; `stepper` makes it. It may be pickled and may be shared.

    Attributes:
        circuit: the rule.
        outside: None for a torus; else the state of the cells around the board.
        backend: the one that was chosen, never "auto".
        threads: that share a large board.
        parts: how a search has cut the rule; None: as `split` does.
    """

    circuit: Circuit
    outside: int | None
    backend: str
    threads: int
    parts: Parts | None = None

    def __call__(self, board: AnyBoard, generations: int = 1) -> AnyBoard:
        """`step` by so many generations.

        A call converts the board to another layout and back, which takes as long as some hundred
        generations: many generations a call are faster than many calls.
        """
        if self._automaton is None:
            return step(self.circuit, board, generations, self.outside)
        words = words_of(board)
        _require_planes(self.circuit, len(words))
        require_generations(generations)
        found: Words = self._automaton.step(
            np.ascontiguousarray(words), board.width, generations, self.outside, self.threads
        )
        return with_words(board, found)

    @property
    def about(self) -> dict[str, Any]:
        """What was made, as JSON can hold it; `operations` on vectors are for one row of cells."""
        said: dict[str, Any] = {"backend": self.backend, "threads": self.threads}
        if self._automaton is not None:
            said["operations"] = self._automaton.operations_a_row
            said["code_bytes"] = len(self._automaton.code)
        return said

    @cached_property
    def _automaton(self) -> Any:
        """The native core's object; None with NumPy. It has no threads between calls."""
        if self.backend == "numpy":
            return None
        module = native.load()
        if module is None:
            raise MissingTool(
                f"back end {self.backend!r} is part of the native core, which is not built (or "
                "GATEWRIGHT_NATIVE=0 turns it off); take backend='numpy', or reinstall with a C++ "
                "compiler"
            )
        parts = self.parts or split(self.circuit)
        arrays = [
            array
            for part in (parts.row, parts.cells)
            for array in (part.fanin, part.table, part.outputs)
        ]
        try:
            return module.Automaton(self.circuit.num_outputs, *arrays, self.backend)
        except ValueError as error:
            raise InputError(
                f"circuit {self.circuit.name}, back end {self.backend}: {error}"
            ) from error

    def __reduce__(self) -> tuple[Any, ...]:
        return Stepper, (self.circuit, self.outside, self.backend, self.threads, self.parts)


def stepper(
    circuit: Circuit,
    *,
    outside: int | None = None,
    backend: str = "auto",
    threads: int | None = None,
    time_budget: float = 0.0,
    seed: int = 0,
) -> Stepper:
    """The rule, ready to step boards fast: (board, generations) -> board, the same as by `step`.

    Args:
        circuit: 9 P inputs and P outputs, as `step` takes it.
        outside: None for a torus; else the state of the cells around a bounded board.
        backend: one of BACKENDS.
        threads: that share a board where it is large enough; by default one a processor. The
            result does not depend on them.
        time_budget: CPU seconds to look for fewer operations for two cells, one below the other,
            than they take one by one; for rules of one plane. Life takes 17 for 19 after 20
            seconds.
        seed: of what is random in that search.

    Raises:
        InputError: the circuit is no such rule, `outside` no such state, or there is no such back
            end on this machine; a search in a rule of several planes, or for less than 0 seconds.
        MissingTool: a native back end, but the native core is not built.
    """
    _require_rule(circuit, outside)
    if backend not in BACKENDS:
        raise InputError(f"unknown back end {backend!r}; known: {', '.join(BACKENDS)}")
    threads = native.num_processors() if threads is None else threads
    if threads < 1:
        raise InputError(f"threads is {threads}; give at least 1")
    if time_budget < 0:
        raise InputError(f"time_budget is {time_budget}; give CPU seconds, or 0 for no search")
    parts = None
    if time_budget > 0:
        from gatewright.pairs import paired

        parts = paired(circuit, time_budget, seed)
    made = Stepper(circuit, outside, _best() if backend == "auto" else backend, threads, parts)
    try:
        _ = made.about  # made now, so that errors and time are this call's
    except InputError:
        if backend != "auto" or made.backend != "jit":
            raise  # else a system that lets no memory be executed
        made = replace(made, backend="interpreter")
        _ = made.about
    return made


def _best() -> str:
    module = native.load()
    if module is None:
        return "numpy"
    return "jit" if module.has_machine_code() else "interpreter"


def _neighbour_planes(words: Words, width: int, outside: bool | None) -> Words:
    """uint64[9, height, words in a row]: bit (x, y) of plane i is input x_i of cell (x, y).

    Bits past the width mean nothing.
    """
    last, last_bit = (width - 1) // 64, np.uint64((width - 1) % 64)
    first_cells, last_cells = words[:, 0] & _ONE, words[:, last] >> last_bit & _ONE
    if outside is not None:
        first_cells = last_cells = np.uint64(outside)
    west = words << _ONE  # cell x reads cell x - 1
    west[:, 1:] |= words[:, :-1] >> _TOP
    west[:, 0] |= last_cells
    east = words >> _ONE  # cell x reads cell x + 1
    east[:, :-1] |= words[:, 1:] << _TOP
    east[:, last] = east[:, last] & ~(_ONE << last_bit) | first_cells << last_bit
    rows = np.stack([west, words, east])
    above, below = np.roll(rows, 1, axis=1), np.roll(rows, -1, axis=1)
    if outside is not None:
        above[:, 0] = below[:, -1] = ALL_ONES if outside else np.uint64(0)
    return np.concatenate([above, rows, below])


def require_generations(generations: int) -> None:
    """Raise InputError unless a board can step by so many."""
    if not 0 <= generations <= MAX_GENERATIONS:
        raise InputError(f"generations is {generations}; a board steps by 0 to {MAX_GENERATIONS}")


def _require_rule(circuit: Circuit, outside: int | None) -> None:
    planes = circuit.num_outputs
    if not 1 <= planes <= MAX_PLANES or circuit.num_inputs != NUM_NEIGHBOURS * planes:
        raise InputError(
            f"circuit {circuit.name} has {circuit.num_inputs} inputs and {circuit.num_outputs} "
            "outputs; a rule for a board has 9 (x0 to x8, row by row) and 1, or as many times that "
            f"as the board has planes, up to {MAX_PLANES}"
        )
    if outside is not None and not 0 <= outside < 1 << planes:
        raise InputError(
            f"outside is {outside}; cells of {planes} planes have states 0 to {(1 << planes) - 1}"
        )


def _require_planes(circuit: Circuit, planes: int) -> None:
    if planes != circuit.num_outputs:
        raise InputError(
            f"circuit {circuit.name} is a rule for {circuit.num_outputs} planes; "
            f"the board has {planes}"
        )
