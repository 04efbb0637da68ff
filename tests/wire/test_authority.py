"""h11's verdicts, and that it is asked late."""

from __future__ import annotations

import subprocess
import sys

import pytest

from lbproxy.errors import MalformedMessage
from lbproxy.wire.authority import judge_request, judge_response


def test_good_heads_pass() -> None:
    """Nothing is returned, nothing raised; 101 is a matter of grammar like any other status."""
    judge_request(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    for status in (b"100", b"101", b"200", b"999"):
        judge_response(b"HTTP/1.1 " + status + b" x\r\n\r\n")


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"GET / HTTP/1.1\r\nHost: h\r\n", 400),
        (b"\x00", 400),
    ],
)
def test_bad_requests_have_the_status_h11_proposes(head: bytes, status: int) -> None:
    """An incomplete head is no head either."""
    with pytest.raises(MalformedMessage) as info:
        judge_request(head)
    assert info.value.status == status


def test_octets_are_quoted_as_they_are_anywhere_else() -> None:
    """An operator reads these words in the error log, and need not know Python."""
    with pytest.raises(MalformedMessage, match=r'^illegal header line: "a b: 1"$'):
        judge_request(b"GET / HTTP/1.1\r\nHost: h\r\na b: 1\r\n\r\n")


@pytest.mark.parametrize("head", [b"HTTP/1.1 099 x\r\n\r\n", b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
                                  b"HTTP/1.1 200 OK\r\n"])
def test_bad_answers_are_502(head: bytes) -> None:
    """Whatever h11 says."""
    with pytest.raises(MalformedMessage) as info:
        judge_response(head)
    assert info.value.status == 502


def test_h11_is_not_imported_for_common_heads() -> None:
    """Its import costs 27 ms, which -t and most workers never pay."""
    script = (
        "import sys\n"
        "from lbproxy.wire import heads, requests, responses, uwsgi\n"
        "requests.parse_request(b'GET / HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n', heads.HeadLimits())\n"
        "responses.parse_response(b'HTTP/1.1 200 OK\\r\\n\\r\\n', b'GET')\n"
        "uwsgi.parse_response(b'Status: 200 OK\\r\\n\\r\\n', b'GET')\n"
        "sys.exit('h11' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
