"""
Upstreams at work in one worker: the pure groups of peers, and the idle connections to them.

A destination that variables name is looked up among the configured upstreams first; a name that is none of them is
resolved by the system, in a thread, and remembered for a while together with its counters and connections, as an
address is for good.
"""

from __future__ import annotations

import socket
from math import inf
from typing import TYPE_CHECKING

import trio

from lbproxy.balance.peer import Peer
from lbproxy.config.model import Address
from lbproxy.errors import LocalAddressError, MalformedMessage, StreamClosed
from lbproxy.net.descriptors import SCARCE
from lbproxy.net.pool import Pool, Pooled
from lbproxy.net.stream import SockAddr, Stream, connect
from lbproxy.protocols.local import Local

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lbproxy.balance.group import PeerGroup
    from lbproxy.balance.peer import Chance
    from lbproxy.balance.rows import Row
    from lbproxy.config.core import PoolSettings
    from lbproxy.http.exchange import Exchange
    from lbproxy.net.readiness import Poller
    from lbproxy.plan import ForwardAction, Plan
    from lbproxy.protocols.forwarding import UpstreamProtocol
    from lbproxy.protocols.target import Target
    from lbproxy.protocols.upstreams import UpstreamPlan

_NAME_LIFETIME = 30.0  # seconds that a name resolved at run time is believed
_MOST_NAMES = 1000  # of them remembered at once


Kept = Peer | tuple[Peer, Local]
"""What kept connections are told apart by: one made from an address of its own serves requests that want that one."""


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
        self.pool: Pool[Kept] = Pool(pool.keepalive, pool.keepalive_requests, pool.keepalive_time,
                                     pool.keepalive_timeout)

    async def connect(
        self, peer: Peer, local: Local | None, timeout: float, *, keepalive: bool, waiting: Callable[[Stream], None]
    ) -> Pooled:
        """
        Make a new connection to *peer*.

        Args:
            local: Where it comes from; of no consequence for a unix socket.
            keepalive, waiting: As of `lbproxy.net.stream.connect`.

        Raises:
            StreamError: As `lbproxy.net.stream.connect`.
            MalformedMessage: There is no descriptor for it, or it can't come from *local*, which is no fault of the
                peer's (500).
        """
        family, target = sockaddr(peer.address)
        try:
            stream = await connect(
                self._poller, family, target, timeout, keepalive=keepalive, waiting=waiting,
                source=None if local is None else local[:2], transparent=local is not None and local.transparent,
            )  # fmt: skip
        except LocalAddressError as error:
            raise MalformedMessage(f"{error.reason} while connecting to upstream", 500) from None
        except StreamClosed as error:
            if error.errno in SCARCE:
                raise MalformedMessage(f"{error.reason} while connecting to upstream", 500) from None
            raise
        return Pooled(stream, trio.current_time())


class Upstreams:
    """
    Every upstream of a plan, as one worker sees it.

    Args:
        chance: For the random methods.
        row: What this worker shares with the others; None: nothing.
    """

    def __init__(self, poller: Poller, plan: Plan, chance: Chance, row: Row | None = None) -> None:
        self._poller, self._table, self._chance, self._row = poller, plan.upstreams, chance, row
        self._running: dict[UpstreamPlan, Upstream] = {}
        self._resolved: dict[tuple[str, int], tuple[Upstream, float]] = {}

    def of(self, action: ForwardAction) -> Upstream | None:
        """Return the upstream of *action*, None if that depends on the exchange."""
        return None if action.upstream is None else self._run(action.upstream)

    def _run(self, plan: UpstreamPlan) -> Upstream:
        if plan not in self._running:
            self._running[plan] = self._start(plan)
        return self._running[plan]

    def _start(self, plan: UpstreamPlan) -> Upstream:
        return Upstream(self._poller, plan.new_group(self._chance, self._row), plan.key, plan.pool)

    async def find(self, protocol: UpstreamProtocol, ex: Exchange) -> Upstream:
        """
        Return the upstream that the variables in a ``*_pass`` lead to.

        Raises:
            MalformedMessage: They lead nowhere; its status (500, or 502 for an unknown host) is the answer.
        """
        target = protocol.target(ex)
        plan = self._table.find(target, protocol.default_port)
        if plan is None:
            return await self._poller.as_task(self._resolve, target, protocol.default_port)
        if plan.conf.implicit and plan.conf.name not in self._table.plans:
            return self._known_address(plan)
        return self._run(plan)

    def _known_address(self, plan: UpstreamPlan) -> Upstream:
        """Return the upstream of an address that only variables name, the same for all requests that it gets."""
        place = (plan.conf.name, 0)
        if place not in self._resolved:
            self._remember(place, self._start(plan), inf)
        return self._resolved[place][0]

    def _remember(self, place: tuple[str, int], upstream: Upstream, until: float) -> None:
        if len(self._resolved) >= _MOST_NAMES and place not in self._resolved:
            self._forget(next(iter(self._resolved)))
        self._resolved[place] = (upstream, until)

    async def _resolve(self, target: Target, default_port: int | None) -> Upstream:
        endpoint = target.endpoint
        port = endpoint.port or default_port or 0
        known = self._resolved.get((endpoint.host, port))
        now = trio.current_time()
        if known is not None and now < known[1]:
            return known[0]
        try:
            found = await trio.socket.getaddrinfo(endpoint.host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:  # UnicodeError: it can't be a name at all
            if known is not None:  # better an old address than none
                return known[0]
            message = f"{endpoint.host} could not be resolved ({getattr(error, 'strerror', None) or error})"
            raise MalformedMessage(message, 502) from None
        addresses = list(dict.fromkeys(Address(host=str(where[4][0]), port=port) for where in found))
        upstream = known[0] if known is not None else None
        if upstream is None or [peer.address for peer in upstream.group.peers] != addresses:
            if upstream is not None:
                upstream.pool.close()
            upstream = self._start(self._table.resolved(target, default_port, addresses))
        self._remember((endpoint.host, port), upstream, now + _NAME_LIFETIME)
        return upstream

    def _forget(self, name: tuple[str, int]) -> None:
        upstream, _ = self._resolved.pop(name)
        upstream.pool.close()

    def __iter__(self) -> Iterator[Upstream]:
        """Yield those that have been asked for so far."""
        yield from [*self._running.values(), *(upstream for upstream, _ in self._resolved.values())]

    def expire(self, now: float) -> None:
        """Close connections that have been idle for too long."""
        for upstream in self:
            upstream.pool.expire(now)

    def tell(self, now: float) -> None:
        """Tell the other workers what they need not know at once; to be called every second or so."""
        for upstream in self._running.values():
            upstream.group.tell(now)

    def shrink(self) -> bool:
        """Give up one idle connection, descriptors having run out; False when there is none."""
        return any(upstream.pool.shrink() for upstream in self)

    def close(self) -> None:
        """Close every idle connection."""
        for upstream in self:
            upstream.pool.close()


def sockaddr(address: Address) -> tuple[int, SockAddr]:
    """Return the family and the address as the socket module wants them."""
    if address.is_unix:
        return socket.AF_UNIX, address.path
    return (socket.AF_INET6 if address.is_ipv6 else socket.AF_INET), (address.host, address.port)
