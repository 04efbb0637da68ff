"""Round robin, the method of an `upstream` that names none."""

from __future__ import annotations

from collections import Counter

from tests.support.backends import reply
from tests.support.client import Client, bodies
from tests.support.node import Node
from tests.support.stage import Stage

CONF = """
upstream nodes {
    server <a> weight=<wa>;
    server <b> weight=<wb>;
}
server {
    listen <listen>;
    location / { include uwsgi_params; uwsgi_pass nodes; }
}
"""


def test_two_nodes_alternate_exactly(stage: Stage, nodes: tuple[Node, Node, Node]) -> None:
    proxy = stage.lbproxy(CONF, a=nodes[0], b=nodes[1], wa=1, wb=1)
    assert "".join(bodies(proxy.address, 10)) == "ababababab"


def test_requests_of_one_connection_alternate_too(stage: Stage, nodes: tuple[Node, Node, Node]) -> None:
    proxy = stage.lbproxy(CONF, a=nodes[0], b=nodes[1], wa=1, wb=1)
    with Client(proxy.address) as client:
        assert "".join(client.ask().text for _ in range(6)) == "ababab"


def test_weights_one_and_two_share_every_three_requests(stage: Stage, nodes: tuple[Node, Node, Node]) -> None:
    proxy = stage.lbproxy(CONF, a=nodes[0], b=nodes[1], wa=1, wb=2)
    names = bodies(proxy.address, 12)
    assert [Counter(names[i : i + 3]) for i in range(0, 12, 3)] == [Counter(a=1, b=2)] * 4


def test_heavy_weights_are_spread_smoothly(stage: Stage) -> None:
    """The golden order of weights 5, 1, 1 in nginx."""
    a, b, c = (stage.backend(reply(name)) for name in "abc")
    proxy = stage.lbproxy(
        """
        upstream u { server <a> weight=5; server <b>; server <c>; }
        server { listen <listen>; location / { proxy_pass http://u; } }
        """,
        a=a, b=b, c=c,
    )  # fmt: skip
    assert "".join(bodies(proxy.address, 14)) == "aabacaa" * 2


def test_server_marked_down_gets_nothing(stage: Stage, nodes: tuple[Node, Node, Node]) -> None:
    proxy = stage.lbproxy(CONF.replace("weight=<wb>", "down"), a=nodes[0], b=nodes[1], wa=1)
    assert set(bodies(proxy.address, 6)) == {"a"}
