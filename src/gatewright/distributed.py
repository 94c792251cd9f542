"""Several processes of JAX that train one network: joining them, and what they tell one another.

A batch is cut into parts (`shards`). Each process computes the gradients of its parts, all get all
of these and add them in the order of the parts, so the result depends on the number of parts and
not on that of the processes. Every process calls the same functions in the same order.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from gatewright.errors import GatewrightError, InputError

T = TypeVar("T")

#: Seconds that a process which ends waits for the others, before JAX ends it and them.
SHUTDOWN_SECONDS = 10


def join(
    coordinator: str | None = None, processes: int | None = None, process: int | None = None
) -> None:
    """Become one of several processes; to be called before anything else uses JAX.

    Without arguments JAX asks the cluster that it finds (Slurm, Open MPI, Kubernetes, cloud TPUs).

    Args:
        coordinator: "host:port" of the first process, which listens there.
        processes: how many there are.
        process: number of this one, from 0.

    Raises:
        InputError: some are missing, or there is no cluster; the coordinator does not answer.
    """
    given = (coordinator, processes, process)
    if any(one is None for one in given) and any(one is not None for one in given):
        raise InputError(
            "--coordinator HOST:PORT, --processes N and --process I go together; without all three "
            "JAX asks the cluster (Slurm and others)"
        )
    if processes is not None and process is not None and not 0 <= process < processes:
        raise InputError(f"--process {process}: of {processes}, numbered from 0")
    # Without it there are no collectives between processes on CPUs; other devices have their own.
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    try:
        with _stdout_to_stderr():  # Gloo says there that it is connected
            jax.distributed.initialize(
                coordinator, processes, process, shutdown_timeout_seconds=SHUTDOWN_SECONDS
            )
            Team(num_processes(), process_index()).any_of(False)
    except (ValueError, RuntimeError) as error:
        raise InputError(
            f"the processes cannot join ({str(error).splitlines()[0]}); on a cluster that JAX does "
            "not know, give --coordinator HOST:PORT, --processes N and --process I"
        ) from error


class Lost(GatewrightError):
    """Another process is gone; JAX's own end would wait for it, and then abort."""


@contextmanager
def _stdout_to_stderr() -> Generator[None]:
    """What libraries in C++ print on the way, too."""
    libc = ctypes.CDLL(None)
    sys.stdout.flush()
    libc.fflush(None)
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        libc.fflush(None)
        os.dup2(kept, 1)
        os.close(kept)


def num_processes() -> int:
    """That have joined."""
    return jax.process_count()


def process_index() -> int:
    """Of this process among them."""
    return jax.process_index()


@dataclass(frozen=True)
class Team:
    """The processes that train one network, and which of them this is.

    Attributes:
        size: processes; with one nothing is told to anybody.
        index: of this one.
    """

    size: int = 1
    index: int = 0

    @staticmethod
    def of(shards: int) -> Team:
        """The team for batches in so many parts: with one part every process trains alone.

        Raises:
            InputError: the processes cannot share the parts equally.
        """
        if shards < 1:
            raise InputError(f"shards is at least 1, not {shards}")
        size = 1 if shards == 1 else num_processes()
        if shards % size:
            raise InputError(f"shards is {shards}, for {size} processes; give a multiple of {size}")
        return Team(size, process_index() if size > 1 else 0)

    @property
    def is_first(self) -> bool:
        """The process that writes and prints."""
        return self.index == 0

    def parts(self, shards: int) -> range:
        """Numbers of the parts that this process takes."""
        each = shards // self.size
        return range(self.index * each, (self.index + 1) * each)

    def gather(self, rows: Array) -> Array:
        """All processes' rows [n, ...], in the order of the processes: [size * n, ...].

        Raises:
            Lost: another process is gone.
        """
        if self.size == 1:
            return rows
        mesh, program = _gathering()
        shape = (self.size * rows.shape[0], *rows.shape[1:])
        sharding = NamedSharding(mesh, PartitionSpec("process"))
        try:
            whole = jax.make_array_from_single_device_arrays(shape, sharding, [rows])
            found = cast(Array, program(whole).addressable_data(0))
            return found.block_until_ready()
        except (RuntimeError, ValueError) as error:  # as Gloo and JAX say it
            raise Lost(
                f"process {self.index} has lost another one ({str(error).splitlines()[0]}); start "
                "all again with --resume"
            ) from error

    def first_says(self, value: T) -> T:
        """What the first process has there, in all of them; anything that JSON holds."""
        return cast(T, self._all_say(value)[0])

    def from_first(self, tree: T) -> T:
        """The first process's arrays in a tree of the same shape."""

        def first(leaf: Any) -> Any:
            return self.gather(leaf[None])[0] if isinstance(leaf, jax.Array) else leaf

        return cast(T, jax.tree_util.tree_map(first, tree))

    def any_of(self, flag: bool) -> bool:
        """True where it is in any process."""
        return any(self._all_say(flag))

    def check_same(self, tree: Any, step: int) -> None:
        """GatewrightError where the processes hold different numbers."""
        if self.size == 1:
            return
        from zlib import crc32

        sums = [crc32(np.asarray(leaf).tobytes()) for leaf in jax.tree_util.tree_leaves(tree)]
        if any(said != sums for said in self._all_say(sums)):
            raise GatewrightError(
                f"the processes hold different parameters after step {step}, though they computed "
                "the same: run them on processors of one kind, with one version of JAX"
            )

    @contextmanager
    def agreed(self) -> Generator[None]:
        """A block whose GatewrightError in one process is raised in all at its end."""
        mine: GatewrightError | None = None
        try:
            yield
        except GatewrightError as error:
            mine = error
        said = self._all_say(None if mine is None else str(mine))
        if mine is not None:
            raise mine
        for process, message in enumerate(said):
            if message is not None:
                raise InputError(f"process {process}: {message}")

    def _all_say(self, value: Any) -> list[Any]:
        if self.size == 1:
            return [value]
        text = np.frombuffer(json.dumps(value).encode(), np.uint8)
        lengths = np.asarray(self.gather(jnp.asarray([len(text)], dtype=jnp.int32)))
        padded = np.zeros((1, int(lengths.max())), np.uint8)
        padded[0, : len(text)] = text
        rows = np.asarray(self.gather(jnp.asarray(padded)))
        pairs = zip(rows, lengths, strict=True)
        return [json.loads(row[:length].tobytes()) for row, length in pairs]


@cache
def _gathering() -> tuple[Mesh, Any]:
    """One device of each process, and the program that copies what they hold to all of them."""
    every = cast(list[Any], jax.devices())
    firsts = [
        next(device for device in every if device.process_index == i)
        for i in range(num_processes())
    ]
    mesh = Mesh(np.array(firsts), ("process",))

    def same(x: Array) -> Array:
        return x

    return mesh, jax.jit(same, out_shardings=NamedSharding(mesh, PartitionSpec()))
