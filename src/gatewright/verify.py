"""Proof that two sides compute the same function, or an input on which they do not.

Up to 20 inputs every row is evaluated. Beyond, random rows find most differences at once, and SAT
sweeping (`gatewright.sat_sweep`) proves the rest equal or finds a row. What was only sampled is
never called proved.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from gatewright.circuit import Bits, Builder, Circuit, Words, pack, unpack
from gatewright.errors import GatewrightError
from gatewright.sat_sweep import sweep
from gatewright.sides import Pair, Side, Subject, match, shorten
from gatewright.window import SOLVER, Meter

#: Sides with up to this many inputs are compared row by row.
MAX_EXHAUSTIVE_INPUTS = 20

#: Node values held at once while rows are evaluated, in words; and rows given to a rule at once.
BLOCK_NODE_WORDS = 1 << 24
MAX_BLOCK_WORDS = 1 << 14
RULE_BLOCK_ROWS = 1 << 12


@dataclass(frozen=True)
class Proof:
    """Two sides are equal on every input; str() says how that is known.

    Attributes:
        method: "exhaustive" (every row was evaluated) or "sat".
        seconds: CPU time that the proof took.
        num_inputs, num_outputs: the interface of both sides.
        rows: rows evaluated; 0 for "sat".
        num_merged: pairs of nodes that the solver proved equal on the way.
        conflicts: conflicts of the solver.
        solver: its name; "" for "exhaustive".
    """

    method: str
    seconds: float
    num_inputs: int
    num_outputs: int
    rows: int = 0
    num_merged: int = 0
    conflicts: int = 0
    solver: str = ""

    def __str__(self) -> str:
        if self.method == "exhaustive":
            rows = "the one input row" if self.rows == 1 else f"all {self.rows} input rows"
            return f"equal on {rows} (exhaustive)"
        if not self.num_merged:
            return f"equal: the same gates once alike ones are shared, {self.seconds:.1f} s"
        points = (
            "1 internal equivalence"
            if self.num_merged == 1
            else (f"{self.num_merged} internal equivalences")
        )
        return f"equal: proved by SAT ({self.solver}), {points}, {self.seconds:.1f} s"


class NotEquivalent(GatewrightError):
    """The sides differ on an input.

    Attributes:
        row: bool[num_inputs], the input, in the order of the first side's inputs.
        inputs: the same by input name, 0 or 1.
        outputs_a, outputs_b: what each side gives, by output name (the first side's, if any).
        differs: names of the outputs that differ.
    """

    exit_code: ClassVar[int] = 1

    def __init__(
        self,
        row: Bits,
        inputs: dict[str, int],
        outputs_a: dict[str, int],
        outputs_b: dict[str, int],
    ) -> None:
        self.row = row
        self.inputs = inputs
        self.outputs_a = outputs_a
        self.outputs_b = outputs_b
        self.differs = tuple(o for o in outputs_a if outputs_a[o] != outputs_b[o])
        o = self.differs[0]
        more = f" ({len(self.differs)} outputs differ)" if len(self.differs) > 1 else ""
        super().__init__(
            f"not equal: output {o} is {outputs_a[o]} in the first, {outputs_b[o]} in the second"
            f"{more}, {_spell(inputs)}"
        )


class Undecided(GatewrightError):
    """The time or the conflicts ran out: the sides are neither proved equal nor known to differ.

    Attributes:
        open_outputs: names of the outputs that are not proved equal.
        num_merged: pairs of internal nodes proved equal.
        seconds, conflicts: what was spent.
    """

    exit_code: ClassVar[int] = 4

    def __init__(
        self, reason: str, open_outputs: tuple[str, ...], num_merged: int, meter: Meter
    ) -> None:
        self.open_outputs = open_outputs
        self.num_merged = num_merged
        self.seconds = meter.seconds
        self.conflicts = meter.conflicts
        super().__init__(
            f"undecided after {self.seconds:.1f} s and {self.conflicts} conflicts: {reason}; "
            + ("allow more conflicts" if meter.is_out_of_conflicts else "allow more --seconds")
        )


def prove(
    a: Side,
    b: Side,
    *,
    seconds: float = 60.0,
    conflicts: int | None = None,
    seed: int = 0,
) -> Proof:
    """Prove that two sides give equal outputs on every input.

    A side is a `Circuit`, anything with a `.circuit`, a soft network, or (up to 20 inputs) a plain
    function from rows bool[N, k] to rows bool[N, m]. Inputs are matched by name where both sides
    have the same set of names, else by position; outputs likewise.

    Args:
        a: the first side; its names and order are the ones reported.
        b: the second side.
        seconds: the most CPU time to spend, but for the step under way: a slice of the solver or a
            block of rows (hundredths of a second), or one pass over all gates.
        conflicts: the most conflicts that the SAT solver may spend, up to the few that it makes
            before it stops; None for no limit.
        seed: of the random samples.

    Raises:
        NotEquivalent: with an input on which the sides differ, evaluated on both.
        Undecided: neither, within the limits.
        InputError: the sides have different numbers of inputs or outputs, or cannot be evaluated.

    >>> from gatewright.circuit import Builder
    >>> x, y = Builder("ab"), Builder("ab")
    >>> x.output("z", x.lor(*x.inputs))
    >>> y.output("z", y.land(y.inputs[0] ^ 1, y.inputs[1] ^ 1) ^ 1)
    >>> print(prove(x.build(), y.build()))
    equal on all 4 input rows (exhaustive)
    """
    meter = Meter(seconds, conflicts)
    pair = match(a, b)
    if pair.num_inputs <= MAX_EXHAUSTIVE_INPUTS:
        return _prove_exhaustively(pair, meter)
    return _prove_by_sat(pair, meter, np.random.default_rng(seed))


def _prove_exhaustively(pair: Pair, meter: Meter) -> Proof:
    num_rows = 1 << pair.num_inputs
    for start, count, words in _all_rows(pair.num_inputs, _block_words(pair)):
        if start and meter.is_spent:
            reason = f"rows 0 to {start - 1} of {num_rows} agree, the rest were not evaluated"
            raise Undecided(reason, pair.output_names, 0, meter)
        of_a, of_b = pair.evaluate(words, count)
        wrong = np.bitwise_or.reduce(of_a ^ of_b, axis=0, initial=np.uint64(0))
        if count < 64:
            wrong &= np.uint64((1 << count) - 1)
        for w in np.flatnonzero(wrong)[:1]:
            bit = int(wrong[w])
            row = start + 64 * int(w) + (bit & -bit).bit_length() - 1
            bits = np.array([row >> i & 1 for i in range(pair.num_inputs)], dtype=np.bool_)
            raise _counterexample(pair, bits)
    return Proof("exhaustive", meter.seconds, pair.num_inputs, pair.num_outputs, rows=num_rows)


def _all_rows(k: int, block_words: int) -> Iterator[tuple[int, int, Words]]:
    """All rows of a truth table in blocks: first row, number of rows, packed uint64[k, W]."""
    num_words = max(1, (1 << k) >> 6)
    low = [0xAAAAAAAAAAAAAAAA, 0xCCCCCCCCCCCCCCCC, 0xF0F0F0F0F0F0F0F0]
    low += [0xFF00FF00FF00FF00, 0xFFFF0000FFFF0000, 0xFFFFFFFF00000000]
    for start in range(0, num_words, block_words):
        index = np.arange(start, min(start + block_words, num_words), dtype=np.uint64)
        words = np.empty((k, len(index)), dtype=np.uint64)
        for i in range(k):
            words[i] = low[i] if i < 6 else -(index >> np.uint64(i - 6) & np.uint64(1))
        yield 64 * start, min(64 * len(index), 1 << k), words


def _block_words(pair: Pair) -> int:
    sides = (pair.a, pair.b)
    if any(side.rule is not None for side in sides):
        return RULE_BLOCK_ROWS // 64
    num_nodes = max(side.netlist.num_nodes for side in sides if side.netlist is not None)
    return max(1, min(MAX_BLOCK_WORDS, BLOCK_NODE_WORDS // num_nodes))


def _prove_by_sat(pair: Pair, meter: Meter, rng: np.random.Generator) -> Proof:
    for side in (pair.a, pair.b):
        _check_netlist(side, rng)
    result = sweep(_miter(pair), meter, rng)
    if result.row is not None:
        raise _counterexample(pair, result.row)
    if result.undecided:
        still_open = tuple(pair.output_names[o] for o in result.undecided)
        reason = (
            f"{len(still_open)} of {pair.num_outputs} outputs are open ({shorten(still_open)}), "
            f"{result.num_merged} internal points are proved equal"
        )
        raise Undecided(reason, still_open, result.num_merged, meter)
    return Proof(
        "sat",
        meter.seconds,
        pair.num_inputs,
        pair.num_outputs,
        num_merged=result.num_merged,
        conflicts=meter.conflicts,
        solver=SOLVER,
    )


def _miter(pair: Pair) -> Circuit:
    """Both netlists over shared inputs; the first's outputs, then the second's, in its order."""
    assert pair.a.netlist is not None and pair.b.netlist is not None
    builder = Builder(pair.input_names)
    of_a = builder.copy(pair.a.netlist, builder.inputs)
    of_b = builder.copy(pair.b.netlist, [builder.inputs[i] for i in pair.inputs_in_a])
    for o, literal in enumerate([*of_a, *(of_b[o] for o in pair.outputs_in_b)]):
        builder.output(str(o), literal)
    return builder.build()


def _check_netlist(side: Subject, rng: np.random.Generator) -> None:
    """Make sure that the netlist of a soft network does what the network does, on random rows."""
    if side.rule is None or side.netlist is None:
        return
    bits = rng.random((RULE_BLOCK_ROWS, side.num_inputs)) < rng.random((RULE_BLOCK_ROWS, 1))
    words = pack(bits)
    if (side.evaluate(words, RULE_BLOCK_ROWS) != side.netlist.simulate(words)).any():
        raise RuntimeError(f"{side.label}: hard_bits and to_netlist() are different functions")


def _counterexample(pair: Pair, row: Bits) -> NotEquivalent:
    """The error for a row, after both sides were evaluated on it."""
    of_a, of_b = (unpack(w, 1)[0] for w in pair.evaluate(pack(row[None]), 1))
    if (of_a == of_b).all():
        raise RuntimeError("a row was found on which the sides differ, and they do not differ")

    def named(names: tuple[str, ...], bits: Bits) -> dict[str, int]:
        return dict(zip(names, map(int, bits), strict=True))

    return NotEquivalent(
        row,
        named(pair.input_names, row),
        named(pair.output_names, of_a),
        named(pair.output_names, of_b),
    )


def _spell(inputs: dict[str, int]) -> str:
    """An input on one line: names and values, or only those that are 1, or a number."""
    ones = [name for name, value in inputs.items() if value]
    if len(inputs) <= 16:
        return "for " + (
            " ".join(f"{name}={value}" for name, value in inputs.items()) or "no input"
        )
    if not ones:
        return f"for all {len(inputs)} inputs = 0"
    if len(ones) <= 16:
        return f"for {', '.join(ones)} = 1 and the other {len(inputs) - len(ones)} inputs = 0"
    number = sum(value << i for i, value in enumerate(inputs.values()))
    return f"for the inputs {number:#x} (input i is bit i)"
