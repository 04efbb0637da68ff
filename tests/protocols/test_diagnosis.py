"""What the error log advises, by what is known of a failure."""

from __future__ import annotations

import errno

import pytest

from lbproxy.protocols.diagnosis import Failure, mend, speaks_http

TCP, UNIX = "127.0.0.1:8001", "unix:/run/node.sock"


@pytest.mark.parametrize(
    ("address", "number", "advice"),
    [
        (TCP, errno.ECONNREFUSED, "nothing listens on 127.0.0.1:8001: is the node running, and on this port?"),
        (TCP, errno.EHOSTUNREACH, "there is no way to 127.0.0.1:8001: is the address right?"),
        (UNIX, errno.ENOENT, "there is no /run/node.sock: is the node running, and is this its socket?"),
        (UNIX, errno.EACCES, "the worker's user may not write to /run/node.sock: give uWSGI chmod-socket = 660"),
        (UNIX, errno.EAGAIN, "the listen queue of /run/node.sock is full"),
        (UNIX, errno.EMFILE, "no descriptors left: raise worker_rlimit_nofile"),
    ],
)
def test_connections_that_cannot_be_made(address: str, number: int, advice: str) -> None:
    """By the system's error; a unix socket is called by its path."""
    assert mend(Failure(protocol="uwsgi", address=address, phase="connect", errno=number)).startswith(advice)


@pytest.mark.parametrize(
    ("protocol", "phase", "said"),
    [
        ("http", "connect", "(proxy_connect_timeout 1.5s has passed)"),
        ("http", "send", "proxy_send_timeout 1.5s has passed"),
        ("uwsgi", "send", "uwsgi_send_timeout 1.5s has passed"),
        ("http", "head", "proxy_read_timeout 1.5s has passed; all workers of the server may be busy"),
        ("uwsgi", "head", "uwsgi_read_timeout 1.5s has passed; if the node listens with http-socket or http"),
        ("uwsgi", "body", "uwsgi_read_timeout 1.5s has passed"),
    ],
)
def test_timeouts_name_the_directive(protocol: str, phase: str, said: str) -> None:
    """With the value that is configured."""
    assert said in mend(Failure(protocol=protocol, address=TCP, phase=phase, timeout=1.5))


@pytest.mark.parametrize(
    ("protocol", "size", "variables", "advice"),
    [
        ("http", 100, 0, "if this is the uwsgi port of uWSGI (socket = ...), use uwsgi_pass here"),
        ("uwsgi", 4101, 9, "the uwsgi packet has 4097 octets and uWSGI takes 4096 unless told otherwise"),
        ("uwsgi", 4100, 129, "the request has 129 variables and uWSGI takes at most 128"),
        ("uwsgi", 4100, 128, "if this port speaks HTTP (http-socket = ..., http = ...), use proxy_pass here"),
    ],
)
def test_a_server_that_closes_without_an_octet(protocol: str, size: int, variables: int, advice: str) -> None:
    """By what uWSGI does when it can't read what it is sent."""
    failure = Failure(protocol=protocol, address=TCP, phase="head", request_size=size, variables=variables)
    assert advice in mend(failure)


@pytest.mark.parametrize(
    "failure",
    [
        Failure(protocol="http", address=TCP, phase="connect", errno=errno.ECONNABORTED),
        Failure(protocol="http", address=TCP, phase="head", silent=False),
        Failure(protocol="http", address=TCP, phase="head", fresh=False),
        Failure(protocol="http", address=TCP, phase="body"),
    ],
)
def test_no_advice_where_nothing_is_known(failure: Failure) -> None:
    """A wrong guess costs more than none."""
    assert mend(failure) == ""


def test_an_http_server_behind_uwsgi_pass() -> None:
    """It answers 400 with a Connection field, which no WSGI application may set."""
    assert "use proxy_pass" in speaks_http(400, {b"connection", b"content-length"})
    assert speaks_http(400, {b"content-length"}) == speaks_http(404, {b"connection"}) == ""
