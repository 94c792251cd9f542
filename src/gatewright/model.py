"""`Model`: what a user saves, ships and runs: a circuit and what its outputs mean.

One safetensors file: the circuit's arrays, and JSON metadata for names and meaning.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gatewright import storage
from gatewright.circuit import Circuit
from gatewright.errors import InputError

FORMAT = "gatewright model 1"


@dataclass(frozen=True)
class Model:
    """A circuit and the meaning of its outputs.

    Attributes:
        circuit: from input bits to the decision, the head included.
        num_classes: where the outputs are a class number in binary, least significant bit first;
            None where each output is a bit of the answer.
    """

    circuit: Circuit
    num_classes: int | None = None

    def predict(self, bits: npt.ArrayLike) -> npt.NDArray[Any]:
        """Rows of bits [N, num_inputs] -> bool[N, num_outputs], or classes int64[N]."""
        outputs = self.circuit(bits)
        if self.num_classes is None:
            return outputs
        weights = 1 << np.arange(outputs.shape[1], dtype=np.int64)
        return outputs.astype(np.int64) @ weights

    def save(self, path: Path | str) -> None:
        """Write one safetensors file, whole or not at all."""
        circuit = self.circuit
        arrays = {
            "fanin": np.asarray(circuit.fanin),
            "table": np.asarray(circuit.table),
            "outputs": np.asarray(circuit.outputs),
        }
        about = {
            "name": circuit.name,
            "input_names": circuit.input_names,
            "output_names": circuit.output_names,
            "num_classes": self.num_classes,
        }
        metadata = {"format": FORMAT, "model": json.dumps(about)}
        storage.write_atomic(Path(path), storage.encode(arrays, metadata))

    @staticmethod
    def load(path: Path | str) -> Model:
        """Read what `save` wrote; InputError where the file is missing, damaged or not a model."""
        path = Path(path)
        arrays, metadata = storage.load_arrays(path)
        if metadata.get("format") != FORMAT:
            raise InputError(
                f"{path}: not a Gatewright model (its format is {metadata.get('format')!r}, "
                f"not {FORMAT!r}); save one with Model.save"
            )
        try:
            about = json.loads(metadata["model"])
            circuit = Circuit(
                fanin=arrays["fanin"],
                table=arrays["table"],
                outputs=arrays["outputs"],
                input_names=tuple(about["input_names"]),
                output_names=tuple(about["output_names"]),
                name=about["name"],
            )
            return Model(circuit, about["num_classes"])
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path}: a damaged Gatewright model ({error})") from error
