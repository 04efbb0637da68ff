"""Outcomes to text: tables for the terminal and, as Markdown, for keeping. Pure: tests/benchmarks/test_report.py."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.macro.figures import CPU, DIRECT, P50, P99, Figure, Lane, Outcome, Spread

SUBJECT = "lbproxy"
Row = Sequence[str]

_EXPLAINED = """\
lbproxy's figure divided by the other's, formed within each round: median (minimum..maximum). CPU per request, from
the processes' own accounting, is the figure to trust, and ratios more than absolute figures."""


def text(outcome: Outcome) -> str:
    """Return *outcome* as it is told to the terminal: a line per lane, or per contestant, then the ratios."""
    table = _matrix(outcome) if outcome.axis else _table(outcome)
    ratios = (f"  {line}" for line in _ratio_lines(outcome))
    return "\n".join([outcome.title, *_aligned(list(table)), *ratios, *_remarks(outcome)])


def markdown(outcomes: Sequence[Outcome], heading: Sequence[str], plot: str) -> str:
    """
    Return a page: what was measured on what, ratios first, then every case.

    Args:
        heading: Lines about the machine, the versions, the command.
        plot: The name of the picture beside the page.
    """
    parts = ["# lbproxy beside others", "\n".join(f"* {line}" for line in heading), f"![CPU per request]({plot})"]
    ratios = list(_ratio_table(outcomes))
    if len(ratios) > 1:
        parts += ["## Ratios", _EXPLAINED, _piped(ratios)]
    for outcome in outcomes:
        table = _matrix(outcome) if outcome.axis else _table(outcome)
        parts += [f"## {outcome.name}: {outcome.title}", _piped(list(table)), *_remarks(outcome)]
    return "\n\n".join(parts) + "\n"


def contestants(outcomes: Sequence[Outcome]) -> list[str]:
    """Return all who took part, in order."""
    return list(dict.fromkeys(name for outcome in outcomes for name in outcome.contestants))


def _table(outcome: Outcome) -> Iterator[Row]:
    """Yield a row per lane, a column per figure."""
    yield ["", *(figure.label for figure in outcome.figures), "failed"]
    for lane in outcome.turns:
        cells = [_cell(outcome.spread(lane, figure), figure) for figure in outcome.figures]
        yield [str(lane), *cells, str(outcome.failures(lane))]


def _matrix(outcome: Outcome) -> Iterator[Row]:
    """Yield a row per contestant, a column per variant: what becomes of the CPU per request as something grows."""
    yield [f"{CPU.label}, by {outcome.axis}", *outcome.variants, "failed"]
    for name in outcome.contestants:
        lanes = [Lane(name, variant) for variant in outcome.variants]
        failed = sum(outcome.failures(lane) for lane in lanes)
        yield [name, *(_cell(outcome.spread(lane, CPU), CPU) for lane in lanes), str(failed)]


def _ratio_table(outcomes: Sequence[Outcome]) -> Iterator[Row]:
    """Yield a row per case and figure, a column per other contestant."""
    others = [name for name in contestants(outcomes) if name not in (SUBJECT, DIRECT)]
    yield ["case", "figure", *(f"/ {name}" for name in others)]
    for outcome in outcomes:
        for variant in () if outcome.axis else outcome.variants:
            for figure in outcome.figures:
                ratios = [_ratio(outcome, figure, variant, name) for name in others]
                if any(ratios):
                    yield [str(Lane(outcome.name, variant)), figure.title, *ratios]


def _ratio_lines(outcome: Outcome) -> Iterator[str]:
    """Yield a line per other contestant and variant."""
    for variant in () if outcome.axis else outcome.variants:
        for name in outcome.contestants:
            ratios = ((figure, _ratio(outcome, figure, variant, name)) for figure in outcome.figures)
            shown = ", ".join(f"{figure.title} {ratio}" for figure, ratio in ratios if ratio)
            if shown and name not in (SUBJECT, DIRECT):
                yield f"{Lane(SUBJECT, variant)} / {name}: {shown}"


def _ratio(outcome: Outcome, figure: Figure, variant: str, other: str) -> str:
    """Return the ratio as text; "" where there is none."""
    ratio = outcome.ratio(figure, Lane(SUBJECT, variant), Lane(other, variant)) if figure.compared else None
    return f"{ratio.median:.2f} ({ratio.low:.2f}..{ratio.high:.2f})" if ratio else ""


def _cell(spread: Spread | None, figure: Figure) -> str:
    if spread is None:
        return ""
    show = figure.show
    if spread.low == spread.high:
        return show(spread.median)
    return f"{show(spread.median)} ({show(spread.low)}..{show(spread.high)})"


def _remarks(outcome: Outcome) -> list[str]:
    """Return what a reader must know before believing the figures."""
    noisy = ", ".join(map(str, outcome.noisy()))
    varied = f"NOISY: the CPU per request of {noisy} varied by more than 30 %; measure again on a quiet machine."
    return [*_added(outcome), *outcome.notes, *([varied] if noisy else [])]


def _added(outcome: Outcome) -> list[str]:
    """Return a line about the latency that proxies add to the direct path, where it is known."""
    shown = []
    for name in outcome.contestants:
        added = ((f, outcome.difference(f, Lane(name), Lane(DIRECT))) for f in (P50, P99) if name != DIRECT)
        cells = (f"{figure.title} {_cell(spread, figure)}" for figure, spread in added if spread)
        if words := ", ".join(cells):
            shown.append(f"{name} {words}")
    return [f"Added to the direct path, ms: {'; '.join(shown)}."] if shown else []


def _aligned(rows: Sequence[Row]) -> list[str]:
    """Return *rows* as lines: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  " + row[0].ljust(widths[0]) + "".join(f"  {cell:>{width}}" for cell, width in
                                                     zip(row[1:], widths[1:], strict=True)) for row in rows]


def _piped(rows: Sequence[Row]) -> str:
    """Return *rows* as a Markdown table."""
    rule = ["---"] * len(rows[0])
    return "\n".join(f"| {' | '.join(row)} |" for row in (rows[0], rule, *rows[1:]))
