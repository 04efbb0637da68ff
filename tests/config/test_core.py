"""The core settings as configurations say them."""

from __future__ import annotations

import pytest

from lbproxy.config.core import ClientSettings, MainSettings, PoolSettings, TypeSettings
from tests.support.configs import load, mistakes


def test_nothing_said_means_nginx_defaults() -> None:
    """Semantics 2.17, and the foreground."""
    config = load("")
    main, client = config.settings(MainSettings), config.settings(ClientSettings)
    assert (main.worker_processes, main.daemon, main.user, main.error_log) == (1, False, None, ())
    assert (client.header_timeout, client.keepalive_timeout) == (60.0, (75.0, None))
    assert (client.max_body_size, client.large_header_buffers) == (1 << 20, (4, 8192))
    pool = config.settings(PoolSettings)
    assert (pool.keepalive, pool.keepalive_requests, pool.keepalive_time) == (32, 1000, 3600.0)


def test_main_settings() -> None:
    """Outside of every block, and worker_connections in events."""
    main = load(
        """
        user www-data; worker_processes auto; pid run/x.pid; daemon on; worker_rlimit_nofile 4096;
        error_log stderr; error_log /var/log/x warn; worker_shutdown_timeout 5s;
        events { worker_connections 99; }
        http { error_log /var/log/http; }
        """
    ).settings(MainSettings)
    assert (main.user, main.worker_processes) == (("www-data", "www-data"), 0)
    assert (main.pid, main.daemon) == ("run/x.pid", True)
    assert main.error_log == (("stderr", "error"), ("/var/log/x", "warn"))
    assert (main.worker_rlimit_nofile, main.worker_connections) == (4096, 99)
    assert main.worker_shutdown_timeout == 5.0


def test_servers_may_have_their_own_error_log() -> None:
    """It is inherited like any setting of http."""
    config = load("error_log a; server { error_log b debug; location / { } }")
    assert config.servers[0].root.locations[0].settings(MainSettings).error_log == (("b", "debug"),)


def test_client_settings_are_inherited() -> None:
    """From http to server to location."""
    config = load(
        """
        http { keepalive_timeout 5 4; client_max_body_size 0; server_tokens off;
          server { client_max_body_size 2m; location / { lingering_close always; } } }
        """
    )
    client = config.servers[0].root.locations[0].settings(ClientSettings)
    assert (client.keepalive_timeout, client.max_body_size) == ((5.0, 4.0), 2 << 20)
    assert (client.server_tokens, client.lingering_close) == (False, "always")


def test_pool_settings_are_those_of_the_upstream() -> None:
    """keepalive_requests means one thing in upstream and another in http."""
    config = load(
        "keepalive_requests 7; upstream b { server localhost; keepalive 4 local; keepalive_requests 5; }"
    )
    pool = config.upstreams["b"].settings(PoolSettings)
    assert (pool.keepalive, pool.keepalive_requests) == (4, 5)
    assert config.settings(ClientSettings).keepalive_requests == 7


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("worker_processes none;", '"worker_processes" directive invalid number'),
        ("worker_processes 0;", 'value must be between 1 and 1024'),
        ("error_log x loud;", 'invalid log level "loud"'),
        ("error_log memory:1m;", '"error_log" to "memory:1m" is not supported by lbproxy'),
        ("error_log syslog:tag=x;", "no syslog server specified"),
        ("large_client_header_buffers 0 8k;", '"large_client_header_buffers" directive invalid value'),
        ("large_client_header_buffers 4 0;", '"large_client_header_buffers" directive invalid value'),
        ("keepalive_timeout 1 x;", '"keepalive_timeout" directive invalid value'),
        ("upstream b { server localhost; keepalive 4 global; }", 'invalid parameter "global"'),
        ("server_tokens no;", 'invalid value "no"'),
        ("large_client_header_buffers x 8k;", '"large_client_header_buffers" directive invalid value'),
        ("types { a/b { } }", 'directive "a/b" is not terminated by ";"'),
    ],
)
def test_values_that_do_not_fit(text: str, message: str) -> None:
    """Are told with the directive's name."""
    (found,) = mistakes(text)
    assert found.startswith(f"{message} in site.conf:1:")


def test_media_types_go_by_the_last_extension() -> None:
    """Later tables win; without an extension it is the default type."""
    types = load(
        "types { text/html html HTM; a/b x; } types { c/d x; } default_type text/x;"
    ).settings(TypeSettings)
    assert types.media_type(b"/a.b/page.htm") == b"text/html"
    assert types.media_type(b"/y.html.x") == b"c/d"
    assert types.media_type(b"/a.html/") == b"text/x"
    assert types.media_type(b"/a/.html") == types.media_type(b"/.html") == b"text/x"
    assert types.media_type(b"/\xff.\xfe") == b"text/x"
    assert load("").settings(TypeSettings).media_type(b"/x.JPG") == b"image/jpeg"
