"""ands: fewer ANDs, at whatever cost in XORs, which are free in cryptography.

Cuts of up to four leaves are rebuilt with the fewest ANDs that their function can have (its
*multiplicative complexity*: Boyar, Peralta and Pochuev, 2000), where these are two at most: every
function of three variables, and most that occur of four. A function of m ANDs is a sum of the
variables, of 1 and of the products, and each factor of a product is such a sum of what comes before
it; so all with one product and with two are written out once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, reduce

import numpy as np
import numpy.typing as npt

from gatewright import gates
from gatewright.circuit import FALSE, TRUE, Builder, Circuit
from gatewright.passes.sweep import sweep

MAX_LEAVES = 4
#: Cuts kept of each node, those of fewest leaves.
MAX_CUTS = 8
#: Rounds of replacements at most; a round without one is the last.
MAX_ROUNDS = 20

FULL = (1 << (1 << MAX_LEAVES)) - 1
VARIABLES = tuple(
    sum(1 << row for row in range(1 << MAX_LEAVES) if row >> i & 1) for i in range(MAX_LEAVES)
)

Cut = tuple[int, ...]


def ands(circuit: Circuit) -> Circuit:
    """The same function with as many ANDs or fewer; the circuit itself where there are no fewer."""
    best = circuit
    for _ in range(MAX_ROUNDS):
        after = _round(best)
        if after.stats().ands >= best.stats().ands:
            return best
        best = after
    return best


@dataclass(frozen=True)
class Sum:
    """A sum of terms: bit 0 is 1, bits 1 to 4 the variables, bits 5 and 6 the products."""

    terms: int

    def emit(self, builder: Builder, literals: list[int]) -> int:
        """Its literal, of the literals of the terms."""
        chosen = [literal for i, literal in enumerate(literals) if self.terms >> i & 1]
        return reduce(builder.lxor, chosen, FALSE)


@dataclass(frozen=True)
class Recipe:
    """A function as products of two sums each, and the sum that it is."""

    products: tuple[tuple[Sum, Sum], ...]
    total: Sum

    def emit(self, builder: Builder, leaves: list[int]) -> int:
        """Add the gates over the literals of four leaves; the literal of the function."""
        literals = [TRUE, *leaves]
        for left, right in self.products:
            literals.append(
                builder.land(left.emit(builder, literals), right.emit(builder, literals))
            )
        return self.total.emit(builder, literals)


@cache
def recipes() -> dict[int, Recipe]:
    """Truth table -> the recipe of fewest products, then of fewest terms, up to two products."""
    found: dict[int, Recipe] = {}
    terms = [FULL, *VARIABLES]
    for number, table in enumerate(_sums(terms)):
        found.setdefault(int(table), Recipe((), Sum(number)))
    firsts: dict[int, tuple[tuple[Sum, Sum], ...]] = {}  # by table up to a sum of variables
    for product, table in _products(terms):
        if table not in found:
            firsts[table] = (product,)
            _add_all(found, terms, (product,), table)
    for table, products in firsts.items():
        for product, second in _products([*terms, table]):
            if second not in found:
                _add_all(found, [*terms, table], (*products, product), second)
    return found


def _sums(terms: list[int]) -> npt.NDArray[np.int64]:
    """Truth tables of all sums of the terms, by the number whose bits are the terms in them."""
    tables = np.zeros(1, np.int64)
    for term in terms:
        tables = np.concatenate([tables, tables ^ term])
    return tables


def _products(terms: list[int]) -> list[tuple[tuple[Sum, Sum], int]]:
    """Products of two sums of the terms, those of few terms first, one for each table."""
    tables = _sums(terms)
    order = sorted(range(len(tables)), key=int.bit_count)
    known: dict[int, tuple[Sum, Sum]] = {}
    for i, left in enumerate(order):
        values = tables[left] & tables[order[i + 1 :]]
        for right, table in zip(order[i + 1 :], values.tolist(), strict=True):
            known.setdefault(table, (Sum(left), Sum(right)))
    return [(product, table) for table, product in known.items()]


def _add_all(
    found: dict[int, Recipe], terms: list[int], products: tuple[tuple[Sum, Sum], ...], table: int
) -> None:
    """Add the last product plus every sum of the terms."""
    last = 1 << len(terms)
    for number, rest in enumerate(_sums(terms).tolist()):
        found.setdefault(rest ^ table, Recipe(products, Sum(number | last)))


def _round(circuit: Circuit) -> Circuit:
    """Replace cones that do not overlap, from the outputs down, each where that saves ANDs."""
    first = circuit.first_gate
    fanin: list[list[int]] = circuit.fanin.tolist()
    tables: list[int] = circuit.table.tolist()
    num_fanouts: list[int] = circuit.num_fanouts.tolist()
    cuts = _cuts(circuit)
    chosen: dict[int, tuple[Cut, Recipe]] = {}
    is_taken = [False] * circuit.num_nodes
    for node in range(circuit.num_nodes - 1, first - 1, -1):
        if is_taken[node]:
            continue
        best = 0
        for cut in cuts[node]:
            inside = _cone(node, cut, fanin, first)
            own = _only_below(node, inside, fanin, num_fanouts, first)
            num_ands = sum(gates.is_nonlinear(tables[v - first]) for v in own)
            if num_ands <= best or any(is_taken[v] for v in own):
                continue
            recipe = recipes().get(_table(node, cut, inside, fanin, tables, first))
            if recipe is not None and num_ands - len(recipe.products) > best:
                best = num_ands - len(recipe.products)
                chosen[node] = cut, recipe
        if best:
            cut = chosen[node][0]
            inside = _cone(node, cut, fanin, first)
            for v in _only_below(node, inside, fanin, num_fanouts, first):
                is_taken[v] = True

    builder = Builder(circuit.input_names, circuit.name)
    literal = [FALSE, *builder.inputs]
    for node, (table, (a, b)) in enumerate(zip(tables, fanin, strict=True), first):
        if node in chosen:
            cut, recipe = chosen[node]
            leaves = [literal[leaf] for leaf in cut] + [FALSE] * (MAX_LEAVES - len(cut))
            literal.append(recipe.emit(builder, leaves))
        else:
            literal.append(builder.gate(table, literal[a], literal[b]))
    outputs: list[int] = circuit.outputs.tolist()
    for name, output in zip(circuit.output_names, outputs, strict=True):
        builder.output(name, literal[output >> 1] ^ output & 1)
    return sweep(builder.build())


def _cuts(circuit: Circuit) -> list[list[Cut]]:
    """Of each node, sets of up to four nodes that cut it from the inputs; never the node itself."""
    with_itself: list[list[Cut]] = [[()], *([(1 + i,)] for i in range(circuit.num_inputs))]
    cuts: list[list[Cut]] = [[] for _ in with_itself]
    pairs: list[tuple[int, int]] = circuit.fanin.tolist()
    for node, (a, b) in enumerate(pairs, circuit.first_gate):
        unions = {tuple(sorted({*x, *y})) for x in with_itself[a] for y in with_itself[b]}
        small = sorted((cut for cut in unions if len(cut) <= MAX_LEAVES), key=lambda c: (len(c), c))
        cuts.append(small[:MAX_CUTS])
        with_itself.append([(node,), *cuts[-1]])
    return cuts


def _cone(node: int, cut: Cut, fanin: list[list[int]], first: int) -> list[int]:
    """The gates between a cut and a node, itself included, readers before what they read."""
    inside, waiting = {node}, [node]
    while waiting:
        for operand in fanin[waiting.pop() - first]:
            if operand >= first and operand not in cut and operand not in inside:
                inside.add(operand)
                waiting.append(operand)
    return sorted(inside, reverse=True)


def _only_below(
    node: int, inside: list[int], fanin: list[list[int]], num_fanouts: list[int], first: int
) -> list[int]:
    """Those gates of a cone that nothing outside it reads, but for the node: its MFFC there."""
    reads: dict[int, int] = {}
    own: list[int] = []
    for v in inside:
        if v == node or reads.get(v, 0) == num_fanouts[v]:
            own.append(v)
            for operand in fanin[v - first]:
                reads[operand] = reads.get(operand, 0) + 1
    return own


def _table(
    node: int, cut: Cut, inside: list[int], fanin: list[list[int]], tables: list[int], first: int
) -> int:
    """Truth table of a node over the leaves of its cut."""
    value = {FALSE: 0, **dict(zip(cut, VARIABLES, strict=False))}
    for v in reversed(inside):
        a, b = (value[operand] for operand in fanin[v - first])
        value[v] = _evaluate(tables[v - first], a, b)
    return value[node]


def _evaluate(table: int, a: int, b: int) -> int:
    """A gate on truth tables that are integers."""
    not_a, not_b = a ^ FULL, b ^ FULL
    rows = (not_a & not_b, a & not_b, not_a & b, a & b)
    return reduce(int.__or__, (rows[m] for m in range(4) if table >> m & 1), 0)
