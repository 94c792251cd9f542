from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright import native
from gatewright.circuit import Circuit, Words, all_inputs, unpack
from gatewright.reachable import MAX_SOURCES, MOST_INSIDE, PythonReachable, reachable
from random_circuits import built_circuits, multiplier, raw_circuits

CIRCUITS = built_circuits(max_inputs=8, max_gates=25) | raw_circuits(max_inputs=8, max_gates=25)


def codes(words: Words) -> set[int]:
    bits = unpack(words, 64 * words.shape[1])
    return set((bits @ (1 << np.arange(len(words)))).tolist())


def occurring(circuit: Circuit, nodes: list[int]) -> set[int]:
    values = circuit.simulate_nodes(all_inputs(circuit.num_inputs))[nodes]
    return codes(values)


def some(circuit: Circuit, seed: int) -> list[int]:
    chance = random.Random(seed)
    nodes = range(1, circuit.num_nodes)
    return chance.sample(nodes, min(len(nodes), chance.randint(1, 6)))


@settings(max_examples=200)
@given(circuit=CIRCUITS, most=st.integers(0, MAX_SOURCES), seed=st.integers(0, 99))
def test_what_occurs_is_reachable_in_the_core_as_in_python(
    circuit: Circuit, most: int, seed: int
) -> None:
    nodes = some(circuit, seed)
    found = reachable(circuit).rows(nodes, most)
    np.testing.assert_array_equal(found, PythonReachable(circuit).rows(nodes, most), strict=True)
    assert occurring(circuit, nodes) <= codes(found)
    if most >= circuit.num_nodes:  # never in want of sources: all is seen
        assert occurring(circuit, nodes) == codes(found)


def test_more_sources_show_that_less_can_occur() -> None:
    circuit = multiplier(4, is_swapped=False)
    nodes = (circuit.outputs[-6:] >> 1).tolist()
    sizes = [len(codes(reachable(circuit).rows(nodes, most))) for most in (6, 11, 13)]
    assert sizes[0] == 64 > sizes[1] > sizes[2]


def test_not_more_gates_are_looked_at_than_may_be() -> None:
    circuit = multiplier(7, is_swapped=False)
    nodes = (circuit.outputs[-3:] >> 1).tolist()
    assert circuit.num_gates > MOST_INSIDE
    found = reachable(circuit).rows(nodes, 16)
    np.testing.assert_array_equal(found, PythonReachable(circuit).rows(nodes, 16))


def test_what_is_no_node_is_refused() -> None:
    circuit = multiplier(2, is_swapped=False)
    module = native.load()
    assert module is not None
    for node in (-1, 0, circuit.num_nodes):
        with pytest.raises(ValueError, match=f"node {node}"):
            reachable(circuit).rows([1, node], 4)
    with pytest.raises(ValueError, match="at most 16"):
        reachable(circuit).rows([1], 17)
    with pytest.raises(ValueError, match="node 99"):
        module.Reachable(2, np.array([[1, 99]], np.int32), np.array([8], np.uint8))
