"""
Bodies from a server to a client, and both ways once a connection is upgraded.

What has come is sent at once; only when the client does not take it does the relay read ahead, as far as the
configured buffers go, so that a slow client does not hold a server longer than it must.  Nothing is held back in the
hope of more: server-sent events need no configuration.

Errors of the server's side leave here as `UpstreamError`, those of the client's side as `StreamError`.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING

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
from lbproxy.net.readiness import MOST_READY_CALLS
from lbproxy.protocols.diagnosis import passed

if TYPE_CHECKING:
    from lbproxy.net.stream import Stream
    from lbproxy.wire.body import BodyDecoder, Framer

LAST_WORDS = 5.0
"""Seconds of silence that end a tunnel once one side of it has ended."""
_PHASE = "reading upstream"


class Relay:
    """
    One body on its way from *server* to *client*.

    Args:
        decoder: Takes the server's framing off.
        framer: Puts the client's on.
        ahead: Octets read ahead of a slow client; 0: none.
        protocol: Of the server, as in `Failure`: names the directive when it is too slow.
        read_timeout: Seconds between two reads from the server.
        send_timeout: Seconds between two writes to the client.
        client_left: Says whether the client has closed and waits for nothing any more.
    """

    __slots__ = ("_ahead", "_client", "_client_left", "_decoder", "_framer", "_pending", "_protocol",
                 "_read_timeout", "_send_timeout", "_server", "length")

    def __init__(
        self,
        server: Stream,
        client: Stream,
        decoder: BodyDecoder,
        framer: Framer,
        *,
        ahead: int,
        protocol: str,
        read_timeout: float,
        send_timeout: float,
        client_left: Callable[[], bool],
    ) -> None:
        self._server, self._client = server, client
        self._decoder, self._framer = decoder, framer
        self._ahead, self._read_timeout, self._send_timeout = ahead, read_timeout, send_timeout
        self._protocol, self._client_left = protocol, client_left
        self._pending: bytes | memoryview = b""
        self.length = 0

    @property
    def surplus(self) -> bool:
        """Whether the server has sent more than belongs to the body; nothing of it goes on."""
        return bool(self._decoder.surplus)

    async def run(self, head: bytes, first: bytes) -> bytes | memoryview:
        """
        Send *head*, then the body, of which *first* has been read already, until the server has said all of it.

        Returns:
            What the client has not taken yet.

        Raises:
            UpstreamError: The body is cut, or its framing broken; what came before has been sent.
            StreamError: The client does not take it.
            ClientGone: The client closed while the server was silent.
        """
        self._pending = head
        try:
            if first or self._decoder.done:
                self._take(first)
            while not self._decoder.done:
                await self._step()
        except UpstreamError:
            await self._client.send(self._pending, self._send_timeout)
            raise
        self._push()
        return self._pending

    def _push(self) -> None:
        """Send what the client takes at once."""
        pending, client = self._pending, self._client
        if pending and client.writable:
            sent = client.send_now(pending)
            self._pending = memoryview(pending)[sent:] if sent < len(pending) else b""

    async def _step(self) -> None:
        server = self._server
        self._push()
        if len(self._pending) > self._ahead:
            await self._client.wait_writable(self._send_timeout)
            return
        try:
            data = server.recv_now() if server.readable else None
        except StreamError as error:
            raise UpstreamClosed(f"{error.reason} while {_PHASE}", errno=error.errno) from None
        if data is not None:
            self._take(data)
            await self._take_turn()
        else:
            await self._wait()

    def _take(self, data: bytes) -> None:
        """Decode and frame *data*; b"" is the end of the server's stream (or of a body that came with the head)."""
        decoder = self._decoder
        try:
            payload = decoder.feed(data) if data else b""
            if not data and not decoder.done:
                decoder.eof()
        except MalformedMessage as error:
            if data:
                raise InvalidResponse(f"upstream sent {error.reason} while {_PHASE}") from None
            raise UpstreamClosed(f"upstream prematurely closed connection while {_PHASE}", error.reason) from None
        self.length += len(payload)
        framed = self._framer(payload, decoder.done)
        self._pending = b"".join((self._pending, framed)) if self._pending else framed

    async def _wait(self) -> None:
        """Wait for the server, and for room at the client when something is pending for it."""
        client, server = self._client, self._server
        try:
            if self._pending:
                await wait_either(server, self._read_timeout, client, self._send_timeout)
                return
            if self._client_left():
                raise ClientGone
            await server.wait_readable(self._read_timeout)
        except StreamTimeout as error:
            if not error.reading:
                raise
            said = passed(self._protocol, "body", self._read_timeout)
            raise UpstreamTimeout(f"upstream timed out {error.reason} while {_PHASE}", said) from None

    async def _take_turn(self) -> None:
        poller = self._server.poller
        poller.ready_calls += 1
        if poller.ready_calls > MOST_READY_CALLS:
            await poller.take_turn()


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
