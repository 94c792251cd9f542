"""Covers of a function of columns by rules: each a set of cells a column, all of them prime.

A function on the grid of all combinations of cells is covered as in two-level minimisation with
inputs of several values (Rudell and Sangiovanni-Vincentelli 1987, "Multiple-valued minimization for
PLA optimization"): points are expanded into cubes that can grow no further, the largest are kept,
and what the others cover is dropped. Bits that no encoder produces are not on the grid, so they are
don't-cares.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Grid = npt.NDArray[np.bool_]
Cube = tuple[npt.NDArray[np.bool_], ...]

#: Points that a rule is grown from, and orders in which its columns are tried, before one is taken.
SEEDS = 6
ORDERS = 8


def cover(
    grid: Grid, is_line: Sequence[bool], levels: Sequence[int], most: int, seed: int = 0
) -> list[Cube] | None:
    """Cubes that hold all points of the grid and no other, none of them needless; largest first.

    Args:
        grid: bool, an axis a column.
        is_line: whether a column's first `levels` cells are in order, and a cube is a range there.
        most: cubes; None if more are needed.
        seed: of the points and orders that are tried.
    """
    rng = np.random.default_rng(seed)
    left = grid.copy()
    cubes: list[Cube] = []
    while left.any():
        if len(cubes) == 2 * most + 2:
            return None
        points = np.argwhere(left)
        chosen = points[rng.permutation(len(points))[:SEEDS]]
        grown = [
            _grow(grid, point, is_line, levels, rng.permutation(grid.ndim).tolist())
            for point in chosen.tolist()
            for _ in range(ORDERS if grid.ndim > 1 else 1)
        ]
        best = max(grown, key=lambda cube: (int(left[np.ix_(*cube)].sum()), -_conditions(cube)))
        left[np.ix_(*best)] = False
        cubes.append(best)
    kept = _irredundant(grid, cubes)
    if len(kept) > most:
        return None
    return sorted(kept, key=lambda cube: -int(np.prod([int(cells.sum()) for cells in cube])))


def _conditions(cube: Cube) -> int:
    return sum(not cells.all() for cells in cube)


def _grow(
    grid: Grid,
    point: Sequence[int],
    is_line: Sequence[bool],
    levels: Sequence[int],
    order: Sequence[int],
) -> Cube:
    """The point as a cube, column after column as large as it can be."""
    cube = [np.zeros(size, np.bool_) for size in grid.shape]
    for cells, cell in zip(cube, point, strict=True):
        cells[cell] = True
    # Columns that drop out altogether first: a rule is to have few conditions.
    for whole in (True, False):
        for column in order:
            if cube[column].all():
                continue
            free = _free(grid, cube, column)
            if whole:
                cube[column] = free if free.all() else cube[column]
            elif is_line[column]:
                cube[column] = _range_about(cube[column], free, levels[column])
            else:
                cube[column] = free
    return tuple(cube)


def _free(grid: Grid, cube: Sequence[npt.NDArray[np.bool_]], column: int) -> npt.NDArray[np.bool_]:
    """Cells of a column for which the cube stays inside the grid."""
    wide = list(cube)
    wide[column] = np.ones(grid.shape[column], np.bool_)
    others = tuple(axis for axis in range(grid.ndim) if axis != column)
    return np.asarray(grid[np.ix_(*wide)].all(axis=others))


def _range_about(
    cells: npt.NDArray[np.bool_], free: npt.NDArray[np.bool_], levels: int
) -> npt.NDArray[np.bool_]:
    """The longest range of free levels about those held, and the cell behind them if it is free."""
    found = free.copy()
    held = np.flatnonzero(cells[:levels])
    if len(held):
        first, last = int(held[0]), int(held[-1])
        while first and free[first - 1]:
            first -= 1
        while last + 1 < levels and free[last + 1]:
            last += 1
    else:  # the point is a missing value: the longest run of levels that may join it
        first, last = _longest(free[:levels])
    found[:levels] = False
    found[first : last + 1] = True
    return found


def _longest(free: npt.NDArray[np.bool_]) -> tuple[int, int]:
    best, start = (0, -1), 0
    for i, is_free in enumerate([*free.tolist(), False]):
        if not is_free:
            if i - start > best[1] - best[0] + 1:
                best = (start, i - 1)
            start = i + 1
    return best


def _irredundant(grid: Grid, cubes: list[Cube]) -> list[Cube]:
    """The cubes without those, smallest first, whose points all others hold."""
    count = np.zeros(grid.shape, np.int32)
    for cube in cubes:
        count[np.ix_(*cube)] += 1
    kept = list(cubes)
    for cube in sorted(cubes, key=lambda one: int(np.prod([int(c.sum()) for c in one]))):
        at = np.ix_(*cube)
        if (count[at] > 1).all():
            count[at] -= 1
            kept = [other for other in kept if other is not cube]
    return kept
