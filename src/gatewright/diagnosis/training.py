"""Checks of how training went, and of the rows that it had."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from statistics import median

from gatewright.diagnosis.evidence import Evidence, standard_error
from gatewright.diagnosis.finding import Finding

#: Reports below which a run has no beginning, middle and end to compare: fifths of one each.
MIN_REPORTS = 5
#: The loss of a chunk is that of its batches, and wavers; a quarter over its least is no wavering.
LOSS_RISE = 1.25
#: Accuracy, in points, that the last fifth of a run has over the fifth before: with as much again
#: to be had in as many steps, the run was too short. Recipes that were recorded here gain less.
STILL_RISING = 1.0
#: Points by which training rows may do better than held-out ones: some of it is usual. Over the
#: second, rounding or luck are no explanation, and most of the capacity went into single rows.
OVERFITTED, BADLY_OVERFITTED = 4.0, 12.0
#: Rows of the most frequent class for one of the rarest: beyond, ignoring that class costs little.
UNBALANCED = 8.0
#: Share of rows that no function of the bits can get right: more than a good run's mistakes.
AMBIGUOUS = 0.02
#: Share of input bits that are the same in all rows; of MNIST's pixels a fifth are.
CONSTANT_INPUTS = 0.75


def check_divergence(evidence: Evidence) -> Iterator[Finding]:
    """Training met a loss or a parameter that is not finite."""
    if evidence.divergence is not None:
        says, _, mend = evidence.divergence.partition("; ")
        yield Finding(
            "divergence", "fault", "training", says,
            f"{mend}; once it is mended, begin again with --overwrite",
        )  # fmt: skip


def check_loss(evidence: Evidence) -> Iterator[Finding]:
    """The loss rose over the run."""
    if len(evidence.metrics) < MIN_REPORTS:
        return
    fifths = _fifths([one.loss for one in evidence.metrics])
    first, least, last = fifths[0], min(fifths), fifths[-1]
    if last <= LOSS_RISE * least:
        return
    yield Finding(
        "rising-loss", "fault" if last > first else "warning", "metrics.jsonl",
        f"the loss rose: {first:.4f} in the first fifth of the run, {least:.4f} at its least, "
        f"{last:.4f} in the last",
        "a third of --learning-rate, or a schedule that ends at 0; if it rose while the "
        "temperature fell, a --final-temperature nearer to 1",
    )  # fmt: skip


def check_end(evidence: Evidence) -> Iterator[Finding]:
    """Training was cut off, or ended while accuracy was rising."""
    metrics = evidence.metrics
    if not evidence.has_model and evidence.divergence is None:
        reached = f"after step {metrics[-1].step}" if metrics else "before its first report"
        asked = f" of {evidence.num_steps}" if evidence.num_steps and metrics else ""
        yield Finding(
            "unfinished", "fault", "model.safetensors",
            f"there is none: the run ended {reached}{asked}",
            "the same command with --resume" if metrics else "the same command once more",
        )  # fmt: skip
    if len(metrics) < MIN_REPORTS or (evidence.is_over and metrics[-1].hard_accuracy == 1):
        return
    *_, before, last = _fifths([100 * one.hard_accuracy for one in metrics])
    if last - before > STILL_RISING:
        yield Finding(
            "cut-early", "warning", "metrics.jsonl",
            f"accuracy was still rising at the end: {before:.2f} % in the last fifth but one of "
            f"the run, {last:.2f} % in the last",
            "twice the --epochs (or --steps)",
        )  # fmt: skip


def check_overfitting(evidence: Evidence) -> Iterator[Finding]:
    """Training rows do much better than held-out ones."""
    assert evidence.network is not None
    assert evidence.data is not None
    assert evidence.network.accuracy_training is not None
    training, held_out = evidence.network.accuracy_training, evidence.network.accuracy_hard
    excess = 100 * (training - held_out)
    chance = 200 * standard_error(held_out, evidence.data.num_judged)
    if excess <= max(OVERFITTED, chance):
        return
    yield Finding(
        "overfitting", "fault" if excess > BADLY_OVERFITTED else "warning", "held-out rows",
        f"the hard network has {100 * training:.2f} % of the training rows right and "
        f"{100 * held_out:.2f} % of the held-out ones",
        "more or warped training rows (--rotate, --shift, --elastic for images), fewer gates in "
        "--layers, --weight-decay 0.02, or --patience 10",
    )  # fmt: skip


def check_classes(evidence: Evidence) -> Iterator[Finding]:
    """One class has many times the training rows of another."""
    assert evidence.data is not None
    counts = evidence.data.training_counts
    absent = [str(c) for c in range(len(counts)) if not counts[c]]
    if absent:
        yield Finding(
            "unbalanced-classes", "fault", "training rows",
            f"no row is of class {', '.join(absent)}",
            "number the classes from 0 without gaps",
        )  # fmt: skip
    elif counts.max() > UNBALANCED * counts.min():
        yield Finding(
            "unbalanced-classes", "warning", "training rows",
            f"class {counts.argmax()} has {counts.max():,} rows and class {counts.argmin()} has "
            f"{counts.min():,}, so an accuracy says little of the second",
            "repeat the rows of rare classes in the file, and look at each class's accuracy",
        )  # fmt: skip


def check_encoding(evidence: Evidence) -> Iterator[Finding]:
    """The bits do not tell apart what the samples do: constant, or alike for several classes."""
    assert evidence.data is not None
    data = evidence.data
    constant = 1 - data.varies.mean()
    if constant > CONSTANT_INPUTS:
        yield Finding(
            "constant-inputs", "fault" if not data.varies.any() else "warning", "input bits",
            f"{constant:.0%} of the {len(data.varies):,} bits are the same in all rows",
            "thresholds that lie amid the values: --thermometer quantile:3, or --per-feature true",
        )  # fmt: skip
    if 1 - data.ceiling > AMBIGUOUS:
        yield Finding(
            "ambiguous-rows", "warning", "input bits",
            f"rows of different classes have the same bits: {100 * data.ceiling:.1f} % of the "
            "training rows is the most that any circuit could get right",
            "more thresholds (--thermometer quantile:7), unless the rows contradict one another",
        )  # fmt: skip


def _fifths(values: list[float]) -> list[float]:
    """The median of each fifth of at least five values."""
    edges = [i * len(values) // 5 for i in range(6)]
    return [median(values[a:b]) for a, b in pairwise(edges)]
