"""Who is eligible, and where a hash lands."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lbproxy.balance.health import on_failure
from lbproxy.balance.peer import Selection
from tests.support.upstreams import server, servers, tier


@given(st.lists(st.integers(1, 9), min_size=1, max_size=8))
def test_every_peer_owns_as_many_points_as_its_weight(weights: list[int]) -> None:
    peers = tier(*servers(*weights))
    owners = [peers.at(point).index for point in range(peers.total_weight)]
    assert owners == [index for index, weight in enumerate(weights) for _ in range(weight)]


def test_down_peers_own_points_but_are_not_eligible() -> None:
    peers = tier(server("a"), server("b", down=True))
    assert peers.at(1).server.name == "b"
    assert not peers.admits(peers.at(1), Selection(), 1000.0)
    assert [peer.server.name for peer in peers.eligible(Selection(), 1000.0)] == ["a"]


def test_tried_full_and_failing_peers_are_not_eligible() -> None:
    peers = tier(server("a"), server("b", max_conns=1), server("c"), server("d"))
    a, b, c, d = peers.peers
    selection = Selection()
    selection.tried.append(a)
    b.conns = 1
    on_failure(c, 1000.0)
    peers.review()
    assert peers.eligible(selection, 1000.0) == [d]
    assert [peers.admits(peer, selection, 1000.0) for peer in peers.peers] == [False, False, False, True]


def test_last_resort_looks_past_failures_only() -> None:
    peers = tier(server("a"), server("b", max_conns=1), server("c"), server("d", down=True))
    a, b, c, _ = peers.peers
    selection = Selection()
    selection.tried.append(a)
    selection.last_resort = True
    b.conns = 1
    on_failure(c, 1000.0)
    peers.review()
    assert peers.eligible(selection, 1000.0) == [c]


def test_review_notices_that_the_last_failing_peer_is_back() -> None:
    peers = tier(*servers(1, 1))
    on_failure(peers.peers[0], 1000.0)
    peers.review()
    assert len(peers.eligible(Selection(), 1000.0)) == 1
    peers.peers[0].fails = 0
    peers.review()
    assert peers.eligible(Selection(), 1000.0) is peers.live


def test_empty_tier_has_nobody() -> None:
    assert tier().total_weight == 0
    assert not tier().eligible(Selection(), 1000.0)
