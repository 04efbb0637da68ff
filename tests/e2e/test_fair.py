"""`fair`, `least_time`, `least_conn` and `random`: methods that look at what the servers are doing."""

from __future__ import annotations

import threading

import pytest

from tests.support.backends import held, reply
from tests.support.client import Client, bodies, octets
from tests.support.node import Node
from tests.support.stage import Stage

CONF = """
upstream nodes {
    <method>
    server <a>;
    server <b>;
}
server {
    listen <listen>;
    location / { include uwsgi_params; uwsgi_pass nodes; }
}
"""
HTTP = CONF.replace("include uwsgi_params; uwsgi_pass nodes;", "proxy_pass http://nodes;")


@pytest.mark.parametrize("method", ["fair;", "least_time header;"])
def test_faster_node_gets_most(stage: Stage, nodes: tuple[Node, Node, Node], method: str) -> None:
    slow = stage.node("slow", delay=0.08)  # the method measures time, so the node has to take some
    proxy = stage.lbproxy(CONF, a=slow, b=nodes[1], method=method)
    names = bodies(proxy.address, 30)
    assert names.count("b") >= 24
    assert "slow" in names


@pytest.mark.parametrize("method", ["least_conn;", "fair no_rr;"])
def test_busy_server_is_avoided(stage: Stage, method: str) -> None:
    gate = threading.Event()
    a, b = stage.backend(held(gate, reply("a"))), stage.backend(reply("b"))
    proxy = stage.lbproxy(HTTP, a=a, b=b, method=method)
    with Client(proxy.address) as first:
        first.send(octets())
        a.requests.wait()
        assert bodies(proxy.address, 6) == ["b"] * 6
        gate.set()
        assert first.answer().text == "a"


def test_random_reaches_every_server(stage: Stage, nodes: tuple[Node, Node, Node]) -> None:
    """Both are drawn in forty requests, except once in 2 ** 39 runs."""
    proxy = stage.lbproxy(CONF, a=nodes[0], b=nodes[1], method="random;")
    assert set(bodies(proxy.address, 40)) == {"a", "b"}
