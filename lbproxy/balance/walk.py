"""
One request's walk from peer to peer along a sequence of hashes, for the methods that hash onto weights.

Source: what ngx_http_upstream_get_ip_hash_peer and ngx_http_upstream_get_hash_peer have in common.
"""

from __future__ import annotations

from typing import Protocol

from lbproxy.balance.method import MISSES
from lbproxy.balance.peer import Peer, Selection
from lbproxy.balance.round_robin import smooth_pick
from lbproxy.balance.tier import Tier


class Walk(Protocol):
    """
    Where a request has got to; kept in `Selection.state` between its picks.

    Attributes:
        misses: How often it has come to a peer that was not eligible.
    """

    misses: int

    def step(self) -> int:
        """Return the next hash."""


def walk_on(walk: Walk, tier: Tier, selection: Selection, now: float) -> Peer | None:
    """Return the first eligible peer of *tier* from here on; round robin after too many misses."""
    while walk.misses <= MISSES:
        peer = tier.at(walk.step() % tier.total_weight)
        if tier.admits(peer, selection, now):
            return peer
        walk.misses += 1
    return smooth_pick(tier.eligible(selection, now))
