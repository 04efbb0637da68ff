"""Which server and which location a request belongs to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.client import octets
from tests.support.stage import Stage
from tests.support.twins import Twins

SERVERS = """
server { listen <listen>; server_name first; return 200 first; }
server { listen <listen>; server_name example.com; return 200 exact; }
server { listen <listen>; server_name *.example.com; return 200 leading; }
server { listen <listen>; server_name *.deep.example.com; return 200 deeper; }
server { listen <listen>; server_name www.example.*; return 200 trailing; }
server { listen <listen>; server_name .dot.org; return 200 dot; }
server { listen <listen>; server_name ~^(?<who>[a-z]+)\\.users\\.net$; return 200 "regex $who"; }
server { listen <listen>; server_name ~^a.*\\.net$; return 200 second; }
server { listen <listen> default_server; server_name ""; return 200 default; }
"""
HOSTS = [
    "first", "example.com", "EXAMPLE.com", "example.com.", "example.com:81", "www.example.com", "a.b.example.com",
    "x.deep.example.com", "www.example.org", "dot.org", "sub.dot.org", "alice.users.net", "abc.net", "unknown",
    "127.0.0.1", "[::1]:80", "[::1]",
]  # fmt: skip
BAD_HOSTS = ["", "a/b", "a..b", ".", "a b"]

LOCATIONS = """
server {
    listen <listen>;
    location / { return 200 root; }
    location = / { return 200 exact-root; }
    location = /exact { return 200 exact; }
    location /prefix { return 200 prefix; }
    location /prefix/long { return 200 longer; }
    location ^~ /images/ { return 200 no-regex; }
    location ~ \\.(gif|jpg)$ { return 200 "regex $1"; }
    location ~* \\.PNG$ { return 200 caseless; }
    location ~ ^/user/(?<name>[a-z]+)/(\\d+)$ { return 200 "$name $2"; }
    location /nest/ {
        return 200 outer;
    }
    location /outer {
        location /outer/inner { return 200 inner; }
        location ~ \\.x$ { return 200 inner-regex; }
        location = /outer { return 200 inner-exact; }
    }
    location "/with space" { return 200 space; }
    location /h\\xC3\\xA9 { return 200 never; }
}
"""
PATHS = [
    "/", "/?a=b", "/exact", "/exact/", "/prefix", "/prefixes", "/prefix/long", "/prefix/longer/x", "/images/a.gif",
    "/a.gif", "/prefix/a.jpg", "/a.GIF", "/a.png", "/a.PnG", "/user/bob/42", "/user/BOB/42", "/nest/", "/nest/a.gif",
    "/outer/inner", "/outer/inner/x", "/outer/a.x", "/outer", "/with%20space", "//prefix//long", "/a/../exact",
    "/./exact", "/%65xact", "/exact%3Fx", "/images/../a.gif", "/x/..%2f/exact", "/a/b/../../exact",
    "/a/.", "/a/..", "/%0A", "/a%25b", "/a?b?c", "/?", "/exact?", "/a;b=c", "/a+b", "/a%2Bb", "/~x", "/a|b", '/a"b',
    "/a\\b", "http://other/exact", "http://other", "http://example.com:81/exact", "HTTP://OTHER/exact",
    "https://other/exact",
]  # fmt: skip
BAD_PATHS = [
    "/%2e%2e/", "/..", "/a/../../b", "/%", "/%1", "/%zz", "/%00", "/a\x7fb", "/a\tb", "*", "http:///exact", "exact",
    "http://a b/",
]  # fmt: skip


@pytest.fixture(scope="module")
def servers() -> Iterator[Twins]:
    with Stage() as stage:
        yield Twins(stage, SERVERS)


@pytest.fixture(scope="module")
def locations() -> Iterator[Twins]:
    with Stage() as stage:
        yield Twins(stage, LOCATIONS)


@pytest.mark.parametrize("host", HOSTS)
def test_server_by_name(servers: Twins, host: str) -> None:
    assert servers.check(octets("/", host=host)).answer.status == 200


@pytest.mark.parametrize("host", BAD_HOSTS)
def test_bad_host(servers: Twins, host: str) -> None:
    servers.check_refused(octets("/", host=host))


@pytest.mark.parametrize("host", ["[::1", "a\\b"])
def test_stricter_host(servers: Twins, host: str) -> None:
    """Deliberate: nginx takes these for unknown names; they are no names at all (RFC 3986, section 3.2.2)."""
    theirs, ours = servers.run(octets("/", host=host))
    assert (theirs.answer.status, ours.answer.status) == (200, 400)


def test_host_of_the_target_wins(servers: Twins) -> None:
    assert servers.check(octets("http://example.com/", host="first")).answer.body == b"exact"


def test_http_1_0_without_a_host(servers: Twins) -> None:
    assert servers.check(b"GET / HTTP/1.0\r\n\r\n").answer.body == b"default"


@pytest.mark.parametrize("path", PATHS)
def test_location_by_path(locations: Twins, path: str) -> None:
    locations.check(octets(path))


@pytest.mark.parametrize("path", BAD_PATHS)
def test_bad_path(locations: Twins, path: str) -> None:
    locations.check_refused(octets(path))


def test_fragment_does_not_count(locations: Twins) -> None:
    """Deliberate: lbproxy's $request_uri has none either."""
    seen = locations.check(octets("/prefix#fragment"), unlike={"request_uri"})
    assert seen.log[0]["request_uri"] == "/prefix"


def test_query_right_behind_the_host(locations: Twins) -> None:
    """The path is "/" for both; nginx's $request_uri lacks it."""
    seen = locations.check(octets("http://other?x=y"), unlike={"request_uri"})
    assert seen.log[0]["request_uri"] == "/?x=y"


@pytest.mark.parametrize("line", ["GET  / HTTP/1.1", "GET / HTTP/1.1 ", "GET /\xe9 HTTP/1.1"])
def test_stricter_request_line(locations: Twins, line: str) -> None:
    """Deliberate: nginx takes these; the grammar of RFC 9112, section 3, does not have them."""
    theirs, ours = locations.run(f"{line}\r\nHost: example.com\r\n\r\n".encode("latin-1"))
    assert (theirs.answer.status, ours.answer.status) == (200, 400)
