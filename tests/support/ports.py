"""Loopback ports that stay reserved while a test decides who listens on them."""

from __future__ import annotations

import socket


class Ports:
    """
    Hands out ports and keeps each one bound, though not listening, until closed.

    On Linux a second socket may bind and listen there as long as both set SO_REUSEADDR, as servers do, while
    nobody else is given the port; until somebody listens, a connection is refused at once.  The ports are bound
    on all IPv4 addresses, so 127.0.0.1 and 127.0.0.2 can carry the same one.
    """

    def __init__(self) -> None:
        self._reserved: list[socket.socket] = []

    def take(self, host: str = "0.0.0.0") -> int:
        """Reserve a port of *host*, which may be an IPv6 address."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        reserved = socket.socket(family, socket.SOCK_STREAM)
        self._reserved.append(reserved)
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind((host, 0))
        port: int = reserved.getsockname()[1]
        return port

    def close(self) -> None:
        """Give all of them back."""
        for reserved in self._reserved:
            reserved.close()
        self._reserved.clear()
