"""`Domain`: a column's values as an encoder tells them apart, in words, as bits and as gates.

An encoder's bits of a column cut its values into *cells*: x > 3 and x > 5 make three, not four,
since what is over 5 is over 3. So the bits that an encoder can produce (the *care set*) are one
cell of each column, and a condition on a column is a set of its cells.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from gatewright.circuit import FALSE, TRUE, Bits, Builder
from gatewright.encode import Thermometer
from gatewright.model import Model
from gatewright.tables import Field, TableEncoder, Unseen, text_of

Code = tuple[bool, ...]

#: Categories that a condition names one by one, at most; more are "none of ...".
MOST_NAMED = 12


@dataclass(frozen=True, eq=False)
class Domain:
    """A column, its input bits and the cells that they tell apart.

    Attributes:
        name: of the column.
        kind: "number", "ordered", "category" or "bit".
        bits: the circuit inputs that are of this column.
        codes: what these bits are in each cell; all differ.
        labels: of "number" and "ordered", the limits between cells; of "category" a cell's
            categories, none where they cannot be listed.
        missing: the cell of missing values; -1 where there is none. It is the last one.
        categories: of codes in rows, in words; none of numbers.
    """

    name: str
    kind: str
    bits: tuple[int, ...]
    codes: tuple[Code, ...]
    labels: tuple[tuple[str, ...], ...] = ()
    limits: tuple[float, ...] = ()
    missing: int = -1
    categories: tuple[str, ...] = ()

    def __len__(self) -> int:
        """How many cells there are."""
        return len(self.codes)

    @property
    def num_levels(self) -> int:
        """Cells that are not that of missing values."""
        return len(self) - (self.missing >= 0)

    @property
    def is_line(self) -> bool:
        """Whether the cells have an order, so that a range of them is one condition."""
        return self.kind in ("number", "ordered")

    def cells_of(self, bits: Bits) -> npt.NDArray[np.int64]:
        """Rows of all input bits [N, inputs] -> the cell of each."""
        own = np.asarray(bits)[:, list(self.bits)]
        return np.array([self._cell_of[tuple(row)] for row in own.tolist()], np.int64)

    @cached_property
    def _cell_of(self) -> dict[Code, int]:
        return {code: cell for cell, code in enumerate(self.codes)}

    def project(self, used: Collection[int]) -> list[tuple[Code, frozenset[int]]]:
        """What these bits alone tell apart: their codes, and the cells of each; in cell order."""
        kept = [k for k, bit in enumerate(self.bits) if bit in used]
        groups: dict[Code, set[int]] = {}
        for cell, code in enumerate(self.codes):
            groups.setdefault(tuple(code[k] for k in kept), set()).add(cell)
        return [(code, frozenset(cells)) for code, cells in groups.items()]

    def literal(self, builder: Builder, inputs: Sequence[int], cells: Collection[int]) -> int:
        """Whether the column is in one of these cells, of bits that the encoder can produce.

        Args:
            inputs: literals of all input bits, by number.
        """
        inside = {code for cell, code in enumerate(self.codes) if cell in cells}
        outside = set(self.codes) - inside
        kept = list(range(len(self.bits)))
        for k in list(kept):
            fewer = [i for i in kept if i != k]
            if not _short(inside, fewer) & _short(outside, fewer):
                kept = fewer
        literals = [inputs[self.bits[k]] for k in kept]
        return _split(builder, literals, _short(inside, kept), _short(outside, kept))

    def care(self, builder: Builder, inputs: Sequence[int], used: Collection[int]) -> int:
        """Whether these bits of the column are as the encoder can produce them."""
        literals = [inputs[bit] for bit in self.bits if bit in used]
        return _exactly(builder, literals, {code for code, _ in self.project(used)})

    def text(self, cells: Collection[int]) -> str:
        """The condition that the column is in one of these cells, in words."""
        if self.kind == "bit":
            return self.name if 1 in cells else f"not {self.name}"
        return " or ".join(self._parts(cells))

    def is_one(self, cells: Collection[int]) -> bool:
        """Whether the text has no "or" to be put into brackets."""
        return " or " not in self.text(cells)

    def _parts(self, cells: Collection[int]) -> list[str]:
        if self.kind == "category":
            return [self._of_categories(cells)]
        levels = {cell for cell in cells if cell != self.missing}
        if self.missing >= 0 and len(levels) == self.num_levels and self.missing not in cells:
            return [f"{self.name} is not missing"]
        parts = [self._range(first, last) for first, last in _runs(levels)]
        return parts + [f"{self.name} is missing"] * (self.missing in cells)

    def _range(self, first: int, last: int) -> str:
        if self.kind == "ordered" and first == last:
            return f"{self.name} = {self.categories[first]}"
        low = self.labels[first - 1][0] if first else ""
        high = self.labels[last][0] if last < self.num_levels - 1 else ""
        if low and high:
            return f"{low} < {self.name} <= {high}"
        return f"{self.name} > {low}" if low else f"{self.name} <= {high}"

    def _of_categories(self, cells: Collection[int]) -> str:
        others = [cell for cell in range(len(self)) if cell not in cells]
        inside, outside = (self._named(group) for group in (sorted(cells), others))
        if inside and (not outside or len(inside) <= len(outside)):
            if inside == ["missing"]:
                return f"{self.name} is missing"
            return f"{self.name} {'=' if len(inside) == 1 else 'is'} {' or '.join(inside)}"
        if not outside:
            return f"{self.name} is none of the {len(others)} that have a bit"
        also = " (or is missing)" if self.missing in cells else ""
        if len(outside) == 1:
            return f"{self.name} is not {outside[0]}{also}"
        return f"{self.name} is neither {' nor '.join(outside)}{also}"

    def _named(self, cells: Iterable[int]) -> list[str]:
        """The categories of cells; none where one of them cannot be listed, or they are many."""
        names: list[str] = []
        for cell in cells:
            found = ("missing",) if cell == self.missing else self.labels[cell]
            if not found:
                return []
            names += found
        return names if len(names) <= MOST_NAMED else []

    def value(self, value: Any) -> str:
        """A value of what the encoder's `rows` returns, as people write it."""
        number = float(value)
        if np.isnan(number):
            return "missing"
        if self.kind == "bit":
            return str(int(number))
        if self.categories:
            known = 0 <= number < len(self.categories)
            return self.categories[int(number)] if known else "unknown"
        return text_of(float(str(value)))

    def fact(self, value: Any, cells: Collection[int]) -> str:
        """A value and the condition that it meets: "age = 52 > 41", "5 < age = 12 <= 41".

        Of several ranges only that which holds the value is told.
        """
        shown = self.value(value)
        if shown == "missing":
            return f"{self.name} is missing"
        alone = f"{self.name} = {shown}"
        if self.is_line:
            number = float(value)
            cell = int(np.searchsorted(self.limits, number)) if self.limits else 0
            runs = _runs({one for one in cells if one != self.missing})
            first, last = next(run for run in runs if run[0] <= cell <= run[1])
            if first == 0 and last == self.num_levels - 1:
                return alone
            before, _, after = self._range(first, last).partition(self.name)
            return alone if after.startswith(" = ") else f"{before}{alone}{after}"
        text = self.text(cells)
        return alone if self.kind == "bit" or text == alone else f"{alone}: {text}"


def domains_of(model: Model, names: Sequence[str] | None = None) -> list[Domain]:
    """The columns of a model's samples, in the order of its encoder's `rows`.

    A `Thermometer` has no bit for missing values: it puts them into the lowest cell. Its limits are
    float32, and are told in as few digits as tell these apart.

    Args:
        names: of the columns where the encoder has none; default x0, x1, ..., and of bits the
            circuit's input names.
    """
    encoder = model.encoder
    if isinstance(encoder, TableEncoder):
        found: list[Domain] = []
        first = 0
        for field in encoder.fields:
            num = len(field.bits)
            found.append(_of_field(field, encoder.unseen, range(first, first + num)))
            first += num
        return found
    if isinstance(encoder, Thermometer):
        table = encoder.bit_table
        rows = [np.flatnonzero(table.column == i) for i in range(encoder.num_bits // encoder.bits)]
        return [
            _of_limits(names[i] if names else f"x{i}", bits.tolist(), table.limit[bits])
            for i, bits in enumerate(rows)
        ]
    names = names or model.circuit.input_names
    return [Domain(name, "bit", (i,), ((False,), (True,))) for i, name in enumerate(names)]


def _of_limits(name: str, bits: list[int], limits: npt.NDArray[np.float64]) -> Domain:
    distinct = np.unique(limits)
    below = [-np.inf, *distinct.tolist()]
    codes = tuple(tuple(low >= limit for limit in limits.tolist()) for low in below)
    labels = tuple((text_of(float(str(np.float32(limit)))),) for limit in distinct)
    return Domain(name, "number", tuple(bits), codes, labels, tuple(distinct.tolist()))


def _of_field(field: Field, unseen: Unseen, bits: range) -> Domain:
    num = len(bits) - field.missing
    last = (False,) * num + (True,)
    categories = tuple(map(text_of, field.categories))
    if field.kind == "category":
        labels: list[tuple[str, ...]] = [(categories[code],) for code in field.own]
        codes = [tuple(i == k for i in range(num)) for k in range(num)]
        rest = tuple(c for code, c in enumerate(categories) if code not in field.own)
        if rest or unseen == "ignore" or not num:
            codes.append((False,) * num)
            labels.append(() if unseen == "ignore" else rest)
    else:
        codes = [tuple(i < k for i in range(num)) for k in range(num + 1)]
        own = field.thresholds
        named = (categories[int(limit)] if categories else text_of(limit) for limit in own)
        labels = [(label,) for label in named]
    if field.missing:
        codes = [*((*code, False) for code in codes), last]
    return Domain(
        field.name, field.kind, tuple(bits), tuple(codes), tuple(labels), field.thresholds,
        len(codes) - 1 if field.missing else -1, categories,
    )  # fmt: skip


def _runs(cells: Collection[int]) -> list[tuple[int, int]]:
    """First and last of each run of neighbouring numbers."""
    runs: list[tuple[int, int]] = []
    for cell in sorted(cells):
        if runs and runs[-1][1] == cell - 1:
            runs[-1] = (runs[-1][0], cell)
        else:
            runs.append((cell, cell))
    return runs


def _short(codes: Collection[Code], kept: Sequence[int]) -> set[Code]:
    return {tuple(code[k] for k in kept) for code in codes}


def _halves(codes: set[Code]) -> tuple[set[Code], set[Code]]:
    """The rest of codes whose last bit is 0, and of those where it is 1."""
    return {code[:-1] for code in codes if not code[-1]}, {code[:-1] for code in codes if code[-1]}


def _split(builder: Builder, literals: list[int], inside: set[Code], outside: set[Code]) -> int:
    """1 on codes inside, 0 on those outside, and anything on others."""
    if not outside:
        return TRUE if inside else FALSE
    if not inside:
        return FALSE
    (in0, in1), (out0, out1) = _halves(inside), _halves(outside)
    rest = literals[:-1]
    low, high = _split(builder, rest, in0, out0), _split(builder, rest, in1, out1)
    return builder.mux(literals[-1], high, low)


def _exactly(builder: Builder, literals: list[int], codes: set[Code]) -> int:
    """1 on these codes alone."""
    if not codes or not literals:
        return TRUE if codes else FALSE
    low, high = (_exactly(builder, literals[:-1], half) for half in _halves(codes))
    return builder.mux(literals[-1], high, low)
