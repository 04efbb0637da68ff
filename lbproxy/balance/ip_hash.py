"""
``ip_hash``: the same server for all clients of one IPv4 /24, or of one IPv6 address.

The address is folded into 0..6270, which is spread over the servers by weight; servers marked ``down`` keep
their part, so that the others' clients stay where they are.  When the peer so found is not eligible, the
same octets are folded in again.
Source: nginx src/http/modules/ngx_http_upstream_ip_hash_module.c:ngx_http_upstream_get_ip_hash_peer.
"""

from __future__ import annotations

from lbproxy.balance.method import KeyKind, Learnless, Method, without_arguments
from lbproxy.balance.peer import Peer, Selection
from lbproxy.balance.tier import Tier
from lbproxy.balance.walk import walk_on
from lbproxy.config.parser import Directive

_START, _FACTOR, _MODULUS = 89, 113, 6271


class _Walk:
    """One request's state: the hash of its last pick, and how often it hit an ineligible peer."""

    __slots__ = ("hash", "misses", "octets")

    def __init__(self, packed: bytes) -> None:
        self.octets = packed[:3] if len(packed) == 4 else packed or bytes(3)
        self.hash = _START
        self.misses = 0

    def step(self) -> int:
        """Fold the octets in (once more) and return the new hash."""
        value = self.hash
        for octet in self.octets:
            value = (value * _FACTOR + octet) % _MODULUS
        self.hash = value
        return value


class IpHash(Learnless):
    """``ip_hash;``."""

    directive = "ip_hash"

    def __init__(self, tier: Tier) -> None:
        self._tier = tier

    @classmethod
    def from_args(cls, directive: Directive) -> Method:
        """Parse the directive; raises InvalidValue when it has arguments."""
        without_arguments(directive)
        return Method(build=lambda tier, _: cls(tier), key_kind=KeyKind.ADDRESS, backup=False)

    def pick(self, selection: Selection, now: float) -> Peer | None:
        """Return the peer of the client's network, or the one it falls to while that is not eligible."""
        walk = selection.state
        if not isinstance(walk, _Walk):
            walk = selection.state = _Walk(selection.key)
        return walk_on(walk, self._tier, selection, now)
