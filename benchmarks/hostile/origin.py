"""
A server that behaves: python -m benchmarks.hostile.origin PORT.

It answers a GET of ``/anything/N/TOKEN`` with TOKEN and as many more octets as make N, other GETs with nothing, and
a POST with the CRC-32 of its body.  Connections are kept open.
"""

from __future__ import annotations

import asyncio
import sys
import zlib


def body_of(token: str, size: int) -> bytes:
    """Return the *size* octets that a GET with *token* is answered with; no two tokens have the same."""
    return token.encode().ljust(size, b".")


class Origin(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._buf = bytearray()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer what is complete; the proxy sends no chunks here."""
        self._buf += data
        while (end := self._buf.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._buf[:end])
            length = _length(head)
            if len(self._buf) < end + 4 + length:
                return
            body = bytes(self._buf[end + 4 : end + 4 + length])
            del self._buf[: end + 4 + length]
            self._transport.write(_answer(head, body))


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def _answer(head: bytes, body: bytes) -> bytes:
    method, target, _ = head.split(b"\r\n", 1)[0].split(b" ")
    place = target.decode().split("/")
    if method == b"POST":
        said = b"%08x" % zlib.crc32(body)
    elif len(place) == 4 and place[2].isdecimal():
        said = body_of(place[3], int(place[2]))
    else:
        said = b""
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(said), said)


async def main(port: int) -> None:
    """Serve until killed."""
    server = await asyncio.get_running_loop().create_server(Origin, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
