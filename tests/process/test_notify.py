"""What the service manager hears."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lbproxy.process import notify


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The socket of a service manager, at a path or under an abstract name."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@lbproxy-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(name.replace("@", "\0"))
        sock.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        yield sock


def heard(manager: socket.socket) -> list[str]:
    return manager.recv(4096).decode().split("\n")


def test_states(manager: socket.socket) -> None:
    notify.ready()
    assert {"READY=1", f"MAINPID={os.getpid()}"} <= set(heard(manager))
    notify.stopping()
    assert "STOPPING=1" in heard(manager)


def test_reloading_tells_the_monotonic_time(manager: socket.socket) -> None:
    notify.reloading()
    state, stamp, _ = heard(manager)
    assert state == "RELOADING=1"
    assert abs(int(stamp.removeprefix("MONOTONIC_USEC=")) / 1e6 - time.monotonic()) < 60


@pytest.mark.parametrize("name", ["", "relative", "/no/such/socket"])
def test_nobody_there_is_no_error(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", name)
    notify.ready()


def test_no_variable_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify.ready()
