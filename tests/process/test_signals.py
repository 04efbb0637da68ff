"""Signals as octets in a socket."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from lbproxy.process.signals import HANDLED, SignalInbox, held_back


@pytest.fixture
def inbox() -> Iterator[SignalInbox]:
    """An inbox; the handlers of pytest are put back in the end."""
    before = {number: signal.getsignal(number) for number in HANDLED}
    inbox = SignalInbox()
    yield inbox
    inbox.close()
    for number, handler in before.items():
        signal.signal(number, handler)


def test_signals_are_read_in_order(inbox: SignalInbox) -> None:
    assert inbox.read() == []
    os.kill(os.getpid(), signal.SIGHUP)
    os.kill(os.getpid(), signal.SIGUSR1)
    assert inbox.read() == [signal.SIGHUP, signal.SIGUSR1]
    assert inbox.read() == []


def test_held_back_signals_come_afterwards(inbox: SignalInbox) -> None:
    with held_back():
        signal.raise_signal(signal.SIGTERM)  # to this thread: other tests may have left some that wait for work
        assert inbox.read() == []
    assert inbox.read() == [signal.SIGTERM]


def test_signals_of_a_child_stay_out_of_the_inbox(inbox: SignalInbox) -> None:
    pid = os.fork()
    if pid == 0:
        inbox.disown()
        os.kill(os.getpid(), signal.SIGHUP)
        os._exit(7)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 7
    assert signal.SIGHUP not in inbox.read()
