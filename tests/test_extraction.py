from __future__ import annotations

import jax
import numpy as np
import pytest

from gatewright.circuit import all_inputs, unpack
from gatewright.encode import Identity, Thermometer
from gatewright.errors import InputError
from gatewright.extraction import extract
from gatewright.heads import Bits, GroupSum, Head
from gatewright.layers import Gates
from gatewright.network import Network


def network_of(head: Head, last: int) -> Network:
    k1, k2 = jax.random.split(jax.random.key(7))
    layers = Gates(6, 12, key=k1, init="gaussian"), Gates(12, last, key=k2, init="gaussian")
    return Network(*layers, head=head)


def test_the_model_predicts_what_the_hard_network_decides():
    rows = unpack(all_inputs(6), 64)
    for head, last, classes in ((Bits(), 3, None), (GroupSum(2), 4, 2), (GroupSum(3), 9, 3)):
        network = network_of(head, last)
        model = extract(network)
        assert model.num_classes == classes
        bits = network.hard_bits(rows)
        np.testing.assert_array_equal(model.circuit(rows), bits)
        expected = bits if classes is None else bits @ (1 << np.arange(bits.shape[1]))
        np.testing.assert_array_equal(model.predict(rows), expected)


def test_the_model_keeps_the_encoder():
    network, encoder = network_of(GroupSum(3), 9), Thermometer(np.array([0.3, 0.6]), (3,))
    samples = np.random.default_rng(0).random((40, 3))
    model = extract(network, encoder)
    assert model.encoder is encoder
    expected = extract(network).predict(encoder(samples))
    np.testing.assert_array_equal(model.predict(samples), expected)
    with pytest.raises(InputError, match="encoder gives 8 bits .* has 6 inputs"):
        extract(network, Identity((8,)))


def test_nothing_is_folded_or_dropped():
    network = network_of(Bits(), 3)
    circuit = extract(network).circuit
    assert circuit.num_gates == network.num_gates == 15
    tables = np.concatenate([np.asarray(layer.tables()) for layer in network.layers])
    np.testing.assert_array_equal(circuit.table, tables)


def test_names():
    network = network_of(GroupSum(3), 9)
    circuit = extract(network).circuit
    assert circuit.name == "circuit"
    assert circuit.input_names == tuple(f"x{i}" for i in range(6))
    assert circuit.output_names == ("y0", "y1")
    assert extract(network_of(GroupSum(2), 4)).circuit.output_names == ("y",)
    named = extract(
        network, name="sorter", input_names=tuple("abcdef"), output_names=("low", "high")
    ).circuit
    assert (named.name, named.input_names) == ("sorter", tuple("abcdef"))
    assert named.output_names == ("low", "high")
    with pytest.raises(InputError, match="2 input names given; the network has 6 inputs"):
        extract(network, input_names=("a", "b"))
    with pytest.raises(InputError, match="0 output names given; the network has 2 outputs"):
        extract(network, output_names=())
    with pytest.raises(InputError, match="input name 'a' occurs twice"):
        extract(network, input_names=tuple("abcdea"))
