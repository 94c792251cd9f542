"""Checks of the trained network: its gates, its rounding, its votes, what it decides."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gatewright.diagnosis.evidence import Evidence, standard_error
from gatewright.diagnosis.finding import Finding
from gatewright.diagnosis.measures import LayerFacts, NetworkFacts

#: Share of a layer's gates that never change: the few that are left cannot carry ten classes.
DEAD = 0.9
#: Share of a layer's gates that pass or invert an operand: the layer decides next to nothing. The
#: upper layers of a good mnist-small that was trained for 3 epochs have .97.
COPIES = 0.99
#: Share of a layer's gates that an output depends on: below, nearly all were trained for nothing.
IDLE = 0.02
#: Share of gates that are certain at the end: with fewer, what is rounded is not what was trained.
DECIDED = 0.7
#: Share of gates that were certain at the first report, before there was much to be certain about,
SATURATED = 0.95
#: and share of gates that are another table or wire than before training. A gate that begins near
#: certainty gets next to no gradient and stays what it was.
UNMOVED = 0.03
#: Points of accuracy that rounding costs: README's recipes lose 0.1; 5 is another network.
GAP, LARGE_GAP = 1.0, 5.0
#: tau to what it is by rule; README's recipes have .25 to .6, and 1 is "auto".
LOW_TAU, HIGH_TAU = 1 / 8, 4.0
#: The mean confidence may miss the accuracy by so much before scores count as flat or saturated.
MISCALIBRATED = 0.1
#: Share of varying inputs that the circuit does not read. Thresholds of one pixel tell much the
#: same, so a good fashion-8k leaves out a third.
UNREAD = 0.5
#: Share of votes that are the same on all rows: these are paid for and count nothing.
MUTE = 0.5
#: Share of votes that are left when equal ones of a class count once.
DISTINCT = 0.1
#: Decisions for a class to its rows, or rows to decisions: the network leans to some classes.
LEANING = 2.0
#: Rows of a class that are needed to say so.
MIN_CLASS_ROWS = 20


def _of(evidence: Evidence) -> NetworkFacts:
    assert evidence.network is not None
    return evidence.network


def _layer(layer: LayerFacts, network: NetworkFacts) -> str:
    return f"layer {layer.number} of {len(network.layers)}"


def check_model(evidence: Evidence) -> Iterator[Finding]:
    """The saved circuit was not made of the network."""
    if evidence.is_stale:
        yield Finding(
            "stale-model", "fault", "model.safetensors",
            "its circuit was not made of the trained network in this folder",
            "finish the run: the same command with --resume",
        )  # fmt: skip


def check_layers(evidence: Evidence) -> Iterator[Finding]:
    """Layers that are constant, that nothing reads, or that only copy."""
    network = _of(evidence)
    dead = [layer for layer in network.layers if layer.constant > DEAD]
    if dead:
        above = f", and {len(dead) - 1} layers above it are dead too" if dead[1:] else ""
        yield Finding(
            "dead-layer", "fault", _layer(dead[0], network),
            f"{dead[0].constant:.0%} of its {dead[0].gates:,} gates are the same on all rows"
            f"{above}",
            "a residual start (--init residual) so that signals pass, a smaller --learning-rate, "
            "fewer layers",
        )  # fmt: skip
    alive = [layer for layer in network.layers if layer.constant <= DEAD]
    for layer in alive:
        if layer.live < IDLE:
            yield Finding(
                "idle-layer", "fault" if layer.live == 0 else "warning", _layer(layer, network),
                f"outputs depend on {layer.live:.1%} of its {layer.gates:,} gates",
                "a layer above reads few of them: make that wider, this one narrower, or wire it "
                "with --wiring unique",
            )  # fmt: skip
    copying = [layer for layer in alive if layer.copies > COPIES]
    if copying:
        numbers = ", ".join(str(layer.number) for layer in copying)
        yield Finding(
            "copying-layer", "warning",
            f"layer{'s' if copying[1:] else ''} {numbers} of {len(network.layers)}",
            f"{min(layer.copies for layer in copying):.1%} of the gates or more pass or invert one "
            "input, and decide nothing",
            "longer training, a start that is less certain (half of --strength), or fewer layers",
        )  # fmt: skip


def check_decided(evidence: Evidence) -> Iterator[Finding]:
    """Gates that are not certain at the end."""
    network = _of(evidence)
    gates = np.array([layer.gates for layer in network.layers])
    decided = np.array([layer.decided for layer in network.layers])
    share = float(gates @ decided / gates.sum())
    if share < DECIDED and network.accuracy_hard < 1:
        least = network.layers[int(decided.argmin())]
        yield Finding(
            "undecided-gates", "warning", "gates",
            f"{1 - share:.0%} of the gates are not certain of their table (and wires), most of all "
            f"in {_layer(least, network)} ({1 - least.decided:.0%})",
            "a temperature that falls: --final-temperature 0.05 --anneal 0.5; or longer training",
        )  # fmt: skip


def check_saturation(evidence: Evidence) -> Iterator[Finding]:
    """Gates that were certain from the start, and stayed what they were."""
    network = _of(evidence)
    gates = np.array([layer.gates for layer in network.layers])
    changed = float(gates @ [layer.changed for layer in network.layers] / gates.sum())
    first, last = evidence.metrics[0], evidence.metrics[-1]
    is_early = 2 * first.step <= last.step
    if is_early and first.decided > SATURATED and changed < UNMOVED:
        yield Finding(
            "saturated-gates", "fault", "gates",
            f"{first.decided:.0%} of the gates were certain at step {first.step}, and only "
            f"{changed:.1%} are another gate than before: so near to certainty gradients vanish",
            "a start that is less certain (half of --strength), a higher --temperature, a larger "
            "--learning-rate",
        )  # fmt: skip


def check_gap(evidence: Evidence) -> Iterator[Finding]:
    """Rounding costs accuracy, and where."""
    network = _of(evidence)
    assert evidence.data is not None
    gap = 100 * (network.accuracy_soft - network.accuracy_hard)
    soft = network.accuracy_soft
    chance = 100 * standard_error(soft, evidence.data.num_judged)
    if gap <= max(GAP, chance):
        return
    reached = [soft, *(layer.accuracy for layer in network.layers)]
    drops = np.subtract(reached[:-1], reached[1:])
    worst = int(drops.argmax())
    before, after = 100 * reached[worst], 100 * reached[worst + 1]
    yield Finding(
        "soft-hard-gap", "fault" if gap > LARGE_GAP else "warning",
        _layer(network.layers[worst], network),
        f"rounding all gates costs {gap:.2f} points ({100 * soft:.2f} % soft, "
        f"{100 * network.accuracy_hard:.2f} % hard); rounded layer by layer from the inputs on, "
        f"accuracy falls most here, from {before:.2f} to {after:.2f} %",
        "anneal (--final-temperature 0.05 --anneal 0.5), longer training, or gates that train "
        "hard (--form straight_through or gumbel)",
    )  # fmt: skip


def check_tau(evidence: Evidence) -> Iterator[Finding]:
    """The group sum's temperature makes scores flat, or saturates the loss."""
    network = _of(evidence)
    votes = network.votes
    assert votes is not None
    ratio = votes.tau / votes.auto_tau
    if LOW_TAU <= ratio <= HIGH_TAU:
        return
    excess = votes.confidence - network.accuracy_soft
    rule = f"the square root of a class's {votes.size} votes"
    if votes.group != "class":
        rule = f"what it is by rule ({votes.auto_tau:.3g})"
    says = f"tau is {votes.tau:g}, {ratio:.2g} times {rule}"
    if ratio > HIGH_TAU and excess < -MISCALIBRATED:
        says += (
            f": scores are flat (the likeliest class gets {votes.confidence:.0%}, and "
            f"{network.accuracy_soft:.0%} of the rows are right), so gradients hardly tell rows "
            "apart"
        )
    elif ratio < LOW_TAU and excess > MISCALIBRATED:
        says += (
            f": the loss saturates (the likeliest class gets {votes.confidence:.0%}, and "
            f"{network.accuracy_soft:.0%} of the rows are right), so few rows train"
        )
    yield Finding(
        "tau", "warning", "votes", says,
        f"--tau {votes.auto_tau / 2:.3g}, half of that, or --tune-tau 5 to try three",
    )  # fmt: skip


def check_inputs(evidence: Evidence) -> Iterator[Finding]:
    """Inputs that vary and that the circuit does not read."""
    network = _of(evidence)
    assert evidence.data is not None
    varies = evidence.data.varies
    unread = int((varies & ~network.is_read).sum())
    if unread > UNREAD * varies.sum():
        yield Finding(
            "unread-inputs", "warning", _layer(network.layers[0], network),
            f"of {varies.sum():,} inputs that vary the circuit does not read {unread:,}, once dead "
            "gates are swept away",
            "a wider first layer, or one that learns its wiring (L8000:16 in --layers); nothing, "
            "if you know that these inputs tell nothing",
        )  # fmt: skip


def check_votes(evidence: Evidence) -> Iterator[Finding]:
    """Votes that are constant, or alike."""
    votes = _of(evidence).votes
    assert votes is not None
    mute = float(votes.constant.mean())
    silent = np.flatnonzero(votes.constant == 1).tolist()
    if mute > MUTE or silent:
        of = f"; all of {votes.group} {', '.join(map(str, silent))}" if silent else ""
        yield Finding(
            "mute-votes", "fault" if silent else "warning", "votes",
            f"{mute:.0%} of the {votes.size * len(votes.constant):,} votes are the same on all "
            f"rows{of}",
            "a smaller --learning-rate or a residual start (--init residual); if the accuracy is "
            "good, fewer gates in the last layer",
        )  # fmt: skip
    distinct = float(votes.distinct.mean())
    if distinct < DISTINCT:
        yield Finding(
            "equal-votes", "warning", "votes",
            f"only {distinct:.1%} of a {votes.group}'s {votes.size} votes differ from one another "
            "on these rows",
            "fewer gates in the last layer, or more in the layers below for it to read",
        )  # fmt: skip


def check_decisions(evidence: Evidence) -> Iterator[Finding]:
    """The network guesses, never decides for a class, or leans to some."""
    network = _of(evidence)
    wanted, decided = network.target_counts, network.predicted_counts
    majority = wanted.max() / wanted.sum()
    if network.accuracy_hard <= majority and wanted.max() < wanted.sum():
        yield Finding(
            "guessing", "fault", "decisions",
            f"{network.accuracy_hard:.2%} of the rows are right; always to say class "
            f"{wanted.argmax()} would be right for {majority:.2%}",
            "mend what else is found here first; then a larger --learning-rate or more --epochs, "
            "and look whether rows and classes of the data belong together",
        )  # fmt: skip
    is_known = wanted >= MIN_CLASS_ROWS
    never = np.flatnonzero(is_known & (decided == 0)).tolist()
    if never:
        yield Finding(
            "leaning", "fault", "decisions",
            f"the circuit never decides for class {', '.join(map(str, never))}",
            "balance the classes of the training rows; look at the votes of that class",
        )  # fmt: skip
        return
    ratio = np.where(is_known, np.maximum(decided, 1) / np.maximum(wanted, 1), 1.0)
    worst = int(np.abs(np.log(ratio)).argmax())
    if not 1 / LEANING <= ratio[worst] <= LEANING:
        yield Finding(
            "leaning", "warning", "decisions",
            f"the circuit decides {decided[worst]:,} times for class {worst}, which "
            f"{wanted[worst]:,} of {wanted.sum():,} rows are",
            "balance the classes of the training rows; longer training",
        )  # fmt: skip
