"""Estimators in scikit-learn's interface: `LogicClassifier` and `LogicRegressor`.

    model = LogicClassifier().fit(table, labels)
    model.predict(table); model.predict_proba(table); model.score(table, labels)
    model.model_.save("circuit.safetensors")

A table is an array, a pandas or polars data frame, an Arrow table or a mapping of names to columns.
What `fit` leaves is a circuit, which is what predicts.
"""

# scikit-learn has no types: what comes of it is unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from gatewright import estimation
from gatewright.columns import as_array, is_missing, names_of, read_table
from gatewright.errors import InputError, MissingTool
from gatewright.extraction import extract
from gatewright.heads import GroupSum
from gatewright.model import Model
from gatewright.network import Network
from gatewright.passes import optimize
from gatewright.readout import Numbers
from gatewright.tables import TableEncoder, Unseen, text_of

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.utils import check_random_state
    from sklearn.utils.class_weight import compute_sample_weight
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import (
        _check_sample_weight,  # pyright: ignore[reportPrivateUsage]
        check_is_fitted,
        column_or_1d,
        validate_data,
    )
except ImportError as error:
    raise MissingTool(
        "gatewright.sklearn needs scikit-learn: pip install 'gatewright[sklearn]'"
    ) from error

__all__ = ["LogicClassifier", "LogicRegressor"]

Floats = npt.NDArray[np.float64]

#: Pickled in place of a model: what `Model.to_bytes` gives.
MODELS = ("model_", "_counts")


class _Logic(BaseEstimator):
    """What both estimators share: parameters, encoding, training, pickling."""

    def __init__(
        self,
        *,
        bits: int | Literal["auto"] = "auto",
        thresholds: str = "quantile",
        categorical: Collection[str | int] = (),
        ordered: Mapping[str | int, Sequence[str | float]] | None = None,
        unseen: Unseen = "error",
        widths: Sequence[int] | None = None,
        steps: int | None = None,
        tau: float | None = None,
        fit_seconds: float = 60.0,
        effort: int = 1,
        warm_start: bool = False,
        random_state: Any = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.bits = bits
        self.thresholds = thresholds
        self.categorical = categorical
        self.ordered = ordered
        self.unseen = unseen
        self.widths = widths
        self.steps = steps
        self.tau = tau
        self.fit_seconds = fit_seconds
        self.effort = effort
        self.warm_start = warm_start
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    @property
    def _goes_on(self) -> bool:
        """Whether `fit` trains on what is there."""
        return self.warm_start and hasattr(self, "network_")

    def _say(self, text: str) -> None:
        if self.verbose:
            print(f"{type(self).__name__}: {text}", flush=True)

    def _table(self, x: Any, *, reset: bool) -> Any:
        """The table, its columns' number and names seen to be those of `fit`."""
        names = names_of(x)
        if names is not None and not hasattr(x, "iloc"):  # scikit-learn does not read these
            if reset:
                self.feature_names_in_ = np.array(names, object)
                self.n_features_in_ = len(names)
            return x
        table: Any = x if hasattr(x, "toarray") or hasattr(x, "iloc") else as_array(x)
        if len(table.shape) == 2:
            validate_data(self, table, reset=reset, skip_check_array=True)
        return table

    def _fit(
        self, x: Any, y: npt.NDArray[Any], num_classes: int | None, weights: Floats | None
    ) -> tuple[estimation.Learnt, tuple[float, float]]:
        """Fit encoder and network; and y's mean and spread.

        Rows of weight 0 are as if they were not there.
        """
        rng = check_random_state(self.random_state)
        seed = int(rng.randint(np.iinfo(np.int32).max))
        if not _number("fit_seconds", self.fit_seconds) > 0:
            raise InputError(f"fit_seconds is above 0, not {self.fit_seconds}")
        columns, named = read_table(x)
        if len(columns[0]) != len(y):
            raise InputError(f"the table has {len(columns[0])} rows and y {len(y)}")
        shown, labels = columns, y  # to the encoder: each row as often as it counts
        if weights is not None:
            times = weights if _are_counts(weights) else weights > 0
            often = np.repeat(np.arange(len(y)), times.astype(np.int64))
            shown, labels = [column.take(often) for column in columns], y[often]
            kept = np.flatnonzero(weights > 0)
            columns, y, weights = [column.take(kept) for column in columns], y[kept], weights[kept]
        if not len(y):
            raise InputError("sample_weight is 0 in every row; give some row a weight")
        if not self._goes_on:
            auto = 31 if len(labels) >= 2000 else 15
            most = auto if self.bits == "auto" else _whole("bits", self.bits)
            self.encoder_ = TableEncoder.of_columns(
                shown, labels, named=named, bits=most, how=self.thresholds,
                categorical=self.categorical, ordered=self.ordered,
                unseen=self.unseen,  # pyright: ignore[reportArgumentType]  (it checks)
            )  # fmt: skip
        else:
            self.encoder_.check(columns, named)
        values = self.encoder_.values(columns)
        if self.encoder_.num_bits == 0:
            raise InputError(
                f"each of the {values.shape[1]} columns has a single value in all of {len(y)} "
                "sample(s); there is nothing to tell rows apart by"
            )
        chosen, groups = estimation.weighted_rows(values, y, weights)
        targets, mean, spread = y[chosen], 0.0, 1.0
        if num_classes is None:
            mean, spread = float(targets.mean()), float(targets.std())
            targets = ((targets - mean) / (spread or 1.0)).astype(np.float32)
        problem = estimation.Problem(
            self.encoder_.of_numbers, np.ascontiguousarray(values[chosen]), targets, num_classes,
            groups, seed, _threads(self.n_jobs),
        )  # fmt: skip
        start = self.network_ if self._goes_on else None
        plans = [self.plan_] if self._goes_on else self._plans(len(chosen), num_classes)
        self._say(f"{len(y)} rows, {self.encoder_.num_bits} bits of {values.shape[1]} columns")
        learnt = estimation.learn(
            problem, plans, seconds=self.fit_seconds, start=start, say=self._say
        )
        self.network_, self.plan_ = learnt.network, learnt.plan
        self.n_iter_ = self.plan_.steps
        if learnt.is_cut:
            warnings.warn(
                f"fit_seconds={self.fit_seconds} were over before training was; give more, or "
                "fewer steps or widths",
                ConvergenceWarning,
                stacklevel=3,
            )
        return learnt, (mean, spread)

    def _plans(self, num_rows: int, num_classes: int | None) -> list[estimation.Plan]:
        plans = estimation.candidates(num_rows, num_classes)
        given: dict[str, Any] = {}
        if self.widths is not None:
            try:
                widths = [_whole("a width", width) for width in self.widths]
            except TypeError:
                raise InputError(
                    f"widths are gates of each layer, say (200,), not {self.widths!r}"
                ) from None
            if not widths or min(widths) < 1:
                raise InputError(f"widths are gates of each layer, at least 1, not {self.widths}")
            widths[-1] += -widths[-1] % (num_classes or 1)
            given["widths"] = tuple(widths)
        if self.steps is not None:
            given["steps"] = _whole("steps", self.steps)
            if given["steps"] < 1:
                raise InputError(f"steps are at least 1, not {self.steps}")
        if self.tau is not None:
            given["tau"] = _number("tau", self.tau)
            if not 0 < given["tau"] < np.inf:
                raise InputError(f"tau is above 0, not {self.tau}")
        return list(dict.fromkeys(replace(plan, **given) for plan in plans))

    def _circuit(self, model: Model) -> Model:
        small = optimize(model, effort=_whole("effort", self.effort))
        assert isinstance(small, Model)
        return small

    def _named(self, network: Network, name: str) -> Model:
        return extract(network, self.encoder_, name=name, input_names=self.encoder_.conditions)

    def _rows(self, x: Any) -> Any:
        check_is_fitted(self)
        return self._table(x, reset=False)

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = dict(super().__getstate__())  # pyright: ignore[reportCallIssue, reportArgumentType, reportAssignmentType]
        for name in MODELS:
            if name in state:
                state[name] = state[name].to_bytes()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        for name in MODELS:
            if name in state:
                state[name] = Model.from_bytes(state[name])
        super().__setstate__(state)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags


class LogicClassifier(ClassifierMixin, _Logic):
    """Tells classes apart by a circuit of logic gates.

    Parameters:
        bits: thresholds a column of numbers at most; "auto" takes 31 from 2,000 rows on, else 15.
        thresholds: where they are: "quantile", "uniform" or "learned".
        categorical, ordered, unseen: which columns are categories; see `TableEncoder.fit`.
        widths: gates of each layer, the last one rounded up to a multiple of the classes; None: by
            the number of rows.
        steps: of training; None: by the number of rows.
        tau: of the votes, in square roots of a class's votes: higher learns less by heart. None:
            1 and 3 are tried on held-out rows.
        fit_seconds: what training may take. It decides what is tried; training also ends at it,
            with a ConvergenceWarning.
        effort: of the circuit's optimisation, 0 to 3.
        class_weight: "balanced", or a weight for each class.
        warm_start: whether `fit` trains the network on that it has.
        n_jobs: threads; None is 1, -1 one a processor.
        verbose: 1 prints what is tried.

    Attributes:
        classes_: of the labels.
        model_: the circuit with its encoder; `model_.save(path)` ships it.
        encoder_, network_, plan_: the columns' bits, the soft network, and what was trained.
        temperature_: of the probabilities, chosen on held-out rows.
    """

    def __init__(
        self,
        *,
        class_weight: str | Mapping[Any, float] | None = None,
        bits: int | Literal["auto"] = "auto",
        thresholds: str = "quantile",
        categorical: Collection[str | int] = (),
        ordered: Mapping[str | int, Sequence[str | float]] | None = None,
        unseen: Unseen = "error",
        widths: Sequence[int] | None = None,
        steps: int | None = None,
        tau: float | None = None,
        fit_seconds: float = 60.0,
        effort: int = 1,
        warm_start: bool = False,
        random_state: Any = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        super().__init__(
            bits=bits, thresholds=thresholds, categorical=categorical, ordered=ordered,
            unseen=unseen, widths=widths, steps=steps, tau=tau, fit_seconds=fit_seconds,
            effort=effort, warm_start=warm_start, random_state=random_state, n_jobs=n_jobs,
            verbose=verbose,
        )  # fmt: skip
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> LogicClassifier:
        """Fit to a table X [N, columns] and labels y [N].

        Raises:
            InputError: a ValueError that names the column, the row and the mend.
        """
        table = self._table(X, reset=not self._goes_on)
        if y is None:
            raise InputError("LogicClassifier requires y to be passed, but the target y is None")
        labels = column_or_1d(y, warn=True)
        _check_given(labels)
        check_classification_targets(labels)
        classes, codes = np.unique(labels, return_inverse=True)
        if len(classes) < 2:
            held = f"one class only, {classes.tolist()[0]!r}" if len(classes) else "0 sample(s)"
            raise InputError(f"y holds {held}; a classifier needs at least two classes")
        if self._goes_on and not np.array_equal(classes, self.classes_):
            raise InputError(
                f"warm_start goes on with the classes {self.classes_.tolist()}; y has "
                f"{classes.tolist()}: give the same, or fit another estimator"
            )
        self.classes_ = classes
        weights = _weights(sample_weight, table)
        if self.class_weight is not None:
            of_class = compute_sample_weight(self.class_weight, labels)
            weights = of_class if weights is None else weights * of_class
        codes = codes.astype(np.int32)
        learnt, _ = self._fit(table, codes, len(classes), weights)
        self.temperature_ = estimation.temperature_for(learnt.y, learnt.counts)
        names = tuple(text_of(label) for label in classes.tolist())
        named = replace(self._named(self.network_, "classifier"), class_names=names)
        self.model_ = self._circuit(named)
        self._counts = self._circuit(_counting(self.network_, self.encoder_))
        self._say(f"{self.plan_}; {self.model_.circuit.num_gates} gates in the circuit")
        return self

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """The class of each row of a table [N, columns]."""
        table = self._rows(X)
        return self.classes_[self.model_.predict(table)]

    def predict_proba(self, X: Any) -> Floats:
        """The probability of each class, [N, num_classes], in the order of `classes_`."""
        table = self._rows(X)
        counts = self._counts.predict(table).reshape(-1, len(self.classes_))
        scaled = (counts - counts.max(axis=1, keepdims=True)) / self.temperature_
        powers = np.exp(scaled)
        return powers / powers.sum(axis=1, keepdims=True)


class LogicRegressor(RegressorMixin, _Logic):
    """A number from a circuit of logic gates: an affine function of how many outputs are 1.

    The parameters and attributes are those of `LogicClassifier`, without classes; tau is how
    wide the range of the outputs is in ranges of the targets: below 1 what is learnt keeps to the
    middle. From 0.6 to 1.5 are tried.
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> LogicRegressor:
        """Fit to a table X [N, columns] and numbers y [N].

        Raises:
            InputError: a ValueError that names the column, the row and the mend.
        """
        table = self._table(X, reset=not self._goes_on)
        if y is None:
            raise InputError("LogicRegressor requires y to be passed, but the target y is None")
        numbers = column_or_1d(y, warn=True)
        if numbers.dtype.kind in "mM":
            raise InputError(
                f"y is of the type {numbers.dtype}; give numbers, say days since a date"
            )
        try:
            numbers = np.asarray(numbers, np.float64)
        except (TypeError, ValueError):
            raise InputError("y holds text; a regressor learns numbers") from None
        if not np.isfinite(numbers).all():
            at = int(np.flatnonzero(~np.isfinite(numbers))[0])
            what = "NaN" if np.isnan(numbers[at]) else "infinity (inf)"
            raise InputError(f"y contains {what} in row {at}; give finite numbers")
        weights = _weights(sample_weight, table)
        _, (mean, spread) = self._fit(table, numbers, None, weights)
        model = self._named(self.network_, "regressor")
        assert model.numbers is not None
        scaled = Numbers(1, model.numbers.scale * spread, mean + model.numbers.offset * spread)
        self.model_ = self._circuit(replace(model, numbers=scaled))
        self._say(f"{self.plan_}; {self.model_.circuit.num_gates} gates in the circuit")
        return self

    def predict(self, X: Any) -> Floats:
        """The number of each row of a table [N, columns]."""
        table = self._rows(X)
        return self.model_.predict(table)


def _check_given(labels: npt.NDArray[Any]) -> None:
    """InputError where a label is missing; in an array of numbers scikit-learn has looked."""
    if labels.dtype.kind != "O":
        return
    for row, label in enumerate(labels.tolist()):
        if is_missing(label):
            raise InputError(f"y has no value ({label}) in row {row}; label the row or drop it")


def _weights(sample_weight: Any, table: Any) -> Floats | None:
    if sample_weight is None:
        return None
    weights = _check_sample_weight(sample_weight, table, dtype=np.float64)
    if (weights < 0).any():
        at = int(np.argmax(weights < 0))
        raise InputError(f"sample_weight is {weights[at]} in row {at}; weights are at least 0")
    return weights


def _are_counts(weights: Floats) -> bool:
    """Whether weights are how often a row is there, of not too many rows."""
    return bool((weights == np.round(weights)).all()) and weights.sum() <= 4 * len(weights)


def _whole(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise InputError(f"{name} is a whole number, not {value!r}")
    return int(value)


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
        raise InputError(f"{name} is a number, not {value!r}")
    return float(value)


def _threads(n_jobs: int | None) -> int:
    from gatewright import native

    if n_jobs is None:
        return 1
    if _whole("n_jobs", n_jobs) == 0:
        raise InputError("n_jobs is 0; give a number of threads, or -1 for all processors")
    return n_jobs if n_jobs > 0 else max(1, native.num_processors() + 1 + n_jobs)


def _counting(network: Network, encoder: TableEncoder) -> Model:
    """The circuit that counts each class's votes."""
    head, body = network.head, network.gates_circuit(encoder.conditions)
    assert isinstance(head, GroupSum)
    circuit = body.then(head.counting_circuit(body.num_outputs), "counts")
    return Model(circuit, encoder=encoder, numbers=Numbers(head.num_classes, 1.0, 0.0))
