"""
Accepting clients: in batches, shared with other workers, paused when descriptors run out.

The sockets belong to the master and outlive this worker; a `Listener` only takes from them.
"""

from __future__ import annotations

import errno
import select
import socket
from collections.abc import Callable
from typing import Any

from lbproxy.errors import describe
from lbproxy.net.channel import Channel
from lbproxy.net.readiness import Poller
from lbproxy.net.stream import Stream

_BATCH = 64  # connections accepted before those already accepted get their turn
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

Peername = Any  # what accept() returns: a str for AF_UNIX, a tuple otherwise


class Listener(Channel):
    """
    One listening socket, level-triggered, so that what a batch leaves over is reported again.

    Args:
        accepted: Called with each new stream and its peer's name; must not block.
        exhausted: Called with the system's words when it has no descriptor or memory for another client; the
            listener has paused itself then and waits for `resume`.
    """

    __slots__ = ("_accepted", "_exhausted", "_no_delay", "_watching", "socket")

    def __init__(
        self,
        poller: Poller,
        sock: socket.socket,
        accepted: Callable[[Listener, Stream, Peername], None],
        exhausted: Callable[[Listener, str], None],
    ) -> None:
        super().__init__(poller, sock.fileno())
        self.socket, self._accepted, self._exhausted = sock, accepted, exhausted
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

    def on_edge(self, events: int) -> None:  # noqa: ARG002 - whatever it is, accept() will tell
        """Accept a batch."""
        for _ in range(_BATCH):
            if not self._watching:
                return
            try:
                sock, peername = self.socket.accept()
            except (BlockingIOError, ConnectionAbortedError, InterruptedError):
                return
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self.pause()
                    self._exhausted(self, describe(error))
                return
            sock.setblocking(False)
            if self._no_delay:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._accepted(self, Stream(self.poller, sock), peername)
