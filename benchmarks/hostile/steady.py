"""
Good requests at a steady pace, measured: python -m benchmarks.hostile.steady ADDRESS-PORT RATE SEED.

Requests leave when it is their time, whether those before them are answered or not, over as many kept connections as
that needs; one in ten over a connection of its own.  Every octet of every answer is compared.  Once a second it
writes a line of JSON: the latencies of that second, and what went wrong; it ends when its input does.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import zlib
from collections import deque

from benchmarks.hostile.histogram import Histogram
from benchmarks.hostile.origin import body_of

PATIENCE = 10.0  # seconds after which an answer that has not come is a failure
_SIZES = (20, 20, 20, 20, 20, 20, 2000, 20_000, 100_000)
_UPLOADS = (100, 30_000, 120_000)


class Ask:
    """One request, and what must come back."""

    def __init__(self, number: int, chance: random.Random) -> None:
        self.alone = chance.random() < 0.1
        token = f"{number:x}-{chance.getrandbits(32):x}"
        fields = "Host: good\r\nConnection: close\r\n" if self.alone else "Host: good\r\n"
        if chance.random() < 0.1:
            body = chance.randbytes(chance.choice(_UPLOADS))
            head = f"POST /good/0/{token} HTTP/1.1\r\n{fields}Content-Length: {len(body)}\r\n\r\n"
            self.octets = head.encode() + body
            self.body = b"%08x" % zlib.crc32(body)
        else:
            size = chance.choice(_SIZES)
            self.octets = f"GET /good/{size}/{token} HTTP/1.1\r\n{fields}\r\n".encode()
            self.body = body_of(token, max(size, len(token)))


class Visit(asyncio.Protocol):
    """A connection to the proxy, for one request at a time."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._buf = bytearray()
        self._ask: Ask | None = None
        self._sent_at = 0.0
        self._transport: asyncio.Transport
        self._late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def ask(self, ask: Ask) -> None:
        """Send it."""
        loop = asyncio.get_running_loop()
        self._ask, self._sent_at = ask, loop.time()
        self._late = loop.call_later(PATIENCE, self._fail, "no answer in time")
        self._transport.write(ask.octets)

    def data_received(self, data: bytes) -> None:
        """Compare what is complete."""
        self._buf += data
        ask = self._ask
        if ask is None:
            self._fail(f"unasked octets: {bytes(data[:80])!r}")
            return
        end = self._buf.find(b"\r\n\r\n")
        if end < 0 or (self._buf.startswith(b"HTTP/1.1 200") and len(self._buf) < end + 4 + len(ask.body)):
            return
        if self._buf.startswith(b"HTTP/1.1 200") and self._buf[end + 4 :] == ask.body:
            self._done(close=ask.alone or b"\r\nConnection: close" in self._buf[:end])
        else:
            self._fail(f"wrong answer: {bytes(self._buf[:200])!r}")

    def _done(self, *, close: bool) -> None:
        self._load.latencies.add(asyncio.get_running_loop().time() - self._sent_at)
        self._forget()
        if close:
            self._transport.close()
        else:
            self._load.idle.append(self)

    def _forget(self) -> None:
        self._ask = None
        self._buf.clear()
        if self._late is not None:
            self._late.cancel()

    def _fail(self, reason: str) -> None:
        self._load.failures.append(reason)
        self._forget()
        self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        if self in self._load.idle:
            self._load.idle.remove(self)
        if self._ask is not None:
            self._load.failures.append(f"closed without an answer: {exc}")
            self._forget()


class Load:
    """The pace, and what came of it since the last line."""

    def __init__(self, port: int, rate: float, seed: str) -> None:
        self._port, self._rate, self._chance = port, rate, random.Random(seed)
        self.idle: deque[Visit] = deque()
        self.latencies = Histogram()
        self.failures: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Go on until standard input ends."""
        loop = asyncio.get_running_loop()
        over = asyncio.Event()
        loop.add_reader(sys.stdin, over.set)
        start, number, told = loop.time(), 0, 0
        while not over.is_set():
            await asyncio.sleep(max(0.0, start + number / self._rate - loop.time()))
            self._ask(Ask(number, self._chance))
            number += 1
            if loop.time() - start >= told + 1:
                told += 1
                self._tell()
        await asyncio.sleep(0.5)
        self._tell()

    def _ask(self, ask: Ask) -> None:
        if self.idle and not ask.alone:
            self.idle.pop().ask(ask)
            return
        task = asyncio.get_running_loop().create_task(self._ask_anew(ask))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask_anew(self, ask: Ask) -> None:
        try:
            _, visit = await asyncio.get_running_loop().create_connection(lambda: Visit(self), "127.0.0.1", self._port)
        except OSError as error:
            self.failures.append(f"not connected: {error}")
            return
        visit.ask(ask)

    def _tell(self) -> None:
        print(json.dumps({"latencies": self.latencies.counts, "failures": self.failures}), flush=True)
        self.latencies, self.failures = Histogram(), []


if __name__ == "__main__":
    asyncio.run(Load(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]).run())
