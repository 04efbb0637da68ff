"""The request as an HTTP server gets it: start line, fields, body."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.client import chunked, octets
from tests.support.stage import Stage
from tests.support.twins import Twins

CONF = """
upstream app { server <a>; }
underscores_in_headers <underscores>;
server {
    listen <listen>;
    server_name example.com;
    client_max_body_size 1m;
    location / { proxy_pass http://app; }
    location /direct/ { proxy_pass http://<a>; }
    location /root/ { proxy_pass http://app/; }
    location /name/ { proxy_pass http://app/remote/; }
    location /api { proxy_pass http://app/haha; }
    location /query { proxy_pass http://app/fixed?x=1; }
    location = /one { proxy_pass http://app/two; }
    location ~ ^/re/(.*)$ { proxy_pass http://app; }
    location /var/ { proxy_pass http://app/v$uri; }
    location /vararg { proxy_pass http://app$request_uri; }
    location /headers {
        proxy_set_header Host $host:$server_port;
        proxy_set_header X-Real-IP $remote_addr;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_set_header X-Gone "";
        proxy_set_header X-Args "$args:$arg_a:$cookie_c:$http_x_in";
        proxy_set_header Connection "";
        proxy_pass http://app;
    }
    location /http_host { proxy_set_header Host $http_host; proxy_set_header Connection ""; proxy_pass http://app; }
    location /body { proxy_set_body "<$request_uri>"; proxy_pass http://app; }
    location /method { proxy_method POST; proxy_pass http://app; }
    location /bare {
        proxy_set_header Content-Length "";
        proxy_set_header Connection "";
        proxy_pass_request_headers off;
        proxy_pass_request_body off;
        proxy_pass http://app;
    }
    location /stream { proxy_request_buffering off; proxy_pass http://app; }
    location /old { proxy_http_version 1.0; proxy_pass http://app; }
    location /upgrade { proxy_set_header X-Own 1; proxy_pass http://app; }
    location /scripted { set $to app; set $more "$arg_a/x"; proxy_pass http://$to/$more; }
}
"""


@pytest.fixture(scope="module")
def twins() -> Iterator[Twins]:
    with Stage() as stage:
        yield Twins(stage, CONF, {}, underscores="off")


@pytest.mark.parametrize(
    "target",
    [
        "/", "/plain?x=1&y", "/a%2Fb//c", "/a/../b", "/?", "/x?a?b", "/%7Euser", "/a%20b", "/caf%C3%A9", "/direct/x",
        "/root/", "/root/x%20y?q=1", "/root//x", "/root/%3F", "/root/%25", "/root/a%2Fb", "/root/a;b", "/root/%C3%A9",
        "/root/a+b%2B", "/root/%23", '/root/%22"', "/name/x%20y?q=1", "/name/../name//z", "/name/", "/api", "/api/foo",
        "/apix?y", "/query", "/query/more", "/query?a=b", "/one", "/one?x", "/re/a%2Fb", "/re/x?y",
        "/var/x?y=1", "/vararg/x%20?a", "/scripted?a=1", "http://example.com/abs?x", "http://example.com",
        "/root/%7f", "/root/a%0Ab", "/root/{}|^", "/name/%2e%2e/x",
    ],
)  # fmt: skip
def test_target(twins: Twins, target: str) -> None:
    twins.check(octets(target))


@pytest.mark.parametrize(
    "fields",
    [
        ("Accept: */*", "User-Agent: test", "X-One: 1"),
        ("X-Two: 1", "X-Two: 2"),
        ("X-Empty:", "X-Blank:   ", "X-Pad:  a b\t "),
        ("x-lower: 1", "X-UPPER: 2"),
        ("Cookie: a=1", "Cookie: b=2"),
        ("X_Under: 1", "X-Ok: 1"),
        ("X.Dot: 1", "X!Bang: 1", "X-Ok: 1"),
        ("TE: trailers", "Keep-Alive: 5"),
        ("Expect: 200-ok",),
        ("Authorization: Basic dXNlcjpwYXNz",),
        ("Proxy-Authorization: x",),
        ("X-High: caf\xe9",),
        ("X-Quote: \"a\\b\"", "X-Colon: a:b:c"),
        ("Range: bytes=0-1", "If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT", "If-None-Match: x"),
        ("X-Forwarded-For: 1.1.1.1", "X-Forwarded-For: 2.2.2.2"),
        ("Content-Type: text/x",),
        ("Via: 1.1 x", "Forwarded: for=1", "Max-Forwards: 1"),
        ("Transfer-Encodin: x", "Content-Lengthy: 1", "Hosts: x"),
    ],
)
def test_fields(twins: Twins, fields: tuple[str, ...]) -> None:
    twins.check(octets("/", *fields))


@pytest.mark.parametrize("path", ["/headers?a=1", "/http_host", "/body", "/method", "/bare", "/old"])
def test_configured_fields_and_body(twins: Twins, path: str) -> None:
    twins.check(octets(path, "X-Gone: 1", "X-In: in", "Cookie: c=d", "X-Real-IP: 6.6.6.6", "X-Forwarded-For: 1.2.3.4"))


@pytest.mark.parametrize("path", ["/", "/headers", "/stream", "/old", "/method"])
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_body_with_a_length(twins: Twins, path: str, method: str) -> None:
    twins.check(octets(path, "Content-Type: a/b", method=method, body=b"some body"))


@pytest.mark.parametrize("path", ["/", "/old"])
def test_chunked_body(twins: Twins, path: str) -> None:
    """Whole chunks are decoded; buffered ones go out with their length."""
    twins.check(octets(path, chunks=[b"one", b"two"]))


def test_trailer_is_dropped(twins: Twins) -> None:
    request = octets("/", "Transfer-Encoding: chunked", method="POST") + chunked(b"one", trailer=b"X-T: 1\r\n")
    assert twins.check(request).request.get("x-t") == []


def test_replaced_body(twins: Twins) -> None:
    """nginx reads the client's body first and counts it; lbproxy skips it after the answer."""
    for path in ("/body", "/bare"):
        twins.check(octets(path, method="POST", body=b"some body"), unlike={"request_length"})


def test_chunked_body_unbuffered(twins: Twins) -> None:
    """The framing may differ: nginx sends a length if the whole body came along with the head."""
    theirs, ours = twins.run(octets("/stream", chunks=[b"one", b"two"]))
    assert theirs.request.body == ours.request.body == b"onetwo"
    assert ours.request.get("transfer-encoding") == ["chunked"]


def test_empty_bodies(twins: Twins) -> None:
    twins.check(octets("/", "Content-Length: 0", method="POST"), octets("/", method="POST"))
    twins.check(octets("/", chunks=[]))


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "DELETE", "PATCH", "PROPFIND", "M-SEARCH", "G_T"])
def test_method(twins: Twins, method: str) -> None:
    twins.check(octets("/", method=method))


@pytest.mark.parametrize("method", ["TRACE", "get", "CONNECT"])
def test_refused_method(twins: Twins, method: str) -> None:
    twins.check_refused(octets("/", method=method))


def test_large_body(twins: Twins) -> None:
    twins.check(octets("/", method="POST", body=bytes(range(256)) * 2000))


def test_bare_line_feeds(twins: Twins) -> None:
    twins.check(b"GET /lf HTTP/1.1\nHost: example.com\nX-One: 1\n\n")


def test_blank_lines_before_the_request(twins: Twins) -> None:
    """nginx does not count them."""
    twins.check(b"\r\n\r\nGET / HTTP/1.1\r\nHost: example.com\r\n\r\n", unlike={"request_length"})


def test_absolute_target_sets_the_host(twins: Twins) -> None:
    twins.check(octets("http://example.com/headers", host="other"))


def test_http_1_0_client(twins: Twins) -> None:
    twins.check(octets("/", version="1.0"))


def test_underscores_in_headers(stage: Stage) -> None:
    twins = Twins(stage, CONF, {}, underscores="on")
    assert twins.check(octets("/", "X_Under: 1")).request.get("x_under") == ["1"]


def test_fragment_is_not_forwarded(twins: Twins) -> None:
    """Robustness 10. Deliberate: nginx hands ``#`` on; it is no part of a target (RFC 9112, section 3.2)."""
    theirs, ours = twins.run(octets("/x#frag"))
    assert theirs.request.line == b"GET /x#frag HTTP/1.1"
    assert ours.request.line == b"GET /x HTTP/1.1"


def test_variables_in_the_target_are_escaped(twins: Twins) -> None:
    """Deliberate: nginx puts the decoded $uri into the request line, blanks and line ends included."""
    theirs, ours = twins.run(octets("/var/x%20y"))
    assert theirs.request.line == b"GET /v/var/x y HTTP/1.1"
    assert ours.request.line == b"GET /v/var/x%20y HTTP/1.1"


def test_proxy_connection_stays_here(twins: Twins) -> None:
    """As in newer versions of nginx; 1.22 hands it on."""
    theirs, ours = twins.run(octets("/", "Proxy-Connection: keep-alive"))
    assert theirs.request.get("proxy-connection") == ["keep-alive"]
    assert ours.request.get("proxy-connection") == []


def test_fields_named_by_connection_stay_here(twins: Twins) -> None:
    """Deliberate: nginx hands them on; RFC 9110, section 7.6.1, says they end at the proxy."""
    theirs, ours = twins.run(octets("/", "Connection: X-Mine", "X-Mine: 1"))
    assert theirs.request.get("x-mine") == ["1"]
    assert ours.request.get("x-mine") == []


def test_upgrade_is_passed_on_without_configuration(twins: Twins) -> None:
    """Deliberate: nginx needs two proxy_set_header lines for that."""
    theirs, ours = twins.run(octets("/upgrade", "Connection: Upgrade", "Upgrade: websocket"))
    assert (theirs.request.get("upgrade"), theirs.request.get("connection")) == ([], [])
    assert (ours.request.get("upgrade"), ours.request.get("connection")) == (["websocket"], ["upgrade"])
