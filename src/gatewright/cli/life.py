"""Learn Conway's Game of Life from its 512 rows; extract, optimise, prove, compile, run.

Everything lands in the run folder, with a REPORT.md and a picture of the circuit. Exit code 1: the
circuit is not the rule.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gatewright.automata import PATTERN_NAMES, Board, load_pattern, stepper
from gatewright.cli.fields import add_fields, recipe_of
from gatewright.cli.progress import remark, training
from gatewright.compiler import find_compiler
from gatewright.errors import InputError
from gatewright.recipes import Recipe, recipe
from gatewright.runs import load_model

if TYPE_CHECKING:
    from gatewright.life import Learned
    from gatewright.view.learning import Snapshot


def configure(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    del arguments
    parser.add_argument("-o", "--out", metavar="DIR", default="runs/life", help="(runs/life)")
    parser.add_argument("--resume", action="store_true", help="continue an interrupted run")
    parser.add_argument("--quick", action="store_true", help="leave out the speed table")
    live = parser.add_argument_group("live in the terminal")
    live.add_argument("--watch", action="store_true", help="show a board; learn first if need be")
    live.add_argument("--learn", action="store_true", help="with --watch: as the net learns")
    live.add_argument("--circuit", metavar="FILE", help="with --watch: a 9-input circuit to run")
    live.add_argument(
        "--pattern",
        metavar="NAME|FILE.rle|random",
        default="gosper-gun",
        help=f"(gosper-gun) {', '.join(PATTERN_NAMES)}",
    )
    live.add_argument("--size", metavar="WxH", default="160x90", help="of the torus (160x90)")
    live.add_argument("--speed", type=float, default=16.0, help="generations a second (16)")
    add_fields(parser, recipe("life"))


def run(options: argparse.Namespace) -> int:
    chosen = recipe_of(options, recipe("life"))
    folder = Path(options.out)
    if options.learn and not options.watch:
        raise InputError("--learn goes with --watch")
    if options.watch:
        return _watch(options, chosen, folder)
    if not options.quick:
        find_compiler()  # rather now than after training
    learned = _learn(options, chosen, folder)
    speed = None
    if not options.quick:
        from gatewright.life_speed import measure

        remark("measuring speed", options.quiet)
        speed = measure(learned.circuit, learned.network, folder / "build")
    from gatewright.life import describe, write_report

    write_report(learned, folder, speed)
    if options.json:
        print(json.dumps(learned.summary() | ({} if speed is None else {"speed": speed})))
    else:
        describe(learned, speed)
        print(f"\nreport: {folder / 'REPORT.md'}   picture: {folder / 'circuit.svg'}")
    return 0 if learned.is_proved else 1


def _learn(options: argparse.Namespace, chosen: Recipe, folder: Path) -> Learned:
    remark("loading JAX", options.quiet)
    from gatewright.life import learn

    with training(chosen.steps, options.quiet) as progress:
        return learn(chosen, folder, resume=options.resume, progress=progress)


def _watch(options: argparse.Namespace, chosen: Recipe, folder: Path) -> int:
    from gatewright.view.watch import watch, watch_learning

    width, height = _size(options.size)
    board = _board(options.pattern, width, height, chosen.seed)
    if options.learn:
        name = f"life, seed {chosen.seed}, learning"
        watch_learning(_snapshots(chosen), board, name=name, speed=options.speed)
        return 0
    path = Path(options.circuit or folder / "life.blif")
    if not options.circuit and not path.exists():
        from gatewright.life import write_report

        write_report(_learn(options, chosen, folder), folder, None)
    circuit = load_model(str(path)).circuit
    watch(
        stepper(circuit),
        board,
        name=f"{circuit.name}, {circuit.num_gates} gates",
        speed=options.speed,
        seed=chosen.seed,
    )
    return 0


def _snapshots(chosen: Recipe) -> Iterator[Snapshot]:
    """Train, giving the hard network's table every few steps."""
    from gatewright.train import train
    from gatewright.view.learning import Snapshot

    rule, _ = chosen.data()
    states = train(
        chosen.network(), rule.x, rule.y, chosen.optimizer(),
        steps=chosen.steps, seed=chosen.seed, chunk=5,
    )  # fmt: skip
    for state in states:
        table = state.network.hard_bits(rule.x)[:, 0]
        wrong = int((table != (rule.y > 0)).sum())
        yield Snapshot(state.step, wrong, state.metrics.loss, table)
        if chosen.is_done(state.metrics):
            return


def _size(text: str) -> tuple[int, int]:
    try:
        width, height = (int(part) for part in text.lower().split("x"))
    except ValueError:
        raise InputError(f"--size {text!r}: write it like 160x90") from None
    return width, height


def _board(pattern: str, width: int, height: int, seed: int) -> Board:
    if pattern == "random":
        return Board.random(width, height, 0.3, seed)
    return Board.centred(load_pattern(pattern), width, height)
