"""
How many clients and requests there were and are, in this worker and in all of them.

Source: nginx src/http/modules/ngx_http_stub_status_module.c.
"""

from __future__ import annotations

from typing import NamedTuple

from lbproxy.balance.rows import Field, Row

TOTALS = (
    Field(sum),  # accepts
    Field(sum),  # handled
    Field(sum),  # requests
    Field(sum, kept=False),  # active
    Field(sum, kept=False),  # reading
    Field(sum, kept=False),  # writing
)
"""What a worker's row of totals holds."""


class Totals(NamedTuple):
    """
    What there was and is.

    Args:
        accepts: Connections accepted.
        handled: Connections served; lbproxy accepts none that it doesn't.
        requests: Requests begun, unreadable ones included.
        active: Connections open.
        reading: Of these, those that have sent part of a request's head.
        writing: Of these, those with a request in hand: it is being read, passed on or answered.
    """

    accepts: int = 0
    handled: int = 0
    requests: int = 0
    active: int = 0
    reading: int = 0
    writing: int = 0

    @property
    def waiting(self) -> int:
        """Connections that have no request, new ones without an octet included."""
        return self.active - self.reading - self.writing


class SharedTotals:
    """The totals of all workers, as one of them tells its own and sees the others'."""

    def __init__(self, row: Row) -> None:
        self._row = row
        self._own = row.totals[row.number]

    def tell(self, own: Totals) -> None:
        """Let the others know this worker's."""
        for field, number in enumerate(own):
            self._own[self._row.totals.cell(field)] = number

    def everywhere(self, own: Totals) -> Totals:
        """Return those of all workers, past ones included, this one's being *own*."""
        self.tell(own)
        rows = self._row.roll.taken()
        return Totals(*(self._row.totals.combined(rows, field) for field in range(len(own))))
