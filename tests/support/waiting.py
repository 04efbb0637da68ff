"""Waiting for other threads and processes without sleeping: everything is an event, everything is bounded."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

TIMEOUT = 10.0
"""Seconds after which a test that waits has failed; generous, since a passing test never waits that long."""


class Journal(Generic[T]):
    """
    A list that threads append to and tests wait on.

    `end` says that nothing more will come, so that a waiter fails at once instead of after the timeout.
    """

    def __init__(self) -> None:
        self._entries: list[T] = []
        self._changed = threading.Condition()
        self._ended = False

    def append(self, entry: T) -> None:
        """Add *entry* and wake who waits."""
        with self._changed:
            self._entries.append(entry)
            self._changed.notify_all()

    def end(self) -> None:
        """Say that nothing more will come."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def all(self) -> list[T]:
        """Return what has been written so far."""
        with self._changed:
            return list(self._entries)

    def __len__(self) -> int:
        return len(self.all())

    def since(self, mark: int) -> list[T]:
        """Return the entries after the first *mark*."""
        return self.all()[mark:]

    def wait(self, count: int = 1, timeout: float = TIMEOUT) -> list[T]:
        """Wait until there are *count* entries or more, and return all; raises AssertionError after *timeout*."""
        return self.wait_until(lambda entries: len(entries) >= count, f"{count} entries", timeout)

    def wait_until(self, holds: Callable[[list[T]], bool], what: str, timeout: float = TIMEOUT) -> list[T]:
        """Wait until *holds* is true of the entries and return them; raises AssertionError naming *what*."""
        with self._changed:
            self._changed.wait_for(lambda: holds(self._entries) or self._ended, timeout)
            if not holds(self._entries):
                cause = "it ended" if self._ended else f"{timeout} s passed"
                raise AssertionError(f"waited for {what}, but {cause}; so far: {self._entries!r}")
            return list(self._entries)


def until(holds: Callable[[], object], what: str, timeout: float = TIMEOUT) -> None:
    """
    Ask *holds* again and again until it is true; for facts that send no event, such as files.

    Raises:
        AssertionError: It was still false after *timeout* seconds; *what* says what was waited for.
    """
    pause = threading.Event()
    deadline = time.monotonic() + timeout
    while not holds():
        assert time.monotonic() < deadline, f"waited {timeout} s for {what}"
        pause.wait(0.01)
