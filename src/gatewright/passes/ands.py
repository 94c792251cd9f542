"""ands: fewer ANDs, at whatever cost in XORs, which are free in cryptography.

Cuts of up to four leaves are rebuilt with the fewest ANDs that their function can have (its
*multiplicative complexity*: Boyar, Peralta and Pochuev, 2000), where these are two at most: every
function of three variables, and half of those of four. A function of m ANDs is a sum of the
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
from gatewright.passes.cones import MOST_LEAVES, STAYS, Costs, replace_cones
from gatewright.passes.netlist import variables

#: Truth tables over four variables: of the constant true, and of each variable.
FULL = (1 << (1 << MOST_LEAVES)) - 1
VARIABLES = variables(MOST_LEAVES)

#: Rounds of replacements at most; a round without one is the last.
MAX_ROUNDS = 20


def ands(circuit: Circuit) -> Circuit:
    """The same function with as many ANDs or fewer; the circuit itself where there are no fewer."""
    best = circuit
    for _ in range(MAX_ROUNDS):
        after = replace_cones(best, costs(), _emit)
        if after.stats().ands >= best.stats().ands:
            return best
        best = after
    return best


@cache
def costs() -> Costs:
    """An AND costs one, and a function what its recipe has; without one its cones stay."""
    of_gate = np.array([gates.is_nonlinear(table) for table in range(16)], np.uint8)
    of_function = np.full(FULL + 1, STAYS, np.int16)
    for table, recipe in recipes().items():
        of_function[table] = len(recipe.products)
    return Costs(MOST_LEAVES, of_gate, of_function)


def _emit(builder: Builder, table: int, leaves: list[int]) -> int:
    return recipes()[table].emit(builder, leaves)


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
