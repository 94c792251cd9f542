"""From rows of a table to a trained network with no choice left to make; for `gatewright.sklearn`.

The network's size and length of training follow from the number of rows; how sharply its gates
vote, and in how many layers, is tried on rows held out. `candidates` writes out what is tried.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gatewright import schedules
from gatewright.adam import Adam
from gatewright.affine import Affine
from gatewright.circuit import pack, unpack
from gatewright.encode import Encoder
from gatewright.errors import InputError
from gatewright.heads import GroupSum, Sums
from gatewright.layers import Layer
from gatewright.learned import LearnedGates
from gatewright.network import Network
from gatewright.train import fit

Rows = npt.NDArray[Any]
Say = Callable[[str], None]

#: Candidates an operand of the first layer, and of those behind it.
CANDIDATES = 16, 8
BATCH_SIZE = 128
LEARNING_RATE = 0.05
#: Temperature of the gates at the end of training, and the share of the steps in which it falls.
FINAL_TEMPERATURE, ANNEAL = 0.05, 0.4
#: Seconds that a gate takes for a row in training, on one core; only for the choice of what fits
#: into a time, which must not depend on what else the machine does.
SECONDS_A_GATE = 2.6e-9
#: Share of the time that trials and training are planned to take.
PLANNED = 0.7
#: Rows up to which trials are judged by so many folds.
FOLDS = ((1_000, 5), (5_000, 3))
#: Share of the rows that judge trials where there are more.
HELD_OUT = 0.2


@dataclass(frozen=True)
class Plan:
    """A network and how it is trained.

    Attributes:
        widths: of its layers, all of which learn their wiring.
        steps: of BATCH_SIZE rows.
        tau: in square roots of a group's size; of a number, how wide the range of the outputs is in
            ranges of the targets.
    """

    widths: tuple[int, ...]
    steps: int
    tau: float = 1.0

    @property
    def seconds(self) -> float:
        """About what training takes on one core."""
        return self.steps * BATCH_SIZE * sum(self.widths) * SECONDS_A_GATE

    def __str__(self) -> str:
        return f"{' + '.join(map(str, self.widths))} gates, tau x {self.tau:g}, {self.steps} steps"


@dataclass(frozen=True, eq=False)
class Problem:
    """Rows and what is to be learnt of them.

    Attributes:
        rows: what the encoder's `rows` gave, [N, features].
        y: classes int32[N]; or numbers [N], of mean 0 and standard deviation 1.
        num_classes: None of numbers.
        groups: of equal rows: all of one are held out together.
    """

    encoder: Encoder
    rows: Rows
    y: npt.NDArray[Any]
    num_classes: int | None
    groups: npt.NDArray[np.int64]
    seed: int
    threads: int

    def head(self, width: int, tau: float) -> GroupSum | Affine:
        if self.num_classes is not None:
            return GroupSum(self.num_classes, tau * math.sqrt(width / self.num_classes))
        low, high = float(self.y.min()), float(self.y.max())
        spare = (tau - 1) / 2 * (high - low)
        if low == high:
            spare = 0.5
        return Affine(low - spare, high + spare, spread=1.0)


def candidates(num_rows: int, num_classes: int | None) -> list[Plan]:
    """What is tried, the surest first."""
    width = min(max(32 * math.sqrt(num_rows), 200, 100 * (num_classes or 1)), 4000)
    groups = num_classes or 1
    width = groups * math.ceil(width / groups)
    steps = round(min(max(26 * math.sqrt(num_rows), 400), 6000))
    plans = [
        Plan((width,), steps), Plan((width, width), steps, 3.0), Plan((width, width), steps),
        Plan((width,), steps, 3.0),
    ]  # fmt: skip
    if num_classes is None:
        plans = [
            Plan((width,), steps, 0.8), Plan((width, width), steps), Plan((width,), steps, 0.6),
            Plan((width, width), steps, 1.5),
        ]  # fmt: skip
    return plans


@dataclass(frozen=True, eq=False)
class Learnt:
    """What came of `learn`.

    Attributes:
        network: trained on all rows by the plan.
        y, counts: targets and counts (`counts_of`) of rows that a network of the plan had not seen;
            where nothing was tried, of all rows.
        is_cut: whether the time was over before training was.
    """

    network: Network
    plan: Plan
    y: npt.NDArray[Any]
    counts: npt.NDArray[np.float64]
    is_cut: bool


def learn(
    problem: Problem,
    plans: Sequence[Plan],
    *,
    seconds: float,
    start: Network | None = None,
    say: Say | None = None,
) -> Learnt:
    """The network of the plan that is best on held-out rows.

    Args:
        seconds: what all of it may take. What is tried is cut down to what should take PLANNED of
            that. Where this machine is slower than SECONDS_A_GATE, less is tried, and training ends
            with the time: only then does the result depend on the machine.
        start: a network to train on, of the first plan's shape: nothing is tried then.
    """
    begin = time.monotonic()
    deadline = begin + seconds
    folds = folds_of(problem)
    plans, num_folds = within(plans, len(folds), PLANNED * seconds * problem.threads)
    tried: list[tuple[float, Plan, tuple[npt.NDArray[Any], npt.NDArray[np.float64]]]] = []
    done = 0.0
    for plan in plans if start is None else ():
        passed = time.monotonic() - begin
        ahead = num_folds * plan.seconds + max(one.seconds for one in plans)
        if tried and passed + ahead * passed / done > seconds:
            break  # what is left is for the training to come
        trials = [_trial(problem, plan, fold, deadline) for fold in folds[:num_folds]]
        done += num_folds * plan.seconds
        merit = float(np.mean([trial[0] for trial in trials]))
        held = [np.concatenate([trial[1][i] for trial in trials]) for i in (0, 1)]
        tried.append((merit, plan, (held[0], held[1])))
        if say is not None:
            say(f"{plan}: {merit:.4f} on held-out rows")
    plan = max(tried, key=lambda one: one[0])[1] if tried else plans[0]
    network = start or network_of(problem, plan)
    everything = np.arange(len(problem.rows))
    network = train_on(problem, network, plan.steps, everything, deadline)
    is_cut = time.monotonic() > deadline
    seen = next((held for _, one, held in tried if one is plan), None)
    y, counts = seen or (problem.y, counts_of(network, problem.encoder, problem.rows))
    return Learnt(network, plan, y, counts, is_cut)


def within(plans: Sequence[Plan], num_folds: int, seconds: float) -> tuple[list[Plan], int]:
    """The plans and folds of trials that, with the training to come, should take so long at most.

    Folds go first, then plans from the last one, then steps.
    """
    kept, folds = list(plans), num_folds

    def cost() -> float:
        each = [plan.seconds for plan in kept]
        return folds * (1 - 1 / max(2, num_folds)) * sum(each) + max(each)

    while cost() > seconds and (folds > 1 or len(kept) > 1):
        if folds > 1:
            folds -= 1
        else:
            kept.pop()
    if cost() > seconds:
        steps = max(20, int(kept[0].steps * seconds / cost()))
        kept = [replace(plan, steps=min(plan.steps, steps)) for plan in kept]
    return kept, folds


def folds_of(problem: Problem) -> list[npt.NDArray[np.bool_]]:
    """Which rows judge: for each fold bool[N]; each class is held out by the same share."""
    num = next((folds for rows, folds in FOLDS if len(problem.rows) <= rows), 1)
    rng = np.random.default_rng((problem.seed, 1))
    _, first = np.unique(problem.groups, return_index=True)
    parts = num if num > 1 else round(1 / HELD_OUT)
    place = np.zeros(problem.groups.max() + 1, np.int64)
    labels = problem.y[first] if problem.num_classes is not None else np.zeros(len(first), int)
    begin = 0
    for label in np.unique(labels):
        here = rng.permutation(problem.groups[first[labels == label]])
        place[here] = (begin + np.arange(len(here))) % parts
        begin += len(here)
    held = [place[problem.groups] == part for part in range(num)]
    return [fold for fold in held if 0 < fold.sum() < len(fold)]


def network_of(problem: Problem, plan: Plan) -> Network:
    """The plan's network before training."""
    layers: list[Layer] = []
    below = problem.encoder.num_bits
    for i, width in enumerate(plan.widths):
        num = min(CANDIDATES[min(i, 1)], below)
        layers.append(LearnedGates(below, width, num, key=(problem.seed, i), init="gaussian"))
        below = width
    return Network(*layers, head=problem.head(below, plan.tau))


def train_on(
    problem: Problem, network: Network, steps: int, chosen: npt.NDArray[np.int64], deadline: float
) -> Network:
    """The network trained on the chosen rows; it stops at the deadline, however far it is."""
    return fit(
        network, problem.rows[chosen], problem.y[chosen],
        Adam(schedules.cosine(LEARNING_RATE, steps, final=0.0)),
        steps=steps, batch_size=min(BATCH_SIZE, len(chosen)), encoder=problem.encoder,
        temperature=schedules.geometric(1.0, FINAL_TEMPERATURE, steps, share=ANNEAL),
        seed=problem.seed, threads=problem.threads, chunk=max(1, min(steps, 1000)),
        stop=lambda _: time.monotonic() > deadline,
    )  # fmt: skip


def counts_of(network: Network, encoder: Encoder, rows: Rows) -> npt.NDArray[np.float64]:
    """Ones a group of the hard network's outputs, [N, groups]."""
    assert isinstance(network.head, Sums)
    groups = network.head.num_groups
    body = network.gates_circuit()
    bits = unpack(body.simulate(pack(encoder.encode(rows))), len(rows))
    return bits.reshape(len(rows), groups, -1).sum(axis=2, dtype=np.float64)


def _trial(
    problem: Problem, plan: Plan, held: npt.NDArray[np.bool_], deadline: float
) -> tuple[float, tuple[npt.NDArray[Any], npt.NDArray[np.float64]]]:
    """Merit of a plan on the held-out rows, trained on the others; their targets and counts."""
    network = network_of(problem, plan)
    network = train_on(problem, network, plan.steps, np.flatnonzero(~held), deadline)
    y, counts = problem.y[held], counts_of(network, problem.encoder, problem.rows[held])
    if problem.num_classes is not None:
        return float((counts.argmax(axis=1) == y).mean()), (y, counts)
    head = network.head
    assert isinstance(head, Affine)
    numbers = head.numbers(network.layers[-1].num_outputs)
    error = np.asarray(y - (numbers.offset + numbers.scale * counts[:, 0]), np.float64)
    return -float((error**2).mean()), (y, counts)


def temperature_for(y: npt.NDArray[Any], counts: npt.NDArray[np.float64]) -> float:
    """T with which softmax(counts / T) is likeliest to give the classes y (Guo et al. 2017).

    By golden section of log T: the likelihood has one hill.
    """
    relative = counts - counts.max(axis=1, keepdims=True)

    def loss(log_t: float) -> float:
        scaled = relative / math.exp(log_t)
        log_sum = np.log(np.exp(scaled).sum(axis=1))
        return float((log_sum - scaled[np.arange(len(y)), y]).mean())

    low, high = math.log(0.05), math.log(max(10.0, 10 * float(-relative.min())))
    ratio = (math.sqrt(5) - 1) / 2
    for _ in range(60):
        a, b = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, b) if loss(a) < loss(b) else (a, high)
    return math.exp((low + high) / 2)


def weighted_rows(
    values: Rows, y: npt.NDArray[Any], weights: npt.NDArray[np.float64] | None
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows to train on, as often as their weight says, and which of them are equal.

    The result depends on what rows there are and how much each weighs in all, not on their order:
    a row of weight 2 is the same as the row twice. Weights that are not whole become shares of four
    times as many rows.

    Returns:
        int64[M], row numbers; and int64[M], the group of equal rows that each is of.
    """
    keys = [y, *values.T]
    order = np.lexsort(keys[::-1])
    is_new = np.zeros(len(order), np.bool_)
    is_new[0] = True
    for key in keys:
        one = key[order]
        is_new[1:] |= (one[1:] != one[:-1]) & ~((one[1:] != one[1:]) & (one[:-1] != one[:-1]))
    group = np.cumsum(is_new) - 1
    weight = np.ones(len(order)) if weights is None else weights[order]
    total = np.asarray(np.bincount(group, weight), np.float64)
    if (total != np.round(total)).any() or total.sum() > 4 * len(order):
        shares: npt.NDArray[np.float64] = np.cumsum(np.append(0.0, total)) / total.sum()
        total = np.diff(np.round(4 * len(order) * shares))
    if not total.sum():
        raise InputError("sample_weight is 0 of every row; give some row a weight")
    is_there = total > 0
    times: npt.NDArray[np.int64] = total[is_there].astype(np.int64)
    return np.repeat(order[is_new][is_there], times), np.repeat(np.arange(len(times)), times)
