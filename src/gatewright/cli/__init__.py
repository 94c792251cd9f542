"""The command `gatewright`: a thin shell, one module a subcommand.

Data goes to stdout; progress and diagnostics to stderr. Exit codes: 0 done; 1 the answer is no;
2 usage or bad input, one line; 3 a tool is missing; 4 undecided; 130 interrupted, all saved.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import NoReturn

from gatewright import __version__
from gatewright.errors import GatewrightError

#: Subcommand -> one line about it. Each is a module here with `configure(parser, arguments)` and
#: `run(options) -> exit code`.
COMMANDS: dict[str, str] = {
    "life": "learn Conway's Game of Life, prove it, compile it, run it",
    "train": "train a recipe into a run folder",
    "sweep": "search a recipe's fields: accuracy against gates and depth",
    "optimize": "make a circuit smaller, proving every pass",
    "fold": "halve a classifier's votes and train again: accuracy against gates",
    "prove": "prove that two circuits are equal, or show an input where they differ",
    "emit": "write a circuit as C, BLIF, DOT, ...",
    "predict": "what a model says of samples, one prediction a line",
    "explain": "what a model decides, as rules over its columns, proved equal to the circuit",
    "show": "describe a circuit, or draw it",
    "bench": "how fast a circuit runs here, against the machine's limits",
    "doctor": "say what this installation can do, or what is wrong with a run",
}


class Parser(argparse.ArgumentParser):
    """Reports usage errors in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def build_parser(arguments: Sequence[str]) -> Parser:
    """The parser for these arguments: only the command that they name is loaded and configured."""
    parser = Parser(prog="gatewright", description="Learn logic circuits, prove them, run them.")
    parser.add_argument("--version", action="version", version=f"gatewright {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    chosen = next((argument for argument in arguments if not argument.startswith("-")), None)
    for name, summary in COMMANDS.items():
        if name != chosen:
            commands.add_parser(name, help=summary, add_help=False)
            continue
        module = import_module(f"gatewright.cli.{name}")
        sub = commands.add_parser(
            name,
            help=summary,
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        sub.add_argument("--json", action="store_true", help="print one JSON object")
        sub.add_argument("--quiet", action="store_true", help="no progress, no remarks")
        module.configure(sub, arguments)
        sub.set_defaults(run=module.run)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    options, unknown = build_parser(given).parse_known_args(given)
    if unknown:
        Parser(prog=f"gatewright {options.command}").error(
            f"unrecognized arguments: {' '.join(unknown)}"
        )
    try:
        with warnings.catch_warnings():
            if options.quiet:
                warnings.simplefilter("ignore")
            warnings.showwarning = _show_warning(options.command)
            code: int = options.run(options)
        sys.stdout.flush()
        return code
    except GatewrightError as error:
        print(f"gatewright {options.command}: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt as interrupt:
        print(f"gatewright {options.command}: {str(interrupt) or 'interrupted'}", file=sys.stderr)
        return 130
    except OSError as error:
        # What is still in the buffer has nowhere to go, and Python would try again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):  # whoever read our output has had enough
            return 0
        place = error.filename or "standard output"
        print(f"gatewright {options.command}: {place}: {error.strerror}", file=sys.stderr)
        return 2


def _show_warning(command: str) -> Callable[..., None]:
    """Shows a warning's text alone, in one line."""

    def show(message: Warning | str, *_place: object) -> None:
        print(f"gatewright {command}: {message}", file=sys.stderr)

    return show
