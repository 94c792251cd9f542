"""The recipes of small tables: classes and numbers."""

from __future__ import annotations

import numpy as np
import pytest

from gatewright.affine import Affine
from gatewright.errors import InputError
from gatewright.experiment import run
from gatewright.model import Model
from gatewright.recipes import recipe
from gatewright.recipes.regression import Diabetes, WineAlcohol
from gatewright.recipes.uci import BreastCancer


def test_monk1_is_learnt_whole(tmp_path):
    result = run(recipe("monk1")(seed=3), tmp_path)
    assert result.accuracy_hard == 100
    assert "100.00 % of the test rows right" in str(result)


@pytest.mark.parametrize(
    ("name", "num_bits", "layers"), [("monk2", 17, 4), ("monk3", 17, 1), ("adult", 116, 2)]
)
def test_tables_are_the_bits_of_their_columns(name, num_bits, layers):
    found = recipe(name)()
    network = found.network()
    assert (network.num_inputs, len(network.layers)) == (num_bits, layers)
    bits = found.encoder(found.data()[0].x[:50])
    np.testing.assert_array_equal(bits, found.data()[0].x[:50])


def test_few_rows_that_training_held_back_from_are_amended(tmp_path):
    """400 steps at a tau of 70 leave MONK-3's smaller clause out; --amend 0 keeps to the votes."""
    amended, plain = (
        run(recipe("monk3")(steps=400, amend=level), tmp_path / str(level)) for level in (0.05, 0.0)
    )
    rows, _ = recipe("monk3")().data()
    models = [Model.load(tmp_path / level / "model.safetensors") for level in ("0.05", "0.0")]
    right = [(model.predict(rows.x) == rows.y).sum() for model in models]
    assert right[0] - right[1] == 2
    assert amended.accuracy_hard != plain.accuracy_hard
    assert amended.gap == plain.gap == 0


def test_a_seed_splits_breast_cancer_anew():
    one, other = (BreastCancer(seed=seed).data() for seed in (0, 1))
    assert len(one[1]) == len(other[1]) == 55
    assert (one[1].x != other[1].x).any()
    for seed in (0, 1):
        published = BreastCancer(resplit=False, seed=seed).data()
        assert [np.bincount(part.y).tolist() for part in published] == [[150, 57], [46, 24]]
    train, held_out, _ = BreastCancer(held_out=40)._splits
    assert (len(train), len(held_out)) == (len(one[0]) - 40, 40)


def test_a_regression_is_judged_by_r2(tmp_path):
    result = run(Diabetes(seed=1), tmp_path)
    assert result.measure == "R^2"
    assert "% R^2 on test rows" in str(result)
    _, test = Diabetes(seed=1).data()
    predicted = Model.load(tmp_path / "model.safetensors").predict(test.x)
    error = ((predicted - test.y) ** 2).mean() / Diabetes(seed=1).data()[0].y.var()
    assert result.accuracy_hard == pytest.approx(100 * (1 - error), abs=1e-3)
    assert 15 < result.accuracy_hard < 70


def test_groups_count_as_binary_digits():
    network = WineAlcohol(groups=4).network()
    assert isinstance(network.head, Affine)
    assert network.head.groups == 4


def test_regressions_that_cannot_be_are_refused():
    with pytest.raises(InputError, match="no table 'cars' to regress on"):
        Diabetes(data_set="cars").data()
    with pytest.raises(InputError, match="held_out is 0 in a regression"):
        Diabetes(held_out=10).data()
