"""What every test runs under: strict JAX, Hypothesis profiles, and skips that are accounted for."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

# Before anything imports jax: it reads these once. Tests that start a process hand them on.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_NUMPY_DTYPE_PROMOTION", "strict")
os.environ.setdefault("JAX_NUMPY_RANK_PROMOTION", "raise")

import pytest
from hypothesis import HealthCheck, settings

# No deadline: the first example often pays for a compilation.
settings.register_profile(
    "gatewright",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("gatewright")

FORBID_SKIPS = "GATEWRIGHT_FORBID_SKIPS"

missing_tools: dict[str, list[str]] = {}


@pytest.fixture(scope="session")
def epfl() -> Path:
    """The folder of the EPFL combinational benchmarks, in GATEWRIGHT_DATA."""
    folder = Path(os.environ.get("GATEWRIGHT_DATA", "data")) / "circuits" / "epfl"
    if not folder.is_dir():
        pytest.skip(f"{folder} is missing: set GATEWRIGHT_DATA to a folder that holds it")
    return folder


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("needs_tool"):
        for tool in marker.args:
            if shutil.which(tool) is None:
                missing_tools.setdefault(tool, []).append(item.nodeid)
                pytest.skip(f"{tool} is not on the PATH: make tools")


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get(FORBID_SKIPS) == "1" and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for tool, tests in missing_tools.items():
        terminalreporter.section(f"{tool} is missing: {len(tests)} skipped; make tools installs it")
        for test in tests:
            terminalreporter.line(test)
    skipped = terminalreporter.stats.get("skipped", [])
    if os.environ.get(FORBID_SKIPS) == "1" and skipped:
        terminalreporter.section(
            f"{len(skipped)} skipped, and {FORBID_SKIPS}=1 forbids it", red=True
        )
