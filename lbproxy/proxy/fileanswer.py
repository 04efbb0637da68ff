"""
The answer that is a file: all of it, parts of it, or that the client has it already.

The order is that of nginx's filters: conditions, what the location does to answers, ranges
(ngx_http_not_modified_filter_module.c, ngx_http_headers_filter_module.c and others, ngx_http_range_filter_module.c).
"""

from __future__ import annotations

import os
import random
import re
import stat
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NamedTuple

from lbproxy.http.accel import merge_into_own
from lbproxy.http.files.conditions import Conditions, conditions, validators
from lbproxy.http.files.ranges import Multipart, Range, parse_ranges
from lbproxy.http.verdict import Answer
from lbproxy.proxy import respond
from lbproxy.proxy.filesend import FileSender
from lbproxy.proxy.logfile import printable
from lbproxy.proxy.pacing import outlet
from lbproxy.wire import uri
from lbproxy.wire.fields import without

if TYPE_CHECKING:
    from lbproxy.http.exchange import Exchange
    from lbproxy.http.files.action import FileAction
    from lbproxy.proxy.connection import Connection

_OF_BODY = frozenset({b"content-type"})
VARY = b"Vary: Accept-Encoding\r\n"
_CONTENT_TYPE = re.compile(rb"(?i)(?:^|(?<=\n))content-type:[ \t]*+([^\r]*)\r\n")


class Opened(NamedTuple):
    """
    A file, open.

    Args:
        path: For messages.
        coding: The field that says how its octets are coded; b"" if they are not.
        vary: The field for caches; b"" where the client's wishes change nothing.
    """

    descriptor: int
    path: bytes
    coding: bytes
    vary: bytes


Sending = Awaitable[None]
"""Sends a whole answer when awaited; raises as `FileSender`."""


class FileAnswer:
    """One answer, made of what *opened* is."""

    __slots__ = ("_action", "_conn", "_ex", "_found", "_known", "_opened", "_size")

    def __init__(self, conn: Connection, ex: Exchange, action: FileAction, opened: Opened) -> None:
        self._conn, self._ex, self._action, self._opened = conn, ex, action, opened
        self._found = found = os.fstat(opened.descriptor)
        self._size = found.st_size
        self._known = validators(int(found[stat.ST_MTIME]), found.st_size, action.settings.etag)

    def compose(self) -> Sending | Answer | int:
        """
        Return what sends the file, or what it is that is sent of it.

        Returns:
            What is to be answered instead, if its kind, the method or the conditions of the request speak against it.
        """
        ex, mode = self._ex, self._found.st_mode
        if not stat.S_ISREG(mode):
            if stat.S_ISDIR(mode):
                place = uri.escape(ex.path) + b"/"
                return Answer(301, location=place + b"?" + ex.args if ex.args else place)
            self._conn.log("crit", f'"{printable(self._opened.path)}" is not a regular file')
            return 404
        if ex.method == b"POST":
            return 405
        asked = None
        if ex.forced_status in (0, 200) and (asked := ex.head.derive(conditions)) is not None:
            status = asked.status(self._known, self._action.settings.if_modified_since)
            if status == 304:
                return self._unchanged()
            if status:
                ex.forced_status = 0
                return status
        return self._compose(asked)

    def _unchanged(self) -> Sending:
        """Return what tells the client that it has the file already."""
        conn, ex = self._conn, self._ex
        if ex.carried:
            ex.carried = without(ex.carried, _OF_BODY)
        head, _ = respond.compose(conn, ex, 304, self._known.lines + self._opened.vary, None)
        return conn.stream.send(head, conn.settings.send_timeout)

    def _compose(self, asked: Conditions | None) -> Sending | int:
        """Return what sends the file, or what is *asked* for of it."""
        conn, ex, size = self._conn, self._ex, self._size
        ex.status = ex.forced_status or 200
        fields, framed = self._fields(), None
        if ex.carried:
            fields = merge_into_own(ex.carried, fields)
        if conn.route.filters is not None:
            fields, framed = respond.apply_filters(
                conn, ex, conn.route.filters, fields, size, bodied=ex.method != b"HEAD"
            )
            if self._opened.vary and fields.count(VARY) > 1:  # the filters have said so too
                fields = fields.replace(VARY, b"", 1)
        if framed is not None:
            framing, framer = framed
            return self._headed(fields, framing, lambda head: self._sender().framed(head, framer, size))
        most = self._action.settings.max_ranges
        if most and ex.status == 200 and not self._opened.coding:
            wanted = asked.wanted_range(self._known) if asked is not None else None
            ranges = parse_ranges(wanted, size, most) if wanted is not None else None
            if ranges is not None:
                return self._compose_ranges(fields, ranges)
            fields += b"Accept-Ranges: bytes\r\n"
        framing = b"Content-Length: %d\r\n" % size
        return self._headed(fields, framing, lambda head: self._sender().part(head, 0, size))

    def _fields(self) -> bytes:
        """Return what there is to say of the file; an error page does not say when it was written (as in nginx)."""
        known, opened, path = self._known, self._opened, self._ex.path
        fields = known.lines if self._ex.status == 200 else known.etag_line
        if opened.coding or opened.vary:
            fields = b"".join((fields, opened.coding, opened.vary))
        media_type = self._action.types.media_type(path)
        return b"Content-Type: %b\r\n%b" % (media_type, fields) if media_type else fields

    def _compose_ranges(self, fields: bytes, ranges: list[Range]) -> Sending | int:
        """Return what sends *ranges* of the file, which has *fields*; 416 if there are none."""
        ex, size = self._ex, self._size
        if not ranges:
            ex.added += b"Content-Range: bytes */%d\r\n" % size
            ex.forced_status = 0
            return 416
        ex.status = 206
        if len(ranges) == 1:
            (part,) = ranges
            fields += b"Content-Range: %b\r\n" % part.content_range(size)
            framing = b"Content-Length: %d\r\n" % (part.end - part.start)
            return self._headed(fields, framing, lambda head: self._sender().part(head, *part))
        named = _CONTENT_TYPE.search(fields)
        multipart = Multipart(ranges, size, named[1] if named is not None else b"", random.getrandbits(64))
        fields = b"Content-Type: %b\r\n%b" % (multipart.content_type, _CONTENT_TYPE.sub(b"", fields, count=1))
        framing = b"Content-Length: %d\r\n" % multipart.length
        return self._headed(fields, framing, lambda head: self._sender().parts(head, multipart))

    def _headed(self, fields: bytes, framing: bytes, body: Callable[[bytes], Sending]) -> Sending:
        """Return what sends the head, and the *body* behind it unless only the head is wanted."""
        conn, ex = self._conn, self._ex
        head = respond.write_head(conn, ex, fields, framing)
        return conn.stream.send(head, conn.settings.send_timeout) if ex.method == b"HEAD" else body(head)

    def _sender(self) -> FileSender:
        opened = self._opened
        conn, by_system = self._conn, self._action.settings.sendfile
        return FileSender(conn, outlet(conn, self._ex), opened.descriptor, opened.path, by_system=by_system)
