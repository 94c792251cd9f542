"""`Writer`: predictions as text or JSON, thousands at a time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from gatewright.model import Model

Array = npt.NDArray[Any]


#: Fills texts up to one length: in no text in UTF-8, so it can be taken out again.
FILL = b"\xff"


class Writer:
    """Batches of what `Model.predict` gives -> bytes: a line each, or one JSON object in all."""

    def __init__(self, model: Model, is_json: bool) -> None:
        self._model, self._is_json, self._is_begun = model, is_json, False
        self._before, end = "", ""  # of a row: in JSON bits are text, and several numbers a list
        if is_json and model.num_classes is None:
            if model.numbers is None:
                self._before = end = '"'
            elif model.numbers.num > 1:
                self._before, end = "[", "]"
        self._after = end + (", " if is_json else "\n")
        names = [str(number) for number in range(model.num_classes or 0)]
        if model.class_names is not None:
            names = [json.dumps(name) if is_json else name for name in model.class_names]
        self._classes = _filled([name + self._after for name in names])

    def __call__(self, predicted: Array) -> bytes:
        """The next predictions, at least one."""
        text = self._text(predicted)
        if not self._is_json:
            return text
        before = b", " if self._is_begun else b'{"predictions": ['
        self._is_begun = True
        return before + text[:-2]

    def end(self) -> bytes:
        """What comes behind the last."""
        if not self._is_json:
            return b""
        return b"]}\n" if self._is_begun else b'{"predictions": []}\n'

    def _text(self, predicted: Array) -> bytes:
        if self._model.num_classes is not None:
            return self._classes.take(predicted).tobytes().replace(FILL, b"")
        rows = predicted.reshape(len(predicted), -1)
        if self._model.numbers is not None:  # each number is written once, however often it occurs
            distinct, codes = np.unique(rows, return_inverse=True)
            between = ", " if self._is_json else " "
            said = _filled([f"{between}{number!r}" for number in distinct.tolist()])
            octets = said.take(codes.reshape(rows.shape)).view(np.uint8).reshape(len(rows), -1)
            octets[:, : len(between)] = FILL[0]
        else:
            octets = rows.view(np.uint8) + np.uint8(ord("0"))
        line = np.empty(
            (len(rows), len(self._before) + octets.shape[1] + len(self._after)), np.uint8
        )
        line[:, : len(self._before)] = list(self._before.encode())
        line[:, len(self._before) : -len(self._after)] = octets
        line[:, -len(self._after) :] = list(self._after.encode())
        return line.tobytes().replace(FILL, b"")


def _filled(texts: Sequence[str]) -> npt.NDArray[np.void]:
    """The texts in UTF-8, filled up to the length of the longest."""
    octets = [text.encode() for text in texts]
    width = max(map(len, octets), default=1)
    return np.frombuffer(b"".join(one.ljust(width, FILL) for one in octets), f"V{width}")
