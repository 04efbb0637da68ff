"""wrk, the load generator: one run of it, and what it printed, as numbers."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.macro.processes import BenchmarkError, pinned

_SUMMARY = re.compile(r"(\d+) requests in ([\d.]+)(us|ms|s|m|h)")
_SOCKET_ERRORS = re.compile(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)")
_BAD_STATUS = re.compile(r"Non-2xx or 3xx responses: (\d+)")
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class Load:
    """What one run of wrk brought: answers received, the seconds it took, and requests that went wrong."""

    requests: int
    seconds: float
    failures: int

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds


def parse(output: str) -> Load:
    """
    Read wrk's report.

    Raises:
        BenchmarkError: There is no summary in it.
    """
    summary = _SUMMARY.search(output)
    if summary is None:
        raise BenchmarkError(f"wrk reported nothing:\n{output}")
    broken = _SOCKET_ERRORS.search(output)
    refused = _BAD_STATUS.search(output)
    failures = sum(map(int, broken.groups())) if broken else 0
    failures += int(refused[1]) if refused else 0
    return Load(int(summary[1]), float(summary[2]) * _UNITS[summary[3]], failures)


class Running:
    """
    wrk at work: keep-alive GETs from one thread.

    Args:
        seconds: How long it goes on by itself.
        core: The only core it may use; None for any.
        script: The path of a Lua script that makes other requests, and its arguments.
    """

    def __init__(self, url: str, *, connections: int, seconds: int, core: str | None = None,
                 script: Sequence[str] = ()) -> None:
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s"]
        command += ["-s", script[0], url, "--", *script[1:]] if script else [url]
        self._limit = seconds + 30
        self._popen = subprocess.Popen(
            pinned(command, core), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, start_new_session=True)

    def result(self) -> Load:
        """Wait for its end and return what came of it."""
        output, _ = self._popen.communicate(timeout=self._limit)
        return parse(output)

    def finish(self) -> Load:
        """Tell it that it is enough (it then counts what it has) and return what came of it."""
        self._popen.send_signal(signal.SIGINT)
        return self.result()

    def kill(self) -> None:
        """End it, whatever it does; no harm if it has ended."""
        if self._popen.poll() is None:
            self._popen.kill()
            self._popen.communicate()


def run(url: str, *, connections: int, seconds: int, core: str | None, script: Sequence[str] = ()) -> Load:
    """Load *url* for some seconds and return what came of it."""
    running = Running(url, connections=connections, seconds=seconds, core=core, script=script)
    try:
        return running.result()
    finally:
        running.kill()
