"""What the Connection field says, in requests and answers alike; limits and what they allow to skip."""

from __future__ import annotations

import pytest

from lbproxy.wire.heads import HeadLimits, RequestHead, ResponseHead
from lbproxy.wire.requests import parse_request
from lbproxy.wire.responses import parse_response


def request(fields: bytes, version: bytes = b"1.1") -> RequestHead:
    head = parse_request(b"GET / HTTP/" + version + b"\r\nHost: h\r\n" + fields + b"\r\n", HeadLimits())
    assert head is not None
    return head


def response(octets: bytes) -> ResponseHead:
    head = parse_response(octets, b"GET")
    assert head is not None
    return head


@pytest.mark.parametrize(
    ("version", "connection", "kept"),
    [
        (b"1.1", b"", True),
        (b"1.1", b"Connection: Close\r\n", False),
        (b"1.1", b"Connection: keep-alive, close\r\n", False),
        (b"1.1", b"Connection: x\r\nConnection:\tclose\r\n", False),
        (b"1.1", b"Connection: closed\r\n", True),
        (b"1.0", b"", False),
        (b"1.0", b"Connection: Keep-Alive\r\n", True),
        (b"1.0", b"Connection: foo , keep-alive\r\n", True),
        (b"1.0", b"Connection: close, keep-alive\r\n", False),
    ],
)
def test_persistence(version: bytes, connection: bytes, kept: bool) -> None:
    """HTTP/1.1 stays open unless told otherwise, HTTP/1.0 closes unless told otherwise; close always wins."""
    assert request(connection, version).keep_alive is kept
    answer = b"HTTP/" + version + b" 200 OK\r\nContent-Length: 0\r\n" + connection + b"\r\n"
    assert response(answer).keep_alive is kept


def test_connection_names_further_fields() -> None:
    """
    Names in Connection are lower-cased, told once, and never those of Host, lengths or known hop-by-hop fields.

    Robustness 11.
    """
    fields = b"Connection: X-A, close, ,TE,Host\r\nconnection: Content-Length, transfer-encoding, x-a, x-b\r\n"
    head = request(fields)
    assert head.connection_tokens == (b"x-a", b"x-b")
    assert response(b"HTTP/1.1 204 x\r\n" + fields + b"\r\n").connection_tokens == (b"x-a", b"x-b")


@pytest.mark.parametrize(
    ("fields", "version", "upgrade"),
    [
        (b"Connection: Upgrade\r\nUpgrade: WebSocket\r\n", b"1.1", b"WebSocket"),
        (b"Upgrade: a/1\r\nConnection: keep-alive, upgrade\r\nUpgrade: b\r\n", b"1.1", b"a/1, b"),
        (b"Upgrade: websocket\r\n", b"1.1", None),
        (b"Connection: upgrade\r\n", b"1.1", None),
        (b"Connection: upgrade\r\nUpgrade:\r\n", b"1.1", None),
        (b"Connection: upgrade\r\nUpgrade: websocket\r\n", b"1.0", None),
        (b"Connection: upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n", b"1.1", None),
        (b"Connection: upgrade\r\nUpgrade: websocket h2c\r\n", b"1.1", None),
        (b"Connection: upgrade\r\nUpgrade: websocket, H2C/1\r\n", b"1.1", None),
    ],
)
def test_upgrade(fields: bytes, version: bytes, upgrade: bytes | None) -> None:
    """An upgrade is one that Connection names, in HTTP/1.1, and never to h2c. Robustness 7."""
    assert request(fields, version).upgrade == upgrade
    assert response(b"HTTP/" + version + b" 101 x\r\n" + fields + b"\r\n").upgrade == upgrade


@pytest.mark.parametrize(
    ("limits", "harmless"),
    [(HeadLimits(), 4000), (HeadLimits(line=9), 9), (HeadLimits(field=8), 8), (HeadLimits(total=7), 7),
     (HeadLimits(count=1), 4)],
)
def test_harmless_size_is_the_least_that_can_break_a_limit(limits: HeadLimits, harmless: int) -> None:
    """A head this short has no line too long and no field too many."""
    assert limits.harmless == harmless


def test_limits_are_compared_by_value() -> None:
    """Two locations with the same directives have equal limits."""
    assert HeadLimits(line=5) == HeadLimits(line=5) != HeadLimits(line=6)
