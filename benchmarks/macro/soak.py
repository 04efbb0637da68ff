"""
Restart a node under load and count failed requests: python -m benchmarks.macro.soak (or `make soak`).

wrk asks lbproxy over 64 keep-alive connections; behind it stand three uWSGI nodes.  One of them is ended
twice, by SIGTERM and by SIGKILL, and started again half a second later.  Not one GET may fail, and the node
must be given requests again each time: lbproxy's access log says who answered what.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.macro import wrk
from benchmarks.macro.cases import CONNECTIONS, start_uwsgi
from benchmarks.macro.processes import BenchmarkError, Process, free_port, program

AWAY = 0.5  # seconds the node is gone
PATIENCE = 60.0  # seconds each step may take

_CONF = """
pid {dir}/lbproxy.pid;
error_log {dir}/error.log;
events {{ worker_connections 4096; }}
http {{
    log_format soak "$status $upstream_addr";
    access_log {dir}/access.log soak;
    upstream app {{
        server {nodes[0]} fail_timeout=1s;
        server {nodes[1]} fail_timeout=1s;
        server {nodes[2]} fail_timeout=1s;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        location / {{ include uwsgi_params; uwsgi_pass app; }}
    }}
}}
"""


class Answers:
    """What the access log says so far."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self.total = 0
        self.statuses: collections.Counter[str] = collections.Counter()
        self.by_node: collections.Counter[str] = collections.Counter()
        self.retried = 0
        self._offset = 0

    def read(self) -> None:
        """Take in the lines written since the last call: a status, then the address of each try."""
        with self.log.open("rb") as file:
            file.seek(self._offset)
            text = file.read()
        text = text[: text.rfind(b"\n") + 1]
        self._offset += len(text)
        for line in text.decode().splitlines():
            status, *tries = line.replace(",", "").split()
            self.total += 1
            self.statuses[status] += 1
            self.by_node[tries[-1]] += 1
            self.retried += len(tries) > 1

    def wait_total(self, total: int) -> None:
        """Wait until *total* requests are answered."""
        self._wait(lambda: self.total >= total, f"{total} answers")

    def wait_node(self, address: str) -> None:
        """Wait until the node at *address* answers one more request."""
        self.read()
        before = self.by_node[address]
        self._wait(lambda: self.by_node[address] > before, f"{address} to be used")

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        self.read()
        while not condition():
            if time.monotonic() > deadline:
                raise BenchmarkError(f"waited {PATIENCE:.0f} s for {what}; {self.total} answers so far")
            time.sleep(0.05)
            self.read()


class Nodes:
    """Three uWSGI nodes on TCP ports."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.addresses = [f"127.0.0.1:{free_port()}" for _ in range(3)]
        self.processes = [self._start(index) for index in range(3)]

    def _start(self, index: int) -> Process:
        return start_uwsgi(self.addresses[index], self.directory, None, f"node{index}")

    def restart(self, index: int, how: signal.Signals) -> None:
        """End node *index* by signal *how* and start it again after a while."""
        self.processes[index].stop(how)
        time.sleep(AWAY)
        self.processes[index] = self._start(index)

    def stop(self) -> None:
        """End all of them."""
        for process in self.processes:
            process.stop()


def soak(directory: Path, requests: int) -> tuple[wrk.Load, Answers]:
    """Run it in *directory* until *requests* are answered and the node has come back twice."""
    port = free_port()
    with contextlib.ExitStack() as running:
        nodes = Nodes(directory)
        running.callback(nodes.stop)
        conf = directory / "soak.conf"
        conf.write_text(_CONF.format(dir=directory, port=port, nodes=nodes.addresses))
        proxy = Process([program("lbproxy"), "-p", str(directory), "-c", str(conf)], core=None,
                        log=directory / "lbproxy.log", stop_signal=signal.SIGQUIT)
        running.enter_context(proxy)
        proxy.wait_listening(("127.0.0.1", port))
        url = f"http://127.0.0.1:{port}/"
        load = wrk.Running(url, connections=CONNECTIONS, seconds=int(4 * PATIENCE))
        running.callback(load.kill)
        answers = Answers(directory / "access.log")
        for step, how in enumerate((signal.SIGTERM, signal.SIGKILL), 1):
            answers.wait_total(requests * step // 3)
            print(f"{answers.total:7} answered; node 0 ended by {how.name}, back in {AWAY} s", flush=True)
            nodes.restart(0, how)
            answers.wait_node(nodes.addresses[0])
            print(f"{answers.total:7} answered; node 0 gets requests again", flush=True)
        answers.wait_total(requests)
        outcome = load.finish()
        proxy.stop()
        answers.read()
        return outcome, answers


def main() -> int:
    """Run the soak; return 0 if no request failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.macro.soak", description=__doc__)
    parser.add_argument("--requests", type=int, default=50_000, help="at least so many (%(default)s)")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        print("missing: wrk (apt-get install wrk)", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="lbproxy-soak-") as name:
        try:
            load, answers = soak(Path(name), options.requests)
        except BenchmarkError as exc:
            print(exc, file=sys.stderr)
            return 1
        print(f"{load.requests} requests in {load.seconds:.1f} s ({load.rate:.0f}/s), {load.failures} failed")
        print(f"access log: {dict(answers.statuses)}; {answers.retried} requests needed another server")
        # 499: those in flight when wrk was told that it is enough
        bad = [count for status, count in answers.statuses.items() if status not in ("200", "499")]
        failed = load.failures + sum(bad)
        if failed:
            words = (Path(name) / "error.log").read_text(errors="replace").splitlines()
            print("FAILED; the error log ends:", *words[-10:], sep="\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
