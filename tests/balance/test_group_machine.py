"""
Any interleaving of requests, failures and time against a model of the rules.

The model knows who is eligible (nginx's four conditions, recomputed here from its own counters) and nothing of how a
method chooses; so these rules hold for every method: only eligible peers are picked, nobody is refused while there is
one, backups come after primaries, limits hold, and counts return to zero.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from lbproxy.balance.group import PeerGroup
from lbproxy.balance.peer import Outcome, Peer, Selection
from lbproxy.config.model import UpstreamServer
from lbproxy.errors import NoLivePeers
from tests.support.upstreams import group, server

METHODS = ("", "ip_hash", "hash $k", "hash $k consistent", "least_conn", "least_time header",
           "least_time last_byte inflight", "fair", "fair no_rr", "fair weight_mode=idle", "random", "random two")
WITH_BACKUP = frozenset(method for method in METHODS if method.startswith(("least", "fair"))) | {""}


@dataclass
class Facts:
    """What the model knows of a server."""

    line: UpstreamServer
    conns: int = 0
    fails: int = 0
    failed: int = 0
    checked: int = 0

    def out(self, second: int) -> bool:
        failing = self.line.max_fails and self.fails >= self.line.max_fails
        return bool(failing) and second - self.checked <= self.line.fail_timeout

    def open(self) -> bool:
        return not self.line.down and not (self.line.max_conns and self.conns >= self.line.max_conns)


@dataclass
class Request:
    """A request under way: its selection, the servers it visited, the attempt that is open."""

    selection: Selection
    tried: set[int] = field(default_factory=set)
    peer: Peer | None = None
    on_backup: bool = False
    last_resort: bool = False
    began: float = 0.0


LINES = st.builds(
    server,
    st.integers(1, 250).map(lambda last: f"10.0.0.{last}:80"),
    weight=st.integers(1, 4),
    max_fails=st.integers(0, 3),
    fail_timeout=st.integers(0, 4).map(float),
    max_conns=st.sampled_from([0, 0, 1, 3]),
    down=st.sampled_from([False, False, False, True]),
)


class GroupMachine(RuleBasedStateMachine):
    """Requests come, move on, end; time passes."""

    def __init__(self, method: str, *, try_all: bool) -> None:
        super().__init__()
        self.method, self.try_all = method, try_all
        self.now = 1000.0
        self.peers: PeerGroup
        self.facts: list[Facts] = []
        self.requests: list[Request] = []

    @initialize(primaries=st.lists(LINES, min_size=1, max_size=4), backups=st.lists(LINES, max_size=2))
    def configure(self, primaries: list[UpstreamServer], backups: list[UpstreamServer]) -> None:
        if self.method not in WITH_BACKUP:
            backups = []
        aside = [
            server(line.name, weight=line.weight, max_conns=line.max_conns, backup=True) for line in backups
        ]
        all_down = "try_all" if self.try_all else "fail"
        self.peers = group([*primaries, *aside], self.method, all_down=all_down)
        self.facts = [Facts(peer.server) for peer in self.peers.peers]

    def eligible(self, request: Request, *, backup: bool) -> set[int]:
        """The servers of one rank that the rules allow."""
        forgiving = request.last_resort or len(self.facts) == 1
        return {
            index
            for index, facts in enumerate(self.facts)
            if facts.line.backup is backup and index not in request.tried and facts.open()
            and (forgiving or not facts.out(int(self.now)))
        }

    def expected(self, request: Request) -> set[int]:
        """The servers of which one has to be picked; empty when there is none."""
        while True:
            allowed = set() if request.on_backup else self.eligible(request, backup=False)
            if not allowed:
                request.on_backup = any(facts.line.backup for facts in self.facts)
                allowed = self.eligible(request, backup=True)
            if allowed or not self.try_all or request.last_resort:
                return allowed
            request.last_resort, request.on_backup = True, False

    def attempt(self, request: Request) -> None:
        """Let *request* try a server, and hold the pick against the model."""
        expected = self.expected(request)
        if not expected:
            with pytest.raises(NoLivePeers):
                self.peers.acquire(request.selection, self.now)
            return
        peer = self.peers.acquire(request.selection, self.now)
        assert peer.index in expected
        facts, second = self.facts[peer.index], int(self.now)
        facts.conns += 1
        if second - facts.checked > facts.line.fail_timeout:
            facts.checked = second
        request.tried.add(peer.index)
        request.peer, request.began = peer, self.now
        self.requests.append(request)

    @rule(key=st.binary(max_size=4))
    def begin(self, key: bytes) -> None:
        self.attempt(Request(self.peers.select(key)))

    @precondition(lambda self: self.requests)
    @rule(data=st.data(), outcome=st.sampled_from(Outcome), answered=st.booleans(), moves_on=st.booleans())
    def end(self, data: st.DataObject, outcome: Outcome, answered: bool, moves_on: bool) -> None:
        request = data.draw(st.sampled_from(self.requests))
        self.requests.remove(request)
        self.release(request, outcome, answered=answered)
        if moves_on:
            self.attempt(request)

    @rule(seconds=st.sampled_from([0.1, 0.5, 1.0, 2.0, 7.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    def release(self, request: Request, outcome: Outcome, *, answered: bool) -> None:
        """End the open attempt of *request*, and let the model learn from it."""
        peer = request.peer
        assert peer is not None
        took = self.now - request.began
        self.peers.release(peer, outcome, self.now, took / 2 if answered else None, took)
        facts = self.facts[peer.index]
        facts.conns -= 1
        if outcome is Outcome.FAILED:
            facts.fails += 1
            facts.failed = facts.checked = int(self.now)
        elif (outcome is not Outcome.ABANDONED or answered) and facts.failed < facts.checked:
            facts.fails = 0

    @invariant()
    def counts_agree(self) -> None:
        for facts, peer in zip(self.facts, self.peers.peers if self.facts else (), strict=True):
            assert peer.conns == facts.conns
            assert not peer.max_conns or peer.conns <= peer.max_conns
            assert 0 <= peer.effective_weight <= peer.weight

    def teardown(self) -> None:
        for request in self.requests:
            self.release(request, Outcome.OK, answered=True)
        assert not any(peer.conns for peer in (self.peers.peers if self.facts else ()))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("try_all", [False, True])
def test_rules_hold_in_any_order_of_events(method: str, try_all: bool) -> None:
    """Nobody ineligible is picked, nobody eligible is missed, limits hold, and counts return to zero."""

    class Machine(GroupMachine):
        def __init__(self) -> None:
            super().__init__(method, try_all=try_all)

    run_state_machine_as_test(
        Machine, settings=settings(max_examples=25, stateful_step_count=30, deadline=None)
    )
