"""Counts of clients and requests."""

from __future__ import annotations

from lbproxy.http.totals import Totals


def test_waiting_is_who_neither_reads_nor_writes() -> None:
    assert Totals(active=5, reading=1, writing=2).waiting == 2
    assert Totals().waiting == 0
