"""The request object itself."""

from __future__ import annotations

import re

from tests.support.exchanges import exchange


def test_an_exchange_begins_with_what_the_target_says() -> None:
    """Path and arguments as received; nothing answered yet."""
    ex = exchange(b"/a%20b?c=d#e")
    assert (ex.raw_path, ex.args) == (b"/a%20b", b"c=d")
    assert (ex.status, ex.attempts, ex.attempts_before) == (0, [], [])


def test_captures_replace_those_before_and_names_add_up() -> None:
    """$1 belongs to the last expression that matched; named groups stay until another has the same name."""
    ex = exchange()
    for expression in (rb"(?P<A>.)(?P<b>.)", rb"(?P<b>y)?", rb"."):
        match = re.match(expression, b"xy")
        assert match is not None
        ex.capture(match)
    assert ex.captures == ()
    assert ex.values == {"a": b"x", "b": b""}
