"""walk: small parts of the circuit wander among their circuits of as many gates or fewer.

A circuit of few inputs is one such part, walked with every row in sight (`gatewright.walking`): so
its don't-cares are all known. One of many inputs and few gates is walked whole too, on samples
(`passes.sampled`). Others are cut into windows of few leaves, anew each round, and each is walked
as a circuit of its own, on the rows that can occur on its leaves (`gatewright.reachable`). Two ways
of cutting take turns: cones, which are deep, and gates that read what is in the window already,
which are wide and cross between cones. Once windows find nothing more, what is left is walked
whole, if it is not too large.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np

from gatewright.circuit import FALSE, Builder, Circuit
from gatewright.passes.objectives import Deadline, Goal
from gatewright.passes.sampled import sampled
from gatewright.passes.sweep import sweep
from gatewright.reachable import reachable
from gatewright.walking import Costs, total_cost
from gatewright.walking import walk as walk_small

#: Gates of the circuits that are walked whole, of others once windows find nothing more in them,
#: and inputs of those whose rows can all be looked at.
WHOLE_GATES = 1_000
WHOLE_GATES_LATER = 5_000
WHOLE_INPUTS = 12

#: Leaves and gates of the windows of others.
MAX_LEAVES = 8
MAX_GATES = 100

#: Free sources of the gates that show what can occur on the leaves. 14 took longer for the same.
SOURCES = 12

#: Moves a round: of a whole circuit, and for each gate of a window.
WHOLE_MOVES = 1_000
MOVES_A_GATE = 20

#: Kicks that a round of a whole circuit begins with: one more after so many rounds in vain.
ROUNDS_A_KICK = 10
MOST_KICKS = 8

#: Rounds without a smaller circuit after which it ends.
WHOLE_PATIENCE = 60
PATIENCE = 20

#: What an AND and an XOR cost, by objective.
COSTS: dict[str, Costs] = {"gates": (1, 1), "and": (4, 1)}

Window = Sequence[int]


def walk(circuit: Circuit, goal: Goal) -> Circuit:
    """The circuit or a smaller one, one seed always the same given the time.

    What is to be small is gates, or ANDs; for other objectives it is left as it is. It ends after
    so many rounds in which it found nothing smaller: WHOLE_PATIENCE, and PATIENCE where it is cut
    into windows, times the goal's persistence.
    """
    costs = COSTS.get(goal.objective)
    if costs is None:
        return circuit
    rng, deadline = random.Random(goal.seed), Deadline(goal.seconds)
    if circuit.num_gates > WHOLE_GATES:
        circuit = _rounds(circuit, False, goal, costs, rng, deadline)
        if circuit.num_gates > WHOLE_GATES_LATER or deadline.left <= 0:
            return circuit
    if circuit.num_inputs > WHOLE_INPUTS:
        return sampled(circuit, goal, costs, rng, deadline)
    return _rounds(circuit, True, goal, costs, rng, deadline)


def _rounds(
    circuit: Circuit,
    is_whole: bool,
    goal: Goal,
    costs: Costs,
    rng: random.Random,
    deadline: Deadline,
) -> Circuit:
    """Round after round of one window that is all, or of windows anew, until it is in vain."""
    patience = goal.persistence * (WHOLE_PATIENCE if is_whole else PATIENCE)
    best = now = circuit
    since = round_ = 0
    while now.num_gates and since < patience and deadline.left > 0:
        if is_whole:
            windows: list[Window] = [range(now.first_gate, now.num_nodes)]
        else:
            windows = _cones(now, rng) if round_ % 2 else _neighbours(now, rng)
        kicks = 1 + min(MOST_KICKS - 1, since // ROUNDS_A_KICK) if is_whole else 1
        moves = WHOLE_MOVES if is_whole else 0
        after = _walked(now, windows, rng, deadline, kicks, moves, costs)
        since = 0 if total_cost(after.table, costs) < total_cost(now.table, costs) else since + 1
        now, round_ = after, round_ + 1
        best = goal.best(best, now)
    return best


def _walked(
    circuit: Circuit,
    windows: list[Window],
    rng: random.Random,
    deadline: Deadline,
    kicks: int,
    moves: int,
    costs: Costs,
) -> Circuit:
    """The circuit with its windows walked as long as there is time; they are in order."""
    fanin: list[list[int]] = circuit.fanin.tolist()
    table: list[int] = circuit.table.tolist()
    first = circuit.first_gate
    is_read = _read_outside(circuit, windows)
    builder = Builder(circuit.input_names, circuit.name)
    around = reachable(circuit)
    literal = [FALSE, *builder.inputs, *[FALSE] * circuit.num_gates]
    for window in windows:
        inside = set(window)
        operands = dict.fromkeys(node for gate in window for node in fanin[gate - first])
        leaves = [node for node in operands if node not in inside and node != FALSE]
        place = {FALSE: FALSE, **{leaf: 1 + i for i, leaf in enumerate(leaves)}}
        place |= {gate: 1 + len(leaves) + i for i, gate in enumerate(window)}
        roots = [gate for gate in window if is_read[gate]]
        part = (
            np.array([[place[node] for node in fanin[gate - first]] for gate in window], np.int32),
            np.array([table[gate - first] for gate in window], np.uint8),
            np.array([2 * place[root] for root in roots], np.int32),
        )
        seed = rng.getrandbits(63)
        if deadline.left > 0:
            made = walk_small(
                around.rows(leaves, SOURCES),
                *part,
                kicks=kicks,
                moves=moves or MOVES_A_GATE * len(window),
                seed=seed,
                costs=costs,
            )
            part = made if total_cost(made[1], costs) <= total_cost(part[1], costs) else part
        values = [FALSE, *(literal[leaf] for leaf in leaves)]
        pairs: list[list[int]] = part[0].tolist()
        for kind, (a, b) in zip(part[1].tolist(), pairs, strict=True):
            values.append(builder.gate(kind, values[a], values[b]))
        for root, output in zip(roots, part[2].tolist(), strict=True):
            literal[root] = values[output >> 1] ^ output & 1
    outputs: list[int] = circuit.outputs.tolist()
    for name, output in zip(circuit.output_names, outputs, strict=True):
        builder.output(name, literal[output >> 1] ^ output & 1)
    return sweep(builder.build())


def _read_outside(circuit: Circuit, windows: list[Window]) -> list[bool]:
    """For each node whether an output or a gate of another window reads it."""
    window_of = [-1] * circuit.num_nodes
    for n, window in enumerate(windows):
        for gate in window:
            window_of[gate] = n
    is_read = [False] * circuit.num_nodes
    for gate, operands in enumerate(circuit.fanin.tolist(), circuit.first_gate):
        for node in operands:
            is_read[node] |= window_of[node] != window_of[gate]
    for output in circuit.outputs.tolist():
        is_read[output >> 1] = True
    return is_read


def _cones(circuit: Circuit, rng: random.Random) -> list[Window]:
    """All gates, cone after cone as a walk from the outputs leaves them, cut by leaves."""
    first = circuit.first_gate
    fanin: list[list[int]] = circuit.fanin.tolist()
    roots: list[int] = [output >> 1 for output in circuit.outputs.tolist()]
    rng.shuffle(roots)
    is_done = [node < first for node in range(circuit.num_nodes)]
    windows: list[Window] = []
    window: list[int] = []
    known: set[int] = set()
    num_leaves = 0
    waiting = roots
    while waiting:
        gate = waiting[-1]
        if is_done[gate]:
            waiting.pop()
            continue
        operands = fanin[gate - first]
        missing = [node for node in operands if not is_done[node]]
        if missing:
            rng.shuffle(missing)
            waiting += missing
            continue
        waiting.pop()
        is_done[gate] = True
        fresh = {node for node in operands if node not in known}
        if num_leaves + len(fresh) > MAX_LEAVES or len(window) == MAX_GATES:
            windows.append(window)
            window, known, num_leaves, fresh = [], set[int](), 0, set(operands)
        window.append(gate)
        known |= fresh | {gate}
        num_leaves += len(fresh)
    return [*windows, window] if window else windows


def _neighbours(circuit: Circuit, rng: random.Random) -> list[Window]:
    """All gates; a window takes what reads two nodes of it, then what reads one, by chance."""
    first = circuit.first_gate
    fanin: list[list[int]] = circuit.fanin.tolist()
    readers: list[list[int]] = [[] for _ in range(circuit.num_nodes)]
    for gate, operands in enumerate(fanin, first):
        for node in operands:
            readers[node].append(gate)
    missing = [0] * first + [sum(node >= first for node in operands) for operands in fanin]
    is_done = [False] * circuit.num_nodes
    ready = [gate for gate in range(first, circuit.num_nodes) if not missing[gate]]
    windows: list[Window] = []
    while ready:
        start = _pop(ready, rng)
        if is_done[start]:
            continue
        window: list[int] = []
        known: set[int] = set()
        num_leaves = 0
        inner, outer = [start], list[int]()  # what adds no leaf, and what adds one
        while (inner or outer) and len(window) < MAX_GATES:
            gate = inner.pop() if inner else _pop(outer, rng)
            fresh = {node for node in fanin[gate - first] if node not in known}
            if is_done[gate] or num_leaves + len(fresh) > MAX_LEAVES:
                continue
            is_done[gate] = True
            window.append(gate)
            fresh_nodes = [*sorted(fresh), gate]
            known.update(fresh_nodes)
            num_leaves += len(fresh)
            for reader in readers[gate]:
                missing[reader] -= 1
                if not missing[reader]:
                    ready.append(reader)
            for node in fresh_nodes:
                for reader in readers[node]:
                    if not is_done[reader] and not missing[reader]:
                        is_inner = known.issuperset(fanin[reader - first])
                        (inner if is_inner else outer).append(reader)
        windows.append(window)
    return windows


def _pop(nodes: list[int], rng: random.Random) -> int:
    """One by chance."""
    n = rng.randrange(len(nodes))
    nodes[n], nodes[-1] = nodes[-1], nodes[n]
    return nodes.pop()
