"""
Parts of a file (RFC 9110 section 14).

Which requests get parts is decided as in src/http/modules/ngx_http_range_filter_module.c: what is asked for must be
in bytes, all of it must be well-formed, and together it may not be more than the whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_LARGEST = (1 << 63) - 1
# int() raises for thousands of digits, which a field has room for; of 64 it can still be said how much is too much
_SPEC = re.compile(rb" *(?:([0-9]{1,64}) *- *([0-9]{0,64})|-([0-9]{1,64})) *(,|\Z)")


class Range(NamedTuple):
    """Octets *start* to *end* of a file, the latter left out."""

    start: int
    end: int

    def content_range(self, length: int) -> bytes:
        """Return the value of Content-Range, for a file of *length* octets."""
        return b"bytes %d-%d/%d" % (self.start, self.end - 1, length)


def parse_ranges(value: bytes, length: int, most: int) -> list[Range] | None:
    """
    Return the parts of a file of *length* octets that the Range field *value* asks for.

    Args:
        most: The number of parts that one may ask for.

    Returns:
        None: send the whole file. []: there is nothing to send (416).
    """
    if len(value) < 7 or value[:6].lower() != b"bytes=":
        return None
    found: list[Range] = []
    for part in _parts(value, length):
        if part is None:
            return []
        if part.start < part.end:
            found.append(part)
        elif part.start == 0:
            return None
        if len(found) > most:
            return None
    return found if sum(end - start for start, end in found) <= length else None


def _parts(value: bytes, length: int) -> Iterator[Range | None]:
    """Yield what *value* asks for, one by one; a part may be empty, None is a mistake and the end."""
    position, more = 6, True
    while more:
        spec = _SPEC.match(value, position)
        if spec is None:
            yield None
            return
        first, last, suffix = (int(digits) if digits else None for digits in spec.group(1, 2, 3))
        if max(first or 0, last or 0, suffix or 0) > _LARGEST:
            yield None
            return
        yield Range(*_bounds(first, last, suffix, length))
        position, more = spec.end(), spec[4] != b""


def _bounds(first: int | None, last: int | None, suffix: int | None, length: int) -> tuple[int, int]:
    """Return where one part begins and ends; it may be empty."""
    if suffix is not None:
        return max(0, length - suffix), length
    assert first is not None
    return first, length if last is None else min(last + 1, length)


class Multipart:
    """
    Several parts as one body (RFC 9110 section 14.6).

    Args:
        length: Of the whole file.
        content_type: Of the file; b"" if it has none.
        boundary: Any number that the parts are not likely to contain.
    """

    def __init__(self, ranges: Sequence[Range], length: int, content_type: bytes, boundary: int) -> None:
        self._ranges, self._file_length = ranges, length
        self._boundary = b"%020d" % boundary
        self._type = b"Content-Type: %b\r\n" % content_type if content_type else b""
        self.content_type = b"multipart/byteranges; boundary=" + self._boundary
        self.end = b"\r\n--%b--\r\n" % self._boundary

    @property
    def length(self) -> int:
        """Octets of the body."""
        return sum(len(head) + part.end - part.start for head, part in self) + len(self.end)

    def __iter__(self) -> Iterator[tuple[bytes, Range]]:
        """Yield each part with what is to be sent before it; behind the last comes `end`."""
        for part in self._ranges:
            shown = part.content_range(self._file_length)
            yield b"\r\n--%b\r\n%bContent-Range: %b\r\n\r\n" % (self._boundary, self._type, shown), part
