"""The main job: learn Conway's Game of Life, extract it, make it small, prove it, write it out."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gatewright import storage, targets
from gatewright.automata import life_rule
from gatewright.circuit import Circuit, Stats
from gatewright.extraction import extract
from gatewright.network import Network
from gatewright.passes import Record, optimize
from gatewright.recipes import Recipe
from gatewright.runs import save_recipe
from gatewright.train import Metrics, fit, last_metrics
from gatewright.verify import NotEquivalent, prove
from gatewright.view.schematic import schematic

#: What makes the learned circuit small: rebuilt from its truth table, and from there a walk.
PASSES = ("strash", "sweep", "collapse", "walk", "sweep")


@dataclass(frozen=True)
class Learned:
    """What came of one run.

    Attributes:
        metrics: at the last step.
        cpu_seconds: from building the network to the last step, compilation included.
        wrong_rows: rows of the rule, of 512, that the trained hard network gets wrong.
        extracted: the hard network gate by gate, its vote included.
        circuit: after the passes.
        proofs: what was proved -> how; where something is not so, the counterexample.
        is_proved: every proof holds.
    """

    recipe: Recipe
    network: Network
    metrics: Metrics
    cpu_seconds: float
    wrong_rows: int
    extracted: Circuit
    records: tuple[Record, ...]
    circuit: Circuit
    proofs: dict[str, str]
    is_proved: bool

    def summary(self) -> dict[str, Any]:
        """The run as JSON."""
        return {
            "seed": self.recipe.seed,
            "steps": self.metrics.step,
            "cpu_seconds": round(self.cpu_seconds, 3),
            "wrong_rows": self.wrong_rows,
            "soft_accuracy": self.metrics.soft_accuracy,
            "decided": round(self.metrics.decided, 4),
            "gates_extracted": self.extracted.num_gates,
            "gates": self.circuit.num_gates,
            "depth": self.circuit.depth,
            "ands": self.circuit.stats().ands,
            "proof": self.proofs["the optimised circuit and the rule"],
            "proofs": self.proofs,
            "passes": [
                {
                    "pass": record.name,
                    "before": asdict(record.before),
                    "after": asdict(record.after),
                    "cpu_seconds": round(record.cpu_seconds, 3),
                    "proof": str(record.proof),
                }
                for record in self.records
            ],
        }


def learn(
    recipe: Recipe,
    folder: Path,
    *,
    resume: bool = False,
    progress: Callable[[Metrics], None] | None = None,
) -> Learned:
    """Train, extract, optimise and prove; the run folder gets everything but the speed.

    Writes recipe.json, metrics.jsonl, checkpoint.safetensors, model.safetensors (the trained
    network's circuit), life.blif, life.c, life.h and its test, the board stepper in C, circuit.svg.
    """
    save_recipe(folder, recipe, resume)
    begin = time.process_time()
    rule, _ = recipe.data()
    network = fit(
        recipe.network(), rule.x, rule.y, recipe.optimizer(),
        steps=recipe.steps, seed=recipe.seed, stop=recipe.is_done,
        run=folder, resume=resume, progress=progress, **recipe.options(),
    )  # fmt: skip
    cpu_seconds = time.process_time() - begin
    metrics = last_metrics(folder)
    wrong_rows = int((network.hard_bits(rule.x) != life_rule(rule.x)).sum())
    model = extract(network, name="life")
    model.save(folder / "model.safetensors")
    records: list[Record] = []
    circuit = optimize(model, passes=PASSES, record=records.append).circuit
    proofs, is_proved = _prove(network, model.circuit, circuit)
    targets.write(circuit, folder, "blif")
    targets.write(circuit, folder, "c")
    targets.write(circuit, folder, "c-automaton")
    picture = schematic(circuit, f"Conway's Game of Life, {circuit.num_gates} gates")
    storage.write_atomic(folder / "circuit.svg", picture.encode())
    return Learned(
        recipe, network, metrics, cpu_seconds, wrong_rows, model.circuit, tuple(records), circuit,
        proofs, is_proved,
    )  # fmt: skip


def _prove(network: Network, extracted: Circuit, circuit: Circuit) -> tuple[dict[str, str], bool]:
    claims: dict[str, tuple[Any, Any]] = {
        "the trained network and the extracted circuit": (network, extracted),
        "the trained network and the optimised circuit": (network, circuit),
        "the optimised circuit and the rule": (circuit, life_rule),
    }
    proofs: dict[str, str] = {}
    is_proved = True
    for claim, (a, b) in claims.items():
        try:
            proofs[claim] = str(prove(a, b))
        except NotEquivalent as difference:
            proofs[claim] = f"NOT equal: {difference}"
            is_proved = False
    return proofs, is_proved


def write_report(learned: Learned, folder: Path, speed: dict[str, Any] | None) -> None:
    """REPORT.md and result.json."""
    result = learned.summary() | ({} if speed is None else {"speed": speed})
    storage.write_atomic(folder / "result.json", (json.dumps(result, indent=1) + "\n").encode())
    storage.write_atomic(folder / "REPORT.md", _report(learned, speed).encode())


def _report(learned: Learned, speed: dict[str, Any] | None) -> str:
    recipe, metrics = learned.recipe, learned.metrics
    is_perfect = learned.wrong_rows == 0
    outcome = "is perfect" if is_perfect else f"has {learned.wrong_rows} of 512 rows WRONG"
    lines = [
        "# Conway's Game of Life, learned",
        "",
        f"Seed {recipe.seed}: after {metrics.step} steps and {learned.cpu_seconds:.2f} s of CPU "
        f"time (compilation included) the hard network {outcome}.",
        "",
        "![the circuit](circuit.svg)",
        "",
        "## Gates",
        "",
        "| after | gates | depth | ANDs | by kind | CPU s | proof |",
        "|---|---|---|---|---|---|---|",
        _row("extract", learned.extracted.stats(), None, "every gate and the vote, nothing folded"),
        *(_row(r.name, r.after, r.cpu_seconds, str(r.proof)) for r in learned.records),
        "",
        "A gate is a two-input gate; XOR counts as one and inversions as none.",
        "",
        "## Proofs",
        "",
        *(f"- {claim}: {proof}" for claim, proof in learned.proofs.items()),
        "",
    ]
    if speed is not None:
        lines += ["## Speed", "", *speed_lines(speed), ""]
    lines += [
        "## Files",
        "",
        "- `life.blif`, `life.c`, `life.h`: the circuit; `life_test.c`: its test.",
        "- `life_board.c`, `life_board.h`: a stepper of whole boards.",
        "- `model.safetensors`: the trained network's circuit before any pass.",
        "- `metrics.jsonl`, `checkpoint.safetensors`, `recipe.json`: the training run.",
        "",
        "## Recipe",
        "",
        "```json",
        json.dumps(asdict(recipe), indent=1),
        "```",
        "",
    ]
    return "\n".join(lines)


def describe(learned: Learned, speed: dict[str, Any] | None) -> None:
    """The same as tables on stdout."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    console = Console(width=None if sys.stdout.isatty() else 140, highlight=False)
    metrics = learned.metrics
    console.print(
        f"seed {learned.recipe.seed}: {learned.wrong_rows} of 512 rows wrong after {metrics.step} "
        f"steps, {learned.cpu_seconds:.2f} s of CPU time with compilation"
    )
    table = Table("after", box=SIMPLE_HEAD)
    for heading in ("gates", "depth", "ANDs"):
        table.add_column(heading, justify="right")
    table.add_column("by kind")
    table.add_column("proof")
    steps = [("extract", learned.extracted.stats(), "")]
    steps += [(record.name, record.after, str(record.proof)) for record in learned.records]
    for name, stats, proof in steps:
        kinds = ", ".join(f"{number} {kind}" for kind, number in stats.kinds.items())
        table.add_row(name, str(stats.gates), str(stats.depth), str(stats.ands), kinds, proof)
    console.print(table)
    for claim, proof in learned.proofs.items():
        console.print(f"{claim}: {proof}")
    if speed is None:
        return
    table = Table("", "board", box=SIMPLE_HEAD)
    for heading in ("million cells/s", "min", "max", "x reference"):
        table.add_column(heading, justify="right")
    table.add_column("counted")
    for row in speed["rows"]:
        rate = row["cells_per_second"]
        numbers = (f"{rate[key] / 1e6:,.2f}" for key in ("median", "min", "max"))
        ratio = f"{row['ratio_to_reference']:.3g}"
        table.add_row(row["name"], row["board"], *numbers, ratio, row["counted"])
    console.print(table)
    console.print(speed["about"])


def _row(name: str, stats: Stats, cpu_seconds: float | None, proof: str) -> str:
    kinds = ", ".join(f"{number} {kind}" for kind, number in stats.kinds.items())
    spent = "" if cpu_seconds is None else f"{cpu_seconds:.2f}"
    kinds = kinds.replace("|", "\\|")
    return (
        f"| {name} | {stats.gates} | {stats.depth} | {stats.ands} | {kinds} | {spent} | {proof} |"
    )


def speed_lines(speed: dict[str, Any]) -> list[str]:
    """The speed table in Markdown."""
    lines = [
        speed["about"],
        "",
        "| | board | million cells/s: median (min to max) | to the reference's way | counted |",
        "|---|---|---|---|---|",
    ]
    for row in speed["rows"]:
        rate = row["cells_per_second"]
        lines.append(
            f"| {row['name']} | {row['board']} | {rate['median'] / 1e6:,.2f} "
            f"({rate['min'] / 1e6:,.2f} to {rate['max'] / 1e6:,.2f}) | "
            f"{row['ratio_to_reference']:.3g} x | {row['counted']} |"
        )
    return lines
