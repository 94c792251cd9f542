"""Say what this installation can do, or what is wrong with a run and what to try.

Without RUN: versions, the native core, devices, the C compiler. With RUN, a run folder: each
finding in plain words, with its place and a mend; the test rows are not read. Exit code 1 where a
finding is a fault: there is no circuit, or one far from what its network or its rows promise.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Iterable, Sequence
from typing import cast

from gatewright import __version__, native
from gatewright.compiler import find_compiler
from gatewright.errors import MissingTool


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    del arguments
    parser.add_argument("run_folder", metavar="RUN", nargs="?", help="folder of a training run")


def _training() -> str:
    from gatewright.fused import describe, num_threads
    from gatewright.layer_calls import are_on

    module = native.load()
    if module is None:
        return "JAX"
    layers = "" if are_on() else "; single layers: JAX"
    return describe("auto", num_threads(None)) + layers


def run(options: argparse.Namespace) -> int:
    if options.run_folder is not None:
        return _diagnose(options)
    import jax

    devices = cast(Iterable[object], jax.devices())
    try:
        compiler = " ".join(find_compiler())
    except MissingTool as missing:
        compiler = str(missing)
    findings = {
        "gatewright": __version__,
        "python": platform.python_version(),
        "jax": jax.__version__,
        "devices": ", ".join(map(str, devices)),
        "circuits run on": native.describe(),
        "training runs on": _training(),
        "C compiler": compiler,
    }
    if options.json:
        print(json.dumps(findings))
    else:
        print("\n".join(f"{name + ':':17} {value}" for name, value in findings.items()))
    return 0


def _diagnose(options: argparse.Namespace) -> int:
    from gatewright.diagnosis import diagnose

    diagnosis = diagnose(options.run_folder)
    print(json.dumps(diagnosis.summary()) if options.json else diagnosis)
    return 0 if diagnosis.is_healthy else 1
