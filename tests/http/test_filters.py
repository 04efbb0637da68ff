"""Filters of fields, one behind the other."""

from __future__ import annotations

from lbproxy.http.exchange import Exchange
from lbproxy.http.filters import FieldFilter, chain
from tests.support.exchanges import exchange


def adding(text: bytes) -> FieldFilter:
    def add(_: Exchange, fields: bytes) -> bytes:
        return fields + text

    return add


def test_nothing_to_do_is_none_and_one_filter_is_itself() -> None:
    """So that an answer pays only for what is configured."""
    assert chain([None, None]) is None
    only = adding(b"a")
    assert chain([None, only]) is only


def test_each_sees_what_the_ones_before_it_made() -> None:
    """In the fields handed to it, and in what variables know of the answer."""
    seen: list[bytes] = []

    def look(ex: Exchange, fields: bytes) -> bytes:
        seen.append(ex.sent_fields)
        return fields

    both = chain([adding(b"A: 1\r\n"), look, adding(b"B: 2\r\n")])
    assert both is not None
    ex = exchange()
    assert both(ex, b"") == b"A: 1\r\nB: 2\r\n"
    assert seen == [b"A: 1\r\n"]
    assert ex.sent_fields == b"A: 1\r\nB: 2\r\n"
