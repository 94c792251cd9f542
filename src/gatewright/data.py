"""Data sets by name, or from files: `load` gives the training and the test `Split`.

`x` is what an encoder of `gatewright.encode` takes: images as uint8, categories as bits (bool).
Arrays of your own need no file: `Split(x, y)`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gatewright import fetch
from gatewright.datasets import DATASETS, Splits, fixed_split
from gatewright.errors import InputError
from gatewright.readers import Split, read_cifar10, read_csv, read_idx, read_npz

__all__ = ["Split", "load", "read_cifar10", "read_csv", "read_idx", "read_npz", "split"]


def load(name: str | Path, folder: Path | str | None = None, target: str | None = None) -> Splits:
    """The training and the test split of a data set.

    `name` is a key of `datasets.DATASETS`, or the path of a file. A named set is read from `folder`
    or, without one, from GATEWRIGHT_DATA or the user's cache; where it is missing it is downloaded
    into that folder or the cache. A file is one of

    - .npz with the arrays x_train, y_train, x_test and y_test, or x and y;
    - .csv as `read_csv` takes it; `target` names the column of the classes (default: the last).

    What has no official split gets a fixed one: 20 % of the rows, drawn with seed 0, are the test.

    Raises:
        InputError: the name is not known; the file is missing, damaged or not as described.
        MissingTool: the only form found needs a package that is not installed.
    """
    path = Path(name)
    if path.suffix == ".csv":
        table = read_csv(path, target)
        return fixed_split(table.x, table.y)
    if path.suffix == ".npz":
        return _load_npz(path)
    if name not in DATASETS:
        raise InputError(
            f"data set {str(name)!r} is not known; choose from {', '.join(DATASETS)}, "
            "or give a .csv or .npz file"
        )
    data_set = DATASETS[str(name)]
    folders = fetch.search_folders() if folder is None else [Path(folder)]
    for form in data_set.forms:
        content = fetch.read_all(form.files, folders)
        if content is not None:
            return form.read(content)
    form = data_set.forms[0]
    fetch.download(str(name), form.files, data_set.mirrors, folders[-1])
    content = fetch.read_all(form.files, folders[-1:])
    assert content is not None, "download gives every file or raises"
    return form.read(content)


def split(train: Split, held_out: int = 5_000, seed: int = 0) -> Splits:
    """Training rows, and `held_out` validation rows drawn with `seed`; both keep their order."""
    if not 0 < held_out < len(train):
        raise InputError(
            f"held_out is {held_out}, of {len(train)} rows; hold out 1 to {len(train) - 1}"
        )
    is_held_out = np.zeros(len(train), bool)
    is_held_out[np.random.default_rng(seed).permutation(len(train))[:held_out]] = True
    return train[~is_held_out], train[is_held_out]


def _load_npz(path: Path) -> Splits:
    arrays = read_npz(path)
    if arrays.keys() >= {"x_train", "y_train", "x_test", "y_test"}:
        train = Split(arrays["x_train"], arrays["y_train"])
        return train, Split(arrays["x_test"], arrays["y_test"])
    if arrays.keys() >= {"x", "y"}:
        whole = Split(arrays["x"], arrays["y"])
        return fixed_split(whole.x, whole.y)
    raise InputError(
        f"{path}: holds {', '.join(sorted(arrays)) or 'nothing'}; "
        "give x_train, y_train, x_test and y_test, or x and y"
    )
