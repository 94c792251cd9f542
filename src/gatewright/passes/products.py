"""products: fewer ANDs where XORs are free, by linear algebra over GF(2).

There an AND is a product of two sums of *atoms*: 1, the inputs, and the ANDs before it. Two things
show in the sums, without a truth table and however far apart the gates are:

- Products may be sums of one another, as s(a + c) is of s(a + b) and s(b + c): then the last goes.
- Products may be read together, all by whatever reads one of them: then their sum is all that is
  needed, a quadratic form, which takes half as many products as it has rank (Dickson, 1901):
  ab + bc + ca is (a + c)(b + c) + c.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import reduce

from gatewright import gates
from gatewright.circuit import FALSE, TRUE, Builder, Circuit
from gatewright.passes.sweep import sweep
from gatewright.verify import Undecided, prove

#: A sum of atoms, each the node that it is; node 0 stands for 1.
Sum = frozenset[int]
#: A sum of products of two atoms, the lesser first.
Pairs = frozenset[tuple[int, int]]

NOTHING: Sum = frozenset()
ONE: Sum = frozenset({FALSE})

#: A longer sum is an atom of its own. More tell more: what the second finds on top is taken where
#: a proof of so many conflicts shows it equal. That of few terms is soon proved.
MAX_TERMS = (12, 24)
CONFLICTS = 10_000


def products(circuit: Circuit) -> Circuit:
    """The same function with as many ANDs or fewer; the circuit itself where there are no fewer."""
    few, many = MAX_TERMS
    best = _fewer(circuit, few)
    after = _fewer(best, many)
    try:
        prove(best, after, conflicts=CONFLICTS)
    except Undecided:
        return best
    return after


def _fewer(circuit: Circuit, max_terms: int) -> Circuit:
    """What both steps leave, over and over while there are fewer ANDs."""
    best = circuit
    while True:
        after = _together(_independent(best, max_terms), max_terms)
        if after.stats().ands >= best.stats().ands:
            return best
        best = after


@dataclass(frozen=True)
class _Product:
    """What a nonlinear gate computes: left * right + rest."""

    left: Sum
    right: Sum
    rest: Sum

    @staticmethod
    def of(table: int, a: Sum, b: Sum) -> _Product:
        """That of a gate with these operands: (a + s)(b + t) is ab + ta + sb + st."""
        terms = gates.algebraic_normal_form(table)
        is_inverted = (0 in terms) != (1 in terms and 2 in terms)
        return _Product(
            a ^ ONE if 2 in terms else a,
            b ^ ONE if 1 in terms else b,
            ONE if is_inverted else NOTHING,
        )

    def multiplied(self) -> tuple[Pairs, Sum]:
        """Left times right: what is of second degree in it, and what is not."""
        pairs, others = set[tuple[int, int]](), set[int]()
        for a in self.left:
            for b in self.right:
                if a == b or FALSE in (a, b):
                    others ^= {max(a, b)}
                else:
                    pairs ^= {(min(a, b), max(a, b))}
        return frozenset(pairs), frozenset(others)


def _added(table: int, a: Sum, b: Sum) -> Sum:
    """What a linear gate with these operands computes."""
    terms = {0: ONE, 1: a, 2: b}
    total = NOTHING
    for term in gates.algebraic_normal_form(table):
        total ^= terms[term]
    return total


def _independent(circuit: Circuit, max_terms: int) -> Circuit:
    """The circuit without products that are sums of atoms before them, by Gaussian elimination."""
    builder = Builder(circuit.input_names, circuit.name)
    literal = [FALSE, *builder.inputs]
    atoms = dict(enumerate([TRUE, *builder.inputs]))
    sums = [NOTHING, *(frozenset({1 + i}) for i in range(circuit.num_inputs))]
    rows: dict[tuple[int, int], tuple[Pairs, Sum]] = {}  # by the last of a row's pairs
    max_pairs = max_terms**2
    fanin: list[tuple[int, int]] = circuit.fanin.tolist()
    tables: list[int] = circuit.table.tolist()
    for node, (table, (a, b)) in enumerate(zip(tables, fanin, strict=True), circuit.first_gate):
        if not gates.is_nonlinear(table):
            total = _added(table, sums[a], sums[b])
            made = builder.gate(table, literal[a], literal[b])
            if len(total) > max_terms:
                atoms[node], total = made, frozenset({node})
        else:
            product = _Product.of(table, sums[a], sums[b])
            pairs, others = product.multiplied()
            while pairs and len(pairs) <= max_pairs and (row := rows.get(max(pairs))):
                pairs, others = pairs ^ row[0], others ^ row[1]
            if pairs or len(others) > max_terms:
                total = product.rest ^ {node}
                made = builder.gate(table, literal[a], literal[b])
                atoms[node] = made ^ bool(product.rest)
                if 0 < len(pairs) <= max_pairs:
                    rows[max(pairs)] = pairs, others ^ {node}
            else:
                total = product.rest ^ others
                made = _emitted(builder, total, atoms.__getitem__)
        sums.append(total)
        literal.append(made)
    return _finished(builder, circuit, literal)


def _emitted(builder: Builder, total: Sum, literal_of: Callable[[int], int]) -> int:
    return reduce(builder.lxor, map(literal_of, sorted(total)), FALSE)


def _finished(builder: Builder, circuit: Circuit, literal: list[int]) -> Circuit:
    outputs: list[int] = circuit.outputs.tolist()
    for name, output in zip(circuit.output_names, outputs, strict=True):
        builder.output(name, literal[output >> 1] ^ output & 1)
    return sweep(builder.build())


def _together(circuit: Circuit, max_terms: int) -> Circuit:
    """The circuit with products that are read together as forms of the fewest products."""
    found, readers = _read(circuit, max_terms)
    changes = _Changes()
    _sum_groups(found, readers, changes)
    _fold(found, readers, changes)
    if not changes.spared:
        return circuit
    builder = Builder(circuit.input_names, circuit.name)
    literal = [FALSE, *builder.inputs]
    atom = [TRUE, *builder.inputs]
    fanin: list[tuple[int, int]] = circuit.fanin.tolist()
    tables: list[int] = circuit.table.tolist()
    for node, (table, (a, b)) in enumerate(zip(tables, fanin, strict=True), circuit.first_gate):
        rest = bool(found[node].rest) if node in found else False
        if node in changes.spared:
            made = FALSE ^ rest
        elif node in changes.forms:
            made = changes.forms[node].emit(builder, atom.__getitem__) ^ rest
        else:
            made = builder.gate(table, literal[a], literal[b])
        literal.append(made)
        atom.append(made ^ rest)
    return _finished(builder, circuit, literal)


def _read(
    circuit: Circuit, max_terms: int
) -> tuple[dict[int, _Product], dict[int, frozenset[int]]]:
    """The product of each nonlinear gate, and which of the sums that something reads have it."""
    sums = [NOTHING, *(frozenset({1 + i}) for i in range(circuit.num_inputs))]
    found: dict[int, _Product] = {}
    read: dict[Sum, None] = {}
    fanin: list[tuple[int, int]] = circuit.fanin.tolist()
    tables: list[int] = circuit.table.tolist()
    for node, (table, (a, b)) in enumerate(zip(tables, fanin, strict=True), circuit.first_gate):
        if not gates.is_nonlinear(table):
            total = _added(table, sums[a], sums[b])
            if len(total) > max_terms:
                read[total - ONE] = None
                total = frozenset({node})
        else:
            found[node] = product = _Product.of(table, sums[a], sums[b])
            read |= dict.fromkeys((product.left - ONE, product.right - ONE))
            total = product.rest ^ {node}
        sums.append(total)
    outputs: list[int] = circuit.outputs.tolist()
    read |= dict.fromkeys(sums[output >> 1] - ONE for output in outputs)
    readers: dict[int, set[int]] = {node: set() for node in found}
    for n, total in enumerate(read):
        for atom in total & found.keys():
            readers[atom].add(n)
    return found, {node: frozenset(by) for node, by in readers.items()}


@dataclass(frozen=True)
class _Changes:
    """What stands in the place of some products, and those that nothing needs then.

    A form reads what is there where the last product of those that it sums up was.
    """

    forms: dict[int, _Form] = field(default_factory=dict[int, "_Form"])
    spared: set[int] = field(default_factory=set[int])

    def put(self, group: list[int], found: dict[int, _Product]) -> None:
        """The sum of these in the place of the last."""
        *others, last = group
        self.forms[last] = _Form.of([found[node] for node in group])
        self.spared.update(others)

    def is_free(self, node: int) -> bool:
        return node not in self.forms and node not in self.spared


def _sum_groups(
    found: dict[int, _Product], readers: dict[int, frozenset[int]], changes: _Changes
) -> None:
    """Sum up products that have the same readers, where that takes fewer."""
    groups: dict[frozenset[int], list[int]] = defaultdict(list)
    for node, by in readers.items():
        groups[by].append(node)
    changes.spared.update(groups.pop(frozenset(), ()))  # they cancel wherever they are added
    for group in groups.values():
        if len(_Form.of([found[node] for node in group]).products) < len(group):
            changes.put(group, found)


def _fold(
    found: dict[int, _Product], readers: dict[int, frozenset[int]], changes: _Changes
) -> None:
    """Add a product to later ones with a factor in common, whose readers add up to its own."""
    by_factor: dict[Sum, list[int]] = defaultdict(list)
    for node, product in found.items():
        a, b = product.left - ONE, product.right - ONE
        for factor in dict.fromkeys((a, b, a ^ b)):
            by_factor[factor].append(node)
    for nodes in by_factor.values():
        # of products already seen, readers that some of them add up to; by the last of these
        rows: dict[int, tuple[frozenset[int], frozenset[int]]] = {}
        folded: dict[int, list[int]] = defaultdict(list)
        for node in filter(changes.is_free, reversed(nodes)):
            by, those = readers[node], frozenset({node})
            while by and (row := rows.get(max(by))):
                by, those = by ^ row[0], those ^ row[1]
            if by:
                rows[max(by)] = by, those
            else:
                for other in those - {node}:
                    folded[other].append(node)
        for last, others in folded.items():
            changes.put([*others, last], found)


@dataclass(frozen=True)
class _Form:
    """A quadratic form as products of sums, and a sum."""

    products: tuple[tuple[Sum, Sum], ...]
    rest: Sum

    @staticmethod
    def of(group: list[_Product]) -> _Form:
        """The sum of these, in as few products as it can be."""
        pairs: Pairs = frozenset()
        rest = NOTHING
        for product in group:
            more, others = product.multiplied()
            pairs, rest = pairs ^ more, rest ^ others
        products: list[tuple[Sum, Sum]] = []
        while pairs:  # ab + aR + bS + T is (a + S)(b + R) + SR + T
            a, b = min(pairs)
            with_a = frozenset(x + y - a for x, y in pairs if a in (x, y))
            with_b = frozenset(x + y - b for x, y in pairs if b in (x, y))
            left, right = with_b, with_a  # of the terms in b those with a are a S
            products.append((left, right))
            more, others = _Product(left, right, NOTHING).multiplied()
            pairs, rest = pairs ^ more, rest ^ others
        return _Form(tuple(products), rest)

    def emit(self, builder: Builder, literal_of: Callable[[int], int]) -> int:
        total = _emitted(builder, self.rest, literal_of)
        for left, right in self.products:
            factors = (_emitted(builder, factor, literal_of) for factor in (left, right))
            total = builder.lxor(total, builder.land(*factors))
        return total
