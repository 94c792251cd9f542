from __future__ import annotations

import numpy as np
import pytest

from gatewright.codes import halves


@pytest.mark.parametrize(
    ("num_classes", "num_groups"),
    [(2, 1), (2, 5), (3, 3), (5, 10), (10, 10), (10, 20), (10, 126), (26, 40), (100, 60)],
)
def test_every_group_halves_the_classes(num_classes, num_groups):
    code = halves(num_classes, num_groups)
    assert code.shape == (num_groups, num_classes)
    assert set(np.unique(code)) == {-1, 1}
    np.testing.assert_array_equal((code > 0).sum(axis=1), (num_classes + 1) // 2)


@pytest.mark.parametrize(
    ("num_classes", "num_groups", "least"),
    [(3, 3, 1), (4, 6, 1), (10, 20, 0.9), (10, 40, 0.95), (26, 40, 0.75), (100, 60, 0.7)],
)
def test_any_two_classes_are_apart_in_about_as_many_groups(num_classes, num_groups, least):
    code = halves(num_classes, num_groups).astype(int)
    apart = (num_groups - code.T @ code) / 2
    pairs = apart[np.triu_indices(num_classes, 1)]
    assert pairs.min() >= least * pairs.mean()


def test_a_code_is_made_once_and_cannot_be_changed():
    assert halves(10, 20) is halves(10, 20)
    with pytest.raises(ValueError, match="read-only"):
        halves(10, 20)[0, 0] = 1
