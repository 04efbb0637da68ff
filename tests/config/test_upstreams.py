"""upstream blocks."""

from __future__ import annotations

import pytest

from lbproxy.config.model import Address
from lbproxy.config.upstreams import parse_upstream_server
from tests.support.configs import directive, load, mistakes, resolve


def test_server_lines() -> None:
    """All parameters, several addresses under one name."""
    server = parse_upstream_server(
        directive(
            "server", "two.test:81", "weight=3", "max_fails=0", "fail_timeout=1m", "max_conns=7", "backup", "down"
        ),
        resolve,
    )
    assert server.name == "two.test:81"
    assert server.addresses == (Address("10.0.0.1", 81), Address("10.0.0.2", 81))
    assert (server.weight, server.max_fails, server.fail_timeout, server.max_conns) == (3, 0, 60.0, 7)
    assert server.backup
    assert server.down


def test_defaults() -> None:
    """Semantics 2.2; port 80."""
    server = parse_upstream_server(directive("server", "localhost"), resolve)
    assert server.addresses == (Address("127.0.0.1", 80),)
    assert (server.weight, server.max_fails, server.fail_timeout, server.max_conns) == (1, 1, 10.0, 0)
    unix = parse_upstream_server(directive("server", "unix:///run/app.sock"), resolve)
    assert unix.addresses == (Address(path="///run/app.sock"),)


def test_an_upstream() -> None:
    """Names are kept as written and found in lower case; the method may stand below the servers."""
    config = load("upstream Back { server localhost; server localhost:81 backup; least_conn; }")
    upstream = config.upstreams["back"]
    assert upstream.name == "Back"
    assert [server.name for server in upstream.servers] == ["localhost", "localhost:81"]
    assert upstream.method is not None
    assert upstream.method.name == "least_conn"
    assert not upstream.implicit


def test_the_old_hash_module_is_understood() -> None:
    """hash_method adds nothing: the hash is crc32 anyway."""
    upstream = load("upstream b { hash $request_uri; hash_method crc32; server localhost; }").upstreams["b"]
    assert upstream.method is not None
    assert upstream.method.texts == ("$request_uri",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("server nosuch:80;", 'host not found in upstream "nosuch:80"'),
        ("server localhost:x;", 'invalid port in upstream "localhost:x"'),
        ("server http://localhost/;", 'invalid host in upstream "http://localhost/"'),
        ("server localhost weight=0;", 'invalid parameter "weight=0"'),
        ("server localhost weight;", 'invalid parameter "weight"'),
        ("server localhost max_fails=-1;", 'invalid parameter "max_fails=-1"'),
        ("server localhost fail_timeout=x;", 'invalid parameter "fail_timeout=x"'),
        ("server localhost fail_timeout=5ms;", 'invalid parameter "fail_timeout=5ms"'),
        ("server localhost resolve;", 'parameter "resolve" is not supported by lbproxy'),
        ("", "no servers are inside upstream"),
        ("ip_hash; server localhost; least_conn;", "load balancing method redefined"),
    ],
)
def test_mistakes(text: str, expected: str) -> None:
    """In nginx's words, or what nginx only warns of."""
    (found,) = mistakes(f"upstream b {{ {text} }}")
    assert found.startswith(f"{expected} in site.conf:1:")


def test_two_methods_name_both_lines() -> None:
    """The second is marked, the first is named."""
    (found,) = mistakes("upstream b {\n ip_hash;\n server localhost;\n least_conn;\n}")
    assert found == 'load balancing method redefined in site.conf:4:2 ("ip_hash" in site.conf:2:2 has chosen already)'


def test_a_parameter_written_wrong_gets_a_guess() -> None:
    """Or the list of what there is."""
    (near, far) = mistakes("upstream b { server localhost wieght=2; server localhost xyz; }")
    assert near.endswith("(did you mean \"weight=\"?)")
    assert far.endswith("(known are weight=, max_fails=, max_conns=, fail_timeout=, backup, down)")


def test_the_same_upstream_twice() -> None:
    """Whatever the case of letters."""
    (found,) = mistakes("upstream b { server localhost; }\nupstream B { server localhost; }")
    assert found == 'duplicate upstream "B" in site.conf:2:1 (the first one is in site.conf:1:1)'
