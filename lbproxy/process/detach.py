"""
Leaving the terminal: ``daemon on`` or ``--daemon``.

The process that was started waits until the daemon serves, so that its exit status is true.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress

from lbproxy.errors import LbproxyError

STDIN, STDOUT, STDERR = 0, 1, 2


class Detached(LbproxyError):
    """
    Raised in the process that was started, once it is known what became of the daemon.

    Args:
        status: Its exit status: 0 if the daemon serves, 1 if it gave up.
    """

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Terminal:
    """The standard streams: those that lbproxy was started with, or files once it has detached."""

    def __init__(self) -> None:
        self._detached = False
        self._waiting = -1  # to the process that was started; -1 when nobody waits

    def detach(self) -> None:
        """
        Go on in a child process with a session of its own; its errors reach the terminal until `redirect`.

        Raises:
            Detached: In the parent, as soon as the child serves or is gone.
        """
        reader, writer = os.pipe()
        if os.fork():
            os.close(writer)
            raise Detached(0 if os.read(reader, 1) else 1)
        os.close(reader)
        os.setsid()
        _replace(STDIN, os.devnull)
        self._detached, self._waiting = True, writer

    def stay_away(self) -> None:
        """Be detached from the start: whoever began this program has left the terminal before."""
        self._detached = True

    def announce(self) -> None:
        """Let the process that was started exit with 0."""
        if self._waiting >= 0:
            with suppress(OSError):  # it may have been killed meanwhile
                os.write(self._waiting, b"\n")
            self.forget()

    def forget(self) -> None:
        """In a worker: leave it to the master to announce."""
        if self._waiting >= 0:
            os.close(self._waiting)
            self._waiting = -1

    def redirect(self, streams: Mapping[int, str]) -> None:
        """
        Once detached, append what is written to each descriptor to the file of that path; before, do nothing.

        A file that can't be opened leaves its stream as it is.
        """
        if self._detached:
            for descriptor, path in streams.items():
                with suppress(OSError):
                    _replace(descriptor, path)


def has_terminal() -> bool:
    """Return whether this process has a terminal that could signal it, for instance that its window was resized."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


def _replace(descriptor: int, path: str) -> None:
    opened = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    os.dup2(opened, descriptor)
    os.close(opened)
