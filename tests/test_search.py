from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.cli.sweep import read_search
from gatewright.errors import InputError
from gatewright.recipes.life import Life
from gatewright.recipes.mnist import Mnist8k
from gatewright.search import Choices, Plan, Range, Trial, front_of


@pytest.mark.parametrize(
    ("text", "name", "space"),
    [
        ("learning_rate=0.005..0.2:log", "learning_rate", Range(0.005, 0.2, log=True)),
        ("learning-rate=1e-3..1", "learning_rate", Range(1e-3, 1.0)),
        ("--tau=1..5:0.5", "tau", Range(1.0, 5.0, step=0.5)),
        ("warm_up=0..500:50", "warm_up", Range(0, 500, step=50)),
        ("batch_size=64,128,256", "batch_size", Choices((64, 128, 256))),
        ("batch_size=64|128", "batch_size", Choices((64, 128))),
        ("layers=L20:6,G20|L40:6@2.5", "layers", Choices(("L20:6,G20", "L40:6@2.5"))),
        ("thermometer=uniform:3 | 50,150", "thermometer", Choices(("uniform:3", "50,150"))),
        ("tau=auto|5|10", "tau", Choices((None, 5.0, 10.0))),
        ("flip=true,false", "flip", Choices((True, False))),
        ("chunk=auto,25", "chunk", Choices((None, 25))),
    ],
)  # fmt: skip
def test_a_search_is_read_by_the_fields_type(text: str, name: str, space: object) -> None:
    assert read_search(text, Mnist8k) == (name, space)
    types = [type(one) for one in getattr(space, "options", ())]
    read = read_search(text, Mnist8k)[1]
    assert [type(one) for one in getattr(read, "options", ())] == types
    if isinstance(read, Range):
        assert isinstance(space, Range)
        assert type(read.low) is type(space.low)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("learning_rate", "write NAME=VALUES"),
        ("learning_rate=", "write NAME=VALUES"),
        ("rate=1..2", "no field 'rate'; known: seed, steps"),
        ("batch_size=64,many", "'many' is not INT"),
        ("batch_size=1.5..3", "'1.5' is not INT"),
        ("batch_size=-1,4", "not from 0"),
        ("learning_rate=fast|slow", "'fast' is not FLOAT, nor a range"),
        ("learning_rate=0.1..nan", "nan is not finite"),
        ("learning_rate=0.2..0.1", "0.2 is not below 0.1"),
        ("learning_rate=0..0.1:log", "begins above 0"),
        ("learning_rate=0..1:fine", "'fine' is neither log nor a step"),
        ("learning_rate=0..1:2", "at most 1.0, not 2.0"),
        ("learning_rate=0..1:0", "above 0"),
        ("layers=L2000:16,G2000", "one value is no search; separate several by |"),
        ("form=light||walsh", "a value is empty"),
        ("flip=yes|no", "'yes' is neither true nor false"),
        ("seed=1,2,1", "given twice"),
        ("held_out=0,100", "judged on rows held out"),
        ("held_out=0..100", "judged on rows held out"),
    ],
)
def test_a_bad_search_is_refused_in_one_line(text: str, said: str) -> None:
    with pytest.raises(InputError, match=re.escape(said)) as caught:
        read_search(text, Mnist8k)
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_field_can_be_searched() -> None:
    some = {int: "1,2", float: "0.5..1", str: "a|b", bool: "true|false"}
    for name, value in vars(Mnist8k()).items():
        text = some.get(type(value), "auto|3")
        assert read_search(f"{name}={text}", Mnist8k)[0] == name


def test_combinations_are_all_there_are_each_once() -> None:
    search = {"width": Range(8, 16, step=4), "depth": Range(1, 3), "form": Choices(("a", "b"))}
    plan = Plan(Life(), search, "", "", trials=18)
    listed = plan.combinations()
    assert listed is not None
    wanted = [
        {"width": w, "depth": d, "form": f} for w in (8, 12, 16) for d in (1, 2, 3) for f in "ab"
    ]
    assert sorted(map(str, listed)) == sorted(map(str, wanted))
    assert listed != wanted
    assert listed != Plan(Life(seed=1), search, "", "", trials=18).combinations()
    assert Plan(Life(), search, "", "", trials=17).combinations() is None
    assert Plan(Life(), search, "", "", trials=None).combinations() is not None
    rate = {"learning_rate": Range(0.1, 0.2)}
    assert Plan(Life(), rate, "", "", trials=None).combinations() is None
    assert Range(0.1, 0.4, step=0.1).values() == pytest.approx([0.1, 0.2, 0.3, 0.4])


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["complete", "complete", "pruned", "failed"]),
            st.integers(0, 4), st.integers(1, 4), st.integers(1, 3),
        ),
        max_size=12,
    )
)  # fmt: skip
def test_the_front_is_what_nothing_dominates(found: list[tuple[Any, int, int, int]]) -> None:
    trials = [
        Trial(i, {}, state, float(accuracy), gates, depth)
        for i, (state, accuracy, gates, depth) in enumerate(found)
    ]

    def beats(a: Trial, b: Trial) -> bool:
        """At least as good in all; where alike, the first."""
        x, y = (-a.accuracy, a.gates, a.depth), (-b.accuracy, b.gates, b.depth)  # type: ignore
        return all(p <= q for p, q in zip(x, y, strict=True)) and (x != y or a.number < b.number)

    complete = [trial for trial in trials if trial.state == "complete"]
    wanted = [b for b in complete if not any(beats(a, b) for a in complete)]
    front = front_of(trials)
    assert sorted(front, key=lambda trial: trial.number) == wanted
    assert [-t.accuracy for t in front] == sorted(-t.accuracy for t in front)  # type: ignore
