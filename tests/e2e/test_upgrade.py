"""Upgraded connections (WebSocket): passed through without a line of configuration."""

from __future__ import annotations

from tests.support.backends import Conversation, reply
from tests.support.client import Client, get, octets
from tests.support.stage import Stage

CONF = """
server {
    listen <listen>;
    location / { proxy_pass http://<b>; }
}
"""
HANDSHAKE = ("Connection: keep-alive, Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: abc")
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


def echo(conversation: Conversation) -> None:
    """Switch protocols with a first message right behind the head, then send back whatever comes."""
    conversation.request()
    conversation.send(SWITCH + b"hello ")
    while data := conversation.socket.recv(65536):
        conversation.send(data.upper())
    conversation.backend.closed.append(b"")


def test_handshake_and_octets_go_through_both_ways(stage: Stage) -> None:
    backend = stage.backend(script=echo)
    proxy = stage.lbproxy(CONF, b=backend)
    with Client(proxy.address) as client:
        client.send(octets("/ws", *HANDSHAKE) + b"with the handshake ")
        answer = client.answer()
        assert (answer.status, answer.get("Upgrade"), answer.get("Connection")) == (101, "websocket", "upgrade")
        assert [name.lower() for name, _ in answer.fields].count(b"upgrade") == 1  # clients refuse two
        assert client.read(25) == b"hello WITH THE HANDSHAKE "
        client.send(b"\x81\x02ab\r\n")
        assert client.read(6) == b"\x81\x02AB\r\n"
    backend.closed.wait()
    (request,) = backend.requests.all()
    assert (request.get("Upgrade"), request.get("Connection")) == ("websocket", "upgrade")
    assert request.get("Sec-WebSocket-Key") == "abc"
    assert '"GET /ws HTTP/1.1" 101' in proxy.stdout.wait_for("/ws")[0]


def test_server_may_close_first(stage: Stage) -> None:
    def farewell(conversation: Conversation) -> None:
        conversation.request()
        conversation.send(SWITCH + b"bye")

    proxy = stage.lbproxy(CONF, b=stage.backend(script=farewell))
    with Client(proxy.address) as client:
        client.send(octets("/", *HANDSHAKE))
        assert client.answer().status == 101
        assert client.rest() == b"bye"


def test_refused_upgrade_is_an_ordinary_answer(stage: Stage) -> None:
    backend = stage.backend(reply("no", status="426 Upgrade Required"), reply("next"))
    proxy = stage.lbproxy(CONF, b=backend)
    with Client(proxy.address) as client:
        client.send(octets("/", *HANDSHAKE))
        assert client.answer().status == 426
        assert client.ask().text == "next"


def test_upgrade_that_nobody_asked_for_opens_no_tunnel(stage: Stage) -> None:
    proxy = stage.lbproxy(CONF, b=stage.backend(SWITCH + b"secret"))
    answer = get(proxy.address)
    assert answer.status == 502
    assert b"secret" not in answer.raw


def test_h2c_is_not_passed_on(stage: Stage) -> None:
    backend = stage.backend(reply("plain"))
    proxy = stage.lbproxy(CONF, b=backend)
    answer = get(proxy.address, "/", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk")
    assert answer.text == "plain"
    (request,) = backend.requests.all()
    assert request.get("Upgrade") is None
