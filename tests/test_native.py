from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gatewright import native
from gatewright.circuit import pack
from native_programs import Machine, machines

Arrays = dict[str, Any]


def random_arrays(seed: int, num_inputs: int, n: int, m: int, num_words: int) -> Arrays:
    """Arguments of `native.simulate` for a random circuit, of all 16 kinds of gate."""
    random = np.random.default_rng(seed)
    limits = 1 + num_inputs + np.arange(n)[:, None]
    return {
        "num_inputs": num_inputs,
        "fanin": random.integers(0, limits, (n, 2), np.int32),
        "table": random.integers(0, 16, n, np.uint8),
        "outputs": random.integers(0, 2 * (1 + num_inputs + n), m, np.int32),
        "words": random.integers(0, 2**64, (num_inputs, num_words), np.uint64),
    }


def nodes_of(arrays: Arrays) -> Arrays:
    return {name: array for name, array in arrays.items() if name != "outputs"}


# Up to 40 words: two whole blocks of the native core and a part of one.
circuits = st.builds(
    random_arrays,
    st.integers(0, 2**32),
    st.integers(0, 6),
    st.integers(0, 60),
    st.integers(0, 6),
    st.integers(0, 40),
)


@pytest.fixture
def fresh_load() -> Iterator[None]:
    native.load.cache_clear()
    yield
    native.load.cache_clear()


def test_the_native_core_is_built() -> None:
    assert native.load() is not None
    assert native.describe() in {
        f"native ({name})" for name in ("AVX-512", "AVX2", "NEON", "portable")
    }


@given(circuits)
@example(random_arrays(0, 0, 0, 0, 0))
@example(random_arrays(0, 0, 0, 3, 17))
@example(random_arrays(0, 0, 5, 3, 1))
@example(random_arrays(0, 3, 20, 0, 16))
@example(random_arrays(0, 3, 20, 4, 0))
def test_native_equals_numpy(arrays: Arrays) -> None:
    module = native.load()
    assert module is not None
    outputs = module.simulate(**arrays)
    nodes = module.simulate_nodes(**nodes_of(arrays))
    assert outputs.dtype == nodes.dtype == np.uint64
    np.testing.assert_array_equal(outputs, native.simulate_numpy(**arrays))
    np.testing.assert_array_equal(nodes, native.simulate_nodes_numpy(**nodes_of(arrays)))


@pytest.mark.parametrize("table", range(16))
@pytest.mark.parametrize("simulate", [native.simulate, native.simulate_numpy])
def test_bit_a_plus_2b_of_the_table_is_the_gate(
    table: int, simulate: Callable[..., np.ndarray]
) -> None:
    words = np.array([[0b1010], [0b1100]], np.uint64)
    outputs = simulate(
        2,
        np.array([[1, 2]], np.int32),
        np.array([table], np.uint8),
        np.array([6, 7], np.int32),
        words,
    )
    assert outputs[0, 0] & 0xF == table
    assert outputs[1, 0] == ~outputs[0, 0]


@given(st.integers(0, 2**32), st.integers(0, 200), st.integers(0, 200))
@example(0, 64, 64)
@example(0, 0, 65)
def test_transposed_rows_are_columns(seed: int, num_rows: int, num_columns: int) -> None:
    bits = np.random.default_rng(seed).random((num_rows, num_columns)) < 0.5
    rows, columns = pack(bits.T), pack(bits)
    for transpose in (native.transpose, native.transpose_numpy):
        np.testing.assert_array_equal(transpose(rows, num_columns), columns)
        with pytest.raises(ValueError, match=f"which {num_columns + 64} bits do not fill"):
            transpose(rows, num_columns + 64)


def test_arrays_that_are_strided_or_frozen_are_taken() -> None:
    arrays = random_arrays(1, 4, 30, 3, 20)
    expected = native.simulate(**arrays)
    arrays["words"] = np.asfortranarray(arrays["words"])
    arrays["fanin"] = np.repeat(arrays["fanin"], 2, axis=0)[::2]
    for name in ("fanin", "table", "outputs", "words"):
        arrays[name].flags.writeable = False
    np.testing.assert_array_equal(native.simulate(**arrays), expected)


BAD = [
    ("num_inputs", -1, "num_inputs is -1"),
    ("table", [8, 16], r"gate 1: table\[1\] is 16, not in 0\.\.15"),
    (
        "fanin",
        [[1, 2], [3, 4]],
        r"gate 1: fanin\[1, 1\] is node 4, not below the gate's own node 4",
    ),
    ("fanin", [[-1, 2], [1, 2]], r"gate 0: fanin\[0, 0\] is node -1"),
    ("fanin", [[1, 2]], "fanin has 1 rows but table has 2 entries"),
    ("outputs", [0, 10], r"output 1: outputs\[1\] is literal 10, not in 0\.\.9"),
    ("outputs", [-1], r"output 0: outputs\[0\] is literal -1"),
    ("words", [[1]], "words has 1 rows but the circuit has 2 inputs"),
]


@pytest.mark.parametrize(("name", "value", "message"), BAD)
@pytest.mark.parametrize("way", ["native", "numpy"])
def test_a_bad_circuit_is_refused_by_gate_and_entry(
    way: str, name: str, value: object, message: str
) -> None:
    arrays = random_arrays(0, 2, 2, 2, 1)
    arrays[name] = value if name == "num_inputs" else np.array(value, arrays[name].dtype)
    simulate = native.simulate if way == "native" else native.simulate_numpy
    with pytest.raises(ValueError, match=message):
        simulate(**arrays)
    if name != "outputs":
        nodes = native.simulate_nodes if way == "native" else native.simulate_nodes_numpy
        with pytest.raises(ValueError, match=message):
            nodes(**nodes_of(arrays))


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("fanin", np.zeros((2, 2), np.int64), r"fanin is int64\[2, 2\], not int32\[any, 2\]"),
        ("fanin", np.zeros((2, 3), np.int32), r"fanin is int32\[2, 3\], not int32\[any, 2\]"),
        ("table", np.zeros((2, 1), np.uint8), r"table is uint8\[2, 1\], not uint8\[any\]"),
        ("outputs", np.zeros(2), r"outputs is float64\[2\], not int32\[any\]"),
        ("words", np.zeros(2, np.uint64), r"words is uint64\[2\], not uint64\[any, any\]"),
    ],
)
@pytest.mark.parametrize("simulate", [native.simulate, native.simulate_numpy])
def test_a_wrong_type_or_shape_is_named(
    simulate: Callable[..., object], name: str, array: object, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        simulate(**(random_arrays(0, 2, 2, 2, 1) | {name: array}))


def test_the_environment_turns_the_native_core_off_silently(
    monkeypatch: pytest.MonkeyPatch, fresh_load: None
) -> None:
    arrays = random_arrays(3, 5, 40, 4, 33)
    outputs, nodes = native.simulate(**arrays), native.simulate_nodes(**nodes_of(arrays))
    monkeypatch.setenv("GATEWRIGHT_NATIVE", "0")
    native.load.cache_clear()
    assert native.describe() == "NumPy"
    np.testing.assert_array_equal(native.simulate(**arrays), outputs)
    np.testing.assert_array_equal(native.simulate_nodes(**nodes_of(arrays)), nodes)


WITHOUT_EXTENSION = """
import sys
sys.modules["gatewright._native"] = None
import numpy as np
from gatewright import native
for _ in range(3):
    words = np.array([[0b1010], [0b1100]], np.uint64)
    fanin, table = np.array([[1, 2]], np.int32), np.array([6], np.uint8)
    nodes = native.simulate_nodes(2, fanin, table, words)
    assert native.simulate(2, fanin, table, np.array([6], np.int32), words) == nodes[3] == 0b0110
print(native.describe())
"""


def test_a_missing_extension_warns_once_and_works() -> None:
    run = subprocess.run(
        [sys.executable, "-W", "always", "-c", WITHOUT_EXTENSION],
        env={name: value for name, value in os.environ.items() if name != "GATEWRIGHT_NATIVE"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout == "NumPy\n"
    assert run.stderr.count(native.NOT_BUILT) == 1


@machines("address,undefined")
def test_the_core_is_clean(machine: Machine, tmp_path: Path) -> None:
    flags = ("-O1", "-Wconversion", "-Werror")
    program = machine.build("test_simulate", ["simulate"], tmp_path, *flags)
    random = np.random.default_rng(0)
    circuits: list[Arrays] = []
    expected: list[str] = []
    for seed in range(300):
        sizes = [int(random.integers(0, limit)) for limit in (7, 60, 7, 40)]
        circuit = random_arrays(seed, *sizes)
        if seed % 10 == 9:
            circuit["outputs"] = np.append(circuit["outputs"], np.int32(1_000))
        circuits.append(circuit)
        try:
            rows = [
                *native.simulate_numpy(**circuit),
                *native.simulate_nodes_numpy(**nodes_of(circuit)),
            ]
        except ValueError as error:
            expected.append(f"invalid: {error}")
        else:
            expected += [" ".join(map(str, row)) for row in rows]
    (tmp_path / "circuits").write_text("\n".join(map(as_text, circuits)))
    machine.run(program, tmp_path / "circuits", tmp_path / "results")
    results = (tmp_path / "results").read_text().splitlines()
    assert [line.rstrip() for line in results] == expected
    assert any(line.startswith("invalid") for line in expected)


def as_text(arrays: Arrays) -> str:
    names = ("fanin", "table", "outputs", "words")
    sizes = (len(arrays["table"]), len(arrays["outputs"]), arrays["words"].shape[1])
    lines = [(arrays["num_inputs"], *sizes), *(arrays[name].ravel() for name in names)]
    return "\n".join(" ".join(map(str, line)) for line in lines)
