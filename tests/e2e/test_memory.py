"""
What lbproxy holds in memory for peers that take their time: little, whatever they are owed.

`make hostile` asks the same of bodies of 1 GiB; here they are of 128 MiB, and the bounds are in proportion.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.support.backends import Conversation, Request, UwsgiBackend, reply
from tests.support.client import Client, get, octets
from tests.support.daemon import Lbproxy
from tests.support.stage import Stage
from tests.support.usage import MIB, descriptors, forget_peak, peak, resident, settle
from tests.support.waiting import TIMEOUT, until

CONF = """
worker_processes 1;
events { worker_connections 1024; }
http {
    client_max_body_size 0;
    proxy_max_temp_file_size 0; uwsgi_max_temp_file_size 0;
    server {
        listen <listen>;
        location / { proxy_pass http://<b>; }
        location /stream { proxy_pass http://<b>; proxy_request_buffering off; }
        location /uwsgi { include uwsgi_params; uwsgi_pass <u>; uwsgi_request_buffering off; }
    }
}
"""
SIZE = 128 * MIB
GROWTH = 4 * MIB  # of a worker whose peers stand still; some 0.7 are usual
BLOCK = bytes(range(256)) * 1024


def blocks() -> Iterator[bytes]:
    """Yield a body of SIZE octets that shows every octet lost, doubled or moved."""
    for number in range(SIZE // len(BLOCK)):
        yield number.to_bytes(4, "big") + BLOCK[4:]


SHA256 = hashlib.sha256(b"".join(blocks())).hexdigest()


class Growth:
    """How far the memory of the only worker of *proxy* grows over what it is when this is made."""

    def __init__(self, proxy: Lbproxy) -> None:
        get(proxy.address)  # what is imported late is imported
        (self._worker,) = proxy.workers()
        forget_peak(self._worker)
        self._before = resident(self._worker)

    @property
    def most(self) -> int:
        """Octets, at the worst moment so far."""
        return peak(self._worker) - self._before


class Source:
    """Scripts of backends that send the large body; `sent` counts its octets."""

    def __init__(self) -> None:
        self.sent = 0

    def __call__(self, conversation: Conversation) -> None:
        """Answer each request in the framing that the end of its path names."""
        while True:
            request = conversation.request()
            if not request.target.startswith(("/length", "/chunks", "/uwsgi")):
                conversation.send(reply("small"))
                continue
            self._send(conversation, request)
            if not request.target.startswith(("/length", "/chunks")):
                conversation.close()

    def _send(self, conversation: Conversation, request: Request) -> None:
        chunks = request.target.startswith("/chunks")
        framing = {"/length": f"Content-Length: {SIZE}\r\n", "/chunks": "Transfer-Encoding: chunked\r\n"}
        conversation.send(f"HTTP/1.1 200 OK\r\n{framing.get(request.target, '')}\r\n".encode())
        for block in blocks():
            conversation.send(b"%x\r\n%b\r\n" % (len(block), block) if chunks else block)
            self.sent += len(block)
        if chunks:
            conversation.send(b"0\r\n\r\n")


class Sink:
    """Scripts of backends that read the large body only once `gate` is open, and answer with its checksum."""

    def __init__(self) -> None:
        self.gate = threading.Event()

    def __call__(self, conversation: Conversation) -> None:
        """Serve one connection."""
        while True:
            head = conversation.head()
            if (head.get("REQUEST_METHOD") or head.line.decode()).startswith("GET"):
                conversation.send(reply("small"))
                continue
            assert self.gate.wait(TIMEOUT)
            checksum = hashlib.sha256()
            length = head.get("Content-Length") or head.get("CONTENT_LENGTH")
            for piece in self._sized(conversation, int(length)) if length else self._chunks(conversation):
                checksum.update(piece)
            conversation.send(reply(checksum.hexdigest()))
            if isinstance(conversation.backend, UwsgiBackend):
                conversation.close()

    @staticmethod
    def _sized(conversation: Conversation, size: int) -> Iterator[bytes]:
        while size:
            piece = conversation.read_large(min(size, MIB))
            size -= len(piece)
            yield piece

    @staticmethod
    def _chunks(conversation: Conversation) -> Iterator[bytes]:
        while size := int(conversation.read_until(b"\r\n"), 16):
            yield conversation.read_large(size)
            assert conversation.read_large(2) == b"\r\n"
        assert conversation.read_until(b"\r\n") == b"\r\n"


@pytest.mark.parametrize("target", ["/length", "/chunks", "/uwsgi"])
def test_large_download_to_a_client_that_stops(stage: Stage, target: str) -> None:
    """Robustness 13. Nothing is fetched from the server that the client does not take; it comes whole in the end."""
    source = Source()
    proxy = stage.lbproxy(CONF, b=stage.backend(script=source), u=stage.uwsgi(script=source))
    growth = Growth(proxy)
    with Client(proxy.address) as client:
        client.send(octets(target, "Connection: close"))
        settle(lambda: source.sent)
        assert source.sent < 32 * MIB  # what the kernel holds for two connections
        checksum, size, chunked = hashlib.sha256(), 0, b"chunked" in client.read_until(b"\r\n\r\n")
        while True:
            piece = client.read(_chunk_size(client) if chunked else MIB)
            if not piece:
                break
            checksum.update(piece)
            size += len(piece)
    assert (size, checksum.hexdigest()) == (SIZE, SHA256)
    assert growth.most < GROWTH


def _chunk_size(client: Client) -> int:
    line = client.read_until(b"\r\n")
    if line == b"\r\n":  # behind the data of the chunk before
        line = client.read_until(b"\r\n")
    return int(line, 16)


@pytest.mark.parametrize(("target", "framing"), [("/spooled", "length"), ("/stream", "chunks"), ("/uwsgi", "length")])
def test_large_upload_to_a_server_that_stops(stage: Stage, target: str, framing: str) -> None:
    """Robustness 13. What is not spooled to a file is not taken from the client before the server takes it."""
    sink = Sink()
    proxy = stage.lbproxy(CONF, b=stage.backend(script=sink), u=stage.uwsgi(script=sink))
    growth = Growth(proxy)
    sent = 0
    with Client(proxy.address) as client:

        def send() -> None:
            nonlocal sent
            how = f"Content-Length: {SIZE}" if framing == "length" else "Transfer-Encoding: chunked"
            client.send(octets(target, how, method="POST"))
            for block in blocks():
                client.send(block if framing == "length" else b"%x\r\n%b\r\n" % (len(block), block))
                sent += len(block)
            client.send(b"" if framing == "length" else b"0\r\n\r\n")

        sending = threading.Thread(target=send)
        sending.start()
        settle(lambda: sent)
        assert (target == "/spooled") == (sent == SIZE)
        sink.gate.set()
        assert client.answer("POST").text == SHA256
        sending.join()
    assert growth.most < GROWTH


def test_many_clients_that_stop_reading(stage: Stage) -> None:
    """Robustness 13. Forty of them cost what was read ahead for each, and are no burden to others."""
    backend = stage.backend(script=_endless_or_small)
    proxy = stage.lbproxy(CONF, b=backend, u=stage.dead())
    growth = Growth(proxy)
    with ExitStack() as clients:
        for _ in range(40):
            client = clients.enter_context(Client(proxy.address))
            client.send(octets("/endless"))
            client.read_until(b"\r\n\r\n")
        settle(lambda: growth.most)
        assert get(proxy.address).text == "small"
        assert growth.most < 12 * MIB
    backend.closed.wait(40)


def _endless_or_small(conversation: Conversation) -> None:
    request = conversation.head()
    if b"/endless" not in request.line:
        conversation.send(reply("small"))
        conversation.close()
    try:
        conversation.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            conversation.send(BLOCK)
    finally:
        conversation.backend.closed.append(b"")


def test_client_that_asks_and_asks_without_reading(stage: Stage) -> None:
    """Robustness 13. It is not served far ahead: its answers stand in the kernel, and the next request waits."""
    body = BLOCK[: 1 << 16]
    backend = stage.backend(reply(body))
    proxy = stage.lbproxy(CONF, b=backend, u=stage.dead())
    growth = Growth(proxy)
    count = 1000
    with Client(proxy.address) as client:
        client.send(octets() * count)
        settle(lambda: len(backend.requests))
        assert len(backend.requests) < count / 2  # 64 KiB each, and the kernel takes some megabytes
        assert growth.most < GROWTH
        for _ in range(count):
            head = client.read_until(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 ")
            assert client.read(len(body)) == body


def test_requests_that_are_abandoned(stage: Stage) -> None:
    """Robustness 17. Two thousand, given up at every point of their lives: no memory and no descriptor is lost."""
    backend = stage.backend(script=_endless_or_small)
    proxy = stage.lbproxy(CONF, b=backend, u=stage.dead())
    (worker,) = proxy.workers()

    def abandon(number: int) -> None:
        target = "/endless" if number % 2 else "/"
        upload = octets("/stream", f"Content-Length: {MIB}", method="POST") + BLOCK[:5000]
        said = (b"", octets(target)[:20], octets(target), octets(target), upload)[number % 5]
        with Client(proxy.address) as client:
            if said:
                client.send(said)
            if number % 5 == 3:
                client.read_until(b"\r\n\r\n")
            if number % 3 == 0:
                client.reset()

    for number in range(100):
        abandon(number)
    settle(lambda: descriptors(worker))
    held, before = descriptors(worker), resident(worker)
    for number in range(2000):
        abandon(number)
    until(lambda: descriptors(worker) <= held, "the descriptors to be given back")
    assert resident(worker) - before < 6 * MIB
