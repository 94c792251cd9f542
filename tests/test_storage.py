from __future__ import annotations

import os
import random
import stat
import subprocess
import sys
import time
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

from gatewright import storage
from gatewright.errors import InputError
from gatewright.storage import load_arrays, load_tree, save_tree, write_atomic


def test_a_file_is_written_with_its_folders_readable_by_all(tmp_path):
    path = tmp_path / "a" / "b" / "file"
    write_atomic(path, b"one")
    write_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    assert os.listdir(path.parent) == ["file"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("step", ["replace", "fsync"])
def test_a_failure_leaves_the_old_file_and_nothing_else(error, step, tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomic(path, b"old")

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(os, step, fail)
    wanted = InputError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(wanted) as raised:
        write_atomic(path, b"new")
    if wanted is InputError:
        assert f"{path}: cannot write this file (No space left on device)" in str(raised.value)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


WRITER = """
import sys
from pathlib import Path
from gatewright.storage import write_atomic
i = 0
while True:
    write_atomic(Path(sys.argv[1]), bytes([i % 256]) * 3_000_000)
    if i == 0:
        print("begun", flush=True)
    i += 1
"""


def test_a_kill_at_any_moment_leaves_a_whole_file(tmp_path):
    path = tmp_path / "file"
    for _ in range(6):
        command = [sys.executable, "-c", WRITER, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(random.uniform(0.0, 0.05))
            process.kill()
        content = path.read_bytes()
        assert len(content) == 3_000_000
        assert len(set(content)) == 1


def test_places_that_cannot_be_written_are_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file/sub: cannot make this folder \(Not a directory\)"):
        write_atomic(tmp_path / "file" / "sub" / "out", b"")
    with pytest.raises(InputError, match=r"file: cannot make this folder \(File exists\)"):
        write_atomic(tmp_path / "file" / "out", b"")
    with pytest.raises(InputError, match=r"cannot write in this folder"):
        write_atomic(Path("/proc/out"), b"")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=r"folder: cannot write this file \(Is a directory\)"):
        write_atomic(tmp_path / "folder", b"")
    with pytest.raises(InputError, match=r"cannot make this folder"):
        storage.make_folder(tmp_path / "file")
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


def tree_of(seed: int) -> dict[str, object]:
    rng = np.random.default_rng(seed)
    return {
        "wide": jnp.asarray(rng.random((3, 4)), dtype=jnp.float32),
        "pair": (jnp.asarray(rng.integers(0, 9, 5), dtype=jnp.int32), "a name", None),
        "count": jnp.asarray(seed, dtype=jnp.int32),
        "empty": jnp.zeros((0, 2)),
        "rate": 0.5,
    }


def test_a_tree_comes_back_with_what_is_no_array_taken_from_its_likeness(tmp_path):
    tree, like = tree_of(1), tree_of(2) | {"rate": 0.25}
    save_tree(tmp_path / "tree", tree, {"kind": "test"})
    found, metadata = load_tree(tmp_path / "tree", lambda _: like)
    assert metadata == {"kind": "test"}
    assert found["rate"] == 0.25
    assert found["pair"][1:] == ("a name", None)
    for name in ("wide", "count", "empty"):
        assert found[name].dtype == tree[name].dtype
        np.testing.assert_array_equal(found[name], tree[name])
    np.testing.assert_array_equal(found["pair"][0], tree["pair"][0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"wide": jnp.zeros((4, 3))},
            r"\['wide'\] should be float32\[4, 3\] and .*float32\[3, 4\]",
        ),
        ({"wide": jnp.zeros((3, 4), jnp.int32)}, r"\['wide'\] should be int32\[3, 4\]"),
        ({"more": jnp.zeros(2)}, r"\['more'\] should be float32\[2\] and the file holds nothing"),
        ({"count": 3}, r"it also holds \['count'\]"),
    ],
)
def test_another_trees_file_is_refused_naming_the_first_difference(change, message, tmp_path):
    save_tree(tmp_path / "tree", tree_of(1), {})
    with pytest.raises(InputError, match=rf"tree: saved by another .*{message}.*use the options"):
        load_tree(tmp_path / "tree", lambda _: tree_of(1) | change)


def test_missing_and_damaged_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="gone: no such file"):
        load_arrays(tmp_path / "gone")
    with pytest.raises(InputError, match="no such file"):
        load_arrays(tmp_path)
    path = tmp_path / "file"
    save_file({"a": np.arange(40.0)}, path, {"b": "c"})
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match="not a whole safetensors file"):
            load_arrays(path)
    path.write_bytes(b"\xff" * 100)
    with pytest.raises(InputError, match="not a whole safetensors file"):
        load_arrays(path)


def test_files_without_metadata_load(tmp_path):
    save_file({"a": np.arange(4)}, tmp_path / "file")
    arrays, metadata = load_arrays(tmp_path / "file")
    assert arrays["a"].tolist() == [0, 1, 2, 3]
    assert metadata == {}
