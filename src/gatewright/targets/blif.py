"""BLIF, the Berkeley Logic Interchange Format: what ABC, Yosys and most optimisers read and write.

Written: one `.names` with two operands a gate, no separate inverters. The first output on a gate
names it, in that output's polarity, and the gate's readers see the other polarity in their tables;
so only a further output on the same gate, or an output that is an input or a constant, takes a
`.names` of its own, with one operand or none. A gate that ignores an operand, or reads one twice or
a constant (`Builder` makes none), is written with fewer operands. A cover by look-up tables
(`passes.mapping`) takes one `.names` a table.

Read: one flat combinational model: `.names` of any number of inputs, in any order, with covers of
either phase. What `.exdc` says that does not matter is left out, with a warning: the model's own
outputs are kept there too. Every error is one line: the file, the line, the signal, the mend.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePath
from typing import TYPE_CHECKING, NoReturn

from gatewright import gates
from gatewright.circuit import FALSE, TRUE, Builder, Circuit
from gatewright.errors import InputError

if TYPE_CHECKING:
    from gatewright.passes.mapping import Lut

Nodes = tuple[int, ...]

MAX_LINE = 80
MAX_NAMED_ON_LOOP = 64

#: What no combinational network can hold, and what to do about it.
REFUSED = {
    ".latch": "unroll it, or cut it into an input and an output (abc: comb)",
    ".mlatch": "cut it into an input and an output",
    ".subckt": "flatten the hierarchy first (yosys: flatten)",
    ".gate": "write it unmapped (abc: unmap or logic)",
    ".mgate": "write it unmapped",
    ".search": "paste the other file's model in its place",
    ".start_kiss": "encode the state machine as .names first",
}

#: What is said of times, loads and names, not of the function.
SKIPPED = {
    ".area", ".attr", ".clock", ".clock_event", ".cname", ".cycle", ".default_input_arrival",
    ".default_input_drive", ".default_max_input_load", ".default_output_load",
    ".default_output_required", ".delay", ".input_arrival", ".input_drive", ".max_input_load",
    ".output_load", ".output_required", ".param", ".wire", ".wire_load_slope",
}  # fmt: skip

#: Rows of a two-input table that each cube covers.
_CUBE = {
    p + q: sum(1 << a + 2 * b for a in (0, 1) for b in (0, 1) if p in f"-{a}" and q in f"-{b}")
    for p in "01-"
    for q in "01-"
}


def write(circuit: Circuit) -> dict[str, bytes]:
    """Spell the circuit as `<name>.blif`.

    Raises:
        InputError: a name that BLIF cannot spell, or an output that bears the name of an input
            without being that input.
    """
    pairs: list[list[int]] = circuit.fanin.tolist()
    rows = zip(range(circuit.first_gate, circuit.num_nodes), pairs, circuit.table, strict=True)
    return _write(circuit, ((node, tuple(pair), int(table)) for node, pair, table in rows))


def write_luts(circuit: Circuit, luts: Iterable[Lut]) -> dict[str, bytes]:
    """The same with one `.names` for each look-up table of a cover of the circuit.

    Raises:
        InputError: as `write`.
    """
    return _write(circuit, ((lut.node, lut.leaves, lut.table) for lut in luts))


def _write(circuit: Circuit, rows: Iterable[tuple[int, Nodes, int]]) -> dict[str, bytes]:
    """Of nodes with what they read and their truth tables over that, in topological order."""
    name = _signal_names(circuit)
    lines = [f".model {_spelled(circuit.name, 'the name of circuit')}"]
    lines += _wrapped([".inputs", *circuit.input_names])
    lines += _wrapped([".outputs", *circuit.output_names])

    own_literal = {signal: 2 * node for node, signal in name.items()}
    flipped = bytearray(circuit.num_nodes)  # 1: the node's signal is its complement
    further: list[tuple[str, int]] = []
    for output, literal in zip(circuit.output_names, circuit.outputs.tolist(), strict=True):
        node = literal >> 1
        if output in own_literal:
            if literal != own_literal[output]:
                raise InputError(
                    f"output {output!r} bears the name of an input but is not that input, which "
                    "BLIF cannot say; rename one of them"
                )
        elif node >= circuit.first_gate and node not in name:
            name[node] = output
            flipped[node] = literal & 1
        else:
            further.append((output, literal))
    prefix = _internal_prefix(circuit)

    for node, leaves, table in rows:
        own = name.setdefault(node, f"{prefix}{node}")
        inverted = sum(flipped[leaf] << i for i, leaf in enumerate(leaves))
        operands, cubes = _cover(table, _pattern(leaves), inverted, bool(flipped[node]))
        lines.append(" ".join([".names", *(name[leaves[i]] for i in operands), own]))
        lines += cubes
    for output, literal in further:
        node, inverted = literal >> 1, literal & 1
        if node == FALSE:
            lines += [f".names {output}", *["1"] * inverted]
        else:
            lines += [f".names {name[node]} {output}", f"{1 - (inverted ^ flipped[node])} 1"]
    lines.append(".end")
    return {f"{circuit.name}.blif": ("\n".join(lines) + "\n").encode()}


def _signal_names(circuit: Circuit) -> dict[int, str]:
    for signal in circuit.input_names:
        _spelled(signal, "input")
    for signal in circuit.output_names:
        _spelled(signal, "output")
    return dict(enumerate(circuit.input_names, 1))


def _spelled(name: str, role: str) -> str:
    if not name or not name.isprintable() or any(c in name for c in " #=\\"):
        raise InputError(
            f"{role} {name!r} cannot be spelled in BLIF (white space, '#', '=', backslash and "
            "unprintable characters cannot stand in a name); rename it"
        )
    return name


def _internal_prefix(circuit: Circuit) -> str:
    taken = {*circuit.input_names, *circuit.output_names}
    prefix = "n"
    while any(name.startswith(prefix) and name[len(prefix) :].isdigit() for name in taken):
        prefix += "_"
    return prefix


def _wrapped(words: Sequence[str]) -> list[str]:
    """One logical line, broken by backslashes where it grows over MAX_LINE characters."""
    lines = [words[0]]
    for word in words[1:]:
        if len(lines[-1]) + 1 + len(word) > MAX_LINE - 2:
            lines[-1] += " \\"
            lines.append(" " + word)
        else:
            lines[-1] += " " + word
    return lines


def _pattern(leaves: Nodes) -> Nodes:
    """For each leaf the first place where it stands, or -1 for the constant."""
    if len(leaves) == 2:
        a, b = leaves
        return -1 if a == FALSE else 0, -1 if b == FALSE else 0 if a == b else 1
    return tuple(-1 if leaf == FALSE else leaves.index(leaf) for leaf in leaves)


@lru_cache(maxsize=1 << 16)
def _cover(
    table: int, pattern: Nodes, inverted: int, is_inverted: bool
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Places of the leaves that matter, and the cover's lines over them.

    Args:
        pattern: see `_pattern`.
        inverted: bit i: the signal of leaf i is its complement.
        is_inverted: the signal of the node is its complement.
    """
    k = len(pattern)

    def value(signals: int) -> int:
        """Of the node's signal, where the leaves' signals are the bits of an integer."""
        leaves = signals ^ inverted
        row = sum((leaves >> place & 1) << i for i, place in enumerate(pattern) if place >= 0)
        return table >> row & 1 ^ is_inverted

    values = [value(signals) for signals in range(1 << k)]
    operands = tuple(
        i for i in range(k) if any(values[r] != values[r ^ 1 << i] for r in range(1 << k))
    )
    kept = 0
    for row in range(1 << len(operands)):
        signals = sum((row >> j & 1) << i for j, i in enumerate(operands))
        kept |= values[signals] << row
    cubes = gates.prime_cubes(kept, len(operands))
    return operands, tuple(f"{cube} 1".lstrip() for cube in cubes)


@dataclass(slots=True)
class _Names:
    """One `.names`: its line, its signals, and its cover as it grows."""

    line: int
    inputs: list[str]
    output: str
    table: int
    cubes: list[str]
    phase: str
    phase_line: int


@dataclass(slots=True)
class _Source:
    """The file's declarations, before any of it is connected."""

    name: str
    inputs: dict[str, int]
    outputs: dict[str, int]
    has_outputs: bool
    names: dict[str, _Names]


def read(data: bytes, source: str) -> Circuit:
    """Read a BLIF model; `source` is what errors call the file.

    Covers of two inputs become a gate each, wider ones an OR of cubes. Logic that no output
    needs is kept; what is said of times and loads is not, nor of don't-cares, of which a
    UserWarning tells. Without a `.model` line the circuit is named after `source`.

    Raises:
        InputError: the text is not one flat combinational model.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(f"{source}:{line}: not UTF-8 text; is this a BLIF file?") from None
    parsed = _parse(text, source)
    literal = _connect(parsed, builder := Builder(tuple(parsed.inputs), parsed.name), source)
    for output, line in parsed.outputs.items():
        if output not in literal:
            raise InputError(
                f"{source}:{line}: output {output!r} is not driven (truncated file?); "
                "add a .names for it"
            )
        builder.output(output, literal[output])
    return builder.build()


def _logical_lines(text: str, source: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, words) with comments cut and continued lines joined."""
    held: list[str] = []
    first = 0
    for number, line in enumerate(text.removesuffix("\n").split("\n"), 1):
        if "#" in line:
            line = line[: line.index("#")]
        if "\\" in line and (stripped := line.rstrip()).endswith("\\"):
            first = first or number
            held += stripped[:-1].split()
            continue
        words = line.split()
        if first:
            words, number = held + words, first
            held, first = [], 0
        if words:
            yield number, words
    if first:
        raise InputError(f"{source}:{first}: the file ends in a continued line; is it truncated?")


def _parse(text: str, source: str) -> _Source:
    parsed = _Source(PurePath(source).stem.strip("<>") or "circuit", {}, {}, False, {})
    current: _Names | None = None
    model_line = end_line = exdc_line = 0
    for line, words in _logical_lines(text, source):
        head = words[0]
        if exdc_line and head != ".end" and not end_line:
            continue
        if head[0] != "." and not end_line:
            if current is None:
                raise InputError(
                    f"{source}:{line}: {head!r} follows no .names; remove it, or start the cover "
                    "it belongs to"
                )
            _add_row(current, line, words, source)
        elif head == ".model" and model_line:
            raise InputError(
                f"{source}:{line}: a second .model (the first is on line {model_line}); "
                "keep one flat model a file"
            )
        elif end_line:
            raise InputError(
                f"{source}:{line}: {head!r} stands after .end (line {end_line}); remove it"
            )
        elif head == ".names":
            current = _start_names(parsed, line, words, source)
        elif head == ".model":
            if len(words) > 2:
                raise InputError(f"{source}:{line}: .model takes one name, not {len(words) - 1}")
            model_line = line
            if len(words) == 2:
                parsed.name = PurePath(words[1]).name or parsed.name
        elif head in (".inputs", ".outputs"):
            declared = parsed.inputs if head == ".inputs" else parsed.outputs
            parsed.has_outputs |= head == ".outputs"
            for signal in words[1:]:
                if signal in declared:
                    raise InputError(
                        f"{source}:{line}: {head[1:-1]} {signal!r} is declared already on line "
                        f"{declared[signal]}; remove one"
                    )
                declared[signal] = line
            current = None
        elif head == ".end":
            end_line = line
        elif head == ".exdc":
            exdc_line = line
            warnings.warn(
                f"{source}:{line}: the don't-cares (.exdc) are left out; outputs keep there what "
                "the model gives",
                stacklevel=2,
            )
        elif head in SKIPPED:
            current = None
        elif head in REFUSED:
            raise InputError(f"{source}:{line}: {head} is not supported; {REFUSED[head]}")
        else:
            raise InputError(
                f"{source}:{line}: unknown directive {head!r}; a model is made of .model, .inputs, "
                ".outputs, .names and .end"
            )
    if not parsed.has_outputs:
        raise InputError(f"{source}: there is no .outputs line (truncated file?); add one")
    for signal, names in parsed.names.items():
        if signal in parsed.inputs:
            raise InputError(
                f"{source}:{names.line}: input {signal!r} (line {parsed.inputs[signal]}) is driven "
                "by this .names; remove one of the two"
            )
    return parsed


def _start_names(parsed: _Source, line: int, words: list[str], source: str) -> _Names:
    if len(words) == 1:
        raise InputError(f"{source}:{line}: .names without a signal (truncated file?); name one")
    output = words[-1]
    if output in parsed.names:
        raise InputError(
            f"{source}:{line}: {output!r} is driven already on line {parsed.names[output].line}; "
            "remove one of the two .names"
        )
    names = _Names(line, words[1:-1], output, 0, [], "1", 0)
    parsed.names[output] = names
    return names


def _add_row(names: _Names, line: int, words: list[str], source: str) -> None:
    if names.inputs:
        cube, phase = words if len(words) == 2 else ("", "")
    else:
        cube, phase = "", words[0] if len(words) == 1 else ""
    width = len(names.inputs)
    if len(cube) != width or cube.strip("01-") or phase not in ("0", "1"):
        shape = f"{width} of 0, 1 or -, a space, and 0 or 1" if width else "0 or 1"
        raise InputError(
            f"{source}:{line}: {' '.join(words)!r} is no row of the cover of {names.output!r} "
            f"(line {names.line}), which takes {shape} (truncated file?)"
        )
    if names.phase_line and phase != names.phase:
        raise InputError(
            f"{source}:{line}: the cover of {names.output!r} mixes output 0 with output 1 "
            f"(line {names.phase_line}); list its ones or its zeros"
        )
    names.phase, names.phase_line = phase, names.phase_line or line
    if width == 2:
        names.table |= _CUBE[cube]
    else:
        names.cubes.append(cube)


def _connect(parsed: _Source, builder: Builder, source: str) -> dict[str, int]:
    """Build every `.names`, operands first; signal -> literal. Depth costs no Python stack."""
    literal = dict(zip(parsed.inputs, builder.inputs, strict=True))
    for root in parsed.names.values():
        if root.output in literal:
            continue
        path: dict[str, Iterator[str]] = {}
        names: _Names | None = root
        while names is not None:
            waiting = path.setdefault(names.output, iter(names.inputs))
            missing = next((signal for signal in waiting if signal not in literal), None)
            if missing is None:
                literal[names.output] = _build(builder, names, literal)
                path.popitem()
                names = parsed.names[next(reversed(path))] if path else None
            elif missing in path:
                _refuse_loop(missing, list(path), parsed, source)
            elif missing in parsed.names:
                names = parsed.names[missing]
            else:
                raise InputError(
                    f"{source}:{names.line}: {names.output!r} reads {missing!r}, which nothing "
                    "drives; add it to .inputs or give it a .names"
                )
    return literal


def _build(builder: Builder, names: _Names, literal: dict[str, int]) -> int:
    operands = [literal[signal] for signal in names.inputs]
    if len(operands) == 2:
        value = builder.gate(names.table, *operands)
    else:
        value = _fold(builder, gates.OR, [_cube(builder, c, operands) for c in names.cubes], FALSE)
    return value ^ (names.phase == "0")


def _cube(builder: Builder, cube: str, operands: list[int]) -> int:
    factors = [x ^ (c == "0") for c, x in zip(cube, operands, strict=True) if c != "-"]
    return _fold(builder, gates.AND, factors, TRUE)


def _fold(builder: Builder, table: int, literals: list[int], neutral: int) -> int:
    """Combine any number of literals by an associative gate, as a balanced tree."""
    while len(literals) > 1:
        pairs = zip(literals[::2], literals[1::2], strict=False)
        odd = literals[-1:] if len(literals) % 2 else []
        literals = [builder.gate(table, a, b) for a, b in pairs] + odd
    return literals[0] if literals else neutral


def _refuse_loop(closing: str, path: list[str], parsed: _Source, source: str) -> NoReturn:
    # The path leads from reader to read; the message follows the signal, from its first line.
    loop = path[path.index(closing) :][::-1]
    start = loop.index(min(loop, key=lambda signal: parsed.names[signal].line))
    loop = loop[start:] + loop[:start]
    shown = [f"{signal} (line {parsed.names[signal].line})" for signal in loop]
    if len(shown) > MAX_NAMED_ON_LOOP:
        half = MAX_NAMED_ON_LOOP // 2
        shown[half:-half] = [f"({len(shown) - 2 * half} more)"]
    raise InputError(
        f"{source}: combinational loop: {' -> '.join([*shown, loop[0]])}; cut one of them"
    )
