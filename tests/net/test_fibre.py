"""Coroutines that the poller runs itself."""

from __future__ import annotations

import socket
from contextlib import suppress

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from lbproxy.errors import StreamClosed, StreamTimeout
from lbproxy.net.channel import wait_either
from lbproxy.net.readiness import MOST_READY_CALLS, Poller
from lbproxy.net.stream import Stream


async def test_a_fibre_waits_for_a_stream(poller: Poller, stream: Stream, other: socket.socket) -> None:
    """As a task does."""
    got: list[bytes] = []

    async def read() -> None:
        while data := await stream.recv(60):
            got.append(data)
        got.append(b"end")

    poller.spawn(read())
    for data in (b"a", b"b"):
        await wait_all_tasks_blocked()
        other.send(data)
    await wait_all_tasks_blocked()
    other.close()
    await wait_all_tasks_blocked()
    assert got == [b"a", b"b", b"end"]


async def test_timeouts_and_interruptions(poller: Poller, stream: Stream, autojump_clock: MockClock) -> None:
    """Are raised where it waits."""
    raised: list[tuple[str, float]] = []

    async def read() -> None:
        for _ in range(2):
            try:
                await stream.recv(30)
            except (StreamTimeout, ZeroDivisionError) as error:
                raised.append((type(error).__name__, trio.current_time()))

    poller.spawn(read())
    await trio.sleep(40)
    stream.interrupt(ZeroDivisionError())
    await trio.sleep(1)
    assert raised == [("StreamTimeout", 30.0), ("ZeroDivisionError", 40.0)]


async def test_waiting_for_either(poller: Poller, stream: Stream, other: socket.socket) -> None:
    """Two channels, one fibre."""
    a, b = socket.socketpair()
    a.setblocking(False)
    second = Stream(poller, a)
    while second.send_now(bytes(65536)):
        pass
    woken: list[bool] = []

    async def wait() -> None:
        await wait_either(stream, 60, second, 60)
        woken.append(stream.readable)

    assert stream.recv_now() is None
    poller.spawn(wait())
    await wait_all_tasks_blocked()
    other.send(b"x")
    await wait_all_tasks_blocked()
    assert woken == [True]
    second.close()
    b.close()


async def test_what_needs_a_task_gets_one(poller: Poller, autojump_clock: MockClock) -> None:
    """Sleeping, nurseries, cancel scopes: as_task returns what came of it, or raises it."""
    seen: list[object] = []

    async def slow(value: object) -> object:
        with trio.move_on_after(10):
            await trio.sleep_forever()
        return value

    async def fail() -> None:
        await trio.sleep(1)
        raise ZeroDivisionError

    async def work() -> None:
        seen.append(await poller.as_task(slow, 1))
        try:
            await poller.as_task(fail)
        except ZeroDivisionError:
            seen.append("failed")
        seen.append(await poller.as_task(slow, 2))

    poller.spawn(work())
    await trio.sleep(30)
    assert seen == [1, "failed", 2]
    assert await poller.as_task(slow, 3) == 3  # a task needs no other


async def test_a_task_may_wake_a_fibre(poller: Poller, stream: Stream) -> None:
    """By closing what it waits for."""
    ended: list[str] = []

    async def read() -> None:
        with pytest.raises(StreamClosed):
            await stream.recv(60)
        ended.append("read")

    poller.spawn(read())
    await wait_all_tasks_blocked()
    stream.close()
    await wait_all_tasks_blocked()
    assert ended == ["read"]


async def test_a_busy_fibre_gives_way(poller: Poller, stream: Stream, other: socket.socket) -> None:
    """To other fibres and to tasks, after a bounded number of calls that did not have to wait."""
    turns: list[str] = []

    async def busy() -> None:
        for _ in range(20 * MOST_READY_CALLS):
            stream.readable = True
            await stream.recv(60, 1)
        turns.append("busy")

    async def other_fibre() -> None:
        for _ in range(5):
            await poller.take_turn()
        turns.append("fibre")

    async def task() -> None:
        for _ in range(5):
            await trio.lowlevel.checkpoint()
        turns.append("task")

    other.send(bytes(20 * MOST_READY_CALLS))
    async with trio.open_nursery() as nursery:
        poller.spawn(busy())
        poller.spawn(other_fibre())
        nursery.start_soon(task)
    await wait_all_tasks_blocked()
    assert turns[-1] == "busy"
    assert len(turns) == 3


async def test_giving_way_needs_no_edge(poller: Poller) -> None:
    """A fibre that was started or woken by a task goes on, although nothing happens on any channel."""
    ended: list[str] = []

    async def give_way() -> None:
        await poller.as_task(trio.sleep, 0)
        for _ in range(3):
            await poller.take_turn()
        ended.append("here")

    poller.spawn(give_way())
    await wait_all_tasks_blocked()
    assert ended == ["here"]


async def test_giving_way_after_a_timeout(poller: Poller, stream: Stream, autojump_clock: MockClock) -> None:
    """Nor does a fibre need one that was woken because nothing has happened."""
    ended: list[str] = []

    async def give_way() -> None:
        with suppress(StreamTimeout):
            await stream.recv(5)
        for _ in range(3):
            await poller.take_turn()
        ended.append("here")

    poller.spawn(give_way())
    await trio.sleep(6)
    assert ended == ["here"]


async def test_the_end(stream: Stream) -> None:
    """Fibres that are left when the poller ends are ended where they wait, and clean up."""
    ended: list[str] = []
    ours, other = socket.socketpair()
    ours.setblocking(False)
    poller = Poller()
    channel = Stream(poller, ours)

    async def read() -> None:
        try:
            await channel.recv(60)
        finally:
            ended.append("read")

    async def work() -> None:
        try:
            await poller.as_task(trio.sleep_forever)
        finally:
            ended.append("work")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(poller.run)
        await wait_all_tasks_blocked()
        poller.spawn(read())
        poller.spawn(work())
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    poller.end_fibres()
    assert sorted(ended) == ["read", "work"]
    channel.close()
    poller.close()
    other.close()
