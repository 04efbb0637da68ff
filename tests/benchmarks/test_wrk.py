"""benchmarks/macro/wrk.py: what wrk printed, as numbers."""

from __future__ import annotations

import pytest

from benchmarks.macro.processes import BenchmarkError
from benchmarks.macro.wrk import Load, parse

REPORT = """\
Running 2s test @ http://127.0.0.1:8080/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.05ms  100.00us   3.00ms   90.00%
  118000 requests in 2.10s, 25.00MB read
{complaints}Requests/sec:  56190.48
"""


def test_requests_and_seconds_are_read() -> None:
    """From the summary line, whatever its unit."""
    assert parse(REPORT.format(complaints="")) == Load(118_000, 2.1, 0)
    assert parse("118000 requests in 1.50m, 25.00MB read").seconds == 90
    assert parse(REPORT.format(complaints="")).rate == pytest.approx(56_190.48, abs=0.01)


def test_failures_are_added_up() -> None:
    """Errors of sockets, and answers that say so."""
    complaints = "  Socket errors: connect 1, read 2, write 3, timeout 4\n  Non-2xx or 3xx responses: 100\n"
    assert parse(REPORT.format(complaints=complaints)).failures == 110


def test_no_summary_is_an_error() -> None:
    """With what there was instead."""
    with pytest.raises(BenchmarkError, match="unable to connect"):
        parse("unable to connect to 127.0.0.1:1 Connection refused")
