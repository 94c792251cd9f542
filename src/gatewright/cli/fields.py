"""A recipe's fields as typed options."""

from __future__ import annotations

import argparse
from dataclasses import MISSING, fields
from typing import Any, get_type_hints

from gatewright.recipes import Recipe


def positive(text: str) -> float:
    """The number in an option's text, over 0."""
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text} is not over 0")
    return value


def natural(text: str) -> int:
    """The integer in an option's text, from 0 and of 63 bits at most."""
    value = int(text)
    if not 0 <= value < 1 << 63:
        raise argparse.ArgumentTypeError(f"{text} is not from 0 to 2**63 - 1")
    return value


#: Types that a field may have, and how its text is read.
READERS: dict[type, Any] = {int: natural, float: float, str: str}


def add_fields(parser: argparse.ArgumentParser, kind: type[Recipe]) -> None:
    """Add `--name VALUE` for every field of the recipe."""
    group = parser.add_argument_group("fields of the recipe")
    types = get_type_hints(kind)
    for field in fields(kind):
        assert field.default is not MISSING
        group.add_argument(
            f"--{field.name.replace('_', '-')}",
            dest=f"field_{field.name}",
            type=READERS[types[field.name]],
            default=field.default,
            metavar=types[field.name].__name__.upper(),
            help=f"({field.default})",
        )


def recipe_of(options: argparse.Namespace, kind: type[Recipe]) -> Recipe:
    """The recipe with the options' values."""
    return kind(**{field.name: getattr(options, f"field_{field.name}") for field in fields(kind)})
