"""A proof that another program can check: DIMACS clauses and a DRAT log of their contradiction.

The clauses say: both circuits read the same inputs, and some output differs. The log derives the
empty clause from them, each line by unit propagation from what stands before it (RUP), so that a
checker such as drat-trim needs to trust neither this package nor its solver.

This is a second way to a proof, beside `prove`: another solver (Glucose) on one formula of both
whole circuits. It finds equivalences from the inputs up, as SAT sweeping does (Kuehlmann and Krohm,
1997), and keeps each as two clauses, so that the outputs' equality follows step by step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pysolvers  # pyright: ignore[reportMissingTypeStubs]
from pysat.solvers import Glucose4  # pyright: ignore[reportMissingTypeStubs]

from gatewright import gates
from gatewright.candidates import Candidates
from gatewright.circuit import Bits, Builder, Circuit, pack
from gatewright.errors import GatewrightError, InputError
from gatewright.sides import Side, match
from gatewright.window import Meter

SOLVER = "Glucose 4.1"

#: Conflicts that a pair of inner nodes may cost, and samples that tell nodes apart beforehand.
BUDGET = 2000
NUM_SAMPLES = 4096
#: Earlier nodes that one is compared with.
MAX_TRIES = 2


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
    return _Log(builder.build(), Meter(seconds, None), np.random.default_rng(seed)).run()


class _Log:
    """One formula, one solver, and the lines derived so far. Variable 1 + n is node n."""

    def __init__(self, miter: Circuit, meter: Meter, rng: np.random.Generator) -> None:
        self.miter, self.meter, self.rng = miter, meter, rng
        self.solver: Any = Glucose4(with_proof=True)
        self.clauses: list[tuple[int, ...]] = []
        self.lines: list[str] = []
        self._read = 0  # octets of the solver's own lines
        pairs: list[list[int]] = miter.outputs.reshape(-1, 2).tolist()
        self.outputs = [(x, y) for x, y in pairs if x != y]  # the others are equal as they stand

    def run(self) -> ProofLog:
        try:
            self._write_clauses()
            self._sweep()
            return self._finish()
        finally:
            self.solver.delete()

    def _clause(self, *literals: int) -> None:
        self.clauses.append(literals)
        if literals:
            self.solver.add_clause(list(literals))

    def _write_clauses(self) -> None:
        miter = self.miter
        self._clause(-1)  # node 0 is false
        pairs: list[list[int]] = miter.fanin.tolist()
        rows = zip(miter.table.tolist(), pairs, strict=True)
        for node, (table, (x, y)) in enumerate(rows, miter.first_gate):
            signed = (0, 1 + x, 1 + y, 1 + node)
            for clause in gates.clauses(table):
                self._clause(*(signed[abs(i)] * (1 if i > 0 else -1) for i in clause))
        differs: list[int] = []
        for i, (x, y) in enumerate(self.outputs):
            variable = miter.num_nodes + 1 + i
            u, v = _literal(x), _literal(y)
            if u != -v:
                self._clause(-variable, u, v)
                self._clause(-variable, -u, -v)
            differs.append(variable)
        self._clause(*differs)  # some output differs

    def _sweep(self) -> None:
        """Keep inner nodes that are equal as lemmas, from the inputs up."""
        miter = self.miter
        rows = self.rng.random((NUM_SAMPLES, miter.num_inputs))
        samples = pack(rows < self.rng.random((NUM_SAMPLES, 1)))
        candidates = Candidates(miter.simulate_nodes(samples))
        order = np.argsort(miter.levels, kind="stable").tolist()
        for node in order:
            if node >= miter.first_gate:
                for leader in candidates.leaders(node)[:MAX_TRIES]:
                    row = self._equal(1 + node, 1 + leader)
                    if row is not None:
                        candidates.split(miter.simulate_nodes(pack(row[None])))
            candidates.lead(node)

    def _equal(self, u: int, v: int) -> Bits | None:
        """Keep that u and v are equal, if that is seen soon; a row where they differ, if found."""
        for assumed in ((u, -v), (-u, v)):
            verdict = self.meter.solve(self.solver, assumed, BUDGET)
            if verdict is None:
                return None
            if verdict:
                model = self.solver.get_model()
                return np.array([model[1 + i] > 0 for i in range(self.miter.num_inputs)])
            self._lemma(*(-literal for literal in assumed))
        return None

    def _lemma(self, *literals: int) -> None:
        self._take_lines()
        self.lines.append(" ".join(map(str, (*literals, 0))))
        self.solver.add_clause(list(literals))

    def _take_lines(self) -> None:
        """What the solver has derived since the last time.

        Where an assumption fails it writes the empty clause, which only holds under that.
        """
        pysolvers.flushpr(self.solver.prfp)
        self.solver.prfile.seek(self._read)
        found: bytes = self.solver.prfile.read()
        self._read += len(found)
        self.lines += [line for line in found.decode().splitlines() if line.split() != ["0"]]

    def _finish(self) -> ProofLog:
        for i in range(len(self.outputs)):
            variable = self.miter.num_nodes + 1 + i
            verdict = self.meter.solve(self.solver, (variable,), 1 << 40)
            if verdict is None:
                raise GatewrightError("no log: the time is spent; allow more --seconds")
            if verdict:
                raise GatewrightError("no log: the circuits are not equal; prove shows an input")
            self._lemma(-variable)
        self.lines.append("0")
        num_variables = self.miter.num_nodes + len(self.outputs)
        head = f"p cnf {num_variables} {len(self.clauses)}"
        cnf = [head, *(" ".join(map(str, (*clause, 0))) for clause in self.clauses)]
        return ProofLog(
            "\n".join(cnf) + "\n", "\n".join(self.lines) + "\n",
            num_variables, len(self.clauses), sum(line[0] != "d" for line in self.lines),
        )  # fmt: skip


def _literal(output: int) -> int:
    """The solver's of a circuit's."""
    return -(1 + (output >> 1)) if output & 1 else 1 + (output >> 1)
