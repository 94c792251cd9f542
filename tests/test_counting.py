"""Votes that are counted one after the other: the same function, and what is made of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import gatewright as gw
from gatewright import counting, gates, native
from gatewright.circuit import Circuit
from gatewright.counting import recounted, vote
from gatewright.encode import Thermometer
from gatewright.model import Model
from gatewright.passes.strash import strash
from gatewright.passes.sweep import sweep

NATIVE = pytest.mark.skipif(native.load() is None, reason="the native core is not built")


def layers(widths: list[int], num_inputs: int, reach: int, seed: int = 0) -> Circuit:
    """Random gates of every table that read nodes near their own place in the layer before."""
    rng = np.random.default_rng(seed)
    fanin, begin, size = [], 1, num_inputs
    for width in widths:
        place = np.arange(width) * size // width
        near = place[:, None] + rng.integers(-reach, reach + 1, (width, 2))
        fanin.append(begin + rng.permutation(np.clip(near, 0, size - 1)))
        begin, size = begin + size, width
    return Circuit(
        np.concatenate(fanin),
        rng.integers(0, 16, sum(widths)),
        2 * (begin + np.arange(size)),
        tuple(f"x{i}" for i in range(num_inputs)),
        tuple(f"y{i}" for i in range(size)),
    )


def classifier(body: Circuit, num_classes: int) -> Circuit:
    return body.then(vote(num_classes, body.num_outputs // num_classes))


def same_on_samples(a: Circuit, b: Circuit) -> bool:
    words = np.random.default_rng(1).integers(0, 1 << 64, (a.num_inputs, 40), dtype=np.uint64)
    return np.array_equal(a.simulate(words), b.simulate(words))


@pytest.mark.parametrize("num_classes", [2, 3, 10])
@pytest.mark.parametrize("size", [5, 6, 7, 16, 61])
@pytest.mark.parametrize("depth", [1, 2])
def test_it_is_the_same_function(num_classes: int, size: int, depth: int) -> None:
    num_votes = num_classes * size
    circuit = classifier(layers([num_votes + 5] * (depth - 1) + [num_votes], 40, 3), num_classes)
    found = recounted(circuit, num_classes)
    assert found is not None
    assert same_on_samples(circuit, found)
    if num_votes <= 15:  # two orders of counting are hard to prove equal
        assert gw.prove(circuit, found)
    assert found.input_names == circuit.input_names


def test_votes_come_in_the_order_of_the_last_input_that_they_are_a_function_of() -> None:
    """Not of one that a gate is wired to and does not depend on."""
    num_inputs, num_votes = 60, 80
    rng = np.random.default_rng(3)
    last = rng.permutation(np.arange(num_votes) % 50)
    fanin = np.stack([1 + last, np.full(num_votes, num_inputs)], axis=1)
    body = Circuit(
        fanin,
        np.full(num_votes, gates.PASS_A),
        2 * (1 + num_inputs + np.arange(num_votes)),
        tuple(f"x{i}" for i in range(num_inputs)),
        tuple(f"y{i}" for i in range(num_votes)),
    )
    found = recounted(classifier(body, 2), 2)
    assert found is not None
    # The gates of the body that the counters read, in the order of these.
    reads = found.fanin[num_votes:].ravel()
    reads = reads[(reads > num_inputs) & (reads <= num_inputs + num_votes)] - num_inputs - 1
    _, first = np.unique(reads, return_index=True)
    in_order = reads[np.sort(first)]
    for of_class in (in_order < 40, in_order >= 40):
        assert (np.diff(last[in_order[of_class]]) >= 0).all()


def test_other_circuits_are_left_alone() -> None:
    body = layers([80], 40, 3)
    circuit = classifier(body, 4)
    assert recounted(circuit, 4) is not None
    assert recounted(circuit, 5) is None
    assert recounted(circuit, 2) is None
    assert recounted(body, 4) is None
    one_gate_else = circuit.table.copy()
    one_gate_else[-9] ^= 1
    assert recounted(replace(circuit, table=one_gate_else), 4) is None
    another_operand = circuit.fanin.copy()
    another_operand[-200, 0] -= 1
    assert recounted(replace(circuit, fanin=another_operand), 4) is None
    assert recounted(replace(circuit, outputs=circuit.outputs[::-1]), 4) is None
    inputs = tuple(f"x{i}" for i in range(4))
    no_gates = Circuit(np.zeros((0, 2)), np.zeros(0), [2, 4], inputs, ("y0", "y1"))
    assert recounted(no_gates, 4) is None
    inverted = replace(body, outputs=body.outputs ^ 1)
    assert recounted(classifier(inverted, 4), 4) is None


def test_few_sizes_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the passes leave has many gates that look like a head's first."""
    tried: list[int] = []

    def spy(num_classes: int, size: int) -> Circuit:
        tried.append(num_classes * size)
        return vote(num_classes, size)

    monkeypatch.setattr(counting, "vote", spy)
    circuit = classifier(layers([3000], 300, 8), 10)
    assert recounted(circuit, 10) is not None
    assert len(set(tried)) <= 2
    tried.clear()
    assert recounted(sweep(strash(circuit)), 10) is None
    assert len(tried) <= 2


def test_deep_ones_are_left_alone_whose_votes_all_read_the_last_inputs() -> None:
    rng = np.random.default_rng(0)
    deep = layers([200] * 4, 40, 200)
    shuffled = replace(deep, outputs=rng.permutation(deep.outputs))
    assert recounted(classifier(deep, 4), 4) is None
    assert recounted(classifier(shuffled, 4), 4) is None


@NATIVE
@pytest.mark.parametrize("isa", ["avx512", "avx2"])
def test_the_engine_gives_the_same_classes_of_many_and_of_few(
    isa: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWRIGHT_ISA", isa)
    body = layers([1200, 1000], 90, 4)
    circuit = classifier(body, 10)
    assert recounted(circuit, 10) is not None
    model = Model(circuit, 10, Thermometer(np.array([100.0], np.float32), (90,)))
    try:
        compiled = gw.compile(model, "jit", threads=1)
    except gw.InputError:
        pytest.skip(f"this machine has no {isa}")
    assert compiled.about["operations"] < circuit.num_gates  # of the circuit itself
    rows = np.random.default_rng(2).integers(0, 256, (5000, 90)).astype(np.uint8)
    expected = gw.compile(model, "numpy").predict(rows)
    assert len(np.unique(expected)) == 10
    for _ in range(2):  # of few samples, twice before they have code of their own
        for num in (5000, 1025, 512, 100, 64, 3, 2, 1):
            np.testing.assert_array_equal(compiled.predict(rows[:num]), expected[:num])
    words = np.random.default_rng(1).integers(0, 1 << 64, (90, 70), dtype=np.uint64)
    np.testing.assert_array_equal(compiled(words), circuit.simulate(words))


@NATIVE
def test_the_core_refuses_a_circuit_for_many_samples_with_other_outputs() -> None:
    module = native.load()
    assert module is not None
    circuit = layers([20], 9, 2)
    arrays = circuit.fanin, circuit.table, circuit.outputs
    empty = np.zeros(9, np.int32), np.zeros(9, np.uint8), np.zeros(9)

    def make(*many: object) -> object:
        return module.Engine(9, *arrays, 9, *empty, "interpreter", 1, many)

    make(*arrays, 3)
    for bad in (
        (arrays[0], arrays[1], arrays[2][1:], 3),
        (*arrays, 0),
        (arrays[0] + 100, arrays[1], arrays[2], 3),
    ):
        with pytest.raises(ValueError):
            make(*bad)
