"""The data sets known by name: their files, checksums and mirrors, and what is made of them."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from gatewright.errors import MissingTool
from gatewright.fetch import File
from gatewright.readers import Split, one_hot, parse_cifar10, parse_idx

Splits = tuple[Split, Split]

TEST_SHARE = 0.2


@dataclass(frozen=True)
class Form:
    """One way in which a data set is stored: its files, and what makes splits of their content."""

    files: tuple[File, ...]
    read: Callable[[Mapping[str, bytes]], Splits]


@dataclass(frozen=True)
class DataSet:
    """A data set.

    Attributes:
        forms: how it may be stored, the preferred form first; that one can be downloaded.
        mirrors: addresses that hold the first form, as `fetch.download` takes them.
    """

    forms: tuple[Form, ...]
    mirrors: tuple[str, ...]


def fixed_split(x: npt.NDArray[Any], y: npt.NDArray[np.int32]) -> Splits:
    """Training and test rows of data without an official split: 20 % for the test, seed 0."""
    return split_by(Split(x, y), 0)


def split_by(rows: Split, seed: int) -> Splits:
    """Training and test rows: 20 % for the test, chosen by the seed."""
    order = np.random.default_rng(seed).permutation(len(rows))
    is_test = np.zeros(len(rows), bool)
    is_test[order[: round(TEST_SHARE * len(rows))]] = True
    return rows[~is_test], rows[is_test]


def _read_mnist(content: Mapping[str, bytes]) -> Splits:
    def part(name: str) -> Split:
        images, labels = f"{name}-images-idx3-ubyte.gz", f"{name}-labels-idx1-ubyte.gz"
        return Split(parse_idx(content[images], images), parse_idx(content[labels], labels))

    return part("train"), part("t10k")


CIFAR10_BATCHES = ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5")


def _read_cifar10(content: Mapping[str, bytes]) -> Splits:
    batches = [parse_cifar10(content[f"{name}.bin"], name) for name in CIFAR10_BATCHES]
    x, y = [batch.x for batch in batches], [batch.y for batch in batches]
    test = parse_cifar10(content["test_batch.bin"], "test_batch")
    return Split(np.concatenate(x), np.concatenate(y)), test


def _read_cifar10_webp(content: Mapping[str, bytes]) -> Splits:
    """Lossless sprites, 20 images across and 500 down in the order of the batch, and labels."""
    try:
        image: Any = import_module("PIL.Image")
    except ImportError as error:
        raise MissingTool(
            "cifar10: stored as WebP, and Pillow, which reads it, is not installed: "
            "pip install pillow (or write the .bin files with cifar10/unpack.py, "
            "beside the .webp files)"
        ) from error

    def images(name: str) -> npt.NDArray[np.uint8]:
        sprite = np.asarray(image.open(io.BytesIO(content[f"{name}.webp"])))
        return sprite.reshape(-1, 32, 20, 32, 3).swapaxes(1, 2).reshape(-1, 32, 32, 3)

    def labels(name: str) -> npt.NDArray[Any]:
        return np.load(io.BytesIO(content[f"{name}_labels.npy"]), allow_pickle=False).ravel()

    train = Split(np.concatenate([images(name) for name in CIFAR10_BATCHES]), labels("train"))
    return train, Split(images("test_batch"), labels("test"))


def _cells(content: bytes, separator: str | None) -> npt.NDArray[np.str_]:
    """The cells of a UCI table; empty lines and comments (|) are left out."""
    lines = [line.strip() for line in content.decode().splitlines()]
    rows = [line.split(separator) for line in lines if line and not line.startswith("|")]
    return np.array([[cell.strip() for cell in row] for row in rows])


MONK_SIZES = (3, 3, 2, 3, 4, 2)


def _read_monk(content: Mapping[str, bytes]) -> Splits:
    """Six attributes of 3, 3, 2, 3, 4 and 2 values, one-hot: x bool[N, 17]."""

    def part(name: str) -> Split:
        cells = _cells(content[name], None)[:, :7].astype(np.int32)
        bits = [one_hot(cells[:, 1 + k], np.arange(size) + 1) for k, size in enumerate(MONK_SIZES)]
        return Split(np.concatenate(bits, axis=1), cells[:, 0])

    test, train = sorted(content)
    return part(train), part(test)


#: Adult's numeric columns that are used, and the lower ends of their ranges after the first one:
#: those of Petersen et al. (2022), in the code published with the paper. That code leaves out the
#: hours by mistake; here they count.
ADULT_RANGES = {
    0: (21, 30, 45, 60),  # age
    10: (1, 5_000),  # capital gain
    11: (1, 5_000),  # capital loss
    12: (1, 13, 26, 41, 60),  # hours a week
}
ADULT_CATEGORIES = (1, 3, 5, 6, 7, 8, 9, 13)
ADULT_LABEL = 14


def _read_adult(content: Mapping[str, bytes]) -> Splits:
    """Rows without missing values; categories and ranges one-hot: x bool[N, 116], y 1 for >50K."""
    tables = {name: _cells(content[name], ",") for name in ("adult.data", "adult.test")}

    def part(name: str) -> Split:
        cells = tables[name]
        cells = cells[(cells != "?").all(axis=1)]
        bits = [one_hot(cells[:, k], _values(tables["adult.data"][:, k])) for k in ADULT_CATEGORIES]
        for k, ends in ADULT_RANGES.items():
            ranges = np.searchsorted(ends, cells[:, k].astype(np.int32), side="right")
            bits.append(one_hot(ranges, np.arange(len(ends) + 1)))
        # The test file ends its labels in a full stop.
        income = np.char.rstrip(cells[:, ADULT_LABEL], ".")
        return Split(np.concatenate(bits, axis=1), (income == ">50K").astype(np.int32))

    return part("adult.data"), part("adult.test")


def _values(cells: npt.NDArray[np.str_]) -> npt.NDArray[np.str_]:
    values = np.unique(cells)
    return values[values != "?"]


#: The values of Breast Cancer's nine attributes, as its description lists them.
BREAST_CANCER_VALUES = (
    "10-19 20-29 30-39 40-49 50-59 60-69 70-79 80-89 90-99",
    "lt40 ge40 premeno",
    "0-4 5-9 10-14 15-19 20-24 25-29 30-34 35-39 40-44 45-49 50-54 55-59",
    "0-2 3-5 6-8 9-11 12-14 15-17 18-20 21-23 24-26 27-29 30-32 33-35 36-39",
    "yes no",
    "1 2 3",
    "left right",
    "left_up left_low right_up right_low central",
    "yes no",
)


def _read_breast_cancer(content: Mapping[str, bytes]) -> Splits:
    """Rows without missing values, attributes one-hot: x bool[N, 51], y 1 for a recurrence."""
    cells = _cells(content["breast-cancer.data"], ",")
    cells = cells[(cells != "?").all(axis=1)]
    columns = zip(cells[:, 1:].T, BREAST_CANCER_VALUES, strict=True)
    bits = [one_hot(column, values.split()) for column, values in columns]
    y = (cells[:, 0] == "recurrence-events").astype(np.int32)
    return fixed_split(np.concatenate(bits, axis=1), y)


def _data_set(
    folder: str,
    sums: Mapping[str, str],
    read: Callable[[Mapping[str, bytes]], Splits],
    *mirrors: str,
    others: tuple[Form, ...] = (),
) -> DataSet:
    return DataSet((_form(folder, sums, read), *others), mirrors)


def _form(
    folder: str, sums: Mapping[str, str], read: Callable[[Mapping[str, bytes]], Splits]
) -> Form:
    return Form(tuple(File(f"{folder}/{name}", sums[name]) for name in sums), read)


def _monk(train: str, test: str, number: int) -> DataSet:
    sums = {f"monks-{number}.train": train, f"monks-{number}.test": test}
    return _data_set("uci/monk", sums, _read_monk, f"{UCI}/monks-problems/")


UCI = "https://archive.ics.uci.edu/ml/machine-learning-databases"

DATASETS: dict[str, DataSet] = {
    "mnist": _data_set(
        "mnist",
        {
            "train-images-idx3-ubyte.gz": (
                "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
            ),
            "train-labels-idx1-ubyte.gz": (
                "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
            ),
            "t10k-images-idx3-ubyte.gz": (
                "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
            ),
            "t10k-labels-idx1-ubyte.gz": (
                "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"
            ),
        },
        _read_mnist,
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    "fashion-mnist": _data_set(
        "fashion-mnist",
        {
            "train-images-idx3-ubyte.gz": (
                "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"
            ),
            "train-labels-idx1-ubyte.gz": (
                "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"
            ),
            "t10k-images-idx3-ubyte.gz": (
                "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"
            ),
            "t10k-labels-idx1-ubyte.gz": (
                "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"
            ),
        },
        _read_mnist,
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    ),
    "cifar10": _data_set(
        "cifar10/cifar-10-batches-bin",
        {
            "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
            "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
            "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
            "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
            "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
            "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
        },
        _read_cifar10,
        "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        others=(
            _form(
                "cifar10",
                {
                    "data_batch_1.webp": (
                        "7e3fc95715107024a3b33c7bb34dc3188ccaebc0663fc386b761da93feabfaf4"
                    ),
                    "data_batch_2.webp": (
                        "59c1176d8b4c23ff832d8f28a73820fa80b7ae13e89548cf7aedd185059d011a"
                    ),
                    "data_batch_3.webp": (
                        "ab9d7b8a86484a9857985113e93b6f88c3f30b25a5473e5db818130cb7495788"
                    ),
                    "data_batch_4.webp": (
                        "a93844d4fd4787cb59bc1e3af5894d0ba8d9199d5ffe0fb29153e0d4c5b56951"
                    ),
                    "data_batch_5.webp": (
                        "01c5441c4990fe55d00bd4e69bb50d73a72d317b71b263a222bb9c835a888331"
                    ),
                    "test_batch.webp": (
                        "067c5566dec1ad5b0ec93bbf1c22a7d2c2cf1b2e7f5b7db61bb01092a7d7a03d"
                    ),
                    "train_labels.npy": (
                        "fad921ba16b0efeebb54393d1351545d1fe1a357f6f81324c821e3e11b956c70"
                    ),
                    "test_labels.npy": (
                        "19004b019bd095265b4ce6637c9ff979c66abcbc8e658a665f791b487cdea5eb"
                    ),
                },
                _read_cifar10_webp,
            ),
        ),
    ),
    "monk1": _monk(
        "d9c328b6f0e095ab10f7bc8468f1d2141f3d08be73e665c3bf0a62994c922606",
        "e501ada3b21d876ab86f3e1614747bd2edc443a685f229a25e480aa1dea629f6",
        1,
    ),
    "monk2": _monk(
        "7ebcc278005737caad0cd52e6aa31256a2c3174da8047faf4ac3a9d35edbdaa8",
        "945650affde377c27f6218c8b17893e339ea831f4bee9f9d7123020699cfbf40",
        2,
    ),
    "monk3": _monk(
        "726f258f80be06af4bb2d8831789514a663f5813e47429211fe19dcd367966f8",
        "1d816ae7347afaf895050667adc3f382904c6ed2332d0a2d09353f5e6cb54612",
        3,
    ),
    "adult": _data_set(
        "uci/adult",
        {
            "adult.data": "5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d",
            "adult.test": "a2a9044bc167a35b2361efbabec64e89d69ce82d9790d2980119aac5fd7e9c05",
        },
        _read_adult,
        f"{UCI}/adult/",
    ),
    "breast-cancer": _data_set(
        "uci/breast-cancer",
        {
            "breast-cancer.data": (
                "ca7d3fa97b62ff967b6894ffbb3acaaf4a51062e0149e5950b3ad6f685970b65"
            ),
        },
        _read_breast_cancer,
        f"{UCI}/breast-cancer/",
    ),
}
