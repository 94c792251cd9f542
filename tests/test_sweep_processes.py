"""Sweeps by several processes on one storage, and processes that are killed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import optuna
import pytest

from gatewright import sweep
from gatewright.cli import build_parser
from gatewright.cli.fields import recipe_of
from gatewright.recipes.mnist import Mnist8k
from gatewright.search import Choices, Plan, Range
from gatewright.study import (
    _Objective,  # pyright: ignore[reportPrivateUsage]
    open_study,
    propose,
    trials_of,
    work,
)
from test_cli import COMMAND, ENVIRONMENT, only_json
from test_cli_train import in_process
from test_sweep import FOUR, LONG, RATES, arguments, rows, swept, url_of

__all__ = ["rows"]  # a fixture


def frozen(url: str) -> list[optuna.trial.FrozenTrial]:
    storage = optuna.storages.RDBStorage(url, skip_table_creation=True)
    trials = optuna.load_study(storage=storage, study_name="mnist-8k").get_trials()
    return [trial for trial in trials if trial.state != optuna.trial.TrialState.WAITING]


def processes_of(url: str) -> list[int]:
    """Of the running trials that have reported."""
    return [
        int(trial.user_attrs["process"].rpartition(":")[2])
        for trial in frozen(url)
        if trial.state == optuna.trial.TrialState.RUNNING and trial.intermediate_values
    ]


def wait_for(question: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if question():
                return
        except Exception:
            pass  # the study is only being made
        time.sleep(0.05)
    raise AssertionError("it did not come about")


def test_two_workers_share_a_storage(rows: Path, tmp_path: Path) -> None:
    """Each combination is trained once, with the result that it has in one process."""
    # Which trial is behind the others when it is judged depends on who was first: none is pruned.
    search = (
        "--search",
        "learning_rate=0.05,0.1,0.2",
        *FOUR[2:],
        "--trials",
        6,
        "--pruner",
        "none",
    )
    how = ("--steps", 6000, "--chunk", 500)
    two = tmp_path / "two"
    command = [*COMMAND, *arguments(rows, two, *search, "--workers", 2, "--json", how=how)]
    result = subprocess.run(
        command, env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr
    found = only_json(result)
    assert len(found["trials"]) == 6
    assert len({str(trial["params"]) for trial in found["trials"]}) == 6
    given = arguments(rows, tmp_path / "one", *search, "--json", how=how)
    one = only_json(in_process(*given))
    results = [
        {str(t["params"]): (t["accuracy"], t["gates"], t["depth"]) for t in each["trials"]}
        for each in (found, one)
    ]
    assert results[0] == results[1]


class Late(Choices):
    """Another process works while the first trial runs and has no parameters yet."""

    plan: Plan | None = None

    def suggest(self, trial: optuna.Trial, name: str) -> Any:
        if trial.number == 0 and Late.plan is not None:
            plan, Late.plan = Late.plan, None
            work(plan, 1, None)
        return super().suggest(trial, name)


def test_a_trial_that_has_only_begun_is_not_trained_twice(rows: Path, tmp_path: Path) -> None:
    """Not where another is chosen, and not where both were drawn up before either began."""
    given = arguments(rows, tmp_path)
    chosen = recipe_of(build_parser(given).parse_args(given), Mnist8k)
    search = {"learning_rate": Late((0.05, 0.1))}
    plan = Late.plan = Plan(chosen, search, url_of(tmp_path), "mnist-8k", pruner="none")
    study = open_study(plan, resume=False)
    for _ in range(2):
        propose(study, {"learning_rate": 0.05})
    work(plan, 0, None)
    done = [trial for trial in trials_of(study) if trial.state == "complete"]
    assert sorted(str(trial.params["learning_rate"]) for trial in done) == ["0.05", "0.1"]
    assert Late.plan is None


def test_what_a_trial_draws_does_not_depend_on_who_draws_first(rows: Path, tmp_path: Path) -> None:
    """Two processes may begin trials before either has drawn; one alone draws the same."""
    given = arguments(rows, tmp_path)
    chosen = recipe_of(build_parser(given).parse_args(given), Mnist8k)
    search = {"learning_rate": Range(0.01, 0.1)}
    plans = [
        Plan(chosen, search, url_of(tmp_path / name), "mnist-8k", trials=2, pruner="none")
        for name in ("alone", "beside")
    ]
    studies: list[optuna.Study] = []
    for name in ("alone", "beside"):
        (tmp_path / name).mkdir()
        open_study(plans[len(studies)], resume=False)
        storage = optuna.storages.RDBStorage(url_of(tmp_path / name))  # without a heartbeat
        studies.append(optuna.load_study(storage=storage, study_name="mnist-8k"))
    alone, beside = studies
    work(plans[0], 0, None)
    for trial in reversed([beside.ask(), beside.ask()]):
        _Objective(plans[1], beside, is_listed=False, parent=None)(trial)
    drawn = [[trial.params["learning_rate"] for trial in study.trials] for study in (alone, beside)]
    assert drawn[0] == drawn[1]
    assert len(set(drawn[0])) == 2


def wait_for_both(folder: Path, line: str) -> None:
    """A report that comes back once both workers have ended a trial."""
    del line
    (folder / str(os.getpid())).touch()
    wait_for(lambda: len(list(folder.iterdir())) == 2)


def test_both_workers_train_trials(rows: Path, tmp_path: Path) -> None:
    """However late one of them starts: the other waits for it after its first trial."""
    given, ended = arguments(rows, tmp_path), tmp_path / "ended"
    ended.mkdir()
    chosen = recipe_of(build_parser(given).parse_args(given), Mnist8k)
    search = {"learning_rate": Choices((0.05, 0.1, 0.2)), "batch_size": Choices((20, 25))}
    plan = Plan(chosen, search, url_of(tmp_path), "mnist-8k", trials=6, pruner="none")
    found = sweep.run(plan, tmp_path, workers=2, report=partial(wait_for_both, ended))
    assert [trial.state for trial in found.trials] == ["complete"] * 6
    assert len({str(trial.params) for trial in found.trials}) == 6
    assert len({trial.user_attrs["process"] for trial in frozen(url_of(tmp_path))}) == 2


def test_two_commands_share_a_storage_and_make_no_trial_too_many(
    rows: Path, tmp_path: Path
) -> None:
    """As on two machines: both create the study or join it, and both know all trials at the end."""
    url = f"journal:///{tmp_path / 'journal.log'}"
    more = (*RATES, "--storage", url, "--resume", "--trials", 5, "--quiet")
    how = ("--steps", 1000, "--chunk", 500)
    other = [*COMMAND, *arguments(rows, tmp_path / "other", *more, how=how)]
    with subprocess.Popen(other, env=ENVIRONMENT, stdout=subprocess.DEVNULL) as process:
        wait_for(lambda: (tmp_path / "journal.log").exists())
        given = arguments(rows, tmp_path / "this", *more, "--json", how=how)
        here = in_process(*given)
        assert process.wait(timeout=120) == 0
    assert here.returncode == 0, here.stderr
    found = only_json(in_process(*given))  # what the first to end did not see the end of
    assert [t["state"] for t in found["trials"] if t["state"] not in ("complete", "pruned")] == []
    assert len(found["trials"]) == 5
    assert len({trial["params"]["learning_rate"] for trial in found["trials"]}) == 5


def test_a_killed_worker_costs_its_trial_and_nothing_else(rows: Path, tmp_path: Path) -> None:
    # A search without end: where one worker starts late, the other is still at work.
    url, more = url_of(tmp_path), (*RATES, "--pruner", "none")
    command = [*COMMAND, *arguments(rows, tmp_path, *more, "--workers", 2, how=LONG)]
    running: list[int] = []

    def both_run() -> bool:
        running[:] = processes_of(url)
        return len(set(running)) == 2

    with subprocess.Popen(
        command, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as parent:
        wait_for(both_run, seconds=180)
        victim, other = running
        os.kill(victim, signal.SIGKILL)
        assert parent.stderr is not None
        line = next(line for line in parent.stderr if "died" in line)
        assert re.search(r"worker [01] died \(SIGKILL\)", line)
        wait_for(lambda: processes_of(url) == [other])
        assert [trial.state.name for trial in frozen(url)].count("FAIL") == 1
        os.killpg(parent.pid, signal.SIGINT)  # as a terminal does
        said = parent.communicate(timeout=60)[1]
    assert parent.returncode == 130
    assert re.search(r"interrupted; \d+ trials are in .*sweep.json; --resume goes on", said)
    assert "Traceback" not in said
    before = [each["state"] for each in json.loads((tmp_path / "sweep.json").read_text())["trials"]]
    assert before.count("lost") == 2 and before.count("complete") == len(before) - 2
    most = before.count("complete") + 1
    given = arguments(rows, tmp_path, *more, "--trials", most, "--resume", "--json", how=LONG)
    found = only_json(in_process(*given))
    assert [each["state"] for each in found["trials"]] == [*before, "complete"]


def test_an_interrupted_sweep_of_one_process_is_saved(rows: Path, tmp_path: Path) -> None:
    def interrupt() -> None:
        wait_for(lambda: processes_of(url_of(tmp_path)) == [os.getpid()])
        os.kill(os.getpid(), signal.SIGINT)

    from_outside = threading.Thread(target=interrupt)
    from_outside.start()
    result = in_process(*arguments(rows, tmp_path, *RATES, how=LONG))
    from_outside.join()
    assert result.returncode == 130
    assert result.stderr.splitlines()[-1].startswith("gatewright sweep: interrupted; 1 trials")
    (trial,) = json.loads((tmp_path / "sweep.json").read_text())["trials"]
    assert (trial["state"], trial["number"]) == ("lost", 0)


def test_a_worker_ends_when_the_command_is_gone(rows: Path, tmp_path: Path) -> None:
    swept(rows, tmp_path, *RATES, "--trials", 1)
    given = arguments(rows, tmp_path)
    chosen = recipe_of(build_parser(given).parse_args(given), Mnist8k)
    plan = Plan(chosen, {"learning_rate": Range(0.01, 0.3, log=True)}, url_of(tmp_path), "mnist-8k")
    with pytest.raises(KeyboardInterrupt):
        work(plan, 0, None, parent=os.getppid() + 1)
    assert [trial.state.name for trial in frozen(url_of(tmp_path))] == ["COMPLETE", "FAIL"]
