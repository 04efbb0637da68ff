"""
Coroutines that the poller runs itself.

A trio task costs about 4 µs per wait: a trap object, an outcome, the run queue, the delivery of cancellations.  A
proxy waits twice per small request, and needs none of that.  A `Fibre` is a coroutine that waits for nothing but
channels; the poller resumes it with ``send`` when its edge has come.  Whatever else trio offers (cancel scopes,
nurseries, threads) a task does on its behalf: see `Poller.as_task`.

Channels don't care who waits for them: both kinds of `Waiter` can be woken, with an error to raise or without.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Protocol

import trio
from outcome import Error, Value


class Waiter(Protocol):
    """Who is parked on a channel."""

    def wake(self, error: Exception | None) -> None:
        """Have it go on, raising *error* where it waits if there is one; called once per park."""


class TaskWaiter:
    """The trio task that makes it; it parks itself with ``wait_task_rescheduled``."""

    __slots__ = ("_task",)

    def __init__(self) -> None:
        self._task = trio.lowlevel.current_task()

    def wake(self, error: Exception | None) -> None:
        """See `Waiter`."""
        trio.lowlevel.reschedule(self._task, Value(None) if error is None else Error(error))


class Fibre:
    """
    A coroutine with somebody to resume it.

    Args:
        coroutine: Awaits `park` and what is made of it, nothing of trio's.
        schedule: Takes the fibre, and the error it is to be woken with, when it may go on.
    """

    __slots__ = ("_coroutine", "_schedule")

    def __init__(
        self, coroutine: Coroutine[Any, Any, None], schedule: Callable[[Fibre, Exception | None], None]
    ) -> None:
        self._coroutine, self._schedule = coroutine, schedule

    def wake(self, error: Exception | None) -> None:
        """See `Waiter`."""
        self._schedule(self, error)

    def step(self, error: Exception | None) -> bool:
        """Go on until the next `park`; False when the coroutine has ended instead."""
        try:
            if error is None:
                self._coroutine.send(None)
            else:
                self._coroutine.throw(error)
        except StopIteration:
            return False
        return True

    def close(self) -> None:
        """End it where it waits; its ``finally`` clauses run."""
        self._coroutine.close()


@types.coroutine
def park() -> Generator[None, None, None]:
    """Wait, in a fibre, until somebody wakes it."""
    yield
