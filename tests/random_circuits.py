"""Hypothesis strategies for circuits, shared by the tests of everything that takes one."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
from hypothesis import strategies as st

from gatewright import arith
from gatewright.circuit import FALSE, Builder, Circuit
from gatewright.errors import InputError


@st.composite
def built_circuits(draw: st.DrawFn, max_inputs: int = 5, max_gates: int = 14) -> Circuit:
    """Canonical circuits: what `Builder` makes. Some gates drive nothing, outputs repeat."""
    num_inputs = draw(st.integers(0, max_inputs))
    builder = Builder([f"x{i}" for i in range(num_inputs)])
    literals = [0, *builder.inputs]
    for _ in range(draw(st.integers(0, max_gates))):
        table = draw(st.integers(0, 15))
        a, b = (draw(st.sampled_from(literals)) ^ draw(st.integers(0, 1)) for _ in range(2))
        literals.append(builder.gate(table, a, b))
    for i in range(draw(st.integers(0, 4))):
        builder.output(f"y{i}", draw(st.sampled_from(literals)) ^ draw(st.integers(0, 1)))
    return builder.build()


@st.composite
def raw_circuits(draw: st.DrawFn, max_inputs: int = 5, max_gates: int = 14) -> Circuit:
    """Any valid arrays: gates that read constants, one node twice, or ignore an operand."""
    num_inputs = draw(st.integers(0, max_inputs))
    num_gates = draw(st.integers(0, max_gates))
    first = 1 + num_inputs
    fanin = [[draw(st.integers(0, first + g - 1)) for _ in range(2)] for g in range(num_gates)]
    table = [draw(st.integers(0, 15)) for _ in range(num_gates)]
    num_outputs = draw(st.integers(0, 4))
    outputs = [draw(st.integers(0, 2 * (first + num_gates) - 1)) for _ in range(num_outputs)]
    return Circuit(
        np.array(fanin, np.int32).reshape(-1, 2),
        np.array(table, np.uint8),
        np.array(outputs, np.int32),
        tuple(f"x{i}" for i in range(num_inputs)),
        tuple(f"y{i}" for i in range(num_outputs)),
    )


def large(num_gates: int, num_inputs: int = 12, seed: int = 1) -> Circuit:
    """One circuit of that many gates, each near the one before; 15 outputs."""
    rng = random.Random(seed)
    b = Builder([f"in{i}" for i in range(num_inputs)], "large")
    literals = list(b.inputs)
    while b.num_gates < num_gates:
        x, y = (rng.choice(literals[-60:]) ^ rng.getrandbits(1) for _ in range(2))
        literals.append(b.gate(rng.choice((2, 4, 6, 8, 14)), x, y))
    for i, literal in enumerate(literals[-15:]):
        b.output(f"out{i}", literal ^ i % 2)
    return b.build()


def multiplier(width: int, is_swapped: bool) -> Circuit:
    """a * b or b * a by rows of ripple adders: equal, and hard to prove so."""
    builder = Builder([f"{side}{i}" for side in "ab" for i in range(width)], "product")
    a, b = builder.inputs[:width], builder.inputs[width:]
    if is_swapped:
        a, b = b, a
    total = [FALSE] * (2 * width)
    for i in range(width):
        carry = FALSE
        for j in range(2 * width - i):
            part = builder.land(a[i], b[j]) if j < width else FALSE
            total[i + j], carry = arith.full_adder(builder, total[i + j], part, carry)
    for o, literal in enumerate(total):
        builder.output(f"p{o}", literal)
    return builder.build()


def deep(depth: int) -> Circuit:
    """A chain of gates, each of which reads the one before."""
    builder = Builder(["x", "y"])
    value = builder.inputs[0]
    for i in range(depth):
        value = builder.gate(6 if i % 3 else 8, value, builder.inputs[1]) ^ (i & 1)
    builder.output("z", value)
    return builder.build()


def assert_kept_with_no_more_ands(circuit: Circuit, after: Circuit) -> None:
    """The same function and names; another circuit only where it has fewer ANDs."""
    np.testing.assert_array_equal(after.truth_tables(), circuit.truth_tables())
    assert after is circuit or after.stats().ands < circuit.stats().ands
    names = (circuit.name, circuit.input_names, circuit.output_names)
    assert (after.name, after.input_names, after.output_names) == names


def assert_circuit_or_one_line(
    read: Callable[[bytes, str], Circuit], content: bytes, seed: int
) -> None:
    """Damage a file here and there: what reads it gives a circuit, or an error of one line."""
    rng = random.Random(seed)
    data = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data))
        if rng.random() < 0.5:
            data[at] = rng.randrange(256)
        else:
            data[at : at + rng.randint(0, 3)] = rng.choice([b"9", b"0", b" ", b"\n", b"-", b""])
    try:
        found = read(bytes(data), "x")
    except InputError as error:
        assert "\n" not in str(error)
        assert str(error).startswith("x:")
    else:
        assert isinstance(found, Circuit)
