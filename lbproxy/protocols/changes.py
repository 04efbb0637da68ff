"""
What directives such as ``proxy_redirect`` and ``proxy_cookie_path`` change in fields of answers: the rules they share.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from lbproxy.http.exchange import Exchange

T = TypeVar("T")

Change = Callable[[Exchange, bytes], bytes | None]
"""Return what a value becomes, None if the rule does not fit it."""

Rewriter = Callable[[Exchange, bytes], bytes]
"""Take and return a field block."""


def by_regex(regex: re.Pattern[bytes], said: Callable[[Exchange], T]) -> Callable[[Exchange, bytes], T | None]:
    """Return the rule that gives what is *said* for a value in which *regex* is found; its groups are captured."""

    def rule(ex: Exchange, value: bytes) -> T | None:
        match = regex.search(value)
        if match is None:
            return None
        ex.capture(match)
        return said(ex)

    return rule


def by_prefix(prefix: Callable[[Exchange], bytes], replacement: Callable[[Exchange], bytes]) -> Change:
    """Return the rule that replaces the *prefix* of a value."""

    def change(ex: Exchange, value: bytes) -> bytes | None:
        start = prefix(ex)
        return replacement(ex) + value[len(start) :] if value.startswith(start) else None

    return change
