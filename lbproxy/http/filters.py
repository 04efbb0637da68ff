"""
What happens to an answer on its way out: to its fields, and to its body.

Modules that change answers (``charset``, ``add_header``, ...) compile one function each per location; those that
have nothing to do there compile to None, so that an answer which nobody changes pays for one comparison.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from lbproxy.http.exchange import Exchange

FieldFilter = Callable[[Exchange, bytes], bytes]
"""Returns the field block that is to be sent instead of the given one; the exchange has its status by then."""


class BodyFilter(Protocol):
    """Changes one body, piece by piece."""

    def feed(self, data: bytes) -> bytes:
        """Return what can be sent once *data* is known."""

    def end(self) -> bytes:
        """Return what is left to be sent, now that there is no more."""


class Filtered(NamedTuple):
    """An answer that is to be changed: its new field block, and what changes its body; None: that stays as it is."""

    fields: bytes
    body: BodyFilter | None


BodyFilterFactory = Callable[[Exchange, bytes, int | None], Filtered | None]
"""
Decides whether an answer's body is changed, from its field block (without framing) and its length.

The length is None where only the body's end will tell it; of an answer to HEAD it is that of the body which is not
sent.  A changed body goes out in chunks, or until close.
"""


class Trailers(Protocol):
    """What stands behind the last chunk of an answer."""

    def expected(self, ex: Exchange) -> bool:
        """Tell whether the answer of *ex*, whose status is known, may have any."""

    def block(self, ex: Exchange) -> bytes:
        """Return the field block, now that the body has been sent."""


class Filters(NamedTuple):
    """All that changes the answers of one location; what is None has nothing to change."""

    fields: FieldFilter | None = None
    body: BodyFilterFactory | None = None
    trailers: Trailers | None = None


def chain(filters: Iterable[FieldFilter | None]) -> FieldFilter | None:
    """Return one filter that applies *filters* in their order; None if there are none."""
    steps = tuple(step for step in filters if step is not None)
    if len(steps) <= 1:
        return steps[0] if steps else None

    def apply(ex: Exchange, fields: bytes) -> bytes:
        for step in steps:
            ex.sent_fields = fields = step(ex, fields)
        return fields

    return apply
