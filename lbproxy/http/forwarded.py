"""
Addresses that proxies hand on: whom a trusted client says it speaks for.

As src/http/ngx_http_core_module.c:ngx_http_get_forwarded_addr: names are believed from the right, with *recursive* as
long as the address believed last is trusted too.
"""

from __future__ import annotations

from collections.abc import Sequence

from lbproxy.config.networks import Network
from lbproxy.config.octets import text_of
from lbproxy.wire.addresses import mapped, pack


class Proxies:
    """
    The clients whose word is taken.

    Args:
        recursive: Whether those whom they name are asked as well, if they are trusted too.
    """

    __slots__ = ("_networks", "_recursive")

    def __init__(self, networks: Sequence[Network], recursive: bool) -> None:
        self._networks, self._recursive = networks, recursive

    def trusts(self, packed: bytes) -> bool:
        """Return whether *packed* is one of them."""
        packed = mapped(packed) or packed
        return any(network.holds(packed) for network in self._networks)

    def follow(self, values: Sequence[bytes], port: int = 0) -> tuple[bytes, int] | None:
        """
        Return the address to be believed, packed and with its port; None if there is none.

        Args:
            values: Of one or several fields: addresses separated by commas or blanks, the nearest last.
            port: That of an address which names none.
        """
        found = None
        for value in reversed(values):
            left: bytes | None = value
            while left is not None:
                left, name = _split_last(left)
                try:
                    packed, own_port = _parse(name)
                except ValueError:
                    return found
                found = packed, own_port or port
                if not self._recursive or not self.trusts(packed):
                    return found
        return found


def _split_last(value: bytes) -> tuple[bytes | None, bytes]:
    """Return the last address in *value*, and what stands before it, None if that is nothing."""
    value = value.rstrip(b" ,")
    cut = max(value.rfind(b" "), value.rfind(b","))
    return (None, value) if cut < 0 else (value[:cut], value[cut + 1 :])


def _parse(name: bytes) -> tuple[bytes, int]:
    """Return the address *name* packed, and its port or 0 (ngx_inet.c:ngx_parse_addr_port); raises ValueError."""
    text = text_of(name)
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or not rest.startswith(":"):
            raise ValueError("invalid address")  # brackets without a port are none there
        return pack(host), _port(rest[1:])
    host, colon, port = text.partition(":")
    if colon and ":" not in port:
        return pack(host), _port(port)
    return pack(text), 0


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 0 < int(text) <= 65535:
        raise ValueError("invalid port")
    return int(text)
