"""
The body of one request: read from the client only when somebody asks for it.

`RequestBody` streams; `Spool` holds a whole body, in memory or in a file, so that it can be sent again to another
server.
"""

from __future__ import annotations

import os
from contextlib import suppress
from io import FileIO
from typing import TYPE_CHECKING

from lbproxy.errors import MalformedMessage, StreamClosed, StreamTimeout, describe
from lbproxy.proxy.temporary import open_temporary, path_of
from lbproxy.wire.body import decoder_for

if TYPE_CHECKING:
    from lbproxy.config.core import ClientSettings
    from lbproxy.config.temporary import TempPlace
    from lbproxy.http.exchange import Exchange
    from lbproxy.net.stream import Stream

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_PIECE = 65536


class RequestBody:
    """
    A body on its way in.

    Args:
        stream: The client's.
        exchange: Whose body it is; octets read are added to its request_length.
        data: What came behind the head.
        timeout: client_body_timeout in seconds.

    Attributes:
        limit: client_max_body_size of the location in octets; 0: none.  Only a chunked body can meet it here.
        complete: The end of the body has been read.
        refused: It is malformed, too large, or did not go on: nothing of it is passed on any more.
        whole: All of it, once it has been read by `spooled`.
        awaited: The client waits for 100 Continue before it sends anything.
        leftover: Octets behind the body (the next request), once it is complete.
    """

    __slots__ = ("_decoder", "_exchange", "_size", "_stream", "_unread", "awaited", "complete", "leftover", "limit",
                 "refused", "timeout", "whole")

    def __init__(self, stream: Stream, exchange: Exchange, data: bytes, timeout: float) -> None:
        self._stream, self._exchange, self._unread = stream, exchange, data
        self.timeout, self.limit = timeout, 0
        self._decoder = decoder_for(exchange.head.framing)
        self._size = 0
        self.awaited = exchange.head.expect_continue and not data
        self.complete = self._decoder.done
        self.leftover = data if self.complete else b""
        self.refused = False
        self.whole: Spool | None = None

    @property
    def started(self) -> bool:
        """Whether any of it has been handed out."""
        return self._size > 0

    def read_now(self) -> bytes:
        """Return what came with the head, decoded; b"" when there is nothing yet. Raises MalformedMessage."""
        data, self._unread = self._unread, b""
        return self._take(data) if data and not self.complete else b""

    async def read(self) -> bytes:
        """
        Return the next decoded octets; b"" at the end of the body.

        Raises:
            MalformedMessage: Its framing is wrong (400), it is larger than allowed (413), or does not go on (408).
            StreamClosed: The client closed.
        """
        if self.awaited:
            self.awaited = False
            await self._stream.send(_CONTINUE, self.timeout)
        payload = self.read_now()
        while not payload and not self.complete:
            try:
                data = await self._stream.recv(self.timeout)
            except StreamTimeout:
                self.refused = True
                raise MalformedMessage("client timed out in the middle of its body", 408) from None
            if not data:
                raise StreamClosed("client prematurely closed connection")
            payload = self._take(data)
        return payload

    def inspect(self) -> None:
        """Throw away what is here of a body that nobody wants, uncounted; raises MalformedMessage if it is none."""
        counted = self._exchange.request_length
        self.read_now()
        self._exchange.request_length = counted

    async def spooled(self, settings: ClientSettings) -> Spool:
        """
        Read all of it, or return what has been read before; `close` gives it back.

        Args:
            settings: Of the location that reads it.

        Raises:
            MalformedMessage, StreamClosed: As `read`; 500 when there is no room for it.
        """
        if self.whole is None:
            self.whole = whole = Spool.configured(settings)
            try:
                while True:
                    data = await self.read()
                    try:
                        whole.append(data)
                    except OSError as error:
                        await self._stream.poller.descriptors.after(error, whole.spill, self.timeout)
                    if not data:
                        break
            except OSError as error:
                self.refused = True
                raise MalformedMessage(f"body not written to a temporary file {describe(error)}", 500) from None
        return self.whole

    def close(self) -> None:
        """Forget what has been read."""
        if self.whole is not None:
            self.whole.close()

    def _take(self, data: bytes) -> bytes:
        try:
            payload = self._decoder.feed(data)
        except MalformedMessage:
            self.refused = True
            raise
        if self._decoder.done:
            self.complete = True
            self.leftover = self._decoder.surplus
        self._exchange.request_length += len(data) - len(self.leftover)
        self._size += len(payload)
        if self.limit and self._size > self.limit:
            self.refused = True
            raise MalformedMessage(f"client intended to send too large chunked body: {self._size} bytes", 413)
        return payload


class Spool:
    """
    A whole body.

    Args:
        memory: Octets kept in memory, what is larger goes to a file; -1: the file is made in any case.
        place: Where the file lies; None: it does not matter.
        named: The file has a name as long as the body is here ...
        lasting: ... and longer.

    Raises:
        OSError: The file cannot be made or written (a full disk); from `append` and `spill`.
    """

    __slots__ = ("_file", "_lasting", "_memory", "_named", "_pieces", "_place", "size")

    def __init__(
        self, memory: int, place: TempPlace | None = None, *, named: bool = False, lasting: bool = False
    ) -> None:
        self._memory, self._place, self._named, self._lasting = memory, place, named, lasting
        self._pieces: list[bytes] = []
        self._file: FileIO | None = None
        self.size = 0

    @classmethod
    def configured(cls, settings: ClientSettings) -> Spool:
        """Return a new one as *settings* want it."""
        kind, place = settings.body_in_file_only, settings.body_place
        if kind == "off":
            return cls(settings.body_buffer_size, place)
        return cls(-1, place, named=True, lasting=kind == "on")

    @property
    def path(self) -> bytes | None:
        """The name of its file, even if it has been taken away; None if there is no file, or it never had one."""
        return (os.fsencode(path_of(self._file)) or None) if self._file is not None else None

    def append(self, data: bytes) -> None:
        """Add *data* at the end."""
        self.size += len(data)
        if data:
            self._pieces.append(data)
        if self.size > self._memory:
            self.spill()

    def spill(self) -> None:
        """Move what is in memory to the file; if that fails, it may be tried again."""
        if self._file is None:
            self._file = open_temporary(self._place, named=self._named)
        data = self._joined()
        while data:
            data = data[self._file.write(data):]
            self._pieces = [data] if data else []

    def in_memory(self) -> bytes | None:
        """Return the whole body, or None when it is in a file."""
        return None if self._file is not None else self._joined()

    def _joined(self) -> bytes:
        if len(self._pieces) > 1:
            self._pieces = [b"".join(self._pieces)]
        return self._pieces[0] if self._pieces else b""

    def reader(self) -> SpoolReader:
        """Return a new reader at the beginning; one at a time."""
        return SpoolReader(self._pieces, self._file, self.size)

    def close(self) -> None:
        """Give memory and file back."""
        self._pieces.clear()
        if self._file is not None:
            if self._named and not self._lasting:
                with suppress(OSError):  # who was to read it may have moved it away
                    os.unlink(path_of(self._file))  # noqa: PTH108 - a Path would only be made for this
            self._file.close()
            self._file = None


class SpoolReader:
    """A `Spool` read once from its beginning, 64 KiB at a time; the same face as a `RequestBody`."""

    __slots__ = ("_file", "_left", "_memory", "complete")

    def __init__(self, memory: list[bytes], file: FileIO | None, size: int) -> None:
        self._memory, self._file, self._left = iter(memory), file, size
        self.complete = size == 0
        if file is not None:
            file.seek(0)

    def read_now(self) -> bytes:
        """Return the next octets; b"" at the end."""
        piece = self._file.read(_PIECE) if self._file is not None else next(self._memory, b"")
        self._left -= len(piece)
        self.complete = self._left <= 0
        return piece

    async def read(self) -> bytes:
        """Return the next octets; b"" at the end. Never waits."""
        return self.read_now()
