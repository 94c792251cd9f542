"""The terminal programs, driven through textual's pilot and, for real, in a pseudo-terminal."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import textwrap
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from textual.pilot import Pilot

from gatewright.automata import PATTERN_NAMES, Board, life_circuit, load_pattern, read_rle, step
from gatewright.errors import InputError
from gatewright.view.app import MAX_SPEED, WatchApp
from gatewright.view.board import (
    BRAILLE,
    CURSOR_DEAD,
    CURSOR_LIVE,
    HALF_BLOCK,
    NEWBORN,
    PALETTE,
    SETTLED,
    age,
    braille,
)
from gatewright.view.learning import Snapshot, Trainer
from gatewright.view.watch import LearningApp, draw_curve, draw_map, watch

LIFE = life_circuit()
LIFE_TABLE = LIFE.truth_tables()[:, 0]
BLOCKS = {" ": (0, 0), "▀": (1, 0), "▄": (0, 1), "█": (1, 1)}


def step_life(board: Board, generations: int) -> Board:
    return step(LIFE, board, generations)


def drive(
    app: WatchApp,
    act: Callable[[Pilot[None]], Awaitable[None]],
    size: tuple[int, int] = (100, 30),
) -> None:
    """Run the program without a terminal while `act` presses keys."""

    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            await act(pilot)

    asyncio.run(run())


async def wait_until(is_true: Callable[[], bool]) -> None:
    """Let the program run until something holds; a program that hangs fails after a minute."""
    deadline = time.monotonic() + 60
    while not is_true():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.01)


def paused(board: Board, **options: object) -> WatchApp:
    return WatchApp(step_life, board, name="life", is_paused=True, **options)  # type: ignore[arg-type]


def cells_on_screen(app: WatchApp) -> np.ndarray:
    """Read the board back from the characters of its half blocks."""
    view = app._view
    lines = [view.render_line(y).text for y in range(view.size.height)]
    pairs = np.array([[BLOCKS[c] for c in line] for line in lines], dtype=np.bool_)
    return pairs.transpose(0, 2, 1).reshape(2 * len(lines), -1)


def text_of(app: WatchApp) -> str:
    return "\n".join(str(line.content) for line in (app._title_line, app._status_line))


GLIDER = Board.centred(load_pattern("glider"), 20, 16)


def test_steps_and_pauses() -> None:
    app = paused(GLIDER)

    async def act(pilot: Pilot[None]) -> None:
        await pilot.press("n", "full_stop", "n")
        assert app.board == step_life(GLIDER, 3)
        assert app.generation == 3
        assert "⏸ paused" in text_of(app)
        assert "generation 3 " in text_of(app)
        assert "population 5 " in text_of(app)
        await pilot.press("space")
        await wait_until(lambda: app.generation > 8)
        assert "▶ running" in text_of(app)
        await pilot.press("space")
        stopped = app.generation
        await pilot.pause(0.3)
        assert app.generation == stopped
        assert app.board == step_life(GLIDER, stopped)
        await pilot.press("space")
        await wait_until(lambda: app.generation > stopped)
        await pilot.press("n")
        assert app.is_paused

    drive(app, act)


def test_speed_doubles_and_halves_within_bounds() -> None:
    app = paused(GLIDER, speed=16)

    async def act(pilot: Pilot[None]) -> None:
        await pilot.press("plus", "equals_sign")
        assert app.speed == 64
        await pilot.press("minus")
        assert app.speed == 32
        assert "32/s" in text_of(app)
        app.speed = MAX_SPEED
        await pilot.press("plus")
        assert app.speed == MAX_SPEED
        app.speed = 1
        await pilot.press("minus", "minus", "minus")
        assert app.speed == 0.5

    drive(app, act)


def test_many_generations_go_into_a_frame() -> None:
    board = Board.random(200, 100, 0.3)
    calls: list[int] = []

    def count(board: Board, generations: int) -> Board:
        calls.append(generations)
        return step_life(board, generations)

    app = WatchApp(count, board, name="life", speed=MAX_SPEED)

    async def act(pilot: Pilot[None]) -> None:
        await wait_until(lambda: len(calls) > 20)
        await pilot.press("space")

    drive(app, act)
    assert sum(calls) == app.generation
    assert max(calls) > 4
    assert app.board == step_life(board, app.generation)


def test_the_screen_shows_the_board() -> None:
    board = Board.random(37, 22, 0.4, seed=3)
    app = paused(board)

    async def act(pilot: Pilot[None]) -> None:
        await pilot.pause()
        assert np.array_equal(cells_on_screen(app), board.cells())
        await pilot.press("n", "n", "n", "n")
        assert np.array_equal(cells_on_screen(app), step_life(board, 4).cells())

    drive(app, act)


def test_a_large_board_turns_to_braille_and_scrolls() -> None:
    board = Board.random(300, 200, 0.3)
    app = paused(board)

    async def act(pilot: Pilot[None]) -> None:
        await pilot.pause()
        view = app._view
        assert view.scale == BRAILLE
        width = view.size.width
        assert view.render_line(3).text == braille(board.cells()[12:16, : 2 * width])
        await pilot.press("right", "down")
        assert view.scroll_offset == (4, 2)
        assert view.render_line(0).text == braille(board.cells()[8:12, 8 : 8 + 2 * width])
        await pilot.press("z")
        assert view.scale == HALF_BLOCK
        await pilot.resize_terminal(90, 28)
        await pilot.pause()
        assert view.scale == HALF_BLOCK

    drive(app, act)


def test_braille_dots_are_the_cells() -> None:
    assert braille(np.array([[1, 0], [0, 0], [0, 0], [0, 1]], dtype=np.bool_)) == "\u2881"
    assert braille(np.array([[0, 1, 1]], dtype=np.bool_)) == "\u2808\u2801"
    for x, y, dot in [(0, 1, 2), (0, 2, 4), (0, 3, 64), (1, 0, 8), (1, 1, 16), (1, 2, 32)]:
        cells = np.zeros((4, 2), dtype=np.bool_)
        cells[y, x] = True
        assert braille(cells) == chr(0x2800 + dot)


def test_levels_settle_and_fade() -> None:
    levels, live, dead = (
        np.zeros((1, 1), dtype=np.uint8),
        np.ones((1, 1), bool),
        np.zeros((1, 1), bool),
    )
    seen = []
    for cells in [live] * 5 + [dead] * 5:
        levels = age(levels, cells)
        seen.append(int(levels[0, 0]))
    assert seen == [NEWBORN, 5, 6, SETTLED, SETTLED, 3, 2, 1, 0, 0]


def test_editing_toggles_exactly_one_cell() -> None:
    app = WatchApp(step_life, GLIDER, name="life")

    async def act(pilot: Pilot[None]) -> None:
        await pilot.press("e")
        before = app.board
        await pilot.press("left", "left", "up", "space")
        assert app.is_paused
        changed = np.argwhere(app.board.cells() != before.cells())
        assert changed.tolist() == [[7, 8]]
        assert "editing (8, 7)" in text_of(app)
        await pilot.press("enter")
        assert app.board == before
        for _ in range(10):
            await pilot.press("right")
        await pilot.press("right", "right", "down", "enter")  # around the torus
        assert np.argwhere(app.board.cells() != before.cells()).tolist() == [[8, 0]]
        await pilot.press("escape", "enter")
        assert not app.is_editing
        assert np.argwhere(app.board.cells() != before.cells()).tolist() == [[8, 0]]

    drive(app, act)


def test_a_click_toggles_in_edit_mode_only() -> None:
    app = paused(Board.empty(40, 30))

    async def act(pilot: Pilot[None]) -> None:
        await pilot.pause()
        place = (1 + 7, 1 + 5)  # inside the border
        await pilot.click(type(app._view), offset=place)
        assert app.board.population == 0
        await pilot.press("e")
        await pilot.click(type(app._view), offset=place)
        assert np.argwhere(app.board.cells()).tolist() == [[10, 7]]

    drive(app, act)


def test_the_cursor_is_on_its_cell_and_stays_visible() -> None:
    app = paused(Board.empty(400, 300))
    view = app._view

    def halves(x: int, y: int) -> tuple[str, str]:
        """Colours of the upper and the lower cell of the character that holds a cell."""
        strip = view.render_line(y // 2 - view.scroll_offset.y)
        (segment,) = strip.crop(x - view.scroll_offset.x, x - view.scroll_offset.x + 1)
        assert segment.text == "▀"
        assert segment.style is not None
        assert segment.style.color is not None
        assert segment.style.bgcolor is not None
        return segment.style.color.name, segment.style.bgcolor.name

    async def act(pilot: Pilot[None]) -> None:
        await pilot.press("e")
        await pilot.pause()
        assert view.scale == HALF_BLOCK
        top = view.scroll_offset.y
        assert top <= 150 // 2 < top + view.size.height
        assert halves(200, 150) == (CURSOR_DEAD, PALETTE[0])
        await pilot.press("enter", "down")
        assert halves(200, 151) == (PALETTE[NEWBORN], CURSOR_DEAD)
        await pilot.press("enter", "up")
        assert halves(200, 150) == (CURSOR_LIVE, PALETTE[NEWBORN])

    drive(app, act)


def test_clear_refill_and_patterns() -> None:
    app = paused(GLIDER, seed=4)

    async def act(pilot: Pilot[None]) -> None:
        await pilot.press("n", "c")
        assert (app.board.population, app.generation) == (0, 0)
        await pilot.press("r")
        first = app.board
        await pilot.press("r")
        assert first.population > 0
        assert app.board.population > 0
        assert app.board != first
        assert "random, seed 6" in text_of(app)
        shown = []
        for _ in range(len(PATTERN_NAMES)):
            await pilot.press("p")
            shown.append(app.message)
            assert app.board == Board.centred(load_pattern(app.message), 20, 16)
        fitting = [name for name in PATTERN_NAMES if name != "gosper-gun"]
        assert shown == [*fitting, fitting[0]]

    drive(app, act)


def test_no_pattern_fits_a_tiny_board() -> None:
    app = paused(Board.empty(2, 1))

    async def act(pilot: Pilot[None]) -> None:
        await pilot.press("p", "n")
        assert "no pattern fits" in text_of(app)

    drive(app, act)


def test_saving_writes_new_readable_files(tmp_path: Path) -> None:
    app = paused(GLIDER, rule="B3/S23", folder=tmp_path)

    async def act(pilot: Pilot[None]) -> None:
        await pilot.press("n", "s")
        assert str(tmp_path / "board-1.rle") in text_of(app)
        await pilot.press("s")

    drive(app, act, size=(250, 30))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["board-1-2.rle", "board-1.rle"]
    pattern = read_rle((tmp_path / "board-1.rle").read_text(encoding="utf-8"))
    assert Board.from_cells(pattern.cells) == step_life(GLIDER, 1)
    assert (pattern.rule, pattern.torus) == ("B3/S23", (20, 16))
    assert load_pattern(tmp_path / "board-1-2.rle") == pattern


def test_a_board_that_cannot_be_saved_says_why(tmp_path: Path) -> None:
    app = paused(GLIDER, folder=tmp_path / "missing")

    async def act(pilot: Pilot[None]) -> None:
        await pilot.press("s")
        assert "not saved: No such file or directory" in text_of(app)

    drive(app, act)


def test_a_paused_board_is_not_drawn_again_and_again() -> None:
    app = paused(GLIDER)
    drawn: list[object] = []

    async def act(pilot: Pilot[None]) -> None:
        await pilot.pause()
        for line in (app._title_line, app._status_line):
            line.update = lambda text, **_: drawn.append(text)  # type: ignore[method-assign]
        await pilot.pause(0.3)
        assert drawn == []
        await pilot.press("n")
        assert drawn

    drive(app, act)


def test_help_opens_and_any_key_closes_it() -> None:
    app = paused(GLIDER)

    async def act(pilot: Pilot[None]) -> None:
        await pilot.press("question_mark")
        assert len(app.screen_stack) == 2
        await pilot.press("q")
        assert len(app.screen_stack) == 1
        assert app.is_running
        await pilot.press("question_mark", "ctrl+c")

    drive(app, act)
    assert app.return_code == 0


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
def test_quitting_ends_the_program(key: str) -> None:
    app = WatchApp(step_life, GLIDER, name="life", speed=64)

    async def act(pilot: Pilot[None]) -> None:
        await pilot.press(key)
        await wait_until(lambda: not app.is_running)

    drive(app, act)
    assert app.return_code == 0


def test_an_engine_that_fails_ends_the_program() -> None:
    def fail(board: Board, generations: int) -> Board:
        raise OSError("no engine")

    app = WatchApp(fail, GLIDER, name="life")

    async def act(pilot: Pilot[None]) -> None:
        await wait_until(lambda: not app.is_running)

    drive(app, act)
    assert isinstance(app.failure, OSError)


# Learning


def snapshot(step: int, num_wrong: int) -> Snapshot:
    """A snapshot whose table differs from Life in its first rows."""
    table = LIFE_TABLE.copy()
    table[:num_wrong] ^= True
    return Snapshot(step, num_wrong, num_wrong / 512, table)


def gated(items: list[Snapshot], gate: threading.Semaphore) -> Iterator[Snapshot]:
    """A learner that gives a snapshot for each release of the gate."""
    for item in items:
        assert gate.acquire(timeout=60)
        yield item
    assert gate.acquire(timeout=60)


def test_the_board_follows_the_newest_table_until_life_is_learned() -> None:
    gate = threading.Semaphore(0)
    board = Board.random(30, 20, 0.4)
    learner = gated([snapshot(10, 512), snapshot(20, 100), snapshot(30, 0), snapshot(40, 0)], gate)

    async def act(pilot: Pilot[None]) -> None:
        await pilot.pause(0.2)
        assert (app.board, app.generation) == (board, 0)
        assert "waiting for the first training step" in text_of(app)
        await pilot.press("space")
        for num, step_shown, wrong in [(1, 10, 512), (2, 20, 100), (3, 30, 0)]:
            gate.release()
            await wait_until(lambda n=num: len(trainer.wrong_rows) == n)  # type: ignore[misc]
            await wait_until(lambda s=step_shown: f"training step {s}," in text_of(app))  # type: ignore[misc]
            assert f"wrong rows {wrong} of 512" in text_of(app)
            assert ("perfect since step 30" in text_of(app)) == (wrong == 0)
            before = app.board
            await pilot.press("n")
            rows = snapshot(step_shown, wrong).table
            assert app.board.cells()[5, 7] == rows[neighbourhood(before, 7, 5)]
            assert (app.board == step_life(before, 1)) == (wrong == 0)
        gate.release()
        await wait_until(lambda: trainer.latest is not None and trainer.latest.step == 40)
        assert not app.is_learned
        gate.release()
        await wait_until(lambda: app.is_learned)
        assert "training done" in text_of(app)
        assert "perfect since step 30" in text_of(app)
        assert (app.board, app.generation) == (board, 0)
        await pilot.press("n")
        assert app.board == step_life(board, 1)

    with Trainer(learner) as trainer:
        app = LearningApp(trainer, board, name="life")
        drive(app, act, size=(220, 40))
    assert trainer.is_done
    assert trainer.wrong_rows == [512, 100, 0, 0]


def neighbourhood(board: Board, x: int, y: int) -> int:
    cells = board.cells()
    return sum(
        int(cells[(y + i // 3 - 1) % board.height, (x + i % 3 - 1) % board.width]) << i
        for i in range(9)
    )


def test_a_board_at_rest_begins_again_while_learning() -> None:
    gate = threading.Semaphore(0)
    death = Snapshot(1, 140, 0.5, np.zeros(512, dtype=np.bool_))

    async def act(pilot: Pilot[None]) -> None:
        await pilot.press("space")
        gate.release()
        await wait_until(lambda: "training step 1," in text_of(app))
        await pilot.press("n")
        assert app.board.population == 0
        await pilot.press("n")
        assert app.board == GLIDER
        gate.release()
        await wait_until(lambda: app.is_learned)
        for _ in range(3):
            await pilot.press("n")
            assert app.board.population == 0

    with Trainer(gated([death], gate)) as trainer:
        app = LearningApp(trainer, GLIDER, name="life")
        drive(app, act)


def test_perfect_since_forgets_a_relapse() -> None:
    learner = iter([snapshot(1, 0), snapshot(2, 5), snapshot(3, 0), snapshot(4, 0)])
    with Trainer(learner) as trainer:
        trainer._thread.join()
    assert trainer.perfect_since == 3
    with Trainer(iter([snapshot(1, 0), snapshot(2, 5)])) as trainer:
        trainer._thread.join()
    assert trainer.perfect_since is None


def test_quitting_stops_an_endless_learner_and_closes_it() -> None:
    closed = threading.Event()

    def endless() -> Iterator[Snapshot]:
        try:
            num = 0
            while True:
                num += 1
                yield snapshot(num, 9)
        finally:
            closed.set()

    async def act(pilot: Pilot[None]) -> None:
        await wait_until(lambda: trainer.latest is not None)
        await pilot.press("q")

    with Trainer(endless()) as trainer:
        app = LearningApp(trainer, GLIDER, name="life")
        drive(app, act)
    assert closed.is_set()
    assert trainer.is_done
    assert "gatewright-trainer" not in {thread.name for thread in threading.enumerate()}


def test_a_learner_that_fails_is_shown_and_raised_again() -> None:
    def failing() -> Iterator[Snapshot]:
        yield snapshot(1, 300)
        raise ArithmeticError("the loss is not finite")

    async def act(pilot: Pilot[None]) -> None:
        await wait_until(lambda: app.is_learned)
        assert "training failed: ArithmeticError: the loss is not finite" in text_of(app)
        assert app.is_paused
        await pilot.press("q")

    with pytest.raises(ArithmeticError, match="not finite"), Trainer(failing()) as trainer:
        app = LearningApp(trainer, GLIDER, name="life")
        drive(app, act, size=(220, 30))


def test_a_learner_without_snapshots_says_so() -> None:
    async def act(pilot: Pilot[None]) -> None:
        await wait_until(lambda: app.is_learned)
        assert "the learner gave no snapshot" in text_of(app)

    with Trainer(iter(())) as trainer:
        app = LearningApp(trainer, GLIDER, name="life")
        drive(app, act)


def test_the_map_marks_wrong_rows_and_the_curve_falls() -> None:
    table = LIFE_TABLE.copy()
    table[[0, 511]] ^= True
    picture = draw_map(table, LIFE_TABLE)
    styles = [str(span.style) for span in picture.spans]
    assert len(styles) == 256
    assert [i for i, style in enumerate(styles) if "#ff4d5e" in style] == [0, 255]
    assert styles[0].startswith("#ff4d5e on ")
    assert styles[255].endswith(" on #ff4d5e")
    bright = sum(style.count("#58d68d") for style in styles)
    assert bright == LIFE_TABLE.sum()
    assert draw_curve([400, 200, 1, 0]).plain.endswith("█▅▂▁")
    assert draw_curve(list(range(1000))[::-1]).plain.splitlines()[1][0] == "█"
    assert len(draw_curve(list(range(1000))).plain.splitlines()[1]) == 32


def test_a_bad_target_is_refused() -> None:
    with pytest.raises(InputError, match=r"bool\[512\]"):
        LearningApp(Trainer(iter(())), GLIDER, name="x", target=LIFE_TABLE[:9])


# A real terminal


def test_watch_needs_a_terminal() -> None:
    done = subprocess.run(
        [sys.executable, "-c", program("watch(life, board, name='life')")],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "InputError: --watch needs a terminal; standard input is not one" in done.stderr
    assert done.stdout == ""


def test_watch_checks_each_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    leader, follower = pty.openpty()
    with os.fdopen(leader), os.fdopen(follower, "r") as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        with pytest.raises(InputError, match="standard output is not one"):
            watch(step_life, GLIDER, name="life")


def program(body: str) -> str:
    head = """
        import sys, threading
        import numpy as np
        from gatewright.automata import Board, life_circuit, step
        from gatewright.view.watch import Snapshot, watch, watch_learning
        circuit = life_circuit()
        def life(board, generations):
            return step(circuit, board, generations)
        def endless():
            for num in range(10**9):
                yield Snapshot(num, 512, 1.0, np.zeros(512, dtype=bool))
        def failing():
            yield Snapshot(1, 512, 1.0, np.zeros(512, dtype=bool))
            raise ArithmeticError("not finite")
        board = Board.random(60, 30, 0.3)
    """
    return textwrap.dedent(head) + textwrap.dedent(body)


def run_in_terminal(body: str, key: bytes, sign: bytes) -> tuple[int, str]:
    """Start a program in a pseudo-terminal, press a key once `sign` is on it, and wait.

    Returns the exit code and all output. Fails unless the terminal is as it was before.
    """
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 120, 0, 0))
    before = termios.tcgetattr(follower)
    child = subprocess.Popen(
        [sys.executable, "-c", program(body)],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env={**os.environ, "TERM": "xterm-256color", "GATEWRIGHT_NATIVE": "0"},
        start_new_session=True,
    )
    try:
        output = b""
        deadline = time.monotonic() + 60
        is_pressed = False
        while child.poll() is None:
            assert time.monotonic() < deadline, output[-2000:]
            output += read_ready(leader)
            if sign in output and not is_pressed:
                os.write(leader, key)
                is_pressed = True
        while rest := read_ready(leader):
            output += rest
        assert termios.tcgetattr(follower) == before
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
        os.close(follower)
        os.close(leader)
    return child.returncode, output.decode()


def read_ready(leader: int) -> bytes:
    """What is there to read, waiting a tenth of a second at most."""
    if not select.select([leader], [], [], 0.1)[0]:
        return b""
    try:
        return os.read(leader, 1 << 16)
    except OSError as error:
        assert error.errno == errno.EIO
        return b""


def check_restored(output: str) -> str:
    """Return what stands on the ordinary screen after the program left its own."""
    assert output.count("\x1b[?1049h") == 1
    before, after = output.split("\x1b[?1049l")
    assert "\x1b[?1049h" in before
    assert output.rindex("\x1b[?25h") > output.rindex("\x1b[?25l")  # the cursor shows
    return after


@pytest.mark.parametrize("key", [b"q", b"\x03"])
def test_watch_in_a_terminal(key: bytes) -> None:
    code, output = run_in_terminal(
        "print('ended with', watch(life, board, name='life', speed=64).height)", key, b"running"
    )
    assert code == 0, output
    assert "ended with 30" in check_restored(output)


def test_watch_learning_in_a_terminal_leaves_no_thread() -> None:
    code, output = run_in_terminal(
        """
        last = watch_learning(endless(), board, name='life')
        print('step', last.step >= 0, 'threads', threading.active_count())
        """,
        b"q",
        b"wrong rows",
    )
    assert code == 0, output
    assert "step True threads 1" in check_restored(output)


def test_watch_learning_raises_the_learners_error_after_the_terminal_is_restored() -> None:
    code, output = run_in_terminal(
        "watch_learning(failing(), board, name='life')", b"q", b"training failed"
    )
    assert code == 1, output
    assert "ArithmeticError: not finite" in check_restored(output)


def test_watch_raises_the_engines_error_after_the_terminal_is_restored() -> None:
    code, output = run_in_terminal(
        "watch(lambda board, generations: 1 // 0, board, name='life')", b"", b"\x00 never"
    )
    assert code == 1, output
    assert "ZeroDivisionError" in check_restored(output)
