"""One clock for all workers: what one writes into the shared memory about a time, the others compare with theirs."""

from __future__ import annotations

import time

from trio.abc import Clock


class MonotonicClock(Clock):
    """The system's monotonic clock as it is; trio's own adds a random number to it, another in each process."""

    def start_clock(self) -> None:
        """Do nothing: it is always running."""

    current_time = staticmethod(time.monotonic)  # no frame of Python's between

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Return how long it is until *deadline*."""
        return deadline - time.monotonic()
