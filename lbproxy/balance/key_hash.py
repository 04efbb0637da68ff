"""
``hash KEY``, ``hash KEY consistent`` and ``url_hash``: the same server for equal keys.

The plain form spreads a sum of CRC-32s over the servers by weight, as Cache::Memcached does: when the
number of servers changes, most keys move.  The consistent form puts 160 points per weight on a ring
(ketama, as Cache::Memcached::Fast): taking a server away moves its own keys only.  An empty key goes round
robin.
Source: nginx src/http/modules/ngx_http_upstream_hash_module.c:ngx_http_upstream_get_hash_peer,
:get_chash_peer.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from zlib import crc32

from lbproxy.balance.method import (
    MISSES,
    KeyKind,
    Learnless,
    Method,
    invalid_parameter,
    without_arguments,
)
from lbproxy.balance.peer import Peer, Selection
from lbproxy.balance.round_robin import smooth_pick
from lbproxy.balance.tier import Tier
from lbproxy.balance.walk import walk_on
from lbproxy.config.octets import octets
from lbproxy.config.parser import Argument, Directive

_POINTS = 160  # per unit of weight
_PREVIOUS = struct.Struct("<I")


class _Sum:
    """One request's state under the plain form: the sum so far, of how many hashes, and the misses."""

    __slots__ = ("key", "misses", "rounds", "total")

    def __init__(self, key: bytes) -> None:
        self.key = key
        self.total = self.rounds = self.misses = 0

    def step(self) -> int:
        """Add the next hash and return the sum: of the key, then of the key behind "1", "2", ..."""
        prefix = b"%d" % self.rounds if self.rounds else b""
        self.rounds += 1
        self.total += crc32(prefix + self.key) >> 16 & 0x7FFF
        return self.total


class KeyHash(Learnless):
    """``hash KEY;`` and ``url_hash;``, which is ``hash $request_uri;``."""

    directive = "hash"

    def __init__(self, tier: Tier) -> None:
        self._tier = tier

    @classmethod
    def from_args(cls, directive: Directive) -> Method:
        """Parse ``hash KEY [consistent]``; raises InvalidValue for any other second argument."""
        key, *rest = directive.args
        if not rest:
            return Method(build=lambda tier, _: cls(tier), key_kind=KeyKind.TEMPLATE, key=key, backup=False)
        if rest[0].text != "consistent":
            raise invalid_parameter(rest[0])
        return Method(
            build=lambda tier, _: ConsistentHash(tier), key_kind=KeyKind.TEMPLATE, key=key, backup=False
        )

    @classmethod
    def from_url_hash(cls, directive: Directive) -> Method:
        """Parse ``url_hash``; raises InvalidValue when it has arguments."""
        without_arguments(directive)
        key = Argument("$request_uri", directive.position)
        return Method(build=lambda tier, _: cls(tier), key_kind=KeyKind.TEMPLATE, key=key, backup=False)

    def pick(self, selection: Selection, now: float) -> Peer | None:
        """Return the peer of the key, or the one it falls to while that is not eligible."""
        if not selection.key:
            return smooth_pick(self._tier.eligible(selection, now))
        walk = selection.state
        if not isinstance(walk, _Sum):
            walk = selection.state = _Sum(selection.key)
        return walk_on(walk, self._tier, selection, now)


def point_seed(name: str) -> int:
    """
    Return the CRC-32 that all points of a server start from.

    Args:
        name: The address as the `server` line has it: ``unix:/path``, ``host`` or ``host:port``.
    """
    if name[:5].lower() == "unix:":
        return crc32(octets(name[5:]) + b"\0")
    host, colon, port = name.rpartition(":")
    if colon and port.strip("0123456789") == "":
        return crc32(octets(host) + b"\0" + port.encode())
    return crc32(octets(name) + b"\0")


class _Place:
    """One request's state on the ring: the index of its next point, and how many it has passed over."""

    __slots__ = ("index", "misses")

    def __init__(self, index: int) -> None:
        self.index = index
        self.misses = 0


class ConsistentHash(Learnless):
    """``hash KEY consistent;``."""

    def __init__(self, tier: Tier) -> None:
        self._tier = tier
        owners: dict[str, list[Peer]] = {}
        for peer in tier.peers:
            owners.setdefault(peer.server.name, []).append(peer)
        ring: dict[int, list[Peer]] = {}
        for peer in tier.peers:
            seed, point = point_seed(peer.server.name), 0
            for _ in range(_POINTS * peer.weight):
                point = crc32(_PREVIOUS.pack(point), seed)
                ring.setdefault(point, owners[peer.server.name])  # of equal points the first one stays
        self._points = sorted(ring)
        self._owners = [ring[point] for point in self._points]

    def pick(self, selection: Selection, now: float) -> Peer | None:
        """Return a peer of the first server clockwise from the key that has an eligible one."""
        tier = self._tier
        if not selection.key:
            return smooth_pick(tier.eligible(selection, now))
        place = selection.state
        if not isinstance(place, _Place):
            place = selection.state = _Place(bisect_left(self._points, crc32(selection.key)))
        while place.misses <= MISSES:
            owner = self._owners[place.index % len(self._owners)]
            peer = smooth_pick([peer for peer in owner if tier.admits(peer, selection, now)])
            if peer is not None:
                return peer
            place.index += 1
            place.misses += 1
        return smooth_pick(tier.eligible(selection, now))
