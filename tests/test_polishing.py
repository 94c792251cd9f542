"""Polishing: what it is for, that it looks at training rows alone, and what it refuses."""

from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import pairwise

import jax.numpy as jnp
import numpy as np
import pytest

from gatewright import experiment, runs
from gatewright.diagnosis.evidence import gather
from gatewright.errors import InputError
from gatewright.feed import Feed
from gatewright.folding import fold
from gatewright.heads import Bits, GroupSum
from gatewright.layers import Gates
from gatewright.luts import Luts
from gatewright.network import Network
from gatewright.polishing import _Drawn, hard_network, polish
from gatewright.recipes.mnist import Mnist8k
from gatewright.storage import encode, load_arrays
from gatewright.train import evaluate
from test_cli import only_json
from test_cli_train import in_process


def rows_of(num: int, seed: int = 0):
    """Bits, and which of three sums of eight of them, some in both, is the greatest."""
    bits = np.random.default_rng(seed).random((num, 20)) < 0.5
    sums = np.stack([bits[:, i : i + 8].sum(axis=1) for i in (0, 6, 12)])
    return bits, (sums + np.array([[0.2], [0.1], [0.0]])).argmax(axis=0)


def a_network(*widths: int) -> Network:
    below, layers = 20, []
    for i, width in enumerate(widths):
        layers.append(Gates(below, width, key=(7, i), init="gaussian"))
        below = width
    return Network(*layers, head=GroupSum(3))


def test_it_learns_from_gates_drawn_by_chance():
    (x, y), fresh = rows_of(6_000), rows_of(4_000, 1)
    network = a_network(90, 60)
    before = evaluate(network, *fresh, temperature=1e-3)
    rounds = []
    polished = polish(network, x, y, rounds=5, seed=3, progress=rounds.append)
    after = evaluate(polished, *fresh)
    assert before.hard_accuracy < 0.6 < 0.85 < after.hard_accuracy
    assert after.soft_accuracy == after.hard_accuracy
    assert [one.number for one in rounds] == [1, 2, 3, 4, 5]
    for earlier, later in pairwise(rounds):  # the same rows: nothing is warped
        assert later.loss == pytest.approx(earlier.loss - earlier.fall, abs=1e-4)
        assert later.loss < earlier.loss
    assert [layer.num_outputs for layer in polished.layers] == [90, 60]
    assert f"{rounds[0].changed} of 150 gates" in str(rounds[0])


def test_votes_that_divide_the_classes_are_polished():
    """Their groups' shares of the scores, and what these have without votes."""
    (x, y), fresh = rows_of(6_000), rows_of(4_000, 1)
    head = GroupSum(3, divisions=3)
    network = Network(Gates(20, 90, key=(1,), init="gaussian"), head=head)
    rounds = []
    polished = polish(network, x, y, rounds=4, progress=rounds.append)
    assert evaluate(polished, *fresh).hard_accuracy > 0.85
    losses = [evaluate(one, x, y, temperature=1e-3).loss for one in (network, polished)]
    assert losses[0] == pytest.approx(rounds[0].loss, rel=1e-3)
    assert losses[1] == pytest.approx(rounds[3].loss - rounds[3].fall, rel=1e-3)


def test_it_is_a_function_of_its_arguments_but_threads():
    x, y = rows_of(3_000)
    network = a_network(40, 30, 30)
    found = [
        polish(network, x, y, rounds=2, seed=seed, threads=threads).gates_circuit()
        for seed, threads in ((1, 1), (1, 2), (2, 2))
    ]
    first, with_two, other = (one.fanin.tolist() + one.table.tolist() for one in found)
    assert first == with_two != other


def test_a_stricter_one_changes_less():
    x, y = rows_of(2_000)
    changed = []
    for significance in (0.5, 3.0, 1e6):
        rounds = []
        polish(a_network(60), x, y, rounds=1, significance=significance, progress=rounds.append)
        changed.append(rounds[0].changed)
    assert changed[0] > changed[1] > changed[2] == 0


def test_no_rounds_leave_the_hard_network():
    x, _ = rows_of(100)
    network = a_network(30, 30)
    same = polish(network, x, np.zeros(100, int), rounds=0)
    for array in ("fanin", "table", "outputs"):
        np.testing.assert_array_equal(
            getattr(same.gates_circuit(), array), getattr(network.gates_circuit(), array)
        )
    bits = jnp.asarray(x, jnp.float32)
    np.testing.assert_array_equal(same(bits, mode="soft"), network(bits, mode="hard"))
    assert float(same.decided()) == 1.0


def test_without_candidates_only_tables_change():
    x, y = rows_of(2_000)
    network = a_network(40, 30)
    places = np.zeros((20, 1), np.float32)
    polished = polish(network, x, y, rounds=1, candidates=0, places=places)
    before, after = network.gates_circuit(), polished.gates_circuit()
    np.testing.assert_array_equal(after.fanin, before.fanin)
    assert (after.table != before.table).any()


def test_of_more_rows_some_are_drawn():
    (x, y), rounds = rows_of(30_000), []
    polished = polish(a_network(60), x, y, rounds=3, samples=3_000, progress=rounds.append)
    assert rounds[2].loss < rounds[0].loss
    fresh = rows_of(4_000, 1)
    assert evaluate(polished, *fresh).hard_accuracy > 0.75


@pytest.fixture(scope="module")
def chosen(tmp_path_factory):
    """A recipe for pictures of 6 by 6, of which a bright spot says the class."""
    rng = np.random.default_rng(1)
    y = rng.integers(0, 4, 900)
    x = rng.integers(0, 110, (900, 6, 6)).astype(np.uint8)
    for picture, spot in zip(x, y, strict=True):
        row, column = 3 * (spot // 2) + rng.integers(2), 3 * (spot % 2) + rng.integers(2)
        picture[row : row + 2, column : column + 2] += 60
    path = tmp_path_factory.mktemp("pictures") / "rows.npz"
    np.savez(path, x_train=x[:600], y_train=y[:600], x_test=x[600:], y_test=y[600:])
    return Mnist8k(
        data_set=str(path), layers="L40:8@2,L32:6@2", thermometer="100", held_out=50, steps=150,
        batch_size=50, chunk=50, tau=2.0, seed=2, threads=1, polish=3, rotate=0, shear=0, scale=0,
        shift=0.5, elastic=0,
    )  # fmt: skip


def test_a_recipe_polishes_what_it_trained(chosen, tmp_path):
    rounds = []
    plain = experiment.run(replace(chosen, polish=0), tmp_path / "plain")
    result = experiment.run(chosen, tmp_path / "run", polishing=rounds.append)
    assert len(rounds) == 3
    assert result.accuracy_hard > plain.accuracy_hard + 3
    trained = plain.accuracy_hard, plain.gap
    assert (result.accuracy_unpolished, result.gap_unpolished) == trained
    assert (plain.accuracy_unpolished, plain.gap_unpolished) == (None, None)
    assert result.accuracy_soft == pytest.approx(result.accuracy_hard, abs=1e-4)
    assert (result.gap, result.decided) == (0, 1)
    assert f"before polishing {plain.accuracy_hard:.2f} %" in str(result)
    assert result.gates == plain.gates == 72
    assert result.cpu_seconds > 0
    _, test = chosen.data()
    model = runs.load_model(str(tmp_path / "run"))
    right = 100 * float((model.predict(test.x) == test.y).mean())
    assert result.accuracy_hard == pytest.approx(right, abs=1e-4)
    content = (tmp_path / "run" / "model.safetensors").read_bytes()
    assert gather(tmp_path / "run").is_stale is False  # though it is not what was trained
    again = experiment.run(replace(chosen, threads=2), tmp_path / "run", resume=True)
    assert again.accuracy_hard == result.accuracy_hard
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == content
    shutil.copy(tmp_path / "plain" / "model.safetensors", tmp_path / "run")
    assert gather(tmp_path / "run").is_stale is True


def test_a_run_that_was_cut_short_goes_on_behind_its_last_round(chosen, tmp_path):
    whole = experiment.run(chosen, tmp_path / "whole")

    def cut(done):
        if done.number == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        experiment.run(chosen, tmp_path / "cut", polishing=cut)
    path, rounds = tmp_path / "cut" / "polished.safetensors", []
    damaged = path.read_bytes()
    arrays, said = load_arrays(path)
    spent = {"wall_seconds": "2000.0", "cpu_seconds": "3000.0"}  # as if two rounds took so long
    path.write_bytes(encode(arrays, said | spent))
    result = experiment.run(chosen, tmp_path / "cut", resume=True, polishing=rounds.append)
    assert [one.number for one in rounds] == [3]
    assert result.accuracy_hard == whole.accuracy_hard
    assert result.wall_seconds > 2000
    assert result.cpu_seconds > 3000
    contents = [(tmp_path / run / "model.safetensors").read_bytes() for run in ("cut", "whole")]
    assert contents[0] == contents[1]
    experiment.run(replace(chosen, seed=3), tmp_path / "other")
    shutil.copy(tmp_path / "other" / "polished.safetensors", path)  # of another network
    experiment.run(chosen, tmp_path / "cut", resume=True, polishing=rounds.append)
    assert [one.number for one in rounds] == [3, 1, 2, 3]
    at = damaged.index(b'"fanin"')
    path.write_bytes(damaged[:at] + b'"fanon"' + damaged[at + 7 :])
    with pytest.raises(InputError, match=r"polished.safetensors: not a polished network.*fanin"):
        experiment.run(chosen, tmp_path / "cut", resume=True)


def test_gates_that_are_no_network_of_these_layers_are_refused():
    network = a_network(9, 6)
    circuit = network.gates_circuit()
    assert hard_network(circuit, network).gates_circuit().fanin.tolist() == circuit.fanin.tolist()
    fanin = circuit.fanin.copy()
    fanin[10, 1] = 3  # an input, for a gate of the second layer
    with pytest.raises(InputError, match="a gate of layer 1 does not read the layer below it"):
        hard_network(replace(circuit, fanin=fanin), network)
    with pytest.raises(InputError, match="15 gates over 20 inputs are no network of 18 over 20"):
        hard_network(circuit, a_network(9, 9))


def test_a_run_that_was_polished_is_folded_from_what_it_trained_and_polished_again(
    chosen, tmp_path
):
    result = experiment.run(chosen, tmp_path / "run")
    first, folded = fold(tmp_path / "run", tmp_path / "folded", [0.5], epochs=4)
    assert first.accuracy_test == result.accuracy_hard
    assert folded.gates < first.gates
    unpolished = replace(chosen, polish=0)
    assert first.accuracy_test > experiment.run(unpolished, tmp_path / "plain").accuracy_hard


def test_the_command_tells_of_each_round(chosen, tmp_path):
    given = ["train", "mnist-8k", "--data-set", chosen.data_set, "--out", tmp_path / "run"]
    given += ["--layers", "L40:8", "--thermometer", "100", "--held-out", 50, "--steps", 20]
    given += ["--batch-size", 50, "--polish", 2, "--json"]
    result = in_process(*map(str, given))
    assert result.returncode == 0, result.stderr
    lines = [line for line in result.stderr.splitlines() if line.startswith("polish ")]
    assert [line.split(":")[0] for line in lines] == ["polish 1", "polish 2"]
    assert all("of 40 gates changed" in line for line in lines)
    assert only_json(result)["gates"] == 40


def test_samples_stand_for_those_that_were_not_drawn(chosen, monkeypatch):
    """Few of them are nearly decided, and their weights make up for it."""
    network = chosen.network()
    train, _ = chosen.data()
    feed = Feed.make(network, train.x, train.y, encoder=chosen.encoder, augment=chosen.augment)
    circuit = network.gates_circuit()
    readout = 20 * np.eye(4, 5, dtype=np.float32)  # so high a one decides
    batches, steps = Feed.batches, []

    def noted(feed, batch, step, count):
        steps.append(step)
        return batches(feed, batch, step, count)

    monkeypatch.setattr(Feed, "batches", noted)
    drawn = _Drawn.of(feed, circuit, readout, 20_000, 1, None)
    num_drawn = len(set(steps)) * 16_384
    assert 20_000 <= int((drawn.weights > 0).sum()) < 0.98 * num_drawn
    assert drawn.weights.sum() == pytest.approx(num_drawn, rel=0.02)
    assert drawn.weights.max() == 8.0
    shares = np.bincount(drawn.y, drawn.weights, minlength=4) / drawn.weights.sum()
    np.testing.assert_allclose(shares, np.bincount(train.y) / len(train.y), atol=0.02)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Network(Gates(20, 8, key=(0,)), head=Bits()), "polish takes classifiers"),
        (Network(Luts(20, 9, 4, key=(0,)), head=GroupSum(3)), "two-input gates; layer 0 is Luts"),
    ],
)
def test_networks_that_it_does_not_take(network, message):
    with pytest.raises(InputError, match=message):
        polish(network, *rows_of(100))


def test_numbers_that_make_no_sense_are_named(chosen):
    for changed in (
        {"rounds": -1}, {"samples": 0}, {"candidates": -1}, {"candidates": 255}, {"reach": 0.0},
        {"significance": -1.0},
    ):  # fmt: skip
        (name, value), *_ = changed.items()
        with pytest.raises(InputError, match=f"{name} {value}"):
            polish(a_network(9), *rows_of(100), **changed)
    with pytest.raises(InputError, match=r"places has shape \[19, 2\]; give \[20, d\]"):
        polish(a_network(9), *rows_of(100), places=np.zeros((19, 2), np.float32))
    with pytest.raises(InputError, match="polish is a number of rounds, at least 0, not -1"):
        replace(chosen, polish=-1).network()
