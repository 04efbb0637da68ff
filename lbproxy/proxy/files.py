"""
Files for clients: which one a request means, whether it may have it, and what of it.

The order of things is nginx's: a path that ends in "/" is a directory (see `DirectoryServer`), any other a file,
perhaps one that lies there compressed (ngx_http_gzip_static_module.c, ngx_http_static_module.c).
"""

from __future__ import annotations

import os
import random
import re
import stat
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, NamedTuple

from lbproxy.errors import describe
from lbproxy.http.files.conditions import Conditions, Validators, conditions, validators
from lbproxy.http.files.ranges import Multipart, Range, parse_ranges
from lbproxy.http.gzip import accepts_gzip
from lbproxy.http.verdict import Answer
from lbproxy.proxy import respond
from lbproxy.proxy.directories import DirectoryServer
from lbproxy.proxy.filesend import FileSender, FileShrunk
from lbproxy.proxy.filesystem import MISSING, Lookup, status_of
from lbproxy.proxy.logfile import printable
from lbproxy.wire import uri

if TYPE_CHECKING:
    from lbproxy.http.exchange import Exchange
    from lbproxy.http.files.action import FileAction
    from lbproxy.proxy.connection import Connection
    from lbproxy.proxy.dispatch import Verdict

_METHODS = frozenset({b"GET", b"HEAD", b"POST"})
_OK = (0, 200)  # of `Exchange.forced_status`: the answer is an ordinary one
_VARY = b"Vary: Accept-Encoding\r\n"
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


class FileServer:
    """What a location does that serves files."""

    def __init__(self, action: FileAction) -> None:
        self._action = action
        self._root, self._settings = action.root, action.settings
        self._lookup = Lookup(action.symlinks)
        self._directories = DirectoryServer(action, self._lookup)
        self._packs = action.settings.gzip_static != "off"

    async def __call__(self, conn: Connection, ex: Exchange) -> Verdict:
        """Answer *ex* with what its path means; see `Handler`."""
        return await self._serve(conn, ex, self._root.path(ex))

    async def behind_root(self, conn: Connection, ex: Exchange) -> Verdict:
        """Do so with the path put behind a directory that by itself is the path of a file."""
        return await self._serve(conn, ex, self._root.under(ex, ex.path))

    async def _serve(self, conn: Connection, ex: Exchange, path: bytes | None) -> Verdict:
        if ex.method not in _METHODS:
            return 405
        if path is None:
            return self._nowhere(conn, ex)
        if ex.path.endswith(b"/"):
            return await self._directories(conn, ex, path)
        opened = self._open(conn, ex, path)
        if isinstance(opened, int):
            return opened
        try:
            if conn.body is not None:
                conn.body.inspect()
            return await self._answer(conn, ex, opened)
        except FileShrunk:
            conn.cut()
            return 0
        finally:
            os.close(opened.descriptor)

    def _nowhere(self, conn: Connection, ex: Exchange) -> int:
        """Log why *ex* means no file at all, and return the status for it."""
        if not self._root.applies(ex):
            pattern = ex.location.pattern
            conn.log("alert", f'"alias" cannot be used in location "{pattern}" where URI was rewritten')
            return 500
        conn.log("error", f'"{printable(ex.path)}" leads out of the directory of its location')
        return 404

    def _open(self, conn: Connection, ex: Exchange, path: bytes) -> Opened | int:
        """Return what *ex* gets for *path*, or a status."""
        vary = b""
        if self._packs and ex.method != b"POST":
            packed, vary = self._open_packed(conn, ex, path + b".gz")
            if packed is not None:
                return packed
        try:
            return Opened(self._lookup.open(ex, path), path, b"", vary)
        except OSError as error:
            return self._refused(conn, path, error)

    def _open_packed(self, conn: Connection, ex: Exchange, path: bytes) -> tuple[Opened | None, bytes]:
        """Return the compressed file *path* if *ex* gets it; the field that tells caches what that depends on."""
        always, gzip = self._settings.gzip_static == "always", self._action.gzip
        accepted = always or accepts_gzip(ex, gzip, {})
        if not accepted and not gzip.vary:
            return None, b""
        try:
            descriptor = self._lookup.open(ex, path)
        except OSError as error:
            if error.errno not in MISSING:
                self._refused(conn, path, error)
            return None, b""
        vary = _VARY if gzip.vary and not always else b""
        if accepted and not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            return Opened(descriptor, path, b"Content-Encoding: gzip\r\n", vary), vary
        os.close(descriptor)
        return None, vary

    def _refused(self, conn: Connection, path: bytes, error: OSError) -> int:
        level, status = status_of(error)
        if status != 404 or self._settings.log_not_found:
            conn.log(level, f'{self._lookup.opening}() "{printable(path)}" failed {describe(error)}')
        return status

    async def _answer(self, conn: Connection, ex: Exchange, opened: Opened) -> Verdict:
        """Answer with the file, unless the request's conditions, its method or the file's kind speak against it."""
        found = os.fstat(opened.descriptor)
        mode = found.st_mode
        if not stat.S_ISREG(mode):
            if stat.S_ISDIR(mode):
                place = uri.escape(ex.path) + b"/"
                return Answer(301, location=place + b"?" + ex.args if ex.args else place)
            conn.log("crit", f'"{printable(opened.path)}" is not a regular file')
            return 404
        if ex.method == b"POST":
            return 405
        known = validators(int(found[stat.ST_MTIME]), found.st_size, self._settings.etag)
        asked = None
        if ex.forced_status in _OK and (asked := ex.head.derive(conditions)) is not None:
            status = asked.status(known, self._settings.if_modified_since)
            if status == 304:
                head, _ = respond.compose(conn, ex, 304, known.lines + opened.vary, None)
                return await _finish(conn, ex, head)
            if status:
                ex.forced_status = 0
                return status
        return await self._send(conn, ex, opened, found.st_size, known, asked)

    async def _send(
        self, conn: Connection, ex: Exchange, opened: Opened, size: int, known: Validators, asked: Conditions | None
    ) -> Verdict:
        """Send the file of *size* octets, or what is *asked* for of it."""
        media_type, sent = self._action.types.media_type(ex.path), ex.method != b"HEAD"
        ex.status = ex.forced_status or 200
        fields = (known.lines if ex.status == 200 else known.etag_line) + opened.coding + opened.vary
        if media_type:
            fields = b"Content-Type: %b\r\n%b" % (media_type, fields)
        framed = None
        if conn.route.filters is not None:
            fields, framed = respond.apply_filters(conn, ex, conn.route.filters, fields, size, bodied=sent)
            if opened.vary and fields.count(_VARY) > 1:
                fields = fields.replace(_VARY, b"", 1)
        sender = FileSender(conn, opened.descriptor, opened.path, by_system=self._settings.sendfile)
        if framed is not None:
            head = respond.write_head(conn, ex, fields, framed[0])
            return await _finish(conn, ex, head, sender.framed(head, framed[1], size) if sent else None)
        ranges = None
        if self._settings.max_ranges and ex.status == 200 and not opened.coding:
            wanted = asked.wanted_range(known) if asked is not None else None
            ranges = parse_ranges(wanted, size, self._settings.max_ranges) if wanted is not None else None
            if ranges is not None:
                return await _send_ranges(conn, ex, sender, fields, size, ranges)
            fields += b"Accept-Ranges: bytes\r\n"
        head = respond.write_head(conn, ex, fields, b"Content-Length: %d\r\n" % size)
        return await _finish(conn, ex, head, sender.part(head, 0, size) if sent else None)


async def _send_ranges(
    conn: Connection, ex: Exchange, sender: FileSender, fields: bytes, size: int, ranges: list[Range]
) -> Verdict:
    """Send *ranges* of a file of *size* octets, which has *fields*; 416 if there are none."""
    if not ranges:
        ex.added += b"Content-Range: bytes */%d\r\n" % size
        ex.forced_status = 0
        return 416
    ex.status, sent = 206, ex.method != b"HEAD"
    if len(ranges) == 1:
        (part,) = ranges
        fields += b"Content-Range: %b\r\n" % part.content_range(size)
        head = respond.write_head(conn, ex, fields, b"Content-Length: %d\r\n" % (part.end - part.start))
        body = sender.part(head, *part) if sent else None
    else:
        named = _CONTENT_TYPE.search(fields)
        multipart = Multipart(ranges, size, named[1] if named is not None else b"", random.getrandbits(64))
        fields = b"Content-Type: %b\r\n%b" % (multipart.content_type, _CONTENT_TYPE.sub(b"", fields, count=1))
        head = respond.write_head(conn, ex, fields, b"Content-Length: %d\r\n" % multipart.length)
        body = sender.parts(head, multipart) if sent else None
    return await _finish(conn, ex, head, body)


async def _finish(conn: Connection, ex: Exchange, head: bytes, body: Coroutine[Any, Any, None] | None = None) -> int:
    """Have *body* sent, which sends *head* as well; *head* alone if there is none."""
    if body is None:
        await conn.stream.send(head, conn.settings.send_timeout)
    else:
        await body
    ex.completed = True
    return 0
