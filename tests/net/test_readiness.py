"""Fairness, and timers by the thousand."""

import socket
from math import inf

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from lbproxy.net.readiness import MOST_READY_CALLS, Poller
from lbproxy.net.stream import Stream


async def test_a_ready_socket_does_not_starve_the_others(stream: Stream, other: socket.socket) -> None:
    """A task whose calls never have to wait gives way after a bounded number of them."""
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(count)
        await trio.lowlevel.checkpoint()
        before = turns
        for _ in range(10 * (MOST_READY_CALLS + 1)):
            other.send(b"x")
            stream.readable = True
            await stream.recv(60)
        assert turns - before >= 9
        nursery.cancel_scope.cancel()


async def test_timers_of_closed_channels_are_swept(poller: Poller, autojump_clock: MockClock) -> None:
    """Thousands of short connections leave no heap of timers behind."""
    for _ in range(3000):
        ours, other = socket.socketpair()
        ours.setblocking(False)
        stream = Stream(poller, ours)
        with trio.move_on_after(0):
            await stream.recv(3600)
        stream.close()
        other.close()
    assert poller.timers < 1500


async def test_an_endless_wait_needs_no_timer(poller: Poller, stream: Stream, other: socket.socket) -> None:
    """Infinity is a deadline too."""
    assert stream.recv_now() is None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream.wait_readable, inf)
        await wait_all_tasks_blocked()
        assert poller.timers == 0
        other.send(b"x")
