"""Whose word is taken for whom."""

from __future__ import annotations

import pytest

from lbproxy.config.networks import parse_network
from lbproxy.http.forwarded import Proxies
from lbproxy.wire.addresses import pack

NETWORKS = [parse_network("10.0.0.0/8")[0], parse_network("::1")[0]]


@pytest.mark.parametrize(
    ("names", "once", "further"),
    [
        (b"192.0.2.1", "192.0.2.1", "192.0.2.1"),
        (b"192.0.2.1, 10.0.0.1", "10.0.0.1", "192.0.2.1"),
        (b"192.0.2.1,192.0.2.2 10.0.0.1", "10.0.0.1", "192.0.2.2"),
        (b"10.0.0.1, 10.0.0.2", "10.0.0.2", "10.0.0.1"),
        (b"x, 10.0.0.2", "10.0.0.2", "10.0.0.2"),
        (b"10.0.0.2, x", None, None),
        (b"192.0.2.1:8080", "192.0.2.1", "192.0.2.1"),
        (b"[2001:db8::1]:80, ::1", "::1", "2001:db8::1"),
        (b"192.0.2.1:0", None, None),
        (b"[::1", None, None),
        (b" , ", None, None),
    ],
)
def test_names_are_believed_from_the_right(names: bytes, once: str | None, further: str | None) -> None:
    """One of them or, if proxies may name proxies, as many as are trusted and one more."""
    for recursive, expected in ((False, once), (True, further)):
        found = Proxies(NETWORKS, recursive).follow([names])
        assert (found and found[0]) == (pack(expected) if expected else None)


def test_ports() -> None:
    """That of the name, else the one that is known."""
    proxies = Proxies(NETWORKS, False)
    assert proxies.follow([b"192.0.2.1:81"], 80) == (pack("192.0.2.1"), 81)
    assert proxies.follow([b"192.0.2.1"], 80) == (pack("192.0.2.1"), 80)


@pytest.mark.parametrize(("address", "trusted"), [("10.1.1.1", True), ("::ffff:10.1.1.1", True), ("11.0.0.1", False)])
def test_trust(address: str, trusted: bool) -> None:
    """An IPv4 address in IPv6 is the same client."""
    assert Proxies(NETWORKS, False).trusts(pack(address)) is trusted
