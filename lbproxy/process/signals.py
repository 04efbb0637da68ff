"""Signals as something to wait for: the kernel's interruptions become octets in a socket."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

from lbproxy.process.events import Request

REQUESTS: Mapping[int, Request] = {
    signal.SIGTERM: Request.STOP,
    signal.SIGINT: Request.STOP,
    signal.SIGQUIT: Request.QUIT,
    signal.SIGHUP: Request.RELOAD,
    signal.SIGUSR1: Request.REOPEN,
    signal.SIGUSR2: Request.UPGRADE,
    signal.SIGWINCH: Request.REST,
}
"""What each signal asks of the master."""

ANSWERS: Mapping[Request, str] = {
    Request.STOP: "exiting",
    Request.QUIT: "shutting down",
    Request.RELOAD: "reconfiguring",
    Request.REOPEN: "reopening logs",
    Request.UPGRADE: "changing binary",
    Request.REST: "stop accepting connections",
}
"""What the error log says that the master does about it (src/os/unix/ngx_process.c:ngx_signal_handler)."""

HANDLED = frozenset({*REQUESTS, signal.SIGCHLD})


class SignalInbox:
    """
    The signals of `HANDLED`, waiting to be read.

    Args:
        socket: Readable while there are some.
    """

    def __init__(self) -> None:
        self.socket, self._writer = socket.socketpair()
        self.socket.setblocking(False)
        self._writer.setblocking(False)
        # The wakeup descriptor gets the number of every signal that has a handler in Python, even this one.
        for number in HANDLED:
            signal.signal(number, _noted)
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)

        let_through()  # what `hold_as_init` held back

    def read(self) -> list[int]:
        """Return the numbers of the signals that came, in order."""
        try:
            return list(self.socket.recv(4096))
        except BlockingIOError:
            return []

    def close(self) -> None:
        """Take no more signals; from now on they do what they do by default."""
        signal.set_wakeup_fd(-1)
        for number in HANDLED:
            signal.signal(number, signal.SIG_DFL)
        self.disown()

    def disown(self) -> None:
        """In a forked child: close what is the parent's, so that no signal of the child reaches its inbox."""
        signal.set_wakeup_fd(-1)
        self.socket.close()
        self._writer.close()


@contextmanager
def held_back() -> Iterator[None]:
    """Keep the signals of `HANDLED` pending within, as a fork wants: they reach the child that is ready."""
    hold_back()
    try:
        yield
    finally:
        let_through()


def hold_as_init() -> None:
    """
    As process 1 of a container, keep the signals of `HANDLED` pending from now on, for the `SignalInbox` to come.

    The kernel drops the signals of process 1 that have no handler yet; those of others do what they do by default.
    """
    if os.getpid() == 1:
        hold_back()


def hold_back() -> None:
    """Keep the signals of `HANDLED` pending from now on."""
    signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)


def let_through() -> None:
    """Deliver the signals that were held back."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HANDLED)


def _noted(_number: int, _frame: FrameType | None) -> None:
    """The inbox has it already."""
