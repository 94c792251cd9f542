from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent

SKIPPED = """
import pytest

@pytest.mark.needs_tool("no-such-tool")
def test_with_tool():
    pass

def test_without():
    pass
"""


@pytest.mark.parametrize("processes", ["0", "2"])
@pytest.mark.parametrize(("forbid", "code"), [("0", 0), ("1", 1)])
def test_a_missing_tool_is_named_and_fails_the_run_where_skips_are_forbidden(
    tmp_path: Path, forbid: str, code: int, processes: str
) -> None:
    shutil.copy(HERE / "conftest.py", tmp_path)
    (tmp_path / "test_tool.py").write_text(SKIPPED)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = needs_tool(name): needs a program\n")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-n", processes, "."],
        cwd=tmp_path,
        env=os.environ | {"GATEWRIGHT_FORBID_SKIPS": forbid},
        capture_output=True,
        text=True,
    )
    assert run.returncode == code, run.stdout
    assert "no-such-tool is missing: 1 skipped; make tools installs it" in run.stdout
    assert "test_tool.py::test_with_tool" in run.stdout
    assert ("GATEWRIGHT_FORBID_SKIPS=1 forbids it" in run.stdout) == (forbid == "1")


def test_jax_is_strict_here() -> None:
    import jax.numpy as jnp
    import numpy as np

    with pytest.raises(Exception, match="promotion"):
        jnp.add(jnp.zeros(2, np.float32), jnp.zeros(2, np.int32))
    with pytest.raises(ValueError, match="rank_promotion"):
        jnp.add(jnp.zeros((2, 2)), jnp.zeros(2))
