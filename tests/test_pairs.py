"""Cells in pairs: proved to be the rule's, stepped as the rule is, and smaller."""

from __future__ import annotations

import pickle

import pytest

from gatewright import native
from gatewright.automata import Board, life_circuit, step, stepper
from gatewright.circuit import Builder, Circuit
from gatewright.errors import InputError
from gatewright.neighbourhoods import Parts, split
from gatewright.pairs import paired
from gatewright.stepping import Stepper
from gatewright.verify import prove
from test_engine import HOW
from test_stepping import NATIVE, counting, random_rule

LIFE = life_circuit()


def whole(parts: Parts) -> Circuit:
    """Cells one below the other, from the rows around them, three cells each."""
    num_cells = parts.cells.num_outputs
    b = Builder([f"x{y}_{x}" for y in range(num_cells + 2) for x in range(3)])
    rows = [b.copy(parts.row, b.inputs[first : first + 3]) for first in range(0, len(b.inputs), 3)]
    for y, literal in enumerate(b.copy(parts.cells, [one for row in rows for one in row])):
        b.output(f"y{y}", literal)
    return b.build()


def two_of(circuit: Circuit) -> Circuit:
    b = Builder([f"x{y}_{x}" for y in range(4) for x in range(3)])
    for y in range(2):
        b.output(f"y{y}", *b.copy(circuit, b.inputs[3 * y : 3 * y + 9]))
    return b.build()


def test_life_shares_more_in_pairs() -> None:
    parts = paired(LIFE, time_budget=10.0)
    assert parts.cells.num_outputs == 2
    assert prove(whole(parts), two_of(LIFE))
    assert parts.gates_a_cell <= 18.0 < split(LIFE).gates_a_cell


@pytest.mark.parametrize(
    "text", ["B36/S23", "B2/S", "B3678/S34678", "B0/S8", "B/S", "B1/S012345678"]
)
def test_rules_that_count(text: str) -> None:
    circuit = counting(text)
    parts = paired(circuit, time_budget=1.0)
    assert prove(whole(parts), two_of(circuit) if parts.cells.num_outputs == 2 else circuit)
    assert parts.gates_a_cell <= split(circuit).gates_a_cell


@pytest.mark.parametrize("seed", range(4))
def test_other_rules(seed: int) -> None:
    circuit = random_rule(1, seed)
    parts = paired(circuit, time_budget=1.0)
    assert prove(whole(parts), two_of(circuit) if parts.cells.num_outputs == 2 else circuit)


@pytest.fixture(scope="module")
def made_once() -> Stepper:
    made = stepper(LIFE, time_budget=3.0)
    assert made.parts is not None and made.parts.cells.num_outputs == 2
    return made


@NATIVE
@pytest.mark.parametrize(("isa", "backend"), HOW)
def test_boards_of_any_height(
    isa: str, backend: str, made_once: Stepper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWRIGHT_ISA", isa)
    for outside in (None, 1):
        made = Stepper(LIFE, outside, backend, 1, made_once.parts)
        for height in (1, 2, 3, 8, 9, 15, 16, 17, 40, 131, 264):
            board = Board.random(70, height, 0.4, seed=height)
            assert made(board, 3) == step(LIFE, board, 3, outside)
        again = pickle.loads(pickle.dumps(made))
        assert again.about == made.about != stepper(LIFE, backend=backend, threads=1).about
        assert again(board, 2) == step(LIFE, board, 2, outside)


def test_what_has_no_pairs_is_refused() -> None:
    with pytest.raises(InputError, match="18 inputs and 2 outputs; a search for pairs"):
        stepper(random_rule(2, 0), time_budget=1.0)
    with pytest.raises(InputError, match="time_budget is -1"):
        stepper(LIFE, time_budget=-1)
    if native.load() is not None:
        assert stepper(LIFE).parts is None
