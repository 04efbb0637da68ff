"""Log lines as datagrams."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from lbproxy.proxy.syslog import Syslog


@pytest.fixture
def server(tmp_path: Path) -> Iterator[socket.socket]:
    """Who gets them, at ``log`` in the test's directory."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "log"))
        sock.settimeout(5)
        yield sock


def test_a_line_is_a_message_of_rfc_3164(server: socket.socket, tmp_path: Path) -> None:
    log = Syslog(f"syslog:server=unix:{tmp_path / 'log'},facility=daemon,severity=notice,tag=site")
    log.write(b"GET / 200\n")
    message = server.recv(4096).decode()
    assert re.fullmatch(r"<29>[A-Z][a-z]{2} [ 1-3][0-9] \d\d:\d\d:\d\d \S+ site: GET / 200", message)
    log.close()


def test_errors_have_the_severity_of_their_level(server: socket.socket, tmp_path: Path) -> None:
    log = Syslog(f"syslog:server=unix:{tmp_path / 'log'},nohostname")
    log.tell("emerg", b"down\n")
    log.tell("debug", b"up\n")
    assert re.fullmatch(rb"<184>.{15} lbproxy: down", server.recv(4096))
    assert re.fullmatch(rb"<191>.{15} lbproxy: up", server.recv(4096))
    log.close()


def test_long_lines_are_cut_off(server: socket.socket, tmp_path: Path) -> None:
    log = Syslog(f"syslog:server=unix:{tmp_path / 'log'}")
    log.write(b"x" * 5000)
    assert len(server.recv(8192)) == 2048
    log.close()


def test_udp() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)
        log = Syslog(f"syslog:server=127.0.0.1:{server.getsockname()[1]}")
        log.write(b"line\n")
        assert server.recv(4096).endswith(b" lbproxy: line")
        log.close()


def test_a_server_that_is_not_there_stops_nobody(tmp_path: Path) -> None:
    """It is noted, and when the server is back, lines arrive again."""
    path = tmp_path / "log"
    log = Syslog(f"syslog:server=unix:{path}")
    log.write(b"lost\n")
    assert log.failed
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(path))
        log.write(b"first\n")
        assert server.recv(4096).endswith(b": first")
    path.unlink()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(path))
        log.write(b"second\n")
        assert server.recv(4096).endswith(b": second")
    assert not log.failed
    log.close()


def test_who_reads_nothing_holds_nobody_up(server: socket.socket, tmp_path: Path) -> None:
    log = Syslog(f"syslog:server=unix:{tmp_path / 'log'}")
    for _ in range(1000):
        log.write(b"x" * 1000)
    assert log.failed
    log.close()
