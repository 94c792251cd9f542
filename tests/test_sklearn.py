"""The estimators: scikit-learn's own checks, and what these do not ask."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris, make_classification, make_friedman1
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from gatewright.errors import InputError
from gatewright.model import Model
from gatewright.sklearn import LogicClassifier, LogicRegressor
from gatewright.verify import prove

QUICK = {"widths": (60,), "steps": 120, "tau": 1.0, "random_state": 0}


# What scikit-learn asks of other data warns, and is asked all the same.
@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks([LogicClassifier(**QUICK), LogicRegressor(**QUICK)])
def test_scikit_learns_checks(estimator, check):
    if check.func.__name__ != "check_array_api_input":  # which asks other array libraries in
        check(estimator)


def people(num: int = 600) -> tuple[pd.DataFrame, np.ndarray]:
    """Rows of a rule over numbers, text, an order and missing values."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "age": rng.integers(18, 80, num).astype(float),
            "job": rng.choice(["cook", "baker", "smith"], num),
            "size": pd.Categorical(rng.choice(["s", "m", "l"], num), ["s", "m", "l"], ordered=True),
            "pay": rng.normal(30, 10, num),
        }
    )
    table.loc[rng.random(num) < 0.2, "pay"] = np.nan
    is_so = ((table.age > 45) & (table.job != "cook")) | table.pay.isna() & (table["size"] > "s")
    return table, np.where(is_so, "yes", "no")


def test_a_table_of_all_kinds_is_learnt():
    table, y = people()
    found = LogicClassifier(widths=(200, 100), steps=600, random_state=1).fit(table[:450], y[:450])
    assert found.score(table[450:], y[450:]) > 0.93
    assert found.classes_.tolist() == ["no", "yes"]
    arrow = pa.Table.from_pandas(table)
    np.testing.assert_array_equal(found.predict(arrow), found.predict(table))
    with pytest.raises(InputError, match="column 'age' is missing"):
        found.predict(arrow.drop_columns(["age"]))
    of_arrow = clone(found).fit(arrow, y)
    assert of_arrow.feature_names_in_.tolist() == ["age", "job", "size", "pay"]
    np.testing.assert_array_equal(of_arrow.predict(table), of_arrow.predict(arrow))
    columns = {name: table[name] if name == "size" else table[name].to_numpy() for name in table}
    columns["size"] = table["size"].astype(object).to_numpy()
    again = clone(found).set_params(ordered={"size": ["s", "m", "l"]}).fit(columns, y)
    assert again.score(columns, y) > 0.93
    assert "job = cook" in found.encoder_.conditions


def test_what_fit_leaves_is_a_circuit_and_its_passes_are_proved(tmp_path):
    x, y = load_iris(return_X_y=True)
    found = LogicClassifier(**QUICK).fit(x, y)
    found.model_.save(tmp_path / "m")
    model = Model.load(tmp_path / "m")
    np.testing.assert_array_equal(found.classes_[model.predict(x)], found.predict(x))
    assert prove(model.circuit, found.network_.to_netlist())


def test_probabilities_are_of_the_decision_and_calibrated():
    x, y = make_classification(3000, 10, n_informative=5, flip_y=0.2, random_state=0)
    found = LogicClassifier(widths=(300,), steps=500, random_state=0).fit(x[:1500], y[:1500])
    p = found.predict_proba(x[1500:])
    np.testing.assert_allclose(p.sum(axis=1), 1)
    np.testing.assert_array_equal(found.classes_[p.argmax(axis=1)], found.predict(x[1500:]))
    here = log_loss(y[1500:], p)
    for factor in (0.5, 2.0):  # no other temperature is much better on rows nobody saw
        other = clone(found)
        other.__dict__ |= found.__dict__ | {"temperature_": factor * found.temperature_}
        assert here < log_loss(y[1500:], other.predict_proba(x[1500:])) + 0.01


def test_a_pickle_holds_models_as_safetensors_and_predicts_alike():
    x, y = load_iris(return_X_y=True)
    found = LogicClassifier(**QUICK).fit(x, y)
    state = found.__getstate__()
    assert Model.from_bytes(state["model_"]).circuit.num_gates == found.model_.circuit.num_gates
    again = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(again.predict_proba(x), found.predict_proba(x))


def test_pipelines_and_grid_search():
    x, y = load_iris(return_X_y=True)
    pipeline = make_pipeline(StandardScaler(), LogicClassifier(**QUICK))
    grid = GridSearchCV(pipeline, {"logicclassifier__tau": [1.0, 3.0]}, cv=2).fit(x, y)
    assert grid.best_score_ > 0.85


def test_the_same_seed_gives_the_same_whatever_the_threads():
    x, y = load_iris(return_X_y=True)
    one = LogicClassifier(**QUICK).fit(x, y)
    two = LogicClassifier(**QUICK, n_jobs=2).fit(x, y)
    np.testing.assert_array_equal(one.predict_proba(x), two.predict_proba(x))
    other = LogicClassifier(**QUICK | {"random_state": 1}).fit(x, y)
    assert (other.predict_proba(x) != one.predict_proba(x)).any()


def test_warm_start_goes_on():
    x, y = load_iris(return_X_y=True)
    found = LogicClassifier(**QUICK | {"steps": 40}, warm_start=True).fit(x, y)
    before = np.asarray(found.network_.layers[0].parameters).copy()
    encoder = found.encoder_
    found.fit(x, y)
    assert found.encoder_ is encoder
    with pytest.raises(InputError, match=r"goes on with the classes \[0, 1, 2\]; y has \[0, 1\]"):
        found.fit(x[:100], y[:100])
    with pytest.raises(ValueError, match="X has 3 features, but LogicClassifier is expecting 4"):
        found.fit(x[:, :3], y)
    assert (np.asarray(found.network_.layers[0].parameters) != before).any()
    assert found.score(x, y) > 0.9


def test_weights_and_imbalance():
    rng = np.random.default_rng(0)
    x = rng.random((2000, 3))
    y = (rng.random(2000) < 0.02 + 0.1 * (x[:, 0] > 0.7)).astype(int)
    plain = LogicClassifier(**QUICK).fit(x, y).predict(x)
    balanced = LogicClassifier(**QUICK, class_weight="balanced").fit(x, y).predict(x)
    assert plain.mean() < 0.02
    assert (balanced == (x[:, 0] > 0.7)).mean() > 0.8


def test_time_decides_what_is_tried():
    x, y = load_iris(return_X_y=True)
    with pytest.warns(ConvergenceWarning, match="fit_seconds=0.02 were over before training was"):
        hurried = LogicClassifier(fit_seconds=0.02, random_state=0).fit(x, y)
    patient = LogicClassifier(fit_seconds=600, random_state=0, steps=60)
    assert hurried.plan_.steps < 400
    said: list[str] = []
    patient._say = said.append
    patient.fit(x, y)
    assert sum("on held-out rows" in line for line in said) == 4
    assert patient.plan_.steps == 60


def test_regression():
    x, y = make_friedman1(1200, noise=0.5, random_state=0)
    options = {"widths": (400, 400), "steps": 800, "random_state": 0, "fit_seconds": 600}
    found = LogicRegressor(**options).fit(x[:900], y[:900])
    assert found.score(x[900:], y[900:]) > 0.85
    again = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(again.predict(x), found.predict(x))
    far = LogicRegressor(**options)
    far.fit(x[:900], 1e6 + 1e3 * y[:900])  # the unit does not matter
    np.testing.assert_allclose((far.predict(x) - 1e6) / 1e3, found.predict(x), rtol=1e-3)
    x, y = load_diabetes(return_X_y=True)
    found = LogicRegressor(fit_seconds=20, random_state=0, steps=150).fit(x[:300], y[:300])
    assert found.score(x[300:], y[300:]) > 0.3


TABLE, LABELS = people(40)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (TABLE, ["yes"] * 40, "one class only, 'yes'"),
        (TABLE[:0], LABELS[:0], "0 sample"),
        (TABLE, LABELS[:39], "the table has 40 rows and y 39"),
        (TABLE.assign(age=np.inf), LABELS, r"'age' is infinite \(inf\) in row 0"),
        (TABLE.assign(age=[1, *["x"] * 39]), LABELS, "'age' mixes numbers"),
        (TABLE[["age"]].assign(age=1), LABELS, "each of the 1 columns has a single value"),
        (TABLE, None, "requires y"),
        (TABLE, [*LABELS[:3], None, *LABELS[4:]], r"y has no value \(None\) in row 3; label"),
        (TABLE, pd.Series([pd.NA, *LABELS[1:]], dtype="string"), r"no value \(<NA>\) in row 0"),
        (TABLE.set_axis(["age", "pay", "age", "job"], axis=1), LABELS, "two columns .* 'age'"),
        (pa.table([[1.0] * 40] * 2, names=["a", "a"]), LABELS, "two columns are named 'a'"),
        (TABLE.age, LABELS, r"not a Series of 40 values. Reshape your data: .*to_frame"),
    ],
)
def test_bad_tables_give_one_line_that_names_the_column(x, y, message):
    with pytest.raises(InputError, match=message) as raised:
        LogicClassifier(**QUICK).fit(x, y)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.assign(age=np.nan), r"'age' has no value \(NaN\) in row 0"),
        (lambda t: t.assign(age="old"), "'age' holds 'old' in row 0, and held numbers"),
        (lambda t: t.assign(job="fisher"), "'job' is 'fisher' in row 0"),
        (lambda t: t.assign(age=-np.inf), "'age' is infinite"),
        (lambda t: t.drop(columns="age"), r"(?s)feature names should match.*- age"),
        (lambda t: t[["job", "age", "size", "pay"]], "(?s)feature names.*same order"),
    ],
)
def test_bad_tables_are_refused_in_prediction(change, message):
    found = LogicClassifier(**QUICK).fit(TABLE, LABELS)
    with pytest.raises(ValueError, match=message):
        found.predict(change(TABLE))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fit_seconds": 0}, "fit_seconds is above 0"),
        ({"n_jobs": 0}, "n_jobs is 0"),
        ({"widths": ()}, "widths are gates of each layer"),
        ({"bits": 0}, "from 1 to 255"),
        ({"effort": 9}, "effort is from 0 to 3"),
        ({"effort": "high"}, "effort is a whole number, not 'high'"),
        ({"widths": 20}, r"widths are gates of each layer, say \(200,\), not 20"),
        ({"widths": ("20",)}, "a width is a whole number, not '20'"),
        ({"steps": 0}, "steps are at least 1, not 0"),
        ({"steps": 1.5}, "steps is a whole number, not 1.5"),
        ({"bits": 2.5}, "bits is a whole number, not 2.5"),
        ({"n_jobs": 1.5}, "n_jobs is a whole number, not 1.5"),
        ({"tau": 0}, "tau is above 0, not 0"),
        ({"fit_seconds": "long"}, "fit_seconds is a number, not 'long'"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        LogicClassifier(**QUICK | options).fit(TABLE, LABELS)


def test_what_never_changes_is_told_exactly():
    found = LogicRegressor(**QUICK).fit(TABLE, np.full(40, 3.5))
    np.testing.assert_array_equal(found.predict(TABLE), 3.5)


def test_a_date_is_no_number_to_learn():
    dates = pd.date_range("2020-01-01", periods=40)
    with pytest.raises(InputError, match="y is of the type datetime64.*days since a date"):
        LogicRegressor(**QUICK).fit(TABLE, dates)


def test_a_sample_weight_below_zero_is_refused():
    with pytest.raises(InputError, match="sample_weight is -1.0 in row 3"):
        LogicClassifier(**QUICK).fit(TABLE, LABELS, np.where(np.arange(40) == 3, -1.0, 1))
    with pytest.raises(ValueError, match="at least one non-zero"):
        LogicClassifier(**QUICK).fit(TABLE, LABELS, np.zeros(40))


def test_a_split_of_a_frame_predicts():
    table, y = people()
    a, b, c, _ = train_test_split(table, y, random_state=0)
    assert len(LogicClassifier(**QUICK).fit(a, c).predict(b)) == len(b)
