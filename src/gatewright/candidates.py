"""Which nodes of a circuit may be equal: those that no sample tells apart."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from gatewright.circuit import Words


class Candidates:
    """Classes of nodes that agree on all samples, with the nodes that lead them.

    Samples are kept as a hash of 64 bits: that nodes are in one class is a guess, to be proved.
    """

    def __init__(self, values: Words) -> None:
        """Start from some samples of all nodes, uint64[num_nodes, W]."""
        self._hash = np.zeros(len(values), dtype=np.uint64)
        self._num_splits = 0
        # by bucket: the leaders sorted into classes, and the number of splits at that time
        self._leaders: dict[int, tuple[int, dict[int, list[int]]]] = {}
        self.split(values)

    @property
    def num_classes(self) -> int:
        return len(np.unique(self._hash))

    def split(self, values: Words) -> None:
        """Take more samples of all nodes, uint64[num_nodes, W]."""
        self._num_splits += 1
        for column in values.T:
            mixed = (self._hash ^ column) * np.uint64(0x9E3779B97F4A7C15)
            self._hash = mixed << np.uint64(29) | mixed >> np.uint64(35)

    def leaders(self, node: int) -> list[int]:
        """The nodes that were made leaders and agree with this one, first come first."""
        return self._classes(node).get(self._hash.item(node), [])

    def lead(self, node: int) -> None:
        """Make a node a leader of its class: one to compare later nodes with."""
        self._classes(node).setdefault(self._hash.item(node), []).append(node)

    def _classes(self, node: int) -> dict[int, list[int]]:
        """The leaders in the node's bucket by their present class."""
        bucket = self._bucket[node]
        num_splits, classes = self._leaders.get(bucket, (self._num_splits, {}))
        if num_splits != self._num_splits:
            leaders = sorted(leader for group in classes.values() for leader in group)
            classes = dict[int, list[int]]()
            for leader in leaders:
                classes.setdefault(self._hash.item(leader), []).append(leader)
        self._leaders[bucket] = (self._num_splits, classes)
        return classes

    @cached_property
    def _bucket(self) -> list[int]:
        """Each node's class when leaders were first asked for; later classes lie within these."""
        return self._hash.tolist()
