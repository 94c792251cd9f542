from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

import gatewright as gw
from gatewright.circuit import Builder
from gatewright.encode import Identity, Thermometer
from gatewright.errors import InputError
from gatewright.model import FORMAT, Model
from gatewright.passes import optimize
from gatewright.readout import Numbers
from gatewright.verify import prove
from random_circuits import built_circuits, large, raw_circuits


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.one_of(built_circuits(), raw_circuits()), st.sampled_from([None, 2, 7]))
def test_a_model_comes_back_as_it_was(tmp_path, circuit, num_classes):
    path = tmp_path / "model.safetensors"
    Model(circuit, num_classes).save(path)
    found = Model.load(str(path))
    assert found.num_classes == num_classes
    for name in ("fanin", "table", "outputs"):
        before, after = getattr(circuit, name), getattr(found.circuit, name)
        assert before.dtype == after.dtype
        np.testing.assert_array_equal(before, after)
    for name in ("input_names", "output_names", "name"):
        assert getattr(circuit, name) == getattr(found.circuit, name)


def test_names_of_any_kind_survive(tmp_path):
    builder = Builder(["größe[0]", 'a "b"\n', ""], "naïve ✓")
    builder.output("=", builder.inputs[0])
    Model(builder.build()).save(tmp_path / "m")
    found = Model.load(tmp_path / "m").circuit
    assert found.input_names == ("größe[0]", 'a "b"\n', "")
    assert (found.output_names, found.name) == (("=",), "naïve ✓")


def test_predict_gives_bits_or_class_numbers():
    builder = Builder(["a", "b"])
    for name, literal in zip(("low", "high"), builder.inputs, strict=True):
        builder.output(name, literal)
    rows = [[0, 0], [1, 0], [0, 1], [1, 1]]
    circuit = builder.build()
    np.testing.assert_array_equal(Model(circuit).predict(rows), np.array(rows, np.bool_))
    assert Model(circuit, 4).predict(rows).tolist() == [0, 1, 2, 3]
    with pytest.raises(InputError, match=r"int64\[1, 3\]; give \[N, 2\]"):
        Model(circuit, 4).predict([[0, 1, 1]])


def test_numbers_survive_and_are_predicted(tmp_path):
    builder = Builder(["a", "b", "c"])
    for name, literal in zip(("low", "high"), builder.inputs[:2], strict=True):
        builder.output(name, literal)
    rows = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]]
    Model(builder.build(), numbers=Numbers(1, 0.5, -1.0)).save(tmp_path / "one")
    assert Model.load(tmp_path / "one").predict(rows).tolist() == [-1.0, -0.5, 0.0, 0.5]
    two = Model(builder.build(), numbers=Numbers(2, 0.5, -1.0))
    assert two.predict(rows).tolist() == [[-1, -1], [-0.5, -1], [-1, -0.5], [-0.5, -0.5]]
    with pytest.raises(InputError, match="2 outputs are not 3 counts of equal width"):
        Model(builder.build(), numbers=Numbers(3, 1.0, 0.0))
    with pytest.raises(InputError, match="a class or numbers, not both"):
        Model(builder.build(), 2, numbers=Numbers(1, 1.0, 0.0))
    with pytest.raises(InputError, match="finite scale and offset, not 1, inf"):
        Numbers(1, float("inf"), 0.0)


def thermometer_model(thresholds: object = (0.25, 0.5)) -> Model:
    """Two features of two bits each; the class is how many of the four bits are 1, at most 3."""
    builder = Builder(["a0", "a1", "b0", "b1"])
    a0, a1, b0, b1 = builder.inputs
    builder.output("low", builder.lxor(builder.lxor(a0, a1), builder.lxor(b0, b1)))
    builder.output("high", builder.lor(builder.land(a0, b0), builder.lxor(a1, b1)))
    return Model(builder.build(), 4, Thermometer(np.array(thresholds, np.float32), (2,)))


def test_predict_encodes_samples():
    model = thermometer_model()
    samples = np.array([[0.1, 0.2], [0.3, 0.2], [0.3, 0.4], [0.9, 0.1], [0.6, 0.3]])
    assert model.predict(samples).tolist() == [0, 1, 2, 2, 3]
    assert model.predict(samples[:0]).shape == (0,)
    with pytest.raises(InputError, match=r"samples are float64\[5, 4\]; give \[N, 2\]"):
        model.predict(np.zeros((5, 4)))


@pytest.mark.parametrize("encoder", [None, Identity((4,))])
@pytest.mark.parametrize("backend", ["auto", "interpreter", "numpy"])
def test_many_rows_are_predicted_in_parts(encoder, backend, monkeypatch):
    monkeypatch.setattr("gatewright.engine.BATCH_BITS", 4 * 100)
    model = Model(thermometer_model().circuit, 4, encoder)
    rows = np.random.default_rng(0).integers(0, 2, (9001, 4))
    expected = model.circuit(rows) @ np.array([1, 2])
    np.testing.assert_array_equal(model.predict(rows), expected)
    np.testing.assert_array_equal(gw.compile(model, backend).predict(rows), expected)
    bits = gw.compile(Model(model.circuit, None, encoder), backend)
    np.testing.assert_array_equal(bits.predict(rows), model.circuit(rows))


@pytest.mark.parametrize("thresholds", [(0.25, 0.5), ((0.25, 0.5), (0.1, 0.2))])
def test_the_encoder_is_kept_in_the_file(thresholds, tmp_path):
    model = thermometer_model(thresholds)
    model.save(tmp_path / "m.safetensors")
    found = Model.load(tmp_path / "m.safetensors")
    assert isinstance(found.encoder, Thermometer)
    np.testing.assert_array_equal(found.encoder.thresholds, np.array(thresholds, np.float32))
    samples = np.random.default_rng(0).random((50, 2), dtype=np.float32)
    np.testing.assert_array_equal(found.predict(samples), model.predict(samples))
    Model(model.circuit, 4, Identity((2, 2))).save(tmp_path / "m.safetensors")
    kept = Model.load(tmp_path / "m.safetensors").encoder
    assert isinstance(kept, Identity)
    assert kept.shape == (2, 2)


def test_a_smaller_model_keeps_its_encoder_and_is_proved_equal():
    model = thermometer_model()
    small = optimize(model)
    assert (small.num_classes, small.encoder) == (model.num_classes, model.encoder)
    assert prove(model, small).method == "exhaustive"


def test_models_with_different_encoders_are_not_compared():
    model = thermometer_model()
    prove(model, thermometer_model())
    prove(model, Model(model.circuit))
    prove(model, model.circuit)
    others = [thermometer_model((0.25, 0.6)), Model(model.circuit, 4, Identity((4,)))]
    for other in others:
        with pytest.raises(InputError, match="different encoders"):
            prove(model, other)


def test_an_encoder_of_other_bits_is_refused():
    with pytest.raises(InputError, match="encoder gives 5 bits and circuit circuit has 4 inputs"):
        Model(thermometer_model().circuit, 4, Identity((5,)))


def test_the_first_version_of_the_file_is_read(tmp_path):
    path = tmp_path / "model.safetensors"
    save_file(ARRAYS, path, {"format": "gatewright model 1", "model": json.dumps(ABOUT)})
    assert Model.load(path).encoder is None
    assert Model.load(path).circuit.num_gates == 1


def test_a_file_cut_anywhere_is_an_input_error(tmp_path):
    path = tmp_path / "model.safetensors"
    Model(large(40)).save(path)
    whole = path.read_bytes()
    lengths = sorted({*range(0, len(whole), 29), *range(20), *range(len(whole) - 20, len(whole))})
    for length in lengths:
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"model.safetensors: not a whole safetensors file"):
            Model.load(path)
    path.write_bytes(whole)
    assert Model.load(path).circuit.num_gates == 40


ARRAYS = {
    "fanin": np.array([[1, 2]], np.int32),
    "table": np.array([8], np.uint8),
    "outputs": np.array([6], np.int32),
}
ABOUT = {"name": "n", "input_names": ["a", "b"], "output_names": ["y"], "num_classes": None}


@pytest.mark.parametrize(
    ("arrays", "about", "message"),
    [
        ({"table": None}, {}, r"damaged Gatewright model \('table'\)"),
        ({}, {"input_names": None}, r"damaged Gatewright model"),
        ({}, {"input_names": ["a"]}, r"damaged .*gate 0 \(node 2\) reads nodes \[1, 2\]"),
        ({"fanin": np.zeros((1, 3), np.int32)}, {}, r"damaged .*fanin has shape \[1, 3\]"),
        ({"table": np.array([8.5])}, {}, r"damaged .*table\[0\] is 8.5"),
        ({"outputs": np.array([99], np.int32)}, {}, r"damaged .*output 'y' is literal 99"),
        ({}, {"encoder": {"kind": "thermometer", "shape": [2]}}, r"damaged .*'thresholds'"),
        ({}, {"encoder": {"kind": "fourier", "shape": [2]}}, r"damaged .*'fourier'"),
        ({}, {"encoder": {"kind": "identity", "shape": [3]}}, r"damaged .*gives 3 bits"),
    ],
)
def test_a_file_that_holds_no_circuit_is_an_input_error(arrays, about, message, tmp_path):
    path = tmp_path / "model.safetensors"
    kept = {name: a for name, a in (ARRAYS | arrays).items() if a is not None}
    metadata = {"format": FORMAT, "model": json.dumps(ABOUT | about)}
    save_file(kept, path, metadata)
    with pytest.raises(InputError, match=message):
        Model.load(path)


def test_a_whole_file_made_by_hand_loads(tmp_path):
    path = tmp_path / "model.safetensors"
    save_file(ARRAYS, path, {"format": FORMAT, "model": json.dumps(ABOUT)})
    assert Model.load(path).circuit.truth_tables()[:, 0].tolist() == [False, False, False, True]
    save_file(ARRAYS, path, {"format": FORMAT, "model": "{"})
    with pytest.raises(InputError, match="damaged Gatewright model"):
        Model.load(path)
    save_file(ARRAYS, path, {"format": FORMAT})
    with pytest.raises(InputError, match="damaged Gatewright model"):
        Model.load(path)


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "weights.safetensors"
    save_file({"weight": np.zeros(3)}, path)
    with pytest.raises(InputError, match=r"weights.safetensors: not a Gatewright model .*None"):
        Model.load(path)
    save_file({"weight": np.zeros(3)}, path, {"format": "pt"})
    with pytest.raises(InputError, match=r"its format is 'pt', not 'gatewright model 3'"):
        Model.load(path)
    path.write_text(".model life\n.end\n")
    with pytest.raises(InputError, match="not a whole safetensors file"):
        Model.load(path)
    with pytest.raises(InputError, match="no such file"):
        Model.load(tmp_path / "gone.safetensors")


def test_names_of_classes_are_kept_and_are_one_a_class(tmp_path):
    model = replace(thermometer_model(), class_names=("none", "one", "two", "more"))
    model.save(tmp_path / "m.safetensors")
    assert Model.load(tmp_path / "m.safetensors").class_names == model.class_names
    assert optimize(model).class_names == model.class_names
    assert Model.from_bytes(thermometer_model().to_bytes()).class_names is None
    for names in (("a", "b"), ("a", "b", "c", "c")):
        with pytest.raises(InputError, match="give one for each of num_classes, 4"):
            replace(model, class_names=names)
    with pytest.raises(InputError, match="num_classes, None"):
        Model(model.circuit, class_names=("a",))
