"""`least_conn`: fewest requests in flight for the weight, round robin among equals."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lbproxy.balance.least_conn import least
from lbproxy.balance.peer import Outcome
from tests.support.upstreams import group, order, servers, tier

WEIGHTS = st.lists(st.integers(1, 5), min_size=1, max_size=5)


def test_idle_servers_take_turns_by_weight() -> None:
    """With nothing in flight all are equal, so it is round robin; 1:2:1 is nginx's 2 1 3 2."""
    assert order(group(servers(1, 2, 1), "least_conn"), 8) == "21322132"


def test_busy_server_is_passed_over() -> None:
    peers = group(servers(1, 1), "least_conn")
    held = peers.acquire(peers.select(), 1000.0)
    assert held.index == 0
    assert order(peers, 3) == "222"
    peers.release(held, Outcome.OK, 1000.0)
    assert "1" in order(peers, 2)


@given(WEIGHTS, st.integers(0, 30))
def test_requests_in_flight_stay_in_proportion(weights: list[int], count: int) -> None:
    """Requests that never end spread by weight: nobody could give one away and be better off than another."""
    peers = group(servers(*weights), "least_conn")
    for _ in range(count):
        peers.acquire(peers.select(), 1000.0)
    for a in peers.peers:
        for b in peers.peers:
            assert (a.conns - 1) * b.weight <= b.conns * a.weight


def test_only_equals_gain_weight() -> None:
    first, second, third = tier(*servers(1, 1, 1)).peers
    second.conns = 1
    assert least([first, second, third], lambda peer: peer.conns) is first
    assert [peer.current_weight for peer in (first, second, third)] == [-1, 0, 1]


def test_single_winner_pays_nothing() -> None:
    first, second = tier(*servers(1, 1)).peers
    first.conns = 1
    assert least([first, second], lambda peer: peer.conns) is second
    assert (first.current_weight, second.current_weight) == (0, 0)


def test_nobody_is_least_of_none() -> None:
    assert least([], lambda peer: peer.conns) is None
