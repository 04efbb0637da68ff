"""Processes of a benchmark: started on one core, known by pid, measured through /proc, ended for certain."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType

Endpoint = tuple[str, int] | str  # host and port, or the path of a unix socket

READY_WITHIN = 15.0  # seconds from start to the first accepted connection
STOP_WITHIN = 5.0  # seconds from the polite signal to SIGKILL

_SERVERS_PORTS = range(12_000, 32_000)  # Linux gives connections those from 32768 on
TICK = 1 / os.sysconf("SC_CLK_TCK")  # seconds


class BenchmarkError(Exception):
    """The benchmark can't be run; the text says why."""


class Process:
    """
    A child process with everything it forks.

    Args:
        core: The only core it may use, or a list such as "0,1"; None for any.
        log: Where its output goes.
        stop_signal: What ends it at once.
    """

    def __init__(self, command: Sequence[str], *, core: str | None, log: Path, cwd: Path | None = None,
                 environment: Mapping[str, str] | None = None,
                 stop_signal: signal.Signals = signal.SIGTERM) -> None:
        self.command, self.log, self.stop_signal = list(command), log, stop_signal
        with log.open("ab") as output:
            self.popen = subprocess.Popen(
                pinned(command, core), cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                env={**os.environ, **(environment or {})}, start_new_session=True)

    @property
    def pid(self) -> int:
        """The pid of the process started, which is the root of the tree."""
        return self.popen.pid

    def __enter__(self) -> Process:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.stop()

    def wait_listening(self, endpoint: Endpoint) -> Process:
        """
        Wait until *endpoint* accepts connections.

        Raises:
            BenchmarkError: The process ended first, or took too long; with the end of its log.
        """
        deadline = time.monotonic() + READY_WITHIN
        while not accepts(endpoint):
            if self.popen.poll() is not None or time.monotonic() > deadline:
                words = "\n".join(self.log.read_text(errors="replace").splitlines()[-8:])
                raise BenchmarkError(f"{' '.join(self.command)}: does not serve {endpoint}\n{words}")
            time.sleep(0.01)
        return self

    def stop(self, number: signal.Signals | None = None) -> None:
        """End it with signal *number* (the polite one unless told) and wait for it; SIGKILL if it stays."""
        if self.popen.poll() is None:
            self.popen.send_signal(number or self.stop_signal)
            try:
                self.popen.wait(STOP_WITHIN)
            except subprocess.TimeoutExpired:
                for pid in tree(self.pid):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                self.popen.wait()

    def cpu_seconds(self) -> tuple[float, float]:
        """Return the processor time, user and system, that the tree of processes has used so far."""
        ticks = [cpu_ticks(pid) for pid in tree(self.pid)]
        return sum(user for user, _ in ticks) * TICK, sum(system for _, system in ticks) * TICK

    def run_seconds(self) -> float:
        """Return user and system time together, exact where `cpu_seconds` counts ticks; threads gone are forgotten."""
        return sum(map(run_nanoseconds, tree(self.pid))) * 1e-9

    def memory(self) -> int:
        """Return the octets of memory that the tree of processes holds; what processes share counts once (PSS)."""
        return sum(map(proportional_set, tree(self.pid)))


def pinned(command: Sequence[str], core: str | None) -> list[str]:
    """Return *command* so that it, and all it forks, stays on *core*; the pid is the command's own."""
    return list(command) if core is None else ["taskset", "--cpu-list", core, *command]


def tree(pid: int) -> Iterator[int]:
    """Yield *pid* and its living descendants."""
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in task.read_text().split():
                yield from tree(int(child))


def cpu_ticks(pid: int) -> tuple[int, int]:
    """Return utime and stime of one process, 0 when it is gone (proc_pid_stat(5), fields 14 and 15)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0, 0
    fields = stat.rpartition(")")[2].split()  # the command's name in brackets may hold anything
    return int(fields[11]), int(fields[12])


def run_nanoseconds(pid: int) -> int:
    """Return the processor time of one process's living threads, 0 when it is gone (schedstat of each)."""
    total = 0
    for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with contextlib.suppress(OSError):
            total += int(task.read_text().split()[0])
    return total


def proportional_set(pid: int) -> int:
    """Return the octets of memory of one process, 0 when it is gone (proc_pid_smaps(5), smaps_rollup)."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))


def accepts(endpoint: Endpoint) -> bool:
    """Return whether a connection to *endpoint* can be made now."""
    family = socket.AF_UNIX if isinstance(endpoint, str) else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(endpoint) == 0


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that was free a moment ago, and that no outgoing connection will take."""
    while True:
        port = random.choice(_SERVERS_PORTS)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def program(name: str) -> str:
    """Return the path of a script installed beside this Python, such as uwsgi or lbproxy."""
    path = Path(sys.executable).with_name(name)
    if not path.exists():
        raise BenchmarkError(f"{path} is missing: run `make bench`, which installs it")
    return str(path)
