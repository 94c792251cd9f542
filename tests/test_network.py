from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gatewright.circuit import pack
from gatewright.errors import InputError
from gatewright.heads import Bits, GroupSum, Head
from gatewright.layers import Gates
from gatewright.network import Network

NUM_INPUTS = 9


def network_of(head: Head, last: int, *, form: str = "softmax", seed: int = 0) -> Network:
    """9 -> 16 -> 11 -> last, wired three ways, with random gates."""
    shapes = [("moore", NUM_INPUTS, 16), ("random", 16, 11), ("random", 11, last)]
    keys = jax.random.split(jax.random.key(seed), len(shapes))
    layers = [
        Gates(below, above, key=key, wiring=wiring, parametrisation=form, init="gaussian")
        for key, (wiring, below, above) in zip(keys, shapes, strict=True)
    ]
    return Network(*layers, head=head)


def random_rows(num: int = 333, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2, (num, NUM_INPUTS)).astype(np.bool_)


def by_hand(network: Network, rows: np.ndarray) -> np.ndarray:
    """The last layer's hard outputs, gate by gate: int[N, n]."""
    values = rows.T.astype(np.int64)
    for layer in network.layers:
        a, b = np.asarray(layer.fanin).T
        tables = np.asarray(layer.tables()).astype(np.int64)
        values = tables[:, None] >> (values[a] + 2 * values[b]) & 1
    return values.T


@pytest.mark.parametrize(
    ("head", "last", "form"),
    [
        (Bits(), 7, "light"),
        (Bits(), 1, "walsh"),
        (GroupSum(2), 8, "covjac"),
        (GroupSum(3), 9, "softmax"),
        (GroupSum(10), 20, "gumbel"),
    ],
)
def test_the_netlist_is_the_hard_network_head_included(head, last, form):
    network, rows = network_of(head, last, form=form), random_rows()
    outputs = by_hand(network, rows)
    if isinstance(head, GroupSum):
        sums = outputs.reshape(len(rows), head.num_classes, -1).sum(axis=2)
        assert ((sums == sums.max(axis=1, keepdims=True)).sum(axis=1) > 1).any(), "no ties"
        expected = head.target_bits(sums.argmax(axis=1))
    else:
        expected = outputs == 1
    body = network.gates_circuit()
    assert body.num_gates == network.num_gates == 16 + 11 + last
    np.testing.assert_array_equal(body(rows), outputs == 1)
    np.testing.assert_array_equal(network.hard_bits(rows), expected)
    np.testing.assert_array_equal(network.to_netlist()(rows), expected)
    y = expected.copy()
    y[:100, 0] ^= True
    if isinstance(head, GroupSum):
        y = y @ (1 << np.arange(y.shape[1]))
    assert network.hard_accuracy(pack(rows), y) == pytest.approx(233 / 333)


def test_scores_in_hard_mode_are_exact_and_soft_ones_approach_them():
    network, rows = network_of(Bits(), 5), random_rows(40)
    x = jnp.asarray(rows)
    hard = np.asarray(jax.jit(lambda x: network(x, mode="hard"))(x))
    np.testing.assert_array_equal(hard, by_hand(network, rows))
    cold, warm = (
        np.asarray(jax.jit(lambda x, t: network(x, temperature=t))(x, t)) for t in (1e-4, 1.0)
    )
    assert np.abs(cold - hard).mean() < 0.02
    assert warm.shape == (40, 5)
    assert 0.05 < np.abs(warm - hard).mean() < 0.95


def test_rows_may_be_bools_integers_or_reals():
    network, rows = network_of(Bits(), 5), random_rows(20)
    kinds = (np.float32, np.bool_, np.int32)
    scores = jax.jit(lambda *each: [network(x) for x in each])(*map(rows.astype, kinds))
    np.testing.assert_allclose(scores[1:], [scores[0]] * 2, rtol=1e-6)
    np.testing.assert_array_equal(network.hard_bits(rows), network.hard_bits(rows.astype(np.int32)))


def test_every_layer_samples_with_a_key_of_its_own():
    seen: list[jax.Array] = []

    class Watched(Gates):
        def corners(self, mode, temperature, key):
            found = super().corners(mode, temperature, key)
            seen.append(found)
            return found

    layer = Watched(6, 6, key=jax.random.key(0), parametrisation="gumbel", strength=0.0)
    network = Network(layer, layer)
    x = jnp.zeros((1, 6))
    with pytest.raises(InputError, match="needs a random key"):
        network(x, mode="training")

    @jax.jit
    def sample(key):
        seen.clear()
        network(x, mode="training", key=key)
        return jnp.stack(seen)

    first, again, other = (np.asarray(sample(jax.random.key(seed))) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first[0] != first[1]).any()
    assert (first[0] != other[0]).any()


def test_decided_is_the_share_of_gates_sure_above_85_percent():
    network = network_of(Bits(), 5)
    sure = np.concatenate([np.asarray(layer.confidence(0.3)) for layer in network.layers]) > 0.85
    assert 0 < sure.mean() < 1
    assert float(network.decided(0.3)) == pytest.approx(sure.mean())
    assert float(network.decided(1e-3)) > 0.9


def test_names():
    network = network_of(Bits(), 1)
    assert network.to_netlist().output_names == ("y",)
    assert network.to_netlist().input_names == tuple(f"x{i}" for i in range(NUM_INPUTS))
    cells = tuple(f"cell{i}" for i in range(NUM_INPUTS))
    assert network.gates_circuit(cells).input_names == cells


def test_networks_that_cannot_be_are_refused():
    key = jax.random.key(0)
    with pytest.raises(InputError, match="at least one layer"):
        Network()
    with pytest.raises(InputError, match="layer 1 reads 6 inputs, layer 0 has 5 gates"):
        Network(Gates(4, 5, key=key), Gates(6, 2, key=key))
    with pytest.raises(InputError, match=r"GroupSum\(2\) needs a multiple of 2 outputs"):
        Network(Gates(4, 5, key=key), head=GroupSum(2))
    network = Network(Gates(4, 5, key=key))
    with pytest.raises(InputError, match=r"\[batch, 4\], not \[2, 3\]"):
        network(jnp.zeros((2, 3)))
    with pytest.raises(InputError, match=r"\[batch, 4\], not \[4\]"):
        network.hard_bits(np.zeros(4, np.bool_))


def test_an_unknown_mode_is_refused() -> None:
    network = network_of(Bits(), 3)
    with pytest.raises(InputError, match="unknown mode 'sof'; known: soft, training"):
        network(jnp.asarray(random_rows(2)), mode="sof")  # pyright: ignore[reportArgumentType]
