"""`Network`: layers of soft gates and a head, trained as one and rounded to a circuit."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jax import Array
from jax.typing import ArrayLike

from gatewright.circuit import Bits as BitRows
from gatewright.circuit import Circuit, Words, unpack
from gatewright.errors import InputError
from gatewright.layers import Bits, Gates, Head, Mode
from gatewright.parametrisations import parametrisation


class Network(eqx.Module):
    """Gate layers in a chain and a head.

    Attributes:
        layers: each layer's outputs are the next one's inputs.
        head: `Bits()` (every output is a bit of the answer) or `GroupSum(num_classes)`.

    Raises:
        InputError: widths do not meet, or the head cannot serve the last layer's width.
    """

    layers: tuple[Gates, ...]
    head: Head

    def __init__(self, *layers: Gates, head: Head | None = None) -> None:
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
        by_form: dict[str, list[Array]] = {}
        for layer in self.layers:
            by_form.setdefault(layer.form, []).append(layer.parameters)
        confidence = [
            parametrisation(form).confidence(jnp.concatenate(parameters, axis=1), temperature)
            for form, parameters in by_form.items()
        ]
        return (jnp.concatenate(confidence) > 0.85).mean()

    def hard_accuracy(self, words: Words, targets: BitRows) -> float:
        """Share of rows that the hard network decides right, by bit-parallel simulation.

        Args:
            words: packed inputs uint64[num_inputs, W].
            targets: bool[N, m], the right decisions (`head.target_bits`).
        """
        decided = unpack(self.to_netlist().simulate(words), len(targets))
        return float((decided == targets).all(axis=1).mean())

    def hard_bits(self, rows: BitRows) -> BitRows:
        """The decision of the hard network, evaluated as a network: bool[N, k] -> bool[N, m]."""
        return np.asarray(_decide(self, jnp.asarray(rows)))

    def gates_circuit(self, input_names: tuple[str, ...] | None = None) -> Circuit:
        """The hard gates without the head, one circuit gate each, in layer order, unfolded."""
        k = self.num_inputs
        names = input_names or tuple(f"x{i}" for i in range(k))
        fanin: list[npt.NDArray[Any]] = []
        first = 1
        for layer in self.layers:
            fanin.append(np.asarray(layer.fanin) + first)
            first = 1 + k + sum(map(len, fanin[:-1]))
        last = self.layers[-1].num_outputs
        return Circuit(
            fanin=np.concatenate(fanin),
            table=np.concatenate([np.asarray(layer.tables()) for layer in self.layers]),
            outputs=2 * (1 + k + self.num_gates - last + np.arange(last, dtype=np.int32)),
            input_names=names,
            output_names=tuple(f"y{i}" for i in range(last)) if last > 1 else ("y",),
            name="network",
        )

    def to_netlist(self) -> Circuit:
        """The hard network, head included, gate by gate and unfolded; see `extract`."""
        body = self.gates_circuit()
        return body.then(self.head.circuit(body.num_outputs))


@eqx.filter_jit
def _decide(network: Network, rows: Array) -> Array:
    return network.head.decide(network(rows, mode="hard"))
