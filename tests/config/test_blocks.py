"""Whole configurations: fragments, nginx.conf, and every mistake of a file in one run."""

from __future__ import annotations

import time
from textwrap import dedent

import pytest

from lbproxy.config.core import ClientSettings, MainSettings
from lbproxy.errors import ConfigErrors
from tests.support.configs import PassSettings, files, load, mistakes

NGINX_CONF = """
user www-data;
worker_processes auto;
pid /run/nginx.pid;
include modules-enabled/*;
events { worker_connections 768; multi_accept on; }
http {
    tcp_nodelay on;
    tcp_nopush on;
    types_hash_max_size 2048;
    include mime.types;
    default_type application/octet-stream;
    ssl_protocols TLSv1.2 TLSv1.3;
    gzip_buffers 16 8k;
    include conf.d/*;
}
"""


def test_a_whole_nginx_conf() -> None:
    """What only tunes nginx is listed; files of a folder are read in order."""
    environment = files(
        {"mime.types": "types { a/b c; }", "conf.d/1": "upstream u { server localhost; }", "conf.d/2": "server { }"}
    )
    config = load(NGINX_CONF, environment, "nginx.conf")
    assert config.settings(MainSettings).worker_connections == 768
    assert list(config.upstreams) == ["u"]
    assert len(config.servers) == 1
    assert [one.name for one in config.ignored] == [
        "multi_accept", "tcp_nodelay", "tcp_nopush", "types_hash_max_size", "ssl_protocols", "gzip_buffers"
    ]  # fmt: skip
    assert [one.name for one in config.directives] == ["user", "worker_processes", "pid", "events", "http"]


def test_a_bare_fragment() -> None:
    """Main and http directives may stand beside upstream and server."""
    config = load("worker_processes 2; send_timeout 5s; upstream b { server localhost; } server { }")
    assert config.settings(MainSettings).worker_processes == 2
    assert config.servers[0].settings(ClientSettings).send_timeout == 5.0


def test_beside_an_http_block_only_main_directives_may_stand() -> None:
    """As in nginx."""
    assert mistakes("http { } server { } send_timeout 5;") == [
        '"server" directive is not allowed here in site.conf:1:10 (it belongs in http, upstream)',
        '"send_timeout" directive is not allowed here in site.conf:1:21 (it belongs in http, server, location)',
    ]


def test_the_outer_blocks_stand_once() -> None:
    """Events and http."""
    found = mistakes("events { } http { } events { } http { }")
    assert [line.split(" in ")[0] for line in found] == [
        '"events" directive is duplicate',
        '"http" directive is duplicate',
    ]


def test_settings_reach_every_level_in_any_order_of_the_text() -> None:
    """A server inherits what stands below it in http."""
    config = load("http { server { location /a { location /ab { } } } proxy_read_timeout 7; }")
    inner = config.servers[0].root.locations[0].locations[0]
    assert inner.settings(PassSettings).read_timeout == 7.0
    assert inner.merged is config.servers[0].merged


def test_nothing_is_a_configuration() -> None:
    """Without servers."""
    config = load("")
    assert (config.servers, config.listeners, dict(config.upstreams)) == ((), (), {})


def test_mistakes_of_syntax_and_meaning_are_told_in_the_order_of_the_text() -> None:
    """All of them, in one run, file by file."""
    text = dedent(
        """\
        worker_processes fast;
        ;
        include a;
        server {
            lisen 80;
            location / { proxy_pass x }
        }
        """
    )
    found = [line.split(" (")[0] for line in mistakes(text, files({"a": "\nsend_timeout x;"}))]
    assert found == [
        '"worker_processes" directive invalid number in site.conf:1:18',
        'unexpected ";" in site.conf:2:1',
        'unknown directive "lisen" in site.conf:5:5',
        'unexpected "}" in site.conf:6:31',
        '"send_timeout" directive invalid value in a:2:14',
    ]


def test_behind_a_wrong_brace_only_the_braces_are_judged() -> None:
    """Everything after it stands in the wrong block."""
    (found,) = mistakes("server {\n  location / {\n}\nserver {\n}\n")
    assert found.startswith('unexpected end of file, expecting "}"')


def test_behind_an_open_quote_nothing_is_judged() -> None:
    """It swallowed what would be missing."""
    (found,) = mistakes('server { server_name "a; }')
    assert found.endswith('(the quote " is never closed)')


def test_an_error_shows_the_line_and_a_caret() -> None:
    """Under the first character of what is wrong."""
    with pytest.raises(ConfigErrors) as caught:
        load("server {\n\tlisten  x:y;\n}")
    assert str(caught.value).splitlines()[1:] == ["    \tlisten  x:y;", "    \t        ^"]


def test_thousands_of_locations_are_cheap() -> None:
    """Loading is linear, and what says nothing of its own shares its settings."""
    text = "server { " + " ".join(f"location /{n} {{ proxy_read_timeout 5; }}" for n in range(3000)) + " }"
    began = time.perf_counter()
    config = load(text)
    assert time.perf_counter() - began < 5
    locations = config.servers[0].root.locations
    assert len(locations) == 3000
    assert locations[0].settings(ClientSettings) is locations[-1].settings(ClientSettings)


def test_a_configuration_that_serves_nothing_is_warned_of() -> None:
    """nginx starts without a word, and the next curl is refused."""
    assert load("events {}").warnings == ("no server is configured: there is nothing to listen on",)
    assert load("server { listen 80; }").warnings == ()
