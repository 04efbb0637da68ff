"""
Microseconds per call of what every request asks the pure HTTP parts: its route, its log line, its templates.

Run ``python -m benchmarks.micro.http``.
"""

from __future__ import annotations

import timeit
from collections.abc import Callable
from functools import partial
from types import MappingProxyType

from lbproxy.config.model import Address, Config, Location, MatchKind, ServerName, VirtualServer
from lbproxy.config.parser import Argument
from lbproxy.errors import Position, Source
from lbproxy.http.exchange import Client, Exchange
from lbproxy.http.logformat import COMBINED, compile_format
from lbproxy.http.router import Router
from lbproxy.http.template import Template
from lbproxy.http.variables import VariableTable
from lbproxy.wire.heads import HeadLimits
from lbproxy.wire.requests import parse_request

_HERE = Position(Source("benchmark"), 1, 1)
_LISTEN = Address("127.0.0.1", 80)
_REQUEST = (
    b"GET /api/v1/items/17?page=2&sort=name HTTP/1.1\r\nHost: www.example.com\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n"
    b"Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n"
    b"Referer: https://www.example.com/items/\r\nConnection: keep-alive\r\n"
    b"Cookie: session=1f0e2d3c4b5a69788796a5b4c3d2e1f0; theme=dark\r\n"
    b"Upgrade-Insecure-Requests: 1\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\n\r\n"
)


def report(what: str, function: Callable[..., object], *args: object) -> None:
    """Print microseconds per call of *function*: the best of five runs, each of about a tenth of a second."""
    timer = timeit.Timer(partial(function, *args))
    count = max(1, timer.autorange()[0] // 2)
    print(f"{what:50}{min(timer.repeat(5, count)) / count * 1e6:7.2f} us")


def location(pattern: str, *inner: Location) -> Location:
    """Return a prefix location without settings."""
    return Location(
        kind=MatchKind.PREFIX, pattern=pattern, locations=inner, position=_HERE, merged=MappingProxyType({})
    )


def servers(count: int) -> tuple[VirtualServer, ...]:
    """Return *count* servers with a name and a wildcard each; the first has *count* prefix locations."""
    inner = [location(f"/api/v{number}/") for number in range(count)]
    return tuple(
        VirtualServer(
            listens=((_LISTEN, False),),
            names=(ServerName(text=f"www{number}.example.com"), ServerName(text=f"*.site{number}.com")),
            root=location("", *(inner if number == 0 else ())),
            position=_HERE,
            merged=MappingProxyType({}),
        )
        for number in range(count)
    )


def exchange(server: VirtualServer) -> Exchange:
    """Return a browser's request after its answer."""
    head = parse_request(_REQUEST, HeadLimits())
    assert head is not None
    client = Client(b"192.0.2.7", 40000, b"\xc0\x00\x02\x07", b"192.0.2.1", 80, number=1, opened=0.0)
    ex = Exchange(client, head, server, 1.0)
    ex.host, ex.path = b"www.example.com", b"/api/v1/items/17"
    ex.status, ex.body_bytes_sent, ex.finished, ex.logged_at = 200, 5120, 1.01, 1795333560.5
    return ex


def main() -> None:
    """Print one line per case."""
    for count in (1, 100, 1000):
        made = servers(count)
        router = Router(Config(listeners=(), servers=made, upstreams={}, directives=(), merged={}), lambda _: True)
        host, path = b"a.b.site%d.com" % (count - 1), b"/api/v%d/items/17" % (count // 2)
        report(f"server by wildcard, {count} names", router.names(_LISTEN).find, host)
        report(f"location, {count} prefixes", router.location, made[0], path)
    ex = exchange(servers(1)[0])
    table = VariableTable({"hostname": b"box"})
    report("access log line, combined", compile_format(COMBINED, table), ex)
    for text in ("constant", "$host", "http://$host:$server_port$request_uri", "$proxy_add_x_forwarded_for"):
        report(f"template {text}", Template.parse(Argument(text, _HERE)).bind(table), ex)


if __name__ == "__main__":
    main()
