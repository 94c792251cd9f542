"""A checker of DRAT logs whose lines are RUP: slow, small, and of its own."""

from __future__ import annotations


def refutes(cnf: str, drat: str) -> bool:
    """Whether each line follows by unit propagation from those before, and the last is empty."""
    clauses: list[tuple[int, ...]] = []
    watches: dict[int, list[int]] = {}
    units: list[int] = []
    is_empty: list[bool] = []

    def add(literals: tuple[int, ...]) -> None:
        is_empty.append(not literals)
        if len(literals) < 2:
            units.extend(literals)
        for literal in literals[:2]:
            watches.setdefault(literal, []).append(len(clauses))
        clauses.append(literals)

    def conflicts(assumed: list[int]) -> bool:
        if any(is_empty):
            return True
        is_true: set[int] = set()
        waiting = [*units, *assumed]
        while waiting:
            literal = waiting.pop()
            if -literal in is_true:
                return True
            if literal in is_true:
                continue
            is_true.add(literal)
            for index in list(watches.get(-literal, [])):
                clause = clauses[index]
                if len(clause) < 2:
                    continue
                if any(other in is_true for other in clause):
                    continue
                free = [other for other in clause if -other not in is_true]
                if not free:
                    return True
                if len(free) == 1:
                    waiting.append(free[0])
                    continue
                watches[-literal].remove(index)
                first, second = free[:2]
                rest = [other for other in clause if other not in (first, second)]
                for old in clause[:2]:
                    if index in watches.get(old, []):
                        watches[old].remove(index)
                clauses[index] = (first, second, *rest)
                for new in (first, second):
                    watches.setdefault(new, []).append(index)
        return False

    lines = cnf.splitlines()
    for line in lines[1:]:
        add(tuple(int(word) for word in line.split()[:-1]))
    for line in drat.splitlines():
        if line.startswith("d"):  # to keep what was deleted does no harm
            continue
        literals = tuple(int(word) for word in line.split()[:-1])
        if not conflicts([-literal for literal in literals]):
            return False
        if not literals:
            return True
        add(literals)
    return False
