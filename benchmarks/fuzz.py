"""Random circuits through every pass, format and back end: all proved, no crash, one-line errors.

Each circuit goes through each pass by itself, with its proof, and its truth table is compared as
well; every 50th through the passes that call ABC. It is written and read in each format, and read
again from a damaged file, which must give a circuit or an error of one line. Every back end that is
there runs it on 128 random samples; C and JAX, which take longer to compile, every 50th circuit.
"""

from __future__ import annotations

import time
from collections import Counter

import numpy as np

import gatewright as gw
from gatewright.circuit import Circuit
from gatewright.engine_speed import backends
from gatewright.errors import InputError
from gatewright.passes import EXTERNAL, PASSES, optimize
from gatewright.targets import TARGETS
from lib.recording import parser, write

#: Circuits between two that ABC gets.
EVERY = 50
FORMATS = {name: target for name, target in TARGETS.items() if target.read}


def random_circuit(rng: np.random.Generator) -> Circuit:
    """Any valid arrays: constants, operands that are ignored or read twice, dead gates."""
    num_inputs, num_gates = int(rng.integers(0, 9)), int(rng.integers(0, 60))
    own = 1 + num_inputs + np.arange(num_gates)
    fanin = (rng.random((num_gates, 2)) * own[:, None]).astype(np.int32)
    num_outputs = int(rng.integers(0, 6))
    outputs = rng.integers(0, 2 * (1 + num_inputs + num_gates), num_outputs).astype(np.int32)
    tables = rng.integers(0, 16, num_gates).astype(np.uint8)
    inputs, names = (
        tuple(f"{letter}{i}" for i in range(num))
        for letter, num in (("x", num_inputs), ("y", num_outputs))
    )
    return Circuit(fanin, tables, outputs, inputs, names)


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """With an octet or two changed, or the end cut off."""
    data = bytearray(content)
    if rng.random() < 0.3:
        return bytes(data[: rng.integers(0, len(data))])
    for _ in range(rng.integers(1, 4)):
        at = int(rng.integers(0, len(data)))
        data[at : at + 1] = (b"9", b"0", b"-", b" ", b"\n", b"\xff", b"")[rng.integers(7)]
    return bytes(data)


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--circuits", type=int, default=10_000)
    options.add_argument("--seed", type=int, default=0)
    given = options.parse_args()
    rng = np.random.default_rng(given.seed)
    count: Counter[str] = Counter()
    begin = time.process_time()
    num_circuits = 300 if given.quick else given.circuits
    for i in range(num_circuits):
        circuit = random_circuit(rng)
        table = circuit.truth_tables()
        for name in PASSES:
            if name in EXTERNAL and i % EVERY:
                continue
            after = optimize(circuit, passes=[name], time_budget=0.2)
            if not np.array_equal(after.truth_tables(), table):
                raise SystemExit(f"circuit {i} of seed {given.seed}: {name} changes the function")
            count[name] += 1
        for name, target in FORMATS.items():
            assert target.read is not None
            try:
                (content,) = target.write(circuit).values()
            except InputError:  # Bristol Fashion has no constants, say
                count[f"{name} cannot say it"] += 1
                continue
            if not np.array_equal(target.read(content, "file").truth_tables(), table):
                raise SystemExit(f"circuit {i} of seed {given.seed}: {name} changes the function")
            count[f"{name} read"] += 1
            try:
                target.read(damaged(content, rng), "file")
                count[f"{name} damaged, read"] += 1
            except InputError as error:
                if "\n" in str(error):
                    raise SystemExit(f"circuit {i}: {name}: {error}") from error
                count[f"{name} damaged, refused"] += 1
        words = rng.integers(0, 2**64, (circuit.num_inputs, 2), dtype=np.uint64)
        expected = gw.compile(circuit, "numpy")(words)
        for name in (*backends(), *(("c", "jax") if i % EVERY == 0 else ())):
            if not np.array_equal(gw.compile(circuit, name, threads=1)(words), expected):
                raise SystemExit(f"circuit {i} of seed {given.seed}: {name} computes another one")
            count[f"{name}, samples"] += 128
        if i % 1000 == 999:
            print(i + 1, dict(count), flush=True)
    seconds = round(time.process_time() - begin, 1)
    print(f"{num_circuits} circuits, {seconds} CPU-s: {dict(count)}")
    write(given.json, {"circuits": num_circuits, "cpu_seconds": seconds, "count": dict(count)})


if __name__ == "__main__":
    main()
