"""Whom a balancer in front asks for."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from lbproxy.config.addresses import Resolver
from lbproxy.config.model import Address
from lbproxy.errors import InvalidValue
from lbproxy.http.realip import RealIp, RealIpSettings, parse_trusted
from lbproxy.wire.addresses import pack
from lbproxy.wire.proxyline import Introduction
from tests.support.exchanges import client, directive, exchange
from tests.support.loading import load_text


def _names(host: str, port: int) -> Sequence[Address]:
    return {"balancer.test": [Address("192.0.2.7", port), Address("::7", port)]}[host]


def real_ip(conf: str, resolver: Resolver = _names) -> RealIp:
    """Return what the directives *conf* make of clients."""
    plan = load_text(f"server {{ listen 8080; {conf} }}")
    return RealIp(plan.config.servers[0].settings(RealIpSettings), resolver)


def test_the_client_is_another_one_for_this_request() -> None:
    """Address, port and octets change, the connection stays what it is."""
    ex = exchange(fields=b"X-Real-IP: 203.0.113.9:77\r\n")
    connected = ex.client
    real_ip("set_real_ip_from 192.0.2.0/24;")(ex)
    meant = ex.client
    assert (meant.address, meant.packed, meant.port) == (b"203.0.113.9", pack("203.0.113.9"), 77)
    assert (meant.connected, meant.number, meant.requests) == (connected, connected.number, connected.requests)
    assert connected.address == b"192.0.2.7"


def test_only_the_trusted_are_heard() -> None:
    """And only once."""
    ex = exchange(fields=b"X-Real-IP: 192.0.2.9\r\nX-Other: 192.0.2.10\r\n")
    real_ip("set_real_ip_from 10.0.0.0/8; set_real_ip_from unix:;")(ex)
    assert ex.client.connected is None
    real_ip("set_real_ip_from 192.0.2.0/24;")(ex)
    real_ip("set_real_ip_from 192.0.2.0/24; real_ip_header X-Other;")(ex)
    assert ex.client.address == b"192.0.2.9"


def test_clients_of_unix_sockets() -> None:
    """May be trusted as well."""
    ex = exchange(fields=b"X-Real-IP: 2001:DB8::1\r\n", peer=client("unix:", 0, b""))
    real_ip("set_real_ip_from unix:;")(ex)
    assert (ex.client.address, ex.client.port) == (b"2001:db8::1", 0)


@pytest.mark.parametrize(("recursive", "found"), [("off", b"10.0.0.1"), ("on", b"203.0.113.9")])
def test_a_chain_is_followed(recursive: str, found: bytes) -> None:
    """As long as whoever is named is trusted too."""
    ex = exchange(fields=b"X-Forwarded-For: 8.8.8.8, 203.0.113.9\r\nX-Forwarded-For: 10.0.0.2, 10.0.0.1\r\n")
    conf = "set_real_ip_from 192.0.2.7; set_real_ip_from 10.0.0.0/8; real_ip_header X-Forwarded-For;"
    real_ip(f"{conf} real_ip_recursive {recursive};")(ex)
    assert ex.client.address == found


def test_what_the_proxy_protocol_has_said() -> None:
    """With its port; nothing if nobody was introduced."""
    conf = "set_real_ip_from 192.0.2.7; real_ip_header proxy_protocol;"
    ex = exchange()
    real_ip(conf)(ex)
    assert ex.client.connected is None
    ex.client.introduction = Introduction(b"203.0.113.9", 4000, b"192.0.2.1", 80, pack("203.0.113.9"))
    real_ip(conf)(ex)
    assert (ex.client.address, ex.client.port) == (b"203.0.113.9", 4000)


def test_names_are_resolved_at_load() -> None:
    """Each of their addresses is trusted."""
    ex = exchange(fields=b"X-Real-IP: 203.0.113.9\r\n", peer=client("::7", packed=pack("::7")))
    settings = RealIpSettings(trusted=(parse_trusted(directive("set_real_ip_from", "balancer.test")),))
    RealIp(settings, _names)(ex)
    assert ex.client.address == b"203.0.113.9"

    def nobody(host: str, port: int) -> Sequence[Address]:
        raise LookupError

    with pytest.raises(InvalidValue, match=r'host not found in set_real_ip_from "balancer\.test"'):
        RealIp(settings, nobody)

