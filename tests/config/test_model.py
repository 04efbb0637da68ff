"""The model's own small behaviour."""

from __future__ import annotations

import pytest

from lbproxy.config.model import Address


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (Address("1.2.3.4", 80), "1.2.3.4:80"),
        (Address("::1", 80), "[::1]:80"),
        (Address(path="/run/x"), "unix:/run/x"),
    ],
)
def test_addresses_print_as_nginx_prints_them(address: Address, expected: str) -> None:
    """IPv6 in brackets, unix sockets with their prefix."""
    assert str(address) == expected


def test_kinds_of_addresses() -> None:
    """Told by what is set."""
    assert Address(path="/x").is_unix
    assert not Address("1.2.3.4").is_unix
    assert Address("::1").is_ipv6
