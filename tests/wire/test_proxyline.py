"""Introductions by the PROXY protocol, versions 1 and 2."""

from __future__ import annotations

import ipaddress
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbproxy.errors import MalformedMessage
from lbproxy.wire.proxyline import (
    LONGEST_HEADER,
    LONGEST_LINE,
    SIGNATURE,
    Introduction,
    find_tlv,
    parse_introduction,
    tlv_path,
)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
PORTS = st.integers(0, 65535)
PAIRS: st.SearchStrategy[tuple[Address, Address]] = st.one_of(
    st.tuples(st.ip_addresses(v=4), st.ip_addresses(v=4)), st.tuples(st.ip_addresses(v=6), st.ip_addresses(v=6))
)
TLVS = st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=40)), max_size=6)


def line(source: Address, destination: Address, ports: tuple[int, int]) -> bytes:
    """Write an introduction of version 1."""
    return f"PROXY TCP{source.version} {source} {destination} {ports[0]} {ports[1]}\r\n".encode()


def binary(source: Address, destination: Address, ports: tuple[int, int], tlvs: bytes = b"") -> bytes:
    """Write an introduction of version 2."""
    data = source.packed + destination.packed + struct.pack("!HH", *ports) + tlvs
    return SIGNATURE + struct.pack("!BBH", 0x21, 0x11 if source.version == 4 else 0x21, len(data)) + data


def encoded(tlvs: list[tuple[int, bytes]]) -> bytes:
    return b"".join(struct.pack("!BH", kind, len(value)) + value for kind, value in tlvs)


@given(PAIRS, st.tuples(PORTS, PORTS), TLVS, st.binary(max_size=20))
def test_introductions_round_trip(
    pair: tuple[Address, Address], ports: tuple[int, int], tlvs: list[tuple[int, bytes]], rest: bytes
) -> None:
    """In both versions, whatever comes behind, however they are cut."""
    for octets, more in ((line(*pair, ports), b""), (binary(*pair, ports, encoded(tlvs)), encoded(tlvs))):
        found = parse_introduction(octets + rest)
        assert found is not None
        said, size = found
        assert size == len(octets)
        assert said is not None
        assert said == Introduction(said.source, ports[0], said.destination, ports[1], pair[0].packed, more)
        assert [ipaddress.ip_address(one.decode()) for one in (said.source, said.destination)] == [*pair]
        assert all(parse_introduction(octets[:end]) is None for end in range(len(octets)))


@given(st.builds(bytes.__add__, st.sampled_from([b"", SIGNATURE, b"PROXY ", b"PROXY TCP4 "]), st.binary()))
def test_anything_is_understood_refused_or_waited_for(octets: bytes) -> None:
    """And only so long."""
    try:
        found = parse_introduction(octets)
    except MalformedMessage:
        return
    if found is None:
        assert len(octets) < LONGEST_HEADER
    else:
        assert 0 < found[1] <= len(octets)


@pytest.mark.parametrize(
    "octets",
    [b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN ::1 ::2 x\r\n", SIGNATURE + b"\x20\0\0\0", SIGNATURE + b"\x20\x11\0\2ab",
     SIGNATURE + b"\x21\x12\0\0", SIGNATURE + b"\x21\x31\0\1a"],
)  # fmt: skip
def test_who_speaks_of_nobody(octets: bytes) -> None:
    """A balancer's own health check, or a client without a TCP address: there is nothing to know."""
    assert parse_introduction(octets + b"GET") == (None, len(octets))


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"GET / HTTP/1.1\r\n", 'broken header: "GET / HTTP/1.1"'),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n", 'broken header: "PROXY TCP4 1.2.3.4 1.2.3.4 1 2"'),
        (b"PROXY TCP4 1.2.3.4 ::1 1 2\r\n", None),
        (b"PROXY TCP6 1.2.3.4 1.2.3.5 1 2\r\n", None),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n", None),
        (b"PROXY TCP4 1.2.3.x 1.2.3.4 1 2\r\n", None),
        (b"PROXY UNKNOWN" + b"x" * LONGEST_LINE, None),
        (SIGNATURE + b"\x11\x11\0\0", "unknown PROXY protocol version: 1"),
        (SIGNATURE + b"\x21\x11\0\x0b" + bytes(11), "header is too short for its addresses"),
        (SIGNATURE + b"\x21\x11\xff\xff", "header is too large"),
    ],
)
def test_what_is_no_introduction(octets: bytes, reason: str | None) -> None:
    """In nginx's words where it has some."""
    with pytest.raises(MalformedMessage) as info:
        parse_introduction(octets)
    assert reason is None or info.value.reason == reason
    assert len(info.value.reason) < 150


def test_tlvs() -> None:
    """By name or by number; those of TLS stand inside another one."""
    inner = encoded([(0x21, b"TLSv1.3"), (0x22, b"name")])
    tlvs = encoded([(1, b"h2"), (2, b"a.test"), (0x20, b"\1\0\0\0\0" + inner), (0xEA, b"")])
    said = {name: find_tlv(tlvs, tlv_path(name)) for name in ("alpn", "0x2", "0xea", "ssl_cn", "ssl_version")}
    assert said == {"alpn": b"h2", "0x2": b"a.test", "0xea": b"", "ssl_cn": b"name", "ssl_version": b"TLSv1.3"}
    assert find_tlv(tlvs, tlv_path("netns")) is find_tlv(tlvs, tlv_path("ssl_cipher")) is None
    assert find_tlv(tlvs[:3], tlv_path("authority")) is None
    for name in ("x", "ssl_x", "0x123"):
        with pytest.raises(KeyError):
            tlv_path(name)
