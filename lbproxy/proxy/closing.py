"""
How a client's connection ends, or gets past a body that nobody wanted, without a reset.

Closing a socket with unread octets resets the connection, and the reset may overtake the answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from lbproxy.errors import MalformedMessage, StreamError

if TYPE_CHECKING:
    from lbproxy.config.core import ClientSettings
    from lbproxy.net.stream import Stream
    from lbproxy.proxy.requestbody import RequestBody

_PIECE = 65536


async def discard(body: RequestBody, settings: ClientSettings) -> bool:
    """Read the rest of *body*, which nobody wants; False when it is wrong or takes too long."""
    body.limit, body.timeout = 0, settings.lingering_timeout
    with trio.move_on_after(settings.lingering_time) as scope:
        try:
            while await body.read():
                pass
        except (MalformedMessage, StreamError):
            return False
    return not scope.cancelled_caught


async def linger(stream: Stream, settings: ClientSettings) -> None:
    """End what goes out, and wait for the client to close, throwing away what comes (ngx_http_set_lingering_close)."""
    with trio.move_on_after(settings.lingering_time):
        try:
            stream.shut_writing()
            while await stream.recv(settings.lingering_timeout, _PIECE):
                pass
        except StreamError:
            pass
