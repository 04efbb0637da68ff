"""
Access logs whose path has variables: a file for each host, say.

Lines are gathered by path and written at the end of each turn of the event loop.  A file is opened for that and closed
again, so that a renamed one gets nothing more, unless ``open_log_file_cache`` keeps it open (src/http/modules/
ngx_http_log_module.c:ngx_http_log_script_write).
"""

from __future__ import annotations

import errno
import os
import time
from collections import OrderedDict
from typing import NamedTuple

from lbproxy.http.accesslog import OpenFiles


class _Kept(NamedTuple):
    """An open file: when it was last written to and last looked at, and which file it was then."""

    fd: int
    used: float
    checked: float
    identity: tuple[int, int]


class LogFamily:
    """
    The files of one ``access_log`` with variables in its path.

    Args:
        path: As configured.
        kept: Which files stay open; None: none does.

    Attributes:
        path: As configured, or of the last file that failed.
        per_turn, failed, told: As of `lbproxy.proxy.logfile.LogFile`.
    """

    per_turn = True

    def __init__(self, path: str, kept: OpenFiles | None) -> None:
        self.path, self._kept = path, kept
        self._lines: dict[bytes, list[bytes]] = {}
        self._open: OrderedDict[bytes, _Kept] = OrderedDict()
        self._uses: dict[bytes, int] = {}
        self.failed = 0
        self.told = False

    def write_to(self, path: bytes, line: bytes) -> None:
        """Append *line* to the file *path*; one that would be above what the configuration says is none."""
        if b"/../" in b"/%b/" % path or b"\0" in path:
            self._fail(path, errno.EACCES)
            return
        self._lines.setdefault(path, []).append(line)

    def flush(self) -> None:
        """Write what has been gathered."""
        lines, self._lines = self._lines, {}
        for path, gathered in lines.items():
            try:
                self._write(path, b"".join(gathered))
            except OSError as error:
                self._fail(path, error.errno or 0)
            else:
                self.failed, self.told = 0, False

    def _fail(self, path: bytes, code: int) -> None:
        self.path, self.failed = path.decode(errors="backslashreplace"), code

    def _write(self, path: bytes, data: bytes) -> None:
        now = time.monotonic()
        known = self._open.pop(path, None)
        if known is not None and self._kept is not None and now - known.checked >= self._kept.valid:
            known = self._looked_at(path, known, now)
        fd = known.fd if known is not None else _open(path)
        keep = self._keeps(path) if known is None else True
        try:
            while data:
                data = data[os.write(fd, data):]
        except OSError:
            os.close(fd)
            raise
        if not keep:
            os.close(fd)
            return
        kept = known or _Kept(fd, now, now, _identity(fd))
        self._open[path] = kept._replace(used=now)
        self._shrink(now)

    def _keeps(self, path: bytes) -> bool:
        """Tell whether *path* has been written to often enough to stay open."""
        if self._kept is None:
            return False
        self._uses[path] = uses = self._uses.get(path, 0) + 1
        if len(self._uses) > 10 * self._kept.most:
            self._uses.clear()
        return uses >= self._kept.min_uses

    def _looked_at(self, path: bytes, known: _Kept, now: float) -> _Kept | None:
        """Return *known* if its path still leads to it; else None, and it is closed."""
        try:
            found = os.stat(path)  # noqa: PTH116 - octets
        except OSError:
            found = None
        if found is not None and (found.st_dev, found.st_ino) == known.identity:
            return known._replace(checked=now)
        os.close(known.fd)
        return None

    def _shrink(self, now: float) -> None:
        """Close what has not been written to for long, and the longest unused of too many."""
        assert self._kept is not None
        while self._open:
            path, kept = next(iter(self._open.items()))
            if len(self._open) <= self._kept.most and now - kept.used < self._kept.inactive:
                break
            os.close(kept.fd)
            del self._open[path]

    def tick(self) -> None:
        """Close files that have not been written to for long; called about once a second."""
        if self._kept is not None:
            self._shrink(time.monotonic())

    def reopen(self) -> None:
        """Open every file anew with its next line, as a rotation wants."""
        for kept in self._open.values():
            os.close(kept.fd)
        self._open.clear()

    def close(self) -> None:
        """Write what has been gathered and close everything."""
        self.flush()
        self.reopen()


def _open(path: bytes) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)


def _identity(fd: int) -> tuple[int, int]:
    found = os.fstat(fd)
    return found.st_dev, found.st_ino
