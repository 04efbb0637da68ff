"""
One exchange forwarded: choose a server, ask it, move on to the next when it fails, deliver what it says.

A `Forwarder` serves one location, a `Forwarding` one exchange.  Which failures move on, and which of them count
against a server, is `lbproxy.balance.retry`'s to say; how a server is asked `lbproxy.proxy.inquiry`'s; how its answer
reaches the client `lbproxy.proxy.deliver`'s.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from lbproxy.balance.peer import Outcome
from lbproxy.errors import MalformedMessage, NoLivePeers, UpstreamClosed, UpstreamError
from lbproxy.http.accel import orders, place_of, surviving
from lbproxy.http.exchange import Attempt
from lbproxy.http.verdict import Redirect
from lbproxy.protocols.diagnosis import speaks_http
from lbproxy.proxy.deliver import Reply, deliver
from lbproxy.proxy.inquiry import Inquiry, Source
from lbproxy.proxy.logfile import printable
from lbproxy.wire.body import CHUNKED, NO_BODY, Framing
from lbproxy.wire.fields import line

if TYPE_CHECKING:
    from lbproxy.balance.peer import Peer
    from lbproxy.http.exchange import Exchange
    from lbproxy.plan import ForwardAction
    from lbproxy.protocols.forwarding import UpstreamProtocol
    from lbproxy.protocols.local import Local, LocalOf
    from lbproxy.proxy.backlog import Backlog
    from lbproxy.proxy.connection import Connection
    from lbproxy.proxy.requestbody import RequestBody, Spool
    from lbproxy.proxy.upstream import Upstream
    from lbproxy.wire.heads import ResponseHead

_CONDITIONS = {status: f"http_{status}" for status in (500, 502, 503, 504, 403, 404, 429)}

Finder = Callable[["UpstreamProtocol", "Exchange"], Awaitable["Upstream"]]


class Forwarder:
    """
    Forwards the exchanges of one location.

    Args:
        action: What the plan made of its ``*_pass``.
        upstream: Where they go; None when that depends on the exchange.
        find: Returns the upstream of an exchange in that case; it may have to resolve a name first.
    """

    __slots__ = ("find", "protocol", "retry", "settings", "upstream")

    def __init__(self, action: ForwardAction, upstream: Upstream | None, find: Finder) -> None:
        self.protocol, self.retry = action.protocol, action.retry
        self.settings = action.protocol.settings
        self.upstream, self.find = upstream, find

    async def __call__(self, conn: Connection, ex: Exchange) -> int | Redirect:
        """
        Answer *ex*.

        Returns:
            0 when it has been answered, well or not; else a status to answer it with, or where the server says
            that it is to be answered, nothing having been sent.

        Raises:
            ClientGone, StreamError: The client's side has ended.
            MalformedMessage: The client's body is wrong, or the request can't be put to a server.
        """
        source: Source = b""
        framing: Framing = NO_BODY
        if conn.body is not None or self.protocol.set_body is not None:
            source, framing = await self._body(conn, ex)
        upstream = self.upstream or await self.find(self.protocol, ex)
        local_of = self.protocol.local
        local = _local_address(conn, ex, local_of) if local_of is not None else None
        inquiry = Inquiry(ex, conn.stream, self.protocol, framing, source, local=local)
        return await Forwarding(self, conn, upstream, inquiry).run()

    async def _body(self, conn: Connection, ex: Exchange) -> tuple[Source, Framing]:
        """Return what to send as the body: octets at hand, a whole body in a file, or the client's as it comes."""
        protocol, passed, body = self.protocol, self.settings.pass_request_body, conn.body
        whole = None
        if body is not None and not body.refused and (body.whole is not None or not body.started):
            # else an error page, after a server that failed has got (some of) it
            if body.whole is None and passed and self._streams(ex.head.framing):
                return body, ex.head.framing
            whole = await self._read_whole(conn, body)
            if ex.head.framing == CHUNKED:
                ex.content_length = b"%d" % whole.size
            ex.body, ex.body_file = whole.in_memory(), whole.path
        if protocol.set_body is not None:
            made = protocol.set_body(ex)
            return made, len(made)
        if whole is None or not passed:
            return b"", 0 if body is not None and body.refused else NO_BODY  # nginx says that nothing is left of it
        if ex.head.framing == NO_BODY:  # the client only asked if it may go on
            return b"", NO_BODY
        return (whole if ex.body is None else ex.body), whole.size

    async def _read_whole(self, conn: Connection, body: RequestBody) -> Spool:
        read_before, settings = body.whole is not None, conn.settings
        whole = await body.spooled(settings)
        if not read_before and whole.in_memory() is None:
            level = "warn" if settings.body_in_file_only == "off" else "notice"
            name = printable(whole.path or b"")
            conn.log(level, f"a client request body is buffered to a temporary file {name}".rstrip())
        return whole

    def _streams(self, framing: Framing) -> bool:
        """Tell whether a body goes to the server as it comes (ngx_http_proxy_handler, request_body_no_buffering)."""
        protocol = self.protocol
        takes = protocol.chunked_requests or framing != CHUNKED
        return takes and protocol.set_body is None and not self.settings.request_buffering


def _local_address(conn: Connection, ex: Exchange, local_of: LocalOf) -> Local | None:
    """Return where the connection for *ex* comes from; what is no address is as good as none (as in nginx)."""
    try:
        return local_of(ex)
    except ValueError as error:
        conn.log("error", str(error))
        return None


class Forwarding:
    """One exchange on its way through the servers of *upstream*."""

    __slots__ = ("_conn", "_ex", "_inquiry", "_of", "_poller", "_unsent", "_upstream")

    def __init__(self, of: Forwarder, conn: Connection, upstream: Upstream, inquiry: Inquiry) -> None:
        self._of, self._conn, self._upstream, self._inquiry = of, conn, upstream, inquiry
        self._ex, self._poller = inquiry.exchange, conn.stream.poller
        self._unsent: Backlog | None = None

    async def run(self) -> int | Redirect:
        """Try one server after the other, as far as the rules allow; returns as `Forwarder.__call__`."""
        ex, upstream = self._ex, self._upstream
        group = upstream.group
        selection = group.select(upstream.key(ex))
        while True:
            now = self._poller.now
            try:
                peer = group.acquire(selection, now)
            except NoLivePeers:
                return self._nobody(now)
            attempt = Attempt(peer.name, now)
            ex.attempts.append(attempt)
            outcome = Outcome.ABANDONED
            try:
                status, outcome = await self._attempt(peer, attempt)
            finally:
                now = self._poller.now
                attempt.response_time = now - attempt.started
                group.release(peer, outcome, now, attempt.header_time, attempt.response_time)
            if status is not None:
                if self._unsent is not None:  # a slow client, which is no business of the server's any more
                    await self._send_rest(self._unsent)
                return status

    async def _send_rest(self, unsent: Backlog) -> None:
        try:
            await unsent.drain()
            self._ex.completed = True
        finally:
            unsent.close()

    def _nobody(self, now: float) -> int:
        name = self._upstream.group.name
        attempt = Attempt(name, now)
        attempt.status, attempt.response_time = 502, 0.0
        self._ex.attempts.append(attempt)
        self._conn.log("error", "no live upstreams while connecting to upstream", self._url(name))
        return 502

    async def _attempt(self, peer: Peer, attempt: Attempt) -> tuple[int | Redirect | None, Outcome]:
        """Return what became of *peer*: the status as of `run`, or None to try the next one."""
        ex = self._ex
        try:
            reply = await self._ask(peer, attempt)
        except UpstreamError as error:
            attempt.status = error.status
            self._log_failure(error, peer)
            again = self._may_retry(error.condition, sent=attempt.bytes_sent > 0)
            return (None if again else error.status), self._of.retry.outcome(error.condition, again=again)
        head = reply.head
        attempt.status = head.status
        if attempt.header_time is None:
            attempt.header_time = self._poller.now - attempt.started
        ex.response = head
        if head.status == 400 and self._of.protocol.name == "uwsgi":
            self._log_misunderstanding(peer, head)
        condition = _CONDITIONS.get(head.status)
        if condition is not None and condition in self._of.retry.conditions and self._may_retry(condition, sent=True):
            reply.pooled.stream.close()
            return None, self._of.retry.outcome(condition, again=True)
        instead = self._instead(peer, head)
        if instead is not None:
            reply.pooled.stream.close()
            return instead, Outcome.OK
        self._upstream.group.answered(peer, attempt.header_time, attempt.started + attempt.header_time)
        try:
            reusable, self._unsent = await deliver(self._conn, self._inquiry, reply, attempt)
            ex.completed = self._unsent is None
            if reusable:
                reply.pooled.requests += 1
                local = self._inquiry.local
                self._upstream.pool.put(peer if local is None else (peer, local), reply.pooled, self._poller.now)
            else:
                reply.pooled.stream.close()
        except UpstreamError as error:
            reply.pooled.stream.close()
            self._log_failure(error, peer)
            self._conn.cut()
        except BaseException:
            reply.pooled.stream.close()
            raise
        return 0, Outcome.OK

    def _instead(self, peer: Peer, head: ResponseHead) -> int | Redirect | None:
        """Obey what a server orders; return what the client gets instead of its answer, an error page or another."""
        ex, settings = self._ex, self._of.settings
        if settings.intercept_errors and head.status >= 300 and head.status in self._conn.route.error_pages:
            if head.status == 401:  # how to prove who one is stays said (ngx_http_upstream_intercept_errors)
                ex.added += b"".join(line(b"WWW-Authenticate", value) for value in head.get_all(b"www-authenticate"))
            return head.status
        ordered = head.derive(orders)
        if ordered is None:
            return None
        if ordered.redirect is not None and b"x-accel-redirect" not in settings.ignore_headers:
            return self._redirect(peer, head, ordered.redirect)
        if ordered.limit_rate is not None and b"x-accel-limit-rate" not in settings.ignore_headers:
            ex.limit_rate = ordered.limit_rate
        return None

    def _redirect(self, peer: Peer, head: ResponseHead, place: bytes) -> int | Redirect:
        """Go on at *place*, and keep of the answer what belongs to the one that will be found there."""
        self._ex.carried += surviving(head)
        if place.startswith(b"@"):
            return Redirect(place)
        try:
            path, self._ex.args = place_of(place)
        except MalformedMessage as error:
            self._conn.log("error", f'{error.reason} "{printable(place)}" was detected', self._url(peer.name))
            return error.status
        return Redirect(path, as_get=True, literal=True)

    async def _ask(self, peer: Peer, attempt: Attempt) -> Reply:
        """
        Put the request to *peer* over a kept connection or a new one.

        A kept connection that turns out to have been closed is no fault of the server: the request goes out once
        more over a new one, unless the server may have begun to carry it out and it must not be repeated.
        """
        inquiry = self._inquiry
        pooled = None
        if self._of.protocol.keepalive:
            kept = peer if inquiry.local is None else (peer, inquiry.local)
            pooled = self._upstream.pool.get(kept, attempt.started)
        while True:
            if pooled is None:
                pooled = await inquiry.connect(self._upstream, peer)
                attempt.connect_time = self._poller.now - attempt.started
            else:
                attempt.connect_time = 0.0
            stream = pooled.stream
            received, sent = stream.bytes_in, stream.bytes_out
            try:
                head, rest = await inquiry.put(peer, pooled, attempt)
            except UpstreamClosed:
                stream.close()
                stale = pooled.requests and stream.bytes_in == received and inquiry.replayable
                if not stale or (stream.bytes_out > sent and not self._of.retry.repeatable(self._ex.method)):
                    raise
                pooled = None
            except BaseException:
                stream.close()
                raise
            else:
                return Reply(head, rest, pooled)

    def _may_retry(self, condition: str, *, sent: bool) -> bool:
        ex = self._ex
        return self._of.retry.allows(
            condition,
            ex.method,
            sent=sent,
            attempts=len(ex.attempts),
            elapsed=self._poller.now - ex.attempts[0].started,
            group_tries=self._upstream.group.tries,
            body_replayable=self._inquiry.replayable,
        )

    def _log_failure(self, error: UpstreamError, peer: Peer) -> None:
        message = f"{error.cause} ({error.hint})" if error.hint else error.cause
        self._conn.log("error", message, self._url(peer.name))

    def _log_misunderstanding(self, peer: Peer, head: ResponseHead) -> None:
        hint = speaks_http(head.status, {name for name, _ in head.fields()})
        if hint:
            self._conn.log("error", f"upstream seems to be no uwsgi server ({hint})", self._url(peer.name))

    def _url(self, name: bytes) -> bytes:
        """Return the address as the error log shows it: with the URI for HTTP, which is what went there."""
        uri = self._inquiry.uri
        separator = b":" if uri and name.startswith(b"unix:") else b""
        return self._of.protocol.name.encode() + b"://" + name + separator + uri
