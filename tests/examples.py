"""Examples in Markdown, run as they stand: in order, in one folder, as a newcomer would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ENVIRONMENT = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


@dataclass(frozen=True)
class Example:
    """A fenced block: its language and what stands in it."""

    language: str
    content: str


def examples_of(text: str) -> list[Example]:
    """All fenced blocks that name a language."""
    found = re.findall(r"^```(\w+)\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    return [Example(*one) for one in found]


def run_commands(block: str, folder: Path) -> str:
    """Each line as a command of its own; all must end with exit code 0. What they printed."""
    said = ""
    for line in block.splitlines():
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        said += done.stdout
    return said


def run_python(code: str, folder: Path) -> str:
    """What it printed; a warning is an error."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=folder, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout
