"""`proxy_pass`: where it may point, and what the server is told."""

from __future__ import annotations

import pytest

from tests.support.backends import reply
from tests.support.client import Client, ask, bodies, get, octets
from tests.support.stage import Stage

CONF = """
server {
    listen <listen>;
    location / { proxy_pass <to>; <more> }
}
"""


def test_http_socket_of_uwsgi(stage: Stage) -> None:
    proxy = stage.lbproxy(CONF, to=f"http://{stage.node('h', 'http-socket').address}", more="")
    assert bodies(proxy.address, 3) == ["h"] * 3


@pytest.mark.parametrize("form", ["http://unix:{}", "http://unix:{}:/", "unix://{}", "unix:{}"])
def test_http_over_a_unix_socket(stage: Stage, form: str) -> None:
    """nginx's form, with and without a URI, and those of the article."""
    path = stage.path("node.sock")
    stage.node("h", "http-socket", at=path)
    proxy = stage.lbproxy(CONF, to=form.format(path), more="")
    assert get(proxy.address, "/x").text == "h"


def test_upstream_of_http_sockets(stage: Stage) -> None:
    a, b = stage.node("a", "http-socket"), stage.node("b", "http-socket", at=stage.path("b.sock"))
    upstream = "upstream web { server <a>; server <b>; }" + CONF
    proxy = stage.lbproxy(upstream, a=a, b=b, to="http://web", more="")
    assert "".join(bodies(proxy.address, 4)) == "abab"


def test_server_gets_the_raw_target_and_http_1_1(stage: Stage) -> None:
    backend = stage.backend(reply("ok"))
    proxy = stage.lbproxy(CONF, to=f"http://{backend.address}", more="")
    get(proxy.address, "/a%2Fb//c?x=%20")
    (request,) = backend.requests.wait()
    assert request.line == b"GET /a%2Fb//c?x=%20 HTTP/1.1"
    assert request.get_all("Host") == [backend.address]


@pytest.mark.parametrize(
    ("target", "expected"),
    [("/name/x%20y?q=1", "/remote/x%20y?q=1"), ("/name/../name//z", "/remote/z"), ("/name/", "/remote/")],
)
def test_uri_replaces_the_location(stage: Stage, target: str, expected: str) -> None:
    backend = stage.backend(reply("ok"))
    conf = CONF.replace("location /", "location /name/")
    proxy = stage.lbproxy(conf, to=f"http://{backend.address}/remote/", more="")
    get(proxy.address, target)
    assert backend.requests.wait()[0].target == expected


def test_set_headers_replace_and_remove(stage: Stage) -> None:
    backend = stage.backend(reply("ok"))
    fields = """
        proxy_set_header Host $host;
        proxy_set_header X-Real-IP $remote_addr;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header Accept-Encoding "";
    """
    proxy = stage.lbproxy(CONF, to=f"http://{backend.address}", more=fields)
    get(proxy.address, "/", "X-Real-IP: 6.6.6.6", "X-Forwarded-For: 1.2.3.4", "Accept-Encoding: gzip", "X-Other: 1")
    (request,) = backend.requests.wait()
    names = ("Host", "X-Real-IP", "X-Forwarded-For", "Accept-Encoding", "X-Other")
    assert [request.get_all(name) for name in names] == [
        ["example.com"], ["127.0.0.1"], ["1.2.3.4, 127.0.0.1"], [], ["1"]
    ]  # fmt: skip


def test_hop_by_hop_fields_stay_here(stage: Stage) -> None:
    """Robustness 11. Both ways, and those that Connection names (RFC 9110, section 7.6.1)."""
    backend = stage.backend(reply("ok", "Connection: X-Secret", "X-Secret: 1", "Keep-Alive: timeout=9", "X-Open: 1"))
    proxy = stage.lbproxy(CONF, to=f"http://{backend.address}", more="")
    answer = get(proxy.address, "/", "Connection: X-Mine", "X-Mine: 1", "TE: trailers", "Keep-Alive: 3", "X-Open: 1")
    (request,) = backend.requests.wait()
    assert [request.get(name) for name in ("X-Mine", "TE", "Keep-Alive", "X-Open")] == [None, None, None, "1"]
    assert [answer.get(name) for name in ("X-Secret", "Keep-Alive", "X-Open")] == [None, None, "1"]


def test_hide_and_pass_header(stage: Stage) -> None:
    backend = stage.backend(reply("ok", "Server: theirs", "X-Powered-By: x", "X-Accel-Limit-Rate: 0"))
    proxy = stage.lbproxy(
        CONF, to=f"http://{backend.address}", more="proxy_hide_header X-Powered-By; proxy_pass_header Server;"
    )
    answer = get(proxy.address)
    assert answer.get_all("Server") == ["theirs"]
    assert answer.get("X-Powered-By") is None
    assert answer.get("X-Accel-Limit-Rate") is None


def test_connection_is_kept_and_reused(stage: Stage) -> None:
    backend = stage.backend(reply("ok"))
    conf = "upstream u { server <b>; }" + CONF
    proxy = stage.lbproxy(conf, b=backend, to="http://u", more="")
    bodies(proxy.address, 5)
    assert len(backend.connections) == 1


def test_body_arrives_whole_with_either_framing(stage: Stage) -> None:
    backend = stage.backend(reply("ok"))
    proxy = stage.lbproxy(CONF, to=f"http://{backend.address}", more="")
    ask(proxy.address, octets(method="POST", body=b"with a length"), method="POST")
    ask(proxy.address, octets(chunks=[b"in", b" chunks"]), method="POST")
    first, second = backend.requests.wait(2)
    assert (first.body, second.body) == (b"with a length", b"in chunks")


def test_method_body_and_fields_of_the_configuration(stage: Stage) -> None:
    backend = stage.backend(reply("ok"))
    more = 'proxy_method PUT; proxy_set_body "from $remote_addr"; proxy_pass_request_headers off;'
    proxy = stage.lbproxy(CONF, to=f"http://{backend.address}", more=more)
    get(proxy.address, "/", "X-Lost: 1")
    (request,) = backend.requests.wait()
    assert request.line.startswith(b"PUT / ")
    assert request.body == b"from 127.0.0.1"
    assert request.get("X-Lost") is None


def test_redirect_of_the_server_is_mapped_back(stage: Stage) -> None:
    moved = stage.backend(reply("", "Location: http://127.0.0.1:1/app/next", status="302 Found"))
    proxy = stage.lbproxy(
        CONF.replace("location /", "location /front/"), to=f"http://{moved.address}/app/",
        more="proxy_redirect http://127.0.0.1:1/app/ /front/;",
    )  # fmt: skip
    answer = get(proxy.address, "/front/x")
    assert (answer.status, answer.get("Location")) == (302, f"http://example.com:{proxy.address[1]}/front/next")


def test_variables_in_the_target(stage: Stage) -> None:
    backend = stage.backend(reply("ok"))
    proxy = stage.lbproxy(CONF, to="http://$arg_to/fixed?$args", more="")
    assert get(proxy.address, f"/lost?to={backend.address}").text == "ok"
    assert backend.requests.wait()[0].target == f"/fixed?to={backend.address}"


def test_location_with_a_slash_redirects_the_name_without(stage: Stage) -> None:
    backend = stage.backend(reply("ok"))
    proxy = stage.lbproxy(CONF.replace("location /", "location /a/"), to=f"http://{backend.address}", more="")
    answer = get(proxy.address, "/a?x=1")
    assert (answer.status, answer.get("Location")) == (301, f"http://example.com:{proxy.address[1]}/a/?x=1")
    assert get(proxy.address, "/a/").text == "ok"


def test_pipelined_requests_are_answered_in_order(stage: Stage) -> None:
    backend = stage.backend(*(reply(str(number)) for number in range(5)))
    proxy = stage.lbproxy(CONF, to=f"http://{backend.address}", more="")
    with Client(proxy.address) as client:
        client.send(b"".join(octets(f"/{number}") for number in range(5)))
        assert [client.answer().text for _ in range(5)] == list("01234")
    assert [request.target for request in backend.requests.all()] == [f"/{number}" for number in range(5)]


def test_interim_answers_are_no_answers(stage: Stage) -> None:
    """103 and 100 from the server don't stand in for its final answer."""
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
    backend = stage.backend(interim + reply("final"))
    proxy = stage.lbproxy(CONF, to=f"http://{backend.address}", more="")
    with Client(proxy.address) as client:
        assert client.ask().text == "final"
        assert client.ask().text == "final"


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_answers_that_have_no_body(stage: Stage, status: str) -> None:
    backend = stage.backend(f"HTTP/1.1 {status}\r\nETag: x\r\n\r\n".encode(), reply("next"))
    proxy = stage.lbproxy("upstream u { server <b>; }" + CONF, b=backend, to="http://u", more="")
    with Client(proxy.address) as client:
        answer = client.ask()
        assert (answer.status, answer.body, answer.get("ETag")) == (int(status[:3]), b"", "x")
        assert client.ask().text == "next"
    assert len(backend.connections) == 1


def test_expect_continue_is_answered_here(stage: Stage) -> None:
    backend = stage.backend(reply("ok"))
    proxy = stage.lbproxy(CONF, to=f"http://{backend.address}", more="")
    with Client(proxy.address) as client:
        client.send(octets("/", "Expect: 100-continue", "Content-Length: 4", method="POST"))
        assert client.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b"body")
        assert client.answer("POST").text == "ok"
    (request,) = backend.requests.wait()
    assert (request.body, request.get("Expect")) == (b"body", None)
