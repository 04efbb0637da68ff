"""
Answers that go at a limited rate (see `lbproxy.http.pace`): how fast one goes, and what makes senders wait.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from lbproxy.http.pace import Pace

if TYPE_CHECKING:
    from lbproxy.http.exchange import Exchange
    from lbproxy.net.stream import Stream
    from lbproxy.proxy.connection import Connection


def pace_of(conn: Connection, ex: Exchange) -> Pace | None:
    """Return how fast the answer to *ex* goes; None: as fast as it can."""
    rates = conn.route.rates
    if ex.limit_rate is None and rates is not None:
        ex.limit_rate = rates.rate(ex)
    if not ex.limit_rate:
        return None
    after = rates.after(ex) if rates is not None else 0
    return Pace(ex.limit_rate, conn.base + after, ex.started)


def outlet(conn: Connection, ex: Exchange) -> Stream | Paced:
    """Return where the answer to *ex* is sent."""
    if ex.limit_rate is None and conn.route.rates is None:
        return conn.stream
    pace = pace_of(conn, ex)
    return conn.stream if pace is None else Paced(conn.stream, pace)


class Paced:
    """A client's stream that takes no more than *pace* allows; what answers are sent to."""

    __slots__ = ("_pace", "_stream", "poller")

    def __init__(self, stream: Stream, pace: Pace) -> None:
        self._stream, self._pace, self.poller = stream, pace, stream.poller

    async def send(self, data: bytes | memoryview, timeout: float) -> None:
        """See `Stream.send`."""
        rest = memoryview(data)
        while rest:
            piece = rest[: await self._room()]
            before = self._stream.bytes_out
            await self._stream.send(piece, timeout)
            self._pace.passed(before, self._stream.bytes_out, self.poller.clock())
            rest = rest[len(piece) :]

    async def sendfile(self, file: int, offset: int, count: int, timeout: float) -> int:
        """See `Stream.sendfile`."""
        start, end = offset, offset + count
        while offset < end:
            wanted = min(end - offset, await self._room())
            before = self._stream.bytes_out
            sent = await self._stream.sendfile(file, offset, wanted, timeout)
            self._pace.passed(before, self._stream.bytes_out, self.poller.clock())
            offset += sent
            if sent < wanted:
                break
        return offset - start

    async def _room(self) -> int:
        """Return how many octets may go, once there are any."""
        while True:
            now = self.poller.clock()
            room = self._pace.room(self._stream.bytes_out, now)
            if room:
                return room
            await self.poller.as_task(trio.sleep, self._pace.pause(now))
