"""`uwsgi_pass` and its family, in front of real uWSGI nodes where the node's own behaviour matters."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.backends import closing, reply, unsized
from tests.support.client import Client, ask, get, octets
from tests.support.daemon import Lbproxy
from tests.support.node import Node
from tests.support.stage import Stage

CONF = """
server {
    listen <listen>;
    server_name example.com;
    location / { include uwsgi_params; uwsgi_pass <to>; <more> }
}
"""


@pytest.fixture(scope="module")
def proxy(nodes: tuple[Node, Node, Node]) -> Iterator[Lbproxy]:
    """One proxy in front of a real node, for all tests that need nothing else."""
    with Stage() as stage:
        yield stage.lbproxy(CONF, to=nodes[0], more="uwsgi_param SITE main;")


def environ(address: Any, target: str, *fields: str, **rest: Any) -> dict[str, Any]:
    """Return what the application was told."""
    answer = ask(address, octets(target, *fields, **rest))
    assert answer.status == 200, answer
    told: dict[str, Any] = json.loads(answer.body)
    return told


def test_tcp_socket(proxy: Lbproxy) -> None:
    assert get(proxy.address).text == "a"


@pytest.mark.parametrize("prefix", ["unix:", "unix://"])
def test_unix_socket(stage: Stage, prefix: str) -> None:
    """``unix:/path`` of nginx and ``unix:///path`` of the article are the same socket."""
    path = stage.path("node.sock")
    stage.node("u", at=path)
    proxy = stage.lbproxy(CONF, to=prefix + path, more="")
    assert get(proxy.address).text == "u"


def test_application_sees_the_request(proxy: Lbproxy) -> None:
    told = environ(proxy.address, "/a%20b/environ?x=1&y", "X-One: 1", "Cookie: a=b")
    expected = {
        "REQUEST_METHOD": "GET", "PATH_INFO": "/a b/environ", "QUERY_STRING": "x=1&y",
        "REQUEST_URI": "/a%20b/environ?x=1&y", "SERVER_PROTOCOL": "HTTP/1.1", "SERVER_NAME": "example.com",
        "SERVER_PORT": str(proxy.address[1]), "REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "example.com",
        "HTTP_X_ONE": "1", "HTTP_COOKIE": "a=b", "SITE": "main", "CONTENT_LENGTH": "",
    }  # fmt: skip
    assert {name: told.get(name) for name in expected} == expected


def test_repeated_fields_are_joined(proxy: Lbproxy) -> None:
    told = environ(proxy.address, "/environ", "X-Two: 1", "Cookie: a=1", "X-Two: 2", "Cookie: b=2")
    assert (told["HTTP_X_TWO"], told["HTTP_COOKIE"]) == ("1, 2", "a=1; b=2")


def test_body_with_a_length(proxy: Lbproxy) -> None:
    body = bytes(range(256)) * 400
    told = environ(proxy.address, "/environ", "Content-Type: x/y", method="POST", body=body)
    assert (told["CONTENT_LENGTH"], told["body"], told["CONTENT_TYPE"]) == ("102400", 102400, "x/y")
    assert told["sha256"] == hashlib.sha256(body).hexdigest()


def test_chunked_body_reaches_the_application_with_its_length(proxy: Lbproxy) -> None:
    with Client(proxy.address) as client:
        client.send(octets("/environ", chunks=[b"abc", b"de"]))
        told = json.loads(client.answer("POST").body)
        assert (told["CONTENT_LENGTH"], told["sha256"]) == ("5", hashlib.sha256(b"abcde").hexdigest())
        assert "HTTP_TRANSFER_ENCODING" not in told
        assert client.ask().text == "a"  # the connection is still in step


def test_chunks_of_the_application_are_decoded(stage: Stage, nodes: tuple[Node, Node, Node]) -> None:
    """uWSGI hands on what the application framed; nginx frames that once more (uwsgi #798)."""
    proxy = stage.lbproxy(CONF, to=nodes[0], more="")
    with Client(proxy.address) as client:
        assert client.ask("/chunks").body == b"onetwo"
        assert client.ask().text == "a"


def test_answer_without_a_length_is_chunked_for_http_1_1(proxy: Lbproxy) -> None:
    with Client(proxy.address) as client:
        answer = client.ask("/?unsized")
        assert (answer.text, answer.get("Transfer-Encoding")) == ("a", "chunked")
        assert client.ask().text == "a"


def test_answer_without_a_length_ends_with_the_connection_for_http_1_0(proxy: Lbproxy) -> None:
    with Client(proxy.address) as client:
        client.send(octets("/?unsized", version="1.0"))
        head, _, body = client.rest().partition(b"\r\n\r\n")
        assert body == b"a"
        assert b"chunked" not in head


def test_head_has_no_body(proxy: Lbproxy) -> None:
    with Client(proxy.address) as client:
        answer = client.ask(method="HEAD")
        assert (answer.status, answer.body, answer.get("Content-Length")) == (200, b"", "1")
        assert client.ask().text == "a"


def test_status_of_the_application(proxy: Lbproxy) -> None:
    answer = get(proxy.address, "/status-418")
    assert (answer.status, answer.text) == (418, "a")


def test_cgi_head(stage: Stage) -> None:
    """A head without a status line is read as CGI: Status, else Location means 302."""
    backend = stage.uwsgi(
        closing(b"Status: 404 Gone Fishing\r\nContent-Type: a/b\r\n\r\nno"),
        closing(b"Location: http://x/\r\n\r\n"),
        closing(b"Content-Type: a/b\r\n\r\nplain"),
    )
    proxy = stage.lbproxy(CONF, to=backend, more="")
    first, second, third = (get(proxy.address) for _ in range(3))
    assert (first.status, first.reason, first.text) == (404, b"Gone Fishing", "no")
    assert (second.status, second.get("Location")) == (302, "http://x/")
    assert (third.status, third.text) == (200, "plain")


def test_packet_has_each_variable_once_and_no_look_alikes(stage: Stage) -> None:
    backend = stage.uwsgi(unsized("ok"))
    more = "uwsgi_param HTTP_X_FIXED ours; uwsgi_param HTTPS $https if_not_empty;"
    proxy = stage.lbproxy(CONF, to=backend, more=more)
    get(proxy.address, "/", "X-Fixed: theirs", "Proxy: evil", "X_Fixed: evil")
    (request,) = backend.requests.wait()
    names = [name for name, _ in request.fields]
    assert len(names) == len(set(names))
    assert request.get("HTTP_X_FIXED") == "ours"
    assert request.get("HTTPS") is None
    assert request.get("HTTP_PROXY") is None


def test_modifiers(stage: Stage) -> None:
    backend = stage.uwsgi(unsized("ok"))
    proxy = stage.lbproxy(CONF, to=backend, more="uwsgi_modifier1 5; uwsgi_modifier2 7;")
    assert get(proxy.address).text == "ok"
    assert backend.modifiers == (5, 7)


def test_answer_shorter_than_its_length_is_cut_off(stage: Stage) -> None:
    """The client can tell that something is missing: no clean end."""
    backend = stage.uwsgi(closing(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort"))
    proxy = stage.lbproxy(CONF, to=backend, more="")
    with Client(proxy.address) as client:
        client.send(octets())
        head, _, body = client.rest().partition(b"\r\n\r\n")
        assert b"Content-Length: 10" in head
        assert body == b"short"
    proxy.stderr.wait_for("prematurely closed connection")


def test_answer_with_a_length_needs_no_close(stage: Stage) -> None:
    """A node that keeps its connection open (a persistent socket) does not hold up the answer."""
    backend = stage.uwsgi(reply("kept"))
    proxy = stage.lbproxy(CONF, to=backend, more="")
    assert get(proxy.address).text == "kept"
