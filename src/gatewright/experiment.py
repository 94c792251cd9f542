"""A recipe run from its data to a model and its accuracy on the test rows: `run`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jax.numpy as jnp

from gatewright import storage
from gatewright.circuit import Circuit
from gatewright.distributed import Team
from gatewright.errors import InputError
from gatewright.extraction import extract
from gatewright.journal import Metrics
from gatewright.memory import peak_rss
from gatewright.network import Network
from gatewright.passes.strash import strash
from gatewright.passes.sweep import sweep
from gatewright.polishing import Round
from gatewright.recipes import Recipe
from gatewright.runs import (
    Polished,
    load_metrics,
    load_polished,
    name_of,
    save_model,
    save_polished,
    save_recipe,
)
from gatewright.steppers import temperature_at
from gatewright.train import best_metrics, evaluate, fit, kernel_of, last_metrics
from gatewright.view.curves import curves


@dataclass(frozen=True)
class Result:
    """What came of a run.

    Attributes:
        accuracy_soft, accuracy_hard: on the test rows, in percent; of a regression R^2. Of the
            network that the model is made of: a polished one is hard, so that both are the same.
            Where the recipe finishes the circuit, what is hard is the model.
        gap: soft less hard, in points, of that network.
        loss: of the soft network on the test rows.
        gates: of the network's layers.
        gates_extracted: two-input gates of the circuit, its head included.
        gates_swept: of that circuit after `strash` and `sweep`, two exact passes.
        gates_swept_body: the same without the head.
        decided: share of gates whose most likely table (and wires) has a probability above .85.
        steps, epochs: trained.
        kernel: what ran the steps, in words.
        cpu_seconds, wall_seconds: of training, compilation and metrics on the way included, and
            of polishing; reading the data and what follows are not.
        peak_rss_mb: the most memory that the process held, in 10^6 bytes.
        measure: what the accuracies are: "accuracy", or "R^2".
        accuracy_unpolished, gap_unpolished: of the hard network as it was trained, and what the
            soft one had more, where the recipe polishes it.
    """

    recipe: str
    seed: int
    accuracy_soft: float
    accuracy_hard: float
    gap: float
    loss: float
    gates: int
    gates_extracted: int
    gates_swept: int
    gates_swept_body: int
    decided: float
    steps: int
    epochs: float
    kernel: str
    cpu_seconds: float
    wall_seconds: float
    peak_rss_mb: float
    measure: str = "accuracy"
    accuracy_unpolished: float | None = None
    gap_unpolished: float | None = None

    def summary(self) -> dict[str, Any]:
        """The run as JSON."""
        return asdict(self)

    def __str__(self) -> str:
        what = "% of the test rows right" if self.measure == "accuracy" else "% R^2 on test rows"
        if self.accuracy_unpolished is None:
            found = f"soft {self.accuracy_soft:.2f} %, gap {self.gap:+.2f}"
        else:
            found = (
                f"before polishing {self.accuracy_unpolished:.2f} %, gap {self.gap_unpolished:+.2f}"
            )
        return (
            f"{self.recipe}, seed {self.seed}: {self.accuracy_hard:.2f} {what} "
            f"({found}), {self.gates} gates, "
            f"{self.gates_swept} with the head after sweeping, decided {self.decided:.1%}; "
            f"{self.steps} steps in {self.wall_seconds:.0f} s, {self.cpu_seconds:.0f} s of CPU time"
        )


def run(
    recipe: Recipe,
    folder: Path | str,
    *,
    resume: bool = False,
    begin: Callable[[str], None] | None = None,
    progress: Callable[[Metrics], None] | None = None,
    polishing: Callable[[Round], None] | None = None,
) -> Result:
    """Train a recipe into a run folder, extract the circuit, judge it on the test rows.

    Writes recipe.json, metrics.jsonl, checkpoint.safetensors, curves.svg, model.safetensors and
    model.json, which says of what network it was made; tau.json where the recipe tries several, and
    after every round of polishing polished.safetensors, where it polishes.

    Args:
        resume: continue the folder's run, bit for bit.
        begin: called before training with the kernel in words.
        progress: called with the metrics after each chunk.
        polishing: called after each round of it, where the recipe polishes.

    Raises:
        InputError: the recipe makes no sense, or the folder holds a run of another one.
        KeyboardInterrupt, Diverged: see `gatewright.train.fit`.
    """
    path = Path(folder)
    network, kernel = train(recipe, path, resume=resume, begin=begin, progress=progress)
    (rows, test), options = recipe.data(), recipe.options()
    encoder = options.get("encoder")
    name = name_of(recipe)
    spent = _polished(recipe, network, path, resume, polishing)
    polished = spent.network
    extracted = extract(polished, encoder, name=name.replace("-", "_"))
    model = recipe.finish(extracted)
    save_model(path, model, network.to_netlist())
    last = last_metrics(path)
    judged_at = last if options.get("patience") is None else best_metrics(path)
    temperature = temperature_at(options.get("temperature", 1.0), jnp.asarray(judged_at.step))

    def judge(network: Network) -> Metrics:
        return evaluate(network, test.x, test.y, encoder=encoder, temperature=float(temperature))

    trained = judge(network)
    judged = trained if polished is network else judge(polished)
    hard = judged.hard_accuracy
    if model is not extracted:
        hard = float((model.predict(test.x) == test.y).mean())
    title = f"{name}, seed {recipe.seed}"
    storage.write_atomic(path / "curves.svg", curves(load_metrics(path), title).encode())
    batch_size = options.get("batch_size") or len(rows)
    return Result(
        recipe=name,
        seed=recipe.seed,
        accuracy_soft=round(100 * judged.soft_accuracy, 4),
        accuracy_hard=round(100 * hard, 4),
        gap=round(100 * judged.gap, 4),
        loss=judged.loss,
        gates=network.num_gates,
        gates_extracted=model.circuit.num_gates,
        gates_swept=_swept(model.circuit),
        gates_swept_body=_swept(polished.gates_circuit()),
        decided=round(judged.decided, 5),
        steps=last.step,
        epochs=round(last.step * batch_size / len(rows), 3),
        kernel=kernel,
        cpu_seconds=round(last.cpu_seconds + spent.cpu_seconds, 3),
        wall_seconds=round(last.wall_seconds + spent.wall_seconds, 3),
        peak_rss_mb=round(peak_rss() / 1e6, 1),
        measure=recipe.measure,
        accuracy_unpolished=None if polished is network else round(100 * trained.hard_accuracy, 4),
        gap_unpolished=None if polished is network else round(100 * trained.gap, 4),
    )


def _polished(
    recipe: Recipe,
    network: Network,
    folder: Path,
    resume: bool,
    progress: Callable[[Round], None] | None,
) -> Polished:
    """Polishes a trained network as its recipe says, from where an earlier run of it ended."""
    trained = network.to_netlist()
    so_far = load_polished(folder, network) if resume else Polished(network)
    begun = time.perf_counter() - so_far.wall_seconds, time.process_time() - so_far.cpu_seconds

    def after(done: Round) -> None:
        nonlocal so_far
        wall_seconds, cpu_seconds = time.perf_counter() - begun[0], time.process_time() - begun[1]
        so_far = Polished(done.network, done.number, cpu_seconds, wall_seconds)
        save_polished(folder, so_far, trained)
        if progress is not None:
            progress(done)

    recipe.polished(so_far.network, recipe.data()[0], after, so_far.rounds)
    return so_far


def train(
    recipe: Recipe,
    folder: Path | str,
    *,
    resume: bool = False,
    begin: Callable[[str], None] | None = None,
    progress: Callable[[Metrics], None] | None = None,
) -> tuple[Network, str]:
    """The training of `run`: the network, and what ran the steps.

    Where several processes share the recipe's shards all of them call this at the same time, and
    the first alone writes into the folder.
    """
    path, team = Path(folder), Team.of(getattr(recipe, "shards", 1))
    with team.agreed():
        rows, num_steps = recipe.data()[0], recipe.num_steps
        if num_steps < 1:
            raise InputError(f"--steps {num_steps}: training takes at least 1 step")
        options, optimizer, network = recipe.options(), recipe.optimizer(), recipe.network()
        trials = recipe.trials()
        names = ("kernel", "activations", "threads", "shards")
        chosen = {name: options[name] for name in names if name in options}
        kernel = kernel_of(network, optimizer, **chosen)
        if team.is_first:
            save_recipe(path, recipe, resume)
    if begin is not None:
        begin(kernel)
    if trials:
        network = trials[_tuned(trials, path / "tau.json", resume, team)].network()
    network = fit(
        network, rows.x, rows.y, optimizer,
        steps=num_steps, seed=recipe.seed, stop=recipe.is_done,
        run=path, resume=resume, progress=progress, **options,
    )  # fmt: skip
    return network, kernel


def try_taus(trials: Mapping[float, Recipe]) -> dict[float, float]:
    """Hard accuracy on the held-out rows that each tau's short recipe gives."""
    tried: dict[float, float] = {}
    for tau, trial in trials.items():
        train, options = trial.data()[0], trial.options()
        x, y = options["held_out"]
        network = fit(
            trial.network(), train.x, train.y, trial.optimizer(),
            steps=trial.num_steps, seed=trial.seed, **options,
        )  # fmt: skip
        tried[tau] = evaluate(network, x, y, encoder=options["encoder"]).hard_accuracy
    return tried


def _tuned(trials: Mapping[float, Recipe], record: Path, resume: bool, team: Team) -> float:
    """The tau of the best trial: recorded, or, where the run is resumed, read."""
    is_there = team.first_says(resume and record.exists())
    if is_there:
        return team.first_says(
            float(json.loads(record.read_text())["tau"]) if team.is_first else 0.0
        )
    tried = try_taus(trials)
    best = team.first_says(max(tried, key=lambda tau: tried[tau]))
    if not team.is_first:
        return best
    content = {"tau": best, "hard_accuracy": {str(tau): one for tau, one in tried.items()}}
    storage.write_atomic(record, (json.dumps(content, indent=1) + "\n").encode())
    return best


def _swept(circuit: Circuit) -> int:
    return sweep(strash(circuit)).num_gates
