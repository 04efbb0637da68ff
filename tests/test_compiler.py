"""Configuration text to a plan, or to every mistake in it."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbproxy.balance.retry import RetryPolicy
from lbproxy.config.core import ClientSettings
from lbproxy.config.model import Address
from lbproxy.errors import ConfigErrors
from lbproxy.http.files.action import FileAction
from lbproxy.http.verdict import Answer
from lbproxy.plan import ForwardAction
from lbproxy.wire.heads import HeadLimits
from tests.support.loading import load_text
from tests.support.served import action_of, arrive, request, server_of

FRAGMENT = """
upstream backend { server 127.0.0.1:8001; server unix:///opt/x.sock; }
server { listen 8080; location / { include uwsgi_params; uwsgi_pass backend; } }
"""

NO_URI_PART = (
    '"proxy_pass" cannot have URI part in location given by regular expression, or inside named location, '
    'or inside "if" statement, or inside "limit_except" block'
)


def messages(text: str) -> list[str]:
    """Return the complaints about *text* in their order."""
    with pytest.raises(ConfigErrors) as caught:
        load_text(text)
    return [error.message for error in caught.value.errors]


def test_a_bare_fragment_is_enough() -> None:
    """As in a conf.d folder."""
    plan = load_text(FRAGMENT)
    (server,) = plan.config.servers
    assert plan.config.listeners[0].address == Address("0.0.0.0", 8080)
    found = plan.router.location(server, b"/x").location
    action = plan.routes[found].action
    assert isinstance(action, ForwardAction)
    assert action.protocol.name == "uwsgi"
    assert action.upstream is plan.upstreams.plans["backend"]
    assert action.retry == RetryPolicy(frozenset({"error", "timeout"}))
    assert isinstance(plan.routes[server.root].action, FileAction)


def test_a_whole_file_gives_the_same() -> None:
    """http and events around it change nothing."""
    whole = load_text(f"worker_processes 2; events {{ worker_connections 99; }} http {{ {FRAGMENT} }}")
    assert list(whole.upstreams.plans) == list(load_text(FRAGMENT).upstreams.plans)
    assert len(whole.routes) == 2


def test_yaml_gives_the_same() -> None:
    """By the name of the file."""
    plan = load_text(
        "upstream backend:\n  server: 127.0.0.1:8001\n"
        "server:\n  listen: 8080\n  location /:\n    proxy_pass: http://backend\n",
        "site.yaml",
    )
    assert list(plan.upstreams.plans) == ["backend"]


def test_every_mistake_is_told_at_once_in_the_order_of_the_text() -> None:
    """Those of single blocks and those that need the whole."""
    assert messages(
        """
        upstream a { hash $one; server 127.0.0.1:1; }
        log_format unused "$two";
        server {
            listen 8080;
            frobnicate on;
            access_log logs/x nothing;
            error_page 404 /$three;
            location / { proxy_pass http://aa; proxy_set_header X $four; proxy_read_timeout soon; }
            location /a { proxy_pass http://a; uwsgi_pass a; }
            location /b { set $mine $five; return 200 $mine$six; }
            location ~ x { proxy_pass http://a/b; }
        }
        """
    ) == [
        'unknown "one" variable',
        'unknown "two" variable',
        'unknown directive "frobnicate"',
        'unknown log format "nothing"',
        'unknown "three" variable',
        'host not found in upstream "aa"',
        'unknown "four" variable',
        '"proxy_read_timeout" directive invalid value',
        '"uwsgi_pass" in a location that answers otherwise already',
        'unknown "five" variable',
        'unknown "six" variable',
        NO_URI_PART,
    ]


def test_one_mistake_is_told_once_however_many_blocks_inherit_it() -> None:
    """A setting of http is compiled for every location, and complained of where it stands."""
    text = "proxy_set_header X $nope;" + "".join(
        f"server {{ listen {port}; location / {{ proxy_pass http://127.0.0.1; }} }}" for port in range(8000, 8010)
    )
    assert messages(text) == ['unknown "nope" variable']


def test_a_missing_brace_hides_what_would_follow_from_it() -> None:
    """The blocks are not where they were meant to be."""
    assert messages("server { listen 8080; location / { proxy_pass http://nowhere; }") == [
        'unexpected end of file, expecting "}"'
    ]


def test_settings_nobody_uses_are_checked_too() -> None:
    """As nginx does: a wrong file does not load."""
    assert messages("server { listen 8080; proxy_set_header X $nope; uwsgi_param Y $none; }") == [
        'unknown "nope" variable',
        'unknown "none" variable',
    ]


def test_variables_of_the_configuration_are_known_everywhere() -> None:
    """set, named groups of server names, locations and rules for answers, and what the world outside gives."""
    plan = server_of(
        "server_name ~^(?<site>.+)\\.test$; set $later 1;"
        "location ~ ^/(?<user>[^/]+)/ { proxy_pass http://backend; proxy_redirect ~^(?<old>.*)$ /$old;"
        " proxy_cookie_path ~^/app(?<path>/.*)?$ /new$path; proxy_cookie_domain ~(?<domain>.*) $domain;"
        " proxy_cookie_flags ~^(?<flagged>x) secure;"
        ' proxy_set_header X "$site$user$old$path$domain$flagged$later$hostname"; }'
    )
    ex = arrive(plan, request(b"/ann/"))
    assert b"\r\nX: annhost\r\n" in action_of(plan, ex).protocol.encode_request(ex, -1)


def test_scripts_of_a_server_run_apart_from_those_of_its_locations() -> None:
    """The server's before a location is chosen, and once."""
    plan = server_of("set $a 1; location / { set $b 2; proxy_pass http://backend; } location /none { }")
    (server,) = plan.config.servers
    assert list(plan.server_scripts) == [server]
    routes = {location.pattern: route for location, route in plan.routes.items()}
    assert routes[""].script is None
    assert routes["/"].script is not None
    assert routes["/none"].script is None


def test_every_location_has_a_route() -> None:
    """Nested and named ones too; settings are inherited, a ``*_pass`` is not."""
    plan = server_of(
        "client_max_body_size 5m; error_page 502 /down;"
        "location /a { proxy_pass http://backend; access_log off; location /a/b { client_max_body_size 0; } }"
        "location @c { proxy_pass http://backend; }"
    )
    routes = {location.pattern: route for location, route in plan.routes.items()}
    assert set(routes) == {"", "/a", "/a/b", "@c"}
    assert [routes[path].client.max_body_size for path in routes] == [5 << 20, 5 << 20, 0, 5 << 20]
    assert routes["/a"].action is not None
    assert isinstance(routes["/a/b"].action, FileAction)
    assert routes["/a/b"].access_logs == ()
    assert routes["@c"].error_pages.keys() == {502}
    assert len(routes["@c"].access_logs) == 1
    assert routes["/a"].error_pages is routes[""].error_pages


def test_access_logs_are_collected_once_each() -> None:
    """In the order of the text; the log nobody asked for has no path."""
    plan = server_of(
        "access_log a.log; location /b { access_log a.log; access_log b.log combined buffer=1k; } location /c { }"
    )
    assert [(log.path, log.buffer) for log in plan.access_logs] == [("a.log", 0), ("b.log", 1024)]
    assert [log.path for log in server_of("").access_logs] == [""]


def test_access_logs_of_one_file_share_its_buffer() -> None:
    """Whichever of them has one."""
    plan = server_of("access_log off; location /a { access_log a combined buffer=1k; } location /b { access_log a; }")
    assert [(log.path, log.buffer) for log in plan.access_logs] == [("a", 1024)]


def test_the_slash_is_added_where_requests_are_passed_on() -> None:
    """A prefix that ends in one, with a ``*_pass`` (nginx: auto_redirect)."""
    plan = server_of("location /a/ { proxy_pass http://backend; } location /b/ { return 204; }")
    (server,) = plan.config.servers
    assert plan.router.location(server, b"/a").redirect == b"/a/"
    assert plan.router.location(server, b"/b").redirect is None


@pytest.mark.parametrize(
    ("directives", "limits"),
    [
        ("", HeadLimits()),
        ("large_client_header_buffers 2 4k;", HeadLimits(line=4096, field=4096, total=8192)),
        (
            "large_client_header_buffers 2 512; client_header_buffer_size 2k;",
            HeadLimits(line=2048, field=2048, total=2048),
        ),
        (
            "underscores_in_headers on; ignore_invalid_headers off;",
            HeadLimits(underscores=True, ignore_invalid=False),
        ),
    ],
)
def test_limits_of_heads(directives: str, limits: HeadLimits) -> None:
    """A line fits into one buffer, the head into all of them."""
    plan = server_of(directives)
    assert plan.routes[plan.config.servers[0].root].limits == limits


def test_retry_policy() -> None:
    """From *_next_upstream and its two limits."""
    plan = server_of(
        "location / { uwsgi_pass backend; uwsgi_next_upstream http_503 off; uwsgi_next_upstream_tries 2;"
        " uwsgi_next_upstream_timeout 1500ms; }"
    )
    action = action_of(plan, arrive(plan, request()))
    assert action.retry == RetryPolicy(frozenset({"http_503", "off"}), 2, 1.5)


def test_thousands_of_locations_share_what_they_inherit() -> None:
    """Compiled once, however many there are."""
    plan = server_of("".join(f"location /{number} {{ proxy_pass http://backend; }}" for number in range(2000)))
    routes = list(plan.routes.values())
    assert len(routes) == 2001
    assert len({id(route.limits) for route in routes}) == 1
    assert len({id(route.access_logs) for route in routes}) == 1
    assert len({route.action.upstream for route in routes if isinstance(route.action, ForwardAction)}) == 1
    assert routes[0].client is routes[-1].client
    assert isinstance(routes[0].client, ClientSettings)


def test_names_need_not_be_utf8() -> None:
    """Octets of another encoding, which reach us as surrogates, come out of every value as they were."""
    plan = load_text("""
        upstream b\udcfc { hash $uri consistent; server unix:/opt/\udcfc.sock; }
        server {
            listen 8080; server_name \udcfc.test; charset_types text/x-\udcfc; charset utf-8;
            location / { uwsgi_pass b\udcfc; }
            location /own { default_type text/x-\udcfc; return 200 $server_name; }
        }
    """)
    group = plan.upstreams.plans["b\udcfc"].new_group(random.Random(1))
    assert group.name == b"b\xfc"
    assert group.peers[0].name == b"unix:/opt/\xfc.sock"
    ex = arrive(plan, request(b"/own"))
    script = plan.routes[ex.location].script
    assert script is not None
    answer = script(ex)
    assert answer == Answer(200, b"\xfc.test", b"text/x-\xfc")


PIECES = [
    "upstream backend { server 127.0.0.1:8001; }", "server {", "listen 8080;", "location / {", "}", "}",
    "proxy_pass http://backend;", "uwsgi_pass backend:1;", "set $a $b;", "return 200 $a;", "proxy_redirect ~( x;",
    "include nothing;", "proxy_set_header X $x;", "hash $y;", "access_log x y;", "error_page 404 $z;", "{", '"',
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=14))
def test_any_text_is_a_plan_or_a_list_of_mistakes(pieces: list[str]) -> None:
    """Nothing else comes out, and every mistake has a place in the text."""
    text = "\n".join(pieces)
    try:
        load_text(text)
    except ConfigErrors as wrong:
        for error in wrong.errors:
            assert 1 <= error.position.line <= text.count("\n") + 1
        places = [(error.position.line, error.position.column) for error in wrong.errors]
        assert places == sorted(places)


def test_an_if_passes_on_where_its_location_does_unless_it_says_otherwise() -> None:
    """What it says hides all that its location says, of another protocol too."""
    site = load_text(
        "server { location /a/ { proxy_pass http://127.0.0.1:1/b/; if ($arg_a) { add_header A b; } "
        "if ($arg_b) { uwsgi_pass 127.0.0.1:2; } if ($arg_c) { proxy_pass http://127.0.0.1:3; } } }"
    )
    (outer,) = site.config.servers[0].root.locations
    actions = [site.routes[place].action for place in outer.inner()]
    assert all(isinstance(action, ForwardAction) for action in actions)
    assert [(action.protocol.name, action.upstream.conf.name) for action in actions] == [  # type: ignore[union-attr]
        ("http", "127.0.0.1:1"), ("uwsgi", "127.0.0.1:2"), ("http", "127.0.0.1:3"),
    ]  # fmt: skip


def test_variables_of_blocks_are_known_everywhere() -> None:
    """Also to each other, whichever stands first; a near miss is guessed."""
    load_text(
        "map $later $earlier { a b; } map $uri $later { ~^(?<part>.) $part; } geo $near { default 1; } "
        "split_clients $near $share { * x; } log_format f '$earlier $share'; "
        "server { return 200 $part$invalid_referer; }"
    )
    assert messages("map $uri $colour { a b; } server { return 200 $color; }") == ['unknown "color" variable']
