"""`url_hash` and `hash`: a key decides the server."""

from __future__ import annotations

import zlib

import pytest

from tests.support.client import bodies, get
from tests.support.node import Node
from tests.support.stage import Stage

CONF = """
upstream nodes {
    server <a>;
    server <b>;
    server <c>;
    <method>
}
server {
    listen <listen>;
    location / { include uwsgi_params; uwsgi_pass nodes; }
}
"""
URLS = [f"/page/{number}?x={number}" for number in range(15)]


def nginx_pick(key: str, names: str) -> str:
    """Compute nginx's first choice among servers of weight 1 (ngx_http_upstream_get_hash_peer)."""
    return names[((zlib.crc32(key.encode()) >> 16) & 0x7FFF) % len(names)]


@pytest.mark.parametrize("method", ["url_hash;", "hash $request_uri;", "hash $request_uri; hash_method crc32;"])
def test_url_keeps_its_node_and_it_is_the_one_of_nginx(
    stage: Stage, nodes: tuple[Node, Node, Node], method: str
) -> None:
    proxy = stage.lbproxy(CONF, a=nodes[0], b=nodes[1], c=nodes[2], method=method)
    assert [bodies(proxy.address, 2, url) for url in URLS] == [[nginx_pick(url, "abc")] * 2 for url in URLS]


def test_consistent_hash_keeps_the_other_keys_when_a_server_goes(
    stage: Stage, nodes: tuple[Node, Node, Node]
) -> None:
    """Only the keys of the server that is down move."""
    a, b, c = nodes
    proxy = stage.lbproxy(CONF, a=a, b=b, c=c, method="hash $arg_x consistent;")
    before = [get(proxy.address, url).text for url in URLS]
    proxy.reload(stage.text(CONF, a=a, b=f"{b.address} down", c=c, method="hash $arg_x consistent;"))
    after = [get(proxy.address, url).text for url in URLS]
    assert set(before) == set("abc")
    assert all(old in (new, "b") for old, new in zip(before, after, strict=True))
    assert "b" not in after


def test_empty_key_falls_back_to_round_robin(stage: Stage, nodes: tuple[Node, Node, Node]) -> None:
    proxy = stage.lbproxy(CONF, a=nodes[0], b=nodes[1], c=nodes[2], method="hash $arg_x;")
    assert "".join(bodies(proxy.address, 6)) == "abcabc"
