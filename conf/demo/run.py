"""
Run three uWSGI nodes and lbproxy in front of them in the foreground, until Ctrl-C.

Each process gets a datagram socket of its own in $NOTIFY_SOCKET and says READY=1 there once it serves
(sd_notify(3), which uWSGI and lbproxy speak), so nothing here guesses or sleeps.  Processes are known by pid
and ended in order: lbproxy first and gracefully, then the nodes.  A node that ends by itself is started again
after a while, long enough to see lbproxy go on without it.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
WORK = HERE.parent.parent / ".run"
BIN = Path(sys.executable).parent
LISTEN = 8080  # as site.conf has it

READY_WITHIN = 20.0  # seconds from start to READY=1
STOP_WITHIN = 5.0  # seconds from the polite signal to SIGKILL
RESTART_AFTER = 5.0  # seconds a node that ended stays away


class DemoError(Exception):
    """The demo can't start; the text says why and what to do about it."""


@dataclass(kw_only=True)
class Child:
    """
    One process of the demo.

    Args:
        stop_signal: What it takes for a request to end.
        log: Where its output goes; None for the terminal.
    """

    name: str
    command: list[str]
    stop_signal: signal.Signals
    log: Path | None = None
    ready: bool = False
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    notify: socket.socket | None = field(default=None, init=False)

    def start(self) -> None:
        """Start the process in a process group of its own, which the terminal's Ctrl-C does not reach."""
        environment = {**os.environ, "NODE": self.name, "NOTIFY_SOCKET": str(self.listen_for_ready())}
        with contextlib.ExitStack() as stack:
            output = stack.enter_context(self.log.open("ab")) if self.log else None
            self.process = subprocess.Popen(self.command, cwd=WORK, env=environment, process_group=0,
                                            stdin=subprocess.DEVNULL, stdout=output, stderr=output)

    def listen_for_ready(self) -> Path:
        """Open the notification socket, once, and return its path."""
        path = WORK / f"{self.name}.notify"
        if self.notify is None:
            path.unlink(missing_ok=True)
            self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self.notify.bind(str(path))
            self.notify.setblocking(False)
        return path

    def hear(self) -> None:
        """Read one notification."""
        assert self.notify is not None
        with contextlib.suppress(BlockingIOError):
            self.ready = b"READY=1" in self.notify.recv(4096).split(b"\n") or self.ready

    def ended(self) -> int | None:
        """Return the exit status, negative for a signal, or None while it runs."""
        return self.process.poll() if self.process else None

    def stop(self) -> None:
        """End the process, politely first, and wait for it."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(self.stop_signal)
        try:
            self.process.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def last_words(self) -> str:
        """Return the end of its log, for an error message."""
        if self.log is None or not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-5:])


def node(name: str, *listen: str) -> Child:
    """Return a uWSGI node: one process with four threads, so that killing its pid kills all of it."""
    return Child(
        name=name,
        command=[str(BIN / "uwsgi"), *listen, "--wsgi-file", str(HERE / "app.py"), "--need-app",
                 "--die-on-term", "--threads", "4"],
        stop_signal=signal.SIGTERM,
        log=WORK / f"{name}.log",
    )


def balancer(port: int) -> Child:
    """Return lbproxy with the demo's configuration, or a copy of it that listens on *port*."""
    conf = HERE / "site.conf"
    if port != LISTEN:
        text = conf.read_text()
        conf = WORK / "site.conf"
        conf.write_text(text.replace(f"listen 127.0.0.1:{LISTEN};", f"listen 127.0.0.1:{port};"))
    command = [str(BIN / "lbproxy"), "-p", str(WORK), "-c", str(conf), "-g", "pid lbproxy.pid;"]
    return Child(name="lbproxy", command=command, stop_signal=signal.SIGQUIT)


def refuse_taken(ports: list[int]) -> None:
    """Raise DemoError if something listens on one of *ports* already."""
    for port in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as exc:
                mend = "is another demo running?" if port in (3031, 3033) else "another port: make run PORT=9090"
                raise DemoError(f"127.0.0.1:{port} can't be used: {exc.strerror}; {mend}") from exc


@contextlib.contextmanager
def signal_socket() -> Iterator[socket.socket]:
    """Yield a socket on which SIGINT, SIGTERM and SIGCHLD arrive as octets, so that select() sees them."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setblocking(False)
        ours.setblocking(False)
        signal.set_wakeup_fd(theirs.fileno())
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        try:
            yield ours
        finally:
            signal.set_wakeup_fd(-1)


class Demo:
    """The processes of the demo, and the loop that watches over them."""

    def __init__(self, nodes: list[Child], proxy: Child, signals: socket.socket) -> None:
        self.nodes, self.proxy = nodes, proxy
        self.children = [*nodes, proxy]
        self.signals = signals
        self.restarts: dict[str, float] = {}  # node name -> monotonic time to start it again
        self.stopping = False
        self.selector = selectors.DefaultSelector()

    def start(self) -> None:
        """Start everything at once and return when all of it serves or a signal asked to stop."""
        self.selector.register(self.signals, selectors.EVENT_READ)
        for child in self.children:
            child.start()
            assert child.notify is not None
            self.selector.register(child.notify, selectors.EVENT_READ, child)
        deadline = time.monotonic() + READY_WITHIN
        while not self.stopping and not all(child.ready for child in self.children):
            self.wait(deadline - time.monotonic())
            for child in self.children:
                if (status := child.ended()) is not None:
                    raise DemoError(f"{child.name} ended with status {status}\n{child.last_words()}".rstrip())
            if time.monotonic() >= deadline:
                late = ", ".join(child.name for child in self.children if not child.ready)
                raise DemoError(f"not ready after {READY_WITHIN:.0f} s: {late}")

    def wait(self, timeout: float | None) -> None:
        """Wait at most *timeout* seconds for notifications and signals, and take note of them."""
        for key, _ in self.selector.select(None if timeout is None else max(0.0, timeout)):
            if isinstance(key.data, Child):
                key.data.hear()
            elif {signal.SIGINT, signal.SIGTERM} & set(self.signals.recv(512)):
                self.stopping = True

    def watch(self) -> int:
        """Keep the nodes alive until a signal comes or lbproxy ends; return the exit status."""
        while not self.stopping:
            due = min(self.restarts.values(), default=None)
            self.wait(None if due is None else due - time.monotonic())
            if (status := self.proxy.ended()) is not None:
                say(f"lbproxy ended with status {status}")
                return 1
            self.revive(time.monotonic())
        return 0

    def revive(self, now: float) -> None:
        """Note nodes that ended, and start again those whose time has come."""
        for child in self.nodes:
            if child.ended() is not None and child.name not in self.restarts:
                say(f"node {child.name} ended; lbproxy goes on without it; back in {RESTART_AFTER:.0f} s")
                self.restarts[child.name] = now + RESTART_AFTER
            elif self.restarts.get(child.name, now + 1) <= now:
                del self.restarts[child.name]
                child.start()
                say(f"node {child.name} is started again")

    def stop(self) -> None:
        """End every process: lbproxy first, so that nothing it still answers is cut off."""
        for child in [self.proxy, *self.nodes]:
            child.stop()
            if child.notify:
                child.notify.close()
        self.selector.close()


def say(text: str) -> None:
    """Print a line of our own, apart from lbproxy's access log."""
    print(f"# {text}", flush=True)


def welcome(demo: Demo, port: int) -> None:
    """Print what to try."""
    one, two, three = (child.process.pid if child.process else 0 for child in demo.nodes)
    conf = demo.proxy.command[demo.proxy.command.index("-c") + 1]
    print(f"""
lbproxy balances on http://127.0.0.1:{port}/ ({conf})
  node one    uwsgi, 127.0.0.1:3031     pid {one}
  node two    uwsgi, unix:.run/two.sock pid {two}
  node three  HTTP, 127.0.0.1:3033      pid {three}

Try in another terminal:
  curl http://127.0.0.1:{port}/          again and again: node one, node two, node one ...
  curl http://127.0.0.1:{port}/web/      over HTTP: node three
  kill -9 {one}; curl http://127.0.0.1:{port}/     a dead node costs no request

The access log follows. Ctrl-C ends everything.
""", flush=True)


def main() -> int:
    """Run the demo; return 0 after Ctrl-C, 1 if it could not start or lbproxy ended."""
    parser = argparse.ArgumentParser(description="Three uWSGI nodes and lbproxy in front of them.")
    parser.add_argument("--port", type=int, default=LISTEN, help="where lbproxy listens (%(default)s)")
    port = parser.parse_args().port
    WORK.mkdir(exist_ok=True)
    nodes = [
        node("one", "--socket", "127.0.0.1:3031"),
        node("two", "--socket", "two.sock"),
        node("three", "--http-socket", "127.0.0.1:3033"),
    ]
    with signal_socket() as signals:
        demo = Demo(nodes, balancer(port), signals)
        try:
            refuse_taken([port, 3031, 3033])
            demo.start()
            if demo.stopping:
                return 0
            welcome(demo, port)
            return demo.watch()
        except DemoError as exc:
            print(f"make run: {exc}", file=sys.stderr)
            return 1
        finally:
            demo.stop()


if __name__ == "__main__":
    sys.exit(main())
