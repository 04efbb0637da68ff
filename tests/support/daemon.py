"""The lbproxy program as tests run it: in a process of its own, with a way to know when it serves."""

from __future__ import annotations

import os
import re
import selectors
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.client import Address
from tests.support.process import Process
from tests.support.waiting import TIMEOUT

ROOT = Path(__file__).parents[2]


class Readiness:
    """The service manager's end of sd_notify(3): a datagram socket that hears READY=1 and STOPPING=1."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))

    def wait(self, process: Process, state: str = "READY=1", timeout: float = TIMEOUT) -> None:
        """Wait for *state*; raises AssertionError with the output when *process* ends or *timeout* passes before."""
        end = os.pidfd_open(process.pid)
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(self._socket, selectors.EVENT_READ)
                selector.register(end, selectors.EVENT_READ)
                while ready := [key.fileobj for key, _ in selector.select(timeout)]:
                    if self._socket not in ready:
                        status = process.wait()
                        raise AssertionError(f"ended with status {status} before {state}\n{process.report()}")
                    if state in self._socket.recv(4096).decode().split("\n"):
                        return
        finally:
            os.close(end)
        raise AssertionError(f"no {state} within {timeout} s\n{process.report()}")

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()
        self.path.unlink(missing_ok=True)


def command(*words: str | Path, cwd: Path | None = None) -> Process:
    """Start ``lbproxy WORDS`` without waiting for anything."""
    return Process([sys.executable, "-m", "lbproxy", *words], cwd=cwd, env={"PYTHONPATH": str(ROOT)})


class Lbproxy(Process):
    """
    A running lbproxy that serves; a context manager.

    Args:
        directory: Its prefix; the configuration is written there, unless the file exists.
        text: The configuration.
        listen: Where clients connect, for `address`.
        words: More command-line words.
        name: File name of the configuration.

    Attributes:
        alerts: Regular expression for the [alert] lines that the test provokes; all others are bugs.
    """

    alerts: str | None = None

    def __init__(
        self, directory: Path, text: str, listen: Address, *words: str, name: str = "site.conf",
        env: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        self.directory, self.address = directory, listen
        self.conf = directory / name
        self.conf.write_text(text)
        self.readiness = Readiness(directory / "notify")
        argv: list[str | Path] = [sys.executable, "-m", "lbproxy", "-p", directory, "-c", self.conf, *words]
        environment = {"PYTHONPATH": str(ROOT), "NOTIFY_SOCKET": str(self.readiness.path), **(env or {})}
        super().__init__(argv, env=environment)
        self.until_ready(lambda: self.readiness.wait(self))

    def reload(self, text: str) -> None:
        """Write a new configuration, send HUP and wait until it serves."""
        self.conf.write_text(text)
        self.send_signal(signal.SIGHUP)
        self.readiness.wait(self)

    def workers(self) -> list[int]:
        """Return the ids of its living child processes."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [int(child) for child in children]

    def errors(self, level: str = "error") -> list[str]:
        """Return the lines of the error log, which is stderr here, of this level."""
        return self.stderr.matching(rf"\[{level}\]")

    def wait(self, timeout: float = TIMEOUT) -> int:
        """Wait for its end; insists that no traceback, warning of Python or unforeseen alert was written."""
        status = super().wait(timeout)
        self.readiness.close()
        assert not re.search(r"Traceback|Warning:|Exception in", self.stderr.text), self.report()
        alerts = self.errors("alert")
        assert all(self.alerts and re.search(self.alerts, line) for line in alerts), self.report()
        return status
