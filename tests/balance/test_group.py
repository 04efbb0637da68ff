"""A group of peers as requests meet it: counting, failures, backups, the last resort."""

from __future__ import annotations

import random

import pytest

from lbproxy.balance.group import PeerGroup
from lbproxy.balance.peer import Outcome
from lbproxy.errors import NoLivePeers
from tests.support.upstreams import group, order, serve, server, servers

FAILED, OK, ABANDONED = Outcome.FAILED, Outcome.OK, Outcome.ABANDONED


def one_request(peers: PeerGroup, *bad: int, now: float = 1000.0) -> str:
    """The peers, numbered from 1, that a request visits which only those not *bad* can serve."""
    selection, visited = peers.select(), ""
    while True:
        try:
            peer = peers.acquire(selection, now)
        except NoLivePeers:
            return f"{visited}-"
        visited += str(peer.index + 1)
        failed = peer.index + 1 in bad
        peers.release(peer, FAILED if failed else OK, now)
        if not failed:
            return visited


def test_peers_are_numbered_primaries_first() -> None:
    peers = group([server("a", backup=True), server("b", "b2"), server("c", down=True)])
    assert [(peer.index, peer.server.name) for peer in peers.peers] == [(0, "b"), (1, "b"), (2, "c"), (3, "a")]
    assert (peers.name, peers.tries) == (b"nodes", 3)


def test_connections_are_counted_until_released() -> None:
    peers = group(servers(1))
    first, second = (peers.acquire(peers.select(), 1000.0) for _ in range(2))
    assert first.conns == 2
    for outcome in (ABANDONED, FAILED):
        peers.release(second, outcome, 1000.0)
    assert (first.conns, first.total_requests, first.total_failures) == (0, 2, 1)


def test_failing_server_is_left_within_the_request_and_then_for_its_window() -> None:
    peers = group(servers(1, 1, 1))
    assert [one_request(peers, 1) for _ in range(4)] == ["12", "3", "2", "3"]
    assert "1" not in "".join(one_request(peers, 1, now=1010.9) for _ in range(4))


def test_order_of_picks_after_failures_is_that_of_nginx() -> None:
    """What a running nginx 1.22 did with weights 5, 4, 2, the second one refusing connections."""
    lines = [server("a", weight=5), server("b", weight=4, max_fails=3, fail_timeout=1000), server("c", weight=2)]
    peers = group(lines)
    assert " ".join(one_request(peers, 2) for _ in range(40)) == (
        "1 23 1 1 23 1 21 3 1 1 1 3 1 1 3 1 1 1 3 1 1 3 1 1 1 3 1 1 3 1 1 1 3 1 1 3 1 1 1 3"
    )
    peers = group([server("a", weight=3), server("b", weight=4), server("c", weight=2)])
    assert " ".join(one_request(peers, 2) for _ in range(20)) == (
        "21 3 1 1 3 1 3 1 1 3 1 3 1 1 3 1 3 1 1 3"
    )


def test_exactly_one_probe_goes_to_a_failed_server_per_window() -> None:
    """Ten requests a second for a minute with fail_timeout=4: a probe in every fifth second."""
    peers = group([server("a", fail_timeout=4), *servers(1, 1)])
    now = 1000.0
    seconds = []
    while now < 1060.0:
        if one_request(peers, 1, now=now).startswith("1"):
            seconds.append(int(now))
        now += 0.1
    assert seconds == list(range(1000, 1060, 5))


def test_nobody_follows_a_probe_whose_outcome_is_open() -> None:
    peers = group([server("a", fail_timeout=4), server("b", fail_timeout=4)])
    one_request(peers, 1)
    picks = [peers.acquire(peers.select(), 1005.0) for _ in range(6)]
    assert [peer.index for peer in picks].count(0) == 1
    peers.release(next(peer for peer in picks if peer.index == 0), OK, 1006.0)
    assert set(order(peers, 4, now=1006.0)) == {"1", "2"}


def test_abandoned_probe_decides_nothing_unless_the_server_had_answered() -> None:
    for header_time, back in ((None, False), (0.1, True)):
        peers = group(servers(1, 1))
        one_request(peers, 1)
        probe = peers.acquire(peers.select(), 1011.0)
        while probe.index != 0:
            probe = peers.acquire(peers.select(), 1011.0)
        peers.release(probe, ABANDONED, 1011.5, header_time)
        assert ("1" in order(peers, 4, now=1012.0)) is back


def test_refused_answer_is_no_failure_and_may_end_one() -> None:
    peers = group(servers(1, 1))
    assert {serve(peers, outcome=Outcome.NEXT).index for _ in range(4)} == {0, 1}
    one_request(peers, 1)
    while serve(peers, now=1011.0, outcome=Outcome.NEXT).index != 0:
        pass
    assert peers.peers[0].fails == 0


def test_single_server_is_asked_whatever_happened() -> None:
    peers = group(servers(1))
    assert [one_request(peers, 1) for _ in range(3)] == ["1-"] * 3
    assert peers.peers[0].fails == 0


def test_two_addresses_or_one_that_is_down_beside_it_make_a_server_not_single() -> None:
    for lines in ([server("a"), server("b", down=True)], [server("a"), server("b", backup=True, down=True)]):
        peers = group(lines)
        assert [one_request(peers, 1) for _ in range(2)] == ["1-", "-"]


def test_backups_serve_when_no_primary_can() -> None:
    peers = group([server("a"), server("b", backup=True), server("c", backup=True), server("d")])
    assert order(peers, 4) == "1212"
    assert one_request(peers, 1, 2) == "123"
    assert [one_request(peers) for _ in range(4)] == ["4", "3", "4", "3"]
    assert set(order(peers, 4, now=1011.0)) == {"1", "2"}


def test_request_that_went_to_the_backups_stays_there() -> None:
    peers = group([server("a"), server("b", backup=True), server("c", backup=True)])
    first = peers.acquire(peers.select(), 1000.0)
    peers.release(first, FAILED, 1000.0)
    selection = peers.select()
    assert peers.acquire(selection, 1001.0).index == 1
    assert peers.acquire(selection, 1020.0).index == 2
    with pytest.raises(NoLivePeers):
        peers.acquire(selection, 1020.0)


@pytest.mark.parametrize("method", ["", "ip_hash", "hash $k", "hash $k consistent", "least_conn", "fair", "random two"])
def test_max_conns_is_never_exceeded(method: str) -> None:
    peers = group([server("a", max_conns=2), server("b", max_conns=1), server("c", max_conns=3)], method)
    held = [peers.acquire(peers.select(b"%d" % number), 1000.0) for number in range(6)]
    assert sorted(peer.index for peer in held) == [0, 0, 1, 2, 2, 2]
    with pytest.raises(NoLivePeers, match="no live upstreams"):
        peers.acquire(peers.select(b"key"), 1000.0)
    peers.release(held[0], OK, 1000.0)
    assert peers.acquire(peers.select(b"key"), 1000.0) is held[0]


def test_full_primaries_overflow_to_the_backup_up_to_its_own_limit() -> None:
    peers = group([server("a", max_conns=1), server("b", max_conns=1, backup=True)])
    assert [peers.acquire(peers.select(), 1000.0).index for _ in range(2)] == [0, 1]
    with pytest.raises(NoLivePeers):
        peers.acquire(peers.select(), 1000.0)


def test_single_server_obeys_max_conns_and_down() -> None:
    peers = group([server("a", max_conns=1)])
    peers.acquire(peers.select(), 1000.0)
    for full_or_down in (peers, group([server("a", down=True)])):
        with pytest.raises(NoLivePeers):
            full_or_down.acquire(full_or_down.select(), 1000.0)


def test_all_out_is_an_error_at_once_and_changes_nothing() -> None:
    peers = group(servers(1, 1))
    assert one_request(peers, 1, 2) == "12-"
    assert [one_request(peers) for _ in range(3)] == ["-"] * 3
    assert [peer.fails for peer in peers.peers] == [1, 1]


def test_try_all_asks_those_that_are_out_each_once_per_request() -> None:
    lines = [server("a"), server("b"), server("c", down=True), server("d", backup=True)]
    peers = group(lines, all_down="try_all")
    assert one_request(peers, 1, 2, 4) == "124-"
    assert one_request(peers, 1, 2, 4) == "214-"
    assert one_request(peers, 1) in {"2", "12"}


def test_try_all_keeps_a_hash_where_it_was() -> None:
    peers = group(servers(1, 1, 1), "hash $k", all_down="try_all")
    before = order(peers, 1, b"key")
    for _ in peers.peers:
        peers.release(peers.acquire(peers.select(), 1000.0), FAILED, 1000.0)
    assert order(peers, 5, b"key") == before * 5


def test_sliding_window_is_chosen_by_its_switch() -> None:
    """Failures six seconds apart, ten seconds of window, two allowed: nginx's rule says out, the sliding one not."""
    lines = [server("a", max_fails=3), server("b", max_fails=3)]
    for fail_window, out in (("nginx", True), ("sliding", False)):
        peers = group(lines, fail_window=fail_window)
        for step in range(5):
            one_request(peers, 1, now=1000.0 + 6 * step)
        assert ("1" not in order(peers, 6, now=1025.0)) is out


@pytest.mark.parametrize("method", ["least_conn", "fair", "fair no_rr", "least_time header inflight"])
def test_backups_are_balanced_by_the_same_method(method: str) -> None:
    peers = group([server("a", down=True), server("b", backup=True), server("c", backup=True)], method)
    held = [peers.acquire(peers.select(), 1000.0) for _ in range(4)]
    assert sorted(peer.index for peer in held) == [1, 1, 2, 2]
    for peer in held:
        peers.answered(peer, 0.1, 1000.1)
        peers.release(peer, OK, 1000.1, 0.1, 0.1)
    assert {peer.conns for peer in peers.peers} == {0}


def test_groups_with_equal_chance_pick_equally() -> None:
    first, second = (group(servers(1, 2, 3), "random two", rng=random.Random(7)) for _ in range(2))
    assert order(first, 50) == order(second, 50)
