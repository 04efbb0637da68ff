"""
One worker at work: listeners, clients, upstreams, housekeeping, and the way out.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import trio

from lbproxy.config.core import MainSettings
from lbproxy.errors import StreamClosed
from lbproxy.http.exchange import Client
from lbproxy.net.listener import Listener
from lbproxy.net.readiness import Poller
from lbproxy.net.stream import Stream
from lbproxy.proxy.connection import LAST_CALL, Connection
from lbproxy.proxy.dispatch import Dispatcher
from lbproxy.proxy.handlers import handlers
from lbproxy.proxy.upstream import Upstreams

if TYPE_CHECKING:
    from lbproxy.config.model import Address
    from lbproxy.plan import Plan
    from lbproxy.proxy.logfile import Logs

_TICK = 1.0  # seconds between two rounds of housekeeping
_PAUSE = 0.5  # seconds without accepting after the system had nothing to give (as nginx's accept_mutex_delay)


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

    Attributes:
        upstreams: What it passes requests to.
        names_vary: Not all servers let the same field names pass.
        draining: No new clients are taken; each of those here gets one more answer at most.
    """

    def __init__(self, plan: Plan, sockets: Mapping[Address, Sequence[socket.socket]], logs: Logs) -> None:
        self.plan, self.logs = plan, logs
        self.draining = False
        self._main = plan.config.settings(MainSettings)
        self._poller = Poller()
        self.upstreams = Upstreams(self._poller, plan, random.Random())  # noqa: S311 - balancing, not secrets
        self.dispatcher = Dispatcher(plan, handlers(plan, self.upstreams))
        self.names_vary = len({plan.routes[server.root].limits.names for server in plan.config.servers}) > 1
        self._listeners = {
            Listener(self._poller, sock, self._accepted, self._exhausted): plan.router.names(address)
            for address, several in sockets.items() for sock in several
        }
        self._connections: set[Connection] = set()
        self._accepted_total = 0
        self._full = False
        self._finished = trio.Event()

    async def run(self, started: Callable[[], None]) -> None:
        """Serve until `stop`, or until `drain` has nothing left to wait for; *started* is called once it serves."""
        turn_end = _TurnEnd(self.logs)
        trio.lowlevel.add_instrument(turn_end)
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            nursery.start_soon(self._poller.run)
            nursery.start_soon(self._keep_house)
            for listener in self._listeners:
                listener.resume()
            started()
            await self._finished.wait()
            nursery.cancel_scope.cancel()
        trio.lowlevel.remove_instrument(turn_end)
        self._poller.end_fibres()
        self.logs.end_turn()
        self.upstreams.close()
        for listener in self._listeners:
            listener.pause()
        self._poller.close()

    def stop(self) -> None:
        """End at once; requests in hand are lost."""
        self._finished.set()

    def drain(self) -> None:
        """End as soon as the requests in hand are answered, at the latest after worker_shutdown_timeout."""
        if self.draining:
            return
        self.draining = True
        for listener in self._listeners:
            listener.pause()
        if not self._connections:
            self._finished.set()
            return
        self._nursery.start_soon(self._dismiss_idle)
        if self._main.worker_shutdown_timeout:
            self._nursery.start_soon(self._give_up)

    async def _dismiss_idle(self) -> None:
        """Close the connections that have nothing to ask, once a request that was on its way has arrived."""
        await trio.sleep(LAST_CALL)
        for connection in self._connections:
            if connection.idle:
                connection.stream.interrupt(StreamClosed("shutting down"))

    async def _give_up(self) -> None:
        await trio.sleep(self._main.worker_shutdown_timeout)
        self.logs.error.log("notice", f"shutdown timeout: {len(self._connections)} connections are cut")
        self._finished.set()

    # clients

    def _accepted(self, listener: Listener, stream: Stream, peername: Any) -> None:
        self._accepted_total += 1
        client = _client(stream.socket, peername, self._accepted_total, trio.current_time())
        connection = Connection(self, stream, self._listeners[listener], client)
        self._connections.add(connection)
        self._poller.spawn(connection.run())
        if len(self._connections) >= self._main.worker_connections and not self._full:
            self._full = True
            self.logs.error.log("alert", f"{self._main.worker_connections} worker_connections are not enough")
            for each in self._listeners:
                each.pause()

    def gone(self, connection: Connection) -> None:
        """Forget *connection*, which has ended."""
        self._connections.discard(connection)
        if self.draining:
            if not self._connections:
                self._finished.set()
        elif self._full:
            self._full = False
            for listener in self._listeners:
                listener.resume()

    def _exhausted(self, listener: Listener, reason: str) -> None:
        self.logs.error.log("crit", f"accept() failed {reason}")
        self.upstreams.shrink()
        self._nursery.start_soon(self._resume_later, listener)

    async def _resume_later(self, listener: Listener) -> None:
        await trio.sleep(_PAUSE)
        if not self.draining and not self._full:
            listener.resume()

    # housekeeping

    async def _keep_house(self) -> None:
        while True:
            await trio.sleep(_TICK)
            self.upstreams.expire(trio.current_time())
            self.logs.tick()


def _client(sock: socket.socket, peername: Any, number: int, now: float) -> Client:
    """Describe the client of *sock* for variables and balancers."""
    if sock.family == socket.AF_UNIX:
        path = sock.getsockname()
        return Client(b"unix:", 0, b"", b"unix:" + path.encode(errors="surrogateescape"), 0, number=number, opened=now)
    host, port = peername[:2]
    own_host, own_port = sock.getsockname()[:2]
    packed = socket.inet_pton(sock.family, host.partition("%")[0])
    return Client(host.encode(), port, packed, own_host.encode(), own_port, number=number, opened=now)
