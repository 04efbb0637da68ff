"""
What directives such as ``proxy_redirect`` and ``proxy_cookie_path`` change in fields of answers: the rules they share.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from lbproxy.http.exchange import Exchange

Change = Callable[[Exchange, bytes], bytes | None]
"""Return what a value becomes, None if the rule does not fit it."""

Rewriter = Callable[[Exchange, bytes], bytes]
"""Take and return a field block."""


def by_regex(regex: re.Pattern[bytes], replacement: Callable[[Exchange], bytes]) -> Change:
    """Return the rule that replaces the whole of a value in which *regex* is found; its groups are captured."""

    def change(ex: Exchange, value: bytes) -> bytes | None:
        match = regex.search(value)
        if match is None:
            return None
        ex.capture(match)
        return replacement(ex)

    return change


def by_prefix(prefix: Callable[[Exchange], bytes], replacement: Callable[[Exchange], bytes]) -> Change:
    """Return the rule that replaces the *prefix* of a value."""

    def change(ex: Exchange, value: bytes) -> bytes | None:
        start = prefix(ex)
        return replacement(ex) + value[len(start) :] if value.startswith(start) else None

    return change
