"""Message heads and chunked bodies for hypothesis: well-formed for the most part, with what parsers stumble over."""

from __future__ import annotations

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
