"""A real worker: what it does when it can't start, and how it takes signals that are sent to it alone."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.support.client import ask, get
from tests.support.daemon import command
from tests.support.stage import Stage

CONF = 'error_log stderr notice; <more> server { listen <listen>; return 200 "$pid"; }'


def start(stage: Stage, more: str) -> tuple[int, str]:
    """Run lbproxy, which is going to fail, to its end; return its exit status and stderr."""
    path = stage.directory / "site.conf"
    path.write_text(stage.text(CONF, more=more))
    process = command("-c", path)
    return process.wait(), process.stderr.text


def test_start_that_fails_says_why(stage: Stage) -> None:
    status, text = start(stage, "worker_rlimit_nofile 3;")
    assert status == 1
    assert "worker process can't start: [Errno 24] Too many open files" in text
    assert not Path(stage.path("lbproxy.pid")).exists()


def test_limit_that_cannot_be_set_is_no_reason_to_fail(stage: Stage) -> None:
    proxy = stage.lbproxy(CONF, more="worker_rlimit_nofile 1099511627776;")
    proxy.alerts = "setrlimit"
    assert proxy.stderr.matching(r"\[alert\] .* setrlimit\(RLIMIT_NOFILE, 1099511627776\) failed")
    assert get(proxy.address).status == 200


def test_pid_variable_is_the_worker(stage: Stage) -> None:
    proxy = stage.lbproxy(CONF, more="")
    assert [int(get(proxy.address).text)] == proxy.workers()


def test_worker_that_is_told_to_quit_leaves_and_is_replaced(stage: Stage) -> None:
    proxy = stage.lbproxy(CONF, more="")
    (worker,) = proxy.workers()
    os.kill(worker, signal.SIGQUIT)
    proxy.stderr.wait_for(rf"\[notice\] .* worker process {worker} exited with code 0")
    assert int(get(proxy.address).text) != worker


def test_hangup_is_the_masters_affair(stage: Stage) -> None:
    """A terminal that closes sends HUP to everybody: workers wait for the master's word."""
    proxy = stage.lbproxy(CONF, more="")
    (worker,) = proxy.workers()
    os.kill(worker, signal.SIGHUP)
    assert int(get(proxy.address).text) == worker


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_what_is_imported_late_is_there_for_another_user(stage: Stage) -> None:
    """Python's files may be root's alone: that a head is bad, or a name like no other, is no bug all the same."""
    stage.directory.chmod(0o755)
    serve = "server { listen <listen>; location / { set $app nobody; uwsgi_pass $app; } }"
    proxy = stage.lbproxy(f"user daemon; events {{}} http {{ {serve} }}")
    assert ask(proxy.address, b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x0bb\r\n\r\n").status == 400
    assert get(proxy.address).status in (500, 502)
    assert "nobody" in proxy.stderr.wait_for(r"\[error\]")[0]
    assert not proxy.stderr.matching("bug")


def test_worker_has_a_name_of_its_own(stage: Stage) -> None:
    proxy = stage.lbproxy(CONF, more="")
    (worker,) = proxy.workers()
    assert Path(f"/proc/{worker}/comm").read_text() == "lbproxy-worker\n"
    assert Path(f"/proc/{proxy.pid}/comm").read_text() == "lbproxy\n"
