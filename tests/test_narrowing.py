"""Fewer candidates as training goes on: the schedule, what is kept, and runs that are cut."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import optax
import pytest

from gatewright import narrowing
from gatewright.adam import Adam
from gatewright.errors import InputError
from gatewright.heads import GroupSum
from gatewright.journal import load_network
from gatewright.layers import Gates, readers_of
from gatewright.learned import LearnedGates
from gatewright.network import Network
from gatewright.recipes.classification import parse_narrow
from gatewright.storage import load_arrays
from gatewright.train import State, fit, train

RNG = np.random.default_rng(0)
X = RNG.integers(0, 2, (60, 20)).astype(np.bool_)
Y = (X[:, :7].sum(axis=1) > 3).astype(np.int32)
OPTIONS: dict[str, Any] = {
    "steps": 20, "batch_size": 16, "chunk": 4, "seed": 3, "narrow": {5: 5, 11: 2},
}  # fmt: skip

LOGITS = ".layers[0].logits"


def learner() -> Network:
    layers = (
        LearnedGates(20, 31, 8, key=(0,)),
        Gates(31, 24, key=(1,)),
        LearnedGates(24, 12, 3, key=(2,)),
    )
    return Network(*layers, head=GroupSum(2, 2.0))


def candidates_of(network: Network) -> list[int]:
    return [layer.num_candidates for layer in network.layers if isinstance(layer, LearnedGates)]


def assert_same(a: Any, b: Any) -> None:
    for one, other in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(one, other)


def last(states: Any) -> State:
    *_, state = states
    return state


@pytest.mark.parametrize("optimizer", [Adam(0.1), optax.adam(0.1), optax.sgd(0.1, momentum=0.9)])
def test_the_likeliest_stay_with_their_state(optimizer):
    before = last(train(learner(), X, Y, optimizer, **OPTIONS | {"narrow": None, "steps": 9}))
    network, state = narrowing.narrowed(before.network, before.optimizer_state, 3)
    assert candidates_of(network) == [3, 3]
    wide, narrow = before.network.layers[0], network.layers[0]
    assert isinstance(wide, LearnedGates)
    assert isinstance(narrow, LearnedGates)
    np.testing.assert_array_equal(narrow.hard_fanin(), wide.hard_fanin())
    readers = readers_of(np.asarray(narrow.candidates).reshape(-1), 20)
    np.testing.assert_array_equal(narrow.readers, readers)

    def logits(tree: Any) -> list[np.ndarray]:
        named = jax.tree_util.tree_leaves_with_path(tree)
        return [np.asarray(leaf) for path, leaf in named if LOGITS in jax.tree_util.keystr(path)]

    old = [*logits(before.network), *logits(before.optimizer_state), wide.candidates]
    new = [*logits(network), *logits(state), narrow.candidates]
    assert len(new) == len(old) >= 3
    for s in range(2):
        for i in range(31):
            kept = sorted(sorted(range(8), key=lambda k: -float(wide.logits[s, k, i]))[:3])
            for one, other in zip(new, old, strict=True):
                np.testing.assert_array_equal(one[s, :, i], other[s, kept, i])
    assert_same(before.network.layers[1:], network.layers[1:])
    assert_same(narrowing.narrowed(network, state, 3), (network, state))


def test_a_run_is_that_of_its_parts():
    whole = last(train(learner(), X, Y, Adam(0.1), **OPTIONS))
    assert candidates_of(whole.network) == [2, 2]
    parts, start = (5, 11, 20), None
    for steps, k in zip(parts, (5, 2, 2), strict=True):
        alone = OPTIONS | {"narrow": None, "steps": steps}
        start = last(train(learner(), X, Y, Adam(0.1), start=start, **alone))
        made = narrowing.narrowed(start.network, start.optimizer_state, k)
        start = State(*made, start.metrics)
    assert_same((start.network, start.optimizer_state), (whole.network, whole.optimizer_state))


def test_the_native_kernel_is_the_program_of_jax():
    native, jaxed = (
        last(train(learner(), X, Y, Adam(0.02, epsilon=1e-3), **OPTIONS | options)).network
        for options in ({"kernel": "native", "activations": "float32"}, {"kernel": "jax"})
    )
    for one, other in zip(jax.tree.leaves(native), jax.tree.leaves(jaxed), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-4)


def test_a_run_that_is_cut_continues_bit_for_bit(tmp_path):
    def run(folder: str, **more: object) -> Network:
        patient = {"patience": 100, "held_out": (X[::3], Y[::3])}
        options = OPTIONS | patient | more
        return fit(learner(), X, Y, Adam(0.1), run=tmp_path / folder, **options)

    whole = run("whole")
    for cut in (4, 8, 16):  # before, between and after: 5 and 11 are within a chunk
        run("cut", stop=lambda m, cut=cut: m.step >= cut)
        assert_same(run("cut", resume=True), whole)
    assert_same(load_network(tmp_path / "cut", learner(), Adam(0.1)), whole)
    for name in ("checkpoint", "best"):
        paths = (tmp_path / of / f"{name}.safetensors" for of in ("cut", "whole"))
        assert_same(*(load_arrays(path)[0] for path in paths))


@pytest.mark.parametrize("change", [b"[[x, ", b"[[9, ", b"[[0, "])
def test_a_checkpoint_of_other_shapes_is_refused(change, tmp_path):
    fit(learner(), X, Y, Adam(0.1), run=tmp_path, **OPTIONS)
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes().replace(b"[[2, ", change))
    with pytest.raises(InputError, match=f"^{path}: saved by another network or optimiser"):
        fit(learner(), X, Y, Adam(0.1), run=tmp_path, resume=True, **OPTIONS)


@pytest.mark.parametrize(
    ("schedule", "says"),
    [
        ({0: 3}, "3 candidates after 0 steps; give at least 1 of each"),
        ({5: 0}, "0 candidates after 5 steps"),
        ({5: 3, 9: 4}, r"\[3, 4\] candidates, one after the other; they can only get fewer"),
    ],
)
def test_a_schedule_that_is_none_is_refused(schedule, says):
    with pytest.raises(InputError, match=f"^narrow: {says}"):
        next(iter(train(learner(), X, Y, Adam(0.1), steps=20, narrow=schedule)))


def test_a_recipe_says_it_in_shares_of_its_steps():
    assert parse_narrow("", 100) == {}
    assert parse_narrow("0.1:12, 0.25:6", 200) == {20: 12, 50: 6}
    assert parse_narrow("0.05:12,0.12:6,0.5:3", 4) == {1: 6, 2: 3}
    wrong = ("0.1", "0.1:", "x:3", "0.1:2.5", "0:3", "1:3", "0.5:0", "0.1:3,", "-0.1:3", "nan:3")
    for text in wrong:
        with pytest.raises(InputError, match=r"is not S:K; write 0\.1:12 for 12 candidates"):
            parse_narrow(text, 100)
