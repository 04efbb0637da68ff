"""`random` and `random two`: shares by weight, the less busy of two."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lbproxy.balance.peer import Outcome
from tests.support.upstreams import group, order, server, servers


class Draws:
    """Chance that says these numbers, then fails the test."""

    def __init__(self, *numbers: float) -> None:
        self._numbers: Iterator[float] = iter(numbers)

    def random(self) -> float:
        return next(self._numbers)


def test_draws_fall_on_servers_by_weight() -> None:
    peers = group(servers(1, 2, 1), "random", rng=Draws(0.0, 0.24, 0.25, 0.74, 0.75, 0.99))
    assert order(peers, 6) == "112233"


def test_shares_follow_the_weights() -> None:
    picked = order(group(servers(1, 3), "random"), 4000)
    assert 2850 < picked.count("2") < 3150


def test_two_draws_the_less_busy_wins_and_the_second_among_equals() -> None:
    peers = group(servers(1, 1), "random two", rng=Draws(0.0, 0.9, 0.9, 0.0, 0.9, 0.0))
    first = peers.acquire(peers.select(), 1000.0)
    assert first.index == 1
    assert peers.acquire(peers.select(), 1000.0).index == 0
    assert peers.acquire(peers.select(), 1000.0).index == 0


def test_weight_counts_in_the_comparison() -> None:
    """One in flight at weight 3 is less than one at weight 1."""
    peers = group(servers(1, 3), "random two least_conn", rng=Draws(0.9, 0.0))
    peers.peers[0].conns = peers.peers[1].conns = 1
    assert peers.acquire(peers.select(), 1000.0).index == 1


def test_same_peer_drawn_twice_is_drawn_again() -> None:
    peers = group(servers(1, 1), "random two", rng=Draws(0.0, 0.1, 0.2, 0.9))
    assert peers.acquire(peers.select(), 1000.0).index == 1


@pytest.mark.parametrize("method", ["random", "random two"])
def test_round_robin_after_too_many_misses(method: str) -> None:
    """Twenty-one draws that miss are enough; the retry does not draw at all."""
    peers = group(servers(1, 1, 1), method, rng=Draws(*[0.0] * 25))
    selection = peers.select()
    peer = peers.peers[0]
    selection.tried.append(peer)
    assert peers.acquire(selection, 1000.0) is peers.peers[1]
    assert peers.acquire(selection, 1000.0) is peers.peers[2]


@pytest.mark.parametrize("method", ["random", "random two"])
def test_single_server_needs_no_chance(method: str) -> None:
    assert order(group([server()], method, rng=Draws()), 3) == "111"


def test_all_servers_are_reached_by_two_draws() -> None:
    peers = group(servers(1, 1, 1), "random two")
    picked = [peers.acquire(peers.select(), 1000.0) for _ in range(30)]
    for peer in picked:
        peers.release(peer, Outcome.OK, 1000.0)
    assert {peer.index for peer in picked} == {0, 1, 2}
