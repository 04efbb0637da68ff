"""
A real `Master` over fake workers, as a program: ``python -m tests.support.fakemaster FILE``.

FILE is JSON: "listen" (ports), "workers", "name", "pid", "reuseport", and "mood" of the workers: "serve" (greet each
client with the name), "deaf" (never accept), "fail" (end before serving), "silent" (never serve), "stubborn" (obey
nothing); the last two shorten the master's patience.  Everything is logged to stderr.
"""

from __future__ import annotations

import json
import selectors
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from lbproxy.config.model import Address, Listener
from lbproxy.errors import ConfigErrors, ConfigSyntaxError, Position, Source
from lbproxy.process import supervise
from lbproxy.process.children import Order
from lbproxy.process.master import Master
from lbproxy.process.roles import Seat
from lbproxy.process.signals import SignalInbox, let_through

PLACE = Position(Source("fake.json"), 1, 1)


class FakeCycle:
    """What a file of the above form says."""

    def __init__(self, path: Path) -> None:
        try:
            self.file: dict[str, Any] = json.loads(path.read_text())
        except ValueError as error:
            raise ConfigErrors([ConfigSyntaxError("not JSON", PLACE), ConfigSyntaxError("no luck", PLACE)]) from error
        reuseport = self.file.get("reuseport", False)
        self.listeners: Sequence[Listener] = tuple(
            Listener(address=Address("127.0.0.1", port), reuseport=reuseport, position=PLACE)
            for port in self.file["listen"]
        )
        self.workers: int = self.file.get("workers", 1)
        self.pid_path = path.parent / self.file.get("pid", "fake.pid")
        self.warnings = self.file.get("warnings", ())
        self.peers = ()
        self.name: str = self.file.get("name", "fake")
        self.mood: str = self.file.get("mood", "serve")

    def take_over(self) -> None:
        self.log("notice", f"{self.name} is in force")

    def log(self, level: str, message: str) -> None:
        sys.stderr.write(f"[{level}] {message}\n")
        sys.stderr.flush()

    def complain(self, message: str) -> None:
        self.log("emerg", message)

    def reopen_logs(self) -> None:
        self.log("notice", f"{self.name} reopened")

    def close_logs(self) -> None:
        self.log("notice", f"{self.name} closed")

    def work(self, seat: Seat) -> int:
        if self.mood == "fail":
            seat.line.tell_failed("in a bad mood")
            return 3
        worker = FakeWorker(self, seat)
        let_through()
        if self.mood != "silent":
            seat.line.tell_serving()
        while worker.working:
            for key, _ in worker.selector.select():
                key.data(key.fileobj)
        return 0


class FakeWorker:
    """Greets clients until it is told to go or its master is dead."""

    def __init__(self, cycle: FakeCycle, seat: Seat) -> None:
        self.cycle, self.line = cycle, seat.line
        self.working = True
        self.inbox = SignalInbox()
        self.selector = selectors.DefaultSelector()
        self.watch(self.inbox.socket, self.obey)
        self.watch(seat.line.socket, self.heed)
        if cycle.mood != "deaf":
            for several in seat.sockets.values():
                for sock in several:
                    self.watch(sock, self.greet)

    def watch(self, sock: socket.socket, act: Callable[[socket.socket], None]) -> None:
        self.selector.register(sock, selectors.EVENT_READ, act)

    def greet(self, listening: socket.socket) -> None:
        with suppress(BlockingIOError):  # another worker may have been faster
            client, _ = listening.accept()
            with client:
                client.sendall(self.cycle.name.encode())

    def obey(self, _: socket.socket) -> None:
        for number in self.inbox.read():
            if number == signal.SIGUSR1:
                self.cycle.log("notice", f"worker of {self.cycle.name} reopened")
            elif self.cycle.mood != "stubborn":
                self.line.tell_withdrawn()
                self.working = False

    def heed(self, _: socket.socket) -> None:
        match self.line.hear():
            case Order.LEAVE if self.cycle.mood != "stubborn":
                self.line.tell_withdrawn()
                self.working = False
            case Order.REPORT if self.cycle.mood != "stubborn":
                self.line.tell_present()
            case None:
                self.working = False


if __name__ == "__main__":
    path = Path(sys.argv[1])
    mood = FakeCycle(path).mood
    if mood == "silent":
        supervise.START_TIMEOUT = 0.1
    elif mood == "stubborn":
        supervise.STOP_TIMEOUT = 0.1
    master = Master(lambda: FakeCycle(path), partial(print, "started"))
    master.open()
    sys.exit(master.run())
