"""
Microseconds for a whole exchange without the system: everything between two sockets that answer at once.

Heads of equal octets are remembered (lbproxy.wire), so a request that comes again costs less than one that is new;
the truth of a site lies between.  Run ``python -m benchmarks.micro.exchange``.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from itertools import count

import trio

from lbproxy import compiler, plan
from lbproxy.config.model import Address
from lbproxy.config.reader import Environment
from lbproxy.errors import Source
from lbproxy.http.exchange import Client
from lbproxy.net.pool import Pooled
from lbproxy.net.readiness import Poller
from lbproxy.net.stream import RECV_SIZE, Stream
from lbproxy.proxy.connection import Connection
from lbproxy.proxy.logfile import Logs, Sink
from lbproxy.proxy.server import Server

REQUESTS = 20_000
SITE = """
upstream backend { server 127.0.0.1:8000; server 127.0.0.1:8001; keepalive_requests 1000000; }
keepalive_requests 1000000;
server { listen 127.0.0.1:80; location / { proxy_pass http://backend; } location /here { return 200 "here"; } }
"""
REQUEST = (
    "GET {path} HTTP/1.1\r\nHost: www.example.com\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-US,en;q=0.5\r\n"
    "Accept-Encoding: gzip, deflate\r\nCookie: session={session}\r\nConnection: keep-alive\r\n\r\n"
)
ANSWER = (
    b"HTTP/1.1 200 OK\r\nServer: backend\r\nDate: Sun, 22 Nov 2026 08:29:26 GMT\r\nContent-Type: text/plain\r\n"
    b"Content-Length: 60\r\nConnection: keep-alive\r\n\r\n" + b"x" * 60
)


class Ready(Stream):
    """A stream that always has the next message of *source*, and takes everything."""

    def __init__(self, poller: Poller, source: Callable[[], bytes]) -> None:
        self._ours, self._other = socket.socketpair()
        super().__init__(poller, self._ours)
        self._source = source
        self.readable = False

    async def recv(self, timeout: float, size: int = RECV_SIZE) -> bytes:  # noqa: ARG002
        """Return the next message."""
        data = self._source()
        self.bytes_in += len(data)
        return data

    def send_now(self, data: bytes | memoryview) -> int:
        """Take all of *data*."""
        self.bytes_out += len(data)
        return len(data)

    def watch_input(self) -> None:
        """Expect nothing."""

    def close(self) -> None:
        """Close both ends."""
        super().close()
        self._other.close()


def same(path: str) -> Callable[[], bytes]:
    """Return a client that asks for *path* again and again."""
    left = count(REQUESTS, -1)
    octets = REQUEST.format(path=path, session=1).encode()
    return lambda: octets if next(left) > 0 else b""


def new_targets(path: str) -> Callable[[], bytes]:
    """Return a client that asks for something else each time, as one browser does."""
    octets = iter([REQUEST.format(path=f"{path}{i}", session=1).encode() for i in range(REQUESTS)])
    return lambda: next(octets, b"")


def ever_new(path: str) -> Callable[[], bytes]:
    """Return a client whose requests all differ in target and fields, as if each came from somebody else."""
    octets = iter([REQUEST.format(path=f"{path}{i}", session=i).encode() for i in range(REQUESTS)])
    return lambda: next(octets, b"")


async def measure(site: plan.Plan, source: Callable[[], bytes]) -> float:
    """Return microseconds per exchange of a client that sends what *source* gives."""
    server = Server(site, {}, Logs([("stderr", "error")], {log.path: Sink("/dev/null") for log in site.access_logs}))
    poller = Poller()
    poller.now = now = trio.current_time()
    address = site.config.listeners[0].address
    for upstream in server.upstreams:
        for peer in upstream.group.peers:
            pooled = Pooled(Ready(poller, lambda: ANSWER), now)
            pooled.requests = 1
            upstream.pool.put(peer, pooled, now)
    client = Client(b"127.0.0.1", 5555, b"\x7f\0\0\1", b"127.0.0.1", 80, number=1, opened=now)
    connection = Connection(server, Ready(poller, source), site.router.names(address), client)
    started = time.perf_counter()
    with trio.fail_after(60):
        await connection.run()
    return (time.perf_counter() - started) / REQUESTS * 1e6


def _nothing(*_: object) -> list[Source]:
    return []


def _no_names(host: str, _port: int) -> list[Address]:
    raise LookupError(host)


def main() -> None:
    """Print the table."""
    site = compiler.load(Source("site.conf", SITE), Environment(_nothing, _no_names), {})
    for what, path in (("passed on", "/item/"), ("answered here", "/here/")):
        for kind, source in (("the same", same), ("new target", new_targets), ("ever new", ever_new)):
            print(f"{what:14} {kind:10} {min(trio.run(measure, site, source(path)) for _ in range(3)):6.1f}")


if __name__ == "__main__":
    main()
