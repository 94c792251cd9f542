"""The hard side: `Circuit`, a flat netlist of two-input gates, and `Builder`, the way to make one.

A circuit is four arrays and its names:

    node 0                       the constant false
    node 1 + i                   input i, 0 <= i < num_inputs
    node 1 + num_inputs + g      gate g, 0 <= g < num_gates
    fanin[g] = (a, b)            the nodes that gate g reads, both smaller than its own node
    table[g]                     its truth table: bit a + 2b, see `gatewright.gates`
    outputs[o]                   a literal: 2 * node + 1 if the output is the node's complement

Nodes stand in topological order, so one pass over the gates evaluates, and there can be no cycle.
Inversions cost nothing: they live in tables and in output literals. `Circuit(...)` takes any arrays
that keep these invariants; what `Builder` makes is canonical as well: every gate depends on both of
its operands, a < b, table bit 0 is clear (so the kinds are a&~b, ~a&b, xor, and, or) and no two
gates are alike.

Samples are evaluated 64 at a time: in a packed array uint64[k, W], sample s is bit s % 64 of word
s // 64.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from gatewright import gates, native
from gatewright.errors import InputError

Words = npt.NDArray[np.uint64]
Bits = npt.NDArray[np.bool_]

#: fanin int32[n, 2], table uint8[n], outputs int32[m] literals, of a `Circuit`.
Arrays = tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8], npt.NDArray[np.int32]]

FALSE = 0
TRUE = 1


@dataclass(frozen=True, eq=False, repr=False)
class Circuit:
    """A frozen netlist of two-input gates; see the module's docstring for the representation.

    Attributes:
        fanin: int32[n, 2], the nodes each gate reads.
        table: uint8[n], each gate's truth table.
        outputs: int32[m], literals.
        input_names, output_names: unique names.
        name: what exports call the circuit.

    Raises:
        InputError: an array breaks an invariant; the message names the gate or output.
    """

    fanin: npt.NDArray[np.int32]
    table: npt.NDArray[np.uint8]
    outputs: npt.NDArray[np.int32]
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    name: str = "circuit"

    def __post_init__(self) -> None:
        fanin = self._array("fanin", np.int32, 2)
        table = self._array("table", np.uint8, 1)
        outputs = self._array("outputs", np.int32, 1)
        object.__setattr__(self, "fanin", fanin)
        object.__setattr__(self, "table", table)
        object.__setattr__(self, "outputs", outputs)
        if len(fanin) != len(table):
            raise InputError(f"circuit {self.name}: {len(fanin)} fan-in rows, {len(table)} tables")
        if len(outputs) != len(self.output_names):
            raise InputError(
                f"circuit {self.name}: {len(outputs)} outputs, {len(self.output_names)} names"
            )
        for kind, names in (("input", self.input_names), ("output", self.output_names)):
            if len(set(names)) != len(names):
                twice = next(n for i, n in enumerate(names) if n in names[:i])
                raise InputError(f"circuit {self.name}: {kind} name {twice!r} occurs twice")
        own = self.first_gate + np.arange(len(table), dtype=np.int64)
        wrong = np.flatnonzero((fanin < 0).any(1) | (fanin >= own[:, None]).any(1))
        if len(wrong):
            g = int(wrong[0])
            raise InputError(
                f"circuit {self.name}: gate {g} (node {own[g]}) reads nodes {fanin[g].tolist()}; "
                "operands must be smaller than the gate's own node"
            )
        if (table > 15).any():
            g = int(np.flatnonzero(table > 15)[0])
            raise InputError(f"circuit {self.name}: gate {g} has table {table[g]}, over 15")
        wrong = np.flatnonzero((outputs < 0) | (outputs >= 2 * self.num_nodes))
        if len(wrong):
            o = int(wrong[0])
            raise InputError(
                f"circuit {self.name}: output {self.output_names[o]!r} is literal {outputs[o]}; "
                f"there are {self.num_nodes} nodes, so literals end at {2 * self.num_nodes - 1}"
            )

    def _array(self, attribute: str, dtype: Any, num_axes: int) -> npt.NDArray[Any]:
        given = np.asarray(getattr(self, attribute))
        if given.ndim != num_axes or (num_axes == 2 and given.shape[1] != 2):
            wanted = "[n, 2]" if num_axes == 2 else "[n]"
            raise InputError(
                f"circuit {self.name}: {attribute} has shape {list(given.shape)}, not {wanted}"
            )
        array = _frozen(given.astype(dtype), dtype)
        if not np.array_equal(array, given):
            where = np.argwhere(array != given)[0].tolist()
            raise InputError(
                f"circuit {self.name}: {attribute}{where} is {given[tuple(where)]}, "
                f"which does not fit {np.dtype(dtype)}"
            )
        return array

    @property
    def num_inputs(self) -> int:
        return len(self.input_names)

    def __getstate__(self) -> dict[str, Any]:
        """Only the fields: levels and the like are counted again where they are asked for."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    @property
    def num_outputs(self) -> int:
        return len(self.output_names)

    @property
    def num_gates(self) -> int:
        return len(self.table)

    @property
    def first_gate(self) -> int:
        """The node of gate 0."""
        return 1 + len(self.input_names)

    @property
    def num_nodes(self) -> int:
        return self.first_gate + len(self.table)

    @cached_property
    def levels(self) -> npt.NDArray[np.int32]:
        """int32[num_nodes]: 0 for the constant and the inputs, else 1 + the deepest operand's."""
        level = [0] * self.num_nodes
        pairs: list[tuple[int, int]] = self.fanin.tolist()
        for node, (a, b) in enumerate(pairs, self.first_gate):
            level[node] = 1 + max(level[a], level[b])
        return _frozen(level, np.int32)

    @property
    def depth(self) -> int:
        """Largest level of an output."""
        return int(self.levels[self.outputs >> 1].max(initial=0))

    @cached_property
    def num_fanouts(self) -> npt.NDArray[np.int32]:
        """int32[num_nodes]: how many gate operands and outputs read each node."""
        read = np.concatenate([self.fanin.reshape(-1), self.outputs >> 1])
        return _frozen(np.bincount(read, minlength=self.num_nodes), np.int32)

    def simulate(self, words: Words) -> Words:
        """Packed inputs uint64[num_inputs, W] -> packed outputs uint64[num_outputs, W]."""
        self._require_shape(words)
        return native.simulate(self.num_inputs, self.fanin, self.table, self.outputs, words)

    def simulate_nodes(self, words: Words) -> Words:
        """Packed inputs uint64[num_inputs, W] -> every node's values uint64[num_nodes, W]."""
        self._require_shape(words)
        return native.simulate_nodes(self.num_inputs, self.fanin, self.table, words)

    def __call__(self, bits: npt.ArrayLike) -> Bits:
        """Evaluate rows of bits: bool[N, num_inputs] -> bool[N, num_outputs]."""
        rows = np.asarray(bits)
        if rows.ndim != 2 or rows.shape[1] != self.num_inputs:
            raise InputError(
                f"circuit {self.name} has {self.num_inputs} inputs; it takes rows of shape "
                f"[N, {self.num_inputs}], not {list(rows.shape)}"
            )
        return unpack(self.simulate(pack(rows)), len(rows))

    def truth_tables(self) -> Bits:
        """All rows: bool[2**num_inputs, num_outputs]; row r has input i = bit i of r."""
        if self.num_inputs > 24:
            raise InputError(
                f"circuit {self.name} has {self.num_inputs} inputs; a table of over 2**24 rows "
                "is not built (use prove or simulate)"
            )
        return unpack(self.simulate(all_inputs(self.num_inputs)), 1 << self.num_inputs)

    def then(self, other: Circuit, name: str | None = None) -> Circuit:
        """This circuit's outputs, by position, into the other's inputs; nothing is folded."""
        if other.num_inputs != self.num_outputs:
            raise InputError(
                f"circuit {other.name} has {other.num_inputs} inputs; {self.name} gives it "
                f"{self.num_outputs}"
            )
        own = self.num_nodes - other.first_gate + np.arange(other.num_nodes, dtype=np.int32)
        literal = np.concatenate([[FALSE], self.outputs, 2 * own[other.first_gate :]])
        read = literal[other.fanin]
        table = other.table
        for which in (0, 1):
            inverted = np.array([gates.invert_input(t, which) for t in range(16)], dtype=np.uint8)
            table = np.where(read[:, which] & 1 == 1, inverted[table], table)
        return Circuit(
            fanin=np.concatenate([self.fanin, read >> 1]),
            table=np.concatenate([self.table, table]),
            outputs=literal[other.outputs >> 1] ^ (other.outputs & 1),
            input_names=self.input_names,
            output_names=other.output_names,
            name=name or self.name,
        )

    def stats(self) -> Stats:
        return Stats.of(self)

    def _require_shape(self, words: Words) -> None:
        if words.ndim != 2 or words.shape[0] != self.num_inputs:
            raise InputError(
                f"circuit {self.name} has {self.num_inputs} inputs; packed words have shape "
                f"[{self.num_inputs}, W], not {list(words.shape)}"
            )

    def __repr__(self) -> str:
        return (
            f"Circuit({self.name!r}: {self.num_inputs} inputs, {self.num_outputs} outputs, "
            f"{self.num_gates} gates, depth {self.depth})"
        )


@dataclass(frozen=True)
class Stats:
    """Counts that describe a circuit's size.

    Attributes:
        gates: nodes that are gates, whatever their table.
        depth: levels from the inputs to the deepest output.
        ands: gates that need an AND (the rest are XORs, copies, inverters and constants).
        kinds: gates by name of their table, most frequent first.
    """

    inputs: int
    outputs: int
    gates: int
    depth: int
    ands: int
    kinds: dict[str, int] = field(default_factory=dict[str, int])

    @staticmethod
    def of(circuit: Circuit) -> Stats:
        count = np.bincount(circuit.table, minlength=16)
        order = sorted((-int(n), t) for t, n in enumerate(count) if n)
        return Stats(
            inputs=circuit.num_inputs,
            outputs=circuit.num_outputs,
            gates=circuit.num_gates,
            depth=circuit.depth,
            ands=sum(int(count[t]) for t in range(16) if gates.is_nonlinear(t)),
            kinds={gates.NAMES[t]: -n for n, t in order},
        )


class Builder:
    """Grows a circuit gate by gate, folding constants and sharing equal gates as it goes.

    >>> b = Builder(["x", "y"])
    >>> b.output("z", b.lxor(*b.inputs))
    >>> b.build()
    Circuit('circuit': 2 inputs, 1 outputs, 1 gates, depth 1)
    """

    def __init__(self, input_names: Sequence[str], name: str = "circuit") -> None:
        self.name = name
        self.input_names = tuple(input_names)
        self.inputs = [2 * (1 + i) for i in range(len(self.input_names))]
        self._fanin: list[tuple[int, int]] = []
        self._table: list[int] = []
        self._level = [0] * (1 + len(self.inputs))
        self._known: dict[tuple[int, int, int], int] = {}
        self._output_names: list[str] = []
        self._outputs: list[int] = []

    @property
    def num_gates(self) -> int:
        return len(self._table)

    def gate(self, table: int, a: int, b: int) -> int:
        """The literal of table(a, b) for literals a and b; adds a gate only where it must.

        Inverters, constants and repeated operands are folded into the table, the operands ordered,
        and the output's polarity chosen so that the gate is 0 when both operands are.
        """
        if a & 1:
            table, a = gates.invert_input(table, 0), a ^ 1
        if b & 1:
            table, b = gates.invert_input(table, 1), b ^ 1
        if a > b:
            table, a, b = gates.swap_inputs(table), b, a
        if a == FALSE:  # rows with a = 0 decide
            table = _UNARY_B[table & 1 | table >> 1 & 2]
        if a == b:  # rows 0 and 3 decide
            table = _UNARY_B[table & 1 | table >> 2 & 2]
        inverted = table & 1
        if inverted:
            table ^= 15
        if table == gates.FALSE:
            return FALSE ^ inverted
        if table == gates.PASS_A:
            return a ^ inverted
        if table == gates.PASS_B:
            return b ^ inverted
        key = (table, a, b)
        literal = self._known.get(key)
        if literal is None:
            literal = 2 * (1 + len(self.inputs) + len(self._table))
            self._known[key] = literal
            self._fanin.append((a >> 1, b >> 1))
            self._table.append(table)
            self._level.append(1 + max(self._level[a >> 1], self._level[b >> 1]))
        return literal ^ inverted

    def level(self, literal: int) -> int:
        """0 for constants and inputs, else 1 + the deepest operand's."""
        return self._level[literal >> 1]

    def land(self, a: int, b: int) -> int:
        return self.gate(gates.AND, a, b)

    def lor(self, a: int, b: int) -> int:
        return self.gate(gates.OR, a, b)

    def lxor(self, a: int, b: int) -> int:
        return self.gate(gates.XOR, a, b)

    def mux(self, select: int, when_true: int, when_false: int) -> int:
        """when_true where select is 1, else when_false: three gates, one of them an AND."""
        return self.lxor(when_false, self.land(select, self.lxor(when_true, when_false)))

    def copy(self, circuit: Circuit, inputs: Sequence[int]) -> list[int]:
        """Add all gates of a circuit over these input literals; the literals of its outputs."""
        if len(inputs) != circuit.num_inputs:
            raise InputError(
                f"circuit {circuit.name} has {circuit.num_inputs} inputs, not {len(inputs)}"
            )
        literal = [FALSE, *inputs]
        pairs: list[tuple[int, int]] = circuit.fanin.tolist()
        for table, (a, b) in zip(circuit.table.tolist(), pairs, strict=True):
            literal.append(self.gate(table, literal[a], literal[b]))
        return [literal[o >> 1] ^ o & 1 for o in circuit.outputs.tolist()]

    def output(self, name: str, literal: int) -> None:
        self._output_names.append(name)
        self._outputs.append(literal)

    def build(self) -> Circuit:
        return Circuit(
            fanin=np.array(self._fanin, dtype=np.int32).reshape(-1, 2),
            table=np.array(self._table, dtype=np.uint8),
            outputs=np.array(self._outputs, dtype=np.int32),
            input_names=self.input_names,
            output_names=tuple(self._output_names),
            name=self.name,
        )


#: Two-input tables of the unary functions of b: false, not b, b, true by (row 0, row 1).
_UNARY_B = (gates.FALSE, 0x3, gates.PASS_B, gates.TRUE)


def pack(bits: npt.ArrayLike) -> Words:
    """Rows of bits [N, k] (bool or 0/1) to packed words uint64[k, ceil(N / 64)]; padding is 0."""
    rows = np.asarray(bits)
    if rows.ndim != 2:
        raise InputError(f"bits have shape [N, k], not {list(rows.shape)}")
    if rows.dtype != np.bool_:
        if not np.isin(rows, (0, 1)).all():
            raise InputError("bits are 0 or 1; encode other values first")
        rows = rows.astype(np.bool_)
    num, k = rows.shape
    padded = np.zeros((k, -(-num // 64) * 64), dtype=np.bool_)
    padded[:, :num] = rows.T
    return np.packbits(padded, axis=1, bitorder="little").view("<u8").astype(np.uint64, copy=False)


def unpack(words: Words, num: int) -> Bits:
    """Packed words uint64[k, W] to the first num rows of bits, bool[num, k]."""
    if words.ndim != 2 or words.shape[1] * 64 < num:
        raise InputError(f"{num} samples do not fit packed words of shape {list(words.shape)}")
    octets = np.ascontiguousarray(words, dtype="<u8").view(np.uint8)
    flat = np.unpackbits(octets, axis=1, bitorder="little")[:, :num]
    return np.ascontiguousarray(flat.T).view(np.bool_)


def all_inputs(k: int) -> Words:
    """Every row of a k-input truth table, packed: uint64[k, ceil(2**k / 64)]."""
    row = np.arange(1 << k, dtype=np.int64)
    return pack((row[:, None] >> np.arange(k)) & 1 == 1)


def _frozen(values: npt.ArrayLike, dtype: Any) -> npt.NDArray[Any]:
    array = np.array(values, dtype=dtype)
    array.setflags(write=False)
    return array
