"""Learn logic circuits by gradient descent, make them small, prove them, and run them anywhere."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gatewright import automata as automata
    from gatewright import data as data
    from gatewright.adam import Adam as Adam
    from gatewright.circuit import Builder as Builder
    from gatewright.circuit import Circuit as Circuit
    from gatewright.encode import Thermometer as Thermometer
    from gatewright.engine import compile as compile
    from gatewright.errors import Diverged as Diverged
    from gatewright.errors import InputError as InputError
    from gatewright.extraction import extract as extract
    from gatewright.heads import Bits as Bits
    from gatewright.heads import GroupSum as GroupSum
    from gatewright.layers import Gates as Gates
    from gatewright.learned import LearnedGates as LearnedGates
    from gatewright.luts import Luts as Luts
    from gatewright.model import Model as Model
    from gatewright.network import Network as Network
    from gatewright.passes import optimize as optimize
    from gatewright.targets import read as read
    from gatewright.targets import write as write
    from gatewright.train import evaluate as evaluate
    from gatewright.train import fit as fit
    from gatewright.verify import NotEquivalent as NotEquivalent
    from gatewright.verify import Undecided as Undecided
    from gatewright.verify import prove as prove

__version__ = "0.1.0"

#: Public name -> the module that defines it. Imported on first use: `import gatewright` stays cheap
#: and a circuit can be read, proved and compiled without loading JAX.
_PUBLIC = {
    "Adam": "adam",
    "Bits": "heads",
    "Builder": "circuit",
    "Circuit": "circuit",
    "Diverged": "errors",
    "Gates": "layers",
    "GroupSum": "heads",
    "InputError": "errors",
    "LearnedGates": "learned",
    "Luts": "luts",
    "Model": "model",
    "Network": "network",
    "NotEquivalent": "verify",
    "Thermometer": "encode",
    "Undecided": "verify",
    "compile": "engine",
    "evaluate": "train",
    "extract": "extraction",
    "fit": "train",
    "optimize": "passes",
    "prove": "verify",
    "read": "targets",
    "write": "targets",
}
_MODULES = ("automata", "data")

__all__ = [*_PUBLIC, *_MODULES]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"gatewright.{name}")
    if name not in _PUBLIC:
        raise AttributeError(f"module 'gatewright' has no attribute {name!r}")
    return getattr(import_module(f"gatewright.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
