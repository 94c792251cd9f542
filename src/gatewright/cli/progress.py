"""Progress on stderr: a live line in a terminal, one now and then elsewhere, none if quiet."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gatewright.train import Metrics

#: Seconds between lines where stderr is not a terminal.
LINE_SECONDS = 10.0


def remark(text: str, quiet: bool) -> None:
    """A remark for the person at the terminal."""
    if not quiet:
        print(text, file=sys.stderr, flush=True)


@contextmanager
def training(num_steps: int, quiet: bool) -> Generator[Callable[[Metrics], None] | None]:
    """Shows metrics as they come; gives the function to call with them."""
    if quiet:
        yield None
        return
    if not sys.stderr.isatty():
        yield _Lines(num_steps)
        return
    from rich.console import Console, Group
    from rich.live import Live
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.text import Text

    columns = (
        TextColumn("training"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[pace]}"),
    )
    bar, numbers, pace = Progress(*columns), Text("compiling"), Pace(num_steps)
    task = bar.add_task("", total=num_steps, pace="")

    def show(metrics: Metrics) -> None:
        bar.update(task, completed=metrics.step, pace=pace(metrics))
        numbers.plain = (
            f"loss {metrics.loss:.4f}  soft {metrics.soft_accuracy:.2%}  "
            f"hard {metrics.hard_accuracy:.2%}  gap {metrics.gap:+.2%}  "
            f"decided {metrics.decided:.0%}"
        )

    with Live(Group(bar, numbers), console=Console(stderr=True)):
        yield show


@contextmanager
def reading(is_shown: bool) -> Generator[Callable[[int, float | None], None]]:
    """Shows rows as they are done, in a terminal and nowhere else.

    Gives the function to call with the rows so far and the share of the input that they were.
    """
    if not is_shown or not sys.stderr.isatty():
        yield lambda rows, share: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    start = time.monotonic()
    columns = BarColumn(bar_width=24), TextColumn("{task.description}")
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=None)

        def show(rows: int, share: float | None) -> None:
            seconds = time.monotonic() - start
            said = f"{rows:,} rows, {rows / max(seconds, 1e-9):,.0f} rows/s"
            if share:
                said += f", {duration(seconds * (1 - share) / share)} left"
            bar.update(task, description=said, completed=share, total=None if share is None else 1)

        yield show


class Pace:
    """Steps a second and the time left, in words, from the metrics of chunk after chunk.

    Counted from the end of the first chunk on, which pays for compilation; so of that one nothing
    is said.
    """

    def __init__(self, num_steps: int) -> None:
        self._num_steps = num_steps
        self._first: Metrics | None = None

    def __call__(self, metrics: Metrics) -> str:
        first = self._first = self._first or metrics
        seconds = metrics.wall_seconds - first.wall_seconds
        if metrics.step == first.step or seconds <= 0:
            return ""
        pace = (metrics.step - first.step) / seconds
        left = duration((self._num_steps - metrics.step) / pace)
        return f"{pace:.{0 if pace >= 10 else 1}f} steps/s, {left} left"


def duration(seconds: float) -> str:
    """Minutes and seconds, with hours where there are any: "4:05", "1:02:03"."""
    minutes, second = divmod(math.ceil(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


class _Lines:
    def __init__(self, num_steps: int) -> None:
        self._next = time.monotonic()
        self._num_steps = num_steps
        self._pace = Pace(num_steps)

    def __call__(self, metrics: Metrics) -> None:
        pace = self._pace(metrics)
        if time.monotonic() >= self._next or metrics.step == self._num_steps:
            counted = str(metrics).replace(":", f" of {self._num_steps}:", 1)
            print(f"{counted}; {pace}" if pace else counted, file=sys.stderr, flush=True)
            self._next = time.monotonic() + LINE_SECONDS
