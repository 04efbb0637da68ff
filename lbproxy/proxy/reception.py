"""
Letting clients in, as long as there is a place and a descriptor for them.

When there is none, what is idle makes room: connections kept to servers, then clients that have nothing to ask, those
that have been idle for longest (ngx_connection.c:ngx_drain_connections), but not those whose request may just be on its
way.  Only when nothing is idle new clients wait in the kernel's queue, until somebody leaves.  Some descriptors are
kept back for what the requests in hand are going to need, connections to servers and temporary files.

The error log tells of a shortage once, however long it lasts and however many clients it concerns.
"""

from __future__ import annotations

import heapq
import resource
from collections.abc import Callable, Collection, Iterable
from math import inf
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from lbproxy.errors import describe
from lbproxy.net.descriptors import SCARCE
from lbproxy.net.listener import Listener

if TYPE_CHECKING:
    import socket

    from lbproxy.net.listener import Peername
    from lbproxy.net.readiness import Poller
    from lbproxy.net.stream import Stream
    from lbproxy.proxy.connection import Connection
    from lbproxy.proxy.logfile import ErrorLog
    from lbproxy.proxy.upstream import Upstreams

_MOST_DISMISSED = 32  # idle clients that make room at once, and the share of them, as in ngx_drain_connections
_SHARE_DISMISSED = 8
_SHARE_KEPT_BACK = 8  # one in so many descriptors is for requests in hand
_CALM = 5.0  # seconds without a shortage that make the next one a new one
_GRACE = 0.1  # seconds that a client may be idle before it is closed to make room
_PAUSE = 0.1  # seconds without accepting when nothing can make room
_idle_since = attrgetter("idle_since")


class Reception:
    """
    The `lbproxy.net.listener.Host` of one worker.

    Args:
        places: Clients at most (``worker_connections``).
        clients: Those who are here.
        upstreams: Whose idle connections are given up first.
        welcome: Called with each new client.
    """

    def __init__(
        self,
        poller: Poller,
        *,
        places: int,
        clients: Collection[Connection],
        upstreams: Upstreams,
        welcome: Callable[[Listener, Stream, Peername], None],
        errors: ErrorLog,
    ) -> None:
        self._poller, self._places, self._clients, self._upstreams = poller, places, clients, upstreams
        self._errors = errors
        self.accepted = welcome
        self._listeners: list[Listener] = []
        self._limit, self._most_streams = _descriptors()
        self._paused, self._closed = trio.Event(), False
        self._told: set[str] = set()
        self._short_at = -inf
        poller.descriptors.give_up = self.give_up
        if places > self._limit:  # as ngx_event.c:ngx_event_module_init
            errors.log("warn", f"{places} worker_connections exceed open file resource limit: {self._limit}")

    def listen(self, sockets: Iterable[socket.socket]) -> list[Listener]:
        """Return a listener for each of *sockets*; clients are accepted after `open`."""
        added = [Listener(self._poller, sock, self) for sock in sockets]
        self._listeners += added
        return added

    async def run(self) -> None:
        """Open again a moment after each pause; until cancelled."""
        while True:
            await self._paused.wait()
            await trio.sleep(_PAUSE)
            self.left()

    def open(self) -> None:
        """Accept clients from now on."""
        self._paused = trio.Event()
        for listener in self._listeners:
            listener.resume()

    def retire(self) -> None:
        """Accept those who are waiting already, and nobody after them."""
        self._closed = True
        for listener in self._listeners:
            listener.retire()

    def close(self) -> None:
        """Accept nobody any more."""
        self._closed = True
        self._pause()

    def _pause(self) -> None:
        self._paused.set()
        for listener in self._listeners:
            listener.pause()

    def left(self) -> None:
        """Hear that a client has gone: another one may come."""
        if self._paused.is_set() and not self._closed:
            self.open()

    def tick(self, now: float) -> None:
        """Look whether a shortage is over; called about once a second."""
        if self._told and now - self._short_at > _CALM:
            self._told.clear()
            self._errors.log("notice", "there is room for clients again")

    # a shortage

    def has_room(self) -> bool:
        """See `lbproxy.net.listener.Host`."""
        return len(self._clients) < self._places and self._poller.descriptors.streams < self._most_streams

    def make_room(self, refusal: OSError | None = None) -> None:
        """See `lbproxy.net.listener.Host`."""
        self._short_at = self._poller.now
        give_up, helps = self.give_up, refusal is None or refusal.errno in SCARCE
        if refusal is not None:
            level, message = "crit", f"accept() failed {describe(refusal)}"
        elif len(self._clients) >= self._places:
            level, message, give_up = "alert", f"{self._places} worker_connections are not enough", self._dismiss
        else:
            level, message = "crit", f"{self._limit} open files are not enough"
        if helps and give_up():
            self._tell("warn", f"{message}, reusing connections")
        else:
            self._tell(level, message)
            self._pause()

    def _tell(self, level: str, message: str) -> None:
        if message not in self._told:
            self._told.add(message)
            self._errors.log(level, message)

    def give_up(self) -> bool:
        """Close what is idle and holds a descriptor; False when nothing is."""
        return self._upstreams.shrink() or self._dismiss()

    def _dismiss(self) -> bool:
        """Close the clients that have been idle for longest; False when none has been for long enough."""
        since = self._poller.now - _GRACE
        idle = [client for client in self._clients if client.idle_since <= since and not client.stream.closed]
        count = max(1, min(_MOST_DISMISSED, len(idle) // _SHARE_DISMISSED))
        longest = heapq.nsmallest(count, idle, _idle_since)
        dismissed = [client for client in longest if not client.stream.pending_input()]
        for client in dismissed:
            client.stream.close()  # its fibre meets that, and leaves
        return bool(dismissed)


def _descriptors() -> tuple[float, float]:
    """Return how many descriptors this process may hold, and how many of those its streams may take."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return inf, inf
    return limit, max(2, limit - len(list(Path("/proc/self/fd").iterdir())) - limit // _SHARE_KEPT_BACK)
