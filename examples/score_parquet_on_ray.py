"""Score a Parquet data set with a model, on Ray Data, into another.

python score_parquet_on_ray.py MODEL INPUT OUTPUT [--workers N] [--batch-size N] [--address auto]

MODEL is a model file of a table with named columns (say, a LogicClassifier's model_.save), INPUT a
Parquet file or a folder of them, OUTPUT a folder. Rows keep their columns and get one more,
"prediction". The model goes to the workers as bytes, so they need not see its file.
"""

from __future__ import annotations

import argparse

import numpy as np
import pyarrow as pa
import ray

import gatewright as gw


class Scorer:
    """Made once in each worker, which compiles the model; then called with batch after batch."""

    def __init__(self, content: bytes) -> None:
        self.model = gw.Model.from_bytes(content)
        self.run = gw.compile(self.model, threads=1)  # of a worker that has one processor

    def __call__(self, table: pa.Table) -> pa.Table:
        found = self.run.predict(table.select(self.model.encoder.names))
        if self.model.class_names is not None:
            found = np.array(self.model.class_names)[found]
        return table.append_column("prediction", pa.array(found))


def score(model: gw.Model, source: str, into: str, workers: int, batch_size: int) -> None:
    """The rows of `source`, each with its prediction, in Parquet files in `into`."""
    rows = ray.data.read_parquet(source)
    scored = rows.map_batches(
        Scorer,
        fn_constructor_args=[model.to_bytes()],
        batch_format="pyarrow",
        batch_size=batch_size,
        compute=ray.data.ActorPoolStrategy(size=workers),  # beside them, others read and write
    )
    scored.write_parquet(into)


def main() -> None:
    """Read the command line, begin Ray and score."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("source", metavar="input")
    parser.add_argument("into", metavar="output")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=65_536)
    parser.add_argument("--address", help="of a Ray cluster; by default one is begun here")
    options = parser.parse_args()
    if options.address is None:
        ray.init(num_cpus=options.workers + 1, include_dashboard=False)
    else:
        ray.init(options.address)
    model = gw.Model.load(options.model)
    score(model, options.source, options.into, options.workers, options.batch_size)
    ray.shutdown()


if __name__ == "__main__":
    main()
