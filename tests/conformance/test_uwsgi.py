"""`uwsgi_pass`: the variables that a node gets, and what becomes of its answer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.backends import Reply, close, closing, reply
from tests.support.client import chunked, octets
from tests.support.stage import Stage
from tests.support.twins import Twins

CONF = """
upstream app { server <u>; }
server {
    listen <listen>;
    server_name example.com;
    include uwsgi_params;
    location / { uwsgi_pass app; }
    location /direct { uwsgi_pass <u>; }
    location /own {
        include uwsgi_params;
        uwsgi_param SCRIPT_NAME /own;
        uwsgi_param EMPTY $arg_none;
        uwsgi_param MAYBE $arg_none if_not_empty;
        uwsgi_param HTTP_X_FIXED ours;
        uwsgi_param UWSGI_SCHEME $scheme;
        uwsgi_pass app;
    }
    location /few { uwsgi_param ONLY this; uwsgi_pass app; }
    location /bare { uwsgi_pass_request_headers off; uwsgi_pass_request_body off; uwsgi_pass app; }
    location /intercept { uwsgi_intercept_errors on; error_page 404 = /page; uwsgi_pass app; }
    location /hide { uwsgi_hide_header X-A; uwsgi_pass app; }
    location = /page { return 200 page; }
}
"""

ANSWERS: dict[str, Reply] = {
    "http": closing(reply("x", "X-A: 1", "Content-Type: a/b")),
    "http10": closing(b"HTTP/1.0 200 OK\r\nX-A: 1\r\n\r\nuntil the end"),
    "status": closing(b"Status: 404 Gone Fishing\r\nContent-Type: a/b\r\n\r\nx"),
    "status-number": closing(b"Status: 404\r\nContent-Type: a/b\r\n\r\nx"),
    "location": closing(b"Location: http://x/\r\n\r\n"),
    "plain": closing(b"Content-Type: a/b\r\n\r\nx"),
    "length": closing(b"Content-Type: a/b\r\nContent-Length: 1\r\n\r\nx"),
    "server": closing(reply("x", "Server: theirs", "Date: Thu, 01 Jan 1970 00:00:00 GMT", "X-Accel-Expires: 0")),
    "cookies": closing(reply("x", "Set-Cookie: a=1", "Set-Cookie: b=2")),
    "s204": closing(b"HTTP/1.1 204 No Content\r\n\r\n"),
    "s304": closing(b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n"),
    "s404": closing(reply("none", status="404 Not Found")),
    "s500": closing(reply("oops", status="500 Oops")),
    "silent": close,
    "half": closing(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"),
    "surplus": closing(reply("body") + b"surplus"),
}  # fmt: skip


@pytest.fixture(scope="module")
def twins() -> Iterator[Twins]:
    with Stage() as stage:
        yield Twins(stage, CONF, uwsgi=(ANSWERS,))


@pytest.mark.parametrize(
    "request_octets",
    [
        octets("/"),
        octets("/a%20b/../c//d?x=1&y=%20"),
        octets("/direct?"),
        octets("/own/x?none=", "X-Fixed: theirs", "X-Other: 1"),
        octets("/few", "X-Other: 1"),
        octets("/", "Content-Type: a/b", method="POST", body=b"some body"),
        octets("/", "Content-Type: a/b", method="PUT", body=b"x" * 100_000),
        octets("/", "Content-Length: 0", method="POST"),
        octets("/", "Cookie: a=1", "Accept: */*", "User-Agent: t", "Referer: r", "X-High: caf\xe9"),
        octets("/", "X_Under: 1", "X.Dot: 1", "X-Ok: 1"),
        octets("/", "Authorization: Basic dXNlcjpwYXNz"),
        octets("/", version="1.0"),
        octets("/", method="HEAD"),
        octets("/", method="OPTIONS"),
        octets("/", "Range: bytes=0-1", "Keep-Alive: 5", "Connection: keep-alive"),
    ],
)
def test_variables(twins: Twins, request_octets: bytes) -> None:
    twins.check(request_octets)


@pytest.mark.parametrize("page", ANSWERS)
def test_answer(twins: Twins, page: str) -> None:
    """Of what follows a body, and of a cut one, nginx's log counts more."""
    twins.check(octets(f"/{page}"), unlike=("upstream_response_length", "request_completion"))


@pytest.mark.parametrize("page", ["http", "http10", "plain", "s304"])
def test_answer_to_http_1_0(twins: Twins, page: str) -> None:
    twins.check(octets(f"/{page}", version="1.0"))


@pytest.mark.parametrize("target", ["/intercept/s404", "/intercept/http", "/hide/http"])
def test_intercepted_and_hidden(twins: Twins, target: str) -> None:
    twins.check(octets(target))


def test_requests_of_one_connection(twins: Twins) -> None:
    twins.check(octets("/http"), octets("/plain"), octets("/s404"), octets("/http10"), octets("/"))


def test_repeated_fields_are_joined(twins: Twins) -> None:
    """nginx does so since 1.23; 1.22 sends the variable twice, of which the application sees one."""
    theirs, ours = twins.run(octets("/", "X-A: 1", "X-A: 2", "Cookie: a=1", "Cookie: b=2"))
    assert theirs.request.get("http_x_a") == ["1", "2"]
    assert ours.request.get("http_x_a") == ["1, 2"]
    assert ours.request.get("http_cookie") == ["a=1; b=2"]


def test_host_is_that_of_the_request(twins: Twins) -> None:
    """
    As in newer versions of nginx: HTTP_HOST is there even if the client's fields are not passed on.

    It agrees with an absolute target, which overrides the Host field (RFC 9112, section 3.2.2).
    """
    assert twins.ours(octets("/bare", "X-Other: 1")).request.get("http_host") == ["example.com"]
    assert twins.ours(octets("http://example.com/abs", host="other")).request.get("http_host") == ["example.com"]
    assert twins.ours(octets("/bare", "X-Other: 1")).request.get("http_x_other") == []


def test_chunked_body_loses_its_transfer_encoding(twins: Twins) -> None:
    """Deliberate: nginx leaves HTTP_TRANSFER_ENCODING, and Werkzeug then reads an empty body (werkzeug #2346)."""
    theirs, ours = twins.run(octets("/", chunks=[b"one", b"two"]))
    assert theirs.request.get("http_transfer_encoding") == ["chunked"]
    assert ours.request.get("http_transfer_encoding") == []
    for request in (theirs.request, ours.request):
        assert (request.get("content_length"), request.body) == (["6"], b"onetwo")


def test_proxy_field_is_dropped(twins: Twins) -> None:
    """Deliberate: HTTP_PROXY in the environment of a CGI-like application is an open door (CVE-2016-5385)."""
    theirs, ours = twins.run(octets("/", "Proxy: http://evil"))
    assert theirs.request.get("http_proxy") == ["http://evil"]
    assert ours.request.get("http_proxy") == []


def test_chunks_of_the_application_are_decoded(stage: Stage) -> None:
    """Deliberate: nginx drops the field but not the framing, so that clients get the chunks as text (uwsgi #798)."""
    framed = closing(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"one", b"two"))
    twins = Twins(stage, CONF, uwsgi=({"chunks": framed},))
    theirs, ours = twins.run(octets("/chunks"))
    assert theirs.answer.body == chunked(b"one", b"two")
    assert ours.answer.body == b"onetwo"


def test_forwarded_proto_is_our_word(stage: Stage) -> None:
    """Deliberate: uWSGI believes whatever X-Forwarded-Proto a client sends."""
    twins = Twins(stage, CONF, uwsgi=({},))
    twins.run(octets("/", "X-Forwarded-Proto: https"))
    nginx_saw, lbproxy_saw = twins.received()
    assert nginx_saw.get_all("HTTP_X_FORWARDED_PROTO") == ["https"]
    assert lbproxy_saw.get_all("HTTP_X_FORWARDED_PROTO") == ["http"]
