"""Access log lines of formats that can't be told by variables alone."""

from __future__ import annotations

import re

import pytest

from tests.support.backends import close
from tests.support.client import octets
from tests.support.stage import Stage
from tests.support.twins import Twins

CONF = """
log_format own <format>;
upstream app { server <a> max_fails=0; server <b> max_fails=0; }
server {
    listen <listen>;
    location / { access_log /dev/stdout own; proxy_pass http://app; }
    location /page { access_log /dev/stdout own; error_page 404 /other; return 404; }
    location /other { access_log /dev/stdout own; proxy_pass http://app; }
}
"""
CHANGING = {r"\d+\.\d{3}": "0.000", r"\[\d\d/\w+/\d{4}:[\d:]+ [+-]\d{4}\]": "[time]"}


def lines(stage: Stage, form: str, *requests: bytes) -> tuple[list[str], list[str]]:
    """Return the lines that nginx and lbproxy write for *requests*, with times taken out."""
    twins = Twins(stage, CONF.replace("<format>", form), {"close": close, "both": close}, {"both": close})
    for request in requests:
        twins.run(request)
    both = []
    for proxy in (twins.nginx, twins.lbproxy):
        found = proxy.stdout.lines.wait(len(requests))
        for pattern, text in CHANGING.items():
            found = [re.sub(pattern, text, line) for line in found]
        both.append(found)
    return both[0], both[1]


REQUESTS = [
    octets("/"), octets("/close"), octets("/both"), octets("/page"), octets("/", method="POST", body=b"x"),
    octets("/", 'User-Agent: a"b\\c\t\xe9', "Referer: http://x/", "Cookie: c=d"),
]  # fmt: skip


@pytest.mark.parametrize(
    "form",
    [
        "'$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \"$http_referer\"'",
        "'$upstream_addr|$upstream_status|$upstream_response_time|$upstream_connect_time|$upstream_header_time'",
        "'$upstream_response_length|$upstream_bytes_sent|$upstream_bytes_received'",
        "'[$time_local] $msec $request_time'",
        "escape=json '{\"agent\":\"$http_user_agent\",\"none\":\"$http_none\",\"user\":\"$remote_user\"}'",
        "escape=none '$http_user_agent|$http_none|'",
        "'$http_user_agent' ' and ' \"$http_referer\"",
        "'${status}x$status'",
        "'$server_addr:$server_port $scheme $https $request_completion $connection_requests $pipe'",
    ],
)
def test_format(stage: Stage, form: str) -> None:
    theirs, ours = lines(stage, form, *REQUESTS)
    adapted = [line.replace("127.0.0.2", "127.0.0.1").replace(" 152 ", " 150 ") for line in ours]  # the built-in page
    assert adapted == theirs
