"""
Heads of HTTP/1 requests: recognise the common ones, ask h11 about the others.

One expression recognises a whole head: upper-case method, CRLF everywhere, nothing odd in a name or a value.  A head
that it does not match is mended first, if it is complete: bare LF becomes CRLF (RFC 9112 2.2), and fields that nginx
would drop are dropped.  What is then still not recognised goes to h11, which accepts it or names the error.

Whatever gets through, h11 accepts too, with the same meaning; hypothesis holds the expression to that.  h11 never sees
blank lines before a request (RFC 9112 2.2), nor a field with a visible but invalid name, which is dropped unless
``ignore_invalid_headers off``: those two apart, nothing that it refuses gets through.  Beyond h11 this module refuses

* lower-case methods, CONNECT and TRACE (405), versions other than HTTP/1.x (505),
* line folding and control characters in values,
* an invalid Host, repeats of fields that may stand once (nginx: ngx_http_process_unique_header_line),
* everything that `lbproxy.wire.body` does not read as exactly one framing.

The parser takes the octets received so far and is called again with more.  The verdict does not depend on how the
octets were cut: each check that an incomplete head can fail comes first on a complete one as well.
"""

from __future__ import annotations

import re
from functools import lru_cache

from lbproxy.errors import MalformedMessage
from lbproxy.wire import grammar, uri
from lbproxy.wire.authority import judge_request
from lbproxy.wire.body import request_framing
from lbproxy.wire.heads import (
    MOST_REMEMBERED,
    REMEMBERED,
    HeadLimits,
    RequestHead,
    by_name,
    framing_fields,
    read_connection,
)

TOO_LARGE = "Request Header Or Cookie Too Large"
"""The reason given when fields exceed a limit; nginx shows a page of this title (see `FIELDS_TOO_LARGE` in status)."""

_LINE = rb"(" + grammar.METHOD + rb") (" + grammar.TARGET + rb") HTTP/1\.([0-9])"


def _request_pattern(name: bytes) -> re.Pattern[bytes]:
    return re.compile(rb"(" + _LINE + rb")\r\n(" + grammar.field_lines(name) + rb")\r\n")


_REQUEST = _request_pattern(grammar.PLAIN_NAME)
_REQUEST_UNDERSCORES = _request_pattern(grammar.UNDERSCORE_NAME)
_REQUEST_TOKENS = _request_pattern(grammar.TOKEN)

_REQUEST_LINE = re.compile(_LINE)
_REQUEST_START = re.compile(rb"(" + _LINE + rb")\r\n")
_PLAIN_FIELDS = re.compile(grammar.field_lines(grammar.PLAIN_NAME))
_UNDERSCORE_FIELDS = re.compile(grammar.field_lines(grammar.UNDERSCORE_NAME))

_OTHER_VERSION = re.compile(grammar.METHOD + rb" " + grammar.TARGET + rb" HTTP/[2-9](?:\.[0-9]+)?+")

# The fields that a request's reading depends on, and those nginx takes once only.  The first two letters tell
# most other lines apart.
_REQUEST_FIELDS = re.compile(
    rb"\n(?=[HCTEUAIhcteuai][ORXPUFNorxpufn])"
    rb"(?i:(host|con(?:nection|tent-(?:length|range))|transfer-encoding|expect|upgrade|authorization"
    rb"|if-(?:match|none-match|modified-since|unmodified-since|range))):[ \t]*+([^\r]*+)"
)
_NO_PROXY_METHODS = frozenset((b"CONNECT", b"TRACE"))  # 405 as in nginx: no tunnels, no echo of credentials
_PLAIN_LINE = re.compile(grammar.PLAIN_NAME + rb":")
_UNDERSCORE_LINE = re.compile(grammar.UNDERSCORE_NAME + rb":")
_VISIBLE_LINE = re.compile(rb"[\x21-\x39\x3b-\x7e]++:" + grammar.VALUE)


def parse_request(buf: bytes, limits: HeadLimits, searched: int = 0) -> RequestHead | None:
    """
    Read the head of a request.

    Args:
        buf: What the client has sent since its last request; whatever follows the head is left alone.
        limits: Bounds, and what to do with names that nginx calls invalid.
        searched: How many octets of *buf* an earlier call has seen, which found no end.

    Returns:
        The head, or None while its end is missing.

    Raises:
        MalformedMessage: It is refused; *status* is 400, 405, 414, 501 or 505.
    """
    end = buf.find(b"\r\n\r\n", searched - 3 if searched > 3 else 0) + 4
    if 4 <= end <= limits.harmless:
        plain = _known_request if end <= REMEMBERED else _plain_request
        head = plain(buf[:end], limits.underscores)
        if head is not None:
            return head
    return _parse_uncommon_request(buf, limits, searched)


def _plain_request(octets: bytes, underscores: bool) -> RequestHead | None:
    """Return the head that *octets* are, None if it is not one of the plain ones; raise for what it must not say."""
    match = _REQUEST_START.match(octets)
    if match is None:
        return None
    line, method, target, minor = match.groups()
    known = _known_fields if len(octets) <= REMEMBERED else _known_fields.__wrapped__
    model = known(octets[match.end() : -2], minor != b"0", underscores)
    if model is None:
        return None
    _check_target(method, target)
    return model.again(line, method, target, len(octets))


_known_request = lru_cache(maxsize=MOST_REMEMBERED)(_plain_request)


@lru_cache(maxsize=MOST_REMEMBERED)
def _known_fields(block: bytes, persistent: bool, underscores: bool) -> RequestHead | None:
    """
    Return a head with what *block* says, its start line still to come; None if the block is not a plain one.

    Args:
        block: The field lines.
        persistent: Whether the version is 1.1.
        underscores: As in `HeadLimits`.
    """
    match = (_UNDERSCORE_FIELDS if underscores else _PLAIN_FIELDS).fullmatch(block)
    return _read_fields(block, 11 if persistent else 10) if match else None


def _parse_uncommon_request(buf: bytes, limits: HeadLimits, searched: int) -> RequestHead | None:
    """Read a head that is incomplete, long, or not written as most clients write theirs."""
    start = grammar.blank_lines(buf)
    if start > grammar.MAX_BLANK:
        raise MalformedMessage("too many blank lines before the request")
    if buf[start:] in (b"", b"\r") or not _request_line_seen(buf, start, limits, searched):
        return None
    end = grammar.head_end(buf, start, searched)
    if end < 0:
        fields = buf.index(b"\n", start) + 1
        unseen = max(fields, buf.rfind(b"\n", fields, searched) + 1)
        if len(buf) >= limits.total or _has_long_line(buf[unseen:], limits.field):
            raise MalformedMessage(TOO_LARGE)
        return None
    head = buf[start:end]
    if (
        end > limits.total
        or head.count(b"\n") - 2 > limits.count
        or _has_long_line(head[head.index(b"\n") + 1 :], limits.field)
    ):
        raise MalformedMessage(TOO_LARGE)
    pattern = _REQUEST_UNDERSCORES if limits.underscores else _REQUEST
    match = pattern.fullmatch(head)
    if match is None:
        head = _mend_request(head, limits)
        match = pattern.fullmatch(head)
    return _read_request(match, end) if match else _ask_h11(head, end)


def _mend_request(head: bytes, limits: HeadLimits) -> bytes:
    """Return *head* with CRLF for every line end, without the fields that nginx would drop."""
    lines = grammar.split_lines(head)
    if limits.ignore_invalid:
        valid = (_UNDERSCORE_LINE if limits.underscores else _PLAIN_LINE).match
        lines[1:] = [line for line in lines[1:] if valid(line) or not _VISIBLE_LINE.fullmatch(line)]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _ask_h11(head: bytes, size: int) -> RequestHead:
    """Make of *head* what h11 lets pass and we understand; raise h11's reason or ours."""
    match = _REQUEST_TOKENS.fullmatch(head)
    parsed = _read_request(match, size) if match else None
    judge_request(head)
    if parsed is None:  # h11 takes folds and some control characters
        raise MalformedMessage("folded line or control character in the request's fields")
    return parsed


def _request_line_seen(buf: bytes, start: int, limits: HeadLimits, searched: int) -> bool:
    """Say whether the request line at *start* is complete; check it once, as early as it can be."""
    if not b"A" <= buf[start : start + 1] <= b"Z":  # TLS on a plain port, for one, may never send a line end
        raise MalformedMessage("invalid method")
    newline = buf.find(b"\n", start, start + limits.line)
    if newline < 0:
        if len(buf) - start >= limits.line:
            raise MalformedMessage("request line too long", status=414)
        return False
    if newline >= searched:
        line = buf[start:newline].removesuffix(b"\r")
        if not _REQUEST_LINE.fullmatch(line):
            if _OTHER_VERSION.fullmatch(line):
                raise MalformedMessage("HTTP version not supported", status=505)
            raise MalformedMessage("invalid request line")
    return True


def _has_long_line(lines: bytes, limit: int) -> bool:
    """Say whether one of *lines*, of which the last may be incomplete, has more than *limit* octets with its LF."""
    return len(lines) >= limit and max(map(len, lines.split(b"\n"))) >= limit


def _read_request(match: re.Match[bytes], size: int) -> RequestHead:
    """Make the head from a *match* of one of the request patterns; raise for what it must not say."""
    line, method, target, minor, block = match.groups()
    _check_target(method, target)
    return _read_fields(block, 10 if minor == b"0" else 11).again(line, method, target, size)


def _read_fields(block: bytes, version: int) -> RequestHead:
    """Return a head without a start line that says what *block* says; raise for what that must not be."""
    head = RequestHead(b"", b"", b"*", version, block, size=0)
    found = by_name(_REQUEST_FIELDS.findall(b"\n" + block))
    host = found.pop(b"host", None)
    if host is not None:
        head.host, head.host_name = host, uri.parse_host(host)
    elif version == 11:
        raise MalformedMessage("HTTP/1.1 request without Host")
    if found:
        _read_request_fields(head, found)
    return head


def _check_target(method: bytes, target: bytes) -> None:
    """Refuse methods and targets that no resource here can have (RFC 9112 3.2)."""
    if method in _NO_PROXY_METHODS:
        raise MalformedMessage(f"method {method.decode()}", status=405)
    if not target.startswith(b"/"):
        name = uri.authority(target)
        if name is None:  # "*" included: nobody here speaks for a server as a whole, nor does nginx
            raise MalformedMessage("invalid request target")
        uri.parse_host(name)


def _read_request_fields(head: RequestHead, found: dict[bytes, bytes]) -> None:
    """Decide what the special fields *found*, by lower-case name, say about the message."""
    if b"content-length" in found or b"transfer-encoding" in found:
        head.framing = request_framing(head.version, *framing_fields(found))
        if head.framing >= 0:
            head.content_length = b"%d" % head.framing
    connection = found.get(b"connection")
    if connection is not None:
        read_connection(head, connection, found.get(b"upgrade"))
    expect = found.get(b"expect")
    if expect is not None:
        head.expect_continue = head.version == 11 and expect.lower() == b"100-continue"
