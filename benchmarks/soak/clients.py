"""
The clients of the soak: each kind asks in its own way, for ever, and checks every octet of its answers.

What they count as failed is what a user would: no answer, a cut one, or not the one that was asked for.  A connection
is given up only when an answer says so; those who abort do so on purpose and expect nothing.
"""

from __future__ import annotations

import random
import socket
import struct
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import trio

from benchmarks.soak.app import LARGE, SMALL, receipt

_PIECE = 65536
_LONGEST = 300.0  # seconds that a connection may take


class Wrong(Exception):
    """An answer that is not the one that was asked for; the text says what is wrong."""


class Tally:
    """What became of the requests, by kind of client."""

    def __init__(self) -> None:
        self.answered: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.aborted = 0
        self.reasons: list[str] = []

    def fail(self, kind: str, reason: str) -> None:
        """Count a failure; the first ones are kept."""
        self.failed[kind] += 1
        if len(self.reasons) < 20:
            self.reasons.append(f"{kind}: {reason}")


class Connection:
    """A connection to the proxy that can ask and be answered."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.open = True  # the last answer did not end it
        self._buffer = b""

    async def ask(self, head: str, body: bytes = b"") -> bytes:
        """Send a request and return the body of its answer."""
        await self.stream.send_all(f"{head}\r\nHost: soak\r\n\r\n".encode() + body)
        while b"\r\n\r\n" not in self._buffer:
            await self._receive()
        answer, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        status, *lines = answer.split(b"\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
        if status.split(b" ")[1] != b"200":
            raise Wrong(status.decode())
        size = int(fields[b"content-length"])
        while len(self._buffer) < size:
            await self._receive()
        content, self._buffer = self._buffer[:size], self._buffer[size:]
        self.open = fields.get(b"connection") != b"close"
        return content

    async def _receive(self) -> None:
        data = await self.stream.receive_some(_PIECE)
        if not data:
            raise Wrong(f"closed after {len(self._buffer)} octets of an answer")
        self._buffer += data

    def reset(self) -> None:
        """Go away without a word."""
        self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.stream.socket.close()


Visit: TypeAlias = Callable[[Connection, random.Random, Callable[[], None]], Awaitable[None]]
"""What a client does with one connection; it calls the last argument for every answer that is right."""


async def keeps(connection: Connection, rng: random.Random, right: Callable[[], None]) -> None:
    """Many small requests, one soon after the other."""
    for _ in range(rng.randint(1, 300)):
        _expect(await connection.ask("GET /small HTTP/1.1"), SMALL)
        right()
        if not connection.open:
            return
        await trio.sleep(rng.uniform(0, 0.05))


async def returns(connection: Connection, rng: random.Random, right: Callable[[], None]) -> None:
    """Small requests with long pauses: reloads come between them."""
    for _ in range(rng.randint(2, 20)):
        _expect(await connection.ask("GET /small HTTP/1.1"), SMALL)
        right()
        if not connection.open:
            return
        await trio.sleep(rng.uniform(0.5, 4))


async def closes(connection: Connection, _: random.Random, right: Callable[[], None]) -> None:
    """One request."""
    _expect(await connection.ask("GET /small HTTP/1.1\r\nConnection: close"), SMALL)
    right()


async def uploads(connection: Connection, rng: random.Random, right: Callable[[], None]) -> None:
    """Bodies of all sizes, with a length or in chunks."""
    for _ in range(rng.randint(1, 5)):
        data = rng.randbytes(int(2 ** rng.uniform(0, 19)))
        if rng.random() < 0.5:
            answer = await connection.ask(f"PUT /upload HTTP/1.1\r\nContent-Length: {len(data)}", data)
        else:
            pieces = [data[at : at + 50_000] for at in range(0, len(data), 50_000)]
            chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
            answer = await connection.ask("PUT /upload HTTP/1.1\r\nTransfer-Encoding: chunked", chunks + b"0\r\n\r\n")
        _expect(answer, receipt(data))
        right()
        if not connection.open:
            return
        await trio.sleep(rng.uniform(0, 0.5))


async def downloads(connection: Connection, rng: random.Random, right: Callable[[], None]) -> None:
    """Large answers."""
    _expect(await connection.ask("GET /large HTTP/1.1"), LARGE)
    right()
    await trio.sleep(rng.uniform(0, 1))


async def aborts(connection: Connection, rng: random.Random, _: Callable[[], None]) -> None:
    """Go away in the middle: of a head, of a body, before an answer or within it; with a reset or in order."""
    request = rng.choice((
        b"GET /small HT", b"GET /small HTTP/1.1\r\nHost: soak\r\n\r\n", b"GET /large HTTP/1.1\r\nHost: soak\r\n\r\n",
        b"PUT /upload HTTP/1.1\r\nHost: soak\r\nContent-Length: 100000\r\n\r\n" + b"x" * 50_000,
    ))  # fmt: skip
    await connection.stream.send_all(request)
    if rng.random() < 0.5:
        with trio.move_on_after(rng.uniform(0, 0.2)):
            await connection.stream.receive_some(1000)
    if rng.random() < 0.5:
        connection.reset()


KINDS: tuple[tuple[Visit, int], ...] = (
    (keeps, 8), (returns, 8), (closes, 4), (uploads, 4), (downloads, 1), (aborts, 3)
)  # fmt: skip
"""With the share of each among the clients."""


async def live(visit: Visit, port: int, rng: random.Random, tally: Tally) -> None:
    """Be a client of one kind for ever."""
    kind = visit.__name__
    aborting = visit is aborts

    def right() -> None:
        tally.answered[kind] += 1

    while True:
        try:
            with trio.fail_after(_LONGEST):
                stream = await trio.open_tcp_stream("127.0.0.1", port)
                async with stream:
                    await visit(Connection(stream), rng, right)
        except (OSError, trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError, Wrong) as error:
            if not aborting:
                tally.fail(kind, f"{type(error).__name__} {error}")
        tally.aborted += aborting
        await trio.sleep(rng.uniform(0, 0.1))


def _expect(found: bytes, right: bytes) -> None:
    if found != right:
        raise Wrong(f"{len(found)} octets that are not the answer")
