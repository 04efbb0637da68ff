"""
One request put to one server: send it, and read the head of what comes back.

This is the upstream boundary: errors of a server's stream become `UpstreamError` here (see `blame`).  What goes wrong
on the client's side while its body is passed on leaves as `ClientGone` or `MalformedMessage`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, TypeVar, cast

import trio

from lbproxy.errors import ClientGone, LbproxyError, MalformedMessage, StreamClosed, StreamError
from lbproxy.net.channel import wait_either
from lbproxy.proxy.blame import failed, invalid
from lbproxy.proxy.requestbody import RequestBody, Spool, SpoolReader
from lbproxy.wire.body import CHUNKED, in_chunks

if TYPE_CHECKING:
    from lbproxy.balance.peer import Peer
    from lbproxy.http.exchange import Attempt, Exchange
    from lbproxy.net.pool import Pooled
    from lbproxy.net.stream import Stream
    from lbproxy.protocols.forwarding import UpstreamProtocol
    from lbproxy.protocols.local import Local
    from lbproxy.proxy.upstream import Upstream
    from lbproxy.wire.body import Framing
    from lbproxy.wire.heads import ResponseHead

RIGHT_BEHIND = 0.5
"""Seconds behind its request within which a client's FIN may be the mere end of its sending."""

_MOST_INTERIM = 16  # 1xx heads before the final one
_GRACE = 1.0  # seconds in which such a client must have been sent something; after them it counts as gone

T = TypeVar("T")
Source = bytes | Spool | RequestBody


class _AnsweredEarly(Exception):
    """The server has something to say before it got the whole body."""


class Inquiry:
    """
    A request as it goes to servers.

    Args:
        client: The client's stream; its end, while a server is waited for, is raised as `ClientGone`.
        framing: Of the body as it will be sent.
        source: The body.
        local: Where its connections come from; None: from anywhere.

    Attributes:
        body_sent: The server got the whole body of the last `put`; else its connection must not be used again.
        half_closed: The client has ended its sending, and is taken to wait for its answer nonetheless.
    """

    __slots__ = ("_client", "_framing", "_heard", "_reader", "_request", "_server", "_settings", "_source", "_unsent",
                 "body_sent", "exchange", "half_closed", "local", "protocol")

    def __init__(
        self,
        exchange: Exchange,
        client: Stream,
        protocol: UpstreamProtocol,
        framing: Framing,
        source: Source,
        *,
        local: Local | None = None,
    ) -> None:
        self.exchange, self._client, self.local = exchange, client, local
        self.protocol, self._settings = protocol, protocol.settings
        self._framing, self._source = framing, source
        self._request = protocol.encode_request(exchange, framing)
        self._reader: SpoolReader | RequestBody | None = None
        self._unsent: memoryview
        self._server: Stream
        self.body_sent = False
        self.half_closed = client.hung_up and not client.broken
        self._heard = client.poller.now  # when the last octets of the request came

    @property
    def replayable(self) -> bool:
        """Whether the body can be sent once more: it is at hand, or nothing of it has been passed on yet."""
        return not isinstance(self._source, RequestBody) or not self._source.started

    @property
    def uri(self) -> bytes:
        """The request target as an HTTP server gets it; b"" for uwsgi, where it is one variable among others."""
        return self._request.split(b" ", 2)[1] if self.protocol.name == "http" else b""

    async def connect(self, upstream: Upstream, peer: Peer) -> Pooled:
        """Make a new connection to *peer*; raises `ConnectFailed`, `UpstreamTimeout` or `ClientGone`."""
        settings, watch = self._settings, self._watch_client
        try:
            return await upstream.connect(
                peer, self.local, settings.connect_timeout, keepalive=settings.socket_keepalive, waiting=watch
            )
        except StreamError as error:
            raise failed(error, "connect", peer, self.protocol, self._request, fresh=True, silent=True) from None

    async def put(self, peer: Peer, pooled: Pooled, attempt: Attempt) -> tuple[ResponseHead, bytes]:
        """
        Send the request and read the final head of the answer.

        Of a buffered body whose length is known the first octets are waited for as well: head and body leave in one
        write then, and a server that fails before it has sent any of its body can still be replaced by another.

        Returns:
            The head, and the octets that came behind it.

        Raises:
            UpstreamError: The server failed; *attempt* says how much it was sent and had sent.
            ClientGone: The client closed, or stood still in the middle of its body.
            MalformedMessage: The client's body is not framed as it should be.
        """
        stream = pooled.stream
        sent_before, received_before = stream.bytes_out, stream.bytes_in
        phase = "send"
        try:
            if not self._send_at_once(stream):
                self._watch_client(stream)
                await self._send(stream, watching=True)
            phase = "head"
            if self.body_sent:
                head, rest = await self._read_head(stream)
                attempt.header_time = stream.poller.now - attempt.started
                if not rest and head.framing > 0 and self.is_buffered(head):
                    phase = "body"
                    rest = await self._read_on(stream)
                return head, rest
            return await stream.poller.as_task(self.while_sending, stream, partial(self._read_head, stream))
        except StreamError as error:
            fresh, silent = not pooled.requests, stream.bytes_in == received_before
            raise failed(error, phase, peer, self.protocol, self._request, fresh=fresh, silent=silent) from None
        finally:
            attempt.bytes_sent += stream.bytes_out - sent_before
            attempt.bytes_received += stream.bytes_in - received_before

    def _watch_client(self, server: Stream) -> None:
        """Have what waits for *server* interrupted with `ClientGone` when the client closes; it may have already."""
        if self._settings.ignore_client_abort:
            return
        client = self._client
        self._server = server
        client.on_hangup = self._client_hung_up
        client.watch_input()
        if client.hung_up and not self.half_closed:  # while nobody looked
            self._client_hung_up()
            if not self.half_closed:
                raise ClientGone

    def client_left(self) -> bool:
        """Return whether the client has closed, and is not taken to wait for its answer."""
        return self._client.hung_up and not self.half_closed

    def _client_hung_up(self) -> None:
        """
        Give up, unless the client may have closed its sending half only, to say that it has no further request.

        A FIN does not tell which it is.  If it comes right behind the request, or if there are octets before it that
        nobody has read, the server is given a moment: what is then sent to a client that is gone is answered by a
        reset, and that ends the matter.
        """
        client = self._client
        recent = client.poller.now - self._heard <= RIGHT_BEHIND
        self.half_closed = not client.broken and (recent or client.has_octets())
        if self.half_closed:
            client.poller.after(_GRACE, partial(self._lose_patience, client.bytes_out))
        else:
            self._server.interrupt(ClientGone())

    def _lose_patience(self, sent: int) -> None:
        """Give up on a client that has been *sent* nothing more since, so that nothing tells whether it is there."""
        client = self._client
        if client.bytes_out == sent and client.on_hangup == self._client_hung_up:
            self.half_closed = False
            self._server.interrupt(ClientGone())

    def unwatch_client(self) -> None:
        """The answer is complete: the client may close when it likes."""
        self._client.on_hangup = None

    # sending

    def _send_at_once(self, stream: Stream) -> bool:
        """Send head and body together, as far as they are at hand and the socket takes them; True if that was all."""
        source = self._source
        if isinstance(source, bytes):
            data = self._request + source if source else self._request
            self._reader = None
            complete = True
        else:
            self._reader = reader = source.reader() if isinstance(source, Spool) else source
            data = self._request + self._frame(reader.read_now(), last=reader.complete)
            complete = reader.complete
        sent = stream.send_now(data)
        self.body_sent = complete and sent == len(data)
        if not self.body_sent:
            self._unsent = memoryview(data)[sent:]
        return self.body_sent

    async def _send(self, stream: Stream, *, watching: bool) -> None:
        """
        Send what is left of the request; where it stopped is remembered, however it ends.

        Args:
            watching: Return without an error, and with `body_sent` false, when the server has something to say.
        """
        timeout = self._settings.send_timeout
        while True:
            while self._unsent:
                try:
                    self._unsent = self._unsent[stream.send_now(self._unsent):]
                except StreamClosed:
                    if watching and stream.has_octets():  # it takes no more, and has said why
                        return
                    raise
                if not self._unsent:
                    break
                if not watching:
                    await stream.wait_writable(timeout)
                    continue
                await wait_either(stream, timeout, stream, timeout)
                if stream.readable:
                    return
            reader = self._reader
            if reader is None or reader.complete:
                self.body_sent = True
                return
            try:
                piece = await self._next_piece(reader, stream if watching else None)
            except _AnsweredEarly:
                return
            self._unsent = memoryview(self._frame(piece, last=reader.complete))

    async def while_sending(self, stream: Stream, receive: Callable[[], Awaitable[T]]) -> T:
        """
        Run *receive* while the rest of the body goes out: the server has answered before it got all of it.

        That the rest does not arrive is no failure: the server may have closed, having said all it wanted.
        """
        failure: LbproxyError | None = None
        result: T | None = None

        async def send() -> None:
            with suppress(StreamError, ClientGone, MalformedMessage):
                await self._send(stream, watching=False)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            try:
                result = await receive()
            except LbproxyError as error:
                failure = error
            nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure
        return cast("T", result)

    async def _next_piece(self, body: SpoolReader | RequestBody, server: Stream | None) -> bytes:
        """Read on from the client; `_AnsweredEarly` when *server* says something meanwhile."""
        if isinstance(body, SpoolReader):
            return body.read_now()
        client = self._client
        try:
            if server is not None:
                server.watch_input()
                server.on_input = lambda: client.interrupt(_AnsweredEarly())
                if server.readable and server.pending_input():
                    raise _AnsweredEarly
            piece = await body.read()
        except StreamError as error:
            raise ClientGone(error.reason) from None
        finally:
            if server is not None:
                server.on_input = None
        self._heard = client.poller.now
        return piece

    def _frame(self, piece: bytes, *, last: bool) -> bytes:
        return in_chunks(piece, last) if self._framing == CHUNKED else piece

    # receiving

    async def _read_head(self, stream: Stream) -> tuple[ResponseHead, bytes]:
        self._watch_client(stream)
        method = self.exchange.method if self.protocol.method is None else self.protocol.method(self.exchange)
        buf, searched, interim = b"", 0, 0
        while True:
            data = await self._read_on(stream)
            buf = buf + data if buf else data
            head = self._parse(buf, method, searched)
            while head is not None and head.status < 200 and head.status != 101:
                interim += 1
                if interim > _MOST_INTERIM:
                    raise invalid(f"sent more than {_MOST_INTERIM} interim answers")
                buf = buf[head.size:]
                head = self._parse(buf, method, 0)
            if head is None:
                searched = len(buf)
                continue
            if head.status == 101:
                self._check_switch(head)
            return head, buf[head.size:]

    def _check_switch(self, head: ResponseHead) -> None:
        """Refuse an upgrade that would let octets through which nobody has agreed on (RFC 9110 section 7.8)."""
        if self.exchange.head.upgrade is None or head.get(b"upgrade") is None:
            raise invalid("switched protocols without being asked, or without saying to which")
        if not self.body_sent:
            raise invalid("switched protocols before it had got the whole request")

    async def _read_on(self, stream: Stream) -> bytes:
        data = await stream.recv(self._settings.read_timeout)
        if not data:
            raise StreamClosed("upstream prematurely closed connection")
        return data

    def is_buffered(self, head: ResponseHead) -> bool:
        """
        Whether the answer may be held back and read ahead.

        The server's X-Accel-Buffering decides before the configuration does (ngx_http_upstream_process_buffering).
        """
        settings = self._settings
        if b"x-accel-buffering" not in settings.ignore_headers:
            said = (head.get(b"x-accel-buffering") or b"").lower()
            if said in (b"yes", b"no"):
                return said == b"yes"
        return settings.buffering

    def _parse(self, buf: bytes, method: bytes, searched: int) -> ResponseHead | None:
        try:
            return self.protocol.parse_head(buf, method, searched)
        except MalformedMessage as error:
            raise invalid(f"sent {error.reason}") from None
