from __future__ import annotations

import gzip
import hashlib
import io
import os
import socket
import tarfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from gatewright import data, datasets, fetch
from gatewright.data import Split
from gatewright.datasets import DataSet, Form
from gatewright.errors import InputError, MissingTool
from gatewright.fetch import File

# Shapes, types and class counts as the sources document them.
KNOWN = {
    "mnist": (
        ((60_000, 28, 28), [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]),
        ((10_000, 28, 28), [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]),
    ),
    "fashion-mnist": (((60_000, 28, 28), [6000] * 10), ((10_000, 28, 28), [1000] * 10)),
    "monk1": (((124, 17), [62, 62]), ((432, 17), [216, 216])),
    "monk2": (((169, 17), [105, 64]), ((432, 17), [290, 142])),
    "monk3": (((122, 17), [62, 60]), ((432, 17), [204, 228])),
    "adult": (((30_162, 116), [22_654, 7_508]), ((15_060, 116), [11_360, 3_700])),
}


@pytest.mark.parametrize("name", KNOWN)
def test_known_sets_have_their_published_sizes(name: str) -> None:
    for part, (shape, counts) in zip(data.load(name), KNOWN[name], strict=True):
        assert part.x.shape == shape
        assert part.x.dtype == (np.uint8 if len(shape) == 3 else bool)
        assert part.y.dtype == np.int32
        assert np.bincount(part.y).tolist() == counts


def test_mnist_is_the_right_way_up() -> None:
    train, _ = data.load("mnist")
    assert train.y[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    # The ink of the mean 1 is a tall, narrow stroke; that of a 0 leaves the middle free.
    one, zero = (train.x[train.y == digit].mean(axis=0) for digit in (1, 0))
    assert (one.max(axis=1) > 64).sum() > (one.max(axis=0) > 64).sum()
    assert zero[14, 14] < zero[14, 8]


def test_monk_rules_hold() -> None:
    def attributes(x: np.ndarray) -> list[np.ndarray]:
        ends = np.cumsum(datasets.MONK_SIZES)[:-1]
        groups = np.split(x, ends, axis=1)
        assert all((group.sum(axis=1) == 1).all() for group in groups)
        return [group.argmax(axis=1) + 1 for group in groups]

    for part in data.load("monk1"):
        a = attributes(part.x)
        np.testing.assert_array_equal(part.y, (a[0] == a[1]) | (a[4] == 1))
    for part in data.load("monk2"):
        np.testing.assert_array_equal(part.y, sum(a == 1 for a in attributes(part.x)) == 2)
    train, test = data.load("monk3")
    a = attributes(test.x)
    np.testing.assert_array_equal(test.y, ((a[4] == 3) & (a[3] == 1)) | ((a[4] != 4) & (a[1] != 3)))
    assert len(train) == 122


def test_adult_and_breast_cancer_are_one_hot() -> None:
    sizes = [8, 16, 7, 14, 6, 5, 2, 41, 5, 3, 3, 6]
    for part in data.load("adult"):
        for group in np.split(part.x, np.cumsum(sizes)[:-1], axis=1):
            assert (group.sum(axis=1) == 1).all()
    age = data.load("adult")[0].x[:4, -17:-12]
    assert age.argmax(axis=1).tolist() == [2, 3, 2, 3]  # of 39, 50, 38 and 53
    train, test = data.load("breast-cancer")
    assert train.x.shape == (222, 51) and test.x.shape == (55, 51)
    x, y = np.concatenate([train.x, test.x]), np.concatenate([train.y, test.y])
    assert (x.sum(axis=1) == 9).all()
    assert np.bincount(y).tolist() == [196, 81]
    np.testing.assert_array_equal(data.load("breast-cancer")[1].x, test.x)


def test_cifar10_as_webp_is_decoded_or_says_what_is_missing(tmp_path: Path) -> None:
    if find_spec("PIL") is None:
        with pytest.raises(MissingTool, match=r"pip install pillow .*unpack\.py"):
            data.load("cifar10")
        return
    for part, size in zip(data.load("cifar10"), (50_000, 10_000), strict=True):
        assert part.x.shape == (size, 32, 32, 3) and part.x.dtype == np.uint8
        assert np.bincount(part.y).tolist() == [size // 10] * 10


def cifar10_record(label: int, seed: int) -> tuple[bytes, np.ndarray]:
    image = np.random.default_rng(seed).integers(0, 256, (32, 32, 3), np.uint8)
    return bytes([label]) + b"".join(image[..., k].tobytes() for k in range(3)), image


def test_cifar10_binary_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "cifar10/cifar-10-batches-bin"
    folder.mkdir(parents=True)
    files, images = [], []
    for k, form_file in enumerate(datasets.DATASETS["cifar10"].forms[0].files):
        records = [cifar10_record(k, 2 * k), cifar10_record(9 - k, 2 * k + 1)]
        content = b"".join(record for record, _ in records)
        (tmp_path / form_file.path).write_bytes(content)
        files.append(File(form_file.path, hashlib.sha256(content).hexdigest()))
        images += [image for _, image in records]
    form = Form(tuple(files), datasets.DATASETS["cifar10"].forms[0].read)
    monkeypatch.setitem(datasets.DATASETS, "cifar10", DataSet((form,), ()))
    train, test = data.load("cifar10", tmp_path)
    np.testing.assert_array_equal(train.x, images[:10])
    np.testing.assert_array_equal(test.x, images[10:])
    assert train.y.tolist() == [0, 9, 1, 8, 2, 7, 3, 6, 4, 5] and test.y.tolist() == [5, 4]
    batch = data.read_cifar10(folder / "test_batch.bin")
    np.testing.assert_array_equal(batch.x, test.x)
    (folder / "cut.bin").write_bytes(content[:-1])
    with pytest.raises(InputError, match=r"cut\.bin: 6145 bytes are not whole CIFAR-10 records"):
        data.read_cifar10(folder / "cut.bin")


IDX_TYPES = [(0x08, "u1"), (0x09, "i1"), (0x0B, "i2"), (0x0C, "i4"), (0x0D, "f4"), (0x0E, "f8")]


@pytest.mark.parametrize(("code", "dtype"), IDX_TYPES)
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_idx_of_every_type(
    code: int, dtype: str, compress: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    values = np.arange(2 * 3 * 4).reshape(2, 3, 4).astype(dtype)
    header = bytes([0, 0, code, 3]) + np.array(values.shape, ">u4").tobytes()
    path = tmp_path / "values"
    path.write_bytes(compress(header + values.astype(values.dtype.newbyteorder(">")).tobytes()))
    read = data.read_idx(path)
    assert read.dtype == values.dtype and read.dtype.isnative
    np.testing.assert_array_equal(read, values)


IDX = bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9])
BAD_IDX = [
    (b"", "not an IDX file"),
    (b"\x89PNG and more", "not an IDX file"),
    (bytes([0, 0, 7, 1, 0, 0, 0, 0]), "not an IDX file"),
    (bytes([0, 0, 8, 2, 0, 0, 0, 3]), "not an IDX file"),
    (IDX[:-1], r"10 bytes, where shape \[3\] takes 11"),
    (IDX + b"\0", r"12 bytes, where shape \[3\] takes 11"),
    (gzip.compress(IDX, mtime=0)[:-9], "not a whole gzip file"),
    (b"\x1f\x8b and then rubbish", "not a whole gzip file"),
]


@pytest.mark.parametrize(("content", "message"), BAD_IDX)
def test_bad_idx_is_named(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "bad-idx"
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"bad-idx: {message}"):
        data.read_idx(path)


TABLE = """size, colour, weight, kind

3, red, 0.5, dog
4, blue, -1e3, cat
"5", "green, light", 7, dog
"""


def test_csv_columns_of_numbers_and_text(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(TABLE)
    table = data.read_csv(path)
    # size, colour = blue, green, red, weight
    expected = [[3, 0, 0, 1, 0.5], [4, 1, 0, 0, -1000], [5, 0, 1, 0, 7]]
    np.testing.assert_array_equal(table.x, np.array(expected, np.float32))
    assert table.x.dtype == np.float32
    assert table.y.tolist() == [1, 0, 1]
    by_size = data.read_csv(path, target="size")
    assert by_size.y.tolist() == [3, 4, 5]
    assert by_size.x.shape == (3, 3 + 1 + 2)
    by_weight = data.read_csv(path, target="weight")
    assert by_weight.y.tolist() == [1, 0, 2]


BAD_CSV = [
    ("", "0 columns and 0 samples"),
    ("a,b\n", "2 columns and 0 samples"),
    ("a\n1\n", "1 columns and 1 samples"),
    ("a,b\n1,2\n\n3\n", "line 4 has 1 cells and the header has 2"),
    ("a,b\n1,2\n?,2\n", r"column 'a': line 3 has '\?' among numbers"),
    ("a,b\nnan,2\n", "column 'a': line 2 has 'nan' among numbers"),
    ('a,b\n"1,2\n', "not a CSV file"),
    ("a,b\n1,\udcff\n", "not a CSV file in UTF-8"),
]


@pytest.mark.parametrize(("text", "message"), BAD_CSV)
def test_bad_csv_is_named(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text, errors="surrogateescape")
    with pytest.raises(InputError, match=rf"bad\.csv: {message}"):
        data.read_csv(path)
    with pytest.raises(InputError, match=r"no column 'z'; its columns are a, b"):
        path.write_text("a,b\n1,2\n")
        data.load(path, target="z")


def test_files_without_a_test_split_get_a_fixed_one(tmp_path: Path) -> None:
    rows = np.arange(50)
    (tmp_path / "t.csv").write_text("a,b\n" + "".join(f"{k},{k}\n" for k in rows))
    np.savez(tmp_path / "t.npz", x=rows[:, None], y=rows)
    for name in ("t.csv", "t.npz"):
        train, test = data.load(tmp_path / name)
        assert len(train) == 40 and len(test) == 10
        assert sorted([*train.y, *test.y]) == rows.tolist()
        np.testing.assert_array_equal(train.x[:, 0], train.y)
        assert test.y.tolist() != list(range(test.y[0], test.y[0] + 10))
    np.testing.assert_array_equal(data.load(tmp_path / "t.csv")[1].y, test.y)


def test_npz_with_and_without_a_test_split(tmp_path: Path) -> None:
    path = tmp_path / "t.npz"
    arrays = {"x_train": np.ones((3, 2)), "y_train": [0, 1, 1], "x_test": np.zeros((1, 2))}
    np.savez(path, **arrays, y_test=np.array([2], np.uint8))
    train, test = data.load(str(path))
    assert train.y.tolist() == [0, 1, 1] and test.y.tolist() == [2] and test.x.shape == (1, 2)
    np.savez(path, **arrays)
    with pytest.raises(InputError, match=r"holds x_test, x_train, y_train; give x_train"):
        data.load(path)
    np.savez(path, x=np.array([{}]), y=[0])
    with pytest.raises(InputError, match=r"t\.npz: not a whole \.npz file"):
        data.load(path)
    for content in (b"", b"rubbish", path.read_bytes()[:50]):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"t\.npz: not a whole \.npz file"):
            data.load(path)
    with pytest.raises(InputError, match=r"no\.npz: cannot read this file \(No such file"):
        data.load(tmp_path / "no.npz")


def test_split_takes_arrays_and_refuses_what_does_not_fit() -> None:
    part = Split(np.zeros((4, 2)), np.array([0, 1, 2, 9], np.uint8))
    assert part.y.dtype == np.int32 and len(part) == 4 and part[1:3].y.tolist() == [1, 2]
    for y in ([0, 1], [0, 1, 2, -1], [0.0, 1.0, 2.0, 3.0], [[0], [1], [2], [3]], [0, 0, 0, 2**31]):
        with pytest.raises(InputError, match="Split: "):
            Split(np.zeros((4, 2)), np.array(y))


def test_held_out_rows_are_disjoint_and_fixed() -> None:
    whole = Split(np.arange(100)[:, None], np.arange(100))
    train, validation = data.split(whole, held_out=30, seed=1)
    assert len(train) == 70 and len(validation) == 30
    assert sorted([*train.y, *validation.y]) == list(range(100))
    np.testing.assert_array_equal(train.x[:, 0], train.y)
    assert (np.diff(train.y) > 0).all() and (np.diff(validation.y) > 0).all()
    assert data.split(whole, 30, 1)[1].y.tolist() == validation.y.tolist()
    assert data.split(whole, 30, 2)[1].y.tolist() != validation.y.tolist()
    for held_out in (0, 100, -1):
        with pytest.raises(InputError, match=f"held_out is {held_out}, of 100 rows"):
            data.split(whole, held_out)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match="data set 'mnits' is not known; choose from mnist, fash"):
        data.load("mnits")


# Downloads: a real server on this machine, and a data set of its own.

CONTENT = {"train.bin": os.urandom(700_000), "test.bin": b"the test part"}


def as_splits(content: object) -> tuple[Split, Split]:
    assert content == CONTENT
    return Split(np.zeros(1), np.zeros(1, int)), Split(np.ones(1), np.ones(1, int))


class Server(ThreadingHTTPServer):
    """Serves `pages` by path, cutting those in `cut` short; remembers what was asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.pages: dict[str, bytes] = {f"/{name}": page for name, page in CONTENT.items()}
        self.cut: set[str] = set()
        self.asked: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        page = self.server.pages.get(self.path)
        if page is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page[: len(page) // 2] if self.path in self.server.cut else page)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("GATEWRIGHT_DATA", raising=False)
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def tiny(monkeypatch: pytest.MonkeyPatch, *mirrors: str) -> None:
    files = tuple(
        File(f"some/where/{name}", hashlib.sha256(page).hexdigest())
        for name, page in CONTENT.items()
    )
    monkeypatch.setitem(
        datasets.DATASETS, "tiny", DataSet((Form(files, as_splits),), tuple(mirrors))
    )


def files_below(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def unreachable() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}/"


def test_a_download_goes_to_the_cache_once(
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tiny(monkeypatch, server.address)
    monkeypatch.setenv("FORCE_COLOR", "1")
    for _ in range(2):
        train, test = data.load("tiny")
        assert len(train) == len(test) == 1
    assert server.asked == ["/train.bin", "/test.bin"]
    folder = tmp_path / "gatewright/some/where"
    assert files_below(tmp_path) == ["test.bin", "train.bin"]
    assert (folder / "train.bin").read_bytes() == CONTENT["train.bin"]
    out, err = capsys.readouterr()
    assert out == "" and "train.bin" in err and "700.0" in err
    # A missing file is fetched alone.
    (folder / "test.bin").unlink()
    data.load("tiny")
    assert server.asked[2:] == ["/test.bin"]


def test_the_folder_of_the_environment_and_the_argument_come_first(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tiny(monkeypatch, server.address)
    own = tmp_path / "own"
    data.load("tiny", own)
    assert len(server.asked) == 2 and files_below(own) == ["test.bin", "train.bin"]
    monkeypatch.setenv("GATEWRIGHT_DATA", str(own))
    data.load("tiny")
    assert len(server.asked) == 2
    # What GATEWRIGHT_DATA lacks is downloaded into the cache, never into it.
    monkeypatch.setenv("GATEWRIGHT_DATA", str(tmp_path / "empty"))
    data.load("tiny")
    assert len(server.asked) == 4 and not (tmp_path / "empty").exists()
    assert files_below(tmp_path / "gatewright") == ["test.bin", "train.bin"]


def test_the_home_folder_holds_the_cache_by_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GATEWRIGHT_DATA", "mine")
    assert fetch.search_folders() == [Path("mine"), tmp_path / ".cache/gatewright"]


def test_failed_downloads_leave_nothing_and_say_what_to_do(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fails(why: str, *mirrors: str) -> None:
        tiny(monkeypatch, *mirrors)
        with pytest.raises(InputError, match=why) as caught:
            data.load("tiny")
        message = str(caught.value)
        assert message.startswith("tiny: cannot download (") and "\n" not in message
        assert "put some/where/train.bin, some/where/test.bin in a folder and set" in message
        assert files_below(tmp_path) == []

    fails("Connection refused", unreachable())
    fails("404", f"{server.address}elsewhere/")
    server.cut = {"/train.bin"}
    fails("the connection was cut after 350000 of 700000 bytes", server.address)
    server.cut = set()
    server.pages["/train.bin"] = bytes(700_000)
    fails(r"train\.bin has SHA-256 [0-9a-f]{64}, not [0-9a-f]{64}", server.address)
    server.pages["/a.tar.gz"] = b"rubbish"
    server.pages["/b.tar.gz"] = archive({"x": b"y"})
    server.pages["/c.tar.gz"] = archive(CONTENT)[:-2_000]
    for name in ("a", "b", "c"):
        fails(f"{name}.tar.gz: ", f"{server.address}{name}.tar.gz")


def test_the_second_mirror_finishes_what_the_first_began(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server.cut = {"/test.bin"}
    server.pages["/whole.tar.gz"] = archive({"other": b"", **CONTENT})
    tiny(monkeypatch, unreachable(), server.address, f"{server.address}whole.tar.gz")
    data.load("tiny")
    assert server.asked == ["/train.bin", "/test.bin", "/whole.tar.gz"]
    assert files_below(tmp_path) == ["test.bin", "train.bin"]


def archive(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, page in members.items():
            member = tarfile.TarInfo(f"folder/{name}")
            member.size = len(page)
            tar.addfile(member, io.BytesIO(page))
    return buffer.getvalue()


def test_a_damaged_file_is_named_and_not_used(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tiny(monkeypatch, server.address)
    data.load("tiny")
    path = tmp_path / "gatewright/some/where/test.bin"
    path.write_bytes(b"the test pary")
    with pytest.raises(
        InputError, match=r"where/test\.bin: damaged .* or delete it to have it downloaded"
    ):
        data.load("tiny")
    path.unlink()
    data.load("tiny")


def test_every_known_set_has_checksums_and_a_mirror() -> None:
    for data_set in datasets.DATASETS.values():
        assert data_set.mirrors
        assert all(mirror.endswith(("/", ".tar.gz")) for mirror in data_set.mirrors)
        for form in data_set.forms:
            assert all(len(bytes.fromhex(file.sha256)) == 32 for file in form.files)
