"""A search over a recipe's fields: trials judged on held-out rows, by Optuna (extra `sweep`).

A trial trains the recipe with some fields changed. It is judged by hard accuracy on training rows
that were held out; the test rows take no part. The front of accuracy, gates and depth is computed
over the trials that ran to their end; see `gatewright.study` on why the study knows only accuracy.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import platform
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from gatewright import __version__, storage
from gatewright.errors import GatewrightError, InputError
from gatewright.runs import name_of
from gatewright.search import Plan, Trial, front_of
from gatewright.study import Report, bury, open_study, trials_of, work
from gatewright.view.curves import Mark
from gatewright.view.curves import front as draw


@dataclass(frozen=True)
class Sweep:
    """What a sweep has found so far."""

    plan: Plan
    trials: tuple[Trial, ...]

    @property
    def front(self) -> tuple[Trial, ...]:
        """The complete trials that no other dominates, the most accurate first."""
        return front_of(self.trials)

    def summary(self) -> dict[str, Any]:
        """The sweep as JSON; the same trials give the same."""
        packages = {name: version(name) for name in ("optuna", "jax", "numpy")}
        return {
            "study": self.plan.study,
            **self.plan.identity(),
            "objectives": {"accuracy": "maximize", "gates": "minimize", "depth": "minimize"},
            "front": [trial.number for trial in self.front],
            "trials": [asdict(trial) for trial in self.trials],
            "versions": {
                "gatewright": __version__,
                "python": platform.python_version(),
                **packages,
            },
        }


def run(
    plan: Plan,
    folder: Path | str,
    *,
    workers: int = 1,
    resume: bool = False,
    report: Report | None = None,
) -> Sweep:
    """Sweep in some processes of this machine; writes sweep.json and sweep.svg into the folder.

    Other machines may work on the same plan and storage at the same time. Where what is searched
    has no more combinations than there are trials, each is tried once; else Optuna's
    tree-structured Parzen estimator proposes. With one worker, a seed always gives the same trials.

    Args:
        workers: processes; one is this process.
        resume: go on with the study where it exists; what dead processes left is marked failed.
        report: called in a worker with a line about each trial that ends; can be pickled.

    Raises:
        MissingTool: Optuna is not installed, or what it needs for the storage.
        InputError: the study exists, or is of another plan; or no trial succeeds.
        GatewrightError: all workers died.
        KeyboardInterrupt: on SIGINT or SIGTERM; what was found is written.
    """
    path = Path(folder)
    storage.make_folder(path)
    study = open_study(plan, resume)
    bury(study)
    try:
        if workers == 1:
            work(plan, 0, report)
        else:
            _employ(plan, workers, report, lambda: bury(study))
    except KeyboardInterrupt:
        found = _write(study, plan, path)
        raise KeyboardInterrupt(
            f"interrupted; {len(found.trials)} trials are in {path / 'sweep.json'}; --resume "
            "goes on"
        ) from None
    found = _write(study, plan, path)
    errors = [trial.error for trial in found.trials if trial.error is not None]
    if errors and not found.front:
        raise InputError(f"none of {len(found.trials)} trials succeeded; the last: {errors[-1]}")
    return found


def _write(study: Any, plan: Plan, folder: Path) -> Sweep:
    bury(study)
    found = Sweep(plan, trials_of(study))
    content = json.dumps(found.summary(), indent=1) + "\n"
    storage.write_atomic(folder / "sweep.json", content.encode())
    if found.front:
        complete = [_mark(trial) for trial in found.trials if trial.state == "complete"]
        best = [_mark(trial) for trial in found.front]
        picture = draw(complete, best, f"{name_of(plan.recipe)}, sweep {plan.study}")
        storage.write_atomic(folder / "sweep.svg", picture.encode())
    return found


def _mark(trial: Trial) -> Mark:
    assert trial.gates is not None and trial.depth is not None and trial.accuracy is not None
    return Mark(trial.gates, trial.depth, trial.accuracy)


def _employ(
    plan: Plan, workers: int, report: Report | None, after_death: Callable[[], None]
) -> None:
    """Processes that work on the plan; those that die are told of, and the others go on."""
    plan = replace(plan, recipe=replace(plan.recipe))  # without the data that it may have read
    context = multiprocessing.get_context("spawn")  # JAX's threads do not survive a fork
    processes = [
        context.Process(target=_worker, args=(plan, number, report, os.getpid()), daemon=True)
        for number in range(workers)
    ]
    with _interrupts() as interrupted:
        try:
            with _ignored_interrupt():  # each inherits it: the parent says when to end
                for process in processes:
                    process.start()
            left: dict[Any, Any] = {
                process.sentinel: (number, process) for number, process in enumerate(processes)
            }
            num_dead = 0
            while left:
                ready = wait([interrupted, *left])
                if interrupted in ready:
                    raise KeyboardInterrupt
                for sentinel in ready:
                    number, process = left.pop(sentinel)
                    process.join()
                    if process.exitcode:
                        num_dead += 1
                        after_death()
                        if report is not None:
                            report(f"worker {number} died ({_cause(process.exitcode)})")
        finally:
            for process in processes:
                if process.is_alive():
                    process.terminate()
            for process in processes:
                if process.pid is not None:
                    process.join()
    if num_dead == workers:
        raise GatewrightError("all workers died; their messages say why, and --resume goes on")


def _worker(plan: Plan, number: int, report: Report | None, parent: int) -> None:
    try:
        work(plan, number, report, parent)
    except KeyboardInterrupt:
        sys.exit(130)
    except GatewrightError as error:
        print(f"gatewright sweep, worker {number}: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def _cause(code: int) -> str:
    return f"exit code {code}" if code > 0 else signal.Signals(-code).name


@contextmanager
def _interrupts() -> Generator[int]:
    """A file descriptor to wait for, of which there is something to read after SIGINT or SIGTERM.

    What a handler raises is lost where Python is in a callback, say of its garbage collector.
    """
    reads, writes = os.pipe()

    def note(number: int, frame: Any) -> None:
        del number, frame
        os.write(writes, b"!")

    before = {one: signal.signal(one, note) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield reads
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
        os.close(reads)
        os.close(writes)


@contextmanager
def _ignored_interrupt() -> Generator[None]:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
