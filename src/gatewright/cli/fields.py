"""A recipe's fields as typed options."""

from __future__ import annotations

import argparse
import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import MISSING, fields
from itertools import pairwise
from typing import Any, get_type_hints

from gatewright.recipes import RECIPES, Recipe


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


# argparse names them in its errors: invalid whole number value: 'x'
positive.__name__, natural.__name__ = "number", "whole number"


def optional(read: Callable[[str], Any]) -> Callable[[str], Any]:
    """Reads what `read` does, and "auto" as None."""

    def convert(text: str) -> Any:
        return None if text == "auto" else read(text)

    convert.__name__ = read.__name__
    return convert


#: Types that a field may have, how its text is read, and what stands for it in the help.
READERS: dict[Any, tuple[Callable[[str], Any], str]] = {
    int: (natural, "INT"),
    float: (float, "FLOAT"),
    str: (str, "STR"),
    int | None: (optional(natural), "INT|auto"),
    float | None: (optional(float), "FLOAT|auto"),
}


def field_docs(kind: type[Recipe]) -> dict[str, str]:
    """What the docstrings of a recipe's classes say of its fields, under "Attributes:"."""
    found: dict[str, str] = {}
    for one in reversed(kind.__mro__):
        _, _, attributes = inspect.cleandoc(one.__doc__ or "").partition("Attributes:\n")
        names: list[str] = []
        for line in attributes.splitlines():
            said = line.strip()
            if re.match(r" {4}\w", line):  # what goes on is indented deeper
                listed, _, said = said.partition(": ")
                names = listed.split(", ")
                found.update(dict.fromkeys(names, ""))
            for name in names:
                found[name] = f"{found[name]} {said}".strip()
    return found


def add_fields(parser: argparse.ArgumentParser, kind: type[Recipe]) -> None:
    """Add `--name VALUE` for every field of the recipe, `--name` or `--no-name` for a switch."""
    group = parser.add_argument_group("fields of the recipe")
    types, docs = get_type_hints(kind), field_docs(kind)
    for field in fields(kind):
        assert field.default is not MISSING
        default = "auto" if field.default is None else field.default
        option: dict[str, Any] = {
            "dest": f"field_{field.name}",
            "default": field.default,
            "help": f"{docs[field.name].rstrip('.')} ({default})".replace("%", "%%"),
        }
        if types[field.name] is bool:
            option |= {"action": argparse.BooleanOptionalAction}
        else:
            option["type"], option["metavar"] = READERS[types[field.name]]
        group.add_argument(f"--{field.name.replace('_', '-')}", **option)


def recipe_named(arguments: Sequence[str], options: Sequence[str]) -> str | None:
    """The recipe among the arguments, if any; not the value of one of these options."""
    return next(
        (
            argument
            for before, argument in pairwise(arguments)
            if argument in RECIPES and before not in options
        ),
        None,
    )


def recipe_of(options: argparse.Namespace, kind: type[Recipe]) -> Recipe:
    """The recipe with the options' values."""
    return kind(**{field.name: getattr(options, f"field_{field.name}") for field in fields(kind)})
