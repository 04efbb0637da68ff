"""
Heads of answers, and whole answers made here: errors, ``return``, redirects.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from lbproxy import __version__
from lbproxy.http.errorpage import error_body
from lbproxy.wire import uri
from lbproxy.wire.fields import line
from lbproxy.wire.status import FIELDS_TOO_LARGE, STATUS_REASONS

if TYPE_CHECKING:
    from lbproxy.config.core import ClientSettings
    from lbproxy.http.exchange import Exchange
    from lbproxy.proxy.connection import Connection

SIGNATURE, SHORT_SIGNATURE = f"lbproxy/{__version__}".encode(), b"lbproxy"
_SERVER_LINES = {True: b"Server: %b\r\n" % SIGNATURE, False: b"Server: %b\r\n" % SHORT_SIGNATURE}
CLOSING = frozenset({400, 413, 414, FIELDS_TOO_LARGE, 500, 501})
"""Errors that end the connection, however they are answered (ngx_http_special_response_handler)."""

_BODILESS = frozenset({204, 304})


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
            self._second = second
            stamp = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(second))
            self.date = b"Date: %b\r\n" % stamp.encode()
            self._both = {tokens: line + self.date for tokens, line in _SERVER_LINES.items()}
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
    settings = conn.settings
    ex.status = status
    if status in _BODILESS:
        fields = body = b""
    else:
        fields = b"Content-Type: %b\r\nContent-Length: %d\r\n" % (content_type, len(body))
        if conn.route.charset is not None:
            fields = conn.route.charset(fields)
    fields = own_lines(settings) + fields + connection_lines(conn, ex)
    if location is not None:
        fields += line(b"Location", uri.escape_controls(location))
    ex.sent_fields = fields
    head = b"HTTP/1.1 %d %b\r\n%b\r\n" % (status, STATUS_REASONS.get(status, b""), fields)
    ex.head_length = len(head)
    await conn.stream.send(head if ex.method == b"HEAD" else head + body, settings.send_timeout)
    ex.completed = True


async def send_error(conn: Connection, ex: Exchange, status: int, location: bytes | None = None) -> None:
    """Send nginx's small page for *status*."""
    if status in CLOSING:
        ex.keep_alive = False
    signature = SIGNATURE if conn.settings.server_tokens else SHORT_SIGNATURE
    shown = 400 if status == FIELDS_TOO_LARGE else status
    await send_answer(conn, ex, shown, error_body(status, signature), location=location)
