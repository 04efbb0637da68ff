"""What a turn of a contestant consists of: the ways to load a proxy, each with the figures that it brings."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import ClassVar, Protocol

from benchmarks.macro import wrk
from benchmarks.macro.backends import HERE, ROOT, TRANSFER
from benchmarks.macro.contestants import Prepared
from benchmarks.macro.figures import (
    ACCEPTING,
    CPU,
    MEMORY,
    P50,
    P99,
    PER_CLIENT,
    RATE,
    SYSTEM,
    TESTED,
    THROUGHPUT,
    TRANSFER_CPU,
    USER,
    Figure,
    Turn,
)
from benchmarks.macro.processes import READY_WITHIN, BenchmarkError, Process, accepts, pinned

CONNECTIONS = 64  # of clients, unless a case says otherwise
_LOOK_EVERY = 0.0005  # seconds between two attempts to connect to what is starting
_CLIENT_LIMIT = 120.0  # seconds that a client may take longer than its load


@dataclass(slots=True)
class Target:
    """
    Where a load goes.

    Args:
        port: Of 127.0.0.1.
        core: Where clients run.
        process: None for the bare backend, and where the load starts it.
        prepared: None for the bare backend.
        arguments: What scripts are told: how many locations and names there are.
        crowd: Who is idle there beside the load.
    """

    port: int
    core: str | None
    proxy_core: str | None = None
    process: Process | None = None
    prepared: Prepared | None = None
    arguments: tuple[str, ...] = ()
    crowd: Crowd | None = None

    def cpu_seconds(self) -> tuple[float, float]:
        """Return what the proxy has used so far, user and system; nothing where there is none."""
        return self.process.cpu_seconds() if self.process else (0.0, 0.0)


class Crowd:
    """
    Idle clients of a running proxy; a context manager.

    Raises:
        BenchmarkError: They did not come, or at its end: some were sent away.
    """

    def __init__(self, target: Target, size: int) -> None:
        assert target.process is not None
        self._process, self._size = target.process, size
        self._before = target.process.memory()
        self._popen = _client("crowd", target, str(size))

    def __enter__(self) -> Crowd:
        assert self._popen.stdout is not None
        if self._popen.stdout.readline() != "here\n":
            self._popen.kill()
            raise BenchmarkError(f"{self._size} idle clients: not all were answered")
        return self

    def __exit__(self, *_: object) -> None:
        (lost,) = _told(self._popen)
        if lost:
            raise BenchmarkError(f"{self._size} idle clients: {lost:.0f} were sent away")

    def memory_each(self) -> float:
        """Return the octets by which the proxy has grown per client."""
        return (self._process.memory() - self._before) / self._size


class Load(Protocol):
    """A way to load a proxy."""

    @property
    def figures(self) -> tuple[Figure, ...]:
        """What it measures."""

    @property
    def starts_it(self) -> bool:
        """Whether to start the proxy is a part of every turn."""

    def turn(self, target: Target, seconds: float) -> Turn:
        """Load *target* once, for about *seconds*."""


@dataclass(frozen=True, slots=True)
class Requests:
    """
    As many requests as there can be, by wrk.

    Args:
        script: The name of a Lua script, if it isn't the plain GET of *path*.
    """

    script: str = ""
    path: str = "/"
    connections: int = CONNECTIONS
    figures: ClassVar[tuple[Figure, ...]] = (RATE, CPU, USER, SYSTEM)
    starts_it: ClassVar[bool] = False

    def turn(self, target: Target, seconds: float) -> Turn:
        """See `Load`."""
        script = (str(HERE / "scripts" / self.script), *target.arguments) if self.script else ()
        before = target.cpu_seconds()
        load = wrk.run(f"http://127.0.0.1:{target.port}{self.path}", connections=self.connections,
                       seconds=max(1, round(seconds)), core=target.core, script=script)
        values = {RATE: load.rate}
        if target.process:
            scale = 1e6 / max(load.requests, 1)
            user, system = ((late - early) * scale for early, late in zip(before, target.cpu_seconds(), strict=True))
            values |= {CPU: user + system, USER: user, SYSTEM: system}
        return Turn(values, load.failures)


@dataclass(frozen=True, slots=True)
class Transfers:
    """Bodies of 200 MB, one after the other; *way* is "get" or "put"."""

    way: str
    path: str
    figures: ClassVar[tuple[Figure, ...]] = (THROUGHPUT, TRANSFER_CPU)
    starts_it: ClassVar[bool] = False

    def turn(self, target: Target, seconds: float) -> Turn:
        """See `Load`."""
        before = sum(target.cpu_seconds())
        count, passed = _told(_client("transfer", target, self.way, self.path, str(seconds)))
        values = {THROUGHPUT: count * TRANSFER / passed / 1e9}
        if target.process:
            values[TRANSFER_CPU] = (sum(target.cpu_seconds()) - before) * 1e3 / count
        return Turn(values)


@dataclass(frozen=True, slots=True)
class Paced:
    """Requests at a fixed rate, whose latency counts."""

    rate: int = 1000
    figures: tuple[Figure, ...] = (P50, P99, CPU)
    starts_it: ClassVar[bool] = False

    def turn(self, target: Target, seconds: float) -> Turn:
        """See `Load`."""
        before = target.process.run_seconds() if target.process else 0.0
        median, high, answered, failures = _told(_client("pace", target, str(self.rate), str(seconds)))
        values = {P50: median * 1e3, P99: high * 1e3}
        if target.process:
            values[CPU] = (target.process.run_seconds() - before) * 1e6 / max(answered, 1)
        if target.crowd:
            values[PER_CLIENT] = target.crowd.memory_each() / 1024
        return Turn(values, int(failures))


@dataclass(frozen=True, slots=True)
class Start:
    """From exec to the first connection accepted; memory then; and the time that a test of the configuration takes."""

    figures: ClassVar[tuple[Figure, ...]] = (ACCEPTING, TESTED, MEMORY)
    starts_it: ClassVar[bool] = True

    def turn(self, target: Target, seconds: float) -> Turn:  # noqa: ARG002
        """See `Load`; it takes as long as it takes."""
        assert target.prepared is not None
        values: dict[Figure, float] = {}
        if target.prepared.test:
            begun = time.perf_counter()
            subprocess.run(pinned(target.prepared.test, target.proxy_core), check=True, capture_output=True,
                           timeout=READY_WITHIN)
            values[TESTED] = (time.perf_counter() - begun) * 1e3
        begun = time.perf_counter()
        with Process(target.prepared.command, core=target.proxy_core, log=target.prepared.log) as process:
            while not accepts(("127.0.0.1", target.port)):
                if process.popen.poll() is not None or time.perf_counter() > begun + READY_WITHIN:
                    raise BenchmarkError(f"{' '.join(process.command)}: does not start")
                time.sleep(_LOOK_EVERY)
            values[ACCEPTING] = (time.perf_counter() - begun) * 1e3
            time.sleep(0.2)  # workers may still be coming
            values[MEMORY] = process.memory() / (1 << 20)
        return Turn(values)


def gather(target: Target, size: int, running: ExitStack) -> None:
    """Have *size* idle clients come to *target* and stay until the end of *running*."""
    target.crowd = running.enter_context(Crowd(target, size))


def _client(module: str, target: Target, *arguments: str) -> subprocess.Popen[str]:
    """Start one of `clients/` with *target*'s port and *arguments*."""
    command = [sys.executable, "-m", f"benchmarks.macro.clients.{module}", str(target.port), *arguments]
    return subprocess.Popen(pinned(command, target.core), cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, start_new_session=True)


def _told(popen: subprocess.Popen[str]) -> list[float]:
    """Return the numbers that a client prints in the end. Raises BenchmarkError."""
    try:
        output, errors = popen.communicate(timeout=_CLIENT_LIMIT)
    except subprocess.TimeoutExpired as late:
        popen.kill()
        raise BenchmarkError(f"no end of {popen.args!r}") from late
    if popen.returncode:
        raise BenchmarkError(f"{popen.args!r}:\n{errors[-2000:]}")
    return [float(word) for word in output.split()]
