"""IP addresses between text and octets."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbproxy.wire.addresses import mapped, pack, show


@given(st.ip_addresses())
def test_addresses_round_trip(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    """Whatever is shown packs to the same octets."""
    assert pack(str(address)) == address.packed
    assert pack(show(address.packed).decode()) == address.packed


@given(st.text(max_size=40))
def test_anything_else_is_refused(text: str) -> None:
    """With nothing but ValueError."""
    try:
        packed = pack(text)
    except ValueError:
        return
    assert len(packed) in (4, 16)


@pytest.mark.parametrize(
    "text", ["", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.-4", "1.2.3.٤", "fe80::1%lo", ":", "1.2.3.4:5"]
)
def test_what_is_no_address(text: str) -> None:
    """Zones are none of a client's business."""
    with pytest.raises(ValueError):
        pack(text)


def test_an_address_in_the_clothes_of_another() -> None:
    """An IPv4 client of an IPv6 socket."""
    packed = pack("::ffff:192.0.2.1")
    assert mapped(packed) == pack("192.0.2.1")
    assert show(packed) == b"::ffff:192.0.2.1"
    assert mapped(pack("192.0.2.1")) == mapped(pack("::1")) == mapped(b"") == b""
