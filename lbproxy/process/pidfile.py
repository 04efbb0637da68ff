"""
The pid file: where ``lbproxy -s`` finds the master, and what keeps a second one from starting.

The master holds a lock (flock) on the file for its life, so a file left behind by a crash is never mistaken
for a running master, whatever process has its number by then.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from lbproxy.errors import LbproxyError, describe


class PidFileError(LbproxyError):
    """The pid file can't be used; the text says why, in nginx's words where it has some."""


class PidFile:
    """
    A pid file in the making, then in place.

    It is written under another name and gets its own with `publish`, locked and complete: nobody reads half.

    Args:
        path: Where it will appear.

    Raises:
        PidFileError: Another master runs with this file, or it can't be written there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        running = _locked_by(path)
        if running is not None:
            raise PidFileError(f'lbproxy is already running with pid {running} (pid file "{path}")')
        self._aside = path.with_name(f"{path.name}.oldbin")
        self._draft = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            self._fd = os.open(self._draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise PidFileError(f'open() "{path}" failed {describe(error)}') from error
        fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def publish(self) -> None:
        """
        Put the file in its place, with the pid of the calling process in it.

        Raises:
            OSError: Its directory was taken away since the file was begun.
        """
        os.write(self._fd, f"{os.getpid()}\n".encode())
        self._draft.rename(self.path)

    def step_aside(self) -> None:
        """
        Leave the name to a successor: the file is ``NAME.oldbin`` from now on, as nginx calls it.

        Raises:
            OSError: Its directory can't be written any more.
        """
        self.path.rename(self._aside)

    def come_back(self) -> None:
        """
        Take the name again, whatever the successor left there.

        Raises:
            OSError: Its directory can't be written any more.
        """
        if self._is_mine(self._aside):
            self._aside.rename(self.path)

    def remove(self) -> None:
        """Take the file away, unless another one stands in its place by now."""
        for path in (self._draft, self.path, self._aside):
            with suppress(OSError):  # its directory is no longer ours to write
                if self._is_mine(path):
                    path.unlink()
        os.close(self._fd)

    def release(self) -> None:
        """Close this process's copy of the file: the lock stays with the master."""
        os.close(self._fd)

    def _is_mine(self, path: Path) -> bool:
        try:
            return os.path.samestat(path.stat(), os.fstat(self._fd))
        except FileNotFoundError:
            return False


def read_pid(path: Path) -> int:
    """
    Return the pid of the master that runs with the pid file *path*.

    Raises:
        PidFileError: There is no such file, no number in it, or no master behind it.
    """
    try:
        text = path.read_text()
    except OSError as error:
        raise PidFileError(f'open() "{path}" failed {describe(error)}') from error
    pid = text.strip()
    if not (pid.isascii() and pid.isdigit() and int(pid) > 0):
        raise PidFileError(f'invalid PID number "{pid}" in "{path}"')
    if _locked_by(path) is None:
        raise PidFileError(f'lbproxy is not running: pid file "{path}" was left behind by process {pid}')
    return int(pid)


def _locked_by(path: Path) -> str | None:
    """Return what the pid file says if a master holds it; None if nobody does or there is none."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return os.read(fd, 32).decode(errors="replace").strip()
    finally:
        os.close(fd)
    return None
