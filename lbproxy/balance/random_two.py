"""
``random`` and ``random two``: chance, by weight; of two draws the one with fewer requests in flight.

Source: nginx src/http/modules/ngx_http_upstream_random_module.c:ngx_http_upstream_get_random_peer,
:get_random2_peer.
"""

from __future__ import annotations

from lbproxy.balance.method import MISSES, Learnless, Method, invalid_parameter
from lbproxy.balance.peer import Balancer, Chance, Peer, Selection
from lbproxy.balance.round_robin import RoundRobin, smooth_pick
from lbproxy.balance.tier import Tier
from lbproxy.config.parser import Directive


class _Draws:
    """One request's state: how many draws missed."""

    __slots__ = ("misses",)

    def __init__(self) -> None:
        self.misses = 0


class Random(Learnless):
    """``random;``."""

    directive = "random"

    def __init__(self, tier: Tier, rng: Chance) -> None:
        self._tier, self._rng = tier, rng

    @classmethod
    def from_args(cls, directive: Directive) -> Method:
        """Parse ``random [two [least_conn]]``; raises InvalidValue for anything else."""
        for argument, expected in zip(directive.args, ("two", "least_conn"), strict=False):
            if argument.text != expected:
                raise invalid_parameter(argument)
        kind = RandomTwo if directive.args else Random

        def build(tier: Tier, rng: Chance) -> Balancer:
            return kind(tier, rng) if len(tier.peers) > 1 else RoundRobin(tier)

        return Method(build=build, backup=False)

    def pick(self, selection: Selection, now: float) -> Peer | None:
        """Return a drawn eligible peer; round robin after too many misses."""
        draws = _draws(selection)
        while draws.misses <= MISSES:
            peer = self._draw()
            if self._tier.admits(peer, selection, now):
                return peer
            draws.misses += 1
        return smooth_pick(self._tier.eligible(selection, now))

    def _draw(self) -> Peer:
        return self._tier.at(int(self._rng.random() * self._tier.total_weight))


class RandomTwo(Random):
    """``random two;``, which is ``random two least_conn;``."""

    def pick(self, selection: Selection, now: float) -> Peer | None:
        """Return the better of two different drawn eligible peers, the second one if they are equal."""
        draws, first = _draws(selection), None
        while draws.misses <= MISSES:
            peer = self._draw()
            if peer is first or not self._tier.admits(peer, selection, now):
                draws.misses += 1
            elif first is None:
                first = peer
            else:
                return first if peer.conns * first.weight > first.conns * peer.weight else peer
        return smooth_pick(self._tier.eligible(selection, now))


def _draws(selection: Selection) -> _Draws:
    """Return the request's count of misses, made at its first pick."""
    draws = selection.state
    if not isinstance(draws, _Draws):
        draws = selection.state = _Draws()
    return draws
