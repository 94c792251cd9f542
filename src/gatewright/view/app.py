"""The full-screen terminal program of `gatewright.view.watch`: a board that runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal
from textual.screen import ModalScreen
from textual.widgets import Footer, Static

from gatewright.automata import PATTERN_NAMES, Board, Pattern, load_pattern, write_rle
from gatewright.view.board import BRAILLE, HALF_BLOCK, BoardView

FRAMES_PER_SECOND = 30
#: Part of a frame that may go into stepping; the rest draws and answers keys.
SECONDS_FOR_STEPS = 0.6 / FRAMES_PER_SECOND
MAX_SPEED = 1 << 16
DENSITY = 0.35
#: Columns of a terminal that has room for a panel beside the board.
WIDTH_FOR_PANEL = 84

HELP = """
space   pause and go on          n .     one generation
+ -     twice or half the speed  z       half blocks or Braille
e       edit: arrows move, space, enter or a click toggles; e or escape ends
arrows  scroll a board larger than the screen
c       clear                    r       random cells
p       the next pattern         s       save as an RLE file
?       this help                q       quit (also Ctrl-C)
"""


class HelpScreen(ModalScreen[None]):
    """The keys; any key or a click closes it."""

    def compose(self) -> ComposeResult:
        """Lay the screen out."""
        yield Static(HELP.strip(), id="help", markup=False)

    def on_mount(self) -> None:
        """Name the box."""
        self.query_one("#help").border_title = "keys"

    def on_key(self, event: events.Key) -> None:
        """Close, unless the key is Ctrl-C, which quits."""
        if event.key != "ctrl+c":
            event.stop()
            self.dismiss()

    def on_click(self) -> None:
        """Close."""
        self.dismiss()


class WatchApp(App[None]):
    """A board that runs, and that its viewer can pause, edit, refill and save.

    Attributes:
        board, generation: what is on the screen.
        is_paused, is_editing: the mode; editing pauses.
        speed: generations a second that are asked for.
        message: the newest note in the status line.
        failure: what `step` raised, which ends the program, or None.
    """

    TITLE = "gatewright"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Screen { background: #0b0f17; color: #c8d6e0; }
    #title { height: 1; padding: 0 1; background: #13202c; }
    #status { height: 1; padding: 0 1; background: #13202c; }
    #stage { align: center middle; width: 1fr; height: 1fr; }
    BoardView { border: round #2a4a5e; border-title-color: #7f97a8; }
    BoardView.-editing { border: round #ffb000; }
    #panel { width: 36; height: 100%; padding: 1 2; }
    #panel Static { margin-bottom: 1; }
    .-narrow #panel { display: none; }
    Footer { background: #0b0f17; }
    HelpScreen { align: center middle; background: #000000 50%; }
    #help { width: auto; height: auto; padding: 1 2; border: round #6ed6f5;
            background: #13202c; border-title-color: #6ed6f5; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit"),
        Binding("question_mark", "help", "Help", key_display="?"),
        Binding("space", "press_space", "Pause"),
        Binding("n,full_stop", "advance", "Step", key_display="n"),
        Binding("plus,equals_sign", "set_speed(2)", "Speed", key_display="+-"),
        Binding("minus", "set_speed(0.5)", show=False),
        Binding("e", "edit", "Edit"),
        Binding("p", "next_pattern", "Pattern"),
        Binding("r", "refill", "Random"),
        Binding("c", "clear", "Clear"),
        Binding("s", "save", "Save"),
        Binding("z", "zoom", "Zoom"),
        Binding("ctrl+c", "quit", show=False, priority=True),
        Binding("enter", "toggle_cell", show=False),
        Binding("escape", "end_edit", show=False),
        Binding("left", "move(-1, 0)", show=False),
        Binding("right", "move(1, 0)", show=False),
        Binding("up", "move(0, -1)", show=False),
        Binding("down", "move(0, 1)", show=False),
    ]

    def __init__(
        self,
        step: Callable[[Board, int], Board],
        board: Board,
        *,
        name: str,
        rule: str | None = None,
        speed: float = 16,
        seed: int = 0,
        folder: Path | None = None,
        is_paused: bool = False,
    ) -> None:
        super().__init__()
        self.board = board
        self.generation = 0
        self.is_paused = is_paused
        self.is_editing = False
        self.speed = min(max(speed, 0.5), MAX_SPEED)
        self.message = ""
        self.failure: Exception | None = None
        self._step = step
        self._subject = name
        self._rule = rule
        self._seed = seed
        self._folder = folder or Path()
        self._next_pattern = 0
        self._cursor = (board.width // 2, board.height // 2)
        self._view = BoardView(board)
        self._stage, self._middle = Container(id="stage"), Horizontal()
        self._title_line, self._status_line = Static(id="title"), Static(id="status")
        self._is_scale_chosen = False
        self._due = 0.0
        self._seconds_per_generation = 0.01
        self._last_frame = time.monotonic()
        self._measured = (self._last_frame, 0, 0.0)  # since, generations, and the speed before

    # Layout

    def compose(self) -> ComposeResult:
        """Lay the screen out."""
        yield self._title_line
        with self._middle:
            with self._stage:
                yield self._view
            yield from self.compose_panel()
        yield self._status_line
        yield Footer(compact=True, show_command_palette=False)

    def compose_panel(self) -> ComposeResult:
        """Lay out what stands beside the board: nothing here."""
        yield from ()

    def on_mount(self) -> None:
        """Start the clock."""
        self._view.border_title = f"{self.board.width} × {self.board.height} torus"
        self.set_interval(1 / FRAMES_PER_SECOND, self._frame)
        self._show()

    def on_resize(self) -> None:
        """Choose Braille where the board does not fit in half blocks, until the viewer chooses."""
        self._middle.set_class(self.size.width < WIDTH_FOR_PANEL, "-narrow")
        if not self._is_scale_chosen:
            self.call_after_refresh(self._fit)

    def _fit(self) -> None:
        place = self._stage.size
        whole = self._view.extent(HALF_BLOCK)
        is_fitting = whole.width + 2 <= place.width and whole.height + 2 <= place.height
        self._view.set_scale(HALF_BLOCK if is_fitting or self.is_editing else BRAILLE)

    # Time

    def _frame(self) -> None:
        now = time.monotonic()
        elapsed, self._last_frame = now - self._last_frame, now
        self.before_frame()
        if not self.is_paused:
            self._due += self.speed * elapsed
            affordable = max(1, int(SECONDS_FOR_STEPS / self._seconds_per_generation))
            num = min(int(self._due), affordable)
            self._due = min(self._due - num, 1.0)  # what cannot be afforded is dropped
            if num:
                self.advance(num)
        self._measure(now)
        self._show_text()

    def before_frame(self) -> None:
        """Look after other things than the board: nothing here."""

    def advance(self, generations: int) -> None:
        """Step the board and show it."""
        start = time.monotonic()
        try:
            self.board = self._step(self.board, generations)
        except Exception as error:  # raised again once the terminal is restored
            self.failure = error
            self.exit()
            return
        spent = (time.monotonic() - start) / generations
        self._seconds_per_generation += 0.3 * (spent - self._seconds_per_generation)
        self.generation += generations
        self._view.show(self.board)

    def _measure(self, now: float) -> None:
        since, before, _ = self._measured
        if now - since >= 1:
            self._measured = (now, self.generation, (self.generation - before) / (now - since))

    def replace_board(self, board: Board, message: str) -> None:
        """Begin again with another board of the same size."""
        self.board, self.generation, self.message = board, 0, message
        self._measured = (time.monotonic(), 0, 0.0)
        self._due = 0.0
        self._view.show(board, keep_trails=False)
        self._show()

    # Text

    def describe(self) -> Text:
        """Return the title line."""
        return joined(*self.title_parts())

    def title_parts(self) -> list[tuple[str, str]]:
        """Return what the title says of the rule."""
        return [("gatewright", "bold #6ed6f5"), (self._subject, ""), (self._rule or "", "")]

    def _show(self) -> None:
        self._view.set_class(self.is_editing, "-editing")
        self._view.mark(self._cursor if self.is_editing else None)
        self._show_text()

    def _show_text(self) -> None:
        if self.is_editing:
            mode = (f"editing ({self._cursor[0]}, {self._cursor[1]})", "bold #ffb000")
        elif self.is_paused:
            mode = ("⏸ paused", "bold #ffb000")
        else:
            mode = ("▶ running", "bold #7ee08a")
        speed = f"{self.speed:g}/s"
        reached = self._measured[2]
        if not self.is_paused and 0 < reached < 0.8 * self.speed:
            speed += f" (reaches {reached:,.0f})"
        status = joined(
            mode,
            (f"generation {self.generation:,}", ""),
            (f"population {self.board.population:,}", ""),
            (speed, ""),
            (self.message, "#ffd479"),
        )
        for line, text in ((self._title_line, self.describe()), (self._status_line, status)):
            if line.content != text:
                line.update(text, layout=False)

    # Keys

    def action_press_space(self) -> None:
        """Pause or go on; in edit mode toggle the cell."""
        if self.is_editing:
            self.action_toggle_cell()
        else:
            self.is_paused = not self.is_paused
            self._show_text()

    def action_advance(self) -> None:
        """Pause and step once."""
        self.is_paused = True
        self.advance(1)
        self._show_text()

    def action_set_speed(self, factor: float) -> None:
        """Multiply the speed."""
        self.speed = min(max(self.speed * factor, 0.5), MAX_SPEED)
        self._show_text()

    def action_edit(self) -> None:
        """Enter or leave edit mode."""
        self.is_editing = not self.is_editing
        self.is_paused = True
        if self.is_editing:
            self._view.set_scale(HALF_BLOCK)
        else:
            self.on_resize()
        self._show()

    def action_end_edit(self) -> None:
        """Leave edit mode."""
        if self.is_editing:
            self.action_edit()

    def action_toggle_cell(self) -> None:
        """Flip the cell under the cursor."""
        if self.is_editing:
            self.board = self.board.toggle(*self._cursor)
            self._view.show(self.board, keep_trails=False)
            self._show()

    def action_move(self, dx: int, dy: int) -> None:
        """Move the cursor, around the torus; outside edit mode scroll."""
        if self.is_editing:
            x, y = self._cursor
            self._cursor = ((x + dx) % self.board.width, (y + dy) % self.board.height)
            self._show()
        else:
            self._view.scroll_relative(4 * dx, 2 * dy, animate=False)

    def on_click(self, event: events.Click) -> None:
        """Toggle the clicked cell in edit mode; a character's upper cell is meant."""
        offset = event.get_content_offset(self._view)
        if self.is_editing and offset is not None:
            cell = self._view.cell_at(offset.x, offset.y)
            if cell is not None:
                self._cursor = cell
                self.action_toggle_cell()

    def action_clear(self) -> None:
        """Kill all cells."""
        self.replace_board(Board.empty(self.board.width, self.board.height), "cleared")

    def action_refill(self) -> None:
        """Fill with random cells, new ones each time."""
        self._seed += 1
        board = Board.random(self.board.width, self.board.height, DENSITY, self._seed)
        self.replace_board(board, f"random, seed {self._seed}")

    def action_next_pattern(self) -> None:
        """Show the next of the patterns that fit the board, alone in its middle."""
        for _ in PATTERN_NAMES:
            name = PATTERN_NAMES[self._next_pattern]
            self._next_pattern = (self._next_pattern + 1) % len(PATTERN_NAMES)
            pattern = load_pattern(name)
            if pattern.width <= self.board.width and pattern.height <= self.board.height:
                board = Board.centred(pattern, self.board.width, self.board.height)
                self.replace_board(board, name)
                return
        self.message = "no pattern fits a board this small"

    def action_save(self) -> None:
        """Write the board to a new file board-<generation>.rle."""
        pattern = Pattern(
            cells=self.board.cells(),
            comments=(f"generation {self.generation} of {self._subject}",),
            rule=self._rule,
            torus=(self.board.width, self.board.height) if self._rule else None,
        )
        try:
            path = _write_new(self._folder, f"board-{self.generation}", write_rle(pattern))
            self.message = f"saved {path}"
        except OSError as error:
            self.message = f"not saved: {error.strerror}: {error.filename}"
        self._show_text()

    def action_zoom(self) -> None:
        """Change between half blocks and Braille."""
        self._is_scale_chosen = True
        if not self.is_editing:
            self._view.set_scale(BRAILLE if self._view.scale == HALF_BLOCK else HALF_BLOCK)

    def action_help(self) -> None:
        """Show the keys."""
        self.push_screen(HelpScreen())


def joined(*parts: tuple[str, str]) -> Text:
    """Return the parts (text, style) that are not empty, three blanks apart, on one line."""
    text = Text("   ", no_wrap=True, overflow="ellipsis", end="")
    return text.join([Text(part, style) for part, style in parts if part])


def _write_new(folder: Path, stem: str, text: str) -> Path:
    """Write stem.rle, or stem-2.rle and so on where the name is taken."""
    number = 1
    while True:
        path = folder / (f"{stem}.rle" if number == 1 else f"{stem}-{number}.rle")
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            number += 1
        else:
            return path
