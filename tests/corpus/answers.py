"""
Servers that misbehave, and what their clients are told.

Every case is what a server sends for one request, and how it goes on.  `Case.http` and `Case.uwsgi` say what the
client of ``proxy_pass`` and of ``uwsgi_pass`` gets for it: a whole answer, a cut one, or one of lbproxy's own.  Drawn
from RFC 9112 sections 2-9, RFC 3875 section 6, and the servers, proxies and reports that `Case.source` names.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass

from tests.support.told import Told


class End(enum.Enum):
    """What a server does when it has said what it has to say."""

    CLOSE = "closes"
    RESET = "resets"
    SILENCE = "falls silent"


@dataclass(frozen=True)
class Case:
    """
    A server's answer.

    Args:
        http, uwsgi: What the client is told.
        kept: The connection to an HTTP server is fit for the next request; else it must be closed.
        method: Of the request.
    """

    name: str
    source: str
    octets: bytes
    http: Told
    uwsgi: Told
    end: End = End.SILENCE
    kept: bool = False
    method: str = "GET"

    def __str__(self) -> str:
        return self.name


BAD = Told(502)
LATE = Told(504)

_HEAD = b"HTTP/1.1 200 OK\r\n"
_LENGTH = _HEAD + b"Content-Length: 5\r\n\r\n"
_CHUNKED = _HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def _bad(name: str, octets: bytes, source: str, end: End = End.SILENCE, method: str = "GET") -> Case:
    """Return a case that is refused whatever the server speaks."""
    return Case(name, source, octets, BAD, BAD, end, method=method)


def _served(
    name: str, octets: bytes, source: str, body: bytes = b"hello", end: End = End.SILENCE, *,
    status: int = 200, kept: bool = False, method: str = "GET",
) -> Case:  # fmt: skip
    told = Told(status, body)
    return Case(name, source, octets, told, told, end, kept, method)


def _field(name: str, line: bytes, source: str = "RFC 9112 5") -> Case:
    return _bad(f"field {name}", _HEAD + b"Content-Length: 5\r\n" + line + b"\r\nhello", source)


def _framing(name: str, fields: bytes, source: str = "RFC 9112 6.3; nginx 1.22 takes one of them") -> Case:
    return _bad(f"framing {name}", _HEAD + fields + b"\r\n5\r\nhello\r\n0\r\n\r\n", source)


def _cut_off(name: str, octets: bytes, source: str, body: bytes) -> Iterator[Case]:
    """Yield cases whose body stops before its end, for each way to stop."""
    told = Told(200, body, cut=True)
    for end in End:
        yield Case(f"{name}, then {end.value}", source, octets, told, told, end)


def _chunks(name: str, chunks: bytes, source: str = "RFC 9112 7.1", body: bytes = b"hello") -> Case:
    """Return a case whose first chunk is fine and read before the next one, which is not."""
    told = Told(200, body, cut=True)
    return Case(f"chunk {name}", source, _CHUNKED + b"5\r\nhello\r\n" + chunks, told, told)


def _heads_cut_off() -> Iterator[Case]:
    for place, octets in (("nothing", b""), ("half a status line", b"HTTP/1.1 20"), ("a status line", _HEAD),
                          ("half a field", _HEAD + b"Content-Le"), ("half an empty line", _LENGTH[:-1])):
        for end in End:
            told = LATE if end is End.SILENCE else BAD
            yield Case(f"{place}, then {end.value}", "RFC 9112 8", octets, told, told, end)


LINES = (
    *_heads_cut_off(),
    _bad("rubbish", b"rubbish\r\n\r\n", "nginx 1.22 takes it for HTTP/0.9"),
    _bad("HTTP/0.9", b"<html>hello</html>", "nginx 1.22 hands it on", End.CLOSE),
    _bad("another protocol", b"SSH-2.0-OpenSSH_9.2\r\n", "a port mixed up", End.CLOSE),
    _bad("ICY", b"ICY 200 OK\r\nicy-name: x\r\n\r\n", "SHOUTcast"),
    _bad("TLS alert", b"\x15\x03\x01\x00\x02\x02\x46", "https behind proxy_pass http://", End.CLOSE),
    _bad("version 2.0", b"HTTP/2.0 200 OK\r\n\r\n", "RFC 9112 2.3"),
    _bad("version 0.9", b"HTTP/0.9 200 OK\r\n\r\n", "RFC 9112 2.3"),
    _bad("version without minor", b"HTTP/1 200 OK\r\n\r\n", "RFC 9112 2.3"),
    _bad("version with two digits", b"HTTP/1.10 200 OK\r\n\r\n", "RFC 9112 2.3"),
    _bad("status of two digits", b"HTTP/1.1 20 OK\r\n\r\n", "RFC 9112 4"),
    _bad("status of four digits", b"HTTP/1.1 2000 OK\r\n\r\n", "RFC 9112 4"),
    _bad("status 099", b"HTTP/1.1 099 OK\r\n\r\n", "RFC 9110 15"),
    _bad("status 000", b"HTTP/1.1 000 OK\r\n\r\n", "RFC 9110 15"),
    _bad("status with sign", b"HTTP/1.1 +20 OK\r\n\r\n", "int() takes it"),
    _bad("status with underscore", b"HTTP/1.1 2_0 OK\r\n\r\n", "int() takes it"),
    _bad("status in Arabic digits", "HTTP/1.1 \N{ARABIC-INDIC DIGIT TWO}00 OK\r\n\r\n".encode(), "int() takes it"),
    _bad("status behind two spaces", b"HTTP/1.1  200 OK\r\n\r\n", "RFC 9112 4"),
    _bad("status behind a tab", b"HTTP/1.1\t200 OK\r\n\r\n", "RFC 9112 4"),
    _bad("no space behind the status", b"HTTP/1.1 200OK\r\n\r\n", "RFC 9112 4"),
    _bad("reason with bare CR", b"HTTP/1.1 200 O\rK\r\n\r\n", "RFC 9112 2.2"),
    _bad("reason with NUL", b"HTTP/1.1 200 O\x00K\r\n\r\n", "RFC 9112 4"),
    _bad("reason with escape", b"HTTP/1.1 200 \x1b[31m\r\n\r\n", "RFC 9112 4"),
    _bad("blank line before the status line", b"\r\nHTTP/1.1 200 OK\r\n\r\n", "RFC 9112 2.2: only requests may"),
    _bad("space before the status line", b" HTTP/1.1 200 OK\r\n\r\n", "RFC 9112 4"),
    _bad("status line folded", b"HTTP/1.1 200 OK\r\n folded\r\n\r\n", "RFC 9112 5.2"),
    _served("no reason", b"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", "RFC 9112 4", kept=True),
    _served("reason with 8-bit octets", b"HTTP/1.1 200 \xe9\r\nContent-Length: 5\r\n\r\nhello", "RFC 9112 4",
            kept=True),
    _served("unknown status", b"HTTP/1.1 799 Odd\r\nContent-Length: 5\r\n\r\nhello", "RFC 9110 15", status=799,
            kept=True),
    _served("lines ended by LF", b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", "RFC 9112 2.2", kept=True),
)

FIELDS = (
    _field("folded", b"X: a\r\n b\r\n", "RFC 9112 5.2"),
    _field("folded with tab", b"X: a\r\n\tb\r\n", "RFC 9112 5.2"),
    _field("first line begins with a blank", b" X: a\r\n"),
    _field("with space before colon", b"X : a\r\n", "RFC 9112 5.1"),
    _field("Content-Length with space before colon", b"Content-Length : 3\r\n", "RFC 9112 5.1"),
    _field("with empty name", b": a\r\n"),
    _field("without colon", b"X\r\n", "CVE-2019-20444 (Netty)"),
    _field("with NUL in the name", b"X\x00: a\r\n"),
    _field("with 8-bit octet in the name", b"X\xe9: a\r\n"),
    _field("with NUL in the value", b"X: a\x00b\r\n", "RFC 9110 5.5"),
    _field("with bare CR in the value", b"X: a\rSet-Cookie: b\r\n", "RFC 9112 2.2; response splitting"),
    _field("with CR before CRLF", b"X: a\r\r\n", "RFC 9112 2.2"),
    _field("with escape in the value", b"X: \x1b[31m\r\n", "RFC 9110 5.5"),
    _bad("head larger than the buffer", _HEAD + b"X: " + b"x" * 5000 + b"\r\n\r\n", "proxy_buffer_size"),
    _bad("head without end", _HEAD + b"X: y\r\n" * 2000, "proxy_buffer_size"),
    _bad("field without end", _HEAD + b"X: " + b"x" * 9000, "proxy_buffer_size"),
    _served("odd names", _HEAD + b"X_Y: z\r\n!#$: a\r\nContent-Length: 5\r\n\r\nhello", "RFC 9110 5.6.2", kept=True),
)

LENGTHS = (
    _framing("length and chunks", b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
    _framing("chunks and length", b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
    _framing("chunks and a bad length", b"Transfer-Encoding: chunked\r\nContent-Length: x\r\n"),
    _framing("chunked twice", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
    _framing("chunked twice in a list", b"Transfer-Encoding: chunked, chunked\r\n"),
    _framing("gzip, chunked", b"Transfer-Encoding: gzip, chunked\r\n"),
    _framing("chunked, then identity", b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
    _framing("identity", b"Transfer-Encoding: identity\r\n", "RFC 9112 7: not registered any more"),
    _framing("misspelt coding", b"Transfer-Encoding: xchunked\r\n"),
    _framing("empty coding", b"Transfer-Encoding:\r\n"),
    _framing("coding with vertical tab", b"Transfer-Encoding: \x0bchunked\r\n"),
    _framing("two lengths", b"Content-Length: 5\r\nContent-Length: 6\r\n"),
    _framing("two equal lengths", b"Content-Length: 5\r\ncontent-length: 5\r\n"),
    _framing("list of lengths", b"Content-Length: 5, 5\r\n"),
    _framing("empty length", b"Content-Length:\r\n", "CVE-2023-40225 (HAProxy)"),
    _framing("length with plus", b"Content-Length: +5\r\n", "int() takes it"),
    _framing("negative length", b"Content-Length: -1\r\n", "nginx 1.22 reads to the end"),
    _framing("hexadecimal length", b"Content-Length: 0x5\r\n"),
    _framing("length with underscore", b"Content-Length: 1_0\r\n", "int() takes it"),
    _framing("length over 63 bits", b"Content-Length: 9223372036854775808\r\n", "RFC 9110 8.6"),
    _framing("length over 64 bits, wraps to 5", b"Content-Length: 18446744073709551621\r\n"),
    _framing("length with no-break space", b"Content-Length: 5\xa0\r\n", "str.strip() takes it"),
    _bad("two lengths in a 304", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
         "RFC 9112 6.3"),
    _bad("two lengths in a 204", b"HTTP/1.1 204 No Content\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
         "RFC 9112 6.3"),
    _bad("two lengths for HEAD", _HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", "RFC 9112 6.3",
         method="HEAD"),
    Case("chunks in HTTP/1.0", "RFC 9112 6.1; uWSGI echoes the client's version (uwsgi #798)",
         b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", BAD, Told(200, b"hello")),
)

INTERIM = (
    _served("a hundred times 100 would be too much, three are fine",
            b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + _LENGTH + b"hello", "RFC 9110 15.2", kept=True),
    _served("103 with fields", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + _LENGTH + b"hello",
            "RFC 8297; nginx 1.22 takes it for final", kept=True),
    _served("unknown interim status", b"HTTP/1.1 199 Odd\r\n\r\n" + _LENGTH + b"hello", "RFC 9110 15.2", kept=True),
    _bad("interim answers without end", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, "nobody bounds them"),
    _bad("interim answer with a length and a body", b"HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\nhello" + _LENGTH
         + b"world", "RFC 9112 6.3: a 1xx has no body"),
    _bad("interim answer that says two things",
         b"HTTP/1.1 100 Continue\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n" + _LENGTH + b"hello",
         "RFC 9112 6.3"),
    _bad("interim answer, then rubbish", b"HTTP/1.1 100 Continue\r\n\r\nrubbish\r\n\r\n", "RFC 9112 4"),
    _bad("interim answer, then closes", b"HTTP/1.1 100 Continue\r\n\r\n", "RFC 9110 15.2", End.CLOSE),
    _bad("interim answer, then resets", b"HTTP/1.1 100 Continue\r\n\r\n", "RFC 9110 15.2", End.RESET),
    Case("interim answer, then falls silent", "RFC 9110 15.2", b"HTTP/1.1 100 Continue\r\n\r\n", LATE, LATE),
    _bad("interim answer larger than the buffer",
         b"HTTP/1.1 103 Early Hints\r\nLink: " + b"x" * 5000 + b"\r\n\r\n" + _LENGTH + b"hello", "proxy_buffer_size"),
    _bad("101 unasked", b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
         "RFC 9110 7.8; nginx 1.22 hands it on"),
    _bad("101 unasked, to h2c", b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
         "RFC 9110 7.8; h2c smuggling"),
    _bad("101 to nothing", b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "RFC 9110 15.2.2"),
)

SURPLUS = (
    _served("octets behind the length", _LENGTH + b"helloX", "response queue poisoning"),
    _served("octets behind a length of zero", _HEAD + b"Content-Length: 0\r\n\r\nX", "response queue poisoning", b""),
    _served("a second answer", _LENGTH + b"hello" + _LENGTH + b"wrong", "response queue poisoning"),
    _served("a second answer behind chunks", _CHUNKED + b"5\r\nhello\r\n0\r\n\r\n" + _LENGTH + b"wrong",
            "response queue poisoning"),
    _served("octets behind the last chunk", _CHUNKED + b"5\r\nhello\r\n0\r\n\r\nX", "RFC 9112 7.1"),
    _served("a body in a 204", b"HTTP/1.1 204 No Content\r\n\r\nhello", "RFC 9110 15.3.5", b"", status=204),
    _served("a length and a body in a 204", b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello",
            "RFC 9110 15.3.5", b"", status=204),
    _served("chunks in a 204", b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            "RFC 9112 6.1", b"", status=204),
    _served("a body in a 304", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello", "RFC 9110 15.4.5", b"",
            status=304),
    _served("chunks in a 304", b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
            "RFC 9112 6.1", b"", status=304),
    _served("a body for HEAD", _LENGTH + b"hello", "RFC 9110 9.3.2", b"", method="HEAD"),
    _served("chunks for HEAD", _CHUNKED + b"5\r\nhello\r\n0\r\n\r\n", "RFC 9110 9.3.2", b"", method="HEAD"),
    _served("nothing behind a 304 with a length", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
            "RFC 9112 6.3", b"", status=304, kept=True),
    _served("nothing behind a HEAD with chunks", _CHUNKED, "RFC 9112 6.1", b"", method="HEAD", kept=True),
    _served("205 with a body", b"HTTP/1.1 205 Reset Content\r\nContent-Length: 5\r\n\r\nhello", "RFC 9110 15.3.6",
            status=205, kept=True),
)

BODIES = (
    *_cut_off("a length too great", _HEAD + b"Content-Length: 9\r\n\r\nhello", "RFC 9112 8", b"hello"),
    *_cut_off("a length beyond all reason", _HEAD + b"Content-Length: 9223372036854775807\r\n\r\nhello", "RFC 9112 8",
              b"hello"),
    *_cut_off("no last chunk", _CHUNKED + b"5\r\nhello\r\n", "RFC 9112 8", b"hello"),
    *_cut_off("half a chunk", _CHUNKED + b"9\r\nhello", "RFC 9112 8", b"hello"),
    *_cut_off("half a size line", _CHUNKED + b"5\r\nhello\r\n1", "RFC 9112 8", b"hello"),
    *_cut_off("half a last chunk", _CHUNKED + b"5\r\nhello\r\n0\r\n", "RFC 9112 8", b"hello"),
    *_cut_off("half a trailer", _CHUNKED + b"5\r\nhello\r\n0\r\nX: y", "RFC 9112 8", b"hello"),
    _served("no length, closes", _HEAD + b"\r\nhello", "RFC 9112 6.3", end=End.CLOSE),
    Case("no length, resets", "RFC 9112 8", _HEAD + b"\r\nhello", Told(200, b"hello", True), Told(200, b"hello", True),
         End.RESET),
    Case("no length, falls silent", "RFC 9112 8", _HEAD + b"\r\nhello", Told(200, b"hello", True),
         Told(200, b"hello", True)),
    _chunks("with plus sign", b"+5\r\nworld\r\n0\r\n\r\n", "int() takes it"),
    _chunks("with minus sign", b"-5\r\nworld\r\n0\r\n\r\n", "int() takes it"),
    _chunks("with 0x", b"0x5\r\nworld\r\n0\r\n\r\n", "int() takes it"),
    _chunks("with underscore", b"0_5\r\nworld\r\n0\r\n\r\n", "int() takes it"),
    _chunks("not hexadecimal", b"g\r\nworld\r\n0\r\n\r\n"),
    _chunks("with empty size", b"\r\nworld\r\n0\r\n\r\n"),
    _chunks("of 17 digits", b"00000000000000005\r\nworld\r\n0\r\n\r\n", "CVE-2017-7657 (Jetty)"),
    _chunks("over 64 bits, wraps to 5", b"10000000000000005\r\nworld\r\n0\r\n\r\n", "CVE-2017-7657 (Jetty)"),
    _chunks("size ended by LF", b"5\nworld\r\n0\r\n\r\n", "CVE-2025-22871 (Go)"),
    _chunks("extension with bare CR", b"5;a\rb\r\nworld\r\n0\r\n\r\n", "RFC 9112 2.2"),
    _chunks("extension of 2000 octets", b"5;" + b"a" * 2000 + b"\r\nworld\r\n0\r\n\r\n", "CVE-2023-39326 (Go)"),
    _chunks("data longer than its size", b"3\r\nworld\r\n0\r\n\r\n", "CVE-2025-43859 (h11)", b"hellowor"),
    _chunks("data ended by LF", b"5\r\nworld\n0\r\n\r\n", "RFC 9112 7.1", b"helloworld"),
    _chunks("data ended by two other octets", b"5\r\nworldXX0\r\n\r\n", "CVE-2025-43859 (h11)", b"helloworld"),
    _chunks("trailer folded", b"0\r\nA: b\r\n c\r\n\r\n", "RFC 9112 5.2"),
    _chunks("trailer without colon", b"0\r\nHTTP/1.1 200 OK\r\n\r\n", "RFC 9112 7.1.2"),
    _chunks("trailers over 8 KiB", b"0\r\n" + b"A: b\r\n" * 2000 + b"\r\n", "RFC 9112 7.1.2"),
    _served("chunk extensions", _CHUNKED + b"5;a=b\r\nhello\r\n0;c\r\n\r\n", "RFC 9112 7.1.1", kept=True),
    _served("trailers", _CHUNKED + b"5\r\nhello\r\n0\r\nSet-Cookie: a\r\nContent-Length: 1\r\n\r\n", "RFC 9112 7.1.2",
            kept=True),
)

CGI = (
    Case("CGI head", "RFC 3875 6.2", b"Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello", BAD,
         Told(200, b"hello")),
    Case("CGI status", "RFC 3875 6.3.3", b"Status: 404 Gone\r\nContent-Length: 5\r\n\r\nhello", BAD,
         Told(404, b"hello")),
    _bad("CGI status that is none", b"Status: x\r\n\r\nhello", "RFC 3875 6.3.3"),
    _bad("CGI status of two digits", b"Status: 20\r\n\r\nhello", "RFC 3875 6.3.3"),
    _bad("CGI status with sign", b"Status: +20 OK\r\n\r\nhello", "int() takes it"),
    _bad("CGI head with two lengths", b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", "RFC 9112 6.3"),
    _bad("CGI head with length and chunks", b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
         "RFC 9112 6.3"),
    _bad("CGI head folded", b"A: b\r\n c\r\n\r\nhello", "RFC 9112 5.2"),
    _bad("CGI head with bare CR", b"A: b\rc\r\n\r\nhello", "RFC 9112 2.2"),
    _bad("CGI head with space before colon", b"Status : 200\r\n\r\nhello", "RFC 9112 5.1"),
    _bad("CGI head that is empty", b"\r\nhello", "RFC 3875 6.2"),
    _bad("CGI head without end", b"A: b\r\n" * 2000, "uwsgi_buffer_size"),
    Case("CGI body cut off", "RFC 9112 8", b"Content-Length: 9\r\n\r\nhello", BAD, Told(200, b"hello", True),
         End.CLOSE),
    Case("application's chunks cut off", "uwsgi #798", b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", BAD,
         Told(200, b"hello", True), End.CLOSE),
)

CASES = LINES + FIELDS + LENGTHS + INTERIM + SURPLUS + BODIES + CGI
