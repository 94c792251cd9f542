from __future__ import annotations

import numpy as np
import pytest

from gatewright import estimation
from gatewright.affine import Affine
from gatewright.estimation import (
    Plan,
    Problem,
    candidates,
    folds_of,
    temperature_for,
    weighted_rows,
    within,
)
from gatewright.tables import TableEncoder


def problem_of(num: int, num_classes: int | None = 3, **options: object) -> Problem:
    rng = np.random.default_rng(0)
    rows = rng.random((num, 4))
    y = rng.integers(0, 3, num).astype(np.int32) if num_classes else rng.normal(size=num)
    encoder = TableEncoder.fit(rows).of_numbers
    given = {"groups": np.arange(num), "seed": 0, "threads": 1, **options}
    return Problem(encoder, rows, y, num_classes, **given)


@pytest.mark.parametrize(("num", "folds"), [(30, 5), (1000, 5), (1001, 3), (6000, 1)])
def test_each_class_is_held_out_alike_and_equal_rows_together(num, folds):
    groups = np.arange(num) // 2
    problem = problem_of(num, groups=groups)
    problem.y[:] = np.repeat(np.arange(num // 2) % 3, 2)[:num] if num % 2 == 0 else groups % 3
    held = folds_of(problem)
    assert len(held) == folds
    for fold in held:
        assert (fold[groups * 2] == fold[np.minimum(groups * 2 + 1, num - 1)]).all()
        share = fold.mean()
        for c in range(3):
            assert abs(fold[problem.y == c].mean() - share) <= 6 / num + 0.01
    if folds > 1:
        assert (np.sum(held, axis=0) == 1).all()


def test_larger_tables_get_larger_networks_for_longer():
    plans = [candidates(num, 2)[0] for num in (100, 1000, 10_000, 1_000_000)]
    assert [plan.widths for plan in plans] == sorted(plan.widths for plan in plans)
    assert [plan.steps for plan in plans] == sorted(plan.steps for plan in plans)
    assert plans[-1].widths == (4000,)
    for plan in candidates(500, 7):
        assert all(width % 7 == 0 for width in plan.widths)


def test_what_is_learnt_was_judged_on_rows_not_seen():
    problem = problem_of(300)  # noise: what is seen is learnt by heart, what is not is guessed
    plans = [Plan((300,), 300), Plan((300,), 200)]
    learnt = estimation.learn(problem, plans, seconds=100)
    assert learnt.plan in plans
    assert not learnt.is_cut
    assert len(learnt.y) == 300
    seen = (learnt.counts.argmax(axis=1) == learnt.y).mean()
    assert seen < 0.5
    own = estimation.counts_of(learnt.network, problem.encoder, problem.rows)
    assert (own.argmax(axis=1) == problem.y).mean() > 0.7


def test_time_cuts_folds_then_plans_then_steps():
    plans = [Plan((30,), 200), Plan((30,), 100)]
    one = plans[0].seconds
    assert within(plans, 5, 100 * one) == (plans, 5)
    assert within(plans, 5, 4 * one) == (plans, 2)
    assert within(plans, 5, 1.9 * one) == (plans[:1], 1)
    (cut,), folds = within(plans, 5, 0.901 * one)
    assert (cut.widths, cut.steps, folds) == ((30,), 100, 1)


def test_where_time_is_short_less_is_tried_and_the_cut_is_told(monkeypatch):
    problem = problem_of(300)
    plans = [Plan((30,), 2000), Plan((30,), 2001), Plan((30,), 2002)]
    said: list[str] = []
    assert not estimation.learn(problem, plans, seconds=1000, say=said.append).is_cut
    assert len(said) == 3
    # A machine as much slower: the clock goes ahead with each trial.
    clock = {"now": 0.0}
    trial = estimation._trial

    def slow(*arguments):
        clock["now"] += 40
        return trial(*arguments)

    monkeypatch.setattr(estimation.time, "monotonic", lambda: clock["now"])
    monkeypatch.setattr(estimation, "_trial", slow)
    said.clear()
    learnt = estimation.learn(problem, plans, seconds=500, say=said.append)
    assert len(said) == 2  # 200 each, and a fifth of that for the training
    assert not learnt.is_cut
    assert estimation.learn(problem, plans, seconds=150).is_cut


def test_a_temperature_makes_the_classes_likeliest():
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 40, (4000, 3)).astype(float)
    p = np.exp(counts / 7.0)
    p /= p.sum(axis=1, keepdims=True)
    y = (rng.random((4000, 1)) > p.cumsum(axis=1)).sum(axis=1)
    assert temperature_for(y, counts) == pytest.approx(7.0, rel=0.15)


def test_weights_are_repeated_rows_in_any_order():
    rng = np.random.default_rng(0)
    values = rng.integers(0, 4, (60, 3)).astype(float)
    values[rng.random((60, 3)) < 0.1] = np.nan
    y, times = rng.integers(0, 2, 60), rng.integers(0, 4, 60)
    chosen, groups = weighted_rows(values, y, times.astype(float))
    order = rng.permutation(np.repeat(np.arange(60), times))
    again, same = weighted_rows(values[order], y[order], None)
    np.testing.assert_array_equal(values[chosen], values[order][again])
    np.testing.assert_array_equal(y[chosen], y[order][again])
    np.testing.assert_array_equal(groups, same)
    assert len(chosen) == times.sum()


def test_weights_that_are_not_whole_are_shares():
    values, y = np.arange(4.0)[:, None], np.zeros(4, int)
    chosen, _ = weighted_rows(values, y, np.array([0.5, 0.25, 0.25, 0.0]))
    np.testing.assert_array_equal(np.bincount(chosen, minlength=4), [8, 4, 4, 0])


def test_numbers_have_room_above_and_below():
    problem = problem_of(200, None)
    head = problem.head(100, 1.5)
    assert isinstance(head, Affine)
    assert head.low < problem.y.min() < problem.y.max() < head.high
