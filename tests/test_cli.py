from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from gatewright import targets
from gatewright.circuit import Builder
from gatewright.cli import COMMANDS, build_parser
from gatewright.cli.fields import recipe_of
from gatewright.compiler import find_compiler
from gatewright.encode import Thermometer
from gatewright.model import Model
from gatewright.passes import EFFORTS, WALK_REPLACES
from gatewright.recipes.life import Life, LifeTree
from random_circuits import large, multiplier
from rup import refutes

COMMAND = [sys.executable, "-m", "gatewright"]
#: Buffered, as a user has it: what fails when a buffer is flushed must be seen to fail.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}

ADDER = """.model adder
.inputs a b c
.outputs s k
.names a b h
10 1
01 1
.names h c s
10 1
01 1
.names a b g
11 1
.names h c t
11 1
.names g t k
1- 1
-1 1
.end
"""
#: The same function from its minterms, and one that is wrong for a = b = 1, c = 0 alone.
SUMS = """.model sums
.inputs a b c
.outputs s k
.names a b c s
111 1
100 1
010 1
001 1
.names a b c k
11- 1
1-1 1
-11 1
.end
"""
WRONG = SUMS.replace("11- 1", "111 1")
LOOP = ".model m\n.inputs a\n.outputs y\n.names a z y\n11 1\n.names y z\n0 1\n.end\n"


def gatewright(
    *arguments: object, stdin: str = "", cwd: Path | None = None, path: str | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        input=stdin,
        cwd=cwd,
        env=ENVIRONMENT | ({} if path is None else {"PATH": path}),
        capture_output=True,
        text=True,
        timeout=300,
    )


def assert_refused(result: subprocess.CompletedProcess[str], code: int, *parts: object) -> None:
    """One line on stderr with all the parts in it, and nothing on stdout."""
    assert result.returncode == code, result.stderr
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("gatewright")
    for part in parts:
        assert str(part) in line


def only_json(result: subprocess.CompletedProcess[str], code: int = 0) -> dict[str, Any]:
    assert result.returncode == code, result.stderr
    (line,) = result.stdout.splitlines()
    return json.loads(line)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in (("adder", ADDER), ("sums", SUMS), ("wrong", WRONG), ("loop", LOOP)):
        (tmp_path / f"{name}.blif").write_text(text)
    return tmp_path


# Usage


def test_the_commands_are_listed_and_each_has_help_without_loading_jax() -> None:
    listing = gatewright("--help")
    assert listing.returncode == 0
    assert listing.stderr == ""
    script = """
import sys
from gatewright.cli import COMMANDS, main
for command in COMMANDS:
    try:
        main([command, "--help"])
    except SystemExit as stop:
        assert stop.code == 0, command
assert "jax" not in sys.modules
"""
    help_texts = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout
    for command in COMMANDS:
        assert f"\n    {command}" in listing.stdout
        assert f"usage: gatewright {command} " in help_texts
    assert "--learning-rate FLOAT" in help_texts  # `life` lists its recipe's fields


def test_circuits_are_proved_optimised_written_and_shown_without_loading_jax(folder: Path) -> None:
    script = """
import sys
from gatewright.cli import main
assert main(["prove", "adder.blif", "sums.blif"]) == 0
assert main(["optimize", "adder.blif", "-o", "out.blif"]) == 0
assert main(["emit", "adder.blif", "-o", "out"]) == 0
assert main(["show", "adder.blif", "--svg", "out.svg"]) == 0
assert "jax" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], cwd=folder, check=True, capture_output=True)
    assert (folder / "out.svg").read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ([], ["COMMAND", "gatewright --help"]),
        (["frobnicate"], ["frobnicate", "choose from", "optimize"]),
        (["prove", "adder.blif"], ["required: B", "gatewright prove --help"]),
        (["prove", "adder.blif", "sums.blif", "--frob"], ["--frob", "gatewright prove --help"]),
        (["prove", "a", "b", "--seconds", "x"], ["--seconds: invalid number value: 'x'"]),
        (["prove", "adder.blif", "sums.blif", "--seconds", "0"], ["--seconds", "0 is not over 0"]),
        (["prove", "adder.blif", "sums.blif", "--seed", "-1"], ["--seed", "-1 is not from 0"]),
        (["optimize", "adder.blif", "--seed", "x"], ["--seed: invalid whole number value: 'x'"]),
        (["optimize", "adder.blif", "-O", "4"], ["-O", "4", "choose from 0, 1, 2, 3"]),
        (["optimize", "adder.blif", "-p", "strash; swepe"], ["'swepe'", "strash, sweep, fraig"]),
        (
            ["optimize", "adder.blif", "--objective", "area"],
            ["--objective", "area", "'gates', 'and'"],
        ),
        (["optimize", "adder.blif", "-o", "x.v"], ["x.v", ".blif", "emit"]),
        (["optimize", "adder.blif", "-o", "-", "--json"], ["--json and -o -", "choose one"]),
        (["optimize", "adder.blif", "--report", "-", "--json"], ["--report -", "choose one"]),
        (["optimize", "adder.blif", "--report", "x.pdf"], ["x.pdf", ".txt, .json, .svg"]),
        (["emit", "adder.blif", "--target", "vhdl"], ["vhdl", "choose from", "blif"]),
        (["emit", "adder.blif", "-o", "-"], ["target c is 4 files", "name a folder"]),
        (["emit", "adder.blif", "--features", "float"], ["adder takes bits", "leave features out"]),
        (
            ["emit", "adder.blif", "--target", "dot", "--form", "table"],
            ["--form and --features are of --target c", "dot"],
        ),
        (["emit", "adder.blif", "--target", "blif", "--name", "a/b"], ["a/b", "another name"]),
        (["train", "lfie", "-o", "x", "--width", "3"], ["'lfie'", "'life'", "'life-tree'"]),
        (["train", "life"], ["-o/--output"]),
        (["train", "life", "-o", "x", "--steps", "many"], ["--steps", "many"]),
        (["train", "life", "-o", "x", "--steps", "0"], ["--steps 0", "at least 1"]),
        (["train", "life", "-o", "x", "--seed", "-1"], ["--seed", "-1 is not from 0"]),
        (["train", "life", "-o", "x", "--leaning-rate", "1"], ["--leaning-rate", "train --help"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_bad_usage_is_one_line_and_exit_code_2(
    folder: Path, arguments: list[str], parts: list[str]
) -> None:
    assert_refused(gatewright(*arguments, cwd=folder), 2, *parts)


def test_a_folder_named_as_a_recipe_is_not_taken_for_the_recipe() -> None:
    for output in (["-o", "life"], ["--output", "life"], ["--out", "life"]):
        arguments = ["train", *output, "life-tree", "--seed", "4"]
        options = build_parser(arguments).parse_args(arguments)
        assert recipe_of(options, LifeTree) == LifeTree(seed=4)


# Files that cannot be read or written


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("nowhere.blif", ["nowhere.blif", "No such file", "check the path"]),
        ("nowhere.safetensors", ["nowhere.safetensors", "no such file"]),
        ("circuit.dat", ["circuit.dat", ".dat", ".blif"]),
        ("circuit.txt", ["circuit.txt:1: '.model'", "Bristol Fashion"]),
        ("loop.blif", ["loop.blif", "loop: y (line 4) -> z (line 6) -> y", "cut one"]),
        (".", ["model.safetensors", "is the run finished?"]),
        ("folder.blif", ["folder.blif"]),
    ],
)
@pytest.mark.parametrize("command", ["prove", "show"])
def test_a_file_that_is_no_circuit_is_refused(
    folder: Path, command: str, name: str, parts: list[str]
) -> None:
    (folder / "folder.blif").mkdir()
    (folder / "circuit.dat").write_text(ADDER)
    (folder / "circuit.txt").write_text(ADDER)
    sources = [name, "adder.blif"] if command == "prove" else [name]
    assert_refused(gatewright(command, *sources, cwd=folder), 2, *parts)


@pytest.mark.parametrize(
    ("end", "part"),
    [
        ("", "cut.blif: there is no .outputs line (truncated file?)"),
        (".mod", "cut.blif:1: unknown directive '.mod'"),
        (".inputs a b", "cut.blif: there is no .outputs line (truncated file?)"),
        (".outputs s", "cut.blif:3: output 's' is not driven (truncated file?)"),
        (".names", "cut.blif:4: .names without a signal (truncated file?)"),
        (".names a b h", "cut.blif:3: output 's' is not driven (truncated file?)"),
        ("10 1\n01", "cut.blif:6: '01' is no row of the cover of 'h'"),
        ("h c t\n", "cut.blif:3: output 'k' is not driven (truncated file?)"),
    ],
)
def test_a_truncated_blif_file_is_refused(folder: Path, end: str, part: str) -> None:
    (folder / "cut.blif").write_text(ADDER[: ADDER.index(end) + len(end)])
    assert_refused(gatewright("optimize", "cut.blif", cwd=folder), 2, part)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["optimize", "nowhere.blif", "-o", "adder.blif/out.blif"], "adder.blif: is a file, not a"),
        (["optimize", "nowhere.blif", "--report", "folder.svg"], "folder.svg: is a folder; give"),
        (["prove", "nowhere.blif", "nowhere.blif", "--log", "adder.blif/x"], "adder.blif: is a"),
    ],
)
def test_where_nothing_can_be_written_is_said_before_the_work(
    folder: Path, arguments: list[str], part: str
) -> None:
    (folder / "folder.svg").mkdir()
    assert_refused(gatewright(*arguments, cwd=folder), 2, part)


def test_a_truncated_or_foreign_model_is_refused(folder: Path) -> None:
    path = folder / "model.safetensors"
    Model(targets.read(folder / "adder.blif")).save(path)
    whole = path.read_bytes()
    for size in (0, 7, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        assert_refused(gatewright("show", path), 2, path, "not a whole safetensors file")
    path.write_bytes(whole.replace(b"gatewright model", b"gatewright mosel"))
    assert_refused(gatewright("show", path), 2, path, "not a Gatewright model")


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "life", "-o"],
        ["optimize", "adder.blif", "--quiet", "-o"],
        ["emit", "adder.blif", "-o"],
        ["show", "adder.blif", "--svg"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_folder_that_cannot_be_made_is_refused(folder: Path, arguments: list[str]) -> None:
    # Below a file: no one may write there, not even root.
    place = folder / "sums.blif" / "deeper" / "out.blif"
    assert_refused(gatewright(*arguments, place, cwd=folder), 2, folder / "sums.blif", "choose")
    assert (folder / "sums.blif").read_text() == SUMS


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disc_behind_stdout_is_one_line(folder: Path) -> None:
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            [*COMMAND, "show", "adder.blif"], cwd=folder, env=ENVIRONMENT, stdout=full,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    assert result.returncode == 2
    assert result.stderr == "gatewright show: standard output: No space left on device\n"


def test_doctor_says_how_to_get_a_c_compiler(tmp_path: Path) -> None:
    missing = only_json(gatewright("doctor", "--json", path=str(tmp_path)))
    assert missing["C compiler"] == "no C compiler: apt-get install gcc (or set CC)"
    assert missing["gatewright"]
    fake = tmp_path / "cc"
    fake.write_text("#!/bin/sh\n")
    fake.chmod(0o755)
    text = gatewright("doctor", path=str(tmp_path))
    assert text.returncode == 0
    assert f"C compiler:       {fake}\n" in text.stdout


# prove


def test_prove_equal(folder: Path) -> None:
    text = gatewright("prove", "adder.blif", "sums.blif", cwd=folder)
    assert (text.returncode, text.stderr) == (0, "")
    assert text.stdout == "equal on all 8 input rows (exhaustive)\n"
    proof = only_json(gatewright("prove", "adder.blif", "sums.blif", "--json", cwd=folder))
    assert proof["equal"] is True
    assert (proof["method"], proof["rows"]) == ("exhaustive", 8)


def test_prove_not_equal_prints_the_input(folder: Path) -> None:
    text = gatewright("prove", "adder.blif", "wrong.blif", cwd=folder)
    assert (text.returncode, text.stderr) == (1, "")
    assert text.stdout == (
        "not equal: output k is 1 in the first, 0 in the second, for a=1 b=1 c=0\n"
    )
    found = only_json(gatewright("prove", "adder.blif", "wrong.blif", "--json", cwd=folder), 1)
    assert found == {
        "equal": False,
        "inputs": {"a": 1, "b": 1, "c": 0},
        "outputs_a": {"s": 0, "k": 1},
        "outputs_b": {"s": 0, "k": 0},
        "differs": ["k"],
    }


def test_prove_undecided(tmp_path: Path) -> None:
    for name, is_swapped in (("ab", False), ("ba", True)):
        targets.write(multiplier(16, is_swapped), tmp_path / name, "blif")
    sides = tmp_path / "ab" / "product.blif", tmp_path / "ba" / "product.blif"
    result = gatewright("prove", *sides, "--seconds", "1", "--json")
    assert result.returncode == 4
    (line,) = result.stderr.splitlines()
    assert line.startswith("gatewright prove: undecided after")
    assert "--seconds" in line
    verdict = json.loads(result.stdout)
    assert verdict["equal"] is None
    assert "p15" in verdict["open_outputs"]


def test_prove_refuses_sides_that_do_not_fit_together(folder: Path) -> None:
    (folder / "two.blif").write_text(".model two\n.inputs a b\n.outputs s k\n.names s\n.names k\n")
    result = gatewright("prove", "adder.blif", "two.blif", cwd=folder)
    assert_refused(result, 2, "3 inputs", "2")


def test_prove_reads_one_side_from_stdin(folder: Path) -> None:
    result = gatewright("prove", "-", "sums.blif", stdin=ADDER, cwd=folder)
    assert result.returncode == 0
    assert_refused(gatewright("prove", "-", "-", stdin=ADDER), 2, "stdin holds one circuit")
    cut = gatewright("prove", "-", "sums.blif", stdin=ADDER[:40], cwd=folder)
    assert_refused(cut, 2, "<stdin>", "truncated file?")


# optimize, emit, show


def test_optimize_writes_what_it_proved_and_says_what_each_pass_did(folder: Path) -> None:
    result = gatewright("optimize", "sums.blif", "-o", "small.blif", "--json", cwd=folder)
    summary = only_json(result)
    assert summary["gates_after"] == 5 < summary["gates_before"]
    names = [record["pass"] for record in summary["passes"]]
    assert names == [name for name in EFFORTS[2] if name not in WALK_REPLACES]
    assert all(record["proof"]["rows"] == 8 for record in summary["passes"])
    assert summary["proof"] == ["equal on all 8 input rows (exhaustive)"] * len(names)
    remarks = result.stderr.splitlines()
    assert [remark.split(":")[0] for remark in remarks] == names
    assert remarks[0].startswith(f"strash: {summary['gates_before']} -> ")
    assert remarks[7].startswith("resynthesize: 5 -> 5 gates, depth")
    assert remarks[5].endswith("equal on all 8 input rows (exhaustive)")
    small = targets.read(folder / "small.blif")
    assert small.num_gates == 5
    np.testing.assert_array_equal(
        small.truth_tables(), targets.read(folder / "adder.blif").truth_tables()
    )


def test_optimize_does_what_effort_and_passes_ask_quietly(folder: Path) -> None:
    arguments = ("optimize", "sums.blif", "-O0", "--quiet", "-o", "model.safetensors", "--json")
    result = gatewright(*arguments, cwd=folder)
    assert result.stderr == ""
    assert [record["pass"] for record in only_json(result)["passes"]] == ["strash"]
    model = Model.load(folder / "model.safetensors")
    assert model.circuit.num_gates == targets.read(folder / "sums.blif").num_gates
    chosen = gatewright("optimize", "sums.blif", "-p", "sweep; collapse", "--json", cwd=folder)
    assert [record["pass"] for record in only_json(chosen)["passes"]] == ["sweep", "collapse"]


def test_optimize_for_look_up_tables_writes_those(folder: Path) -> None:
    arguments = ("optimize", "sums.blif", "--objective", "lut3", "-o", "luts.blif", "--json")
    summary = only_json(gatewright(*arguments, cwd=folder))
    assert summary["luts_after"] == 2 <= summary["luts_before"]  # a full adder's sum and carry
    assert summary["lut_depth_after"] == 1
    assert (folder / "luts.blif").read_text().count(".names") == 2
    assert gatewright("prove", "luts.blif", "sums.blif", cwd=folder).returncode == 0


def test_prove_writes_a_log_that_a_checker_accepts(folder: Path) -> None:
    result = gatewright("prove", "adder.blif", "sums.blif", "--log", "log", cwd=folder)
    assert result.returncode == 0
    assert "log.drat" in result.stderr
    cnf, drat = ((folder / f"log.{suffix}").read_text() for suffix in ("cnf", "drat"))
    assert refutes(cnf, drat)
    assert not refutes(cnf.replace(" 0\n", " 1 0\n"), drat)


def test_a_report_says_why_gates_went(folder: Path) -> None:
    said = gatewright("optimize", "sums.blif", "--report", "-", "--quiet", cwd=folder).stdout
    assert said.startswith("sums: ")
    for suffix in ("txt", "json", "svg"):
        gatewright("optimize", "sums.blif", "--report", f"report.{suffix}", cwd=folder)
    written = (folder / "report.txt").read_text().splitlines()
    assert written[0].split(", depth")[0] == said.splitlines()[0].split(", depth")[0]
    report = json.loads((folder / "report.json").read_text())
    assert report["after"]["gates"] == 5
    assert (folder / "report.svg").read_text().startswith("<svg")


def test_circuits_flow_through_pipes(folder: Path) -> None:
    optimized = gatewright("optimize", "-", "-o", "-", "--quiet", stdin=SUMS)
    assert (optimized.returncode, optimized.stderr) == (0, "")
    proved = gatewright("prove", "adder.blif", "-", stdin=optimized.stdout, cwd=folder)
    assert proved.returncode == 0
    shown = only_json(gatewright("show", "-", "--json", stdin=optimized.stdout))
    assert (shown["name"], shown["gates"]) == ("sums", 5)
    written = gatewright("emit", "-", "--target", "blif", "-o", "-", stdin=optimized.stdout)
    assert written.stdout == optimized.stdout


def test_a_reader_that_has_had_enough_ends_it_quietly(tmp_path: Path) -> None:
    (path,) = targets.write(large(8000), tmp_path, "blif")
    assert path.stat().st_size > 1 << 17  # more than a pipe holds
    with subprocess.Popen(
        [*COMMAND, "emit", path, "--target", "blif", "-o", "-"],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b".model large\n"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


def test_emit_writes_files_and_prints_their_paths(folder: Path) -> None:
    command = ["emit", "adder.blif", "-o", "build", "--name", "full_adder"]
    text = gatewright(*command, "--quiet", cwd=folder)
    assert (text.returncode, text.stderr) == (0, "")
    paths = text.stdout.splitlines()
    assert {"build/full_adder.c", "build/full_adder.h"} <= set(paths)
    assert all((folder / path).stat().st_size for path in paths)
    listed = only_json(gatewright("emit", "adder.blif", "--target", "dot", "--json", cwd=folder))
    assert listed == {"target": "dot", "files": ["adder.dot"]}
    said = gatewright(*command, "--form", "table", cwd=folder).stderr
    assert re.fullmatch(
        r"table form, 5 gates; on a Cortex-M about \d+ bytes of flash, \d+ of stack, no .*\n", said
    )


def test_emit_writes_whole_models_in_c(tmp_path: Path) -> None:
    """The program that it makes tests them, and prints that nothing is wrong."""
    adder = Builder(["x0", "x1", "x2"], "three")
    a, b, d = adder.inputs
    adder.output("low", adder.lxor(a, b))
    adder.output("high", adder.land(b, d))
    model = Model(adder.build(), 4, Thermometer(np.array([3.5], np.float32), (3,)))
    model.save(tmp_path / "three.safetensors")
    options = ["--features", "uint8", "--form", "table", "-o", "build", "--json"]
    said = only_json(gatewright("emit", "three.safetensors", *options, cwd=tmp_path))
    files = ("three.c", "three.h", "three_model.h", "three_test.c")
    assert said.pop("files") == [f"build/{name}" for name in (*files, "three_vectors.h")]
    size = said.pop("cortex_m")
    assert said == {"target": "c", "form": "table", "gates": 2, "features": "uint8"}
    assert size["ram"] == 0
    assert size["flash"] > size["stack"] > 0
    command = [*find_compiler(), "-o", "three", *(f"build/{f}" for f in files if f.endswith(".c"))]
    subprocess.run(command, cwd=tmp_path, check=True)
    done = subprocess.run([tmp_path / "three"], capture_output=True, text=True, check=True)
    assert done.stdout == "256 vectors, 0 wrong\n"


def test_show_describes_and_draws(folder: Path) -> None:
    text = gatewright("show", "adder.blif", "--svg", "adder.svg", cwd=folder)
    assert text.stdout.splitlines() == [
        "adder: 3 inputs, 2 outputs, 5 gates (3 with an AND), depth 3",
        "       2  xor",
        "       2  and",
        "       1  or",
    ]
    drawn = gatewright("show", "adder.blif", "--svg", "-", cwd=folder)
    assert drawn.stdout.strip() == (folder / "adder.svg").read_text().strip()
    kinds = only_json(gatewright("show", "adder.blif", "--json", cwd=folder))["kinds"]
    assert kinds == {"xor": 2, "and": 2, "or": 1}


# train

TINY = ("--width", 16, "--depth", 2, "--seed", 3)


@dataclass(frozen=True)
class Runs:
    """Three trainings of one recipe: cut short in a terminal, continued, and never cut."""

    code: int
    screen: str
    step: int
    has_checkpoint: bool
    cut: Path
    whole: Path
    resumed: subprocess.CompletedProcess[str]
    uncut: subprocess.CompletedProcess[str]


def train_and_interrupt(folder: Path) -> tuple[int, str]:
    """Exit code, and what a terminal shows, of a training that meets SIGINT in the middle."""
    terminal, stderr = os.openpty()
    arguments = ["train", "life", "-o", str(folder), *map(str, TINY), "--steps", "100000000"]
    process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=stderr)
    os.close(stderr)
    screen = bytearray()

    def read() -> None:
        while True:
            try:
                chunk = os.read(terminal, 1 << 12)
            except OSError:  # Linux ends a terminal with an error
                return
            if not chunk:
                return
            screen.extend(chunk)

    reader = threading.Thread(target=read)
    reader.start()
    with process:
        metrics = folder / "metrics.jsonl"
        while process.poll() is None and not (metrics.exists() and metrics.stat().st_size):
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        assert process.stdout.read() == b""
    reader.join()
    os.close(terminal)
    return process.returncode, screen.decode()


def last_step(folder: Path) -> int:
    return json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])["step"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    cut, whole = tmp_path_factory.mktemp("cut"), tmp_path_factory.mktemp("whole")
    code, screen = train_and_interrupt(cut)
    step, has_checkpoint = last_step(cut), (cut / "checkpoint.safetensors").exists()
    options = (*TINY, "--steps", step + 60, "--json")  # the last chunk is a part of one
    resumed = gatewright("train", "life", "-o", cut, "--resume", *options)
    uncut = gatewright("train", "life", "-o", whole, "--quiet", *options)
    return Runs(code, screen, step, has_checkpoint, cut, whole, resumed, uncut)


def test_an_interrupted_training_says_so_and_is_saved(runs: Runs) -> None:
    assert runs.code == 130
    assert "gatewright train: interrupted" in runs.screen.rstrip().splitlines()[-1]
    assert "Traceback" not in runs.screen
    assert runs.has_checkpoint
    assert runs.step % 25 == 0


def test_a_terminal_shows_training_live(runs: Runs) -> None:
    for part in ("training", "loss 0.", "hard ", "gap ", "decided "):
        assert part in runs.screen


def test_a_resumed_training_ends_as_if_it_had_never_been_cut(runs: Runs) -> None:
    results = only_json(runs.resumed), only_json(runs.uncut)
    for result in results:
        assert result["steps"] == result["epochs"] == runs.step + 60  # all rows every step
        assert (result["recipe"], result["seed"], result["gates"]) == ("life", 3, 32)
        for spent in ("cpu_seconds", "wall_seconds", "peak_rss_mb"):
            assert result.pop(spent) > 0
    assert results[0] == results[1]
    cut, whole = ((f / "model.safetensors").read_bytes() for f in (runs.cut, runs.whole))
    assert cut == whole
    cut, whole = (load_file(f / "checkpoint.safetensors") for f in (runs.cut, runs.whole))
    assert cut.keys() == whole.keys()
    for name, array in cut.items():
        np.testing.assert_array_equal(array, whole[name], err_msg=name)
    lines = [(f / "metrics.jsonl").read_text().splitlines() for f in (runs.cut, runs.whole)]
    steps = [[json.loads(line)["step"] for line in some] for some in lines]
    assert steps[0] == steps[1]


def test_training_remarks_on_stderr_unless_quiet(runs: Runs) -> None:
    assert runs.uncut.stderr == ""
    kernel, first, *_, last = runs.resumed.stderr.splitlines()
    assert kernel == f"kernel: {only_json(runs.resumed)['kernel']}"
    assert first.startswith(f"step {runs.step + 25} of {runs.step + 60}: loss ")
    assert last == f"the trained circuit is in {runs.cut / 'model.safetensors'}"


@pytest.mark.parametrize(
    ("recipe", "options", "parts"),
    [
        ("life", ("--width", 32, *TINY[2:]), ["width 16, not 32"]),
        (
            "life",
            (*TINY, "--learning-rate", 0.1),
            [f"learning_rate {Life().learning_rate}, not 0.1"],
        ),
        ("life-tree", ("--width", 16, "--seed", 3), ["recipe 'life', not 'life-tree'"]),
    ],
)
def test_resuming_with_other_options_is_refused(
    runs: Runs, recipe: str, options: tuple[object, ...], parts: list[str]
) -> None:
    before = (runs.cut / "recipe.json").read_bytes()
    result = gatewright("train", recipe, "-o", runs.cut, "--resume", *options)
    assert_refused(result, 2, runs.cut / "recipe.json", "another folder", *parts)
    assert (runs.cut / "recipe.json").read_bytes() == before


def test_a_run_is_not_dropped_unasked(runs: Runs, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in runs.whole.iterdir()}
    result = gatewright("train", "life", "-o", runs.whole, *TINY)
    assert_refused(result, 2, runs.whole, "--resume continues it", "--overwrite drops it")
    assert {path.name: path.read_bytes() for path in runs.whole.iterdir()} == before
    copy = tmp_path / "copy"
    shutil.copytree(runs.whole, copy)
    again = gatewright("train", "life", "-o", copy, "--overwrite", *TINY, "--steps", 25, "--json")
    assert only_json(again)["steps"] == 25


def test_a_run_folder_is_a_circuit(runs: Runs, tmp_path: Path) -> None:
    small = tmp_path / "small.safetensors"
    summary = only_json(gatewright("optimize", runs.whole, "-o", small, "--json"))
    assert (
        summary["gates_after"] < summary["gates_before"] == only_json(runs.uncut)["gates_extracted"]
    )
    proved = gatewright("prove", runs.whole, small)
    assert proved.stdout == "equal on all 512 input rows (exhaustive)\n"
    assert Model.load(small).num_classes == 2


def test_a_training_that_diverges_names_the_step_and_what_to_try(tmp_path: Path) -> None:
    options = (*TINY, "--learning-rate", "1e30", "--quiet")
    result = gatewright("train", "life", "-o", tmp_path, *options)
    assert_refused(result, 1, "at step ", "smaller learning rate")
    assert not (tmp_path / "model.safetensors").exists()
