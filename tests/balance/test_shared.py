"""What workers tell of the servers of an upstream without ``zone``, and what those that start make of it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lbproxy.balance.peer import Outcome
from lbproxy.balance.shared import (
    CONNS,
    FAILURES,
    REQUESTS,
    average_of,
    clearings_of,
    counted,
    fails_of,
    peers_key,
    standing,
    timed,
)
from tests.support.board import Workers
from tests.support.upstreams import order, serve, server, servers, upstream


def test_key_says_who_is_who() -> None:
    """By the order of the peers, backups last; weights and methods may change."""
    lines = [server("10.0.0.1:80", backup=True), server("10.0.0.2:80", "10.0.0.3:80")]
    key = ("nodes", False, ("10.0.0.2:80", "10.0.0.3:80", "10.0.0.1:80"))
    assert peers_key(upstream(lines)) == peers_key(upstream(lines, "least_conn")) == key
    assert peers_key(upstream(lines, zone=True)) == ("nodes", True, key[2])


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), min_size=1))
def test_failures_count_since_the_last_clearing(rows: list[tuple[int, int]]) -> None:
    """Whoever cleared them."""
    last = max(clearings for clearings, _ in rows)
    number = counted([standing(*row) for row in rows])
    assert clearings_of(number) == last
    assert fails_of(number) == sum(fails for clearings, fails in rows if clearings == last)


@given(st.integers(0, 1 << 20), st.floats(0, 1e9), st.floats(0, 1e9), st.integers(0, 1 << 20))
def test_later_average_is_the_greater_number(first: int, now: float, then: float, second: int) -> None:
    """Even if a clock should go back, or a time be beyond what there is room for."""
    number = timed(first, now, 0)
    later = timed(second, then, number)
    assert later > number
    assert average_of(later) == min(second, (1 << 20) - 1)


def test_each_worker_decides_alone() -> None:
    workers = Workers(upstream(servers(1, 1)), 2)
    serve(workers[0], outcome=Outcome.FAILED)
    assert [order(group, 4) for group in workers.groups.values()] == ["2222", "1212"]


def test_a_worker_that_starts_knows_the_failures_of_whoever_knows_most() -> None:
    """They are not added up, since no worker did so."""
    workers = Workers(upstream([server("10.0.0.1:80", max_fails=3), server("10.0.0.2:80", max_fails=3)]), 2)
    for group in (workers[0], workers[0], workers[1]):
        peer = group.acquire(group.select(), 1000.0)
        while peer.index:
            group.release(peer, Outcome.OK, 1000.0)
            peer = group.acquire(group.select(), 1000.0)
        group.release(peer, Outcome.FAILED, 1001.0)
    workers.start()
    assert [(peer.fails, peer.accessed, peer.checked) for peer in workers[2].peers] == [(2, 1001, 1001), (0, 0, 0)]


def test_what_was_cleared_later_is_forgotten() -> None:
    """Also if the worker that counted it is dead."""
    workers = Workers(upstream([server("10.0.0.1:80", fail_timeout=2), server("10.0.0.2:80")]), 1)
    first, second = (workers.start() for _ in range(2))
    serve(workers.groups[first], now=1000.0, outcome=Outcome.FAILED)
    workers.kill(first)
    third = workers.start()
    assert workers.groups[third].peers[0].fails == 1
    assert order(workers.groups[third], 2, now=1004.0) == "12"
    workers.kill(second)
    assert workers.groups[workers.start()].peers[0].fails == 0


def test_a_failure_after_a_clearing_counts() -> None:
    workers = Workers(upstream([server("10.0.0.1:80", fail_timeout=2), server("10.0.0.2:80")]), 2)
    serve(workers[0], now=1000.0, outcome=Outcome.FAILED)
    serve(workers[0], now=1004.0)
    serve(workers[1], now=1004.0, outcome=Outcome.FAILED)
    assert workers.groups[workers.start()].peers[0].fails == 1


def test_averages_of_the_last_second_are_told() -> None:
    workers = Workers(upstream(servers(1, 1), "least_time header"), 2)
    for group, took in ((workers[0], 0.5), (workers[1], 0.2)):
        peer = group.acquire(group.select(), 1000.0)
        group.release(peer, Outcome.OK, 1000.0 + took, took, took)
        group.tell(1001.0)
        group.tell(1002.0)  # nothing new
    new = workers.groups[workers.start()].peers[0]
    assert (new.average_header_time, new.average_response_time, new.measured) == (200, 200, 1000)


def test_totals_are_told() -> None:
    """What is in hand, and what was."""
    workers = Workers(upstream(servers(1, 1)), 2)
    for group in workers.groups.values():
        group.acquire(group.select(), 1000.0)
        serve(group, outcome=Outcome.FAILED)
        group.tell(1001.0)
    for field, expected in ((CONNS, [2, 0]), (REQUESTS, [2, 2]), (FAILURES, [0, 2])):
        assert [workers.table.combined((1, 2), field, index) for index in range(2)] == expected
