"""Descriptors and places run out: nobody is hurt, nothing spins, and service is back when they are free again."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.support.backends import Conversation, Request, held, reply
from tests.support.client import Client, get, octets
from tests.support.daemon import Lbproxy
from tests.support.stage import Stage
from tests.support.usage import cpu_seconds, descriptors, settle
from tests.support.waiting import until

CONF = """
error_log stderr warn;
worker_rlimit_nofile <files>;
events { worker_connections <places>; }
http {
    access_log off;
    server {
        listen <listen> backlog=1024;
        location / { return 200 small; }
        location /pass { proxy_pass http://<b>; }
        location /uwsgi { include uwsgi_params; uwsgi_pass <u>; }
    }
}
"""
FEW_FILES = {"files": 100, "places": 1024}
FEW_PLACES = {"files": 1024, "places": 50}
BOTH = pytest.mark.parametrize("limits", [FEW_FILES, FEW_PLACES], ids=["descriptors", "places"])


class Crowd:
    """Clients that come all at once, each saying *words* and no more."""

    def __init__(self, proxy: Lbproxy, count: int, words: bytes) -> None:
        self._stack = ExitStack()
        self.clients = [self._stack.enter_context(Client(proxy.address)) for _ in range(count)]
        for client in self.clients:
            client.send(words)

    def leave(self) -> None:
        """Close all of them."""
        self._stack.close()


@contextmanager
def crowded(proxy: Lbproxy, count: int, words: bytes) -> Iterator[Crowd]:
    """Have a crowd there, and wait until the worker has taken all that it can."""
    (worker,) = proxy.workers()
    crowd = Crowd(proxy, count, words)
    try:
        settle(lambda: descriptors(worker))
        yield crowd
    finally:
        crowd.leave()


def told(proxy: Lbproxy) -> list[str]:
    """Return what the error log says of a shortage."""
    return proxy.stderr.matching("Too many open files|are not enough")


@BOTH
def test_busy_crowd(stage: Stage, limits: dict[str, int]) -> None:
    """
    Robustness 18. More clients than there is room for, each in the middle of a head.

    Requests in flight are finished, the worker sleeps, the log says so once (or twice: when all are
    busy, and when some can be closed), and service is back when they leave.
    """
    gate = threading.Event()
    backend = stage.backend(held(gate, reply("late")))
    proxy = stage.lbproxy(CONF, b=backend, u=stage.dead(), **limits)
    proxy.alerts = "worker_connections"
    (worker,) = proxy.workers()
    before = descriptors(worker)
    with Client(proxy.address) as early:
        early.send(octets("/pass"))
        backend.requests.wait()
        with crowded(proxy, 300, b"GET / HTTP/1.1\r\nX:"):
            used = cpu_seconds(worker)
            threading.Event().wait(0.6)  # a time in which a busy loop would be busy
            assert cpu_seconds(worker) - used < 0.15
            gate.set()
            assert early.answer().text == "late"
        started = time.monotonic()
        assert get(proxy.address).text == "small"
        assert time.monotonic() - started < 5
    until(lambda: descriptors(worker) <= before + 1, "all but the kept connection to be closed")
    proxy.stderr.wait_for("are not enough")
    assert len(told(proxy)) <= 2


@BOTH
def test_idle_crowd(stage: Stage, limits: dict[str, int]) -> None:
    """Robustness 18. Clients that have nothing to ask make room for those that have."""
    proxy = stage.lbproxy(CONF, b=stage.dead(), u=stage.dead(), **limits)
    proxy.alerts = "worker_connections"  # for as long as all that are there are busy
    with crowded(proxy, 300, octets()):
        for _ in range(100):
            started = time.monotonic()
            assert get(proxy.address).text == "small"
            assert time.monotonic() - started < 1
    proxy.stderr.wait_for(r"\[warn\] .*, reusing connections")
    assert len(told(proxy)) <= 3


def test_crowd_that_comes_and_goes(stage: Stage) -> None:
    """Robustness 18. A flood of connections for a while is one episode in the log, not thousands of lines."""
    proxy = stage.lbproxy(CONF, b=stage.dead(), u=stage.dead(), **FEW_PLACES)
    proxy.alerts = "worker_connections"
    for _ in range(4):
        with crowded(proxy, 200, b"GET / HTTP/1.1\r\nX:"):
            pass
    assert get(proxy.address).text == "small"
    assert len(told(proxy)) <= 2


def test_every_client_needs_a_server(stage: Stage) -> None:
    """
    Robustness 18. More requests in flight than descriptors for their connections to servers.

    They wait for one another: each is answered, and no server is blamed.
    """

    def slow(conversation: Conversation, _request: Request) -> None:
        threading.Event().wait(0.02)  # longer than it takes to ask for all
        conversation.send(reply("slow"))
        conversation.close()

    proxy = stage.lbproxy(CONF, u=stage.uwsgi(slow), b=stage.dead(), **FEW_FILES)
    with crowded(proxy, 150, octets("/uwsgi", "Connection: close")) as crowd:
        assert [client.answer().text for client in crowd.clients] == ["slow"] * 150
    assert proxy.errors() == []


def test_kept_connections_are_given_up_first(stage: Stage) -> None:
    """Robustness 18. Not one client, idle or not, is closed as long as there is an idle connection to a server."""
    gate = threading.Event()
    backend = stage.backend(held(gate, reply("late")))
    proxy = stage.lbproxy(CONF, b=backend, u=stage.dead(), **FEW_FILES)
    with ExitStack() as stack:
        askers = [stack.enter_context(Client(proxy.address)) for _ in range(20)]
        for asker in askers:
            asker.send(octets("/pass"))
        backend.requests.wait(20)
        gate.set()
        for asker in askers:
            assert asker.answer().text == "late"
        others = [stack.enter_context(Client(proxy.address)) for _ in range(45)]
        for other in others:
            assert other.ask().text == "small"
        for asker in askers:
            assert asker.ask().text == "small"
    proxy.stderr.wait_for(r"\[warn\] .* 100 open files are not enough, reusing connections")
    assert len(told(proxy)) == 1


def test_upload_that_finds_no_descriptor(stage: Stage) -> None:
    """Robustness 18. Its temporary file is worth more than an idle client."""
    backend = stage.backend(reply("ok"))
    proxy = stage.lbproxy(CONF, b=backend, u=stage.dead(), **FEW_FILES)
    with crowded(proxy, 300, octets()):
        for _ in range(3):
            with Client(proxy.address) as client:
                assert client.ask("/pass", method="POST", body=bytes(100_000)).text == "ok"
    assert proxy.errors() == []
