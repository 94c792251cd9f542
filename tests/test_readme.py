"""The README's commands and Python, run as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("newcomer")


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    scripts = Path(sys.executable).parent
    return {**os.environ, "PATH": f"{scripts}:{os.environ['PATH']}"}


def test_there_is_something_to_run() -> None:
    assert len(blocks("sh")) == 3
    assert len(blocks("python")) == 2


def test_commands(folder: Path, environment: dict[str, str]) -> None:
    """In order, in one empty folder, each with exit code 0."""
    for block in blocks("sh"):
        for line in block.splitlines():
            done = subprocess.run(
                ["bash", "-c", line],
                cwd=folder, env=environment, capture_output=True, text=True, timeout=300,
            )  # fmt: skip
            assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    assert (folder / "build" / "life.c").exists()


@pytest.mark.parametrize(
    ("which", "says"),
    [(0, "equal on all 64 input rows (exhaustive)"), (1, "[[False  True]\n [ True  True]]")],
)
def test_python(folder: Path, which: int, says: str) -> None:
    code = blocks("python")[which]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=folder, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert says in done.stdout


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_named_commands_exist() -> None:
    for script in re.findall(r"python (benchmarks/\w+\.py)", README):
        assert (ROOT / script).exists(), script
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    for name in re.findall(r"make (\w+)`", README):
        assert name in targets, name
