from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright import native, sat_sweep
from gatewright.circuit import Builder, Circuit, Words
from gatewright.sweeping import PythonSweeping, Sweeping
from gatewright.verify import NotEquivalent, prove
from native_programs import Machine, machines
from random_circuits import built_circuits, large

MODULE = native.load()


def twice(circuit: Circuit) -> Circuit:
    """A miter of which both sides are the circuit."""
    outputs = np.concatenate([circuit.outputs, circuit.outputs])
    return replace(circuit, outputs=outputs, output_names=tuple(map(str, range(len(outputs)))))


def both(miter: Circuit) -> tuple[Sweeping, Sweeping]:
    assert MODULE is not None
    arrays = miter.num_inputs, miter.fanin, miter.table, miter.outputs
    return MODULE.Sweeping(*arrays), PythonSweeping(*arrays)


def samples(num_inputs: int, seed: int, num_words: int) -> Words:
    shape = (num_inputs, num_words)
    return np.random.default_rng(seed).integers(0, 2**64, shape, np.uint64, endpoint=False)


@settings(max_examples=200)
@given(
    circuit=built_circuits(max_gates=40),
    seed=st.integers(0, 99),
    num_words=st.sampled_from([1, 2, 8, 11]),
    limits=st.sampled_from([(24, 8), (100, 12), (3, 2)]),
    data=st.data(),
)
def test_native_does_what_python_does(
    circuit: Circuit, seed: int, num_words: int, limits: tuple[int, int], data: st.DataObject
) -> None:
    """With few samples, so that gates of one class are often different, and any answers."""
    miter = twice(circuit)
    rounds = both(miter)
    for one in rounds:
        one.limit(*limits)
        one.sample(samples(miter.num_inputs, seed, num_words) & np.uint64(0xF))
    while not all(one.is_done for one in rounds):
        assert rounds[0].num_classes == rounds[1].num_classes
        compare, ask = data.draw(st.booleans()), data.draw(st.booleans())
        first, second = (one.advance(compare, ask, 3) for one in rounds)
        assert first == second
        if first:
            assert rounds[0].question() == rounds[1].question()
            if data.draw(st.booleans()):
                for one in rounds:
                    one.sample(samples(miter.num_inputs, seed + 1, 1) & np.uint64(0xFF))
            else:
                for one in rounds:
                    one.answer(False)
    for array in ("merged", "fanin", "table"):
        np.testing.assert_array_equal(getattr(rounds[0], array), getattr(rounds[1], array))
    assert rounds[0].num_merged == rounds[1].num_merged


@settings(max_examples=100)
@given(circuit=built_circuits(max_inputs=5, max_gates=40))
def test_what_is_merged_in_windows_is_equal(circuit: Circuit) -> None:
    miter = twice(circuit)
    truth = replace(
        miter, outputs=2 * np.arange(miter.num_nodes, dtype=np.int32),
        output_names=tuple(map(str, range(miter.num_nodes))),
    ).truth_tables()  # fmt: skip
    for one in both(miter):
        one.sample(samples(miter.num_inputs, 0, 1) & np.uint64(3))
        while not one.is_done:
            one.advance(True, False, 10)
        grown = Circuit(
            one.fanin, one.table[:, 0], 2 * one.merged[:, 0], miter.input_names,
            tuple(map(str, range(miter.num_nodes))),
        )  # fmt: skip
        np.testing.assert_array_equal(grown.truth_tables(), truth)


@pytest.mark.parametrize("num_words", [1, 8, 20])
def test_a_sample_that_tells_a_pair_apart_is_found(num_words: int) -> None:
    builder = Builder([f"x{i}" for i in range(8)])
    every = builder.inputs[0]
    for x in builder.inputs[1:]:
        every = builder.land(every, x)
    builder.output("none", 0)
    builder.output("every", every)
    miter = builder.build()
    words = samples(8, 3, num_words)
    words[0] = 0
    for one in both(miter):
        assert one.sample(words) == -1
    last = num_words - 1
    words[:, last] |= np.uint64(1 << 5)
    for one in both(miter):
        assert one.sample(words) == 64 * last + 5


def test_nothing_is_asked_where_nothing_waits_and_misfits_are_refused() -> None:
    miter = twice(large(30, num_inputs=5))
    for one in both(miter):
        with pytest.raises(ValueError, match="no gate waits"):
            one.question()
        with pytest.raises(ValueError, match="no gate waits"):
            one.answer(True)
    assert MODULE is not None
    for make in (MODULE.Sweeping, PythonSweeping):
        with pytest.raises(ValueError, match="only circuits that Builder made"):
            make(miter.num_inputs, miter.fanin, miter.table ^ np.uint8(15), miter.outputs)
    with pytest.raises(ValueError, match="words has 4 rows, not one of 5 inputs"):
        both(miter)[0].sample(samples(4, 0, 1))
    with pytest.raises(IndexError, match="there is no node 999"):
        both(miter)[0].is_equal_locally(1, 999)


def test_proofs_are_the_same_with_and_without_the_native_core(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = large(400, num_inputs=24)
    flipped = before.table.copy()
    flipped[-1] ^= 6
    wrong = replace(before, table=flipped)
    after = sat_sweep.merge(
        prove_input(before), sat_sweep.Meter(60, None), np.random.default_rng(0), 100
    )
    natively = prove(before, after)
    with pytest.raises(NotEquivalent) as one:
        prove(before, wrong)
    monkeypatch.setattr(
        sat_sweep, "sweeping",
        lambda m: PythonSweeping(m.num_inputs, m.fanin, m.table, m.outputs),
    )  # fmt: skip
    plainly = prove(before, after)
    assert replace(natively, seconds=0) == replace(plainly, seconds=0)
    with pytest.raises(NotEquivalent) as two:
        prove(before, wrong)
    np.testing.assert_array_equal(one.value.row, two.value.row)


@machines("address,undefined")
def test_the_core_is_clean_under_sanitizers(machine: Machine, tmp_path: Path) -> None:
    program = machine.build("test_sweeping", ["sweeping", "simulate"], tmp_path, "-O1")
    assert machine.run(program) == "2000 circuits, 0 wrong\n"


def prove_input(circuit: Circuit) -> Circuit:
    """As a Builder makes it."""
    builder = Builder(circuit.input_names)
    literals = builder.copy(circuit, builder.inputs)
    for name, literal in zip(circuit.output_names, literals, strict=True):
        builder.output(name, literal)
    return builder.build()
