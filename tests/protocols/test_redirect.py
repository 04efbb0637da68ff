"""``proxy_redirect``; the answers are those of nginx 1.22 for the same configuration."""

from __future__ import annotations

import pytest

from lbproxy.errors import ConfigErrors
from tests.support.served import action_of, arrive, request, response, server_of

HOST = b"Host: Two.test:99\r\n"


def field(directives: str, line: bytes, path: bytes = b"/one/x", to: str = "http://backend/app/") -> bytes:
    """Return what a client gets for *line* in an answer to its request for *path*."""
    plan = server_of(f"location /one/ {{ set $b backend; proxy_pass {to}; {directives} }}")
    ex = arrive(plan, request(path, HOST))
    block = action_of(plan, ex).protocol.client_fields(ex, response(line + b"\r\n"))
    assert block.endswith(b"\r\n")
    return block[:-2]


@pytest.mark.parametrize(
    ("to", "given", "got"),
    [
        ("http://backend/app/", b"http://backend/app/zz", b"http://two.test:8080/one/zz"),
        ("http://backend/app/", b"http://backend/zz", b"http://backend/zz"),
        ("http://backend/app/", b"/app/zz", b"/app/zz"),
        ("http://backend", b"http://backend/zz", b"http://two.test:8080/zz"),
        ("http://backend", b"http://backend", b"http://backend"),
        ("http://backend", b"http://BACKEND/zz", b"http://BACKEND/zz"),
        ("http://$b", b"http://backend/zz", b"http://backend/zz"),
        ("http://unix:/a.sock:/app/", b"http://unix:/a.sock:/app/zz", b"http://two.test:8080/one/zz"),
    ],
)
def test_the_default_puts_the_location_in_place_of_the_target(to: str, given: bytes, got: bytes) -> None:
    """A path that comes out of it is made absolute as the client called us; one that came in is left alone."""
    assert field("", b"Location: " + given, to=to) == b"Location: " + got


@pytest.mark.parametrize(
    ("directives", "got"),
    [
        ("absolute_redirect off;", b"/one/zz"),
        ("port_in_redirect off;", b"http://two.test/one/zz"),
        ("server_name_in_redirect on;", b"http://first.test:8080/one/zz"),
        ("proxy_redirect off;", b"http://backend/app/zz"),
        ("proxy_redirect default;", b"http://two.test:8080/one/zz"),
        ("proxy_redirect http://other/ /;", b"http://backend/app/zz"),
        ("proxy_redirect http://other/ /; proxy_redirect default;", b"http://two.test:8080/one/zz"),
        ("proxy_redirect http://other/ /; proxy_redirect off;", b"http://backend/app/zz"),
        ("proxy_redirect http://backend/ http://$host:$server_port/;", b"http://two.test:8080/app/zz"),
        (r"proxy_redirect ~^http://([^/]+)/app/(?<rest>.*)$ https://$1.test/$rest;", b"https://backend.test/zz"),
        (r"proxy_redirect ~^HTTP: x;", b"http://backend/app/zz"),
        (r"proxy_redirect ~*^HTTP: x;", b"x"),
        ("proxy_redirect http://$b/ /;", b"http://two.test:8080/app/zz"),
        ("proxy_redirect http://backend/ /first/; proxy_redirect http://backend/app/ /second/;",
         b"http://two.test:8080/first/app/zz"),
    ],
)
def test_rules_in_the_order_of_the_text(directives: str, got: bytes) -> None:
    """The first one that fits decides; ``off`` turns all of them off."""
    assert field(directives, b"Location: http://backend/app/zz") == b"Location: " + got


@pytest.mark.parametrize(
    ("line", "got"),
    [
        (b"Refresh: 5; url=http://backend/app/zz", b"Refresh: 5; url=/one/zz"),
        (b"REFRESH: 5;URL=http://backend/app/zz", b"REFRESH: 5;URL=/one/zz"),
        (b"Refresh: 5; url=http://other/", b"Refresh: 5; url=http://other/"),
        (b"Refresh: 5", b"Refresh: 5"),
        (b"location:http://backend/app/zz", b"location: http://two.test:8080/one/zz"),
        (b"X-Location: http://backend/app/zz", b"X-Location: http://backend/app/zz"),
    ],
)
def test_refresh_is_rewritten_behind_url(line: bytes, got: bytes) -> None:
    """Refresh keeps its path relative; other fields are none of its business."""
    assert field("", line) == got


def test_a_rewritten_location_stays_in_its_line() -> None:
    """A decoded line break in a variable becomes a blank."""
    rule = "proxy_redirect http://backend/ http://x$uri?;"
    got = field(rule, b"Location: http://backend/", b"/one/a%0d%0aSet-Cookie:x")
    assert got == b"Location: http://x/one/a  Set-Cookie:x?"


@pytest.mark.parametrize(
    ("directives", "message"),
    [
        ("proxy_redirect false;", 'invalid parameter "false"'),
        ("proxy_redirect http://a/;", 'invalid parameter "http://a/"'),
        ("proxy_redirect http://a/ $nope;", 'unknown "nope" variable'),
        ("proxy_redirect ~( x;", 'regex "(" is invalid'),
    ],
)
def test_mistakes(directives: str, message: str) -> None:
    """Each is found while loading."""
    with pytest.raises(ConfigErrors) as caught:
        field(directives, b"X: y")
    assert [error.message.startswith(message) for error in caught.value.errors] == [True]


def test_default_needs_a_target_without_variables() -> None:
    """As in nginx."""
    with pytest.raises(ConfigErrors, match='"proxy_redirect default" cannot be used with "proxy_pass"'):
        field("proxy_redirect default;", b"X: y", to="http://$b")


def test_rules_are_inherited() -> None:
    """A location without its own has those of the server."""
    plan = server_of("proxy_redirect http://up/ /down/; location / { proxy_pass http://backend; }")
    ex = arrive(plan, request(b"/", HOST))
    block = action_of(plan, ex).protocol.client_fields(ex, response(b"Location: http://up/x\r\n"))
    assert block == b"Location: http://two.test:8080/down/x\r\n"
