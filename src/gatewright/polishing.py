"""`polish`: coordinate descent on a trained classifier, behind annealing.

Annealing ends at hard gates that no gradient moves any more. Of a hard network the loss can be
minimised exactly in one gate at a time: with d[s] what sample s loses more if the gate is 1 than if
it is 0, all other gates being as they are, the gate's table of least loss is 1 in those rows of its
operands over which the d sum to less than 0, whatever its operands are. So each gate is tried with
all pairs of some nodes near its operands, and takes the best pair and its table where the loss
falls by more than chance.

Few samples tell anything, those that are nearly decided otherwise. So samples are drawn with a
probability that rises with the probability of a wrong class, and weighted by its inverse. Each
round draws them anew, warped anew: a network fits those it is polished with far too well. The first
rounds change much and take fewer.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from gatewright.augment import Augment
from gatewright.circuit import Circuit, Words
from gatewright.descent import MOST_CANDIDATES, Floats, Ints, descent
from gatewright.encode import Encoder
from gatewright.errors import InputError
from gatewright.feed import IMAGES_AT_ONCE, Feed
from gatewright.heads import GroupSum, classes_of
from gatewright.layers import Gates
from gatewright.network import Network

#: A sample of which a wrong class has this probability, or more, is kept; others in proportion,
#: but at least so large a share of them.
SURE, LEAST_SHARE = 0.05, 0.125

#: Samples of which those to keep are chosen at a time, and how often for a round at most.
JUDGED_AT_ONCE, STEPS_A_ROUND = 16_384, 1 << 20

#: Sources that are drawn for each candidate: the nearest are taken, where places are known.
DRAWN = 16

#: Of the last round's samples the first one has this share; the others by equal ratios more.
FIRST_SHARE = 0.25

#: Operands whose candidates are drawn at a time.
OPERANDS_AT_ONCE = 4096


@dataclass(frozen=True)
class Round:
    """What a round of polishing did.

    Attributes:
        number: from 1.
        loss: mean cross-entropy of fresh samples before the round.
        changed: gates.
        gates: of the network.
        fall: of the mean cross-entropy on the round's own samples, which flatter it.
        network: after it.
        seconds_left: of the rounds that follow, by the time that those so far took.
    """

    number: int
    loss: float
    changed: int
    gates: int
    fall: float
    network: Network = field(repr=False)
    seconds_left: float

    def __str__(self) -> str:
        left = f"; some {self.seconds_left:.0f} s left" if self.seconds_left else ""
        return (
            f"polish {self.number}: loss {self.loss:.4f} before, {self.changed} of {self.gates} "
            f"gates changed, which takes {self.fall:.4f} off its own samples' loss{left}"
        )


def polish(
    network: Network,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    encoder: Encoder | None = None,
    augment: Augment | None = None,
    rounds: int = 4,
    samples: int = 1 << 18,
    candidates: int = 30,
    places: npt.NDArray[np.float32] | None = None,
    reach: float = 3.0,
    significance: float = 1.0,
    seed: int = 0,
    threads: int | None = None,
    done: int = 0,
    progress: Callable[[Round], None] | None = None,
) -> Network:
    """Improve the hard network gate by gate; the result is hard, of as many gates in each layer.

    The result is a function of the arguments but `threads`.

    Args:
        network: layers of two-input gates with `GroupSum`. Its hard form counts.
        x, y: training rows, bits or what `encoder` encodes, and their classes.
        augment: warps images anew for every round.
        rounds: each visits every gate once, in an order of its own.
        samples: drawn for the last round, a quarter of them for the first, where images are warped
            or rows are more; else it is all rows.
        candidates: of each operand and round, drawn from the layer below, at most MOST_CANDIDATES.
        places: float32[num_inputs, d], of the inputs: candidates are then near what they replace.
        reach: how near; a distance r has the weight exp(-r^2 / (2 reach^2)).
        significance: standard errors by which the loss has to fall for a gate to change.
        threads: of the native core; None takes all cores.
        done: rounds that the network has been through, of these `rounds`.

    Raises:
        InputError: the network is another one, or rows and network do not fit.
    """
    readout = readout_of(network)
    if (
        rounds < 0 or samples < 1 or not 0 <= candidates <= MOST_CANDIDATES or not reach > 0
        or significance < 0
    ):  # fmt: skip
        raise InputError(
            f"polish: rounds {rounds}, samples {samples}, candidates {candidates}, reach {reach} "
            f"and significance {significance}; give at least 0, at least 1, 0 to "
            f"{MOST_CANDIDATES}, over 0 and at least 0"
        )
    if places is not None and (places.ndim != 2 or len(places) != network.num_inputs):
        raise InputError(
            f"polish: places has shape {list(places.shape)}; give [{network.num_inputs}, d], a "
            "place for each input"
        )
    targets = classes_of(np.asarray(y))
    feed = Feed.make(network, x, targets, encoder=encoder, augment=augment, seed=seed)
    circuit = network.gates_circuit()
    ends = list(accumulate((layer.num_outputs for layer in network.layers), initial=0))
    is_drawn = augment is not None or feed.num_rows > samples
    sizes = [samples * FIRST_SHARE ** (i / max(rounds - 1, 1)) for i in range(rounds)][::-1]
    begun = time.perf_counter()
    for number in range(done + 1, rounds + 1):
        rng = np.random.default_rng((seed, number))
        if is_drawn:
            drawn = _Drawn.of(feed, circuit, readout, math.ceil(sizes[number - 1]), number, threads)
        else:
            drawn = _Drawn.all_of(feed)
        worker = descent(circuit, readout, drawn.words, drawn.y, drawn.weights, threads=threads)
        loss = float(np.average(worker.losses(), weights=drawn.weights))
        others = _candidates(circuit, ends, candidates, places, reach, rng)
        order = rng.permutation(circuit.num_gates).astype(np.int32)
        nodes = (1 + circuit.num_inputs + order).astype(np.int32)
        changed, fall = worker.sweep(nodes, others[order], significance)
        circuit = replace(circuit, fanin=worker.fanin, table=worker.table)
        if progress is not None:
            share = fall / float(drawn.weights.sum())
            left = sum(sizes[number:]) if is_drawn else rounds - number
            through = sum(sizes[done:number]) if is_drawn else number - done
            seconds_left = (time.perf_counter() - begun) * left / through
            now = hard_network(circuit, network)
            progress(Round(number, loss, changed, circuit.num_gates, share, now, seconds_left))
        del worker, drawn  # the values of all nodes, before there are those of the next round
    return hard_network(circuit, network)


def readout_of(network: Network) -> Floats:
    """float32[num_classes, num_groups + 1]: scores by the groups' sums, last what is added to them.

    Raises:
        InputError: `polish` does not take the network.
    """
    head = network.head
    if not isinstance(head, GroupSum):
        raise InputError(f"polish takes classifiers whose outputs vote, GroupSum(...), not {head}")
    for i, layer in enumerate(network.layers):
        if layer.hard_fanin().shape[1] != 2:
            raise InputError(f"polish takes two-input gates; layer {i} is {type(layer).__name__}")
    size = network.layers[-1].num_outputs // head.num_groups
    readout = head.readout_of(size)
    if readout is None:
        readout = np.eye(head.num_classes, head.num_groups + 1, dtype=np.float32)
    return np.ascontiguousarray(readout / float(head.tau_of(size)), np.float32)


@dataclass(frozen=True, eq=False)
class _Drawn:
    """Samples by input, uint64[num_inputs, W], their classes int32[64 W] and weights."""

    words: Words
    y: Ints
    weights: Floats

    @staticmethod
    def all_of(feed: Feed) -> _Drawn:
        return _Drawn._filled(feed.by_input(), feed.targets, np.ones(feed.num_rows, np.float32))

    @staticmethod
    def of(
        feed: Feed, circuit: Circuit, readout: Floats, samples: int, number: int,
        threads: int | None,
    ) -> _Drawn:  # fmt: skip
        """So many, or a few more, of the feed's samples that are this round's."""
        rows: list[Words] = []
        classes: list[npt.NDArray[Any]] = []
        weights: list[Floats] = []
        step, num, rng = number * STEPS_A_ROUND, 0, np.random.default_rng((feed.seed, number))
        while num < samples:
            words, targets = feed.batches(JUDGED_AT_ONCE, step, 1)
            step += 1
            one = _Drawn._filled(feed.columns(words), targets, np.ones(len(words), np.float32))
            judge = descent(circuit, readout, one.words, one.y, one.weights, threads)
            wrong = -np.expm1(-judge.losses()[: len(words)])
            share = np.clip(wrong / SURE, LEAST_SHARE, 1)
            kept = rng.random(len(share)) < share
            rows.append(words[kept])
            classes.append(targets[kept])
            weights.append((1 / share[kept]).astype(np.float32))
            num += int(kept.sum())
        parts = [feed.columns(part) for part in _regrouped(rows)]
        words = np.concatenate(parts, axis=1)
        return _Drawn._filled(words, np.concatenate(classes), np.concatenate(weights))

    @staticmethod
    def _filled(words: Words, y: npt.NDArray[Any], weights: Floats) -> _Drawn:
        """With samples of weight 0 behind the last ones."""
        missing = 64 * words.shape[1] - len(y)
        return _Drawn(
            np.ascontiguousarray(words),
            np.pad(y.astype(np.int32), (0, missing)),
            np.pad(weights, (0, missing)),
        )


def _regrouped(rows: list[Words]) -> list[Words]:
    """The same rows in parts of a multiple of 64, but for the last."""
    whole = np.concatenate(rows)
    return [whole[i : i + IMAGES_AT_ONCE] for i in range(0, len(whole), IMAGES_AT_ONCE)]


def _candidates(
    circuit: Circuit,
    ends: list[int],
    num: int,
    places: npt.NDArray[np.float32] | None,
    reach: float,
    rng: np.random.Generator,
) -> Ints:
    """int32[n, 2, num]: nodes of the layer below each gate; near its operands, given places."""
    result = np.empty((circuit.num_gates, 2, num), np.int32)
    sources, first = np.arange(1, 1 + circuit.num_inputs), 1 + circuit.num_inputs
    at = places
    for begin, end in pairwise(ends):
        fanin = circuit.fanin[begin:end] - sources[0]
        flat = result[begin:end].reshape(2 * (end - begin), num)
        for i in range(0, len(flat), OPERANDS_AT_ONCE):
            operands = fanin.reshape(-1)[i : i + OPERANDS_AT_ONCE]
            size = (len(operands), num if at is None else DRAWN * num)
            drawn = rng.integers(len(sources), size=size, dtype=np.int32)
            if at is not None and num:
                drawn.sort(axis=1)
                squares = np.square(at[drawn] - at[operands][:, None]).sum(axis=2)
                order = squares / (2 * reach**2) - rng.gumbel(size=size).astype(np.float32)
                again = drawn[:, 1:] == drawn[:, :-1]
                order[:, 1:][again] = np.inf  # taken where there are no others
                nearest = np.argpartition(order, num, axis=1)[:, :num]
                drawn = np.take_along_axis(drawn, nearest, axis=1)
            flat[i : i + len(operands)] = sources[0] + drawn
        if at is not None:
            at = at[fanin].mean(axis=1)
        sources = np.arange(first + begin, first + end)
    return result


def hard_network(circuit: Circuit, like: Network) -> Network:
    """The network of a circuit's gates, in layers of as many as the other has, with its head.

    Raises:
        InputError: the gates are not as many, or one reads another layer than the one below it.
    """
    ends = list(accumulate((layer.num_outputs for layer in like.layers), initial=0))
    if (circuit.num_inputs, circuit.num_gates) != (like.num_inputs, ends[-1]):
        raise InputError(
            f"{circuit.num_gates} gates over {circuit.num_inputs} inputs are no network of "
            f"{ends[-1]} over {like.num_inputs}"
        )
    layers: list[Gates] = []
    first, num_inputs = 1, circuit.num_inputs
    for begin, end in pairwise(ends):
        fanin = (circuit.fanin[begin:end] - first).astype(np.int32)
        if fanin.size and not (fanin.min() >= 0 and fanin.max() < num_inputs):
            raise InputError(f"a gate of layer {len(layers)} does not read the layer below it")
        layers.append(Gates.hard(num_inputs, fanin, circuit.table[begin:end]))
        first, num_inputs = 1 + circuit.num_inputs + begin, end - begin
    return Network(*layers, head=like.head)
