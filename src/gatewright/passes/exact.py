"""exact: windows of a few gates, each replaced by the fewest that SAT finds for its functions.

A *window* is a set of gates through which no path leaves and comes back; its leaves are what it
reads from outside, its outputs what is read of it. Where none has a smaller form, one is given
another of the same size, from which the next may have one (Kulikov et al., SAT-based Circuit Local
Improvement, 2021). Leaf values that never occur are don't-cares where all inputs can be tried.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from gatewright.circuit import FALSE, Builder, Circuit, all_inputs
from gatewright.passes.exact_synthesis import OutOfConflicts, fewest, synthesize
from gatewright.passes.netlist import Netlist, evaluate, variables
from gatewright.passes.objectives import Deadline, Goal
from gatewright.passes.plan import Plan, Target
from gatewright.passes.sweep import sweep
from gatewright.window import Meter

#: Gates and leaves of a window at most.
MAX_GATES = 6
MAX_LEAVES = 7
#: Gates of the circuits that are worth it: each window costs a tenth of a second or so.
MOST_GATES = 1000
#: Inputs up to which leaf values that never occur are found by trying all rows.
MAX_INPUTS = 12
#: Conflicts that a window may cost.
CONFLICTS = 20_000


@dataclass(frozen=True)
class Window:
    """Gates of a circuit, as nodes, ascending; what they read, and those that others read."""

    gates: tuple[int, ...]
    leaves: tuple[int, ...]
    outputs: tuple[int, ...]


class Windows:
    """The windows of one circuit."""

    def __init__(self, circuit: Circuit) -> None:
        self.circuit = circuit
        self.netlist = Netlist(circuit)
        self.readers: list[list[int]] = [[] for _ in range(circuit.num_nodes)]
        for node, operands in enumerate(self.netlist.fanin, circuit.first_gate):
            for operand in operands:
                self.readers[operand].append(node)
        self._is_output = {output >> 1 for output in circuit.outputs.tolist()}
        self._values = None
        if circuit.num_inputs <= MAX_INPUTS:
            self._values = circuit.simulate_nodes(all_inputs(circuit.num_inputs))

    def window(self, gates: set[int]) -> Window:
        """The window of these gates."""
        first = self.netlist.first
        read = {o for gate in gates for o in self.netlist.fanin[gate - first]}
        outputs = [
            gate
            for gate in gates
            if gate in self._is_output or any(reader not in gates for reader in self.readers[gate])
        ]
        leaves = read - gates - {FALSE}
        return Window(tuple(sorted(gates)), tuple(sorted(leaves)), tuple(sorted(outputs)))

    def is_convex(self, gates: set[int]) -> bool:
        """Whether no path leaves the gates and comes back."""
        first, outside = self.netlist.first, set[int]()
        for node in range(min(gates) + 1, max(gates) + 1):
            a, b = self.netlist.fanin[node - first]
            if node in gates:
                if a in outside or b in outside:
                    return False
            elif a in gates or b in gates or a in outside or b in outside:
                outside.add(node)
        return True

    def grow(self, seed: int, rng: random.Random) -> Iterator[Window]:
        """Windows around a gate, each with a gate more, drawn from those that make few cross."""
        gates, first = {seed}, self.netlist.first
        while len(gates) < MAX_GATES:
            around = {o for gate in gates for o in self.netlist.fanin[gate - first] if o >= first}
            around |= {reader for gate in gates for reader in self.readers[gate]}
            possible: list[tuple[float, int]] = []
            for node in sorted(around - gates):
                if self.is_convex(gates | {node}):
                    window = self.window(gates | {node})
                    crossing = len(window.leaves) + len(window.outputs)
                    possible.append((crossing + 1.5 * rng.random(), node))
            if not possible:
                return
            gates.add(min(possible)[1])
            window = self.window(gates)
            if len(window.leaves) > MAX_LEAVES:
                return
            if len(gates) > 2:
                yield window

    def targets(self, window: Window, leaves: tuple[int, ...]) -> tuple[Target, ...]:
        """What the outputs must be, over the leaves in this order."""
        full = (1 << (1 << len(leaves))) - 1
        value = {FALSE: 0, **dict(zip(leaves, variables(len(leaves)), strict=True))}
        first = self.netlist.first
        for gate in window.gates:
            a, b = (value[operand] for operand in self.netlist.fanin[gate - first])
            value[gate] = evaluate(self.netlist.tables[gate - first], a, b, full)
        care = full if self._values is None else self._occurring(leaves)
        return tuple((value[o] & care, care & ~value[o]) for o in window.outputs)

    def _occurring(self, leaves: tuple[int, ...]) -> int:
        """The rows of leaf values that some input brings about, as bits."""
        assert self._values is not None
        num = 1 << self.circuit.num_inputs
        bits = np.unpackbits(self._values[list(leaves)].view(np.uint8), axis=1, bitorder="little")
        rows = (bits[:, :num].astype(np.int64) << np.arange(len(leaves))[:, None]).sum(axis=0)
        return sum(1 << row for row in np.unique(rows).tolist())

    def replaced(self, window: Window, leaves: tuple[int, ...], plan: Plan) -> Circuit:
        """The circuit with a plan over the leaves in place of the window."""
        circuit, netlist = self.circuit, self.netlist
        inside = set(window.gates)
        needed = set(leaves)  # by the window
        for node in range(max(window.gates), netlist.first - 1, -1):
            if node in needed:
                needed.update(netlist.fanin[node - netlist.first])
        builder = Builder(circuit.input_names, circuit.name)
        literal = dict(enumerate([FALSE, *builder.inputs]))

        def copy(node: int) -> None:
            a, b = netlist.fanin[node - netlist.first]
            literal[node] = builder.gate(
                netlist.tables[node - netlist.first], literal[a], literal[b]
            )

        nodes = range(netlist.first, circuit.num_nodes)
        for node in nodes:
            if node in needed:
                copy(node)
        made = plan.emit(builder, [literal[leaf] for leaf in leaves])
        literal.update(zip(window.outputs, made, strict=True))
        for node in nodes:
            if node not in needed and node not in inside:
                copy(node)
        outputs: list[int] = circuit.outputs.tolist()
        for name, output in zip(circuit.output_names, outputs, strict=True):
            builder.output(name, literal[output >> 1] ^ output & 1)
        return sweep(builder.build())


#: Windows that are given another form of the same size, without one leading to fewer gates.
PATIENCE = 30


def exact(circuit: Circuit, goal: Goal) -> Circuit:
    """The circuit with fewer gates where windows have a smaller form; one seed, one result.

    It ends when all windows of the circuit were tried and no other form of one led further, or
    when the goal's seconds are over.
    """
    if not 3 <= circuit.num_gates <= MOST_GATES:
        return circuit
    rng, deadline = random.Random(goal.seed), Deadline(goal.seconds)
    settled: set[tuple[Target, ...]] = set()
    best, current, moves = circuit, circuit, 0
    while deadline.left > 0 and moves < PATIENCE and current.num_gates > 2:
        found = smaller(current, rng, deadline, settled)
        if found is not None:
            current = found
        else:
            current = other(current, rng)
            moves += 1
        if current.num_gates < best.num_gates:
            best, moves = current, 0
    return goal.best(best, circuit)


def smaller(
    circuit: Circuit,
    rng: random.Random,
    deadline: Deadline,
    settled: set[tuple[Target, ...]],
) -> Circuit | None:
    """The circuit with one window in a smaller form, or None; windows in `settled` have none."""
    windows = Windows(circuit)
    for seed in _shuffled(range(circuit.first_gate, circuit.num_nodes), rng):
        if deadline.left <= 0:
            return None
        for window in windows.grow(seed, rng):
            targets = windows.targets(window, window.leaves)
            if targets in settled:
                continue
            try:
                meter = Meter(float("inf"), CONFLICTS)
                plan = fewest(targets, len(window.leaves), len(window.gates), meter)
            except OutOfConflicts:
                plan = None
            if plan is not None:
                return windows.replaced(window, window.leaves, plan)
            settled.add(targets)
    return None


def other(circuit: Circuit, rng: random.Random) -> Circuit:
    """The circuit with one window in another form of the same size, if one is found at once."""
    windows = Windows(circuit)
    grown = list(windows.grow(rng.randrange(circuit.first_gate, circuit.num_nodes), rng))
    if not grown:
        return circuit
    window = rng.choice(grown)
    leaves = tuple(_shuffled(window.leaves, rng))
    try:
        meter = Meter(float("inf"), CONFLICTS)
        plan = synthesize(windows.targets(window, leaves), len(leaves), len(window.gates), meter)
    except OutOfConflicts:
        plan = None
    return circuit if plan is None else windows.replaced(window, leaves, plan)


def _shuffled(values: Iterable[int], rng: random.Random) -> list[int]:
    shuffled = list(values)
    rng.shuffle(shuffled)
    return shuffled
