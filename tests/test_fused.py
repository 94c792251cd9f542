"""The native training kernel against its specification: by hand in double precision, and JAX."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gate_chains import Answer, Case, by_hand, random_case, trained_arrays, with_arrays
from gatewright import data, layer_calls, native
from gatewright.adam import Adam, AdamState
from gatewright.affine import Affine
from gatewright.encode import Identity
from gatewright.errors import Diverged, InputError
from gatewright.feed import Feed
from gatewright.fused import FORMS, STORAGES, Fused, storage_of, why_not
from gatewright.heads import Bits, GroupSum, Sums
from gatewright.journal import State, partition
from gatewright.layers import Gates
from gatewright.learned import LearnedGates
from gatewright.luts import Luts
from gatewright.network import Network
from gatewright.train import fit, kernel_of, train
from native_programs import Machine, machines

#: Storages of sixteen bits -> the instruction sets that have them.
SIXTEEN_BITS = {
    "bfloat16": ("portable", "avx2", "avx512"),
    "fixed16": ("avx2", "avx512"),
    "float16": ("avx512",) if storage_of("auto") == "float16" else (),
}


def sixteen_bits(name: str | None = None) -> list[str]:
    """Storages that there are with an instruction set, or with the best of this machine."""
    module = native.load()
    name = name or ("" if module is None else module.training_kernel())
    return [storage for storage, names in SIXTEEN_BITS.items() if name in names]


#: Adam that leaves the parameters and has the gradient as its mean.
GRADIENT = Adam(0.0, b1=0.0)
#: Seed of a chain of fixed and learned wiring, smooth: no rounding tips a hard gate over.
MIXED = 0

# Widths around 16, of which the kernel's blocks are, and batches around 64, its tiles.
cases = st.builds(
    random_case,
    st.integers(0, 2**32),
    st.sampled_from([2, 3, 5, 16, 33, 63, 64, 65, 70, 130]),
    st.lists(st.integers(2, 90), max_size=3),
    st.integers(2, 11),
    st.sampled_from([1, 63, 64, 65, 100, 300, 700]),
    st.sampled_from([0.05, 0.2, 0.7, 1.0, 3.0]),
    st.sampled_from(["training", "soft", "straight_through"]),
)


def fused_of(case: Case, **options: Any) -> Fused:
    return Fused(case.network, mode=case.mode, **{"activations": "float32", **options})


def words_of(case: Case) -> np.ndarray:
    return Feed.make(case.network, case.x, case.y).packed


def step_of(case: Case, **options: Any) -> tuple[float, int, list[np.ndarray]]:
    """Loss, rows decided right and gradients of a step on the native kernel."""
    fused = fused_of(case, **options)
    temperatures = np.full(1, case.temperature, np.float32)
    losses, num_right = fused.run(
        words_of(case), case.y, np.zeros(1, np.float32), temperatures, 0, GRADIENT
    )
    same(trained_arrays(fused.network()), trained_arrays(case.network))
    return float(losses[0]), int(num_right[0]), arrays_of(fused.state(1).mean)


def arrays_of(tree: Any) -> list[np.ndarray]:
    return [np.asarray(array) for array in trained_arrays(tree)]


def same(found: Any, expected: Any) -> None:
    """Bit for bit."""
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def norm(arrays: list[np.ndarray]) -> float:
    return float(np.linalg.norm(np.concatenate([array.ravel() for array in arrays])))


def close(found: list[np.ndarray], expected: list[np.ndarray], temperature: float) -> None:
    """Each array to 1e-5 of its norm, and a quarter of that of all: where a layer's gates are
    decided, nearly nothing is left of its gradient. At low temperatures exponents are larger, and
    so is their rounding.
    """
    relative = 1e-5 * max(1, 0.3 / temperature)
    total = norm(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        error = np.linalg.norm(one.astype(np.float64) - other)
        assert error <= relative * (np.linalg.norm(other) + total / 4) + 1e-12


def close_enough(found: list[np.ndarray], expected: list[np.ndarray]) -> None:
    """All to 4 % of their norm, which bfloat16 with its 8 bits keeps, where that is not tiny."""
    errors = [one - other for one, other in zip(found, expected, strict=True)]
    assert norm(errors) <= 0.04 * norm(expected) + 2e-4


def agree(found: tuple[float, int, list[np.ndarray]], expected: Answer, temperature: float) -> None:
    loss, num_right, gradients = found
    assert loss == pytest.approx(expected.loss, rel=3e-6)
    assert expected.num_right[0] <= num_right <= expected.num_right[1]
    close(gradients, expected.gradients, temperature)


# Agreement


@settings(max_examples=40)
@given(cases, st.integers(1, 3))
@example(random_case(15641051, 2, [], 2, 1, 0.05, "training"), 1)  # decided gates,
@example(random_case(6918, 2, [], 2, 1, 0.05, "training"), 1)  # and a decided sample
@example(random_case(79637, 2, [2, 2, 35], 8, 1, 0.05, "training"), 1)  # scores of 21
def test_the_kernel_does_what_is_written_by_hand(case: Case, threads: int) -> None:
    expected = by_hand(case)
    agree(step_of(case, threads=threads), expected, case.temperature)
    fused = fused_of(case, threads=threads)
    scores = fused.scores(words_of(case), case.temperature)
    soft = by_hand(Case(case.network, case.x, case.y, case.temperature, "soft"))
    np.testing.assert_allclose(scores, soft.scores, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("activations", sixteen_bits())
@settings(max_examples=25)
@given(case=cases)
def test_sixteen_bits_lose_little(activations: str, case: Case) -> None:
    expected = by_hand(case)
    loss, _, gradients = step_of(case, activations=activations)
    # A number may be far off, and its loss then large.
    is_number = isinstance(case.network.head, Affine)
    assert loss == pytest.approx(expected.loss, abs=5e-3, rel=5e-3 if is_number else None)
    close_enough(gradients, expected.gradients)


@pytest.mark.parametrize("mode", ["training", "soft", "straight_through"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_in_every_mode(form: str, mode: str) -> None:
    kinds: set[tuple[Any, ...]] = set()
    for seed in range(8):
        case = random_case(seed, 70, [45, 18], 3, 70, 0.7, mode, form)
        kinds |= {(type(of), getattr(of, "selection", "")) for of in case.network.layers}
        expected = by_hand(case)
        agree(step_of(case), expected, case.temperature)
        for activations in sixteen_bits():
            close_enough(step_of(case, activations=activations)[2], expected.gradients)
    assert len(kinds) == 3


JAX_CASES = [
    random_case(seed, 33, [24, 18], 3, 65, temperature, mode, form)
    for seed, (form, mode, temperature) in enumerate(
        [
            ("softmax", "training", 1.0),
            ("straight_through", "training", 0.6),
            ("light", "straight_through", 0.8),
            ("walsh", "soft", 0.3),
            ("covjac", "training", 0.5),
        ]
    )
]


@pytest.mark.parametrize("case", JAX_CASES, ids=lambda case: case.network.layers[0].form)
def test_jax_and_the_kernel_and_what_is_written_by_hand_agree(case: Case) -> None:
    trainable, fixed = partition(case.network)

    def loss(trainable: Any, x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
        network = eqx.combine(trainable, fixed)
        scores = network(x, mode=case.mode, temperature=case.temperature)
        return network.head.loss(scores, y), scores

    quickly = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
    program = jax.jit(jax.value_and_grad(loss, has_aux=True), compiler_options=quickly)
    with layer_calls.off():
        (value, scores), gradient = program(trainable, jnp.asarray(case.x), jnp.asarray(case.y))
    expected = by_hand(case)
    assert float(value) == pytest.approx(expected.loss, rel=3e-6)
    np.testing.assert_allclose(scores, expected.scores, rtol=1e-5, atol=1e-5)
    close(arrays_of(gradient), expected.gradients, case.temperature)
    agree(step_of(case), expected, case.temperature)


def test_probabilities_of_one_class_are_that_class() -> None:
    cases = [random_case(seed, 33, [24], 3, 130, 0.7) for seed in range(12)]
    heads = [(case, case.network.head) for case in cases]
    voting = [(case, head) for case, head in heads if isinstance(head, GroupSum)]
    assert len(voting) >= 6
    for case, head in voting:
        y = np.arange(130, dtype=np.int32) % head.num_classes
        sure = step_of(Case(case.network, case.x, y, 0.7, "training"))
        shares = np.eye(head.num_classes, dtype=np.float32)[y]
        found = step_of(Case(case.network, case.x, shares, 0.7, "training"))
        assert found[0] == pytest.approx(sure[0], rel=1e-6)
        assert found[1] == sure[1]
        close(found[2], [np.asarray(one, np.float64) for one in sure[2]], 0.7)


def test_both_operands_may_be_the_same_input() -> None:
    """No wiring scheme pairs an input with itself, but a file may."""
    case = random_case(5, 4, [], 2, 70, 1.0, form="light")
    for fanin in ([[0, 0], [0, 0], [1, 1]], [[2, 2], [2, 3], [3, 3]]):
        below = eqx.tree_at(
            lambda layer: layer.fanin,
            Gates(4, 3, key=(1,), parametrisation="light", init="gaussian"),
            jnp.asarray(fanin, dtype=jnp.int32),
        )
        above = Gates(3, 4, key=(2,), parametrisation="walsh", init="gaussian")
        above = eqx.tree_at(
            lambda layer: layer.fanin, above, jnp.asarray([[0, 0], [2, 2], [2, 0], [0, 0]])
        )
        network = Network(below, above, head=GroupSum(2, tau=1.5))
        case = Case(network, case.x, case.y, 0.7, "training")
        agree(step_of(case), by_hand(case), case.temperature)


def test_many_tiles_and_rows_that_nothing_reads() -> None:
    """More tiles than there are sums of gradients; narrow layers, so that most rows are unread."""
    for seed in range(6):
        case = random_case(seed, 9, [70, 10, 60], 2, 700, 0.7)
        agree(step_of(case), by_hand(case), case.temperature)


def test_gradients_of_many_readers_are_added_without_loss() -> None:
    """Rows that 30 gates of one kind read, so that their gradients have one sign."""
    below = Gates(9, 4, key=(0,), init="gaussian")
    above = Gates(4, 60, key=(1,), parametrisation="light")
    parameters = jnp.asarray([[-3.0], [3.0], [3.0], [3.0]]) * jnp.ones((1, 60))  # OR
    above = eqx.tree_at(lambda layer: layer.parameters, above, parameters)
    rng = np.random.default_rng(0)
    x, y = rng.random((64, 9)) < 0.5, np.zeros(64, np.float32)
    case = Case(Network(below, above, head=Affine(0.0, 1.0)), x, y, 1.0, "training")
    expected = by_hand(case)
    for activations in sixteen_bits():
        found = step_of(case, activations=activations)[2]
        for one, other in zip(found, expected.gradients, strict=True):
            assert norm([one - other]) <= 0.02 * norm([other])


@pytest.mark.parametrize("mode", ["training", "straight_through"])
def test_the_first_of_equals_is_chosen(mode: str) -> None:
    """Gates and wires rounded at parameters that tie, pairwise and all together."""
    for seed in range(6):
        case = random_case(seed, 30, [20], 3, 70, 0.7, mode, "straight_through")
        arrays = [np.round(array) * (seed % 3) for array in arrays_of(case.network)]
        network = with_arrays(case.network, arrays)
        case = Case(network, case.x, case.y, 0.7, mode)
        agree(step_of(case), by_hand(case), case.temperature)


def instruction_sets() -> list[str]:
    """Those of this machine."""
    module, before = native.load(), os.environ.get("GATEWRIGHT_ISA")
    assert module is not None
    found: list[str] = []
    try:
        for name in ("avx512", "avx2", "portable"):
            os.environ["GATEWRIGHT_ISA"] = name
            with contextlib.suppress(ValueError):
                found += [name] if module.training_kernel() == name else []
    finally:
        os.environ.pop("GATEWRIGHT_ISA")
        if before is not None:
            os.environ["GATEWRIGHT_ISA"] = before
    return found


@pytest.mark.parametrize("name", instruction_sets())
def test_candidates_that_are_bits_lose_less(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first layer in fixed point: 1.5 % of the norm, of which the rows above it have most."""
    monkeypatch.setenv("GATEWRIGHT_ISA", name)
    rng = np.random.default_rng(2)
    shapes = [(1, 1), (3, 64), (4, 65), (18, 130), (45, 520), (128, 700), (7, 4500)]
    for seed, (k, batch) in enumerate(shapes):
        num_inputs = 3 * k + 2
        first = LearnedGates(num_inputs, 20, k, key=(seed,), init="gaussian", wire_noise=2.0)
        second = Gates(20, 12, key=(seed, 1), init="gaussian")
        x = rng.random((batch, num_inputs)) < rng.random(num_inputs)
        y = rng.integers(0, 2, batch).astype(np.int32)
        for layers in ([first], [first, second]):
            network = Network(*layers, head=GroupSum(2, tau=2.0))
            case = Case(network, x, y, 0.8, "training")
            expected = by_hand(case)
            for activations in sixteen_bits(name):
                loss, _, gradients = step_of(case, activations=activations, threads=2)
                assert loss == pytest.approx(expected.loss, abs=2e-3)
                for one, other in zip(gradients, expected.gradients, strict=True):
                    assert norm([one - other]) <= 0.015 * norm([other]) + 1e-5


@pytest.mark.parametrize("name", instruction_sets())
def test_every_instruction_set_agrees(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWRIGHT_ISA", name)
    assert f"native ({name}, " in kernel_of(JAX_CASES[0].network, Adam(0.1))
    for seed in range(25):
        mode = ("training", "soft", "straight_through")[seed % 3]
        case = random_case(seed, 67, [37, 20], 3, 70, 0.5, mode)
        expected = by_hand(case)
        agree(step_of(case), expected, case.temperature)
        for activations in sixteen_bits(name):
            close_enough(step_of(case, activations=activations)[2], expected.gradients)


# Steps


def states(case: Case, **options: Any) -> list[State]:
    kept = {"steps": 14, "chunk": 7, "mode": case.mode, "activations": "float32"}
    optimizer = options.pop("optimizer", Adam(0.02, weight_decay=0.05, epsilon=1e-3))
    return list(train(case.network, case.x, case.y, optimizer, **{**kept, **options}))


def cooling(step: jax.Array) -> jax.Array:
    return 1.2 - step.astype(jnp.float32) / 40


def test_training_and_changing_horses_agree_with_jax() -> None:
    """Twelve steps with schedules and weight decay, batches that straddle epochs.

    An epsilon of 1e-3: where a gradient is next to 0, Adam would divide rounding by rounding.
    """
    case = random_case(MIXED, 20, [16], 3, 65, 1.0)
    assert len({type(layer) for layer in case.network.layers}) == 2
    optimizer = Adam(optax.cosine_decay_schedule(0.05, 12), weight_decay=0.1, epsilon=1e-3)
    options = {
        "optimizer": optimizer, "steps": 12, "chunk": 6, "batch_size": 40, "seed": 7,
        "temperature": cooling,
    }  # fmt: skip
    by_jax = states(case, kernel="jax", **options)
    by_kernel = states(case, kernel="native", **options)
    kernel_last = states(case, kernel="native", start=by_jax[0], **options)
    jax_last = states(case, kernel="jax", start=by_kernel[0], **options)
    moved = [a - b for a, b in zip(*map(arrays_of, (by_jax[1].network, case.network)), strict=True)]
    assert norm(moved) > 1
    expected = by_jax[1]
    for found in (by_kernel[1], kernel_last[0], jax_last[0]):
        assert jax.tree.structure(found.optimizer_state) == jax.tree.structure(
            expected.optimizer_state
        )
        assert int(found.optimizer_state.steps) == int(expected.optimizer_state.steps) == 12
        for tree in (
            lambda state: state.network,
            lambda state: state.optimizer_state.mean,
            lambda state: state.optimizer_state.square,
        ):
            one, other = arrays_of(tree(found)), arrays_of(tree(expected))
            errors = [a - b for a, b in zip(one, other, strict=True)]
            assert norm(errors) <= 1e-4 * norm(other)
        assert found.metrics.loss == pytest.approx(expected.metrics.loss, rel=1e-4)
        assert found.metrics.decided == pytest.approx(expected.metrics.decided, abs=0.02)
        assert found.metrics.soft_accuracy == pytest.approx(expected.metrics.soft_accuracy, abs=0.1)


def test_a_step_of_adam_is_that_of_its_formula() -> None:
    case = random_case(11, 20, [30], 4, 130, 0.9)
    b1, b2, epsilon, decay, rate, t = 0.8, 0.97, 1e-8, 0.3, 0.02, 6
    gradients = step_of(case)[2]
    rng = np.random.default_rng(0)
    before = arrays_of(case.network)
    mean = [rng.normal(0, 1e-3, array.shape) for array in before]
    square = [rng.uniform(0, 1e-5, array.shape) ** 2 for array in before]
    fused = fused_of(case)
    trainable = partition(case.network)[0]
    trees = (with_arrays(trainable, arrays) for arrays in (mean, square))
    fused.set_state(AdamState(jnp.asarray(t - 1), *trees))
    adam = Adam(rate, b1=b1, b2=b2, epsilon=epsilon, weight_decay=decay)
    rates, temperatures = np.full(1, rate, np.float32), np.full(1, 0.9, np.float32)
    fused.run(words_of(case), case.y, rates, temperatures, t - 1, adam)
    state = fused.state(t)
    for w, m, v, g, now, new_m, new_v in zip(
        before, mean, square, gradients, *map(arrays_of, (fused.network(), *state[1:])), strict=True
    ):
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g.astype(np.float64) ** 2
        np.testing.assert_allclose(new_m, m, rtol=1e-5, atol=1e-9)
        np.testing.assert_allclose(new_v, v, rtol=1e-5, atol=1e-14)
        step = m / (1 - b1**t) / (np.sqrt(v / (1 - b2**t)) + epsilon)
        np.testing.assert_allclose(now, w - rate * (step + decay * w), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("activations", "batch"),
    [("float32", 64), ("float32", 300), ("bfloat16", 2200), ("auto", 100)],
)
@pytest.mark.parametrize("seed", [3, 12])
def test_threads_and_chunks_change_no_bit(seed: int, activations: str, batch: int) -> None:
    """From 1 to 35 tiles a batch, two groups; schedules, whose values a chunk computes together."""
    case = random_case(seed, 40, [300, 90], 5, 2300, 1.0)
    assert isinstance(case.network.layers[0], LearnedGates if seed == 12 else Gates)
    options = {
        "batch_size": batch, "steps": 7, "chunk": 7, "activations": activations,
        "temperature": optax.exponential_decay(1.0, 3, 0.9), "kernel": "native",
        "optimizer": Adam(optax.cosine_decay_schedule(0.03, 9), weight_decay=0.01),
    }  # fmt: skip
    expected = states(case, threads=1, **options)[-1]
    others = [{"threads": 2}, {"threads": 3}, {"threads": 5}, {"chunk": 1}, {"chunk": 3}]
    for other in others:
        found = states(case, **{**options, "threads": 2, **other})
        same(jax.tree.leaves(found[-1].network), jax.tree.leaves(expected.network))
        same(*(jax.tree.leaves(state.optimizer_state) for state in (found[-1], expected)))
        if "chunk" not in other:
            assert [s.metrics.loss for s in found] == [expected.metrics.loss]


@pytest.mark.parametrize("activations", ["float32", "bfloat16", "auto"])
def test_a_run_that_is_cut_continues_bit_for_bit(activations: str, tmp_path: Path) -> None:
    case = random_case(8, 30, [50, 40], 4, 150, 1.0)
    options = {
        "batch_size": 70, "steps": 30, "chunk": 5, "kernel": "native", "activations": activations,
        "temperature": cooling, "seed": 2,
    }  # fmt: skip
    adam = Adam(optax.linear_schedule(0.05, 0.0, 30), weight_decay=0.02)
    whole = fit(case.network, case.x, case.y, adam, **options)
    for stop in (10, 30):
        found = fit(
            case.network, case.x, case.y, adam, run=tmp_path, resume=True,
            stop=lambda m, stop=stop: m.step >= stop, **options,
        )  # fmt: skip
    same(jax.tree.leaves(found), jax.tree.leaves(whole))


# Which path runs


def chain(*layers: Any, head: Any = None) -> Network:
    return Network(*layers, head=head or GroupSum(2))


def gates(form: str = "softmax") -> Gates:
    return Gates(6, 4, key=(0,), parametrisation=form)


REASONS = [
    (chain(gates(), head=Bits()), Adam(0.1), None, "the head is Bits, not GroupSum or Affine"),
    (chain(gates(), head=GroupSum(2, "learned")), Adam(0.1), None, "tau is learned"),
    (chain(gates(), Luts(4, 4, 2, key=(0,))), Adam(0.1), None, "layer 1 is Luts"),
    (chain(gates("gumbel")), Adam(0.1), None, "layer 0 is of the form 'gumbel'"),
    (
        chain(Gates(6, 140, key=(0,)), LearnedGates(140, 4, 129, key=(0,))),
        Adam(0.1),
        None,
        "layer 1 has more than 128 candidates an operand",
    ),
    (chain(gates()), optax.adam(0.1), None, "the optimiser is not gatewright.Adam"),
    (chain(gates()), Adam(0.1), lambda s, y: s.mean(), "the loss is not the head's own"),
]


@pytest.mark.parametrize(("network", "optimizer", "loss", "reason"), REASONS, ids=lambda x: None)
def test_what_the_kernel_cannot_take_is_named(
    network: Network, optimizer: Any, loss: Any, reason: str
) -> None:
    assert why_not(network, optimizer, loss) == reason
    described = kernel_of(network, optimizer, loss=loss)
    assert described.startswith("JAX on cpu")
    assert described.endswith(f"({reason})")
    x, y = np.zeros((3, 6)), np.zeros((3, 4) if isinstance(network.head, Bits) else 3, np.int32)
    with pytest.raises(InputError, match=f"cannot train this network: {reason}; use kernel='auto'"):
        fit(network, x, y, optimizer, steps=1, loss=loss, kernel="native")


def test_what_the_kernel_takes() -> None:
    module = native.load()
    assert module is not None
    network = chain(gates(), LearnedGates(4, 4, 64, key=(0,)))
    assert why_not(network, Adam(0.1)) is why_not(network) is None
    for threads, words in ((1, "1 thread"), (3, "3 threads")):
        for activations in (*sixteen_bits(), "float32"):
            assert kernel_of(
                network, Adam(0.1), activations=activations, threads=threads
            ) == f"native ({module.training_kernel()}, {activations}, {words})"  # fmt: skip
    assert storage_of("auto", chain(gates(), Gates(4, 40, key=(0,)))) == sixteen_bits()[-1]
    crowded = chain(gates(), Gates(4, 70, key=(0,)))  # of 4 outputs one has more than 32 readers
    assert storage_of("auto", crowded) in ("float16", "bfloat16")
    assert f", {storage_of('auto', crowded)}, " in kernel_of(crowded, Adam(0.1))
    with pytest.raises(InputError, match="kernel is auto, native, jax, not 'cuda'"):
        fit(network, np.zeros((3, 6)), np.zeros(3, np.int32), Adam(0.1), steps=1, kernel="cuda")


@pytest.fixture
def turned_off(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("GATEWRIGHT_NATIVE", "0")
    native.load.cache_clear()
    yield
    native.load.cache_clear()


def test_without_the_native_core_jax_trains(turned_off: None) -> None:
    network, x, y = chain(gates("light")), np.eye(6), np.arange(6, dtype=np.int32) % 2
    reason = "the native core is not built, or turned off"
    assert why_not(network) == reason
    assert kernel_of(network, Adam(0.1)).endswith(f"({reason})")
    with pytest.raises(InputError, match=reason):
        fit(network, x, y, Adam(0.1), steps=1, kernel="native")
    (state,) = train(network, x, y, Adam(0.1), steps=3, chunk=3, held_out=(x, y))
    native.load.cache_clear()
    os.environ.pop("GATEWRIGHT_NATIVE")
    (again,) = train(network, x, y, Adam(0.1), steps=3, chunk=3, activations="float32")
    for one, other in zip(arrays_of(state.network), arrays_of(again.network), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("activations", ["float32", *sixteen_bits()])
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("form", ["light", "softmax", "covjac"])
def test_parameters_that_are_not_finite_are_noticed(
    form: str, value: float, activations: str
) -> None:
    network = chain(gates(form))
    network = eqx.tree_at(
        lambda n: n.layers[0].parameters,
        network,
        network.layers[0].parameters.at[1, 2].set(value),
    )
    with pytest.raises(Diverged):
        fit(network, np.eye(6), np.arange(6) % 2, Adam(0.1), steps=2, activations=activations)


def test_a_learning_rate_that_is_too_high_is_noticed() -> None:
    with pytest.raises(Diverged):
        fit(chain(gates()), np.eye(6), np.arange(6) % 2, Adam(np.inf), steps=2, kernel="native")


# The extension's own checks

GOOD = {
    "forms": [1, 0], "is_hard": [False, False], "is_wired_hard": [False, False],
    "widths": [5, 3, 4], "candidates": [0, 2],
    "wirings": [np.zeros(6, np.int32), np.zeros(16, np.int32)],
    "num_groups": 2, "storage": 0, "threads": 1,
}  # fmt: skip


def wired(first: list[int], second: int = 0) -> list[np.ndarray]:
    return [np.array(first, np.int32), np.full(16, second, np.int32)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"wirings": wired([0] * 5)}, "layer 0: the wiring has 5 entries, not 6"),
        ({"candidates": [0, 3]}, "layer 1: the wiring has 16 entries, not 24"),
        ({"wirings": wired([0, 1, 5, 0, 0, 0])}, "a gate reads input 5 of 5"),
        ({"wirings": wired([0, 1, -1, 0, 0, 0])}, "a gate reads input -1 of 5"),
        ({"wirings": wired([0] * 6, 3)}, "a gate reads input 3 of 3"),
        ({"forms": [1, 4]}, "form 4"),
        ({"forms": [1]}, "give one entry a layer, and one width more"),
        ({"widths": [5, 3]}, "give one entry a layer"),
        ({"widths": [2**25 + 1, 3, 4]}, "a layer has more than 33554432 inputs or gates"),
        ({"num_groups": 3}, "the last layer's 4 gates do not make 3 equal groups"),
        ({"num_groups": 0}, "do not make 0 equal groups"),
        ({"threads": 0}, "threads is 0, not from 1 to 1024"),
        ({"threads": 1 << 40}, "not from 1 to 1024"),
        (
            {"candidates": [0, 129], "wirings": [np.zeros(6, np.int32), np.zeros(1032, np.int32)]},
            "layer 1: 129 candidates, more than 128",
        ),
        (
            {name: [] for name in ("forms", "is_hard", "is_wired_hard", "candidates", "wirings")}
            | {"widths": [5]},
            "at least one layer",
        ),
    ],
    ids=lambda x: None,
)
def test_a_bad_network_is_refused(change: dict[str, Any], message: str) -> None:
    module = native.load()
    assert module is not None
    module.Trainer(**GOOD)
    with pytest.raises(ValueError, match=message):
        module.Trainer(**{**GOOD, **change})


RUN = {
    "rows": np.zeros((6, 1), np.uint64), "labels": np.zeros(6, np.int32), "targets": None,
    "learning_rates": np.ones(2, np.float32), "temperatures": np.ones(2, np.float32),
    "first_step": 0, "tau": 1.0, "smoothing": 0.0, "b1": 0.9, "b2": 0.999, "epsilon": 1e-8,
    "weight_decay": 0.0, "readout": None,
}  # fmt: skip
NUMBER = np.ones((1, 3), np.float32)
CLASSES = np.ones((4, 3), np.float32)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": np.zeros((6, 2), np.uint64)}, "rows have 2 words, not 1"),
        ({"targets": np.zeros((5, 2), np.float32)}, r"give targets \[6, 2\], or none"),
        ({"targets": np.zeros((6, 3), np.float32)}, r"give targets \[6, 2\], or none"),
        ({"rows": np.zeros((5, 1), np.uint64)}, "as many rows and labels a step"),
        ({"rows": np.zeros((0, 1), np.uint64), "labels": np.zeros(0, np.int32)}, "as many rows"),
        ({"labels": np.zeros(5, np.int32)}, "as many rows and labels a step"),
        ({"learning_rates": np.ones(0, np.float32)}, "a learning rate and a temperature a step"),
        ({"temperatures": np.ones(3, np.float32)}, "a learning rate and a temperature a step"),
        ({"labels": np.full(6, 2, np.int32)}, "a label is not from 0 to 1"),
        ({"labels": np.full(6, -1, np.int32)}, "a label is not from 0 to 1"),
        ({"readout": NUMBER}, "a number has targets"),
        ({"readout": NUMBER, "targets": np.zeros((6, 2), np.float32)}, r"give targets \[6, 1\]"),
        ({"readout": NUMBER[:, :2]}, "a row a score, of weights of 2 groups and a constant"),
        ({"readout": NUMBER[:0]}, "a row a score"),
        ({"readout": CLASSES, "labels": np.full(6, 4, np.int32)}, "a label is not from 0 to 3"),
        ({"readout": CLASSES, "targets": np.zeros((6, 2), np.float32)}, r"give targets \[6, 4\]"),
    ],
    ids=lambda x: None,
)
def test_a_bad_run_is_refused(change: dict[str, Any], message: str) -> None:
    module = native.load()
    assert module is not None
    trainer = module.Trainer(**GOOD)
    assert trainer.run(**RUN)[0].shape == (2,)
    with pytest.raises(ValueError, match=message):
        trainer.run(**{**RUN, **change})


def test_bad_arrays_and_places_are_refused() -> None:
    module = native.load()
    assert module is not None
    trainer = module.Trainer(**GOOD)
    assert trainer.get(1, True, 2).shape == (4, 4)
    assert trainer.get(0, True, 0).shape == (0, 3)
    for call, message in (
        (lambda: trainer.get(2, False, 0), "layer 2 of 2"),
        (lambda: trainer.get(0, False, 3), "quantity 3 is not 0, 1 or 2"),
        (lambda: trainer.set(0, False, -1, np.zeros((4, 3), np.float32)), "quantity -1"),
        (lambda: trainer.set(0, False, 0, np.zeros((3, 4), np.float32)), r"parameters \[4, 3\]"),
        (lambda: trainer.set(9, False, 0, np.zeros((4, 3), np.float32)), "layer 9 of 2"),
        (lambda: trainer.sums(np.zeros((1, 2), np.uint64), 1.0, False), "rows have 2 words"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    with pytest.raises(TypeError):
        trainer.set(0, False, 0, np.zeros((4, 3)))
    assert trainer.sums(np.zeros((0, 1), np.uint64), 1.0, False).shape == (0, 2)


def test_hard_sums_are_those_of_the_circuit() -> None:
    for seed in range(3):
        case = random_case(seed, 12, [20, 15], 3, 70, 1.0)
        sums = fused_of(case)._trainer.sums(words_of(case), 0.3, True)
        np.testing.assert_array_equal(sums, sums.round())
        scores = jnp.asarray(fused_of(case).scores(words_of(case), 0.3, is_hard=True))
        num_outputs = case.network.layers[-1].num_outputs
        decided = np.asarray(case.network.head.decide(scores, num_outputs))
        np.testing.assert_array_equal(decided, case.network.hard_bits(case.x))


# Learning


def test_monk_1_is_learned_on_every_path() -> None:
    """The rule (head shape = body shape or jacket red) is learned whole by each."""
    training, test = data.load("monk1")
    encoder = Identity(training.x.shape[1:])
    widths = (encoder.num_bits, 96, 48, 24)
    layers = [
        Gates(below, above, key=(4, i), parametrisation="light")
        for i, (below, above) in enumerate(pairwise(widths))
    ]
    network = Network(*layers, head=GroupSum(2, tau=2.0))
    options = {"steps": 400, "chunk": 200, "batch_size": 62, "encoder": encoder}
    paths = (
        {"kernel": "jax"},
        {"kernel": "native", "activations": "float32"},
        {"kernel": "native", "activations": "bfloat16"},
    )
    found = [fit(network, training.x, training.y, Adam(0.05), **options, **path) for path in paths]
    rows, wanted = encoder(test.x), network.head.target_bits(test.y)
    accuracy = [(network.hard_bits(rows) == wanted).mean() for network in found]
    assert min(accuracy) > 0.9
    assert max(accuracy) - min(accuracy) <= 0.06


# Sanitizers


def as_text(case: Case, activations: str, threads: int, steps: int) -> str:
    """A case as tests/cpp/test_trainer.cpp reads it."""
    captured: dict[str, Any] = {}
    had = sixteen_bits()

    class Recorder:
        def Trainer(self, **arguments: Any) -> Any:
            captured.update(arguments)
            return self

        def has_float16(self) -> bool:
            return "float16" in had

        def has_fixed16(self) -> bool:
            return "fixed16" in had

        def set(self, *arguments: Any) -> None:
            captured.setdefault("values", []).append(arguments[3])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native, "load", Recorder)
        fused_of(case, activations=activations, threads=threads)
    head, batch = case.network.head, len(case.y) // steps
    assert isinstance(head, Sums)
    tau = float(head.tau_of(case.network.layers[-1].num_outputs // head.num_groups))
    words = words_of(case)[: batch * steps]
    rows = [
        [len(case.network.layers), head.num_groups, STORAGES.index(activations), threads],
        [batch, steps, words.shape[1], case.temperature],
        [tau, head.smoothing],
    ]
    values = iter(captured["values"])
    for i, wiring in enumerate(captured["wirings"]):
        flags = (int(captured[name][i]) for name in ("is_hard", "is_wired_hard"))
        k = captured["candidates"][i]
        rows.append([captured["forms"][i], *flags, *captured["widths"][i : i + 2], k, len(wiring)])
        rows += [wiring.tolist(), next(values).ravel().tolist()]
        rows += [next(values).ravel().tolist()] if k else []
    y = case.y[: batch * steps]
    labels, reals = head.kernel_targets(y)
    targets = [] if reals is None else reals.ravel().tolist()
    readout = head.readout_of(case.network.layers[-1].num_outputs // head.num_groups)
    weights = [] if readout is None else readout.ravel().tolist()
    rows += [
        words.ravel().tolist(),
        labels.tolist(),
        [len(targets), *targets],
        [len(weights), *weights],
    ]
    return "\n".join(" ".join(map(str, row)) for row in rows)


@machines("address,undefined", "thread")
def test_the_kernel_is_clean(machine: Machine, tmp_path: Path) -> None:
    sources = ["trainer", "layer", "trail", "team", "dispatch"]
    program = machine.build("test_trainer", sources, tmp_path, "-O0", kernels="kernels")
    rng = np.random.default_rng(1)
    cases: list[tuple[str, str, Any]] = []
    for seed in range(20):
        hidden = rng.integers(2, 50, rng.integers(0, 4)).tolist() if seed % 5 else [60, 9, 50]
        num_inputs, batch = int(rng.choice([2, 5, 64, 65])), int(rng.choice([1, 65, 200, 600]))
        mode = str(rng.choice(["training", "soft", "straight_through"]))
        case = random_case(seed, num_inputs, hidden, int(rng.integers(2, 5)), batch, 0.7, mode)
        quick = sixteen_bits()
        activations = ("float32", "float32", *quick)[seed % (2 + len(quick))]
        text = as_text(case, activations, 3 if seed % 2 or machine.name == "thread" else 1, 1)
        cases.append((activations, text, by_hand(case)))
    for name in instruction_sets() if "address" in machine.name else ["portable"]:
        here = [case for case in cases if case[0] in ("float32", *sixteen_bits(name))]
        (tmp_path / "cases").write_text("\n".join(text for _, text, _ in here))
        environment = os.environ | {"GATEWRIGHT_ISA": name}
        machine.run(program, tmp_path / "cases", tmp_path / "results", env=environment)
        lines = iter((tmp_path / "results").read_text().splitlines())
        for activations, _, answer in here:
            loss, right, _ = (np.array(next(lines).split(), np.float64) for _ in range(3))
            gradients = [
                np.array(next(lines).split(), np.float64).reshape(array.shape)
                for array in answer.gradients
            ]
            if activations == "float32":
                agree((loss[0], int(right[0]), gradients), answer, 0.7)
            else:
                close_enough(gradients, answer.gradients)
        assert next(lines, None) is None


def test_an_instruction_set_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    module = native.load()
    assert module is not None
    monkeypatch.setenv("GATEWRIGHT_ISA", "avx1024")
    with pytest.raises(ValueError, match="GATEWRIGHT_ISA is avx1024"):
        module.Trainer(**GOOD)
