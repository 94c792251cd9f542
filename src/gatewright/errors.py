"""Errors that a user can act on: each names the input, the place and the mend.

The command line maps each class to an exit code; anything else is a defect, with its traceback.
"""

from __future__ import annotations

from typing import Any, ClassVar


class GatewrightError(Exception):
    """Base of the errors that Gatewright raises on purpose."""

    exit_code: ClassVar[int] = 1


class InputError(GatewrightError, ValueError):
    """An argument, a file or a shape cannot be used."""

    exit_code = 2


class BadCell(InputError):
    """A cell of a table cannot be used.

    Attributes:
        row: its row, from 0, of the rows that were given.
    """

    def __init__(self, before: str, row: int, after: str = "", place: str = "") -> None:
        super().__init__(f"{before} in {place or f'row {row}'}{after}")
        self.row = row
        self._said = before, row, after, place

    def at(self, place: str) -> BadCell:
        """The same error with its row called otherwise: "line 7"."""
        return BadCell(*self._said[:3], place)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), self._said


class MissingTool(GatewrightError, RuntimeError):
    """A program or package that this operation needs is not installed."""

    exit_code = 3


class Diverged(GatewrightError, ArithmeticError):
    """Training met a loss that is not finite.

    Attributes:
        step: the first optimiser step (counted from 0) whose loss was not finite.
    """

    exit_code = 1

    def __init__(self, step: int, message: str) -> None:
        super().__init__(message)
        self.step = step
