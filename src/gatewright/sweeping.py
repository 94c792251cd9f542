"""One round of SAT sweeping but for the solver: in the native core where it is built, else Python.

`PythonSweeping` is the specification; the native `Sweeping` gives the same for every miter. Both
walk a miter from the inputs up and grow a merged circuit, in which a gate that is proved equal to
an earlier one is not made. `GATEWRIGHT_NATIVE=0` in the environment chooses Python.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, overload

import numpy as np
import numpy.typing as npt

from gatewright import gates, native
from gatewright.candidates import Candidates
from gatewright.circuit import Builder, Circuit, Words, unpack
from gatewright.window import MAX_LOCAL_GATES, MAX_LOCAL_LEAVES, Gate, is_equal_locally

#: Nodes of its class that a node is compared with in a small window.
MAX_LOCAL_TRIES = 8

KINDS = (0x2, 0x4, 0x6, 0x8, 0xE)


class Sweeping(Protocol):
    """A miter of 2m outputs, o and m + o a pair, and the merged circuit that grows from it.

    Attributes:
        num_classes: sets of the miter's nodes that no sample tells apart.
        is_done: whether every gate was visited.
        num_merged: gates that were found equal to others, and not by being alike.
        merged: int32[n, 1], for each node visited its node in the merged circuit.
        fanin, table: int32[n, 2], uint8[n, 1], the merged circuit's gates.
    """

    @property
    def num_classes(self) -> int: ...
    @property
    def is_done(self) -> bool: ...
    @property
    def num_merged(self) -> int: ...
    @property
    def merged(self) -> npt.NDArray[np.int32]: ...
    @property
    def fanin(self) -> npt.NDArray[np.int32]: ...
    @property
    def table(self) -> npt.NDArray[np.uint8]: ...

    def sample(self, words: Words) -> int:
        """Take samples uint64[num_inputs, W]: the first that tells a pair of outputs apart, or -1.

        What is found ends the round: no more may be asked then.
        """
        ...

    def advance(self, compare: bool, ask: bool, most: int) -> bool:
        """Visit up to `most` gates until one waits for an answer, if asked; whether one does.

        Each is merged with the first of its class that it equals in a small window (`compare`), or
        waits (`ask`), or leads its class. One that waited is compared anew.
        """
        ...

    def question(self) -> tuple[int, int]:
        """Merged nodes of the gate that waits and of the first of its class."""
        ...

    def answer(self, is_equal: bool) -> None:
        """Merge the gate that waits with the first of its class, or let it lead."""
        ...

    def limit(self, gates: int, leaves: int) -> None:
        """From now on, of small windows."""
        ...

    def is_equal_locally(self, x: int, y: int) -> bool:
        """True if merged nodes are equal as functions of a small cut; False says nothing."""
        ...

    def gate(self, index: int) -> Gate:
        """Of the merged circuit."""
        ...


def sweeping(miter: Circuit) -> Sweeping:
    """A round on a miter that comes from `Builder`; ValueError for others."""
    module = native.load()
    if module is None:
        return PythonSweeping(miter.num_inputs, miter.fanin, miter.table, miter.outputs)
    return module.Sweeping(miter.num_inputs, miter.fanin, miter.table, miter.outputs)


class Gates(Sequence[Gate]):
    """The gates of a merged circuit as it grows."""

    def __init__(self, grown: Sweeping) -> None:
        self._grown = grown

    @overload
    def __getitem__(self, index: int) -> Gate: ...
    @overload
    def __getitem__(self, index: slice) -> list[Gate]: ...
    def __getitem__(self, index: int | slice) -> Gate | list[Gate]:
        if isinstance(index, slice):
            return [self._grown.gate(i) for i in range(*index.indices(len(self)))]
        return self._grown.gate(index)

    def __len__(self) -> int:
        return len(self._grown.table)


class PythonSweeping:
    """What the native `Sweeping` does."""

    def __init__(
        self,
        num_inputs: int,
        fanin: npt.NDArray[np.int32],
        table: npt.NDArray[np.uint8],
        outputs: npt.NDArray[np.int32],
    ) -> None:
        names = tuple(map(str, range(max(num_inputs, len(outputs)))))
        if not np.isin(table, KINDS).all():
            raise ValueError("only circuits that Builder made can be swept")
        self._miter = Circuit(fanin, table, outputs, names[:num_inputs], names[: len(outputs)])
        self._fanin: list[list[int]] = fanin.tolist()
        self._table: list[int] = table.tolist()
        self._candidates: Candidates | None = None
        self._builder = Builder(names[:num_inputs])
        self._gates: list[Gate] = []  # the builder's
        self._merged = list(range(1 + num_inputs))
        self._limits = MAX_LOCAL_GATES, MAX_LOCAL_LEAVES
        self._waits = self._has_begun = False
        self.num_merged = 0

    @property
    def num_classes(self) -> int:
        return 1 if self._candidates is None else self._candidates.num_classes

    @property
    def is_done(self) -> bool:
        return len(self._merged) == self._miter.num_nodes and not self._waits

    @property
    def merged(self) -> npt.NDArray[np.int32]:
        return np.array(self._merged, np.int32)[:, None]

    @property
    def fanin(self) -> npt.NDArray[np.int32]:
        return np.array([gate[1:] for gate in self._gates], np.int32).reshape(-1, 2)

    @property
    def table(self) -> npt.NDArray[np.uint8]:
        return np.array([gate[0] for gate in self._gates], np.uint8)[:, None]

    def sample(self, words: Words) -> int:
        values = self._miter.simulate_nodes(words)
        outputs = self._miter.outputs
        inverted = -(outputs & 1).astype(np.uint64)
        result = values[outputs >> 1] ^ inverted[:, None]
        half = len(outputs) // 2
        wrong = np.bitwise_or.reduce(result[:half] ^ result[half:], axis=0, initial=np.uint64(0))
        for w in np.flatnonzero(wrong)[:1]:
            return 64 * int(w) + int(np.flatnonzero(unpack(wrong[None, w : w + 1], 64)[:, 0])[0])
        if self._candidates is None:
            self._candidates = Candidates(values)
        else:
            self._candidates.split(values)
        return -1

    def advance(self, compare: bool, ask: bool, most: int) -> bool:
        candidates = self._classes()
        while not self.is_done and (self._waits or most > 0):
            if not self._waits:
                most -= 1
                gate = len(self._merged) - self._miter.first_gate
                a, b = (self._merged[operand] for operand in self._fanin[gate])
                self._merged.append(self._add(self._table[gate], a, b))
            self._waits = False
            node = len(self._merged) - 1
            leaders = candidates.leaders(node) if compare else []
            if leaders:
                if self._is_merged_locally(leaders):
                    continue
                if ask:
                    self._waits = True
                    return True
            candidates.lead(node)
        return False

    def question(self) -> tuple[int, int]:
        return self._merged[-1], self._merged[self._leader()]

    def answer(self, is_equal: bool) -> None:
        leader = self._leader()
        if is_equal:
            self.num_merged += 1
            self._merged[-1] = self._merged[leader]
        else:
            self._classes().lead(len(self._merged) - 1)
        self._waits = False

    def limit(self, gates: int, leaves: int) -> None:
        self._limits = gates, leaves

    def is_equal_locally(self, x: int, y: int) -> bool:
        return x == y or is_equal_locally(self._miter.num_inputs, self._gates, x, y, *self._limits)

    def gate(self, index: int) -> Gate:
        return self._gates[index]

    def _classes(self) -> Candidates:
        if self._candidates is None:
            self._candidates = Candidates(np.zeros((self._miter.num_nodes, 0), np.uint64))
        if not self._has_begun:
            for node in range(self._miter.first_gate):
                self._candidates.lead(node)
            self._has_begun = True
        return self._candidates

    def _leader(self) -> int:
        if not self._waits:
            raise ValueError("no gate waits for an answer")
        return self._classes().leaders(len(self._merged) - 1)[0]

    def _is_merged_locally(self, leaders: list[int]) -> bool:
        own = self._merged[-1]
        for leader in leaders[-MAX_LOCAL_TRIES:]:
            other = self._merged[leader]
            if self.is_equal_locally(own, other):
                self.num_merged += own != other
                self._merged[-1] = other
                return True
        return False

    def _add(self, table: int, a: int, b: int) -> int:
        node = self._builder.gate(table, 2 * a, 2 * b) >> 1
        if self._builder.num_gates > len(self._gates):
            # as the builder keeps it: operands in order
            self._gates.append((table, a, b) if a < b else (gates.swap_inputs(table), b, a))
        return node
