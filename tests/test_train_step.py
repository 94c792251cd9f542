"""The parts of benchmarks/train_step.py that are plain arithmetic."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(autouse=True)
def benchmarks_on_the_path(monkeypatch):
    before = set(sys.modules)
    monkeypatch.syspath_prepend(BENCHMARKS)
    yield
    for name in set(sys.modules) - before:
        if name == "train_step" or name.split(".")[0] == "lib":
            del sys.modules[name]


def test_a_chunks_own_cost_is_shared_by_an_epochs_steps():
    from lib.stepping import Took, step_of

    step, own = Took(2.0, 3.0), Took(40.0, 50.0)
    chunk, single = (Took(n * step.cpu + own.cpu, n * step.wall + own.wall) for n in (100, 1))
    found = step_of(chunk, single, 100, 20)
    assert found.cpu == pytest.approx(2.0 + 40.0 / 20)
    assert found.wall == pytest.approx(3.0 + 50.0 / 20)


def test_ratios_pair_the_rounds():
    from lib.stepping import ratios

    assert ratios([10, 40, 30], [1, 2, 10]) == {"median": 10, "min": 3, "max": 20}


def test_counts_add_up_by_gate_sample_and_parameter():
    from lib import peak

    each = peak.multiply_adds(8, 101) - peak.multiply_adds(8, 100)
    assert each == 8 * (3 + 4 + 5)
    assert peak.multiply_adds(8, 0) == 8 * 16 * 24
    # Three arrays of 16 float32 a gate, read and written; two bytes an activation, too.
    assert peak.least_bytes(8, 100, 2) == 8 * (3 * 16 * 4 + 100 * 2) * 2


def test_the_table_shows_medians_ratios_and_what_is_quoted():
    import train_step
    from lib.peak import Peak

    def rounds(*seconds):
        return [{"cpu": one, "wall": 2 * one} for one in seconds]

    single = {
        "steps": {
            "native": rounds(0.002, 0.004, 0.003),
            "float32": rounds(0.005),
            "jax": rounds(0.02, 0.08, 0.03),
        },
        "torchlogix": None,
    }
    double = {"steps": {"one thread": rounds(0.003), "two threads": rounds(0.0015)}}
    row = train_step.summary("S100", single, double, Peak(1e12, 1e12))
    assert row["jax_to_native"] == {
        "median": pytest.approx(10), "min": pytest.approx(10), "max": pytest.approx(20)
    }  # fmt: skip
    line = train_step.table_row("S100", row)
    assert len(line) == len(train_step.HEADER)
    assert line.split() == [
        "S100", "3.00", "5.00", "3.00", "30.00", "38", "quoted", "10.0", "(10.0-20.0)",
        "2.00", "(2.00-2.00)", "4%", "2%",
    ]  # fmt: skip
    single["steps"]["torchlogix"] = rounds(0.2, 0.2, 0.2)
    row = train_step.summary("S100", single, double, Peak(1e12, 1e12))
    assert row["torchlogix_to_native"]["max"] == pytest.approx(100)
    assert "quoted" not in train_step.table_row("S100", row)


@pytest.mark.skipif(shutil.which("c++") is None, reason="needs a C++ compiler")
def test_the_peak_is_more_than_any_step_can_reach():
    from lib import peak

    found = peak.peak()
    assert found.multiply_adds > found.bytes / 8 > 0


def test_the_options_are_explained():
    command = [sys.executable, str(BENCHMARKS / "train_step.py"), "--help"]
    help_text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "--torchlogix" in help_text
