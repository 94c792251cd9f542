"""Bit-parallel simulation of a circuit's arrays: the native core where it is built, else NumPy.

The NumPy functions are the specification; the native ones return the same for every valid input
and refuse the same invalid ones. `GATEWRIGHT_NATIVE=0` in the environment chooses NumPy.
"""

from __future__ import annotations

import os
import warnings
from functools import cache
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from types import ModuleType

    import numpy.typing as npt

    Int32s = npt.NDArray[np.int32]
    Bytes = npt.NDArray[np.uint8]
    Words = npt.NDArray[np.uint64]

T = TypeVar("T", bound=np.generic)

NOT_BUILT = (
    "gatewright: the native core is not built; running on NumPy, slower. "
    "Reinstall with a C++ compiler and Python headers to get it."
)

ALL_ONES = np.uint64(0xFFFF_FFFF_FFFF_FFFF)


@cache
def load() -> ModuleType | None:
    """Return the extension module, or None where it is missing (warns once) or turned off."""
    if os.environ.get("GATEWRIGHT_NATIVE") == "0":
        return None
    try:
        from gatewright import _native
    except ImportError:
        warnings.warn(NOT_BUILT, RuntimeWarning, stacklevel=2)
        return None
    return _native


def num_processors() -> int:
    """The number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def describe() -> str:
    """Say which implementation runs here: for example "native (AVX-512)" or "NumPy"."""
    module = load()
    return "NumPy" if module is None else f"native ({module.instruction_set()})"


def simulate(num_inputs: int, fanin: Int32s, table: Bytes, outputs: Int32s, words: Words) -> Words:
    """Return the outputs' values, uint64[m, W], of the circuit on packed samples.

    `fanin` is int32[n, 2], `table` uint8[n], `outputs` int32[m] literals, `words`
    uint64[num_inputs, W], as in `gatewright.circuit.Circuit`. Raises ValueError that names the
    gate or output at fault where the arrays are not a circuit.
    """
    module = load()
    if module is None:
        return simulate_numpy(num_inputs, fanin, table, outputs, words)
    fanin, table, words = _check_kinds(fanin, table, words)
    return module.simulate(num_inputs, fanin, table, _check_outputs(outputs), words)


def simulate_nodes(num_inputs: int, fanin: Int32s, table: Bytes, words: Words) -> Words:
    """Return the values of all nodes, uint64[1 + num_inputs + n, W]; see `simulate`."""
    module = load()
    if module is None:
        return simulate_nodes_numpy(num_inputs, fanin, table, words)
    return module.simulate_nodes(num_inputs, *_check_kinds(fanin, table, words))


def transpose(rows: Words, num_columns: int) -> Words:
    """Packed rows uint64[n, W] of so many bits as packed columns uint64[num_columns, ceil(n / 64)].

    Raises ValueError where W is not ceil(num_columns / 64).
    """
    module = load()
    if module is None:
        return transpose_numpy(rows, num_columns)
    return module.transpose(np.ascontiguousarray(rows, np.uint64), num_columns)


def transpose_numpy(rows: Words, num_columns: int) -> Words:
    """Do what `transpose` does, in NumPy."""
    if rows.shape[1] != -(-num_columns // 64):
        raise ValueError(f"rows have {rows.shape[1]} words, which {num_columns} bits do not fill")
    octets = np.ascontiguousarray(rows, "<u8").view(np.uint8)
    bits = np.unpackbits(octets, axis=1, count=num_columns, bitorder="little")
    padded = np.zeros((num_columns, -(-len(rows) // 64) * 64), np.uint8)
    padded[:, : len(rows)] = bits.T
    columns = np.packbits(padded, axis=1, bitorder="little")
    return columns.view("<u8").astype(np.uint64, copy=False)


def simulate_numpy(
    num_inputs: int, fanin: Int32s, table: Bytes, outputs: Int32s, words: Words
) -> Words:
    """Do what `simulate` does, in NumPy."""
    values = simulate_nodes_numpy(num_inputs, fanin, table, words)
    outputs = _check_outputs(outputs)
    num_literals = 2 * (1 + num_inputs + len(table))
    for k in np.flatnonzero((outputs < 0) | (outputs >= num_literals))[:1]:
        raise ValueError(
            f"output {k}: outputs[{k}] is literal {outputs[k]}, not in 0..{num_literals - 1}"
        )
    inverted = np.where(outputs % 2 == 1, ALL_ONES, np.uint64(0))
    return values[outputs >> 1] ^ inverted[:, None]


def simulate_nodes_numpy(num_inputs: int, fanin: Int32s, table: Bytes, words: Words) -> Words:
    """Do what `simulate_nodes` does, in NumPy: the or of each gate's minterms."""
    fanin, table, words = _check_kinds(fanin, table, words)
    _check_circuit(num_inputs, fanin, table, words)
    first_gate = 1 + num_inputs
    values = np.zeros((first_gate + len(table), words.shape[1]), np.uint64)
    values[1:first_gate] = words
    for gate, ((a, b), rows) in enumerate(zip(fanin.tolist(), table.tolist(), strict=True)):
        out = values[first_gate + gate]
        for row in range(4):
            if rows >> row & 1:
                one = values[a] if row & 1 else ~values[a]
                two = values[b] if row & 2 else ~values[b]
                out |= one & two
    return values


def _check_circuit(num_inputs: int, fanin: Int32s, table: Bytes, words: Words) -> None:
    """Raise ValueError unless the arrays fit each other, naming the gate and entry at fault."""
    if num_inputs < 0:
        raise ValueError(f"num_inputs is {num_inputs}")
    if len(fanin) != len(table):
        raise ValueError(
            f"fanin has {len(fanin)} rows but table has {len(table)} entries: "
            "give one of each a gate"
        )
    if len(words) != num_inputs:
        raise ValueError(
            f"words has {len(words)} rows but the circuit has {num_inputs} inputs: "
            "give one row an input"
        )
    own_node = 1 + num_inputs + np.arange(len(table))
    bad_table = table > 15
    bad_fanin = (fanin < 0) | (fanin >= own_node[:, None])
    for gate in np.flatnonzero(bad_table | bad_fanin.any(axis=1))[:1]:
        if bad_table[gate]:
            raise ValueError(f"gate {gate}: table[{gate}] is {table[gate]}, not in 0..15")
        side = int(np.argmax(bad_fanin[gate]))
        raise ValueError(
            f"gate {gate}: fanin[{gate}, {side}] is node {fanin[gate, side]}, "
            f"not below the gate's own node {own_node[gate]}"
        )


def _check_kinds(fanin: Int32s, table: Bytes, words: Words) -> tuple[Int32s, Bytes, Words]:
    """Return the arrays, contiguous; raise ValueError where a type or shape is wrong."""
    return (
        _check_array("fanin", fanin, np.int32, (None, 2)),
        _check_array("table", table, np.uint8, (None,)),
        _check_array("words", words, np.uint64, (None, None)),
    )


def _check_outputs(outputs: Int32s) -> Int32s:
    return _check_array("outputs", outputs, np.int32, (None,))


def _check_array(
    name: str, array: npt.NDArray[T], dtype: type[T], shape: tuple[int | None, ...]
) -> npt.NDArray[T]:
    fits = array.ndim == len(shape) and all(
        wanted in (None, size) for wanted, size in zip(shape, array.shape, strict=True)
    )
    if array.dtype != dtype or not fits:
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise ValueError(
            f"{name} is {array.dtype}[{', '.join(map(str, array.shape))}], "
            f"not {np.dtype(dtype)}[{wanted}]"
        )
    return np.ascontiguousarray(array)
