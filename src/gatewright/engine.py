"""Make a circuit ready to run: `compile(circuit or model)` -> a callable on packed words.

Back ends, which agree bit for bit:

    jit          machine code for AVX-512 or AVX2, made in milliseconds (cpp/machine_code.cpp)
    interpreter  steps that a vectorised loop follows; for any processor and any size
    c            the `c` target, compiled by this machine's C compiler
    jax          XLA, level by level; also on a GPU or TPU
    numpy        `native.simulate_numpy`: slow, and what the others are held against

With jit and interpreter, samples that come one or few at a time are run by something of its own
where that is quicker (`cpp/single.hpp`), from the second such call on.

`auto` takes jit up to `MAX_JIT_GATES` where this machine can run it, then the interpreter, then
NumPy where the native core is not built.
"""

from __future__ import annotations

import ctypes
import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast
from weakref import WeakSet

import numpy as np
import numpy.typing as npt

from gatewright import native
from gatewright.circuit import Circuit, Words, pack, unpack
from gatewright.counting import recounted
from gatewright.encode import Encoder, Identity
from gatewright.errors import InputError, MissingTool
from gatewright.model import KEPT, Model

BACKENDS = ("auto", "jit", "interpreter", "c", "jax", "numpy")

#: Gates above which machine code outgrows the caches and the interpreter is faster
#: (`benchmarks/engine.py`).
MAX_JIT_GATES = 400_000

#: Gates of a band of inputs, one of which after the other machine code goes through where votes are
#: counted in turn: what they read stays in the first cache.
BAND_GATES = 1_000

#: Outputs that the native core reads as a class number.
MAX_LABEL_BITS = 8

#: Input bits that the back ends without an encoder of their own hold at a time.
BATCH_BITS = 1 << 26

#: What the native core says of what runs single samples.
ONE_SAMPLE = ("wide_levels", "blocks", "bytes")

ALL_ONES = np.uint32(0xFFFF_FFFF)

#: Numbers that the native core compares as they are.
COMPARED = frozenset(map(np.dtype, ("uint8", "float32", "float64")))

#: What is ready in this process. Threads do not cross a fork, so there it is made again.
_compiled: WeakSet[Compiled] = WeakSet()


def _forked() -> None:
    for one in _compiled:
        object.__setattr__(one, "_held", None)
    _compiled.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)

Run = Callable[[Words], Words]


@dataclass(frozen=True, slots=True)
class _Ready:
    """A back end's own: a function on words, which are contiguous, aligned and of the right shape.

    If it is of the native core there is that's object, whose functions refuse arrays that are not
    (TypeError, ValueError).
    """

    run: Run
    engine: Any = None


@dataclass(frozen=True, eq=False)
class Compiled:
    """A circuit or model that is ready to run; `compile` makes it.

    It may be pickled and may cross a fork: it is made again there, when it is first called.

    Attributes:
        model: what runs.
        backend: the one that was chosen, never "auto".
        threads: that share a call (jit and interpreter).
    """

    model: Model
    backend: str
    threads: int
    _held: _Ready | None = field(default=None, init=False, repr=False)

    def __call__(self, words: Words) -> Words:
        """Packed inputs uint64[num_inputs, W] -> packed outputs uint64[num_outputs, W]."""
        ready = self._held or self._ready
        if ready.engine is not None:
            try:
                return ready.engine.run(words)
            except (TypeError, ValueError):  # of another type or shape, or lies otherwise
                pass
        circuit, words = self.model.circuit, np.asarray(words)
        if words.ndim != 2 or words.shape[0] != circuit.num_inputs or words.dtype != np.uint64:
            raise InputError(
                f"circuit {circuit.name} has {circuit.num_inputs} inputs; packed words are "
                f"uint64[{circuit.num_inputs}, W], not {words.dtype}{list(words.shape)}"
            )
        return ready.run(np.require(words, requirements=["C", "A"]))

    def predict(self, x: npt.ArrayLike) -> npt.NDArray[Any]:
        """Samples -> what `Model.predict` gives."""
        if type(x) is np.ndarray and self._has_plain_rows:
            try:
                return (self._held or self._ready).engine.labels(x)
            except (TypeError, ValueError):  # of another type or shape, or lies otherwise
                pass
        encoder = self.encoder
        rows = encoder.rows(x)
        ready, num_outputs = self._ready, self.model.circuit.num_outputs
        engine = ready.engine
        if engine is not None:
            rows = _comparable(rows)
            if self._makes_labels:
                return engine.labels(rows)
            outputs = unpack(engine.outputs(rows), len(rows))
        else:
            step = max(64, BATCH_BITS // max(1, encoder.num_bits))
            parts = [rows[first : first + step] for first in range(0, len(rows), step)] or [rows]
            bits = [unpack(ready.run(pack(encoder.encode(part))), len(part)) for part in parts]
            outputs = np.concatenate(bits)
        if self.model.numbers is not None:
            return self.model.numbers(outputs)
        if self.model.num_classes is None:
            return outputs
        return outputs.astype(np.int64) @ (1 << np.arange(num_outputs, dtype=np.int64))

    @property
    def about(self) -> dict[str, Any]:
        """What was made, as JSON can hold it: operations after clean-up, bytes of code and values.

        `code_bytes` is of the program at rest, `value_bytes` of what a thread works in for a block
        of `samples_a_block` samples; `loads` and `stores` are what machine code does for one.
        `one_sample` is there once samples have come one at a time and something of its own runs
        them: levels that it has as bits side by side, blocks that it looks up, and their bytes.
        Only of the native back ends.
        """
        said: dict[str, Any] = {"backend": self.backend, "gates": self.model.circuit.num_gates}
        engine = self._ready.engine
        if engine is not None:
            said |= {
                "threads": self.threads,
                "operations": engine.num_operations,
                "code_bytes": engine.num_bytes,
                "value_bytes": engine.slot_bytes,
                "samples_a_block": 8 * engine.vector_bytes,
            }
            if self.backend == "jit":
                said["loads"], said["stores"] = engine.loads_and_stores()
            if single := engine.single():
                said["one_sample"] = dict(zip(ONE_SAMPLE, single, strict=True))
        return said

    @cached_property
    def _has_plain_rows(self) -> bool:
        """Whether labels are made of rows of numbers, of which only the shape is to be seen to."""
        encoder = self.encoder
        is_plain = type(encoder).rows is Encoder.rows and len(encoder.shape) == 1
        return is_plain and self._makes_labels and self._ready.engine is not None

    @property
    def _makes_labels(self) -> bool:
        model = self.model
        return model.num_classes is not None and model.circuit.num_outputs <= MAX_LABEL_BITS

    @property
    def _ready(self) -> _Ready:
        found = self._held
        if found is None:
            found = _MAKERS[self.backend](self.model.circuit, self)
            object.__setattr__(self, "_held", found)
            _compiled.add(self)
        return found

    @cached_property
    def encoder(self) -> Encoder:
        """The model's, or where it has none that of bits."""
        return self.model.encoder or Identity((self.model.circuit.num_inputs,))

    def __reduce__(self) -> tuple[Any, ...]:
        return Compiled, (self.model, self.backend, self.threads)


def compile(
    subject: Circuit | Model, backend: str = "auto", threads: int | None = None
) -> Compiled:
    """The circuit or model, ready to run.

    Args:
        backend: one of BACKENDS.
        threads: that share a call (jit and interpreter); by default one a processor.

    Raises:
        InputError: there is no such back end, or not on this machine.
        MissingTool: "c" without a C compiler, or the native core is not built.
    """
    model = subject if isinstance(subject, Model) else Model(subject)
    if backend not in BACKENDS:
        raise InputError(f"unknown back end {backend!r}; known: {', '.join(BACKENDS)}")
    threads = native.num_processors() if threads is None else threads
    if threads < 1:
        raise InputError(f"threads is {threads}; give at least 1")
    chosen = _best(model.circuit) if backend == "auto" else backend
    compiled = Compiled(model, chosen, threads)
    try:
        _ = compiled.about  # made now, so that errors and time are this call's
    except InputError:
        if backend != "auto" or chosen != "jit":
            raise
        return compile(model, "interpreter", threads)  # a system that lets no memory be executed
    return compiled


def compiled(model: Model) -> Compiled:
    """`compile(model)`, kept with the model, and not pickled with it."""
    found: Compiled | None = model.__dict__.get(KEPT)
    if found is None:
        found = compile(model)
        object.__setattr__(model, KEPT, found)
    return found


def _best(circuit: Circuit) -> str:
    module = native.load()
    if module is None:
        return "numpy"
    return "jit" if module.has_machine_code() and _fits(circuit) else "interpreter"


def _fits(circuit: Circuit) -> bool:
    return circuit.num_gates <= MAX_JIT_GATES


def _comparable(rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """As uint8, float32 or float64, which hold the same numbers; copied only where they must be."""
    if rows.dtype == np.bool_:
        rows = rows.view(np.uint8)
    elif rows.dtype.newbyteorder("=") not in COMPARED:
        rows = rows.astype(np.float32 if rows.dtype.itemsize <= 2 else np.float64)
    is_side_by_side = rows.shape[1] < 2 or rows.strides[1] == rows.itemsize
    if is_side_by_side and rows.flags.aligned and rows.dtype.isnative:
        return rows
    return np.array(rows, rows.dtype.newbyteorder("="), order="C")


def _native(circuit: Circuit, how: Compiled) -> _Ready:
    module = native.load()
    if module is None:
        raise MissingTool(
            f"back end {how.backend!r} is part of the native core, which is not built (or "
            "GATEWRIGHT_NATIVE=0 turns it off); take backend='numpy', or reinstall with a C++ "
            "compiler"
        )
    encoder = how.encoder
    bits, num_features = encoder.bit_table, math.prod(encoder.shape)
    many = _many(circuit, how.model.num_classes) if how.backend == "jit" else None
    try:
        engine = module.Engine(
            circuit.num_inputs, circuit.fanin, circuit.table, circuit.outputs,
            num_features, bits.column, bits.kind, bits.limit, how.backend, how.threads, many,
        )  # fmt: skip
    except ValueError as error:
        raise InputError(f"circuit {circuit.name}, back end {how.backend}: {error}") from error

    return _Ready(engine.run, engine)


def _many(circuit: Circuit, num_classes: int | None) -> tuple[Any, ...] | None:
    """What code for many samples is made of, and in how many bands of inputs it runs; or None."""
    if num_classes is None or num_classes < 2:
        return None
    found = recounted(circuit, num_classes)
    if found is None:
        return None
    num_bands = max(1, -(-found.num_gates // BAND_GATES))
    return found.fanin, found.table, found.outputs, num_bands


_DRIVER = """
#include <stdint.h>
#include <stddef.h>
typedef uint64_t word;
void NAME(const word *in, word *out);
void run_words(const word *in, size_t num_in, word *out, size_t num_out, size_t num) {
  word held_in[NUM_IN + 1], held_out[NUM_OUT + 1];
  for (size_t w = 0; w < num; ++w) {
    for (size_t i = 0; i < num_in; ++i) held_in[i] = in[i * num + w];
    NAME(held_in, held_out);
    for (size_t i = 0; i < num_out; ++i) out[i * num + w] = held_out[i];
  }
}
"""


def _c(circuit: Circuit, how: Compiled) -> _Ready:
    del how
    from gatewright.compiler import compile_shared
    from gatewright.targets import c
    from gatewright.targets.c_names import identifier

    driver = _DRIVER.replace("NAME", identifier(circuit.name))
    driver = driver.replace("NUM_IN", str(circuit.num_inputs))
    driver = driver.replace("NUM_OUT", str(circuit.num_outputs))
    word = f"-D{identifier(circuit.name).upper()}_WORD=uint64_t"
    files = c.write(circuit, "straight") | {"gatewright_driver.c": driver.encode()}
    library = ctypes.CDLL(str(compile_shared(files, ("-O1", word))))

    def run(words: Words) -> Words:
        out = np.empty((circuit.num_outputs, words.shape[1]), np.uint64)
        library.run_words(
            ctypes.c_void_p(words.ctypes.data), ctypes.c_size_t(circuit.num_inputs),
            ctypes.c_void_p(out.ctypes.data), ctypes.c_size_t(circuit.num_outputs),
            ctypes.c_size_t(words.shape[1]),
        )  # fmt: skip
        return out

    return _Ready(run)


def _jax(circuit: Circuit, how: Compiled) -> _Ready:
    """Level by level: a gather of operands, and each gate's algebraic normal form with masks."""
    del how
    import jax
    import jax.numpy as jnp

    level = circuit.levels[circuit.first_gate :]
    order = np.argsort(level, kind="stable")
    place = np.arange(circuit.num_nodes)
    place[circuit.first_gate + order] = circuit.first_gate + np.arange(circuit.num_gates)
    fanin, table = place[circuit.fanin[order]], circuit.table[order].astype(np.uint32)
    ends = np.cumsum(np.bincount(level, minlength=1)).tolist()

    def mask(*rows: int) -> npt.NDArray[np.uint32]:  # the Moebius transform of the tables
        odd = np.bitwise_xor.reduce([table >> row & 1 for row in rows])
        return np.where(odd == 1, ALL_ONES, np.uint32(0))[:, None]

    one, of_a, of_b, of_ab = (mask(0), mask(0, 1), mask(0, 2), mask(0, 1, 2, 3))
    outputs = circuit.outputs
    inverted = np.where(outputs & 1 == 1, ALL_ONES, np.uint32(0))[:, None]

    def values(words: jax.Array) -> jax.Array:
        held = jnp.concatenate([jnp.zeros((1, words.shape[1]), jnp.uint32), words])
        begin = 0
        for end in ends:
            part = slice(begin, end)
            a, b = held[fanin[part, 0]], held[fanin[part, 1]]
            new = one[part] ^ (of_a[part] & a) ^ (of_b[part] & b) ^ (of_ab[part] & a & b)
            held = jnp.concatenate([held, new])
            begin = end
        return held[place[outputs >> 1]] ^ inverted

    as_xla = cast(Callable[[jax.Array], npt.ArrayLike], jax.jit(values))

    def run(words: Words) -> Words:
        halves = words.view(np.uint32)
        return np.asarray(as_xla(jnp.asarray(halves))).view(np.uint64)

    return _Ready(run)


def _numpy(circuit: Circuit, how: Compiled) -> _Ready:
    del how
    arrays = circuit.num_inputs, circuit.fanin, circuit.table, circuit.outputs

    def run(words: Words) -> Words:
        return native.simulate_numpy(*arrays, words)

    return _Ready(run)


_MAKERS: dict[str, Callable[[Circuit, Compiled], _Ready]] = {
    "jit": _native,
    "interpreter": _native,
    "c": _c,
    "jax": _jax,
    "numpy": _numpy,
}
