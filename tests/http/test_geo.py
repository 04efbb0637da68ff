"""`geo`."""

from __future__ import annotations

import ipaddress
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbproxy.errors import ConfigErrors, InvalidValue
from lbproxy.http.geo import Geo, Networks, Ranges, parse_geo
from lbproxy.http.variables import VariableTable
from lbproxy.wire.addresses import pack
from tests.support.exchanges import argument, client, directive, exchange

TABLE = VariableTable({})


def geo(*lines: tuple[str, ...], args: tuple[str, ...] = ("$arg_a", "$x")) -> Geo:
    return parse_geo(directive("geo", *args, block=[directive(*line) for line in lines]))


def value_of(made: Geo, address: str, fields: bytes = b"") -> bytes | None:
    return made.compile(TABLE)(exchange(b"/?a=" + address.encode(), fields))


NETWORKS = geo(
    ("default", "none"), ("10.0.0.0/8", "ten"), ("10.1.0.0/16", "old"), ("10.1.0.0/16", "new"),
    ("delete", "10.1.2.0/24"),
    ("192.0.2.1", "host"), ("2001:db8::/32", "doc"), ("255.255.255.255", "odd"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("address", "value"),
    [
        ("10.9.9.9", b"ten"), ("10.1.2.3", b"new"), ("192.0.2.1", b"host"), ("192.0.2.2", b"none"),
        ("2001:db8::1", b"doc"),
        ("2001:db9::1", b"none"), ("::ffff:10.9.9.9", b"ten"), ("", b"odd"), ("x", b"odd"), ("[::1]", b"odd"),
    ],
)  # fmt: skip
def test_the_smallest_network_counts(address: str, value: bytes) -> None:
    """What is no address is looked up as 255.255.255.255."""
    assert value_of(NETWORKS, address) == value


def test_the_client_unless_a_variable_is_named() -> None:
    """A client of a unix socket has no address."""
    made = geo(("192.0.2.0/24", "doc"), args=("$x",)).compile(TABLE)
    assert made(exchange()) == b"doc"
    assert made(exchange(peer=client("unix:", 0, b""))) is None


@pytest.mark.parametrize(
    ("claimed", "value"), [(b"10.1.1.1", b"ten"), (b"10.1.1.1, 192.0.2.9", b"doc"), (b"x", b"doc"), (b"", b"doc")]
)
def test_a_proxy_speaks_for_its_client(claimed: bytes, value: bytes) -> None:
    """Of what it says, the last name counts."""
    made = geo(("proxy", "192.0.2.0/24"), ("192.0.2.0/24", "doc"), ("10.0.0.0/8", "ten"), args=("$x",))
    assert made.compile(TABLE)(exchange(fields=b"X-Forwarded-For: %b\r\n" % claimed)) == value


RANGES = geo(
    ("ranges",), ("default", "none"), ("10.0.0.0-10.0.0.255", "a"), ("10.0.0.10-10.0.0.20", "b"),
    ("10.0.0.12-10.0.0.12", "c"),
    ("10.1.0.0-10.2.0.0", "d"), ("10.3.0.0-10.3.0.1", "e"), ("delete", "10.3.0.0-10.3.0.1"),
    ("delete", "10.9.0.0-10.9.0.1"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("address", "value"),
    [
        ("10.0.0.9", b"a"), ("10.0.0.10", b"b"), ("10.0.0.12", b"c"), ("10.0.0.20", b"b"), ("10.0.0.21", b"a"),
        ("10.2.0.0", b"d"), ("10.2.0.1", b"none"), ("10.3.0.0", b"none"), ("9.0.0.0", b"none"), ("::1", b"none"),
    ],
)  # fmt: skip
def test_a_range_in_another_one_takes_its_part(address: str, value: bytes) -> None:
    """Only IPv4 addresses are in ranges."""
    assert value_of(RANGES, address) == value


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([("x", "a")], 'invalid network "x"'),
        ([("10.0.0.0/33", "a")], 'invalid network "10.0.0.0/33"'),
        ([("10.0.0.1", "a"), ("ranges",)], 'the "ranges" directive must be the first'),
        ([("ranges",), ("10.0.0.1", "a")], 'invalid range "10.0.0.1"'),
        ([("ranges",), ("10.0.0.2-10.0.0.1", "a")], 'invalid range "10.0.0.2-10.0.0.1"'),
        ([("ranges",), ("10.0.0.1-::1", "a")], 'invalid range "10.0.0.1-::1"'),
        ([("ranges",), ("10.0.0.4-10.0.0.8", "a"), ("10.0.0.0-10.0.0.6", "b")],
         'range "10.0.0.0-10.0.0.6" overlaps "10.0.0.4-10.0.0.8"'),
        ([("10.0.0.1", "a", "b")], "invalid number of the geo parameters"),
        ([("proxy", "x")], 'invalid network "x"'),
    ],
)  # fmt: skip
def test_what_is_refused(lines: list[tuple[str, ...]], message: str) -> None:
    """In nginx's words."""
    with pytest.raises(ConfigErrors, match=re.escape(message)):
        geo(*lines)


@pytest.mark.parametrize("args", [("x",), ("x", "$y"), ("$host",)])
def test_names_that_are_refused(args: tuple[str, ...]) -> None:
    """A variable has a "$", and the core variables stay what they are."""
    with pytest.raises(ConfigErrors, match="variable"):
        geo(("default", "a"), args=args)


SMALL = st.integers(0, 40)
HIGH = 0x0A00FFF0  # so that two blocks of 65536 addresses are met


@given(st.lists(st.tuples(SMALL, SMALL), max_size=8), SMALL)
def test_ranges_against_a_table_of_all_addresses(pairs: list[tuple[int, int]], address: int) -> None:
    """A range that is taken has all of its addresses, until a later one takes some."""
    ranges, table = Ranges(), dict[int, bytes]()
    for number, (one, other) in enumerate(pairs):
        first, last = sorted((one, other))
        name = f"{ipaddress.IPv4Address(HIGH + first)}-{ipaddress.IPv4Address(HIGH + last)}"
        try:
            ranges.add(argument(name), b"%d" % number)
        except InvalidValue:
            continue
        table |= dict.fromkeys(range(first, last + 1), b"%d" % number)
    assert ranges.compile()((HIGH + address).to_bytes(4)) == table.get(address)


@given(st.lists(st.tuples(st.sampled_from(["10.0.0.0", "10.0.0.128", "10.0.1.0"]), st.integers(20, 32)), max_size=6))
def test_networks_against_trying_each(pairs: list[tuple[str, int]]) -> None:
    """The longest prefix wins, and of equal ones the last."""
    networks, known = Networks(), dict[ipaddress.IPv4Network, bytes]()
    for number, (host, length) in enumerate(pairs):
        networks.add(argument(f"{host}/{length}"), b"%d" % number)
        known[ipaddress.IPv4Network((host, length), strict=False)] = b"%d" % number
    address = ipaddress.IPv4Address("10.0.0.129")
    fits = [network for network in known if address in network]
    best = max(fits, key=lambda network: network.prefixlen, default=None)
    assert networks.compile()(pack(str(address))) == (known[best] if best is not None else None)
