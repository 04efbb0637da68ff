"""
Smooth weighted round robin: nginx's default, and what the other methods use among equals.

Every eligible peer gains its effective weight; the one with the most is picked and pays the sum of what all
gained. So 5, 1, 1 gives the order 1 1 2 1 3 1 1.  A peer that is skipped keeps what it has.
Source: nginx src/http/ngx_http_upstream_round_robin.c:ngx_http_upstream_get_peer.
"""

from __future__ import annotations

from collections.abc import Iterable

from lbproxy.balance.method import Learnless
from lbproxy.balance.peer import Peer, Selection
from lbproxy.balance.tier import Tier


def smooth_pick(peers: Iterable[Peer]) -> Peer | None:
    """Play one round among *peers* and return the winner, the earliest of equals; None without peers."""
    best: Peer | None = None
    highest = total = 0
    for peer in peers:
        gain = peer.effective_weight
        total += gain
        current = peer.current_weight = peer.current_weight + gain
        if gain < peer.weight:
            peer.effective_weight = gain + 1
        if best is None or current > highest:
            best, highest = peer, current
    if best is not None:
        best.current_weight -= total
    return best


class RoundRobin(Learnless):
    """No directive: what an upstream does when nothing else is said."""

    def __init__(self, tier: Tier) -> None:
        self._tier = tier

    def pick(self, selection: Selection, now: float) -> Peer | None:
        """Return the next peer in turn."""
        return smooth_pick(self._tier.eligible(selection, now))
