"""Thousands of clients who have asked once, and keep their connections for nothing."""

from __future__ import annotations

import select
import socket
import time
from contextlib import suppress

import trio

_ASKED = b"GET /here HTTP/1.1\r\nHost: crowd\r\n\r\n"
_AT_ONCE = 100  # connections made in a row before others get a turn


class Crowd:
    """
    *size* idle connections to *port*; those that are closed come again.

    Attributes:
        lost: How many had to come again.
    """

    def __init__(self, port: int, size: int) -> None:
        self._port, self._size = port, size
        self._epoll = select.epoll()
        self._here: dict[int, socket.socket] = {}
        self.lost = 0

    def __len__(self) -> int:
        return len(self._here)

    async def gather(self, patience: float = 60.0) -> None:
        """Return when all are there and have been answered."""
        deadline = time.monotonic() + patience
        while len(self) < self._size and time.monotonic() < deadline:
            self._fill()
            await trio.sleep(0.02)
        await self._listen()

    async def stay(self, over: trio.Event) -> None:
        """Replace those who were sent away, until it is over."""
        while not over.is_set():
            await self._listen()
            self._fill()
            await trio.sleep(0.2)

    def _fill(self) -> None:
        for _ in range(min(_AT_ONCE, self._size - len(self))):
            sock = socket.socket()
            try:
                sock.settimeout(1)
                sock.connect(("127.0.0.1", self._port))
                sock.send(_ASKED)
            except OSError:
                sock.close()
                return
            sock.setblocking(False)
            self._epoll.register(sock.fileno(), select.EPOLLIN | select.EPOLLET)
            self._here[sock.fileno()] = sock

    async def _listen(self) -> None:
        """Take the answers, and see who was sent away."""
        while events := self._epoll.poll(0, 1000):
            for fd, _ in events:
                if not self._answered(self._here[fd]):
                    self._here.pop(fd).close()
                    self.lost += 1
            await trio.sleep(0)

    @staticmethod
    def _answered(sock: socket.socket) -> bool:
        """Read what is there; False at the end of the connection."""
        with suppress(BlockingIOError):
            try:
                while data := sock.recv(4096):
                    del data
            except ConnectionError:
                return False
            return False
        return True

    def leave(self) -> None:
        """Close all."""
        for sock in self._here.values():
            sock.close()
        self._here.clear()
        self._epoll.close()
