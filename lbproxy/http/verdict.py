"""
What is to become of a request, as scripts, checks and content handlers say it.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from lbproxy.http.exchange import Exchange


@dataclass(slots=True)
class Answer:
    """
    What ``return`` says.

    Args:
        status: 444: close the connection without an answer.
        body: None: the error page of *status*, as for any other error (and for every redirect).
        content_type: Of the body.
        location: Where a redirect leads, as written: a path is still to be made absolute.
    """

    status: int
    body: bytes | None = None
    content_type: bytes = b""
    location: bytes | None = None


class Redirect(NamedTuple):
    """
    Go on at another place of this server, which the client does not learn of.

    Args:
        place: ``/path?args``, for which a location is chosen anew, or the ``@name`` of one
            (ngx_http_internal_redirect, ngx_http_named_location).
        as_get: The method becomes GET, unless it is HEAD.
        literal: *place* is a path and nothing else: a "?" is part of it, and the arguments stay.
    """

    place: bytes
    as_get: bool = False
    literal: bool = False


class Relocate(enum.Enum):
    """A script has changed the exchange's path: choose the location anew."""

    RELOCATE = enum.auto()


RELOCATE = Relocate.RELOCATE

Said = Answer | Redirect | Relocate | None
"""What a script may say; None: nothing, go on."""

Step = Callable[[Exchange], Said]
"""A script, or a step of one."""
