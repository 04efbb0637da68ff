"""Leaving the terminal: what the process that was started gets to know."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lbproxy.process.detach import STDERR, STDOUT, Detached, Terminal


def started(then: Callable[[Terminal], None]) -> int:
    """Detach in a process of its own and do *then*; return the status that it would exit with."""
    pid = os.fork()
    if pid == 0:
        terminal = Terminal()
        try:
            terminal.detach()
        except Detached as parted:
            os._exit(10 + parted.status)
        then(terminal)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_daemon_that_serves(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "err")
    reader = os.open(tmp_path / "err", os.O_RDWR)

    def serve(terminal: Terminal) -> None:
        terminal.announce()
        terminal.announce()  # the second time, nobody waits any more
        terminal.redirect({STDERR: str(tmp_path / "err"), STDOUT: "/no/such/directory/out"})
        os.write(STDERR, b"%d %d" % (os.getsid(0) == os.getpid(), os.read(0, 1) == b""))

    assert started(serve) == 10
    assert os.read(reader, 100) == b"1 1", "it leads a session and reads nothing"
    os.close(reader)


def test_daemon_that_gives_up() -> None:
    assert started(lambda _: None) == 11


def test_worker_does_not_keep_the_waiting_process() -> None:
    """Once all copies are gone, the one that waits must not wait for ever."""
    assert started(Terminal.forget) == 11


def test_in_the_foreground_the_streams_stay(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    terminal.redirect({STDERR: str(tmp_path / "err")})
    terminal.announce()
    terminal.forget()
    os.write(STDERR, b"here")
    assert capfd.readouterr().err == "here"
    assert not (tmp_path / "err").exists()
