"""What a model says of samples: one prediction a line, a class or the output bits.

MODEL is a run folder, a model file (.safetensors) or BLIF. INPUT is Parquet, an Arrow file or
stream (with pyarrow), .npy, .npz (its array x, else its first), IDX, or text: a sample a line, its
numbers between commas or spaces (a CSV file's header is passed over), or the circuit's input bits
as one word of 0 and 1. All but .npz and Parquet may be gzipped, or come from a pipe: - is stdin. A
model of a table with named columns takes them by their names; others are passed over, and an
empty cell of CSV is a missing value. Other models read a column of lists, or as many columns of
numbers as a sample has. Memory does not grow with the input.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gatewright import storage
from gatewright.cli import progress
from gatewright.cli.predictions import Writer
from gatewright.errors import BadCell, InputError
from gatewright.model import Model
from gatewright.rows import Batch, read
from gatewright.runs import load_model


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    del arguments
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("input", metavar="INPUT")
    parser.add_argument(
        "-o", "--output", metavar="FILE", default="-", help="of predictions, whole or not at all"
    )


def run(options: argparse.Namespace) -> int:
    if options.model == options.input == "-":
        raise InputError("MODEL and INPUT are both -; stdin holds one of them")
    if options.output != "-":
        _check_apart(Path(options.output), (options.model, options.input))
    model = load_model(options.model)
    writer, rows = Writer(model, options.json), 0
    is_seen = options.output == "-" and sys.stdout.isatty()  # lines are progress enough
    with ExitStack() as stack:
        if options.output == "-":
            file: Any = sys.stdout.buffer
        else:
            file = stack.enter_context(storage.atomic_file(Path(options.output)))
        show = stack.enter_context(progress.reading(not options.quiet and not is_seen))
        for batch, predicted in predictions(model, options.input):
            file.write(writer(predicted))
            rows += batch.count
            show(rows, batch.share)
        file.write(writer.end())
        file.flush()
    return 0


def _check_apart(output: Path, read: Sequence[str]) -> None:
    """InputError where the output would take the place of what is read."""
    for source in read:
        if source != "-" and output.exists() and os.path.exists(source) and output.samefile(source):
            raise InputError(f"{output}: is read for these predictions; write to another file")


def predictions(model: Model, source: str) -> Iterator[tuple[Batch, npt.NDArray[Any]]]:
    """Batches of an input, and what the model says of their samples."""
    of_bits = replace(model, encoder=None)
    for batch in read(model, source):
        try:
            predicted = (of_bits if batch.is_bits else model).predict(batch.samples)
        except BadCell as error:
            raise InputError(f"{source}: {error.at(batch.place(error.row))}") from error
        except InputError as error:
            raise InputError(f"{source}: {error}") from error
        yield batch, np.asarray(predicted)
