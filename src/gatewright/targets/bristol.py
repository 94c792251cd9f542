"""Bristol Fashion: circuits of AND, XOR and INV, as multi-party computation uses them.

A file is the numbers of gates and wires, the widths of the input and of the output values, and a
gate a line, `2 1 a b out XOR`; the last wires are the outputs (Tillich, Smart and others,
nigelsmart.github.io/MPC-Circuits). Names are not kept: inputs are i0, i1, ..., outputs o0, o1, ...

Written: one value in, one out. XOR and INV are free there, so the fewer ANDs the better: an OR is
an AND between inverters. Read: AND, XOR, INV, NOT, EQ, EQW and MAND, gates in any order.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import NoReturn

from gatewright import gates
from gatewright.circuit import FALSE, TRUE, Builder, Circuit
from gatewright.errors import InputError
from gatewright.targets.walk import operands_first

MAX_WIRES = 1 << 30


def write(circuit: Circuit) -> dict[str, bytes]:
    """Spell the circuit as `<name>.bristol`."""
    return {f"{circuit.name}.bristol": _Writer(circuit).content()}


class _Writer:
    """Wires of the circuit's literals, made as they are needed; outputs come last."""

    def __init__(self, circuit: Circuit) -> None:
        self.circuit = circuit
        self.lines: list[str] = []
        self.num_wires = circuit.num_inputs
        self.wire = {2 * (1 + i): i for i in range(circuit.num_inputs)}  # literal -> wire

    def content(self) -> bytes:
        circuit = self.circuit
        rows = zip(circuit.table.tolist(), circuit.fanin.tolist(), strict=True)
        for node, (table, (a, b)) in enumerate(rows, circuit.first_gate):
            self._gate(2 * node, table, 2 * a, 2 * b)
        operands = [self._wire_of(literal) for literal in circuit.outputs.tolist()]
        for wire in operands:  # a wire of its own, and the last ones
            self._add(f"1 1 {wire} {{}} EQW")
        head = [
            f"{len(self.lines)} {self.num_wires}",
            f"1 {circuit.num_inputs}",
            f"1 {circuit.num_outputs}",
            "",
        ]
        return ("\n".join([*head, *self.lines]) + "\n").encode()

    def _add(self, line: str) -> int:
        self.lines.append(line.format(self.num_wires))
        self.num_wires += 1
        return self.num_wires - 1

    def _gate(self, own: int, table: int, a: int, b: int) -> None:
        """The wire of literal `own`, or of its complement."""
        if table & 1:
            table, own = table ^ 15, own ^ 1
        if not gates.is_nonlinear(table):
            a, b = (x if gates.depends_on(table, i) else FALSE for i, x in enumerate((a, b)))
            if FALSE in (a, b):  # a wire, or false
                self.wire[own] = self._wire_of(a | b)
            else:
                self.wire[own] = self._add(f"2 1 {self._wire_of(a)} {self._wire_of(b)} {{}} XOR")
            return
        if table == gates.OR:
            a, b, own = a ^ 1, b ^ 1, own ^ 1
        else:
            a, b = a ^ (table == 0x4), b ^ (table == 0x2)
        self.wire[own] = self._add(f"2 1 {self._wire_of(a)} {self._wire_of(b)} {{}} AND")

    def _wire_of(self, literal: int) -> int:
        if literal not in self.wire:
            if literal >> 1 == FALSE:
                self.wire[literal] = self._add(f"1 1 {literal & 1} {{}} EQ")
            else:
                self.wire[literal] = self._add(f"1 1 {self.wire[literal ^ 1]} {{}} INV")
        return self.wire[literal]


#: Operands of each kind of gate; MAND has any number.
_OPERANDS = {"AND": 2, "XOR": 2, "INV": 1, "NOT": 1, "EQ": 1, "EQW": 1}


def read(data: bytes, source: str) -> Circuit:
    """Read a Bristol Fashion file; `source` is what errors call it.

    Raises:
        InputError: the text is not one combinational circuit in that format.
    """
    return _Reader(data, source).circuit()


@dataclass(frozen=True)
class Driver:
    """What drives a wire: an AND alone where it is one of a MAND."""

    line: int
    kind: str
    operands: list[int]


class _Reader:
    def __init__(self, data: bytes, source: str) -> None:
        self.source = source
        self.line = 0
        try:
            text = data.decode("ascii")
        except UnicodeDecodeError as error:
            self.line = data.count(b"\n", 0, error.start) + 1
            self._fail("not ASCII text; is this a Bristol Fashion file?")
        numbered = enumerate(text.split("\n"), 1)
        self.rows = [(n, words) for n, line in numbered if (words := line.split())]
        self.next = 0

    def circuit(self) -> Circuit:
        head = self._numbers("the numbers of gates and wires")
        if len(head) != 2:
            self._fail(f"{len(head)} numbers; a file begins with the numbers of gates and wires")
        num_gates, num_wires = head
        num_inputs, num_outputs = self._width("input"), self._width("output")
        if num_inputs + num_outputs > num_wires or num_wires > MAX_WIRES:
            self._fail(
                f"{num_inputs} input and {num_outputs} output bits do not fit {num_wires} wires"
            )
        if num_gates > len(self.rows) or num_wires > num_inputs + 64 * len(self.rows) + 64:
            self.line = 1
            self._fail(
                f"{num_gates} gates and {num_wires} wires are announced and {len(self.rows) - 3} "
                "lines follow; is the file truncated?"
            )
        drivers = self._drivers(num_gates, num_wires, num_inputs)
        title = PurePath(self.source).stem.strip("<>") or "circuit"
        builder = Builder([f"i{n}" for n in range(num_inputs)], title)
        known = self._connect(builder, drivers)
        for n, wire in enumerate(range(num_wires - num_outputs, num_wires)):
            if wire not in known:
                self._fail(f"output wire {wire} is driven by no gate")
            builder.output(f"o{n}", known[wire])
        return builder.build()

    def _fail(self, text: str) -> NoReturn:
        raise InputError(f"{self.source}:{max(1, self.line)}: {text}")

    def _row(self, what: str) -> list[str]:
        if self.next == len(self.rows):
            self._fail(f"{what} should follow; is the file truncated?")
        self.line, words = self.rows[self.next]
        self.next += 1
        return words

    def _number(self, word: str) -> int:
        if not word.isdecimal() or len(word) > 10:
            self._fail(
                f"{word[:20]!r} is not a number that may stand here; is this Bristol Fashion?"
            )
        return int(word)

    def _numbers(self, what: str) -> list[int]:
        return [self._number(word) for word in self._row(what)]

    def _width(self, kind: str) -> int:
        """Bits of all input or output values."""
        num, *widths = self._numbers(f"the widths of the {kind} values")
        if len(widths) != num:
            self._fail(
                f"{num} {kind} values and {len(widths)} widths; give their number and each width "
                "(the older Bristol format, without them, is not read)"
            )
        return sum(widths)

    def _drivers(self, num_gates: int, num_wires: int, num_inputs: int) -> dict[int, Driver]:
        """Wire -> what drives it."""
        drivers: dict[int, Driver] = {}
        for _ in range(num_gates):
            words = self._row("a gate")
            kind = words[-1]
            if kind not in _OPERANDS and kind != "MAND":
                self._fail(f"unknown gate {kind[:20]!r}; known: {', '.join(_OPERANDS)}, MAND")
            numbers = [self._number(word) for word in words[:-1]]
            num_in, num_out = (*numbers[:2], 0, 0)[:2]
            fits = (
                num_in == 2 * num_out
                if kind == "MAND"
                else (num_in, num_out) == (_OPERANDS[kind], 1)
            )
            if not fits or len(numbers) != 2 + num_in + num_out:
                self._fail(f"{' '.join(words)[:60]!r} is no {kind} gate; truncated file?")
            operands, outputs = numbers[2 : 2 + num_in], numbers[2 + num_in :]
            for wire in outputs if kind == "EQ" else operands + outputs:
                if wire >= num_wires:
                    self._fail(f"wire {wire} is over {num_wires - 1}, the last one announced")
            if kind == "EQ" and operands[0] > 1:
                self._fail(f"EQ takes the value 0 or 1, not {operands[0]}")
            for place, wire in enumerate(outputs):
                if wire < num_inputs or wire in drivers:
                    self._fail(f"wire {wire} is driven already; give each gate one of its own")
                own = operands[place::num_out] if kind == "MAND" else operands
                drivers[wire] = Driver(self.line, kind, own)
        if self.next < len(self.rows):
            self.line = self.rows[self.next][0]
            self._fail(f"more than the {num_gates} gates announced; correct the first line")
        return drivers

    def _connect(self, builder: Builder, drivers: dict[int, Driver]) -> dict[int, int]:
        """Wire -> literal."""
        known = dict(enumerate(builder.inputs))

        def fail(own: int, missing: int, is_loop: bool) -> NoReturn:
            self.line = drivers[own].line
            if is_loop:
                self._fail(f"wire {own} reads wire {missing}, which reads it: a loop; cut it")
            self._fail(f"wire {own} reads wire {missing}, which nothing drives")

        def read_by(_: int, driver: Driver) -> list[int]:
            return [] if driver.kind == "EQ" else driver.operands

        for own, driver in operands_first(drivers, read_by, known, fail):
            known[own] = self._literal(builder, driver.kind, driver.operands, known)
        return known

    @staticmethod
    def _literal(builder: Builder, kind: str, operands: list[int], known: dict[int, int]) -> int:
        if kind == "EQ":
            return (FALSE, TRUE)[operands[0]]
        literals = [known[wire] for wire in operands]
        if len(literals) == 1:
            return literals[0] ^ (kind != "EQW")
        return builder.lxor(*literals) if kind == "XOR" else builder.land(*literals)
