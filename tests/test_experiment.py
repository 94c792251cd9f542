from __future__ import annotations

import json
from dataclasses import replace

import jax
import numpy as np
import pytest

from gatewright import experiment, runs
from gatewright.errors import InputError
from gatewright.recipes.mnist import Mnist8k
from gatewright.train import evaluate, fit, kernel_of


@pytest.fixture(scope="module")
def chosen(tmp_path_factory):
    """A recipe for rows whose class is the brightest of three pixels."""
    rng = np.random.default_rng(1)
    x = rng.integers(0, 256, (400, 3)).astype(np.uint8)
    path = tmp_path_factory.mktemp("rows") / "rows.npz"
    np.savez(
        path, x_train=x[:300], y_train=x[:300].argmax(1), x_test=x[300:], y_test=x[300:].argmax(1)
    )
    return Mnist8k(
        data_set=str(path), layers="L60:4", thermometer="uniform:7", held_out=50, batch_size=25,
        steps=60, chunk=20, tau=None, rotate=0, shear=0, scale=0, shift=0, elastic=0, seed=4,
        threads=1, final_temperature=0.5, polish=0,
    )  # fmt: skip


def test_a_run_is_fit_and_evaluate_with_what_the_recipe_says(chosen, tmp_path):
    begun, seen = [], []
    result = experiment.run(chosen, tmp_path, begin=begun.append, progress=seen.append)
    train, test = chosen.data()
    options = chosen.options()
    network = fit(
        chosen.network(), train.x, train.y, chosen.optimizer(), steps=60, seed=4, **options
    )  # fmt: skip
    metrics = evaluate(network, test.x, test.y, encoder=chosen.encoder, temperature=0.5)
    assert result.accuracy_hard == pytest.approx(100 * metrics.hard_accuracy)
    assert result.accuracy_soft == pytest.approx(100 * metrics.soft_accuracy)
    assert result.loss == pytest.approx(metrics.loss, rel=1e-5)
    assert result.decided == pytest.approx(metrics.decided, abs=1e-4)
    assert result.accuracy_hard > 70
    assert (result.steps, result.epochs, result.gates) == (60, 6.0, 60)
    assert [metrics.step for metrics in seen] == [20, 40, 60]
    assert begun == [result.kernel]
    rows = runs.load_metrics(tmp_path)
    assert [row["hard_accuracy"] for row in rows] == [m.hard_accuracy for m in seen]
    assert json.loads(json.dumps(result.summary()))["recipe"] == "mnist-8k"
    assert f"{result.accuracy_hard:.2f} % of the test rows" in str(result)
    model = runs.load_model(str(tmp_path))
    assert model.circuit.name == "mnist_8k"
    right = 100 * float((model.predict(test.x) == test.y).mean())
    assert result.accuracy_hard == pytest.approx(right)


def test_a_finished_run_resumes_to_the_same_result(chosen, tmp_path):
    first = experiment.run(chosen, tmp_path)
    model = (tmp_path / "model.safetensors").read_bytes()
    again = experiment.run(replace(chosen, threads=2), tmp_path, resume=True)
    assert (tmp_path / "model.safetensors").read_bytes() == model
    assert again.accuracy_soft == first.accuracy_soft
    assert again.wall_seconds == first.wall_seconds
    for field, value in (("steps", 80), ("label_smoothing", 0.1)):
        with pytest.raises(InputError, match=f"this run has {field}"):
            experiment.run(replace(chosen, **{field: value}), tmp_path, resume=True)


def test_what_makes_no_sense_leaves_no_folder(chosen, tmp_path):
    for changed, message in (
        ({"steps": 0, "epochs": 0}, "at least 1 step"),
        ({"layers": "?"}, "no"),
    ):
        with pytest.raises(InputError, match=message):
            experiment.run(replace(chosen, **changed), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_jax_is_named_where_it_is_asked_for(chosen, tmp_path):
    name = f"JAX on {jax.default_backend()} (as asked)"
    assert kernel_of(chosen.network(), chosen.optimizer(), kernel="jax") == name
    result = experiment.run(replace(chosen, kernel="jax", steps=1), tmp_path / "run")
    assert result.kernel == name


def test_metrics_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(InputError, match=r"metrics.jsonl: cannot be read"):
        runs.load_metrics(tmp_path)
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n{"st')
    with pytest.raises(InputError, match=r"metrics.jsonl: cannot be read"):
        runs.load_metrics(tmp_path)


def test_tau_is_that_of_the_best_trial(chosen, tmp_path):
    trying = replace(chosen, tune_tau=2.0, tau=1.5, seed=5)
    result = experiment.run(trying, tmp_path)
    found = json.loads((tmp_path / "tau.json").read_text())
    train, options = chosen.data()[0], chosen.options()
    for tau in (1.5, 0.75, 3.0):
        trial = replace(trying, tune_tau=0.0, tau=tau, epochs=2.0, steps=0)
        trained = fit(
            trial.network(), train.x, train.y, trial.optimizer(), steps=20, seed=5,
            **trial.options(),
        )  # fmt: skip
        hard = evaluate(trained, *options["held_out"], encoder=chosen.encoder).hard_accuracy
        assert found["hard_accuracy"][str(tau)] == hard
    best = max(found["hard_accuracy"].values())
    assert found["hard_accuracy"][str(found["tau"])] == best > 0.5
    plain = experiment.run(replace(trying, tune_tau=0.0, tau=found["tau"]), tmp_path / "plain")
    assert (result.loss, result.steps) == (plain.loss, 60)
    other = 3.0 if found["tau"] != 3.0 else 0.75
    # a run that is resumed tries no more
    (tmp_path / "tau.json").write_text(json.dumps({"tau": other}))
    (tmp_path / "checkpoint.safetensors").unlink()
    again = experiment.run(trying, tmp_path, resume=True)
    plain = experiment.run(replace(trying, tune_tau=0.0, tau=other), tmp_path / "other")
    assert again.loss == plain.loss != result.loss


@pytest.mark.parametrize("change", [{"held_out": 0}, {"tune_tau": -1.0}])
def test_trials_of_tau_need_rows_to_judge_them_on(chosen, tmp_path, change):
    with pytest.raises(InputError, match=r"tune_tau is .* rows held out: give epochs"):
        experiment.run(replace(chosen, **{"tune_tau": 1.0, **change}), tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_patient_run_is_judged_at_its_best(chosen, tmp_path):
    patient = replace(chosen, patience=2, chunk=10, steps=300, final_temperature=0.01, anneal=1.0)
    result = experiment.run(patient, tmp_path)
    hard = [row["hard_accuracy"] for row in runs.load_metrics(tmp_path)]
    best = hard.index(max(hard))
    assert result.steps == 10 * len(hard) == 10 * (best + 3) < 300
    train, test = chosen.data()
    options = patient.options() | {"patience": None}
    network = fit(
        patient.network(), train.x, train.y, patient.optimizer(), steps=10 * (best + 1), seed=4,
        **options,
    )  # fmt: skip
    temperature = float(options["temperature"](10 * (best + 1)))
    judged = evaluate(network, test.x, test.y, encoder=chosen.encoder, temperature=temperature)
    assert result.accuracy_hard == pytest.approx(100 * judged.hard_accuracy)
    assert result.loss == pytest.approx(judged.loss, rel=1e-5)
