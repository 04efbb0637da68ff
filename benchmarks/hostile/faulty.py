"""
Servers that misbehave in every way we know of, HTTP and uwsgi.

What one does is named by the last word of the path, so that a run can be repeated.  A fault is a coroutine that has
read the request (all of it, or its head only) and may do with the connection what it likes.
"""

from __future__ import annotations

import random
import socket
import struct
from collections.abc import Awaitable, Callable

import trio

RESET = struct.pack("ii", 1, 0)
_LONGEST = 15.0  # seconds that a fault may go on
_HEAD = b"HTTP/1.1 200 OK\r\n"
_OK = _HEAD + b"Content-Length: 2\r\n\r\nok"
_CHUNKED = _HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def _sends(*pieces: bytes, reset: bool = False) -> Fault:
    """Make a fault that sends *pieces* one after the other, then closes (with a reset)."""

    async def fault(stream: trio.SocketStream, _chance: random.Random) -> None:
        for piece in pieces:
            await stream.send_all(piece)
            await trio.sleep(0.01)
        if reset:
            stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)

    return fault


async def _hang(stream: trio.SocketStream, _chance: random.Random) -> None:
    while await stream.receive_some():
        pass


async def _drip(stream: trio.SocketStream, _chance: random.Random) -> None:
    for octet in b"HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n" + b"x" * 60:
        await stream.send_all(bytes([octet]))
        await trio.sleep(0.02)


async def _garbage(stream: trio.SocketStream, chance: random.Random) -> None:
    await stream.send_all(chance.randbytes(chance.randrange(1, 3000)))


async def _flood(stream: trio.SocketStream, _chance: random.Random) -> None:
    await stream.send_all(b"HTTP/1.1 200 OK\r\n\r\n")
    for _ in range(500):
        await stream.send_all(bytes(65536))


async def _endless_head(stream: trio.SocketStream, _chance: random.Random) -> None:
    await stream.send_all(b"HTTP/1.1 200 OK\r\n")
    for _ in range(5000):
        await stream.send_all(b"X-Endless: " + b"x" * 500 + b"\r\n")


async def _late(stream: trio.SocketStream, _chance: random.Random) -> None:
    """Answer well, then say more on what is an idle connection by now; the time it says is that of `trio`."""
    await stream.send_all(_OK)
    await trio.sleep(0.05)
    said = b"stolen %20.6f" % trio.current_time()
    await stream.send_all(_HEAD + b"Content-Length: %d\r\n\r\n%b" % (len(said), said))


async def _one_octet_chunks(stream: trio.SocketStream, _chance: random.Random) -> None:
    await stream.send_all(_CHUNKED + b"1\r\nx\r\n" * 20000 + b"0\r\n\r\n")


Fault = Callable[[trio.SocketStream, random.Random], Awaitable[None]]

FAULTS: dict[str, Fault] = {
    "fine": _sends(_OK),
    "closes": _sends(),
    "resets": _sends(reset=True),
    "hangs": _hang,
    "drips": _drip,
    "garbage": _garbage,
    "floods": _flood,
    "endless-head": _endless_head,
    "late": _late,
    "one-octet-chunks": _one_octet_chunks,
    "half-head": _sends(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "head-then-reset": _sends(_HEAD + b"Content-Length: 10\r\n\r\n", reset=True),
    "truncated": _sends(_HEAD + b"Content-Length: 1000\r\n\r\n", b"x" * 500),
    "truncated-then-reset": _sends(_HEAD + b"Content-Length: 100000\r\n\r\n", b"x" * 50000, reset=True),
    "truncated-chunk": _sends(_CHUNKED + b"5\r\nhel"),
    "no-last-chunk": _sends(_CHUNKED + b"5\r\nhello\r\n"),
    "surplus": _sends(_HEAD + b"Content-Length: 2\r\n\r\nok" + _OK),
    "surplus-after-chunks": _sends(_CHUNKED + b"2\r\nok\r\n0\r\n\r\n" + _OK),
    "body-with-204": _sends(b"HTTP/1.1 204 No Content\r\n\r\n" + _OK),
    "bad-chunk": _sends(_CHUNKED + b"xyz\r\n"),
    "chunk-over-64-bits": _sends(_CHUNKED + b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
    "length-and-chunks": _sends(_HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "two-lengths": _sends(_HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"),
    "negative-length": _sends(_HEAD + b"Content-Length: -1\r\n\r\nhello"),
    "unknown-coding": _sends(_HEAD + b"Transfer-Encoding: gzip\r\n\r\nhello"),
    "field-with-cr": _sends(_HEAD + b"A: b\rc\r\nContent-Length: 0\r\n\r\n"),
    "field-with-nul": _sends(_HEAD + b"A: \x00\r\nContent-Length: 0\r\n\r\n"),
    "space-before-colon": _sends(_HEAD + b"Content-Length : 2\r\n\r\nok"),
    "no-status": _sends(b"HELLO\r\n\r\n"),
    "status-999999": _sends(b"HTTP/1.1 999999 X\r\n\r\n"),
    "interim-for-ever": _sends(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000 + _OK),
    "upgrade": _sends(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nhello"),
}
REPLACEABLE = ("closes", "resets", "half-head", "no-status", "two-lengths", "field-with-nul", "length-and-chunks")
"""Those after which another server may be asked: what paths mean that name no fault."""

UNREAD = frozenset({"closes", "resets", "hangs", "floods", "fine", "truncated", "garbage"})
"""Those that are done after the head, too, whether there is a body behind it or not."""


class Faulty:
    """
    The servers.

    Args:
        seed: Of what is left to chance.
    """

    def __init__(self, seed: str) -> None:
        self._seed, self._count = seed, 0

    async def serve(self, port: int, *, uwsgi: bool = False) -> None:
        """Accept on *port*, for ever."""
        read = _read_packet if uwsgi else _read_head

        async def converse(stream: trio.SocketStream) -> None:
            self._count += 1
            chance = random.Random(f"{self._seed}/{self._count}")
            with trio.move_on_after(_LONGEST):
                try:
                    word = await read(stream)
                    fault = FAULTS[word if word in FAULTS else chance.choice(REPLACEABLE)]
                    if word not in UNREAD or chance.random() < 0.5:
                        await _discard(stream)
                    await fault(stream, chance)
                except (trio.BrokenResourceError, EOFError):
                    pass
            with trio.CancelScope(shield=True):
                stream.socket.close()

        await trio.serve_tcp(converse, port, host="127.0.0.1", backlog=1024)


async def _discard(stream: trio.SocketStream) -> None:
    """Read on for a moment, so that most bodies are taken."""
    with trio.move_on_after(0.02):
        while await stream.receive_some():
            pass


async def _read_head(stream: trio.SocketStream) -> str:
    """Read up to the end of the head; return the last word of the path."""
    buf = b""
    while b"\r\n\r\n" not in buf:
        buf += await _more(stream)
    path = buf.split(b" ", 2)[1].partition(b"?")[0]
    return path.rpartition(b"/")[2].decode("latin-1")


async def _read_packet(stream: trio.SocketStream) -> str:
    """Read a uwsgi packet; return the last word of the path in it."""
    buf = b""
    while len(buf) < 4 or len(buf) < 4 + int.from_bytes(buf[1:3], "little"):
        buf += await _more(stream)
    _, _, path = buf.partition(b"\x09\x00PATH_INFO")
    return path[2 : 2 + int.from_bytes(path[:2], "little")].rpartition(b"/")[2].decode("latin-1")


async def _more(stream: trio.SocketStream) -> bytes:
    data: bytes = await stream.receive_some()
    if not data:
        raise EOFError
    return data
