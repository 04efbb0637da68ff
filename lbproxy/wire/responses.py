"""
Heads of HTTP/1 answers: recognise the common ones, let h11 say what is wrong with the others.

As with requests (see `lbproxy.wire.requests`), whatever gets through, h11 accepts too, with the same meaning; beyond
it, folded lines, control characters in values and every doubt about the framing are refused.  Applications behind
uWSGI answer in nearly the same words: `lbproxy.wire.uwsgi` uses what stands here.
"""

from __future__ import annotations

import re
from functools import lru_cache, wraps
from typing import Protocol

from lbproxy.errors import MalformedMessage
from lbproxy.wire import grammar
from lbproxy.wire.authority import judge_response
from lbproxy.wire.body import UNTIL_CLOSE, parse_length, response_framing
from lbproxy.wire.heads import MOST_REMEMBERED, REMEMBERED, ResponseHead, by_name, framing_fields, read_connection

_STATUS_LINE = rb"HTTP/1\.([0-9]) ([1-9][0-9]{2})(?: (" + grammar.VALUE + rb"))?+\r\n"
_RESPONSE = re.compile(_STATUS_LINE + rb"(" + grammar.field_lines(grammar.TOKEN) + rb")\r\n")
_RESPONSE_FIELDS = re.compile(
    rb"\n(?=[CTUctu][ORPorp])(?i:(con(?:nection|tent-length)|transfer-encoding|upgrade)):[ \t]*+([^\r]*+)"
)


class ResponseParser(Protocol):
    """What reads the head of an answer: `parse_response` here and in uwsgi."""

    def __call__(
        self, buf: bytes, method: bytes, searched: int = 0, limit: int = 65536
    ) -> ResponseHead | None:
        """See `parse_response`."""


def remembering(parse: ResponseParser) -> ResponseParser:
    """Return *parse* with a memory for short heads: equal ones are one object."""

    @lru_cache(maxsize=MOST_REMEMBERED)
    def short(octets: bytes, to_head: bool) -> ResponseHead | None:
        return parse(octets, b"HEAD" if to_head else b"GET", 0, REMEMBERED)

    @wraps(parse)
    def parse_known(buf: bytes, method: bytes, searched: int = 0, limit: int = 65536) -> ResponseHead | None:
        end = buf.find(b"\r\n\r\n", searched - 3 if searched > 3 else 0) + 4
        if 4 <= end <= limit and end <= REMEMBERED:
            return short(buf[:end], method == b"HEAD")
        return parse(buf, method, searched, limit)

    return parse_known


@remembering
def parse_response(buf: bytes, method: bytes, searched: int = 0, limit: int = 65536) -> ResponseHead | None:
    """
    Read the head of an answer to a *method* request; interim ones (1xx) are heads like any other.

    Args:
        buf: What the server has sent since its last answer.
        method: Of the request; an answer to HEAD has no body.
        searched: How many octets of *buf* an earlier call has seen, which found no end.
        limit: Octets that the head may have.

    Returns:
        The head, or None while its end is missing.

    Raises:
        MalformedMessage: It is refused; *status* is 502.
    """
    head = read_response_lines(buf, searched, limit)
    if head is not None:
        read_response_fields(head, method, head.version)
    return head


def read_response_lines(buf: bytes, searched: int, limit: int) -> ResponseHead | None:
    """Do what `parse_response` does, but leave to `read_response_fields` what the fields mean."""
    if not buf.startswith(b"HTTP/1.") and not b"HTTP/1.".startswith(buf):
        raise MalformedMessage("no valid HTTP/1.x header", 502)
    found = recognise(_RESPONSE, buf, searched, limit)
    if found is None:
        return None
    match, size = found
    minor, status, reason, block = match.groups()
    return ResponseHead(int(status), reason or b"", 10 if minor == b"0" else 11, block, size)


def recognise(
    pattern: re.Pattern[bytes], buf: bytes, searched: int, limit: int, prefix: bytes = b""
) -> tuple[re.Match[bytes], int] | None:
    """
    Match a server's head against *pattern*, directly or with its line ends mended; what then fails, h11 names.

    Args:
        pattern: Must match the head from its first octet to the empty line.
        buf: As for `parse_response`.
        searched: As for `parse_response`.
        limit: As for `parse_response`.
        prefix: What makes the head one that h11 can judge (the status line that a CGI head lacks).

    Returns:
        The match and the octets of the head as received, or None while its end is missing.

    Raises:
        MalformedMessage: It is too long, or refused; *status* is 502.
    """
    end = buf.find(b"\r\n\r\n", searched - 3 if searched > 3 else 0) + 4
    if 4 <= end <= limit and (match := pattern.fullmatch(buf, 0, end)):
        return match, end
    end = grammar.head_end(buf, 0, searched)
    if end > limit or (end < 0 and len(buf) >= limit):
        raise MalformedMessage("too big header", 502)
    if end < 0:
        return None
    head = b"\r\n".join(grammar.split_lines(buf[:end])) + b"\r\n\r\n"
    match = pattern.fullmatch(head)
    if match is None:
        judge_response(prefix + head)
        raise MalformedMessage("folded line or control character in the header", 502)
    return match, end


def read_response_fields(head: ResponseHead, method: bytes, version: int) -> None:
    """
    Decide framing and persistence of *head* by its special fields.

    Args:
        head: With its field block.
        method: Of the request.
        version: 10 or 11, whose rules of framing hold.

    Raises:
        MalformedMessage: The fields do not have exactly one reading.
    """
    try:
        found = by_name(_RESPONSE_FIELDS.findall(b"\n" + head.block))
        lengths, codings = framing_fields(found)
        head.framing = response_framing(method, head.status, version, lengths, codings)
        for length in lengths:
            head.content_length = b"%d" % parse_length(length)
    except MalformedMessage as error:
        raise MalformedMessage(error.reason, 502) from error
    connection = found.get(b"connection")
    if connection is not None:
        read_connection(head, connection, found.get(b"upgrade"))
    if head.framing == UNTIL_CLOSE:
        head.keep_alive = False
