"""
An upstream at work in this worker: the pure group of peers, and the idle connections to them.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import trio

from lbproxy.net.pool import Pool, Pooled
from lbproxy.net.stream import SockAddr, connect

if TYPE_CHECKING:
    from collections.abc import Callable

    from lbproxy.balance.group import PeerGroup
    from lbproxy.balance.peer import Peer
    from lbproxy.config.core import PoolSettings
    from lbproxy.config.model import Address
    from lbproxy.http.exchange import Exchange
    from lbproxy.net.readiness import Poller


class Upstream:
    """
    One upstream.

    Args:
        group: Its peers and the balancer.
        key: What the balancer chooses by, computed from an exchange.
        pool: Limits of the idle connections.
    """

    __slots__ = ("_poller", "group", "key", "pool")

    def __init__(
        self, poller: Poller, group: PeerGroup, key: Callable[[Exchange], bytes], pool: PoolSettings
    ) -> None:
        self._poller, self.group, self.key = poller, group, key
        self.pool: Pool[Peer] = Pool(pool.keepalive, pool.keepalive_requests, pool.keepalive_time,
                                     pool.keepalive_timeout)

    async def connect(self, peer: Peer, timeout: float, *, keepalive: bool) -> Pooled:
        """
        Make a new connection to *peer*.

        Args:
            keepalive: Set SO_KEEPALIVE on it.

        Raises:
            StreamError: As `lbproxy.net.stream.connect`.
        """
        family, target = sockaddr(peer.address)
        stream = await connect(self._poller, family, target, timeout, keepalive=keepalive)
        return Pooled(stream, trio.current_time())


def sockaddr(address: Address) -> tuple[int, SockAddr]:
    """Return the family and the address as the socket module wants them."""
    if address.is_unix:
        return socket.AF_UNIX, address.path
    return (socket.AF_INET6 if address.is_ipv6 else socket.AF_INET), (address.host, address.port)
