"""Why gates went: what a pass removed, in plain words."""

from __future__ import annotations

from gatewright.circuit import FALSE, Builder, Circuit

#: What each reason means, for people.
WORDS = {
    "constants": "always 0 or always 1",
    "wires": "copies or inverters of one operand",
    "duplicates": "a gate of the same kind on the same operands is there",
    "unread": "no output needs them",
    "equivalences": "proved equal to another gate, or constant",
    "rebuilt": "another structure computes the same in fewer",
}

#: The one reason of passes that have one.
ONLY = {"sweep": "unread", "fraig": "equivalences"}


def reasons(name: str, before: Circuit, after: Circuit) -> dict[str, int]:
    """Reason -> gates that a pass removed for it; below 0 where it has more (it aims elsewhere).

    `fraig` folds what its merging makes foldable, and sweeps: all that counts as equivalences.
    """
    if name == "strash":
        return {reason: count for reason, count in _folded(before).items() if count}
    removed = before.num_gates - after.num_gates
    return {ONLY.get(name, "rebuilt"): removed} if removed else {}


def _folded(circuit: Circuit) -> dict[str, int]:
    """What `Builder` makes of each gate that it does not add."""
    count: dict[str, int] = {"constants": 0, "wires": 0, "duplicates": 0}
    builder = Builder(circuit.input_names)
    literal = [FALSE, *builder.inputs]
    pairs: list[list[int]] = circuit.fanin.tolist()
    for table, (a, b) in zip(circuit.table.tolist(), pairs, strict=True):
        before = builder.num_gates
        made = builder.gate(table, literal[a], literal[b])
        literal.append(made)
        if builder.num_gates == before:
            if made >> 1 == FALSE:
                count["constants"] += 1
            elif made >> 1 in (literal[a] >> 1, literal[b] >> 1):
                count["wires"] += 1
            else:
                count["duplicates"] += 1
    return count
