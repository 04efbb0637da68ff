"""Addresses as written, split and resolved."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbproxy.config.addresses import Endpoint, is_literal, parse_endpoint, resolve
from lbproxy.config.model import Address
from tests.support.configs import resolve as resolver


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:80", Endpoint("127.0.0.1", 80)),
        ("backend", Endpoint("backend")),
        ("a.b:65535", Endpoint("a.b", 65535)),
        ("[::1]", Endpoint("::1")),
        ("[2001:DB8:0::1]:8080", Endpoint("2001:db8::1", 8080)),
        ("unix:/run/a:b.sock", Endpoint(path="/run/a:b.sock")),
        ("unix:///run/a", Endpoint(path="///run/a")),
    ],
)
def test_addresses_are_split(text: str, expected: Endpoint) -> None:
    """Host and port, IPv6 in brackets, everything behind unix:."""
    assert parse_endpoint(text) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no host"), (":80", "no host"), ("a:", "invalid port"), ("a:0", "invalid port"),
        ("a:65536", "invalid port"), ("a:8x", "invalid port"), ("a:+8", "invalid port"),
        ("a:٣", "invalid port"), ("[::1", "invalid host"), ("[::1]80", "invalid host"),
        ("[::g]", "invalid IPv6 address"),
        ("a b:80", "invalid host"), ("a/b", "invalid host"),
        ("unix:", "no path in the unix domain socket"),
        ("unix:/" + "x" * 107, "too long path in the unix domain socket"),
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_in_nginx_words(text: str, reason: str) -> None:
    """The caller says where it stood."""
    with pytest.raises(ValueError, match=f"^{reason}$"):
        parse_endpoint(text)


def test_port_zero_is_for_listening() -> None:
    """Any free port."""
    assert parse_endpoint("a:0", 0).port == 0


def test_literals_are_not_looked_up() -> None:
    """Nor are unix sockets; leading zeros go."""
    assert resolve(Endpoint("127.0.0.01", 1), 80, resolver) == (Address("127.0.0.1", 1),)
    assert resolve(Endpoint("::1"), 80, resolver) == (Address("::1", 80),)
    assert resolve(Endpoint(path="/x"), 80, resolver) == (Address(path="/x"),)


def test_names_have_all_their_addresses_once() -> None:
    """In the resolver's order, with the port or the default one."""
    assert resolve(Endpoint("two.test"), 80, resolver) == (Address("10.0.0.1", 80), Address("10.0.0.2", 80))
    twice = [Address("10.0.0.1", 1)] * 2
    assert resolve(Endpoint("x", 1), 80, lambda host, port: twice) == (Address("10.0.0.1", 1),)


def test_names_without_an_address_are_lookup_errors() -> None:
    """Whether the resolver says so or has nothing to say."""
    with pytest.raises(LookupError):
        resolve(Endpoint("nosuch"), 80, resolver)
    with pytest.raises(LookupError):
        resolve(Endpoint("nosuch"), 80, lambda host, port: [])


@given(st.ip_addresses(v=4), st.integers(1, 65535))
def test_ipv4_addresses_come_back_as_they_are(address: object, port: int) -> None:
    """Printing and reading are inverse."""
    found = parse_endpoint(f"{address}:{port}")
    assert is_literal(found.host)
    assert str(resolve(found, 80, resolver)[0]) == f"{address}:{port}"


@given(st.ip_addresses(v=6), st.integers(1, 65535))
def test_ipv6_addresses_come_back_as_they_are(address: object, port: int) -> None:
    """Printing and reading are inverse."""
    assert str(resolve(parse_endpoint(f"[{address}]:{port}"), 80, resolver)[0]) == f"[{address}]:{port}"
