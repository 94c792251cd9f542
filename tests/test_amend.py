from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.amend import _best, amend
from gatewright.circuit import Bits, Builder
from gatewright.encode import Thermometer
from gatewright.errors import InputError
from gatewright.model import Model

NAMES = tuple(f"x{i}" for i in range(8))


def model_of(num_classes: int = 2) -> Model:
    """A model of eight bits: the class is the first bit, and the second bit's twice."""
    builder = Builder(NAMES)
    builder.output("y0", builder.inputs[0])
    if num_classes > 2:
        builder.output("y1", builder.land(builder.inputs[1], builder.inputs[0] ^ 1))
    return Model(builder.build(), num_classes=num_classes)


def rows_of(seed: int, num: int = 200) -> Bits:
    return np.random.default_rng(seed).random((num, len(NAMES))) < 0.5


def test_an_exception_is_found_and_the_circuit_keeps_to_it():
    """Where bits 3 and not 5 are set the class is 1; 5 % of the labels are wrong."""
    x = rows_of(0)
    y = (x[:, 0] | x[:, 3] & ~x[:, 5]).astype(np.int32)
    y[::20] ^= 1
    model = model_of()
    amended, (one, *others) = amend(model, x, y)
    assert (one.table, one.inputs, one.label) == (0x2, (3, 5), 1)
    assert one.gain == (model.predict(x) != y).sum() - (amended.predict(x) != y).sum()
    assert one.chance == 1 / 1000
    assert not others
    other = rows_of(1)
    np.testing.assert_array_equal(amended.predict(other), other[:, 0] | other[:, 3] & ~other[:, 5])
    assert amended.circuit.input_names == NAMES


def test_amendments_set_whole_classes_in_their_order():
    """Where bits 2 and 3 differ the class is 2, but 1 where bits 6 and 7 are set."""
    x = rows_of(2, 400)
    y = model_of(4).predict(x)
    y[x[:, 2] ^ x[:, 3]] = 2
    y[x[:, 6] & x[:, 7]] = 1
    amended, found = amend(model_of(4), x, y)
    named = [(one.table, one.inputs, one.label) for one in found]
    assert named == [(0x6, (2, 3), 2), (0x8, (6, 7), 1)]
    other = rows_of(3, 400)
    wanted = model_of(4).predict(other)
    for one in found:
        a, b = (other[:, i] for i in one.inputs)
        wanted[(one.table >> (a + 2 * b) & 1) == 1] = one.label
    np.testing.assert_array_equal(amended.predict(other), wanted)
    assert (amended.predict(x) != y).sum() == (model_of(4).predict(x) != y).sum() - sum(
        one.gain for one in found
    )


def test_noise_is_seldom_amended_and_the_level_is_kept_to():
    """Labels that are wrong at random: 60 tables, of which a twentieth may be amended."""
    chances = []
    for seed in range(60):
        x, rng = rows_of(seed, 60), np.random.default_rng(seed)
        y = (x[:, 0] ^ (rng.random(len(x)) < 0.15)).astype(np.int32)
        predicted = x[:, 0].astype(np.int64)
        chances.append(_best(x, predicted, y, 2, np.random.default_rng(seed)).chance)
        _, found = amend(model_of(), x, y, seed=seed)
        assert bool(found) == (chances[-1] <= 0.05)
    assert sum(chance <= 0.05 for chance in chances) <= 8  # 9 and more have a chance of .003
    assert sum(chance <= 0.2 for chance in chances) >= 3


def test_nothing_to_mend():
    x = rows_of(4)
    model = model_of()
    same, found = amend(model, x, x[:, 0].astype(np.int32))
    assert same is model
    assert found == ()


def test_columns_are_read_by_the_encoder():
    numbers = np.random.default_rng(5).normal(size=(300, 8)).astype(np.float32)
    encoder = Thermometer.fit(numbers, thresholds=np.zeros(1, np.float32))
    model = Model(model_of().circuit, num_classes=2, encoder=encoder)
    y = ((numbers[:, 0] > 0) & ~((numbers[:, 1] > 0) & (numbers[:, 2] > 0))).astype(np.int32)
    amended, found = amend(model, numbers, y)
    assert len(found) == 1
    np.testing.assert_array_equal(amended.predict(numbers), y)


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(2, 3))
def test_no_gate_of_two_bits_gains_more(seed: int, num_bits: int, num_classes: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.random((20, num_bits)) < 0.5
    predicted, y = rng.integers(0, num_classes, (2, 20))
    one = _best(x, predicted, y, num_classes, rng)
    wrong = [(predicted != y).sum()]
    for a in range(num_bits):
        for b in range(a + 1, num_bits):
            for table in range(16):
                for label in range(num_classes):
                    is_one = (table >> (x[:, a] + 2 * x[:, b]) & 1) == 1
                    wrong.append((np.where(is_one, label, predicted) != y).sum())
    assert one.gain == wrong[0] - min(wrong)
    assert 0 < one.chance <= 1


def test_what_cannot_be_amended_is_refused():
    x = rows_of(6)
    y = x[:, 0].astype(np.int32)
    with pytest.raises(InputError, match="only classifiers are amended"):
        amend(Model(model_of().circuit), x, y)
    with pytest.raises(InputError, match="200 rows need as many labels"):
        amend(model_of(), x, y[1:])
    with pytest.raises(InputError, match="level is above 0 and below 1, not 0"):
        amend(model_of(), x, y, level=0)
