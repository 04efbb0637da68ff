"""
What speaks for a directory: an index, or else a listing (ngx_http_index_module.c, ngx_http_autoindex_module.c).
"""

from __future__ import annotations

import errno
import stat
import time
from typing import TYPE_CHECKING

from lbproxy.errors import describe
from lbproxy.http.files import listing
from lbproxy.http.getters import argument
from lbproxy.http.verdict import Redirect
from lbproxy.proxy import respond
from lbproxy.proxy.filesystem import contents, status_of
from lbproxy.proxy.logfile import printable

if TYPE_CHECKING:
    from lbproxy.http.exchange import Exchange
    from lbproxy.http.files.action import FileAction
    from lbproxy.proxy.connection import Connection
    from lbproxy.proxy.dispatch import Verdict
    from lbproxy.proxy.filesystem import Lookup

_callback = argument("callback")


class DirectoryServer:
    """What a location does with paths that end in "/"."""

    def __init__(self, action: FileAction, lookup: Lookup) -> None:
        self._action, self._settings, self._lookup = action, action.settings, lookup

    async def __call__(self, conn: Connection, ex: Exchange, path: bytes) -> Verdict:
        """Answer *ex*, which asks for the directory *path*."""
        found = self._index(conn, ex, path)
        if found is not None:
            return found
        if self._settings.autoindex and ex.method != b"POST":
            return await self._list(conn, ex, path.removesuffix(b"/") or b"/")
        conn.log("error", f'directory index of "{printable(path)}" is forbidden')
        return 403

    def _index(self, conn: Connection, ex: Exchange, directory: bytes) -> Redirect | int | None:
        """Return where the first index that exists is, None if none does; a status if there can't be one."""
        tested = False
        for value in self._action.index:
            name = value(ex)
            if name.startswith(b"/"):
                return Redirect(name, literal=True)
            path = directory + name
            try:
                self._lookup.stat(ex, path)
            except OSError as error:
                if error.errno != errno.ENOENT:
                    return self._refused(conn, path, error)
                if not tested and (status := self._test(conn, ex, directory, path)):
                    return status
                tested = True
            else:
                return Redirect(ex.path + name, literal=True)
        return None

    def _test(self, conn: Connection, ex: Exchange, directory: bytes, index: bytes) -> int:
        """Return 0 if *directory* is one, so that only the *index* is missing (:ngx_http_index_test_dir)."""
        directory = directory.removesuffix(b"/") or b"/"
        try:
            found = self._lookup.stat(ex, directory)
        except OSError as error:
            return 0 if error.errno == errno.EACCES else self._refused(conn, index, error)
        if stat.S_ISDIR(found.st_mode):
            return 0
        conn.log("error", f'"{printable(directory)}" is not a directory')
        return 500

    def _refused(self, conn: Connection, path: bytes, error: OSError) -> int:
        """Log why *path* can't be looked at, and return the status for it (:ngx_http_index_error)."""
        level, status = status_of(error)
        if error.errno == errno.EACCES:
            conn.log("error", f'"{printable(path)}" is forbidden {describe(error)}')
        elif status != 404:
            conn.log(level, f'{self._lookup.asking}() "{printable(path)}" failed {describe(error)}')
        elif self._settings.log_not_found:
            conn.log("error", f'"{printable(path)}" is not found {describe(error)}')
        return status

    async def _list(self, conn: Connection, ex: Exchange, path: bytes) -> Verdict:
        """Answer with what is in the directory *path*."""
        settings, form = self._settings, self._settings.autoindex_format
        callback = (_callback(ex) or b"") if form == "jsonp" else b""
        if not listing.is_callback(callback):
            conn.log("info", f'client sent invalid callback name: "{printable(callback)}"')
            return 400

        def unreadable(name: bytes, error: OSError) -> None:
            conn.log("crit", f'stat() "{printable(name)}" failed {describe(error)}')

        try:
            entries = listing.in_order(contents(path, unreadable))
        except OSError as error:
            level, status = status_of(error)
            conn.log(level, f'opendir() "{printable(path)}" failed {describe(error)}')
            return status
        if form == "html":
            offset = time.localtime().tm_gmtoff if settings.autoindex_localtime else 0
            body = listing.html(
                ex.path, entries, exact_size=settings.autoindex_exact_size, offset=offset, utf8=self._action.utf8
            )
        else:
            body = listing.xml(entries) if form == "xml" else listing.json(entries, callback)
        content_type = listing.CONTENT_TYPES["json" if form == "jsonp" and not callback else form]
        await respond.send_answer(conn, ex, ex.forced_status or 200, body, content_type=content_type)
        return 0
