"""Who is picked: the same servers in the same order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.support.backends import Reply, close, reply
from tests.support.client import octets
from tests.support.stage import Stage
from tests.support.twins import Twins


class Case(NamedTuple):
    """
    One upstream and the location in front of it.

    Args:
        servers: Backends "a" to "d" with their parameters; "a" and "b" fail where the path says so, "x" refuses.
        method: Directives of the upstream.
        more: Directives of the location.
    """

    servers: str
    method: str = ""
    more: str = ""

    @property
    def path(self) -> str:
        """Where the location is."""
        return f"/{CASES.index(self)}"

    def text(self) -> str:
        """Write the upstream and the location's block, parted by a line."""
        servers = "".join(f"server <{server[0]}>{server[1:]}; " for server in self.servers.split(", "))
        name = f"app{CASES.index(self)}"
        upstream = f"upstream {name} {{ {self.method} {servers} }}"
        return f"{upstream}\nlocation {self.path}/ {{ {self.more} proxy_pass http://{name}; }}"


SPREAD = [
    Case("a, b, c"), Case("a weight=5, b, c"), Case("a weight=4, b weight=2, c weight=3"), Case("a, b down, c"),
    Case("a, b weight=2"), Case("a, b backup, c backup"), Case("a down, b backup, c backup weight=2"),
    Case("a, a, b"), Case("a"), Case("a, b, c", "least_conn;"), Case("a weight=2, b, c", "least_conn;"),
    Case("a, b backup", "least_conn;"), Case("x, a"), Case("x, x"), Case("x"), Case("x down, a backup"),
]  # fmt: skip
HASH = [
    Case(servers, method)
    for servers in ("a, b, c, d", "a weight=3, b, c weight=2", "a, b down, c", "a, x, c")
    for method in ("hash $request_uri;", "hash $request_uri consistent;", "hash $arg_none;")
]
IP_HASH = [Case(servers, "ip_hash;") for servers in ("a, b, c", "a, b weight=2, c, d", "a, b down, c", "a, x, c")]
FAILING = [
    Case("a, b, d"), Case("a, c, d backup"), Case("a max_fails=0, c"),
    Case("a max_fails=3, b max_fails=2, c weight=2"), Case("a weight=5, b, d"),
    Case("a weight=4 max_fails=2, c weight=2"), Case("a, b"), Case("a, b, c, d", "", "proxy_next_upstream_tries 2;"),
    Case("a, b, c", "", "proxy_next_upstream off;"), Case("a max_fails=0, b max_fails=2, c, d", "least_conn;"),
    Case("a max_fails=0, b max_fails=2, c, d", "hash $request_uri;"),
    Case("a max_fails=0, b max_fails=2, c, d", "hash $request_uri consistent;"),
    Case("a max_fails=0, b max_fails=2, c, d", "ip_hash;"),
]  # fmt: skip
LISTED = "proxy_next_upstream http_500 http_404 http_429;"
STATUSES = [Case("a, b, c, d"), Case("a, b, c", "", LISTED)]
REPEATED = [
    Case("a max_fails=0, d", "", more) for more in ("", "proxy_next_upstream error timeout non_idempotent;")
]
CASES = [*SPREAD, *HASH, *IP_HASH, *FAILING, *STATUSES, *REPEATED]

PAGES: dict[str, Reply] = {
    "close": close,
    "500": reply("", "Connection: close", status="500 Oops"),
    "404": reply("", "Connection: close", status="404 None"),
    "429": reply("", "Connection: close", status="429 Slow"),
}


@pytest.fixture(scope="module")
def twins() -> Iterator[Twins]:
    parts = [case.text().split("\n") for case in CASES]
    upstreams, locations = ("\n".join(column) for column in zip(*parts, strict=True))
    with Stage() as stage:
        conf = f"{upstreams}\nserver {{ listen <listen>;\n{locations}\n}}"
        yield Twins(stage, conf, PAGES, PAGES, {}, {}, x=stage.dead())


@pytest.mark.parametrize("case", SPREAD)
def test_equal_requests(twins: Twins, case: Case) -> None:
    twins.picks(*[octets(f"{case.path}/")] * 24)


@pytest.mark.parametrize("case", HASH)
def test_hash(twins: Twins, case: Case) -> None:
    """The consistent form places servers by their addresses, which differ from run to run."""
    twins.picks(*(octets(f"{case.path}/{number * 7919}") for number in range(24)))


@pytest.mark.parametrize("case", IP_HASH)
def test_ip_hash(twins: Twins, case: Case) -> None:
    for third in range(0, 250, 11):
        twins.picks(octets(f"{case.path}/"), source=f"127.7.{third}.1")


@pytest.mark.parametrize("case", FAILING)
def test_failing_servers(twins: Twins, case: Case) -> None:
    """They are tried, left alone, and their weights recover, pick for pick."""
    for number in range(8):
        for page in ("close", "", ""):
            twins.check(octets(f"{case.path}/{number}/{page}"))


@pytest.mark.parametrize("case", STATUSES)
def test_failing_statuses(twins: Twins, case: Case) -> None:
    for page in ("404", "404", "429", "500", "", "404", "500", "", "429", "", ""):
        twins.check(octets(f"{case.path}/{page}"))


@pytest.mark.parametrize("case", REPEATED)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "LOCK", "HEAD", "OPTIONS"])
def test_methods_that_may_be_repeated(twins: Twins, case: Case, method: str) -> None:
    """Two requests, so that one of them meets the failing server first."""
    for _ in range(2):
        body = b"x" if method in {"POST", "PUT", "PATCH"} else b""
        twins.check(octets(f"{case.path}/close", method=method, body=body))
