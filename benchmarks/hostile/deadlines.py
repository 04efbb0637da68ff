"""
What idle and slow clients cost the others, and when they are sent away: python -m benchmarks.hostile --deadlines.

Rounds of good requests alone, and of the same beside thousands of idle clients and a hundred slow ones, alternate, so
that whatever else the machine does troubles both.  Slow clients send one octet of a head per second, or of a body for
a while and then nothing, or read one octet per second of a large answer; each must be ended within a second of the
time configured.
"""

from __future__ import annotations

import argparse
import select
import statistics
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Protocol

import trio

from benchmarks.hostile import gauge
from benchmarks.hostile.attacks import Wire
from benchmarks.hostile.crowd import Crowd
from benchmarks.hostile.faulty import Faulty
from benchmarks.hostile.stage import BODY_TIMEOUT, HEADER_TIMEOUT, SEND_TIMEOUT, Stage, steady

_ROUNDS = 3
_ROUND = 20.0  # seconds
_SLOW = 100
_LATE = 1.0  # seconds that a slow client may stay on
_HARM = 2e-3  # seconds by which the others' p99 may grow
_LOOK = 0.02  # seconds between two looks whether a reader has been reset


class Says(Protocol):
    """Where results go."""

    def say(self, what: str) -> None:
        """Print a line."""

    def check(self, what: str, *, good: bool) -> None:
        """Print a line about something that must be *good*."""


async def _until_ended(wire: Wire) -> float:
    """Return when the proxy said its last word, or closed."""
    with suppress(OSError):
        await wire.socket.recv(100)
    return trio.current_time()


async def slow_head(wire: Wire) -> float:
    """Send an octet of a head per second; return how late its end came, in seconds."""
    begun = trio.current_time()

    async def send() -> None:
        with suppress(OSError):
            for octet in b"GET / HTTP/1.1\r\nHost: slow\r\nX: " + b"x" * 1000:
                await wire.send(bytes([octet]))
                await trio.sleep(1)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        ended = await _until_ended(wire)
        nursery.cancel_scope.cancel()
    return ended - begun - HEADER_TIMEOUT


async def slow_body(wire: Wire) -> float:
    """Send an octet of a body per second for a while, then nothing; return likewise."""
    await wire.send(b"POST /good/0/x HTTP/1.1\r\nHost: slow\r\nContent-Length: 100\r\n\r\n")
    for _ in range(5):
        await wire.send(b"x")
        last = trio.current_time()
        await trio.sleep(1)
    return await _until_ended(wire) - last - BODY_TIMEOUT


async def slow_reader(wire: Wire) -> float:
    """Read an octet of a large answer per second; return likewise."""
    await wire.send(b"GET /unbuffered/floods HTTP/1.1\r\nHost: slow\r\n\r\n")
    await wire.socket.recv(1)
    begun = trio.current_time()  # the proxy can send no more now: all that the window holds is under way

    async def read() -> None:
        with suppress(OSError):
            while await wire.socket.recv(1):
                await trio.sleep(1)

    poll = select.poll()
    poll.register(wire.socket.fileno(), 0)  # resets are always told
    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        while not poll.poll(0):
            await trio.sleep(_LOOK)
        nursery.cancel_scope.cancel()
    return trio.current_time() - begun - SEND_TIMEOUT


KINDS: tuple[Callable[[Wire], Awaitable[float]], ...] = (slow_head, slow_body, slow_reader)


class Run:
    """One run, on *stage*."""

    def __init__(self, stage: Stage, options: argparse.Namespace, report: Says) -> None:
        self._stage, self._report = stage, report
        self._rate, self._seed = options.rate, options.seed
        self._idle = min(options.idle, stage.files - 2000)
        self._late: dict[str, list[float]] = defaultdict(list)

    async def run(self) -> None:
        """Do everything in turn."""
        harms = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Faulty(self._seed).serve, self._stage.ports.faulty)
            await self._measure("warm-up")
            for number in range(1, _ROUNDS + 1):
                alone = await self._measure(f"round {number}, alone")
                crowd = Crowd(self._stage.ports.listen, self._idle)
                try:
                    beside = await self._beside(crowd, number)
                finally:
                    crowd.leave()
                harms.append(beside - alone)
                await trio.sleep(5)
            nursery.cancel_scope.cancel()
        self._judge(statistics.median(harms))

    async def _beside(self, crowd: Crowd, number: int) -> float:
        await crowd.gather()
        async with trio.open_nursery() as nursery:
            for place in range(_SLOW):
                nursery.start_soon(self._be_slow, KINDS[place % len(KINDS)], place / _SLOW)
            await trio.sleep(2)
            beside = await self._measure(f"round {number}, beside {len(crowd)} idle and {_SLOW} slow clients")
            nursery.cancel_scope.cancel()
        self._report.say(f"         {gauge.sample(self._stage.worker)}")
        return beside

    async def _measure(self, what: str) -> float:
        """Have good requests come for a round; return the p99 of their latencies in seconds."""
        with steady(self._stage, self._rate, self._seed) as load:
            await trio.sleep(_ROUND)
        self._report.say(f"{what}: {load.latencies.summary()}")
        if load.failures:
            self._report.check(f"{len(load.failures)} good requests failed {load.failures[:5]}", good=False)
        return load.latencies.percentile(0.99)

    async def _be_slow(self, kind: Callable[[Wire], Awaitable[float]], after: float) -> None:
        """Be slow in this way again and again, beginning *after* so many seconds."""
        await trio.sleep(after)
        while True:
            async with Wire(self._stage.ports.listen, window=4096) as wire:
                late = await kind(wire)
            self._late[kind.__name__].append(late)

    def _judge(self, harm: float) -> None:
        check = self._report.check
        check(f"p99 grown by {harm * 1e3:+.2f} ms beside them (median of {_ROUNDS} rounds)", good=harm <= _HARM)
        for name, late in sorted(self._late.items()):
            said = f"{len(late)} {name}: ended {min(late):+.2f} to {max(late):+.2f} s after the time configured"
            check(said, good=min(late) >= -0.1 and max(late) <= _LATE)
        words = gauge.complaints(self._stage.error_log)
        check(f"{len(words)} alerts and tracebacks {words[:5]}", good=not words)
