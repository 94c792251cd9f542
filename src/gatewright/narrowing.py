"""Fewer candidates as training goes on: learned wires keep those that they most likely take.

Of 32 candidates an operand's mixture soon hangs on a few, and a step's time on their number. So
after some of the steps those of the least logits are dropped, with their state in the optimiser;
what is kept goes on as it was. Weights are a softmax over what is left.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jax import Array

from gatewright.errors import InputError
from gatewright.layers import Layer, readers_of
from gatewright.learned import LearnedGates
from gatewright.network import Network

#: How many candidates an operand keeps after so many steps.
Schedule = Mapping[int, int]

#: Of each layer that learns its wiring, candidates an operand and width of `readers`; else None.
Shapes = list[tuple[int, int] | None]

Tree = TypeVar("Tree")


def check(schedule: Schedule) -> None:
    """Raise InputError where a number is out of range, or grows."""
    for step, k in schedule.items():
        if step < 1 or k < 1:
            raise InputError(f"narrow: {k} candidates after {step} steps; give at least 1 of each")
    kept = [schedule[step] for step in sorted(schedule)]
    if kept != sorted(kept, reverse=True):
        raise InputError(f"narrow: {kept} candidates, one after the other; they can only get fewer")


def due(schedule: Schedule, step: int) -> int | None:
    """Candidates that an operand has at most from this step on; None: as many as at first."""
    return min((k for at, k in schedule.items() if at <= step), default=None)


def until(schedule: Schedule, step: int, end: int) -> int:
    """The step up to which there are as many candidates as at this one, `end` at most."""
    return min([end, *(at for at in schedule if at > step)])


def is_wider(network: Network, k: int) -> bool:
    """Whether an operand of it has over k candidates."""
    return any(shape is not None and shape[0] > k for shape in shapes_of(network))


def narrowed(network: Network, state: Tree, k: int) -> tuple[Network, Tree]:
    """The network with the k likeliest candidates an operand, and the optimiser's state of these.

    Candidates stay in their order; of equal logits the first is the likelier.
    """
    kept = [_likeliest(layer, k) for layer in network.layers]

    def cut(node: Any) -> Any:
        return _with_layers(node, map(_keep, node.layers, kept)) if is_network(node) else node

    def is_network(node: Any) -> bool:
        return isinstance(node, Network)

    return cast(tuple[Network, Tree], jax.tree.map(cut, (network, state), is_leaf=is_network))


def shapes_of(network: Network) -> Shapes:
    """What `narrowed` changes of a network's shape."""
    return [
        (layer.num_candidates, layer.readers.shape[1]) if isinstance(layer, LearnedGates) else None
        for layer in network.layers
    ]


def shaped(network: Network, shapes: Shapes) -> Network:
    """A network of these shapes, to load arrays into: those that they are of hold zeros.

    Raises:
        ValueError, TypeError: `narrowed` makes no such shapes of the network.
    """

    def like(layer: Layer, shape: tuple[int, int] | None) -> Layer:
        if shape is None or not isinstance(layer, LearnedGates):
            return layer
        k, r = shape
        if not (0 < k <= layer.num_candidates and 0 < r <= layer.readers.shape[1]):
            raise ValueError(f"{k} candidates with {r} readers")
        logits = jnp.zeros((2, k, layer.num_outputs), jnp.float32)
        readers = jnp.zeros((layer.num_inputs, r), jnp.int32)
        return eqx.tree_at(_wires, layer, (logits, logits.astype(jnp.int32), readers))

    pairs = zip(network.layers, shapes, strict=True)
    return _with_layers(network, (like(layer, shape) for layer, shape in pairs))


def _likeliest(layer: Layer, k: int) -> npt.NDArray[np.int64] | None:
    """Places [2, k, n] along K of the greatest logits; None: all stay."""
    if not isinstance(layer, LearnedGates) or layer.num_candidates <= k:
        return None
    order = np.argsort(-np.asarray(layer.logits), axis=1, kind="stable")
    return np.sort(order[:, :k], axis=1)


def _keep(layer: Layer, places: npt.NDArray[np.int64] | None) -> Layer:
    """A layer with these candidates alone, or a tree of its shape that holds no integers."""
    if places is None:
        return layer
    assert isinstance(layer, LearnedGates)
    logits, candidates, readers = cast(tuple[Array, Array | None, Array | None], _wires(layer))
    logits = jnp.asarray(np.take_along_axis(np.asarray(logits), places, axis=1))
    if candidates is not None:
        chosen = np.take_along_axis(np.asarray(candidates), places, axis=1)
        readers = jnp.asarray(readers_of(chosen.reshape(-1), layer.num_inputs))
        candidates = jnp.asarray(chosen)
    return eqx.tree_at(_wires, layer, (logits, candidates, readers), is_leaf=lambda x: x is None)


def _wires(layer: LearnedGates) -> tuple[Array, Array, Array]:
    return layer.logits, layer.candidates, layer.readers


def _with_layers(network: Network, layers: Any) -> Network:
    def of(tree: Network) -> tuple[Layer, ...]:
        return tree.layers

    return eqx.tree_at(of, network, tuple(layers))
