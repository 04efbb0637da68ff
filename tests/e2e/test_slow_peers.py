"""Peers that take their time: they are no burden to others, and the configured times end them on both sides."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.support.backends import Conversation, hang, reply
from tests.support.client import Client, chunked, octets
from tests.support.daemon import Lbproxy
from tests.support.stage import Stage
from tests.support.usage import descriptors
from tests.support.waiting import TIMEOUT, until

CONF = """
events { worker_connections 2048; }
http {
    client_max_body_size 0;
    proxy_max_temp_file_size 0; proxy_connect_timeout 300ms; proxy_send_timeout 300ms; proxy_read_timeout 300ms;
    uwsgi_connect_timeout 300ms; uwsgi_read_timeout 300ms;
    server {
        listen <listen> backlog=1024;
        <more>
        location / { return 200 small; }
        location /pass { proxy_pass http://<b>; }
        location /stream { proxy_pass http://<b>; proxy_request_buffering off; }
        location /uwsgi { include uwsgi_params; uwsgi_pass <u>; }
    }
}
"""
SET = 0.3  # seconds, whichever timeout is tested
WORD = "300ms"
ROOM = 1.5  # seconds that a timeout may be late, or anything be delayed, on a machine with other things to do


@contextmanager
def watched(proxy: Lbproxy) -> Iterator[list[float]]:
    """Ask for something small again and again meanwhile; collect how long each answer takes, in seconds."""
    waits: list[float] = []
    over = threading.Event()

    def ask() -> None:
        with Client(proxy.address) as client:
            while not over.is_set():
                started = time.monotonic()
                assert client.ask().text == "small"
                waits.append(time.monotonic() - started)
                over.wait(0.005)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield waits
    finally:
        over.set()
        thread.join()
        assert waits, "nobody was served meanwhile"


def test_six_hundred_slow_heads(stage: Stage) -> None:
    """Robustness 15. Each is heard in the end, and delays nobody meanwhile."""
    proxy = stage.lbproxy(CONF, b=stage.dead(), u=stage.dead(), more="keepalive_requests 1000000;")
    request = octets("/", f"X-Long: {'x' * 3000}", "Connection: close")
    with watched(proxy) as waits, ExitStack() as stack:
        clients = [stack.enter_context(Client(proxy.address)) for _ in range(600)]
        for begin in range(0, len(request), 500):
            for client in clients:
                client.send(request[begin : begin + 500])
        for client in clients:
            assert client.answer().text == "small"
    assert max(waits) < ROOM


def test_twenty_dripping_origins(stage: Stage) -> None:
    """Robustness 15. An answer that comes octet by octet goes on octet by octet, and delays nobody."""
    size = 300

    def drip(conversation: Conversation) -> None:
        conversation.request()
        pause = threading.Event()
        for octet in reply(b"x" * size):
            conversation.send(bytes([octet]))
            pause.wait(0.001)

    proxy = stage.lbproxy(CONF, b=stage.backend(script=drip), u=stage.dead(), more="keepalive_requests 1000000;")
    with watched(proxy) as waits, ExitStack() as stack:
        clients = [stack.enter_context(Client(proxy.address)) for _ in range(20)]
        for client in clients:
            client.send(octets("/pass"))
        for client in clients:
            assert client.answer().body == b"x" * size
    assert max(waits) < ROOM


def test_a_hundred_thousand_chunks_of_one_octet(stage: Stage) -> None:
    """Robustness 15. Both ways: the body arrives whole, and nobody is delayed."""
    body = bytes(range(250)) * 400
    chunks = chunked(*(bytes([octet]) for octet in body))

    def echo(conversation: Conversation) -> None:
        assert conversation.request().body == body
        conversation.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)

    backend = stage.backend(script=echo)
    proxy = stage.lbproxy(CONF, b=backend, u=stage.dead(), more="keepalive_requests 1000000;")
    with watched(proxy) as waits, Client(proxy.address) as client:
        client.send(octets("/stream", "Transfer-Encoding: chunked", method="POST") + chunks)
        assert client.answer("POST").body == body
    assert max(waits) < ROOM


@pytest.mark.parametrize("framing", ["Content-Length: 1073741824", "Transfer-Encoding: chunked"])
def test_refusal_of_a_large_body_can_be_read(stage: Stage, framing: str) -> None:
    """Robustness 16. The client goes on sending for a while and finds its answer, whole, behind that."""
    backend = stage.backend(reply("ok"))
    proxy = stage.lbproxy(CONF.replace("client_max_body_size 0", "client_max_body_size 100k"), b=backend,
                          u=stage.dead(), more="")
    chunk = b"8000\r\n" + bytes(0x8000) + b"\r\n"
    with Client(proxy.address) as client:
        client.send(octets("/pass", framing, method="POST"))
        for _ in range(256):  # 8 MiB, more than the kernel holds by itself
            client.send(chunk)
        answer = client.answer("POST")
        assert (answer.status, answer.get("Connection")) == (413, "close")
        assert client.at_end()
    assert len(backend.requests) == 0


class Ended:
    """How long it takes until something ends."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def in_time(self) -> bool:
        """Say whether that was at the time set, or soon after it."""
        return SET <= time.monotonic() - self._started < SET + ROOM


def test_clients_that_stand_still(stage: Stage) -> None:
    """
    Robustness 14. They are closed at the time set, and their descriptors are given back.

    Before a head, in the middle of one, in the middle of a body, between two requests.
    """
    timeouts = ("client_header_timeout", "client_body_timeout", "keepalive_timeout", "lingering_timeout")
    more = "".join(f"{name} {WORD};" for name in timeouts)
    proxy = stage.lbproxy(CONF, b=stage.dead(), u=stage.dead(), more=more)
    (worker,) = proxy.workers()
    before = descriptors(worker)
    ended = Ended()
    with ExitStack() as stack:
        nothing, head, body, idle = clients = [stack.enter_context(Client(proxy.address)) for _ in range(4)]
        assert idle.ask().text == "small"
        head.send(b"GET / HTTP/1.1\r\nHost:")
        body.send(octets("/pass", "Content-Length: 10", method="POST") + b"half")
        for client in (nothing, head, idle):
            client.rest()
            assert ended.in_time(), clients.index(client)
        assert body.answer("POST").status == 408
        assert ended.in_time()
        until(lambda: descriptors(worker) == before, "the descriptors to be given back")


def test_upload_that_stands_still(stage: Stage) -> None:
    """Robustness 14. The server that has got half of it is released too."""

    def take(conversation: Conversation) -> None:
        conversation.head()
        conversation.until_gone()

    backend = stage.backend(script=take)
    proxy = stage.lbproxy(CONF, b=backend, u=stage.dead(), more=f"client_body_timeout {WORD}; lingering_timeout 100ms;")
    with Client(proxy.address) as client:
        ended = Ended()
        client.send(octets("/stream", "Content-Length: 10", method="POST") + b"half")
        assert backend.closed.wait() == [b"half"]
        assert client.answer("POST").status == 408
        assert ended.in_time()


def test_reader_that_stands_still(stage: Stage) -> None:
    """Robustness 14. send_timeout ends it, and the server's connection with it."""

    def much(conversation: Conversation) -> None:
        conversation.request()
        conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
        try:
            while True:
                conversation.send(bytes(1 << 16))
        finally:
            conversation.backend.closed.append(b"")

    backend = stage.backend(script=much)
    proxy = stage.lbproxy(CONF, b=backend, u=stage.dead(), more=f"send_timeout {WORD};")
    (worker,) = proxy.workers()
    before = descriptors(worker)
    with Client(proxy.address) as client:
        ended = Ended()
        client.send(octets("/pass"))
        backend.closed.wait()
        assert ended.in_time()
        until(lambda: descriptors(worker) == before, "the descriptors to be given back")


def test_servers_that_stand_still(stage: Stage) -> None:
    """Robustness 14. One that says nothing is released at the time set, and its client can go on."""
    http, uwsgi = stage.backend(hang), stage.uwsgi(hang)
    proxy = stage.lbproxy(CONF, b=http, u=uwsgi, more="")
    with Client(proxy.address) as one, Client(proxy.address) as other:
        ended = Ended()
        one.send(octets("/pass"))
        other.send(octets("/uwsgi"))
        for client, backend in ((one, http), (other, uwsgi)):
            assert client.answer().status == 504
            assert ended.in_time()
            backend.closed.wait()
            assert client.ask().text == "small"


def test_servers_that_do_not_accept(stage: Stage) -> None:
    """Robustness 14. A full queue of connections costs the connect timeout."""
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        host, port = full.getsockname()
        proxy = stage.lbproxy(CONF, b=f"{host}:{port}", u=f"{host}:{port}", more="")
        with Client(proxy.address) as one, Client(proxy.address) as other:
            ended = Ended()
            one.send(octets("/pass"))
            other.send(octets("/uwsgi"))
            for client in (one, other):
                assert client.answer().status == 504
                assert ended.in_time()


def test_server_that_does_not_take_its_request(stage: Stage) -> None:
    """Robustness 14. The send timeout frees both sides."""
    release = threading.Event()

    def stuck(conversation: Conversation) -> None:
        conversation.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        conversation.head()
        release.wait(TIMEOUT)

    proxy = stage.lbproxy(CONF, b=stage.backend(script=stuck), u=stage.dead(), more="")
    (worker,) = proxy.workers()
    before = descriptors(worker)
    with Client(proxy.address) as client:
        ended = Ended()
        client.send(octets("/pass", method="POST", body=bytes(16 << 20)))
        assert client.answer("POST").status == 504
        assert ended.in_time()
    until(lambda: descriptors(worker) == before, "the descriptors to be given back")
    release.set()


def test_heads_that_grow_for_ever(stage: Stage) -> None:
    """Robustness 14. A head, blank lines before one, or its first line come to an end by size as well."""
    proxy = stage.lbproxy(CONF, b=stage.dead(), u=stage.dead(), more="")
    for endless in (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 10000, b"\r\n" * 10000, b"GET /" + b"x" * 60000):
        with Client(proxy.address) as client:
            client.send(endless)
            assert client.answer().status in (400, 414)
