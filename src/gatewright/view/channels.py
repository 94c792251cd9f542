"""Wires between two columns of a schematic: which runs on which upright track.

In a channel a wire comes from one height on the left and goes to one or more on the right: level to
its track, along that, and level to each of its ends. No two wires may lie on one another. So on a
track they keep apart; and where one goes off to the right at the height at which another comes from
the left, the track of the second must be the further left. Where such demands run in a circle, a
wire is split and changes its height on the way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

#: What no number of crossings outweighs.
FORBIDDEN = 1_000_000
PASSES = 4


@dataclass(frozen=True)
class Wire:
    """A wire, or the first or the second half of a split one, in a channel.

    Attributes:
        node: whose wire it is.
        left: the height at which it comes.
        rights: the heights to which it goes.
        track: counted from the left; -1 where it is straight and needs none.
        half: 0 for a whole wire, 1 for the half that comes from the left, 2 for the one that goes
            on, from half 1's track, to the right.
    """

    node: int
    left: int
    rights: tuple[int, ...]
    track: int = -1
    half: int = 0

    @property
    def top(self) -> int:
        return min(self.left, *self.rights)

    @property
    def bottom(self) -> int:
        return max(self.left, *self.rights)


def route(wires: Sequence[Wire], grid: int) -> list[Wire]:
    """Give each wire that bends a track, splitting some; few crossings and few tracks.

    Heights are multiples of `grid`; a split wire changes track at an odd multiple of grid / 2.
    """
    straight = [wire for wire in wires if wire.top == wire.bottom]
    bent = [wire for wire in wires if wire.top != wire.bottom]
    return straight + _pack(_sift(_acyclic(bent, grid)))


def _must_precede(a: Wire, b: Wire) -> bool:
    """Whether a has to turn off before b comes in, or is the half that b goes on from."""
    if a.node == b.node:
        return a.half == 1 and b.half == 2
    return a.half != 2 and b.half != 1 and a.left in b.rights


def _acyclic(wires: list[Wire], grid: int) -> list[Wire]:
    """An order of the wires, some of them split, that respects what must precede what."""
    left, ordered = list(wires), list[Wire]()
    used = set[int]()
    while left:
        free = [w for w in left if not any(_must_precede(o, w) for o in left if o is not w)]
        if free:
            ordered += free
            left = [wire for wire in left if wire not in free]
            continue
        whole = [wire for wire in left if not wire.half]
        wire = min(whole, key=lambda w: (w.bottom - w.top, w.node))
        at = _free_height(wire, used, grid)
        used.add(at)
        left.remove(wire)
        left.append(replace(wire, rights=(at,), half=1))
        left.append(replace(wire, left=at, half=2))
    return ordered


def _free_height(wire: Wire, used: set[int], grid: int) -> int:
    """The free odd multiple of grid / 2 nearest to the middle of the wire."""
    middle = (wire.top + wire.bottom) // 2 // grid * grid + grid // 2
    away = 0
    while True:
        for at in (middle + away, middle - away):
            if at not in used:
                return at
        away += grid


def _sift(wires: list[Wire]) -> list[Wire]:
    """Move each wire to the place in the order where it has the fewest crossings."""
    n = len(wires)
    cost = [[_crossings(a, b) for b in wires] for a in wires]  # cost[a][b]: a is left of b
    order = list(range(n))
    for _ in range(PASSES):
        before = list(order)
        for wire in range(n):
            others = [other for other in order if other != wire]
            running = sum(cost[wire][other] for other in others)
            at = order.index(wire)
            best, place = None, at
            for i in range(n):
                if best is None or running < best or (running == best and i == at):
                    best, place = running, i
                if i < n - 1:
                    running += cost[others[i]][wire] - cost[wire][others[i]]
            order = [*others[:place], wire, *others[place:]]
        if order == before:
            break
    return [wires[i] for i in order]


def _crossings(a: Wire, b: Wire) -> int:
    """Crossings of the two where a's track is left of b's."""
    if _must_precede(b, a):
        return FORBIDDEN
    goes_on = sum(b.top < y < b.bottom for y in a.rights if a.half != 1)
    comes_in = b.half != 2 and a.top < b.left < a.bottom
    return goes_on + comes_in


def _pack(wires: list[Wire]) -> list[Wire]:
    """Tracks for wires in their order from left to right: the first one where nothing is near."""
    packed: list[Wire] = []
    for wire in wires:
        near = [o.track for o in packed if o.top <= wire.bottom and wire.top <= o.bottom]
        follows = [o.track for o in packed if o.node == wire.node]
        packed.append(replace(wire, track=1 + max(near + follows, default=-1)))
    return packed
