"""
Message bodies: which rule delimits one (RFC 9112 section 6), and decoders for the three rules (6 and 7).

A decoder takes octets in any portions: what comes out, and whether the body is refused, does not depend on
how they were cut.  Nothing here is copied through: chunk extensions and trailers end here, and a chunk's size
line is written anew by `encode_chunk`.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Sequence
from typing import Protocol

from lbproxy.errors import MalformedMessage
from lbproxy.wire.grammar import TOKEN, VALUE, field_lines

Framing = int
"""How long a body is: ``>= 0`` a Content-Length in octets, or one of the three constants."""

NO_BODY: Framing = -1
CHUNKED: Framing = -2
UNTIL_CLOSE: Framing = -3

LAST_CHUNK = b"0\r\n\r\n"

_DIGITS = re.compile(rb"[0-9]{1,19}")
_MAX_LENGTH = (1 << 63) - 1


def parse_length(value: bytes) -> int:
    """
    Return the octets that a Content-Length *value* announces (RFC 9110 8.6).

    Raises:
        MalformedMessage: Not plain ASCII digits, or beyond 63 bits.
    """
    # A match first: int() takes signs, underscores, whitespace.
    length = int(value) if _DIGITS.fullmatch(value) else -1
    if not 0 <= length <= _MAX_LENGTH:
        raise MalformedMessage("invalid Content-Length")
    return length


def request_framing(version: int, lengths: Sequence[bytes], codings: Sequence[bytes]) -> Framing:
    """
    Decide how a request's body is delimited (RFC 9112 6.3).

    Args:
        version: 10 or 11.
        lengths: The value of every Content-Length line.
        codings: The value of every Transfer-Encoding line.

    Raises:
        MalformedMessage: Not exactly one reading: 400, or 501 for a coding other than chunked.
    """
    if not codings:
        if not lengths:
            return NO_BODY
        if len(lengths) > 1:
            raise MalformedMessage("repeated Content-Length")
        return parse_length(lengths[0])
    if len(codings) > 1:
        raise MalformedMessage("repeated Transfer-Encoding")
    if lengths:
        raise MalformedMessage("both Content-Length and Transfer-Encoding")
    if version < 11:
        raise MalformedMessage("Transfer-Encoding in HTTP/1.0")  # RFC 9112 6.1: faulty framing
    if codings[0].lower() != b"chunked":
        raise MalformedMessage("unknown Transfer-Encoding", status=501)
    return CHUNKED


def response_framing(
    method: bytes, status: int, version: int, lengths: Sequence[bytes], codings: Sequence[bytes]
) -> Framing:
    """
    Decide how the body of the answer to a *method* request is delimited (RFC 9112 6.3).

    The fields are checked like a request's even where the answer has no body.

    Raises:
        MalformedMessage: Not exactly one reading.
    """
    framing = request_framing(version, lengths, codings)
    if method == b"HEAD" or status < 200 or status in (204, 304):
        return NO_BODY
    return UNTIL_CLOSE if framing == NO_BODY else framing


def encode_chunk(data: bytes) -> bytes:
    """Return *data* as one chunk; b"" for no data, because an empty chunk would end the body."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


Framer = Callable[[bytes, bool], bytes]
"""Payload, and whether the body ends behind it, to octets for a connection: one of the next two."""


def in_chunks(payload: bytes, done: bool) -> bytes:
    """Frame *payload* as one chunk, and end the body when *done* (RFC 9112 section 7.1)."""
    framed = encode_chunk(payload)
    return framed + LAST_CHUNK if done else framed


def as_it_is(payload: bytes, done: bool) -> bytes:  # noqa: ARG001
    """Frame by a length announced before, or by the end of the connection."""
    return payload


class BodyDecoder(Protocol):
    """
    Takes a body off a connection.

    Attributes:
        done: The body is complete.
        surplus: Octets that were fed but lie behind its end.
    """

    done: bool
    surplus: bytes

    def feed(self, data: bytes) -> bytes:
        """
        Take *data* and return the payload in it, b"" if there is none (yet).

        Raises:
            MalformedMessage: The octets are no body of this kind; the decoder is of no use any more.
        """

    def eof(self) -> None:
        """
        Learn that nothing more will come.

        Raises:
            MalformedMessage: The body is cut off.
        """


def decoder_for(framing: Framing) -> BodyDecoder:
    """Return a new decoder for a body delimited by *framing*; for `NO_BODY` one that is done."""
    if framing >= NO_BODY:
        return LengthDecoder(max(framing, 0))
    return ChunkedDecoder() if framing == CHUNKED else UntilCloseDecoder()


class LengthDecoder:
    """A body of *length* octets (RFC 9112 6.2)."""

    __slots__ = ("_left", "done", "surplus")

    def __init__(self, length: int) -> None:
        self._left = length
        self.done = length == 0
        self.surplus = b""

    def feed(self, data: bytes) -> bytes:
        """Return what of *data* belongs to the body."""
        left = self._left - len(data)
        if left > 0:
            self._left = left
            return data
        if left < 0:
            self.surplus += data[self._left :]
            data = data[: self._left]
        self._left = 0
        self.done = True
        return data

    @property
    def left(self) -> int:
        """Octets that are still to come."""
        return self._left

    def skip(self, count: int) -> None:
        """Note that the next *count* octets, all of the body, go their way without being seen here."""
        self._left -= count
        self.done = self._left == 0

    def eof(self) -> None:
        """Refuse a body that is cut off."""
        if not self.done:
            raise MalformedMessage(f"body cut off, {self._left} octets missing")


class UntilCloseDecoder:
    """A body that ends with the connection (RFC 9112 6.3, item 8)."""

    __slots__ = ("done", "surplus")

    left = _MAX_LENGTH

    def __init__(self) -> None:
        self.done = False
        self.surplus = b""

    def feed(self, data: bytes) -> bytes:
        """Return *data*: all of it belongs to the body."""
        return data

    def skip(self, count: int) -> None:
        """See `LengthDecoder.skip`."""

    def eof(self) -> None:
        """Note that this was the regular end."""
        self.done = True


class _Part(enum.Enum):
    """What a `ChunkedDecoder` expects next; `ChunkedDecoder.feed` makes every transition."""

    SIZE = enum.auto()
    DATA = enum.auto()
    DATA_END = enum.auto()
    TRAILERS = enum.auto()


# RFC 9112 7.1: chunk-size [ chunk-ext ] CRLF.  16 digits and 63 bits instead of any number.  Blanks behind the size
# are no part of the grammar, but h11 and nginx take them (old servers pad the size); like h11, not before ";".
_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,16}+)(?:;" + VALUE + rb"|[ \t]*+)\r\n")
_SIZE_BEGUN = re.compile(rb"[0-9A-Fa-f]{1,16}+(?:;" + VALUE + rb"|[ \t]*+)\r?+")
_TRAILER_BLOCK = re.compile(field_lines(TOKEN))
_TRAILER_BEGUN = re.compile(field_lines(TOKEN) + rb"(?:\r|" + TOKEN + rb"(?::" + VALUE + rb"\r?+)?+)?+")


class ChunkedDecoder:
    """
    A chunked body (RFC 9112 7.1).

    Args:
        line: Octets that one size line may have, extensions and CRLF included.
        trailer: Octets that the trailer section may have.

    Attributes:
        trailers: The field block behind the last chunk, validated; it never becomes part of a head.
    """

    __slots__ = ("_left", "_line_limit", "_part", "_pending", "_trailer_limit", "done", "surplus", "trailers")

    def __init__(self, line: int = 1024, trailer: int = 8192) -> None:
        self._line_limit, self._trailer_limit = line, trailer
        self._part = _Part.SIZE
        self._left = 0  # octets of the current chunk that are still to come
        self._pending = b""  # the beginning of a size line, of the CRLF behind data, or of the trailers
        self.done = False
        self.surplus = b""
        self.trailers = b""

    def feed(self, data: bytes) -> bytes:
        """Return the payload of the chunks in *data*, joined."""
        if self.done:
            self.surplus += data
            return b""
        if self._part is _Part.DATA and len(data) < self._left:  # a piece of a large chunk: nothing to do
            self._left -= len(data)
            return data
        if self._pending:
            data, self._pending = self._pending + data, b""
        payload: list[bytes] = []
        at = 0
        while at < len(data) and not self.done:
            if self._part is _Part.SIZE:
                at = self._size(data, at)
            elif self._part is _Part.DATA:
                piece = data[at : at + self._left]
                payload.append(piece)
                at += len(piece)
                self._left -= len(piece)
                if not self._left:
                    self._part = _Part.DATA_END
            elif self._part is _Part.DATA_END:
                at = self._data_end(data, at)
            else:
                at = self._trailers(data, at)
        return payload[0] if len(payload) == 1 else b"".join(payload)

    def eof(self) -> None:
        """Refuse a body whose last chunk, or the empty line behind it, is missing."""
        if not self.done:
            raise MalformedMessage("chunked body cut off")

    def _size(self, data: bytes, at: int) -> int:
        """Read a size line, or keep what there is of it; return where to go on."""
        end = at + self._line_limit
        match = _SIZE_LINE.match(data, at, end)
        if match is None:
            if len(data) >= end or not _SIZE_BEGUN.fullmatch(data, at):
                raise MalformedMessage("invalid chunk size line")
            self._pending = data[at:]
            return len(data)
        self._left = int(match[1], 16)  # the match admits hexadecimal digits only
        if self._left > _MAX_LENGTH:
            raise MalformedMessage("chunk size beyond 63 bits")
        self._part = _Part.DATA if self._left else _Part.TRAILERS
        return match.end()

    def _data_end(self, data: bytes, at: int) -> int:
        """Check the CRLF behind a chunk's data."""
        found = data[at : at + 2]
        if found == b"\r\n":
            self._part = _Part.SIZE
        elif found == b"\r":
            self._pending = found
        else:
            raise MalformedMessage("no CRLF behind chunk data")
        return at + len(found)

    def _trailers(self, data: bytes, at: int) -> int:
        """Read the trailer section (RFC 9112 7.1.2) and the empty line behind it, or keep what there is."""
        end = at + self._trailer_limit
        block = _TRAILER_BLOCK.match(data, at, end)
        stop = block.end() if block else at
        if stop + 2 <= end and data[stop : stop + 2] == b"\r\n":
            self.trailers = data[at:stop]
            self.surplus = data[stop + 2 :]
            self.done = True
        elif len(data) >= end or not _TRAILER_BEGUN.fullmatch(data, at):
            raise MalformedMessage("invalid trailer section")
        else:
            self._pending = data[at:]
        return len(data)
