"""Smooth weighted round robin: nginx's order, nginx's shares."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbproxy.balance.round_robin import smooth_pick
from tests.support.upstreams import group, order, server, servers, tier


@pytest.mark.parametrize(
    ("weights", "expected"),
    [((1, 1), "1212"), ((1, 2), "212212"), ((5, 1, 1), "11213111121311"), ((4, 2, 3), "132131231132131231")],
)
def test_order_is_that_of_nginx(weights: tuple[int, ...], expected: str) -> None:
    """As a running nginx 1.22 picked."""
    assert order(group(servers(*weights)), len(expected)) == expected


def test_every_address_of_a_name_has_the_full_weight() -> None:
    two_addresses = server("10.0.0.1:80", "10.0.0.2:80", weight=2)
    assert sorted(order(group([two_addresses, server("10.0.0.3:80")]), 5)) == list("11223")


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(0, 60))
def test_shares_are_within_one_round_of_the_weights(weights: list[int], count: int) -> None:
    """After whole rounds every peer has exactly its share, and in between never more than the next round's."""
    picked = order(group(servers(*weights)), count)
    rounds = count // sum(weights)
    for number, weight in enumerate(weights, 1):
        assert rounds * weight <= picked.count(str(number)) <= (rounds + 1) * weight


def test_peers_left_out_of_a_round_keep_what_they_have() -> None:
    first, second, third = tier(*servers(1, 1, 1)).peers
    assert smooth_pick([first, second, third]) is first
    assert smooth_pick([first, third]) is third
    assert (first.current_weight, second.current_weight, third.current_weight) == (-1, 1, 0)


def test_lost_weight_comes_back_by_one_per_round() -> None:
    (peer,) = tier(server(weight=4)).peers
    peer.effective_weight = 2
    gains = []
    for _ in range(4):
        smooth_pick([peer])
        gains.append(peer.effective_weight)
    assert gains == [3, 4, 4, 4]


def test_nobody_wins_a_round_without_peers() -> None:
    assert smooth_pick([]) is None
