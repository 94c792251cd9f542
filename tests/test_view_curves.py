from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass

import numpy as np
import pytest

from gatewright.view.curves import Mark, _ticks, curves, front, tradeoff

SVG = "{http://www.w3.org/2000/svg}"


def row(step: int, loss: float, soft: float, hard: float) -> dict[str, float]:
    return {
        "step": step, "loss": loss, "soft_accuracy": soft, "hard_accuracy": hard, "decided": 0.5
    }  # fmt: skip


RUN = [row(100 * i, 2.0 * 0.5**i, 0.95 - 0.1 / i, 0.95 - 0.2 / i) for i in range(1, 9)]


def texts(picture: str) -> list[tuple[str, float, float]]:
    return [
        (node.text or "", float(node.attrib["x"]), float(node.attrib["y"]))
        for node in ElementTree.fromstring(picture).iter(f"{SVG}text")
    ]


def lines(picture: str) -> list[np.ndarray]:
    paths = [
        node.attrib["d"]
        for node in ElementTree.fromstring(picture).iter(f"{SVG}path")
        if node.get("class") == "line"
    ]
    return [np.array([p.split() for p in re.split("[ML]", d)[1:]], float) for d in paths]


def axis(picture: str, above: str, end: str) -> tuple[np.ndarray, np.ndarray]:
    """Numbers on the vertical axis between two words, and their heights."""
    said = texts(picture)
    words = [word for word, _, _ in said]
    part = [t for t in said[words.index(above) + 1 : words.index(end)] if t[1] < 60]
    return np.array([float(t[0]) for t in part]), np.array([t[2] - 4 for t in part])


def test_points_lie_where_the_axes_say() -> None:
    picture = curves(RUN, "a run")
    loss, soft, hard = lines(picture)
    said = {word: x for word, x, _ in texts(picture)}
    steps = np.array([entry["step"] for entry in RUN])
    across = np.interp(steps, [0, 800], [said["0"], said["800"]])
    for line in (loss, soft, hard):
        np.testing.assert_allclose(line[:, 0], across, atol=0.11)
    numbers, heights = axis(picture, "loss", "accuracy, %")
    values = np.log([entry["loss"] for entry in RUN])
    np.testing.assert_allclose(loss[:, 1], np.interp(values, np.log(numbers), heights), atol=0.11)
    numbers, heights = axis(picture, "accuracy, %", "0")
    scale = np.polyfit(numbers, heights, 1)
    for line, kind in ((soft, "soft"), (hard, "hard")):
        values = [100 * entry[f"{kind}_accuracy"] for entry in RUN]
        np.testing.assert_allclose(line[:, 1], np.polyval(scale, values), atol=0.11)
    assert numbers[0] > 60  # the worst report is out of sight


def test_lines_end_with_their_names_and_values() -> None:
    said = texts(curves(RUN, "a run"))
    words = [word for word, _, _ in said]
    assert words[:2] == ["a run", "800 steps · gap +1.25 points · decided 50.0%"]
    for label in ("0.00781", "soft 93.75 %", "hard 92.50 %"):
        assert label in words
    ends = [line[-1] for line in lines(curves(RUN, "a run"))]
    for label, (x, y) in zip(("0.00781", "soft 93.75 %", "hard 92.50 %"), ends, strict=True):
        _, at_x, at_y = next(t for t in said if t[0] == label)
        assert at_x > x
        assert abs(at_y - 4 - y) < 30


@pytest.mark.parametrize("accuracy", [0.0, 0.5, 1.0])
def test_labels_of_equal_lines_stand_apart_inside_the_page(accuracy: float) -> None:
    picture = curves([row(25, 0.1, accuracy, accuracy), row(50, 0.1, accuracy, accuracy)], "t")
    heights = [y for word, _, y in texts(picture) if word.startswith(("soft", "hard"))]
    assert abs(heights[0] - heights[1]) >= 13
    height = float(ElementTree.fromstring(picture).attrib["height"])
    assert all(0 < y < height for _, _, y in texts(picture))


@pytest.mark.parametrize(
    "metrics", [[], [row(25, 0.3, 1, 1)], [row(0, 0.0, 0, 0)], [row(1, 5e3, 0.1, 0.2)]]
)
def test_short_runs_are_drawn(metrics: list[dict[str, float]]) -> None:
    picture = curves(metrics, "<short>")
    root = ElementTree.fromstring(picture)
    assert root.findtext(f"{SVG}title") == "<short>"
    assert len(list(root.iter(f"{SVG}circle"))) == 3 * len(metrics)


@pytest.mark.parametrize("bounds", [(0, 21500), (86.3, 98.7), (99.2, 99.4), (0, 1), (5, 5)])
def test_ticks_are_few_round_and_around(bounds: tuple[float, float]) -> None:
    ticks = _ticks(*bounds)
    assert 2 <= len(ticks) <= 9
    assert ticks[0] <= bounds[0]
    assert ticks[-1] >= bounds[1]
    step = ticks[1] - ticks[0]
    np.testing.assert_allclose(np.diff(ticks), step, rtol=1e-6)
    assert float(f"{step:.6g}") / 10 ** np.floor(np.log10(step) + 1e-9) == pytest.approx(
        round(step / 10 ** np.floor(np.log10(step) + 1e-9))
    )


@dataclass(frozen=True)
class Circuit:
    gates: int
    accuracy_held_out: float


def test_accuracy_over_gates_lies_where_the_axes_say() -> None:
    points = [Circuit(40_000, 98.5), Circuit(10_000, 97.9), Circuit(22_000, 98.4)]
    picture = tradeoff(points, "smaller")
    (line,) = lines(picture)
    said = texts(picture)
    gates = {word: x for word, x, _ in said}
    across = np.array([gates["0"], gates["40,000"]])
    numbers, heights = axis(picture, "accuracy on rows held out, %", "98.50 %")
    for (x, y), point in zip(line, sorted(points, key=lambda p: p.gates), strict=True):
        assert x == pytest.approx(np.interp(point.gates, [0, 40_000], across), abs=0.6)
        expected = np.interp(point.accuracy_held_out, numbers, heights)
        assert y == pytest.approx(expected, abs=0.6)
    assert any("40,000 gates to 22,000" in word for word, _, _ in said)


def test_the_front_runs_along_the_best() -> None:
    """The stairs rise at the front's circuits; one that is there for its depth lies below."""
    best = [Mark(400, 30, 92.0), Mark(200, 20, 88.0), Mark(300, 9, 85.0)]
    others = [Mark(350, 30, 80.0), Mark(400, 31, 87.0), Mark(1000, 40, 91.0)]
    picture = front([*others, *best], best, "a sweep")
    said = {word: x for word, x, _ in texts(picture)}
    (stairs,) = lines(picture)
    gates = np.interp([200, 400, 400], [0, 1000], [said["0"], said["1,000"]])
    np.testing.assert_allclose(stairs[:, 0], gates, atol=0.11)
    assert stairs[0, 1] == stairs[1, 1] > stairs[2, 1]
    dots = [
        (float(node.attrib["cx"]), float(node.attrib["cy"]), node.attrib["r"])
        for node in ElementTree.fromstring(picture).iter(f"{SVG}circle")
    ]
    assert [r for _, _, r in dots].count("3.5") == 3
    assert {(x, y) for x, y, r in dots if r == "3.5"} >= {tuple(stairs[0]), tuple(stairs[2])}
    assert {"30", "20", "9"} <= said.keys()
    assert "6 circuits, 3 on the front" in picture
    assert front(best[:1], best[:1], "one").startswith("<svg")
