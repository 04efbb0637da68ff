"""
Octets of a file on their way to a client: straight from the file into the socket, or through what changes them.

A small file leaves in one write with the head.  A large one goes by sendfile(2), a bounded part of it per turn of the
event loop; pages that are not in memory are waited for, as in nginx.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lbproxy.errors import describe
from lbproxy.proxy.logfile import printable

if TYPE_CHECKING:
    from lbproxy.http.files.ranges import Multipart
    from lbproxy.net.stream import Stream
    from lbproxy.proxy.connection import Connection
    from lbproxy.proxy.pacing import Paced
    from lbproxy.wire.body import Framer

_PIECE = 65536
_FIRST = 16384  # octets of a larger file that go out with the head
_WEIGHT = 8  # as how many calls the work of changing one piece counts, see `Poller.ready_calls`


class FileShrunk(Exception):
    """Not all of the file that was promised could be read; the error log says why."""


class FileSender:
    """
    Sends one open file.

    Args:
        out: Where it goes.
        path: For messages.
        by_system: Whether sendfile(2) may be used.

    Raises (all methods):
        FileShrunk: There is less of it than there was; the answer cannot be completed.
        StreamError: The client does not take it.
    """

    __slots__ = ("_by_system", "_conn", "_descriptor", "_out", "_path", "_timeout")

    def __init__(
        self, conn: Connection, out: Stream | Paced, descriptor: int, path: bytes, *, by_system: bool
    ) -> None:
        self._conn, self._out, self._descriptor, self._path = conn, out, descriptor, path
        self._by_system = by_system
        self._timeout = conn.settings.send_timeout

    async def part(self, head: bytes, start: int, end: int) -> None:
        """Send *head*, then the octets from *start* to *end*."""
        stream = self._out
        size = end - start
        first = self._read(start, size if size <= _PIECE else _FIRST)
        await stream.send(head + first, self._timeout)
        start += len(first)
        if self._by_system and start < end:
            start += await stream.sendfile(self._descriptor, start, end - start, self._timeout)
            if start < end:
                raise self._shrunk(start)
        while start < end:
            piece = self._read(start, min(_PIECE, end - start))
            await stream.send(piece, self._timeout)
            start += len(piece)

    async def parts(self, head: bytes, multipart: Multipart) -> None:
        """Send *head*, then all of *multipart*; parts that are small go out together."""
        pending = head
        for title, (start, end) in multipart:
            pending += title
            if end - start > _PIECE:
                await self.part(pending, start, end)
                pending = b""
                continue
            pending += self._read(start, end - start)
            if len(pending) >= _PIECE:
                await self._out.send(pending, self._timeout)
                pending = b""
        await self._out.send(pending + multipart.end, self._timeout)

    async def framed(self, head: bytes, framer: Framer, size: int) -> None:
        """Send *head*, then what *framer* makes of the file's *size* octets."""
        stream = self._out
        start = 0
        while True:
            piece = self._read(start, min(_PIECE, size - start))
            start += len(piece)
            octets = head + framer(piece, start == size)
            if octets:
                await stream.send(octets, self._timeout)
            if start == size:
                return
            head = b""
            stream.poller.ready_calls += _WEIGHT

    def _read(self, start: int, size: int) -> bytes:
        """Return the *size* octets from *start* on."""
        try:
            data = os.pread(self._descriptor, size, start)
        except OSError as error:
            self._conn.log("crit", f'pread() "{printable(self._path)}" failed {describe(error)}')
            raise FileShrunk from None
        if len(data) < size:
            raise self._shrunk(start + len(data))
        return data

    def _shrunk(self, end: int) -> FileShrunk:
        self._conn.log("alert", f'"{printable(self._path)}" was truncated at {end} while sending response to client')
        return FileShrunk()
