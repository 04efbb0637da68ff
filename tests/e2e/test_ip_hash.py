"""`ip_hash`: a client's network decides its server."""

from __future__ import annotations

from collections import Counter

from tests.support.client import bodies, get
from tests.support.node import Node
from tests.support.stage import Stage

CONF = """
upstream nodes {
    ip_hash;
    server <a>;
    server <b>;
    server <c>;
}
server {
    listen <listen>;
    location / { include uwsgi_params; uwsgi_pass nodes; }
}
"""


def nginx_pick(address: str, names: str) -> str:
    """Compute nginx's choice among servers of weight 1 (ngx_http_upstream_get_ip_hash_peer)."""
    value = 89
    for octet in address.split(".")[:3]:
        value = (value * 113 + int(octet)) % 6271
    return names[value % len(names)]


def test_client_keeps_its_node(stage: Stage, nodes: tuple[Node, Node, Node]) -> None:
    proxy = stage.lbproxy(CONF, a=nodes[0], b=nodes[1], c=nodes[2])
    for source in ("127.0.0.9", "127.1.2.3", "127.8.8.8"):
        assert len(set(bodies(proxy.address, 4, source=source))) == 1


def test_networks_go_where_nginx_sends_them(stage: Stage, nodes: tuple[Node, Node, Node]) -> None:
    proxy = stage.lbproxy(CONF, a=nodes[0], b=nodes[1], c=nodes[2])
    sources = [f"127.0.{third}.7" for third in range(30)]
    picks = [get(proxy.address, source=source).text for source in sources]
    assert picks == [nginx_pick(source, "abc") for source in sources]
    assert Counter(picks) == Counter(a=10, b=10, c=10)


def test_clients_of_a_dead_node_move_and_the_others_stay(stage: Stage, nodes: tuple[Node, Node, Node]) -> None:
    proxy = stage.lbproxy(CONF, a=nodes[0], b=stage.dead(), c=nodes[2])
    for third in range(12):
        source = f"127.0.{third}.7"
        home = nginx_pick(source, "abc")
        answer = get(proxy.address, source=source)
        assert answer.status == 200
        assert answer.text == home or home == "b"
