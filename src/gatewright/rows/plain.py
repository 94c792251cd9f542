"""Lines of plain decimal numbers, thousands at a time; all else is left to others."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]

#: Digits of a number whose decimal point can be moved without rounding twice: both it and the power
#: of ten are float64 then.
MOST_DIGITS = 15

DIGIT, BETWEEN, POINT, MINUS, OTHER = range(5)


def _kinds(between: bytes) -> npt.NDArray[np.uint8]:
    kinds = np.full(256, OTHER, np.uint8)
    kinds[list(b"0123456789")] = DIGIT
    kinds[list(between)] = BETWEEN
    kinds[ord(".")], kinds[ord("-")] = POINT, MINUS
    return kinds


#: Between the cells of text that may be parted by anything, and of CSV.
ANY, COMMA = _kinds(b",; \t\n"), _kinds(b",\n")


def numbers(
    lines: bytes, width: int, kinds: npt.NDArray[np.uint8], *, missing: bool = False
) -> Doubles | None:
    """Whole lines -> float64[lines, width], as `float` reads each cell.

    None where a line is of another width, a cell is not of up to 15 digits, with a sign or a point
    or without, or is empty; with `missing` an empty cell is NaN.
    """
    if b"\r" in lines:
        lines = lines.replace(b"\r\n", b"\n")
    if b", " in lines:
        lines = lines.replace(b", ", b",")
    octets = np.frombuffer(lines, np.uint8)
    kind = kinds[octets]
    if (kind == OTHER).any():
        return None
    ends = np.flatnonzero(kind == BETWEEN)
    is_line = (octets[ends] == ord("\n")).reshape(-1, width) if len(ends) % width == 0 else None
    if is_line is None or is_line[:, :-1].any() or not is_line[:, -1].all():
        return None
    digits, after = octets - np.uint8(ord("0")), ends
    points, minuses = np.flatnonzero(kind == POINT), np.flatnonzero(kind == MINUS)
    starts = np.concatenate([[0], ends[:-1] + 1])
    if len(points) or len(minuses):
        is_kept = kind <= BETWEEN
        digits = digits[is_kept]
        after = np.flatnonzero(kind[is_kept] == BETWEEN)
    digits = np.concatenate([np.zeros(MOST_DIGITS, np.uint8), digits])  # before the first cell
    after = after + MOST_DIGITS
    length = np.diff(after, prepend=MOST_DIGITS - 1) - 1
    most = int(length.max(initial=0))
    if most > MOST_DIGITS or (not missing and not length.all()):
        return None
    found = digits[after - 1].astype(np.int64 if most > 9 else np.int32)
    for place in range(1, most):
        at = digits[after - 1 - place].astype(found.dtype)
        found += np.where(length > place, at, 0) * found.dtype.type(10**place)
    values = np.where(length > 0, found, np.nan) if missing else found.astype(np.float64)
    of = np.searchsorted(ends, points)
    signed = np.searchsorted(ends, minuses)
    if (np.diff(of) == 0).any() or (starts[signed] != minuses).any() or not length[signed].all():
        return None
    if not length[of].all():
        return None
    values[of] /= 10.0 ** (ends[of] - points - 1)
    values[signed] *= -1
    return values.reshape(-1, width)
