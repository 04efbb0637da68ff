"""
The event loop within trio's: readiness of sockets, fibres, timeouts.

trio arms a one-shot epoll entry at every wait, which costs a system call each.  A `Poller` keeps an edge-triggered
epoll of its own, whose descriptor trio waits on, and wakes who waits on a `Channel` when its edge comes: a fibre runs
at once, a trio task is rescheduled.  A socket is registered once in its life, and only if it ever has to wait.

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

from lbproxy.net.descriptors import Descriptors
from lbproxy.net.fibre import Fibre, park
from lbproxy.net.pipe import Pipe

if TYPE_CHECKING:
    from lbproxy.net.channel import Channel

T = TypeVar("T")

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
        descriptors: What its streams hold, and where to ask when there are no more.
        pipe: Through which its streams are spliced.
    """

    def __init__(self) -> None:
        self.descriptors = Descriptors(self)
        self.pipe = Pipe()
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
        """Close the epoll, and the pipe."""
        self._epoll.close()
        self.pipe.close()

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

    def after(self, delay: float, call: Callable[[], None]) -> None:
        """Call *call* in *delay* seconds, unless the poller ends before; for what is rare, for it takes a task."""

        async def wait() -> None:
            await trio.sleep(delay)
            call()

        self._nursery.start_soon(wait)

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
            if self._yielding:  # as in _kick: no edge may come that would resume them
                self._nursery.start_soon(self._kick)
