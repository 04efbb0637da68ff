"""What the destination of a ``*_pass`` is."""

from __future__ import annotations

import random

import pytest

from lbproxy.config.model import Address
from lbproxy.errors import ConfigErrors, MalformedMessage
from lbproxy.protocols.target import http_target, uwsgi_target
from lbproxy.protocols.upstreams import UpstreamPlan
from tests.support.served import action_of, arrive, request, server_of


def upstream_of(location: str, upstreams: str = "upstream Backend { server 127.0.0.1:8001; }") -> UpstreamPlan:
    """Return where the requests of a location go."""
    plan = server_of(f"location / {{ {location} }}", upstreams)
    upstream = action_of(plan, arrive(plan, request())).upstream
    assert upstream is not None
    return upstream


def addresses(upstream: UpstreamPlan) -> list[str]:
    """Return the peers as nginx prints them."""
    return [peer.name.decode() for peer in upstream.new_group(random.Random(1)).peers]


@pytest.mark.parametrize(
    ("location", "name", "peers"),
    [
        ("proxy_pass http://backend;", "Backend", ["127.0.0.1:8001"]),
        ("proxy_pass http://BACKEND/x;", "Backend", ["127.0.0.1:8001"]),
        ("uwsgi_pass backend;", "Backend", ["127.0.0.1:8001"]),
        ("proxy_pass http://10.0.0.1;", "10.0.0.1:80", ["10.0.0.1:80"]),
        ("proxy_pass http://10.0.0.1:81/x;", "10.0.0.1:81", ["10.0.0.1:81"]),
        ("proxy_pass http://[::1]:81;", "[::1]:81", ["[::1]:81"]),
        ("uwsgi_pass unix:///opt/x.sock;", "unix:///opt/x.sock", ["unix:///opt/x.sock"]),
        ("proxy_pass unix:///opt/x.sock;", "unix:///opt/x.sock", ["unix:///opt/x.sock"]),
    ],
)
def test_names_come_before_addresses(location: str, name: str, peers: list[str]) -> None:
    """A name in any letter case is an upstream's; an address makes an implicit upstream."""
    upstream = upstream_of(location)
    assert upstream.conf.name == name
    assert upstream.conf.implicit == (name != "Backend")
    assert addresses(upstream) == peers
    assert upstream.pool.keepalive == 32


def test_the_same_address_is_the_same_upstream() -> None:
    """Its failures and connections are shared."""
    plan = server_of(
        "location /a { proxy_pass http://10.0.0.1/x; } location /b { proxy_pass http://10.0.0.1:80; }"
        "location /c { uwsgi_pass 10.0.0.1:80; }"
    )
    found = {action_of(plan, arrive(plan, request(path))).upstream for path in (b"/a", b"/b", b"/c")}
    assert len(found) == 1
    assert list(plan.upstreams.plans) == ["backend", "10.0.0.1:80"]


@pytest.mark.parametrize(
    ("location", "message", "hint"),
    [
        ("proxy_pass http://bakend;", 'host not found in upstream "bakend"', "did you mean the upstream Backend?"),
        ("proxy_pass http://else.test:1;", 'host not found in upstream "else.test:1"', "no upstream has this name"),
        ("uwsgi_pass bakend;", 'no port in upstream "bakend"', "did you mean the upstream Backend?"),
        ("proxy_pass http://backend:81;", 'upstream "backend" may not have port 81', "each of its servers"),
        ("uwsgi_pass backend:81;", 'upstream "backend" may not have port 81', "each of its servers"),
    ],
)
def test_mistakes(location: str, message: str, hint: str) -> None:
    """In nginx's words."""
    with pytest.raises(ConfigErrors) as caught:
        upstream_of(location)
    (error,) = caught.value.errors
    assert error.message == message
    assert error.hint.startswith(hint)


@pytest.mark.parametrize(
    ("method", "key"),
    [
        ("", b""),
        ("least_conn;", b""),
        ("ip_hash;", b"\xc0\x00\x02\x07"),
        ("hash $arg_k$uri consistent;", b"1/x"),
        ("url_hash;", b"/x?k=1"),
        ("hash $request_uri; hash_method crc32;", b"/x?k=1"),
    ],
)
def test_the_key_is_what_the_method_chooses_by(method: str, key: bytes) -> None:
    """Compiled once."""
    text = f"upstream backend {{ {method} server 127.0.0.1:8001; server 127.0.0.1:8002; }}"
    plan = server_of("location / { proxy_pass http://backend; }", text)
    assert plan.upstreams.plans["backend"].key(arrive(plan, request(b"/x?k=1"))) == key


@pytest.mark.parametrize(
    ("upstream", "message"),
    [
        ("hash $nope; server 127.0.0.1:1;", 'unknown "nope" variable'),
        (
            "ip_hash; server 127.0.0.1:1; server 127.0.0.1:2 backup;",
            'balancing method does not support parameter "backup"',
        ),
        ("server 127.0.0.1:1 backup;", 'no servers in upstream "backend"'),
        ("ip_hash;", "no servers are inside upstream"),
    ],
)
def test_a_wrong_block_is_complained_of_once(upstream: str, message: str) -> None:
    """Who passes requests to it hears nothing of it."""
    with pytest.raises(ConfigErrors) as caught:
        server_of("location / { proxy_pass http://backend; }", f"upstream backend {{ {upstream} }}")
    assert [error.message for error in caught.value.errors] == [message]


def test_what_variables_name_is_found_when_asked() -> None:
    """Upstreams first; addresses without a resolver; names are for the caller to resolve."""
    plan = server_of("location / { proxy_pass http://$arg_to; } location /known { proxy_pass http://10.0.0.1; }")
    table = plan.upstreams
    assert action_of(plan, arrive(plan, request())).upstream is None
    assert table.find(http_target("http://Backend"), 80) is table.plans["backend"]
    assert table.find(http_target("http://10.0.0.1/x"), 80) is table.plans["10.0.0.1:80"]
    literal = table.find(http_target("http://10.0.0.2:81"), 80)
    assert literal is not None
    assert addresses(literal) == ["10.0.0.2:81"]
    unix = table.find(uwsgi_target("unix:/a.sock"), None)
    assert unix is not None
    assert addresses(unix) == ["unix:/a.sock"]
    assert table.find(http_target("http://name.test"), 80) is None
    resolved = table.resolved(http_target("http://Name.test"), 80, [Address("10.0.0.3", 80), Address("10.0.0.4", 80)])
    assert resolved.conf.name == "name.test:80"
    assert addresses(resolved) == ["10.0.0.3:80", "10.0.0.4:80"]
    assert set(table.plans) == {"backend", "10.0.0.1:80"}


def test_an_address_from_variables_may_lack_its_port() -> None:
    """Then the request is answered 500, as in nginx."""
    table = server_of("").upstreams
    with pytest.raises(MalformedMessage) as caught:
        table.find(uwsgi_target("10.0.0.1"), None)
    assert caught.value.status == 500
