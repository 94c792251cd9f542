"""A proof that another program can check: DIMACS clauses and a DRAT log of their contradiction.

The clauses say: both circuits read the same inputs, and some output differs. The log derives the
empty clause from them, each line by unit propagation from what stands before it (RUP), so that a
checker such as drat-trim needs to trust neither this package nor its solver.

This is a second way to a proof, beside `prove`, with another solver (Glucose). It walks both
circuits from the inputs up and merges what is equal, as SAT sweeping does (Kuehlmann and Krohm,
1997). Each step is a few short lines: that a gate reads a merged operand; that two gates are alike
then; and, where two must be compared, what the solver derived in a window of gates below them. Such
lines are deleted once the pair is known to be equal, so a checker's work grows with the circuits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pysolvers  # pyright: ignore[reportMissingTypeStubs]
from pysat.solvers import Glucose4  # pyright: ignore[reportMissingTypeStubs]

from gatewright import gates, samples
from gatewright.candidates import Candidates
from gatewright.circuit import Bits, Builder, Circuit, pack
from gatewright.errors import GatewrightError, InputError
from gatewright.sat_sweep import by_level
from gatewright.sides import Side, match
from gatewright.window import Gate, Meter, Window

SOLVER = "Glucose 4.1"

#: Conflicts that a pair of inner nodes may cost, and gates of the window that is tried first.
BUDGET = 100
WINDOW = 64
#: How much more it may cost to write down what is known to hold.
DERIVED = 1000
#: Blocks of samples that tell nodes apart beforehand.
NUM_BLOCKS = 16
#: Earlier nodes that one is compared with.
MAX_TRIES = 8


@dataclass(frozen=True)
class ProofLog:
    """Clauses in DIMACS form and their refutation in DRAT form.

    Attributes:
        cnf, drat: the files' contents.
        num_variables, num_clauses, num_lemmas: of the two.
    """

    cnf: str
    drat: str
    num_variables: int
    num_clauses: int
    num_lemmas: int


def prove_with_log(a: Side, b: Side, *, seconds: float = 60.0, seed: int = 0) -> ProofLog:
    """Prove two circuits equal on every input, with a log for a checker.

    Args:
        a, b: as `prove` takes them; each a circuit, or something with one.
        seconds: the most time to spend.
        seed: of the samples.

    Raises:
        InputError: a side is no circuit, or they differ in inputs or outputs.
        GatewrightError: they differ, or the time is spent; `prove` says more.
    """
    pair = match(a, b)
    if pair.a.netlist is None or pair.b.netlist is None:
        raise InputError("a proof log needs two circuits; a plain function is none")
    builder = Builder(pair.input_names)
    of_a = builder.copy(pair.a.netlist, builder.inputs)
    of_b = builder.copy(pair.b.netlist, [builder.inputs[i] for i in pair.inputs_in_a])
    for o, (x, y) in enumerate(zip(of_a, (of_b[i] for i in pair.outputs_in_b), strict=True)):
        builder.output(f"a{o}", x)
        builder.output(f"b{o}", y)
    miter, meter, rng = by_level(builder.build()), Meter(seconds, None), np.random.default_rng(seed)
    # What looks alike and is not costs whole cones, and small windows do after most passes.
    for is_thorough in (False, True):
        log = _Log(miter, meter, rng, is_thorough).run()
        if log is not None:
            return log
    raise GatewrightError("no log: the time is spent; allow more --seconds")


class _Log:
    """A miter, the circuit that is left of it once equal nodes are merged, and the lines so far.

    Variable 1 + n is node n of the miter. A node of the merged circuit stands for the first of the
    miter's that became it.
    """

    def __init__(
        self,
        miter: Circuit,
        meter: Meter,
        rng: np.random.Generator,
        is_thorough: bool,
    ) -> None:
        self.miter, self.meter, self.rng, self.is_thorough = miter, meter, rng, is_thorough
        self.clauses: list[tuple[int, ...]] = []
        self.lines: list[str] = []
        pairs: list[list[int]] = miter.outputs.reshape(-1, 2).tolist()
        self.outputs = [(x, y) for x, y in pairs if x != y]  # the others are equal as they stand
        self.merged = list(range(miter.first_gate))  # of the miter's nodes
        self.variables = [1 + node for node in self.merged]  # of merged nodes
        self.gates: list[Gate] = []  # of merged nodes
        self.alike: dict[Gate, int] = {}  # the merged node of each gate
        self.whole = Window(miter.num_inputs, self.gates)  # grows to whole cones

    def run(self) -> ProofLog | None:
        """The log; None where some output is open. GatewrightError where the circuits differ."""
        self._write_clauses()
        try:
            self._sweep()
            return self._finish()
        finally:
            self.whole.close()

    def _write_clauses(self) -> None:
        miter = self.miter
        self.clauses.append((-1,))  # node 0 is false
        pairs: list[list[int]] = miter.fanin.tolist()
        rows = zip(miter.table.tolist(), pairs, strict=True)
        for node, (table, (x, y)) in enumerate(rows, miter.first_gate):
            self.clauses += _clauses_of(table, 1 + x, 1 + y, 1 + node)
        for i, (x, y) in enumerate(self.outputs):
            u, v, differs = _literal(x), _literal(y), self._differs(i)
            self.clauses += [(-differs, u, v), (-differs, -u, -v)]
        self.clauses.append(tuple(map(self._differs, range(len(self.outputs)))))

    def _differs(self, i: int) -> int:
        """The variable of: pair i of the outputs differs."""
        return self.miter.num_nodes + 1 + i

    def _sweep(self) -> None:
        """Merge nodes that are equal, from the inputs up."""
        miter = self.miter
        words = [samples.special(miter.num_inputs, self.rng)]
        words += [samples.drawn(miter.num_inputs, self.rng) for _ in range(NUM_BLOCKS)]
        candidates = Candidates(miter.simulate_nodes(np.hstack(words)))
        for node in range(miter.first_gate):
            candidates.lead(node)
        pairs: list[list[int]] = miter.fanin.tolist()
        rows = zip(miter.table.tolist(), pairs, strict=True)
        for node, (table, (x, y)) in enumerate(rows, miter.first_gate):
            if self._take(node, table, x, y) and not self._merge(node, candidates):
                candidates.lead(node)

    def _take(self, node: int, table: int, x: int, y: int) -> bool:
        """Make the next gate one of the merged circuit; whether there is none like it."""
        a, b = self.merged[x], self.merged[y]
        u, v, own = self.variables[a], self.variables[b], 1 + node
        rewritten = [] if (u, v) == (1 + x, 1 + y) else _clauses_of(table, u, v, own)
        self._derive(rewritten)
        if a > b:
            table, a, b = gates.swap_inputs(table), b, a
        gate = table, a, b
        if a == b or a == 0:  # false where b is, so b or constant
            is_b = table >> (3 if a == b else 2) & 1
            found = b if is_b else 0
        else:
            found = self.alike.get(gate)
        if found is None:
            self.merged.append(len(self.variables))
            self.alike[gate] = len(self.variables)
            self.variables.append(own)
            self.gates.append(gate)
            return True
        twin, u = self.variables[found], self.variables[a]
        steps = [(-own, twin, u), (own, -twin, u)]  # where both are XORs, a case more is needed
        self._derive([*steps, (-own, twin), (own, -twin)])
        self._delete([*steps, *rewritten])
        self.merged.append(found)
        return False

    def _merge(self, node: int, candidates: Candidates) -> bool:
        """Whether the node just made is seen to equal an earlier one, and now is that."""
        own = self.merged[node]
        for leader in candidates.leaders(node)[-MAX_TRIES:]:
            other = self.merged[leader]
            found = self._equal(own, other, BUDGET)
            if found is True:
                self.alike[self.gates[own - self.miter.first_gate]] = other
                self.merged[node] = other
                return True
            if found is not None:
                near = samples.around(np.tile(found, (63, 1)), self.rng)
                words = pack(np.vstack([found, near]))
                candidates.split(self.miter.simulate_nodes(words))
        return False

    def _equal(self, x: int, y: int, budget: int) -> Literal[True] | Bits | None:
        """Write that merged nodes are equal; or a row where they differ; or None, after so much."""
        if self._derive_equal(x, y, WINDOW, budget):
            return True
        if not self.is_thorough:
            return None
        can_differ = self.whole.can_differ(x, y, None, self.meter, budget)
        if can_differ:
            return self.whole.row(self.rng)
        if can_differ is None or not self._derive_equal(x, y, None, DERIVED * budget):
            return None
        return True

    def _derive_equal(self, x: int, y: int, num_gates: int | None, budget: int) -> bool:
        """Write that merged nodes are equal, where a window of so many gates shows it soon."""
        with _Window(self.miter.num_inputs, self.gates) as window:
            if window.can_differ(x, y, num_gates, self.meter, budget) is not False:
                return False
            derived = window.derived(self.variables)
        u, v = self.variables[x], self.variables[y]
        self._derive([*derived, (-u, v), (u, -v)])
        self._delete(derived)
        return True

    def _derive(self, clauses: Iterable[tuple[int, ...]]) -> None:
        self.lines += [" ".join(map(str, (*clause, 0))) for clause in clauses]

    def _delete(self, clauses: Iterable[tuple[int, ...]]) -> None:
        self.lines += ["d " + " ".join(map(str, (*clause, 0))) for clause in clauses]

    def _finish(self) -> ProofLog | None:
        for i, (x, y) in enumerate(self.outputs):
            a, b = self.merged[x >> 1], self.merged[y >> 1]
            # no gate is true where all inputs are false, so equal ones are inverted alike
            found = (x ^ y) & 1 == 0 and (a == b or self._equal(a, b, 1 << 40))
            if found is None:
                return None
            if found is not True:
                raise GatewrightError("no log: the circuits are not equal; prove shows an input")
            differs = self._differs(i)
            self._derive([(-differs, _literal(x)), (-differs,)])
        self.lines.append("0")
        num_variables = self.miter.num_nodes + len(self.outputs)
        head = f"p cnf {num_variables} {len(self.clauses)}"
        cnf = [head, *(" ".join(map(str, (*clause, 0))) for clause in self.clauses)]
        return ProofLog(
            "\n".join(cnf) + "\n", "\n".join(self.lines) + "\n",
            num_variables, len(self.clauses), sum(line[0] != "d" for line in self.lines),
        )  # fmt: skip


class _Window(Window):
    """One whose solver writes down what it derives."""

    def __init__(self, num_inputs: int, gate_list: list[Gate]) -> None:
        self._glucose: Any = Glucose4(with_proof=True)
        self._read = 0  # octets of its lines
        super().__init__(num_inputs, gate_list, self._glucose)

    def derived(self, variables: Sequence[int]) -> list[tuple[int, ...]]:
        """Clauses since the last time, over the variables of the circuit's nodes.

        Where an assumption fails Glucose writes the empty clause, which only holds under that. What
        it deletes is left out: lines to come may need it.
        """
        pysolvers.flushpr(self._glucose.prfp)
        self._glucose.prfile.seek(self._read)
        read: bytes = self._glucose.prfile.read()
        self._read += len(read)
        own = [0, *(variables[node] for node in self.nodes)]
        found: list[tuple[int, ...]] = []
        for line in read.splitlines():
            if line[:1] != b"d":
                literals = map(int, line.split()[:-1])
                found.append(tuple(own[i] if i > 0 else -own[-i] for i in literals))
        return [clause for clause in found if clause]


def _clauses_of(table: int, a: int, b: int, gate: int) -> list[tuple[int, ...]]:
    """Of a gate, over variables, some of which may be the same."""
    signed = (0, a, b, gate, -gate, -b, -a)
    found = [tuple({signed[i]: None for i in clause}) for clause in gates.clauses(table)]
    return [clause for clause in found if not any(-literal in clause for literal in clause)]


def _literal(output: int) -> int:
    """The variable of a circuit's literal, signed."""
    return -(1 + (output >> 1)) if output & 1 else 1 + (output >> 1)
