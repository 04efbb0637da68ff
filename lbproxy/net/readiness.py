"""
Waiting until a socket can be read or written: the one place that talks to ``trio.lowlevel``.

trio arms a one-shot epoll entry at every wait, which costs a system call each.  A `Poller` keeps an edge-triggered
epoll of its own, whose descriptor trio waits on; a waiting task is parked and rescheduled when its edge comes.  A
socket is registered once in its life, and only if it ever has to wait.

An edge is reported once, so a `Channel` remembers it: ``readable`` and ``writable`` mean "not known to be exhausted".
Whoever meets EAGAIN (or a read shorter than asked for, see `Channel.drained`) clears the flag, an edge sets it again.

Timeouts cost no cancel scope.  A waiting channel carries its deadlines as numbers and has at most one entry in a
heap; the entry is looked at when its time comes and put back if the deadline has moved on meanwhile, as it does with
every request of a busy connection.  Deadlines are met exactly, because one task sleeps until the earliest entry.
"""

from __future__ import annotations

import heapq
import select
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from math import inf
from typing import TYPE_CHECKING, Any, TypeVar

import trio
from trio.lowlevel import wait_task_rescheduled

from lbproxy.errors import StreamClosed, StreamTimeout
from lbproxy.net.fibre import Fibre, TaskWaiter, Waiter, park

if TYPE_CHECKING:
    from trio.lowlevel import Abort, RaiseCancelT

T = TypeVar("T")

_READ_EDGES = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
_WRITE_EDGES = select.EPOLLOUT | select.EPOLLHUP | select.EPOLLERR
_HANGUPS = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
_MOST_EVENTS = 256
_MOST_ROUNDS = 8  # looks at the epoll before trio gets its turn: its way round costs three system calls, a look one
MOST_READY_CALLS = 32  # calls in a row that found their socket ready before the others get a turn


class Poller:
    """
    The edge-triggered epoll of one worker, its timers, and the fairness count.

    Attributes:
        now: The time as of the last edge or wait, monotonic seconds: what accounting may use at no cost.
        ready_calls: Calls in a row that did not have to wait (see `take_turn`).
        current: The fibre that is running; None while a trio task is.
    """

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._channels: dict[int, Channel] = {}
        self._timers: list[tuple[float, int, Channel]] = []
        self._serial = 0
        self._dead_timers = 0
        self._timer_scope = trio.CancelScope()
        self._timers_due = inf  # the scope's deadline, which costs more to ask for and to set
        self.clock: Callable[[], float] = trio.current_time
        self.now = 0.0
        self.ready_calls = 0
        self.current: Fibre | None = None
        self._fibres: set[Fibre] = set()
        self._ready: deque[tuple[Fibre, Exception | None]] = deque()
        self._yielding: list[Fibre] = []
        self._kicked = False

    @property
    def timers(self) -> int:
        """Entries in the heap, those of closed channels included."""
        return len(self._timers)

    async def run(self) -> None:
        """Dispatch edges, run fibres and expire deadlines until cancelled; then come `end_fibres` and `close`."""
        self.clock = trio.lowlevel.current_clock().current_time  # trio.current_time() without looking for the run
        self.now = self.clock()
        async with trio.open_nursery() as self._nursery:
            self._nursery.start_soon(self._run_timers)
            while True:
                if self._yielding:
                    await trio.lowlevel.checkpoint()
                else:
                    await trio.lowlevel.wait_readable(self._epoll.fileno())
                for _ in range(_MOST_ROUNDS):
                    if not self._dispatch():
                        break

    def end_fibres(self) -> None:
        """End the fibres that are left, where they wait; `run` has ended before."""
        self._kicked = True  # whom they wake does not run any more
        for fibre in list(self._fibres):
            fibre.close()

    def close(self) -> None:
        """Close the epoll."""
        self._epoll.close()

    def _dispatch(self) -> bool:
        """Deal with what has happened; False when that was nothing."""
        channels = self._channels
        self.now = self.clock()
        self._kicked = True  # what is woken from here on runs below
        for fibre in self._yielding:
            self._ready.append((fibre, None))
        self._yielding.clear()
        happened = self._epoll.poll(0, _MOST_EVENTS)
        for fd, events in happened:
            channel = channels.get(fd)
            if channel is not None:  # else closed by one that was woken before it
                channel.on_edge(events)
        self._run_ready()
        return bool(happened)

    # fibres

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run *coroutine* as a fibre."""
        fibre = Fibre(coroutine, self._schedule)
        self._fibres.add(fibre)
        self._schedule(fibre, None)

    def _schedule(self, fibre: Fibre, error: Exception | None) -> None:
        self._ready.append((fibre, error))
        if not self._kicked:  # woken by a trio task, not by an edge
            self._kicked = True
            self._nursery.start_soon(self._kick)

    async def _kick(self) -> None:
        self.now = self.clock()
        self._run_ready()
        while self._yielding:  # `run` waits for an edge, which may never come
            await trio.lowlevel.checkpoint()
            self._dispatch()

    def _run_ready(self) -> None:
        ready = self._ready
        while ready:
            fibre, error = ready.popleft()
            self.current = fibre
            if not fibre.step(error):
                self._fibres.discard(fibre)
        self.current = None
        self._kicked = False

    async def as_task(self, function: Callable[..., Awaitable[T]], *args: object) -> T:
        """Return what ``await function(*args)`` does, run by a trio task if a fibre asks."""
        fibre = self.current
        if fibre is None:
            return await function(*args)
        results: list[T] = []
        errors: list[Exception] = []

        async def run() -> None:
            try:
                results.append(await function(*args))
            except Exception as error:  # noqa: BLE001 - it is raised where it belongs
                errors.append(error)
            fibre.wake(None)

        self._nursery.start_soon(run)
        await park()
        if errors:
            raise errors[0]
        return results[0]

    async def take_turn(self) -> None:
        """Let others run after a bounded number of calls that did not have to wait."""
        self.ready_calls = 0
        if self.current is None:
            await trio.lowlevel.checkpoint()
            return
        self._yielding.append(self.current)
        await park()

    # channels

    def watch(self, channel: Channel, events: int) -> None:
        """Register *channel* for *events*, or change what it is registered for."""
        if self._channels.get(channel.fd) is channel:
            self._epoll.modify(channel.fd, events)
        else:
            self._epoll.register(channel.fd, events)
            self._channels[channel.fd] = channel

    def unwatch(self, channel: Channel) -> None:
        """Forget *channel*, whose descriptor stays open."""
        if self._channels.get(channel.fd) is channel:
            del self._channels[channel.fd]
            self._epoll.unregister(channel.fd)

    def drop(self, channel: Channel) -> None:
        """Forget *channel*, whose descriptor is closed right behind: that takes it out of the epoll."""
        if self._channels.get(channel.fd) is channel:
            del self._channels[channel.fd]

    # timers

    def arm(self, channel: Channel, when: float) -> None:
        """Have *channel* looked at at *when*, at the latest."""
        if channel.check_at != inf:
            self._dead_timers += 1  # the later entry stays in the heap, and is skipped
        channel.check_at = when
        self._serial += 1
        heapq.heappush(self._timers, (when, self._serial, channel))
        if when < self._timers_due:
            self._timer_scope.deadline = self._timers_due = when

    def disarm(self, channel: Channel) -> None:
        """Forget the timer of a channel that closes, and sweep when half of the heap is such leavings."""
        if channel.check_at == inf:
            return
        channel.check_at = inf
        self._dead_timers += 1
        if self._dead_timers > 512 and self._dead_timers * 2 > len(self._timers):
            self._timers = [entry for entry in self._timers if entry[0] == entry[2].check_at]
            heapq.heapify(self._timers)
            self._dead_timers = 0

    async def _run_timers(self) -> None:
        while True:
            self._timers_due = self._timers[0][0] if self._timers else inf
            with trio.CancelScope(deadline=self._timers_due) as self._timer_scope:
                await trio.sleep_forever()
            now = self.now = self.clock()
            self._kicked = True
            while self._timers and self._timers[0][0] <= now:
                when, _, channel = heapq.heappop(self._timers)
                if when == channel.check_at:
                    channel.check_at = inf
                    channel.expire(now)
                else:
                    self._dead_timers = max(0, self._dead_timers - 1)
            self._run_ready()


class Channel:
    """
    One non-blocking descriptor and the tasks that wait for it: at most one reader and one writer.

    Attributes:
        readable, writable: Worth trying; see the module's docstring.
        hung_up: The other side has closed (at least) its sending half, or the socket has failed.
        on_hangup: Called once, when that happens while set; it must not block.
        on_input: Called instead of waking a reader when input comes and nobody waits for it.
    """

    __slots__ = ("_events", "_pair", "_pair_waiter", "_read_deadline", "_reader", "_write_deadline", "_writer",
                 "check_at", "closed", "fd", "hung_up", "on_hangup", "on_input", "poller", "readable", "writable")

    def __init__(self, poller: Poller, fd: int) -> None:
        self.poller, self.fd = poller, fd
        self.readable = self.writable = True
        self.hung_up = self.closed = False
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
        if events & _HANGUPS and not self.hung_up:
            self.hung_up = True
            if self.on_hangup is not None:
                self.on_hangup()
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

    def expire(self, now: float) -> None:
        """Time out the waiting tasks whose deadline has come, and arm the timer again for the others."""
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
