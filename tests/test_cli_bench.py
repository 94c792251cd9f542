from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gatewright as gw
from gatewright import engine_speed as speed
from gatewright import gates
from gatewright.cli import bench, main
from gatewright.counting import vote
from gatewright.encode import Thermometer
from gatewright.engine import Compiled
from gatewright.errors import InputError
from gatewright.model import Model

FAST = ("--seconds", "0.01", "--quiet")


@pytest.fixture(autouse=True)
def little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "MEMORY_BYTES", 1 << 20)
    monkeypatch.setattr(speed, "HOT_ROWS", 640)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    layers = speed.layered(40, 3, 30)
    whole = layers.then(vote(4, 10))
    path = tmp_path / "model.safetensors"
    Model(whole, 4, Thermometer(np.array([80, 160], np.float32), (15,))).save(path)
    return path


def said(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    assert main(["bench", *map(str, arguments), *FAST, "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    return json.loads(line)


def test_outputs_are_folded_to_few_and_every_gate_still_counts() -> None:
    circuit = speed.layered(50, 3, 100)
    few = speed.folded(circuit, 7)
    assert few.num_outputs == 7
    assert (few.num_fanouts[1:] > 0).all()
    words = speed.words_of(circuit, 3)
    parity = np.bitwise_xor.reduce(circuit.simulate(words))
    np.testing.assert_array_equal(np.bitwise_xor.reduce(few.simulate(words)), parity)
    assert speed.folded(circuit, 50).num_gates == circuit.num_gates


def assert_positive(values: dict[str, Any]) -> None:
    assert all(value > 0 for value in values.values()), values


# Circuits


@pytest.mark.parametrize(
    ("width", "depth", "num_inputs"), [(8, 25, 8), (50, 3, 100), (200, 4, 30), (3, 2, 3)]
)
def test_every_gate_of_layers_is_live_and_reads_two_nodes(
    width: int, depth: int, num_inputs: int
) -> None:
    circuit = speed.layered(width, depth, num_inputs)
    assert (circuit.num_gates, circuit.num_outputs) == (width * depth, width)
    assert (circuit.num_fanouts[1:] > 0).all()  # each reaches an output: so do its readers
    assert (circuit.fanin[:, 0] != circuit.fanin[:, 1]).all()
    assert len(np.unique(np.sort(circuit.fanin, axis=1), axis=0)) == circuit.num_gates
    assert circuit.depth == depth
    for table in np.unique(circuit.table).tolist():
        assert gates.invert_input(table, 0) != table != gates.invert_input(table, 1)
    assert len(np.unique(speed.layered(100, 3, 100).table)) == 10


def test_layers_that_cannot_be_are_refused() -> None:
    for size in ((10, 2, 21), (2, 2, 2), (1000, 2, 10), (10, 0, 10), (10, 2, 1)):
        with pytest.raises(InputError, match="inputs"):
            speed.layered(*size)


def test_a_vote_is_the_first_largest_group() -> None:
    rows = np.random.default_rng(0).random((500, 20)) < 0.5
    index = vote(4, 5)(rows) @ (1 << np.arange(2))
    np.testing.assert_array_equal(index, rows.reshape(500, 4, 5).sum(axis=2).argmax(axis=1))


# The command


def test_bench_says_how_fast_each_back_end_is(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = said(capsys, model)
    assert result.keys() == {"circuit", "gates", "threads", "limits", "backends", "skipped"}
    assert (result["threads"], result["gates"]) == (1, Model.load(model).circuit.num_gates)
    assert_positive(result["limits"])
    assert set(speed.backends()) <= result["backends"].keys()
    assert result["backends"].keys() | result["skipped"].keys() == {*speed.backends(), "c"}
    for name, values in result["backends"].items():
        assert_positive(values)
        assert values.keys() >= {
            "ready_ms", "gates_per_second", "samples_per_second", "share_of_logic",
            "rows_per_second", "share_of_memory",
        }  # fmt: skip
        assert ("bytes_a_gate" in values) == (name != "c")
    assert main(["bench", str(model), *FAST]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[3:]] == list(result["backends"])


def test_bench_without_a_model_takes_a_random_circuit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "SIZE", (100, 3, 80))
    monkeypatch.setattr(bench, "MAX_C_GATES", 299)
    result = said(capsys, "--threads", 2)
    assert (result["gates"], result["threads"]) == (350, 2)  # 50 more that XOR the outputs
    assert "over 299 gates" in result["skipped"]["c"]
    assert result["backends"].keys() == set(speed.backends())
    assert all("rows_per_second" not in values for values in result["backends"].values())


def test_bench_goes_on_without_a_c_compiler(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CC", "no-such-compiler")
    assert "no-such-compiler" in said(capsys, model)["skipped"]["c"]
    assert main(["bench", str(model), "--seconds", "0.01"]) == 0
    assert "c is left out: no C compiler" in capsys.readouterr().err


@pytest.mark.parametrize("what", ["__call__", "predict"])
def test_bench_times_nothing_that_computes_something_else(
    model: Path, what: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right = getattr(Compiled, what)

    def wrong(self: Compiled, x: np.ndarray) -> np.ndarray:
        is_wrong = self.backend == "interpreter" and x.shape[-1] > 1
        return right(self, x) ^ 1 if is_wrong else right(self, x)

    monkeypatch.setattr(Compiled, what, wrong)
    assert main(["bench", str(model), *FAST, "--json"]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert "interpreter does not" in output.err


def test_bench_refuses_no_threads(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", str(model), "--threads", "0"]) == 2
    assert "threads is 0" in capsys.readouterr().err


def test_bench_does_not_load_jax(model: Path) -> None:
    script = """
import sys
from gatewright import engine_speed
from gatewright.cli import main
engine_speed.MEMORY_BYTES = 1 << 20
assert main(["bench", sys.argv[1], "--seconds", "0.01", "--quiet"]) == 0
assert "jax" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script, model], check=True, capture_output=True)


# The rows of the benchmark


def test_results_have_a_peer_and_its_ratio() -> None:
    circuit = speed.layered(20, 3, 20)
    limit = speed.Limits(1.0, 1.0, 1.0)
    rows = speed.gate_rows("tiny", circuit, speed.backends(), limit, rounds=2, seconds=0.002)
    rows += speed.thread_rows("tiny", circuit, rounds=2, seconds=0.002) + speed.limit_rows(limit)
    for row in rows:
        assert row.keys() >= {"name", "value", "unit", "peer", "ratio"}
        assert (row["peer"] is None) == (row["ratio"] is None)
        assert row["value"] > 0
        if "spread" in row:
            assert row["spread"]["min"] <= row["value"] <= row["spread"]["max"]
    compiled, first = speed.ready(circuit, "interpreter")
    assert isinstance(compiled, gw.engine.Compiled)
    assert first.median > 0
