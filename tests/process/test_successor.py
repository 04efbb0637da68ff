"""The program that replaces this one: a copy of pytest's own command line would do, but a short script is quicker."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lbproxy.config.model import Address
from lbproxy.process.successor import Successor

SCRIPT = """
import json, os, socket
parent, [[descriptor, host, port, path]] = json.loads(os.environ["LBPROXY"])
address = socket.socket(fileno=descriptor).getsockname()[1]
me = os.environ.get("WATCHDOG_PID") == str(os.getpid())
print(parent == os.getppid(), os.getcwd(), address, me, flush=True)
"""


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    """A listening socket."""
    sock = socket.create_server(("127.0.0.1", 0))
    yield sock
    sock.close()


def end_of(successor: Successor) -> int:
    """Return the exit status of *successor*."""
    return os.waitstatus_to_exitcode(os.waitpid(successor.pid, 0)[1])


def test_starts_as_this_program_was_started(
    tmp_path: Path, listening: socket.socket, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The same words in the same directory, wherever this process is by now; sockets and watchdog are its own."""
    monkeypatch.setattr(sys, "orig_argv", ["python", "-c", SCRIPT])
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    monkeypatch.chdir(tmp_path)
    successor = Successor()
    monkeypatch.chdir("/")
    disowned: list[int] = []
    successor.start({Address("127.0.0.1", 0): [listening]}, lambda: disowned.append(1))
    assert end_of(successor) == 0
    assert capfd.readouterr().out == f"True {tmp_path} {listening.getsockname()[1]} True\n"
    assert not disowned, "that is for the new process to do"
    assert not listening.get_inheritable(), "here nothing has changed"


def test_program_that_is_not_there_ends_as_a_shell_would_say(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    successor = Successor()
    successor.start({}, lambda: None)
    assert end_of(successor) == 127
    assert "the new program can't be started: [Errno 2]" in capfd.readouterr().err


def test_there_is_one_until_it_has_ended() -> None:
    successor = Successor()
    assert not successor.ended(1)
    successor.pid = 42
    assert not successor.ended(1)
    assert successor.ended(42)
    assert successor.pid == 0
