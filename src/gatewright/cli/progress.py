"""Progress on stderr: a live line in a terminal, one now and then elsewhere, none if quiet."""

from __future__ import annotations

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
        yield _Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("training"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[metrics]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=num_steps, metrics="compiling")

        def show(metrics: Metrics) -> None:
            text = (
                f"loss {metrics.loss:.4f}  soft {metrics.soft_accuracy:.2%}  "
                f"hard {metrics.hard_accuracy:.2%}  gap {metrics.gap:+.2%}  "
                f"decided {metrics.decided:.0%}"
            )
            bar.update(task, completed=metrics.step, metrics=text)

        yield show


class _Lines:
    def __init__(self) -> None:
        self._next = time.monotonic()

    def __call__(self, metrics: Metrics) -> None:
        if time.monotonic() >= self._next:
            print(metrics, file=sys.stderr, flush=True)
            self._next = time.monotonic() + LINE_SECONDS
