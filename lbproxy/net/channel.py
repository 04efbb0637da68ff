"""
Waiting for one descriptor: until it can be read, can be written, or either.

An edge is reported once, so a `Channel` remembers it: ``readable`` and ``writable`` mean "not known to be exhausted".
Whoever meets EAGAIN (or a read shorter than asked for, see `Channel.drained`) clears the flag, an edge sets it again.
"""

from __future__ import annotations

import select
from collections.abc import Awaitable, Callable
from math import inf
from typing import TYPE_CHECKING

import trio
from trio.lowlevel import wait_task_rescheduled

from lbproxy.errors import StreamClosed, StreamTimeout
from lbproxy.net.fibre import TaskWaiter, Waiter, park

if TYPE_CHECKING:
    from trio.lowlevel import Abort, RaiseCancelT

    from lbproxy.net.readiness import Poller

_READ_EDGES = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
_WRITE_EDGES = select.EPOLLOUT | select.EPOLLHUP | select.EPOLLERR
_FAILURES = select.EPOLLHUP | select.EPOLLERR
_HANGUPS = select.EPOLLRDHUP | _FAILURES


class Channel:
    """
    One non-blocking descriptor and who waits for it, fibres or tasks: at most one reader and one writer.

    Attributes:
        readable, writable: Worth trying; see above.
        hung_up: The other side has closed (at least) its sending half, or the socket has failed.
        broken: It takes nothing any more either: the connection was reset, or closed on both sides.
        on_hangup: Called when one of the two happens while set; it must not block.
        on_input: Called instead of waking a reader when input comes and nobody waits for it.
    """

    __slots__ = ("_events", "_pair", "_pair_waiter", "_read_deadline", "_reader", "_write_deadline", "_writer",
                 "broken", "check_at", "closed", "fd", "hung_up", "on_hangup", "on_input", "poller", "readable",
                 "writable")

    def __init__(self, poller: Poller, fd: int) -> None:
        self.poller, self.fd = poller, fd
        self.readable = self.writable = True
        self.hung_up = self.broken = self.closed = False
        self.on_hangup: Callable[[], None] | None = None
        self.on_input: Callable[[], None] | None = None
        self.check_at = inf
        self._events = 0
        self._reader: Waiter | None = None
        self._writer: Waiter | None = None
        self._pair: Channel | None = None
        self._pair_waiter: Waiter | None = None
        self._read_deadline = self._write_deadline = inf

    # waiting

    async def wait_readable(self, timeout: float) -> None:
        """
        Return when there may be something to read; *timeout* in seconds.

        Raises:
            StreamTimeout: Nothing came in time.
            StreamClosed: The channel was closed meanwhile.
        """
        if self.readable:
            return
        self.begin_read(timeout)
        await self.parked_reader()

    async def wait_writable(self, timeout: float) -> None:
        """Return when there may be room to write; otherwise as `wait_readable`."""
        if self.writable:
            return
        self.begin_write(timeout)
        await (wait_task_rescheduled(self._abort_writer) if self.poller.current is None else park())

    def parked_reader(self) -> Awaitable[object]:
        """Return what to await after `begin_read`."""
        return wait_task_rescheduled(self._abort_reader) if self.poller.current is None else park()

    def begin_read(self, timeout: float, waiter: Waiter | None = None) -> None:
        """Note that *waiter*, or else whoever runs, is about to be parked until there is something to read."""
        poller = self.poller
        poller.ready_calls = 0
        if poller.current is None:
            poller.now = poller.clock()  # a fibre runs right behind the edge that set it
        self._read_deadline = deadline = poller.now + timeout
        if deadline < self.check_at:
            poller.arm(self, deadline)
        if not self._events:
            self.watch_input()
        self._reader = waiter or poller.current or TaskWaiter()

    def begin_write(self, timeout: float, waiter: Waiter | None = None) -> None:
        """Note that *waiter*, or else whoever runs, is about to be parked until there is room to write."""
        poller = self.poller
        poller.ready_calls = 0
        if poller.current is None:
            poller.now = poller.clock()
        self._write_deadline = deadline = poller.now + timeout
        if deadline < self.check_at:
            poller.arm(self, deadline)
        if not self._events & select.EPOLLOUT:
            self._events = select.EPOLLET | select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLOUT
            poller.watch(self, self._events)
        self._writer = waiter or poller.current or TaskWaiter()

    def pair(self, other: Channel, waiter: Waiter) -> None:
        """Note that *waiter*, who waits here, waits on *other* too: woken here, it waits there no more."""
        self._pair, self._pair_waiter = other, waiter

    def watch_input(self) -> None:
        """Register for input and hang-up, if that has not been done yet."""
        if not self._events:
            self._events = select.EPOLLET | select.EPOLLIN | select.EPOLLRDHUP
            self.poller.watch(self, self._events)

    def _abort_reader(self, _: RaiseCancelT) -> Abort:
        self._reader = None
        return trio.lowlevel.Abort.SUCCEEDED

    def _abort_writer(self, _: RaiseCancelT) -> Abort:
        self._writer = None
        return trio.lowlevel.Abort.SUCCEEDED

    def drained(self) -> None:
        """
        Note that a read returned less than was asked for: the next one would meet EAGAIN, so wait first.

        Not after a hang-up: its edge has been reported, and the end of the stream is still to be read.
        """
        if not self.hung_up:
            self.readable = False

    # waking

    def on_edge(self, events: int) -> None:
        """Take *events* from epoll."""
        if events & _HANGUPS:
            self._hang_up(broken=bool(events & _FAILURES))
        if events & _READ_EDGES:
            self.readable = True
            if self._reader is not None:
                self._wake_reader(None)
            elif self.on_input is not None:
                self.on_input()
        if events & _WRITE_EDGES:
            self.writable = True
            if self._writer is not None:
                self._wake_writer(None)

    def _hang_up(self, *, broken: bool) -> None:
        if self.hung_up and self.broken >= broken:
            return
        self.hung_up, self.broken = True, broken
        if self.on_hangup is not None:
            self.on_hangup()

    def expire(self, now: float) -> None:
        """Time out the waiters whose deadline has come, and arm the timer again for the others."""
        if self._reader is not None and self._read_deadline <= now:
            self._wake_reader(StreamTimeout(reading=True))
        if self._writer is not None and self._write_deadline <= now:
            self._wake_writer(StreamTimeout(reading=False))
        left = min(self._read_deadline if self._reader is not None else inf,
                   self._write_deadline if self._writer is not None else inf)
        if left != inf:
            self.poller.arm(self, left)

    def interrupt(self, error: Exception) -> None:
        """Raise *error* in whatever waits for this channel."""
        if self._reader is not None:
            self._wake_reader(error)
        if self._writer is not None:
            self._wake_writer(error)

    def _wake_reader(self, error: Exception | None) -> None:
        waiter, self._reader = self._reader, None
        assert waiter is not None
        if self._pair_waiter is waiter:
            self._part(waiter)
        waiter.wake(error)

    def _wake_writer(self, error: Exception | None) -> None:
        waiter, self._writer = self._writer, None
        assert waiter is not None
        if self._pair_waiter is waiter:
            self._part(waiter)
        waiter.wake(error)

    def _part(self, waiter: Waiter) -> None:
        """Have the other channel forget *waiter*, who waits on both and is woken here."""
        other, self._pair, self._pair_waiter = self._pair, None, None
        if other is not None:
            other.release(waiter)

    def release(self, waiter: Waiter) -> None:
        """Forget *waiter*, who waits here and elsewhere and was woken there."""
        if self._pair_waiter is waiter:
            self._pair = self._pair_waiter = None
        if self._reader is waiter:
            self._reader = None
        if self._writer is waiter:
            self._writer = None

    def forget(self) -> None:
        """Wake everyone with `StreamClosed` and leave the poller; the descriptor is about to be closed."""
        self.closed = True
        self.on_hangup = self.on_input = None
        self.interrupt(StreamClosed("connection closed here"))
        if self._events:
            self.poller.drop(self)
        self.poller.disarm(self)


async def wait_either(reading: Channel, read_timeout: float, writing: Channel, write_timeout: float) -> None:
    """
    Return when *reading* may be read or *writing* may be written, which may be one channel or two.

    Raises:
        StreamTimeout: One of the two deadlines passed first.
        StreamClosed: One of the two was closed meanwhile.
    """
    if reading.readable or writing.writable:
        return
    waiter = reading.poller.current or TaskWaiter()
    reading.begin_read(read_timeout, waiter)
    writing.begin_write(write_timeout, waiter)
    reading.pair(writing, waiter)
    writing.pair(reading, waiter)
    if reading.poller.current is not None:
        await park()
        return

    def abort(_: RaiseCancelT) -> Abort:
        reading.release(waiter)
        writing.release(waiter)
        return trio.lowlevel.Abort.SUCCEEDED

    await wait_task_rescheduled(abort)
