"""The answer as the client gets it, for all that a server may say."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.backends import Reply, close, closing, reply, reset, unsized
from tests.support.client import chunked, octets
from tests.support.stage import Stage
from tests.support.twins import Twins

CHUNKED = b"Transfer-Encoding: chunked\r\n"
FRAMING: dict[str, Reply] = {
    "length-twice": closing(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx"),
    "lengths-differ": closing(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy"),
    "length-and-chunked": closing(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n" + CHUNKED + b"\r\n" + chunked(b"x")),
    "coding": closing(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx"),
    "chunked-twice": closing(b"HTTP/1.1 200 OK\r\n" + CHUNKED * 2 + b"\r\n" + chunked(b"x")),
}
FRAMED = ("upstream_response_length", "request_completion")
"""
Variables that count differently where framing matters: nginx's $upstream_response_length has the octets of chunks and
what follows a body, and its $request_completion is OK for a body cut off by the server.
"""

CONF = """
upstream app { server <a> max_fails=0; server <b> down; keepalive 4; }
server {
    listen <listen>;
    server_name example.com;
    location / { proxy_pass http://app; }
    location /unbuffered/ { proxy_pass http://app; proxy_buffering off; }
    location /hide/ {
        proxy_hide_header X-A;
        proxy_pass_header X-Accel-Expires;
        proxy_pass_header Server;
        proxy_pass http://app;
    }
    location /redirect/ { proxy_pass http://app/base/; }
    location /redirect-off/ { proxy_redirect off; proxy_pass http://app/base/; }
    location /redirect-two/ {
        proxy_redirect http://one/ /1/;
        proxy_redirect ~^http://two(:\\d+)?/(.+)$ http://$host$1/2/$2;
        proxy_redirect http://three/ /;
        proxy_pass http://app;
    }
    location /intercept/ {
        proxy_intercept_errors on;
        error_page 404 =200 /page;
        error_page 500 502 503 504 @named;
        error_page 403 http://elsewhere/$status;
        proxy_pass http://app;
    }
    location = /page { return 200 "page $uri $request_uri"; }
    location @named { return 503 named; }
}
"""

ANSWERS: dict[str, Reply] = {
    "empty": reply(""),
    "fields": reply("x", "X-A: 1", "X-B: 2", "Content-Type: a/b", "ETag: \"x\"", "Cache-Control: no-cache"),
    "twice": reply("x", "Set-Cookie: a=1", "Set-Cookie: b=2", "X-A: 1", "X-A: 2", "Vary: a", "Vary: b"),
    "spaces": b"HTTP/1.1 200 OK\r\nX-A:  1  \r\nX-B:\r\nContent-Length:1\r\n\r\nx",
    "lower": b"HTTP/1.1 200 OK\r\nx-a: 1\r\ncontent-length: 1\r\n\r\nx",
    "linefeeds": b"HTTP/1.1 200 OK\nX-A: 1\nContent-Length: 1\n\nx",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"one", b"two"),
    "chunked-caps": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n" + chunked(b"one"),
    "chunked-empty": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(),
    "extension": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\none\r\n0\r\n\r\n",
    "close": unsized("until the end"),
    "close-empty": unsized(""),
    "http10": closing(b"HTTP/1.0 200 OK\r\nX-A: 1\r\n\r\nold"),
    "http10-length": closing(b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nold"),
    "says-close": reply("x", "Connection: close"),
    "says-keep": reply("x", "Connection: keep-alive", "Keep-Alive: timeout=5"),
    "surplus": closing(reply("body") + b"surplus"),
    "reason": reply("x", status="200 All is well"),
    "no-reason": b"HTTP/1.1 200 \r\nContent-Length: 1\r\n\r\nx",
    "bare-status": b"HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx",
    "odd-status": reply("x", status="299 Odd"),
    "s201": reply("x", "Location: /new", status="201 Created"),
    "s204": b"HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n",
    "s304": b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n",
    "s304-length": b"HTTP/1.1 304 Not Modified\r\nETag: x\r\nContent-Length: 10\r\n\r\n",
    "s403": reply("forbidden", status="403 Forbidden"),
    "s404": reply("none", status="404 Not Found"),
    "s500": reply("oops", status="500 Oops"),
    "s503": reply("busy", "Retry-After: 5", status="503 Busy"),
    "s426": reply("x", "Upgrade: TLS/1.3", status="426 Upgrade Required"),
    "hidden": reply("x", "Server: theirs", "Date: Thu, 01 Jan 1970 00:00:00 GMT", "X-Pad: a", "X-Accel-Expires: 0"),
    "accel": reply("x", "X-Accel-Buffering: no", "X-Accel-Charset: utf-8", "X-Accel-Limit-Rate: 0"),
    "moved": reply("", "Location: http://app/base/next?x", status="302 Found"),
    "moved-away": reply("", "Location: http://elsewhere/x", status="302 Found"),
    "moved-path": reply("", "Location: /base/path", status="302 Found"),
    "moved-one": reply("", "Location: http://one/x", status="301 Moved"),
    "moved-two": reply("", "Location: http://two:81/x/y", status="301 Moved"),
    "moved-three": reply("", "Location: http://three/x", status="301 Moved"),
    "refresh": reply("", "Refresh: 5; url=http://app/base/x"),
    "silent": close,
    "reset": reset,
    "half-head": closing(b"HTTP/1.1 200 OK\r\nX-A"),
    "half-body": closing(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"),
    "half-chunk": closing(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nha"),
    "no-last-chunk": closing(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n"),
    "bad-chunk": closing(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\none\r\n"),
    "colon": closing(b"HTTP/1.1 200 OK\r\nX A: 1\r\nContent-Length: 1\r\n\r\nx"),
}  # fmt: skip


@pytest.fixture(scope="module")
def twins() -> Iterator[Twins]:
    with Stage() as stage:
        yield Twins(stage, CONF, {**ANSWERS, **FRAMING}, {})


@pytest.mark.parametrize("page", ANSWERS)
def test_answer(twins: Twins, page: str) -> None:
    twins.run(octets("/says-close"))  # empties the pools: a stale connection is another topic
    joined = {"sent_http_x_a", "upstream_http_x_a"} if page == "twice" else set()  # since nginx 1.23
    twins.check(octets(f"/{page}"), unlike={*FRAMED, *joined})


@pytest.mark.parametrize("page", FRAMING)
def test_doubtful_framing_is_refused(twins: Twins, page: str) -> None:
    """As in newer versions of nginx; 1.22 takes one reading of several."""
    assert twins.ours(octets(f"/{page}")).answer.status == 502


def test_first_of_repeated_expires_counts(stage: Stage) -> None:
    """As in newer versions of nginx; 1.22 hands on both."""
    twins = Twins(stage, CONF, {"expires": reply("x", "Expires: 0", "Expires: Thu, 01 Jan 1970 00:00:00 GMT")}, {})
    theirs, ours = twins.run(octets("/expires"))
    assert len([name for name, _ in theirs.answer.fields if name == "expires"]) == 2
    assert [value for name, value in ours.answer.fields if name == "expires"] == ["0"]


@pytest.mark.parametrize("page", ["fields", "chunked", "close", "empty", "http10-length", "half-body", "silent"])
def test_answer_without_buffering(twins: Twins, page: str) -> None:
    twins.run(octets("/says-close"))
    twins.check(octets(f"/unbuffered/{page}"), unlike=FRAMED)


@pytest.mark.parametrize("page", ["fields", "close", "chunked", "s204", "s304-length", "empty", "http10"])
@pytest.mark.parametrize("fields", [(), ("Connection: keep-alive",)])
def test_answer_to_http_1_0(twins: Twins, page: str, fields: tuple[str, ...]) -> None:
    twins.check(octets(f"/{page}", *fields, version="1.0"), unlike=FRAMED)


@pytest.mark.parametrize("page", ["fields", "s304-length", "s204", "says-close"])
def test_answer_to_head(twins: Twins, page: str) -> None:
    twins.check(octets(f"/{page}", method="HEAD"))


@pytest.mark.parametrize("page", ["fields", "hidden"])
def test_hide_and_pass(twins: Twins, page: str) -> None:
    twins.check(octets(f"/hide/{page}"))


@pytest.mark.parametrize("page", [page for page in ANSWERS if page.startswith(("moved", "refresh", "s201"))])
@pytest.mark.parametrize("location", ["redirect", "redirect-off", "redirect-two"])
def test_redirect(twins: Twins, location: str, page: str) -> None:
    twins.check(octets(f"/{location}/{page}"))


@pytest.mark.parametrize("page", ["fields", "s404", "s500", "s503", "s403", "silent"])
def test_intercepted_errors(twins: Twins, page: str) -> None:
    twins.run(octets("/says-close"))
    twins.check(octets(f"/intercept/{page}?x=1"))


@pytest.mark.parametrize("page", ["fields", "chunked", "empty", "s304-length", "s204", "close", "s404"])
def test_connection_stays_in_step(twins: Twins, page: str) -> None:
    twins.check(octets(f"/{page}"), octets(f"/{page}"), octets("/fields"), unlike=FRAMED)


def test_pipelined(twins: Twins) -> None:
    pages = ("fields", "chunked", "s204", "s404", "fields")
    twins.check(*(octets(f"/{page}") for page in pages), together=True, unlike=FRAMED)


def test_connection_close_of_the_client(twins: Twins) -> None:
    twins.check(octets("/fields", "Connection: close"))


def test_garbage_is_no_answer(stage: Stage) -> None:
    """Deliberate: nginx takes it for HTTP/0.9 and hands it to the client; lbproxy answers 502."""
    twins = Twins(stage, CONF, {"garbage": closing(b"SSH-2.0-OpenSSH\r\n\r\n")}, {})
    theirs, ours = twins.run(octets("/garbage"))
    assert theirs.answer.status == 0
    assert ours.answer.status == 502


def test_interim_answers_are_skipped(stage: Stage) -> None:
    """Deliberate: nginx 1.22 takes 103 for the final answer; lbproxy waits for that (RFC 9110, section 15.2)."""
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + reply("final")
    twins = Twins(stage, CONF, {"hints": hints}, {})
    assert twins.ours(octets("/hints")).answer.body == b"final"


def test_unasked_switch_of_protocols_is_refused(stage: Stage) -> None:
    """Robustness 7. Deliberate: nginx hands an unasked 101 to the client."""
    twins = Twins(stage, CONF, {"switch": closing(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")}, {})
    theirs, ours = twins.run(octets("/switch"))
    assert theirs.answer.status == 101
    assert ours.answer.status == 502
