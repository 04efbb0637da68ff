"""
The uwsgi protocol: CGI variables to one packet and back, and the head of what comes in answer.

A packet is modifier1 u8, size u16 LE, modifier2 u8, then *size* octets of entries, each key length u16 LE,
key, value length u16 LE, value (uWSGI: core/protocol.c, uwsgi_parse_vars).  The request body follows the
packet raw.  The answer is HTTP or CGI text that ends with the connection or a length.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence

from lbproxy.errors import MalformedMessage
from lbproxy.wire import grammar
from lbproxy.wire.heads import ResponseHead
from lbproxy.wire.responses import read_response_fields, read_response_lines, recognise, remembering
from lbproxy.wire.status import STATUS_REASONS

Param = tuple[bytes, bytes]

MAX_PACKET = 0xFFFF

_HEADER = struct.Struct("<BHB")
_LENGTH = struct.Struct("<H")
_LENGTHS = tuple(_LENGTH.pack(length) for length in range(512))  # of most values; packing each anew costs more
_CGI_HEAD = re.compile(rb"(" + grammar.field_lines(grammar.TOKEN) + rb")\r\n")
_NAME_START = re.compile(grammar.TOKEN)
_CGI_STATUS = re.compile(rb"([1-9][0-9]{2})(?:[ \t]++(.*+))?+")


def encode_name(name: bytes) -> bytes:
    """Return *name* as `encode_entries` wants it; raises MalformedMessage (431) if it is over 65535 octets."""
    return _length(name) + name


def encode_entries(entries: Sequence[Param]) -> bytes:
    """
    Return variables as they stand in a packet; several such pieces may follow each other in one.

    Args:
        entries: (name, value) pairs whose names `encode_name` has made.

    Raises:
        MalformedMessage: A value is over 65535 octets (431).
    """
    parts: list[bytes] = []
    try:
        for name, value in entries:
            parts += (name, _LENGTHS[len(value)], value)
    except IndexError:
        parts = [part for name, value in entries for part in (name, _length(value), value)]
    return b"".join(parts)


def encode_packet(entries: bytes, modifier1: int = 0, modifier2: int = 0) -> bytes:
    """
    Return the packet of variables (RFC 3875, section 4.1).

    Args:
        entries: As `encode_entries` has made them.
        modifier1: Request kind, 0-255; 0 is WSGI.
        modifier2: Its variant, 0-255.

    Raises:
        MalformedMessage: The entries exceed 65535 octets, which no length field can tell (answer 431).
    """
    if len(entries) > MAX_PACKET:
        raise MalformedMessage(f"uwsgi packet of {len(entries)} octets, limit 65535", status=431)
    return _HEADER.pack(modifier1, len(entries), modifier2) + entries


def _length(string: bytes) -> bytes:
    """Return the length of *string* as it stands in a packet."""
    if len(string) > MAX_PACKET:
        raise MalformedMessage(f"uwsgi variable of {len(string)} octets, limit 65535", status=431)
    return _LENGTH.pack(len(string))


def decode_packet(buf: bytes) -> tuple[list[Param], int, int, int] | None:
    """
    Read one packet from the beginning of *buf*.

    Returns:
        The variables, modifier1, modifier2 and the octets the packet took, or None while some are missing.

    Raises:
        MalformedMessage: The entries do not fill the packet exactly, or a name is empty.
    """
    if len(buf) < 4:
        return None
    modifier1, size, modifier2 = _HEADER.unpack_from(buf)
    end = 4 + size
    if len(buf) < end:
        return None
    params: list[Param] = []
    at = 4
    while at < end:
        name, at = _take(buf, at, end)
        value, at = _take(buf, at, end)
        if not name:
            raise MalformedMessage("empty name in a uwsgi packet")
        params.append((name, value))
    return params, modifier1, modifier2, end


def count_variables(packet: bytes) -> int:
    """Return the number of variables in a whole encoded *packet*."""
    decoded = decode_packet(packet)
    return len(decoded[0]) if decoded is not None else 0


def _take(buf: bytes, at: int, end: int) -> tuple[bytes, int]:
    """Return the string at *at* and where it ends, which is not behind *end*."""
    start = at + 2
    stop = start + _LENGTH.unpack_from(buf, at)[0] if start <= end else end + 1
    if stop > end:
        raise MalformedMessage("uwsgi packet with an entry that is cut off")
    return buf[start:stop], stop


@remembering
def parse_response(buf: bytes, method: bytes, searched: int = 0, limit: int = 65536) -> ResponseHead | None:
    """
    Read the head of an answer: HTTP if it begins with a status line, else CGI (RFC 3875, section 6).

    In a CGI head ``Status`` gives status and reason; without one it is 302 where there is a Location, else
    200.  A ``Transfer-Encoding: chunked`` is the application's own, passed on by uWSGI as it is: such a body
    is to be decoded, whatever the version.  Connections are never kept.

    Args:
        buf: What the server has sent.
        method: Of the request; an answer to HEAD has no body.
        searched: How many octets of *buf* an earlier call has seen, which found no end.
        limit: Octets that the head may have.

    Returns:
        The head, or None while its end is missing.

    Raises:
        MalformedMessage: It is refused; *status* is 502.
    """
    if b"HTTP/".startswith(buf[:5]):  # also while there are fewer than five octets
        head = read_response_lines(buf, searched, limit)
    else:
        head = _read_cgi_lines(buf, searched, limit)
    if head is not None:
        read_response_fields(head, method, version=11)
        head.keep_alive = False
    return head


def _read_cgi_lines(buf: bytes, searched: int, limit: int) -> ResponseHead | None:
    if not _NAME_START.match(buf):
        raise MalformedMessage("neither an HTTP nor a CGI header", 502)
    found = recognise(_CGI_HEAD, buf, searched, limit, prefix=b"HTTP/1.1 200 OK\r\n")
    if found is None:
        return None
    match, size = found
    head = ResponseHead(200, b"OK", 11, match[1], size)
    status = head.get(b"status")
    if status is not None:
        parsed = _CGI_STATUS.fullmatch(status)
        if parsed is None:
            raise MalformedMessage("invalid Status in a CGI header", 502)
        head.status, head.reason = int(parsed[1]), parsed[2] or b""
    elif head.get(b"location") is not None:
        head.status, head.reason = 302, STATUS_REASONS[302]
    return head
