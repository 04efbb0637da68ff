"""`fair`: the soonest answer, changes of speed, nobody starved; and nginx-upstream-fair's own modes."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lbproxy.balance.peer import Outcome
from lbproxy.errors import NoLivePeers
from tests.support.upstreams import group, order, serve, server, servers, simulate


def share(arrivals: list[tuple[float, int]], index: int, since: float, until: float) -> float:
    """The part of the requests from *since* to *until* that one server got."""
    picks = [picked for time, picked in arrivals if since <= time < until]
    return picks.count(index) / len(picks)


@pytest.mark.parametrize("every", [0.005, 0.1, 1.0])
def test_server_that_answers_soonest_gets_most(every: float) -> None:
    peers = group(servers(1, 1, 1), "fair")
    arrivals = simulate(peers, lambda index, _: (0.3, 0.01, 0.6)[index], every=every, until=120)
    assert share(arrivals, 1, 1000.0, 1120.0) > 0.85


@pytest.mark.parametrize("every", [0.01, 0.1, 0.5])
def test_change_of_speed_is_followed(every: float) -> None:
    """The fast server slows down after two minutes; soon the other one gets most, and when it recovers, it does."""

    def delay(index: int, now: float) -> float:
        slow = index == 1 if now < 1120 or now > 1300 else index == 0
        return 0.5 if slow else 0.02

    arrivals = simulate(group(servers(1, 1), "fair"), delay, every=every, until=420)
    assert share(arrivals, 0, 1060.0, 1120.0) > 0.9
    assert share(arrivals, 1, 1200.0, 1300.0) > 0.9
    assert share(arrivals, 0, 1380.0, 1420.0) > 0.9


@given(
    st.lists(st.tuples(st.sampled_from([0.001, 0.03, 0.4, 2.0, 9.0]), st.integers(1, 9)), min_size=2, max_size=6),
    st.sampled_from([0.3, 1.0, 2.0]),
)
@example([(0.001, 9), (9.0, 1)], 1.0)
@settings(max_examples=25, deadline=None)
def test_no_server_starves(nodes: list[tuple[float, int]], every: float) -> None:
    """
    Each is asked again and again, however slow and light it is.

    An average of at most five seconds is forgotten after thirteen windows of fail_timeout and a second; then the
    server is next, behind others that are forgotten as well.
    """
    lines = [server(f"10.0.0.{number}:80", weight=weight, fail_timeout=2) for number, (_, weight) in enumerate(nodes)]
    arrivals = simulate(group(lines, "fair"), lambda index, _: nodes[index][0], every=every, until=300)
    bound = 13 * 3 + sum(weight for _, weight in nodes) * every + 3
    for index in range(len(nodes)):
        times = [1000.0, *(time for time, picked in arrivals if picked == index), 1300.0]
        assert max(later - earlier for earlier, later in pairwise(times)) <= bound


def test_server_that_became_fast_is_believed_at_its_first_chance() -> None:
    peers = group(servers(1, 1), "fair")
    slow, fast = peers.peers
    for peer, average in ((slow, 800), (fast, 150)):
        peer.average_header_time, peer.checked, peer.measured = average, 1000, 1000
    assert peers.acquire(peers.select(), 1033.0) is fast
    peers.release(fast, Outcome.OK, 1033.0, 0.15, 0.15)
    assert peers.acquire(peers.select(), 1034.0) is slow
    peers.release(slow, Outcome.OK, 1034.0, 0.01, 0.01)
    assert slow.average_header_time < 150


def test_new_servers_are_asked_first() -> None:
    peers = group(servers(9, 1), "fair")
    known, new = peers.peers
    known.average_header_time, known.checked = 5, 1000
    assert serve(peers) is new


LINES = servers(1, 2, 3)


@pytest.mark.parametrize(
    ("parameters", "busy", "idle"),
    [
        ("weight_mode=idle", "32132312132132", "132"),
        ("weight_mode=peak", "321323--------", "213"),
        ("no_rr", "32132312132213", "333"),
        ("no_rr weight_mode=idle", "33322112132132", "333"),
        ("no_rr weight_mode=peak", "321323--------", "333"),
    ],
)
def test_parameters_select_what_the_classic_module_does(parameters: str, busy: str, idle: str) -> None:
    """As picked by nginx 1.22 with nginx-upstream-fair: fourteen requests that stay open, then three in turn."""
    peers = group(LINES, f"fair {parameters}")
    held, picked = [], ""
    for _ in range(len(busy)):
        try:
            held.append(peers.acquire(peers.select(), 1000.0))
        except NoLivePeers:
            picked += "-"
        else:
            picked += str(held[-1].index + 1)
    assert picked == busy
    for peer in held:
        peers.release(peer, Outcome.OK, 1000.0)
    assert order(peers, 3) == idle


def test_classic_order_is_by_falling_weight() -> None:
    """As a running nginx-upstream-fair picked: the heaviest first, equals in the order of the text."""
    assert order(group(servers(1, 2, 1), "fair weight_mode=idle"), 12) == "213213213213"


def test_classic_prefers_servers_without_failures() -> None:
    lines = [server("a", max_fails=3), server("b", max_fails=3)]
    peers = group(lines, "fair no_rr")
    peers.release(peers.acquire(peers.select(), 1000.0), Outcome.FAILED, 1000.0)
    assert order(peers, 3) == "222"
    held = peers.acquire(peers.select(), 1000.0)
    assert held.index == 1
    assert peers.acquire(peers.select(), 1000.0).index == 0


def test_classic_retry_goes_on_behind_the_server_that_failed() -> None:
    peers = group(servers(1, 1, 1), "fair no_rr")
    selection, visited = peers.select(), ""
    for _ in range(3):
        peer = peers.acquire(selection, 1000.0)
        visited += str(peer.index + 1)
        peers.release(peer, Outcome.FAILED, 1000.0)
    assert visited == "123"
    with pytest.raises(NoLivePeers):
        peers.acquire(peers.select(), 1000.0)


def test_classic_begins_afresh_among_the_backups() -> None:
    lines = [*servers(1, 1, 1), server("b:1", backup=True), server("b:2", backup=True)]
    peers = group(lines, "fair no_rr")
    selection, visited = peers.select(), ""
    for _ in range(5):
        peer = peers.acquire(selection, 1000.0)
        visited += str(peer.index + 1)
        peers.release(peer, Outcome.FAILED, 1000.0)
    assert visited == "12345"
