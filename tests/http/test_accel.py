"""What servers order in X-Accel fields."""

from __future__ import annotations

import pytest

from lbproxy.errors import MalformedMessage
from lbproxy.http.accel import (
    Orders,
    merge_into_own,
    merge_into_reply,
    orders,
    place_of,
    surviving,
    with_charset,
)
from tests.support.exchanges import response

TYPED = b"Content-Type: a/b\r\n"


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (b"Content-Type: a/b\r\n", None),
        (b"X-Accel-Redirect: /x\r\n", Orders(b"/x", None, b"")),
        (b"A: b\r\nx-accel-limit-rate: 100\r\nX-Accel-Charset: utf-8\r\n", Orders(None, 100, b"utf-8")),
        (b"X-Accel-Limit-Rate: 1k\r\n", Orders(None, None, b"")),
    ],
)
def test_orders(block: bytes, expected: Orders | None) -> None:
    """Nearly no answer has any."""
    assert orders(response(fields=block)) == expected


@pytest.mark.parametrize(
    ("value", "place"),
    [
        (b"/a/b", (b"/a/b", None)),
        (b"/a%20b?c=%20d", (b"/a b", b"c=%20d")),
        (b"/a%3Fb", (b"/a?b", None)),
        (b"/a?", (b"/a", b"")),
        (b"/a..b/..c/%", (b"/a..b/..c/%", None)),
        (b"a", (b"a", None)),
    ],
)
def test_places(value: bytes, place: tuple[bytes, bytes | None]) -> None:
    """The path is decoded, the arguments stay as they are."""
    assert place_of(value) == place


@pytest.mark.parametrize(
    "value", [b"", b"?a", b"..", b"../a", b"/a/../b", b"/a/..", b"/a/%2e%2e/b", b"/%00", b"%2e%2e/a"]
)
def test_places_that_climb(value: bytes) -> None:
    """404, as for what is not there."""
    with pytest.raises(MalformedMessage) as caught:
        place_of(value)
    assert (caught.value.reason, caught.value.status) == ("unsafe URI", 404)


def test_what_survives() -> None:
    """What speaks of the content as its server wants it known, and cookies."""
    head = response(fields=b"X-A: b\r\nSet-Cookie: a\r\nETag: x\r\nset-cookie: b\r\nCache-Control: c\r\n")
    assert surviving(head) == b"set-cookie: a\r\nset-cookie: b\r\ncache-control: c\r\n"


def test_whose_content_type_counts() -> None:
    """That of a server, and of two servers that of the second."""
    assert merge_into_own(TYPED, b"content-type: x\r\nA: b\r\n") == TYPED + b"A: b\r\n"
    assert merge_into_own(b"C: d\r\n", TYPED) == b"C: d\r\n" + TYPED
    assert merge_into_reply(b"C: d\r\nContent-Type: x\r\n", TYPED) == b"C: d\r\n" + TYPED
    assert merge_into_reply(TYPED, b"A: b\r\n") == TYPED + b"A: b\r\n"


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (TYPED, b"Content-Type: a/b; charset=utf-8\r\n"),
        (b"Content-Type: a/b; charset=x\r\n", b"Content-Type: a/b; charset=x\r\n"),
        (b"A: b\r\n", b"A: b\r\n"),
    ],
)
def test_charset(block: bytes, expected: bytes) -> None:
    """Named where none is."""
    assert with_charset(block, b"utf-8") == expected
