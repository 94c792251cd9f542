"""A model's bits as comparisons of numbers of one C type, and the circuit over those it reads."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from gatewright.circuit import FALSE, TRUE, Circuit
from gatewright.encode import BitTable, Identity, Thermometer
from gatewright.errors import InputError
from gatewright.model import Model
from gatewright.targets.c_order import over_inputs, read_inputs, restricted

#: Types of a row's numbers; in C, an integer's has _t behind it.
INTEGERS = ("uint8", "int8", "uint16", "int16", "int32")
FEATURES = (*INTEGERS, "float", "double")


def dtype_of(features: str) -> np.dtype[Any]:
    """NumPy's type of numbers of one of `FEATURES`."""
    return np.dtype({"float": "float32", "double": "float64"}.get(features, features))


def c_type(features: str) -> str:
    """C's type of numbers of one of `FEATURES`."""
    return f"{features}_t" if features in INTEGERS else features


@dataclass(frozen=True)
class Comparisons:
    """What makes the inputs of a model's circuit: those that are over a limit, then equal, missing.

    Attributes:
        circuit: over the bits that it reads, one a comparison; other bits are fixed or not read.
        features: of `FEATURES`.
        num_features: numbers in a row.
        column: of a row, that each comparison is of; rising within a kind.
        limit: of each comparison but the missing.
        num_over, num_equal, num_missing: comparisons of each kind.
    """

    circuit: Circuit
    features: str
    num_features: int
    column: list[int]
    limit: list[int] | list[float]
    num_over: int
    num_equal: int
    num_missing: int

    @staticmethod
    def of(model: Model, features: str = "auto") -> Comparisons:
        """Those of a model; InputError where numbers of that type cannot be compared so."""
        encoder = model.encoder or Identity((model.circuit.num_inputs,))
        table = encoder.bit_table
        if features == "auto":
            features = natural_features(model)
        if features not in FEATURES:
            raise InputError(f"features are auto or one of {', '.join(FEATURES)}, not {features!r}")
        found = [
            _comparison(i, kind, limit, features)
            for i, (kind, limit) in enumerate(
                zip(table.kind.tolist(), table.limit.tolist(), strict=True)
            )
        ]
        fixed = {i: one for i, one in enumerate(found) if isinstance(one, int)}
        free = [i for i in range(len(found)) if i not in fixed]
        circuit = restricted(model.circuit, fixed)
        inputs = [(free[i], i) for i in read_inputs(circuit)]
        inputs.sort(key=lambda pair: (int(table.kind[pair[0]]), int(table.column[pair[0]])))
        kinds = [int(table.kind[bit]) for bit, _ in inputs]
        return Comparisons(
            over_inputs(circuit, [own for _, own in inputs]),
            features,
            math.prod(encoder.shape),
            [int(table.column[bit]) for bit, _ in inputs],
            [one[0] for bit, _ in inputs if not isinstance(one := found[bit], int)],
            kinds.count(BitTable.OVER),
            kinds.count(BitTable.EQUAL),
            kinds.count(BitTable.MISSING),
        )


def natural_features(model: Model) -> str:
    """uint8 of bits and of images; float where that rounds no limit; else double."""
    encoder = model.encoder
    if encoder is None or isinstance(encoder, Identity):
        return "uint8"
    if isinstance(encoder, Thermometer) and encoder.octets:
        return "uint8"
    table = encoder.bit_table
    limits = table.limit[table.kind != BitTable.MISSING]
    with np.errstate(over="ignore"):
        is_float = (limits.astype(np.float32) == limits).all()
    return "float" if is_float else "double"


def _comparison(i: int, kind: int, limit: float, features: str) -> int | tuple[float]:
    """FALSE or TRUE where bit i is always so, else its limit, in a number of that type."""
    if features in INTEGERS:
        return _of_integers(kind, limit, np.iinfo(features))
    if kind == BitTable.MISSING:
        return (0.0,)
    if math.isnan(limit) or (kind == BitTable.OVER and limit == math.inf):
        return FALSE
    near = limit
    if features == "float":
        with np.errstate(over="ignore"):
            rounded = np.float32(limit)
            # A number of float is over the limit where it is over the greatest that is not.
            is_over = float(rounded) > limit
            near = float(np.nextafter(rounded, np.float32(-np.inf)) if is_over else rounded)
        if kind == BitTable.EQUAL and near != limit:
            return FALSE
    if math.isinf(near):
        raise InputError(
            f"bit {i} compares with {limit}, which is no finite {features}; give another limit"
            + (", or features double" if features == "float" else "")
        )
    return (near,)


def _of_integers(kind: int, limit: float, info: np.iinfo[Any]) -> int | tuple[float]:
    low, high = int(info.min), int(info.max)
    if kind == BitTable.MISSING or math.isnan(limit):
        return FALSE
    if kind == BitTable.OVER:
        if limit < low:
            return TRUE
        return FALSE if limit >= high else (math.floor(limit),)
    return (int(limit),) if low <= limit <= high and limit == math.floor(limit) else FALSE
