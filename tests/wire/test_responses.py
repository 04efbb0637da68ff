"""Heads of answers: what is read, what is refused, and that h11 would have agreed."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lbproxy.errors import MalformedMessage
from lbproxy.wire.body import CHUNKED, NO_BODY, UNTIL_CLOSE
from lbproxy.wire.heads import ResponseHead
from lbproxy.wire.responses import parse_response
from tests.support import h11_reading
from tests.support.strategies import cuts, response_heads
from tests.support.wire import parse_in_portions, portions, verdict


def response(octets: bytes, method: bytes = b"GET") -> ResponseHead:
    head = parse_response(octets, method)
    assert head is not None
    return head


def test_response_is_read() -> None:
    """Status line, fields and derived attributes of a common answer, and nothing of what follows it."""
    octets = b"HTTP/1.1 404 Not  Found\r\nContent-Type: a/b\r\nContent-Length: 05\r\n\r\n"
    head = response(octets + b"hello")
    assert (head.status, head.reason, head.version, head.size) == (404, b"Not  Found", 11, len(octets))
    assert (head.framing, head.content_length, head.keep_alive, head.upgrade) == (5, b"5", True, None)
    assert head.block == b"Content-Type: a/b\r\nContent-Length: 05\r\n"
    assert repr(head) == "<ResponseHead 404 framing=5>"


@pytest.mark.parametrize(
    ("line", "reason"), [(b"HTTP/1.1 200", b""), (b"HTTP/1.1 200 ", b""), (b"HTTP/1.0 200 \xe9\t(x)", b"\xe9\t(x)")]
)
def test_reason_may_be_anything_visible(line: bytes, reason: bytes) -> None:
    """The reason phrase may be missing, empty or 8-bit."""
    assert response(line + b"\r\n\r\n").reason == reason


def test_answers_may_end_lines_with_lf() -> None:
    """The block has CRLF nonetheless."""
    head = response(b"HTTP/1.1 200 OK\nA: b\nX.Y_Z: c\n\nbody")
    assert (head.block, head.size, head.framing) == (b"A: b\r\nX.Y_Z: c\r\n", 31, UNTIL_CLOSE)


@pytest.mark.parametrize(
    ("method", "status", "fields", "framing"),
    [
        (b"GET", b"200", b"", UNTIL_CLOSE),
        (b"GET", b"200", b"Content-Length: 0\r\n", 0),
        (b"GET", b"200", b"Transfer-Encoding: chunked\r\n", CHUNKED),
        (b"HEAD", b"200", b"Content-Length: 5\r\n", NO_BODY),
        (b"HEAD", b"200", b"Transfer-Encoding: chunked\r\n", NO_BODY),
        (b"GET", b"204", b"Content-Length: 5\r\n", NO_BODY),
        (b"GET", b"304", b"Content-Length: 5\r\n", NO_BODY),
        (b"GET", b"100", b"", NO_BODY),
        (b"GET", b"101", b"Transfer-Encoding: chunked\r\n", NO_BODY),
        (b"GET", b"103", b"Link: </a>\r\n", NO_BODY),
    ],
)
def test_framing_of_answers(method: bytes, status: bytes, fields: bytes, framing: int) -> None:
    """Method and status rule a body out; else the fields decide; else it runs to the end of the connection."""
    head = response(b"HTTP/1.1 " + status + b" x\r\n" + fields + b"\r\n", method)
    assert head.framing == framing
    assert head.keep_alive is (framing != UNTIL_CLOSE)


@pytest.mark.parametrize(
    "octets",
    [
        b"SSH-2.0-OpenSSH", b"\r\nHTTP/1.1 200 OK", b"HTTP/2.0 200 OK", b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n", b"HTTP/1.1 099 OK\r\n\r\n", b"HTTP/1.1  200 OK\r\n\r\n",
        b"HTTP/1.1 +20 OK\r\n\r\n",
        b"HTTP/1.1\t200 OK\r\n\r\n", b"HTTP/1.1 200 O\x00K\r\n\r\n", b"HTTP/1.1 200 O\rK\r\n\r\n",
        b"HTTP/1.11 200 OK\r\n\r\n", b"HTTP/1.1 200OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA\r\n\r\n", b"HTTP/1.1 200 OK\r\n: b\r\n\r\n", b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", b"HTTP/1.1 200 OK\r\n A: b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: \x00\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n", b"HTTP/1.1 200 OK\r\nA: \x1b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA(: b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        b"HTTP/1.1 304 x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 103 x\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"b" * 65536, b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 20000 + b"\r\n",
    ],
    ids=lambda octets: octets[:60],
)
def test_bad_answers(octets: bytes) -> None:
    """Whatever is wrong with an answer is 502, however it arrives. Robustness B."""
    assert verdict(lambda: parse_response(octets, b"GET")) == 502
    parts = [octets[i : i + 7] for i in range(0, len(octets), 7)]
    assert verdict(lambda: parse_in_portions(lambda b, s: parse_response(b, b"GET", s), parts)) == 502


@pytest.mark.parametrize("octets", [b"", b"HT", b"HTTP/1.", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n\r"])
def test_incomplete_answers(octets: bytes) -> None:
    """The beginning of an answer is waited on."""
    assert parse_response(octets, b"GET") is None


@settings(max_examples=300, deadline=None)
@given(response_heads(), st.sampled_from([b"GET", b"HEAD"]))
@example(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b"GET")
@example(b"HTTP/1.1 200\nTransfer-Encoding: chunked\n\n", b"GET")
def test_h11_accepts_every_answer_we_accept(octets: bytes, method: bytes) -> None:
    """It finds the same status, reason, version, fields and framing. Robustness B."""
    try:
        head = parse_response(octets, method)
    except MalformedMessage:
        return
    if head is None:
        return
    reading = h11_reading.read_response(octets[: head.size], method)
    assert reading is not None
    status, reason, version = reading.start
    assert (head.status, head.reason) == (status, reason)
    assert head.version == (10 if version == b"1.0" else 11)
    assert h11_reading.as_told(head) == reading.fields
    assert (head.framing or NO_BODY) == reading.framing


@settings(max_examples=200, deadline=None)
@given(response_heads(), st.sampled_from([40, 65536]), cuts())
def test_portions_do_not_change_an_answer(octets: bytes, limit: int, places: list[int]) -> None:
    """Head or refusal are those of the answer received at once. Robustness B."""
    parts = list(portions(octets, places))
    whole = verdict(lambda: parse_response(octets, b"GET", 0, limit))
    assert verdict(lambda: parse_in_portions(lambda b, s: parse_response(b, b"GET", s, limit), parts)) == whole


@given(st.binary(max_size=200))
def test_rubbish_raises_nothing_else(octets: bytes) -> None:
    """Octets from anywhere are a head, an incomplete one, or MalformedMessage."""
    verdict(lambda: parse_response(octets, b"GET"))
    verdict(lambda: parse_response(b"HTTP/1.1 200 OK\r\n" + octets + b"\r\n\r\n", b"GET"))
