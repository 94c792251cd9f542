from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright import proof_log
from gatewright.circuit import Builder, Circuit
from gatewright.errors import GatewrightError, InputError
from gatewright.passes import optimize
from gatewright.proof_log import ProofLog, prove_with_log
from gatewright.targets import read
from gatewright.verify import prove
from random_circuits import built_circuits, large, multiplier
from rup import refutes

PASSES = ("strash", "fraig", "rewrite", "collapse", "sweep")


@settings(max_examples=100)
@given(built_circuits(max_gates=30), st.sampled_from([1, 64]))
def test_a_log_refutes_its_clauses(circuit: Circuit, window: int) -> None:
    """Where a window of one gate is tried first, whole cones come next."""
    after = optimize(circuit, passes=PASSES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(proof_log, "WINDOW", window)
        log = prove_with_log(circuit, after)
    assert refutes(log.cnf, log.drat)
    assert log.cnf.startswith(f"p cnf {log.num_variables} {log.num_clauses}\n")
    assert log.cnf.count("\n") == log.num_clauses + 1


@pytest.fixture(scope="module")
def log() -> ProofLog:
    circuit = large(600)
    return prove_with_log(circuit, optimize(circuit, passes=("strash", "fraig", "rewrite")))


def test_the_clauses_have_no_solution_and_the_log_is_needed(log: ProofLog) -> None:
    assert refutes(log.cnf, log.drat)
    assert not refutes(log.cnf, "0\n")
    lines = log.drat.splitlines(keepends=True)
    assert not refutes(log.cnf, "".join(lines[:-1]))


def test_circuits_that_differ_have_no_log_and_their_clauses_a_solution() -> None:
    builder, other = Builder("xyz"), Builder("xyz")
    x, y, z = builder.inputs
    builder.output("o", builder.land(builder.land(x, y), z))
    other.output("o", other.land(other.land(x, y), z ^ 1))
    with pytest.raises(GatewrightError, match="not equal"):
        prove_with_log(builder.build(), other.build())
    same = prove_with_log(builder.build(), builder.build())
    assert refutes(same.cnf, same.drat)


def test_what_only_whole_cones_show_has_a_log() -> None:
    log = prove_with_log(multiplier(4, False), multiplier(4, True))
    assert refutes(log.cnf, log.drat)


def test_what_has_no_log_is_refused() -> None:
    builder = Builder("xy")
    builder.output("o", builder.land(*builder.inputs))
    with pytest.raises(InputError, match="two circuits"):
        prove_with_log(builder.build(), lambda rows: rows[:, :1] & rows[:, 1:])
    with pytest.raises(GatewrightError, match="allow more --seconds"):
        prove_with_log(multiplier(10, False), multiplier(10, True), seconds=1.0)


def test_the_second_engine_agrees_with_the_first(epfl: Path) -> None:
    adder = read(epfl / "adder.aig")
    after = optimize(adder, passes=("fraig", "ands"))
    assert prove(adder, after)
    lines = prove_with_log(adder, after).drat.splitlines()
    found = {tuple(sorted(map(int, line.split()[:-1]))) for line in lines if line[0] != "d"}
    pairs = [literals for literals in found if len(literals) == 2]
    assert sum((-b, -a) in found for a, b in pairs) > 100  # inner points, each way
    outputs = np.array(after.outputs)
    outputs[77] ^= 1
    wrong = Circuit(
        after.fanin, after.table, outputs, after.input_names, after.output_names, after.name
    )
    with pytest.raises(GatewrightError, match="not equal"):
        prove_with_log(adder, wrong)
