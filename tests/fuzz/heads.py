"""Targets: heads of requests, and of answers from HTTP and uwsgi servers."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial

from lbproxy.errors import MalformedMessage
from lbproxy.wire import grammar, uri, uwsgi
from lbproxy.wire.body import NO_BODY
from lbproxy.wire.fields import parse_block
from lbproxy.wire.heads import Head, HeadLimits, RequestHead, ResponseHead
from lbproxy.wire.requests import parse_request
from lbproxy.wire.responses import ResponseParser, parse_response
from tests.fuzz.ways import choose, read_head
from tests.support import h11_reading
from tests.support.wire import summary

LIMITS = (
    HeadLimits(),
    HeadLimits(underscores=True),
    HeadLimits(ignore_invalid=False),
    HeadLimits(line=40, field=30, total=160, count=5),
)
"""What the first octet of an input chooses among."""
ANSWER_KINDS = ((b"GET", 65536), (b"HEAD", 65536), (b"GET", 90))
"""The same for answers: the request's method, and the octets a head may have."""

REFUSALS = frozenset({400, 405, 414, 501, 505})
_BLOCK = re.compile(grammar.field_lines(grammar.TOKEN))


def read_request(octets: bytes, limits: HeadLimits) -> RequestHead | None:
    """Return the head that *octets* begin with, if it is accepted; however it is cut it must be the same."""
    return read_head(lambda buf, searched: parse_request(buf, limits, searched), octets, REFUSALS)


def request_head(data: bytes) -> None:
    """An accepted head has one reading, h11's; written anew it is the same head; its path is safe."""
    limits, octets = choose(data, LIMITS)
    head = read_request(octets, limits)
    if head is None:
        return
    _check_block(head)
    reading = h11_reading.read_request(h11_reading.as_mended(octets[: head.size], limits))
    assert reading is not None, "h11 refuses it"
    version = b"1.0" if head.version == 10 else reading.start[2]
    assert reading.start == (head.method, head.target, version)
    assert reading.fields == h11_reading.as_told(head)
    assert reading.framing == (head.framing or NO_BODY)
    alone = parse_request(octets[: head.size], limits)
    assert summary(alone) == summary(head), "what follows matters"
    written = head.line + b"\r\n" + head.block + b"\r\n"
    again = parse_request(written, replace(limits, line=65536, field=65536, total=65536))
    assert again is not None
    assert summary(again) == {**(summary(head) or {}), "size": len(written)}
    assert len(head.get_all(b"host")) == (head.host is not None)
    assert not {b"host", b"content-length", b"transfer-encoding", b"close"} & set(head.connection_tokens)
    assert head.upgrade is None or b"h2c" not in re.split(rb"[ \t,/]+", head.upgrade.lower())
    for merge in (True, False):
        _check_path(head, merge)


def _check_path(head: RequestHead, merge: bool) -> None:
    try:
        path = head.path(merge)
    except MalformedMessage as error:
        assert error.status == 400
        return
    assert path == b"*" or (path.startswith(b"/") and not {b".", b".."} & set(path.split(b"/")))
    assert b"\0" not in path
    assert uri.normalise(uri.escape(path), merge) == path


def _check_block(head: Head) -> None:
    """Assert that the field block is lines of the grammar, and nothing else."""
    assert _BLOCK.fullmatch(head.block), head.block
    assert head.fields() == parse_block(head.block)
    assert len(head.fields()) == head.block.count(b"\r\n") == head.block.count(b"\n") == head.block.count(b"\r")


def _answer_head(parse: ResponseParser, data: bytes) -> tuple[ResponseHead, bytes, bytes] | None:
    """Return an accepted head, the request's method, and the octets of the head; None for other inputs."""
    (method, limit), octets = choose(data, ANSWER_KINDS)
    head = read_head(lambda buf, searched: parse(buf, method, searched, limit), octets, {502})
    if head is None:
        return None
    _check_block(head)
    assert head.size <= limit
    alone = parse(octets[: head.size], method, 0, limit)
    assert summary(alone) == summary(head), "what follows matters"
    assert 100 <= head.status <= 999
    assert not re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", head.reason)
    assert head.framing == NO_BODY or (method != b"HEAD" and head.status >= 200 and head.status not in {204, 304})
    return head, method, octets[: head.size]


def response_head(data: bytes) -> None:
    """An accepted head of an HTTP server has one reading, h11's; written anew it is the same head."""
    found = _answer_head(parse_response, data)
    if found is None:
        return
    head, method, octets = found
    _agree_with_h11(head, octets, method)
    written = b"HTTP/1.%d %d %b\r\n%b\r\n" % (head.version - 10, head.status, head.reason, head.block)
    assert summary(parse_response(written, method)) == {**(summary(head) or {}), "size": len(written)}


def uwsgi_head(data: bytes) -> None:
    """The same for what comes from uWSGI, HTTP or CGI; there h11 is asked about the fields."""
    found = _answer_head(uwsgi.parse_response, data)
    if found is None:
        return
    head, method, octets = found
    assert not head.keep_alive
    line = b"" if octets.startswith(b"HTTP/") else b"HTTP/1.1 %d %b\r\n" % (head.status, head.reason)
    # an application's own chunks are read as such in HTTP/1.0 too: h11 shall not see that version
    _agree_with_h11(head, re.sub(rb"\AHTTP/1\.0", b"HTTP/1.1", line + octets), method)
    parse = partial(uwsgi.parse_response, method=method)
    written = b"HTTP/1.%d %d %b\r\n%b\r\n" % (head.version - 10, head.status, head.reason, head.block)
    again = parse(written)
    assert again is not None
    assert (again.status, again.framing, again.fields()) == (head.status, head.framing, head.fields())


def _agree_with_h11(head: ResponseHead, octets: bytes, method: bytes) -> None:
    reading = h11_reading.read_response(octets, method)
    assert reading is not None, "h11 refuses it"
    assert reading.start[:2] == (head.status, head.reason)
    assert reading.fields == h11_reading.as_told(head)
    assert reading.framing == (head.framing or NO_BODY)
