"""Networks as configurations write them."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbproxy.config.networks import UNIX, parse_network
from lbproxy.wire.addresses import pack

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@given(st.ip_addresses(), st.ip_addresses(), st.integers(0, 128))
def test_networks_hold_what_the_standard_library_says(one: Address, other: Address, length: int) -> None:
    """Bits behind the mask are of no consequence, but are told of."""
    text = f"{one}/{min(length, one.max_prefixlen)}"
    network, exact = parse_network(text)
    known = ipaddress.ip_network(text, strict=False)
    assert network.holds(other.packed) == (other in known)
    assert network.holds(one.packed)
    assert exact == (known.network_address == one)


def test_an_address_alone() -> None:
    """Is a network of one."""
    network, exact = parse_network("192.0.2.1")
    assert exact
    assert [network.holds(pack(f"192.0.2.{last}")) for last in (0, 1, 2)] == [False, True, False]


def test_unix_sockets() -> None:
    """Their clients have no address."""
    assert parse_network("unix:") == (UNIX, True)
    assert UNIX.holds(b"")
    assert not UNIX.holds(pack("0.0.0.0"))


@pytest.mark.parametrize(
    "text", ["", "/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "::/129", "10/8", "localhost", "all"]
)
def test_what_is_no_network(text: str) -> None:
    """Names are for others to look up."""
    with pytest.raises(ValueError):
        parse_network(text)
