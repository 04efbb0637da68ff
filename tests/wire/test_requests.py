"""Heads of requests: what is read, what is refused, and that h11 would have agreed."""

from __future__ import annotations

import time
from functools import partial

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lbproxy.errors import MalformedMessage
from lbproxy.wire.body import CHUNKED, NO_BODY
from lbproxy.wire.heads import HeadLimits, RequestHead
from lbproxy.wire.requests import TOO_LARGE, parse_request
from tests.support import h11_reading
from tests.support.strategies import cuts, request_heads
from tests.support.wire import parse_in_portions, portions, summary, verdict

LIMITS = HeadLimits()
BROWSER = (
    b"GET /a/b?c=d HTTP/1.1\r\nHost: www.example.com\r\nConnection: keep-alive\r\nCookie: a=b; c=d\r\n"
    b"Accept: */*\r\nX-Empty:\r\nX-Padded: \t v w \t\r\n\r\n"
)


def request(octets: bytes, limits: HeadLimits = LIMITS) -> RequestHead:
    head = parse_request(octets, limits)
    assert head is not None
    return head


def refusal(octets: bytes, limits: HeadLimits = LIMITS) -> tuple[int, str]:
    with pytest.raises(MalformedMessage) as info:
        parse_request(octets, limits)
    return info.value.status, info.value.reason


def get(fields: bytes, version: bytes = b"1.1") -> bytes:
    return b"GET / HTTP/" + version + b"\r\nHost: h\r\n" + fields + b"\r\n"


# What requests say


def test_request_is_read() -> None:
    """Start line, fields and derived attributes of a common request, and nothing of what follows it."""
    head = request(BROWSER + b"GET /next")
    assert (head.line, head.method, head.target) == (b"GET /a/b?c=d HTTP/1.1", b"GET", b"/a/b?c=d")
    assert (head.version, head.host, head.keep_alive, head.size) == (11, b"www.example.com", True, len(BROWSER))
    assert (head.framing, head.content_length, head.expect_continue, head.upgrade) == (NO_BODY, None, False, None)
    assert head.connection_tokens == ()
    assert b"GET /a/b?c=d HTTP/1.1\r\n" + head.block + b"\r\n" == BROWSER
    assert head.fields()[3:] == [(b"accept", b"*/*"), (b"x-empty", b""), (b"x-padded", b"v w")]
    assert repr(head) == "<RequestHead b'GET /a/b?c=d HTTP/1.1' framing=-1>"


def test_fields_are_found_by_name() -> None:
    """get() returns the first value, get_all() all of them, in order and without regard to case."""
    head = request(get(b"A: 1\r\nB: 2\r\na: 3\r\n"))
    assert head.get(b"a") == b"1"
    assert head.get_all(b"a") == [b"1", b"3"]
    assert head.get(b"c") is None
    assert head.get_all(b"c") == []
    assert head.fields() is head.fields()


@pytest.mark.parametrize(
    ("value", "version", "expected"),
    [(b"100-continue", b"1.1", True), (b"100-Continue", b"1.1", True), (b"100-continue", b"1.0", False),
     (b"200-ok", b"1.1", False)],
)
def test_expect(value: bytes, version: bytes, expected: bool) -> None:
    """100-continue in HTTP/1.1 is the only expectation there is."""
    assert request(get(b"Expect: " + value + b"\r\n", version)).expect_continue is expected


def test_length_is_written_anew() -> None:
    """$content_length is the number, not its spelling."""
    head = request(get(b"Content-Length: 007\r\n"))
    assert (head.framing, head.content_length) == (7, b"7")


def test_chunked_request_has_no_length() -> None:
    """A chunked body has no announced length."""
    head = request(get(b"Transfer-Encoding: Chunked\r\n"))
    assert (head.framing, head.content_length) == (CHUNKED, None)


def test_size_counts_blank_lines() -> None:
    """What came before the request belongs to its size, not to its line."""
    head = request(b"\r\n\n" + get(b"") + b"rest")
    assert (head.size, head.line) == (3 + len(get(b"")), b"GET / HTTP/1.1")


def test_line_ends_become_crlf() -> None:
    """A head with bare LF has the same block as one with CRLF. Robustness 4."""
    assert request(get(b"A: b\r\n").replace(b"\r\n", b"\n")).block == b"Host: h\r\nA: b\r\n"


# Names that nginx calls invalid

ODD = b"A_B: 1\r\nC.D: 2\r\nE(F: 3\r\nG: 4\r\n"


@pytest.mark.parametrize(
    ("underscores", "names"), [(False, [b"host", b"g"]), (True, [b"host", b"a_b", b"g"])]
)
def test_invalid_names_are_dropped(underscores: bool, names: list[bytes]) -> None:
    """underscores_in_headers makes one more character valid; the rest goes without a word. Robustness 8."""
    head = request(get(ODD), HeadLimits(underscores=underscores))
    assert [name for name, _ in head.fields()] == names


def test_invalid_names_are_kept_on_request() -> None:
    """ignore_invalid_headers off passes on what h11 takes for a token."""
    limits = HeadLimits(ignore_invalid=False)
    assert request(get(b"A_B: 1\r\nC.D: 2\r\n"), limits).block == b"Host: h\r\nA_B: 1\r\nC.D: 2\r\n"
    assert refusal(get(ODD), limits)[0] == 400


def test_h11_words_reach_the_log() -> None:
    """What only h11 refuses is refused with its reason."""
    assert "illegal header line" in refusal(get(b"A : b\r\n"))[1]
    assert "folded" in refusal(get(b"A: b\r\n c\r\n"))[1]


# Limits


@pytest.mark.parametrize(
    ("octets", "limits", "status"),
    [
        (b"GET /aaaa HTTP/1.1\r\nHost: h\r\n\r\n", HeadLimits(line=19), 414),
        (get(b"A: " + b"b" * 95 + b"\r\n"), HeadLimits(field=99), 400),
        (get(b"A: b\r\n" * 20), HeadLimits(total=146), 400),
        (get(b"A: b\r\n" * 10), HeadLimits(count=10), 400),
        (get(b"A_B: b\r\n" * 10), HeadLimits(count=10), 400),
    ],
)
def test_limits(octets: bytes, limits: HeadLimits, status: int) -> None:
    """One octet or field too many is refused; with one more allowed it is not. Robustness 14."""
    assert refusal(octets, limits)[0] == status
    more = HeadLimits(line=limits.line + 1, field=limits.field + 1, total=limits.total + 1, count=limits.count + 1)
    assert summary(request(octets, more)) == summary(request(octets))


@pytest.mark.parametrize(
    ("octets", "status"),
    [(b"GET /" + b"a" * 8192, 414), (get(b"")[:-2] + b"A: " + b"b" * 8192, 400), (get(b"A: b\r\n" * 6000)[:-2], 400),
     (b"GET / HTTP/1.1\r\n" + b"A" * 8192, 400)],
)
def test_limits_hold_before_the_end(octets: bytes, status: int) -> None:
    """A head that never ends is refused as soon as it exceeds a limit. Robustness 14."""
    assert refusal(octets)[0] == status


def test_oversized_fields_are_told_apart() -> None:
    """nginx has a page of its own for them."""
    assert refusal(get(b"A: " + b"b" * 9000 + b"\r\n")) == (400, TOO_LARGE)


@pytest.mark.parametrize("octets", [b"\x16\x03\x01", b"{", b"get / ", b"GET /\n", b"GET / HTTP/3.0\r\n", b"\r\r"])
def test_hopeless_beginnings_are_not_waited_for(octets: bytes) -> None:
    """A wrong method or request line is refused before the head is complete."""
    assert refusal(octets)[0] in {400, 505}


@pytest.mark.parametrize("octets", [b"", b"\r", b"\r\n", b"\r\n\r", b"G", b"GET / HTTP/1.1\r", get(b"")[:-1]])
def test_beginnings_are_waited_for(octets: bytes) -> None:
    """An incomplete head is no error."""
    assert parse_request(octets, LIMITS) is None


def test_dripping_and_hostile_heads_cost_linear_time() -> None:
    """
    32 KiB fed by the octet, and lines made to provoke backtracking, take far less than a quadratic search would.

    Robustness 15.
    """
    hostile = [
        b"GET / HTTP/1.1\r\n" + (b"A:" + b" " * 8000 + b"\r\n") * 4,
        b"GET / HTTP/1.1\r\n" + b"A:" * 4000 + b"\r\n" + b"-" * 8000,
        b"GET / HTTP/1.1\r\n" + b"\nA:\r" * 7000,
    ]
    began = time.process_time()
    for octets in hostile:
        for end in (b"\r\n\r\n", b"\n\n", b"\x00\r\n\r\n"):
            verdict(partial(parse_request, octets + end, LIMITS))
    octets = get(b"A: b\r\n" * 900 + b"B: " + b"c" * 8000 + b"\r\n")
    drip = (octets[i : i + 1] for i in range(len(octets)))
    assert parse_in_portions(lambda buf, searched: parse_request(buf, LIMITS, searched), drip) is not None
    assert time.process_time() - began < 2


# Properties: h11 agrees, and portions do not matter


MODES = st.builds(HeadLimits, underscores=st.booleans(), ignore_invalid=st.booleans())


@settings(max_examples=400, deadline=None)
@given(request_heads(), MODES)
@example(b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n", LIMITS)
@example(b"GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nA_b: c\r\n\r\n", LIMITS)
@example(b"\r\nPOST http://h/ HTTP/1.0\nA: \xe9\n\n", LIMITS)
def test_h11_accepts_every_request_we_accept(octets: bytes, limits: HeadLimits) -> None:
    """
    It finds the same method, target, version, fields and framing; so nothing that it refuses gets through.

    Robustness 4.
    """
    try:
        head = parse_request(octets, limits)
    except MalformedMessage:
        return
    if head is None:
        return
    reading = h11_reading.read_request(h11_reading.as_mended(octets[: head.size], limits))
    assert reading is not None
    method, target, version = reading.start
    assert (head.method, head.target) == (method, target)
    assert head.version == (10 if version == b"1.0" else 11)
    assert h11_reading.as_told(head) == reading.fields
    assert (head.framing or NO_BODY) == reading.framing  # h11 does not tell an empty body from none


@settings(max_examples=300, deadline=None)
@given(request_heads(), st.booleans(), cuts())
def test_portions_do_not_change_a_request(octets: bytes, tight: bool, places: list[int]) -> None:
    """Head or refusal are those of the request received at once, with wide and with tight limits. Robustness 3."""
    limits = HeadLimits(line=25, field=24, total=90, count=4, underscores=True) if tight else LIMITS
    parts = list(portions(octets, places))
    whole = verdict(lambda: parse_request(octets, limits))
    assert verdict(lambda: parse_in_portions(lambda b, s: parse_request(b, limits, s), parts)) == whole


@given(st.binary(max_size=200))
def test_rubbish_raises_nothing_else(octets: bytes) -> None:
    """Octets from anywhere are a head, an incomplete one, or MalformedMessage."""
    verdict(lambda: parse_request(octets, LIMITS))
    verdict(lambda: parse_request(b"GET / HTTP/1.1\r\n" + octets + b"\r\n\r\n", LIMITS))
