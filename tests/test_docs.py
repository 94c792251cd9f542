"""The guide: it builds without a warning, its examples run and say what it says they say."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from examples import ENVIRONMENT, examples_of, run_commands, run_python

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = {path.stem: path.read_text() for path in sorted(DOCS.glob("*.md"))}
#: Languages of blocks: run, compared with what was run before, or neither.
RUN, SAID, LEFT = {"python", "sh"}, {"text"}, {"console"}


def build(source: Path, into: Path) -> subprocess.CompletedProcess[str]:
    command = ["sphinx-build", "-W", "--keep-going", "-n", "-q", "-b", "html", source, into]
    return subprocess.run(
        [*map(str, command)], env=ENVIRONMENT, capture_output=True, text=True, timeout=300
    )


def test_it_builds_without_a_warning(tmp_path: Path) -> None:
    done = build(DOCS, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    page = (tmp_path / "how-it-works.html").read_text()
    assert "idea.svg" in page
    assert not list(tmp_path.glob("**/*.py"))
    make = (ROOT / "Makefile").read_text()
    assert "sphinx-build -W --keep-going -n -q -b html docs build/docs" in make


@pytest.mark.parametrize("link", ["no-such-page.md", "how-it-works.md#no-such-heading"])
def test_a_link_that_leads_nowhere_is_an_error(tmp_path: Path, link: str) -> None:
    source = tmp_path / "docs"
    source.mkdir()
    (source / "conf.py").write_text((DOCS / "conf.py").read_text())
    (source / "index.md").write_text(
        f"# Index\n\n[there]({link})\n\n```{{toctree}}\nhow-it-works\n```\n"
    )
    (source / "how-it-works.md").write_text("# How\n\nso\n")
    done = build(source, tmp_path / "html")
    assert done.returncode == 1
    assert "index.md:3" in done.stderr


@pytest.mark.parametrize("name", PAGES)
def test_examples(name: str, tmp_path: Path) -> None:
    """In order, in one empty folder; every line that a text block shows was printed before it."""
    said = ""
    for example in examples_of(PAGES[name]):
        assert example.language in RUN | SAID | LEFT, example.language
        if example.language == "python":
            said += run_python(example.content, tmp_path)
        elif example.language == "sh":
            said += run_commands(example.content, tmp_path)
        elif example.language in SAID:
            for line in example.content.splitlines():
                assert line in said, f"{line!r} is not in\n{said}"
    if name == "first-circuit":
        assert (tmp_path / "adder.svg").read_text() == (DOCS / "adder.svg").read_text()


def test_most_pages_have_examples() -> None:
    for name in ("first-circuit", "how-it-works", "reproduce", "reading-a-circuit"):
        assert sum(one.language in RUN for one in examples_of(PAGES[name])) >= 2, name


def test_the_picture_is_what_its_script_draws() -> None:
    drawn = runpy.run_path(str(DOCS / "draw_idea.py"))["draw"]()
    assert drawn == (DOCS / "idea.svg").read_text()


def test_the_recorded_number_is_the_recorded_one() -> None:
    summary = json.loads((ROOT / "benchmarks/results/mnist-small.json").read_text())["summary"]
    hard, body = summary["accuracy_hard"], summary["gates_swept_body"]["mean"]
    page = PAGES["reproduce"]
    assert f"{hard['mean']:.2f} ({hard['min']:.2f} to {hard['max']:.2f})" in page
    assert f"{summary['gap']['mean']:.2f} points" in page
    assert f"{body:,.0f} of the 48,000 gates" in page
    assert f"{summary['wall_seconds']['mean'] / 60:.1f} minutes each" in page


@pytest.mark.parametrize("name", PAGES)
def test_links_out_are_well_formed(name: str) -> None:
    """Not followed: tests have no network."""
    for link in re.findall(r"\]\((\w+:[^)]*)\)", PAGES[name]):
        parts = urlsplit(link)
        assert parts.scheme == "https", link
        assert re.fullmatch(r"[\w-]+(\.[\w-]+)+", parts.netloc), link


def test_pictures_are_readable_on_a_dark_page() -> None:
    """Each has a ground of its own; the ink on it is dark."""
    for name in re.findall(r"!\[[^]]+\]\((\S+)\)", "".join(PAGES.values())):
        picture = (DOCS / name).read_text()
        width, height = re.search(r'width="(\d+)" height="(\d+)"', picture).groups()
        assert f'<rect width="{width}" height="{height}" fill="#fff"/>' in picture, name


def test_commands_and_benchmarks_that_are_named_exist() -> None:
    text = "".join(PAGES.values())
    for script in re.findall(r"benchmarks/[\w./-]+\.(?:py|json)", text):
        assert (ROOT / script).exists(), script
    helped = subprocess.run(
        [sys.executable, "-m", "gatewright", "--help"], capture_output=True, text=True, check=True
    ).stdout
    for command in set(re.findall(r"^(?:! )?gatewright (\w+)", text, flags=re.MULTILINE)):
        assert re.search(rf"^\s+{command}\s", helped, flags=re.MULTILINE), command
