"""The primaries of a group, or its backups: who may be picked, and where a hash lands among them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from lbproxy.balance.health import is_out, usable
from lbproxy.balance.peer import Peer, Selection


class Tier:
    """
    The peers of one rank, in the order of the configuration.

    Attributes:
        peers: All of them, those marked ``down`` too: a hash must not move when one is.
        live: Those not marked ``down``.
        total_weight: Of all *peers*.
    """

    __slots__ = ("_ends", "_limited", "_troubled", "live", "peers", "total_weight")

    def __init__(self, peers: Sequence[Peer]) -> None:
        self.peers = tuple(peers)
        self.live = tuple(peer for peer in peers if not peer.down)
        self._ends = tuple(accumulate(peer.weight for peer in peers))
        self.total_weight = self._ends[-1] if self._ends else 0
        self._limited = any(peer.max_conns for peer in peers)
        self._troubled = False

    def at(self, point: int) -> Peer:
        """Return the peer that owns *point* of 0..total_weight-1, each owning as many as its weight."""
        return self.peers[bisect_right(self._ends, point)]

    def admits(self, peer: Peer, selection: Selection, now: float) -> bool:
        """Whether *peer* is eligible: not down, not tried, not full, not out (unless as a last resort)."""
        return (
            not peer.down
            and peer not in selection.tried
            and not 0 < peer.max_conns <= peer.conns
            and (selection.last_resort or usable(peer, int(now)))
        )

    def eligible(self, selection: Selection, now: float) -> Sequence[Peer]:
        """Return all eligible peers in order; at no cost while there is nothing against anybody."""
        if selection.tried or self._troubled or self._limited:
            return [peer for peer in self.live if self.admits(peer, selection, now)]
        return self.live

    def review(self) -> None:
        """Look again whether any peer is out, after the failures of one have changed."""
        self._troubled = any(map(is_out, self.live))
