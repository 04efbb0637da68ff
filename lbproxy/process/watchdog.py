"""
When the service manager is told that lbproxy is well: when every worker has answered lately.  Pure.

systemd restarts a service whose WATCHDOG=1 stays away for longer than it was promised (sd_watchdog_enabled(3)).
"""

from __future__ import annotations

from collections.abc import Iterable

_ROUNDS = 3  # questions in the time that is allowed: one answer may be late without harm


class Watchdog:
    """
    Asks round by round.

    Args:
        allowed: Seconds that may pass between two signs of life.
        now: Monotonic seconds.

    Attributes:
        deadline: When to `ask` next.
    """

    def __init__(self, allowed: float, now: float) -> None:
        self._interval = allowed / _ROUNDS
        self._missing: set[int] = set()
        self.deadline = now + self._interval

    def ask(self, workers: Iterable[int], now: float) -> None:
        """Begin a round: an answer is due from each of *workers*; whoever missed the last one has another chance."""
        self._missing = set(workers)
        self.deadline = now + self._interval

    def answered(self, worker: int) -> bool:
        """Note that *worker* is well; return whether that makes this a sign of life of the whole."""
        if worker not in self._missing:
            return False
        self._missing.remove(worker)
        return not self._missing
