"""Passive failure detection: what counts, how long it lasts, what clears it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lbproxy.balance.health import is_out, on_failure, on_failure_sliding, on_success, rearm, usable
from lbproxy.balance.peer import Peer
from lbproxy.config.model import Address
from tests.support.upstreams import server


def peer(*, weight: int = 1, max_fails: int = 1, fail_timeout: float = 2.0) -> Peer:
    line = server(weight=weight, max_fails=max_fails, fail_timeout=fail_timeout)
    return Peer(line, Address(host="127.0.0.1", port=80), 0)


def test_one_failure_takes_a_peer_out_by_default() -> None:
    node = peer()
    assert usable(node, 1000)
    on_failure(node, 1000.9)
    assert is_out(node)
    assert not usable(node, 1000)


def test_fail_timeout_of_two_seconds_means_a_probe_in_the_third() -> None:
    """Whole seconds are counted, as a running nginx 1.22 does; a failure late in a second is early in it."""
    node = peer(fail_timeout=2.0)
    on_failure(node, 1000.9)
    assert [usable(node, second) for second in (1001, 1002, 1003)] == [False, False, True]


def test_pick_after_the_window_shuts_it_again() -> None:
    node = peer()
    on_failure(node, 1000.0)
    rearm(node, 1003)
    assert not usable(node, 1003)
    assert not usable(node, 1005)
    assert usable(node, 1006)


def test_success_of_a_probe_clears_the_failures() -> None:
    node = peer()
    on_failure(node, 1000.0)
    rearm(node, 1003)
    on_success(node)
    assert node.fails == 0
    assert usable(node, 1003)


def test_success_of_an_earlier_pick_clears_nothing() -> None:
    node = peer()
    on_failure(node, 1000.0)
    on_success(node)
    assert is_out(node)


def test_without_max_fails_nothing_takes_it_out() -> None:
    node = peer(max_fails=0)
    for _ in range(50):
        on_failure(node, 1000.0)
    assert usable(node, 1000)
    assert node.effective_weight == node.weight


def test_failures_take_weight_away_down_to_nothing() -> None:
    node = peer(weight=7, max_fails=3)
    weights = []
    for _ in range(4):
        on_failure(node, 1000.0)
        weights.append(node.effective_weight)
    assert weights == [5, 3, 1, 0]


def test_nginx_adds_up_failures_that_are_never_a_window_apart() -> None:
    """nginx ticket 599: three failures in twelve seconds are out with max_fails=3 fail_timeout=10s."""
    node = peer(max_fails=3, fail_timeout=10.0)
    for now in (1000.0, 1006.0, 1012.0):
        rearm(node, int(now))
        on_success(node)
        on_failure(node, now)
    assert is_out(node)


def test_sliding_window_forgets_what_lies_behind_it() -> None:
    """The same three failures, and the peer stays; a third within ten seconds takes it out."""
    node = peer(max_fails=3, fail_timeout=10.0)
    for now in (1000.0, 1006.0, 1012.0):
        on_failure_sliding(node, now)
    assert node.fails == 2
    on_failure_sliding(node, 1013.0)
    assert is_out(node)


def test_sliding_window_does_not_bring_a_peer_back_whose_probe_failed() -> None:
    node = peer(max_fails=3, fail_timeout=10.0)
    for now in (1000.0, 1000.0, 1000.0, 1011.0, 1022.0, 1033.0):
        on_failure_sliding(node, now)
    assert is_out(node)
    assert not usable(node, 1043)
    assert len(node.recent_failures) <= 4


def test_sliding_window_starts_anew_after_a_probe() -> None:
    node = peer(max_fails=2, fail_timeout=10.0)
    on_failure_sliding(node, 1000.0)
    on_failure_sliding(node, 1000.0)
    rearm(node, 1011)
    on_success(node)
    on_failure_sliding(node, 1011.5)
    assert node.fails == 1


@given(st.lists(st.floats(0.0, 3.0), max_size=40), st.integers(1, 5))
def test_sliding_window_takes_out_exactly_at_max_fails_within_fail_timeout(
    gaps: list[float], max_fails: int
) -> None:
    """Against the definition: some failure has max_fails - 1 others in the fail_timeout before it."""
    node, now, times = peer(max_fails=max_fails, fail_timeout=5.0), 1000.0, list[float]()
    for gap in gaps:
        now += gap
        times.append(now)
        on_failure_sliding(node, now)
        dense = any(sum(last - 5.0 < time <= last for time in times) >= max_fails for last in times)
        assert is_out(node) == dense
