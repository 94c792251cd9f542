from __future__ import annotations

import numpy as np
import optax
import pytest

from gatewright.errors import InputError
from gatewright.feed import Feed
from gatewright.fused import why_not
from gatewright.heads import Bits, GroupSum
from gatewright.recipes import RECIPES, Recipe, recipe
from gatewright.train import Metrics


def metrics_of(hard_accuracy: float) -> Metrics:
    return Metrics(1, 0.0, 1.0, hard_accuracy, 1.0)


def test_unknown_recipes_are_answered_with_the_known_ones():
    with pytest.raises(InputError, match=r"unknown recipe 'chess'; known: life, life-tree"):
        recipe("chess")


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_has_data_that_its_network_takes(name):
    chosen = recipe(name)()
    assert isinstance(chosen, Recipe)
    train, test = chosen.data()
    network, optimizer, options = chosen.network(), chosen.optimizer(), chosen.options()
    assert isinstance(optimizer, optax.GradientTransformation)
    assert chosen.num_steps > 0
    feed = Feed.make(network, train.x, train.y, encoder=options.get("encoder"))
    assert feed.num_rows == len(train)
    assert train.x.shape[1:] == test.x.shape[1:]
    reason = why_not(network, optimizer)
    assert (reason is None) == (name not in ("life", "life-tree")), reason


@pytest.mark.parametrize("name", ["life", "life-tree"])
def test_life_is_the_whole_rule_and_stops_when_perfect(name):
    chosen = recipe(name)()
    rows, judged = chosen.data()
    x, y = rows.x, rows.y
    assert judged is rows
    assert x.shape == (512, 9)
    assert len(np.unique(x, axis=0)) == 512
    alive, neighbours = x[:, 4], x.sum(axis=1) - x[:, 4]
    np.testing.assert_array_equal(y, (neighbours == 3) | (alive & (neighbours == 2)))
    assert chosen.is_done(metrics_of(1.0))
    assert not chosen.is_done(metrics_of(511 / 512))
    assert not Recipe.is_done(chosen, metrics_of(1.0))


@pytest.mark.parametrize("name", ["life", "life-tree"])
def test_the_seed_decides_the_network(name):
    first, again, other = (recipe(name)(seed=seed).network().layers for seed in (1, 1, 2))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a.fanin, b.fanin)
        np.testing.assert_array_equal(a.parameters, b.parameters)
    assert all((a.fanin != b.fanin).any() for a, b in zip(first[:3], other[:3], strict=True))
    assert (np.asarray(first[1].fanin) != np.asarray(first[2].fanin)).any()


def test_life_has_the_shape_its_fields_say():
    network = recipe("life")(width=64, depth=3, tau=5.0, strength=4.0).network()
    assert [layer.num_outputs for layer in network.layers] == [64, 64, 64]
    assert isinstance(network.head, GroupSum)
    assert (network.head.num_classes, network.head.tau) == (2, 5.0)
    assert float(network.layers[0].parameters.max()) == 4.0


def test_life_tree_has_the_references_shape():
    network = recipe("life-tree")().network()
    shape = [*[128] * 17, 64, 32, 16, 8, 4, 2, 1]
    assert [layer.num_outputs for layer in network.layers] == shape
    assert isinstance(network.head, Bits)


def test_life_tree_says_what_it_cannot_be():
    with pytest.raises(InputError, match="unknown parametrisation 'lut'"):
        recipe("life-tree")(form="lut").network()
