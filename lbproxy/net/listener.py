"""
Accepting clients: in batches, shared with other workers, as long as there is room for them.

The sockets belong to the master and outlive this worker; a `Listener` only takes from them.
"""

from __future__ import annotations

import select
import socket
from typing import Any, Protocol

from lbproxy.net.channel import Channel
from lbproxy.net.readiness import Poller
from lbproxy.net.stream import Stream

_BATCH = 64  # connections accepted before those already accepted get their turn

Peername = Any  # what accept() returns: a str for AF_UNIX, a tuple otherwise


class Host(Protocol):
    """Who takes clients in.  None of this may block."""

    def has_room(self) -> bool:
        """Return whether one more client may be accepted."""

    def make_room(self, refusal: OSError | None = None) -> None:
        """
        Hear that a client waits who cannot be accepted.

        It must have made room before the poller's next round, when it is asked again, or have paused the listener.

        Args:
            refusal: What the system says; None when it was `has_room`.
        """

    def accepted(self, listener: Listener, stream: Stream, peername: Peername) -> None:
        """Take a new client."""


class Listener(Channel):
    """
    One listening socket, level-triggered, so that what a batch leaves over is reported again.

    It accepts nobody before `resume`.
    """

    __slots__ = ("_host", "_no_delay", "_watching", "socket")

    def __init__(self, poller: Poller, sock: socket.socket, host: Host) -> None:
        super().__init__(poller, sock.fileno())
        self.socket, self._host = sock, host
        self._no_delay = sock.family != socket.AF_UNIX
        self._watching = False
        sock.setblocking(False)

    def resume(self) -> None:
        """Accept clients from now on."""
        if not self._watching:
            self._watching = True
            # EXCLUSIVE: one of the workers that share the socket is woken, not all of them
            self.poller.watch(self, select.EPOLLIN | select.EPOLLEXCLUSIVE)

    def pause(self) -> None:
        """Leave new clients in the kernel's queue until `resume`."""
        if self._watching:
            self._watching = False
            self.poller.unwatch(self)

    def retire(self) -> None:
        """Accept those who came before now, whose queue may be about to go, and nobody after them."""
        self.on_edge(0)
        self.pause()

    def on_edge(self, events: int) -> None:  # noqa: ARG002 - whatever it is, accept() will tell
        """Accept a batch.  That there is no room matters for the first only: others may not be waiting at all."""
        for number in range(_BATCH):
            if not self._watching:
                return
            if not self._host.has_room():
                if not number:
                    self._host.make_room()
                return
            try:
                sock, peername = self.socket.accept()
            except (BlockingIOError, ConnectionAbortedError, InterruptedError):
                return
            except OSError as error:
                if not number:
                    self._host.make_room(error)
                return
            sock.setblocking(False)
            if self._no_delay:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._host.accepted(self, Stream(self.poller, sock), peername)
