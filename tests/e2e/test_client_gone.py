"""Clients that leave before they are answered."""

from __future__ import annotations

import threading

import pytest

from tests.support.backends import Conversation, endless, hang, reply
from tests.support.client import Client, octets
from tests.support.stage import Stage
from tests.support.waiting import TIMEOUT

CONF = """
server {
    listen <listen>;
    location /http { proxy_pass http://<http>; }
    location /uwsgi { include uwsgi_params; uwsgi_pass <uwsgi>; }
    location /on { proxy_pass http://<http>; proxy_ignore_client_abort on; }
}
"""


@pytest.mark.parametrize("protocol", ["http", "uwsgi"])
@pytest.mark.parametrize("leave", ["close", "reset"])
def test_backend_connection_is_closed_and_499_logged(stage: Stage, protocol: str, leave: str) -> None:
    """Robustness 23. The abort reaches the server."""
    backends = {"http": stage.backend(hang), "uwsgi": stage.uwsgi(hang)}
    proxy = stage.lbproxy(CONF, http=backends["http"], uwsgi=backends["uwsgi"])
    with Client(proxy.address) as client:
        client.send(octets(f"/{protocol}"))
        backends[protocol].requests.wait()
        getattr(client, leave)()
    backends[protocol].closed.wait()
    assert f'"GET /{protocol} HTTP/1.1" 499 0 ' in proxy.stdout.wait_for("GET")[0]
    assert proxy.errors() == []


def test_client_that_leaves_during_the_body_ends_the_transfer(stage: Stage) -> None:
    backend = stage.backend(script=endless)
    proxy = stage.lbproxy(CONF, http=backend, uwsgi=stage.dead())
    with Client(proxy.address) as client:
        client.send(octets("/http"))
        client.read(1000)
    backend.closed.wait()
    assert '"GET /http HTTP/1.1" 200 ' in proxy.stdout.wait_for("GET")[0]


def test_client_that_leaves_an_upload_half_done(stage: Stage) -> None:
    """Robustness 5. Nothing of a buffered body reaches the server."""
    backend = stage.backend(reply("ok"))
    proxy = stage.lbproxy(CONF, http=backend, uwsgi=stage.dead())
    with Client(proxy.address) as client:
        client.send(octets("/http", "Content-Length: 100", method="POST") + b"half")
    proxy.stdout.wait_for('"POST /http HTTP/1.1" 4')
    assert len(backend.requests) == 0


def test_ignored_abort_lets_the_server_finish(stage: Stage) -> None:
    """With proxy_ignore_client_abort the server's answer is still awaited."""

    def slow(conversation: Conversation) -> None:
        conversation.request()
        left.wait(TIMEOUT)
        conversation.send(reply("late", "Connection: close"))
        conversation.until_gone()

    left = threading.Event()
    backend = stage.backend(script=slow)
    proxy = stage.lbproxy(CONF, http=backend, uwsgi=stage.dead())
    with Client(proxy.address) as client:
        client.send(octets("/on"))
        backend.requests.wait()
    left.set()
    backend.closed.wait()
    assert '"GET /on HTTP/1.1" 499' not in proxy.stdout.wait_for("GET")[0]


def test_client_that_leaves_is_not_held_against_the_server(stage: Stage) -> None:
    """Robustness 20. What the client did says nothing about it."""
    a = stage.backend(hang, reply("a"))
    conf = """
    upstream u { server <a>; server <b> backup; }
    server { listen <listen>; location / { proxy_pass http://u; } }
    """
    proxy = stage.lbproxy(conf, a=a, b=stage.backend(reply("backup")))
    with Client(proxy.address) as client:
        client.send(octets())
        a.requests.wait()
    a.closed.wait()
    with Client(proxy.address) as client:
        assert client.ask().text == "a"
