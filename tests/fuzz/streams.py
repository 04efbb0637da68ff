"""Targets: bodies, and whole connections of requests."""

from __future__ import annotations

import re

from lbproxy.errors import MalformedMessage
from lbproxy.wire import grammar
from lbproxy.wire.body import (
    CHUNKED,
    NO_BODY,
    UNTIL_CLOSE,
    ChunkedDecoder,
    decoder_for,
    in_chunks,
    request_framing,
    response_framing,
)
from lbproxy.wire.requests import parse_request
from tests.fuzz.heads import LIMITS, REFUSALS
from tests.fuzz.ways import choose, same_however_cut
from tests.support import h11_reading
from tests.support.wire import feed_all, read_requests

_BLOCK = re.compile(grammar.field_lines(grammar.TOKEN))


def chunks(data: bytes) -> None:
    """A chunked body that is accepted is h11's, payload and end; what is refused is refused in any portions."""
    (line, trailer), octets = choose(data, ((1024, 8192), (12, 24)))

    def outcome(parts: list[bytes]) -> object:
        decoder = ChunkedDecoder(line, trailer)
        found = feed_all(decoder, parts)
        if isinstance(found, int):
            assert found == 400
            return found
        try:
            decoder.eof()
        except MalformedMessage:
            assert not decoder.done
        else:
            assert decoder.done
        return *found, decoder.trailers

    found = same_however_cut(octets, outcome)
    if not isinstance(found, tuple):
        return
    payload, surplus, done, trailers = found
    if done:
        assert octets.endswith(surplus)
        end = len(octets) - len(surplus)
        assert h11_reading.read_chunked(_without_trailers(octets[:end], trailers) + surplus) == (payload, surplus)
        assert _BLOCK.fullmatch(trailers)
        assert len(trailers) <= trailer
    assert feed_all(ChunkedDecoder(), [in_chunks(payload, True)]) == (payload, b"", True)


def _without_trailers(body: bytes, trailers: bytes) -> bytes:
    """Return a complete chunked *body* without its *trailers*, which we drop unread, and h11 takes for fields."""
    assert body.endswith(trailers + b"\r\n")
    return body[: len(body) - len(trailers) - 2] + b"\r\n"


_METHODS = (b"GET", b"HEAD")
_STATUSES = (200, 204, 304, 101, 206, 404)


def framing(data: bytes) -> None:
    """
    One rule or a refusal, from any lists of lengths and codings; h11 agrees with what is accepted.

    An input is an octet for the version, one for the side, and lines: ``L`` and a Content-Length, ``T`` and a
    Transfer-Encoding.
    """
    version, data = choose(data, (11, 10))
    side, data = choose(data, tuple((method, status) for method in _METHODS for status in (0, *_STATUSES)))
    method, status = side
    lines = [line.strip(b" \t\r") for line in data.split(b"\n")]
    lengths = [line[1:].strip(b" \t") for line in lines if line[:1] == b"L"]
    codings = [line[1:].strip(b" \t") for line in lines if line[:1] == b"T"]
    try:
        if status:
            found = response_framing(method, status, version, lengths, codings)
        else:
            found = request_framing(version, lengths, codings)
    except MalformedMessage as error:
        assert error.status in {400, 501}
        return
    assert len(lengths) + len(codings) <= 1
    if found not in {NO_BODY, CHUNKED, UNTIL_CLOSE}:
        assert 0 <= found == int(lengths[0]) < 1 << 63
        assert lengths[0].isdigit()
    block = b"".join(b"Content-Length: %b\r\n" % value for value in lengths)
    block += b"".join(b"Transfer-Encoding: %b\r\n" % value for value in codings)
    minor = version - 10
    if status:
        reading = h11_reading.read_response(b"HTTP/1.%d %d x\r\n%b\r\n" % (minor, status, block), method)
    else:
        reading = h11_reading.read_request(b"GET / HTTP/1.%d\r\nHost: h\r\n%b\r\n" % (minor, block))
    assert reading is not None, "h11 refuses it"
    assert reading.framing == (found or NO_BODY)


def connection(data: bytes) -> None:
    """The requests read off a connection are those that h11 reads, one by one, in whatever portions they came."""
    limits, octets = choose(data, LIMITS)
    outcome = same_however_cut(octets, lambda parts: read_requests(parts, limits))
    assert outcome.status in {0, *REFUSALS}
    rest = octets
    for message, body in outcome.messages:
        head = parse_request(rest, limits)
        assert head is not None
        decoder = decoder_for(head.framing)
        decoder.feed(rest[head.size :])
        assert decoder.done
        octets = rest[head.size : len(rest) - len(decoder.surplus)]
        if isinstance(decoder, ChunkedDecoder):
            octets = _without_trailers(octets, decoder.trailers)
        whole = h11_reading.as_mended(rest[: head.size], limits) + octets
        assert h11_reading.read_message(whole) == (message, body, b"")
        rest = decoder.surplus
    more = read_requests([data[1:], b"GET /more HTTP/1.1\r\nHost: h\r\n\r\n"], limits)
    assert more.messages[: len(outcome.messages)] == outcome.messages, "what follows matters"
