"""Access log lines of formats that can't be told by variables alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.backends import close
from tests.support.client import octets
from tests.support.stage import Stage
from tests.support.twins import Twins

FORMATS = [
    "'$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \"$http_referer\"'",
    "'$upstream_addr|$upstream_status|$upstream_response_time|$upstream_connect_time|$upstream_header_time'",
    "'$upstream_response_length|$upstream_bytes_sent|$upstream_bytes_received'",
    "'[$time_local] $msec $request_time'",
    "escape=json '{\"agent\":\"$http_user_agent\",\"none\":\"$http_none\",\"user\":\"$remote_user\"}'",
    "escape=none '$http_user_agent|$http_none|'",
    "'$http_user_agent' ' and ' \"$http_referer\"",
    "'${status}x$status'",
    "'$server_addr:$server_port $scheme $https $request_completion $connection_requests $pipe'",
]
REQUESTS = [
    octets("/"), octets("/close"), octets("/both"), octets("/page"), octets("/", method="POST", body=b"x"),
    octets("/", 'User-Agent: a"b\\c\t\xe9', "Referer: http://x/", "Cookie: c=d"),
]  # fmt: skip
CONF = """
<formats>
upstream app { server <a> max_fails=0; server <b> max_fails=0; }
server {
    listen <listen>;
    <logs>
    location / { proxy_pass http://app; }
    location /page { error_page 404 /other; return 404; }
}
"""
CHANGING = {
    r"\b\d+\.\d{3}\b": "0.000",
    r"\[\d\d/\w+/\d{4}:[\d:]+ [+-]\d{4}\]": "[time]",
    r"127\.0\.0\.2:": "127.0.0.1:",  # lbproxy's own address
    r" 152 ": " 150 ",  # the built-in page with its longer name
}


@pytest.fixture(scope="module")
def logs() -> Iterator[tuple[list[list[str]], list[list[str]]]]:
    """The lines of nginx and of lbproxy for REQUESTS, a list for each of FORMATS, with what changes taken out."""
    with Stage() as stage:
        formats = "".join(f"log_format f{number} {form};\n" for number, form in enumerate(FORMATS))
        access = "".join(f"access_log f{number}.log f{number};\n" for number in range(len(FORMATS)))
        conf = CONF.replace("<formats>", formats).replace("<logs>", access)
        twins = Twins(stage, conf, {"close": close, "both": close}, {"both": close})
        for request in REQUESTS:
            twins.run(request)
        assert (twins.nginx.stop(), twins.lbproxy.stop()) == (0, 0)
        yield _lines(twins.nginx.directory), _lines(twins.lbproxy.directory)


def _lines(directory: Path) -> list[list[str]]:
    texts = [(directory / f"f{number}.log").read_text("latin-1") for number in range(len(FORMATS))]
    for pattern, text in CHANGING.items():
        texts = [re.sub(pattern, text, lines) for lines in texts]
    return [lines.splitlines() for lines in texts]


@pytest.mark.parametrize("number", range(len(FORMATS)), ids=FORMATS)
def test_format(logs: tuple[list[list[str]], list[list[str]]], number: int) -> None:
    theirs, ours = logs
    assert len(theirs[number]) == len(REQUESTS)
    assert ours[number] == theirs[number]
