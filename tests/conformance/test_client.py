"""The client's side: malformed requests, limits, keep-alive, answers made by the proxy itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.backends import close
from tests.support.client import octets
from tests.support.stage import Stage
from tests.support.twins import Twins

CONF = """
server {
    listen <listen>;
    server_name example.com;
    error_page 502 /sorry;
    location / { proxy_pass http://<a>; }
    location /small { client_max_body_size 10; proxy_pass http://<a>; }
    location /return { return 200 "$request_method $uri $args"; }
    location /204 { return 204; }
    location /301 { return 301 /moved?$args; }
    location /302 { return 302 http://$host$request_uri; }
    location /307 { return 307 ftp://x; }
    location /404 { return 404; }
    location /500 { return 500; }
    location /503 { return 503; }
    location /410 { return 410 gone; }
    location /444 { return 444; }
    location /499 { return 499; }
    location /url { return https://$server_name/; }
    location /type { return 200 text; }
    location /slash/ { proxy_pass http://<a>; }
    location = /sorry { return 200 sorry; }
    location /page/404 { error_page 404 =200 /sorry; return 404; }
    location /page/named { error_page 404 = @named; return 404; }
    location /page/loop { error_page 404 /page/loop; return 404; }
    location /page/moved { error_page 404 =301 /sorry; return 404; }
    location /page/url { error_page 404 http://x/$uri; return 404; }
    location @named { return 201 "named $uri"; }
    location /set { set $a "x$arg_a"; set $b "${a}y"; return 200 $b; }
    location /two { keepalive_timeout 60s 30s; return 200 two; }
    location /none { keepalive_timeout 0; return 200 none; }
}
server { listen <listen>; server_name few; keepalive_requests 2; location / { return 200 few; } }
"""


UNREAD = ("content_length", "request_length")
"""Variables that nginx computes from how much of an unread body it happens to have seen."""


@pytest.fixture(scope="module")
def twins() -> Iterator[Twins]:
    with Stage() as stage:
        yield Twins(stage, CONF, {"close": close})


def head(*lines: str, line: str = "GET / HTTP/1.1", host: str | None = "Host: example.com") -> bytes:
    """Write a request from raw lines."""
    return "\r\n".join([line, *([host] if host is not None else []), *lines, "", ""]).encode("latin-1")


@pytest.mark.parametrize(
    "request_octets",
    [
        head(host=None),
        head("Host: example.com"),
        head("Host: other"),
        head("Content-Length: 1", "Content-Length: 1"),
        head("Content-Length: x"),
        head("Content-Length: -1"),
        head("Content-Length: +1"),
        head("Content-Length: 1, 1"),
        head("Content-Length: 99999999999999999999"),
        head("Transfer-Encoding: gzip"),
        head("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
        head("Transfer-Encoding: chunked", "Content-Length: 5"),
        head("Transfer-Encoding: chunked", line="POST / HTTP/1.0"),
        head("Authorization: a", "Authorization: b"),
        head("If-Modified-Since: a", "If-Modified-Since: b"),
        head(" leading: blank"),
        head(": no name"),
        head("no colon"),
        head("Space : x"),
        head("X-Nul: a\x00b"),
        head("X\x01: a"),
        head("X-Cr: a\rb"),
        head(line="GET / HTTP/2.0"),
        head(line="GET / HTTP/3"),
        head(line="GET / HTTX/1.1"),
        head(line="get / HTTP/1.1"),
        head(line="G=T / HTTP/1.1"),
        head(line="/ HTTP/1.1"),
        head(line="GET"),
        head(line="GET * HTTP/1.1"),
        head(line="OPTIONS * HTTP/1.1"),
        head(line="GET /a\x00b HTTP/1.1"),
        head(f"X-Large: {'x' * 9000}"),
        head(*(f"X-{number}: {'x' * 4000}" for number in range(10))),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello TLS\r\n\r\n",
    ],
)
def test_malformed_head(twins: Twins, request_octets: bytes) -> None:
    twins.check_refused(request_octets)


def test_request_line_too_long(twins: Twins) -> None:
    """The log of nginx has only what its buffer held of the line."""
    twins.check(head(line=f"GET /{'x' * 9000} HTTP/1.1"), logged={"status"})


@pytest.mark.parametrize(("line", "status"), [("CONNECT example.com:80 HTTP/1.1", 405), ("PRI * HTTP/2.0", 505)])
def test_status_that_says_more(twins: Twins, line: str, status: int) -> None:
    """Deliberate: nginx can't read the targets of these and answers 400."""
    theirs, ours = twins.run(head(line=line))
    assert (theirs.answer.status, ours.answer.status) == (400, status)


def test_http_0_9_is_refused(twins: Twins) -> None:
    """Deliberate: nginx still answers ``GET /`` alone, without a head."""
    theirs, ours = twins.run(b"GET /return\r\n")
    assert (theirs.answer.status, ours.answer.status) == (0, 400)


@pytest.mark.parametrize("path", ["/", "/return"])
@pytest.mark.parametrize(
    "body", [b"zz\r\nabc\r\n0\r\n\r\n", b"3\r\nabcd\r\n0\r\n\r\n", b"-1\r\n", b"\r\n", b"fffffffffffffffff\r\n"]
)
def test_malformed_chunks(twins: Twins, path: str, body: bytes) -> None:
    twins.check_refused(octets(path, "Transfer-Encoding: chunked", method="POST") + body)


@pytest.mark.parametrize("size", [9, 10, 11])
def test_limit_of_the_body(twins: Twins, size: int) -> None:
    twins.check(octets("/small", method="POST", body=b"x" * size))
    twins.check(octets("/small", chunks=[b"x" * size]), unlike=UNREAD)


@pytest.mark.parametrize(
    "target",
    [
        "/return?a=b", "/204", "/301?x=y", "/302?x=y", "/307", "/404", "/500", "/503", "/410", "/444", "/url", "/type",
        "/slash", "/slash?x=1", "/page/404", "/page/named", "/page/loop", "/page/moved", "/page/url", "/set?a=1",
        "/close",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_answers_of_its_own(twins: Twins, target: str, method: str) -> None:
    twins.check(octets(target, method=method, body=b"body" if method == "POST" else b""))


@pytest.mark.parametrize("host", ["example.com:81", "EXAMPLE.com.", "[::1]", "unknown"])
@pytest.mark.parametrize("target", ["/301", "/302", "/slash"])
def test_host_in_redirects(twins: Twins, target: str, host: str) -> None:
    twins.check(octets(target, host=host))


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("fields", [(), ("Connection: close",), ("Connection: keep-alive",), ("Connection: Close, x",)])
@pytest.mark.parametrize("target", ["/return", "/two", "/none", "/404", "/"])
def test_keep_alive(twins: Twins, target: str, fields: tuple[str, ...], version: str) -> None:
    twins.check(octets(target, *fields, version=version), octets("/return"))


def test_last_of_keepalive_requests(twins: Twins) -> None:
    twins.check(octets(host="few"), octets(host="few"))


@pytest.mark.parametrize("target", ["/return", "/404", "/", "/page/404", "/close"])
def test_unread_body_does_not_disturb_the_next_request(twins: Twins, target: str) -> None:
    body = octets(target, method="POST", body=b"GET /evil HTTP/1.1\r\nHost: x\r\n\r\n")
    chunks = octets(target, chunks=[b"x" * 20])
    twins.check(body, octets("/return"), chunks, octets("/return"), together=True, unlike=UNREAD)


def test_expect_continue(twins: Twins) -> None:
    """nginx counts the interim answer as octets of the body."""
    twins.check(octets("/", "Expect: 100-continue", method="POST", body=b"body"), unlike={"body_bytes_sent"})


@pytest.mark.parametrize("target", ["/a%22b?c\"d", "/%5C\\", "/?a=%0A"])
def test_escapes_in_the_log(twins: Twins, target: str) -> None:
    twins.check(octets(target, 'User-Agent: "q" \\ \t \xe9', "Referer: \x80", "Cookie: c=d; e"))


def test_variables_in_the_log(twins: Twins) -> None:
    fields = ("Cookie: c=d", "X-Forwarded-For: 1.1.1.1", "Content-Type: a/b")
    (line,) = twins.check(octets("/x%20y?a=1", *fields, method="PUT", body=b"x")).log
    assert (line["uri"], line["arg_a"], line["cookie_c"], line["content_type"]) == ("/x y", "1", "d", "a/b")
