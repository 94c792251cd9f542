from __future__ import annotations

from functools import partial
from itertools import product

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gatewright import luts
from gatewright.circuit import all_inputs, unpack
from gatewright.errors import InputError
from gatewright.heads import GroupSum
from gatewright.layers import Gates
from gatewright.luts import Luts, evaluate_luts, multilinear
from gatewright.network import Network

#: (inputs, tables, k)
SHAPES = [(9, 12, 2), (8, 11, 3), (12, 5, 4), (7, 13, 5), (6, 9, 6)]


def layer_of(*shape: int, seed: int = 0, **options: object) -> Luts:
    return Luts(*shape, key=(seed,), **({"init": "gaussian"} | options))


def by_corners(corners: np.ndarray, operands: np.ndarray) -> np.ndarray:
    """Every corner weighted by how much the operands are it: [2**k, n], [k, n, batch]."""
    total = np.zeros(operands.shape[1:])
    for m, bits in enumerate(product((0, 1), repeat=len(operands))):
        share = [x if bit else 1 - x for bit, x in zip(bits[::-1], operands, strict=True)]
        total += corners[m][:, None] * np.prod(share, axis=0)
    return total


@pytest.mark.parametrize("shape", SHAPES)
def test_wiring_is_of_different_inputs_in_even_shares(shape):
    layer = layer_of(*shape)
    fanin = np.asarray(layer.fanin)
    assert fanin.shape == shape[1:]
    assert all(len(set(row)) == shape[2] for row in fanin.tolist())
    count = np.bincount(fanin.reshape(-1), minlength=shape[0])
    assert len(count) == shape[0]
    assert count.max() - count.min() <= 1


@pytest.mark.parametrize("shape", SHAPES)
def test_a_layer_is_the_multilinear_interpolation_of_its_corners(shape):
    layer = layer_of(*shape)
    x = np.random.default_rng(0).random((shape[0], 5)).astype(np.float32)
    corners = 1 / (1 + np.exp(-np.asarray(layer.parameters, np.float64) / 0.7))
    expected = by_corners(corners, x[np.asarray(layer.fanin).T].astype(np.float64))
    found = jax.jit(partial(layer, temperature=0.7))(x)
    np.testing.assert_allclose(found, expected, atol=2e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_on_bits_a_soft_table_is_its_corner_and_a_hard_one_its_bit(shape):
    layer = layer_of(*shape)
    rows = np.random.default_rng(0).integers(0, 2, (shape[0], 40))
    index = sum(rows[wire] << i for i, wire in enumerate(np.asarray(layer.fanin).T))
    x = jnp.asarray(rows, dtype=jnp.float32)
    tables = [int(table) for table in layer.tables()]
    bits = np.array([[t >> int(m) & 1 for m in ms] for t, ms in zip(tables, index, strict=True)])
    modes = ("hard", "straight_through", "soft", "training")
    hard, through, soft, training = jax.jit(lambda x: [layer(x, mode=mode) for mode in modes])(x)
    np.testing.assert_array_equal(hard, bits)
    np.testing.assert_array_equal(through, bits)
    corners = 1 / (1 + np.exp(-np.asarray(layer.parameters, np.float64)))
    expected = np.take_along_axis(corners.T, index, axis=1)
    np.testing.assert_allclose(soft, expected, atol=1e-6)
    np.testing.assert_array_equal(training, soft)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("block", [1 << 18, 400])
def test_the_gradient_is_that_of_the_plain_interpolation(shape, block, monkeypatch):
    """In one block, and in some of which the last is not full."""
    monkeypatch.setattr(luts, "BLOCK_VALUES", block)
    layer = layer_of(*shape)
    fanin, readers = layer.fanin, layer.readers
    rng = np.random.default_rng(1)

    def ours(corners, x, cotangent):
        return (evaluate_luts(corners, x, fanin, readers) * cotangent).sum()

    def plain(corners, x, cotangent):
        return (multilinear(corners, x[fanin.T]) * cotangent).sum()

    with jax.enable_x64(True):
        at = [
            jnp.asarray(rng.random(size))
            for size in ((1 << shape[2], shape[1]), (shape[0], 5), (shape[1], 5))
        ]
        found, expected = (
            jax.jit(jax.value_and_grad(f, argnums=(0, 1)))(*at) for f in (ours, plain)
        )
        for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
            assert one.dtype == np.float64
            np.testing.assert_allclose(one, other, atol=1e-12)


def test_the_gradient_straight_through_is_the_sigmoids_at_hard_tables():
    layer = layer_of(8, 6, 3)
    x = jnp.asarray(np.random.default_rng(0).random((8, 4)), dtype=jnp.float32)
    operands = np.asarray(x, np.float64)[np.asarray(layer.fanin).T]

    def value(parameters):
        changed = eqx.tree_at(lambda tree: tree.parameters, layer, parameters)
        return changed(x, mode="straight_through", temperature=0.5).sum()

    soft = 1 / (1 + np.exp(-np.asarray(layer.parameters, np.float64) / 0.5))
    share = np.stack([by_corners(np.eye(8)[m][:, None].repeat(6, 1), operands) for m in range(8)])
    expected = share.sum(axis=2) * soft * (1 - soft) / 0.5
    np.testing.assert_allclose(jax.jit(jax.grad(value))(layer.parameters), expected, atol=1e-5)


def test_tables_of_six_inputs_fill_64_bits():
    layer = layer_of(6, 40, 6)
    is_one = np.asarray(layer.parameters) > 0
    assert layer.tables().dtype == np.uint64
    for g, table in enumerate(layer.tables().tolist()):
        assert [table >> m & 1 for m in range(64)] == is_one[:, g].astype(int).tolist()


def test_a_residual_table_passes_its_first_input():
    for k in range(2, 7):
        layer = layer_of(8, 10, k, init="residual")
        assert set(layer.tables().tolist()) == {sum(1 << m for m in range(1, 1 << k, 2))}
        assert np.abs(np.asarray(layer.parameters)).min() > 1.5
    stronger = layer_of(8, 10, 3, init="residual", strength=20.0)
    assert 18 < np.abs(np.asarray(stronger.parameters)).mean() < 22


def test_confidence_is_that_of_all_corners():
    layer = layer_of(8, 10, 3)
    soft = 1 / (1 + np.exp(-np.abs(np.asarray(layer.parameters, np.float64)) / 0.4))
    np.testing.assert_allclose(layer.confidence(0.4), soft.prod(axis=0), rtol=1e-5)


def test_the_netlist_of_mixed_layers_is_the_hard_network():
    layers = (
        layer_of(9, 20, 6),
        layer_of(20, 16, 3, seed=1),
        Gates(16, 12, key=(2,), init="gaussian"),
        layer_of(12, 12, 2, seed=3),
        layer_of(12, 9, 4, seed=4),
    )
    rows = unpack(all_inputs(9), 512)
    for head in (GroupSum(3), None):
        network = Network(*layers, head=head)
        values = rows.T.astype(np.int64)
        for layer in layers:
            wires = np.asarray(layer.hard_fanin()).T
            index = sum(values[wire] << i for i, wire in enumerate(wires))
            tables = [int(table) for table in np.asarray(layer.tables())]
            values = np.array(
                [[t >> int(m) & 1 for m in ms] for t, ms in zip(tables, index, strict=True)]
            )
        np.testing.assert_array_equal(network.gates_circuit()(rows), values.T == 1)
        np.testing.assert_array_equal(network.to_netlist()(rows), network.hard_bits(rows))
    assert network.gates_circuit(tuple("abcdefghi")).input_names == tuple("abcdefghi")
    assert Network(layer_of(4, 1, 3)).to_netlist().output_names == ("y",)


def test_a_layer_that_cannot_be_is_refused():
    for k in (1, 7):
        with pytest.raises(InputError, match=f"from 2 to 6 inputs, not k = {k}"):
            layer_of(9, 9, k)
    with pytest.raises(InputError, match="4-input tables has at least 4 inputs .* not 3 and 5"):
        layer_of(3, 5, 4)
    with pytest.raises(InputError, match="wiring 'unique' is of pairs"):
        layer_of(9, 5, 4, wiring="unique")
    with pytest.raises(InputError, match="unknown wiring 'ring'"):
        layer_of(9, 5, 2, wiring="ring")
    with pytest.raises(InputError, match="unknown initialisation 'ones'"):
        layer_of(9, 5, 4, init="ones")
    with pytest.raises(InputError, match="unknown mode 'sof'"):
        layer_of(9, 5, 4)(jnp.zeros((9, 1)), mode="sof")
    assert layer_of(9, 5, 2, wiring="unique").hard_fanin().shape == (5, 2)
