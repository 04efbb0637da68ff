"""`split_clients`."""

from __future__ import annotations

import re

import pytest

from lbproxy.errors import InvalidValue
from lbproxy.http.split_clients import murmur_hash2, parse_split_clients
from lbproxy.http.variables import VariableTable
from tests.support.exchanges import directive, exchange

TABLE = VariableTable({})


def value_of(key: str, *lines: tuple[str, str]) -> bytes | None:
    block = [directive(share, value) for share, value in lines]
    split = parse_split_clients(directive("split_clients", "$arg_k", "$x", block=block))
    assert (split.name, split.volatile) == ("x", False)
    return split.compile(TABLE)(exchange(b"/?k=" + key.encode()))


@pytest.mark.parametrize(
    ("data", "hashed"),
    [
        (b"", 0), (b"a", 0x92685F5E), (b"ab", 0x1AA14063), (b"abc", 0x13577C9B), (b"abcd", 0x26873021),
        (b"hello", 0xE56129CB),
    ],
)
def test_murmur_hash(data: bytes, hashed: int) -> None:
    """Every length of a tail."""
    assert murmur_hash2(data) == hashed


@pytest.mark.parametrize(
    ("key", "expected"), [("abc", b"a"), ("hello", b"rest"), ("a", b"b"), ("", b"a")]
)
def test_shares(key: str, expected: bytes) -> None:
    """From the lowest hashes up; "$" means nothing in a value."""
    assert value_of(key, ("10%", "a"), ("0.5%", "$uri"), (".5%", "n"), ("60%", "b"), ("*", "rest")) == expected


def test_what_is_left_without_a_star_is_nothing() -> None:
    """As in nginx."""
    assert value_of("hello", ("50%", "a")) is None


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([("50%", "a"), ("50.01%", "b")], "percent total is greater than 100%"),
        ([("*", "a"), ("1%", "b")], "percent total is greater than 100%"),
        ([("0%", "a")], 'invalid percent value "0%"'),
        ([("1.234%", "a")], 'invalid percent value "1.234%"'),
        ([("%", "a")], 'invalid percent value "%"'),
        ([("10", "a")], 'invalid percent value "10"'),
        ([("\u0661%", "a")], "invalid percent value"),
    ],
)
def test_what_is_refused(lines: list[tuple[str, str]], message: str) -> None:
    """In nginx's words."""
    with pytest.raises(InvalidValue, match=re.escape(message)):
        value_of("", *lines)


def test_a_line_is_a_share_and_a_value() -> None:
    """Nothing more or less."""
    with pytest.raises(InvalidValue, match="invalid number"):
        parse_split_clients(directive("split_clients", "$uri", "$x", block=[directive("*", "a", "b")]))
