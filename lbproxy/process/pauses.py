"""
When a worker that has ended may be started again: at once, or after pauses that grow.  Pure.

An end after a while of service is an accident: the next worker starts at once.  So does the second in a row that
ends soon after its start; from there on each pause is twice the last.
"""

from __future__ import annotations

STEADY = 1.0
"""Seconds of service after which the end of a worker is an accident, not a habit."""

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 30.0
"""Seconds before the third start in a row; the limit of the pauses."""


class Pauses:
    """The places of one generation that wait for their next worker."""

    def __init__(self) -> None:
        self._ends: dict[int, int] = {}  # slot -> ends in a row soon after the start
        self._due: dict[int, float] = {}  # slot -> when to start the next worker

    def after_end(self, slot: int, served: float, now: float) -> float:
        """
        Note that the worker of *slot* ended, having served for *served* seconds (0.0: it never came to that).

        Returns:
            How many seconds the place stays empty, 0.0 when the next worker starts now; else `due` names it then.
        """
        if served >= STEADY:
            self._ends[slot] = 0
            return 0.0
        ends = self._ends[slot] = self._ends.get(slot, 0) + 1
        if ends < 2:
            return 0.0
        pause: float = min(FIRST_PAUSE * 2 ** min(ends - 2, 16), LONGEST_PAUSE)  # bounded first: it may fail for months
        self._due[slot] = now + pause
        return pause

    def deadline(self) -> float | None:
        """Return when the next place is due; None when none waits."""
        return min(self._due.values(), default=None)

    def due(self, now: float) -> list[int]:
        """Return the places whose pause is over; they no longer wait then."""
        slots = [slot for slot, due in self._due.items() if due <= now]
        for slot in slots:
            del self._due[slot]
        return slots

    def call_off(self) -> None:
        """Let no place wait any longer; how often its workers ended is still known."""
        self._due.clear()
