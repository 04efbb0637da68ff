"""Messages and whole connections for hypothesis: well-formed for the most part, with what parsers stumble over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from hypothesis import strategies as st

REQUEST_LINES = st.one_of(
    st.sampled_from([b"GET / HTTP/1.1", b"POST /a?b#c HTTP/1.1", b"A_B-C /%zz HTTP/1.0", b"GET http://h/ HTTP/1.1",
                     b"OPTIONS * HTTP/1.1", b"GET / HTTP/1.5", b"\r\nGET / HTTP/1.1"]),
    st.sampled_from([b"GET / HTTP/1.1", b"get / HTTP/1.1", b"GET /\xe9 HTTP/1.1", b"GET / HTTP/2.0",
                     b"GET  / HTTP/1.1", b"CONNECT h:1 HTTP/1.1"]),
)
STATUS_LINES = st.one_of(
    st.sampled_from([b"HTTP/1.1 200 OK", b"HTTP/1.0 200 OK", b"HTTP/1.1 204", b"HTTP/1.1 304 Not Modified",
                     b"HTTP/1.1 100 Continue", b"HTTP/1.1 101 x", b"HTTP/1.1 999 "]),
    st.sampled_from([b"HTTP/1.7 200 OK", b"HTTP/1.1 099 x", b"HTTP/1.1 200 \x01", b"HTTP/1.1  200"]),
)
CGI_LINES = st.sampled_from([b"Status: 200 OK", b"status: 404", b"Status: x", b"Location: /x", b"A: b"])

NAMES = st.sampled_from([b"Host", b"Connection", b"Content-Length", b"Transfer-Encoding", b"Expect", b"Upgrade", b"A",
                         b"X_c", b"If-Match", b"D.e", b"F(g", b"Host ", b"", b"\xe9", b"transfer-ENCODING"])
VALUES = st.one_of(
    st.sampled_from([b"h", b"h:80", b"chunked", b"Chunked ", b"5", b"+5", b"5, 5", b"close", b"gzip", b"\xe9",
                     b"a\x00b", b"a\rb", b"a\x0bb", b"a\x01"]),
    st.binary(max_size=8),
)
SEPARATORS = st.sampled_from([b": ", b":", b":\t", b" : "])
LINE_ENDS = st.sampled_from([b"\r\n"] * 9 + [b"\n"] * 2 + [b"\r", b"\r\r\n", b"\r\n "])

GOOD_FIELDS = st.sampled_from([
    b"A: b\r\n", b"a:\r\n", b"X-C: \td e \t\r\n", b"Cookie: a=b; c\r\n", b"Connection: keep-alive, x\r\n",
    b"Connection: upgrade\r\n", b"Upgrade: websocket\r\n", b"F: \xe9\r\n", b"G: h\n", b"X_Y: z\r\n", b"K.l: m\r\n",
])
BODY_FIELDS = st.sampled_from([
    b"", b"", b"Content-Length: 5\r\n", b"content-length:0\r\n", b"Transfer-Encoding: chunked\r\n",
    b"TRANSFER-ENCODING:\tChunked\r\n", b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
])
HOSTS = st.sampled_from([b"Host: h\r\n"] * 6 + [b"host:h:80 \r\n", b"Host: h\n", b""])
ENDS = st.sampled_from([b"\r\n"] * 6 + [b"\n", b""])

ODD = st.sampled_from([b"", b"\r", b"\n", b" ", b"\t", b":", b";", b"0", b"f", b"\x00", b"\x0b", b"\xa0", b"+", b"_",
                       b"\r\n", b"\x7f"])


@st.composite
def altered(draw: st.DrawFn, octets: bytes) -> bytes:
    """Draw *octets*, in one case of three with one octet replaced, inserted or left out."""
    if not octets or draw(st.integers(0, 2)):
        return octets
    place, length = draw(st.integers(0, len(octets))), draw(st.integers(0, 1))
    return octets[:place] + draw(ODD) + octets[place + length :]


@st.composite
def field_sections(draw: st.DrawFn) -> bytes:
    """Draw field lines, in one case of three with a doubtful one among them."""
    lines = draw(st.lists(GOOD_FIELDS, max_size=4))
    lines.append(draw(BODY_FIELDS))
    if not draw(st.integers(0, 2)):
        doubtful = draw(NAMES) + draw(SEPARATORS) + draw(VALUES) + draw(LINE_ENDS)
        lines.insert(draw(st.integers(0, len(lines))), doubtful)
    return b"".join(lines)


@st.composite
def request_heads(draw: st.DrawFn) -> bytes:
    """Draw a request's head, perhaps incomplete or faulty."""
    head = draw(REQUEST_LINES) + b"\r\n" + draw(HOSTS) + draw(field_sections()) + draw(ENDS)
    return draw(altered(head))


@st.composite
def response_heads(draw: st.DrawFn) -> bytes:
    """Draw an answer's head, perhaps incomplete or faulty."""
    return draw(altered(draw(STATUS_LINES) + b"\r\n" + draw(field_sections()) + draw(ENDS)))


@st.composite
def cgi_heads(draw: st.DrawFn) -> bytes:
    """Draw the head of a uwsgi answer, perhaps incomplete or faulty."""
    return draw(altered(draw(CGI_LINES) + b"\r\n" + draw(field_sections()) + draw(ENDS)))


@st.composite
def chunked_bodies(draw: st.DrawFn) -> bytes:
    """Draw a chunked body, perhaps incomplete or faulty, or with something behind it."""
    chunk = st.sampled_from([b"5\r\nhello\r\n", b"A;x=y\r\n0123456789\r\n", b"1 \r\nx\r\n", b"2\r\n\r\n\r\n"])
    last = st.sampled_from([b"0\r\n\r\n", b"00;z\r\n\r\n", b"0\r\nA: b\r\n\r\n", b"0\r\n\r\nGET", b""])
    return draw(altered(b"".join(draw(st.lists(chunk, max_size=4))) + draw(last)))


def cuts() -> st.SearchStrategy[list[int]]:
    """Return places to cut octets at, for `tests.support.wire.portions`."""
    return st.lists(st.integers(0, 5000), max_size=6)


# Whole connections: what robustness.md calls A1 to A4 and B, most of the time well-formed

T = TypeVar("T")


def oddly(good: Sequence[T], odd: Sequence[T]) -> st.SearchStrategy[T]:
    """Draw one of *good*, or now and then one of *odd*."""
    return st.integers(0, 11).flatmap(lambda n: st.sampled_from(odd if n == 11 else good))


METHODS = oddly([b"GET", b"POST", b"PUT", b"DELETE"],
                [b"get", b"CONNECT", b"TRACE", b"", b"G\0T", b"GET:", b"\xc3\xa9"])
TARGETS = oddly(
    [b"/", b"/a", b"/a%20b?c=%0d%0a", b"//a/./b/../c", b"http://h/x", b"/a?b#c"],
    [b"", b"a", b"/a b", b"/\r", b"/\0", b"/\xe9", b"/..", b"/%2e%2e/", b"/%00", b"/%zz", b"http://u@h/", b"*",
     b"h:80"],
)
VERSIONS = oddly([b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0"],
                 [b"HTTP/1.9", b"HTTP/2.0", b"HTTP/0.9", b"HTTP/1.10", b"http/1.1", b"HTTP/1.1 ", b""])
HOST_LINES = oddly(
    [b"Host: h\r\n", b"host:[::1]:80\r\n", b"Host: \th.\t\r\n"],
    [b"", b"Host:\r\n", b"Host: h\r\nHost: h\r\n", b"Host: h\r\nhOST: i\r\n", b"Host: h/a\r\n", b"Host: u@h\r\n",
     b"Host: h, i\r\n", b"Host_: h\r\n", b"Host : h\r\n", b"Host: h i\r\n", b"Host: \xe9\r\n"],
)
CODINGS = oddly(
    [b"chunked", b"Chunked", b"\tchunked "],
    [b"gzip, chunked", b"chunked, gzip", b"chunked, chunked", b"identity", b"", b"xchunked", b"chunked;q=1",
     b"\x0bchunked", b"chunked\r\nTransfer-Encoding: chunked", b"chunked\r\nTransfer-Encoding: identity",
     b"\r\n chunked", b"chunked\r\nContent-Length: 3"],
)
LENGTH_FORMS = oddly(
    [b"Content-Length: %d", b"content-length:%d ", b"CONTENT-LENGTH: 00%d"],
    [b"Content-Length: +%d", b"Content-Length: -%d", b"Content-Length: 0x%d", b"Content-Length: 1_%d",
     b"Content-Length: %d, 9", b"Content-Length: %d\r\nContent-Length: %d",
     b"Content-Length: %d\r\nContent-Length: 0", b"Content-Length: \xa0%d", b"Content-Length: %d\x0b",
     b"Content-Length: %d.0", b"Content-Length : %d", b"Content-Length: 1844674407370955162%d", b"Content_Length: %d",
     b"Content-Length:\r\n %d", b"Content-Length: \xd9\xa5%d"],
)
FIELD_LINES = oddly(
    [b"", b"A: b\r\n", b"A:\r\nX-C: \td e \t\r\n", b"X-Real-IP: 6.6.6.6\r\n", b"G: h\n",
     b"Connection: keep-alive, x-c\r\nX-C: d\r\n", b"Cookie: a=b\r\nCookie: c=d\r\n",
     b"X_Y: z\r\nK.l: m\r\n", b"Upgrade: h2c\r\nConnection: upgrade\r\n"],
    [b"A : b\r\n", b": b\r\n", b"A\r\n", b"A: b\r\n c\r\n", b"A: b\rc\r\n", b"A: \0\r\n", b"A\0: b\r\n", b"A: b\r\r\n",
     b"A: \x1b\r\n", b"F(g: h\r\n", b"\xe9: a\r\n", b" A: b\r\n"],
)
SIZES = oddly([b"%x", b"%X", b"00%x", b"%x;a=b", b"%x \t"],
              [b"+%x", b"-%x", b"0x%x", b"0_%x", b" %x", b"%xg", b"", b"%x ;a", b"%x\n", b"%x\r", b"1000000000000000%x",
               b"%x;\0", b"%x;a\rb", b"\xef\xbc\x95%x"])
DATA_ENDS = oddly([b"\r\n"], [b"\n", b"", b"XX", b"\r\r\n", b"\r"])
LAST_CHUNKS = oddly(
    [b"0\r\n\r\n", b"00;z\r\n\r\n", b"0\r\nA: b\r\n\r\n", b"0\r\nContent-Length: 9\r\n\r\n"],
    [b"", b"0\r\n", b"0\n\n", b"0\r\n\n", b"0\r\nA : b\r\n\r\n", b"0\r\nA\r\n\r\n", b"0\r\nA: b\r\n c\r\n\r\n",
     b"-0\r\n\r\n"],
)
CONTENTS = st.one_of(
    st.sampled_from([b"", b"hello", b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", b"0\r\n\r\n"]), st.binary(max_size=20)
)


@st.composite
def _chunked_contents(draw: st.DrawFn) -> bytes:
    """Draw a chunked body as a sender means it, with what parsers disagree on here and there."""
    chunks = []
    for content in draw(st.lists(CONTENTS.filter(bool), max_size=3)):
        size = draw(SIZES)
        chunks += [size % len(content) if b"%" in size else size, b"\r\n", content, draw(DATA_ENDS)]
    return b"".join(chunks) + draw(LAST_CHUNKS)


@st.composite
def framed(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """Draw the field lines that frame a body, and that body, which may not be what they say."""
    kind = draw(oddly([0, 0, 1, 2], [3]))
    if kind == 0:
        return b"", b""
    if kind == 1:
        return b"Transfer-Encoding: " + draw(CODINGS) + b"\r\n", draw(_chunked_contents())
    content, form = draw(CONTENTS), draw(LENGTH_FORMS)
    length = max(0, len(content) + draw(oddly([0], [-1, 1, 40])))
    line = form.replace(b"%d", b"%d" % length) + b"\r\n"
    if kind == 3:
        return draw(st.permutations([line, b"Transfer-Encoding: chunked\r\n"]).map(b"".join)), content
    return line, content


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Draw one request with its body."""
    line = b" ".join((draw(METHODS), draw(TARGETS), draw(VERSIONS)))
    framing, body = draw(framed())
    lines = draw(st.permutations([draw(HOST_LINES), draw(FIELD_LINES), framing]))
    end = draw(oddly([b"\r\n", b"\n"], [b"\r", b"\r\r\n"]))
    return line + end + b"".join(lines) + draw(oddly([b"\r\n"], [b"\n", b""])) + body


@st.composite
def connections(draw: st.DrawFn) -> bytes:
    """Draw what a client sends on one connection: requests one behind the other, blank lines, rubbish in the end."""
    between = oddly([b""], [b"\r\n", b"\n\r\n", b"\r", b"\n" * 70, b" "])
    parts = [draw(between) + request for request in draw(st.lists(requests(), min_size=1, max_size=4))]
    return b"".join(parts) + draw(oddly([b""], [b"\0", b"GET / HT", b"\r\n", b"\x16\x03\x01"]))


INTERIM = oddly(
    [b"", b"", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n" * 2],
    [b"HTTP/1.1 101 Switching Protocols\r\n\r\n", b"HTTP/1.1 102 x\r\nContent-Length: 5\r\n\r\n", b"\r\n",
     b"HTTP/1.1 1\r\n\r\n"],
)
ANSWER_LINES = oddly(
    [b"HTTP/1.1 200 OK", b"HTTP/1.1 404 Not Found", b"HTTP/1.0 200 OK", b"HTTP/1.1 204", b"HTTP/1.1 304 Not Modified"],
    [b"HTTP/2.0 200 OK", b"HTTP/1.1 20 OK", b"HTTP/1.1 2000 x", b"HTTP/1.1 099 x", b"HTTP/1.1  200 OK",
     b"HTTP/1.1 200 \x01", b"HTTP/1.1 200 O\rK", b"SSH-2.0-x", b"HTTP/1.1 +20 OK", b"http/1.1 200 OK",
     b"HTTP/1.1 200OK", b""],
)


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """Draw what a server says to one request: interim answers, head, body, perhaps something behind it."""
    framing, body = draw(framed())
    if not framing:
        body = draw(CONTENTS)
    lines = draw(st.permutations([draw(FIELD_LINES), framing]))
    head = draw(INTERIM) + draw(ANSWER_LINES) + b"\r\n" + b"".join(lines) + draw(oddly([b"\r\n"], [b"\n", b""]))
    behind = draw(oddly([b""], [b"\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", b"\0"]))
    return head + body + behind
