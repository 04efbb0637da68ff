"""
What is fuzzed: a function per codec, each of which takes any octets and raises for what must not happen.

A target checks what holds for every input, not only that nothing crashes: documented exceptions alone, the same
verdict however the octets are cut, agreement with h11, and that what was read and is written anew reads the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from lbproxy.config.vocabulary import Vocabulary
from lbproxy.directives import GRAMMAR
from lbproxy.http.variables import VARIABLES
from lbproxy.wire import proxyline
from tests.corpus.smuggling import CASES
from tests.fuzz import configs, heads, passage, streams, values

HERE = Path(__file__).parent
SEEDS, CRASHERS = HERE / "seeds", HERE / "crashers"
_CONF = HERE.parent.parent / "conf"


class Target(NamedTuple):
    """
    One thing to fuzz.

    Args:
        run: Raises anything for an input that is handled wrongly.
        phrases: What inputs of it are likely to contain: libFuzzer's dictionary, and lines for `mutation.change`.
        most: Octets that an input may have.
        corpus: Inputs that stand elsewhere in the repository, to begin with beside the target's own seeds.
    """

    run: Callable[[bytes], None]
    phrases: tuple[bytes, ...] = ()
    most: int = 2048
    corpus: tuple[bytes, ...] = ()


_FIELDS = (
    b"Host: h", b"Host: h:80", b"host:[::1]", b"Content-Length: 5", b"Content-Length: 0", b"Content-Length: +5",
    b"Content-Length: 9223372036854775808", b"Transfer-Encoding: chunked", b"transfer-encoding:\tChunked",
    b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding : chunked", b"Connection: close",
    b"Connection: keep-alive, x-real-ip, host", b"Connection: upgrade", b"Upgrade: websocket", b"Upgrade: h2c",
    b"Expect: 100-continue", b"TE: trailers", b"Trailer: A", b"Keep-Alive: timeout=5", b"Proxy-Connection: x",
    b"Cookie: a=b; c=d", b"X-Real-IP: 6.6.6.6", b"X_Real_IP: 6.6.6.6", b"X-Forwarded-For: 6.6.6.6",
    b"X-Forwarded-Proto: https", b"Proxy: http://evil/", b"Content_Length: 5", b"A.b: c", b"D(e: f", b" g: h", b"i : j",
    b"K", b": l", b"Authorization: Basic eDp5", b"If-None-Match: x", b"Range: bytes=0-1", b"Content-Type: text/html",
)  # fmt: skip
_REQUESTS = (
    b"GET / HTTP/1.1", b"POST /a/b?c=d#e HTTP/1.1", b"GET http://h:80/x HTTP/1.1", b"OPTIONS * HTTP/1.1",
    b"HEAD /%2e%2e/%2F%00%0d%0a HTTP/1.0", b"PUT //a/./../b HTTP/1.9", b"CONNECT h:443 HTTP/1.1", b"GET / HTTP/2.0",
    b"GET /\xe9 HTTP/1.1", b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", *_FIELDS,
)  # fmt: skip
_ANSWERS = (
    b"HTTP/1.1 200 OK", b"HTTP/1.0 404 Not Found", b"HTTP/1.1 204", b"HTTP/1.1 304 Not Modified", b"HTTP/1.1 100 ",
    b"HTTP/1.1 101 Switching Protocols", b"Status: 302 Found", b"status: 99", b"Location: http://backend/app/x",
    b"Refresh: 3; url=http://backend/app/y", b"Set-Cookie: a=b; path=/", b"Server: s", b"Date: d", b"Date: e",
    b"X-Accel-Redirect: /x", b"X-Accel-Buffering: no", b"ETag: \"x\"", b"Vary: *", *_FIELDS,
)  # fmt: skip
_CHUNKS = (
    b"5\r\nhello", b"1;a=b\r\nx", b"0", b"00\r\nA: b", b"0A \r\n0123456789", b"+5", b"0x5", b"8000000000000000",
    b"10000000000000005", b"0\r\n\r\nGET / HTTP/1.1", b"2\r\n\r\n", b"1\r\nx", b";", b"Host: evil",
)  # fmt: skip
_INTRODUCTIONS = (
    b"PROXY TCP4 192.0.2.7 192.0.2.1 40000 80\r\n", b"PROXY TCP6 ::1 ::ffff:192.0.2.1 1 65536\r\n",
    b"PROXY UNKNOWN x\r\n", proxyline.SIGNATURE,
    proxyline.SIGNATURE + b"\x21\x11\x00\x0c\xc0\x00\x02\x07\xc0\x00\x02\x01\x9c\x40\x00\x50",
    proxyline.SIGNATURE + b"\x20\x00\x00\x00", b"\x02\x00\x01a", b"\x20\x00\x09\x01\x00\x00\x00\x00\x22\x00\x01c",
)  # fmt: skip
_PATHS = (
    b"/a/../b", b"//", b"/./", b"/..", b"%2e", b"%2F", b"%25", b"%00", b"%0d%0a", b"%zz", b"?a=b&c", b"#d", b"http://h:1",
    b"HTTPS://[::1]/", b"*", b"\\", b"\xc3\xa9",
)  # fmt: skip


def _configuration() -> tuple[bytes, ...]:
    """Return the names of all directives and variables, and the lines of the configurations that lbproxy shows."""
    lines = {line.strip() for path in sorted(_CONF.rglob("*.conf")) for line in path.read_bytes().splitlines()}
    names = [name.encode() for name in Vocabulary(GRAMMAR).entries]
    odd = (b"{", b"}", b";", b"include self;", b"include uwsgi_params;", b"9" * 1000, b"\"", b"'", b"${",
           b"~*", b"server {", b"location / {", b"upstream b {", b"a: &a", b"*a", b"- ", b"? ", b"|", b">", b"!!",
           b"listen 1-3;")  # fmt: skip
    return (*names, *(f"${name}".encode() for name in VARIABLES), *sorted(lines - {b""}), *odd)


_EXPRESSIONS = (
    b"(?<a>x)", b"(?'b'y)", b"(?i)", b"[[:alpha:]]", b"[^[:digit:]-]", b"\\h", b"\\x{41}", b"\\z", b"\\K", b"a{1,3}",
    b"a++", b"(?>a)", b"(?=a)", b"(?<=a)", b"(?(1)a|b)", b"\\1", b"[a&&b]", b"[a--b]", b"[[a]", b"{99999999999}",
    b"{" + b"9" * 4400, b"(?#x)", b"(?P<c>z)", b"(?P=c)", b"\\p{L}", b"\\Q", b"(?R)", b"|", b".*",
)  # fmt: skip

_CONFIGURATION = _configuration()
_CONF_FILES = tuple(path.read_bytes() for path in sorted(_CONF.rglob("*.conf")))
_YAML_FILES = tuple(path.read_bytes() for path in sorted(_CONF.rglob("*.yaml")))
_CASES = tuple(b"0" + case.octets for case in CASES)

TARGETS: Mapping[str, Target] = MappingProxyType({
    "request_head": Target(heads.request_head, _REQUESTS, corpus=_CASES),
    "response_head": Target(heads.response_head, _ANSWERS),
    "uwsgi_head": Target(heads.uwsgi_head, _ANSWERS),
    "connection": Target(streams.connection, (*_REQUESTS, *_CHUNKS), corpus=_CASES),
    "chunks": Target(streams.chunks, _CHUNKS),
    "framing": Target(streams.framing, (b"L5", b"L+5", b"L0x5", b"Tchunked", b"TCHUNKED", b"Tgzip", b"L", b"T"), 256),
    "to_http": Target(passage.to_http, (*_REQUESTS, *_PATHS), corpus=_CASES),
    "to_uwsgi": Target(passage.to_uwsgi, (*_REQUESTS, *_PATHS), corpus=_CASES),
    "from_server": Target(passage.from_server, _ANSWERS),
    "target": Target(values.target, _PATHS, 256),
    "host": Target(values.host, (b"a.b", b":80", b"[::1]", b"..", b"%20", b"u@h", b"xn--", b"*"), 64),
    "url": Target(values.url, _PATHS, 256),
    "packet": Target(values.packet, (b"\x04\x00HOST", b"\x00\x00", b"\xff\xff"), 512),
    "introduction": Target(values.introduction, _INTRODUCTIONS, 512),
    "date": Target(values.date, (b"Sun, ", b" Nov ", b"1994", b" GMT", b"08:49:60", b"Sunday, 06-Nov-94 "), 64),
    "ranges": Target(values.ranges, (b"bytes=", b"0-0", b",-1", b"9" * 4400, b" - ", b"0-,"), 8192),
    "block": Target(values.block, (*_FIELDS, b"host,te,x-*", b"a.b,^,|")),
    "nginx": Target(configs.nginx, _CONFIGURATION, 3072, _CONF_FILES),
    "yaml": Target(configs.yaml, _CONFIGURATION, 3072, _YAML_FILES),
    "lexer": Target(configs.lexer, (b"\"", b"'", b"\\", b"\\\"", b"${", b"#", b";", b"{", b"}"), 512, _CONF_FILES),
    "template": Target(configs.template, (b"$a", b"${b}", b"$1", b"$", b"${", b"}", b"\xe9", b"%b"), 256),
    "regex": Target(configs.regex, _EXPRESSIONS, 5000),
})  # fmt: skip
"""All targets by name, which is also that of the folder with their seeds."""


def kept(name: str) -> list[Path]:
    """Return the inputs kept for the target *name*: seeds, and what once made it fail."""
    folders = (SEEDS / name, CRASHERS / name)
    return sorted(path for folder in folders if folder.is_dir() for path in folder.iterdir())
