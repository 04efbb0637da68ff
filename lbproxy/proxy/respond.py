"""
Heads of answers, and whole answers made here: errors, ``return``, redirects.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from lbproxy import __version__
from lbproxy.http.accel import merge_into_own
from lbproxy.http.errorpage import error_body, error_json, wants_json
from lbproxy.proxy.pacing import outlet
from lbproxy.wire import uri
from lbproxy.wire.body import Framer, as_it_is, encode_chunk, in_chunks
from lbproxy.wire.dates import http_date
from lbproxy.wire.fields import line, without
from lbproxy.wire.status import FIELDS_TOO_LARGE, STATUS_REASONS

if TYPE_CHECKING:
    from lbproxy.config.core import ClientSettings
    from lbproxy.http.exchange import Exchange
    from lbproxy.http.filters import BodyFilter, Filters, Trailers
    from lbproxy.proxy.connection import Connection

SIGNATURE, SHORT_SIGNATURE = f"lbproxy/{__version__}".encode(), b"lbproxy"
_SERVER_LINES = {True: b"Server: %b\r\n" % SIGNATURE, False: b"Server: %b\r\n" % SHORT_SIGNATURE}
CLOSING = frozenset({400, 413, 414, FIELDS_TOO_LARGE, 500, 501})
"""Errors that end the connection, however they are answered (ngx_http_special_response_handler)."""

_BODILESS = frozenset({204, 304})
_OF_CONTENT = frozenset({b"content-type", b"accept-ranges"})  # which such a page has from no answer before it


class _OwnLines:
    """The fields that every answer has from us, made once a second (Date: RFC 9110 section 6.6.1)."""

    def __init__(self) -> None:
        self._second = 0
        self.date = b""
        self._both: dict[bool, bytes] = {}

    def __call__(self, settings: ClientSettings) -> bytes:
        """Return Server and Date."""
        second = int(time.time())
        if second != self._second:
            self.date = b"Date: %b\r\n" % http_date(second)
            self._both = {tokens: line + self.date for tokens, line in _SERVER_LINES.items()}
            self._second = second
        return self._both[settings.server_tokens]


own_lines = _OwnLines()


def date_line(settings: ClientSettings) -> bytes:
    """Return the Date field alone."""
    own_lines(settings)
    return own_lines.date


def server_line(settings: ClientSettings) -> bytes:
    """Return the Server field, with the version unless ``server_tokens off``."""
    return _SERVER_LINES[settings.server_tokens]


def connection_lines(conn: Connection, ex: Exchange) -> bytes:
    """Return the Connection field (said aloud, as nginx does), and Keep-Alive where it is configured."""
    if not conn.stays_open(ex):
        return b"Connection: close\r\n"
    announced = conn.settings.keepalive_timeout[1]
    if announced is None:
        return b"Connection: keep-alive\r\n"
    return b"Connection: keep-alive\r\nKeep-Alive: timeout=%d\r\n" % announced


async def send_answer(
    conn: Connection,
    ex: Exchange,
    status: int,
    body: bytes,
    *,
    content_type: bytes = b"text/html",
    location: bytes | None = None,
) -> None:
    """
    Send a whole answer made here.

    Args:
        location: Value of the Location field; control characters in it are escaped, for ``return 301 $uri`` can
            hold decoded line ends.

    Raises:
        StreamError: The client does not take it.
    """
    if status in _BODILESS:
        fields = body = b""
    else:
        fields = b"Content-Type: %b\r\n" % content_type if content_type else b""
    if location is not None:
        fields += line(b"Location", uri.escape_controls(location))
    head, framer = compose(conn, ex, status, fields, None if status in _BODILESS else len(body))
    if ex.method != b"HEAD":
        head += body if framer is None else framer(body, True)
    await outlet(conn, ex).send(head, conn.settings.send_timeout)
    ex.completed = True


def compose(
    conn: Connection, ex: Exchange, status: int, fields: bytes, length: int | None
) -> tuple[bytes, Framer | None]:
    """
    Return the head of an answer made here, and what is to be done to its body.

    Args:
        fields: Without Server, Date, Connection, and what frames the body.
        length: Octets of the body; None: there is none, nor a field that says so.

    Returns:
        The framer is None when the body goes out as it is; an answer to HEAD has none of them.
    """
    ex.status = status
    route = conn.route
    if ex.carried:
        fields = merge_into_own(ex.carried, fields)
    framing, framer = b"" if length is None else b"Content-Length: %d\r\n" % length, None
    if route.filters is not None:
        bodied = length is not None and ex.method != b"HEAD"
        fields, changed = apply_filters(conn, ex, route.filters, fields, length, bodied=bodied)
        if changed is not None:
            framing, framer = changed
    return write_head(conn, ex, fields, framing), framer


def write_head(conn: Connection, ex: Exchange, fields: bytes, framing: bytes) -> bytes:
    """
    Return the head of an answer made here; its status is that of *ex*.

    Args:
        fields: Without Server, Date, Connection, and what frames the body; filters have seen them.
        framing: The line that frames the body, b"" for none.
    """
    fields = b"".join((own_lines(conn.route.client), fields, framing, connection_lines(conn, ex), ex.added))
    ex.sent_fields = fields
    head = b"HTTP/1.1 %d %b\r\n%b\r\n" % (ex.status, STATUS_REASONS.get(ex.status, b""), fields)
    ex.head_length = len(head)
    return head


Framed = tuple[bytes, Framer]
"""The field that frames a body, and what puts the body's pieces into that frame."""


def apply_filters(
    conn: Connection, ex: Exchange, filters: Filters, fields: bytes, length: int | None, *, bodied: bool
) -> tuple[bytes, Framed | None]:
    """
    Have *filters* change an answer on its way out.

    Args:
        fields: Without what frames the body.
        length: Of the body as it is, None if that is not known.
        bodied: The body is sent too, if it isn't empty.

    Returns:
        The fields that are to be sent; how the body is to be framed, None: as it would have been.
    """
    ex.logged_at = time.time()
    ex.sent_fields = fields  # what add_header and expires see of the answer as $sent_http_*
    if filters.fields is not None:
        fields = filters.fields(ex, fields)
    if filters.body is not None:
        filtered = filters.body(ex, fields, length)
        if filtered is not None:
            fields = filtered.fields
            if filtered.body is not None:
                return fields, _frame_filtered(conn, ex, filtered.body) if bodied else (b"", as_it_is)
    if bodied and filters.trailers is not None and _takes_chunks(conn, ex) and filters.trailers.expected(ex):
        return fields, frame_unknown(conn, ex)
    return fields, None


def _takes_chunks(conn: Connection, ex: Exchange) -> bool:
    return ex.head.version == 11 and conn.settings.chunked_transfer_encoding


def frame_unknown(conn: Connection, ex: Exchange) -> Framed:
    """Return the frame of a body of unknown length."""
    if _takes_chunks(conn, ex):
        filters = conn.route.filters
        trailers = filters.trailers if filters is not None else None
        framer = in_chunks if trailers is None or not trailers.expected(ex) else _with_trailers(ex, trailers)
        return b"Transfer-Encoding: chunked\r\n", framer
    ex.keep_alive, conn.ends_by_close = False, True
    return b"", as_it_is


def _with_trailers(ex: Exchange, trailers: Trailers) -> Framer:
    """Return what frames in chunks, with *trailers* behind the last one (RFC 9112 section 7.1.2)."""

    def framed(payload: bytes, done: bool) -> bytes:
        if not done:
            return in_chunks(payload, done)
        ex.sent_trailers = trailers.block(ex)
        return b"%b0\r\n%b\r\n" % (encode_chunk(payload), ex.sent_trailers)

    return framed


def _frame_filtered(conn: Connection, ex: Exchange, body_filter: BodyFilter) -> Framed:
    """Return the frame of a body that *body_filter* changes on its way."""
    framing, framer = frame_unknown(conn, ex)

    def filtered(payload: bytes, done: bool) -> bytes:
        changed = body_filter.feed(payload) if payload else b""
        return framer(changed + body_filter.end() if done else changed, done)

    return framing, filtered


async def send_error(conn: Connection, ex: Exchange, status: int, location: bytes | None = None) -> None:
    """Send nginx's small page for *status*, or the same as JSON to who asks for that."""
    if status in CLOSING:
        ex.keep_alive = False
    if ex.carried:
        ex.carried = without(ex.carried, _OF_CONTENT)
    shown = 400 if status == FIELDS_TOO_LARGE else status
    if wants_json(ex):
        await send_answer(conn, ex, shown, error_json(status), content_type=b"application/json", location=location)
        return
    page = error_body(status, SIGNATURE if conn.settings.server_tokens else SHORT_SIGNATURE)
    await send_answer(conn, ex, shown, page, content_type=b"text/html" if page else b"", location=location)
