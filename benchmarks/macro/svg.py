"""
A picture of outcomes: bars of CPU per request at full load, curves of what grows. Pure: tests/benchmarks/test_svg.py.

Bars show medians, with a thin line from minimum to maximum; a bar too long for the scale is broken off and says its
figure.  Curves have the number of servers, locations or names on a logarithmic axis, and CPU per request from 0 on.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape

from benchmarks.macro.figures import CPU, DIRECT, RATE, Lane, Outcome, Spread
from benchmarks.macro.report import contestants

_WIDTH = 900
_MARGIN = 20
_LABELS = 310  # for the titles of cases
_BAR, _GAP, _LEGEND = 14, 12, 50
_PANEL, _PANEL_GAP, _COLUMNS = (250, 150), (35, 62), 3
_COLOURS = {"lbproxy": "#c8385a", "nginx": "#2e8b57", "haproxy": "#3b6fb6", "aiohttp": "#e0a030", "twisted": "#8d6a9f"}
_OTHER = "#888888"
_PYTHON = frozenset({"aiohttp", "twisted"})  # far longer bars, which would make all others short


def plot(outcomes: Sequence[Outcome], title: str) -> str:
    """Return the picture of *outcomes* as an SVG document."""
    flat = [outcome for outcome in outcomes if not outcome.axis and {RATE, CPU} <= set(outcome.figures)]
    grown = [outcome for outcome in outcomes if outcome.axis]
    parts = [_text(_MARGIN, 28, title, size=16), *_legend(_drawn([*flat, *grown]))]
    top = float(_LEGEND + _MARGIN)
    if flat:
        drawn, top = _bars(flat, top)
        parts += drawn
    if grown:
        drawn, top = _curves(grown, top + _MARGIN)
        parts += drawn
    body = "\n".join(parts)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {top:.0f}" width="{_WIDTH}" '
            f'height="{top:.0f}" font-family="sans-serif" font-size="12">\n'
            f'<rect width="100%" height="100%" fill="#ffffff"/>\n{body}\n</svg>\n')


def nice(most: float) -> float:
    """Return the least of 1, 2, 2.5, 5, 10, … that is not below *most*: the end of an axis."""
    if most <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(most))
    return next(power * step for step in (1, 2, 2.5, 5, 10) if power * step >= most)


def _legend(names: Sequence[str]) -> Iterator[str]:
    left = float(_MARGIN)
    for name in names:
        yield f'<rect x="{left:.0f}" y="{_LEGEND - 10}" width="12" height="12" fill="{_colour(name)}"/>'
        yield _text(left + 17, _LEGEND, name)
        left += 35 + 8 * len(name)


def _bars(outcomes: Sequence[Outcome], top: float) -> tuple[list[str], float]:
    """Draw a group of bars for every case and variant; return them and where they end."""
    groups = [(Lane(outcome.title, variant), _spreads(outcome, variant))
              for outcome in outcomes for variant in outcome.variants]
    fitting = [spread.high for _, spreads in groups for name, spread in spreads.items() if name not in _PYTHON]
    scale = nice(max(fitting, default=0.0))
    span = _WIDTH - _LABELS - 2 * _MARGIN - 60  # the last 60 are for the figures behind the bars
    parts = [_text(_MARGIN, top + 10, f"{CPU.label}: less is better", size=13)]
    top += 22
    for label, spreads in groups:
        if not spreads:
            continue
        parts.append(_text(_MARGIN, top + _BAR * len(spreads) / 2 + 3, str(label), size=11))
        for name, spread in spreads.items():
            parts += _bar(top, spread, _colour(name), span / scale, span)
            top += _BAR
        top += _GAP
    return parts, top


def _bar(top: float, spread: Spread, colour: str, unit: float, span: float) -> Iterator[str]:
    """Yield one bar; *unit* is the length of a µs, *span* that of the longest."""
    left, middle = _MARGIN + _LABELS, top + _BAR / 2
    length = min(spread.median * unit, span)
    yield f'<rect x="{left}" y="{top:.1f}" width="{length:.1f}" height="{_BAR - 2}" fill="{colour}"/>'
    if spread.median * unit > span:
        yield f'<path d="M{left + span - 12:.1f} {top + _BAR:.1f} l6 {-_BAR - 2}" stroke="#ffffff" stroke-width="4"/>'
        reach = span
    else:
        reach = min(spread.high * unit, span)
        yield (f'<line x1="{left + spread.low * unit:.1f}" x2="{left + reach:.1f}" y1="{middle - 1:.1f}" '
               f'y2="{middle - 1:.1f}" stroke="#222222"/>')
    yield _text(left + max(length, reach) + 5, middle + 3, CPU.show(spread.median), size=11)


def _curves(outcomes: Sequence[Outcome], top: float) -> tuple[list[str], float]:
    """Draw a small panel for every case that grows; return them and where they end."""
    parts = [_text(_MARGIN, top + 10, f"{CPU.label}, as something grows: flat is better", size=13)]
    top += 40
    width, height = _PANEL[0] + _PANEL_GAP[0], _PANEL[1] + _PANEL_GAP[1]
    for number, outcome in enumerate(outcomes):
        row, column = divmod(number, _COLUMNS)
        parts += _panel(outcome, _MARGIN + column * width, top + row * height)
    return parts, top + math.ceil(len(outcomes) / _COLUMNS) * height


def _panel(outcome: Outcome, left: float, top: float) -> Iterator[str]:
    width, height = _PANEL
    lanes = {name: [(float(variant), spread.median) for variant in outcome.variants
                    if (spread := outcome.spread(Lane(name, variant), CPU))] for name in outcome.contestants}
    points = [point for line in lanes.values() for point in line]
    if not points:
        return
    first, last = (math.log10(end(x for x, _ in points)) for end in (min, max))
    scale = nice(max(y for _, y in points))
    bottom = top + height

    def place(x: float, y: float) -> tuple[float, float]:
        along = (math.log10(x) - first) / ((last - first) or 1)
        return left + 28 + along * (width - 36), bottom - y / scale * height

    yield _text(left, top - 13, outcome.title)
    for share in (0.0, 0.5, 1.0):
        y = place(10**first, scale * share)[1]
        yield f'<line x1="{left + 28}" x2="{left + width}" y1="{y:.1f}" y2="{y:.1f}" stroke="#dddddd"/>'
        yield _text(left + 24, y + 4, f"{scale * share:g}", size=10, anchor="end")
    for variant in outcome.variants:
        yield _text(place(float(variant), 0)[0], bottom + 14, variant, size=10, anchor="middle")
    yield _text(left + width / 2, bottom + 28, outcome.axis, size=10, anchor="middle")
    for name, line in lanes.items():
        dots = [place(x, y) for x, y in line]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in dots)
        yield f'<polyline points="{path}" fill="none" stroke="{_colour(name)}" stroke-width="2"/>'
        yield from (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{_colour(name)}"/>' for x, y in dots)


def _drawn(outcomes: Sequence[Outcome]) -> list[str]:
    """Return the contestants that have bars or curves, in order."""
    return [name for name in contestants(outcomes) if name != DIRECT]


def _spreads(outcome: Outcome, variant: str) -> Mapping[str, Spread]:
    """Return the CPU per request of every contestant of which it is known."""
    spreads = {name: outcome.spread(Lane(name, variant), CPU) for name in outcome.contestants}
    return {name: spread for name, spread in spreads.items() if spread is not None}


def _colour(name: str) -> str:
    return _COLOURS.get(name, _OTHER)


def _text(x: float, y: float, words: str, size: int = 12, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}">{escape(words)}</text>'
