"""Edges and deadlines."""

import socket
from contextlib import suppress

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from lbproxy.errors import ClientGone, StreamClosed, StreamTimeout
from lbproxy.net.channel import wait_either
from lbproxy.net.readiness import Poller
from lbproxy.net.stream import Stream


def exhaust(stream: Stream) -> int:
    """Fill the socket until it takes no more; return how much it took."""
    total = 0
    while sent := stream.send_now(bytes(65536)):
        total += sent
    return total


def has_room(stream: Stream) -> bool:
    """Return whether the last that was heard of *stream* is that it can be written to."""
    return stream.writable


def drain(sock: socket.socket) -> None:
    """Read until nothing is left."""
    with suppress(BlockingIOError):
        while sock.recv(1 << 20, socket.MSG_DONTWAIT):
            pass


async def test_a_waiting_reader_is_woken_by_input(stream: Stream, other: socket.socket) -> None:
    """What is sent while a task waits wakes it."""
    assert stream.recv_now() is None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream.wait_readable, 60)
        await wait_all_tasks_blocked()
        other.send(b"x")
    assert stream.recv_now() == b"x"


async def test_an_edge_that_nobody_waited_for_is_remembered(stream: Stream, other: socket.socket) -> None:
    """Input that comes between two waits does not get lost."""
    stream.watch_input()
    assert stream.recv_now() is None
    other.send(b"x")
    await wait_all_tasks_blocked()
    assert stream.readable
    await stream.wait_readable(60)
    assert stream.recv_now() == b"x"


async def test_the_end_of_the_stream_behind_its_last_octets_is_not_missed(stream: Stream, other: socket.socket) -> None:
    """Octets and FIN may come as one edge; the short read that follows must not hide the end."""
    stream.watch_input()
    other.send(b"last")
    other.close()
    assert await stream.recv(60) == b"last"
    assert await stream.recv(60) == b""


@pytest.mark.parametrize("timeout", [0.25, 60.0])
async def test_a_deadline_is_met_exactly(stream: Stream, autojump_clock: MockClock, timeout: float) -> None:
    """A peer that never speaks costs exactly the timeout."""
    with pytest.raises(StreamTimeout) as caught:
        await stream.recv(timeout)
    assert trio.current_time() == pytest.approx(timeout)
    assert caught.value.reading


async def test_a_later_wait_moves_the_deadline(
    stream: Stream, other: socket.socket, autojump_clock: MockClock
) -> None:
    """The entry of an earlier wait in the heap neither fires early nor keeps a later one from firing."""
    async def speak() -> None:
        await trio.sleep(40)
        other.send(b"x")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(speak)
        assert await stream.recv(60) == b"x"
    with pytest.raises(StreamTimeout):
        await stream.recv(60)
    assert trio.current_time() == pytest.approx(100)


async def test_a_shorter_wait_is_not_held_up_by_a_longer_one(stream: Stream, autojump_clock: MockClock) -> None:
    """After a wait of an hour was given up, one of a second lasts a second."""
    with trio.move_on_after(10):
        await stream.recv(3600)
    with pytest.raises(StreamTimeout):
        await stream.recv(1)
    assert trio.current_time() == pytest.approx(11)


async def test_reader_and_writer_have_deadlines_of_their_own(stream: Stream, autojump_clock: MockClock) -> None:
    """Two tasks wait on one channel, and each is told its own timeout."""
    exhaust(stream)
    ends: dict[str, float] = {}

    async def wait(name: str, timeout: float) -> None:
        with pytest.raises(StreamTimeout) as caught:
            await (stream.recv(timeout) if name == "read" else stream.wait_writable(timeout))
        assert caught.value.reading == (name == "read")
        ends[name] = trio.current_time()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait, "read", 7)
        nursery.start_soon(wait, "write", 3)
    assert ends == {"read": pytest.approx(7), "write": pytest.approx(3)}


async def test_a_full_socket_becomes_writable_when_the_other_side_reads(
    stream: Stream, other: socket.socket
) -> None:
    """A writer waits for room, and goes on when there is some."""
    exhaust(stream)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream.wait_writable, 60)
        await wait_all_tasks_blocked()
        drain(other)
    assert stream.send_now(b"x") == 1


async def test_interrupt_raises_in_the_waiting_task(stream: Stream) -> None:
    """Whatever waits can be told to give up, and why."""
    async def wait() -> None:
        with pytest.raises(ClientGone):
            await stream.recv(60)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await wait_all_tasks_blocked()
        stream.interrupt(ClientGone("gone"))


async def test_closing_wakes_the_waiting_task(stream: Stream) -> None:
    """A task that waits on a stream closed by another one is not left behind."""
    async def wait() -> None:
        with pytest.raises(StreamClosed):
            await stream.recv(60)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await wait_all_tasks_blocked()
        stream.close()


async def test_a_cancelled_wait_leaves_nothing_behind(stream: Stream, other: socket.socket) -> None:
    """After a cancelled wait the channel can be waited on again."""
    assert stream.recv_now() is None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream.wait_readable, 60)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    other.send(b"x")
    assert await stream.recv(60) == b"x"


async def test_a_hangup_is_told_and_so_is_a_break(stream: Stream, other: socket.socket) -> None:
    """on_hangup is called when the other side has finished sending, though nobody reads, and when it takes no more."""
    told: list[tuple[bool, bool]] = []
    stream.on_hangup = lambda: told.append((stream.hung_up, stream.broken))
    stream.watch_input()
    other.shutdown(socket.SHUT_WR)
    await wait_all_tasks_blocked()
    assert told == [(True, False)]
    other.close()
    await wait_all_tasks_blocked()
    assert told == [(True, False), (True, True)]


async def test_input_without_a_reader_is_told(stream: Stream, other: socket.socket) -> None:
    """on_input is how an idle connection in a pool learns that it was spoken to."""
    told: list[int] = []
    stream.on_input = lambda: told.append(1)
    stream.watch_input()
    other.send(b"?")
    await wait_all_tasks_blocked()
    assert told == [1]


class TestWaitEither:
    """One task that waits on two channels, or twice on one."""

    async def test_woken_by_the_reading_side(self, poller: Poller, stream: Stream, other: socket.socket) -> None:
        """Input on one channel ends the wait on both."""
        full, far = socket.socketpair()
        full.setblocking(False)
        writing = Stream(poller, full)
        exhaust(writing)
        assert stream.recv_now() is None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait_either, stream, 60, writing, 60)
            await wait_all_tasks_blocked()
            other.send(b"x")
        assert stream.readable
        assert not has_room(writing)
        drain(far)
        await wait_all_tasks_blocked()
        assert has_room(writing)  # the edge that came for a task that was gone has hurt nobody
        writing.close()
        far.close()

    async def test_both_edges_at_once_wake_the_task_once(self, stream: Stream, other: socket.socket) -> None:
        """The two edges of one channel come as one event."""
        exhaust(stream)
        assert stream.recv_now() is None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait_either, stream, 60, stream, 60)
            await wait_all_tasks_blocked()
            other.send(b"x")
            drain(other)
        assert stream.readable
        assert stream.writable

    async def test_a_second_task_on_one_of_the_channels_keeps_waiting(
        self, poller: Poller, stream: Stream, other: socket.socket
    ) -> None:
        """Waking the task that waits on both must not disturb one that writes to the first of them."""
        a, b = socket.socketpair()
        a.setblocking(False)
        client = Stream(poller, a)
        exhaust(stream)
        exhaust(client)
        assert stream.recv_now() is None
        done: list[str] = []

        async def write() -> None:
            await stream.wait_writable(60)
            done.append("written")

        async def either() -> None:
            await wait_either(stream, 60, client, 60)
            done.append("either")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(either)
            await wait_all_tasks_blocked()
            nursery.start_soon(write)
            await wait_all_tasks_blocked()
            other.send(b"x")
            await wait_all_tasks_blocked()
            assert done == ["either"]
            drain(other)
        assert done == ["either", "written"]
        client.close()
        b.close()

    async def test_times_out_on_either_side(self, stream: Stream, autojump_clock: MockClock) -> None:
        """The earlier of the two deadlines counts, and says whose it was."""
        exhaust(stream)
        assert stream.recv_now() is None
        with pytest.raises(StreamTimeout) as caught:
            await wait_either(stream, 9, stream, 4)
        assert not caught.value.reading
        assert trio.current_time() == pytest.approx(4)
