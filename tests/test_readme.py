"""The README's commands and Python, run as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from examples import examples_of, run_commands, run_python

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return [one.content for one in examples_of(README) if one.language == language]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("newcomer")


def test_there_is_something_to_run() -> None:
    assert len(blocks("sh")) == 3
    assert len(blocks("python")) == 3


def test_commands(folder: Path) -> None:
    """In order, in one empty folder, each with exit code 0."""
    for block in blocks("sh"):
        run_commands(block, folder)
    assert (folder / "build" / "life.c").exists()


@pytest.mark.parametrize(
    ("which", "says"),
    [
        (0, "Circuit('classifier': 195 inputs, 2 outputs"),
        (1, "equal on all 64 input rows (exhaustive)"),
        (2, "[[False  True]\n [ True  True]]"),
    ],
)
def test_python(folder: Path, which: int, says: str) -> None:
    assert says in run_python(blocks("python")[which], folder)


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_named_commands_exist() -> None:
    for script in re.findall(r"python (benchmarks/\w+\.py)", README):
        assert (ROOT / script).exists(), script
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    for name in re.findall(r"make (\w+)`", README):
        assert name in targets, name
