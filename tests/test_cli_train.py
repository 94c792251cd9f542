"""`gatewright train` of a recipe with images: cut, resumed and uncut, on the kernel at hand."""

from __future__ import annotations

import contextlib
import io
import json
import signal
import subprocess
import time
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from gatewright import data
from gatewright.cli import build_parser, main
from gatewright.cli.fields import field_docs, recipe_of
from gatewright.cli.progress import Pace, duration
from gatewright.model import Model
from gatewright.recipes import RECIPES, recipe
from gatewright.recipes.mnist import Mnist8k
from gatewright.train import Metrics
from test_cli import COMMAND, ENVIRONMENT, assert_refused, only_json

STEPS = 500
TINY = (
    "--layers", "L300:4,G400", "--batch-size", 20, "--steps", STEPS, "--chunk", 25,
    "--held-out", 300, "--seed", 2, "--threads", 1, "--polish", 0,
)  # fmt: skip


def in_process(*arguments: object) -> subprocess.CompletedProcess[str]:
    """What the command does, in this process, where JAX is loaded already."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code: Any = main([*map(str, arguments)])
        except SystemExit as stop:  # from argparse
            code = stop.code
    return subprocess.CompletedProcess((), code, out.getvalue(), err.getvalue())


@dataclass(frozen=True)
class Runs:
    """Three trainings of one recipe: cut short, continued, never cut.

    The first and the last have processes of their own.
    """

    code: int
    step: int
    cut: Path
    whole: Path
    resumed: subprocess.CompletedProcess[str]
    uncut: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    cut, whole = tmp_path_factory.mktemp("cut"), tmp_path_factory.mktemp("whole")
    arguments = ["train", "mnist-8k", "--out", cut, "--quiet", *TINY]
    with subprocess.Popen([*COMMAND, *map(str, arguments)], env=ENVIRONMENT) as process:
        metrics = cut / "metrics.jsonl"
        while process.poll() is None and not (metrics.exists() and metrics.stat().st_size):
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
    step = json.loads(metrics.read_text().splitlines()[-1])["step"]
    resumed = in_process("train", "mnist-8k", "-o", cut, "--resume", *TINY, "--json")
    others = ("--threads", 2, "--json")  # the result does not depend on them
    arguments = ["train", "mnist-8k", "--output", whole, *TINY, *others]
    uncut = subprocess.run(
        [*COMMAND, *map(str, arguments)], env=ENVIRONMENT, capture_output=True, text=True
    )
    return Runs(process.returncode, step, cut, whole, resumed, uncut)


def test_a_run_that_is_cut_and_resumed_is_the_run_that_is_not(runs: Runs) -> None:
    assert runs.code == 130
    assert 0 < runs.step < STEPS
    for name in ("model.safetensors", "checkpoint.safetensors"):
        cut, whole = (load_file(folder / name) for folder in (runs.cut, runs.whole))
        assert cut.keys() == whole.keys()
        for key, array in cut.items():
            np.testing.assert_array_equal(array, whole[key], err_msg=key)
    name = "model.safetensors"
    assert (runs.cut / name).read_bytes() == (runs.whole / name).read_bytes()
    results = only_json(runs.resumed), only_json(runs.uncut)
    differing = {"cpu_seconds", "wall_seconds", "peak_rss_mb", "kernel"}
    kept = [{k: v for k, v in result.items() if k not in differing} for result in results]
    assert kept[0] == kept[1]


def test_the_result_is_what_the_model_says_of_the_test(runs: Runs) -> None:
    result = only_json(runs.uncut)
    test = data.load("mnist")[1]
    model = Model.load(runs.whole / "model.safetensors")
    hard = 100 * float((model.predict(test.x) == test.y).mean())
    assert result["accuracy_hard"] == pytest.approx(hard, abs=1e-3)
    assert hard > 60
    assert result["gap"] == pytest.approx(result["accuracy_soft"] - hard, abs=1e-3)
    assert (result["recipe"], result["seed"], result["gates"]) == ("mnist-8k", 2, 700)
    assert result["steps"] == STEPS
    assert result["epochs"] == pytest.approx(STEPS * 20 / 59_700, abs=1e-3)
    assert result["gates_extracted"] == model.circuit.num_gates > result["gates_swept"]
    assert result["gates_swept"] > result["gates_swept_body"] > 100
    assert result["wall_seconds"] > 0
    assert result["cpu_seconds"] > 0
    assert 50 < result["peak_rss_mb"] < 4000
    swept = in_process("optimize", runs.whole, "-p", "strash; sweep", "--json", "--quiet")
    assert only_json(swept)["gates_after"] == result["gates_swept"]


def test_the_soft_accuracy_is_taken_at_the_final_temperature(runs: Runs) -> None:
    """There the network is all but hard, while at the first one it is not."""
    result = only_json(runs.uncut)
    assert result["decided"] > 0.9
    assert abs(result["gap"]) < 3


def test_the_kernel_and_the_way_are_told(runs: Runs) -> None:
    kernel, first, *_, last, remark = runs.uncut.stderr.splitlines()
    assert kernel == f"kernel: {only_json(runs.uncut)['kernel']}"
    assert first.startswith(f"step 25 of {STEPS}: loss ")
    assert last.startswith(f"step {STEPS} of {STEPS}: loss ")
    assert last.endswith(" steps/s, 0:00 left")
    assert remark.endswith(f"{runs.whole / 'model.safetensors'}")
    assert (runs.whole / "curves.svg").read_text().startswith("<svg")


def test_folding_halves_the_votes_of_a_run(runs: Runs, tmp_path: Path) -> None:
    into = tmp_path / "folded"
    arguments = ("fold", runs.whole, "-o", into, "--epochs", 0.2, "--threads", 1)
    folded = in_process(*arguments, "--keep", 0.5, "--json")
    first, second = only_json(folded)["points"]
    assert "; " in folded.stderr.splitlines()[-2]  # the last line of progress: steps, and a pace
    assert folded.stderr.splitlines()[-2].startswith("step ")
    bad = in_process("fold", runs.whole, "-o", into, "--keep", "half")
    assert_refused(bad, 2, "--keep", "'half'")
    result = only_json(runs.uncut)
    assert first["accuracy_test"] == pytest.approx(result["accuracy_hard"], abs=1e-3)
    assert (first["keep"], first["folder"], second["keep"]) == (1, None, 0.5)
    assert second["gates"] < 0.75 * first["gates"]
    model = Model.load(into / "keep-0.5" / "model.safetensors")
    test = data.load("mnist")[1]
    hard = 100 * float((model.predict(test.x) == test.y).mean())
    assert second["accuracy_test"] == pytest.approx(hard, abs=1e-3)
    assert hard > 60
    assert model.circuit.num_gates == second["gates"]
    assert json.loads((into / "fold.json").read_text())["points"] == [first, second]
    assert (into / "fold.svg").read_text().startswith("<svg")
    assert_refused(in_process(*arguments), 2, "folded", "holds results", "choose another")
    nothing = in_process("fold", runs.cut.parent, "-o", tmp_path / "other")
    assert_refused(nothing, 2, "recipe.json", "run folder")


def test_fields_are_typed_options() -> None:
    arguments = [
        "train", "mnist-8k", "-o", "x", "--flip", "--strength", "2.5", "--tau", "auto",
        "--epochs", "0.5", "--held-out", "0", "--thermometer", "quantile:3",
    ]  # fmt: skip
    chosen = recipe_of(build_parser(arguments).parse_args(arguments), Mnist8k)
    assert chosen == Mnist8k(
        flip=True, strength=2.5, tau=None, epochs=0.5, held_out=0, thermometer="quantile:3"
    )


@pytest.mark.parametrize("name", RECIPES)
def test_the_help_says_what_every_field_is(name: str) -> None:
    kind = recipe(name)
    docs = field_docs(kind)
    assert {field.name for field in fields(kind)} <= docs.keys()
    helped = " ".join(in_process("train", name, "--help").stdout.split())
    for field in fields(kind):
        about = " ".join(docs[field.name].split()).rstrip(".")
        assert len(about) > 5
        default = "auto" if field.default is None else field.default
        assert f"{about} ({default})" in helped


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (("--tau", "none"), ["--tau", "'none'"]),
        (("--layers", "8000"), ["'8000' is not a layer", "write G8000"]),
        (("--form", "lut"), ["unknown parametrisation 'lut'"]),
        (("--selection", "firm"), ["unknown selection 'firm'"]),
        (("--epochs", "0"), ["--steps 0", "at least 1 step"]),
        (("--held-out", "60000"), ["held_out is 60000"]),
        (("--data-set", "mnits"), ["'mnits' is not known"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_bad_fields_are_refused_before_anything_is_written(
    options: tuple[str, ...], parts: list[str], tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    assert_refused(in_process("train", "mnist-8k", "-o", folder, *options), 2, *parts)
    assert not folder.exists()


def metrics_at(step: int, seconds: float) -> Metrics:
    zeros: dict[str, Any] = {"loss": 0, "soft_accuracy": 0, "hard_accuracy": 0, "decided": 0}
    return Metrics(step, **zeros, wall_seconds=seconds)


def test_the_pace_leaves_out_the_first_chunk() -> None:
    pace = Pace(1000)
    assert pace(metrics_at(100, 60.0)) == ""
    assert pace(metrics_at(200, 62.0)) == "50 steps/s, 0:16 left"
    assert pace(metrics_at(300, 110.0)) == "4.0 steps/s, 2:55 left"
    assert pace(metrics_at(1000, 150.0)) == "10 steps/s, 0:00 left"


def test_durations_are_spelt() -> None:
    spelt = {0: "0:00", 59.2: "1:00", 61: "1:01", 3599: "59:59", 3600: "1:00:00", 36061: "10:01:01"}
    assert {seconds: duration(seconds) for seconds in spelt} == spelt
