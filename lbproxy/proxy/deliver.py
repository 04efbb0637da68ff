"""
A server's answer on its way to the client: the head written anew, then the body, or a tunnel.
"""

from __future__ import annotations

from copy import copy
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from lbproxy.http.accel import merge_into_reply
from lbproxy.http.pace import Pace
from lbproxy.proxy import respond
from lbproxy.proxy.backlog import Backlog
from lbproxy.proxy.pacing import pace_of
from lbproxy.proxy.relay import Relay, tunnel
from lbproxy.wire.body import NO_BODY, Framer, as_it_is, decoder_for
from lbproxy.wire.status import STATUS_REASONS

if TYPE_CHECKING:
    from lbproxy.http.exchange import Attempt, Exchange
    from lbproxy.net.pool import Pooled
    from lbproxy.protocols.forwarding import UpstreamProtocol
    from lbproxy.proxy.connection import Connection
    from lbproxy.proxy.inquiry import Inquiry
    from lbproxy.wire.heads import ResponseHead


class Reply(NamedTuple):
    """What a server said so far: the final head, the octets that came behind it, and where more may come."""

    head: ResponseHead
    rest: bytes
    pooled: Pooled


async def deliver(
    conn: Connection, inquiry: Inquiry, reply: Reply, attempt: Attempt
) -> tuple[bool, Backlog | None]:
    """
    Send *reply* to the client, until the server has said all of it.

    Returns:
        Whether the server's connection came to a clean end and may serve another request; what the client has
        not taken yet, to be drained and closed, None if that is nothing.

    Raises:
        UpstreamError: The answer is cut or broken; what came before has been sent.
        StreamError, ClientGone: The client's side has ended.
    """
    head, rest, _ = reply
    ex, protocol = inquiry.exchange, inquiry.protocol
    if head.status == 101:
        if ex.main is None:
            await _upgrade(conn, inquiry, reply, attempt)
        else:
            ex.status = head.status  # nobody is there to talk with
        return False, None
    if protocol.method is not None and ex.method == b"HEAD" and head.framing != NO_BODY:
        head, rest = _bodiless(head), b""  # the server was asked something else, by proxy_method
    octets, framer = _compose(conn, ex, protocol, head)
    length, surplus, backlog = len(rest), False, None
    if head.framing == length or (head.framing == NO_BODY and not length):  # all of it is here: the common case
        inquiry.unwatch_client()
        attempt.response_length = length
        octets += rest if framer is None else framer(rest, True)
        sent = conn.stream.send_now(octets) if ex.limit_rate is None and conn.route.rates is None else 0
        if sent < len(octets):
            backlog = Backlog(conn.stream, conn.settings.send_timeout, pace_of(conn, ex))
            backlog.put(octets[sent:])
    elif ex.main is not None:  # nobody is there to read on
        inquiry.unwatch_client()
        attempt.response_length = length
        surplus = True
    else:
        backlog, surplus = await _relay(conn, inquiry, reply, attempt, head=octets, framer=framer or as_it_is)
    return not surplus and head.keep_alive and inquiry.body_sent and protocol.keepalive, backlog


def _compose(
    conn: Connection, ex: Exchange, protocol: UpstreamProtocol, head: ResponseHead
) -> tuple[bytes, Framer | None]:
    """Return the client's head, and what is to be done to the body's pieces; None: they go out as they are."""
    route, framer = conn.route, None
    start, framing = head.derive(_own_words)
    ex.status = head.status
    if ex.forced_status:
        ex.status = ex.forced_status
        start = b"HTTP/1.1 %d %b\r\n" % (ex.status, STATUS_REASONS.get(ex.status, b""))
    fields = protocol.client_fields(ex, head)
    if ex.carried:
        fields = merge_into_reply(ex.carried, fields)
    if route.filters is not None:
        bodied = head.framing != NO_BODY
        fields, changed = respond.apply_filters(conn, ex, route.filters, fields, _length(head), bodied=bodied)
        if changed is not None:
            framing, framer = changed
    if framing is None:
        framing, framer = respond.frame_unknown(conn, ex)
    fields = framing + respond.connection_lines(conn, ex) + fields + ex.added
    own = respond.own_lines(route.client)
    fields = own + fields if not protocol.passed else _with_own(conn, protocol, head, fields)
    ex.sent_fields = fields
    octets = start + fields + b"\r\n"
    ex.head_length = len(octets)
    return octets, framer


def _bodiless(head: ResponseHead) -> ResponseHead:
    """Return *head* as the answer to HEAD, on a connection that is of no further use: its body is not read."""
    bare = copy(head)
    bare.framing, bare.memo, bare.keep_alive = NO_BODY, {}, False
    return bare


def _own_words(head: ResponseHead) -> tuple[bytes, bytes | None]:
    """Return the status line for the client, and the field that frames the body as `_framing_line`."""
    return b"HTTP/1.1 %d %b\r\n" % (head.status, head.reason), _framing_line(head)


def _framing_line(head: ResponseHead) -> bytes | None:
    """Return the field that frames the body, b"" if there is none; None if that depends on the client."""
    if head.framing >= 0:
        return b"Content-Length: %d\r\n" % head.framing
    if head.framing != NO_BODY:
        return None
    if head.content_length is None or head.status == 204:
        return b""
    return b"Content-Length: %b\r\n" % head.content_length


def _length(head: ResponseHead) -> int | None:
    """Return the octets of the body, or of what an answer to GET would have; None if nobody knows."""
    if head.framing >= 0:
        return head.framing
    return int(head.content_length) if head.framing == NO_BODY and head.content_length is not None else None


def _with_own(conn: Connection, protocol: UpstreamProtocol, head: ResponseHead, fields: bytes) -> bytes:
    """Put our Server and Date in front of *fields*, but for what the server may say itself."""
    if protocol.adds_own(b"date", head):
        fields = respond.date_line(conn.settings) + fields
    if protocol.adds_own(b"server", head):
        fields = respond.server_line(conn.settings) + fields
    return fields


async def _relay(
    conn: Connection, inquiry: Inquiry, reply: Reply, attempt: Attempt, *, head: bytes, framer: Framer
) -> tuple[Backlog, bool]:
    """
    Send an answer of which not all is here yet.

    Args:
        head: The client's.

    Returns:
        What the client has not taken yet; whether the server has said more than it should.
    """
    server, buffered = reply.pooled.stream, inquiry.is_buffered(reply.head)
    backlog = _new_backlog(conn, inquiry, buffered=buffered)
    relay = _new_relay(conn, inquiry, reply, backlog, framer, buffered=buffered)
    received = server.bytes_in
    try:
        if inquiry.body_sent:
            await relay.run(head, reply.rest)
        else:
            await server.poller.as_task(inquiry.while_sending, server, partial(relay.run, head, reply.rest))
    except BaseException:
        backlog.close()
        raise
    finally:
        inquiry.unwatch_client()
        attempt.response_length = relay.length
        attempt.bytes_received += server.bytes_in - received
    return backlog, relay.surplus


def _new_backlog(conn: Connection, inquiry: Inquiry, *, buffered: bool) -> Backlog:
    """Return what keeps the answer's octets that the client does not take at once."""
    settings = inquiry.protocol.settings
    return Backlog(
        conn.stream,
        conn.settings.send_timeout,
        pace_of(conn, inquiry.exchange),
        room=settings.max_temp_file_size if buffered else 0,
        place=settings.temp_path,
        log=conn.log,
    )


def _new_relay(
    conn: Connection, inquiry: Inquiry, reply: Reply, backlog: Backlog, framer: Framer, *, buffered: bool
) -> Relay:
    framing, protocol = reply.head.framing, inquiry.protocol
    settings, rate_of = protocol.settings, protocol.read_rate
    rate = rate_of(inquiry.exchange) if rate_of is not None and buffered else 0
    count, size = settings.buffers
    return Relay(
        reply.pooled.stream,
        conn.stream,
        backlog,
        decoder_for(framing),
        framer,
        ahead=count * size if buffered else 0,
        pace=Pace(rate, 0, conn.stream.poller.now) if rate else None,
        protocol=protocol.name,
        read_timeout=settings.read_timeout,
        send_timeout=conn.settings.send_timeout,
        client_left=inquiry.client_left,
    )


async def _upgrade(conn: Connection, inquiry: Inquiry, reply: Reply, attempt: Attempt) -> None:
    """Pass on 101 and what came behind it, then whatever the two sides say (RFC 9110 section 7.8)."""
    ex, protocol = inquiry.exchange, inquiry.protocol
    head, rest, pooled = reply
    inquiry.unwatch_client()
    ex.keep_alive = False
    ex.status = 101
    fields = respond.own_lines(conn.settings) + b"Connection: upgrade\r\n" + protocol.client_fields(ex, head)
    ex.sent_fields = fields
    octets = b"HTTP/1.1 101 %b\r\n%b\r\n" % (head.reason, fields)
    ex.head_length = len(octets)
    received, sent = pooled.stream.bytes_in, pooled.stream.bytes_out
    await conn.stream.send(octets + rest, conn.settings.send_timeout)
    early = conn.take_buffer()
    if early:
        await pooled.stream.send(early, protocol.settings.send_timeout)
    await conn.stream.poller.as_task(tunnel, conn.stream, pooled.stream, protocol.settings.read_timeout)
    attempt.bytes_received += pooled.stream.bytes_in - received
    attempt.bytes_sent += pooled.stream.bytes_out - sent
