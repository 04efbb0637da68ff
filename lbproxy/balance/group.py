"""
The servers of an upstream as one worker sees them: who serves a request, and how that went.

A request makes a `Selection` and acquires a peer with it; whatever becomes of the attempt, the peer is
released once. Primaries come first; when none of them is eligible, the request moves to the backups and
stays there.  The failures of a peer that is the only one of its upstream are not held against it: there is
nobody else to ask.
Source: nginx src/http/ngx_http_upstream_round_robin.c:ngx_http_upstream_get_round_robin_peer,
:free_round_robin_peer.
"""

from __future__ import annotations

from lbproxy.balance import health
from lbproxy.balance.methods import method_of
from lbproxy.balance.peer import Balancer, Chance, Outcome, Peer, Selection, places
from lbproxy.balance.settings import BalanceSettings
from lbproxy.balance.shared import Ledger
from lbproxy.balance.tier import Tier
from lbproxy.config.model import UpstreamConf
from lbproxy.config.octets import octets
from lbproxy.errors import NoLivePeers

_FAILED, _ABANDONED = Outcome.FAILED, Outcome.ABANDONED  # looked up for every request: a global costs less


class PeerGroup:
    """
    The peers of one upstream.

    Args:
        conf: The upstream.
        rng: Chance for the random methods; nothing else uses it.

    Attributes:
        name: The upstream's name.
        peers: The primaries in order, then the backups; each has its place here as `Peer.index`.
        tries: How many peers one request may be sent to: all that are not marked ``down``.

    Raises:
        ConfigError: The method does not fit the servers (see `method_of`).
    """

    def __init__(self, conf: UpstreamConf, rng: Chance) -> None:
        method, settings = method_of(conf), conf.settings(BalanceSettings)
        self.name = octets(conf.name)
        self.peers = tuple(Peer(server, address, index) for index, (server, address) in enumerate(places(conf.servers)))
        self.tries = sum(not peer.down for peer in self.peers)
        self._primaries = Tier([peer for peer in self.peers if not peer.server.backup])
        self._backups = Tier([peer for peer in self.peers if peer.server.backup])
        self._primary: Balancer = method.build(self._primaries, rng)
        self._backup: Balancer | None = method.build(self._backups, rng) if self._backups.peers else None
        self._pick = self._primary.pick
        self._sole = len(self.peers) == 1
        self._learns = self._primary.learns
        self._try_all = settings.all_down == "try_all"
        sliding = settings.fail_window == "sliding"
        self._count_failure = health.on_failure_sliding if sliding else health.on_failure
        self._ledger: Ledger | None = None

    def select(self, key: bytes = b"") -> Selection:
        """Return the selection of a new request that the method sees by *key* (see `KeyKind`)."""
        return Selection(key)

    def acquire(self, selection: Selection, now: float) -> Peer:
        """
        Return the peer for the next attempt of a request, counted as in use until it is released.

        Args:
            selection: The request's, from `select`; the peer is added to those it has tried.
            now: Monotonic seconds.

        Raises:
            NoLivePeers: None is eligible.
        """
        peer = None if selection.on_backup else self._pick(selection, now)
        if peer is None:
            peer = self._pick_elsewhere(selection, now)
        selection.tried.append(peer)
        peer.conns += 1
        peer.total_requests += 1
        health.rearm(peer, int(now))
        return peer

    def answered(self, peer: Peer, header_time: float, now: float) -> None:
        """
        Say that the head of an answer came, *header_time* seconds after its attempt began.

        Only ``least_time header inflight`` learns from it; without the call it learns at the release.
        """
        if self._learns:
            self._balancer(peer).answered(peer, header_time, now)

    def release(
        self,
        peer: Peer,
        outcome: Outcome,
        now: float,
        header_time: float | None = None,
        response_time: float | None = None,
    ) -> None:
        """
        End the attempt at *peer*.

        Args:
            peer: From `acquire`; exactly one release for each.
            outcome: FAILED counts against it; ABANDONED is a success if *header_time* shows that it answered.
            now: Monotonic seconds.
            header_time: Seconds from the attempt's start to the head of the answer; None when none came.
            response_time: Seconds from the attempt's start to its end.
        """
        peer.conns -= 1
        if outcome is _FAILED:
            peer.total_failures += 1
            if not self._sole:
                self._count_failure(peer, now)
                self._failures_changed(peer)
        elif peer.fails and not (outcome is _ABANDONED and header_time is None):
            health.on_success(peer)
            self._failures_changed(peer)
        if self._learns:
            self._balancer(peer).release(peer, outcome, header_time, response_time, now)

    def share(self, ledger: Ledger) -> None:
        """Begin with what *ledger* knows of the peers, and tell there how they stand from now on."""
        self._ledger = ledger
        ledger.begin()
        self._review()

    def tell(self, now: float) -> None:
        """Tell the other workers what they need not know at once; to be called every second or so."""
        if self._ledger is not None:
            self._ledger.tell(now)

    def _failures_changed(self, peer: Peer) -> None:
        self._tier(peer).review()
        if self._ledger is not None:
            self._ledger.tell_failures(peer)

    def _review(self) -> None:
        self._primaries.review()
        self._backups.review()

    def _tier(self, peer: Peer) -> Tier:
        return self._backups if peer.server.backup else self._primaries

    def _balancer(self, peer: Peer) -> Balancer:
        return self._backup if self._backup and peer.server.backup else self._primary

    def _pick_elsewhere(self, selection: Selection, now: float) -> Peer:
        """Return a backup, since no primary is eligible; then, if allowed, anyone who is out."""
        if self._backup is not None:
            if not selection.on_backup:
                selection.on_backup, selection.state = True, None
            peer = self._backup.pick(selection, now)
            if peer is not None:
                return peer
        if not self._try_all or selection.last_resort:
            raise NoLivePeers("no live upstreams")
        selection.last_resort, selection.on_backup, selection.state = True, False, None
        return self._pick(selection, now) or self._pick_elsewhere(selection, now)
