"""Answers and requests that come in pieces: who sees which piece when."""

from __future__ import annotations

import threading

import pytest

from tests.support.backends import Conversation, held, reply
from tests.support.client import Client, octets
from tests.support.stage import Stage

CONF = """
server {
    listen <listen>;
    location / { proxy_pass http://<b>; <more> }
}
"""
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"


@pytest.mark.parametrize(
    ("fields", "more"),
    [("Cache-Control: no-store", ""), ("X-Accel-Buffering: no", ""), ("X-Plain: 1", "proxy_buffering off;")],
)
def test_server_sent_events_are_not_held_back(stage: Stage, fields: str, more: str) -> None:
    """The first event reaches the client while the server has not said the second."""
    gate = threading.Event()
    first = EVENTS + fields.encode() + b"\r\n\r\ndata: 1\n\n"

    def script(conversation: Conversation) -> None:
        held(gate, b"data: 2\n\n", first=first)(conversation, conversation.request())

    proxy = stage.lbproxy(CONF, b=stage.backend(script=script), more=more)
    with Client(proxy.address) as client:
        client.send(octets())
        client.read_until(b"data: 1\n\n")
        gate.set()
        client.read_until(b"data: 2\n\n")


def test_chunks_come_through_as_they_are_made(stage: Stage) -> None:
    gate = threading.Event()
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n"
    backend = stage.backend(held(gate, b"3\r\ntwo\r\n0\r\n\r\n", first=head))
    proxy = stage.lbproxy(CONF, b=backend, more="proxy_buffering off;")
    with Client(proxy.address) as client:
        client.send(octets())
        client.read_until(b"one")
        gate.set()
        client.read_until(b"two\r\n0\r\n\r\n")


def test_head_comes_through_before_the_body(stage: Stage) -> None:
    gate = threading.Event()
    head = b"HTTP/1.1 200 OK\r\nX-A: 1\r\n\r\n"
    proxy = stage.lbproxy(CONF, b=stage.backend(held(gate, b"body", first=head)), more="proxy_buffering off;")
    with Client(proxy.address) as client:
        client.send(octets())
        assert b"X-A: 1" in client.read_until(b"\r\n\r\n")
        gate.set()


def test_request_body_is_streamed_without_request_buffering(stage: Stage) -> None:
    """The server has the first half while the client has not sent the second."""
    arrived = threading.Event()

    def script(conversation: Conversation) -> None:
        conversation.head()
        assert conversation.read(5) == b"first"
        arrived.set()
        assert conversation.read(6) == b"second"
        conversation.send(reply("whole"))

    proxy = stage.lbproxy(CONF, b=stage.backend(script=script), more="proxy_request_buffering off;")
    with Client(proxy.address) as client:
        client.send(octets("/", "Content-Length: 11", method="POST") + b"first")
        assert arrived.wait(20)
        client.send(b"second")
        assert client.answer("POST").text == "whole"


def test_request_body_is_collected_with_request_buffering(stage: Stage) -> None:
    """The server is not even connected to before the body is whole."""
    backend = stage.backend(reply("whole"))
    proxy = stage.lbproxy(CONF, b=backend, more="")
    with Client(proxy.address) as client:
        client.send(octets("/", "Content-Length: 11", method="POST") + b"first")
        with Client(proxy.address) as other:  # a whole request meanwhile shows that the proxy has seen the half
            assert other.ask().text == "whole"
        assert len(backend.connections) == 1
        client.send(b"second")
        assert client.answer("POST").text == "whole"
    assert backend.requests.all()[1].body == b"firstsecond"


def test_early_answer_ends_the_upload(stage: Stage) -> None:
    """A server may answer before it has read the body; the client gets that answer."""

    def script(conversation: Conversation) -> None:
        conversation.head()
        conversation.send(reply("enough", "Connection: close", status="413 Too Much"))
        conversation.until_gone()

    proxy = stage.lbproxy(CONF, b=stage.backend(script=script), more="proxy_request_buffering off;")
    with Client(proxy.address) as client:
        client.send(octets("/", "Content-Length: 1000000", method="POST") + b"x" * 1000)
        assert client.answer("POST").status == 413


def test_last_chunk_may_come_late_and_the_connection_is_still_reused(stage: Stage) -> None:
    gate = threading.Event()
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n"
    backend = stage.backend(held(gate, b"\r\n", first=head), reply("next"))
    proxy = stage.lbproxy("upstream u { server <b>; }" + CONF.replace("http://<b>", "http://u"), b=backend, more="")
    with Client(proxy.address) as client:
        client.send(octets())
        client.read_until(b"one")
        gate.set()
        client.read_until(b"0\r\n\r\n")
        assert client.ask().text == "next"
    assert len(backend.connections) == 1
