"""Programs that a test starts: their output is collected as it comes, and their end is certain."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Self

from tests.support.waiting import TIMEOUT, Journal


class Output:
    """The lines that a process, and whoever inherits the pipe, writes; read by a thread until all of them ended."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self.lines: Journal[str] = Journal()
        self._pipe = pipe
        self._thread = threading.Thread(target=self._collect, daemon=True)
        self._thread.start()

    def _collect(self) -> None:
        with self._pipe:
            for line in self._pipe:
                self.lines.append(line.decode("utf-8", "backslashreplace").rstrip("\n"))
        self.lines.end()

    def wait_for(self, pattern: str, count: int = 1, timeout: float = TIMEOUT) -> list[str]:
        """Wait until *count* lines match the regular expression *pattern*, and return them."""
        found = re.compile(pattern).search
        lines = self.lines.wait_until(
            lambda lines: sum(1 for line in lines if found(line)) >= count, f"{count} x {pattern!r}", timeout
        )
        return [line for line in lines if found(line)]

    def matching(self, pattern: str) -> list[str]:
        """Return the lines so far that match *pattern*."""
        return [line for line in self.lines.all() if re.search(pattern, line)]

    @property
    def text(self) -> str:
        """All of it so far."""
        return "\n".join(self.lines.all())

    def ended(self, timeout: float) -> bool:
        """Say whether every holder of the pipe is gone within *timeout* seconds."""
        self._thread.join(timeout)
        return not self._thread.is_alive()


class Process:
    """
    A program in a session of its own, with stdout and stderr collected; a context manager.

    Leaving the context stops it and then insists that nothing it started is still running: a child that outlives
    its parent holds the pipes open, which is an error (and it is killed).
    """

    def __init__(
        self, argv: Sequence[str | Path], *, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> None:
        self.argv = [str(word) for word in argv]
        self._popen = subprocess.Popen(
            self.argv, cwd=cwd, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        assert self._popen.stdout is not None
        assert self._popen.stderr is not None
        self.stdout, self.stderr = Output(self._popen.stdout), Output(self._popen.stderr)
        self.pid = self._popen.pid

    def until_ready(self, wait: Callable[[], object]) -> None:
        """Run *wait*, and don't leave the program behind when that fails."""
        try:
            wait()
        except BaseException:
            self._kill_group()
            raise

    @property
    def running(self) -> bool:
        """Whether the program itself is still there."""
        return self._popen.poll() is None

    def send_signal(self, number: int) -> None:
        """Send *number* to the program (not to its children)."""
        self._popen.send_signal(number)

    def wait(self, timeout: float = TIMEOUT) -> int:
        """Wait for its end and that of its children, and return its exit status (negative: the signal)."""
        try:
            status = self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self._kill_group()
            raise AssertionError(f"{self.argv} did not end within {timeout} s\n{self.report()}") from None
        if not (self.stdout.ended(timeout) and self.stderr.ended(timeout)):
            self._kill_group()
            raise AssertionError(f"{self.argv} left a process behind\n{self.report()}")
        return status

    def stop(self, number: int = signal.SIGTERM, timeout: float = TIMEOUT) -> int:
        """End it by signal *number* and return its exit status."""
        if self.running:
            self.send_signal(number)
        return self.wait(timeout)

    def kill(self) -> None:
        """End it and all of its session at once, as a crash would."""
        self._kill_group()
        self.wait()

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._popen.wait(TIMEOUT)

    def report(self) -> str:
        """What it wrote, for messages of failed tests."""
        return f"--- stdout\n{self.stdout.text}\n--- stderr\n{self.stderr.text}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.stop()
        finally:
            sys.stdout.write(f"{self.argv}\n{self.report()}\n")  # shown by pytest when the test failed
