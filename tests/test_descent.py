"""The native descent against its specification, on random networks and samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gatewright import native
from gatewright.circuit import Circuit, pack
from gatewright.descent import PythonDescent, descent
from gatewright.heads import GroupSum
from gatewright.layers import Gates
from gatewright.network import Network
from native_programs import Machine, machines


def a_case(seed: int):
    """A circuit of up to four layers, samples, and visits to all gates in some order."""
    rng = np.random.default_rng(seed)
    num_inputs, num_classes = int(rng.integers(4, 12)), int(rng.integers(2, 5))
    widths = rng.integers(6, 20, int(rng.integers(0, 4))).tolist()
    layers, below = [], num_inputs
    for i, width in enumerate([*widths, num_classes * int(rng.integers(1, 6))]):
        layers.append(Gates(below, width, key=(seed, i), init="gaussian"))
        below = width
    circuit = Network(*layers, head=GroupSum(num_classes)).gates_circuit()
    num_samples = 64 * int(rng.integers(1, 9))
    words = pack(rng.random((num_samples, num_inputs)) < 0.5)
    y = rng.integers(0, num_classes, num_samples).astype(np.int32)
    weights = rng.random(num_samples).astype(np.float32)
    weights[-7:] = 0
    order = (1 + num_inputs + rng.permutation(circuit.num_gates)).astype(np.int32)
    candidates = np.stack([rng.integers(1, node, (2, 5)) for node in order]).astype(np.int32)
    readout = np.eye(num_classes, num_classes + 1) / rng.uniform(0.5, 4)
    if seed % 4 == 3:  # as many groups of other weights, and constants
        readout = rng.integers(-2, 3, readout.shape) / 2
    return (circuit, readout.astype(np.float32), words, y, weights), order, candidates


def votes(num_classes: int, tau: float):
    """The readout of a group a class."""
    return np.eye(num_classes, num_classes + 1, dtype=np.float32) / np.float32(tau)


def parts_of(case):
    circuit, *others = case
    return circuit.fanin, circuit.table, circuit.outputs, *others


def needs_core():
    if native.load() is None:
        pytest.skip("needs the native core")


@pytest.mark.parametrize("seed", range(40))
def test_the_core_does_what_python_does(seed):
    needs_core()
    case, order, candidates = a_case(seed)
    slow, fast = PythonDescent(*parts_of(case)), descent(*case, threads=1)
    for significance in (0.0, 0.5):
        np.testing.assert_allclose(fast.losses(), slow.losses(), atol=2e-5)
        changed, fall = fast.sweep(order, candidates, significance)
        assert (changed, pytest.approx(fall, abs=1e-3)) == slow.sweep(
            order, candidates, significance
        )
        np.testing.assert_array_equal(fast.fanin, slow.fanin)
        np.testing.assert_array_equal(fast.table, slow.table)
    np.testing.assert_allclose(fast.losses(), slow.losses(), atol=2e-5)


def test_inverted_outputs_and_several_votes_of_a_gate_count():
    needs_core()
    case, order, candidates = a_case(3)
    circuit, *others = case
    outputs = circuit.outputs ^ (np.arange(len(circuit.outputs)) % 2).astype(np.int32)
    outputs[0] = outputs[-1]
    changed = Circuit(
        circuit.fanin, circuit.table, outputs, circuit.input_names, circuit.output_names
    )
    case = changed, *others
    slow, fast = PythonDescent(*parts_of(case)), descent(*case, threads=1)
    assert fast.sweep(order, candidates, 0.0)[0] == slow.sweep(order, candidates, 0.0)[0] > 0
    np.testing.assert_array_equal(fast.table, slow.table)
    np.testing.assert_allclose(fast.losses(), slow.losses(), atol=2e-5)


def test_threads_make_no_difference():
    needs_core()
    rng = np.random.default_rng(0)
    circuit = Network(
        Gates(30, 80, key=(0, 0), init="gaussian"), Gates(80, 60, key=(0, 1), init="gaussian"),
        head=GroupSum(3),
    ).gates_circuit()  # fmt: skip
    num_samples = 64 * 300  # five chunks
    words = pack(rng.random((num_samples, 30)) < 0.5)
    y = rng.integers(0, 3, num_samples).astype(np.int32)
    order = np.arange(31, 171, dtype=np.int32)
    candidates = np.stack([rng.integers(1, node, (2, 6)) for node in order]).astype(np.int32)
    found = []
    for threads in (1, 2, 3, 8):
        one = descent(circuit, votes(3, 2.0), words, y, np.ones(num_samples, np.float32), threads)
        gain = one.sweep(order, candidates, 1.0)
        found.append((gain, one.fanin.tolist(), one.table.tolist(), one.losses().tolist()))
    assert found[0][0][0] > 20
    assert all(one == found[0] for one in found[1:])


def test_a_sweep_finds_the_wire_and_the_table_that_are_missing():
    """Two classes told apart by an XOR, of which each gate reads one operand at first."""
    rng = np.random.default_rng(2)
    bits = rng.random((512, 6)) < 0.5
    y = (bits[:, 2] ^ bits[:, 5]).astype(np.int32)
    fanin, tables = np.array([[5, 0], [1, 2]], np.int32), np.array([0xA, 0xE], np.uint8)
    circuit = Network(Gates.hard(6, fanin, tables), head=GroupSum(2)).gates_circuit()
    one = descent(circuit, votes(2, 0.5), pack(bits), y, np.ones(512, np.float32))
    others = np.broadcast_to(np.arange(1, 7, dtype=np.int32), (2, 2, 6)).copy()
    order = np.array([7, 8], np.int32)
    assert one.losses().mean() > 0.6
    changed, fall = one.sweep(order, others, 3.0)
    assert changed == 2
    assert one.fanin.tolist() == [[6, 3], [3, 6]]
    assert one.table.tolist() == [0x9, 0x6]  # the first votes for class 0
    assert one.losses().mean() == pytest.approx(np.log1p(np.exp(-2)), abs=1e-5)
    assert one.sweep(order, others, 0.0) == (0, 0.0)
    assert fall > 200


def test_what_makes_no_sense_is_named():
    needs_core()
    case, order, candidates = a_case(5)
    circuit, readout, words, y, weights = case
    for changed, message in (
        ((circuit, votes(len(circuit.outputs) + 1, 1), words, y, weights), "equal groups"),
        ((circuit, readout[:1], words, y, weights), r"of shape \[1, \d\] is not of at least 2"),
        ((circuit, np.full_like(readout, np.inf), words, y, weights), "not finite"),
        ((circuit, readout, words, y[1:], weights), "one entry for each"),
        ((circuit, readout, words, y + len(readout), weights), "classes holds numbers"),
    ):
        with pytest.raises(ValueError, match=message):
            descent(*changed)
    one = descent(*case)
    with pytest.raises(ValueError, match="give candidates for each gate"):
        one.sweep(order, candidates[1:], 0.0)
    with pytest.raises(ValueError, match="not a gate's node"):
        one.sweep(np.zeros_like(order), candidates, 0.0)
    with pytest.raises(ValueError, match="255 candidates of an operand; at most 254"):
        one.sweep(order, np.repeat(candidates[..., :1], 255, axis=2), 0.0)
    with pytest.raises(ValueError, match="not below node"):
        one.sweep(order, candidates + circuit.num_nodes, 0.0)


@machines("address,undefined", "thread")
def test_the_core_is_clean_under_sanitizers(machine: Machine, tmp_path: Path) -> None:
    sources = ["descent", "descent_kernels", "pair_sums", "simulate", "team"]
    program = machine.build("test_descent", sources, tmp_path, "-O1")
    assert machine.run(program) == "60 circuits, 0 wrong\n"
