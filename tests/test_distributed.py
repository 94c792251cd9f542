"""Two processes on this machine that train one network, against one process."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
import pytest

from gatewright.adam import Adam
from gatewright.distributed import Team, join
from gatewright.errors import InputError
from gatewright.heads import GroupSum
from gatewright.layers import Gates
from gatewright.learned import LearnedGates
from gatewright.network import Network
from gatewright.storage import load_arrays
from gatewright.train import fit, kernel_of, train
from test_cli import COMMAND, ENVIRONMENT, assert_refused, only_json
from test_cli_train import in_process

RNG = np.random.default_rng(5)
X = RNG.integers(0, 2, (48, 8)).astype(bool)
Y = (X[:, 0] ^ (X.sum(axis=1) > 4)).astype(np.int32)
OPTIMIZER = Adam(0.05, weight_decay=0.01)
#: 48 rows in batches of 16, each in four parts; ended by patience or by its steps.
OPTIONS: dict[str, Any] = {
    "steps": 40, "batch_size": 16, "shards": 4, "chunk": 5, "patience": 4, "held_out": (X, Y),
    "seed": 2,
}  # fmt: skip


def learner(form: str = "softmax") -> Network:
    return Network(
        LearnedGates(8, 24, 3, key=(1, 0), parametrisation=form),
        Gates(24, 12, key=(1, 1), parametrisation=form),
        head=GroupSum(2, tau=2.0),
    )


def arrays_of(tree: Any) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in jax.tree_util.tree_leaves(tree)]


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def two(*command: object) -> list[subprocess.Popen[str]]:
    """Two processes of a command, whose last argument is the number of each."""
    return [
        subprocess.Popen(
            [sys.executable, *map(str, command), str(index)],
            env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for index in range(2)
    ]  # fmt: skip


# A batch in parts, in one process


@pytest.mark.parametrize(("kernel", "form"), [("auto", "softmax"), ("jax", "gumbel")])
def test_parts_add_up_to_the_batch(kernel: Any, form: str) -> None:
    """Steps from parts are those from the whole batch, but for rounding."""
    optimizer = optax.sgd(0.5)  # Adam makes large steps of the smallest gradients' rounding
    options = {**OPTIONS, "steps": 6, "kernel": kernel}
    del options["patience"]
    whole, parts = (
        list(train(learner(form), X, Y, optimizer, **{**options, "shards": shards}))[-1]
        for shards in (1, 4)
    )
    assert parts.metrics.loss == pytest.approx(whole.metrics.loss, rel=1e-5)
    for a, b in zip(arrays_of(parts.network), arrays_of(whole.network), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    assert parts.metrics.soft_accuracy == pytest.approx(whole.metrics.soft_accuracy)
    assert (parts.metrics.hard_accuracy, parts.step) == (whole.metrics.hard_accuracy, 6)
    moved = arrays_of(whole.network)[0] - arrays_of(learner(form))[0]
    assert np.abs(moved).max() > 0.01


def test_what_cannot_be_shared_is_refused() -> None:
    def refused(said: str, **options: Any) -> None:
        with pytest.raises(InputError, match=said):
            fit(learner(), X, Y, OPTIMIZER, **{**OPTIONS, **options})

    refused("batch of 16 rows cannot be cut into 3 equal parts", shards=3)
    refused("shards is at least 1, not 0", shards=0)
    refused("kernel='native' cannot .* a batch as a whole, in one process", kernel="native")
    assert kernel_of(learner(), OPTIMIZER, kernel="jax", shards=2) == (
        "JAX on cpu (batches in 2 parts, 1 process)"
    )
    assert "native (" in kernel_of(learner(), OPTIMIZER)


def test_processes_that_cannot_join_say_why(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="go together"):
        join("127.0.0.1:1", None, 0)
    with pytest.raises(InputError, match="--process 2: of 2, numbered from 0"):
        join("127.0.0.1:1", 2, 2)
    life = in_process("train", "life", "-o", tmp_path, "--distributed")
    assert_refused(life, 2, "life trains in one process")


def test_each_process_takes_its_part() -> None:
    teams = [Team(3, index) for index in range(3)]
    assert [part for team in teams for part in team.parts(6)] == list(range(6))
    assert [team.is_first for team in teams] == [True, False, False]


# Two processes


def test_two_processes_agree_and_train_to_the_bits_of_one() -> None:
    alone = fit(learner(), X, Y, OPTIMIZER, **OPTIONS)
    processes = two(Path(__file__).with_name("team_of_two.py"), free_port())
    said = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said[0][1] + said[1][1]
    first, second = (json.loads(out.splitlines()[0]) for out, _ in said)
    assert (first["team"], second["team"]) == ([2, 0, [0, 1]], [2, 1, [2, 3]])
    for found in (first, second):
        assert found["alone"] == 1
        assert "shards is 3, for 2 processes; give a multiple of 2" in found["three"]
        assert found["rows"] == [[0, 1, 2], [10, 11, 12]]
        assert found["said"] == ["ä", 0]
        assert found["any"] == [True, False]
        assert found["first"] == [[0, 1, 2]]
        assert "different parameters after step 7" in found["differing"]
        bits = [np.asarray(layer.parameters).tobytes().hex() for layer in alone.layers]
        assert found["logits"] == bits
    assert (first["agreed"], second["agreed"]) == ("process 1: only here", "only here")
    assert "process 0 has lost another one" in said[0][0].splitlines()[1]


def test_a_run_of_two_that_is_cut_and_resumed_is_that_of_one(tmp_path: Path) -> None:
    """One of them is interrupted; the second has a folder of its own, which it leaves alone."""
    x = RNG.integers(0, 256, (400, 3)).astype(np.uint8)
    y = x.argmax(1)
    rows, out, other = tmp_path / "rows.npz", tmp_path / "two", tmp_path / "other"
    np.savez(rows, x_train=x[:300], y_train=y[:300], x_test=x[300:], y_test=y[300:])
    fields = [
        "--data-set", rows, "--layers", "L60:4", "--thermometer", "uniform:7", "--held-out", 50,
        "--batch-size", 20, "--steps", 800, "--chunk", 50, "--patience", 1000, "--seed", 3,
        "--rotate", 0, "--shear", 0, "--scale", 0, "--shift", 0, "--elastic", 0, "--polish", 0,
        "--narrow", "0.03:3,0.5:2",
    ]  # fmt: skip

    def start(*more: object) -> list[subprocess.Popen[str]]:
        joined = "--coordinator", f"127.0.0.1:{free_port()}", "--processes", 2, "--process"
        command = [*map(str, (*COMMAND[1:], "train", "mnist-8k", *fields, *more))]
        return [
            subprocess.Popen(
                [sys.executable, *command, "-o", str(folder), *map(str, joined), str(index)],
                env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )
            for index, folder in enumerate((out, other))
        ]  # fmt: skip

    processes = start()
    metrics = out / "metrics.jsonl"
    while processes[0].poll() is None and not (metrics.exists() and metrics.stat().st_size):
        time.sleep(0.02)
    processes[1].send_signal(signal.SIGINT)
    said = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [130, 130], said
    step = json.loads(metrics.read_text().splitlines()[-1])["step"]
    assert 0 < step < 800
    assert f"interrupted after step {step}, which is saved" in said[0][1]

    processes = start("--resume", "--json")
    said = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    result = json.loads(said[0][0])  # one line, and nothing else
    assert said[1][0] == ""
    assert not other.exists()
    assert "2 parts, 2 processes" in result["kernel"]

    alone = in_process(
        "train", "mnist-8k", *fields, "-o", tmp_path / "one", "--shards", 2, "--json", "--quiet"
    )
    wanted = only_json(alone)
    for name in ("accuracy_soft", "accuracy_hard", "loss", "gates_swept", "steps"):
        assert result[name] == wanted[name]
    for name in ("checkpoint", "best", "model"):
        a, b = (load_arrays(tmp_path / run / f"{name}.safetensors")[0] for run in ("two", "one"))
        assert a.keys() == b.keys()
        for key, array in a.items():
            np.testing.assert_array_equal(array, b[key], err_msg=key)
    refused = in_process("train", "mnist-8k", *fields, "-o", out, "--resume", "--shards", 4)
    assert_refused(refused, 2, "this run has shards 2, not 4")
