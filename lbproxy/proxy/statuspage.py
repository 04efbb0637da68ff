"""
The page of ``stub_status``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lbproxy.http.stubstatus import Census, page
from lbproxy.proxy.respond import send_answer

if TYPE_CHECKING:
    from lbproxy.http.exchange import Exchange
    from lbproxy.proxy.connection import Connection
    from lbproxy.proxy.dispatch import Verdict

_METHODS = frozenset({b"GET", b"HEAD"})


class StatusPage:
    """Answers with what *census* says."""

    def __init__(self, census: Census) -> None:
        self._census = census

    async def __call__(self, conn: Connection, ex: Exchange) -> Verdict:
        """Answer *ex*; see `Handler`."""
        if ex.method not in _METHODS:
            return 405
        if conn.body is not None:
            conn.body.inspect()
        text = page(self._census.totals())
        await send_answer(conn, ex, ex.forced_status or 200, text, content_type=b"text/plain")
        return 0
