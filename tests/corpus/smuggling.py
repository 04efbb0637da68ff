"""
Requests that servers are known to read differently, and how lbproxy reads them.

Every case is what a client sends on one connection.  `Case.messages` are the requests that are to be served, each
with its body; `Case.status` is the answer that then ends the connection, 0 where nothing is wrong.  Drawn from the
published discrepancies of servers and proxies (CL.TE, TE.CL, TE.TE, CL.0, 0.CL, chunk extension and terminator
games, header parsing) and from RFC 9112 sections 2-7 and 11.
"""

from __future__ import annotations

from dataclasses import dataclass

GET = b"GET /next HTTP/1.1\r\nHost: h\r\n\r\n"
NEXT = (b"GET /next", b"")


@dataclass(frozen=True)
class Case:
    """One connection's octets and what is to come of them."""

    name: str
    octets: bytes
    messages: tuple[tuple[bytes, bytes], ...] = ()
    status: int = 0


def _post(fields: bytes, body: bytes = b"", version: bytes = b"1.1") -> bytes:
    return b"POST / HTTP/" + version + b"\r\nHost: h\r\n" + fields + b"\r\n" + body


def _get(fields: bytes, line: bytes = b"GET / HTTP/1.1") -> bytes:
    return line + b"\r\nHost: h\r\n" + fields + b"\r\n"


def _served(name: str, octets: bytes, *messages: tuple[bytes, bytes]) -> Case:
    return Case(name, octets, messages)


def _refused(name: str, octets: bytes, status: int = 400) -> Case:
    """Return a case that is refused although a complete request follows."""
    return Case(name, octets + GET, (), status)


def _length(name: str, value: bytes) -> Case:
    return _refused(f"content-length {name}", _post(b"Content-Length: " + value + b"\r\n", b"hello"))


def _coding(name: str, value: bytes, status: int = 501) -> Case:
    return _refused(f"transfer-encoding {name}", _post(b"Transfer-Encoding: " + value + b"\r\n", b"0\r\n\r\n"),
                    status)


def _chunked(body: bytes) -> bytes:
    return _post(b"Transfer-Encoding: chunked\r\n", body)


def _chunks(name: str, body: bytes) -> Case:
    return _refused(f"chunks {name}", _chunked(body))


def _field(name: str, line: bytes) -> Case:
    return _refused(f"field {name}", _get(line))


LENGTHS = (
    _served("content-length plain", _post(b"Content-Length: 5\r\n", b"hello") + GET, (b"POST /", b"hello"), NEXT),
    _served("content-length zero", _post(b"Content-Length: 0\r\n") + GET, (b"POST /", b""), NEXT),
    _served("content-length with leading zeros", _post(b"Content-Length: 0005\r\n", b"hello") + GET,
            (b"POST /", b"hello"), NEXT),
    _served("content-length padded with blanks", _post(b"Content-Length:\t 5 \t\r\n", b"hello") + GET,
            (b"POST /", b"hello"), NEXT),
    _served("content-length on a GET", _get(b"Content-Length: 5\r\n") + b"hello" + GET, (b"GET /", b"hello"), NEXT),
    _served("no length means no body", _post(b"") + GET, (b"POST /", b""), NEXT),
    _length("with plus sign", b"+5"),
    _length("with minus sign", b"-5"),
    _length("negative zero", b"-0"),
    _length("hexadecimal", b"0x5"),
    _length("with underscore", b"1_0"),
    _length("with decimal point", b"5.0"),
    _length("with exponent", b"5e0"),
    _length("empty", b""),
    _length("blank inside", b"5 5"),
    _length("list of equal values", b"5, 5"),
    _length("list of unequal values", b"5, 6"),
    _length("trailing comma", b"5,"),
    _length("no-break space behind", b"5\xa0"),
    _length("no-break space before, UTF-8", b"\xc2\xa05"),
    _length("vertical tab before", b"\x0b5"),
    _length("form feed behind", b"5\x0c"),
    _length("NUL behind", b"5\x00"),
    _length("Arabic digits", "\N{ARABIC-INDIC DIGIT FIVE}".encode()),
    _length("superscript", "\N{SUPERSCRIPT TWO}".encode()),
    _length("fullwidth digit", "\N{FULLWIDTH DIGIT FIVE}".encode()),
    _length("over 63 bits", b"9223372036854775808"),
    _length("over 64 bits, wraps to 5", b"18446744073709551621"),
    _length("thousand digits", b"1" * 1000),
    _length("quoted", b'"5"'),
    _refused("content-length repeated, equal", _post(b"Content-Length: 5\r\nContent-Length: 5\r\n", b"hello")),
    _refused("content-length repeated, unequal", _post(b"Content-Length: 5\r\ncontent-length: 0\r\n", b"hello")),
    Case("content-length beyond what comes", _post(b"Content-Length: 500\r\n", b"hello"), (), 400),
)

CODINGS = (
    _served("chunked", _chunked(b"5\r\nhello\r\n0\r\n\r\n") + GET, (b"POST /", b"hello"), NEXT),
    _served("chunked in capitals", _post(b"TRANSFER-ENCODING: ChUnKeD\r\n", b"0\r\n\r\n") + GET, (b"POST /", b""),
            NEXT),
    _served("chunked padded with blanks", _post(b"Transfer-Encoding: \t chunked \r\n", b"0\r\n\r\n") + GET,
            (b"POST /", b""), NEXT),
    _refused("CL.TE", _post(b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\nG")),
    _refused("TE.CL", _post(b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", b"5c\r\nGPOST / HTTP/1.1\r\n")),
    _refused("chunked with Content-Length: 0", _post(b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
                                                     b"0\r\n\r\n")),
    _refused("chunked with an invalid length", _post(b"Content-Length: x\r\nTransfer-Encoding: chunked\r\n",
                                                     b"0\r\n\r\n")),
    _refused("transfer-encoding repeated", _post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                                                 b"0\r\n\r\n")),
    _refused("transfer-encoding chunked, then identity",
             _post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", b"0\r\n\r\n")),
    _refused("transfer-encoding in HTTP/1.0", _post(b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n", b"1.0")),
    _refused("transfer-encoding and length in HTTP/1.0",
             _post(b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"0\r\n\r\n", b"1.0")),
    _coding("gzip then chunked", b"gzip, chunked"),
    _coding("chunked then gzip", b"chunked, gzip"),
    _coding("chunked twice in a list", b"chunked, chunked"),
    _coding("with empty list element", b", chunked"),
    _coding("with trailing comma", b"chunked,"),
    _coding("identity", b"identity"),
    _coding("empty", b""),
    _coding("misspelt", b"xchunked"),
    _coding("longer", b"chunkedd"),
    _coding("with parameter", b"chunked;q=1"),
    _coding("quoted", b'"chunked"'),
    _coding("in apostrophes", b"'chunked'"),
    _coding("no-break space", b"chunked\xa0"),
    _coding("letter that lower-cases to k", "chun\N{KELVIN SIGN}ed".encode()),
    _coding("vertical tab before", b"\x0bchunked", 400),
    _coding("form feed behind", b"chunked\x0c", 400),
    _coding("NUL inside", b"chun\x00ked", 400),
    _coding("bare CR before", b"\rchunked", 400),
    _coding("folded", b"\r\n chunked", 400),
    _coding("folded with tab", b"\r\n\tchunked", 400),
    _refused("transfer-encoding with space before colon", _post(b"Transfer-Encoding : chunked\r\n", b"0\r\n\r\n")),
    _refused("transfer-encoding with tab before colon", _post(b"Transfer-Encoding\t: chunked\r\n", b"0\r\n\r\n")),
    _refused("transfer-encoding with space before name", _post(b" Transfer-Encoding: chunked\r\n", b"0\r\n\r\n")),
    _refused("transfer-encoding with NUL in name", _post(b"Transfer-Encoding\x00: chunked\r\n", b"0\r\n\r\n")),
    _refused("transfer-encoding with no-break space in name", _post(b"Transfer-Encoding\xa0: chunked\r\n",
                                                                    b"0\r\n\r\n")),
    _refused("transfer-encoding behind bare CR", _post(b"Foo: bar\rTransfer-Encoding: chunked\r\n", b"0\r\n\r\n")),
    _refused("transfer-encoding name folded", _post(b"Transfer-\r\n Encoding: chunked\r\n", b"0\r\n\r\n")),
    _served("transfer_encoding is no Transfer-Encoding", _post(b"Transfer_Encoding: chunked\r\n") + GET,
            (b"POST /", b""), NEXT),
    _served("content_length is no Content-Length", _post(b"Content_Length: 5\r\n") + GET, (b"POST /", b""), NEXT),
    _served("transfer-encoding behind bare LF is a field",
            _post(b"Foo: bar\nTransfer-Encoding: chunked\r\n", b"5\r\nhello\r\n0\r\n\r\n") + GET,
            (b"POST /", b"hello"), NEXT),
    _served("transfer-encoding in lines that end in LF",
            b"POST / HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n\n0\r\n\r\n" + GET, (b"POST /", b""), NEXT),
    _served("connection naming content-length does not hide the body",
            _post(b"Connection: content-length\r\nContent-Length: 5\r\n", b"hello") + GET, (b"POST /", b"hello"),
            NEXT),
    _served("connection naming transfer-encoding does not hide the chunks",
            _post(b"Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n") + GET,
            (b"POST /", b""), NEXT),
)

CHUNKS = (
    _served("chunks of size in capitals and leading zeros", _chunked(b"000A\r\n0123456789\r\n00\r\n\r\n") + GET,
            (b"POST /", b"0123456789"), NEXT),
    _served("chunk extensions are ignored", _chunked(b'1;a=b;c="d"\r\nx\r\n0;e\r\n\r\n') + GET, (b"POST /", b"x"),
            NEXT),
    _served("chunk size padded with blanks", _chunked(b"1 \t\r\nx\r\n0 \r\n\r\n") + GET, (b"POST /", b"x"), NEXT),
    _served("trailers are dropped", _chunked(b"0\r\nHost: evil\r\nContent-Length: 9\r\n\r\n") + GET,
            (b"POST /", b""), NEXT),
    _chunks("with plus sign", b"+5\r\nhello\r\n0\r\n\r\n"),
    _chunks("with minus sign", b"-5\r\nhello\r\n0\r\n\r\n"),
    _chunks("with 0x", b"0x5\r\nhello\r\n0\r\n\r\n"),
    _chunks("with underscore", b"0_5\r\nhello\r\n0\r\n\r\n"),
    _chunks("with blank before", b" 5\r\nhello\r\n0\r\n\r\n"),
    _chunks("empty size", b"\r\nhello\r\n0\r\n\r\n"),
    _chunks("size missing before extension", b";a\r\nhello\r\n0\r\n\r\n"),
    _chunks("not hexadecimal", b"g\r\nhello\r\n0\r\n\r\n"),
    _chunks("17 digits", b"00000000000000005\r\nhello\r\n0\r\n\r\n"),
    _chunks("over 63 bits", b"8000000000000000\r\nhello\r\n0\r\n\r\n"),
    _chunks("over 64 bits, wraps to 5", b"10000000000000005\r\nhello\r\n0\r\n\r\n"),
    _chunks("fullwidth digit", "\N{FULLWIDTH DIGIT FIVE}\r\nhello\r\n0\r\n\r\n".encode()),
    _chunks("size ended by LF", b"5\nhello\r\n0\r\n\r\n"),
    _chunks("size ended by CR", b"5\rhello\r\n0\r\n\r\n"),
    _chunks("size ended by CR CR LF", b"5\r\r\nhello\r\n0\r\n\r\n"),
    _chunks("extension with LF", b"5;a\nhello\r\n0\r\n\r\n"),
    _chunks("extension with bare CR", b"5;a\rb\r\nhello\r\n0\r\n\r\n"),
    _chunks("extension with NUL", b"5;a\x00\r\nhello\r\n0\r\n\r\n"),
    _chunks("blank before the extension", b"5 ;a\r\nhello\r\n0\r\n\r\n"),
    _chunks("extension without semicolon", b"5 a\r\nhello\r\n0\r\n\r\n"),
    _chunks("extension of 2000 octets", b"5;" + b"a" * 2000 + b"\r\nhello\r\n0\r\n\r\n"),
    _chunks("data ended by LF", b"5\r\nhello\n0\r\n\r\n"),
    _chunks("data not ended", b"5\r\nhello0\r\n\r\n"),
    _chunks("data ended by two other octets", b"5\r\nhelloXX0\r\n\r\n"),
    _chunks("data longer than its size", b"3\r\nhello\r\n0\r\n\r\n"),
    _chunks("data ended by CR CR LF", b"5\r\nhello\r\r\n0\r\n\r\n"),
    _chunks("last chunk ended by LF", b"0\n\r\n"),
    _chunks("empty line of LF", b"0\r\n\n"),
    _chunks("trailer line ended by LF", b"0\r\nA: b\n\r\n"),
    _chunks("trailer folded", b"0\r\nA: b\r\n c\r\n\r\n"),
    _chunks("trailer with space before colon", b"0\r\nA : b\r\n\r\n"),
    _chunks("trailer with NUL", b"0\r\nA: \x00\r\n\r\n"),
    _chunks("trailer without colon", b"0\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"),
    _chunks("trailers over 8 KiB", b"0\r\n" + b"A: b\r\n" * 2000 + b"\r\n"),
    Case("chunks cut off", _chunked(b"5\r\nhello\r\n"), (), 400),
    Case("chunks without the last empty line", _chunked(b"5\r\nhello\r\n0\r\n"), (), 400),
)

LINES = (
    _served("blank lines before a request", b"\r\n\n\r\n" + GET, NEXT),
    _served("lines ended by LF", b"GET /next HTTP/1.1\nHost: h\n\n" + GET, NEXT, NEXT),
    _served("pipelined requests", GET * 3, NEXT, NEXT, NEXT),
    _served("HTTP/1.7 is read as HTTP/1.1", _get(b"", b"GET / HTTP/1.7") + GET, (b"GET /", b""), NEXT),
    _served("absolute target", _get(b"", b"GET http://h/a HTTP/1.1"), (b"GET http://h/a", b"")),
    _refused("OPTIONS of the server", _get(b"", b"OPTIONS * HTTP/1.1")),
    _refused("65 blank octets before a request", b"\n" * 65),
    _refused("blank line of CR", b"\r"),
    _refused("HTTP/0.9", b"GET /\r\n"),
    _refused("lower-case method", _get(b"", b"get / HTTP/1.1")),
    _refused("method with NUL", _get(b"", b"G\x00T / HTTP/1.1")),
    _refused("method with colon", _get(b"", b"GET: / HTTP/1.1")),
    _refused("empty method", _get(b"", b" / HTTP/1.1")),
    _refused("space before the method", _get(b"", b" GET / HTTP/1.1")),
    _refused("two spaces before the target", _get(b"", b"GET  / HTTP/1.1")),
    _refused("tab before the target", _get(b"", b"GET\t/ HTTP/1.1")),
    _refused("two spaces before the version", _get(b"", b"GET /  HTTP/1.1")),
    _refused("space behind the version", _get(b"", b"GET / HTTP/1.1 ")),
    _refused("space in the target", _get(b"", b"GET /a b HTTP/1.1")),
    _refused("NUL in the target", _get(b"", b"GET /\x00 HTTP/1.1")),
    _refused("bare CR in the target", _get(b"", b"GET /\r HTTP/1.1")),
    _refused("tab in the target", _get(b"", b"GET /\t HTTP/1.1")),
    _refused("8-bit octet in the target", _get(b"", b"GET /\xe9 HTTP/1.1")),
    _refused("target without slash", _get(b"", b"GET a HTTP/1.1")),
    _refused("empty target", _get(b"", b"GET  HTTP/1.1")),
    _refused("asterisk with GET", _get(b"", b"GET * HTTP/1.1")),
    _refused("absolute target without host", _get(b"", b"GET http:///a HTTP/1.1")),
    _refused("absolute target with user", _get(b"", b"GET http://u@h/ HTTP/1.1")),
    _refused("absolute target with another scheme", _get(b"", b"GET file://h/ HTTP/1.1")),
    _refused("lower-case version", _get(b"", b"GET / http/1.1")),
    _refused("version without minor", _get(b"", b"GET / HTTP/1")),
    _refused("version with two digits", _get(b"", b"GET / HTTP/1.10")),
    _refused("version 0.9", _get(b"", b"GET / HTTP/0.9")),
    _refused("version with plus", _get(b"", b"GET / HTTP/+1.1")),
    _refused("version 2.0", _get(b"", b"GET / HTTP/2.0"), 505),
    _refused("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    _refused("TLS handshake", b"\x16\x03\x01\x00\xa5\x01"),
    _refused("CONNECT", _get(b"", b"CONNECT h:443 HTTP/1.1"), 405),
    _refused("TRACE", _get(b"", b"TRACE / HTTP/1.1"), 405),
)

FIELDS = (
    _served("field with odd token name is dropped", _get(b"X.Y: z\r\n") + GET, (b"GET /", b""), NEXT),
    _served("field with visible non-token name is dropped", _get(b"X(Y): z\r\n") + GET, (b"GET /", b""), NEXT),
    _served("field value with 8-bit octets", _get(b"A: \xe9\r\n") + GET, (b"GET /", b""), NEXT),
    _served("field without value", _get(b"A:\r\n") + GET, (b"GET /", b""), NEXT),
    _field("with space before colon", b"A : b\r\n"),
    _field("with tab before colon", b"A\t: b\r\n"),
    _field("with empty name", b": b\r\n"),
    _field("without colon", b"A\r\n"),
    _field("folded", b"A: b\r\n c\r\n"),
    _field("folded behind a dropped one", b"X_Y: b\r\n c\r\n"),
    _field("with NUL in the name", b"A\x00: b\r\n"),
    _field("with control character in the name", b"A\x01: b\r\n"),
    _field("with 8-bit octet in the name", b"A\xe9: b\r\n"),
    _field("with NUL in the value", b"A: b\x00c\r\n"),
    _field("with bare CR in the value", b"A: b\rc\r\n"),
    _field("with bare CR in the value of a dropped one", b"A_B: b\rc\r\n"),
    _field("with CR before CRLF", b"A: b\r\r\n"),
    _field("with vertical tab in the value", b"A: b\x0bc\r\n"),
    _field("with escape in the value", b"A: \x1b[31m\r\n"),
    _field("with DEL in the value", b"A: \x7f\r\n"),
    _field("Authorization repeated", b"Authorization: a\r\nAuthorization: b\r\n"),
    _field("Expect repeated", b"Expect: 100-continue\r\nExpect: 100-continue\r\n"),
    _field("If-None-Match repeated", b"If-None-Match: a\r\nIf-None-Match: b\r\n"),
    _field("Content-Range repeated", b"Content-Range: a\r\nContent-Range: b\r\n"),
    _refused("first line begins with a blank", b"GET / HTTP/1.1\r\n Host: h\r\n\r\n"),
)

HOSTS = (
    _served("no Host in HTTP/1.0", b"GET / HTTP/1.0\r\n\r\n", (b"GET /", b"")),
    _served("Host with port", b"GET / HTTP/1.1\r\nHost: h:80\r\n\r\n", (b"GET /", b"")),
    _served("Host is an IPv6 literal", b"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", (b"GET /", b"")),
    _refused("no Host in HTTP/1.1", b"GET / HTTP/1.1\r\n\r\n"),
    _refused("no Host in HTTP/1.1 with an absolute target", b"GET http://h/ HTTP/1.1\r\n\r\n"),
    _refused("Host behind the empty line", b"GET / HTTP/1.1\r\n\r\nHost: h\r\n\r\n"),
    _refused("Host repeated, equal", b"GET / HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n"),
    _refused("Host repeated in another letter case", b"GET / HTTP/1.1\r\nHost: h\r\nhOST: i\r\n\r\n"),
    _refused("Host repeated in HTTP/1.0", b"GET / HTTP/1.0\r\nHost: h\r\nHost: i\r\n\r\n"),
    _refused("Host empty", b"GET / HTTP/1.1\r\nHost:\r\n\r\n"),
    _refused("Host empty in HTTP/1.0", b"GET / HTTP/1.0\r\nHost: \r\n\r\n"),
    _refused("Host with slash", b"GET / HTTP/1.1\r\nHost: h/a\r\n\r\n"),
    _refused("Host with space", b"GET / HTTP/1.1\r\nHost: h i\r\n\r\n"),
    _refused("Host is a list", b"GET / HTTP/1.1\r\nHost: h, i\r\n\r\n"),
    _refused("Host with user", b"GET / HTTP/1.1\r\nHost: u@h\r\n\r\n"),
    _refused("Host with two ports", b"GET / HTTP/1.1\r\nHost: h:80:80\r\n\r\n"),
    _refused("Host with a word for port", b"GET / HTTP/1.1\r\nHost: h:http\r\n\r\n"),
    _refused("Host with two dots", b"GET / HTTP/1.1\r\nHost: h..i\r\n\r\n"),
    _refused("Host is a dot", b"GET / HTTP/1.1\r\nHost: .\r\n\r\n"),
    _refused("Host with open bracket", b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"),
    _refused("Host with 8-bit octet", b"GET / HTTP/1.1\r\nHost: \xe9\r\n\r\n"),
    _refused("Host_ is no Host", b"GET / HTTP/1.1\r\nHost_: h\r\n\r\n"),
)

CASES = LENGTHS + CODINGS + CHUNKS + LINES + FIELDS + HOSTS

SECTIONS = (
    (LENGTHS, "RFC 9110 8.6, RFC 9112 6.2"),
    (CODINGS, "RFC 9112 6.1 and 6.3"),
    (CHUNKS, "RFC 9112 7.1"),
    (LINES, "RFC 9112 2 and 3"),
    (FIELDS, "RFC 9110 5, RFC 9112 5"),
    (HOSTS, "RFC 9110 7.2, RFC 9112 3.2"),
)

REPORTS = {
    "content-length with plus sign": "CVE-2021-32715 (hyper), CVE-2022-24801 (Twisted)",
    "content-length with underscore": "CVE-2023-47627 (aiohttp)",
    "content-length empty": "CVE-2023-40225 (HAProxy)",
    "content-length repeated, unequal": "CVE-2017-7658 (Jetty), CVE-2019-16792 (Waitress)",
    "CL.TE": "CVE-2019-20445 (Netty)",
    "transfer-encoding repeated": "CVE-2020-8287 (Node.js)",
    "transfer-encoding in HTTP/1.0": "CVE-2021-33037 (Tomcat)",
    "transfer-encoding identity": "CVE-2021-33037 (Tomcat)",
    "transfer-encoding chunked then gzip": "CVE-2024-1135 (gunicorn)",
    "transfer-encoding vertical tab before": "CVE-2019-18277 (HAProxy)",
    "transfer-encoding folded": "CVE-2022-32215 (Node.js)",
    "transfer-encoding with space before colon": "CVE-2019-16869 (Netty)",
    "transfer-encoding behind bare CR": "CVE-2023-30589 (Node.js)",
    "chunks with plus sign": "CVE-2022-24761 (Waitress)",
    "chunks with 0x": "CVE-2022-24761 (Waitress), CVE-2022-24801 (Twisted)",
    "chunks over 64 bits, wraps to 5": "CVE-2017-7657 (Jetty), CVE-2021-32714 (hyper)",
    "chunks size ended by LF": "CVE-2025-22871 (Go)",
    "chunks extension of 2000 octets": "CVE-2024-22019 (Node.js)",
    "chunks data ended by two other octets": "CVE-2025-43859 (h11)",
    "HTTP/0.9": "CVE-2017-7656 (Jetty)",
    "field with empty name": "CVE-2023-25725 (HAProxy)",
    "field without colon": "CVE-2019-20444 (Netty)",
    "field with NUL in the value": "CVE-2019-9900 (Envoy)",
    "field with bare CR in the value": "CVE-2023-30589 (Node.js)",
}
"""Cases that some server or proxy has got wrong, by name."""


def source(case: Case) -> str:
    """Return where *case* comes from: the report of a mistake, else the section that it is about."""
    return REPORTS.get(case.name) or next(section for cases, section in SECTIONS if case in cases)
