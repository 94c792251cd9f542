from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.circuit import FALSE, Builder, Circuit
from gatewright.errors import InputError
from gatewright.model import Model
from gatewright.passes import EFFORTS, PASSES, TIMED, WALK_REPLACES, Record, optimize, pipeline
from gatewright.passes.objectives import Goal
from gatewright.passes.rewrite import rewrite
from gatewright.passes.strash import strash
from gatewright.passes.sweep import sweep
from gatewright.verify import NotEquivalent, Proof, Undecided, prove
from random_circuits import built_circuits, large, multiplier, raw_circuits

#: Passes that neither search nor need another program.
OWN = [name for name in PASSES if name not in TIMED]


def apply(name: str, circuit: Circuit) -> Circuit:
    return PASSES[name](circuit, Goal(seconds=1))


CIRCUITS = built_circuits() | raw_circuits()


def truth_table(circuit: Circuit) -> list[tuple[int, ...]]:
    """Every row's outputs, a bit at a time by the definition of a circuit."""
    rows: list[tuple[int, ...]] = []
    for bits in product((0, 1), repeat=circuit.num_inputs):
        value = [0, *bits]
        for table, (a, b) in zip(circuit.table.tolist(), circuit.fanin.tolist(), strict=True):
            value.append(table >> (value[a] + 2 * value[b]) & 1)
        rows.append(tuple(value[o >> 1] ^ o & 1 for o in circuit.outputs.tolist()))
    return rows


def is_live(circuit: Circuit) -> list[bool]:
    """For each gate, whether an output can be reached from it."""
    live = {int(o) >> 1 for o in circuit.outputs}
    for node in range(circuit.num_nodes - 1, circuit.first_gate - 1, -1):
        if node in live:
            live |= set(circuit.fanin[node - circuit.first_gate].tolist())
    return [node in live for node in range(circuit.first_gate, circuit.num_nodes)]


def gates_of(circuit: Circuit) -> list[tuple[int, int, int]]:
    rows = zip(circuit.table.tolist(), circuit.fanin.tolist(), strict=True)
    return [(table, a, b) for table, (a, b) in rows]


def contents(circuit: Circuit) -> tuple[object, ...]:
    names = circuit.name, circuit.input_names, circuit.output_names
    return (*names, gates_of(circuit), circuit.outputs.tolist())


def raw(
    num_inputs: int, gates: list[tuple[int, int, int]], outputs: list[int], name: str = "raw"
) -> Circuit:
    """A circuit of (table, a, b) gates over nodes, exactly as given."""
    return Circuit(
        fanin=np.array([gate[1:] for gate in gates], np.int32).reshape(-1, 2),
        table=np.array([gate[0] for gate in gates], np.uint8),
        outputs=np.array(outputs, np.int32),
        input_names=tuple(f"in{i}" for i in range(num_inputs)),
        output_names=tuple(f"out{o}" for o in range(len(outputs))),
        name=name,
    )


#: What strategies draw seldom.
CORNERS = {
    "empty": raw(0, [], []),
    "no inputs, constant outputs": raw(0, [], [0, 1]),
    "no inputs, gates on the constant": raw(0, [(0x1, 0, 0), (0x7, 1, 0), (0x9, 1, 2)], [3, 6, 5]),
    "no outputs": raw(2, [(0x8, 1, 2)], []),
    "outputs are inputs, twice and inverted": raw(3, [], [4, 4, 3, 7]),
    "every table on one node": raw(
        1, [(t, 1, 1) for t in range(16)], [2 * (2 + g) for g in range(16)]
    ),
    "every table on the constant": raw(
        1, [(t, t % 2, 1 - t % 2) for t in range(16)], [2 * (2 + g) for g in range(16)]
    ),
    "duplicates behind inverters": raw(
        2, [(0x5, 1, 0), (0x3, 2, 2), (0x8, 3, 4), (0x1, 1, 2), (0x6, 5, 6)], [10, 12, 14]
    ),
    "dead gates between live ones": raw(
        2, [(0x8, 1, 2), (0x6, 1, 2), (0xE, 3, 4), (0x2, 3, 1)], [7, 12]
    ),
    "13 inputs": large(80, num_inputs=13),
}


def assert_same_interface(after: Circuit, before: Circuit) -> None:
    assert after.name == before.name
    assert after.input_names == before.input_names
    assert after.output_names == before.output_names


@pytest.mark.parametrize("name", OWN)
@given(circuit=CIRCUITS)
def test_a_pass_keeps_the_function_and_the_names_and_adds_no_gate(
    name: str, circuit: Circuit
) -> None:
    after = apply(name, circuit)
    assert truth_table(after) == truth_table(circuit)
    assert prove(circuit, after).method == "exhaustive"
    assert_same_interface(after, circuit)
    assert after.num_gates <= circuit.num_gates


@pytest.mark.parametrize("corner", CORNERS)
@pytest.mark.parametrize("name", PASSES)
def test_a_pass_takes_what_is_rare(name: str, corner: str) -> None:
    before = CORNERS[corner]
    after = apply(name, before)
    assert truth_table(after) == truth_table(before)
    assert_same_interface(after, before)
    assert after.num_gates <= before.num_gates


@pytest.mark.parametrize("name", PASSES)
def test_a_pass_keeps_a_circuit_that_only_sat_can_compare(name: str) -> None:
    before = large(300, num_inputs=24)
    after = apply(name, before)
    assert prove(before, after).method == "sat"
    words = np.random.default_rng(4).integers(0, 2**64, (24, 8), np.uint64, endpoint=False)
    np.testing.assert_array_equal(after.simulate(words), before.simulate(words))


@pytest.mark.parametrize("name", OWN)
@settings(max_examples=50)
@given(circuit=CIRCUITS)
def test_a_pass_done_twice_is_a_pass_done_once(name: str, circuit: Circuit) -> None:
    once = apply(name, circuit)
    assert contents(apply(name, once)) == contents(once)


@given(CIRCUITS)
def test_strash_leaves_a_canonical_circuit(circuit: Circuit) -> None:
    gates = gates_of(strash(circuit))
    assert all(table in (0x2, 0x4, 0x6, 0x8, 0xE) for table, _, _ in gates)
    assert all(FALSE < a < b for _, a, b in gates)
    assert len(set(gates)) == len(gates)


@given(built_circuits())
def test_strash_changes_nothing_that_a_builder_made(circuit: Circuit) -> None:
    assert contents(strash(circuit)) == contents(circuit)


def test_strash_folds_inverters_constants_and_copies() -> None:
    # Written with an inverter (5) in front of each operand, a copy, and an AND with true.
    before = raw(
        2, [(0x5, 1, 1), (0x5, 2, 2), (0x1, 3, 4), (0xC, 1, 5), (0xF, 0, 0), (0x8, 6, 7)], [16]
    )
    after = strash(before)
    assert gates_of(after) == [(0x8, 1, 2)]
    assert after.outputs.tolist() == [6]


@given(CIRCUITS)
def test_sweep_keeps_exactly_the_live_gates_in_order(circuit: Circuit) -> None:
    after = sweep(circuit)
    live = is_live(circuit)
    assert all(is_live(after))
    assert after.table.tolist() == circuit.table[np.array(live, np.bool_)].tolist()


def test_sweep_keeps_the_numbering_right() -> None:
    after = sweep(CORNERS["dead gates between live ones"])
    assert gates_of(after) == [(0x8, 1, 2), (0x2, 3, 1)]
    assert after.outputs.tolist() == [7, 8]


# optimize


def multiplexers(num: int = 3) -> Circuit:
    """Wasteful on purpose: repeated, dead and inverted gates under each pass's nose."""
    gates: list[tuple[int, int, int]] = []
    outputs: list[int] = []
    first = 1 + 3 * num
    for i in range(num):
        s, t, e = 1 + 3 * i, 2 + 3 * i, 3 + 3 * i
        node = first + len(gates)
        # s ? t : e as (s|e) & (~s|t) & (t|e): the last factor is not needed, and one gate is dead.
        gates += [(0xE, s, e), (0x5, s, s), (0xE, node + 1, t), (0xE, t, e), (0x8, node, node + 2)]
        gates += [(0x8, node + 4, node + 3), (0x6, s, e)]
        outputs.append(2 * (node + 5))
    return raw(3 * num, gates, outputs, "multiplexers")


def test_optimize_records_what_each_pass_did() -> None:
    before = multiplexers()
    records: list[Record] = []
    after = optimize(before, record=records.append)
    assert [record.name for record in records] == [
        name for name in EFFORTS[2] if name not in WALK_REPLACES
    ]
    assert [record.after.gates for record in records] == [18, 15, 15, 9, 9, 9, 9, 9, 9, 9]
    for last, record in itertools.pairwise(records):
        assert last.after == record.before
    assert records[0].before == before.stats()
    assert records[-1].after == after.stats()
    for record in records:
        assert record.cpu_seconds >= 0
        assert str(record.proof) == "equal on all 512 input rows (exhaustive)"
    assert truth_table(after) == truth_table(before)
    assert after.depth == 2


@pytest.mark.parametrize(("effort", "gates"), [(0, 18), (1, 15), (2, 9)])
def test_more_effort_leaves_fewer_gates(effort: int, gates: int) -> None:
    assert optimize(multiplexers(), effort).num_gates == gates


def test_named_passes_take_the_place_of_the_effort() -> None:
    records: list[Record] = []
    after = optimize(multiplexers(), 2, passes=["sweep"], record=records.append)
    assert [record.name for record in records] == ["sweep"]
    assert after.num_gates == 18
    circuit = multiplexers()
    assert optimize(circuit, passes=[]) is circuit


@settings(max_examples=30)
@given(CIRCUITS)
def test_optimize_leaves_no_waste_and_the_same_function(circuit: Circuit) -> None:
    after = optimize(circuit)
    assert truth_table(after) == truth_table(circuit)
    assert all(is_live(after))
    assert len(set(gates_of(after))) == after.num_gates <= circuit.num_gates
    assert_same_interface(after, circuit)


def test_a_model_stays_a_model() -> None:
    model = Model(multiplexers(), num_classes=8)
    after = optimize(model)
    assert isinstance(after, Model)
    assert after.num_classes == 8
    assert after.circuit.num_gates == 9
    rows = np.random.default_rng(0).random((50, 9)) < 0.5
    np.testing.assert_array_equal(after.predict(rows), model.predict(rows))


@pytest.mark.parametrize("effort", [-1, 4])
def test_an_effort_out_of_range_is_refused(effort: int) -> None:
    with pytest.raises(InputError, match=f"effort is from 0 to 3, not {effort}"):
        optimize(multiplexers(), effort)


def test_an_unknown_objective_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="unknown objective 'area'; known: gates, and, depth"):
        optimize(multiplexers(), objective="area")


def test_an_unknown_pass_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        InputError, match="unknown pass 'swepe'; known: strash, sweep, fraig, collapse"
    ):
        optimize(multiplexers(), passes=["strash", "swepe"])
    with pytest.raises(
        InputError, match="unknown pass 'swepe'; known: strash, sweep, fraig, collapse"
    ):
        pipeline("strash; swepe")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("strash", ("strash",)),
        (" strash;sweep ; strash;", ("strash", "sweep", "strash")),
        ("", ()),
        (";", ()),
    ],
)
def test_a_pipeline_is_names_between_semicolons(text: str, names: tuple[str, ...]) -> None:
    assert pipeline(text) == names


def with_bit_flipped(circuit: Circuit, gate: int, row: int) -> Circuit:
    table = circuit.table.copy()
    table[gate] ^= 1 << row
    return Circuit(circuit.fanin, table, circuit.outputs, circuit.input_names,
                   circuit.output_names, circuit.name)  # fmt: skip


@settings(max_examples=200)
@given(circuit=CIRCUITS, data=st.data())
def test_a_pass_that_flips_a_table_bit_that_matters_is_caught(
    circuit: Circuit, data: st.DataObject
) -> None:
    flips = [(g, row) for g in range(circuit.num_gates) for row in range(4)]
    flip = data.draw(st.sampled_from(flips)) if flips else None
    broken = with_bit_flipped(circuit, *flip) if flip else circuit
    records: list[Record] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PASSES, "broken", lambda *_: broken)
        if truth_table(broken) == truth_table(circuit):
            assert optimize(circuit, passes=["broken"], record=records.append) is broken
            assert [record.name for record in records] == ["broken"]
            return
        with pytest.raises(NotEquivalent) as caught:
            optimize(circuit, passes=["broken", "sweep"], record=records.append)
    assert records == []
    row = caught.value.row[None]
    assert (circuit(row) != broken(row)).any()


def test_a_broken_pass_is_caught_where_rows_are_only_sampled_and_solved() -> None:
    # Of 24 inputs, a pass that is wrong on one row in 2**24.
    builder = Builder([f"x{i}" for i in range(24)])
    every = FALSE ^ 1
    for x in builder.inputs:
        every = builder.land(every, x)
    builder.output("y", builder.lxor(builder.inputs[3], builder.inputs[5]))
    builder.output("z", every)
    circuit = builder.build()

    def forget_it(given: Circuit, goal: Goal) -> Circuit:
        outputs = np.array([given.outputs[0], FALSE], np.int32)
        return Circuit(given.fanin, given.table, outputs, given.input_names, given.output_names)

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PASSES, "broken", forget_it)
        with pytest.raises(NotEquivalent) as caught:
            optimize(circuit, passes=["strash", "broken"])
    assert caught.value.row.all()
    assert caught.value.differs == ("z",)


def test_nothing_undecided_is_returned() -> None:
    swapped = multiplier(14, True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PASSES, "swap", lambda *_: swapped)
        with pytest.raises(Undecided) as caught:
            optimize(multiplier(14, False), passes=["swap"], seconds=0.3)
    assert 0.3 < caught.value.seconds < 30


def test_of_what_is_undecided_the_stages_that_are_proved_are_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    circuit, swapped = multiplier(14, False), multiplier(14, True)
    wrong = replace(circuit, outputs=circuit.outputs ^ 1)
    once = rewrite(circuit)
    stages = [wrong, once, rewrite(once), swapped]

    def search(_: Circuit, goal: Goal) -> Circuit:
        goal.stages.extend(stages)
        return swapped

    monkeypatch.setitem(PASSES, "shorten", search)
    records: list[Record] = []
    passes = ["shorten", "sweep"]
    after = optimize(circuit, passes=passes, seconds=1.6, record=records.append)
    assert contents(after) == contents(stages[2])
    assert "undecided" in records[0].dropped
    assert records[0].proof is not None
    assert records[0].proof.num_merged >= prove(circuit, once).num_merged > 0
    assert not records[1].dropped  # a pass behind has no stages of its own


def test_of_a_large_circuit_the_best_stage_that_is_proved_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    circuit = multiplier(14, False)
    wrong = replace(circuit, outputs=circuit.outputs ^ 1)
    best = rewrite(circuit)
    stages = [wrong, best, circuit]  # a later one may be worse

    def search(_: Circuit, goal: Goal) -> Circuit:
        goal.stages.extend(stages)
        return goal.best(*stages)

    monkeypatch.setattr(sys.modules["gatewright.passes"], "LARGE", 0)
    monkeypatch.setitem(PASSES, "shorten", search)
    records: list[Record] = []
    after = optimize(circuit, passes=["shorten"], objective="gates", record=records.append)
    assert contents(after) == contents(best)
    assert records[0].proof is not None
    assert not records[0].dropped  # what is not proved was not needed
    stages[:] = [wrong, wrong]
    assert contents(optimize(circuit, passes=["shorten"], record=records.append)) == contents(
        circuit
    )
    assert records[1].proof is None
    assert records[1].dropped.startswith("step 1 of 2: not equal")


@pytest.mark.parametrize("has_abc", [True, False])
def test_a_large_circuit_is_resynthesised_once_and_walked(
    has_abc: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sys.modules["gatewright.passes"]
    monkeypatch.setattr(module, "LARGE", 0)
    monkeypatch.setattr(module.abc, "program", lambda: "abc" if has_abc else None)
    monkeypatch.setitem(PASSES, "resynthesize", lambda circuit, _: circuit)
    names: list[str] = []
    optimize(multiplexers(), time_budget=1, record=lambda record: names.append(record.name))
    resynthesis = ["resynthesize"] if has_abc else []
    walks = ["walk"] if has_abc else ["walk", "walk"]
    head = ["strash", "sweep", "rebuild", "fraig"]
    assert names == [*head, *resynthesis, "fraig", *walks, "sweep"]


@pytest.mark.parametrize("is_small", [True, False])
@pytest.mark.parametrize("has_abc", [True, False])
def test_for_few_ands_the_structure_of_all_but_small_circuits_is_disturbed_first(
    is_small: bool, has_abc: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first walk is short, the last has what is left."""
    module = sys.modules["gatewright.passes"]
    monkeypatch.setattr(module, "WHOLE_GATES", 1_000 if is_small else 0)
    monkeypatch.setattr(module.abc, "program", lambda: "abc" if has_abc else None)
    told: list[tuple[str, float]] = []

    def listed(name: str) -> Callable[[Circuit, Goal], Circuit]:
        def run(circuit: Circuit, goal: Goal) -> Circuit:
            told.append((name, goal.seconds))
            return circuit

        return run

    for name in ("two_level", "resynthesize", "walk"):
        monkeypatch.setitem(PASSES, name, listed(name))
    names: list[str] = []
    optimize(
        multiplexers(),
        objective="and",
        time_budget=100,
        record=lambda made: names.append(made.name),
    )
    walk = [] if is_small else ["walk"]
    abc = [["two_level"], ["resynthesize"]] if has_abc else [[], []]
    head = ["strash", "sweep", "rebuild", *abc[0], "fraig"]
    assert names == [*head, *walk, *abc[1], "fraig", "ands", "walk", "products", "sweep"]
    shares = [6.0] * len(walk) + [50.0] * len(abc[1])
    searches = [seconds for name, seconds in told if name != "two_level"]
    assert searches == pytest.approx([*shares, 100.0], abs=2)  # own passes take a little of it


def test_a_proof_may_take_longer_behind_a_longer_search(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[float] = []

    def note(before: Circuit, after: Circuit, *, seconds: float) -> Proof:
        told.append(seconds)
        return prove(before, after, seconds=seconds)

    monkeypatch.setattr(sys.modules["gatewright.passes"], "prove", note)
    for time_budget, seconds in ((5.0, None), (100.0, None), (100.0, 7.0)):
        optimize(multiplier(3, False), passes=["sweep"], time_budget=time_budget, seconds=seconds)
    assert told == [60, 200, 7]


def test_what_has_few_ands_is_not_lost_where_gates_become_fewer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A majority of XORs and one AND; by ANDs and ORs it has fewer gates, and more ANDs."""
    few, other = Builder("abc"), Builder("abc")
    a, b, c = few.inputs
    few.output("y", few.lxor(few.land(few.lxor(a, b), few.lxor(a, c)), a))
    a, b, c = other.inputs
    other.output("y", other.lor(other.land(a, b), other.land(c, other.lor(a, b))))
    monkeypatch.setitem(PASSES, "walk", lambda *_: other.build())
    monkeypatch.setitem(PASSES, "ands", lambda circuit, _: circuit)
    monkeypatch.setattr(sys.modules["gatewright.passes"].abc, "program", lambda: None)
    records: list[Record] = []
    circuit = few.build()
    after = optimize(circuit, objective="and", record=records.append)
    assert after.stats().ands == 1
    assert [record.name for record in records[-2:]] == ["sweep", "best"]
    assert records[-2].after.ands > 1 == records[-1].after.ands
    assert records[-1].proof
    records.clear()
    passes = ("strash", "walk")  # what is asked for by name is done
    assert optimize(circuit, objective="and", passes=passes).stats().ands > 1
