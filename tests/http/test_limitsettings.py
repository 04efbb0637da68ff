"""The directives of limits."""

from __future__ import annotations

import pytest

from lbproxy.http.limitsettings import ConnectionSettings, RateSettings
from tests.support.loading import complaints, load_text


def test_zones_and_their_uses() -> None:
    """Rates in thousandths per second, bursts in thousandths of requests."""
    plan = load_text(
        "limit_req_zone $binary_remote_addr zone=a:10m rate=5r/s; limit_req_zone $uri zone=b:32k rate=30r/m;"
        "limit_req_zone $uri zone=c:1g rate=7; limit_conn_zone $server_name zone=d:1m;"
        "server { listen 8080; limit_req zone=a; limit_req burst=3 zone=b nodelay; limit_req zone=c burst=3 delay=2;"
        "limit_conn d 12; limit_req_status 429; limit_conn_log_level info; limit_conn_dry_run on; }"
    )
    (server,) = plan.config.servers
    rates, connections = server.settings(RateSettings), server.settings(ConnectionSettings)
    assert [(zone.name, zone.size, zone.rate) for zone in rates.zones] == [
        ("a", 10 << 20, 5000), ("b", 32 << 10, 500), ("c", 1 << 30, 7000),
    ]  # fmt: skip
    assert [use[:3] for use in rates.uses] == [("a", 0, 0), ("b", 3000, 1 << 63), ("c", 3000, 2000)]
    assert [use[:2] for use in connections.uses] == [("d", 12)]
    assert (rates.status, rates.log_level, rates.dry_run) == (429, "error", False)
    assert (connections.status, connections.log_level, connections.dry_run) == (503, "info", True)


@pytest.mark.parametrize(
    ("directive", "message"),
    [
        ("limit_req_zone $uri zone=a rate=1r/s;", 'invalid zone size "zone=a"'),
        ("limit_req_zone $uri zone=a:10x rate=1r/s;", 'invalid zone size "zone=a:10x"'),
        ("limit_req_zone $uri zone=a:31k rate=1r/s;", 'zone "zone=a:31k" is too small'),
        ("limit_req_zone $uri zone=a:32k rate=0r/s;", 'invalid rate "rate=0r/s"'),
        ("limit_req_zone $uri zone=a:32k rate=1r/h;", 'invalid rate "rate=1r/h"'),
        ("limit_req_zone $uri zone=a:32k speed=1;", 'invalid parameter "speed=1"'),
        ("limit_req_zone $uri zone=:32k rate=1r/s;", '"limit_req_zone" must have "zone" parameter'),
        ("limit_req_zone $url zone=a:32k rate=1r/s;", 'unknown "url" variable'),
        ("limit_conn_zone $uri rate=1r/s;", 'invalid parameter "rate=1r/s"'),
        ("limit_req_zone $uri zone=z:32k rate=1r/s;", 'limit_req_zone "z" is already bound to key "$uri"'),
        ("limit_conn_zone $uri zone=z:32k;", 'the shared memory zone "z" is already declared for a different use'),
        ("limit_req burst=1;", '"limit_req" must have "zone" parameter'),
        ("limit_req zone=z burst=0;", 'invalid burst value "burst=0"'),
        ("limit_req zone=z burst=1 delay=x;", 'invalid delay value "delay=x"'),
        ("limit_req zone=z now;", 'invalid parameter "now"'),
        ("limit_req zone=x;", 'zero size shared memory zone "x"'),
        ("limit_req zone=z; limit_req zone=z burst=1;", '"limit_req" directive is duplicate'),
        ("limit_conn z 1;", 'the shared memory zone "z" is already declared for a different use'),
        ("limit_conn z 0;", 'invalid number of connections "0"'),
        ("limit_conn z 65536;", "connection limit must be less 65536"),
        ("limit_req_status 399;", "value must be between 400 and 599"),
        ("limit_req_log_level debug;", 'invalid value "debug"'),
    ],
)
def test_mistakes(directive: str, message: str) -> None:
    """In nginx's words."""
    (found,) = complaints(f"limit_req_zone $uri zone=z:32k rate=1r/s; {directive} server {{ listen 8080; }}")
    assert found.startswith(message)


def test_several_workers_deserve_a_word() -> None:
    """Each counts for itself."""
    conf = "limit_conn_zone $uri zone=z:32k; server { listen 8080; limit_conn z 1; }"
    assert load_text(conf).config.warnings == ()
    (warning,) = load_text(f"worker_processes 2; {conf}").config.warnings
    assert warning == 'each worker process counts for itself in zone "z" in site.conf:1:21'
