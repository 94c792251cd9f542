"""How fast the engine is: back ends and peers in turns, in one process, beside what a core can do.

A contender is called again and again for about `SECONDS`, in rounds that alternate between all of
them, so that a change of the machine's speed meets all. What counts is the work of a round by its
wall and its CPU seconds; a ratio is the median of the rounds' ratios. Nothing is timed before its
answer was compared with `Circuit.simulate`.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from gatewright import engine, native
from gatewright.circuit import Circuit, Words
from gatewright.counting import vote
from gatewright.encode import Encoder, Identity, Thermometer
from gatewright.engine import Compiled
from gatewright.errors import GatewrightError, InputError
from gatewright.gates import XOR
from gatewright.model import Model

#: Wall seconds that a contender's turn should take, and turns of each.
SECONDS = 0.2
ROUNDS = 7

#: The tables that depend on both of their inputs.
DEPENDENT = (1, 2, 4, 6, 7, 8, 9, 11, 13, 14)

#: Bytes of packed inputs and outputs that a call should have: memory that is used again and again.
CALL_BYTES = 1 << 22
#: Least and most words of 64 samples a call.
CALL_WORDS = 64, 4096

#: Bytes of the array that memory's speed is measured on: more than the caches hold.
MEMORY_BYTES = 1 << 28

#: Rows that stay in the caches, and rows that come from memory.
HOT_ROWS = 8_192
MEMORY_ROWS = 262_144
NUM_PIXELS = 784
NUM_CLASSES = 10

Run = Callable[[], object]


class Disagreement(GatewrightError, RuntimeError):
    """A contender does not compute the circuit."""

    exit_code: ClassVar[int] = 1


@dataclass(frozen=True)
class Contender:
    """Something that is timed.

    Attributes:
        run: one call.
        work: what a call does, in the unit that is counted: gate evaluations, rows, bytes.
    """

    name: str
    run: Run
    work: float


@dataclass(frozen=True)
class Rates:
    """Work a second of wall and of CPU time, one number a round."""

    wall: tuple[float, ...]
    cpu: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.wall)

    def ratios(self, other: Rates) -> list[float]:
        """How many times the other's wall speed, a number a round."""
        return [own / peer for own, peer in zip(self.wall, other.wall, strict=True)]


@dataclass(frozen=True)
class Limits:
    """What one core does here, as measured.

    Attributes:
        gates: gate evaluations a second of 200 gates whose values stay in registers and L1
            (`small`), by the quickest back end: a stand-in for the logic units' limit.
        read: bytes a second that NumPy's sum reads of an array larger than the caches.
        copied: bytes a second that NumPy's copy of it reads and writes, both counted.
    """

    gates: float
    read: float
    copied: float


# Circuits and samples


def layered(width: int, depth: int, num_inputs: int, seed: int = 0) -> Circuit:
    """Random layers of two-input gates, all live: each node is read by the layer above.

    Every gate depends on both operands, no two read the same pair, and the gates of the last layer
    are the outputs. A layer's operands are neighbours in a random order of the nodes below: first
    all pairs at distance 1, then, where a layer is wider than the one below, at 2, 3, ...

    Raises:
        InputError: a layer cannot read so many inputs, or has too few for its pairs.
    """
    if depth < 1 or width < 3 or not width // ((num_inputs - 1) // 2 or 1) <= num_inputs:
        raise InputError(f"{depth} layers of {width} over {num_inputs} inputs: give more of each")
    if num_inputs > 2 * width:
        raise InputError(f"{width} gates cannot read {num_inputs} inputs; give at least half")
    rng = np.random.default_rng(seed)
    fanin = np.empty((depth, width, 2), np.int32)
    begin, size = 1, num_inputs
    for layer in fanin:
        order = rng.permutation(size)
        gate = rng.permutation(width)
        apart = width if size > width else 1 + gate // size
        layer[:, 0] = begin + order[gate % size]
        layer[:, 1] = begin + order[(gate + apart) % size]
        begin, size = begin + size, width
    num_gates = width * depth
    return Circuit(
        fanin.reshape(num_gates, 2),
        rng.choice(np.array(DEPENDENT, np.uint8), num_gates),
        2 * np.arange(begin, begin + width, dtype=np.int32),
        tuple(f"x{i}" for i in range(num_inputs)),
        tuple(f"y{i}" for i in range(width)),
        "layered",
    )


def folded(circuit: Circuit, num_outputs: int = 64) -> Circuit:
    """The outputs XORed in pairs until there are few: what is timed then is gates, not copying."""
    ends = circuit.outputs >> 1
    pairs: list[npt.NDArray[np.int32]] = []
    begin = circuit.num_nodes
    while len(ends) > num_outputs:
        half = len(ends) // 2
        pairs.append(np.stack([ends[:half], ends[half : 2 * half]], axis=1))
        made = np.arange(begin, begin + half, dtype=np.int32)
        ends = np.concatenate([made, ends[2 * half :]])
        begin += half
    return Circuit(
        np.concatenate([circuit.fanin, *pairs]),
        np.concatenate([circuit.table, np.full(begin - circuit.num_nodes, XOR, np.uint8)]),
        2 * ends,
        circuit.input_names,
        tuple(f"y{i}" for i in range(len(ends))),
        circuit.name,
    )


def small() -> Circuit:
    """200 gates, 8 of them alive at a time."""
    return layered(8, 25, 8)


def classifier(layers: Circuit) -> Model:
    """The layers with a vote over ten classes, on images of `NUM_PIXELS` bytes."""
    whole = layers.then(vote(NUM_CLASSES, layers.num_outputs // NUM_CLASSES), "classifier")
    return Model(whole, NUM_CLASSES, Thermometer(np.array([127], np.float32), (NUM_PIXELS,)))


def words_of(circuit: Circuit, num_words: int | None = None) -> Words:
    """Random packed inputs uint64[num_inputs, W]; by default as many as a call should have."""
    if num_words is None:
        fitting = CALL_BYTES // (8 * max(1, circuit.num_inputs + circuit.num_outputs))
        num_words = min(max(fitting, CALL_WORDS[0]), CALL_WORDS[1])
    rng = np.random.default_rng(1)
    return rng.integers(0, 1 << 64, (circuit.num_inputs, num_words), dtype=np.uint64)


def samples_of(encoder: Encoder, num: int) -> npt.NDArray[Any]:
    """Random samples [num, *shape] around the encoder's limits; bytes where these are of bytes."""
    rng = np.random.default_rng(2)
    shape = num, *encoder.shape
    if isinstance(encoder, Identity):
        return rng.integers(0, 2, shape, dtype=np.uint8)
    limits = encoder.bit_table.limit
    low, high = float(limits.min()), float(limits.max())
    if low >= 0 and 1 < high < 256:
        return rng.integers(0, 256, shape, dtype=np.uint8)
    return rng.uniform(low - 1, high + 1, shape).astype(np.float32)


# Timing


def race(
    contenders: Sequence[Contender], rounds: int = ROUNDS, seconds: float = SECONDS
) -> dict[str, Rates]:
    """Rates by name, from alternating rounds of about `seconds` a contender."""
    calls = {one.name: _calibrate(one.run, seconds) for one in contenders}
    walls: dict[str, list[float]] = {one.name: [] for one in contenders}
    cpus: dict[str, list[float]] = {one.name: [] for one in contenders}
    for _ in range(rounds):
        for one in contenders:
            number = calls[one.name]
            wall, cpu = _timed(one.run, number)
            walls[one.name].append(number * one.work / wall)
            cpus[one.name].append(number * one.work / cpu)
    return {name: Rates(tuple(walls[name]), tuple(cpus[name])) for name in calls}


def _calibrate(run: Run, seconds: float) -> int:
    """Calls that take about this long; the first, with what it sets up, does not count."""
    run()
    number = 1
    while True:
        wall, _ = _timed(run, number)
        if wall > seconds / 4:
            return max(1, round(number * seconds / wall))
        number *= 4


def _timed(run: Run, number: int) -> tuple[float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(number):
        run()
    return time.perf_counter() - wall, max(time.process_time() - cpu, 1e-9)


def ready(
    subject: Circuit | Model, backend: str, threads: int = 1, times: int = 1
) -> tuple[Compiled, Rates]:
    """The compiled subject, and how often a second it goes from memory to its first 64 answers."""
    circuit = subject.circuit if isinstance(subject, Model) else subject
    words = words_of(circuit, 1)
    walls, cpus, made = list[float](), list[float](), list[Compiled]()

    def run() -> None:
        made[:] = [engine.compile(subject, backend, threads)]
        made[0](words)

    for _ in range(times):
        wall, cpu = _timed(run, 1)
        walls.append(1 / wall)
        cpus.append(1 / cpu)
    return made[0], Rates(tuple(walls), tuple(cpus))


# Agreement


def require_agreement(contenders: Mapping[str, Callable[[Words], Words]], circuit: Circuit) -> None:
    """Disagreement unless all give the outputs of `Circuit.simulate` on 1,088 random samples."""
    words = words_of(circuit, 17)
    expected = circuit.simulate(words)
    for name, run in contenders.items():
        wrong = (run(words) != expected).any(axis=1)
        if wrong.any():
            raise Disagreement(
                f"{name} does not compute circuit {circuit.name}: {int(wrong.sum())} of "
                f"{circuit.num_outputs} outputs differ from its simulation; nothing was timed"
            )


def require_labels(
    contenders: Mapping[str, Callable[[npt.NDArray[Any]], npt.NDArray[Any]]],
    model: Model,
    rows: npt.NDArray[Any],
) -> None:
    """Disagreement unless all predict what the simulated circuit says of the encoded rows."""
    encoder = model.encoder or Identity((model.circuit.num_inputs,))
    bits = model.circuit(encoder(rows))
    expected: npt.NDArray[Any] = bits
    if model.num_classes is not None:
        expected = bits.astype(np.int64) @ (1 << np.arange(bits.shape[1], dtype=np.int64))
    for name, predict in contenders.items():
        if not np.array_equal(predict(rows), expected):
            raise Disagreement(f"{name} does not predict what circuit {model.circuit.name} says")


# What is measured


def backends() -> tuple[str, ...]:
    """The native back ends of this machine, the quickest first."""
    module = native.load()
    return ("jit", "interpreter") if module and module.has_machine_code() else ("interpreter",)


def limits(rounds: int = ROUNDS, seconds: float = SECONDS) -> Limits:
    """What one core does here."""
    circuit = small()
    quickest = engine.compile(circuit, backends()[0], threads=1)
    require_agreement({quickest.backend: quickest}, circuit)
    source = np.ones(MEMORY_BYTES // 8)
    target = np.empty_like(source)
    found = race(
        [
            on_words("gates", quickest),
            Contender("read", source.sum, source.nbytes),
            Contender("copied", lambda: np.copyto(target, source), 2 * source.nbytes),
        ],
        rounds,
        seconds,
    )
    return Limits(**{name: max(rates.wall) for name, rates in found.items()})


def on_words(name: str, compiled: Compiled) -> Contender:
    """Gate evaluations on packed words; the gates are those of the circuit as it was given."""
    circuit = compiled.model.circuit
    words = words_of(circuit)
    return Contender(name, lambda: compiled(words), circuit.num_gates * 64 * words.shape[1])


def on_rows(name: str, compiled: Compiled, rows: npt.NDArray[Any]) -> Contender:
    """Raw rows -> predictions."""
    return Contender(name, lambda: compiled.predict(rows), len(rows))


# Rows of a table


def row(
    name: str, unit: str, rates: Rates, peer: str | None = None, other: Rates | None = None
) -> dict[str, Any]:
    """A result as JSON; with a peer, the ratio is how many times its speed."""
    ratios = None if other is None else rates.ratios(other)
    return {
        "name": name,
        "value": rates.median,
        "unit": unit,
        "peer": peer,
        "ratio": None if ratios is None else statistics.median(ratios),
        "spread": spread(rates.wall),
        "cpu_spread": spread(rates.cpu),
        "ratio_spread": None if ratios is None else spread(ratios),
    }


def spread(values: Iterable[float]) -> dict[str, float]:
    """Median, smallest and largest."""
    listed = list(values)
    return {"median": statistics.median(listed), "min": min(listed), "max": max(listed)}


def gate_rows(
    label: str,
    circuit: Circuit,
    names: Sequence[str],
    limit: Limits,
    rounds: int = ROUNDS,
    seconds: float = SECONDS,
) -> list[dict[str, Any]]:
    """Of each back end, on one thread: gate evaluations a second, ready to run, bytes a gate."""
    made = {name: ready(circuit, name, times=min(rounds, 3)) for name in names}
    require_agreement({name: compiled for name, (compiled, _) in made.items()}, circuit)
    found = race([on_words(name, one) for name, (one, _) in made.items()], rounds, seconds)
    rows: list[dict[str, Any]] = []
    for name, (compiled, first) in made.items():
        peer = next((other for other in names if other != name), None)
        rates = found[name]
        said = row(f"{label}, {name}", "gate evaluations/s", rates, peer, found.get(peer or ""))
        about = compiled.about
        rows.append(
            said
            | {"share_of_limit": rates.median / limit.gates, "gates": circuit.num_gates}
            | {"samples_a_call": 64 * words_of(circuit).shape[1]}
            | {"operations": about["operations"]}
        )
        slow = None if peer is None else made[peer][1]
        rows.append(_in_ms(row(f"{label}, {name}, ready to run", "ms", first, peer, slow)))
        num_bytes = about["code_bytes"] / circuit.num_gates
        rows.append(_plain(f"{label}, {name}, at rest", num_bytes, "bytes a gate"))
    return rows


def thread_rows(
    label: str, circuit: Circuit, rounds: int = ROUNDS, seconds: float = SECONDS
) -> list[dict[str, Any]]:
    """Two threads against one."""
    rows: list[dict[str, Any]] = []
    for backend in backends():
        one, two = (engine.compile(circuit, backend, threads) for threads in (1, 2))
        require_agreement({"one thread": one, "two threads": two}, circuit)
        found = race([on_words("one", one), on_words("two", two)], rounds, seconds)
        name = f"{label}, {backend}, two threads"
        rows.append(row(name, "gate evaluations/s", found["two"], "one thread", found["one"]))
    return rows


def limit_rows(limit: Limits) -> list[dict[str, Any]]:
    """What one core does here, as results."""
    return [
        _plain("one core, 200 gates in registers", limit.gates, "gate evaluations/s"),
        _plain("one core, sum of 256 MB", limit.read, "bytes/s"),
        _plain("one core, copy of 256 MB", limit.copied, "bytes/s"),
    ]


def _plain(name: str, value: float, unit: str) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "peer": None, "ratio": None}


def _in_ms(said: dict[str, Any]) -> dict[str, Any]:
    """A result in calls a second as milliseconds a call; the ratio stays that of speeds."""
    result = said | {"value": 1e3 / said["value"]}
    for key in ("spread", "cpu_spread"):
        found = said[key]
        pairs = (("median", "median"), ("min", "max"), ("max", "min"))
        result[key] = {own: 1e3 / found[of] for own, of in pairs}
    return result
