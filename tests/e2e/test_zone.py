"""``zone``: several workers balance as one, also when one of them dies; what is known of servers survives a reload."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import cycle, islice

import pytest

from tests.support.backends import Conversation, Reply, Request, reply
from tests.support.client import Client, octets
from tests.support.daemon import Lbproxy
from tests.support.stage import Stage
from tests.support.waiting import TIMEOUT, until

CONF = """
worker_processes <workers>;
events {}
http {
    upstream u { <zone> <method> <servers> }
    server {
        listen <listen> reuseport;
        location / { proxy_pass http://u; }
        location = /worker { return 200 $pid; }
    }
}
"""
ZONE = "zone u 64k;"


def serving(stage: Stage, servers: str, *, workers: int = 2, zone: str = ZONE, method: str = "") -> Lbproxy:
    """Start lbproxy with so many workers and these ``server`` lines."""
    return stage.lbproxy(CONF, workers=workers, zone=zone, method=method, servers=servers)


@contextmanager
def one_of_each(proxy: Lbproxy, workers: int = 2) -> Iterator[dict[int, Client]]:
    """Connect to every worker; the clients by the workers' pids."""
    with ExitStack() as stack:
        clients: dict[int, Client] = {}
        for _ in range(500):  # the kernel spreads connections over the workers' sockets by chance
            client = Client(proxy.address)
            pid = int(client.ask("/worker").text)
            if pid in clients:
                client.close()
            else:
                clients[pid] = stack.enter_context(client)
            if len(clients) == workers:
                break
        assert len(clients) == workers
        yield clients


def patient(gate: threading.Event, text: str) -> Reply:
    """A reply that waits for *gate* if ``/slow`` is asked for."""

    def give(conversation: Conversation, request: Request) -> None:
        if request.target == "/slow":
            gate.wait(TIMEOUT)
        conversation.send(reply(text))

    return give


def until_free(client: Client, text: str) -> None:
    """Ask until the answer is *text*: a client has its answer a moment before the server counts as free."""
    until(lambda: client.ask().text == text, f"an answer {text}")


@pytest.mark.parametrize("workers", [2, 4])
def test_workers_take_turns_as_one(stage: Stage, workers: int) -> None:
    a, b, c = (stage.backend(reply(name)).address for name in "abc")
    proxy = serving(stage, f"server {a} weight=5; server {b}; server {c};", workers=workers)
    with one_of_each(proxy, workers) as clients:
        turns = islice(cycle(clients.values()), 14)
        assert "".join(client.ask().text for client in turns) == "aabacaa" * 2


def test_without_zone_each_worker_takes_turns_alone(stage: Stage) -> None:
    a, b = (stage.backend(reply(name)).address for name in "ab")
    proxy = serving(stage, f"server {a}; server {b};", zone="")
    with one_of_each(proxy) as clients:
        assert ["".join(client.ask().text for _ in range(4)) for client in clients.values()] == ["abab"] * 2


@pytest.mark.parametrize("workers", [2, 4])
def test_failure_that_one_worker_meets_is_known_to_all(stage: Stage, workers: int) -> None:
    b = stage.backend(reply("b")).address
    proxy = serving(stage, f"server {stage.dead()}; server {b};", workers=workers)
    with one_of_each(proxy, workers) as clients:
        for client in islice(cycle(clients.values()), 4 * workers):
            assert client.ask().text == "b"
    assert len(proxy.errors()) == 1


@pytest.mark.parametrize("method", ["", "least_conn;", "random two;"])
def test_limit_of_connections_holds_for_all_workers_together(stage: Stage, method: str) -> None:
    gate = threading.Event()
    a = stage.backend(patient(gate, "a"))
    proxy = serving(stage, f"server {a.address} max_conns=1;", method=method)
    with one_of_each(proxy) as clients:
        first, second = clients.values()
        first.send(octets("/slow"))
        a.requests.wait()
        assert second.ask().status == 502
        gate.set()
        assert first.answer().text == "a"
        until_free(second, "a")


def test_connections_of_others_count_for_least_conn(stage: Stage) -> None:
    gate = threading.Event()
    a, b = (stage.backend(patient(gate, name)) for name in "ab")
    proxy = serving(stage, f"server {a.address}; server {b.address};", method="least_conn;")
    with one_of_each(proxy) as clients:
        first, second = clients.values()
        first.send(octets("/slow"))
        a.requests.wait()
        assert [second.ask().text for _ in range(3)] == ["b"] * 3
        gate.set()
        assert first.answer().text == "a"


def test_requests_of_a_killed_worker_do_not_count(stage: Stage) -> None:
    """They die with it, and what it knew of failures stays known."""
    gate = threading.Event()
    a = stage.backend(patient(gate, "a"))
    proxy = serving(stage, f"server {stage.dead()}; server {a.address} max_conns=1;")
    proxy.alerts = "exited on signal 9"
    with one_of_each(proxy) as clients:
        (victim, first), (_, second) = clients.items()
        first.send(octets("/slow"))
        a.requests.wait()
        assert second.ask().status == 502
        os.kill(victim, signal.SIGKILL)
        until(lambda: len(set(proxy.workers()) - {victim}) == 2, "a new worker")
        assert second.ask().text == "a"
        gate.set()
    with one_of_each(proxy) as clients:
        for client in clients.values():
            until_free(client, "a")
    connecting = [line for line in proxy.errors() if "connect() failed" in line]
    assert len(connecting) == 1


@pytest.mark.parametrize("zone", ["", ZONE])
def test_failed_state_survives_a_reload(stage: Stage, zone: str) -> None:
    """Also when other servers come and go."""
    dead, b, c = stage.dead(), stage.backend(reply("b")).address, stage.backend(reply("c")).address
    proxy = serving(stage, f"server {dead}; server {b};", zone=zone, workers=1)
    with one_of_each(proxy, 1) as clients:
        for client in clients.values():
            assert client.ask().text == "b"
    assert len(proxy.errors()) == 1
    for servers, text in ((f"server {dead}; server {b};", "b"), (f"server {c}; server {dead};", "c")):
        proxy.reload(stage.text(CONF, workers=2, zone=zone, method="", servers=servers))
        with one_of_each(proxy) as clients:
            assert [client.ask().text for client in clients.values()] == [text] * 2
    assert len(proxy.errors()) == 1
