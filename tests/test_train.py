from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.experimental.compilation_cache import compilation_cache

from gatewright import train as module
from gatewright.circuit import all_inputs, unpack
from gatewright.errors import Diverged, InputError
from gatewright.feed import Feed
from gatewright.heads import Bits, GroupSum
from gatewright.layers import Gates
from gatewright.network import Network
from gatewright.storage import load_arrays
from gatewright.train import Metrics, evaluate, fit, last_metrics, train

X = unpack(all_inputs(5), 32)
#: The majority of five, exclusive or the first: not one gate, not linear.
Y = ((X.sum(axis=1) >= 3) ^ X[:, 0]).astype(np.int32)


def network_of(form: str = "softmax", *, seed: int = 1, width: int = 12) -> Network:
    """5 -> width -> 6, two classes: quick to compile."""
    return chain((5, width, 6), form, seed)


def learner_of(form: str) -> Network:
    """5 -> 32 -> 32 -> 16, two classes: learns `Y`."""
    return chain((5, 32, 32, 16), form, 4)


def chain(widths: tuple[int, ...], form: str, seed: int) -> Network:
    layers = [
        Gates(below, above, key=(seed, i), parametrisation=form)
        for i, (below, above) in enumerate(pairwise(widths))
    ]
    return Network(*layers, head=GroupSum(2, tau=2.0))


KEPT = (
    "jax_compilation_cache_dir",
    "jax_persistent_cache_min_compile_time_secs",
    "jax_persistent_cache_min_entry_size_bytes",
)


@pytest.fixture(autouse=True, scope="module")
def compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep compiled programs: most tests here train the same network, and compiling is the work."""
    before = {name: getattr(jax.config, name) for name in KEPT}
    compilation_cache.reset_cache()
    folder = str(tmp_path_factory.mktemp("compiled"))
    for name, value in zip(KEPT, (folder, 0.2, -1), strict=True):
        jax.config.update(name, value)
    yield
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


def arrays_of(tree: object) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]


def assert_same(found: object, expected: object) -> None:
    for one, other in zip(arrays_of(found), arrays_of(expected), strict=True):
        np.testing.assert_array_equal(one, other)


def lines_of(folder: Path) -> list[dict[str, float]]:
    """metrics.jsonl without the seconds."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if not k.endswith("seconds")} for line in lines]


def assert_same_run(folder: Path, expected: Path) -> None:
    found, wanted = (load_arrays(f / "checkpoint.safetensors")[0] for f in (folder, expected))
    assert found.keys() == wanted.keys()
    for name, array in wanted.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)
    assert lines_of(folder) == lines_of(expected)


def checkpoint_step(folder: Path) -> int:
    metadata = load_arrays(folder / "checkpoint.safetensors")[1]
    return json.loads(metadata["metrics"])["step"]


# Learning


@pytest.mark.parametrize(
    ("form", "rate", "wanted"),
    [
        ("softmax", 0.1, 1.0),
        ("light", 0.1, 1.0),
        ("walsh", 0.1, 1.0),
        ("covjac", 0.05, 1.0),
        ("gumbel", 0.1, 0.87),
        ("straight_through", 0.1, 1.0),
    ],
)
def test_every_form_learns(form, rate, wanted):
    seen: list[Metrics] = []
    found = fit(
        learner_of(form), X, Y, optax.adam(rate), steps=600, chunk=20,
        stop=lambda m: m.hard_accuracy >= wanted, progress=seen.append,
    )  # fmt: skip
    assert seen[0].hard_accuracy < wanted
    hard = (found.hard_bits(X)[:, 0] == Y).mean()
    assert wanted <= hard == seen[-1].hard_accuracy
    assert seen[-1].loss < seen[0].loss
    assert seen[-1].step < 600, "it should have stopped"


def test_bits_learn_exclusive_or_and_majority_at_once():
    rows = unpack(all_inputs(3), 8)
    targets = np.stack([rows.sum(axis=1) % 2, rows.sum(axis=1) >= 2], axis=1)
    k1, k2 = jax.random.split(jax.random.key(0))
    network = Network(Gates(3, 24, key=k1, wiring="comb"), Gates(24, 2, key=k2), head=Bits())
    assert fit(network, rows, targets, optax.adam(0.1), steps=0) is network
    k1, k2, k3 = jax.random.split(jax.random.key(3), 3)
    network = Network(
        Gates(3, 24, key=k1, wiring="comb"), Gates(24, 12, key=k2), Gates(12, 2, key=k3)
    )
    seen: list[Metrics] = []
    fit(network, rows, targets, optax.adam(0.1), steps=400, progress=seen.append)
    assert seen[-1].loss < 0.5 * seen[0].loss


# Resuming


def schedule(step: jax.Array) -> jax.Array:
    return 1.0 - step.astype(jnp.float32) / 80


@pytest.mark.parametrize(
    ("form", "options"),
    [
        ("softmax", {}),
        ("light", {"batch_size": 7, "temperature": schedule}),
        ("gumbel", {"batch_size": 10, "mode": "training", "held_out": (X[::3], Y[::3])}),
    ],
)
def test_a_run_cut_and_cut_again_continues_bit_for_bit(form, options, tmp_path):
    def run(folder: str, **more: object) -> Network:
        optimizer = optax.adamw(optax.cosine_decay_schedule(0.1, 50))
        options_all = {"steps": 30, "chunk": 5, "seed": 3, **options, **more}
        return fit(network_of(form), X, Y, optimizer, run=tmp_path / folder, **options_all)

    whole = run("whole")
    run("cut", stop=lambda m: m.step >= 10)
    assert checkpoint_step(tmp_path / "cut") == 10

    def crash(metrics: Metrics) -> None:
        if metrics.step == 25:
            raise RuntimeError("crash")

    with pytest.raises(RuntimeError, match="crash"):
        run("cut", resume=True, progress=crash, save_seconds=1e9)
    assert checkpoint_step(tmp_path / "cut") == 10
    with (tmp_path / "cut" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 25, "lo')  # a line that the crash cut short
    assert last_metrics(tmp_path / "cut").step == 20
    continued = run("cut", resume=True)
    assert_same(continued, whole)
    assert_same_run(tmp_path / "cut", tmp_path / "whole")
    assert [line["step"] for line in lines_of(tmp_path / "cut")] == [5, 10, 15, 20, 25, 30]


PATIENT = {
    "chunk": 5, "batch_size": 8, "steps": 150, "patience": 4, "seed": 3,
    "held_out": (X[::3], Y[::3]),
}  # fmt: skip


def test_patience_ends_early_with_the_first_best_network(tmp_path):
    network = fit(network_of(), X, Y, optax.adam(0.3), run=tmp_path, **PATIENT)
    hard = [line["hard_accuracy"] for line in lines_of(tmp_path)]
    best = hard.index(max(hard))
    assert 0 < best < len(hard) - 1 == best + 4 < 29
    assert module.best_metrics(tmp_path).step == 5 * (best + 1)
    assert evaluate(network, X[::3], Y[::3]).hard_accuracy == max(hard)
    until = fit(network_of(), X, Y, optax.adam(0.3), **PATIENT | {"steps": 5 * (best + 1)})
    assert_same(network, until)


def test_a_patient_run_that_is_cut_continues_and_stays_over(tmp_path, monkeypatch):
    def run(folder: str, **more: object) -> Network:
        return fit(network_of(), X, Y, optax.adam(0.3), run=tmp_path / folder, **PATIENT | more)

    whole = run("whole")
    last = len(lines_of(tmp_path / "whole"))
    for cut in range(5, 5 * last, 5):
        stopped = run("cut", stop=lambda m, cut=cut: m.step >= cut)
        assert_same(run("cut", resume=True, stop=lambda m, cut=cut: m.step >= cut), stopped)
        assert_same(run("cut", resume=True), whole)
        assert len(lines_of(tmp_path / "cut")) == last
    assert_same(run("cut", resume=True, progress=lambda _: pytest.fail("it was over")), whole)

    save, best = module.Journal.save, module.best_metrics(tmp_path / "whole").step
    for kept in (best - 5, best):  # the step of the last checkpoint; later best networks are saved

        def crash(self: module.Journal, state: module.State, kept: int = kept) -> None:
            if state.step > kept:
                raise RuntimeError("crash")
            save(self, state)

        with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="crash"):
            patch.setattr(module.Journal, "save", crash)
            run("cut", save_seconds=0)
        assert_same(run("cut", resume=True), whole)
        assert len(lines_of(tmp_path / "cut")) == last


@pytest.mark.parametrize("change", [{"held_out": None}, {"patience": 0}])
def test_patience_needs_held_out_rows_and_a_chunk(change):
    with pytest.raises(
        InputError, match=r"patience is \d: give at least 1 chunk, and held_out rows"
    ):
        fit(network_of(), X, Y, optax.sgd(0.1), **PATIENT | change)


def test_seconds_of_a_resumed_run_add_up(tmp_path):
    options = {"chunk": 5, "run": tmp_path}
    fit(network_of(), X, Y, optax.sgd(0.1), steps=5, **options)
    path = tmp_path / "checkpoint.safetensors"
    state = module.Journal(tmp_path).open(network_of(), optax.sgd(0.1), True)
    assert state is not None
    earlier = Metrics(5, 0.5, 0.5, 0.5, 0.5, cpu_seconds=1000.0, wall_seconds=2000.0)
    module.Journal(tmp_path).save(module.State(state.network, state.optimizer_state, earlier))
    assert path.exists()
    fit(network_of(), X, Y, optax.sgd(0.1), steps=15, resume=True, **options)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [5, 10, 15]
    for key, before in (("cpu_seconds", 1000), ("wall_seconds", 2000)):
        assert before < lines[1][key] < lines[2][key] < before + 900


def test_a_finished_run_resumes_to_the_same_network_at_once(tmp_path):
    options = {"chunk": 5, "run": tmp_path}
    finished = fit(network_of(), X, Y, optax.sgd(0.1), steps=10, **options)
    before = [
        (tmp_path / name).read_bytes() for name in ("checkpoint.safetensors", "metrics.jsonl")
    ]

    def never(metrics: Metrics) -> None:
        raise AssertionError(metrics)

    for steps in (10, 7):
        again = fit(
            network_of(), X, Y, optax.sgd(0.1), steps=steps, resume=True, progress=never, **options
        )
        assert_same(again, finished)
    stopped = fit(
        network_of(), X, Y, optax.sgd(0.1), steps=50, resume=True, stop=lambda m: m.step >= 10,
        progress=never, **options,
    )  # fmt: skip
    assert_same(stopped, finished)
    after = [(tmp_path / name).read_bytes() for name in ("checkpoint.safetensors", "metrics.jsonl")]
    assert after == before


def test_a_resumed_run_keeps_the_wiring_it_began_with(tmp_path):
    options = {"chunk": 5, "batch_size": 8}
    whole = fit(network_of(seed=1), X, Y, optax.sgd(0.1), steps=10, **options)
    fit(network_of(seed=1), X, Y, optax.sgd(0.1), steps=5, run=tmp_path, **options)
    shapes = [leaf.shape for leaf in arrays_of(whole)]
    networks = (network_of(seed=seed) for seed in range(2, 100))
    other = next(n for n in networks if [leaf.shape for leaf in arrays_of(n)] == shapes)
    assert not np.array_equal(other.layers[1].fanin, whole.layers[1].fanin)
    resumed = fit(other, X, Y, optax.sgd(0.1), steps=10, run=tmp_path, resume=True, **options)
    assert_same(resumed, whole)


def test_without_resume_a_folder_starts_afresh_and_resume_needs_no_checkpoint(tmp_path):
    options = {"chunk": 5, "run": tmp_path, "steps": 5}
    first = fit(network_of(), X, Y, optax.sgd(0.1), resume=True, **options)
    assert_same(fit(network_of(), X, Y, optax.sgd(0.1), **options), first)
    assert [line["step"] for line in lines_of(tmp_path)] == [5]


@pytest.mark.parametrize(
    ("network", "optimizer", "message"),
    [
        (
            lambda: network_of(width=10),
            optax.sgd(0.1),
            r"checkpoint.safetensors: saved by another network or optimiser: "
            r"\[0\]\.layers\[0\]\.parameters should be float32\[16, 10\] .*float32\[16, 12\]",
        ),
        (lambda: network_of("light"), optax.sgd(0.1), r"parameters should be float32\[4, 12\]"),
        (network_of, optax.adam(0.1), r"\[1\].*count should be int32\[\] and .* nothing"),
    ],
)
def test_another_networks_checkpoint_is_refused_naming_the_array(
    network, optimizer, message, tmp_path
):
    save_start(network_of(), optax.sgd(0.1), tmp_path)
    with pytest.raises(InputError, match=message):
        fit(network(), X, Y, optimizer, steps=10, run=tmp_path, resume=True)


def test_another_optimisers_checkpoint_is_refused_naming_what_is_left_over(tmp_path):
    save_start(network_of(), optax.adam(0.1), tmp_path)
    with pytest.raises(InputError, match=r"it also holds \[1\]\[0\]\.count"):
        fit(network_of(), X, Y, optax.sgd(0.1), steps=10, run=tmp_path, resume=True)


def test_a_truncated_checkpoint_is_refused(tmp_path):
    save_start(network_of(), optax.sgd(0.1), tmp_path)
    path = tmp_path / "checkpoint.safetensors"
    whole = path.read_bytes()
    for length in (0, 5, 200, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"checkpoint.safetensors: not a whole safetensors"):
            fit(network_of(), X, Y, optax.sgd(0.1), steps=10, run=tmp_path, resume=True)


def save_start(network: Network, optimizer: optax.GradientTransformation, folder: Path) -> None:
    state = optimizer.init(jax.tree.map(lambda a: a if a.dtype == jnp.float32 else None, network))
    module.Journal(folder).save(module.State(network, state, Metrics(0, 0, 0, 0, 0)))


def test_a_checkpoint_without_metrics_is_refused(tmp_path):
    from gatewright.storage import save_tree

    network, optimizer = network_of(), optax.sgd(0.1)
    save_start(network, optimizer, tmp_path)
    state = module.Journal(tmp_path).open(network, optimizer, True)
    assert state is not None
    save_tree(tmp_path / "checkpoint.safetensors", (network, state.optimizer_state), {})
    with pytest.raises(InputError, match="not a training checkpoint of this version"):
        fit(network, X, Y, optimizer, steps=10, run=tmp_path, resume=True)


# Interruption

SCRIPT = """
import sys, time
sys.path.insert(0, {tests!r})
from test_train import X, Y, fit, network_of, optax

def report(metrics):
    print(metrics.step, flush=True)
    time.sleep({pause})

try:
    fit(network_of(), X, Y, optax.sgd(0.1), steps=100_000, chunk=5, seed=5,
        batch_size=9, run=sys.argv[1], resume=True, progress=report, save_seconds={save})
except KeyboardInterrupt:
    sys.exit(7)
"""


def start(folder: Path, *, save: float, pause: float) -> subprocess.Popen[str]:
    """A process that trains into the folder and prints the step after each chunk."""
    script = SCRIPT.format(tests=str(Path(__file__).parent), save=save, pause=pause)
    command = [sys.executable, "-c", textwrap.dedent(script), str(folder)]
    kept = {name.upper(): str(getattr(jax.config, name)) for name in KEPT}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | kept)


def test_an_interrupt_from_outside_saves_and_the_run_continues_bit_for_bit(tmp_path):
    process = start(tmp_path / "cut", save=1e9, pause=0.05)
    with process:
        assert process.stdout is not None
        steps = [int(process.stdout.readline()) for _ in range(3)]
        process.send_signal(signal.SIGINT)
        steps += [int(line) for line in process.stdout]
    assert process.returncode == 7
    assert checkpoint_step(tmp_path / "cut") == steps[-1] >= 15
    options = {"chunk": 5, "seed": 5, "batch_size": 9, "steps": steps[-1] + 10}
    for folder, resume in (("cut", True), ("whole", False)):
        run = tmp_path / folder
        fit(network_of(), X, Y, optax.sgd(0.1), run=run, resume=resume, **options)
    assert_same_run(tmp_path / "cut", tmp_path / "whole")


def test_a_signal_that_is_ignored_stays_so():
    """As the workers of a sweep ignore what a terminal sends to all of its processes."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    seen: list[int] = []

    def progress(metrics):
        seen.append(metrics.step)
        signal.raise_signal(signal.SIGINT)

    try:
        fit(network_of(), X, Y, optax.sgd(0.1), steps=15, chunk=5, progress=progress)
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [5, 10, 15]


def test_a_kill_at_any_moment_leaves_a_whole_checkpoint(tmp_path):
    """Saving after every chunk, so that most kills fall into a save."""
    step = 0
    for _ in range(2):
        process = start(tmp_path, save=0.0, pause=0.0)
        with process:
            assert process.stdout is not None
            assert int(process.stdout.readline()) == step + 5, "resumes where the checkpoint is"
            assert int(process.stdout.readline()) == step + 10, "so step + 5 has been saved"
            time.sleep(random.uniform(0.0, 0.2))
            process.kill()
        state = module.Journal(tmp_path).open(network_of(), optax.sgd(0.1), True)
        assert state is not None
        assert state.step > step
        step = state.step
        assert [line["step"] for line in lines_of(tmp_path)] == list(range(5, step + 1, 5))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_for_the_chunk_and_the_state_is_saved(number, tmp_path):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)

    def strike(metrics: Metrics) -> None:
        if metrics.step == 10:
            signal.raise_signal(number)

    with pytest.raises(KeyboardInterrupt):
        fit(
            network_of(), X, Y, optax.sgd(0.1), steps=20, chunk=5, run=tmp_path,
            progress=strike, save_seconds=1e9,
        )  # fmt: skip
    assert checkpoint_step(tmp_path) == 10
    assert [line["step"] for line in lines_of(tmp_path)] == [5, 10]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_signal_in_the_last_chunk_is_not_lost(tmp_path):
    def strike(metrics: Metrics) -> None:
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        fit(network_of(), X, Y, optax.sgd(0.1), steps=5, chunk=5, run=tmp_path, progress=strike)
    assert checkpoint_step(tmp_path) == 5


def test_a_second_signal_strikes_at_once():
    reached: list[str] = []

    def strike(metrics: Metrics) -> None:
        signal.raise_signal(signal.SIGINT)
        reached.append("after the first")
        signal.raise_signal(signal.SIGINT)
        reached.append("after the second")

    with pytest.raises(KeyboardInterrupt):
        fit(network_of(), X, Y, optax.sgd(0.1), steps=5, progress=strike)
    assert reached == ["after the first"]


def test_it_trains_outside_the_main_thread():
    found: list[Network] = []
    thread = threading.Thread(
        target=lambda: found.append(fit(network_of(), X, Y, optax.sgd(0.1), steps=5, chunk=5))
    )
    thread.start()
    thread.join()
    assert len(found) == 1


# Divergence


def nan_at_13(step: jax.Array) -> jax.Array:
    return jnp.where(step == 13, jnp.nan, 1.0)


def test_a_loss_that_is_not_finite_names_its_step_and_keeps_the_checkpoint(tmp_path):
    with pytest.raises(Diverged, match=r"the loss became nan at step 13; try a smaller") as e:
        fit(
            network_of(), X, Y, optax.sgd(0.1), steps=20, chunk=5, run=tmp_path,
            temperature=nan_at_13, save_seconds=0.0,
        )  # fmt: skip
    assert e.value.step == 13
    assert checkpoint_step(tmp_path) == 10
    assert [line["step"] for line in lines_of(tmp_path)] == [5, 10]
    resumed = fit(network_of(), X, Y, optax.sgd(0.1), steps=20, chunk=5, run=tmp_path, resume=True)
    assert all(np.isfinite(a).all() for a in arrays_of(resumed))


def test_a_huge_learning_rate_is_noticed_at_the_step_after(tmp_path):
    with pytest.raises(Diverged, match="step 1; try a smaller learning rate") as e:
        fit(
            network_of("covjac"), X, Y, optax.sgd(1e30), steps=8, chunk=4, run=tmp_path,
            save_seconds=0.0,
        )  # fmt: skip
    assert e.value.step == 1


def test_parameters_that_are_not_finite_are_never_returned_nor_saved(tmp_path):
    """The loss of the only step is finite; what the step makes of the parameters is not."""
    with pytest.raises(Diverged, match="a parameter became infinite .* before step 1;") as e:
        fit(network_of("light"), X, Y, optax.sgd(jnp.inf), steps=1, run=tmp_path)
    assert e.value.step == 1
    assert not (tmp_path / "checkpoint.safetensors").exists()


# Batches, schedules, metrics


def states(network: Network, x=X, y=Y, optimizer=None, **options) -> list[module.State]:
    optimizer = optax.sgd(0.1) if optimizer is None else optimizer
    return list(train(network, x, y, optimizer, **{"steps": 10, "chunk": 5, **options}))


def test_the_temperature_schedule_reaches_the_gates():
    annealed = states(network_of("light"), temperature=optax.exponential_decay(1.0, 1, 0.8))
    for state in annealed:
        now = 0.8**state.step
        assert state.metrics.decided == pytest.approx(float(state.network.decided(now)))
    constant = states(network_of("light"))
    assert annealed[-1].metrics.decided > constant[-1].metrics.decided + 0.2
    assert annealed[0].metrics.loss != pytest.approx(constant[0].metrics.loss, rel=1e-2)


def test_metrics_are_those_of_the_network_and_rows_they_name():
    """With a learning rate of 0 every step sees the network that comes out."""
    network = fit(learner_of("light"), X, Y, optax.adam(0.1), steps=100, chunk=20)
    options = {"optimizer": optax.sgd(0.0), "steps": 5, "temperature": 9.0}
    held_x, held_y = X[5:16], 1 - Y[5:16]
    (state,) = states(network, **options)
    scores = np.asarray(jax.jit(lambda x: network(x, temperature=9.0))(X), np.float64)
    soft = (scores.argmax(axis=1) == Y).mean()
    hard = (network.hard_bits(X)[:, 0] == Y).mean()
    loss = np.log1p(np.exp(scores[np.arange(32), 1 - Y] - scores[np.arange(32), Y])).mean()
    assert state.metrics.loss == pytest.approx(loss, rel=1e-5)
    assert (state.metrics.soft_accuracy, state.metrics.hard_accuracy) == (soft, hard)
    assert state.metrics.gap == soft - hard != 0
    assert state.step == state.metrics.step == 5
    (judged,) = states(network, held_out=(held_x, held_y), **options)
    assert judged.metrics.loss == state.metrics.loss
    assert judged.metrics.soft_accuracy == (scores[5:16].argmax(axis=1) == held_y).mean()
    assert judged.metrics.hard_accuracy == (network.hard_bits(held_x)[:, 0] == held_y).mean()
    assert evaluate(network, held_x, held_y).soft_accuracy != judged.metrics.soft_accuracy
    found = evaluate(network, X, Y, temperature=9.0, batch_size=21)
    assert (found.soft_accuracy, found.hard_accuracy) == (soft, hard)
    assert found.loss == pytest.approx(loss, rel=1e-5)
    assert found.decided == pytest.approx(float(network.decided(9.0)))
    assert found.decided < evaluate(network, X, Y).decided


def test_a_minibatch_step_is_the_gradient_step_on_that_batch():
    network = network_of("light")
    (state,) = states(
        network, optimizer=optax.sgd(0.5), steps=1, chunk=4, batch_size=6, seed=2, mode="soft"
    )
    rows = Feed.make(network, X, Y, seed=2)._order(6, 0, 1)

    def loss(parameters):
        layers = zip(network.layers, parameters, strict=True)
        x = jnp.asarray(X[rows].T, dtype=jnp.float32)
        for layer, p in layers:
            x = jax.tree.map(
                lambda leaf, p=p, own=layer: p if leaf is own.parameters else leaf, layer
            )(x)
        return network.head.loss(network.head.scores(x), jnp.asarray(Y[rows]))

    before = [layer.parameters for layer in network.layers]
    value, gradient = jax.jit(jax.value_and_grad(loss))(before)
    assert state.metrics.loss == pytest.approx(float(value), rel=1e-5)
    for layer, p, g in zip(state.network.layers, before, gradient, strict=True):
        np.testing.assert_allclose(layer.parameters, p - 0.5 * g, atol=1e-6)


def test_python_is_not_in_the_loop():
    traced: list[int] = []

    def loss(scores: jax.Array, y: jax.Array) -> jax.Array:
        traced.append(1)
        return -jnp.take_along_axis(jax.nn.log_softmax(scores, axis=1), y[:, None], axis=1).mean()

    after = [
        len(traced) for _ in train(network_of(), X, Y, optax.sgd(0.1), steps=50, chunk=5, loss=loss)
    ]
    assert after == [1] * 10


def test_stop_and_progress_see_the_same_metrics_and_the_last_chunk_may_be_short():
    seen: list[Metrics] = []
    asked: list[Metrics] = []

    def stop(metrics: Metrics) -> bool:
        asked.append(metrics)
        return metrics.step >= 10

    fit(network_of(), X, Y, optax.sgd(0.1), steps=40, chunk=5, stop=stop, progress=seen.append)
    assert [m.step for m in seen] == [5, 10]
    assert asked == seen
    assert [s.step for s in states(network_of(), steps=7)] == [5, 7]


def test_metrics_read_well():
    metrics = Metrics(40, 0.25, 0.9375, 0.875, 0.5)
    text = "step 40: loss 0.2500, soft 93.75%, hard 87.50% (gap +6.25%), decided 50.0%"
    assert str(metrics) == text


def test_last_metrics_names_an_empty_folder(tmp_path):
    with pytest.raises(InputError, match=r"metrics.jsonl: holds no metrics"):
        last_metrics(tmp_path)
    (tmp_path / "metrics.jsonl").write_text('{"step": 5, "loss"')
    with pytest.raises(InputError, match=r"metrics.jsonl: holds no metrics"):
        last_metrics(tmp_path)


# Errors


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": X[:, :4]}, r"x has shape \[32, 4\]; the network reads rows \[N, 5\]"),
        ({"x": X[0]}, r"x has shape \[5\]"),
        ({"x": X[:7]}, r"x has 7 rows and y 32"),
        ({"x": X[:0], "y": Y[:0]}, r"x has 0 rows and y 0; .* at least 1"),
        ({"x": np.where(X, 1.0, 0.25)}, r"x\[0, 0\] is 0.25; inputs are bits, 0 or 1"),
        ({"x": np.where(np.arange(32)[:, None] < 3, X, np.nan)}, r"x\[3, 0\] is nan"),
        ({"y": Y + 1}, r"GroupSum\(2\) learns integer classes .* from 1 to 2"),
        ({"y": Y.astype(np.float64)}, r"y is float64\[32\]"),
        ({"held_out": (X[:3], Y[:4])}, r"x has 3 rows and y 4"),
        ({"held_out": (X[:3], Y[:3] + 5)}, r"from 5 to 6"),
        ({"steps": -1}, r"at least 0 and chunk at least 1, not -1 and"),
        ({"chunk": 0}, r"chunk at least 1, not 10 and 0"),
        ({"batch_size": 0}, r"between 1 and the 32 rows, not 0"),
        ({"batch_size": 33}, r"between 1 and the 32 rows, not 33"),
        ({"mode": "hard"}, r"not 'hard'"),
        ({"resume": True}, r"resume=True needs run="),
    ],
)
def test_errors_name_the_place(change, message):
    arguments = {"x": X, "y": Y, "steps": 10, **change}
    x, y = arguments.pop("x"), arguments.pop("y")
    with pytest.raises(InputError, match=message):
        fit(network_of(), x, y, optax.sgd(0.1), **arguments)


def test_bits_targets_of_another_width_are_refused():
    network = Network(Gates(5, 3, key=jax.random.key(0)))
    with pytest.raises(InputError, match=r"learns 3 bits a row.* y has shape \[32\]"):
        fit(network, X, Y, optax.sgd(0.1), steps=1)
    with pytest.raises(InputError, match=r"y has shape \[32, 2\]"):
        evaluate(network, X, np.stack([Y, Y], axis=1))


def test_a_folder_that_cannot_be_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot make this folder"):
        fit(network_of(), X, Y, optax.sgd(0.1), steps=1, run=tmp_path / "file" / "run")
    assert os.listdir(tmp_path) == ["file"]
