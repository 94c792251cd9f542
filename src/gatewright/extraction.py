"""`extract`: a trained network's hard form as a model, head included."""

from __future__ import annotations

from dataclasses import replace

from gatewright.affine import Affine
from gatewright.encode import Encoder
from gatewright.errors import InputError
from gatewright.heads import GroupSum
from gatewright.model import Model
from gatewright.network import Network


def extract(
    network: Network,
    encoder: Encoder | None = None,
    *,
    name: str = "circuit",
    input_names: tuple[str, ...] | None = None,
    output_names: tuple[str, ...] | None = None,
) -> Model:
    """Round every gate and put the head behind them as gates: nothing folded, nothing dropped.

    Args:
        encoder: what made the bits that the network was trained on; the model keeps it.
        input_names: default x0, x1, ...
        output_names: default y, or y0, y1, ...; a class number's bits, least significant first.
    """
    circuit = network.to_netlist()
    for kind, names, num in (
        ("input", input_names, circuit.num_inputs),
        ("output", output_names, circuit.num_outputs),
    ):
        if names is not None and len(names) != num:
            raise InputError(f"{len(names)} {kind} names given; the network has {num} {kind}s")
    circuit = replace(
        circuit,
        name=name,
        input_names=input_names or circuit.input_names,
        output_names=output_names or circuit.output_names,
    )
    head = network.head
    return Model(
        circuit,
        num_classes=head.num_classes if isinstance(head, GroupSum) else None,
        encoder=encoder,
        numbers=head.numbers(network.layers[-1].num_outputs) if isinstance(head, Affine) else None,
    )
