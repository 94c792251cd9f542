"""Patterns for cellular automata and their files: Life's run length encoded format (RLE).

    #N Glider
    x = 3, y = 3, rule = B3/S23
    bob$2bo$3o!

A header gives the bounding box and the rule; `b` is a dead cell, `o` a live one, `$` the end of a
row, a number repeats what follows, `!` ends the pattern. Lines that begin with # are the name (#N),
the author (#O), comments (#C, #c) and the rule (#r); other # lines are skipped. A rule may carry a
torus, as in B3/S23:T100,100. The format is described at https://conwaylife.com/wiki/Run_Length_Encoded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gatewright.errors import InputError

Bits = npt.NDArray[np.bool_]

#: Names that `load_pattern` knows; each is a file patterns/<name>.rle of the package.
PATTERN_NAMES: tuple[str, ...] = (
    "glider", "lwss", "blinker", "toad", "beacon", "pulsar", "pentadecathlon",
    "r-pentomino", "acorn", "diehard", "gosper-gun",
)  # fmt: skip

#: Largest bounding box, in cells, that is read from a file.
MAX_CELLS = 1 << 26
#: Largest file, in bytes, that is read.
MAX_BYTES = 1 << 27
LINE_WIDTH = 70

_HEADER = re.compile(
    r"x\s*=\s*(\d+)\s*,\s*y\s*=\s*(\d+)\s*(?:,\s*rule\s*=\s*(\S+)\s*)?", re.ASCII | re.IGNORECASE
)
_RUN = re.compile(r"\s*(\d*)\s*(\S?)", re.ASCII)
_TORUS = re.compile(r"T([1-9]\d{0,9}),([1-9]\d{0,9})", re.ASCII | re.IGNORECASE)
_BIRTH_SURVIVAL = re.compile(r"B([0-8]*)/?S([0-8]*)", re.IGNORECASE)
_SURVIVAL_BIRTH = re.compile(r"([0-8]*)/([0-8]*)")


@dataclass(frozen=True, eq=False)
class Pattern:
    """A finite arrangement of cells, and what its file says about it.

    Attributes:
        cells: bool[height, width], read-only; either side may be 0.
        name, author, comments: single lines without blanks at the ends.
        rule: "B3/S23" and the like, or None where nothing is stated (Life by convention).
        torus: (width, height) of the torus that the pattern is meant for, or None.

    Raises:
        InputError: the cells are no boolean matrix, a text is not a single line, the rule or torus
            is bad, or there is a torus but no rule.
    """

    cells: Bits
    name: str = ""
    author: str = ""
    comments: tuple[str, ...] = ()
    rule: str | None = "B3/S23"
    torus: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        cells = np.array(self.cells)
        if cells.ndim != 2 or cells.dtype != np.bool_:
            raise InputError(
                f"a pattern's cells are bool[height, width], not {cells.dtype}{list(cells.shape)}"
            )
        cells.setflags(write=False)
        object.__setattr__(self, "cells", cells)
        for text in (self.name, self.author, *self.comments):
            if text != text.strip() or "\n" in text or "\r" in text:
                raise InputError(f"a pattern's name and comments are single lines, not {text!r}")
        if self.rule is not None:
            object.__setattr__(self, "rule", canonical_rule(self.rule))
        if self.torus is not None and min(self.torus) < 1:
            raise InputError(f"a torus has positive sides, not {self.torus}")
        if self.torus is not None and self.rule is None:
            raise InputError("a torus is stated with a rule; give the pattern a rule")

    @property
    def height(self) -> int:
        """Rows of the bounding box."""
        return self.cells.shape[0]

    @property
    def width(self) -> int:
        """Columns of the bounding box."""
        return self.cells.shape[1]

    def _content(self) -> tuple[object, ...]:
        cells = (self.cells.shape, self.cells.tobytes())
        return (cells, self.name, self.author, self.comments, self.rule, self.torus)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pattern) and self._content() == other._content()

    def __hash__(self) -> int:
        return hash(self._content())


def canonical_rule(text: str) -> str:
    """Spell an outer totalistic rule as "B3/S23"; "b3s23" and the old "23/3" (S/B) are read too.

    Raises InputError where the text is none, for example a rule of more than two states.
    """
    if match := _BIRTH_SURVIVAL.fullmatch(text):
        birth, survival = match.groups()
    elif match := _SURVIVAL_BIRTH.fullmatch(text):
        survival, birth = match.groups()
    else:
        raise InputError(
            f"rule {text!r} is not outer totalistic of two states; "
            "write B and S with digits 0 to 8, as in B3/S23"
        )
    return f"B{''.join(sorted(set(birth)))}/S{''.join(sorted(set(survival)))}"


def read_rle(text: str, source: str = "<rle>") -> Pattern:
    """Read a pattern from the text of an RLE file.

    Raises InputError "source:line: ..." where the text breaks the format, leaves its bounding box,
    uses more than two states, or its box holds over MAX_CELLS cells (nothing is allocated then).
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    names, authors, comments = list[str](), list[str](), list[str]()
    rule: str | None = None
    body: list[tuple[int, str]] = []
    for number, line in enumerate(lines, 1):
        about = line[2:].strip()
        match line[:2]:
            case "#N":
                names.append(about)
            case "#O":
                authors.append(about)
            case "#C" | "#c":
                comments.append(about)
            case "#r":
                rule = _read_rule(about, f"{source}:{number}")
            case _ if line.strip() and not line.startswith("#"):
                body.append((number, line))
                if "!" in line:
                    break
            case _:
                pass
    if not body:
        raise InputError(f"{source}:{len(lines)}: no header; expected a line x = <width>, y = ...")
    (number, header), *rows = body
    width, height, header_rule, torus = _read_header(header.strip(), f"{source}:{number}")
    cells = _read_cells(rows, width, height, source, len(lines))
    name, author = "".join(names[:1]), "".join(authors[:1])
    return Pattern(cells, name, author, tuple(comments), header_rule or rule, torus)


def _read_rule(text: str, place: str) -> str:
    try:
        return canonical_rule(text)
    except InputError as error:
        raise InputError(f"{place}: {error}") from None


def _read_header(header: str, place: str) -> tuple[int, int, str | None, tuple[int, int] | None]:
    """Width, height, rule and torus."""
    match = _HEADER.fullmatch(header)
    if match is None:
        raise InputError(
            f"{place}: not a header: {header[:40]!r}; "
            "expected x = <width>, y = <height>, rule = B3/S23"
        )
    digits_x, digits_y, rule = match.groups()
    too_long = max(len(digits_x), len(digits_y)) > 10
    if too_long or max(1, int(digits_x)) * max(1, int(digits_y)) > MAX_CELLS:
        raise InputError(
            f"{place}: a box of {digits_x[:12]} x {digits_y[:12]} cells is over the limit "
            f"of {MAX_CELLS} cells"
        )
    width, height = int(digits_x), int(digits_y)
    if rule is None:
        return width, height, None, None
    name, colon, boundary = rule.partition(":")
    torus = _TORUS.fullmatch(boundary)
    if colon and torus is None:
        raise InputError(f"{place}: boundary {boundary!r} is not a torus; write T<width>,<height>")
    sides = (int(torus[1]), int(torus[2])) if torus else None
    return width, height, _read_rule(name, place), sides


def _read_cells(
    rows: list[tuple[int, str]], width: int, height: int, source: str, last_line: int
) -> Bits:
    cells = np.zeros((height, width), dtype=np.bool_)
    x = y = 0
    for number, line in rows:
        for digits, tag in _runs(line):
            place = f"{source}:{number}"
            if tag not in tuple("bo$!"):
                raise InputError(f"{place}: {_describe_tag(digits, tag)}")
            if digits and not 0 < int(digits[:11]) <= 10**10:
                raise InputError(f"{place}: a run of {digits[:12]} is not between 1 and 10**10")
            if tag == "!":
                return cells
            count = int(digits or 1)
            if tag == "$":
                x, y = 0, y + count
                if y > height:
                    raise InputError(f"{place}: the pattern has over y = {height} rows")
                continue
            if y == height or x + count > width:
                raise InputError(
                    f"{place}: row {y + 1} reaches column {x + count}, "
                    f"outside the box x = {width}, y = {height}"
                )
            cells[y, x : x + count] = tag == "o"
            x += count
    raise InputError(f"{source}:{last_line}: the pattern ends without '!'")


def _runs(line: str) -> Iterator[tuple[str, str]]:
    """Digits and the character after them; the last pair may lack the character."""
    for match in _RUN.finditer(line.rstrip()):
        if match[0]:
            yield match[1], match[2]


def _describe_tag(digits: str, tag: str) -> str:
    if not tag:
        return f"the count {digits[:12]} is followed by nothing on its line"
    if tag == "." or "A" <= tag <= "X" or "p" <= tag <= "y":
        return f"{tag!r} is a cell of more than two states; only b (dead) and o (live) are read"
    return f"{tag!r} is not part of a pattern; expected b, o, $, ! or a count"


def write_rle(pattern: Pattern) -> str:
    """Write a pattern as an RLE file, ending in a newline; `read_rle` gives the pattern back.

    Lines of cells are at most 70 characters wide and no count is split from what it repeats.
    """
    lines = [f"#N {pattern.name}"] if pattern.name else []
    lines += [f"#O {pattern.author}"] if pattern.author else []
    lines += [f"#C {comment}".rstrip() for comment in pattern.comments]
    header = f"x = {pattern.width}, y = {pattern.height}"
    if pattern.rule is not None:
        header += f", rule = {pattern.rule}"
        if pattern.torus is not None:
            header += f":T{pattern.torus[0]},{pattern.torus[1]}"
    lines.append(header)
    line = ""
    for run in _encode(pattern.cells):
        if len(line) + len(run) > LINE_WIDTH:
            lines.append(line)
            line = ""
        line += run
    lines.append(line)
    return "\n".join(lines) + "\n"


def _encode(cells: Bits) -> Iterator[str]:
    """Yield the runs, without dead cells at the ends of rows or dead rows at the end."""
    num_ends = 0
    for row in cells:
        live = np.concatenate([[False], row, [False]])
        edges = np.flatnonzero(live[1:] != live[:-1]).tolist()
        if edges and num_ends:
            yield _run(num_ends, "$")
            num_ends = 0
        end = 0
        for start, stop in zip(edges[::2], edges[1::2], strict=True):
            if start > end:
                yield _run(start - end, "b")
            yield _run(stop - start, "o")
            end = stop
        num_ends += 1
    yield "!"


def _run(count: int, tag: str) -> str:
    return tag if count == 1 else f"{count}{tag}"


def load_pattern(name_or_path: str | Path) -> Pattern:
    """Load a pattern that comes with Gatewright by its name, or else any RLE file by its path.

    Raises InputError that lists the names where it is neither, and as `read_rle` does.
    """
    source = str(name_or_path)
    if source in PATTERN_NAMES:
        file = files("gatewright").joinpath("patterns", f"{source}.rle")
        return read_rle(file.read_text(encoding="utf-8"), f"{source}.rle")
    path = Path(name_or_path)
    if not path.exists():
        raise InputError(
            f"pattern {source!r} is neither a file nor one of: {', '.join(PATTERN_NAMES)}"
        )
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{source}: the file is over the limit of {MAX_BYTES} bytes")
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{source}: not a text file in UTF-8 (byte {error.start})") from None
    except OSError as error:
        raise InputError(f"{source}: cannot be read: {error.strerror}") from None
    return read_rle(text, source)
