"""
What a client has not taken yet of its answer: in memory, or in a temporary file and then in memory.

The file keeps a slow client from holding a server longer than it must.  It is written when its user says so (`spill`),
and sent by the system, straight from the file into the socket.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from lbproxy.errors import StreamClosed, describe
from lbproxy.net.readiness import MOST_READY_CALLS
from lbproxy.proxy.temporary import open_temporary, path_of

if TYPE_CHECKING:
    from io import FileIO

    from lbproxy.config.temporary import TempPlace
    from lbproxy.http.pace import Pace
    from lbproxy.net.stream import Stream

_PIECE, _WEIGHT = 1 << 19, 8  # octets sent at once, and as how many more ready calls it counts if they are a file's
_MOST_PIECES = 512  # written by one call


class Backlog:
    """
    Octets on their way to a client.

    Args:
        client: Where they go.
        timeout: Seconds between two writes (``send_timeout``).
        pace: How fast they may go; None: as fast as the client takes them.
        room: Octets that the file may take; 0: there is to be none.
        place: Where the file lies, see `open_temporary`.
        log: Takes level and message where the error log should know of the file.

    Attributes:
        held: Octets in memory.
        moved: Since when the client has taken nothing; monotonic seconds, of no meaning while nothing waits.
    """

    __slots__ = ("_client", "_end", "_file", "_log", "_pace", "_pieces", "_place", "_room", "_spilled", "_start",
                 "_timeout", "held", "moved")

    def __init__(
        self,
        client: Stream,
        timeout: float,
        pace: Pace | None = None,
        *,
        room: int = 0,
        place: TempPlace | None = None,
        log: Callable[[str, str], None] = lambda _, __: None,
    ) -> None:
        self._client, self._timeout, self._pace = client, timeout, pace
        self._room, self._place, self._log = room, place, log
        self._pieces: list[bytes | memoryview] = []
        self._file: FileIO | None = None
        self._start = self._end = 0  # of what is in the file and has not been sent
        self._spilled = False
        self.held = 0
        self.moved = 0.0

    def __bool__(self) -> bool:
        """Tell whether anything waits to be sent."""
        return self.held > 0 or self._start < self._end

    @property
    def paced(self) -> bool:
        """Whether it goes slower than the client might take it."""
        return self._pace is not None

    @property
    def spills(self) -> bool:
        """Whether `spill` may be tried."""
        return 0 < self._end + self.held <= self._room

    def pause(self, now: float) -> float:
        """Return the seconds for which nothing may be sent; 0.0: something may."""
        return 0.0 if self._pace is None or not self else self._pace.pause(now)

    def put(self, data: bytes | memoryview) -> None:
        """
        Send what the client takes at once of *data*, and keep the rest.

        Args:
            data: Of a view a copy is kept: what it shows may change.

        Raises:
            StreamClosed: The client takes nothing any more.
        """
        client, sent = self._client, 0
        if not self:
            if client.writable and self._pace is None:
                sent = client.send_now(data)
            self.moved = client.poller.now
        if sent < len(data):
            rest = bytes(data[sent:]) if isinstance(data, memoryview) else memoryview(data)[sent:]
            self._pieces.append(rest)
            self.held += len(rest)

    def push(self) -> None:
        """Send a bounded part of what waits, as far as the client takes it and the pace allows; raises StreamClosed."""
        client, pace = self._client, self._pace
        if not client.writable or not self:
            return
        before, most, now = client.bytes_out, _PIECE, client.poller.now
        if pace is not None:
            now = client.poller.clock()
            most = min(most, pace.room(before, now))
            self.moved = now
        if not most:
            return
        if self._start < self._end:
            self._send_file(most)
        else:
            self._send_memory(most)
        if client.bytes_out > before:
            self.moved = now
            client.poller.ready_calls += 1
            if pace is not None:
                pace.passed(before, client.bytes_out, now)

    def _send_file(self, most: int) -> None:
        assert self._file is not None
        self._client.poller.ready_calls += _WEIGHT
        sent = self._client.sendfile_now(self._file.fileno(), self._start, min(most, self._end - self._start))
        if sent == 0:
            raise StreamClosed("temporary file was truncated")
        self._start += sent or 0
        if self._start == self._end:
            self._close_file()  # not to be written anew: the socket may still hold its pages instead of a copy

    def _send_memory(self, most: int) -> None:
        if len(self._pieces) > 1:
            self._pieces = [b"".join(self._pieces)]
        data = self._pieces[0]
        self._drop(self._client.send_now(data if len(data) <= most else memoryview(data)[:most]))

    def _drop(self, count: int) -> None:
        """Forget the first *count* octets in memory."""
        self.held -= count
        done = 0
        while done < len(self._pieces) and count >= len(self._pieces[done]):
            count -= len(self._pieces[done])
            done += 1
        del self._pieces[:done]
        if count:
            self._pieces[0] = memoryview(self._pieces[0])[count:]

    def spill(self) -> bool:
        """Move what is in memory to the file; False if that has no room, or can't be written, now and ever after."""
        if not self.spills:
            return False
        try:
            if self._file is None:
                self._file = self._open_file()
            while self._pieces:
                written = os.pwritev(self._file.fileno(), self._pieces[:_MOST_PIECES], self._end)
                self._end += written
                self._drop(written)
        except OSError as error:
            self._room = 0
            self._log("crit", f"upstream response not written to a temporary file {describe(error)}")
        return not self._pieces

    def _open_file(self) -> FileIO:
        file = open_temporary(self._place)
        if not self._spilled:
            self._spilled = True
            self._log("warn", f"an upstream response is buffered to a temporary file {path_of(file)}".rstrip())
        return file

    def _close_file(self) -> None:
        self._start = self._end = 0
        if self._file is not None:
            self._file.close()
            self._file = None

    async def drain(self) -> None:
        """
        Send all that waits.

        Raises:
            StreamTimeout, StreamClosed: The client does not take it.
        """
        client, poller = self._client, self._client.poller
        while True:
            self.push()
            if not self:
                return
            pause = self.pause(poller.clock())
            if pause:
                await poller.as_task(trio.sleep, pause)
            elif not client.writable:
                await client.wait_writable(self._timeout)
            elif poller.ready_calls > MOST_READY_CALLS:
                await poller.take_turn()

    def close(self) -> None:
        """Give memory and file back."""
        self._pieces.clear()
        self.held = 0
        self._close_file()
