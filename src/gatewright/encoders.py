"""The encoders that a file can hold, by what it calls them; `restore` makes one again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gatewright.encode import Array, Encoder, Identity, Thermometer
from gatewright.errors import InputError
from gatewright.tables import TableEncoder

#: From `Encoder.about` and `Encoder.arrays`, by the "kind" that the former names.
ENCODERS: dict[str, Callable[[Mapping[str, Any], Mapping[str, Array]], Encoder]] = {
    "identity": Identity.restore,
    "thermometer": Thermometer.restore,
    "table": TableEncoder.restore,
}


def restore(about: Mapping[str, Any], arrays: Mapping[str, Array]) -> Encoder:
    """The encoder that gave this `about` and these `arrays`; InputError where it cannot be."""
    try:
        kind = about["kind"]
        if kind in ENCODERS:
            return ENCODERS[kind](about, arrays)
    except (KeyError, TypeError) as error:
        raise InputError(f"encoder: {error} is missing or of another type") from error
    raise InputError(f"encoder: kind {kind!r} is not known; give one of {', '.join(ENCODERS)}")
