"""
``try_files``: goes on with the first file that is there (src/http/modules/ngx_http_try_files_module.c).
"""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from lbproxy.errors import describe
from lbproxy.http.files.paths import MISPLACED
from lbproxy.http.verdict import Answer, Redirect
from lbproxy.proxy.files import FileServer
from lbproxy.proxy.filesystem import MISSING, Lookup
from lbproxy.proxy.logfile import printable

if TYPE_CHECKING:
    from lbproxy.http.exchange import Exchange
    from lbproxy.http.files.trial import Trial
    from lbproxy.proxy.connection import Connection
    from lbproxy.proxy.dispatch import Handler, Verdict


class FileFinder:
    """
    Chooses the file for what a location does with requests.

    Args:
        content: What that is.
    """

    def __init__(self, trial: Trial, content: Handler) -> None:
        self._trial, self._content = trial, content
        self._lookup = Lookup(trial.symlinks)

    async def __call__(self, conn: Connection, ex: Exchange) -> Verdict:
        """Change the path of *ex* to that of what is there, or go elsewhere; see `Handler`."""
        trial = self._trial
        if not trial.root.applies(ex):
            conn.log("alert", MISPLACED.format(ex.location.pattern))
            return 500
        for path, directory, uri in trial.wanted(ex):
            if path is None or self._is_directory(conn, ex, path) is not directory:
                continue
            ex.path = uri
            if trial.root.whole and not directory and isinstance(self._content, FileServer):
                return self._content.behind_root
            return self._content
        if trial.status:
            return Answer(trial.status)
        place = trial.fallback(ex)
        return Redirect(place if place.startswith(b"@") or b"?" in place else place + b"?")  # nginx: args are empty

    def _is_directory(self, conn: Connection, ex: Exchange, path: bytes) -> bool | None:
        """Return whether *path* is a directory rather than something else; None if there is nothing."""
        try:
            return stat.S_ISDIR(self._lookup.stat(ex, path).st_mode)
        except OSError as error:
            if error.errno not in MISSING:
                conn.log("crit", f'{self._lookup.asking}() "{printable(path)}" failed {describe(error)}')
            return None
