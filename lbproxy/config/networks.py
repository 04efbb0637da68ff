"""
Networks: ``10.0.0.0/8``, ``2001:db8::/32``, and ``unix:`` for the clients of unix sockets.

As src/core/ngx_inet.c:ngx_ptocidr and ngx_cidr_match, for addresses packed as in `lbproxy.wire.addresses`.
"""

from __future__ import annotations

from typing import NamedTuple

from lbproxy.wire.addresses import pack


class Network(NamedTuple):
    """
    The addresses whose first bits are alike.

    Args:
        family: Octets of its addresses: 4, 16, or 0 for unix sockets.
        prefix: The first of them, as a number.
        mask: The bits that count.
    """

    family: int
    prefix: int = 0
    mask: int = 0

    def holds(self, packed: bytes) -> bool:
        """Return whether *packed* belongs to it."""
        return len(packed) == self.family and int.from_bytes(packed) & self.mask == self.prefix


UNIX = Network(0)


def parse_network(text: str) -> tuple[Network, bool]:
    """
    Return the network *text*, and whether the bits of its address behind the mask are all zero, as they should be.

    Raises:
        ValueError: It is none.
    """
    if text == "unix:":
        return UNIX, True
    host, slash, length = text.partition("/")
    packed = pack(host)
    bits = len(packed) * 8
    kept = _length(length, bits) if slash else bits
    mask = (1 << bits) - (1 << bits - kept)
    address = int.from_bytes(packed)
    return Network(len(packed), address & mask, mask), address & mask == address


def _length(text: str, bits: int) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) > bits:
        raise ValueError("invalid prefix length")
    return int(text)
