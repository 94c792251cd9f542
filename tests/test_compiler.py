from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from gatewright.compiler import (
    CompileError,
    CompileTimeout,
    compile_program,
    compile_shared,
    find_compiler,
    run_limited,
)
from gatewright.errors import InputError, MissingTool

ADD = {
    "add.c": b'#include "add.h"\nint add(int a, int b) { return a + b; }\n',
    "add.h": b"int add(int, int);\n",
}
MAIN = b'#include "add.h"\nint main(void) { return add(20, 22); }\n'


def test_shared_library_runs_and_leaves_the_test_program_out(tmp_path: Path) -> None:
    path = compile_shared({**ADD, "add_test.c": MAIN}, folder=tmp_path / "new")
    assert path == tmp_path / "new" / "add.so"
    library = ctypes.CDLL(str(path))
    assert library.add(20, 22) == 42
    assert not hasattr(library, "main")


def test_a_file_named_test_is_compiled_where_it_is_the_only_one(tmp_path: Path) -> None:
    path = compile_shared({"add_test.c": ADD["add.c"], "add.h": ADD["add.h"]}, folder=tmp_path)
    assert ctypes.CDLL(str(path)).add(1, 2) == 3


def test_program_runs(tmp_path: Path) -> None:
    path = compile_program({**ADD, "add_test.c": MAIN}, folder=tmp_path)
    assert subprocess.run([path], check=False).returncode == 42


def test_temporary_folder_is_removed_at_exit() -> None:
    script = textwrap.dedent("""
        from gatewright.compiler import compile_program
        print(compile_program({"a.c": b"int main(void) { return 0; }"}))
    """)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    path = Path(done.stdout.strip())
    assert path.name == "a" and not path.parent.exists()


def test_flags_and_native_reach_the_compiler(tmp_path: Path) -> None:
    compiler = tmp_path / "record"
    compiler.write_text('#!/bin/sh\necho "$@" >> args; touch a\n')
    compiler.chmod(0o755)
    source = {"a.c": b""}
    compile_program(source, ["-O1", "-DX=1"], f"{compiler} --own", folder=tmp_path)
    compile_program(source, ["-O1"], str(compiler), folder=tmp_path, native=True)
    plain, native = (tmp_path / "args").read_text().splitlines()
    assert plain.split() == ["--own", "-O1", "-DX=1", "-o", "a", "a.c"]
    assert native.split() == ["-O1", "-march=native", "-o", "a", "a.c"]


def test_cc_is_asked_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "sh -c true")
    assert find_compiler()[1:] == ("-c", "true")
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(MissingTool, match=r"'no-such-compiler': apt-get install gcc"):
        find_compiler()


def test_no_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    message = "no C compiler: apt-get install gcc (or set CC)"
    with pytest.raises(MissingTool, match=re.escape(message)) as caught:
        compile_shared(ADD, folder=tmp_path)
    assert caught.value.exit_code == 3


def test_compile_error_carries_the_first_error_line(tmp_path: Path) -> None:
    source = b"int f(void) {\n  return no_such_name;\n}\nint g(void) { return other; }\n"
    with pytest.raises(CompileError, match=r"bad\.c:2:\d+: error: .*no_such_name") as caught:
        compile_shared({"bad.c": source}, folder=tmp_path)
    assert "other" in caught.value.output and "other" not in str(caught.value)


def test_link_error(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match="undefined reference"):
        compile_program({"a.c": b"int f(void);\nint main(void) { return f(); }\n"}, folder=tmp_path)


def test_time_limit_kills_the_whole_group(tmp_path: Path) -> None:
    compiler = tmp_path / "slow"
    compiler.write_text("#!/bin/sh\nsleep 1000 &\necho $! > child\nwait\n")
    compiler.chmod(0o755)
    with pytest.raises(CompileTimeout, match=r"took over 1 s on a\.c"):
        compile_program({"a.c": b""}, (), str(compiler), folder=tmp_path, time_limit=1.0)
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 30
    while _is_running(child):
        assert time.monotonic() < deadline, "the compiler's child outlived the time limit"
        time.sleep(0.01)


def test_output_of_a_limited_command(tmp_path: Path) -> None:
    assert run_limited(["sh", "-c", "pwd; echo no >&2; exit 3"], tmp_path, 60) == (
        3,
        f"{tmp_path.resolve()}\nno\n",
    )


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write to .*file/inner"):
        compile_shared(ADD, folder=tmp_path / "file" / "inner")


def test_nothing_to_compile(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no \.c file"):
        compile_shared({"a.h": b""}, folder=tmp_path)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{process}/stat")
    return not (stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] == "Z")


def test_a_malformed_cc_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", 'gcc "')
    with pytest.raises(InputError, match="CC='gcc"):
        find_compiler()
