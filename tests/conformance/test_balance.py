"""Who is picked: the same servers in the same order."""

from __future__ import annotations

import pytest

from tests.support.backends import Reply, close, reply
from tests.support.client import octets
from tests.support.stage import Stage
from tests.support.twins import Twins

CONF = """
upstream app {
    <method>
    <servers>
}
server {
    listen <listen>;
    location / { proxy_pass http://app; <more> }
}
"""
URLS = [octets(f"/{number}?k={number * 7919}") for number in range(24)]
SAME = [octets("/")] * 24

FAILING: dict[str, Reply] = {
    "close": close, "500": reply("", "Connection: close", status="500 Oops"),
    "404": reply("", "Connection: close", status="404 None"), "429": reply("", "Connection: close", status="429 Slow"),
}  # fmt: skip


def twins_for(
    stage: Stage, servers: str, method: str = "", more: str = "", pages: dict[str, Reply] | None = None
) -> Twins:
    """Start both with *servers*, in which "a" to "d" stand for backends; only "a" and "b" give *pages*."""
    lines = "".join(f"server <{line[0]}>{line[1:]}; " for line in servers.split(", "))
    failing = pages or {}
    conf = CONF.replace("<servers>", lines).replace("<method>", method).replace("<more>", more)
    return Twins(stage, conf, failing, failing, {}, {})


@pytest.mark.parametrize(
    "servers",
    [
        "a, b, c", "a weight=5, b, c", "a weight=4, b weight=2, c weight=3", "a, b down, c", "a, b weight=2",
        "a, b backup, c backup", "a down, b backup, c backup weight=2", "a, a, b", "a",
    ],
)  # fmt: skip
def test_round_robin(stage: Stage, servers: str) -> None:
    picks = twins_for(stage, servers).picks(*SAME)
    assert len(picks) == 24


@pytest.mark.parametrize("servers", ["a, b, c, d", "a weight=3, b, c weight=2", "a, b down, c"])
@pytest.mark.parametrize("method", ["hash $request_uri;", "hash $request_uri consistent;", "hash $arg_none;"])
def test_hash(stage: Stage, servers: str, method: str) -> None:
    """Server names are addresses here, so the ring of the consistent form differs from run to run."""
    assert len(twins_for(stage, servers, method).picks(*URLS)) == 24


@pytest.mark.parametrize("servers", ["a, b, c", "a, b weight=2, c, d", "a, b down, c"])
def test_ip_hash(stage: Stage, servers: str) -> None:
    twins = twins_for(stage, servers, "ip_hash;")
    for third in range(0, 250, 11):
        twins.picks(octets(), source=f"127.7.{third}.1")


@pytest.mark.parametrize("servers", ["a, b, c", "a weight=2, b, c", "a, b backup"])
def test_least_conn_when_idle(stage: Stage, servers: str) -> None:
    twins_for(stage, servers, "least_conn;").picks(*SAME)


@pytest.mark.parametrize(
    ("servers", "more"),
    [
        ("a, b, c", ""),
        ("a, c, d backup", ""),
        ("a max_fails=0, c", ""),
        ("a max_fails=3, b max_fails=2, c weight=2", ""),
        ("a weight=5, b, c", ""),
        ("a weight=4 max_fails=2, c weight=2", ""),
        ("a, b", ""),
        ("a, b, c, d", "proxy_next_upstream_tries 2;"),
        ("a, b, c", "proxy_next_upstream off;"),
    ],
)
def test_failing_servers(stage: Stage, servers: str, more: str) -> None:
    """They are tried, left alone, and their weights recover, pick for pick."""
    twins_for(stage, servers, more=more, pages=FAILING).picks(*[octets("/close"), octets("/"), octets("/")] * 8)


@pytest.mark.parametrize("status", ["500", "404", "429"])
@pytest.mark.parametrize("more", ["", "proxy_next_upstream http_500 http_404 http_429;"])
def test_failing_statuses(stage: Stage, status: str, more: str) -> None:
    twins_for(stage, "a, b, c", more=more, pages=FAILING).picks(*[octets(f"/{status}"), octets("/")] * 8)


@pytest.mark.parametrize("method", ["hash $request_uri;", "hash $request_uri consistent;", "ip_hash;", "least_conn;"])
def test_failing_servers_of_other_methods(stage: Stage, method: str) -> None:
    requests = [octets(f"/{number}/close") for number in range(12)]
    twins_for(stage, "a max_fails=0, b max_fails=2, c, d", method, pages=FAILING).picks(*requests)


@pytest.mark.parametrize("more", ["", "proxy_next_upstream error timeout non_idempotent;"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "LOCK", "HEAD", "OPTIONS"])
def test_methods_that_may_be_repeated(stage: Stage, more: str, method: str) -> None:
    twins = twins_for(stage, "a, c", more=more, pages=FAILING)
    twins.check(octets("/close", method=method, body=b"x" if method in {"POST", "PUT", "PATCH"} else b""))


@pytest.mark.parametrize(
    "servers",
    [
        "server <dead>; server <a>;", "server <dead>; server <dead>;", "server <dead>;",
        "server <dead> down; server <a> backup;",
    ],
)  # fmt: skip
def test_servers_that_refuse(stage: Stage, servers: str) -> None:
    twins = Twins(stage, CONF.replace("<servers>", servers), {}, method="", more="", dead=stage.dead())
    for _ in range(3):
        twins.check(octets())
