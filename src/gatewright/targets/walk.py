"""Nodes of a file in an order in which they can be built; depth costs no Python stack."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from typing import NoReturn, TypeVar

Driver = TypeVar("Driver")


def operands_first(
    drivers: Mapping[int, Driver],
    operands: Callable[[int, Driver], Sequence[int]],
    known: Container[int],
    fail: Callable[[int, int, bool], NoReturn],
) -> Iterator[tuple[int, Driver]]:
    """Yield each node that is driven, with its driver, once all that it reads is known.

    The caller adds what it is given to `known` before it goes on. fail(node, operand, is_loop) is
    called where a node reads itself in the end, or what nothing drives.
    """
    for root in drivers:
        path = [root] if root not in known else []
        on_path = set(path)
        while path:
            own = path[-1]
            missing = next((x for x in operands(own, drivers[own]) if x not in known), None)
            if missing is None:
                yield own, drivers[own]
                on_path.discard(path.pop())
            elif missing in on_path or missing not in drivers:
                fail(own, missing, missing in on_path)
            else:
                path.append(missing)
                on_path.add(missing)
