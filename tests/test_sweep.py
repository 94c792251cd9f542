"""Sweeps of a recipe for rows whose class is the brightest of three pixels: 60 steps a trial."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

from gatewright import experiment
from gatewright.cli import build_parser
from gatewright.cli.fields import recipe_of
from gatewright.journal import last_metrics
from gatewright.recipes.life import Life
from gatewright.recipes.mnist import Mnist8k
from gatewright.runs import load_model
from gatewright.search import Plan, Range
from gatewright.study import bury, open_study, trials_of
from test_cli import assert_refused, only_json
from test_cli_train import in_process

PLAIN = [
    "--layers", "L60:4", "--thermometer", "uniform:7", "--held-out", 50, "--batch-size", 25,
    "--rotate", 0, "--shear", 0, "--scale", 0, "--shift", 0, "--elastic", 0, "--seed", 0,
    "--polish", 0,
]  # fmt: skip
#: A trial in a few hundredths of a second; and one that lasts for some seconds.
QUICK, LONG = ("--steps", 60, "--chunk", 20), ("--steps", 40_000, "--chunk", 500)
RATES = ("--search", "learning_rate=0.01..0.3:log")
FOUR = ("--search", "learning_rate=0.05,0.2", "--search", "init=residual|gaussian")


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(1)
    x = rng.integers(0, 256, (400, 3)).astype(np.uint8)
    y = x.argmax(1)
    path = tmp_path_factory.mktemp("rows") / "rows.npz"
    np.savez(path, x_train=x[:300], y_train=y[:300], x_test=x[300:], y_test=y[300:])
    return path


def arguments(rows: Path, out: Path, *more: object, how: tuple[object, ...] = QUICK) -> list[str]:
    given = ["sweep", "mnist-8k", "--out", out, "--data-set", rows, *PLAIN, *how, *more]
    return [*map(str, given)]


def swept(rows: Path, out: Path, *more: object) -> dict[str, Any]:
    """What a sweep in this process found; it is what sweep.json says."""
    result = in_process(*arguments(rows, out, *more, "--json"))
    assert result.returncode == 0, result.stderr
    found = only_json(result)
    assert json.loads((out / "sweep.json").read_text()) == found
    return found


def trained(rows: Path, out: Path, *more: object) -> experiment.Result:
    """What `gatewright train` does with the same fields."""
    fields = (*PLAIN, *QUICK, *more)
    given = [*map(str, ("train", "mnist-8k", "--out", out, "--data-set", rows, *fields))]
    return experiment.run(recipe_of(build_parser(given).parse_args(given), Mnist8k), out)


def url_of(out: Path) -> str:
    return f"sqlite:///{out / 'sweep.db'}"


# What a sweep finds


@pytest.fixture(scope="module")
def whole(rows: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Seven trials in one go."""
    out = tmp_path_factory.mktemp("whole")
    search = (*RATES, "--search", "layers=L60:4|L30:4", "--trials", 7)
    return out, swept_without("--layers", rows, out, *search)


def swept_without(option: str, rows: Path, out: Path, *more: object) -> dict[str, Any]:
    given = arguments(rows, out, *more, "--json")
    at = given.index(option)
    result = in_process(*given[:at], *given[at + 2 :])
    assert result.returncode == 0, result.stderr
    return only_json(result)


def test_a_trial_is_the_training_that_train_does(
    rows: Path, whole: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    """Its accuracy is that on the held-out rows, its gates those of the swept circuit."""
    _, found = whole
    for number in (found["front"][0], found["front"][-1]):
        best = found["trials"][number]
        params = best["params"]
        fields = "--learning-rate", params["learning_rate"], "--layers", params["layers"]
        result = trained(rows, tmp_path / str(number), *fields)
        hard = last_metrics(tmp_path / str(number)).hard_accuracy
        assert best["accuracy"] == pytest.approx(100 * hard, abs=1e-3)
        assert best["gates"] == result.gates_swept
        assert 0 < best["depth"] < best["gates"]


def test_a_trial_is_polished_as_train_polishes(rows: Path, tmp_path: Path) -> None:
    found = swept_without("--polish", rows, tmp_path / "sweep", "--search", "polish=0,2")
    by_polish = {trial["params"]["polish"]: trial for trial in found["trials"]}
    result = trained(rows, tmp_path / "run", "--polish", 2)
    assert by_polish[2]["gates"] == result.gates_swept != by_polish[0]["gates"]
    given = ["train", "mnist-8k", "--out", "x", "--data-set", rows, *PLAIN, *QUICK, "--polish", 2]
    words = [*map(str, given)]
    chosen = recipe_of(build_parser(words).parse_args(words), Mnist8k)
    x, y = chosen.options()["held_out"]
    right = (load_model(str(tmp_path / "run")).predict(x) == y).mean()
    assert by_polish[2]["accuracy"] == pytest.approx(100 * right, abs=1e-3)


def test_the_front_is_in_the_files(whole: tuple[Path, dict[str, Any]]) -> None:
    out, found = whole
    trials = found["trials"]
    assert [trial["number"] for trial in trials] == list(range(7))
    assert {trial["state"] for trial in trials} == {"complete", "pruned"}
    assert trials[found["front"][0]]["accuracy"] > 70
    assert found["objectives"]["accuracy"] == "maximize"
    assert found["versions"]["optuna"] == optuna.__version__
    assert (found["study"], found["recipe"], found["held_out"]) == ("mnist-8k", "mnist-8k", 50)
    picture = (out / "sweep.svg").read_text()
    complete = [trial for trial in trials if trial["state"] == "complete"]
    assert f"{len(complete)} circuits, {len(found['front'])} on the front" in picture


def test_a_sweep_in_two_parts_is_the_one_in_one_go_and_reads_no_test_rows(
    rows: Path, whole: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    """The second part finds other rows of the test in the same file."""
    _, found = whole
    search = (*RATES, "--search", "layers=L60:4|L30:4", "--trials")
    swept_without("--layers", rows, tmp_path, *search, 5)
    arrays = dict(np.load(rows))
    before = rows.read_bytes()
    try:
        np.savez(rows, **arrays | {"y_test": 2 - arrays["y_test"]})
        again = swept_without("--layers", rows, tmp_path, *search, 7, "--resume")
    finally:
        rows.write_bytes(before)
    assert again == found


def test_pruning_can_be_turned_off(
    rows: Path, whole: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    """Trials that were not pruned are then what they were, up to the first that was."""
    _, found = whole
    search = (*RATES, "--search", "layers=L60:4|L30:4", "--pruner", "none")
    first = next(trial["number"] for trial in found["trials"] if trial["state"] == "pruned")
    plain = swept_without("--layers", rows, tmp_path, *search, "--trials", first + 1)
    assert {trial["state"] for trial in plain["trials"]} == {"complete"}
    assert plain["trials"][:first] == found["trials"][:first]
    assert plain["trials"][first]["params"] == found["trials"][first]["params"]


def test_a_trial_is_compared_with_networks_no_larger(tmp_path: Path) -> None:
    plan = Plan(Life(), {"width": Range(8, 16)}, url_of(tmp_path), "one")
    pruner = open_study(plan, resume=False).pruner
    study = optuna.load_study(storage=plan.url, study_name=plan.study, pruner=pruner)
    for i, gates in enumerate([10, 10, 10, 10, 10, 99]):
        attributes = {"network_gates": gates, "gates": gates, "depth": 1}
        reports = {14: 0.1, 30: 0.5 + 0.02 * i, 60: 0.9}
        study.add_trial(
            optuna.trial.create_trial(value=0.9, user_attrs=attributes, intermediate_values=reports)
        )

    def is_pruned(gates: int, *reports: tuple[int, float]) -> bool:
        trial = study.ask()
        trial.set_user_attr("network_gates", gates)
        for at, value in reports:
            trial.report(value, at)
        return trial.should_prune()

    # Of those with 10 gates the median after 33 % is that of 30 %: .54.
    assert is_pruned(10, (33, 0.53))
    assert not is_pruned(10, (33, 0.55))
    assert not is_pruned(10, (25, 0.6), (33, 0.53))  # the best so far counts
    assert not is_pruned(10, (19, 0.0))  # too early
    assert is_pruned(10, (25, 0.09))
    assert not is_pruned(9, (33, 0.1))  # none is as small
    assert not is_pruned(10, (13, 0.1))


def test_what_was_tried_is_not_trained_again(rows: Path, tmp_path: Path) -> None:
    found = swept(rows, tmp_path, *FOUR, "--search", "warm_up=0,2", "--trials", 7)
    assert len(found["trials"]) == 7
    again = [trial for trial in found["trials"] if trial["same_as"] is not None]
    assert again
    for trial in again:
        first = found["trials"][trial["same_as"]]
        assert first["number"] < trial["number"]
        assert (first["same_as"], first["params"]) == (None, trial["params"])
        for name in ("accuracy", "gates", "depth"):
            assert trial[name] == first[name]


def test_trials_that_fail_are_told_and_the_others_go_on(rows: Path, tmp_path: Path) -> None:
    search = ("--search", "layers=L60:4|L61:4", "--search", "init=residual|gaussian")
    found = swept_without("--layers", rows, tmp_path / "some", *search)
    failed = [trial for trial in found["trials"] if trial["state"] == "failed"]
    assert [trial["params"]["layers"] for trial in failed] == ["L61:4", "L61:4"]
    assert all("multiple of 3 outputs" in trial["error"] for trial in failed)
    assert len(found["trials"]) == 4
    all_bad = arguments(rows, tmp_path / "none", *RATES, "--label-smoothing", 2, "--quiet")
    assert_refused(in_process(*all_bad), 2, "none of 5 trials succeeded", "label_smoothing")


def test_rows_are_held_out_where_the_recipe_holds_out_none(rows: Path, tmp_path: Path) -> None:
    given = arguments(rows, tmp_path / "a", *FOUR, "--held-out", 0, "--trials", 4, "--json")
    result = in_process(*given)
    assert only_json(result)["held_out"] == 30
    assert "30 training rows that are held out, since the recipe holds out none" in result.stderr
    life = ["life", "--out", str(tmp_path / "b"), "--depth", "2", "--steps", "50"]
    result = in_process("sweep", *life, "--search", "width=16,32", "--trials", 1, "--json")
    found = only_json(result)
    assert "51 training rows that are held out, since" in result.stderr
    for trial in found["trials"]:  # of 51 rows
        num_right = trial["accuracy"] * 51 / 100
        assert num_right == pytest.approx(round(num_right), abs=1e-3)
    assert found["held_out"] == 51


def test_tau_is_tuned_in_each_trial_where_the_recipe_says_so(rows: Path, tmp_path: Path) -> None:
    tuning = ("--tune-tau", 2, "--tau", 0.2)
    search = ("--search", "learning_rate=0.04..0.05", "--trials", 1)
    trial = swept(rows, tmp_path / "a", *search, *tuning)["trials"][0]
    rate = ("--learning-rate", trial["params"]["learning_rate"])
    result = trained(rows, tmp_path / "b", *tuning, *rate)
    tried = json.loads((tmp_path / "b" / "tau.json").read_text())
    assert tried["tau"] != next(iter(map(float, tried["hard_accuracy"])))
    assert trial["gates"] == result.gates_swept


def test_the_table_goes_to_stdout_and_the_way_to_stderr(rows: Path, tmp_path: Path) -> None:
    result = in_process(*arguments(rows, tmp_path, *FOUR))
    assert "Pareto front" in result.stdout
    assert result.stdout.splitlines()[-1] == "4 trials: 4 complete"
    found = json.loads((tmp_path / "sweep.json").read_text())
    best = found["trials"][found["front"][0]]
    row = next(line for line in result.stdout.splitlines() if f"{best['accuracy']:.2f}" in line)
    assert row.split()[0] == str(best["number"])
    assert row.split()[-1] == best["params"]["init"]
    assert result.stderr.count("\ntrial ") == 4
    quiet = in_process(*arguments(rows, tmp_path, *FOUR, "--resume", "--quiet"))
    assert (quiet.stdout, quiet.stderr) == (result.stdout, "")


def test_no_trial_begins_after_the_time(rows: Path, tmp_path: Path) -> None:
    found = swept(rows, tmp_path, *RATES, "--seconds", 2)
    assert len(found["trials"]) >= 1


def test_what_makes_no_sense_is_refused(rows: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    def refused(code: int, said: str, *more: object) -> None:
        assert_refused(in_process(*arguments(rows, out, "--quiet", *more)), code, said)

    refused(2, "nothing is searched")
    refused(2, "--search names a field twice", *RATES, *FOUR)
    refused(2, "--batch-size is given and searched", "--search", "batch_size=5,10")
    refused(2, "at least 1", *RATES, "--workers", 0)
    refused(2, "not an address of a database", *RATES, "--storage", "here")
    refused(2, "not an address of a database", *RATES, "--storage", "nosuch://a:secret@b/c")
    refused(2, "cannot be opened", *RATES, "--storage", f"sqlite:///{tmp_path}/no/such.db")
    refused(2, "cannot be opened", *RATES, "--storage", f"journal:///{tmp_path}/no/such.log")
    refused(
        3, "postgresql://a:***@b/c: needs a driver", *RATES, "--storage", "postgresql://a:x@b/c"
    )
    swept(rows, out, *FOUR, "--trials", 4)
    refused(2, "holds a sweep named 'mnist-8k'; --resume", *FOUR)
    refused(2, "has batch_size 25, not 20", *FOUR, "--batch-size", 20, "--resume")
    refused(2, "has pruner 'median', not 'none'", *FOUR, "--pruner", "none", "--resume")
    refused(2, "has init", *FOUR[:2], "--resume")


def test_without_optuna_the_line_that_installs_it_is_said(
    rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    result = in_process(*arguments(rows, tmp_path / "out", *RATES))
    assert_refused(result, 3, "pip install 'gatewright[sweep]'")
    assert not (tmp_path / "out").exists()


def test_only_the_dead_are_buried(tmp_path: Path) -> None:
    plan = Plan(Life(), {"width": Range(8, 16)}, url_of(tmp_path), "one")
    open_study(plan, resume=False)
    study = optuna.load_study(storage=plan.url, study_name=plan.study)
    host = os.uname().nodename
    with subprocess.Popen([sys.executable, "-c", "pass"]) as gone:
        pass
    for process in (f"{host}:{os.getppid()}", f"{host}:{gone.pid}", f"elsewhere:{gone.pid}", None):
        trial = study.ask()
        if process is not None:
            trial.set_user_attr("process", process)
    bury(study)
    assert [trial.state for trial in trials_of(study)] == ["running", "lost", "running", "running"]
