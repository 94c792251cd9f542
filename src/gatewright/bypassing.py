"""Chains of gates bypassed, for fewer levels: in the native core, else in Python.

A *chain* is a gate, the deeper of its operands, the deeper one of that, and so on; each is a link,
side AND path, side OR path, or side XOR path. What the top computes of the path p below the first
links is f(p), of the sides of these links and p. With f held at p = 0 or 1 it is

    f(0) OR (p AND the sides of the ANDs)     where no link is an XOR,
    f(1) AND (p OR the sides of the ORs)      likewise,
    f(0) XOR (p AND the sides of the ANDs AND the complements of those of the ORs),

so p, which comes last, goes through few gates, and f(0) and f(1) are chains held at a value, which
are split in the same way. All splits of all chains are measured, the operands of every gate before
the gate; then each that is needed is made with the shortest prefix that is in time.

Source: Held and Spirkl, "Fast prefix adders for non-uniform input arrival times", Algorithmica 77,
2017, of the first two splits. `_Bypass` is the specification; the native one makes the same gates.
`GATEWRIGHT_NATIVE=0` in the environment chooses Python.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heapify, heappop, heappush

import numpy as np
import numpy.typing as npt

from gatewright import gates, native
from gatewright.circuit import Arrays

#: Gates of a chain at most.
LONGEST = 4096

#: Levels so far below the highest side of a chain count as if they were there.
CLIP = 40

#: A table as AND(a ^ the first, b ^ the second) ^ the third.
INVERSIONS = {0x2: (0, 1, 0), 0x4: (1, 0, 0), gates.AND: (0, 0, 0), gates.OR: (1, 1, 1)}

KINDS = (gates.AND, gates.OR, gates.XOR)

#: In place of a level: what is constant.
FALSE, TRUE = -1, -2


def bypass(
    num_inputs: int,
    fanin: npt.NDArray[np.int32],
    table: npt.NDArray[np.uint8],
    outputs: npt.NDArray[np.int32],
    *,
    longest: int,
) -> Arrays:
    """An equal circuit of as many levels or fewer, by splits of chains of up to so many gates.

    Gates are of the kinds that `Builder` makes. Those made are not shared where they are alike, and
    some may fold. ValueError where the arrays are no such circuit, or `longest` is not from 1 to
    LONGEST.
    """
    module = native.load()
    if module is not None:
        return module.bypass(num_inputs, fanin, table, outputs, longest)
    return bypass_python(num_inputs, fanin, table, outputs, longest=longest)


def bypass_python(
    num_inputs: int,
    fanin: npt.NDArray[np.int32],
    table: npt.NDArray[np.uint8],
    outputs: npt.NDArray[np.int32],
    *,
    longest: int,
) -> Arrays:
    """`bypass` in Python."""
    native.simulate_numpy(num_inputs, fanin, table, outputs, np.empty((num_inputs, 0), np.uint64))
    for gate, kind in enumerate(table.tolist()):
        if kind not in (*INVERSIONS, gates.XOR):
            raise ValueError(f"gate {gate} has table {kind}, which is not one that Builder makes")
    if not 1 <= longest <= LONGEST:
        raise ValueError(f"longest is {longest}, not from 1 to {LONGEST}")
    found = _Bypass(num_inputs, fanin.tolist(), table.tolist(), outputs.tolist(), longest)
    return (
        np.array(found.made_fanin, np.int32).reshape(-1, 2),
        np.array(found.made_table, np.uint8),
        np.array(found.made_outputs, np.int32),
    )


@dataclass(frozen=True)
class _Link:
    """A gate of a chain, seen from the top: kind(side, path), both literals."""

    kind: int
    side: int
    path: int


@dataclass
class _Held:
    """A chain whose path is held at a value.

    Attributes:
        level: or which constant it is.
        same: length and value of the shortest chain from the same gate that gives the same.
        required: the level at which it must be there; None: it is not needed.
        literal: once it is made.
    """

    level: int
    same: tuple[int, int]
    required: int | None = None
    literal: int = 0


@dataclass(frozen=True)
class _Plan:
    """How a gate (length 0), or a chain from it held at a value, is made.

    Attributes:
        split: links of the prefix.
        pairs: of a tree of gates over the sides in it and, the last leaf, what is below.
    """

    node: int
    length: int
    value: int
    split: int
    kind: int
    pairs: tuple[tuple[int, int], ...]


class _Chain:
    """The chain from a gate, and sums over its first links."""

    def __init__(self, links: list[_Link], level: list[int]) -> None:
        self.links = links
        self._level = level
        self._base = max(level[link.side >> 1] for link in links) - CLIP
        self._sums = {kind: [0] for kind in KINDS}
        self.has_xor = [False]
        for link in links:
            side = self.weight(level[link.side >> 1])
            for kind, sums in self._sums.items():
                is_leaf = link.kind == kind or kind == gates.XOR
                sums.append(sums[-1] + side * (is_leaf and link.kind != gates.XOR))
            self.has_xor.append(self.has_xor[-1] or link.kind == gates.XOR)

    def weight(self, level: int) -> int:
        return 1 << max(0, level - self._base)

    def of_tree(self, split: int, kind: int, path: int) -> int:
        """The least level of a tree of gates of one kind: its leaves' weights add up."""
        total = self._sums[kind][split]
        return self._base + (total + self.weight(path) - 1).bit_length() if total else path

    def leaves(self, split: int, kind: int) -> list[int]:
        """The sides among the first links that the tree reads."""
        links = [link for link in self.links[:split] if link.kind != gates.XOR]
        if kind == gates.XOR:
            return [link.side ^ (link.kind == gates.OR) for link in links]
        return [link.side for link in links if link.kind == kind]

    def prefix_value(self, split: int, kind: int) -> int:
        """What the node below the first links is held at: for the path to be 0, or 1."""
        return self.links[split - 1].path & 1 ^ (kind == gates.OR)


class _Bypass:
    """Levels of all splits first, then what is needed from the outputs down, then the gates."""

    def __init__(
        self,
        num_inputs: int,
        fanin: list[list[int]],
        table: list[int],
        outputs: list[int],
        longest: int,
    ) -> None:
        self.first, self.longest = 1 + num_inputs, longest
        self.fanin, self.table = fanin, table
        end = self.first + len(table)
        self.level = [0] * end
        self.critical = [0] * end
        self.length = [0] * end
        self.held: list[dict[tuple[int, int], _Held]] = [{} for _ in range(end)]
        for node in range(self.first, end):
            self.measure(node)
        self.required: list[int | None] = [None] * end
        self.plans: list[_Plan] = []
        depth = max((self.level[output >> 1] for output in outputs), default=0)
        for output in outputs:
            self.require(output >> 1, depth)
        for node in range(end - 1, self.first - 1, -1):
            self.decide_all(node)
        self.made_fanin: list[tuple[int, int]] = []
        self.made_table: list[int] = []
        self.literal = [2 * node for node in range(end)]
        for plan in reversed(self.plans):
            self.make(plan)
        self.made_outputs = [self.literal[output >> 1] ^ output & 1 for output in outputs]

    def link(self, literal: int) -> _Link:
        node, inverted = literal >> 1, literal & 1
        path, side = self.fanin[node - self.first]
        table = self.table[node - self.first]
        is_first = path == self.critical[node]
        if not is_first:
            path, side = side, path
        if table == gates.XOR:
            return _Link(table, 2 * side + inverted, 2 * path)
        path_inverted, side_inverted, is_or = INVERSIONS[table]
        if not is_first:
            path_inverted, side_inverted = side_inverted, path_inverted
        is_or ^= inverted
        kind = gates.OR if is_or else gates.AND
        return _Link(kind, 2 * side + (side_inverted ^ is_or), 2 * path + (path_inverted ^ is_or))

    def chain(self, node: int) -> _Chain:
        """The chain from a gate down its critical operands."""
        links: list[_Link] = []
        path = 2 * node
        for _ in range(self.length[node]):
            links.append(self.link(path))
            path = links[-1].path
        return _Chain(links, self.level)

    def measure(self, node: int) -> None:
        operands = self.fanin[node - self.first]
        deeper = max(operands, key=lambda n: (self.level[n], self.length[n], n))
        self.critical[node] = deeper
        self.length[node] = min(self.longest, self.length[deeper] + 1)
        chain = self.chain(node)
        for length in range(1, self.length[node] + 1):
            for value in (0, 1):
                self.held[node][length, value] = self.hold(node, chain, length, value)
        self.level[node] = min(level for level, _, _ in self.splits(node, chain, 0, 0))

    def hold(self, node: int, chain: _Chain, length: int, value: int) -> _Held:
        if length == 1:
            link = chain.links[0]
            path = value ^ link.path & 1
            if link.kind == gates.AND and not path:
                return _Held(FALSE, (1, value))
            if link.kind == gates.OR and path:
                return _Held(TRUE, (1, value))
            return _Held(self.level[link.side >> 1], (1, value))
        rest = self.held[self.critical[node]][length - 1, value]
        if rest.level < 0 or rest.same != (length - 1, value):
            shorter, at = rest.same
            same = (1, int(rest.level == TRUE)) if rest.level < 0 else (shorter + 1, at)
            return _Held(self.held[node][same].level, same)
        least = min(level for level, _, _ in self.splits(node, chain, length, value))
        return _Held(least, (length, value))

    def below(self, chain: _Chain, split: int, length: int, value: int) -> int:
        """The level of what is below the first links: all, or the rest of a chain held."""
        node = chain.links[split - 1].path >> 1
        return self.held[node][length - split, value].level if length else self.level[node]

    def splits(
        self, node: int, chain: _Chain, length: int, value: int
    ) -> list[tuple[int, int, int]]:
        """(level, links of the prefix, kind) of all ways to make a gate or a chain held."""
        found: list[tuple[int, int, int]] = []
        for split in range(1, length or len(chain.links) + 1):
            path = self.below(chain, split, length, value)
            for kind in (gates.XOR,) if chain.has_xor[split] else (gates.AND, gates.OR):
                level = chain.of_tree(split, kind, path)
                prefix = self.held[node][split, chain.prefix_value(split, kind)].level
                found.append((level if prefix < 0 else 1 + max(prefix, level), split, kind))
        return found

    def require(self, node: int, level: int) -> None:
        before = self.required[node]
        self.required[node] = level if before is None else min(before, level)

    def require_held(self, node: int, length: int, value: int, level: int) -> None:
        held = self.held[node][self.held[node][length, value].same]
        held.required = level if held.required is None else min(held.required, level)

    def decide_all(self, node: int) -> None:
        chain = self.chain(node)
        required = self.required[node]
        if required is not None:
            self.decide(node, chain, 0, 0, required)
        for length in range(self.length[node], 0, -1):
            for value in (0, 1):
                required = self.held[node][length, value].required
                if required is not None:
                    self.decide(node, chain, length, value, required)

    def decide(self, node: int, chain: _Chain, length: int, value: int, required: int) -> None:
        """Plan it with the shortest prefix that is in time."""
        if length == 1:
            self.require(chain.links[0].side >> 1, required)
            self.plans.append(_Plan(node, 1, value, 0, gates.AND, ()))
            return
        splits = self.splits(node, chain, length, value)
        _, split, kind = next(one for one in splits if one[0] <= required)
        leaves = chain.leaves(split, kind)
        levels = [self.level[leaf >> 1] for leaf in leaves]
        pairs = _pairs([*levels, self.below(chain, split, length, value)])
        prefix = chain.prefix_value(split, kind)
        has_prefix = self.held[node][split, prefix].level >= 0
        in_time = [0] * (len(leaves) + 1 + len(pairs))
        in_time[-1] = required - has_prefix
        for n in range(len(pairs) - 1, -1, -1):
            for one in pairs[n]:
                in_time[one] = in_time[len(leaves) + 1 + n] - 1
        for leaf, level in zip(leaves, in_time, strict=False):
            self.require(leaf >> 1, level)
        rest = chain.links[split - 1].path >> 1
        if length:
            self.require_held(rest, length - split, value, in_time[len(leaves)])
        else:
            self.require(rest, in_time[len(leaves)])
        if has_prefix:
            self.require_held(node, split, prefix, required - 1)
        self.plans.append(_Plan(node, length, value, split, kind, pairs))

    def make(self, plan: _Plan) -> None:
        node, chain = plan.node, self.chain(plan.node)
        if plan.length == 1:
            link = chain.links[0]
            held = self.held[node][1, plan.value]
            held.literal = self.made(link.side) ^ (plan.value if link.kind == gates.XOR else 0)
            return
        path = chain.links[plan.split - 1].path
        rest = self.made(path & ~1)
        if plan.length:
            rest = self.made_held(path >> 1, plan.length - plan.split, plan.value)
        tree = [self.made(leaf) for leaf in chain.leaves(plan.split, plan.kind)]
        tree.append(rest ^ path & 1)
        inner, outer = {
            gates.AND: (gates.AND, gates.OR),
            gates.OR: (gates.OR, gates.AND),
            gates.XOR: (gates.AND, gates.XOR),
        }[plan.kind]
        for a, b in plan.pairs:
            tree.append(self.gate(inner, tree[a], tree[b]))
        literal = tree[-1]
        prefix = chain.prefix_value(plan.split, plan.kind)
        if self.held[node][plan.split, prefix].level >= 0:
            literal = self.gate(outer, self.made_held(node, plan.split, prefix), literal)
        if plan.length:
            self.held[node][plan.length, plan.value].literal = literal
        else:
            self.literal[node] = literal

    def made(self, literal: int) -> int:
        return self.literal[literal >> 1] ^ literal & 1

    def made_held(self, node: int, length: int, value: int) -> int:
        return self.held[node][self.held[node][length, value].same].literal

    def gate(self, table: int, a: int, b: int) -> int:
        """A gate over two literals."""
        if a & 1:
            table = gates.invert_input(table, 0)
        if b & 1:
            table = gates.invert_input(table, 1)
        self.made_fanin.append((a >> 1, b >> 1))
        self.made_table.append(table)
        return 2 * (self.first + len(self.made_table) - 1)


def _pairs(levels: list[int]) -> tuple[tuple[int, int], ...]:
    """The tree of least level over leaves of these: always the two lowest."""
    queue = [(level, n) for n, level in enumerate(levels)]
    heapify(queue)
    pairs: list[tuple[int, int]] = []
    while len(queue) > 1:
        (a_level, a), (b_level, b) = heappop(queue), heappop(queue)
        heappush(queue, (1 + max(a_level, b_level), len(levels) + len(pairs)))
        pairs.append((a, b))
    return tuple(pairs)
