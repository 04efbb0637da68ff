"""The master with fake workers: processes, signals, reloads, the pid file, the sockets."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.daemon import ROOT, Readiness
from tests.support.ports import Ports
from tests.support.process import Process
from tests.support.waiting import TIMEOUT, until


class Fake(Process):
    """A running fake master; see tests/support/fakemaster.py for what its file says."""

    def __init__(self, directory: Path, **file: Any) -> None:
        self.file = directory / "fake.json"
        self.file.write_text(json.dumps(file))
        self.readiness = Readiness(directory / "notify")
        env = {"PYTHONPATH": str(ROOT), "NOTIFY_SOCKET": str(self.readiness.path)}
        super().__init__([sys.executable, "-um", "tests.support.fakemaster", self.file], cwd=ROOT, env=env)

    def ready(self) -> None:
        """Wait until it serves, or serves again."""
        self.until_ready(lambda: self.readiness.wait(self))

    def reload(self, text: str = "", **file: Any) -> None:
        """Change its file, send HUP and wait until that is decided."""
        self.file.write_text(text or json.dumps(file))
        self.send_signal(signal.SIGHUP)
        self.readiness.wait(self, "RELOADING=1")
        self.ready()

    def workers(self, count: int = 1) -> list[int]:
        """Return the pids of the first *count* workers ever started."""
        return [int(line.rsplit(" ", 1)[1]) for line in self.stderr.wait_for("start worker process", count)]

    def wait(self, timeout: float = TIMEOUT) -> int:
        status = super().wait(timeout)
        self.readiness.close()
        return status


def greeting(port: int) -> str:
    """Return what a client of *port* hears."""
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) as client:
        return client.recv(100).decode()


def refused(port: int) -> bool:
    """Whether nobody listens on *port*."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) != 0


@pytest.fixture
def ports() -> Iterator[Ports]:
    """Ports for a test."""
    ports = Ports()
    yield ports
    ports.close()


@pytest.fixture
def port(ports: Ports) -> int:
    """One port that nobody listens on."""
    return ports.take()


def test_serves_with_the_pid_file_in_place_until_terminated(tmp_path: Path, port: int) -> None:
    with Fake(tmp_path, listen=[port], name="one") as fake:
        fake.ready()
        fake.stdout.wait_for("started")
        pid_file = tmp_path / "fake.pid"
        assert pid_file.read_text() == f"{fake.pid}\n"
        assert greeting(port) == "one"
        fake.send_signal(signal.SIGTERM)
        fake.readiness.wait(fake, "STOPPING=1")
        assert fake.wait() == 0
        assert not pid_file.exists()
        assert list(tmp_path.iterdir()) == [fake.file]
        fake.stderr.wait_for("exited with code 0")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_other_ways_to_end(tmp_path: Path, port: int, number: int) -> None:
    with Fake(tmp_path, listen=[port], workers=2) as fake:
        fake.ready()
        assert fake.stop(number) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
def test_end_before_it_serves(tmp_path: Path, port: int, number: int) -> None:
    with Fake(tmp_path, listen=[port], mood="silent") as fake:
        fake.workers()
        fake.send_signal(number)
        assert fake.wait() == 0
        assert list(tmp_path.iterdir()) == [fake.file]


def test_killed_worker_is_replaced_and_logged(tmp_path: Path, port: int) -> None:
    with Fake(tmp_path, listen=[port], workers=2) as fake:
        fake.ready()
        victim = fake.workers(2)[0]
        os.kill(victim, signal.SIGKILL)
        assert len(fake.workers(3)) == 3
        fake.stderr.wait_for(rf"\[alert\] worker process {victim} exited on signal 9")
        assert greeting(port) == "fake"


def test_worker_that_dies_again_and_again_is_replaced_after_pauses_that_are_told(tmp_path: Path, port: int) -> None:
    with Fake(tmp_path, listen=[port]) as fake:
        fake.ready()
        count, told = 1, r"\[warn\] worker 0 ends again and again soon after its start, next try in 0.25 s"
        while not fake.stderr.matching(told):
            os.kill(fake.workers(count)[-1], signal.SIGKILL)
            count += 1
            fake.workers(count)
        assert greeting(port) == "fake"
        assert Path(f"/proc/{fake.pid}/task/{fake.pid}/children").read_text().split() == [str(fake.workers(count)[-1])]


def test_reload_moves_to_new_workers(tmp_path: Path, port: int) -> None:
    with Fake(tmp_path, listen=[port], name="old") as fake:
        fake.ready()
        fake.reload(listen=[port], name="new", workers=2)
        assert greeting(port) == "new"
        fake.stderr.wait_for(rf"worker process {fake.workers(1)[0]} exited with code 0")
        fake.stderr.wait_for("old closed")
        assert not fake.stderr.matching("new closed")


def test_connection_that_waits_in_the_queue_survives_a_reload(tmp_path: Path, port: int) -> None:
    with Fake(tmp_path, listen=[port], mood="deaf") as fake:
        fake.ready()
        with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) as early:
            fake.reload(listen=[port], name="new")
            assert early.recv(100) == b"new"


def test_reload_moves_to_another_port(tmp_path: Path, ports: Ports) -> None:
    kept, left, added = ports.take(), ports.take(), ports.take()
    with Fake(tmp_path, listen=[kept, left]) as fake:
        fake.ready()
        fake.reload(listen=[added, kept], name="new")
        assert greeting(kept) == greeting(added) == "new"
        until(lambda: refused(left), "the old workers' copy of the socket to go")


def test_unreadable_file_is_refused_with_every_reason(tmp_path: Path, port: int) -> None:
    with Fake(tmp_path, listen=[port], name="old") as fake:
        fake.ready()
        fake.reload("{")
        assert greeting(port) == "old"
        fake.stderr.wait_for(r"\[emerg\] not JSON in fake.json:1:1$")
        fake.stderr.wait_for(r"\[emerg\] no luck in fake.json:1:1$")
        fake.reload(listen=[port], name="new")
        assert greeting(port) == "new"


def test_reload_that_cannot_bind_is_refused(tmp_path: Path, ports: Ports) -> None:
    port, added = ports.take(), ports.take()
    with socket.create_server(("127.0.0.1", 0)) as taken, Fake(tmp_path, listen=[port], name="old") as fake:
        fake.ready()
        fake.reload(listen=[port, added, taken.getsockname()[1]], name="new")
        assert greeting(port) == "old"
        assert refused(added)
        fake.stderr.wait_for(r"\[emerg\] bind\(\) to 127.0.0.1:\d+ failed \(98: Address already in use\)")
        fake.stderr.wait_for("new closed")


def test_reload_whose_workers_fail_is_given_up(tmp_path: Path, ports: Ports) -> None:
    port, added = ports.take(), ports.take()
    with Fake(tmp_path, listen=[port], name="old") as fake:
        fake.ready()
        fake.reload(listen=[port, added], name="new", mood="fail", pid="new.pid")
        assert greeting(port) == "old"
        assert refused(added)
        fake.stderr.wait_for("can't start: in a bad mood")
        fake.stderr.wait_for("the old one stays in force")
        assert not (tmp_path / "new.pid").exists()


def test_reload_moves_the_pid_file(tmp_path: Path, port: int) -> None:
    with Fake(tmp_path, listen=[port]) as fake:
        fake.ready()
        fake.reload(listen=[port], pid="new.pid", warnings=["beware"])
        assert (tmp_path / "new.pid").read_text() == f"{fake.pid}\n"
        assert not (tmp_path / "fake.pid").exists()
        fake.stderr.wait_for(r"\[warn\] beware")


def test_usr1_reaches_every_worker(tmp_path: Path, port: int) -> None:
    with Fake(tmp_path, listen=[port], workers=2) as fake:
        fake.ready()
        fake.send_signal(signal.SIGUSR1)
        fake.stderr.wait_for("worker of fake reopened", 2)
        fake.stderr.wait_for(r"\] fake reopened")


def test_worker_that_fails_at_start_ends_everything_with_1(tmp_path: Path, port: int) -> None:
    with Fake(tmp_path, listen=[port], workers=2, mood="fail") as fake:
        assert fake.wait() == 1
        fake.stderr.wait_for("can't start: in a bad mood")
        fake.stderr.wait_for("exited with code 3")
        assert list(tmp_path.iterdir()) == [fake.file]


def test_worker_that_never_serves_is_killed(tmp_path: Path, port: int) -> None:
    with Fake(tmp_path, listen=[port], mood="silent") as fake:
        assert fake.wait() == 1
        fake.stderr.wait_for("exited on signal 9")


def test_worker_that_hangs_is_killed(tmp_path: Path, port: int) -> None:
    with Fake(tmp_path, listen=[port], mood="stubborn") as fake:
        fake.ready()
        assert fake.stop() == 0
        fake.stderr.wait_for("exited on signal 9")


def test_workers_notice_that_the_master_is_gone(tmp_path: Path, port: int) -> None:
    with Fake(tmp_path, listen=[port], workers=3) as fake:
        fake.ready()
        os.kill(fake.pid, signal.SIGKILL)
        assert fake.wait() == -signal.SIGKILL, "and no worker holds the output open"


def test_fewer_workers_serve_all_reuseport_sockets(tmp_path: Path, port: int) -> None:
    with Fake(tmp_path, listen=[port], workers=3, reuseport=True, mood="deaf") as fake:
        fake.ready()
        clients = [socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) for _ in range(12)]
        fake.reload(listen=[port], workers=1, reuseport=True, name="new")
        for client in clients:
            with client:
                assert client.recv(100) == b"new"


def test_a_second_master_on_the_same_pid_file_says_so(tmp_path: Path, ports: Ports) -> None:
    with Fake(tmp_path, listen=[ports.take()]) as fake:
        fake.ready()
        second = Process([sys.executable, "-m", "tests.support.fakemaster", fake.file], cwd=ROOT)
        assert second.wait() == 1
        assert second.stderr.matching(f"already running with pid {fake.pid}")
        assert (tmp_path / "fake.pid").exists()
