"""The programs in examples/, run for real."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from test_rows import people

EXAMPLES = Path(__file__).parent.parent / "examples"

#: Scores as the example does, and counts in each worker how often the model was made to run.
COUNTED = """
import os, runpy, sys
import pyarrow as pa
import score_parquet_on_ray as example

class Counted(example.Scorer):
    def __init__(self, content):
        from gatewright import engine
        self.made = []
        for name, maker in list(engine._MAKERS.items()):
            engine._MAKERS[name] = lambda *how, maker=maker: self.made.append(name) or maker(*how)
        super().__init__(content)

    def __call__(self, table):
        scored = super().__call__(table)
        for name, value in (("process", os.getpid()), ("made", len(self.made))):
            scored = scored.append_column(name, pa.array([value] * len(scored)))
        return scored

example.Scorer = Counted
example.main()
"""


def test_a_parquet_data_set_is_scored_on_ray(tmp_path: Path) -> None:
    """By two workers: each row as `Model.predict` says, each worker's model made once."""
    rng = np.random.default_rng(0)
    age, job = rng.integers(10, 90, 4000).astype(float), rng.choice(["cook", "smith"], 4000)
    age[::7] = np.nan
    held = pa.array(age, from_pandas=True)  # no value where NaN
    table = pa.table({"id": np.arange(4000), "age": held, "job": job})
    (tmp_path / "in").mkdir()
    for i in range(4):
        parquet.write_table(table[1000 * i : 1000 * (i + 1)], tmp_path / f"in/{i}.parquet")
    people().save(tmp_path / "model.safetensors")
    environment = os.environ | {
        "PYTHONPATH": str(EXAMPLES),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_AUTH_MODE": "disabled",  # else it keeps a token in the home folder
    }
    arguments = ["model.safetensors", "in", "out", "--workers", "2", "--batch-size", "500"]
    done = subprocess.run(
        [sys.executable, "-c", COUNTED, *arguments],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=400,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = parquet.read_table(tmp_path / "out").sort_by("id")
    assert found.select(table.column_names).equals(table)
    names = np.array(people().class_names)
    expected = names[people().predict(table.select(["age", "job"]))]
    assert set(expected) == set(names)
    assert found["prediction"].to_pylist() == expected.tolist()
    assert set(found["made"].to_pylist()) == {1}
    assert len(set(found["process"].to_pylist())) <= 2
