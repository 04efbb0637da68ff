"""Tens of megabytes, both ways, whole and in bounded memory."""

from __future__ import annotations

import hashlib
import json
import threading
from pathlib import Path

import pytest

from tests.support.backends import Conversation, reply
from tests.support.client import Client, ask, chunked, get, octets
from tests.support.daemon import Lbproxy
from tests.support.node import Node
from tests.support.stage import Stage

CONF = """
client_max_body_size 0;
server {
    listen <listen>;
    location /uwsgi/ { include uwsgi_params; uwsgi_pass <n>; }
    location /stream { proxy_pass http://<b>; proxy_request_buffering off; }
    location / { proxy_pass http://<b>; }
}
"""
SIZE = 24 << 20
BODY = bytes(range(256)) * (SIZE // 256)
SHA256 = hashlib.sha256(BODY).hexdigest()


def serve(conversation: Conversation) -> None:
    """Answer a GET with the large body, in the framing that the path names, and a POST with the body's checksum."""
    while True:
        request = conversation.request()
        if request.line.startswith(b"POST"):
            conversation.send(reply(hashlib.sha256(request.body).hexdigest()))
        elif b"chunked" in request.line:
            pieces = [BODY[i : i + 50000] for i in range(0, SIZE, 50000)]
            conversation.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(*pieces))
        elif b"close" in request.line:
            conversation.send(b"HTTP/1.1 200 OK\r\n\r\n" + BODY)
            conversation.close()
        else:
            conversation.send(reply(BODY))


def resident(proxy: Lbproxy) -> int:
    """Return the largest resident size that a worker has had so far, in octets."""
    (worker,) = proxy.workers()
    status = Path(f"/proc/{worker}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) << 10


def test_bodies_arrive_unchanged_whatever_their_framing(stage: Stage, nodes: tuple[Node, Node, Node]) -> None:
    proxy = stage.lbproxy(CONF, b=stage.backend(script=serve), n=nodes[0])
    for target in ("/length", "/chunked", "/close", f"/uwsgi/large?{SIZE}"):
        answer = get(proxy.address, target)
        assert (len(answer.body), hashlib.sha256(answer.body).hexdigest()) == (SIZE, SHA256), target


@pytest.mark.parametrize("target", ["/buffered", "/stream"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_uploads_arrive_unchanged(stage: Stage, nodes: tuple[Node, Node, Node], target: str, framing: str) -> None:
    proxy = stage.lbproxy(CONF, b=stage.backend(script=serve), n=nodes[0])
    if framing == "length":
        request = octets(target, method="POST", body=BODY)
    else:
        pieces = [BODY[i : i + 60000] for i in range(0, SIZE, 60000)]
        request = octets(target, chunks=pieces)
    assert ask(proxy.address, request, method="POST").text == SHA256


def test_upload_to_uwsgi(stage: Stage, nodes: tuple[Node, Node, Node]) -> None:
    proxy = stage.lbproxy(CONF, b=stage.dead(), n=nodes[0])
    told = json.loads(ask(proxy.address, octets("/uwsgi/environ", method="POST", body=BODY), method="POST").body)
    assert (told["body"], told["sha256"]) == (SIZE, SHA256)


def test_body_over_the_limit_is_413(stage: Stage) -> None:
    backend = stage.backend(reply("ok"))
    proxy = stage.lbproxy(CONF.replace("client_max_body_size 0", "client_max_body_size 1k"), b=backend, n=stage.dead())
    assert ask(proxy.address, octets(method="POST", body=b"x" * 1024), method="POST").status == 200
    assert ask(proxy.address, octets(method="POST", body=b"x" * 1025), method="POST").status == 413
    assert ask(proxy.address, octets(chunks=[b"x" * 1000] * 2), method="POST").status == 413
    assert len(backend.requests) == 1


@pytest.mark.parametrize("target", ["/length", "/chunked", "/close"])
def test_client_that_does_not_read_stops_the_server(stage: Stage, nodes: tuple[Node, Node, Node], target: str) -> None:
    """Back pressure: the worker does not collect what its client leaves lying, and others are served meanwhile."""
    proxy = stage.lbproxy(CONF, b=stage.backend(script=serve), n=nodes[0])
    before = resident(proxy)
    with Client(proxy.address) as idle:
        idle.send(octets(target))
        idle.read_until(b"\r\n\r\n")
        for _ in range(3):
            assert get(proxy.address, "/uwsgi/").text == "a"
        assert resident(proxy) - before < 12 << 20


def test_uploads_in_parallel_do_not_mix(stage: Stage, nodes: tuple[Node, Node, Node]) -> None:
    proxy = stage.lbproxy(CONF, b=stage.backend(script=serve), n=nodes[0])
    wrong: list[int] = []

    def upload(number: int) -> None:
        body = bytes([number]) * (1 << 20)
        answer = ask(proxy.address, octets("/stream", method="POST", body=body), method="POST")
        if answer.text != hashlib.sha256(body).hexdigest():
            wrong.append(number)

    threads = [threading.Thread(target=upload, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
