"""The main job from end to end, as a user runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gatewright import life, life_speed
from gatewright.automata import Board, life_circuit, life_rule, step
from gatewright.model import Model
from gatewright.recipes import recipe
from gatewright.targets import read
from gatewright.verify import prove


def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gatewright", *arguments],
        capture_output=True, text=True, timeout=300, check=False, **options,
    )  # fmt: skip


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("life")
    done = run("life", "--seed", "5", "--out", str(folder), "--quick", "--json", "--quiet")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return folder, json.loads(done.stdout)


def test_quick_says_what_it_did(quick: tuple[Path, dict[str, Any]]) -> None:
    _, result = quick
    assert result["seed"] == 5
    assert result["wrong_rows"] == 0
    assert result["gates"] <= 60 < result["gates_extracted"]
    assert result["proof"] == "equal on all 512 input rows (exhaustive)"
    assert result["steps"] > 0
    assert result["cpu_seconds"] > 0


def test_the_files_are_the_circuit(quick: tuple[Path, dict[str, Any]]) -> None:
    folder, result = quick
    circuit = read(folder / "life.blif")
    assert circuit.input_names == tuple(f"x{i}" for i in range(9))
    assert circuit.output_names == ("y",)
    assert circuit.num_gates == result["gates"]
    rows = (np.arange(512)[:, None] >> np.arange(9)) & 1 == 1
    assert (circuit(rows) == life_rule(rows)).all()
    prove(Model.load(folder / "model.safetensors"), circuit)
    for name in ("life.c", "life.h", "life_board.c", "REPORT.md", "circuit.svg", "result.json"):
        assert (folder / name).stat().st_size > 0, name
    assert f"| walk | {result['gates']} |" in (folder / "REPORT.md").read_text()


def test_prove_takes_the_run_folder(quick: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = quick
    done = run("prove", str(folder), str(folder / "life.blif"))
    assert (done.returncode, done.stdout) == (0, "equal on all 512 input rows (exhaustive)\n")


def test_a_wrong_circuit_is_reported(tmp_path: Path) -> None:
    done = run("life", "--out", str(tmp_path), "--steps", "25", "--quick", "--json", "--quiet")
    result = json.loads(done.stdout)
    assert done.returncode == 1
    assert result["wrong_rows"] > 0
    assert result["proof"].startswith("NOT equal")
    assert "rows WRONG" in (tmp_path / "REPORT.md").read_text()
    circuit = read(tmp_path / "life.blif")
    rows = (np.arange(512)[:, None] >> np.arange(9)) & 1 == 1
    assert int((circuit(rows) != life_rule(rows)).sum()) == result["wrong_rows"]


def test_an_interrupt_loses_nothing(quick: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    """SIGINT in mid-training, then --resume: the same circuit as in one go."""
    folder, _ = quick
    command = [sys.executable, "-m", "gatewright", "life", "--seed", "5", "--out", str(tmp_path)]
    child = subprocess.Popen([*command, "--quick"], stderr=subprocess.PIPE, text=True)
    journal = tmp_path / "metrics.jsonl"
    while child.poll() is None and not (journal.exists() and journal.stat().st_size):
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    _, stderr = child.communicate(timeout=60)
    assert child.returncode == 130, stderr
    steps = [json.loads(line)["step"] for line in journal.read_text().splitlines()]
    assert f"interrupted after step {steps[-1]}, which is saved" in stderr
    assert not (tmp_path / "model.safetensors").exists()
    done = run(*command[3:], "--quick", "--resume", "--quiet")
    assert done.returncode == 0, done.stderr
    for name in ("model.safetensors", "life.blif"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_resuming_with_another_seed_is_refused(quick: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = quick
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    done = run("life", "--seed", "6", "--out", str(folder), "--quick", "--resume", "--quiet")
    assert done.returncode == 2
    assert "seed 5, not 6" in done.stderr
    assert done.stderr.count("\n") == 1
    assert before == {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--size", "big", "--watch"), "--size 'big'"),
        (("--learn",), "--learn goes with --watch"),
        (("--pattern", "nosuch", "--watch"), "nosuch"),
        (("--watch", "--circuit", "nosuch.blif"), "nosuch.blif"),
        (("--seed", "x"), "--seed"),
    ],
)
def test_bad_options(arguments: tuple[str, ...], word: str, tmp_path: Path) -> None:
    done = run("life", "--out", str(tmp_path / "run"), *arguments)
    assert done.returncode == 2
    assert word in done.stderr
    assert done.stderr.count("\n") == 1


def test_no_compiler_is_a_missing_tool(quick: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    """Before it trains, and naming the line that installs it."""
    environment = {**os.environ, "PATH": str(tmp_path), "CC": ""}
    done = run("life", "--out", str(tmp_path / "run"), "--quiet", env=environment)
    assert done.returncode == 3
    assert "apt-get install gcc" in done.stderr
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


def test_unwritable_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("life", "--out", str(tmp_path / "file" / "run"), "--quick", "--quiet")
    assert done.returncode == 2
    assert "choose another" in done.stderr
    assert done.stderr.count("\n") == 1


def test_speed_is_of_the_circuit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every contender is checked against simulation before it is timed."""
    monkeypatch.setattr(life_speed, "CALL_SECONDS", 0.002)
    speed = life_speed.measure(life_circuit(), None, tmp_path, rounds=3)
    names = [row["name"] for row in speed["rows"]]
    assert len(names) == 5
    assert any(name.startswith("engine, ") for name in names)
    assert any(name.startswith("hand-written") for name in names)
    for row in speed["rows"]:
        rate = row["cells_per_second"]
        assert 0 < rate["min"] <= rate["median"] <= rate["max"]
    builder_circuit = life_circuit()
    wrong = type(builder_circuit)(
        builder_circuit.fanin, builder_circuit.table ^ np.uint8(8), builder_circuit.outputs,
        builder_circuit.input_names, builder_circuit.output_names,
    )  # fmt: skip
    with pytest.raises(RuntimeError, match="hand-written Life"):
        life_speed.measure(wrong, None, tmp_path / "wrong", rounds=1)


def test_the_networks_step_boards_as_the_circuit_does(tmp_path: Path) -> None:
    learned = life.learn(recipe("life")(seed=1), tmp_path)
    hard = next(c for c in life_speed._networks(learned.network) if c.is_exact)
    board = Board.random(17, 9, 0.4, seed=3)
    assert hard.run(board, 3) == step(life_circuit(), board, 3)


def test_life_tree_is_the_published_shape() -> None:
    chosen = recipe("life-tree")()
    widths = [layer.num_outputs for layer in chosen.network().layers]
    assert widths == [*[128] * 17, 64, 32, 16, 8, 4, 2, 1]
    assert asdict(chosen)["seed"] == 0
