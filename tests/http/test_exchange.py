"""The request object itself."""

from __future__ import annotations

import re

from lbproxy.http.exchange import Admission
from lbproxy.wire.addresses import pack
from tests.support.exchanges import client, exchange


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


def test_a_client_that_is_meant_is_on_the_connection_of_another() -> None:
    """Only address and port are its own."""
    connected = client()
    connected.requests = 4
    meant = connected.instead(b"203.0.113.1", pack("203.0.113.1"), 0)
    assert (meant.address, meant.packed, meant.port) == (b"203.0.113.1", b"\xcb\0q\1", 0)
    assert (meant.number, meant.opened, meant.requests, meant.server_port) == (12, 90.0, 4, 8080)
    assert (meant.connected, connected.connected) == (connected, None)


def test_a_request_made_inside_shares_what_is_known() -> None:
    """Fields, variables and limits are those of the request it is about; it has no body and no arguments."""
    ex = exchange(b"/a?b=c", b"Content-Length: 3\r\n", b"POST")
    inner = ex.inside(b"/check")
    assert (inner.method, inner.path, inner.args, inner.raw_path, inner.content_length) == (
        b"GET", b"/check", None, None, None,
    )  # fmt: skip
    assert (inner.head, inner.host, inner.client, inner.main, inner.internal) == (ex.head, ex.host, ex.client, ex, True)
    match = re.match(rb"(?P<name>.)", b"x")
    assert match is not None
    inner.capture(match)
    assert ex.values == {"name": b"x"}
    assert inner.admission is ex.admission


def test_limits_are_left_once() -> None:
    """However often the end is told."""
    admission, left = Admission(), []
    admission.leave += [lambda: left.append("a"), lambda: left.append("b")]
    admission.end()
    admission.end()
    assert sorted(left) == ["a", "b"]
