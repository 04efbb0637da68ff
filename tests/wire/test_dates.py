"""HTTP dates: written in one form, read in three."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbproxy.wire.dates import http_date, parse_date

EXAMPLE = 784111777  # RFC 9110 section 5.6.7


def test_the_form_that_is_written() -> None:
    assert http_date(EXAMPLE) == b"Sun, 06 Nov 1994 08:49:37 GMT"
    assert http_date(EXAMPLE + 0.9) == http_date(EXAMPLE)


@pytest.mark.parametrize(
    "text", [b"Sun, 06 Nov 1994 08:49:37 GMT", b"Sunday, 06-Nov-94 08:49:37 GMT", b"Sun Nov  6 08:49:37 1994"]
)
def test_the_three_forms_that_are_read(text: bytes) -> None:
    assert parse_date(text) == EXAMPLE


@given(st.integers(min_value=0, max_value=253402300799))
def test_what_is_written_can_be_read(seconds: int) -> None:
    assert parse_date(http_date(seconds)) == seconds


@pytest.mark.parametrize(
    "text",
    [b"", b"now", b"0", b"Sun, 06 Nov 1994 08:49:37", b"Sun, 31 Feb 1994 08:49:37 GMT",
     b"Sun, 06 Nov 1994 25:49:37 GMT", b"Sun, 06 Nov 1994 08:49:61 GMT", b"Sun, 06 Nov 1994 08:49:37 GMT ",
     "Sun, 0\u0666 Nov 1994 08:49:37 GMT".encode()],
)
def test_anything_else_is_no_date(text: bytes) -> None:
    assert parse_date(text) is None


def test_a_leap_second_is_the_second_behind_it() -> None:
    assert parse_date(b"Sat, 31 Dec 2016 23:59:60 GMT") == parse_date(b"Sun, 01 Jan 2017 00:00:00 GMT")
