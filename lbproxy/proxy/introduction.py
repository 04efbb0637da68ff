"""
``listen ... proxy_protocol``: before its first request, a balancer in front says who the client is.

Its word is taken on trust, as in nginx: whoever can connect to such a socket can say what he likes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from lbproxy.errors import StreamClosed
from lbproxy.wire.proxyline import broken, parse_introduction

if TYPE_CHECKING:
    from lbproxy.net.stream import Stream
    from lbproxy.wire.proxyline import Introduction


async def hear(stream: Stream, timeout: float) -> tuple[Introduction | None, bytes]:
    """
    Return what is said of the client, and the octets that came behind it.

    Args:
        timeout: Seconds that all of it may take.

    Raises:
        MalformedMessage: It is no introduction, or ends amid one.
        StreamError: The other side has left, or takes too long.
    """
    deadline = trio.current_time() + timeout
    buf = b""
    while True:
        data = await stream.recv(deadline - trio.current_time())
        if not data:
            raise broken(buf) if buf else StreamClosed("client closed connection")
        buf += data
        found = parse_introduction(buf)
        if found is not None:
            introduction, size = found
            return introduction, buf[size:]
