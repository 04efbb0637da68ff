"""
One worker at work: clients, upstreams, housekeeping, and the way out.
"""

from __future__ import annotations

import math
import random
import socket
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import trio

from lbproxy.config.core import MainSettings
from lbproxy.errors import StreamClosed
from lbproxy.http.exchange import Client
from lbproxy.http.totals import SharedTotals, Totals
from lbproxy.net.listener import Listener
from lbproxy.net.readiness import Poller
from lbproxy.net.stream import Stream
from lbproxy.proxy.connection import Connection
from lbproxy.proxy.dispatch import Dispatcher
from lbproxy.proxy.handlers import handlers
from lbproxy.proxy.reception import Reception
from lbproxy.proxy.tcpinfo import tcp_info
from lbproxy.proxy.temporary import find_room
from lbproxy.proxy.upstream import Upstreams

if TYPE_CHECKING:
    from lbproxy.balance.rows import Row
    from lbproxy.config.model import Address
    from lbproxy.plan import Plan
    from lbproxy.proxy.logfile import Logs

LAST_CALL = 0.5
"""Seconds that idle connections are kept at the end of the service, so as to lose no request that is under way."""

PATIENCE = 5.0
"""Seconds that they are kept when others serve already: who asks again by then is answered, and told to close."""

_TICK = 1.0  # seconds between two rounds of housekeeping


class _TurnEnd(trio.abc.Instrument):
    """Writes the access log when the event loop has dealt with what has happened and is about to wait."""

    def __init__(self, logs: Logs) -> None:
        self._logs = logs

    def before_io_wait(self, timeout: float) -> None:  # noqa: ARG002 - trio's interface
        self._logs.end_turn()


class Server:
    """
    Serves a plan on sockets that somebody else has bound.

    Args:
        plan: What to do.
        sockets: Listening sockets by address as the configuration has it; they are not closed here.
        logs: Where to say what happened.
        row: What this worker shares with the others; None: nothing.

    Attributes:
        upstreams: What it passes requests to.
        names_vary: Not all servers let the same field names pass.
        draining: No new clients are taken; each of those here gets one more answer at most.
        patience: Seconds that a connection may be idle while draining.
        begun, ended: Requests of which a head was read, and those that are over.
        reading: Connections that have sent part of a head.
    """

    def __init__(
        self, plan: Plan, sockets: Mapping[Address, Sequence[socket.socket]], logs: Logs, row: Row | None = None
    ) -> None:
        self.plan, self.logs = plan, logs
        self.begun = self.ended = self.reading = 0
        self._shared_totals = None if row is None else SharedTotals(row)
        plan.census.totals = self.totals
        self.draining = False
        self.patience = math.inf
        self._main = plan.config.settings(MainSettings)
        self._poller = Poller()
        chance = random.Random()  # noqa: S311 - balancing, not secrets
        self.upstreams = Upstreams(self._poller, plan, chance, row)
        self.dispatcher = Dispatcher(plan, handlers(plan, self.upstreams))
        self.names_vary = len({plan.routes[server.root].limits.names for server in plan.config.servers}) > 1
        self._connections: set[Connection] = set()
        self._accepted_total = 0
        self._reception = Reception(self._poller, places=self._main.worker_connections, clients=self._connections,
                                    upstreams=self.upstreams, welcome=self._welcome, errors=logs.error)
        listening = {
            listener: address for address, several in sockets.items() for listener in self._reception.listen(several)
        }
        self._names = {listener: plan.router.names(address) for listener, address in listening.items()}
        introduced = {listener.address for listener in plan.config.listeners if listener.proxy_protocol}
        self._introduced = {listener for listener, address in listening.items() if address in introduced}
        self._finished = trio.Event()
        find_room()

    async def run(self, started: Callable[[], None]) -> None:
        """Serve until `stop`, or until `drain` has nothing left to wait for; *started* is called once it serves."""
        turn_end = _TurnEnd(self.logs)
        trio.lowlevel.add_instrument(turn_end)
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            nursery.start_soon(self._poller.run)
            nursery.start_soon(self._keep_house)
            nursery.start_soon(self._reception.run)
            self._reception.open()
            started()
            await self._finished.wait()
            nursery.cancel_scope.cancel()
        trio.lowlevel.remove_instrument(turn_end)
        self._reception.close()
        self._poller.end_fibres()
        self.logs.end_turn()
        self.totals()  # tells the others
        self.upstreams.close()
        self._poller.close()

    def stop(self) -> None:
        """End at once; requests in hand are lost."""
        self._finished.set()

    def drain(self, patience: float = LAST_CALL) -> None:
        """
        End as soon as the requests in hand are answered, at the latest after worker_shutdown_timeout.

        Args:
            patience: Seconds that connections may stay idle; a later call can only make them fewer.
        """
        if self._finished.is_set():
            return
        if patience < self.patience:
            self.patience = patience
            self._nursery.start_soon(self._dismiss_idle, patience)
        if self.draining:
            return
        self.draining = True
        self._reception.retire()
        if not self._connections:
            self._finished.set()
        elif self._main.worker_shutdown_timeout:
            self._nursery.start_soon(self._give_up)

    async def _dismiss_idle(self, patience: float) -> None:
        """Close the connections that have nothing to ask, once a request that was on its way has arrived."""
        await trio.sleep(patience)
        for connection in self._connections:
            if connection.idle:
                connection.stream.interrupt(StreamClosed("shutting down"))

    async def _give_up(self) -> None:
        await trio.sleep(self._main.worker_shutdown_timeout)
        self.logs.error.log("notice", f"shutdown timeout: {len(self._connections)} connections are cut")
        self._finished.set()

    # clients

    def _welcome(self, listener: Listener, stream: Stream, peername: Any) -> None:
        self._accepted_total += 1
        client = _client(stream.socket, peername, self._accepted_total, trio.current_time())
        connection = Connection(self, stream, self._names[listener], client)
        self._connections.add(connection)
        self._poller.spawn(connection.run(introduced=listener in self._introduced))

    def gone(self, connection: Connection) -> None:
        """Forget *connection*, which has ended."""
        self._connections.discard(connection)
        self._reception.left()
        if self.draining and not self._connections:
            self._finished.set()

    def totals(self) -> Totals:
        """Return how many clients and requests there were and are, in all workers."""
        clients = self._accepted_total, self._accepted_total, self.begun, len(self._connections)
        own = Totals(*clients, self.reading, self.begun - self.ended)
        return own if self._shared_totals is None else self._shared_totals.everywhere(own)

    # housekeeping

    async def _keep_house(self) -> None:
        while True:
            await trio.sleep(_TICK)
            now = trio.current_time()
            self.upstreams.expire(now)
            self.upstreams.tell(now)
            self.totals()  # tells the others
            self._reception.tick(now)
            self.logs.tick()


def _client(sock: socket.socket, peername: Any, number: int, now: float) -> Client:
    """Describe the client of *sock* for variables and balancers."""
    if sock.family == socket.AF_UNIX:
        path = sock.getsockname()
        return Client(b"unix:", 0, b"", b"unix:" + path.encode(errors="surrogateescape"), 0, number=number, opened=now)
    host, port = peername[:2]
    own_host, own_port = sock.getsockname()[:2]
    packed = socket.inet_pton(sock.family, host.partition("%")[0])
    client = Client(host.encode(), port, packed, own_host.encode(), own_port, number=number, opened=now)
    client.tcp_info = partial(tcp_info, sock)
    return client
