"""How fast a circuit runs here: each back end, against what a core of this machine can do.

MODEL is a run folder, a model file (.safetensors), BLIF, or - (BLIF on stdin); without one, random
layers of 48,000 gates. All outputs are compared before anything is timed (exit code 1 where they
differ). Rates are medians of wall time, in turns. A share of the logic is of what 200 gates reach
whose values stay in registers; a share of memory is of what NumPy's sum reads; both times THREADS.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

import numpy.typing as npt

from gatewright import engine_speed as speed
from gatewright.cli.fields import positive
from gatewright.cli.progress import remark
from gatewright.compiler import CompileError
from gatewright.engine import Compiled
from gatewright.errors import InputError, MissingTool
from gatewright.model import Model
from gatewright.runs import load_model

#: Gates above which a C compiler takes too long.
MAX_C_GATES = 60_000

#: Width, depth and inputs of what runs without a MODEL.
SIZE = 8_000, 6, 784

ROUNDS = 5


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    del arguments
    parser.add_argument("model", metavar="MODEL", nargs="?")
    parser.add_argument("--seconds", type=positive, default=0.3, help="for each measurement (0.3)")
    parser.add_argument("--threads", type=int, default=1, help="that share a call (1)")


def run(options: argparse.Namespace) -> int:
    model = (
        load_model(options.model) if options.model else Model(speed.folded(speed.layered(*SIZE)))
    )
    made, found, skipped = _make(model, options.threads, options.quiet)
    speed.require_agreement(made, model.circuit)
    turn = options.seconds / ROUNDS
    limit = speed.limits(ROUNDS, turn)
    for name, said in _on_words(made, turn, options.threads * limit.gates).items():
        found[name] |= said
    if model.encoder is not None:
        rows = speed.samples_of(model.encoder, speed.HOT_ROWS)
        speed.require_labels({name: one.predict for name, one in made.items()}, model, rows[:256])
        for name, said in _on_rows(made, rows, turn, options.threads * limit.read).items():
            found[name] |= said
    results = {
        "circuit": model.circuit.name,
        "gates": model.circuit.num_gates,
        "threads": options.threads,
        "limits": {
            "gates_per_second": limit.gates,
            "bytes_read_per_second": limit.read,
            "bytes_copied_per_second": limit.copied,
        },
        "backends": found,
        "skipped": skipped,
    }
    print(json.dumps(results) if options.json else _table(results))
    return 0


def _make(
    model: Model, threads: int, quiet: bool
) -> tuple[dict[str, Compiled], dict[str, dict[str, Any]], dict[str, str]]:
    """The back ends that can run it, what making them took, and why others are left out."""
    made, found = dict[str, Compiled](), dict[str, dict[str, Any]]()
    skipped = dict[str, str]()
    num_gates = model.circuit.num_gates
    for name in (*speed.backends(), "c"):
        if name == "c" and num_gates > MAX_C_GATES:
            skipped[name] = f"over {MAX_C_GATES:,} gates: a C compiler takes too long"
        else:
            try:
                made[name], first = speed.ready(model, name, threads, 1 if name == "c" else 3)
                found[name] = {"ready_ms": 1e3 / first.median}
            except (MissingTool, CompileError, InputError) as error:
                if not made and name != "jit":
                    raise
                skipped[name] = str(error)
        if name in skipped:
            remark(f"{name} is left out: {skipped[name]}", quiet)
    for name, compiled in made.items():
        if num_gates and "code_bytes" in compiled.about:
            found[name]["bytes_a_gate"] = compiled.about["code_bytes"] / num_gates
    return made, found, skipped


def _on_words(made: dict[str, Compiled], turn: float, most: float) -> dict[str, dict[str, float]]:
    """Of each, packed words' gate evaluations a second, of which the machine does `most`."""
    contenders = [speed.on_words(name, compiled) for name, compiled in made.items()]
    rates = speed.race(contenders, ROUNDS, turn)
    found = dict[str, dict[str, float]]()
    for one in contenders:
        samples = 64 * speed.words_of(made[one.name].model.circuit).shape[1]
        median = rates[one.name].median
        found[one.name] = {
            "gates_per_second": median,
            "samples_per_second": median * samples / one.work if one.work else 0.0,
            "share_of_logic": median / most,
        }
    return found


def _on_rows(
    made: dict[str, Compiled], rows: npt.NDArray[Any], turn: float, most: float
) -> dict[str, dict[str, float]]:
    """Of each, raw rows a second; memory gives at most `most` bytes a second."""
    contenders = [speed.on_rows(name, compiled, rows) for name, compiled in made.items()]
    return {
        name: {
            "rows_per_second": rates.median,
            "share_of_memory": rates.median * rows.nbytes / len(rows) / most,
        }
        for name, rates in speed.race(contenders, ROUNDS, turn).items()
    }


COLUMNS = (
    ("ready ms", "ready_ms", 1.0, ".2f"), ("bytes a gate", "bytes_a_gate", 1.0, ".1f"),
    ("G gates/s", "gates_per_second", 1e-9, ".1f"),
    ("of logic", "share_of_logic", 1.0, ".1%"),
    ("M samples/s", "samples_per_second", 1e-6, ".3f"),
    ("M rows/s", "rows_per_second", 1e-6, ".3f"),
    ("of memory", "share_of_memory", 1.0, ".1%"),
)  # fmt: skip


def _table(results: dict[str, Any]) -> str:
    limit, threads = results["limits"], results["threads"]
    lines = [
        f"{results['circuit']}: {results['gates']:,} gates, {threads} "
        f"thread{'s' if threads > 1 else ''}",
        f"one core: {limit['gates_per_second'] / 1e9:.0f} G gates/s in registers, reads "
        f"{limit['bytes_read_per_second'] / 1e9:.1f} GB/s, copies "
        f"{limit['bytes_copied_per_second'] / 1e9:.1f} GB/s",
        f"{'':12}" + "".join(f"{title:>14}" for title, *_ in COLUMNS),
    ]
    for name, values in results["backends"].items():
        cells = [
            f"{values[key] * factor:{form}}" if key in values else ""
            for _, key, factor, form in COLUMNS
        ]
        lines.append(f"{name:12}" + "".join(f"{cell:>14}" for cell in cells))
    return "\n".join(lines)
