"""Real uWSGI nodes, as users run them."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Literal

import pytest

from tests.support.client import Address
from tests.support.process import Process

UWSGI = Path(sys.executable).with_name("uwsgi")
APP = Path(__file__).with_name("app.py")

Kind = Literal["socket", "http-socket"]


class Node:
    """
    One uWSGI process that serves `tests/support/app.py` and can be killed and started again at the same address.

    Args:
        name: What the application calls itself.
        at: Address to bind: (host, port) or the path of a unix socket.
        kind: "socket" speaks uwsgi, "http-socket" HTTP.
        delay: Seconds that each answer takes.
        options: More command-line words for uwsgi.
    """

    def __init__(self, name: str, at: Address, kind: Kind = "socket", delay: float = 0.0, *options: str) -> None:
        if not UWSGI.exists():
            pytest.skip("uwsgi is not installed beside this Python (pyuwsgi)")
        self.name, self.at, self.kind = name, at, kind
        self._environment = {"NODE": name, "DELAY": str(delay)}
        self._options = options
        self.process: Process
        self.start()

    @property
    def address(self) -> str:
        """As a configuration writes it: host:port or unix:path."""
        return f"unix:{self.at}" if isinstance(self.at, str) else f"{self.at[0]}:{self.at[1]}"

    def start(self) -> None:
        """Start it and return once its application is loaded and its socket listens."""
        bind = self.at if isinstance(self.at, str) else f"{self.at[0]}:{self.at[1]}"
        settings = ["--need-app", "--die-on-term", "--threads", "4", "--disable-logging", *self._options]
        argv: list[str | Path] = [UWSGI, f"--{self.kind}", bind, "--wsgi-file", APP, *settings]
        self.process = process = Process(argv, env=self._environment)
        process.until_ready(lambda: process.stderr.wait_for("spawned uWSGI worker 1"))

    def kill(self) -> None:
        """End it as a crash would: open requests are reset, then connections are refused."""
        self.process.kill()

    def freeze(self) -> None:
        """Let it accept connections (the kernel does) but do nothing, until `thaw`."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self.process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """End it."""
        if self.process.running:
            self.process.kill()
