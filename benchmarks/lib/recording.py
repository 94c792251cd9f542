"""What every benchmark shares: its options, and results as JSON with machine and commit."""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def parser(about: str | None) -> argparse.ArgumentParser:
    """A parser with the options that all benchmarks take."""
    options = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--json", metavar="FILE", type=Path, help="write the results here")
    options.add_argument("--quick", action="store_true", help="a small part, in a minute or so")
    return options


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, smallest and largest."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def write(path: Path | None, results: dict[str, Any]) -> None:
    """Write the results with the machine and the commit that they were measured on."""
    if path is None:
        return
    document = {"machine": _machine(), "commit": COMMIT, **results}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n")


def _machine() -> dict[str, Any]:
    import os

    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    model = next((line.split(":", 1)[1].strip() for line in lines if "model name" in line), "")
    return {
        "processor": model or platform.processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.system(),
    }


def _commit() -> str:
    """The commit; "-dirty" where the tree differs from it in more than results."""
    commit = _git("describe", "--always")
    changed = _git("status", "--porcelain", "--untracked-files=no", ":/", ":!/benchmarks/results")
    return f"{commit}{'-dirty' * bool(changed)}" if commit else "unknown"


def _git(*arguments: str) -> str:
    here = Path(__file__).parent
    found = subprocess.run(["git", *arguments], cwd=here, capture_output=True, text=True)
    return found.stdout.strip()


#: What the program that is running was started from.
COMMIT = _commit()
