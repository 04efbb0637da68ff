"""Master and workers: signals, workers that die, logs that are reopened, the end."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from tests.support.backends import held, reply
from tests.support.client import Client, ask, bodies, get, octets, refuses
from tests.support.stage import Stage
from tests.support.waiting import until

SERVER = """
server {
    listen <listen>;
    <more>
    location / { proxy_pass http://<b>; }
}
"""
WHOLE = """
worker_processes 2;
events { worker_connections 100; }
http { """ + SERVER + " }"  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_fast_end(stage: Stage, number: signal.Signals) -> None:
    """Robustness 22. Idle and busy clients are cut off, and the exit status is 0."""
    gate = threading.Event()
    backend = stage.backend(held(gate, reply("late")))
    proxy = stage.lbproxy(SERVER, b=backend, more="")
    with Client(proxy.address), Client(proxy.address) as busy:
        busy.send(octets())
        backend.requests.wait()
        assert proxy.stop(number, timeout=3) == 0
        assert busy.rest() == b""
        gate.set()


def test_graceful_end_finishes_what_is_in_hand(stage: Stage) -> None:
    """Robustness 22. QUIT: idle clients are closed, new ones refused, the request in flight is answered in full."""
    gate = threading.Event()
    backend = stage.backend(held(gate, reply("late")))
    proxy = stage.lbproxy(SERVER, b=backend, more="")
    with Client(proxy.address) as busy, Client(proxy.address) as idle:
        busy.send(octets())
        backend.requests.wait()
        proxy.send_signal(signal.SIGQUIT)
        assert idle.at_end()
        until(lambda: refuses(proxy.address), "new clients to be refused")
        assert proxy.running
        gate.set()
        answer = busy.answer()
        assert (answer.text, answer.get("Connection")) == ("late", "close")
        assert proxy.wait() == 0
    assert '"GET / HTTP/1.1" 200 4' in proxy.stdout.text


def test_graceful_end_does_not_wait_for_pooled_connections(stage: Stage) -> None:
    conf = "upstream u { server <b>; }" + SERVER.replace("http://<b>", "http://u")
    proxy = stage.lbproxy(conf, b=stage.backend(reply("ok")), more="")
    with Client(proxy.address) as client:
        assert client.ask().text == "ok"
        assert proxy.stop(signal.SIGQUIT, timeout=3) == 0


def test_worker_that_dies_is_replaced(stage: Stage) -> None:
    """Robustness 22. Requests are served again at once."""
    proxy = stage.lbproxy(SERVER, b=stage.backend(reply("ok")), more="")
    proxy.alerts = "exited on signal 9"
    (worker,) = proxy.workers()
    os.kill(worker, signal.SIGKILL)
    proxy.stderr.wait_for(rf"{worker} exited on signal 9")
    assert get(proxy.address).text == "ok"
    assert worker not in proxy.workers()


def test_two_workers_serve_and_one_may_die(stage: Stage) -> None:
    proxy = stage.lbproxy(WHOLE, b=stage.backend(reply("ok")), more="")
    proxy.alerts = "exited on signal 9"
    workers = proxy.workers()
    assert len(workers) == 2
    assert bodies(proxy.address, 10) == ["ok"] * 10
    os.kill(workers[0], signal.SIGKILL)
    until(lambda: len(set(proxy.workers()) - {workers[0]}) == 2, "a new worker")
    assert bodies(proxy.address, 10) == ["ok"] * 10


def test_workers_end_when_the_master_is_killed(stage: Stage) -> None:
    """As on QUIT: what they have in hand is answered."""
    gate = threading.Event()
    backend = stage.backend(held(gate, reply("late")))
    proxy = stage.lbproxy(WHOLE, b=backend, more="")
    proxy.alerts = "the master process is gone"
    with Client(proxy.address) as busy:
        busy.send(octets())
        backend.requests.wait()
        proxy.send_signal(signal.SIGKILL)
        until(lambda: refuses(proxy.address), "new clients to be refused")
        gate.set()
        assert busy.answer().text == "late"
    assert proxy.wait() == -signal.SIGKILL  # returns only when nobody holds its output any more


def test_logs_are_reopened(stage: Stage) -> None:
    """USR1 after a rename, as logrotate does it."""
    path = Path(stage.path("access.log"))
    proxy = stage.lbproxy(SERVER, b=stage.backend(reply("ok")), more=f"access_log {path};")
    get(proxy.address, "/first")
    until(lambda: "/first" in path.read_text(), "the first line")
    rotated = path.rename(path.with_suffix(".1"))
    proxy.send_signal(signal.SIGUSR1)
    until(path.exists, "the new file")
    get(proxy.address, "/second")
    until(lambda: "/second" in path.read_text(), "the second line")
    assert "/second" not in rotated.read_text()


def test_unix_socket_to_listen_on_is_removed_at_the_end(stage: Stage) -> None:
    path = stage.path("front.sock")
    conf = SERVER.replace("listen <listen>;", f"listen unix:{path};")
    proxy = stage.lbproxy(conf, b=stage.backend(reply("ok")), more="")
    assert get(path).text == "ok"
    assert proxy.stop() == 0
    assert not Path(path).exists()


def test_ipv6(stage: Stage) -> None:
    port = stage.port("::1")
    conf = SERVER.replace("listen <listen>;", f"listen [::1]:{port};")
    stage.lbproxy(conf, b=stage.backend(reply("ok")), more="")
    assert get(("::1", port)).text == "ok"


def test_worker_of_another_user(stage: Stage) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give privileges up")
    proxy = stage.lbproxy("user daemon;" + WHOLE, b=stage.backend(reply("ok")), more="")
    assert get(proxy.address).text == "ok"
    for odd in (b"GET / HTTP/1.1\nHost: x\n\n", b"GET / HTTP/1.1\r\nHost: x\r\nX: \x01\r\n\r\n"):
        assert ask(proxy.address, odd).status in (200, 400)  # no module is missing that only root could read
    owners = {Path(f"/proc/{worker}").stat().st_uid for worker in proxy.workers()}
    assert 0 not in owners
