"""A trained network measured on some rows, rounded layer by layer: `measure`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jax import Array

from gatewright.circuit import Bits as BitRows
from gatewright.heads import Bits, GroupSum, Head
from gatewright.layers import Layer, Mode
from gatewright.network import Network
from gatewright.passes.strash import strash
from gatewright.passes.sweep import sweep

Counts = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class LayerFacts:
    """A layer of the trained network; shares are of its gates.

    Attributes:
        number: counted from 1, from the inputs on.
        constant: share whose hard output is the same on all rows.
        copies: share whose hard table passes or inverts one operand.
        live: share that an output depends on, by the hard tables.
        decided: share whose most likely table (and wires) has a probability above .85.
        changed: share whose hard table or wires are others than before training.
        accuracy: of the network with this layer and all below it rounded, the others soft.
    """

    number: int
    gates: int
    constant: float
    copies: float
    live: float
    decided: float
    changed: float
    accuracy: float


@dataclass(frozen=True)
class VoteFacts:
    """The votes of a group sum on the judged rows.

    Attributes:
        size: votes a group.
        group: what a group is: "class" or "division".
        tau: temperature of the scores.
        auto_tau: what it is by rule.
        confidence: mean probability of the likeliest class, of the soft network.
        constant: float[G], share of each group's hard votes that are the same on all rows.
        distinct: float[G], share of each group's hard votes that are left where equal ones count
            once.
    """

    size: int
    group: str
    tau: float
    auto_tau: float
    confidence: float
    constant: npt.NDArray[np.float64]
    distinct: npt.NDArray[np.float64]


@dataclass(frozen=True)
class NetworkFacts:
    """The trained network on the judged rows.

    Attributes:
        accuracy_soft, accuracy_hard: share of rows right before and after rounding (R^2).
        accuracy_training: the hard one on training rows, where others are judged on; else None.
        target_counts, predicted_counts: int64[C], judged rows a class: as is, as decided hard.
        is_read: bool[num_inputs], which inputs hard gates still read after `strash` and `sweep`.
        votes: None where the head does not vote.
    """

    layers: tuple[LayerFacts, ...]
    accuracy_soft: float
    accuracy_hard: float
    accuracy_training: float | None
    target_counts: Counts
    predicted_counts: Counts
    is_read: Flags
    votes: VoteFacts | None


@dataclass(frozen=True)
class Rows:
    """Rows to measure on: bits bool[N, k] and targets."""

    bits: BitRows
    y: npt.NDArray[Any]


def classes_in(head: Head, y: npt.NDArray[Any]) -> Counts | None:
    """Targets as classes, bits of the answer as one number; None where the answer is a number."""
    return _numbers(head.target_bits(y)) if isinstance(head, (Bits, GroupSum)) else None


def _numbers(bits: BitRows) -> Counts:
    return bits @ (1 << np.arange(bits.shape[1], dtype=np.int64))


@eqx.filter_jit
def _apply(layer: Layer, x: Array, mode: Mode, temperature: Array) -> Array:
    return layer(x, mode=mode, temperature=temperature)


def measure(
    start: Network, network: Network, temperature: Array, judged: Rows, training: Rows | None
) -> NetworkFacts:
    """Rounds layer after layer, from the inputs on, and measures each time.

    start is the network before training; training has rows that it was trained on, where judged has
    others.
    """
    head, y = network.head, jnp.asarray(judged.y)
    live = _live(network)
    hard = jnp.asarray(judged.bits.T.astype(np.float32))
    scores = _scores(network, 0, hard, temperature)
    accuracy_soft = float(head.merit(scores, y).mean())
    confidence = float(jax.nn.softmax(scores, axis=1).max(axis=1).mean())
    layers: list[LayerFacts] = []
    for i, (layer, before) in enumerate(zip(network.layers, start.layers, strict=True)):
        hard = _apply(layer, hard, "hard", temperature)
        scores = _scores(network, i + 1, hard, temperature)
        layers.append(
            LayerFacts(
                number=i + 1,
                gates=layer.num_outputs,
                constant=float((hard == hard[:, :1]).all(axis=1).mean()),
                copies=float((_depends(layer).sum(axis=1) == 1).mean()),
                live=float(live[i].mean()),
                decided=float((layer.confidence(temperature) > 0.85).mean()),
                changed=_changed(before, layer),
                accuracy=float(head.merit(scores, y).mean()),
            )
        )
    num_outputs = network.layers[-1].num_outputs
    wanted = decided = np.zeros(0, np.int64)
    if (classes := classes_in(head, judged.y)) is not None:
        wanted, decided = classes, _numbers(np.asarray(head.decide(scores, num_outputs)))
    num = 1 + int(max(wanted.max(initial=0), decided.max(initial=0)))
    if isinstance(head, GroupSum):
        num = head.num_classes
    accuracy_training = None
    if training is not None:
        bits = network.hard_bits(training.bits)
        accuracy_training = head.merit_of_bits(bits, training.y, num_outputs)
    body = sweep(strash(network.gates_circuit()))
    read = np.union1d(body.fanin.reshape(-1), body.outputs >> 1)
    return NetworkFacts(
        layers=tuple(layers),
        accuracy_soft=accuracy_soft,
        accuracy_hard=layers[-1].accuracy,
        accuracy_training=accuracy_training,
        target_counts=np.bincount(wanted, minlength=num),
        predicted_counts=np.bincount(decided, minlength=num),
        is_read=np.isin(1 + np.arange(network.num_inputs), read),
        votes=_votes(head, np.asarray(hard) > 0.5, confidence),
    )


def _scores(network: Network, first: int, x: Array, temperature: Array) -> Array:
    """Scores of the soft layers from number `first` on."""
    for layer in network.layers[first:]:
        x = _apply(layer, x, "soft", temperature)
    return network.head.scores(x)


def _changed(before: Layer, after: Layer) -> float:
    tables = np.asarray(before.tables()) != np.asarray(after.tables())
    wires = (np.asarray(before.hard_fanin()) != np.asarray(after.hard_fanin())).any(axis=1)
    return float((tables | wires).mean())


def _depends(layer: Layer) -> Flags:
    """bool[n, k]: which operands each hard table depends on."""
    tables = np.asarray(layer.tables()).astype(np.uint64)
    k = layer.hard_fanin().shape[1]
    rows = np.arange(1 << k)
    is_one = (tables[:, None] >> rows.astype(np.uint64)) & np.uint64(1) == 1
    return np.stack([(is_one != is_one[:, rows ^ (1 << i)]).any(axis=1) for i in range(k)], axis=1)


def _live(network: Network) -> list[Flags]:
    """For each layer bool[n]: gates that an output depends on, by the hard tables."""
    needed = np.ones(network.layers[-1].num_outputs, bool)
    found = [needed]
    for layer in network.layers[:0:-1]:
        reads = _depends(layer) & needed[:, None]
        needed = np.zeros(layer.num_inputs, bool)
        needed[np.asarray(layer.hard_fanin())[reads]] = True
        found.append(needed)
    return found[::-1]


def _votes(head: Any, votes: Flags, confidence: float) -> VoteFacts | None:
    """Hard votes bool[n, N]."""
    if not isinstance(head, GroupSum):
        return None
    groups = np.packbits(votes, axis=1).reshape(head.num_groups, -1, -(-votes.shape[1] // 8))
    is_constant = (votes == votes[:, :1]).all(axis=1).reshape(head.num_groups, -1)
    size = groups.shape[1]
    return VoteFacts(
        size=size,
        group="division" if head.divisions else "class",
        tau=float(head.tau_of(size)),
        auto_tau=head.auto_tau(size),
        confidence=confidence,
        constant=is_constant.mean(axis=1),
        distinct=np.array([len(np.unique(group, axis=0)) / size for group in groups]),
    )
