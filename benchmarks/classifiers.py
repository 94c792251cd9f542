"""Classifiers, head included: `optimize` beside ABC alone, and the time to prove the result equal.

Takes finished run folders or model files, such as `benchmarks/recipes.py mnist-8k --folder runs`
leaves; without one it trains a small classifier first. -O2 and -O3 with a time budget; then ABC
alone, each of its scripts over and over for as long as -O3 took, the best of them taken; then one
proof from the trained circuit to the smallest, and one with a log that a checker can read.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from gatewright.errors import GatewrightError
from gatewright.extraction import extract
from gatewright.journal import load_network
from gatewright.passes import Record, optimize
from gatewright.passes.objectives import cpu_seconds
from gatewright.proof_log import prove_with_log
from gatewright.runs import load_model, load_polished, load_recipe
from gatewright.verify import Proof, Undecided, prove
from lib.abc_alone import abc_alone
from lib.recording import parser, write
from lib.small import small_run

#: The most time that a proof with a log may take.
LOG_SECONDS = 300.0


def measure(source: Path, time_budget: float) -> dict[str, Any]:
    """One classifier, every way."""
    if source.is_dir():  # extracted anew: with today's head
        recipe = load_recipe(source)
        network = load_network(source, recipe.network(), recipe.optimizer())
        polished = load_polished(source, network).network
        circuit = extract(polished, name=source.name).circuit
    else:
        circuit = load_model(str(source)).circuit
    swept = optimize(circuit, 1)
    begin = time.perf_counter()
    after_2 = optimize(circuit, 2, time_budget=time_budget)
    seconds_2 = time.perf_counter() - begin
    records: list[Record] = []
    begin = time.perf_counter()
    after_3 = optimize(circuit, 3, time_budget=time_budget, record=records.append)
    seconds_3 = time.perf_counter() - begin
    alone, which = abc_alone(swept, seconds_3)
    begin = time.perf_counter()
    proof: Proof | None = None
    try:
        proof = prove(circuit, after_3, seconds=120)
    except Undecided as undecided:
        print(undecided, flush=True)
    seconds_proof = time.perf_counter() - begin
    cpu, log = cpu_seconds(), None
    try:
        log = prove_with_log(circuit, after_3, seconds=LOG_SECONDS)
    except GatewrightError as error:
        print(error, flush=True)
    return {
        "classifier": source.name,
        "gates_trained": circuit.num_gates,
        "gates_swept": swept.num_gates,
        "gates_O2": after_2.num_gates,
        "seconds_O2": round(seconds_2, 1),
        "gates_O3": after_3.num_gates,
        "seconds_O3": round(seconds_3, 1),
        "dropped": [record.name for record in records if record.dropped],
        "gates_abc": alone.num_gates,
        "script_abc": which,
        "proof": str(proof),
        "seconds_proof": round(seconds_proof, 1),
        "cpu_seconds_log": round(cpu_seconds() - cpu, 1),
        "lemmas": None if log is None else log.num_lemmas,
    }


def main() -> None:
    options = parser(__doc__)
    options.add_argument("sources", nargs="*", type=Path, metavar="RUN")
    options.add_argument("--time-budget", type=float, default=60.0, metavar="SECONDS")
    given = options.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        for source in given.sources or [small_run(Path(scratch))]:
            rows.append(measure(source, 5.0 if given.quick else given.time_budget))
            print(rows[-1], flush=True)
            write(given.json, {"time_budget": given.time_budget, "rows": rows})


if __name__ == "__main__":
    main()
