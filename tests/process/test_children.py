"""Worker processes: what they say, how they end, and what they inherit."""

from __future__ import annotations

import errno
import os
import selectors
import signal
import socket
from collections.abc import Iterator

import pytest

from lbproxy.process.children import Children, Ended, Line, Word, be_called
from lbproxy.process.signals import let_through


class Family:
    """Children, and everything that they said."""

    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.words: list[tuple[int, Word, str]] = []
        self.children = Children(self.selector, lambda *said: self.words.append(said))

    def listen(self) -> None:
        """Wait for the next word, or the end of a line."""
        for key, _ in self.selector.select(10):
            key.data()

    def reap(self, pid: int) -> list[Ended]:
        """Wait for the end of child *pid* and reap everybody who has ended."""
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        return list(self.children.reap())


@pytest.fixture
def family() -> Iterator[Family]:
    """No children yet."""
    family = Family()
    yield family
    assert family.children.numbers() == []
    family.selector.close()


def until_told(line: Line) -> int:
    """Be a child that waits for the master's death."""
    let_through()
    line.tell_serving()
    line.socket.recv(1)
    return 0


def test_words_come_in_order_and_before_the_end(family: Family) -> None:
    def run(line: Line) -> int:
        line.tell_serving()
        line.tell_withdrawn()
        line.tell_failed("for a reason " + "é" * 5000)
        return 5

    pid = family.children.start(1, run)
    assert family.reap(pid) == [Ended(1, pid, 5)]
    assert [(number, word) for number, word, _ in family.words] == [
        (1, Word.SERVING), (1, Word.WITHDRAWN), (1, Word.FAILED)
    ]  # fmt: skip
    assert family.words[2][2].startswith("for a reason éééé")
    family.children.signal(1, signal.SIGKILL)


def test_child_that_is_started_and_ends_while_others_are_reaped(family: Family) -> None:
    """As a worker that replaces another may."""
    first = family.children.start(1, lambda _: 1)
    os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
    ended = family.children.reap()
    assert next(ended) == Ended(1, first, 1)
    second = family.children.start(2, lambda _: 2)
    os.waitid(os.P_PID, second, os.WEXITED | os.WNOWAIT)
    assert list(ended) == [Ended(2, second, 2)]


def test_orphan_that_is_reaped_is_nobody(family: Family) -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(4)
    assert family.reap(pid) == [Ended(None, pid, 4)]


def test_signal_that_killed_it_is_told(family: Family) -> None:
    pid = family.children.start(4, until_told)
    family.listen()
    family.children.signal(4, signal.SIGKILL)
    assert family.reap(pid) == [Ended(4, pid, -signal.SIGKILL)]


def test_line_ends_before_the_process_does(family: Family) -> None:
    def run(line: Line) -> int:
        line.socket.close()
        signal.pause()
        return 0

    pid = family.children.start(1, run)
    family.listen()
    assert family.words == []
    family.children.signal(1, signal.SIGKILL)
    assert family.reap(pid) == [Ended(1, pid, -signal.SIGKILL)]


def test_child_sees_the_death_of_its_master_though_it_has_younger_siblings(family: Family) -> None:
    first = family.children.start(1, until_told)
    second = family.children.start(2, until_told)
    while len(family.words) < 2:
        family.listen()
    for key in list(family.selector.get_map().values()):
        family.selector.unregister(key.fileobj)
        assert isinstance(key.fileobj, socket.socket)
        key.fileobj.close()  # as the death of this process would
    os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
    os.waitid(os.P_PID, second, os.WEXITED | os.WNOWAIT)
    family.selector.close()
    assert os.waitpid(first, 0)[1] == os.waitpid(second, 0)[1] == 0
    family.children = Children(family.selector, lambda *_: None)


def test_exception_in_a_child_ends_it_with_1(family: Family, capfd: pytest.CaptureFixture[str]) -> None:
    def run(_: Line) -> int:
        raise RuntimeError("oops")

    pid = family.children.start(1, run)
    assert family.reap(pid) == [Ended(1, pid, 1)]
    assert "RuntimeError: oops" in capfd.readouterr().err


def test_child_starts_with_its_signals_held_back(family: Family) -> None:
    def run(line: Line) -> int:
        held = signal.pthread_sigmask(signal.SIG_BLOCK, [])
        return 0 if {signal.SIGTERM, signal.SIGQUIT, signal.SIGUSR1} <= held else 1

    pid = family.children.start(1, run)
    assert family.reap(pid) == [Ended(1, pid, 0)]
    assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_fork_that_fails_leaves_nothing_behind(family: Family, monkeypatch: pytest.MonkeyPatch) -> None:
    def fork() -> int:
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", fork)
    with pytest.raises(OSError, match="temporarily"):
        family.children.start(1, until_told)
    assert not family.selector.get_map()


def test_words_to_a_dead_master_are_lost_without_harm(family: Family) -> None:
    def run(line: Line) -> int:
        line.socket.close()
        line.tell_serving()
        return 0

    pid = family.children.start(1, run)
    assert family.reap(pid) == [Ended(1, pid, 0)]


def test_name_is_seen_by_ps(family: Family) -> None:
    def run(_: Line) -> int:
        be_called("lbproxy-test")
        with open("/proc/self/comm") as comm:  # noqa: PTH123 - short
            return 0 if comm.read() == "lbproxy-test\n" else 1

    pid = family.children.start(1, run)
    assert family.reap(pid) == [Ended(1, pid, 0)]
