"""RLE files: the round trip, what other programs write, and every refusal with its line."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.errors import InputError
from gatewright.rle import PATTERN_NAMES, Pattern, load_pattern, read_rle, write_rle

HEADER = "x = 4, y = 3, rule = B3/S23\n"


def cells_of(*rows: str) -> np.ndarray:
    return np.array([[c == "o" for c in row] for row in rows], dtype=np.bool_)


lines = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20).map(str.strip)
matrices = st.builds(
    lambda height, width, density, seed: (
        np.random.default_rng(seed).random((height, width)) < density
    ),
    st.integers(0, 40),
    st.integers(0, 200),
    st.sampled_from([0.0, 0.02, 0.5, 1.0]),
    st.integers(0, 9999),
)
patterns = st.builds(
    Pattern,
    cells=matrices,
    name=lines,
    author=lines,
    comments=st.lists(lines, max_size=3).map(tuple),
    rule=st.sampled_from(["B3/S23", "B36/S23", "B/S", "B012345678/S012345678"]),
    torus=st.none() | st.tuples(st.integers(1, 10**9), st.integers(1, 10**9)),
)


@settings(deadline=None, max_examples=150)
@given(patterns)
def test_what_is_written_reads_back(pattern: Pattern) -> None:
    text = write_rle(pattern)
    assert read_rle(text) == pattern
    assert read_rle(text.replace("\n", "\r\n")) == pattern
    body = [line for line in text.splitlines() if set(line) <= set("0123456789bo$!")]
    assert body
    assert max(len(line) for line in body) <= 70


def test_writing_is_canonical() -> None:
    cells = cells_of("oo.o....", "........", "........", ".ooo....", "........")
    text = write_rle(Pattern(cells, name="Odd", comments=("one", ""), torus=(100, 50)))
    assert text == "#N Odd\n#C one\n#C\nx = 8, y = 5, rule = B3/S23:T100,50\n2obo3$b3o!\n"


def test_no_rule_is_kept_apart_from_life() -> None:
    pattern = Pattern(cells_of("o"), rule=None)
    assert write_rle(pattern) == "x = 1, y = 1\no!\n"
    assert read_rle(write_rle(pattern)) == pattern


def test_reads_what_others_write() -> None:
    text = (
        "#C first\n#c second\n#O Someone\n#N Name \n#R 5 5\n#r 23/36\n\n"
        "X=4 ,y= 3\n  2o 2b\n$ $\n3 o$!\nanything after\n"
    )
    pattern = read_rle(text)
    assert pattern == Pattern(
        cells_of("oo..", "....", "ooo."), "Name", "Someone", ("first", "second"), "B36/S23"
    )
    assert read_rle("x = 1, y = 1, rule = 23/3\n!").rule == "B3/S23"
    assert read_rle("x = 1, y = 1, rule = b3s23:t20,30\r\no!").torus == (20, 30)
    assert not read_rle("x = 0, y = 0\n!").cells.size


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "life.rle:1: no header"),
        ("#N only\n\n", "life.rle:3: no header"),
        ("3o!\n", "life.rle:1: not a header: '3o!'"),
        ("#C c\nx = 3\no!\n", "life.rle:2: not a header"),
        (HEADER + "ob\n", "life.rle:3: the pattern ends without '!'"),
        (HEADER + "o$\n5o!", "life.rle:3: row 2 reaches column 5, outside the box x = 4, y = 3"),
        (HEADER + "99999999999999999999o!", "life.rle:2: a run of 999999999999 is not between"),
        (HEADER + "9999999999o!", "life.rle:2: row 1 reaches column 9999999999"),
        (HEADER + "0o!", "life.rle:2: a run of 0 is not between"),
        (HEADER + "4$o!", "life.rle:2: the pattern has over y = 3 rows"),
        (HEADER + "o$$$o!", "life.rle:2: row 4 reaches column 1, outside"),
        (HEADER + "bo3\no!", "life.rle:2: the count 3 is followed by nothing"),
        (HEADER + "b2Ao!", "life.rle:2: 'A' is a cell of more than two states"),
        (HEADER + "b.!", "life.rle:2: '.' is a cell of more than two states"),
        (HEADER + "bpA!", "life.rle:2: 'p' is a cell of more than two states"),
        (HEADER + "b?!", "life.rle:2: '?' is not part of a pattern"),
        (HEADER + "٣o!", "life.rle:2: '٣' is not part of a pattern"),
        ("x = 4, y = 3, rule = Wireworld\n!", "life.rle:1: rule 'Wireworld' is not outer"),
        ("#C\n#r Wireworld\nx = 4, y = 3\n!", "life.rle:2: rule 'Wireworld' is not outer"),
        ("x = 4, y = 3, rule = B3/S23:P9,9\n!", "life.rle:1: boundary 'P9,9' is not a torus"),
        ("x = 4, y = 3, rule = B3/S23:T0,9\n!", "life.rle:1: boundary 'T0,9' is not a torus"),
        ("x = 4, y = 3, rule = B3/S23:\n!", "life.rle:1: boundary '' is not a torus"),
        ("x = 1000000000, y = 1000000000\n!", "life.rle:1: a box of 1000000000 x 1000000000"),
        ("x = 9999999999, y = 0\n!", "life.rle:1: a box of 9999999999 x 0 cells is over"),
        (f"x = {'9' * 5000}, y = 1\n!", "life.rle:1: a box of 999999999999 x 1 cells is over"),
    ],
)
def test_refusals_name_the_line(text: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read_rle(text, "life.rle")
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"cells": np.zeros((2, 2), dtype=np.int8)}, r"not int8\[2, 2\]"),
        ({"cells": np.zeros(2, dtype=np.bool_)}, r"not bool\[2\]"),
        ({"name": "two\nlines"}, "single lines"),
        ({"comments": (" blank",)}, "single lines"),
        ({"rule": "B3"}, "outer totalistic"),
        ({"torus": (0, 3)}, "positive sides"),
        ({"torus": (3, 3), "rule": None}, "a torus is stated with a rule"),
    ],
)
def test_bad_patterns_are_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Pattern(**{"cells": cells_of("o"), **fields})  # type: ignore[arg-type]


def test_pattern_cells_are_read_only_and_its_own() -> None:
    cells = cells_of("oo")
    pattern = Pattern(cells)
    cells[0, 0] = False
    assert pattern.cells.all()
    with pytest.raises(ValueError, match="read-only"):
        pattern.cells[0, 0] = False
    assert pattern != Pattern(cells)
    assert hash(pattern) == hash(Pattern(cells_of("oo")))


def test_the_package_has_exactly_the_named_patterns_in_canonical_form() -> None:
    folder = files("gatewright") / "patterns"
    assert {file.name for file in folder.iterdir()} == {f"{name}.rle" for name in PATTERN_NAMES}
    for name in PATTERN_NAMES:
        pattern = load_pattern(name)
        assert write_rle(pattern) == (folder / f"{name}.rle").read_text(encoding="utf-8")
        assert pattern.name
        for side in (pattern.cells, pattern.cells.T):  # the box is tight
            assert side[0].any()
            assert side[-1].any()


def test_load_pattern_reads_a_file_and_says_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "mine.rle"
    path.write_text("\ufeff" + write_rle(load_pattern("toad")), encoding="utf-8")
    assert load_pattern(path) == load_pattern(str(path)) == load_pattern("toad")
    path.write_bytes(b"x = 1, y = 1\n\xff!")
    with pytest.raises(InputError, match=r"mine\.rle: not a text file in UTF-8 \(byte 13\)"):
        load_pattern(path)
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        load_pattern(tmp_path)
    with pytest.raises(InputError, match="'glidr' is neither a file nor one of: glider, lwss"):
        load_pattern("glidr")
    with path.open("wb") as file:
        file.truncate((1 << 27) + 1)
    with pytest.raises(InputError, match=r"mine\.rle: the file is over the limit"):
        load_pattern(path)
