"""Tables for `benchmarks/tables.py`, as people have them: text, categories, missing values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn import datasets
from sklearn.model_selection import train_test_split

#: x of the training and the test rows, y of both.
Splits = tuple[Any, Any, np.ndarray, np.ndarray]

ADULT = [
    "age",
    "workclass",
    "fnlwgt",
    "education",
    "education-num",
    "marital-status",
    "occupation",
    "relationship",
    "race",
    "sex",
    "capital-gain",
    "capital-loss",
    "hours-per-week",
    "native-country",
    "income",
]
BREAST_CANCER = [
    "class",
    "age",
    "menopause",
    "tumor-size",
    "inv-nodes",
    "node-caps",
    "deg-malig",
    "breast",
    "breast-quad",
    "irradiat",
]
TEST_SHARE = 0.25


def as_categories(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with columns of text as categories, which both sides read as such."""
    text = [name for name in frame if not pd.api.types.is_numeric_dtype(frame[name])]
    return frame.astype(dict.fromkeys(text, "category"))


def monk(folder: Path, number: int) -> Splits:
    names = ["class", *(f"a{i}" for i in range(1, 7)), "id"]

    def part(which: str) -> pd.DataFrame:
        path = folder / "uci" / "monk" / f"monks-{number}.{which}"
        return pd.read_csv(path, sep=r"\s+", header=None, names=names).drop(columns="id")

    train, test = part("train"), part("test")
    both = pd.concat([train, test]).drop(columns="class").astype(str)
    table = as_categories(both)
    return table[: len(train)], table[len(train) :], *(p["class"].to_numpy() for p in (train, test))


def adult(folder: Path) -> Splits:
    def part(which: str) -> pd.DataFrame:
        path = folder / "uci" / "adult" / f"adult.{which}"
        return pd.read_csv(path, names=ADULT, skipinitialspace=True, na_values="?", comment="|")

    train, test = part("data"), part("test")
    both = pd.concat([train, test])
    y = both.pop("income").str.rstrip(".").to_numpy()
    table = as_categories(both)
    return table[: len(train)], table[len(train) :], y[: len(train)], y[len(train) :]


def breast_cancer(folder: Path) -> tuple[pd.DataFrame, np.ndarray]:
    path = folder / "uci" / "breast-cancer" / "breast-cancer.data"
    frame = pd.read_csv(path, header=None, na_values="?", names=BREAST_CANCER)
    y = frame.pop("class").to_numpy()
    return as_categories(frame), y


Made = Callable[[int], tuple[Any, np.ndarray]]

#: Tables without a split of their own: a seed -> table and classes.
SHIPPED: dict[str, Made] = {
    "iris": lambda _: datasets.load_iris(return_X_y=True),
    "wine": lambda _: datasets.load_wine(return_X_y=True),
    "breast-cancer-wisconsin": lambda _: datasets.load_breast_cancer(return_X_y=True),
    "digits": lambda _: datasets.load_digits(return_X_y=True),
    "made-classification": lambda seed: datasets.make_classification(
        5000, 20, n_informative=10, n_classes=4, class_sep=1.2, random_state=seed
    ),
    "made-hastie": lambda seed: datasets.make_hastie_10_2(6000, random_state=seed),
    "made-moons": lambda seed: datasets.make_moons(2000, noise=0.25, random_state=seed),
}

CLASSIFICATION = ("monk1", "monk2", "monk3", "adult", "breast-cancer", *SHIPPED)
REGRESSION: dict[str, Made] = {
    "diabetes": lambda _: datasets.load_diabetes(return_X_y=True, scaled=False),
    "made-friedman": lambda seed: datasets.make_friedman1(4000, noise=1.0, random_state=seed),
    "wine-alcohol": lambda _: (datasets.load_wine().data[:, 1:], datasets.load_wine().data[:, 0]),
}


def load(name: str, seed: int, folder: Path) -> Splits:
    """A table's rows to learn from and to judge by; its own split, or a quarter by the seed."""
    if name.startswith("monk"):
        return monk(folder, int(name.removeprefix("monk")))
    if name == "adult":
        return adult(folder)
    if name in REGRESSION:
        x, y = REGRESSION[name](seed)
        return tuple(train_test_split(x, y, test_size=TEST_SHARE, random_state=seed))
    x, y = breast_cancer(folder) if name == "breast-cancer" else SHIPPED[name](seed)
    return tuple(train_test_split(x, y, test_size=TEST_SHARE, random_state=seed, stratify=y))
