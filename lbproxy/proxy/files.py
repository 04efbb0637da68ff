"""
Files for clients: which one a request means, and whether it can be opened.

The order of things is nginx's: a path that ends in "/" is a directory (see `DirectoryServer`), any other a file,
perhaps one that lies there compressed (ngx_http_gzip_static_module.c, ngx_http_static_module.c).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Awaitable
from functools import partial
from typing import TYPE_CHECKING

from lbproxy.errors import describe
from lbproxy.http.files.paths import MISPLACED
from lbproxy.http.gzip import accepts_gzip
from lbproxy.http.verdict import Answer
from lbproxy.proxy.directories import DirectoryServer
from lbproxy.proxy.fileanswer import VARY, FileAnswer, Opened
from lbproxy.proxy.filesend import FileShrunk
from lbproxy.proxy.filesystem import MISSING, Lookup, status_of
from lbproxy.proxy.logfile import printable

if TYPE_CHECKING:
    from lbproxy.http.exchange import Exchange
    from lbproxy.http.files.action import FileAction
    from lbproxy.proxy.connection import Connection
    from lbproxy.proxy.dispatch import Verdict

_METHODS = frozenset({b"GET", b"HEAD", b"POST"})


class FileServer:
    """What a location does that serves files."""

    def __init__(self, action: FileAction) -> None:
        self._action = action
        self._root, self._settings = action.root, action.settings
        self._lookup = Lookup(action.symlinks)
        self._directories = DirectoryServer(action, self._lookup)
        self._packs = action.settings.gzip_static != "off"

    def __call__(self, conn: Connection, ex: Exchange) -> Awaitable[Verdict]:
        """Answer *ex* with what its path means; see `Handler`."""
        return self._serve(conn, ex, self._root.path(ex))

    def behind_root(self, conn: Connection, ex: Exchange) -> Awaitable[Verdict]:
        """Do so with the path put behind a directory that by itself is the path of a file."""
        return self._serve(conn, ex, self._root.under(ex, ex.path))

    async def _serve(self, conn: Connection, ex: Exchange, path: bytes | None) -> Verdict:
        if ex.method not in _METHODS:
            return 405
        if path is None:
            return self._nowhere(conn, ex)
        if ex.path.endswith(b"/"):
            return await self._directories(conn, ex, path)
        try:
            try:
                opened = self._open(conn, ex, path)
            except OSError as refusal:  # where too many files are open, somebody will be done with one
                wait = conn.stream.poller.descriptors.after
                opened = await wait(refusal, partial(self._open, conn, ex, path), conn.settings.send_timeout)
        except OSError as error:
            return self._refused(conn, path, error)
        try:
            if conn.body is not None:
                conn.body.inspect()
            answer = FileAnswer(conn, ex, self._action, opened).compose()
            if isinstance(answer, int | Answer):
                return answer
            await answer
            ex.completed = True
        except FileShrunk:
            conn.cut()
        finally:
            os.close(opened.descriptor)
        return 0

    def _nowhere(self, conn: Connection, ex: Exchange) -> int:
        """Log why *ex* means no file at all, and return the status for it."""
        if not self._root.applies(ex):
            conn.log("alert", MISPLACED.format(ex.location.pattern))
            return 500
        conn.log("error", f'"{printable(ex.path)}" leads out of the directory of its location')
        return 404

    def _open(self, conn: Connection, ex: Exchange, path: bytes) -> Opened:
        """Return what *ex* gets for *path*; raises OSError."""
        vary = b""
        if self._packs and ex.method != b"POST":
            packed, vary = self._open_packed(conn, ex, path + b".gz")
            if packed is not None:
                return packed
        return Opened(self._lookup.open(ex, path), path, b"", vary)

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
        vary = VARY if gzip.vary and not always else b""
        if accepted and not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            return Opened(descriptor, path, b"Content-Encoding: gzip\r\n", vary), vary
        os.close(descriptor)
        return None, vary

    def _refused(self, conn: Connection, path: bytes, error: OSError) -> int:
        level, status = status_of(error)
        if status != 404 or self._settings.log_not_found:
            conn.log(level, f'{self._lookup.opening}() "{printable(path)}" failed {describe(error)}')
        return status
