"""Which rule delimits a body, and the decoders of the three rules."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lbproxy.errors import MalformedMessage
from lbproxy.wire.body import (
    CHUNKED,
    LAST_CHUNK,
    NO_BODY,
    UNTIL_CLOSE,
    ChunkedDecoder,
    LengthDecoder,
    UntilCloseDecoder,
    decoder_for,
    encode_chunk,
    parse_length,
    request_framing,
    response_framing,
)
from tests.support import h11_reading
from tests.support.strategies import chunked_bodies, cuts
from tests.support.wire import feed_all, portions

MAX = b"9223372036854775807"


@pytest.mark.parametrize(
    ("version", "lengths", "codings", "framing"),
    [
        (11, [], [], NO_BODY),
        (11, [b"0"], [], 0),
        (10, [b"0017"], [], 17),
        (11, [MAX], [], 2**63 - 1),
        (11, [], [b"CHUNKED"], CHUNKED),
    ],
)
def test_request_framing(version: int, lengths: Sequence[bytes], codings: Sequence[bytes], framing: int) -> None:
    """One rule applies, or none."""
    assert request_framing(version, lengths, codings) == framing


@pytest.mark.parametrize(
    ("version", "lengths", "codings", "status"),
    [
        (11, [b"1", b"1"], [], 400),
        (11, [b""], [], 400),
        (11, [], [b"chunked", b"chunked"], 400),
        (11, [b"1"], [b"chunked"], 400),
        (10, [], [b"chunked"], 400),
        (11, [], [b"gzip, chunked"], 501),
        (11, [b"1"], [b"gzip"], 400),
    ],
)
def test_faulty_request_framing(version: int, lengths: list[bytes], codings: list[bytes], status: int) -> None:
    """Robustness 1. Robustness 2. Two rules, a repeated one or an unknown coding are refused."""
    with pytest.raises(MalformedMessage) as info:
        request_framing(version, lengths, codings)
    assert info.value.status == status


@given(st.one_of(st.text(max_size=22).map(str.encode), st.text("0123456789+-_ .xe", max_size=22).map(str.encode)))
@example(b"9223372036854775808")
@example(b"0" * 20)
def test_only_ascii_digits_are_a_length(value: bytes) -> None:
    """Robustness 1. parse_length() reads decimal digits within 63 bits and refuses all that int() takes besides."""
    try:
        length = parse_length(value)
    except MalformedMessage:
        assert not value or value.strip(b"0123456789") or len(value) > 19 or int(value) >= 2**63
    else:
        assert b"%d" % length == (value.lstrip(b"0") or b"0")


@pytest.mark.parametrize(
    ("method", "status", "lengths", "framing"),
    [(b"GET", 200, [], UNTIL_CLOSE), (b"GET", 200, [b"3"], 3), (b"HEAD", 200, [b"3"], NO_BODY),
     (b"HEAD", 200, [], NO_BODY), (b"GET", 204, [], NO_BODY), (b"GET", 304, [b"3"], NO_BODY),
     (b"GET", 199, [b"3"], NO_BODY)],
)
def test_response_framing(method: bytes, status: int, lengths: list[bytes], framing: int) -> None:
    """An answer without a rule of its own ends with the connection, unless it cannot have a body."""
    assert response_framing(method, status, 11, lengths, []) == framing


def test_response_framing_is_checked_even_without_a_body() -> None:
    """A 304 or 103 that says two things is still faulty. Robustness B."""
    for status in (304, 103):
        with pytest.raises(MalformedMessage):
            response_framing(b"HEAD", status, 11, [b"1", b"2"], [])


def test_chunks_are_encoded_in_hexadecimal() -> None:
    """An empty piece is no chunk: it would be the last one."""
    assert encode_chunk(b"x" * 26) == b"1a\r\n" + b"x" * 26 + b"\r\n"
    assert encode_chunk(b"") == b""


@pytest.mark.parametrize(
    ("framing", "kind"),
    [(NO_BODY, LengthDecoder), (0, LengthDecoder), (3, LengthDecoder), (CHUNKED, ChunkedDecoder),
     (UNTIL_CLOSE, UntilCloseDecoder)],
)
def test_decoder_for(framing: int, kind: type) -> None:
    """Each framing has its decoder; a body that is none, or empty, is done at once."""
    decoder = decoder_for(framing)
    assert type(decoder) is kind
    assert decoder.done is (framing in {NO_BODY, 0})


def test_a_finished_body_ends_well() -> None:
    """eof() behind the end is fine, for each decoder."""
    length, chunked, until_close = LengthDecoder(1), ChunkedDecoder(), UntilCloseDecoder()
    assert length.feed(b"a") == b"a"
    assert chunked.feed(LAST_CHUNK) == b""
    assert until_close.feed(b"a") == b"a"
    for decoder in (length, chunked, until_close):
        decoder.eof()
        assert decoder.done


@pytest.mark.parametrize("begun", [b"", b"5", b"5\r\nhel", b"5\r\nhello", b"5\r\nhello\r\n", b"0\r\n",
                                   b"0\r\nA: b\r\n"])
def test_cut_off_chunks_are_seen(begun: bytes) -> None:
    """eof() before the very last CRLF is an error. Robustness B."""
    decoder = ChunkedDecoder()
    decoder.feed(begun)
    with pytest.raises(MalformedMessage):
        decoder.eof()


def test_cut_off_length_is_seen() -> None:
    """eof() names what is missing."""
    decoder = LengthDecoder(5)
    decoder.feed(b"he")
    with pytest.raises(MalformedMessage, match="3 octets missing"):
        decoder.eof()


@given(st.binary(max_size=60), st.integers(0, 80), cuts())
def test_length_decoder(data: bytes, length: int, places: list[int]) -> None:
    """The first *length* octets are payload, the rest surplus."""
    outcome = feed_all(LengthDecoder(length), list(portions(data, places)))
    assert outcome == (data[:length], data[length:], len(data) >= length)


def test_surplus_grows_behind_the_end() -> None:
    """What is fed to a finished decoder is surplus."""
    for decoder, body in ((LengthDecoder(1), b"a"), (ChunkedDecoder(), LAST_CHUNK)):
        decoder.feed(body + b"b")
        assert decoder.feed(b"c") == b""
        assert decoder.surplus == b"bc"


def test_large_pieces_are_passed_as_they_are() -> None:
    """A read that lies within one chunk is not copied."""
    decoder, piece = ChunkedDecoder(), b"x" * 65536
    assert decoder.feed(b"20000\r\n") == b""
    assert decoder.feed(piece) is piece


def test_trailers_are_kept_apart() -> None:
    """Robustness 3. They are validated and stay a block of their own."""
    decoder = ChunkedDecoder()
    assert decoder.feed(b"1\r\nx\r\n0\r\nA: b\r\nC:\r\n\r\nrest") == b"x"
    assert (decoder.trailers, decoder.surplus) == (b"A: b\r\nC:\r\n", b"rest")


@pytest.mark.parametrize(("octets", "ok"), [(b"5;" + b"a" * 6 + b"\r\n", True), (b"5;" + b"a" * 7 + b"\r\n", False)])
def test_size_line_limit(octets: bytes, ok: bool) -> None:
    """A size line has at most *line* octets with its end, whether it arrives whole or not. Robustness 14."""
    for parts in ([octets], [octets[:-1], octets[-1:]], [octets[i : i + 1] for i in range(len(octets))]):
        assert (feed_all(ChunkedDecoder(line=10), parts) == (b"", b"", False)) is ok


@pytest.mark.parametrize(("octets", "ok"), [(b"A: bcde\r\n\r\n", True), (b"A: bcdef\r\n\r\n", False)])
def test_trailer_limit(octets: bytes, ok: bool) -> None:
    """
    The trailer section has at most *trailer* octets with the empty line, whether it arrives whole or not.

    Robustness 14.
    """
    for parts in ([octets], [octets[:-1], octets[-1:]], [octets[i : i + 1] for i in range(len(octets))]):
        assert (feed_all(ChunkedDecoder(trailer=11), [b"0\r\n", *parts]) == (b"", b"", True)) is ok


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=8), st.binary(max_size=9), cuts())
def test_chunks_round_trip(pieces: list[bytes], surplus: bytes, places: list[int]) -> None:
    """What was encoded is decoded, in any portions, and nothing behind it is touched."""
    octets = b"".join(map(encode_chunk, pieces)) + LAST_CHUNK + surplus
    assert feed_all(ChunkedDecoder(), list(portions(octets, places))) == (b"".join(pieces), surplus, True)


@settings(max_examples=300, deadline=None)
@given(chunked_bodies(), cuts())
def test_portions_do_not_change_chunks(octets: bytes, places: list[int]) -> None:
    """Robustness 3. Payload, surplus and refusal are those of the body received at once."""
    whole = feed_all(ChunkedDecoder(line=20, trailer=20), [octets])
    assert feed_all(ChunkedDecoder(line=20, trailer=20), list(portions(octets, places))) == whole


@settings(max_examples=300, deadline=None)
@given(chunked_bodies())
def test_h11_accepts_all_chunks_we_accept(octets: bytes) -> None:
    """Robustness 3. It finds the same payload and the same end."""
    outcome = feed_all(ChunkedDecoder(), [octets])
    if isinstance(outcome, tuple) and outcome[2]:
        assert h11_reading.read_chunked(octets) == outcome[:2]


@pytest.mark.parametrize("octets", [b"g", b"+", b"5x", b"5\n", b"5\rx", b"5;\x00", b"1\r\nxy", b"1\r\nx\rz",
                                    b"0\r\n ", b"0\r\nA\r"])
def test_hopeless_chunks_are_not_waited_for(octets: bytes) -> None:
    """An octet that cannot be right is refused at once, not when its line is complete. Robustness 3."""
    assert feed_all(ChunkedDecoder(), [octets]) == 400


def test_small_chunks_cost_linear_time() -> None:
    """100,000 one-octet chunks in one piece, and 20,000 dripping ones, are decoded in a moment. Robustness 15."""
    began = time.process_time()
    assert feed_all(ChunkedDecoder(), [b"1\r\nx\r\n" * 100_000]) == (b"x" * 100_000, b"", False)
    drip = [octet.to_bytes(1, "big") for octet in b"1;abc\r\nx\r\n" * 20_000]
    assert feed_all(ChunkedDecoder(), drip) == (b"x" * 20_000, b"", False)
    assert time.process_time() - began < 4


@given(length=st.integers(1, 1000), steps=st.lists(st.tuples(st.booleans(), st.integers(1, 300)), max_size=20))
def test_octets_that_are_skipped(length: int, steps: list[tuple[bool, int]]) -> None:
    """Count as those that are fed."""
    decoder = LengthDecoder(length)
    for skipped, most in steps:
        if decoder.done:
            break
        before, size = decoder.left, min(most, decoder.left)
        if skipped:
            decoder.skip(size)
        else:
            assert decoder.feed(bytes(size)) == bytes(size)
        assert decoder.left == before - size
        assert decoder.done == (decoder.left == 0)
    UntilCloseDecoder().skip(5)
