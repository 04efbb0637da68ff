"""Who holds an address, from a made-up /proc and from the real one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from lbproxy.config.model import Address
from lbproxy.process.holders import holder

TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 01 00000000:00000000 00:00000000 00000000     0        0 111 1
   1: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 222 1
"""
UNIX = """\
Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 333 /run/a b.sock
0000000000000000: 00000002 00000000 00010000 0001 01 444
"""


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A /proc with processes 7 (nginx) and 30 (its worker) on port 8080, and 9 on a unix socket."""
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text(TCP)
    (tmp_path / "net" / "unix").write_text(UNIX)
    for pid, name, target in (("30", "nginx", "222"), ("7", "nginx", "222"), ("9", "uwsgi", "333")):
        (tmp_path / pid / "fd").mkdir(parents=True)
        (tmp_path / pid / "comm").write_text(f"{name}\n")
        (tmp_path / pid / "fd" / "0").symlink_to("/dev/null")
        (tmp_path / pid / "fd" / "3").symlink_to(f"socket:[{target}]")
    (tmp_path / "10").mkdir()  # one that may not be looked into
    return tmp_path


def test_lowest_pid_that_listens_on_the_port(proc: Path) -> None:
    assert holder(Address("127.0.0.1", 8080), proc) == "nginx (pid 7)"


def test_unix_socket_by_its_path(proc: Path) -> None:
    assert holder(Address(path="/run/a b.sock"), proc) == "uwsgi (pid 9)"


@pytest.mark.parametrize("address", [Address("127.0.0.1", 8081), Address(path="/run/other")])
def test_nobody(proc: Path, address: Address) -> None:
    assert holder(address, proc) == ""


def test_holder_that_cannot_be_seen_is_unknown(proc: Path) -> None:
    for pid in ("7", "30"):
        (proc / pid / "fd" / "3").unlink()
    assert holder(Address("127.0.0.1", 8080), proc) == ""


def test_holder_without_a_name(proc: Path) -> None:
    (proc / "7" / "comm").unlink()
    assert holder(Address("127.0.0.1", 8080), proc) == "a process (pid 7)"


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="no /proc")
def test_real_process() -> None:
    code = "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1]); input()"
    with subprocess.Popen([sys.executable, "-uc", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        assert f"(pid {process.pid})" in holder(Address("127.0.0.1", port))
        process.communicate(b"\n", timeout=10)


def test_own_sockets_do_not_count() -> None:
    with socket.create_server(("127.0.0.1", 0)) as own:
        assert str(os.getpid()) not in holder(Address("127.0.0.1", own.getsockname()[1]))
