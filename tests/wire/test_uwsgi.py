"""The uwsgi packet both ways, and the heads that come in answer."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lbproxy.errors import MalformedMessage
from lbproxy.wire.body import CHUNKED, NO_BODY, UNTIL_CLOSE
from lbproxy.wire.heads import ResponseHead
from lbproxy.wire.uwsgi import decode_packet, parse_response
from tests.support.strategies import cgi_heads, cuts, response_heads
from tests.support.wire import parse_in_portions, portions, uwsgi_packet, verdict

PARAMS = st.lists(st.tuples(st.binary(min_size=1, max_size=20), st.binary(max_size=300)), max_size=12)


def response(octets: bytes, method: bytes = b"GET") -> ResponseHead:
    head = parse_response(octets, method)
    assert head is not None
    return head


def test_packet_layout() -> None:
    """The size excludes the four octets of the header; lengths are little-endian."""
    assert uwsgi_packet([(b"A", b"bc"), (b"D", b"")], 5, 6) == b"\x05\x0c\x00\x06\x01\x00A\x02\x00bc\x01\x00D\x00\x00"
    assert uwsgi_packet([]) == b"\x00\x00\x00\x00"


@given(PARAMS, st.integers(0, 255), st.integers(0, 255), st.binary(max_size=9))
def test_packets_round_trip(params: list[tuple[bytes, bytes]], first: int, second: int, body: bytes) -> None:
    """Decoding gives the same variables in the same order, and leaves the body alone. Robustness D."""
    packet = uwsgi_packet(params, first, second)
    assert decode_packet(packet + body) == (params, first, second, len(packet))
    assert all(decode_packet(packet[:size]) is None for size in range(0, len(packet), 7))


@pytest.mark.parametrize(
    "params", [[(b"A", b"x" * 65536)], [(b"A" * 65536, b"")], [(b"A", b"x" * 65531)], [(b"A", b"x" * 999)] * 66]
)
def test_too_much_is_never_wrapped(params: list[tuple[bytes, bytes]]) -> None:
    """Robustness D. One octet more than a length can tell is an error."""
    with pytest.raises(MalformedMessage) as info:
        uwsgi_packet(params)
    assert info.value.status == 431


def test_the_largest_packet() -> None:
    """65535 octets of entries still go out."""
    packet = uwsgi_packet([(b"A", b"x" * 65530)])
    assert (packet[:4], len(packet)) == (b"\x00\xff\xff\x00", 65539)


@pytest.mark.parametrize(
    "entries", [b"\x01", b"\x01\x00", b"\x01\x00A", b"\x01\x00A\x01", b"\x01\x00A\x01\x00", b"\xff\xffA",
                b"\x00\x00\x01\x00b"]
)
def test_bad_packets(entries: bytes) -> None:
    """Entries that do not fill the packet exactly, and empty names, are refused, whatever follows it."""
    with pytest.raises(MalformedMessage):
        decode_packet(b"\x00" + len(entries).to_bytes(2, "little") + b"\x00" + entries + b"body that follows")


def test_http_answers() -> None:
    """uWSGI writes a status line with the client's version; the body mostly runs to the end."""
    head = response(b"HTTP/1.0 404 Not Found\r\nContent-Type: text/plain\r\n\r\nbody")
    assert (head.status, head.reason, head.framing, head.keep_alive) == (404, b"Not Found", UNTIL_CLOSE, False)
    assert head.block == b"Content-Type: text/plain\r\n"


@pytest.mark.parametrize(
    ("octets", "status", "reason"),
    [
        (b"Status: 403 No  way\r\nA: b\r\n\r\n", 403, b"No  way"),
        (b"A: b\nstatus:201\n\n", 201, b""),
        (b"Location: /x\r\n\r\n", 302, b"Moved Temporarily"),
        (b"Status: 200 OK\r\nLocation: /x\r\n\r\n", 200, b"OK"),
        (b"Content-Type: a/b\r\n\r\n", 200, b"OK"),
        (b"H: i\r\n\r\n", 200, b"OK"),
    ],
)
def test_cgi_answers(octets: bytes, status: int, reason: bytes) -> None:
    """Without a status line, Status says it, or Location implies it."""
    head = response(octets + b"body")
    assert (head.status, head.reason, head.size) == (status, reason, len(octets))
    assert (head.framing, head.keep_alive) == (UNTIL_CLOSE, False)


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 200 OK\r\n", b"Status: 200 OK\r\n"])
@pytest.mark.parametrize(
    ("method", "fields", "framing"),
    [
        (b"GET", b"", UNTIL_CLOSE),
        (b"GET", b"Content-Length: 5\r\n", 5),
        (b"GET", b"Transfer-Encoding: chunked\r\n", CHUNKED),
        (b"HEAD", b"Content-Length: 5\r\n", NO_BODY),
    ],
)
def test_framing(start: bytes, method: bytes, fields: bytes, framing: int) -> None:
    """An application's own chunks are chunks whatever version the status line names."""
    head = response(start + fields + b"\r\n", method)
    assert (head.framing, head.keep_alive) == (framing, False)


def test_answers_without_a_body() -> None:
    """204 and 304 have none, in CGI form too."""
    assert response(b"Status: 304 Not Modified\r\nContent-Length: 5\r\n\r\n").framing == NO_BODY
    assert response(b"HTTP/1.1 204 No Content\r\n\r\n").framing == NO_BODY


def test_upgrades_pass() -> None:
    """A WebSocket application answers 101 through uWSGI."""
    head = response(b"HTTP/1.1 101 Web Socket\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\r\n")
    assert (head.status, head.upgrade, head.framing) == (101, b"WebSocket", NO_BODY)


@pytest.mark.parametrize(
    "octets",
    [
        b"\r\n", b"\x00", b" A: b", b"HTTP/2.0 200 OK\r\n", b"HTTP/1.1 OK\r\n\r\n", b"A\r\n\r\n", b"A : b\r\n\r\n",
        b"A: b\r\n c\r\n\r\n",
        b"A: \x00\r\n\r\n", b"Status: OK\r\n\r\n", b"Status: 99\r\n\r\n", b"Status: 2000\r\n\r\n", b"Status:\r\n\r\n",
        b"Content-Length: 1\r\nContent-Length: 1\r\n\r\n", b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"Transfer-Encoding: gzip\r\n\r\n", b"A: " + b"b" * 65536,
    ],
    ids=lambda octets: octets[:40],
)
def test_bad_answers(octets: bytes) -> None:
    """An answer that is neither is 502. Robustness B."""
    assert verdict(lambda: parse_response(octets, b"GET")) == 502


@pytest.mark.parametrize("octets", [b"", b"H", b"HTTP", b"HTTP/", b"Status: 200", b"A: b\r\n"])
def test_incomplete_answers(octets: bytes) -> None:
    """The beginning of an answer is waited on."""
    assert parse_response(octets, b"GET") is None


@settings(max_examples=200, deadline=None)
@given(st.one_of(cgi_heads(), response_heads()), cuts())
def test_portions_do_not_change_an_answer(octets: bytes, places: list[int]) -> None:
    """Head or refusal are those of the answer received at once."""
    parts = list(portions(octets, places))
    whole = verdict(lambda: parse_response(octets, b"GET"))
    assert verdict(lambda: parse_in_portions(lambda b, s: parse_response(b, b"GET", s), parts)) == whole
