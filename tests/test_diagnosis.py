"""Every finding, in a run that has the fault: trained with it, or with its network changed."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from gatewright import experiment, gates
from gatewright.adam import Adam
from gatewright.affine import Affine
from gatewright.diagnosis import CHECKS, diagnose, examine
from gatewright.diagnosis.evidence import DataFacts, Evidence, gather
from gatewright.diagnosis.measures import Rows, measure
from gatewright.errors import Diverged, InputError
from gatewright.extraction import extract
from gatewright.journal import Journal, State, last_metrics, load_network, partition
from gatewright.layers import Gates
from gatewright.network import Network
from gatewright.recipes.life import Life, LifeTree
from gatewright.recipes.mnist import Mnist8k
from gatewright.runs import load_recipe
from gatewright.train import evaluate, fit
from test_cli import assert_refused, only_json
from test_cli_train import in_process

rng = np.random.default_rng(1)
drawn = rng.integers(0, 256, (4000, 3)).astype(np.uint8)
is_clear = np.diff(np.sort(drawn.astype(int), axis=1), axis=1)[:, -1] > 20
PIXELS = drawn[is_clear][:1600]  # of which one is the brightest by far
BRIGHTEST = PIXELS.argmax(1)
PLAIN = {
    name: 0 for name in ("rotate", "shear", "scale", "shift", "elastic")
}  # no images, no warps


def save_rows(folder: Path, x, y) -> str:
    """A file of which the last 200 rows are the test."""
    path = folder / "rows.npz"
    np.savez(path, x_train=x[:-200], y_train=y[:-200], x_test=x[-200:], y_test=y[-200:])
    return str(path)


def recipe_for(data_set: str, **changed) -> Mnist8k:
    chosen = Mnist8k(
        data_set=data_set, layers="L90:12,G90,G90", thermometer="uniform:15", held_out=400,
        batch_size=50, steps=500, chunk=25, tau=None, seed=4, threads=1, learning_rate=0.03,
        init="residual", strength=2.0, final_temperature=0.1, polish=0, **PLAIN,
    )  # fmt: skip
    return replace(chosen, **changed)


@pytest.fixture(scope="module")
def data_set(tmp_path_factory) -> str:
    return save_rows(tmp_path_factory.mktemp("rows"), PIXELS, BRIGHTEST)


@pytest.fixture(scope="module")
def healthy(data_set, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("healthy")
    result = experiment.run(recipe_for(data_set), folder)
    assert result.accuracy_hard > 93
    return folder


def findings_of(folder: Path) -> dict:
    return {finding.name: finding for finding in diagnose(folder).findings}


def trained(folder: Path, data_set: str, **changed) -> dict:
    experiment.run(recipe_for(data_set, **changed), folder)
    return findings_of(folder)


def changed(healthy: Path, folder: Path, change) -> dict:
    """The findings in the healthy run with another network in it."""
    shutil.copytree(healthy, folder)
    chosen = load_recipe(folder)
    network = change(load_network(folder, chosen.network(), chosen.optimizer()))
    optimizer_state = chosen.optimizer().init(partition(network)[0])
    Journal(folder).save(State(network, optimizer_state, last_metrics(folder)))
    extract(network, chosen.encoder, name="mnist_8k").save(folder / "model.safetensors")
    return findings_of(folder)


def with_tables(network, layer: int, table: int, which=slice(None)):
    """The network with some gates of a layer certain of a table."""
    certain = jnp.zeros(16, jnp.float32).at[table].set(20.0)
    parameters = network.layers[layer].parameters.at[:, which].set(certain[:, None])
    return eqx.tree_at(lambda n: n.layers[layer].parameters, network, parameters)


def with_fanin(network, layer: int, fanin):
    return eqx.tree_at(lambda n: n.layers[layer].fanin, network, jnp.asarray(fanin, jnp.int32))


def test_a_healthy_run_is_left_alone(healthy):
    before = {path.name: path.read_bytes() for path in healthy.iterdir()}
    diagnosis = diagnose(healthy)
    assert diagnosis.findings == ()
    assert diagnosis.is_healthy
    assert len(diagnosis.looked_for) == len(CHECKS)
    assert not diagnosis.not_looked_for
    assert "nothing found" in str(diagnosis)
    assert "of 400 held-out rows" in diagnosis.run
    assert {path.name: path.read_bytes() for path in healthy.iterdir()} == before


def test_life_is_healthy_and_has_no_rows_held_out(tmp_path):
    experiment.run(Life(), tmp_path)
    diagnosis = diagnose(tmp_path)
    assert diagnosis.findings == ()
    assert diagnosis.not_looked_for == {"over-fitting": "no rows were held out of training"}


def test_a_patient_run_that_tried_several_tau_is_its_best_network(data_set, tmp_path):
    """Of another tau, or of the last step, the circuit would not be the saved one."""
    change = {"tune_tau": 2.0, "tau": 0.02, "patience": 3, "final_temperature": 0.02}
    result = experiment.run(recipe_for(data_set, **change), tmp_path)
    assert result.steps < 500
    assert (tmp_path / "best.safetensors").exists()
    evidence = gather(tmp_path)
    assert evidence.is_over
    assert evidence.is_stale is False
    tried = json.loads((tmp_path / "tau.json").read_text())
    assert evidence.network.votes.tau == tried["tau"] != 0.02
    best = max(one.hard_accuracy for one in evidence.metrics)
    assert evidence.network.accuracy_hard == pytest.approx(best)


def test_a_network_that_does_not_vote(tmp_path):
    experiment.run(LifeTree(steps=25, width=8), tmp_path)
    diagnosis = diagnose(tmp_path)
    reasons = diagnosis.not_looked_for
    assert reasons["tau out of range"] == "the network does not vote"
    assert "undecided gates" in diagnosis.looked_for


def test_a_network_whose_answer_is_a_number():
    """No recipe has one, so it is trained and measured without a run folder."""
    x = PIXELS[:, :1] > np.arange(16, 256, 16)
    y = PIXELS[:, 0].astype(np.float32)
    start = Network(Gates(15, 60, key=(0,)), head=Affine(0, 255, spread=float(y.std())))
    network = fit(start, x[:800], y[:800], Adam(0.03), steps=150)
    judged, training = Rows(x[800:], y[800:]), Rows(x[:800], y[:800])
    facts = measure(start, network, jnp.asarray(1.0), judged, training)
    expected = evaluate(network, judged.bits, judged.y)
    assert facts.accuracy_hard == pytest.approx(expected.hard_accuracy, abs=1e-5)
    assert facts.accuracy_soft == pytest.approx(expected.soft_accuracy, abs=1e-5)
    assert facts.accuracy_training == pytest.approx(
        evaluate(network, training.bits, training.y).hard_accuracy, abs=1e-5
    )
    data = DataFacts(np.zeros(0, int), np.ones(15, bool), 1.0, "held-out", 800)
    missing = {"classes": "the answer is a number", "metrics": "none"}
    evidence = Evidence(
        Path("run"), Life(), (), 150, True, None, True, False, data, facts, missing
    )  # fmt: skip
    diagnosis = examine(evidence)
    assert set(diagnosis.not_looked_for) > {"unbalanced classes", "tau out of range"}
    assert "a gap between soft and hard" in diagnosis.looked_for


def test_divergence(data_set, tmp_path):
    chosen = recipe_for(data_set, learning_rate=1e38)
    with pytest.raises(Diverged) as raised:
        experiment.run(chosen, tmp_path)
    found = diagnose(tmp_path)
    finding = found.findings[0]
    assert (finding.name, finding.severity) == ("divergence", "fault")
    assert str(raised.value).startswith(finding.says)
    assert "a smaller learning rate" in finding.try_
    assert not found.is_healthy
    assert "unfinished" not in {one.name for one in found.findings}
    # a run that begins again, and ends well, did not diverge
    experiment.run(recipe_for(data_set), tmp_path)
    assert findings_of(tmp_path) == {}


def test_a_run_that_was_killed(data_set, tmp_path):
    def kill(metrics):
        if metrics.step == 50:
            raise MemoryError

    with pytest.raises(MemoryError):
        experiment.run(recipe_for(data_set), tmp_path, progress=kill)
    diagnosis = diagnose(tmp_path)
    finding = diagnosis.findings[0]
    assert (finding.name, finding.severity) == ("unfinished", "fault")
    assert "after step 25 of 500" in finding.says
    assert "no trained network" in diagnosis.not_looked_for["undecided gates"]
    assert "unbalanced classes" in diagnosis.looked_for


def test_training_that_ended_while_accuracy_rose(data_set, tmp_path):
    findings = trained(tmp_path, data_set, steps=40, chunk=4, schedule="constant")
    assert findings["cut-early"].where == "metrics.jsonl"
    assert "--epochs" in findings["cut-early"].try_


def test_a_loss_that_rose(data_set, tmp_path):
    change = {"temperature": 0.2, "final_temperature": 20.0, "anneal": 1.0}
    finding = trained(tmp_path, data_set, **change)["rising-loss"]
    assert finding.severity == "fault"
    assert "--final-temperature" in finding.try_


def test_a_model_of_another_network(healthy, data_set, tmp_path):
    shutil.copytree(healthy, tmp_path / "run")
    experiment.run(recipe_for(data_set, seed=5, steps=25), tmp_path / "other")
    shutil.copy(tmp_path / "other" / "model.safetensors", tmp_path / "run")
    assert findings_of(tmp_path / "run")["stale-model"].severity == "fault"
    shutil.copy(tmp_path / "other" / "model.json", tmp_path / "run")  # of another network, both
    assert "stale-model" in findings_of(tmp_path / "run")


def test_a_model_of_a_run_that_does_not_say_of_what_network_it_is(healthy, data_set, tmp_path):
    """As of runs from before model.json: it is to be the network's own circuit."""
    shutil.copytree(healthy, tmp_path / "run")
    (tmp_path / "run" / "model.json").unlink()
    assert "stale-model" not in findings_of(tmp_path / "run")
    experiment.run(recipe_for(data_set, seed=5, steps=25), tmp_path / "other")
    shutil.copy(tmp_path / "other" / "model.safetensors", tmp_path / "run")
    assert "stale-model" in findings_of(tmp_path / "run")


def test_classes_that_are_rare_or_missing(tmp_path):
    keep = (BRIGHTEST != 2) | (np.arange(1600) % 12 == 0)
    x, y = PIXELS[keep], BRIGHTEST[keep]
    finding = trained(tmp_path / "rare", save_rows(tmp_path, x, y))["unbalanced-classes"]
    assert finding.severity == "warning"
    assert "class 2 has 2" in finding.says
    two = save_rows(tmp_path, x[y != 1], y[y != 1])
    finding = trained(tmp_path / "missing", two, held_out=200, steps=100)["unbalanced-classes"]
    assert (finding.severity, finding.says) == ("fault", "no row is of class 1")


def test_thresholds_that_tell_nothing_or_too_little(data_set, tmp_path):
    dark = save_rows(tmp_path, PIXELS // 2, BRIGHTEST)
    finding = trained(tmp_path / "none", dark, thermometer="200", layers="G90,G90,G90")
    assert finding["constant-inputs"].severity == "fault"
    assert "100% of the 3 bits" in finding["constant-inputs"].says
    assert finding["dead-layer"].says.endswith("and 2 layers above it are dead too")
    finding = trained(tmp_path / "few", data_set, thermometer="127")["ambiguous-rows"]
    assert finding.severity == "warning"
    bits = PIXELS[:1400] > 127
    patterns = {tuple(row) for row in bits.tolist()}
    right = 0
    for pattern in patterns:
        right += np.bincount(BRIGHTEST[:1400][(bits == pattern).all(axis=1)]).max()
    assert float(finding.says.split(": ")[1].split(" %")[0]) == pytest.approx(
        100 * right / 1400, abs=2
    )


def test_gates_that_begin_certain_stay_what_they_are(data_set, tmp_path):
    change = {"layers": "G90,G90,G90", "strength": 40.0, "final_temperature": 1.0, "steps": 200}
    finding = trained(tmp_path, data_set, **change)["saturated-gates"]
    assert finding.severity == "fault"
    assert finding.says.startswith("100% of the gates were certain at step 25, and only 0.0%")


def test_a_dead_layer(healthy, tmp_path):
    def kill(network):
        return with_tables(network, 1, gates.FALSE, slice(5, None))

    finding = changed(healthy, tmp_path / "run", kill)["dead-layer"]
    assert (finding.severity, finding.where) == ("fault", "layer 2 of 3")


def test_a_layer_that_nothing_reads(healthy, tmp_path):
    findings = changed(healthy, tmp_path / "run", lambda n: with_fanin(n, 1, [[3, 3]] * 90))
    assert findings["idle-layer"].where == "layer 1 of 3"
    assert "1.1% of its 90 gates" in findings["idle-layer"].says


def test_a_layer_that_copies(healthy, tmp_path):
    findings = changed(healthy, tmp_path / "run", lambda n: with_tables(n, 1, gates.PASS_A))
    assert findings["copying-layer"].where == "layer 2 of 3"


def test_undecided_gates(data_set, tmp_path):
    change = {"temperature": 3.0, "final_temperature": 3.0, "steps": 200}
    finding = trained(tmp_path, data_set, **change)["undecided-gates"]
    assert "--final-temperature" in finding.try_


@pytest.mark.parametrize("layer", [1, 2])
def test_the_gap_is_found_in_the_layer_that_makes_it(healthy, tmp_path, layer):
    """Gates that are mostly like a, but likeliest to be nor."""

    def blur(network):
        table = dict.fromkeys(range(16), -20.0) | {0x1: 1.1, 0xA: 1.0, 0x8: 0.9, 0xE: 0.9}
        blurred = jnp.asarray([table[t] for t in range(16)], jnp.float32)[:, None]
        parameters = jnp.broadcast_to(blurred * 0.1, (16, 90))  # the temperature is 0.1 at the end
        return eqx.tree_at(lambda n: n.layers[layer].parameters, network, parameters)

    findings = changed(healthy, tmp_path / "run", blur)
    finding = findings["soft-hard-gap"]
    assert finding.severity == "fault"
    assert finding.where == f"layer {layer + 1} of 3"


def test_tau_too_high_and_too_low(data_set, tmp_path):
    flat = trained(tmp_path / "flat", data_set, tau=100.0, steps=200)["tau"]
    assert (
        "tau is 100, 18 times the square root of a class's 30 votes: scores are flat" in flat.says
    )
    noisy = np.where(np.random.default_rng(2).random(1600) < 0.3, 0, BRIGHTEST)
    path = save_rows(tmp_path, PIXELS, noisy)
    sharp = trained(tmp_path / "sharp", path, tau=0.05, steps=200)["tau"]
    assert "the loss saturates" in sharp.says
    assert "--tau 2.74" in sharp.try_


def test_inputs_that_are_not_read(data_set, tmp_path):
    findings = trained(tmp_path, data_set, layers="G6,G90,G90", steps=200)
    assert findings["unread-inputs"].where == "layer 1 of 3"
    assert "of 45 inputs that vary the circuit does not read" in findings["unread-inputs"].says


def test_votes_that_are_constant_or_alike(healthy, tmp_path):
    one = changed(healthy, tmp_path / "mute", lambda n: with_tables(n, 2, 0, slice(30, 60)))
    assert one["mute-votes"].severity == "fault"
    assert one["mute-votes"].says.endswith("all of class 1")
    assert "1" in one["leaning"].says
    assert one["leaning"].severity == "fault"

    def alike(network):
        pairs = np.repeat(np.asarray(network.layers[2].fanin)[[0, 30, 60]], 30, axis=0)
        return with_tables(with_fanin(network, 2, pairs), 2, gates.PASS_A)

    assert changed(healthy, tmp_path / "alike", alike)["equal-votes"].where == "votes"


def test_votes_that_divide_the_classes(data_set, tmp_path):
    """By rule tau is 3.5 times the root of a group's 10 votes: 6 times the root is not too high."""
    divided = recipe_for(data_set, divisions=9, tau=20.0, steps=100)
    experiment.run(divided, tmp_path / "high")
    assert "tau" not in findings_of(tmp_path / "high")
    low = trained(tmp_path / "low", data_set, divisions=9, tau=0.5, steps=100)["tau"]
    assert low.says.startswith("tau is 0.5, 0.046 times what it is by rule (11)")
    assert low.try_.startswith("--tau 5.48, half of that")
    mute = changed(
        tmp_path / "high", tmp_path / "mute", lambda n: with_tables(n, 2, 0, slice(30, 40))
    )["mute-votes"]
    assert mute.says.endswith("all of division 3")


def test_decisions_that_lean(healthy, tmp_path):
    def lean(network):
        return with_tables(network, 2, gates.TRUE, slice(60, 86))

    finding = changed(healthy, tmp_path / "run", lean)["leaning"]
    assert finding.severity == "warning"
    assert "times for class" in finding.says


def test_labels_that_mean_nothing_are_learnt_by_heart(tmp_path):
    x = rng.integers(0, 256, (900, 20)).astype(np.uint8)
    y = rng.choice(3, 900, p=[0.6, 0.2, 0.2])
    findings = trained(tmp_path / "run", save_rows(tmp_path, x, y), layers="L300:12,G300")
    assert findings["guessing"].severity == "fault"
    assert "always to say class 0" in findings["guessing"].says
    assert findings["overfitting"].severity == "fault"


def test_without_its_data_the_rest_is_still_looked_for(tmp_path):
    path = save_rows(tmp_path, PIXELS, BRIGHTEST)
    experiment.run(recipe_for(path, steps=50, chunk=5), tmp_path / "run")
    Path(path).unlink()
    diagnosis = diagnose(tmp_path / "run")
    assert set(diagnosis.looked_for) == {"divergence", "an end too early", "a rising loss"}
    assert "rows.npz" in diagnosis.not_looked_for["over-fitting"]
    assert "not looked for: " in str(diagnosis)


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(InputError, match="is this a run folder"):
        diagnose(tmp_path)


def test_the_command_says_it_and_its_exit_code(healthy, tmp_path):
    done = in_process("doctor", healthy)
    assert done.returncode == 0
    assert "nothing found" in done.stdout
    assert changed(healthy, tmp_path / "run", lambda n: with_tables(n, 1, gates.FALSE))
    done = in_process("doctor", tmp_path / "run")
    assert done.returncode == 1
    assert "fault: dead-layer, layer 2 of 3: 100% of its 90 gates" in done.stdout
    done = in_process("doctor", tmp_path / "run", "--json")
    told = only_json(done, 1)
    assert told["healthy"] is False
    assert {"name", "severity", "where", "says", "try"} == told["findings"][0].keys()
    assert_refused(in_process("doctor", tmp_path), 2, "recipe.json", "run folder")
