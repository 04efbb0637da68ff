"""USR2, WINCH, HUP, QUIT: one program replaces another on the same sockets, and either may be the one that stays."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.backends import held, reply
from tests.support.client import Client, get, octets, refuses
from tests.support.daemon import Lbproxy
from tests.support.stage import Stage
from tests.support.waiting import until

CONF = """
error_log stderr notice;
worker_processes <workers>;
events {}
http {
    server {
        listen <listen>;
        listen unix:<dir>/front.sock;
        location / { proxy_pass http://<b>; }
        location /version { return 200 "<version>"; }
    }
}
"""


def pid_file(proxy: Lbproxy, suffix: str = "") -> Path:
    return proxy.directory / f"lbproxy.pid{suffix}"


@contextmanager
def upgraded(proxy: Lbproxy, text: str = "") -> Iterator[int]:
    """Start the successor, with another configuration if *text* is given; yield its pid, and end it."""
    proxy.conf.write_text(text or proxy.conf.read_text())
    proxy.send_signal(signal.SIGUSR2)
    proxy.readiness.wait(proxy)
    pid = int(pid_file(proxy).read_text())
    end = os.pidfd_open(pid)
    try:
        yield pid
    finally:
        if Path(f"/proc/{pid}/stat").exists() and pid != proxy.pid:
            signal.pidfd_send_signal(end, signal.SIGTERM)
        os.close(end)


def gone(pid: int) -> bool:
    """Whether *pid* has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def start(stage: Stage, version: str = "old", workers: int = 1, **names: object) -> Lbproxy:
    return stage.lbproxy(CONF, version=version, workers=workers, **{"b": stage.dead(), **names})


def test_successor_takes_over_without_a_lost_request(stage: Stage) -> None:
    """A request in flight and an idle connection included; QUIT to the old one completes it."""
    gate = threading.Event()
    backend = stage.backend(held(gate, reply("late")))
    proxy = start(stage, b=backend)
    text = stage.text(CONF, version="new", workers=2, b=backend)
    with Client(proxy.address) as busy, Client(proxy.address) as idle:
        assert idle.ask("/version").text == "old"
        busy.send(octets())
        backend.requests.wait()
        with upgraded(proxy, text) as pid:
            assert pid != proxy.pid
            assert int(pid_file(proxy, ".oldbin").read_text()) == proxy.pid
            until(lambda: get(proxy.address, "/version").text == "new", "the new one to serve")
            until(lambda: get(proxy.address, "/version").text == "old", "the old one to serve as well")
            proxy.send_signal(signal.SIGQUIT)
            proxy.readiness.wait(proxy, f"MAINPID={pid}")
            proxy.stderr.wait_for("gracefully shutting down")
            answer = idle.ask("/version")
            assert (answer.text, answer.get("Connection")) == ("old", "close")
            gate.set()
            assert busy.answer().text == "late"
            until(lambda: not proxy.running, "the end of the old one")
            assert get(proxy.address, "/version").text == "new"
            assert get(stage.path("front.sock"), "/version").text == "new", "its file is still there"
            assert int(pid_file(proxy).read_text()) == pid
            assert not pid_file(proxy, ".oldbin").exists()
        assert proxy.wait() == 0
    assert refuses(proxy.address)
    assert not Path(stage.path("front.sock")).exists()
    assert not pid_file(proxy).exists()


def test_old_one_rests_and_wakes_when_the_new_one_is_given_up(stage: Stage) -> None:
    """WINCH ends the workers, HUP brings them back, and so does the end of the new program, with the pid file."""
    proxy = start(stage)
    with upgraded(proxy, stage.text(CONF, version="new", workers=1, b=stage.dead())) as pid:
        proxy.send_signal(signal.SIGWINCH)
        until(lambda: proxy.workers() == [pid], "the old workers to end")
        assert get(proxy.address, "/version").text == "new"
        proxy.send_signal(signal.SIGHUP)
        until(lambda: len(proxy.workers()) == 2, "a worker again")
        proxy.send_signal(signal.SIGWINCH)
        until(lambda: proxy.workers() == [pid], "the old workers to end")
        os.kill(pid, signal.SIGQUIT)
        until(lambda: gone(pid), "the new one to end")
        assert get(proxy.address, "/version").text == "old", "as it was, whatever the file says by now"
        assert int(pid_file(proxy).read_text()) == proxy.pid
    assert proxy.stop() == 0


def test_new_one_that_cannot_start_leaves_the_old_one_alone(stage: Stage) -> None:
    proxy = start(stage)
    proxy.alerts = "new binary process .* exited with code 1"
    proxy.conf.write_text("server { retrun 200; }")
    proxy.send_signal(signal.SIGUSR2)
    proxy.stderr.wait_for("exited with code 1")
    assert proxy.stderr.matching('unknown directive "retrun"')
    until(lambda: pid_file(proxy).exists(), "the pid file to come back")
    assert int(pid_file(proxy).read_text()) == proxy.pid
    assert not pid_file(proxy, ".oldbin").exists()
    assert get(proxy.address, "/version").text == "old"
    assert get(stage.path("front.sock"), "/version").text == "old"


def test_one_upgrade_at_a_time_and_the_next_when_it_is_complete(stage: Stage) -> None:
    proxy = start(stage)
    with upgraded(proxy) as second:
        proxy.send_signal(signal.SIGUSR2)
        os.kill(second, signal.SIGUSR2)
        proxy.stderr.wait_for("SIGUSR2 is ignored", 2)
        proxy.send_signal(signal.SIGQUIT)
        until(lambda: not proxy.running, "the end of the first")
        os.kill(second, signal.SIGUSR2)
        until(lambda: pid_file(proxy, ".oldbin").exists() and pid_file(proxy).exists(), "a third")
        third = int(pid_file(proxy).read_text())
        assert third not in (second, proxy.pid)
        os.kill(second, signal.SIGQUIT)
        until(lambda: gone(second), "the end of the second")
        assert get(proxy.address, "/version").text == "old"
        os.kill(third, signal.SIGTERM)
        until(lambda: gone(third), "the end of the third")
