"""
Files on disk, as a location may look at them: opened without waiting, and without links where they are forbidden.

Paths are octets.  `OSError` comes out as the system raised it; a path with a NUL is one that nothing has.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from lbproxy.http.files.listing import Entry

if TYPE_CHECKING:
    from collections.abc import Callable

    from lbproxy.http.exchange import Exchange
    from lbproxy.http.files.action import Symlinks

_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC  # a fifo without a writer must not be waited for
_PASS = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC

MISSING = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG})
"""What the system says of a path that leads nowhere."""
_FORBIDDEN = frozenset({errno.EACCES, errno.EMLINK, errno.ELOOP})


def status_of(error: OSError) -> tuple[str, int]:
    """Return how grave it is that the system refused a path, as a level of the error log, and the status for it."""
    if error.errno in MISSING:
        return "error", 404
    return ("error", 403) if error.errno in _FORBIDDEN else ("crit", 500)


class Lookup:
    """
    Finds files by their paths.

    Args:
        symlinks: What links must not do; None: they are followed.

    Attributes:
        opening, asking: The system calls that `open` and `stat` end with, for messages.
    """

    __slots__ = ("_symlinks", "asking", "opening")

    def __init__(self, symlinks: Symlinks | None) -> None:
        self._symlinks = symlinks
        self.opening, self.asking = ("open", "stat") if symlinks is None else ("openat", "openat")

    def open(self, ex: Exchange, path: bytes) -> int:
        """Return a descriptor of whatever *path* leads to; raises OSError."""
        if self._symlinks is None:
            try:
                return os.open(path, _READ)
            except ValueError:
                raise _error(errno.ENOENT) from None
        return self._walk(ex, path)

    def stat(self, ex: Exchange, path: bytes) -> os.stat_result:
        """Return what is known of *path*; raises OSError."""
        if self._symlinks is None:
            try:
                return os.stat(path)  # noqa: PTH116 - paths are octets
            except ValueError:
                raise _error(errno.ENOENT) from None
        descriptor = self._walk(ex, path)
        try:
            return os.fstat(descriptor)
        finally:
            os.close(descriptor)

    def _walk(self, ex: Exchange, path: bytes) -> int:
        """Open *path* one step after the other (src/core/ngx_open_file_cache.c:ngx_open_file_wrapper)."""
        assert self._symlinks is not None
        owned, start = self._symlinks
        skipped = _trusted(path, start(ex)) if start is not None else 1
        if skipped is None:
            return os.open(path, _READ)
        *between, last = path[skipped:].strip(b"/").split(b"/")
        step = _open_owned if owned else _open_plain
        here = os.open(path[:skipped], _PASS)
        try:
            for name in between:
                below = step(name or b".", _PASS, here)
                os.close(here)
                here = below
            return step(last or b".", _READ, here)
        except ValueError:
            raise _error(errno.ENOENT) from None
        finally:
            os.close(here)


def _trusted(path: bytes, start: bytes) -> int | None:
    """Return how much of *path* is not looked at (:ngx_http_set_disable_symlinks); None: nothing is."""
    if not start or not path.startswith(start):
        return 1
    if path == start:
        return None
    if path[len(start) : len(start) + 1] == b"/":
        return len(start)
    return len(start) - 1 or 1 if start.endswith(b"/") else 1


def _open_plain(name: bytes, flags: int, directory: int) -> int:
    return os.open(name, flags | os.O_NOFOLLOW, dir_fd=directory)


def _open_owned(name: bytes, flags: int, directory: int) -> int:
    """
    Follow a link only to what belongs to its owner (:ngx_openat_file_owner).

    The owners are compared whether it is a link or not: it may have been another thing a moment ago.
    """
    descriptor = os.open(name, flags, dir_fd=directory)
    owner = os.fstat(descriptor).st_uid
    try:
        named = os.stat(name, dir_fd=directory, follow_symlinks=False).st_uid
    except OSError:
        os.close(descriptor)
        raise
    if owner != named:
        os.close(descriptor)
        raise _error(errno.ELOOP)
    return descriptor


def _error(code: int) -> OSError:
    return OSError(code, os.strerror(code))


def contents(path: bytes, unreadable: Callable[[bytes, OSError], None]) -> list[Entry]:
    """
    Return what is in the directory *path*, but for names that begin with a dot.

    Args:
        unreadable: Told of what may not be looked at, which is left out.

    Raises:
        OSError: *path* can't be read.
    """
    found = []
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.name.startswith(b"."):
                continue
            try:
                found.append(_describe(entry))
            except PermissionError as error:
                unreadable(entry.path, error)
    return found


def _describe(entry: os.DirEntry[bytes]) -> Entry:
    try:
        known = entry.stat()
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ELOOP):
            raise
        known = entry.stat(follow_symlinks=False)  # a link that leads nowhere
    kind = "directory" if stat.S_ISDIR(known.st_mode) else "file" if stat.S_ISREG(known.st_mode) else "other"
    return Entry(entry.name, kind, int(known[stat.ST_MTIME]), known.st_size)
