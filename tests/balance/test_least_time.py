"""`least_time`: nginx's averages, classes, forgetting, and requests in flight."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbproxy.balance.least_time import LeastTime, average, in_class
from lbproxy.balance.peer import Outcome, Peer, Selection
from tests.support.upstreams import group, server, servers, simulate, tier

OK = Outcome.OK


def measured(*milliseconds: int, fail_timeout: float = 10.0, now: int = 1000, **how: bool) -> LeastTime:
    """A balancer over peers that have these averages, all picked just *now*."""
    lines = [server(f"10.0.0.{number}:80", fail_timeout=fail_timeout) for number in range(len(milliseconds))]
    peers = tier(*lines)
    for peer, time in zip(peers.peers, milliseconds, strict=True):
        peer.average_header_time = peer.average_response_time = time
        peer.checked = now
    return LeastTime(peers, header=how.pop("header", True), **how)


def peers_of(balancer: LeastTime) -> tuple[Peer, ...]:
    return balancer._tier.peers


def test_first_sample_is_the_average_and_later_ones_are_a_twentieth() -> None:
    assert average(0, 200) == 200
    assert average(200, 100) == 195
    assert average(100, 103) == 100
    assert average(100, 110) == 101


@given(st.integers(1, 100_000), st.integers(0, 100_000), st.integers(0, 40))
def test_average_stays_between_old_and_new(before: int, sample: int, halvings: int) -> None:
    assert min(before, sample) <= average(before, sample, halvings) <= max(before, sample)


@pytest.mark.parametrize(
    ("time", "expected"), [(0, 20), (1, 20), (19, 20), (20, 40), (59, 60), (4990, 5000), (5000, 5020), (5001, 5000)]
)
def test_times_are_compared_in_classes(time: int, expected: int) -> None:
    """nginx: ``if rt > 5000: rt = 5000, else rt += 20 - rt % 20``."""
    assert in_class(time) == expected


def test_estimate_grows_with_requests_in_flight() -> None:
    balancer = measured(100)
    (peer,) = peers_of(balancer)
    estimates = []
    for peer.conns in range(3):
        estimates.append(balancer.estimate(peer, 1000))
    assert estimates == [120, 240, 360]


def test_average_is_halved_once_per_window_without_a_pick() -> None:
    """fail_timeout=10 makes windows of eleven seconds, as whole seconds are compared with "<="."""
    balancer = measured(800)
    (peer,) = peers_of(balancer)
    assert [balancer.estimate(peer, 1000 + after) for after in (10, 11, 21, 22, 44, 2000)] == [
        820, 420, 420, 220, 60, 20
    ]


def test_least_estimate_per_weight_wins() -> None:
    balancer = measured(100, 50)
    slow, fast = peers_of(balancer)
    assert balancer.pick(Selection(), 1000.0) is fast
    slow.weight = slow.effective_weight = 3
    assert balancer.pick(Selection(), 1000.0) is slow


def test_equals_take_turns() -> None:
    balancer = measured(45, 55, 200)
    picks = [balancer.pick(Selection(), 1000.0) for _ in range(4)]
    assert [peer and peer.index for peer in picks] == [0, 1, 0, 1]


@pytest.mark.parametrize(("form", "winner"), [("header", 0), ("last_byte", 1)])
def test_form_says_which_time_counts(form: str, winner: int) -> None:
    peers = group(servers(1, 1), f"least_time {form}")
    for header_time, response_time in ((0.01, 0.9), (0.1, 0.11)):
        peer = peers.acquire(peers.select(), 1000.0)
        peers.release(peer, OK, 1000.0, header_time, response_time)
    assert peers.acquire(peers.select(), 1000.0).index == winner


def test_only_success_is_measured() -> None:
    peers = group(servers(1), "least_time header")
    (peer,) = peers.peers
    for outcome in (Outcome.FAILED, Outcome.NEXT):
        peers.acquire(peers.select(), 1000.0)
        peers.release(peer, outcome, 1000.0, 0.001, 0.001)
    assert (peer.average_header_time, peer.average_response_time) == (0, 0)
    for outcome, expected in ((Outcome.ABANDONED, (200, 0)), (OK, (195, 300))):
        peers.acquire(peers.select(), 1000.0)
        peers.release(peer, outcome, 1000.0, 0.2 if outcome is Outcome.ABANDONED else 0.1, 0.3)
        assert (peer.average_header_time, peer.average_response_time) == expected


def test_hanging_request_counts_at_once_with_inflight() -> None:
    """Two peers of 20 ms; the first has a request open for a second, which its average does not show yet."""
    for inflight, expected in ((False, {0, 1}), (True, {1})):
        balancer = measured(20, 20, inflight=inflight)
        hanging, _ = peers_of(balancer)
        assert balancer.pick(Selection(), 1000.0) is hanging
        picks = {balancer.pick(Selection(), 1001.0) for _ in range(4)}
        assert {peer and peer.index for peer in picks} == expected


def test_answer_ends_the_waiting_of_header_inflight() -> None:
    """A long body after a quick head is no reason to avoid a server; for ``last_byte`` it is."""
    for header, estimate in ((True, 40), (False, 1020)):
        balancer = measured(20, header=header, inflight=True)
        (peer,) = peers_of(balancer)
        balancer.pick(Selection(), 1000.0)
        balancer.answered(peer, 0.02, 1000.02)
        balancer._awaited[peer].observe(1_001_000)
        assert balancer.estimate(peer, 1001) == estimate
        balancer.release(peer, OK, 0.02, 1.0, 1001.0)
        assert balancer._awaited[peer].number == balancer._awaited[peer].answered == 0
        assert (peer.average_header_time, peer.average_response_time) == (20, 69)


def test_age_of_open_requests_is_their_mean() -> None:
    """Begun at 0 and 100 ms, the older one ends at 300 ms: the other is then 200 ms old."""
    balancer = measured(0, inflight=True)
    (peer,) = peers_of(balancer)
    awaited = balancer._awaited[peer]
    awaited.begin(0)
    awaited.begin(100)
    awaited.end(300, 300)
    awaited.observe(400)
    assert (awaited.number, awaited.spent, awaited.average) == (1, 200, 300)
    awaited.end(500, 400)
    assert (awaited.number, awaited.spent) == (0, 0)


def test_attempt_of_unknown_age_is_taken_for_a_mean_one() -> None:
    balancer = measured(0, inflight=True)
    awaited = balancer._awaited[peers_of(balancer)[0]]
    for moment in (0, 100, 200):
        awaited.begin(moment)
    awaited.end(300, None)
    assert (awaited.number, awaited.spent) == (2, 400)


@given(st.lists(st.sampled_from(["pick", "answer", "release"]), max_size=40), st.booleans())
def test_waiting_ends_with_the_last_attempt(events: list[str], header: bool) -> None:
    """Whether or not heads are announced, nothing is awaited when nothing is open."""
    form = "header" if header else "last_byte"
    peers = group([server("a:80"), server("b:80")], f"least_time {form} inflight")
    balancer = peers._primary
    assert isinstance(balancer, LeastTime)
    waiting, answered, now = list[Peer](), list[Peer](), 1000.0
    for event in events:
        now += 0.05
        if event == "pick":
            waiting.append(peers.acquire(peers.select(), now))
        elif event == "answer" and waiting:
            answered.append(waiting.pop())
            peers.answered(answered[-1], 0.05, now)
        elif event == "release" and (waiting or answered):
            peers.release((waiting or answered).pop(), OK, now, None, 0.1)
    for peer in answered:
        peers.release(peer, OK, now, 0.05, 0.1)
    for peer in waiting:
        peers.release(peer, Outcome.FAILED, now)
    assert not any(peer.conns for peer in peers.peers)


def test_fast_server_gets_most_under_load() -> None:
    """Requests every 20 ms; one server needs 40 ms, the other 400 ms."""
    peers = group(servers(1, 1), "least_time header")
    picks = [index for _, index in simulate(peers, lambda index, _: (0.04, 0.4)[index], every=0.02, until=20)]
    assert picks.count(0) > 0.85 * len(picks)
    assert picks.count(1) > 0
