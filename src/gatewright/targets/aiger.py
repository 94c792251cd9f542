"""AIGER, ASCII (.aag) and binary (.aig): graphs of two-input ANDs and inverters (Biere, FMV 07/1).

Written: a gate that is an AND of literals is one AND, an XOR is three. Names are in the symbol
table. Read: combinational files of version 1 or 1.9, ANDs of an ASCII file in any order. Every
error is one line: the file, the place, the mend.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import PurePath
from typing import NoReturn

from gatewright import gates
from gatewright.circuit import Builder, Circuit
from gatewright.errors import InputError
from gatewright.targets.walk import operands_first

#: Variables that a file may announce, and inputs, of which a binary file holds nothing.
MAX_VARIABLES = 1 << 30
MAX_INPUTS = 1 << 22

COUNTS = ("variables", "inputs", "latches", "outputs", "ANDs")
MORE_COUNTS = ("bad states", "constraints", "justice properties", "fairness constraints")


def write_binary(circuit: Circuit) -> dict[str, bytes]:
    """Spell the circuit as `<name>.aig`."""
    ands, outputs = _ands(circuit)
    body = bytearray()
    for own, (a, b) in enumerate(ands, circuit.num_inputs + 1):
        for delta in (2 * own - max(a, b), abs(a - b)):
            rest = delta
            while rest >= 0x80:
                body.append(rest & 0x7F | 0x80)
                rest >>= 7
            body.append(rest)
    lines = [_header("aig", circuit, len(ands)), *map(str, outputs)]
    content = ("\n".join(lines) + "\n").encode() + bytes(body) + _symbols(circuit)
    return {f"{circuit.name}.aig": content}


def write_text(circuit: Circuit) -> dict[str, bytes]:
    """Spell the circuit as `<name>.aag`."""
    ands, outputs = _ands(circuit)
    lines = [_header("aag", circuit, len(ands))]
    lines += [str(2 * (1 + i)) for i in range(circuit.num_inputs)]
    lines += map(str, outputs)
    lines += [f"{2 * own} {a} {b}" for own, (a, b) in enumerate(ands, circuit.num_inputs + 1)]
    return {f"{circuit.name}.aag": ("\n".join(lines) + "\n").encode() + _symbols(circuit)}


def _header(kind: str, circuit: Circuit, num_ands: int) -> str:
    return (
        f"{kind} {circuit.num_inputs + num_ands} {circuit.num_inputs} 0 {circuit.num_outputs} "
        f"{num_ands}"
    )


def _symbols(circuit: Circuit) -> bytes:
    lines: list[str] = []
    for letter, names in (("i", circuit.input_names), ("o", circuit.output_names)):
        for n, name in enumerate(names):
            if not name.isprintable() or name.strip() != name or not name:
                raise InputError(
                    f"name {name!r} cannot be spelled in AIGER (it is empty, not printable or ends "
                    "in white space); rename it"
                )
            lines.append(f"{letter}{n} {name}\n")
    return "".join([*lines, f"c\n{circuit.name}\n"]).encode()


def _ands(circuit: Circuit) -> tuple[list[tuple[int, int]], list[int]]:
    """The circuit as ANDs of literals, numbered after the inputs, and its outputs as literals."""
    builder = Builder(circuit.input_names)
    outputs = builder.copy(circuit, builder.inputs)
    for n, literal in enumerate(outputs):
        builder.output(str(n), literal)
    folded = builder.build()
    ands: list[tuple[int, int]] = []
    own = count(2 * folded.first_gate, 2)

    def land(a: int, b: int) -> int:
        ands.append((a, b))
        return next(own)

    literal = [2 * node for node in range(folded.first_gate)]
    pairs: list[tuple[int, int]] = folded.fanin.tolist()
    for table, (x, y) in zip(folded.table.tolist(), pairs, strict=True):
        literal.append(_AS_ANDS[table](literal[x], literal[y], land))
    return ands, [literal[o >> 1] ^ o & 1 for o in folded.outputs.tolist()]


#: The kinds that `Builder` makes, out of ANDs of literals.
_AS_ANDS: dict[int, Callable[[int, int, Callable[[int, int], int]], int]] = {
    0x2: lambda a, b, land: land(a, b ^ 1),
    0x4: lambda a, b, land: land(a ^ 1, b),
    gates.AND: lambda a, b, land: land(a, b),
    gates.OR: lambda a, b, land: land(a ^ 1, b ^ 1) ^ 1,
    gates.XOR: lambda a, b, land: land(land(a, b ^ 1) ^ 1, land(a ^ 1, b) ^ 1) ^ 1,
}


def read(data: bytes, source: str) -> Circuit:
    """Read an AIGER file, binary or ASCII as its header says; `source` is its name in errors.

    Inputs and outputs without a symbol are called i0, i1, ... and o0, o1, ...

    Raises:
        InputError: the file is not AIGER, is damaged, or has latches.
    """
    return _Reader(data, source).circuit()


class _Reader:
    def __init__(self, data: bytes, source: str) -> None:
        self.data, self.source = data, source
        self.place = 0  # of the next byte
        self.line = 0  # number of the last line read

    def circuit(self) -> Circuit:
        words = self._words("the header")
        if words[0] not in ("aig", "aag"):
            self._fail(f"the file begins with {words[0][:20]!r}, not with aig or aag; is it AIGER?")
        is_binary = words[0] == "aig"
        numbers = [self._number(word) for word in words[1:]]
        if not 5 <= len(numbers) <= 9:
            self._fail(f"the header has {len(numbers)} numbers; AIGER has M I L O A")
        num_variables, num_inputs, _, num_outputs, num_ands = numbers[:5]
        present = dict(zip((*COUNTS, *MORE_COUNTS), numbers, strict=False))
        for kind in ("latches", *MORE_COUNTS):
            if present.get(kind):
                self._fail(
                    f"{present[kind]} {kind}; only combinational circuits are read (abc: comb)"
                )
        is_short = num_inputs + num_ands > num_variables
        if is_short or (is_binary and num_inputs + num_ands != num_variables):
            self._fail(
                f"{num_variables} variables for {num_inputs} inputs and {num_ands} ANDs; "
                "the header is wrong"
            )
        # an output takes 2 bytes at least, an AND 2 in binary and 6 in ASCII
        least = 2 * num_outputs + (2 if is_binary else 6) * num_ands
        if num_variables > MAX_VARIABLES or num_inputs > MAX_INPUTS or least > len(self.data):
            self._fail(
                f"the header announces {num_inputs} inputs, {num_outputs} outputs and {num_ands} "
                f"ANDs, too many for a file of {len(self.data)} bytes; is it truncated?"
            )
        if is_binary:
            literals, ands = [2 * (1 + i) for i in range(num_inputs)], None
        else:
            literals = [self._literals("an input", 1, num_variables)[0] for _ in range(num_inputs)]
        outputs = [self._literals("an output", 1, num_variables)[0] for _ in range(num_outputs)]
        if is_binary:
            ands = self._binary_ands(num_inputs, num_ands)
        else:
            ands = self._text_ands(num_ands, num_variables)
        inputs, names, title = self._symbols(num_inputs, num_outputs)
        builder = Builder(inputs, title)
        known = self._connect(builder, literals, ands)
        for name, literal in zip(names, outputs, strict=True):
            if literal >> 1 not in known:
                self._fail(f"output {name!r} is literal {literal}, which nothing drives")
            builder.output(name, known[literal >> 1] ^ literal & 1)
        return builder.build()

    def _fail(self, text: str) -> NoReturn:
        at = f":{self.line}" if self.line else ""
        raise InputError(f"{self.source}{at}: {text}")

    def _words(self, what: str) -> list[str]:
        end = self.data.find(b"\n", self.place)
        if end < 0:
            end = len(self.data)
        raw = self.data[self.place : end]
        self.line += 1
        self.place = end + 1
        try:
            words = raw.decode("ascii").split()
        except UnicodeDecodeError:
            self._fail(f"{what} is not ASCII text; is this an AIGER file?")
        if not words:
            self._fail(f"{what} is missing; is the file truncated?")
        return words

    def _number(self, word: str) -> int:
        if not word.isdecimal() or len(word) > 10:
            self._fail(f"{word[:20]!r} is not a number that AIGER may have here")
        return int(word)

    def _literals(self, what: str, num: int, num_variables: int) -> list[int]:
        words = self._words(what)
        if len(words) != num:
            self._fail(f"{what} takes {num} numbers, not {' '.join(words)[:40]!r}; truncated file?")
        literals = [self._number(word) for word in words]
        for literal in literals:
            if literal >> 1 > num_variables:
                self._fail(
                    f"literal {literal} is over {2 * num_variables + 1}, the last that the header "
                    "allows"
                )
        return literals

    def _binary_ands(self, num_inputs: int, num_ands: int) -> dict[int, tuple[int, int]]:
        ands: dict[int, tuple[int, int]] = {}
        for variable in range(num_inputs + 1, num_inputs + 1 + num_ands):
            high = 2 * variable - self._delta(variable)
            low = high - self._delta(variable)
            if high >= 2 * variable or low < 0:
                self._fail_at(variable, f"reads literals {high} and {low}; the file is damaged")
            ands[variable] = (high, low)
        return ands

    def _delta(self, variable: int) -> int:
        value = shift = 0
        while True:
            if self.place >= len(self.data):
                self._fail_at(variable, "the file ends here; is it truncated?")
            byte = self.data[self.place]
            self.place += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value
            if shift > 35:
                self._fail_at(variable, "a number is longer than 5 bytes; the file is damaged")

    def _fail_at(self, variable: int, text: str) -> NoReturn:
        raise InputError(f"{self.source}: AND {2 * variable}: {text}")

    def _text_ands(self, num_ands: int, num_variables: int) -> dict[int, tuple[int, int]]:
        ands: dict[int, tuple[int, int]] = {}
        for _ in range(num_ands):
            own, a, b = self._literals("an AND", 3, num_variables)
            if own & 1 or own < 2 or own >> 1 in ands:
                self._fail(f"an AND cannot define literal {own}; give each an even one of its own")
            ands[own >> 1] = (a, b)
        return ands

    def _symbols(self, num_inputs: int, num_outputs: int) -> tuple[list[str], list[str], str]:
        """Names of inputs and outputs, and the first line of the comment or the file's name."""
        names = {
            "i": [f"i{n}" for n in range(num_inputs)],
            "o": [f"o{n}" for n in range(num_outputs)],
        }
        title = PurePath(self.source).stem.strip("<>")
        lines = self.data[self.place :].decode("utf-8", "replace").split("\n")
        for line in lines:
            self.line += 1
            symbol, _, name = line.partition(" ")
            if symbol == "c" or not line:
                break
            of = names.get(symbol[:1])
            if of is None or not symbol[1:].isdecimal() or int(symbol[1:]) >= len(of) or not name:
                self._fail(
                    f"{line[:40]!r} is no symbol (i0 NAME or o0 NAME) of this file; remove it"
                )
            of[int(symbol[1:])] = name.strip()
        for kind, given in (("input", names["i"]), ("output", names["o"])):
            if len(set(given)) != len(given):
                seen: set[str] = set()
                twice = next(name for name in given if name in seen or seen.add(name))
                self._fail(f"two {kind}s are called {twice!r}; rename one")
        return names["i"], names["o"], title or "circuit"

    def _connect(
        self, builder: Builder, inputs: list[int], ands: dict[int, tuple[int, int]]
    ) -> dict[int, int]:
        """Each variable's literal in the builder."""
        known = {0: 0}
        for own, literal in zip(builder.inputs, inputs, strict=True):
            if literal & 1 or literal >> 1 in known or literal >> 1 in ands:
                self._fail_at(
                    literal >> 1, "an input takes an even literal that nothing else defines"
                )
            known[literal >> 1] = own

        def fail(own: int, missing: int, is_loop: bool) -> NoReturn:
            if is_loop:
                self._fail_at(own, f"reads {2 * missing}, which reads it: a loop; cut it")
            self._fail_at(own, f"reads literal {2 * missing}, which nothing drives")

        def operands(_: int, pair: tuple[int, int]) -> tuple[int, int]:
            return pair[0] >> 1, pair[1] >> 1

        for own, pair in operands_first(ands, operands, known, fail):
            a, b = (known[x >> 1] ^ x & 1 for x in pair)
            known[own] = builder.land(a, b)
        return known
