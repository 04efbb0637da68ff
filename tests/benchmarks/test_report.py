"""benchmarks/macro/report.py: outcomes as text."""

from __future__ import annotations

from benchmarks.macro import report
from benchmarks.macro.figures import CPU, P50, P99, RATE, USER, Lane, Outcome, Turn

HTTP = Outcome(
    "http",
    "small GET",
    (RATE, CPU, USER),
    {
        Lane("direct"): [Turn({RATE: 1e5}), Turn({RATE: 12e4})],
        Lane("nginx"): [Turn({RATE: 8e4, CPU: 10.0, USER: 2.0}), Turn({RATE: 4e4, CPU: 11.0, USER: 2.0})],
        Lane("lbproxy"): [Turn({RATE: 4e4, CPU: 20.0, USER: 9.0}, 1), Turn({RATE: 2e4, CPU: 33.0, USER: 9.0})],
    },
)
SERVERS = Outcome(
    "servers",
    "round robin",
    (RATE, CPU),
    {Lane(name, variant): [Turn({RATE: 1.0, CPU: cpu})]
     for name, variant, cpu in (("nginx", "2", 10.0), ("nginx", "100", 12.0), ("lbproxy", "2", 30.0))},
    "servers",
)  # fmt: skip
LATENCY = Outcome(
    "latency",
    "latency",
    (P50, P99),
    {Lane(name): [Turn({P50: p50, P99: p99})] for name, p50, p99 in (("direct", 0.1, 0.2), ("lbproxy", 0.15, 0.5))},
    notes=("THE MACHINE WAS BUSY",),
)


def test_text_has_a_line_per_lane_and_ratios() -> None:
    """Columns stand below each other, failures are counted, nothing is compared with the direct path."""
    title, *lines = report.text(HTTP).splitlines()
    assert title == "small GET"
    assert [line.split()[:1] for line in lines[1:4]] == [["direct"], ["nginx"], ["lbproxy"]]
    assert len({len(line) for line in lines[:4]}) == 1
    assert lines[3].split()[1:] == ["30,000", "(20,000..40,000)", "26.5", "(20.0..33.0)", "9.0", "1"]
    assert lines[4] == "  lbproxy / nginx: requests/s 0.50 (0.50..0.50), CPU per request 2.50 (2.00..3.00)"
    assert lines[5].startswith("NOISY: the CPU per request of lbproxy")
    assert len(lines) == 6


def test_what_grows_is_a_matrix() -> None:
    """A column per step; who did not take a step has an empty cell."""
    title, head, *rows = report.text(SERVERS).splitlines()
    assert title == "round robin"
    assert head.split()[-4:] == ["servers", "2", "100", "failed"]
    assert [row.split() for row in rows] == [["nginx", "10.0", "12.0", "0"], ["lbproxy", "30.0", "0"]]


def test_latency_added_to_the_direct_path_is_told() -> None:
    """The difference, and what else a reader must know."""
    *_, added, note = report.text(LATENCY).splitlines()
    assert added == "Added to the direct path, ms: lbproxy p50 0.050, p99 0.300."
    assert note == "THE MACHINE WAS BUSY"


def test_page_has_machine_ratios_and_every_case() -> None:
    """As Markdown, with the plot; what grows has no ratios."""
    page = report.markdown([HTTP, SERVERS, LATENCY], ["a machine", "versions"], "short.svg")
    assert "* a machine\n* versions" in page
    assert "![CPU per request](short.svg)" in page
    assert "| case | figure | / nginx |\n| --- | --- | --- |\n| http | requests/s | 0.50 (0.50..0.50) |" in page
    assert "| http | CPU per request | 2.50 (2.00..3.00) |" in page
    assert "## servers: round robin\n\n| CPU per request, µs, by servers | 2 | 100 | failed |" in page
    assert "| lbproxy | 30.0 |  | 0 |" in page
    assert "Added to the direct path" in page


def test_page_without_others_has_no_ratios() -> None:
    """There is nothing to compare with."""
    assert "## Ratios" not in report.markdown([LATENCY], [], "short.svg")
