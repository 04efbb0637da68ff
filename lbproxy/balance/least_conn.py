"""
``least_conn``: the peer with the fewest requests in flight for its weight; equals take turns.

Source: nginx src/http/modules/ngx_http_upstream_least_conn_module.c:ngx_http_upstream_get_least_conn_peer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from lbproxy.balance.method import Learnless, Method, without_arguments
from lbproxy.balance.peer import Peer, Selection
from lbproxy.balance.round_robin import smooth_pick
from lbproxy.balance.tier import Tier
from lbproxy.config.parser import Directive


def least(peers: Iterable[Peer], cost: Callable[[Peer], int]) -> Peer | None:
    """
    Return the peer of the least *cost* per weight, by one round of smooth round robin among equals.

    Only the equals gain weight in that round, and a single winner pays nothing.  Ratios are compared by cross
    products, so they are exact.
    """
    equals: list[Peer] = []
    best: Peer | None = None
    lowest = 0
    for peer in peers:
        amount = cost(peer)
        difference = -1 if best is None else amount * best.weight - lowest * peer.weight
        if difference < 0:
            best, lowest = peer, amount
            equals = [peer]
        elif difference == 0:
            equals.append(peer)
    return best if len(equals) < 2 else smooth_pick(equals)


def _in_flight(peer: Peer) -> int:
    return peer.conns


class LeastConn(Learnless):
    """``least_conn;``."""

    directive = "least_conn"

    def __init__(self, tier: Tier) -> None:
        self._tier = tier

    @classmethod
    def from_args(cls, directive: Directive) -> Method:
        """Parse the directive; raises InvalidValue when it has arguments."""
        without_arguments(directive)
        return Method(build=lambda tier, _: cls(tier))

    def pick(self, selection: Selection, now: float) -> Peer | None:
        """Return the eligible peer with the least requests in flight per weight."""
        return least(self._tier.eligible(selection, now), _in_flight)
