"""What a watcher sees of training: snapshots that a worker thread takes from a learner."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The rule that a network holds at one moment of its training.

    Attributes:
        step: optimiser steps done.
        wrong_rows: rows of the table, of 512, where the hard network is wrong.
        soft_loss: the soft network's loss.
        table: bool[512], the hard network's next state for each neighbourhood
            (`gatewright.automata` defines the order).
    """

    step: int
    wrong_rows: int
    soft_loss: float
    table: npt.NDArray[np.bool_]


class Trainer:
    """A worker thread that draws a learner's snapshots until it ends or is told to stop.

    As a context manager it starts the thread, and on leaving stops it, waits for the snapshot
    under way, and raises what the learner raised. A generator is closed in the thread.

    Attributes:
        latest: the newest snapshot, or None before the first.
        wrong_rows: of all snapshots so far.
        perfect_since: the first step of the unbroken run of perfect snapshots that `latest` ends,
            or None where `latest` is not perfect.
        error: what the learner raised, or None.
    """

    def __init__(self, learner: Iterator[Snapshot]) -> None:
        self.latest: Snapshot | None = None
        self.wrong_rows: list[int] = []
        self.perfect_since: int | None = None
        self.error: BaseException | None = None
        self._learner = learner
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gatewright-trainer", daemon=True)

    @property
    def is_done(self) -> bool:
        """True once the learner has ended, failed or been stopped."""
        return self._thread.ident is not None and not self._thread.is_alive()

    def __enter__(self) -> Trainer:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join(timeout=1)
        if self._thread.is_alive():
            print("waiting for the training step to end; Ctrl-C abandons it", file=sys.stderr)
            self._thread.join()
        if self.error is not None and error is None:
            raise self.error

    def _run(self) -> None:
        try:
            for snapshot in self._learner:
                self.wrong_rows.append(snapshot.wrong_rows)
                if snapshot.wrong_rows:
                    self.perfect_since = None
                elif self.perfect_since is None:
                    self.perfect_since = snapshot.step
                self.latest = snapshot
                if self._stop.is_set():
                    break
            close = getattr(self._learner, "close", None)
            if close is not None:
                close()
        except BaseException as error:  # raised again in the thread that waits
            self.error = error
