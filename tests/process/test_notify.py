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
    notify.ready("well")
    assert heard(manager) == ["READY=1", f"MAINPID={os.getpid()}", "STATUS=well"]
    notify.ready("well", main=False)
    assert heard(manager) == ["READY=1", "STATUS=well"]
    notify.alive()
    assert heard(manager) == ["WATCHDOG=1"]
    notify.hand_over(42)
    assert "MAINPID=42" in heard(manager)
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
    notify.ready("")


def test_no_variable_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify.ready("")


@pytest.mark.parametrize(
    ("environ", "seconds"),
    [({}, None), ({"WATCHDOG_USEC": "2500000"}, 2.5), ({"WATCHDOG_USEC": "0"}, None), ({"WATCHDOG_USEC": "x"}, None),
     ({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": str(os.getpid())}, 1.0),
     ({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}, None)],
)  # fmt: skip
def test_silence_is_allowed_as_the_manager_says_to_this_process(environ: dict[str, str], seconds: float | None) -> None:
    assert notify.allowed_silence(environ) == seconds
