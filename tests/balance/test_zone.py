"""
Workers with ``zone``: together they do what one worker would.

The reference is a plain group that sees every event.  Whatever the order of requests, failures, deaths and reloads,
each worker has to pick the peer that the reference picks; so limits, failures, averages and turns hold across workers.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from lbproxy.balance.group import PeerGroup
from lbproxy.balance.peer import Outcome, Peer, Selection
from lbproxy.balance.rows import wrapped
from lbproxy.balance.zone import Zone, ZoneGroup
from lbproxy.config.model import UpstreamServer
from lbproxy.errors import NoLivePeers
from tests.support.board import Workers
from tests.support.upstreams import order, serve, server, servers, upstream

METHODS = ("", "least_conn", "least_time header", "fair", "ip_hash")


@dataclass
class Request:
    """A request that a worker has in hand, and its double at the reference."""

    worker: int
    peer: Peer
    double: Peer
    selection: Selection
    double_selection: Selection
    began: float


LINES = st.builds(
    server,
    st.integers(1, 250).map(lambda last: f"10.0.0.{last}:80"),
    weight=st.integers(1, 5),
    max_fails=st.integers(0, 3),
    fail_timeout=st.integers(0, 4).map(float),
    max_conns=st.sampled_from([0, 0, 1, 3]),
    down=st.sampled_from([False, False, False, True]),
)


class ZoneMachine(RuleBasedStateMachine):
    """Requests come to any worker, move on, end; workers die and are replaced; configurations are loaded anew."""

    def __init__(self, method: str) -> None:
        super().__init__()
        self.method = method
        self.now = 1000.0
        self.workers: Workers
        self.reference: PeerGroup
        self.requests: list[Request] = []

    @initialize(lines=st.lists(LINES, min_size=2, max_size=4), count=st.integers(2, 8))
    def configure(self, lines: list[UpstreamServer], count: int) -> None:
        self.workers = Workers(upstream(lines, self.method, zone=True), count)
        self.reference = PeerGroup(upstream(lines, self.method), random.Random(1))

    def attempt(self, worker: int, selection: Selection, double_selection: Selection) -> None:
        """Let a worker and the reference try a server; they have to agree."""
        group = self.workers.groups[worker]
        try:
            double = self.reference.acquire(double_selection, self.now)
        except NoLivePeers:
            with pytest.raises(NoLivePeers):
                group.acquire(selection, self.now)
            return
        peer = group.acquire(selection, self.now)
        assert peer.index == double.index
        self.requests.append(Request(worker, peer, double, selection, double_selection, self.now))

    @rule(which=st.integers(0, 7), key=st.binary(min_size=1, max_size=4))
    def begin(self, which: int, key: bytes) -> None:
        numbers = list(self.workers.groups)
        worker = numbers[which % len(numbers)]
        self.attempt(worker, self.workers.groups[worker].select(key), self.reference.select(key))

    @precondition(lambda self: self.requests)
    @rule(data=st.data(), outcome=st.sampled_from(Outcome), answered=st.booleans(), moves_on=st.booleans())
    def end(self, data: st.DataObject, outcome: Outcome, answered: bool, moves_on: bool) -> None:
        request = data.draw(st.sampled_from(self.requests))
        self.requests.remove(request)
        took = self.now - request.began
        header = took / 2 if answered else None
        self.workers.groups[request.worker].release(request.peer, outcome, self.now, header, took)
        self.reference.release(request.double, outcome, self.now, header, took)
        if moves_on:
            self.attempt(request.worker, request.selection, request.double_selection)

    @rule(seconds=st.sampled_from([0.1, 0.5, 1.0, 2.0, 7.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        for group in self.workers.groups.values():
            group.tell(self.now)

    @rule(which=st.integers(0, 7))
    def kill(self, which: int) -> None:
        """A worker dies with its requests, and another takes its place."""
        numbers = list(self.workers.groups)
        worker = numbers[which % len(numbers)]
        for request in [request for request in self.requests if request.worker == worker]:
            self.requests.remove(request)
            request.double.conns -= 1
        self.workers.kill(worker)
        self.workers.start()

    @precondition(lambda self: len(self.workers.groups) < 24)
    @rule()
    def reload(self) -> None:
        """New workers come; the old ones go on."""
        self.workers.load(self.workers.conf)

    @rule(which=st.integers(0, 7))
    def look(self, which: int) -> None:
        """What a worker knows once it has looked is what the reference knows."""
        groups = list(self.workers.groups.values())
        self.check(groups[which % len(groups)])

    def check(self, group: PeerGroup) -> None:
        assert isinstance(group, ZoneGroup)
        group._learn()
        for peer, double in zip(group.peers, self.reference.peers, strict=True):
            assert facts(peer) == facts(double)

    def teardown(self) -> None:
        for request in self.requests:
            self.workers.groups[request.worker].release(request.peer, Outcome.OK, self.now)
            self.reference.release(request.double, Outcome.OK, self.now)
        for group in self.workers.groups.values() if hasattr(self, "workers") else ():
            self.check(group)


def facts(peer: Peer) -> tuple[object, ...]:
    """What all workers have to know alike."""
    return (peer.conns, peer.fails, peer.accessed, peer.checked, peer.current_weight, peer.effective_weight,
            peer.average_header_time, peer.average_response_time, peer.measured)


@pytest.mark.parametrize("method", METHODS)
def test_workers_do_together_what_one_would(method: str) -> None:
    """Whatever happens, in whatever order."""

    class Machine(ZoneMachine):
        def __init__(self) -> None:
            super().__init__(method)

    run_state_machine_as_test(
        Machine, settings=settings(max_examples=15, stateful_step_count=40, deadline=None)
    )


@contextmanager
def deaf(group: PeerGroup) -> Iterator[None]:
    """Have a worker decide by what it has learned up to now."""
    assert isinstance(group, ZoneGroup)
    group._learn()
    with patch.object(Zone, "learn", lambda _: False):
        yield


class TestTurns:
    """Round robin."""

    def test_workers_take_turns_as_one(self) -> None:
        workers = Workers(upstream(servers(5, 1, 1), zone=True), 3)
        turns = cycle(workers.groups.values())
        assert "".join(order(next(turns), 1) for _ in range(14)) == "11213111121311"

    def test_without_zone_each_worker_starts_anew(self) -> None:
        workers = Workers(upstream(servers(5, 1, 1)), 2)
        assert [order(group, 7) for group in workers.groups.values()] == ["1121311"] * 2

    def test_who_dies_leaves_the_turns_as_they_were(self) -> None:
        workers = Workers(upstream(servers(5, 1, 1), zone=True), 2)
        first, second = workers.groups
        assert order(workers.groups[first], 3) + order(workers.groups[second], 2) == "11213"
        workers.kill(first)
        third = workers.start()
        assert order(workers.groups[third], 1) + order(workers.groups[second], 1) == "11"

    @given(st.lists(st.integers(1, 9), min_size=2, max_size=5), st.integers(2, 8), st.randoms(use_true_random=False))
    @settings(max_examples=12, deadline=None)
    def test_workers_that_decide_at_once_make_up_for_it(
        self, weights: list[int], count: int, chance: random.Random
    ) -> None:
        """Each decides without having seen the others' last request; shares stay within a round of the weights."""
        workers = Workers(upstream(servers(*weights), zone=True), count)
        picks: Counter[int] = Counter()
        total = sum(weights)
        for _ in range(3 * total):
            groups = list(workers.groups.values())
            for group in groups:
                group._learn()  # type: ignore[attr-defined]
            with deaf(groups[0]):
                for group in chance.sample(groups, chance.randint(1, count)):
                    picks[serve(group).index] += 1
            for index, weight in enumerate(weights):
                assert abs(picks[index] - picks.total() * weight / total) <= count + 1

    def test_sums_that_64_bits_cannot_hold_are_no_matter(self) -> None:
        """Rows drift apart; only their sum has to fit."""
        workers = Workers(upstream(servers(3, 2), zone=True), 2)
        far = (1 << 63) - 2
        for row, sign in ((1, 1), (2, -1)):
            cells = workers.table[row]
            for index in range(2):
                cells[workers.table.cell(1, index)] = wrapped(sign * far * (1 - 2 * index))
        turns = cycle(workers.groups.values())
        assert "".join(order(next(turns), 1) for _ in range(10)) == "1212112121"


class TestLimits:
    """``max_conns``."""

    def test_counts_the_requests_of_all(self) -> None:
        workers = Workers(upstream([server(max_conns=2)], zone=True), 2)
        for group in workers.groups.values():
            group.acquire(group.select(), 1000.0)
        with pytest.raises(NoLivePeers):
            workers[0].acquire(workers[0].select(), 1000.0)

    @pytest.mark.parametrize("count", [2, 8])
    def test_is_exceeded_by_one_request_per_worker_at_most(self, count: int) -> None:
        """By those who decide in the same instant."""
        workers = Workers(upstream([server(max_conns=3)], zone=True), count)
        workers[0].acquire(workers[0].select(), 1000.0)
        workers[0].acquire(workers[0].select(), 1000.0)
        for group in workers.groups.values():
            group._learn()  # type: ignore[attr-defined]
        with deaf(workers[0]):
            for group in workers.groups.values():
                group.acquire(group.select(), 1000.0)
        for group in workers.groups.values():
            with pytest.raises(NoLivePeers):
                group.acquire(group.select(), 1000.0)
            assert group.peers[0].conns == 2 + count

    def test_requests_of_the_dead_do_not_count(self) -> None:
        workers = Workers(upstream([server(max_conns=1)], zone=True), 2)
        first, second = workers.groups
        workers.groups[first].acquire(workers.groups[first].select(), 1000.0)
        workers.kill(first)
        assert serve(workers.groups[second]).index == 0

    def test_requests_of_the_last_configuration_count(self) -> None:
        """Until its workers are done with them."""
        workers = Workers(upstream([server(max_conns=1)], zone=True), 1)
        old = workers[0]
        peer = old.acquire(old.select(), 1000.0)
        workers.load(workers.conf)
        with pytest.raises(NoLivePeers):
            workers[1].acquire(workers[1].select(), 1000.0)
        old.release(peer, Outcome.OK, 1001.0)
        assert serve(workers[1]).index == 0


class TestFailures:
    """``max_fails``."""

    def test_add_up(self) -> None:
        lines = [server("10.0.0.1:80", max_fails=3), server("10.0.0.2:80")]
        workers = Workers(upstream(lines, "ip_hash", zone=True), 3)
        key = next(bytes([10, 0, i]) for i in range(50) if order(workers[0], 1, bytes([10, 0, i])) == "1")
        for group in workers.groups.values():
            assert serve(group, key, outcome=Outcome.FAILED).index == 0
        assert [order(group, 2, key) for group in workers.groups.values()] == ["22"] * 3

    def test_one_probe_is_enough_for_all(self) -> None:
        lines = [server("10.0.0.1:80", fail_timeout=2), server("10.0.0.2:80")]
        workers = Workers(upstream(lines, "ip_hash", zone=True), 2)
        key = next(bytes([10, 0, i]) for i in range(50) if order(workers[0], 1, bytes([10, 0, i])) == "1")
        serve(workers[0], key, outcome=Outcome.FAILED)
        probe = workers[0].acquire(workers[0].select(key), 1003.0)
        assert probe.index == 0
        assert order(workers[1], 1, key, 1003.0) == "2"
        workers[0].release(probe, Outcome.OK, 1003.5)
        assert order(workers[1], 1, key, 1003.5) == "1"

    def test_in_a_sliding_window(self) -> None:
        """Old ones of other workers count no more than one's own."""
        lines = [server("10.0.0.1:80", max_fails=2), server("10.0.0.2:80", max_fails=2)]
        workers = Workers(upstream(lines, "ip_hash", fail_window="sliding", zone=True), 2)
        key = next(bytes([10, 0, i]) for i in range(50) if order(workers[0], 1, bytes([10, 0, i])) == "1")
        assert serve(workers[0], key, 1000.0, Outcome.FAILED).index == 0
        assert serve(workers[1], key, 1015.0, Outcome.FAILED).index == 0
        assert [order(group, 1, key, 1016.0) for group in workers.groups.values()] == ["1", "1"]
        assert serve(workers[0], key, 1019.0, Outcome.FAILED).index == 0
        assert [order(group, 1, key, 1020.0) for group in workers.groups.values()] == ["2", "2"]


class TestTables:
    """What outlives a change of the upstream."""

    def test_servers_that_stay_keep_what_is_known_of_them(self) -> None:
        """Failures and averages, wherever the server stands now."""
        old = [server("10.0.0.1:80"), server("10.0.0.2:80")]
        workers = Workers(upstream(old, "least_time header", zone=True), 2)
        peer = workers[0].acquire(workers[0].select(), 1000.0)
        workers[0].release(peer, Outcome.OK, 1000.3, 0.3, 0.3)
        serve(workers[1], outcome=Outcome.FAILED, now=1001.0)
        workers.load(upstream([server("10.0.0.9:80"), *reversed(old)], "least_time header", zone=True))
        new = workers[2].peers
        assert [(peer.fails, peer.average_header_time) for peer in new] == [(0, 0), (1, 0), (0, 300)]

    @pytest.mark.parametrize(("before", "after"), [(True, False), (False, True)])
    def test_zone_may_come_and_go(self, before: bool, after: bool) -> None:
        workers = Workers(upstream(servers(1, 1), zone=before), 2)
        serve(workers[0], outcome=Outcome.FAILED)
        workers.load(upstream(servers(1, 1), zone=after))
        assert [peer.fails for peer in workers[2].peers] == [1, 0]

    def test_the_only_server_is_not_held_to_failures_of_a_time_when_there_were_others(self) -> None:
        workers = Workers(upstream([server("10.0.0.1:80"), server("10.0.0.2:80")], zone=True), 1)
        serve(workers[0], outcome=Outcome.FAILED)
        workers.load(upstream([server("10.0.0.1:80")], zone=True))
        assert order(workers[1], 2) == "11"
