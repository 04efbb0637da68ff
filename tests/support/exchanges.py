"""Exchanges, arguments and locations made by hand, for tests of what only looks at them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from lbproxy.config.core import CORE_SETTINGS
from lbproxy.config.model import Address, Location, MatchKind, ServerName, VirtualServer
from lbproxy.config.parser import Argument, Directive
from lbproxy.config.regex import compile_regex
from lbproxy.config.settings import defaults
from lbproxy.errors import Position, Source
from lbproxy.http.exchange import Client, Exchange
from lbproxy.wire import uri
from lbproxy.wire.heads import RequestHead, ResponseHead

HERE = Position(Source("test.conf"), 1, 1)
LISTEN = Address("127.0.0.1", 8080)


def argument(text: str) -> Argument:
    """Return *text* as an argument of a directive."""
    return Argument(text, HERE)


def directive(name: str, *args: str, block: Sequence[Directive] | None = None) -> Directive:
    """Return ``name args;``, with a *block* if there is one."""
    return Directive(name, tuple(map(argument, args)), HERE, None if block is None else tuple(block))


def location(
    kind: MatchKind = MatchKind.PREFIX,
    pattern: str = "",
    inner: Sequence[Location] = (),
    settings: Mapping[type, object] = MappingProxyType({}),
) -> Location:
    """Return a location with the default settings but for *settings*."""
    regex = None
    if kind in (MatchKind.REGEX, MatchKind.REGEX_NOCASE):
        regex = compile_regex(argument(pattern), nocase=kind is MatchKind.REGEX_NOCASE)
    merged = MappingProxyType({**defaults(CORE_SETTINGS), **settings})
    return Location(
        kind=kind, pattern=pattern, regex=regex, locations=tuple(inner), position=HERE, merged=merged
    )


def virtual_server(
    *names: str,
    locations: Sequence[Location] = (),
    listens: Sequence[tuple[Address, bool]] = ((LISTEN, False),),
    settings: Mapping[type, object] = MappingProxyType({}),
) -> VirtualServer:
    """Return a server; names that begin with "~" are regular expressions."""
    parsed = [
        ServerName(text=name, regex=compile_regex(argument(name), name[1:]) if name.startswith("~") else None)
        for name in names or ("",)
    ]
    root = location(inner=locations, settings=settings)
    return VirtualServer(
        listens=tuple(listens), names=tuple(parsed), root=root, position=HERE, merged=root.merged
    )


def client(address: str = "192.0.2.7", port: int = 40000, packed: bytes = b"\xc0\x00\x02\x07") -> Client:
    """Return the client of every request, on connection 12, opened at second 90."""
    return Client(address.encode(), port, packed, b"192.0.2.1", 8080, number=12, opened=90.0)


def exchange(
    target: bytes = b"/",
    fields: bytes = b"",
    method: bytes = b"GET",
    *,
    server: VirtualServer | None = None,
    peer: Client | None = None,
    version: int = 11,
) -> Exchange:
    """
    Return a request that began at second 100, as the proxy would have set it up.

    Args:
        fields: The field block, each line with its CRLF.
        peer: Who asks; `client` unless given.
    """
    line = b"%b %b HTTP/1.%d" % (method, target, version % 10)
    head = RequestHead(line, method, target, version, fields, size=len(line) + len(fields) + 4)
    ex = Exchange(peer or client(), head, server or virtual_server(), 100.0)
    ex.host = b"example.com"
    ex.path = uri.normalise(ex.raw_path or b"")
    ex.client.requests = 3
    return ex


def answered(ex: Exchange) -> Exchange:
    """Return *ex* after its answer: 200 with 60 octets of body, at second 100.25."""
    ex.status, ex.completed = 200, True
    ex.bytes_sent, ex.body_bytes_sent = 310, 60
    ex.finished, ex.logged_at = 100.25, 1795333560.5
    return ex


def response(status: int = 200, fields: bytes = b"") -> ResponseHead:
    """Return the head of a server's answer."""
    return ResponseHead(status, b"OK", 11, fields, size=17 + len(fields))
