"""Chains of gate layers under a group sum, drawn at random, and their loss and gradients by hand.

By hand: NumPy in double precision, backward pass written out, sharing nothing with the package but
the networks' arrays. It checks both the JAX twin and the native kernel.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from gatewright import wiring
from gatewright.affine import Affine
from gatewright.codes import halves
from gatewright.errors import InputError
from gatewright.fused import FORMS
from gatewright.heads import GroupSum
from gatewright.layers import Gates, Layer
from gatewright.learned import LearnedGates
from gatewright.network import Network

Floats = npt.NDArray[np.float64]

TABLES = np.arange(16)
#: [4, 16]: bit a + 2b of each table.
CORNERS = (TABLES[None, :] >> np.arange(4)[:, None] & 1).astype(np.float64)
#: Corner values to the coefficients of 1, a, b and ab.
TO_POLYNOMIAL = np.array([[1, 0, 0, 0], [-1, 1, 0, 0], [-1, 0, 1, 0], [1, -1, -1, 1]], np.float64)
#: Corner a + 2b from the coefficients of 1, u, v and uv, u = 1 - 2a and v = 1 - 2b.
WALSH = np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]], np.float64)


@dataclass(frozen=True)
class Case:
    """A network, rows for it, and how it is trained on them."""

    network: Network
    x: npt.NDArray[np.bool_]
    y: npt.NDArray[Any]  # classes, or their probabilities; or numbers
    temperature: float
    mode: str


def random_layer(rng: np.random.Generator, below: int, above: int, form: str | None) -> Layer:
    key = (int(rng.integers(2**31)),)
    form = form or str(rng.choice(list(FORMS)))
    if rng.random() < 0.4:
        return LearnedGates(
            below, above, int(rng.integers(1, 10)), key=key, parametrisation=form, init="gaussian",
            selection="soft" if rng.random() < 0.5 else "straight_through",
        )  # fmt: skip
    scheme = str(rng.choice(list(wiring.SCHEMES)))
    try:
        return Gates(below, above, key=key, parametrisation=form, init="gaussian", wiring=scheme)
    except InputError:  # not for this shape
        return Gates(below, above, key=key, parametrisation=form, init="gaussian")


def random_case(
    seed: int,
    num_inputs: int,
    hidden: list[int],
    classes: int,
    batch: int,
    temperature: float,
    mode: str = "training",
    form: str | None = None,
) -> Case:
    """A chain of hidden layers of these widths and a last one, of all kinds of layer at random."""
    rng = np.random.default_rng(seed)
    widths = [num_inputs, *hidden, classes * int(rng.integers(1, 8))]
    layers = [random_layer(rng, a, b, form) for a, b in pairwise(widths)]
    head = GroupSum(
        classes,
        "auto" if rng.random() < 0.3 else float(rng.uniform(0.5, 5)),
        label_smoothing=float(rng.choice([0.0, 0.1])),
    )
    x = rng.random((batch, num_inputs)) < 0.5
    y: npt.NDArray[Any] = rng.integers(0, classes, batch).astype(np.int32)
    if rng.random() < 0.3:
        y = rng.dirichlet(np.full(classes, 0.5), batch).astype(np.float32)
    own = np.random.default_rng((seed, 1))  # so that what else is drawn stays
    if own.random() < 0.3:
        number = Affine(*sorted(own.normal(0, 2, 2)), spread=own.uniform(0.5, 2), groups=classes)
        y = own.normal(0, 2, batch).astype(np.float32)
        return Case(Network(*layers, head=number), x, y, temperature, mode)
    if own.random() < 0.4:  # more classes than groups, or fewer
        num = int(own.integers(2, min(12, 2 ** (classes - 1)) + 1))
        head = GroupSum(num, head.tau, label_smoothing=head.label_smoothing, divisions=classes)
        y = own.integers(0, num, batch).astype(np.int32)
        if own.random() < 0.3:
            y = own.dirichlet(np.full(num, 0.5), batch).astype(np.float32)
    return Case(Network(*layers, head=head), x, y, temperature, mode)


def softmax(x: Floats) -> Floats:
    e = np.exp(x - x.max(axis=0))
    return e / e.sum(axis=0)


def softmax_backward(p: Floats, d: Floats) -> Floats:
    return p * (d - (p * d).sum(axis=0))


def sigmoid(x: Floats) -> Floats:
    return np.exp(-np.logaddexp(0, -x))


def one_hot(x: Floats) -> Floats:
    return (np.arange(len(x))[:, None] == x.argmax(axis=0)).astype(np.float64)


def corners(form: str, w: Floats, temperature: float, d: Floats | None = None) -> Floats:
    """Soft corner values [4, n]; or, given their gradient d, that of the parameters."""
    if form in ("light", "walsh"):
        matrix = WALSH if form == "walsh" else np.eye(4)
        logits = matrix @ w / temperature
        if d is None:
            return sigmoid(logits)
        return matrix.T @ (d * sigmoid(logits) * sigmoid(-logits)) / temperature
    gates = (TO_POLYNOMIAL @ CORNERS)[:, :, None] - w[:, None, :] if form == "covjac" else w
    logits = -(gates**2).sum(axis=0) if form == "covjac" else w
    p = softmax(logits / temperature)
    if d is None:
        return CORNERS @ p
    d_logits = softmax_backward(p, CORNERS.T @ d) / temperature
    return 2 * (gates * d_logits).sum(axis=1) if form == "covjac" else d_logits


def hard_corners(form: str, w: Floats) -> Floats:
    if form in ("light", "walsh"):
        return ((WALSH if form == "walsh" else np.eye(4)) @ w > 0).astype(np.float64)
    if form == "covjac":
        gates = TO_POLYNOMIAL @ CORNERS
        w = -((gates[:, :, None] - w[:, None, :]) ** 2).sum(axis=0)
    return CORNERS @ one_hot(w)


@dataclass(frozen=True)
class Answer:
    """Loss, scores [batch, classes], and the gradients of each layer's trainable arrays."""

    loss: float
    num_right: tuple[int, int]  # at least and at most: decisions nearer than float32 can tell
    scores: Floats
    gradients: list[Floats]


def by_hand(case: Case) -> Answer:
    """What a training step sees, in double precision."""
    x = case.x.T.astype(np.float64)
    kept: list[tuple[Any, ...]] = []
    for layer in case.network.layers:
        out, residuals = forward(layer, x, case.temperature, case.mode)
        kept.append((layer, x, *residuals))
        x = out
    loss, num_right, scores, g = of_head(case, x)
    gradients: list[Floats] = []
    for layer, below, *residuals in reversed(kept):
        g, of_layer = backward(layer, below, g, case.temperature, *residuals)
        gradients = of_layer + gradients
    return Answer(loss, num_right, scores, gradients)


def of_head(case: Case, x: Floats) -> tuple[float, tuple[int, int], Floats, Floats]:
    """Loss, samples decided right, scores and gradient of the last layer's outputs x."""
    head = case.network.head
    if isinstance(head, Affine):
        return of_number(head, case.y, x)
    assert isinstance(head, GroupSum)
    size = len(x) // head.num_groups
    code = halves(head.num_classes, head.divisions).T if head.divisions else np.eye(len(x) // size)
    tau = head.tau
    if tau == "auto":  # a random vote has a variance of 1/4, the scores' differences of 1/2
        c, d = np.triu_indices(head.num_classes, 1)
        tau = np.sqrt(size * ((code[c].astype(int) - code[d]) ** 2).sum(axis=1).mean() / 2)
    votes = np.repeat(code, size, axis=1).astype(np.float64)  # of a one; a zero's are 1 less
    sums = votes @ x + (votes < 0).sum(axis=1)[:, None]
    p = softmax(sums / tau)
    batch, smoothing = len(case.y), head.label_smoothing
    share = np.eye(head.num_classes)[case.y] if case.y.ndim == 1 else case.y.astype(np.float64)
    target = (1 - smoothing) * share.T + smoothing / head.num_classes
    loss = -(target * np.log(p)).sum() / batch
    g = votes.T @ ((p - target) / tau / batch)
    return float(loss), count_right(sums, case), (sums / tau).T, g


def of_number(
    head: Affine, y: npt.NDArray[Any], x: Floats
) -> tuple[float, tuple[int, int], Floats, Floats]:
    size = len(x) // head.groups
    counts = np.repeat(2.0 ** np.arange(head.groups), size)
    slope = (head.high - head.low) * counts / counts.sum()
    off = (head.low + slope @ x - y) / head.spread
    g = 2 * off * slope[:, None] / head.spread / len(y)
    return float((off**2).mean()), (0, 0), (head.low + slope @ x)[:, None], g


def count_right(sums: Floats, case: Case) -> tuple[int, int]:
    """Samples decided right, the first class on a tie: surely, and at most.

    Only straight through do sums tie exactly, being whole.
    """
    y = case.y if case.y.ndim == 1 else case.y.argmax(axis=1)
    of_target = sums[y, np.arange(len(y))]
    others = np.where(np.arange(len(sums))[:, None] == y, -np.inf, sums)
    gap = of_target - others.max(axis=0)
    is_right = sums.argmax(axis=0) == y
    is_close = (np.abs(gap) < 1e-4) & (case.mode != "straight_through")
    return int((is_right & ~is_close).sum()), int((is_right | is_close).sum())


def forward(layer: Any, x: Floats, temperature: float, mode: str) -> tuple[Floats, tuple[Any, ...]]:
    w = np.asarray(layer.parameters, np.float64)
    is_hard = mode != "soft" and (mode != "training" or layer.form == "straight_through")
    q = hard_corners(layer.form, w) if is_hard else corners(layer.form, w, temperature)
    if isinstance(layer, LearnedGates):
        logits = np.asarray(layer.logits, np.float64)
        is_hard = mode != "soft" and (mode != "training" or layer.selection != "soft")
        shares = [one_hot(of) if is_hard else softmax(of / temperature) for of in logits]
    else:
        shares = [np.ones((1, len(layer.fanin)))] * 2
    a, b = (
        (share[..., None] * x[rows]).sum(axis=0)
        for share, rows in zip(shares, operands_of(layer), strict=True)
    )
    c = TO_POLYNOMIAL @ q
    out = c[0, :, None] + c[1, :, None] * a + c[2, :, None] * b + c[3, :, None] * a * b
    return out, (shares, a, b, c)


def backward(
    layer: Any, x: Floats, g: Floats, temperature: float,
    shares: list[Floats], a: Floats, b: Floats, c: Floats,
) -> tuple[Floats, list[Floats]]:  # fmt: skip
    """The gradients of the inputs and of the trainable arrays."""
    w = np.asarray(layer.parameters, np.float64)
    d_c = np.stack([(g * term).sum(axis=1) for term in (np.ones_like(a), a, b, a * b)])
    gradients = [corners(layer.form, w, temperature, TO_POLYNOMIAL.T @ d_c)]
    d_x, d_logits = np.zeros_like(x), []
    d_operands = g * (c[1, :, None] + c[3, :, None] * b), g * (c[2, :, None] + c[3, :, None] * a)
    for side, (share, rows, d) in enumerate(
        zip(shares, operands_of(layer), d_operands, strict=True)
    ):
        np.add.at(d_x, rows, share[..., None] * d)
        if isinstance(layer, LearnedGates):
            p = softmax(np.asarray(layer.logits, np.float64)[side] / temperature)
            d_logits.append(softmax_backward(p, (d * x[rows]).sum(axis=2)) / temperature)
    return d_x, gradients + ([np.stack(d_logits)] if d_logits else [])


def operands_of(layer: Any) -> npt.NDArray[np.integer[Any]]:
    """[2, K, n]: what each operand may read."""
    if isinstance(layer, LearnedGates):
        return np.asarray(layer.candidates)
    return np.asarray(layer.fanin).T[:, None]


def trained_arrays(tree: Any) -> list[Any]:
    """A network's trainable arrays, or what a tree like it holds in their place, in that order."""
    return [
        array
        for layer in tree.layers
        for array in (layer.parameters, getattr(layer, "logits", None))
        if array is not None
    ]


def with_arrays(network: Network, arrays: list[Any]) -> Network:
    values = [jnp.asarray(array, dtype=jnp.float32) for array in arrays]
    return eqx.tree_at(trained_arrays, network, values)
