"""Watch a board live in the terminal, under a fixed rule or under one that is being learned."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from gatewright.automata import Board, life_circuit, step_table
from gatewright.errors import InputError
from gatewright.view.app import WatchApp, joined
from gatewright.view.learning import Snapshot, Trainer

__all__ = ["LearningApp", "Snapshot", "WatchApp", "watch", "watch_learning"]

Table = npt.NDArray[np.bool_]

NUM_ROWS = 512
RIGHT_LIVE, RIGHT_DEAD, WRONG = "#58d68d", "#16402b", "#ff4d5e"
#: The map of a table's 512 rows: two lines of it share a line of half blocks.
MAP_COLUMNS = 32
SPARKS = "▁▂▃▄▅▆▇█"


def watch(
    step: Callable[[Board, int], Board],
    board: Board,
    *,
    name: str,
    rule: str | None = None,
    speed: float = 16,
    seed: int = 0,
    folder: Path | None = None,
) -> Board:
    """Show a board full-screen until the viewer quits; return what it was at the end.

    Args:
        step: advances a board by a number of generations, keeping its size.
        board: where it begins.
        name: what runs, for the title: for example "life, 26 gates, native".
        rule: as in "B3/S23", for the title and for saved files; None where it has no such name.
        speed: generations a second.
        seed: of the boards that the viewer asks for at random.
        folder: where saved boards go; None is the current one.

    Raises:
        InputError: not in a terminal.
    """
    _require_terminal()
    app = WatchApp(step, board, name=name, rule=rule, speed=speed, seed=seed, folder=folder)
    app.run()
    _raise_failure(app)
    return app.board


def watch_learning(
    learner: Iterator[Snapshot],
    board: Board,
    *,
    name: str,
    target: Table | None = None,
    rule: str | None = "B3/S23",
    speed: float = 16,
    seed: int = 0,
    folder: Path | None = None,
) -> Snapshot | None:
    """Show a board under the rule that is being learned, until the viewer quits.

    The learner runs in a worker thread; each snapshot replaces the rule. Quitting ends the thread
    after the snapshot under way. When the learner ends, the board begins again under its last rule.

    Args:
        learner: yields snapshots, at least every second or so; a generator is closed at the end.
        board: where it begins, and begins again.
        name: what learns, for the title.
        target: bool[512], the table to learn, None for Life; it colours the map of rows.
        rule, speed, seed, folder: as in `watch`; `rule` is the target's name.

    Returns:
        The last snapshot, or None if there was none.

    Raises:
        InputError: not in a terminal, or a bad target.
        Exception: what the learner raised, after the terminal is restored.
    """
    _require_terminal()
    with Trainer(learner) as trainer:
        app = LearningApp(
            trainer,
            board,
            name=name,
            target=target,
            rule=rule,
            speed=speed,
            seed=seed,
            folder=folder,
        )
        app.run()
        _raise_failure(app)
    return trainer.latest


class LearningApp(WatchApp):
    """A board that runs under the rule that a network is learning, with the training beside it.

    While the rule is not learned, a board that has come to rest or blinks begins again.
    """

    def __init__(
        self,
        trainer: Trainer,
        board: Board,
        *,
        name: str,
        target: Table | None = None,
        rule: str | None = None,
        speed: float = 16,
        seed: int = 0,
        folder: Path | None = None,
    ) -> None:
        target = life_circuit().truth_tables()[:, 0] if target is None else np.asarray(target)
        if target.shape != (NUM_ROWS,) or target.dtype != np.bool_:
            raise InputError(f"a target is bool[512], not {target.dtype}{list(target.shape)}")
        super().__init__(
            self._step_newest, board, name=name, rule=rule, speed=speed, seed=seed, folder=folder
        )
        self.is_learned = False
        self._trainer = trainer
        self._target = target
        self._first_board = board
        self._recent: list[Board] = []
        self._shown: Snapshot | None = None
        self._figures, self._map, self._curve = Static(), Static(), Static()

    def compose_panel(self) -> ComposeResult:
        """Lay out the training's figures, the map of rows and the curve."""
        with Vertical(id="panel"):
            yield self._figures
            yield self._map
            yield self._curve

    def before_frame(self) -> None:
        """Take the newest snapshot; begin again when training ends."""
        is_done = self._trainer.is_done  # asked first: then `latest` is the last
        snapshot = self._trainer.latest
        if snapshot is not self._shown and snapshot is not None:
            self._shown = snapshot
            self._show_snapshot(snapshot)
        if is_done and not self.is_learned:
            self.is_learned = True
            self._end_training()

    def _end_training(self) -> None:
        error = self._trainer.error
        if error is not None:
            self.is_paused = True
            self.message = f"training failed: {type(error).__name__}: {error}"
        elif self._shown is None:
            self.is_paused = True
            self.message = "the learner gave no snapshot"
        else:
            self.replace_board(self._first_board, "training done: the learned rule, from the start")

    def _step_newest(self, board: Board, generations: int) -> Board:
        return board if self._shown is None else step_table(self._shown.table, board, generations)

    def advance(self, generations: int) -> None:
        """Step the board and show it, or begin again; nothing before the first snapshot."""
        if self._shown is None:
            return
        self._recent = [*self._recent[-1:], self.board]
        super().advance(generations)
        if not self.is_learned and self.board in self._recent:
            self.replace_board(self._first_board, self.message)

    def replace_board(self, board: Board, message: str) -> None:
        """Begin again with another board, also from now on."""
        self._first_board, self._recent = board, []
        super().replace_board(board, message)

    def describe(self) -> Text:
        """Return the title line; it has the training's figures too, as the panel may not fit."""
        if self._shown is None:
            figures, perfect = "waiting for the first training step", ""
        else:
            figures = (
                f"training step {self._shown.step:,}, wrong rows {self._shown.wrong_rows} "
                f"of {NUM_ROWS}"
            )
            since = self._trainer.perfect_since
            perfect = "" if since is None else f"perfect since step {since:,}"
        return joined(*self.title_parts(), (figures, ""), (perfect, f"bold {RIGHT_LIVE}"))

    def _show_snapshot(self, snapshot: Snapshot) -> None:
        lines = [
            f"training step {snapshot.step:>18,}",
            f"wrong rows    {snapshot.wrong_rows:>18,}",
            f"soft loss     {snapshot.soft_loss:>18.3g}",
        ]
        self._figures.update(Text("\n".join(lines)))
        self._map.update(draw_map(snapshot.table, self._target))
        self._curve.update(draw_curve(self._trainer.wrong_rows))


def draw_map(table: Table, target: Table) -> Text:
    """Draw a table's 512 rows as 32 x 16 squares: bright or dark green as the state, red if wrong.

    Row r is at column r % 32 and line r // 32, two lines in a line of half blocks.
    """
    right = np.where(table, RIGHT_LIVE, RIGHT_DEAD)
    colors = np.where(table == target, right, WRONG).reshape(-1, 2, MAP_COLUMNS)
    text = Text("rows of the rule, red: wrong\n", style="#7f97a8", end="")
    for top, bottom in colors.tolist():
        for above, below in zip(top, bottom, strict=True):
            text.append("▀", f"{above} on {below}")
        text.append("\n")
    text.rstrip()
    return text


def draw_curve(wrong_rows: list[int]) -> Text:
    """Draw the wrong rows of all snapshots so far, squeezed or not into one line of bars."""
    num = min(len(wrong_rows), MAP_COLUMNS)
    picked = [wrong_rows[(len(wrong_rows) - 1) * i // max(1, num - 1)] for i in range(num)]
    highest = max([*picked, 1])
    text = Text("wrong rows over the training\n", style="#7f97a8", end="")
    for wrong in picked:
        bar = SPARKS[-(-wrong * (len(SPARKS) - 1) // highest)]
        text.append(bar, WRONG if wrong else RIGHT_LIVE)
    return text


def _raise_failure(app: WatchApp) -> None:
    if app.failure is not None:
        raise app.failure
    if app.return_code:
        raise RuntimeError("the terminal program failed; its traceback stands above")


def _require_terminal() -> None:
    for name, stream in (("input", sys.stdin), ("output", sys.stdout), ("error", sys.stderr)):
        if not stream.isatty():
            raise InputError(
                f"--watch needs a terminal; standard {name} is not one "
                "(leave --watch out, or do not redirect it)"
            )
