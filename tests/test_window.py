from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.circuit import Builder, Circuit
from gatewright.sat_sweep import sweep
from gatewright.sweeping import sweeping
from gatewright.window import Gate, Meter, Window, is_equal_locally
from random_circuits import built_circuits, raw_circuits


def gates_of(circuit: Circuit) -> list[Gate]:
    rows = zip(circuit.table.tolist(), circuit.fanin.tolist(), strict=True)
    return [(table, a, b) for table, (a, b) in rows]


def functions(circuit: Circuit) -> list[bytes]:
    """Every node's truth table."""
    k = circuit.num_inputs
    rows = np.arange(1 << k)[:, None] >> np.arange(k) & 1
    values = [np.zeros(1 << k, np.int64), *rows.T]
    for table, a, b in gates_of(circuit):
        values.append(table >> (values[a] + 2 * values[b]) & 1)
    return [value.astype(np.uint8).tobytes() for value in values]


@st.composite
def questions(draw: st.DrawFn) -> tuple[Circuit, int, int]:
    circuit = draw(built_circuits(max_inputs=4, max_gates=24))
    x, y = (draw(st.integers(0, circuit.num_nodes - 1)) for _ in range(2))
    return circuit, x, y


@given(questions())
def test_equal_locally_is_equal(question: tuple[Circuit, int, int]) -> None:
    circuit, x, y = question
    truth = functions(circuit)
    if is_equal_locally(circuit.num_inputs, gates_of(circuit), x, y):
        assert truth[x] == truth[y]


@given(questions(), st.integers(0, 8))
def test_windows_are_right_and_whole_cones_final(
    question: tuple[Circuit, int, int], num_gates: int
) -> None:
    circuit, x, y = question
    truth = functions(circuit)
    meter = Meter(1e9, None)
    with Window(circuit.num_inputs, gates_of(circuit)) as window:
        if window.can_differ(x, y, num_gates, meter, 1000) is False:
            assert truth[x] == truth[y]
        assert window.can_differ(x, y, None, meter, 1000) is (truth[x] != truth[y])
        if truth[x] != truth[y]:
            row = window.row(np.random.default_rng(0))
            r = sum(int(bit) << i for i, bit in enumerate(row))
            assert truth[x][r] != truth[y][r]


def spelled() -> tuple[Circuit, dict[str, int]]:
    """x ^ y in two spellings and a constant in disguise, over gates that are far from inputs."""
    b = Builder([f"x{i}" for i in range(40)])
    deep = b.inputs[0]
    for literal in b.inputs[1:]:
        deep = b.lor(b.land(deep, literal), b.lxor(deep, literal))
        deep = b.lxor(deep, b.land(literal, b.inputs[7]))
    x, y = deep, b.inputs[3]
    nodes = {
        "xor": b.lxor(x, y),
        "or not and": b.land(b.lor(x, y), b.land(x, y) ^ 1),
        "or": b.lor(x, y),
        "never": b.land(b.land(x, y), b.land(x ^ 1, y)),
    }
    return b.build(), {name: literal >> 1 for name, literal in nodes.items()}


def test_a_small_window_is_enough_after_rewriting() -> None:
    circuit, node = spelled()
    gate_list = gates_of(circuit)
    assert is_equal_locally(40, gate_list, node["xor"], node["or not and"])
    assert is_equal_locally(40, gate_list, node["never"], 0)
    assert not is_equal_locally(40, gate_list, node["xor"], node["or"])
    with Window(40, gate_list) as window:
        meter = Meter(1e9, None)
        assert window.can_differ(node["xor"], node["or not and"], 4, meter, 100) is False
        assert window.can_differ(node["xor"], node["or not and"], 4, Meter(0, None), 100) is None
        assert window.can_differ(node["xor"], node["or not and"], 4, Meter(9, 0), 100) is None


def mixed(b: Builder, steps: int) -> list[int]:
    """Two gates at the end of chains that share their inputs, each that many steps long."""
    first, second = b.inputs[:2]
    for n in range(steps):
        literal = b.inputs[2 + n % (len(b.inputs) - 2)]
        first, second = (
            b.lxor(b.land(first, literal), second),
            b.lor(b.lxor(second, literal), first),
        )
    return [first, second]


def test_what_is_known_to_be_common_is_a_leaf_however_late_it_is() -> None:
    b = Builder([f"x{i}" for i in range(20)])
    late, _ = mixed(b, 60)
    others = b.inputs[10:18]
    some = [b.land(*pair) for pair in zip(others[::2], others[1::2], strict=True)]
    early = b.lor(b.lor(some[0], some[1]), b.lor(some[2], some[3]))
    chain = b.land(late, some[0])
    for each in some[1:]:
        chain = b.lor(chain, b.land(late, each))
    x, y = b.land(late, early) >> 1, chain >> 1
    circuit = b.build()
    assert is_equal_locally(20, gates_of(circuit), x, y, 24, 8)
    native = sweeping(with_outputs(circuit, x, y))
    while not native.is_done:
        native.advance(False, False, 1000)
    assert native.is_equal_locally(*native.merged[[x, y], 0].tolist())


def test_common_nodes_that_share_operands_are_opened() -> None:
    b = Builder([f"x{i}" for i in range(20)])
    u, v = mixed(b, 60)
    never_both = b.land(u, v), b.lxor(u, v)
    higher = b.lxor(b.land(u, b.inputs[5]), v)  # opened first where only the level counts
    top = b.land(higher, b.inputs[6])
    x = b.lxor(b.lor(*never_both), top) >> 1
    y = b.lxor(b.lxor(*never_both), top) >> 1
    assert x != y
    circuit = b.build()
    assert is_equal_locally(20, gates_of(circuit), x, y, 12, 8)
    native = sweeping(with_outputs(circuit, x, y))
    native.limit(12, 8)
    while not native.is_done:
        native.advance(False, False, 1000)
    assert native.is_equal_locally(*native.merged[[x, y], 0].tolist())


def with_outputs(circuit: Circuit, *nodes: int) -> Circuit:
    return replace(
        circuit,
        outputs=np.array([2 * node for node in nodes], np.int32),
        output_names=tuple(map(str, nodes)),
    )


@given(raw_circuits())
def test_only_canonical_circuits_are_swept(circuit: Circuit) -> None:
    if (circuit.table & 1).any():
        with pytest.raises(ValueError, match="Builder"):
            sweep(circuit, Meter(1, None), np.random.default_rng(0))
