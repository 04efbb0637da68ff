"""Every deadline, set short: what it ends, and what the client is told."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from tests.support.backends import Conversation, endless, hang, reply
from tests.support.client import Client, ask, get, octets
from tests.support.stage import Stage
from tests.support.waiting import TIMEOUT

CONF = """
server {
    listen <listen>;
    <more>
    location / { proxy_pass http://<b>; }
    location /uwsgi { include uwsgi_params; uwsgi_pass <u>; uwsgi_read_timeout 300ms; }
}
"""


def test_server_that_says_nothing_is_504(stage: Stage) -> None:
    backend = stage.backend(hang)
    proxy = stage.lbproxy(CONF, b=backend, u=stage.dead(), more="proxy_read_timeout 300ms;")
    started = time.monotonic()
    answer = get(proxy.address)
    assert answer.status == 504
    assert "504 Gateway Time-out" in answer.text
    assert 0.3 <= time.monotonic() - started < 1.5
    backend.closed.wait()
    proxy.stderr.wait_for(r"upstream timed out .* while reading response header from upstream")


def test_node_that_says_nothing_is_504(stage: Stage) -> None:
    backend = stage.uwsgi(hang)
    proxy = stage.lbproxy(CONF, b=stage.dead(), u=backend, more="")
    assert get(proxy.address, "/uwsgi").status == 504
    backend.closed.wait()


def test_server_that_does_not_accept_is_504(stage: Stage) -> None:
    """A full accept queue: the kernel drops the handshake."""
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        address = f"127.0.0.1:{full.getsockname()[1]}"
        proxy = stage.lbproxy(CONF, b=address, u=stage.dead(), more="proxy_connect_timeout 300ms;")
        assert get(proxy.address).status == 504
        proxy.stderr.wait_for(r"upstream timed out .* while connecting to upstream")


def test_server_that_does_not_read_is_504(stage: Stage) -> None:
    def stuck(conversation: Conversation) -> None:
        conversation.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        conversation.head()
        release.wait(TIMEOUT)

    release = threading.Event()
    more = "client_max_body_size 0; proxy_send_timeout 300ms;"
    proxy = stage.lbproxy(CONF, b=stage.backend(script=stuck), u=stage.dead(), more=more)
    assert ask(proxy.address, octets(method="POST", body=b"x" * (16 << 20)), method="POST").status == 504
    proxy.stderr.wait_for(r"upstream timed out .* while sending request to upstream")
    release.set()


def test_body_that_stands_still_is_cut_off(stage: Stage) -> None:
    def half(conversation: Conversation) -> None:
        conversation.request()
        conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        conversation.until_gone()

    backend = stage.backend(script=half)
    proxy = stage.lbproxy(CONF, b=backend, u=stage.dead(), more="proxy_read_timeout 300ms;")
    with Client(proxy.address) as client:
        client.send(octets())
        assert client.rest().partition(b"\r\n\r\n")[2] in (b"", b"half")
    backend.closed.wait()
    proxy.stderr.wait_for(r"upstream timed out .* while reading upstream")


def test_read_timeout_is_the_time_between_two_reads(stage: Stage) -> None:
    """Five pieces 0.15 s apart take longer than the timeout of 0.5 s, and yet it does not strike."""

    def drip(conversation: Conversation) -> None:
        conversation.request()
        conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
        for _ in range(5):
            threading.Event().wait(0.15)  # the time between two reads is what is tested
            conversation.send(b"x")

    proxy = stage.lbproxy(CONF, b=stage.backend(script=drip), u=stage.dead(), more="proxy_read_timeout 500ms;")
    assert get(proxy.address).text == "xxxxx"


def test_client_that_sends_half_a_head_is_closed(stage: Stage) -> None:
    proxy = stage.lbproxy(CONF, b=stage.dead(), u=stage.dead(), more="client_header_timeout 300ms;")
    with Client(proxy.address) as client:
        client.send(b"GET / HTTP/1.1\r\nHost:")
        client.rest()
    proxy.stdout.wait_for(" 408 ")


def test_client_that_sends_half_a_body_is_closed(stage: Stage) -> None:
    proxy = stage.lbproxy(CONF, b=stage.dead(), u=stage.dead(), more="client_body_timeout 300ms;")
    with Client(proxy.address) as client:
        client.send(octets("/", "Content-Length: 10", method="POST") + b"half")
        client.rest()
    proxy.stdout.wait_for(" 408 ")


def test_idle_client_is_closed_silently(stage: Stage) -> None:
    proxy = stage.lbproxy(CONF, b=stage.backend(reply("ok")), u=stage.dead(), more="keepalive_timeout 300ms;")
    with Client(proxy.address) as client:
        assert client.ask().text == "ok"
        assert client.rest() == b""


@pytest.mark.parametrize("more", ["keepalive_timeout 0;", "keepalive_requests 1;"])
def test_connection_that_is_not_kept_says_so(stage: Stage, more: str) -> None:
    proxy = stage.lbproxy(CONF, b=stage.backend(reply("ok")), u=stage.dead(), more=more)
    with Client(proxy.address) as client:
        assert client.ask().get("Connection") == "close"
        assert client.at_end()


def test_client_that_does_not_read_is_given_up(stage: Stage) -> None:
    backend = stage.backend(script=endless)
    proxy = stage.lbproxy(CONF, b=backend, u=stage.dead(), more="send_timeout 300ms; proxy_max_temp_file_size 0;")
    with Client(proxy.address) as client:
        client.send(octets())
        backend.closed.wait()
