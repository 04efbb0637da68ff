"""
What it costs to write a request for a server, and an answer's fields for the client.

Run from the project's root: ``python -m benchmarks.micro.requests``.  Prints microseconds per call, the best of
five rounds.
"""

from __future__ import annotations

import timeit
from collections.abc import Callable, Sequence
from functools import partial
from importlib.resources import files

from lbproxy import compiler, plan
from lbproxy.config.model import Address
from lbproxy.config.reader import Environment
from lbproxy.errors import Source
from lbproxy.http.exchange import Client, Exchange
from lbproxy.protocols.forwarding import UpstreamProtocol
from lbproxy.wire import uri, uwsgi
from lbproxy.wire.body import NO_BODY
from lbproxy.wire.heads import HeadLimits
from lbproxy.wire.requests import parse_request
from lbproxy.wire.responses import parse_response

BROWSER = (
    b"GET /shop/cart?item=4711&page=2 HTTP/1.1\r\n"
    b"Host: www.example.com\r\n"
    b"Connection: keep-alive\r\n"
    b"Cache-Control: max-age=0\r\n"
    b"Upgrade-Insecure-Requests: 1\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 "
    b"Safari/537.36\r\n"
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n"
    b"Sec-Fetch-Site: same-origin\r\n"
    b"Sec-Fetch-Mode: navigate\r\n"
    b"Accept-Encoding: gzip, deflate, br, zstd\r\n"
    b"Accept-Language: de-DE,de;q=0.9,en;q=0.8\r\n"
    b"Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; consent=yes\r\n"
    b"\r\n"
)
ANSWER = (
    b"HTTP/1.1 200 OK\r\nServer: gunicorn\r\nDate: Sun, 22 Nov 2026 07:46:00 GMT\r\nConnection: keep-alive\r\n"
    b"Content-Type: text/html; charset=utf-8\r\nContent-Length: 60\r\nVary: Cookie\r\nX-Frame-Options: DENY\r\n"
    b"\r\n"
)
SITE = """
upstream backend { server 127.0.0.1:8001; server 127.0.0.1:8002; }
server {
    listen 8080;
    location /plain { proxy_pass http://backend; }
    location /usual { proxy_pass http://backend; include proxy_params; }
    location /uri/ { proxy_pass http://backend/app/; }
    location /uwsgi { uwsgi_pass backend; include uwsgi_params; }
}
"""
CALLS = 20_000


def _no_names(host: str, port: int) -> Sequence[Address]:
    raise LookupError(f"{host}:{port}")


def _packaged(pattern: str, _including: Source) -> list[Source]:
    text = files("lbproxy.config").joinpath("params", pattern).read_text(encoding="utf-8")
    return [Source(pattern, text)]


def microseconds(call: Callable[[], object]) -> float:
    """Return what one *call* costs at best."""
    return min(timeit.repeat(call, number=CALLS, repeat=5)) / CALLS * 1e6


def exchange(served: plan.Plan, path: bytes) -> Exchange:
    """Return the browser's request for *path*, routed."""
    head = parse_request(BROWSER.replace(b"/shop", path, 1), HeadLimits())
    assert head is not None
    client = Client(b"192.0.2.7", 40000, b"\xc0\x00\x02\x07", b"192.0.2.1", 8080, number=1, opened=0.0)
    server = served.config.servers[0]
    ex = Exchange(client, head, server, 0.0)
    ex.host = b"www.example.com"
    assert ex.raw_path is not None
    ex.path = uri.normalise(ex.raw_path)
    ex.location = served.router.location(server, ex.path).location
    return ex


CONSTANTS = {"document_root": b"/srv/html", "realpath_root": b"/srv/html"}


def encode(protocol: UpstreamProtocol, ex: Exchange) -> bytes:
    """Write a request of a kind that has not been seen before."""
    ex.head.memo.clear()
    return protocol.encode_request(ex, NO_BODY)


def main() -> None:
    """Print the table."""
    served = compiler.load(Source("site.conf", SITE), Environment(_packaged, _no_names), CONSTANTS)
    for path in (b"/plain", b"/usual", b"/uri", b"/uwsgi"):
        ex = exchange(served, path)
        action = served.routes[ex.location].action
        assert isinstance(action, plan.ForwardAction)
        protocol = action.protocol
        head = (uwsgi.parse_response if protocol.name == "uwsgi" else parse_response)(ANSWER, b"GET")
        assert head is not None

        name = path.decode()
        print(f"{name:8} encode_request {microseconds(partial(encode, protocol, ex)):6.2f}")
        print(f"{name:8} ... seen before {microseconds(partial(protocol.encode_request, ex, NO_BODY)):6.2f}")
        print(f"{name:8} client_fields  {microseconds(partial(protocol.client_fields, ex, head)):6.2f}")


if __name__ == "__main__":
    main()
