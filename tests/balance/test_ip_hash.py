"""`ip_hash`: nginx's hash of the client's address, to the client."""

from __future__ import annotations

import ipaddress
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbproxy.balance.peer import Outcome
from tests.support.upstreams import group, order, route, servers

SERVERS = servers(1, 2, 1, 1)


def packed(*texts: str) -> list[bytes]:
    return [ipaddress.ip_address(text).packed for text in texts]


@pytest.mark.parametrize(
    ("address", "number"), [("192.168.182.5", "1"), ("172.16.5.4", "2"), ("8.8.8.8", "3"), ("::1", "1")]
)
def test_golden_addresses(address: str, number: str) -> None:
    assert route(group(servers(1, 2, 1, 1), "ip_hash"), packed(address)) == number


def test_sixty_addresses_as_nginx_sends_them() -> None:
    """What a running nginx 1.22 did with these pseudo-random addresses and weights 1, 2, 1, 1."""
    rng = random.Random(5)
    addresses = [".".join(str(rng.randrange(1, 224)) for _ in range(4)) for _ in range(60)]
    expected = "212442311142434212122442323223424422424324312314222132133443"
    assert route(group(SERVERS, "ip_hash"), packed(*addresses)) == expected


def test_address_that_lands_on_a_down_server_is_hashed_again() -> None:
    """2001:db8::7 is the second's; with that down, nginx sends it to the first. Others stay."""
    addresses = packed("::1", "fe80::1", "2001:db8::7")
    assert route(group(SERVERS, "ip_hash"), addresses) == "132"
    down = (SERVERS[0], SERVERS[1]._replace(down=True), *SERVERS[2:])
    assert route(group(down, "ip_hash"), addresses) == "131"


@given(st.binary(min_size=4, max_size=4), st.integers(0, 255))
def test_clients_of_one_network_share_a_server(address: bytes, last: int) -> None:
    peers = group(SERVERS, "ip_hash")
    assert order(peers, 3, address) == order(peers, 3, address[:3] + bytes([last]))


def test_clients_without_an_address_share_a_server() -> None:
    peers = group(SERVERS, "ip_hash")
    assert order(peers, 4) == order(peers, 1) * 4
    assert order(peers, 1) == order(peers, 1, bytes(4))


@given(st.binary(min_size=4, max_size=4))
def test_retries_of_a_request_visit_every_server_once(address: bytes) -> None:
    peers = group(SERVERS, "ip_hash")
    selection = peers.select(address)
    visited = []
    for _ in range(4):
        peer = peers.acquire(selection, 1000.0)
        visited.append(peer.index)
        peers.release(peer, Outcome.FAILED, 1000.0)
    assert sorted(visited) == [0, 1, 2, 3]
