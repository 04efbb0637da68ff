"""`hash`, `hash consistent` and `url_hash`: nginx's mapping of keys to servers, to the key."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbproxy.balance.key_hash import point_seed
from lbproxy.balance.peer import Outcome
from tests.support.upstreams import group, order, route, server, servers

SERVERS = servers(1, 2, 1, 1)
SECOND_DOWN = (SERVERS[0], SERVERS[1]._replace(down=True), *SERVERS[2:])
KEYS = [b"k%d" % number for number in range(60)]
FORMS = ("hash $arg_k", "hash $arg_k consistent", "url_hash")


@pytest.mark.parametrize(("key", "number"), [(b"/", "2"), (b"/index.html", "1"), (b"k3", "1")])
def test_golden_keys(key: bytes, number: str) -> None:
    assert route(group(SERVERS, "hash $request_uri"), [key]) == number
    assert route(group(SERVERS, "url_hash"), [key]) == number


@pytest.mark.parametrize(
    ("method", "all_up", "second_down"),
    [
        ("hash $arg_k",
         "222122422223244324243214214432334232313422412221122232243242",
         "431133434333144344143314414433334334313433413141113131443343"),
        ("hash $arg_k consistent",
         "343132122123433432122244242344323231142232434142212224131242",
         "343134114133433434144444341344333431143434434141413334131444"),
    ],
)
def test_sixty_keys_as_nginx_sends_them(method: str, all_up: str, second_down: str) -> None:
    """What a running nginx 1.22 did with k0..k59 over 127.0.0.1:18101-18104, weights 1, 2, 1, 1."""
    assert route(group(SERVERS, method), KEYS) == all_up
    assert route(group(SECOND_DOWN, method), KEYS) == second_down


@pytest.mark.parametrize("method", FORMS)
def test_empty_keys_go_round_robin(method: str) -> None:
    assert order(group(SERVERS, method), 10) == "2134221342"
    assert order(group(SECOND_DOWN, method), 10) == "1341341341"


@pytest.mark.parametrize("method", FORMS)
@given(key=st.binary(min_size=1, max_size=20))
def test_equal_keys_get_equal_picks(method: str, key: bytes) -> None:
    peers = group(servers(2, 1, 3), method)
    assert len(set(order(peers, 3, key))) == 1


@pytest.mark.parametrize("method", FORMS)
@given(key=st.binary(max_size=20))
def test_retries_of_a_request_visit_every_server_once(method: str, key: bytes) -> None:
    peers = group(servers(1, 1, 1, 1, 20), method)
    selection = peers.select(key)
    visited = []
    for _ in range(5):
        peer = peers.acquire(selection, 1000.0)
        visited.append(peer.index)
        peers.release(peer, Outcome.FAILED, 1000.0)
    assert sorted(visited) == [0, 1, 2, 3, 4]


@given(gone=st.integers(0, 4), keys=st.lists(st.binary(min_size=1, max_size=8), max_size=30))
def test_consistent_hash_moves_only_the_keys_of_the_server_taken_away(gone: int, keys: list[bytes]) -> None:
    lines = servers(1, 2, 1, 3, 1)
    before, after = group(lines, "hash $k consistent"), group(lines[:gone] + lines[gone + 1 :], "hash $k consistent")
    for key in keys:
        was = before.acquire(before.select(key), 1000.0)
        if was.index != gone:
            assert after.acquire(after.select(key), 1000.0).name == was.name


def test_consistent_hash_plays_round_robin_among_the_addresses_of_a_name() -> None:
    peers = group([server("nodes.example:80", "10.0.0.1:80", "10.0.0.2:80")], "hash $k consistent")
    assert order(peers, 6, b"key") == "123123"


def test_consistent_hash_goes_on_to_another_address_of_the_name_first() -> None:
    lines = [server("a:80", "10.0.0.1:80"), *servers(1, 1, 1)]
    peers = group(lines, "hash $k consistent")
    for key in KEYS:
        selection = peers.select(key)
        first, second = peers.acquire(selection, 1000.0), peers.acquire(selection, 1000.0)
        if first.index < 2:
            assert second.index < 2


@pytest.mark.parametrize(
    ("name", "same"),
    [("unix:/run/a", "UNIX:/run/a"), ("a:80", "a:80")],
)
def test_equal_names_have_equal_points(name: str, same: str) -> None:
    assert point_seed(name) == point_seed(same)


def test_port_is_what_follows_the_last_colon_if_it_is_digits() -> None:
    assert len({point_seed(name) for name in ("a", "a:80", "a:8080", "[::1]", "[::1]:80")}) == 5
