"""benchmarks/macro/svg.py: the picture."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from benchmarks.macro import svg
from benchmarks.macro.figures import CPU, P50, RATE, Lane, Outcome, Turn

SPACE = "{http://www.w3.org/2000/svg}"


def flat(**cpus: float) -> Outcome:
    """A case with a lane per contestant."""
    return Outcome("http", "small <GET>", (RATE, CPU), {Lane(name): [Turn({CPU: cpu})] for name, cpu in cpus.items()})


def grown(*cpus: float) -> Outcome:
    """A case with a lane per size."""
    lanes = zip(("1", "100", "1000"), cpus, strict=True)
    return Outcome("locations", "prefix locations", (CPU,),
                   {Lane("lbproxy", size): [Turn({CPU: cpu})] for size, cpu in lanes}, "locations")  # fmt: skip


def draw(*outcomes: Outcome) -> ET.Element:
    """Draw it and read it back."""
    return ET.fromstring(svg.plot(outcomes, "5 < 6 & more"))


def bars(picture: ET.Element) -> list[float]:
    """Return the lengths of the bars; before them come the ground and the legend."""
    widths = [rect.get("width", "") for rect in picture.iter(f"{SPACE}rect")]
    return [float(width) for width in widths if width not in ("100%", "12")]


def test_bars_are_as_long_as_their_figures() -> None:
    """From 0 on, on one scale."""
    nginx, lbproxy = bars(draw(flat(nginx=10.0, lbproxy=30.0)))
    assert lbproxy == pytest.approx(3 * nginx, rel=0.01)


def test_python_proxies_do_not_shorten_the_others() -> None:
    """Their bars are broken off, and say their figure."""
    alone = bars(draw(flat(nginx=10.0, lbproxy=40.0)))
    picture = draw(flat(nginx=10.0, lbproxy=40.0, aiohttp=200.0))
    assert bars(picture)[:2] == alone
    assert len(list(picture.iter(f"{SPACE}path"))) == 1
    assert "200.0" in [text.text for text in picture.iter(f"{SPACE}text")]


def test_curves_rise_with_their_figures() -> None:
    """Higher up is a smaller y; equal figures are a flat line."""
    for outcome, flat_line in ((grown(10, 10, 10), True), (grown(10, 20, 40), False)):
        (line,) = draw(outcome).iter(f"{SPACE}polyline")
        points = [tuple(map(float, point.split(","))) for point in line.get("points", "").split()]
        assert [x for x, _ in points] == sorted({x for x, _ in points})
        heights = [y for _, y in points]
        assert heights == sorted(heights, reverse=True)
        assert (len(set(heights)) == 1) is flat_line


def test_everything_lies_within_the_picture() -> None:
    """Neither to the right of it nor below it."""
    picture = draw(*[flat(nginx=1.0, haproxy=2.0, lbproxy=9.9)] * 5, *[grown(1, 2, 3)] * 7)
    width, height = float(picture.get("width", "")), float(picture.get("height", ""))
    for element in picture.iter():
        assert float(element.get("x", 0)) < width
        assert float(element.get("y", 0)) < height


def test_nothing_measured_is_no_picture_of_it() -> None:
    """A case at a fixed rate is left out: a processor that sleeps in between wakes up slowly."""
    latency = Outcome("latency", "latency", (P50, CPU), {Lane("nginx"): [Turn({P50: 0.1, CPU: 90.0})]})
    assert bars(draw(latency)) == []


@pytest.mark.parametrize(("most", "end"), [(0, 1), (0.7, 1), (1, 1), (1.1, 2), (21, 25), (38, 50), (51, 100)])
def test_axes_end_at_round_numbers(most: float, end: float) -> None:
    """That are not below what they show."""
    assert svg.nice(most) == end
