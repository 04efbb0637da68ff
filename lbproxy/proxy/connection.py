"""
The life of one client's connection: read a head, have it answered, log it; then the next, or close.

This is the client boundary: whatever `StreamError` arrives here is the client's, and a `MalformedMessage` is its
request or its body.  All that one client can cause ends here.
"""

from __future__ import annotations

import time
import traceback
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING

import trio

from lbproxy.config.core import MainSettings
from lbproxy.errors import ClientGone, MalformedMessage, StreamError, StreamTimeout
from lbproxy.http.browsers import is_msie6, is_safari
from lbproxy.http.exchange import Client, Exchange
from lbproxy.http.getters import server_name
from lbproxy.proxy.closing import discard, linger
from lbproxy.proxy.introduction import hear
from lbproxy.proxy.logfile import printable
from lbproxy.proxy.requestbody import RequestBody
from lbproxy.wire.body import NO_BODY
from lbproxy.wire.heads import RequestHead
from lbproxy.wire.requests import TOO_LARGE, parse_request
from lbproxy.wire.status import CLIENT_GONE, FIELDS_TOO_LARGE

if TYPE_CHECKING:
    from lbproxy.config.core import ClientSettings
    from lbproxy.http.router import ServerNames
    from lbproxy.net.stream import Stream
    from lbproxy.plan import Route
    from lbproxy.proxy.server import Server

_NOT_THE_CLIENTS = (413, 500, 502)  # an operator may have to do something about these


class Connection:
    """
    A client's connection.

    Args:
        server: What the worker has in common.
        names: The servers of the socket it came in by.

    Attributes:
        route: The location in force; that of the default server before a request is known.
        body: Of the exchange in hand; None when it has none.
        idle_since: When it began to wait for a request of which no octet has come; inf when it does not.
        ends_by_close: The answer in hand ends with the connection, so that a cut one must be reset.
    """

    __slots__ = ("_base", "_buf", "_exchange", "_first", "_names", "_server", "body", "client", "ends_by_close",
                 "idle_since", "route", "stream")

    def __init__(self, server: Server, stream: Stream, names: ServerNames, client: Client) -> None:
        self._server, self.stream, self._names, self.client = server, stream, names, client
        self._first = server.plan.routes[names.find(b"")[0].root]
        self.route: Route = self._first
        self._buf = b""
        self._base = 0
        self._exchange: Exchange | None = None
        self.body: RequestBody | None = None
        self.idle_since, self.ends_by_close = inf, False

    @property
    def settings(self) -> ClientSettings:
        """The client settings of the location in force."""
        return self.route.client

    @property
    def base(self) -> int:
        """What `Stream.bytes_out` was before the answer to the exchange in hand."""
        return self._base

    @property
    def idle(self) -> bool:
        """Whether it waits for a request of which no octet has come."""
        return self.idle_since < inf

    async def run(self, *, introduced: bool = False) -> None:
        """
        Serve the client until one side has had enough.

        Args:
            introduced: A balancer in front says first who the client is (``listen ... proxy_protocol``).
        """
        try:
            more = not introduced or await self._hear_introduction()
            while more:
                more = await self._serve_one()
        except (StreamError, ClientGone):
            pass  # between two requests nobody is missed
        except Exception as error:  # noqa: BLE001 - a mistake of ours must not end the service of all others
            self.log("alert", f"bug: {_place(error)}")
        finally:
            self.stream.close()
            self._server.gone(self)

    async def _hear_introduction(self) -> bool:
        """Learn who the client is; False if what comes says nothing of the kind."""
        self.idle_since = self.stream.poller.now
        try:
            introduction, self._buf = await hear(self.stream, self._first.client.header_timeout)
        except MalformedMessage as error:
            self.log("error", f"{error.reason} while reading PROXY protocol")
            return False
        finally:
            self.idle_since = inf
        self.client.introduction = introduction
        return True

    async def _serve_one(self) -> bool:
        """Serve one request; return whether there may be another."""
        pipelined = self._buf != b"" and self.client.requests > 0
        try:
            head = await self._read_head()
        except MalformedMessage as error:
            await self._refuse(error)
            return False
        if head is None:
            return False
        ex = self._begin(head)
        ex.pipelined = pipelined
        try:
            try:
                self._direct(ex)
                await self._server.dispatcher.answer(self, ex)
            except MalformedMessage as error:
                await self._answer_malformed(ex, error)
        except (StreamError, ClientGone) as error:
            self._abandon(ex, error)
        finally:
            self._finish(ex)
        if ex.keep_alive and self.body is None:
            return not self.stream.closed
        return await self._leave(ex)

    async def _answer_malformed(self, ex: Exchange, error: MalformedMessage) -> None:
        self.log("error" if error.status in _NOT_THE_CLIENTS else "info", error.reason)
        ex.keep_alive = False
        if ex.sent_fields:  # it came to light too late to say so
            self.cut()
        else:
            await self._server.dispatcher.answer(self, ex, error.status)

    # the head

    async def _read_head(self) -> RequestHead | None:
        """Return the next head, or None when the client has no further request."""
        if not self._buf and not await self._await_request():
            return None
        self.route = self._first
        head = parse_request(self._buf, self._first.limits)
        if head is None:
            self._server.reading += 1
            try:
                head = await self._rest_of_head()
            finally:
                self._server.reading -= 1
            if head is None:
                return None
        if self._server.names_vary:
            head = self._read_again(head)
        self._buf = self._buf[head.size:]
        return head

    async def _rest_of_head(self) -> RequestHead | None:
        """Return the head of which a part has come, or None when the client gives up."""
        head, deadline = None, trio.current_time() + self._first.client.header_timeout
        while head is None:
            searched = len(self._buf)
            try:
                data = await self.stream.recv(deadline - trio.current_time())
            except StreamTimeout:
                raise MalformedMessage("client timed out in the middle of its request's head", 408) from None
            if not data:
                return None
            self._buf += data
            head = parse_request(self._buf, self._first.limits, searched)
        return head

    def _read_again(self, head: RequestHead) -> RequestHead:
        """Return *head* with the field names that the server it names would let pass, if that is not the default."""
        server, _ = self._names.find(head.host_name)
        first, limits = self._first.limits, self._server.plan.routes[server.root].limits
        if limits.names == first.names:
            return head
        limits = replace(first, underscores=limits.underscores, ignore_invalid=limits.ignore_invalid)
        return parse_request(self._buf[:head.size], limits) or head

    async def _await_request(self) -> bool:
        """Wait for the first octets of a request; False when none come."""
        settings = self.settings  # of the request before
        timeout = settings.keepalive_timeout[0] if self.client.requests else settings.header_timeout
        if self._server.draining:
            timeout = min(timeout, self._server.patience)
        self.idle_since = self.stream.poller.now
        try:
            self._buf = await self.stream.recv(timeout)
        except StreamTimeout:
            return False
        finally:
            self.idle_since = inf
        return self._buf != b""

    async def _refuse(self, error: MalformedMessage) -> None:
        """Answer a head that is none, and close."""
        line = self._buf.lstrip(b"\r\n").partition(b"\n")[0].rstrip(b"\r")
        ex = self._begin(RequestHead(line, b"", b"/", 11, b"", size=len(self._buf)))
        ex.keep_alive = False
        self.log("info", f"client sent invalid request: {error.reason}")
        status = FIELDS_TOO_LARGE if error.reason == TOO_LARGE else error.status
        try:
            await self._server.dispatcher.answer(self, ex, status)
        except (StreamError, ClientGone) as gone:
            self._abandon(ex, gone)
        finally:
            self._finish(ex)
        await self._linger()

    def _begin(self, head: RequestHead) -> Exchange:
        self.client.requests += 1
        self._server.begun += 1
        self._exchange = ex = Exchange(self.client, head, self._first.server, self.stream.poller.now)
        ex.logged_at = time.time()
        self._base = self.stream.bytes_out
        self.ends_by_close = False
        self.body = None
        return ex

    def _direct(self, ex: Exchange) -> None:
        """Find the server, and decode what the target says; MalformedMessage when it says nothing sensible."""
        head = ex.head
        if head.framing != NO_BODY or head.expect_continue:
            self.body = RequestBody(self.stream, ex, self._buf, self.settings.body_timeout)
            self._buf = b""
        ex.host = head.host_name
        ex.server, match = self._names.find(ex.host)
        if match is not None:
            ex.capture(match)
        if not ex.host:
            ex.host = server_name(ex)
        route = self.route = self._server.plan.routes[ex.server.root]
        ex.path = head.path(route.client.merge_slashes)
        if route.checks is not None and route.checks.real_ip is not None:
            route.checks.real_ip(ex)

    def stays_open(self, ex: Exchange) -> bool:
        """Decide, when its answer's head is written, whether the connection will be used again."""
        client, settings = self.client, self.route.client
        if ex.keep_alive and (
            client.requests >= settings.keepalive_requests
            or not settings.keepalive_timeout[0]
            or ex.started - client.opened > settings.keepalive_time
            or (self.body is not None and self.body.awaited and not self.body.complete)  # what comes may be the body
            or (ex.method == b"POST" and settings.keepalive_disable.msie6 and ex.head.derive(is_msie6))
            or (settings.keepalive_disable.safari and ex.head.derive(is_safari))
            or self._server.draining
        ):
            ex.keep_alive = False
        return ex.keep_alive

    def take_buffer(self) -> bytes:
        """Return what the client has sent behind its request, for a tunnel."""
        data, self._buf = self._buf if self.body is None else self.body.leftover, b""
        return data

    # the end

    def cut(self) -> None:
        """End an answer that cannot be completed in a way that nobody takes for its end."""
        if self._exchange is not None:
            self._exchange.keep_alive = False
        if self.ends_by_close:
            self.stream.abort()
        else:
            self.stream.close()  # the client misses octets, or the last chunk

    def _abandon(self, ex: Exchange, error: StreamError | ClientGone) -> None:
        """Note that the client went away before it had its answer."""
        ex.keep_alive = False
        if not ex.sent_fields:
            ex.status = CLIENT_GONE
        if isinstance(error, ClientGone):
            self.log("info", f"{error} while waiting for its answer")
        else:
            self.log("info", f"{error.reason} while sending to client")
        if isinstance(error, StreamTimeout) or self.ends_by_close:
            self.stream.abort()
        else:
            self.stream.close()

    def _finish(self, ex: Exchange) -> None:
        """Log the exchange, and give back what it holds."""
        self._server.ended += 1
        self.stream.on_hangup = None
        if ex.admission is not None:
            ex.admission.end()
        if self.body is not None:
            self.body.close()
        ex.finished = self.stream.poller.now
        ex.logged_at = time.time()
        ex.bytes_sent = self.stream.bytes_out - self._base
        ex.body_bytes_sent = max(0, ex.bytes_sent - ex.head_length)
        files = self._server.logs.access
        for log in self.route.access_logs:
            if log.wanted is None or log.wanted(ex):
                if log.place is None:
                    files[log.log.path].write(log.line(ex))
                else:
                    self._server.logs.families[log.log.key].write_to(log.place(ex), log.line(ex))

    async def _leave(self, ex: Exchange) -> bool:
        """Get past what is left of the request; return whether the connection can be used again."""
        if self.stream.closed:
            return False
        body = self.body
        if not ex.keep_alive:
            stream = self.stream
            more = self._buf or (body is not None and (not body.complete or body.leftover))
            if more or self.settings.lingering_close == "always" or (stream.readable and stream.has_octets()):
                await self._linger()
            return False
        if body is not None:
            if not body.complete and not await self.stream.poller.as_task(discard, body, self.settings):
                await self._linger()
                return False
            self._buf = body.leftover
        return True

    async def _linger(self) -> None:
        if self.settings.lingering_close != "off" and not self.stream.closed:
            await self.stream.poller.as_task(linger, self.stream, self.settings)

    def log(self, level: str, message: str, upstream: bytes = b"") -> None:
        """Write *message* to the error log with what it is about: client, server, request, upstream, host."""
        errors = self._server.logs.error_of(self.route.location.settings(MainSettings).error_log)
        if not errors.enabled(level):
            return
        ex = self._exchange
        client = self.client if ex is None else ex.client
        parts = [f"*{client.number} {message}, client: {printable(client.address)}"]
        if ex is not None:
            parts.append(f"server: {ex.server.names[0].text}")
            parts.append(f'request: "{printable(ex.head.line)}"')
            if ex.main is not None:
                parts.append(f'subrequest: "{printable(ex.path)}"')
            if upstream:
                parts.append(f'upstream: "{printable(upstream)}"')
            if ex.head.host:
                parts.append(f'host: "{printable(ex.head.host)}"')
        errors.log(level, ", ".join(parts))


def _place(error: Exception) -> str:
    """Return what *error* is and where it came from, on one line."""
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    where = " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in reversed(frames))
    return f"{type(error).__name__}: {error} at {where}"
