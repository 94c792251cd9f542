from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from gatewright.data import load
from gatewright.errors import InputError
from gatewright.layers import Gates
from gatewright.learned import LearnedGates
from gatewright.recipes.classification import Classification, LayerShape, parse_layers
from gatewright.recipes.fashion_mnist import Fashion8k
from gatewright.recipes.mnist import MnistSmall
from gatewright.steppers import temperature_at


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file of 90 training and 10 test images of 4 x 4 pixels in three classes."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("rows") / "rows.npz"
    x, y = rng.integers(0, 256, (100, 4, 4)).astype(np.uint8), np.arange(100) % 3
    np.savez(path, x_train=x[:90], y_train=y[:90], x_test=x[90:], y_test=y[90:])
    return str(path)


@dataclass(frozen=True)
class Small(Classification):
    layers: str = "L30:4,2xG60"
    held_out: int = 20
    batch_size: int = 16


def test_layers_are_read_as_they_are_written():
    assert parse_layers("G8000") == (LayerShape(8000, 0),)
    assert parse_layers("6xG8000") == (LayerShape(8000, 0),) * 6
    expected = (LayerShape(32, 4), LayerShape(32, 4), LayerShape(90, 0))
    assert parse_layers("2xL32:4, G90") == expected
    assert parse_layers("L32:4@2.5,L8:2@3") == (LayerShape(32, 4, 2.5), LayerShape(8, 2, 3.0))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "8000",
        "G",
        "L8000",
        "L8000:",
        "L8000:0",
        "G8000:3",
        "G-3",
        "0xG5",
        "xG5",
        "G5,",
        "2xC9",
        "L8:2@",
        "L8:2@0",
        "L8:2@-1",
        "L8:2@2@3",
        "G8@2",
    ],
)
def test_what_is_no_layer_is_refused(text):
    with pytest.raises(InputError, match="is not a layer; write G8000"):
        parse_layers(text)


def test_the_network_is_what_the_fields_say(rows):
    chosen = Small(
        data_set=rows, form="walsh", selection="straight_through", tau=3.5, label_smoothing=0.1,
        thermometer="60,120,180",
    )  # fmt: skip
    first, second, third = chosen.network().layers
    assert isinstance(first, LearnedGates)
    assert (first.num_inputs, first.num_outputs, first.num_candidates) == (48, 30, 4)
    assert first.selection == "straight_through"
    assert isinstance(second, Gates)
    assert [layer.form for layer in (first, second, third)] == ["walsh"] * 3
    assert (second.num_outputs, third.num_outputs) == (60, 60)
    assert (np.asarray(second.fanin) != np.asarray(third.fanin) % 30).any()
    head = chosen.network().head
    assert (head.num_classes, head.tau, head.label_smoothing) == (3, 3.5, 0.1)
    assert Small(data_set=rows).network().head.tau == "auto"


def test_wiring_and_initialisation_reach_the_layers(rows):
    options = {"data_set": rows, "layers": "2xG60", "init": "residual"}
    plain = Small(**options, strength=2.0).network().layers
    assert float(plain[0].parameters.max()) == 2.0
    comb = Small(**options, input_wiring="comb", wiring="comb").network().layers
    np.testing.assert_array_equal(comb[0].fanin[:3], [[0, 1], [1, 2], [2, 3]])
    np.testing.assert_array_equal(comb[1].fanin[:3], [[0, 1], [1, 2], [2, 3]])
    mixed = Small(**options, wiring="comb").network().layers
    np.testing.assert_array_equal(mixed[0].fanin, plain[0].fanin)
    np.testing.assert_array_equal(mixed[1].fanin, comb[1].fanin)
    noisy = Small(data_set=rows, wire_noise=0.25).network().layers[0]
    np.testing.assert_allclose(noisy.logits.std(), 0.25, rtol=0.3)


def test_candidates_are_near_one_another_in_every_layer_that_says_so(rows):
    chosen = Small(data_set=rows, layers="L90:2@1,L90:2@1,G90", thermometer="60,120,180")
    first, second, _ = chosen.network().layers
    pixels = np.indices((4, 4)).reshape(2, -1).T.repeat(3, axis=0)
    places = pixels[np.asarray(first.candidates).reshape(4, -1)]
    assert places.std(axis=0).mean() < 0.75 * pixels.std(axis=0).mean()
    amid = first.places(pixels)
    np.testing.assert_allclose(amid, places.mean(axis=0))
    again = amid[np.asarray(second.candidates).reshape(4, -1)]
    assert again.std(axis=0).mean() < 0.75 * amid.std(axis=0).mean()


def test_the_seed_decides_the_network_and_not_the_rows(rows):
    one, same, other = (Small(data_set=rows, seed=seed) for seed in (1, 1, 2))
    first, again, changed = (chosen.network().layers[0] for chosen in (one, same, other))
    np.testing.assert_array_equal(first.candidates, again.candidates)
    np.testing.assert_array_equal(first.logits, again.logits)
    assert (np.asarray(first.candidates) != np.asarray(changed.candidates)).any()
    np.testing.assert_array_equal(one.data()[0].x, other.data()[0].x)


def test_rows_are_held_out_of_training_and_the_test_is_left_alone(rows):
    train, test = load(rows)
    chosen = Small(data_set=rows)
    kept, judged = chosen.data()
    x, y = chosen.options()["held_out"]
    assert (len(kept), len(y), len(judged)) == (70, 20, 10)
    together = np.concatenate([kept.x, x]).reshape(90, -1)
    np.testing.assert_array_equal(
        np.unique(together, axis=0), np.unique(train.x.reshape(90, -1), axis=0)
    )
    np.testing.assert_array_equal(judged.x, test.x)
    everything = Small(data_set=rows, held_out=0)
    assert everything.options()["held_out"] is None
    np.testing.assert_array_equal(everything.data()[0].x, train.x)


def test_steps_come_from_the_epochs_unless_given(rows):
    assert Small(data_set=rows, epochs=3).num_steps == 14  # 3 * 70 / 16, rounded up
    assert Small(data_set=rows, epochs=0.5).num_steps == 3
    assert Small(data_set=rows, epochs=3, steps=7).num_steps == 7


def test_learning_rate_and_temperature_follow_their_schedules(rows):
    chosen = Small(
        data_set=rows, steps=100, learning_rate=0.4, warm_up=4, temperature=2.0,
        final_temperature=0.02, anneal=0.5, b1=0.8, b2=0.95, weight_decay=0.01,
    )  # fmt: skip
    adam, options = chosen.optimizer(), chosen.options()
    rates = [float(adam.learning_rate(step)) for step in (0, 4, 52, 100)]
    np.testing.assert_allclose(rates, [0.08, 0.4, 0.2, 0.0], atol=1e-6)
    assert (adam.b1, adam.b2, adam.weight_decay) == (0.8, 0.95, 0.01)
    found = [float(temperature_at(options["temperature"], np.int32(s))) for s in (0, 50, 75, 100)]
    np.testing.assert_allclose(found, [2.0, 2.0, 0.2, 0.02], rtol=1e-5)
    constant = Small(data_set=rows, steps=9, schedule="constant", learning_rate=0.4).optimizer()
    np.testing.assert_allclose([constant.learning_rate(step) for step in (0, 8)], 0.4)
    with pytest.raises(InputError, match="unknown schedule 'step'; known: cosine, constant"):
        Small(data_set=rows, schedule="step").optimizer()


def test_the_thermometer_is_what_the_field_says(rows):
    np.testing.assert_array_equal(Small(data_set=rows).encoder.thresholds, [63.5])
    np.testing.assert_array_equal(
        Small(data_set=rows, thermometer="9,99").encoder.thresholds, [9, 99]
    )
    uniform = Small(data_set=rows, thermometer="uniform:3").encoder
    np.testing.assert_allclose(uniform.thresholds, [63.75, 127.5, 191.25])
    assert Small(data_set=rows, thermometer="quantile:5").encoder.bits == 5
    each = Small(data_set=rows, thermometer="quantile:3", per_feature=True).encoder.thresholds
    assert each.shape == (16, 3)
    assert len(np.unique(each[:, 1])) > 8
    learned = Small(data_set=rows, thermometer="learned:3").encoder.thresholds
    assert learned.shape == (3,)
    for text in ("uniform", "even:3", "", "quantile:x"):
        with pytest.raises(InputError, match="give thresholds such as 63.5"):
            _ = Small(data_set=rows, thermometer=text).encoder


def test_images_are_warped_where_a_warp_is_asked_for(rows):
    assert Small(data_set=rows).augment is None
    assert Small(data_set=rows, elastic_grid=3).augment is None
    warps = Small(data_set=rows, rotate=5, flip=True, elastic_grid=3).augment
    assert (warps.rotate, warps.flip, warps.elastic_grid, warps.shift) == (5, True, 3, 0)
    assert Small(data_set=rows, flip=True).options()["augment"].flip
    half = Small(data_set=rows, flip=True, steps=101, augmented=0.5)
    assert half.options()["augment_steps"] == 51
    for share in (-0.1, 1.1, float("nan")):
        with pytest.raises(InputError, match="augmented is a share of the steps, 0 to 1, not"):
            Small(data_set=rows, augmented=share).options()


def test_the_kernels_options_are_passed_on(rows):
    options = Small(
        data_set=rows, kernel="jax", activations="float32", threads=1, chunk=9
    ).options()  # fmt: skip
    wanted = {
        "kernel": "jax", "activations": "float32", "threads": 1, "chunk": 9, "batch_size": 16
    }  # fmt: skip
    assert {key: options[key] for key in wanted} == wanted
    assert Small(data_set=rows).options()["threads"] is None


def test_the_first_papers_network_and_fashion_have_their_shapes():
    assert parse_layers(MnistSmall().layers) == (LayerShape(8000, 0),) * 6
    assert MnistSmall().tau == 10
    assert Fashion8k().data_set == "fashion-mnist"
