"""`Network`: layers of soft gates and a head, trained as one and rounded to a circuit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby, pairwise
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jax import Array
from jax.typing import ArrayLike

from gatewright.circuit import Bits as BitRows
from gatewright.circuit import Builder, Circuit, Words, unpack
from gatewright.errors import InputError
from gatewright.heads import Bits, Head
from gatewright.layers import Layer, Mode
from gatewright.look_up import look_up


class Network(eqx.Module):
    """Layers in a chain and a head.

    Attributes:
        layers: each layer's outputs are the next one's inputs.
        head: `Bits()` (every output is a bit of the answer) or `GroupSum(num_classes)`.

    Raises:
        InputError: widths do not meet, or the head cannot serve the last layer's width.
    """

    layers: tuple[Layer, ...]
    head: Head

    def __init__(self, *layers: Layer, head: Head | None = None) -> None:
        if not layers:
            raise InputError("a network has at least one layer")
        for i, (below, above) in enumerate(pairwise(layers), 1):
            if below.num_outputs != above.num_inputs:
                raise InputError(
                    f"layer {i} reads {above.num_inputs} inputs, layer {i - 1} has "
                    f"{below.num_outputs} gates; make them equal"
                )
        self.layers = layers
        self.head = Bits() if head is None else head
        self.head.check(layers[-1].num_outputs)

    @property
    def num_inputs(self) -> int:
        return self.layers[0].num_inputs

    @property
    def num_gates(self) -> int:
        return sum(layer.num_outputs for layer in self.layers)

    def __call__(
        self,
        x: Array,
        *,
        mode: Mode = "soft",
        temperature: ArrayLike = 1.0,
        key: Array | None = None,
    ) -> Array:
        """Rows [batch, num_inputs] of bits, or of reals in [0, 1] -> scores [batch, s].

        Args:
            mode: "soft"; "training", as the parametrisation trains (sampled or straight-through
                where it says so); "straight_through"; or "hard", every gate rounded.
            key: needed by parametrisations that sample, in mode "training".
        """
        if x.ndim != 2 or x.shape[1] != self.num_inputs:
            raise InputError(
                f"the network reads rows of shape [batch, {self.num_inputs}], not {list(x.shape)}"
            )
        activations = x.T.astype(jnp.float32)
        for i, layer in enumerate(self.layers):
            layer_key = None if key is None else jax.random.fold_in(key, i)
            activations = layer(activations, mode=mode, temperature=temperature, key=layer_key)
        return self.head.scores(activations)

    def decided(self, temperature: ArrayLike = 1.0) -> Array:
        """Share of gates whose most likely table has a probability above .85."""
        confidence = [layer.confidence(temperature) for layer in self.layers]
        return (jnp.concatenate(confidence) > 0.85).mean()

    def hard_accuracy(self, words: Words, y: npt.NDArray[Any]) -> float:
        """Mean merit of the hard network's decisions, by bit-parallel simulation.

        That is the share of rows that it decides right, or R^2 of a number (`Affine`).

        Args:
            words: packed inputs uint64[num_inputs, W].
            y: targets of N rows.
        """
        decided = unpack(self.to_netlist().simulate(words), len(y))
        return self.head.merit_of_bits(decided, y, self.layers[-1].num_outputs)

    def hard_bits(self, rows: BitRows) -> BitRows:
        """The decision of the hard network, evaluated as a network: bool[N, k] -> bool[N, m]."""
        return np.asarray(_decide(self, jnp.asarray(rows)))

    def gates_circuit(self, input_names: tuple[str, ...] | None = None) -> Circuit:
        """The hard gates without the head, in layer order, unfolded; one circuit gate each.

        A table of more than two inputs becomes as many two-input gates as it needs.
        """
        parts = (
            _of_gates(list(group)) if is_pairs else _of_tables(*group)
            for is_pairs, group in groupby(self.layers, _reads_pairs)
        )
        first, *others = parts
        body = first if input_names is None else replace(first, input_names=input_names)
        for circuit in others:
            body = body.then(circuit)
        return body

    def to_netlist(self) -> Circuit:
        """The hard network, head included, gate by gate and unfolded; see `extract`."""
        body = self.gates_circuit()
        return body.then(self.head.circuit(body.num_outputs))


def _reads_pairs(layer: Layer) -> bool:
    return layer.hard_fanin().shape[1] == 2


def _of_gates(layers: Sequence[Layer]) -> Circuit:
    """The hard gates of a chain of layers with two-input gates."""
    k, last = layers[0].num_inputs, layers[-1].num_outputs
    fanin: list[npt.NDArray[Any]] = []
    first = 1
    for layer in layers:
        fanin.append(np.asarray(layer.hard_fanin()) + first)
        first = 1 + k + sum(map(len, fanin[:-1]))
    tables = [np.asarray(layer.tables()) for layer in layers]
    return Circuit(
        fanin=np.concatenate(fanin),
        table=np.concatenate(tables),
        outputs=2 * (first + np.arange(last, dtype=np.int32)),
        input_names=_numbered("x", k),
        output_names=_numbered("y", last) if last > 1 else ("y",),
        name="network",
    )


def _of_tables(*layers: Layer) -> Circuit:
    """The hard tables of a chain of layers, of any number of inputs, out of two-input gates."""
    builder = Builder(_numbered("x", layers[0].num_inputs), "network")
    wires = builder.inputs
    for layer in layers:
        rows: list[list[int]] = np.asarray(layer.hard_fanin()).tolist()
        tables: list[int] = np.asarray(layer.tables()).tolist()
        wires = [
            look_up(builder, table, [wires[i] for i in row])
            for table, row in zip(tables, rows, strict=True)
        ]
    names = _numbered("y", len(wires)) if len(wires) > 1 else ("y",)
    for name, literal in zip(names, wires, strict=True):
        builder.output(name, literal)
    return builder.build()


def _numbered(letter: str, num: int) -> tuple[str, ...]:
    return tuple(f"{letter}{i}" for i in range(num))


@eqx.filter_jit
def _decide(network: Network, rows: Array) -> Array:
    return network.head.decide(network(rows, mode="hard"), network.layers[-1].num_outputs)
