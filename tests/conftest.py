"""What every test runs under: strict JAX, Hypothesis profiles, and skips that are accounted for."""

from __future__ import annotations

import os
import shutil
import signal
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

# A shell's background jobs ignore interrupts, and so would the programs that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

FORBID_SKIPS = "GATEWRIGHT_FORBID_SKIPS"

#: Why a test is skipped that needs a program; the end of the run reads the name out of it.
NO_TOOL = "{} is not on the PATH: make tools"


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
                pytest.skip(NO_TOOL.format(tool))


def pytest_sessionfinish(session: pytest.Session) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:  # one of several processes; the one that began them has it
        return
    if os.environ.get(FORBID_SKIPS) == "1" and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped: list[pytest.TestReport] = terminalreporter.stats.get("skipped", [])
    missing: dict[str, list[str]] = {}
    for report in skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
        tool, found, _ = reason.removeprefix("Skipped: ").partition(NO_TOOL.format(""))
        if found:
            missing.setdefault(tool, []).append(report.nodeid)
    for tool, tests in missing.items():
        terminalreporter.section(f"{tool} is missing: {len(tests)} skipped; make tools installs it")
        for test in tests:
            terminalreporter.line(test)
    if os.environ.get(FORBID_SKIPS) == "1" and skipped:
        terminalreporter.section(
            f"{len(skipped)} skipped, and {FORBID_SKIPS}=1 forbids it", red=True
        )
