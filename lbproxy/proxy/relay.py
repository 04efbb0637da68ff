"""
Bodies from a server to a client, and both ways once a connection is upgraded.

What has come is sent at once; only when the client does not take it does the relay read ahead, as far as the
configured buffers and temporary file go, so that a slow client does not hold a server longer than it must.  Nothing is
held back in the hope of more: server-sent events need no configuration.

Errors of the server's side leave here as `UpstreamError`, those of the client's side as `StreamError`.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, cast

import trio

from lbproxy.errors import (
    ClientGone,
    InvalidResponse,
    MalformedMessage,
    StreamError,
    StreamTimeout,
    UpstreamClosed,
    UpstreamError,
    UpstreamTimeout,
)
from lbproxy.net.channel import wait_either
from lbproxy.net.pipe import SIZE, Pipe
from lbproxy.net.readiness import MOST_READY_CALLS
from lbproxy.net.stream import RECV_SIZE
from lbproxy.protocols.diagnosis import passed
from lbproxy.wire.body import LengthDecoder, UntilCloseDecoder, as_it_is

if TYPE_CHECKING:
    from lbproxy.http.pace import Pace
    from lbproxy.net.stream import Stream
    from lbproxy.proxy.backlog import Backlog
    from lbproxy.wire.body import BodyDecoder, Framer

LAST_WORDS = 5.0
"""Seconds of silence that end a tunnel once one side of it has ended."""

PATIENCE = 0.25
"""Seconds that a client may keep its server waiting, all in all, before the temporary file is used."""

_ROOM = memoryview(bytearray(1 << 18))
"""Where plain bodies are received, one portion after the other: nobody waits while something lies there."""

_NAP = 1.0  # seconds after which one looks at the client again
_PHASE = "reading upstream"


class Relay:
    """
    One body on its way from *server* to *client*.

    Args:
        backlog: What goes to the client, and waits for it.
        decoder: Takes the server's framing off.
        framer: Puts the client's on.
        ahead: Octets read ahead of a slow client and kept in memory; 0: none.
        pace: How fast the server is read; None: as fast as it sends.
        protocol: Of the server, as in `Failure`: names the directive when it is too slow.
        read_timeout: Seconds between two reads from the server.
        send_timeout: Seconds between two writes to the client.
        client_left: Says whether the client has closed and waits for nothing any more.

    Attributes:
        length: Octets of the body so far.
    """

    __slots__ = ("_ahead", "_backlog", "_client", "_client_left", "_decoder", "_framer", "_heard", "_pace",
                 "_patience", "_plain", "_portion", "_protocol", "_read_timeout", "_send_timeout", "_server", "length")

    def __init__(
        self,
        server: Stream,
        client: Stream,
        backlog: Backlog,
        decoder: BodyDecoder,
        framer: Framer,
        *,
        ahead: int,
        pace: Pace | None,
        protocol: str,
        read_timeout: float,
        send_timeout: float,
        client_left: Callable[[], bool],
    ) -> None:
        self._server, self._client, self._backlog = server, client, backlog
        self._decoder, self._framer = decoder, framer
        # what is not changed on its way need not be copied
        self._plain = decoder if framer is as_it_is and isinstance(decoder, LengthDecoder | UntilCloseDecoder) else None
        self._portion = 0  # octets to be spliced next; 0: none, the server does not send that much
        self._ahead, self._pace = ahead, pace
        self._read_timeout, self._send_timeout = read_timeout, send_timeout
        self._protocol, self._client_left = protocol, client_left
        self._patience = PATIENCE
        self._heard = server.poller.now
        self.length = 0

    @property
    def surplus(self) -> bool:
        """Whether the server has sent more than belongs to the body; nothing of it goes on."""
        return bool(self._decoder.surplus)

    async def run(self, head: bytes, first: bytes) -> None:
        """
        Send *head*, then the body, of which *first* has been read already, until the server has said all of it.

        What the client has not taken by then is in the backlog.

        Raises:
            UpstreamError: The body is cut, or its framing broken; what came before has been sent.
            StreamError: The client does not take it.
            ClientGone: The client closed while the server was silent.
        """
        try:
            try:
                if first or self._decoder.done:
                    head += self._framed(first)
            finally:
                self._backlog.put(head)
            while not self._decoder.done:
                await self._step()
        except UpstreamError:
            await self._backlog.drain()
            raise

    async def _step(self) -> None:
        backlog, poller = self._backlog, self._server.poller
        if poller.ready_calls > MOST_READY_CALLS:
            await poller.take_turn()
        backlog.push()
        full = backlog.held > self._ahead and not self._make_room()
        most = 0 if full else len(_ROOM)
        if most and self._pace is not None:
            most = min(most, self._pace.room(self.length, poller.clock()))
        if not (most and self._server.readable and self._receive(most)):
            await self._wait(reading=most > 0, full=full)

    def _make_room(self) -> bool:
        """Have what is in memory moved to a file; False if that can't be, or is not called for yet."""
        return (self._backlog.paced or self._patience <= 0) and self._backlog.spill()

    def _receive(self, most: int) -> bool:
        """Take up to *most* octets from the server, or its end; False when one has to wait."""
        server, before = self._server, self.length
        if self._portion and not self._backlog and not self._backlog.paced and self._pace is None:
            return self._splice(server.poller.pipe)
        data: bytes | memoryview | None
        try:
            if self._plain is not None:
                size = server.recv_into_now(_ROOM[:most])
                data = None if size is None else _ROOM[:size]
            else:
                data = server.recv_now(min(most, RECV_SIZE))
        except StreamError as error:
            raise UpstreamClosed(f"{error.reason} while {_PHASE}", errno=error.errno) from None
        if data is None:
            return False
        self._backlog.put(self._framed(data))
        self._note(len(data))
        if self._pace is not None:
            self._pace.passed(before, self.length, server.poller.clock())
        return True

    def _splice(self, pipe: Pipe) -> bool:
        """Do as `_receive` does, without a look at the octets; those that the client does not take come out again."""
        plain = self._plain
        assert plain is not None
        try:
            size = pipe.fill(self._server, min(self._portion, plain.left))
        except StreamError as error:
            raise UpstreamClosed(f"{error.reason} while {_PHASE}", errno=error.errno) from None
        if size is None:
            return False
        if not size:
            self._framed(b"")
            return True
        rest = pipe.empty(self._client)
        plain.skip(size)
        self.length += size
        self._note(size, all_taken=not rest)
        self._backlog.put(rest)
        return True

    def _note(self, size: int, *, all_taken: bool = False) -> None:
        """Note that *size* octets have come, and decide how the next ones are taken."""
        self._heard = self._server.poller.now
        self._server.poller.ready_calls += 1 + size // RECV_SIZE
        if self._plain is None or size < RECV_SIZE or self._plain.left < RECV_SIZE:
            self._portion = 0
        else:
            self._portion = min(2 * self._portion, SIZE) if all_taken else len(_ROOM)

    def _framed(self, data: bytes | memoryview) -> bytes:
        """Return *data* decoded and framed; b"" is the end of the server's stream, or a body that has ended before."""
        decoder = self._decoder
        try:
            payload = decoder.feed(cast("bytes", data)) if data else b""  # who gets a view does no more than cut it
            if not data and not decoder.done:
                decoder.eof()
        except MalformedMessage as error:
            if data:
                raise InvalidResponse(f"upstream sent {error.reason} while {_PHASE}") from None
            raise UpstreamClosed(f"upstream prematurely closed connection while {_PHASE}", error.reason) from None
        self.length += len(payload)
        return self._framer(payload, decoder.done)

    async def _wait(self, *, reading: bool, full: bool) -> None:
        """
        Wait until something can be received or sent, or a pause is over.

        Args:
            reading: What the server sends is wanted.
            full: It is not, for lack of room.
        """
        client, server, backlog = self._client, self._server, self._backlog
        now = server.poller.clock()
        limit = self._longest(now, reading=reading, full=full)
        silence = max(self._heard + self._read_timeout - now, 0.0)
        standstill = max(backlog.moved + self._send_timeout - now, 0.0)
        sending = bool(backlog) and not backlog.pause(now)
        try:
            if reading and sending:
                await wait_either(server, min(silence, limit), client, min(standstill, limit))
            elif sending:
                await client.wait_writable(min(standstill, limit))
            elif self._client_left():
                raise ClientGone
            elif reading:
                await server.wait_readable(min(silence, limit))
            else:
                await server.poller.as_task(trio.sleep, min(limit, _NAP))
        except StreamTimeout as error:
            if limit > (silence if error.reading else standstill):
                self._give_up(error)
        finally:
            if not reading:
                self._heard = server.poller.clock()
            if full:
                self._patience -= server.poller.clock() - now

    def _longest(self, now: float, *, reading: bool, full: bool) -> float:
        """Return the seconds after which something else may be done even if nothing can be received or sent."""
        limit = self._backlog.pause(now) or inf
        if full:
            return min(limit, max(self._patience, 0.0)) if self._backlog.spills else limit
        return limit if reading or self._pace is None else min(limit, self._pace.pause(now))

    def _give_up(self, error: StreamTimeout) -> None:
        """Raise what *error* is to the proxy."""
        if not error.reading:
            raise error
        said = passed(self._protocol, "body", self._read_timeout)
        raise UpstreamTimeout(f"upstream timed out {error.reason} while {_PHASE}", said) from None


async def tunnel(client: Stream, server: Stream, idle_timeout: float) -> None:
    """
    Pass octets both ways until both sides have ended, or nothing moves any more.

    Args:
        idle_timeout: Seconds without an octet in either direction after which the tunnel ends; at most `LAST_WORDS`
            once one side has ended, for then that side most likely is gone.

    Ends quietly however it ends: an upgraded connection has no outcome of its own.
    """
    patience = idle_timeout

    async def copy(source: Stream, sink: Stream) -> None:
        nonlocal patience
        while data := await source.recv(inf):
            scope.deadline = trio.current_time() + patience
            await sink.send(data, idle_timeout)
        sink.shut_writing()
        patience = min(idle_timeout, LAST_WORDS)
        scope.deadline = trio.current_time() + patience

    async def guarded(source: Stream, sink: Stream) -> None:
        try:
            await copy(source, sink)
        except StreamError:
            scope.cancel()

    with trio.CancelScope(deadline=trio.current_time() + patience) as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(guarded, client, server)
            nursery.start_soon(guarded, server, client)
