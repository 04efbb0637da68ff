"""
What the head codecs cost, beside h11 on the same octets: ``python -m benchmarks.micro.heads``.

Prints microseconds per call, the best of several rounds.  Heads of equal octets are remembered; those that differ in
the target, or in a field as well, are read.
"""

from __future__ import annotations

import timeit
from collections.abc import Callable
from itertools import cycle

import h11

from lbproxy.wire import fields, uwsgi
from lbproxy.wire.heads import MOST_REMEMBERED, HeadLimits
from lbproxy.wire.requests import parse_request
from lbproxy.wire.responses import parse_response

REQUEST = (
    b"GET /static/app/main.js?v=12345 HTTP/1.1\r\nHost: www.example.com\r\nConnection: keep-alive\r\n"
    b"Cache-Control: max-age=0\r\nUpgrade-Insecure-Requests: 1\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0\r\n"
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n"
    b"Referer: https://www.example.com/index.html\r\nAccept-Encoding: gzip, deflate, br\r\n"
    b"Accept-Language: en-US,en;q=0.9,de;q=0.8\r\n"
    b"Cookie: session=0123456789abcdef0123456789abcdef; theme=dark; consent=yes\r\nDNT: 1\r\n\r\n"
)
RESPONSE = (
    b"HTTP/1.1 200 OK\r\nServer: app\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nContent-Type: text/html\r\n"
    b"Content-Length: 60\r\nLast-Modified: Mon, 01 Jan 2024 00:00:00 GMT\r\nConnection: keep-alive\r\n"
    b'ETag: "0123456789"\r\n\r\n'
)
LIMITS = HeadLimits()
PARAMS = [
    *((b"HTTP_" + name.upper().replace(b"-", b"_"), value) for name, value in fields.parse_block(REQUEST[42:-2])),
    (b"QUERY_STRING", b"v=12345"), (b"REQUEST_METHOD", b"GET"), (b"CONTENT_TYPE", b""), (b"CONTENT_LENGTH", b""),
    (b"REQUEST_URI", b"/static/app/main.js?v=12345"), (b"PATH_INFO", b"/static/app/main.js"),
    (b"DOCUMENT_ROOT", b"/usr/share/nginx/html"), (b"SERVER_PROTOCOL", b"HTTP/1.1"), (b"REQUEST_SCHEME", b"http"),
    (b"REMOTE_ADDR", b"127.0.0.1"), (b"REMOTE_PORT", b"54321"), (b"SERVER_PORT", b"8000"),
    (b"SERVER_NAME", b"www.example.com"),
]


def h11_request() -> object:
    """Read the request with h11."""
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(REQUEST)
    return connection.next_event()


def h11_response() -> object:
    """Read the answer with h11; asking is not part of it, but h11 wants it."""
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="GET", target="/", headers=[("Host", "h")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(RESPONSE)
    return connection.next_event()


def differing(head: bytes, old: bytes, new: bytes) -> Callable[[], bytes]:
    """Return what makes *head* another one with every call, more than are remembered: *new* with a number for *old*."""
    made = cycle([head.replace(old, new + b"%d" % number) for number in range(4 * MOST_REMEMBERED)])
    return lambda: next(made)


def read_fields() -> object:
    """Read the request and make its list of fields."""
    head = parse_request(REQUEST, LIMITS)
    return head.fields() if head else None


NEW_TARGET = differing(REQUEST, b"v=12345", b"v=")
EVER_NEW = differing(REQUEST, b"session=0123456789abcdef", b"session=")
NEW_ANSWER = differing(RESPONSE, b'ETag: "', b'ETag: "')
ENTRIES = [(uwsgi.encode_name(name), value) for name, value in PARAMS]
REMOVE = fields.removal([*fields.HOP_BY_HOP, b"host", b"content-length", b"expect"])
BLOCK = REQUEST[42:-2]

CASES: tuple[tuple[str, Callable[[], object]], ...] = (
    ("request, the same again", lambda: parse_request(REQUEST, LIMITS)),
    ("request, new target", lambda: parse_request(NEW_TARGET(), LIMITS)),
    ("request, ever new", lambda: parse_request(EVER_NEW(), LIMITS)),
    ("request, fields read too", read_fields),
    ("request, LF only", lambda: parse_request(REQUEST.replace(b"\r", b""), LIMITS)),
    ("request with h11", h11_request),
    ("hop-by-hop fields cut out", lambda: REMOVE(BLOCK)),
    ("answer, the same again", lambda: parse_response(RESPONSE, b"GET")),
    ("answer, ever new", lambda: parse_response(NEW_ANSWER(), b"GET")),
    ("answer with h11", h11_response),
    (f"uwsgi packet of {len(PARAMS)} variables", lambda: uwsgi.encode_packet(uwsgi.encode_entries(ENTRIES))),
)


def microseconds(function: Callable[[], object], rounds: int = 7, calls: int = 2000) -> float:
    """Return what one call of *function* costs at best."""
    return min(timeit.repeat(function, number=calls, repeat=rounds)) / calls * 1e6


def main() -> None:
    """Print the table."""
    print(f"request head {len(REQUEST)} octets, answer head {len(RESPONSE)} octets")
    for name, function in CASES:
        print(f"{microseconds(function):8.1f} µs  {name}")


if __name__ == "__main__":
    main()
