"""`Model`: what a user saves, ships and runs: an encoder, a circuit and what its outputs mean.

One safetensors file: the circuit's and the encoder's arrays, and JSON metadata for names and
meaning.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gatewright import storage
from gatewright.circuit import Circuit
from gatewright.encode import Encoder
from gatewright.encoders import restore
from gatewright.errors import InputError
from gatewright.readout import Numbers

FORMAT = "gatewright model 3"
#: The first version had no encoder, the second no numbers; they are read as that.
READABLE = ("gatewright model 1", "gatewright model 2", FORMAT)

#: Before the names of the encoder's arrays in a file.
ENCODER = "encoder."


#: Attribute of a model that holds it compiled.
KEPT = "_compiled"


@dataclass(frozen=True)
class Model:
    """A circuit, how its inputs come about, and the meaning of its outputs.

    Attributes:
        circuit: from input bits to the decision, the head included.
        num_classes: where the outputs are a class number in binary, least significant bit first;
            None where each output is a bit of the answer.
        encoder: from samples to the circuit's input bits; None where samples are these bits.
        numbers: where the outputs are counts that mean numbers; None where they are not.
        class_names: of the classes, all different, where they have names.

    Raises:
        InputError: the encoder gives another number of bits than the circuit has inputs, the
            outputs are not what num_classes or numbers says, or the names not one a class.
    """

    circuit: Circuit
    num_classes: int | None = None
    encoder: Encoder | None = None
    numbers: Numbers | None = None
    class_names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.numbers is not None:
            if self.num_classes is not None:
                raise InputError("a model's outputs are a class or numbers, not both")
            self.numbers.check(self.circuit.num_outputs)
        if self.class_names is not None:
            names = self.class_names
            if len(names) != self.num_classes or len(set(names)) != len(names):
                raise InputError(
                    f"class_names are {len(set(names))} different ones; give one for each of "
                    f"num_classes, {self.num_classes}"
                )
        if self.encoder is not None and self.encoder.num_bits != self.circuit.num_inputs:
            raise InputError(
                f"the encoder gives {self.encoder.num_bits} bits and circuit {self.circuit.name} "
                f"has {self.circuit.num_inputs} inputs; give the encoder it was trained with"
            )

    def __getstate__(self) -> dict[str, Any]:
        """Only the fields: what runs is made anew where it is called."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    def predict(self, x: npt.ArrayLike) -> npt.NDArray[Any]:
        """Samples -> bool[N, num_outputs], classes int64[N], or numbers float64[N] or [N, num].

        Samples are [N, *encoder.shape], or rows of bits [N, num_inputs] where there is no encoder.
        The circuit is compiled (`gatewright.compile`) at the first call.
        """
        kept = self.__dict__.get(KEPT)
        if kept is None:
            from gatewright.engine import compiled  # which is made of models

            kept = compiled(self)
        return kept.predict(x)

    def save(self, path: Path | str) -> None:
        """Write one safetensors file, whole or not at all."""
        storage.write_atomic(Path(path), self.to_bytes())

    def to_bytes(self) -> bytes:
        """The content of the file that `save` writes: a model for another process or machine."""
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
            "encoder": None if self.encoder is None else self.encoder.about,
            "numbers": None if self.numbers is None else self.numbers.to_json(),
            "class_names": self.class_names,
        }
        if self.encoder is not None:
            arrays |= {ENCODER + name: array for name, array in self.encoder.arrays.items()}
        metadata = {"format": FORMAT, "model": json.dumps(about)}
        return storage.encode(arrays, metadata)

    @staticmethod
    def load(path: Path | str) -> Model:
        """Read what `save` wrote; InputError where the file is missing, damaged or not a model."""
        path = Path(path)
        return _restored(*storage.load_arrays(path), str(path))

    @staticmethod
    def from_bytes(data: bytes) -> Model:
        """The model that gave these bytes; InputError where they are damaged."""
        return _restored(*storage.decode(data), "the bytes")


def _restored(arrays: dict[str, Any], metadata: dict[str, str], where: str) -> Model:
    """The model of a file's content; where it is from, for errors."""
    if metadata.get("format") not in READABLE:
        raise InputError(
            f"{where}: not a Gatewright model (its format is {metadata.get('format')!r}, "
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
        described = about.get("encoder")
        held = {
            name.removeprefix(ENCODER): array
            for name, array in arrays.items()
            if name.startswith(ENCODER)
        }
        encoder = None if described is None else restore(described, held)
        numbers = about.get("numbers")
        meaning = None if numbers is None else Numbers.of_json(numbers)
        names = about.get("class_names")
        classes = None if names is None else tuple(map(str, names))
        return Model(circuit, about["num_classes"], encoder, meaning, classes)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{where}: a damaged Gatewright model ({error})") from error
