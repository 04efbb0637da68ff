"""Variables that blocks make: `map`, `geo`, `split_clients`, and `$invalid_referer`."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.support.client import octets
from tests.support.stage import Stage
from tests.support.twins import Twins

CONF = r"""
map $arg_k $exact { a 1; B 2; "" none; "c d" 3; "d=e" 4; *.f 5; \default 6; \\~g 7; \hostnames 8; default 0; }
map $arg_k $name {
    hostnames;
    default none;
    example.com exact;
    *.example.com sub;
    *.deep.example.com deeper;
    .dot.org dot;
    www.example.* tail;
    www.example.net.* longer;
    ~^re\.(?<rest>.*)$ re-$rest-$1;
}
map $arg_k $regex { default d; ~^a(.)?(.)?$ "<$1|$2>"; ~*^b(?<tail>.*)$ "$tail:$uri"; ~. "any"; }
map $arg_k $empty { ~^$ never; }
map "$arg_k-$arg_l" $two { x-y both; -y right; default "$arg_k,$arg_l"; }
map $regex $chained { any chained-any; default "c$exact"; }
map $uri $kept { default $uri; }
map $uri $fresh { volatile; default $uri; }
map $arg_k $http_x_map { a mapped; default ""; }
map $arg_k $twice { default first; }
map $arg_k $twice { default second; }
split_clients "${arg_k}AAA" $split { 0.5% tiny; 33.3% third; 16.67% sixth; * "rest"; }
split_clients $arg_k $halves { 50% one; 50% two; }
split_clients $arg_k $some { 10% $uri; }
geo $mine { default 0; 127.0.0.0/8 local; 127.0.0.1 me; }
geo $arg_a $net {
    default none;
    10.0.0.0/8 ten;
    10.1.0.0/16 ten-one;
    10.1.2.3 host;
    10.1.2.0/24 ten-one-two;
    delete 10.1.0.0/16;
    192.168.0.0/16 $uri;
    2001:db8::/32 doc;
    2001:db8:1::/48 doc-one;
    ::1 loop;
    255.255.255.255 broken;
}
geo $arg_a $bare { 10.0.0.0/8 ten; 0.0.0.0/1 low; }
geo $arg_a $range {
    ranges;
    default none;
    10.0.0.0-10.0.255.255 a;
    10.0.1.0-10.0.1.255 b;
    10.0.1.128-10.0.1.255 c;
    10.1.0.0-10.3.0.5 d;
    10.1.255.0-10.1.255.255 e;
    10.4.0.0-10.4.0.9 f;
    delete 10.4.0.0-10.4.0.9;
    255.0.0.0-255.255.255.254 g;
}
geo $proxied {
    default client; proxy 127.0.0.0/8;
    10.0.0.0/8 ten; 192.0.2.0/24 doc; 127.0.0.0/8 local; 2001:db8::/32 six;
}
geo $deep { default client; proxy 127.0.0.1; proxy 10.0.0.0/8; proxy_recursive; 10.0.0.0/8 ten; 192.0.2.0/24 doc; }
server {
    listen <listen>;
    server_name example.com *.names.org ~^re\.;
    location / { return 200 "$exact|$name|$regex|$1|$empty|$two|$chained|$http_x_map|$twice|$tail|$rest"; }
    location /set { set $exact set; set $fresh set; return 200 "$exact $fresh"; }
    location /kept { set $x "$kept $fresh"; rewrite ^/kept$ /kept/on break; return 200 "$x $kept $fresh"; }
    location /kept-on { set $x "$kept $fresh"; rewrite ^ /kept-end; }
    location /kept-end { return 200 "$x $kept $fresh $uri"; }
    location /order { if ($arg_k ~ ^(.)(.)) { set $a "$regex$1"; } return 200 "$a"; }
    location /split { return 200 "$split|$halves|$some"; }
    location /geo { return 200 "$mine|$net|$bare|$range"; }
    location /proxied { return 200 "$proxied|$deep"; }
    location /ref1 { valid_referers none a.b *.c/d ~q\.; return 200 "[$invalid_referer]"; }
    location /ref2 { valid_referers blocked server_names z; if ($invalid_referer) { return 403; } return 200 ok; }
    location /ref3 { valid_referers ~x; return 200 "[$invalid_referer]"; }
    location /ref4 { return 200 "[$invalid_referer]"; }
    location /ref5/ {
        valid_referers up.example;
        location /ref5/in { return 200 "[$invalid_referer]"; }
        location /ref5/own { valid_referers own.example; return 200 "[$invalid_referer]"; }
    }
}
"""
KEYS = [
    "", "a", "A", "b", "B", "c%20d", "d=e", "x.f", "*.f", "default", "~g", "hostnames", "example.com",
    "EXAMPLE.com", "example.com.", "x.example.com", "a.b.example.com", "x.deep.example.com", "deep.example.com",
    "dot.org", "x.dot.org", "dot.org.", "www.example.", "www.example.org", "www.example.net.x", "www.example.net",
    "re.x.y", "axy", "ax", "aq%20", "BcD", "b", "%25", "x&l=y", "&l=y", "q&l=z",
]  # fmt: skip
ADDRESSES = [
    "", "10.1.2.3", "10.1.2.4", "10.1.9.9", "10.9.9.9", "11.0.0.0", "192.168.1.1", "::1", "[::1]", "2001:db8::1",
    "2001:db8:1::1", "2001:DB8:2::", "::ffff:10.1.2.3", "x", "10.1.2", "10.1.2.256", "255.255.255.255",
    "127.255.255.255", "10.0.0.0", "10.0.0.255", "10.0.1.0", "10.0.1.127", "10.0.1.128", "10.0.1.255", "10.0.2.0",
    "10.0.255.255", "10.1.0.0", "10.1.255.0", "10.2.0.0", "10.3.0.5", "10.3.0.6", "10.4.0.1", "255.1.2.3",
    "0.0.0.0", "unix:",
]  # fmt: skip
FORWARDED = [
    "10.1.1.1", "192.0.2.1, 10.1.1.1", "192.0.2.1,10.1.1.1 , 10.2.2.2", "10.1.1.1, 192.0.2.1", "x", "x, 10.1.1.1",
    "10.1.1.1, x", "192.0.2.1:80", "[2001:db8::1]:80", "2001:db8::1", "", ",", "10.1.1.1,", "10.1.1.1 192.0.2.1",
    "127.0.0.1",
]  # fmt: skip
REFERERS = [
    "http://a.b", "http://a.b/", "http://a.b/xx", "https://xx.c/d/e", "http://xx.c/e", "http://zq.q/", "foo",
    "http://A.B:80/d", "http://i.r", "http://xx.c:80/d", "http://example.com/y", "http://a.names.org",
    "http://re.xxxxx", "http://ii.ru", "ftp://xxxxxxxxxx", "HTTP://A.B/x/y", "http://" + "a" * 300 + ".b",
    "http://up.example/", "https://own.example", "",
]  # fmt: skip


@pytest.fixture(scope="module")
def twins() -> Iterator[Twins]:
    with Stage() as stage:
        yield Twins(stage, CONF)


@pytest.mark.parametrize("key", KEYS)
def test_maps(twins: Twins, key: str) -> None:
    twins.check(octets(f"/?k={key}", "X-Map: client"))
    twins.check(octets(f"/order?k={key}"))


@pytest.mark.parametrize("path", ["/set", "/kept", "/kept-on", "/kept-end", "/nowhere"])
def test_when_a_map_is_looked_up(twins: Twins, path: str) -> None:
    """Once per request, when it is first needed; `volatile` ones each time; what `set` says stays."""
    twins.check(octets(path))


def test_split_clients(twins: Twins) -> None:
    """The very shares of nginx, for strings of every length."""
    rng = random.Random(1)
    letters = "abcdefghijklmnopqrstuvwxyz0123456789.-_"
    keys = ["".join(rng.choices(letters, k=length % 23)) for length in range(120)]
    for first in range(0, len(keys), 40):
        twins.check(*(octets(f"/split?k={key}") for key in keys[first : first + 40]))


@pytest.mark.parametrize("address", ADDRESSES)
def test_geo(twins: Twins, address: str) -> None:
    twins.check(octets(f"/geo?a={address}"))


def test_geo_of_the_client(twins: Twins) -> None:
    assert twins.check(octets("/geo"), source="127.0.0.5").answer.body.startswith(b"local|")


@pytest.mark.parametrize("forwarded", FORWARDED)
def test_geo_behind_proxies(twins: Twins, forwarded: str) -> None:
    twins.check(octets("/proxied", f"X-Forwarded-For: {forwarded}"))


def test_geo_behind_proxies_that_say_little(twins: Twins) -> None:
    twins.check(octets("/proxied"))
    twins.check(octets("/proxied", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 10.1.1.1"))
    twins.check(octets("/proxied", "X-Forwarded-For: 10.3.3.3"), source="127.0.0.7")


@pytest.mark.parametrize("referer", [None, *REFERERS])
def test_referers(twins: Twins, referer: str | None) -> None:
    fields = [] if referer is None else [f"Referer: {referer}"]
    for path in ("/ref1", "/ref2", "/ref3", "/ref4", "/ref5/in", "/ref5/own"):
        twins.check(octets(path, *fields))
